"""Shows an answer to a person: the sentence about it, its rows and columns, and the arguments of its next page."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from nlapi.client.message import Result, body_size
from nlapi.openapi.spec import Effect, Operation
from nlapi.resources.answers import answer_schema, answer_schemas, extract_item, extract_list
from nlapi.resources.envelope import SchemaView, value_at
from nlapi.resources.identity import Item, columns, field_at, fields_of, is_empty, text_of
from nlapi.resources.nouns import singular_noun
from nlapi.resources.paging import (
    PageRole,
    has_next_header,
    is_described_query,
    next_page,
    next_query,
    page_parameters,
)
from nlapi.resources.schemas import SchemaReader
from nlapi.tools.tool import Call, Place, Tool

# Largest object two levels deep whose fields are shown one by one; larger ones are shown as one field.
MAX_EXPANDED = 16

VALUE_COLUMN = "value"
"""The column of a list of plain values."""

_WHOLE_BODY = ("body", "")

# The arguments of the next page are those of this one and a cursor; more is not worth a model's context.
MAX_NEXT_PAGE = 4_000

# A line of the reference that a model reads per operation; the whole holds at most 60,000 characters (015-plugins.md).
MAX_FIELDS = 16
MAX_DEPTH = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerView:
    """A view of an answer: a table of `rows`, or the fields of the single row of a resource, or a raw text.

    `columns` are paths of fields, the most informative first; the first `fixed` are shown however narrow the table is.
    `operation` gives the units of amounts. `text` is the same in a sentence; "" without a question. `is_certain` is
    False where a condition of the question could not be applied: the text names its words, which are `unapplied`.
    """

    text: str = ""
    rows: tuple[Item, ...] = ()
    columns: tuple[str, ...] = ()
    fixed: int = 1
    is_single: bool = False
    operation: Operation | None = None
    raw: str = ""
    is_certain: bool = True
    unapplied: tuple[str, ...] = ()

    def records(self) -> list[dict[str, object]]:
        """Return the rows as JSON objects of the columns by their path."""
        return [{path: field_at(row, path) for path in self.columns} for row in self.rows]


def lowercase_headers(result: Result) -> dict[str, str]:
    """Return the headers of an answer by their names in lower case; those of one name as one list (RFC 9110 §5.3)."""
    headers: dict[str, str] = {}
    for name, value in result.headers:
        key = name.lower()
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    return headers


def _table_view(items: Sequence[Item], operation: Operation | None) -> AnswerView:
    """Return the table of several resources."""
    noun = singular_noun(operation) if operation is not None else ()
    return AnswerView(rows=tuple(items), columns=tuple(columns(items, noun)), operation=operation)


def item_view(item: Item, operation: Operation | None) -> AnswerView:
    """Return the fields of one resource; empty fields come last."""
    noun = singular_noun(operation) if operation is not None else ()
    paths = [inner for path in columns([item], noun) for inner in _expanded_paths(path, field_at(item, path))]
    empty = [path for path, field in fields_of(item).items() if is_empty(field)]
    return AnswerView(rows=(item,), columns=(*paths, *empty), is_single=True, operation=operation)


def _expanded_paths(path: str, value: object) -> list[str]:
    """Return the paths of an object's fields where they are few and plain, else the path of the object itself."""
    fields = value if isinstance(value, Mapping) and not text_of(value, path.rpartition(".")[2]) else {}
    plain = not any(isinstance(field, Mapping | list) for field in fields.values())
    return [f"{path}.{name}" for name in fields] if plain and 0 < len(fields) <= MAX_EXPANDED else [path]


def answer_view(result: Result, operation: Operation | None = None) -> AnswerView:
    """Return the view of an answer to a call without a question."""
    listing = extract_list(result.data, operation, lowercase_headers(result))
    if listing is not None and (view := entries_view(listing.entries, operation)) is not None:
        return view
    item = extract_item(result.data, operation) if listing is None else None
    if item is None or is_empty(item):
        return AnswerView(raw=raw_text(result), operation=operation)
    return item_view(item, operation)


def entries_view(entries: Sequence[object], operation: Operation | None = None) -> AnswerView | None:
    """Return the table of the entries of a list; None where they are neither all objects nor all plain values."""
    objects = [entry for entry in entries if isinstance(entry, Mapping)]
    if len(objects) == len(entries):
        return _table_view(objects, operation)
    # A table of objects beside plain values would have empty cells that look like missing data.
    if any(isinstance(entry, list | Mapping) for entry in entries):
        return None
    return AnswerView(
        rows=tuple({VALUE_COLUMN: entry} for entry in entries), columns=(VALUE_COLUMN,), operation=operation
    )


