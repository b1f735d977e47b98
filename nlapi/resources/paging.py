"""Finds the parameters that page through a list, and the values that ask for the page after an answer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from nlapi.openapi.parts import Schema
from nlapi.openapi.spec import Operation
from nlapi.resources.answers import answer_schemas, list_in
from nlapi.resources.envelope import value_at
from nlapi.resources.identity import id_of
from nlapi.resources.naming import name_key, name_words
from nlapi.resources.paths import Place
from nlapi.resources.schemas import schema_types


class PageRole(StrEnum):
    """The meaning of a parameter for paging: length of the page, number, entries before it, or a cursor."""

    SIZE = "size"
    NUMBER = "number"
    OFFSET = "offset"
    CURSOR = "cursor"


SIZES = frozenset(
    "limit pagesize perpage pagelimit size maxresults maxitems top take first count itemsperpage resultsperpage "
    "pagelength pagelen numresults rows max maxresult resultsize batchsize perpagecount".split()
)
"""Names of parameters with the length of a page, without case and separators."""
OFFSETS = frozenset("offset skip pageoffset startindex start from startat firstresult startrecord".split())
NUMBERS = frozenset("page pagenumber pageno pagenum currentpage pageindex pageid".split())
CURSORS = frozenset(
    "cursor pagetoken nexttoken continuationtoken pagecursor nextcursor nextpagetoken marker token startingafter after "
    "next continuation continue startcursor startafter exclusivestartkey scrollid bookmark nextpage pageafter sinceid "
    "pageinfo offset".split()
)
"""Names of parameters with a cursor, without case and separators; those of numbers only where it is no number."""

_CURSOR_ENDINGS = ("cursor", "pagetoken", "nexttoken", "continuationtoken")
# Flags of envelopes that are true while there is another page; those of _LAST_FLAGS are true on the last page.
_MORE = frozenset("hasmore hasnext hasnextpage more istruncated truncated moreitems hasmoreitems".split())
_LAST = frozenset(("islast", "last", "islastpage", "lastpage", "done", "complete"))
# Names of numbers and sizes of pages that count also where the parameter takes a text.
_TEXTS_TOO = frozenset("page pagenumber limit perpage pagesize maxresults maxitems".split())

_AFTER = frozenset("after cursor continuation continuationtoken endcursor continue marker scrollid offset".split())
# A link with `rel=next` in a Link header (RFC 8288 §3).
_NEXT_LINK = re.compile(r'<([^>]+)>\s*;[^,]*\brel="?next\b', re.IGNORECASE)
# Levels of objects in which an envelope has fields of its pages: DigitalOcean's `links.pages.next` is in the third.
_STEPS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class PageParameter:
    """A parameter for paging, with its schema."""

    place: Place
    role: PageRole
    schema: Schema

    @property
    def name(self) -> str:
        return self.place[1]

    def numbered(self, number: int) -> Any:
        """Return a number in the type that the parameter takes."""
        return str(number) if schema_types(self.schema) == ("string",) else number


def _typed(text: str, schema: Schema) -> Any:
    whole = {"integer", "number"} & set(schema_types(schema)) and text.lstrip("-").isdecimal()
    return int(text) if whole else text


def page_role(name: str, types: Sequence[str]) -> PageRole | None:
    """Return the paging role of a parameter with that name and those JSON types; None where it has none."""
    key = name_key(name)
    words = name_words(name)
    if "integer" in types or "number" in types or not types or key in _TEXTS_TOO:
        inner = key.removeprefix("page") if words[:1] == ("page",) and len(words) > 1 else key  # of page[size]
        for role, names in ((PageRole.SIZE, SIZES), (PageRole.OFFSET, OFFSETS), (PageRole.NUMBER, NUMBERS)):
            if key in names or (inner != key and inner in names):
                return role
        if types:
            return PageRole.NUMBER if inner == "number" and inner != key else None
    texts = "string" in types or not types
    return PageRole.CURSOR if texts and (key in CURSORS or key.endswith(_CURSOR_ENDINGS)) else None


def page_parameters(operation: Operation) -> tuple[PageParameter, ...]:
    """Return the paging parameters of an operation: of its query, and of the body where it reads by POST."""
    reader = answer_schemas(operation.spec).reader
    described: list[tuple[Place, Any]] = [
        ((one.where, one.name), one.schema) for one in operation.parameters if one.where == "query"
    ]
    if operation.body is not None:
        described += [(("body", name), one) for name, one in reader.properties(operation.body.schema).items()]
    found = ((place, page_role(place[1], reader.types(schema)), schema) for place, schema in described)
    return tuple(
        PageParameter(place=place, role=role, schema=reader.flat(schema)) for place, role, schema in found if role
    )


def next_page(
    operation: Operation, values: Mapping[Place, Any], data: Any, headers: Mapping[str, str] | None = None
) -> dict[Place, Any] | None:
    """Return the values by place that ask for the page after the one in `data`.

    {} where the answer has another page and no parameter asks for it; None where there is no sign of another page.
    `values` are those of the call, by place. It reads the Link header (RFC 8288), links and cursors in the envelope,
    flags such as `has_more`, totals, and whether the page has as many entries as were requested.
    """
    listed = list_in(data, operation, headers)
    if listed is None or listed.envelope.is_map:
        return None
    parameters = page_parameters(operation)
    by_name = {name.lower(): value for name, value in (headers or {}).items()}
    link = _NEXT_LINK.search(by_name.get("link", ""))
    signs = [("next", link.group(1))] if link else list(_next_signs(data, listed.envelope.keys))
    count, flag = len(listed.entries), _more_flag(data, listed.envelope.keys)
    # GraphQL connections send `endCursor` with their last page too, so that a flag goes before cursors.
    if flag is False or not (signs or flag or _is_unfinished(parameters, values, count, listed.total)):
        return None
    changes = next((found for _, value in signs if (found := _by_link(operation, values, value))), None)
    if changes is None:
        names = {name_key(one.name) for one in parameters}
        signs.sort(key=lambda sign: name_key(sign[0]) not in names)
        changes = next((found for name, value in signs if (found := _by_sign(parameters, name, value))), None)
    if changes is None:
        last = listed.entries[-1] if listed.entries else None
        changes = _stepped(parameters, values, count, last) if count else {}
    return {**values, **changes} if changes else {}


def _objects(data: Any, keys: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    """Yield the objects around a list that may be about its pages, without the listed entries."""
    places = [value_at(data, tuple(keys[:size])) for size in range(len(keys) + 1)]
    for place in places:
        if isinstance(place, Mapping):
            yield from _inner(place, _STEPS, keys)


def _inner(place: Mapping[str, Any], depth: int, keys: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    yield place
    for name, value in place.items() if depth > 1 else ():
        if isinstance(value, Mapping) and name not in keys:
            yield from _inner(value, depth - 1, keys)


def _next_signs(data: Any, keys: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield names and values of cursors, numbers and addresses of the next page in an envelope."""
    for place in _objects(data, keys):
        for name, value in place.items():
            ahead = leads_ahead(name)
            # an object called next has the values that ask for it, as Intercom's `{"page": 2, "starting_after": "x"}`
            held = value.items() if ahead and isinstance(value, Mapping) else [(name, value)] if ahead else []
            for inner, sign in held:
                # a number called offset tells where this page began
                offset = name_key(inner) == "offset" and not isinstance(sign, str)
                if not offset and sign and isinstance(sign, str | int) and not isinstance(sign, bool):
                    yield inner, str(sign)


