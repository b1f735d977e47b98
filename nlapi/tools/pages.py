"""Reads every page of a list, within bounds, through the one way to send."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from nlapi.client.message import Result, body_size
from nlapi.resources.answers import extract_list
from nlapi.resources.envelope import value_at
from nlapi.resources.paging import has_next_header
from nlapi.tools.answer_view import lowercase_headers, next_arguments, page_arguments
from nlapi.tools.tool import Call

# Bounds of a person's `--all`: what a terminal and a table can still be asked for. Both are options.
MAX_ITEMS = 10_000
MAX_PAGES = 1_000
# Bytes of the bodies of all pages together, which take six times as much memory as values.
MAX_BYTES = 200_000_000

Send = Callable[[Call], Awaitable[Result]]
PageListener = Callable[["PageSeries"], None]


class SeriesEnd(StrEnum):
    """The reason why no further page was read."""

    COMPLETE = "complete"
    """the API shows no further page"""
    ITEMS = "items"
    """as many entries as were asked for have come"""
    PAGES = "pages"
    """as many pages as were asked for have come"""
    SIZE = "size"
    """as many bytes as are read at most have come"""
    FAILED = "failed"
    """an answer was no success"""
    NO_LIST = "no list"
    """an answer has no list"""
    REPEATED = "repeated"
    """the next page is one that was read already"""
    UNDESCRIBED = "undescribed"
    """there is a further page, and no argument asks for it"""
    MISSING = "missing"
    """fewer entries have come than the API has, and it shows no further page"""


@dataclass(slots=True, kw_only=True)
class PageSeries:
    """The pages of a list as they come: their entries in order, the number of pages, and the last answer."""

    entries: list[Any] = field(default_factory=list)
    pages: int = 0
    size: int = 0
    """the bytes of the bodies of these pages"""
    last: Result | None = None
    total: int | None = None
    """the number of entries in all that the API tells, if it does"""
    ended: SeriesEnd = SeriesEnd.COMPLETE

    @property
    def is_whole(self) -> bool:
        """Whether there is no sign of an entry that has not come."""
        return self.ended is SeriesEnd.COMPLETE or (self.ended is SeriesEnd.NO_LIST and not self.pages)


async def read_pages(
    call: Call,
    send: Send,
    *,
    max_items: int = MAX_ITEMS,
    max_pages: int = MAX_PAGES,
    max_bytes: int = MAX_BYTES,
    listener: PageListener | None = None,
    series: PageSeries | None = None,
) -> PageSeries:
    """Return the entries of every page from that of `call` on, as far as the bounds allow; it sends reads only.

    `series` is filled as the pages come, so that what was read before an error of `send` is not lost.
    """
    series = series if series is not None else PageSeries()
    visited: set[str] = set()
    pages = page_arguments(call.tool)
    sizes = page_arguments(call.tool, sizes=True) - pages
    # From its start on, a list has as many entries as its total tells.
    is_from_start = not any(call.arguments.get(name) for name in pages)
    is_longer_page = False
    pages_read: set[str] = set()
    while True:
        visited.add(_key(call))
        result = await send(call)
        series.last = result
        if not result.ok:
            return _ended(series, SeriesEnd.FAILED)
        headers = lowercase_headers(result)
        part = extract_list(result.data, call.tool.operation, headers)
        entries = value_at(result.data, part.envelope.keys) if part is not None else None
        if part is None or not isinstance(entries, list):
            has_more = not series.pages and has_next_header(headers)
            return _ended(series, SeriesEnd.UNDESCRIBED if has_more else SeriesEnd.NO_LIST)
        if is_longer_page:
            # It has the entries of the page that it is asked for in place of.
            series.entries.clear()
            series.pages = series.size = 0
        # Some servers take any page for the first one. Plain values, such as days without sales, may be the same.
        page = _digest(entries) if any(isinstance(entry, Mapping) for entry in entries) else ""
        if page and page in pages_read and not is_longer_page:
            return _ended(series, SeriesEnd.REPEATED)
        pages_read.add(page)
        before = len(series.entries)
        series.entries += entries
        series.size += body_size(result)
        series.pages += 1
        series.total = part.total if part.total is not None else series.total
        if listener is not None:
            listener(series)
        following = next_arguments(call, result, before=before if is_from_start else None)
        # The last page too may have more entries than are wanted.
        if len(series.entries) > max_items or (len(series.entries) == max_items and following is not None):
            del series.entries[max_items:]
            return _ended(series, SeriesEnd.ITEMS)
        if following is None:
            is_missing = is_from_start and series.total is not None and series.total > len(series.entries)
            return _ended(series, SeriesEnd.MISSING if is_missing else SeriesEnd.COMPLETE)
        if series.pages >= max_pages or series.size >= max_bytes:
            return _ended(series, SeriesEnd.PAGES if series.pages >= max_pages else SeriesEnd.SIZE)
        if not following:
            return _ended(series, SeriesEnd.UNDESCRIBED)
        changed = {name for name, value in following.items() if call.arguments.get(name) != value}
        is_longer_page = changed <= sizes
        call = replace(call, arguments=following)
        if _key(call) in visited:
            return _ended(series, SeriesEnd.REPEATED)


def _ended(series: PageSeries, ended: SeriesEnd) -> PageSeries:
    series.ended = ended
    return series


def _digest(entries: list[Any]) -> str:
    return hashlib.sha256(json.dumps(entries, sort_keys=True, default=str).encode("utf-8", "surrogatepass")).hexdigest()


def _key(call: Call) -> str:
    return json.dumps(call.arguments, sort_keys=True, default=str)