def raw_text(result: Result) -> str:
    """Return an answer that fits no rule unchanged, except that JSON lists get a line for each entry."""
    # One entry a line, so that `grep` and `head` are of use on a list.
    data = result.data
    if isinstance(data, list) and data:
        return "[{}]".format(",\n ".join(json.dumps(entry, ensure_ascii=False) for entry in data))
    return json.dumps(data, ensure_ascii=False) if isinstance(data, Mapping) else result.text.strip()


def next_arguments(
    call: Call, result: Result, data: object = None, *, before: int | None = None
) -> dict[str, object] | None:
    """Return the arguments for the page after `result`; `data` is its body where that has been parsed already.

    `before` is the number of entries on the pages before it, where it is known. {} where there is another page and no
    argument asks for it; None where the answer reports no further page.
    """
    names = {place: name for name, place in call.tool.places.items()}
    body_argument = names.get(_WHOLE_BODY)
    # A body that is one argument hides its properties, and some APIs page by a cursor in the body.
    fields: dict[Place, Any] = {("body", name): value for name, value in call.body_fields.items()}
    values = fields | {place: value for place, value in call.values.items() if place[0] != "body"}
    parsed = result.data if data is None else data
    changed = next_page(call.tool.operation, values, parsed, lowercase_headers(result), before)
    if not changed:
        return None if changed is None else {}
    arguments = dict(call.arguments)
    for place, value in changed.items():
        if place in names:
            arguments[names[place]] = value
        elif body_argument is not None and place[0] == "body":
            arguments[body_argument] = {**arguments.get(body_argument, {}), place[1]: value}
    return arguments if arguments != call.arguments else {}


def next_call(call: Call, result: Result, *, before: int | None = None) -> Call | None:
    """Return the call of the page after `result`; `call` itself where nothing asks for that page, None without one.

    An address in the answer is followed where its parameters are not described (`next_query`).
    """
    following = next_arguments(call, result, before=before)
    if following is None:
        return None
    query = next_query(call.tool.operation, result.url, result.data, lowercase_headers(result))
    if query and (call.page_query or not following or not is_described_query(call.tool.operation, query)):
        further = replace(call, page_query=query)
        # No consent to a change covers one that an answer suggests.
        return further if further.effect is Effect.READ else call
    return replace(call, arguments=following) if following and not call.page_query else call


def page_arguments(tool: Tool, *, sizes: bool = False) -> frozenset[str]:
    """Return the names of the arguments that choose a page or its start; with `sizes`, also its length."""
    places = {
        parameter.place for parameter in page_parameters(tool.operation) if sizes or parameter.role is not PageRole.SIZE
    }
    return frozenset(name for name, place in tool.places.items() if place in places)


def is_list_start(call: Call) -> bool:
    """Return whether a call reads its list from the start: no argument for a page, or one that is its first value."""
    properties = call.tool.input_schema.get("properties", {})
    for name in page_arguments(call.tool):
        value, schema = call.arguments.get(name), properties.get(name, {})
        # Of pages that are counted from 0, 1 is the second.
        if value and value not in (schema.get("default"), schema.get("minimum")):
            return False
    return True


def further_page(call: Call, result: Result, data: object = None) -> dict[str, object]:
    """Return the arguments of the next page for a model; {} if none exists, it is unknown, or they are too long."""
    if call.effect is not Effect.READ or not result.ok:
        return {}
    following = next_arguments(call, result, data) or {}
    # A server that repeats the same cursor would have a model read one page for ever.
    has_more = any(following.get(name) != call.arguments.get(name) for name in page_arguments(call.tool))
    return following if has_more and len(json.dumps(following, default=str)) <= MAX_NEXT_PAGE else {}


def answer_fields(operation: Operation, spell: Callable[[str], str]) -> str:
    """Return the field names of a success answer, passed through `spell`; for a list, those of its items."""
    return _field_names(answer_schemas(operation.spec).reader, answer_schema(operation), spell, 0)