def _more_flag(data: Any, keys: Sequence[str]) -> bool | None:
    """Return the flag of an envelope for another page; None where it has none."""
    for place in _objects(data, keys):
        for name, value in place.items():
            key = name_key(name)
            if (key in _MORE and value is True) or (key in _LAST and value is False):
                return True
            # `done: true` may be the state of a job and says nothing of pages.
            if (key in _MORE and value is False) or (key in _LAST - {"done", "complete"} and value is True):
                return False
    return None


def _is_unfinished(
    parameters: Sequence[PageParameter], values: Mapping[Place, Any], count: int, total: int | None
) -> bool:
    if total is not None:
        return total > _before(parameters, values, count) + count
    size = next((_number(one, values) for one in parameters if one.role is PageRole.SIZE), None)
    return count > 0 and size is not None and count >= size


def _before(parameters: Sequence[PageParameter], values: Mapping[Place, Any], count: int) -> int:
    """Return the number of entries on the pages before this one."""
    for one in parameters:
        if one.role is PageRole.OFFSET:
            return _number(one, values) or 0
        if one.role is PageRole.NUMBER:
            sizes = (_number(other, values) for other in parameters if other.role is PageRole.SIZE)
            return max(0, _current(one, values) - first_number(one.schema)) * (next(sizes, None) or count)
    return 0


