"""What an operation is given and gives back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from nlapi.gateway.access import Caller
from nlapi.gateway.codec import slug

if TYPE_CHECKING:
    from nlapi.gateway.app import Gateway


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request that was checked: everything fits the description, and the caller may make it."""

    gateway: Gateway
    operation: str
    caller: Caller
    path: Mapping[str, Any] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    trace: str = ""
    """the W3C traceparent that came with it"""

    def name(self, parameter: str) -> str:
        """A name in the path, as the gateway keeps it."""
        return slug(self.path[parameter])

    @property
    def why(self) -> str:
        return str(self.query.get("why", ""))

    @property
    def expected(self) -> int | None:
        """The revision that has to be current still (If-Match, or `revision` in the body)."""
        given = self.headers.get("if-match")
        return int(given.strip('"')) if given else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is sent back. `body` is sent as JSON unless it is text."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = "application/json"
    made: int = 0
    """the revision that it made, for the audit log"""
    told: str = ""
    """what the audit log says of it when it made none"""


Handler: TypeAlias = Callable[[Call], Awaitable[Answer]]


def etag(revision: int) -> dict[str, str]:
    return {"ETag": f'"{revision}"'}


def page_of(items: Sequence[Any], call: Call) -> Answer:
    """The page of a whole list that `limit` and `cursor` ask for."""
    start = cursor(call)
    end = start + call.query["limit"]
    after = str(end) if end < len(items) else None
    page = {"next_cursor": after, "total": len(items)}
    return Answer(body={"data": list(items[start:end]), "page": page})


def cursor(call: Call) -> int:
    """The place where a page begins; 0 for the first."""
    return int(call.query.get("cursor", 0))


def period(call: Call) -> tuple[str, str]:
    """Since when and until before when: the moments that the days of the query stand for."""
    from datetime import date, timedelta

    day = call.query.get("day", "")
    since, until = call.query.get("since", day), call.query.get("until", day)
    try:
        after = str(date.fromisoformat(until) + timedelta(days=1)) if until else ""
    except OverflowError:
        after = ""
    return since, after
