"""The request and the answer of an operation, with paging."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict

from msgspec import Struct, field

from nlapi.gateway.access import Caller, Role, format_time, utc_now
from nlapi.gateway.client_connection import AsgiConnection
from nlapi.gateway.codec import slug
from nlapi.gateway.store import AuditEntry, RowPage

if TYPE_CHECKING:
    from nlapi.gateway.app import Gateway


MAX_AUDIT_TARGET = 300
"""characters of a path that the audit log keeps"""


class ChangeOptions(TypedDict):
    """Who makes a change, why, and on which revision: the arguments of Publisher for a change by the API."""

    author: str
    reason: str
    expected: int | None
    is_admin: bool
    audit: AuditEntry


class ApiCall(Struct, frozen=True, kw_only=True):
    """A request whose values fit the description and whose caller is authorized."""

    gateway: Gateway
    operation: str
    caller: Caller
    path: Mapping[str, Any] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    traceparent: str = ""
    """the W3C traceparent of the request"""
    accept: str = ""
    connection: AsgiConnection | None = None
    """the connection of a client of the serve audience, for answers that are streamed"""
    target: str = ""
    """the path as it was sent, for the audit log"""

    @property
    def audit_entry(self) -> AuditEntry:
        """The entry of the audit log for a revision that this call publishes."""
        return AuditEntry(
            at=format_time(utc_now()),
            who=self.caller.name,
            action=self.operation,
            target=self.target[:MAX_AUDIT_TARGET],
            outcome="done",
        )

    @property
    def change_options(self) -> ChangeOptions:
        """The arguments of Publisher for a change by this call."""
        return {
            "author": self.caller.name,
            "reason": self.reason,
            "expected": self.expected_revision,
            "is_admin": self.caller.role is Role.ADMIN,
            "audit": self.audit_entry,
        }

    def stored_name(self, parameter: str) -> str:
        """Return a name in the path in its stored spelling."""
        return slug(self.path[parameter])

    @property
    def is_admin(self) -> bool:
        """Whether the caller's role is admin."""
        return self.caller.role is Role.ADMIN

    @property
    def reason(self) -> str:
        """The reason of a change, for its revision."""
        return str(self.query.get("why", ""))

    @property
    def expected_revision(self) -> int | None:
        """The revision that has to be current (If-Match, RFC 9110 §13.1.1), or None."""
        if_match = self.headers.get("if-match")
        return int(if_match.strip('"')) if if_match else None


class ApiResponse(Struct, frozen=True, kw_only=True):
    """The answer to an ApiCall; `body` is sent as JSON unless it is text or bytes."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = "application/json"
    revision: int = 0
    """the revision that the operation published; its entry of the audit log was committed with it"""
    audit_detail: str = ""
    """the text for the audit log when there is no revision"""
    is_live: bool = False
    """whether the body has more than the revision of its ETag stands for, such as traffic: it is always sent"""
    streamed: bool = False
    """whether the answer was sent as a stream of events already"""


Handler: TypeAlias = Callable[[ApiCall], Awaitable[ApiResponse]]


def etag_header(revision: int) -> dict[str, str]:
    """Return the ETag header of a revision."""
    return {"ETag": f'"{revision}"'}


def list_page(items: Sequence[Any], call: ApiCall) -> ApiResponse:
    """Return the page of a whole list that the query's `limit` and `cursor` select."""
    start = page_start(call)
    end = start + call.query["limit"]
    return page_response(items[start:end], RowPage(rows=(), next=end if end < len(items) else 0, total=len(items)))


def page_response(rows: Sequence[Any], page: RowPage) -> ApiResponse:
    """Return the answer with the rows of a page as they are sent."""
    # The cursor is opaque for clients: an offset into a list, or a key of the store, which stays valid when rows come.
    next_cursor = str(page.next) if page.next else None
    return ApiResponse(body={"data": list(rows), "page": {"next_cursor": next_cursor, "total": page.total}})


def page_start(call: ApiCall) -> int:
    """Return the start of the page; 0 for the first."""
    return int(call.query.get("cursor", 0))


def day_range(call: ApiCall) -> tuple[str, str]:
    """Return the start and the exclusive end of the days and minutes in the query; "" where it is open."""
    day = call.query.get("day", "")
    since, until = call.query.get("since", day), call.query.get("until", day)
    # Times are compared as text: "2026-11-26" is below every time of that day, and so ends the day before.
    try:
        end = str(date.fromisoformat(until) + timedelta(days=1)) if until else ""
    except OverflowError:  # the day after 9999-12-31
        end = ""
    if (minutes := call.query.get("minutes")) is not None:
        since = max(since, format_time(utc_now() - timedelta(minutes=minutes)))
    return since, end