def _field_names(reader: SchemaReader, schema: object, spell: Callable[[str], str], depth: int) -> str:
    if depth > MAX_DEPTH:
        return ""
    if "array" in reader.types(schema):
        items = _field_names(reader, SchemaView(schema, reader).items, spell, depth + 1)
        return f"a list of ({items})" if items else "a list"
    properties = reader.properties(schema)
    names = []
    for name, field_schema in list(properties.items())[:MAX_FIELDS]:
        nested = _field_names(reader, field_schema, spell, depth + 1) if "array" in reader.types(field_schema) else ""
        names.append(f"{spell(name)}: {nested}" if nested.startswith("a list of") else spell(name))
    remaining = len(properties) - MAX_FIELDS
    return ", ".join(names) + (f" and {remaining} more" if remaining > 0 else "")


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
    """an answer was not a success"""
    NO_LIST = "no list"
    """an answer has no list"""
    REPEATED = "repeated"
    """the next page is one that was read already"""
    UNDESCRIBED = "undescribed"
    """there is a further page, and no argument asks for it"""
    MISSING = "missing"
    """fewer entries have come than the API has, and it shows no further page"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageBounds:
    """What is read of a list at most."""

    items: int = MAX_ITEMS
    pages: int = MAX_PAGES
    bytes: int = MAX_BYTES


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
    _visited: set[str] = field(default_factory=set)
    _digests: set[str] = field(default_factory=set)
    _is_from_start: bool = True
    """whether the first call was for the start of the list, which has as many entries as its total tells from there"""
    _is_longer_page: bool = False
    """whether the next page is asked for by its length, and has the entries of the one before it"""

    @property
    def is_whole(self) -> bool:
        """Whether nothing says that an entry has not come."""
        return self.ended is SeriesEnd.COMPLETE or (self.ended is SeriesEnd.NO_LIST and not self.pages)

    def add(self, call: Call, result: Result, bounds: PageBounds, listener: PageListener | None = None) -> Call | None:
        """Take the answer to a call, and return the call of the page after it; None where the series has ended."""
        outcome = self._take(call, result, bounds, listener)
        if isinstance(outcome, SeriesEnd):
            self.ended = outcome
            return None
        return outcome

    def _take(self, call: Call, result: Result, bounds: PageBounds, listener: PageListener | None) -> Call | SeriesEnd:
        if not self._visited:
            self._is_from_start = is_list_start(call)
        self._visited.add(_key(call))
        self.last = result
        if not result.ok:
            return SeriesEnd.FAILED
        headers = lowercase_headers(result)
        part = extract_list(result.data, call.tool.operation, headers)
        entries = value_at(result.data, part.envelope.keys) if part is not None else None
        if part is None or not isinstance(entries, list):
            has_more = not self.pages and has_next_header(headers)
            return SeriesEnd.UNDESCRIBED if has_more else SeriesEnd.NO_LIST
        if self._is_longer_page:
            # It has the entries of the page that it is asked for in place of.
            self.entries.clear()
            self.pages = self.size = 0
        # Some servers take any page for the first one. Plain values, such as days without sales, may be the same.
        page = _digest(entries) if any(isinstance(entry, Mapping) for entry in entries) else ""
        if page and page in self._digests and not self._is_longer_page:
            return SeriesEnd.REPEATED
        self._digests.add(page)
        before = len(self.entries)
        self.entries += entries
        self.size += body_size(result)
        self.pages += 1
        self.total = part.total if part.total is not None else self.total
        if listener is not None:
            listener(self)
        return self._following(call, next_call(call, result, before=before if self._is_from_start else None), bounds)

    def _following(self, call: Call, following: Call | None, bounds: PageBounds) -> Call | SeriesEnd:
        """Return the call of the next page, or why it is not read."""
        # The last page too may have more entries than are wanted.
        count = len(self.entries)
        if count > bounds.items or (count == bounds.items and following is not None):
            del self.entries[bounds.items :]
            return SeriesEnd.ITEMS
        if following is None:
            is_missing = self._is_from_start and self.total is not None and self.total > count
            return SeriesEnd.MISSING if is_missing else SeriesEnd.COMPLETE
        if self.pages >= bounds.pages or self.size >= bounds.bytes:
            return SeriesEnd.PAGES if self.pages >= bounds.pages else SeriesEnd.SIZE
        if following == call:
            return SeriesEnd.UNDESCRIBED
        changed = {name for name, value in following.arguments.items() if call.arguments.get(name) != value}
        sizes = page_arguments(call.tool, sizes=True) - page_arguments(call.tool)
        self._is_longer_page = bool(changed) and changed <= sizes
        return SeriesEnd.REPEATED if _key(following) in self._visited else following


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
    bounds = PageBounds(items=max_items, pages=max_pages, bytes=max_bytes)
    following: Call | None = call
    while following is not None:
        following = series.add(following, await send(following), bounds, listener)
    return series


def _digest(entries: list[Any]) -> str:
    return hashlib.sha256(json.dumps(entries, sort_keys=True, default=str).encode("utf-8", "surrogatepass")).hexdigest()


def _key(call: Call) -> str:
    return json.dumps([call.arguments, call.page_query], sort_keys=True, default=str)
