"""The request and the answer of an operation, with paging."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date, timedelta
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias

import orjson
from msgspec import Struct, field
from msgspec.structs import replace
from xxhash import xxh3_128_hexdigest

from nlapi.gateway.control.access import Caller, Role, format_time, utc_now
from nlapi.gateway.control.codec import slug
from nlapi.gateway.http.client_connection import AsgiConnection
from nlapi.gateway.store.store import AuditEntry, RowPage

if TYPE_CHECKING:
    from nlapi.gateway.control.publisher import ChangeOptions
    from nlapi.gateway.http.app import Gateway


MAX_AUDIT_TARGET = 300
"""characters of a path that the audit log keeps"""


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
        """The options of Publisher for a change by this call."""
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
    """the text for the audit log without a revision"""
    is_live: bool = False
    """whether the body has more than the revision of its ETag stands for, such as traffic: it is always sent"""
    streamed: bool = False
    """whether the answer was sent as a stream of events already"""


Handler: TypeAlias = Callable[[ApiCall], Awaitable[ApiResponse]]


def operation_handlers(*modules: ModuleType) -> dict[str, Handler]:
    """Return operationId -> function of modules whose functions have the names of operations, in snake case."""
    handlers: dict[str, Handler] = {}
    for module in modules:
        for name, function in vars(module).items():
            if inspect.iscoroutinefunction(function) and function.__module__ == module.__name__ and name[0] != "_":
                first, *others = name.split("_")
                handlers[first + "".join(map(str.capitalize, others))] = function
    return handlers


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


_TAG = re.compile(r'(?:W/)?"([^"]*)"')
# To be stored by the reader alone, and asked about each time; answers without a tag are not to be stored at all.
_REVALIDATED = {"Cache-Control": "private, no-cache"}


def is_current(if_none_match: str, etag: str) -> bool:
    """Return whether an If-None-Match header names the tag, by weak comparison (§8.8.3.2)."""
    tags = _TAG.findall(if_none_match)
    return if_none_match.strip() == "*" or etag.removeprefix("W/").strip('"') in tags


def not_modified(etag: str) -> ApiResponse:
    """Return the 304 of a tag."""
    return ApiResponse(body="", status=304, headers={"ETag": etag, **_REVALIDATED})


def with_etag(answer: ApiResponse, if_none_match: str) -> ApiResponse:
    """Return a 200 with its tag, or a 304 when the reader has it.

    An answer whose handler gave it no tag is tagged by its content. One that is live has the tag for If-Match alone.
    """
    if answer.status != 200:
        return answer
    etag = answer.headers.get("ETag", "")
    if not etag:
        content = orjson.dumps(answer.body)
        # Weak: the tag is of the content, and not of its bytes on the way.
        etag, answer = f'W/"{xxh3_128_hexdigest(content)}"', replace(answer, body=content)
    if if_none_match and not answer.is_live and is_current(if_none_match, etag):
        return not_modified(etag)
    return replace(answer, headers={**answer.headers, "ETag": etag, **_REVALIDATED})