def _by_link(operation: Operation, values: Mapping[Place, Any], text: str) -> dict[Place, Any]:
    """Return the values of query parameters in the address of the next page, as far as they change."""
    query = dict(parse_qsl(urlsplit(text).query))
    reader = answer_schemas(operation.spec).reader
    changes: dict[Place, Any] = {}
    for one in operation.parameters if query else ():
        schema = reader.flat(one.schema)
        if one.where == "query" and one.name in query and not {"array", "object"} & set(schema_types(schema)):
            value = _typed(query[one.name], schema)
            changes |= {("query", one.name): value} if values.get(("query", one.name)) != value else {}
    return changes


def _by_sign(parameters: Sequence[PageParameter], name: str, text: str) -> dict[Place, Any]:
    """Return the cursor or the number of the next page by the place of its parameter."""
    if re.match(r"https?://|/", text) or urlsplit(text).query:
        return {}
    cursors = [one for one in parameters if one.role is PageRole.CURSOR]
    named = [one for one in cursors if name_key(one.name) in name_key(name) or name_key(name) in name_key(one.name)]
    if cursors:
        # A cursor cut from an address is percent-encoded; in a request it would be encoded once more.
        return {(named or cursors)[0].place: unquote(text) if "%" in text else text}
    number = next((one for one in parameters if one.role is PageRole.NUMBER), None)
    if number is not None and text.isdecimal() and "offset" not in name.lower():
        return {number.place: number.numbered(int(text))}
    offset = next((one for one in parameters if one.role is PageRole.OFFSET), None)
    return {offset.place: int(text)} if offset is not None and text.isdecimal() else {}


def _stepped(
    parameters: Sequence[PageParameter], values: Mapping[Place, Any], count: int, last: Any
) -> dict[Place, Any]:
    """Return the values of the next page by number, offset or last entry, else those of a longer page."""
    for one in parameters:
        if one.role is PageRole.NUMBER:
            return {one.place: one.numbered(_current(one, values) + 1)}
        if one.role is PageRole.OFFSET:
            return {one.place: (_number(one, values) or 0) + count}
    id = id_of(last) if isinstance(last, Mapping) else None
    for one in parameters:
        if one.role is PageRole.CURSOR and name_key(one.name) in ("startingafter", "startafter", "after") and id:
            return {one.place: id}
    size = next((one for one in parameters if one.role is PageRole.SIZE), None)
    most = size.schema.get("maximum") if size is not None else None
    # Without any cursor, the longest page that the schema allows has the most entries.
    if size is not None and isinstance(most, int) and most > count and values.get(size.place) != most:
        return {size.place: most}
    return {}


def _number(one: PageParameter, values: Mapping[Place, Any]) -> int | None:
    value = values.get(one.place, one.schema.get("default"))
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def first_number(schema: Schema) -> int:
    """Return the number of the first page: 1, unless the schema has page 0 as default or minimum."""
    default = schema.get("default")
    return 0 if default == 0 or (schema.get("minimum") == 0 and default != 1) else 1


def _current(one: PageParameter, values: Mapping[Place, Any]) -> int:
    found = _number(one, values)
    return first_number(one.schema) if found is None else found


def flag_of_more(name: str) -> bool | None:
    """Return the value of an envelope's flag of that name while there are more pages; None for another flag."""
    key = name_key(name)
    return True if key in _MORE else False if key in _LAST else None


def leads_ahead(name: str) -> bool:
    """Return whether a field of that name in an envelope leads to the next page."""
    return "next" in name_words(name) or name_key(name) in _AFTER
