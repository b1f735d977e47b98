"""Finds the parameters that page through a list, and the values that ask for the page after an answer."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urljoin, urlsplit

from nlapi.english import lexicon
from nlapi.english.words import name_key, name_words
from nlapi.lazy_pattern import lazy_pattern
from nlapi.openapi.spec import Effect, Operation, Schema
from nlapi.resources.answers import answer_schemas, extract_list
from nlapi.resources.envelope import value_at, whole_number
from nlapi.resources.identity import id_of
from nlapi.resources.paths import Place
from nlapi.resources.schemas import SchemaReader, schema_types


class PageRole(StrEnum):
    """The meaning of a parameter for paging: length of the page, number, entries before it, or a cursor."""

    SIZE = "size"
    NUMBER = "number"
    OFFSET = "offset"
    CURSOR = "cursor"


SIZE_NAMES = lexicon.words("resources/words", "size_names")
"""Names of parameters with the length of a page, without case and separators."""
OFFSET_NAMES = frozenset("offset skip pageoffset startindex start from startat firstresult startrecord".split())
NUMBER_NAMES = frozenset("page pagenumber pageno pagenum currentpage pageindex pageid".split())
_NUMERIC_ROLES = ((PageRole.SIZE, SIZE_NAMES), (PageRole.OFFSET, OFFSET_NAMES), (PageRole.NUMBER, NUMBER_NAMES))
CURSOR_NAMES = lexicon.words("resources/words", "cursor_names")
"""Names of parameters with a cursor, without case and separators; those of numbers only where it is not a number."""

_CURSOR_ENDINGS = ("cursor", "pagetoken", "nexttoken", "continuationtoken")
# Flags of envelopes that are true while there is another page; those of _LAST_FLAGS are true on the last page.
_MORE_FLAGS = frozenset("hasmore hasnext hasnextpage more istruncated truncated moreitems hasmoreitems".split())
_LAST_FLAGS = frozenset(("islast", "last", "islastpage", "lastpage", "done", "complete"))
# Some servers write their flags as texts.
_FLAG_TEXTS = {"true": True, "True": True, "false": False, "False": False}
# Names of numbers and sizes of pages that count also where the parameter takes a text.
_TEXT_NAMES = frozenset("page pagenumber limit perpage pagesize maxresults maxitems".split())

_AFTER_NAMES = lexicon.words("resources/words", "after_names")
# Names of the number of all pages.
_PAGE_COUNT_NAMES = frozenset("totalpages pagestotal pagecount pages numpages lastpage wptotalpages".split())
# A link with `rel=next` in a Link header (RFC 8288 §3), also beside other relations.
_NEXT_LINK = lazy_pattern(r"""<([^>]+)>\s*;[^,]*\brel\s*=\s*["']?(?:[\w-]+\s+){0,4}next\b""", re.IGNORECASE)
# Words of headers about pages: GitLab's X-Next-Page, Azure's x-ms-continuation, ASP.NET's X-Pagination. A header that
# has any other word, such as X-Next-Run, says nothing of pages.
_HEADER_WORDS = lexicon.words("resources/words", "header_words")
# The length of a page that is asked for where a schema's maximum is that of a number type (2^63 - 1) and not of a page:
# the most that GitHub, Stripe, Microsoft Graph and Elasticsearch give are 100, 100, 999 and 10,000.
MAX_PAGE_SIZE = 10_000
_LARGE_PAGE_SIZE = 1_000
# The characters of a query (RFC 3986 §3.4), and those of what is encoded already.
_QUERY_CHARACTERS = "-._~!$&'()*+,;=:@/?%"
# Levels of objects in which an envelope has fields of its pages: DigitalOcean's `links.pages.next` is in the third.
_MAX_DEPTH = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class PageParameter:
    """A parameter for paging, with its schema."""

    place: Place
    role: PageRole
    schema: Schema

    @property
    def name(self) -> str:
        return self.place[1]

    def to_type(self, number: int) -> object:
        """Return a number in the type that the parameter takes."""
        return str(number) if schema_types(self.schema) == ("string",) else number


def _parse_value(text: str, schema: Schema) -> object:
    number = whole_number(text.removeprefix("-")) if {"integer", "number"} & set(schema_types(schema)) else None
    if number is None:
        return text
    return -number if text.startswith("-") else number


def page_role(name: str, types: Sequence[str]) -> PageRole | None:
    """Return the paging role of a parameter with that name and those JSON types; None where it has none."""
    key = name_key(name)
    words = name_words(name)
    if "integer" in types or "number" in types or not types or key in _TEXT_NAMES:
        bracketed = key.removeprefix("page") if words[:1] == ("page",) and len(words) > 1 else ""  # of page[size]
        role = next((role for role, names in _NUMERIC_ROLES if key in names or bracketed in names), None)
        if role is not None or types:
            return PageRole.NUMBER if role is None and bracketed == "number" else role
    accepts_text = "string" in types or not types
    return PageRole.CURSOR if accepts_text and (key in CURSOR_NAMES or key.endswith(_CURSOR_ENDINGS)) else None


def page_parameters(operation: Operation) -> tuple[PageParameter, ...]:
    """Return the paging parameters of an operation: of its query, and of the body where it reads by POST."""
    reader = answer_schemas(operation.spec).reader
    schemas: list[tuple[Place, Any, bool]] = [
        ((entry.location, entry.name), entry.schema, entry.required)
        for entry in operation.parameters
        if entry.location == "query"
    ]
    if operation.body is not None:
        required = reader.flat(operation.body.schema).get("required") or ()
        properties = reader.properties(operation.body.schema)
        schemas += [(("body", name), entry, name in required) for name, entry in properties.items()]
    candidates = (
        (place, page_role(place[1], reader.types(schema)), reader.flat(schema), is_required)
        for place, schema, is_required in schemas
    )
    parameters = [
        PageParameter(place=place, role=role, schema=schema)
        for place, role, schema, is_required in candidates
        if role is not None and not (role is PageRole.CURSOR and _is_no_cursor(schema, is_required))
    ]
    # Slack's optional `token` is a credential beside `cursor`: the surer name goes first.
    return tuple(sorted(parameters, key=lambda parameter: not _has_sure_name(parameter)))


def _is_no_cursor(schema: Schema, is_required: bool) -> bool:
    """Return whether a parameter cannot take a cursor: the first page is read without one; a date is not a cursor."""
    return is_required or str(schema.get("format", "")).startswith("date")


def _has_sure_name(parameter: PageParameter) -> bool:
    words = name_words(parameter.name)
    return parameter.role is not PageRole.CURSOR or not {"cursor", "page", "next", "continuation"}.isdisjoint(words)


def gives_cursors(operation: Operation) -> bool:
    """Return whether the answer of a list has a text that leads to the next page, by its schema or in a Link header."""
    response = operation.response()
    if response is not None and any(name.lower() == "link" for name in response.headers):
        return True
    view = answer_schemas(operation.spec).schema_view(operation)
    return view is not None and _has_next_text(view.schema, answer_schemas(operation.spec).reader, _MAX_DEPTH)


def _has_next_text(schema: object, reader: SchemaReader, depth: int) -> bool:
    for name, inner in reader.properties(schema).items():
        types = reader.types(inner)
        if leads_to_next_page(name) and (not types or {"string", "object"} & set(types)):
            return True
        if depth > 1 and "object" in types and _has_next_text(inner, reader, depth - 1):
            return True
    return False


def next_page(
    operation: Operation,
    values: Mapping[Place, object],
    data: object,
    headers: Mapping[str, str] | None = None,
    before: int | None = None,
) -> dict[Place, object] | None:
    """Return the values by place that ask for the page after the one in `data`.

    {} where the answer has another page and no parameter asks for it; None without a sign of another page.
    `values` are those of the call, by place, and `before` is the number of entries on the pages before this one, where
    it is known. It reads the Link header (RFC 8288) and others about pages, links and cursors in the envelope, flags
    such as `has_more`, totals, and whether the page has as many entries as were requested. Only the values in an
    address are used, and never its host.
    """
    page = extract_list(data, operation, headers)
    if page is None or page.envelope.is_map:
        return None
    parameters = page_parameters(operation)
    signs, objects = _page_signs(data, headers or {}, page.envelope.keys)
    count, flag = len(page.entries), _more_flag(objects)
    # GraphQL connections send `endCursor` with their last page too, so that a flag goes before cursors.
    # With a cursor nobody can tell how many entries were before, so that a total says nothing about what is left.
    is_by_cursor = _has_cursor(parameters, values)
    is_unfinished = (
        (before is not None or (count and not is_by_cursor))
        and _is_unfinished(parameters, values, count, page.total, before)
    ) or (not is_by_cursor and _has_later_page(parameters, values, objects))
    if flag is False or not (signs or flag or is_unfinished):
        return None
    names = {name_key(parameter.name) for parameter in parameters}
    by_name = sorted(signs, key=lambda sign: name_key(sign[0]) not in names)
    by_link = (_values_from_link(operation, values, text) for _, text in signs)
    by_sign = (_values_from_sign(parameters, name, text) for name, text in by_name)
    changes = next(filter(None, chain(by_link, by_sign)), None)
    if changes is None:
        last = page.entries[-1] if page.entries else None
        changes = _next_values(parameters, values, count, last) if count else {}
    following = {**values, **changes}
    # Some APIs give a cursor with every page: behind the last entry it leads to where it was.
    if not count and changes and following == dict(values) and not (flag or is_unfinished):
        return None
    return following if changes else {}


def next_query(operation: Operation, url: str, data: object, headers: Mapping[str, str]) -> str:
    """Return the query of the next page's address in an answer that came from `url`; "" where it has none.

    Only its query is used: the host and the path stay those of the request, so that no answer leads elsewhere. Behind a
    proxy the path of the address may begin further left or further right.
    """
    page = extract_list(data, operation, headers)
    if operation.effect is not Effect.READ or page is None:
        return ""
    current = urlsplit(url)
    for _, text in _page_signs(data, headers, page.envelope.keys)[0]:
        try:
            address = urlsplit(urljoin(url, text.strip()))
        except ValueError:
            continue
        query = quote(address.query, safe=_QUERY_CHARACTERS)
        is_same_path = current.path.endswith(address.path) or address.path.endswith(current.path)
        if query and query != current.query and is_same_path and _is_address(text):
            return query
    return ""


def is_described_query(operation: Operation, query: str) -> bool:
    """Return whether an operation describes each parameter of a query, or it is a credential, which is added anew."""
    names = {entry.name for entry in operation.parameters if entry.location == "query"}
    names |= {scheme.name for scheme in operation.spec.security_schemes.values() if scheme.location == "query"}
    return names.issuperset(name for name, _ in parse_qsl(query, keep_blank_values=True))


def _page_signs(
    data: object, headers: Mapping[str, str], keys: Sequence[str]
) -> tuple[list[tuple[str, str]], list[Mapping[str, object]]]:
    """Return what leads to the next page, by name, and the objects that may be about pages."""
    objects = [*_nested_objects(_page_headers(headers), _MAX_DEPTH, ()), *_envelope_objects(data, keys)]
    return list(_link_signs(headers)) or list(_next_signs(objects)), objects


def _is_address(text: str) -> bool:
    return re.match(r"https?://|/|\?", text) is not None or bool(urlsplit(text).query)


def _has_cursor(parameters: Sequence[PageParameter], values: Mapping[Place, object]) -> bool:
    return any(entry.role is PageRole.CURSOR and values.get(entry.place) for entry in parameters)


def has_next_header(headers: Mapping[str, str]) -> bool:
    """Return whether a header leads to another page, or says that there is one."""
    fields = _page_headers(headers)
    return any(_link_signs(headers)) or any(_next_signs([fields])) or _more_flag([fields]) is True


def _link_signs(headers: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the address with `rel=next` in a Link header."""
    values = (value for name, value in headers.items() if name.lower() == "link")
    yield from (("next", link.group(1)) for value in values if (link := _NEXT_LINK.search(value)))


def _page_headers(headers: Mapping[str, str]) -> dict[str, object]:
    """Return the headers about pages as the fields of an envelope, without their `X-`."""
    fields: dict[str, object] = {}
    for name, text in headers.items():
        words = name_words(name)
        if name.lower() != "link" and _HEADER_WORDS.issuperset(words):
            value = text.strip()
            fields["-".join(word for word in words if word not in ("x", "ms"))] = _header_value(value)
    return fields


def _header_value(text: str) -> object:
    """Return the value that a header writes: a flag, a number, an object, or its text."""
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return text if isinstance(value, list | float) else value


def _envelope_objects(data: object, keys: Sequence[str]) -> Iterator[Mapping[str, object]]:
    """Yield the objects around a list that may be about its pages, without the listed entries."""
    objects = [value_at(data, tuple(keys[:size])) for size in range(len(keys) + 1)]
    for container in objects:
        if isinstance(container, Mapping):
            yield from _nested_objects(container, _MAX_DEPTH, keys)


def _nested_objects(container: Mapping[str, object], depth: int, keys: Sequence[str]) -> Iterator[Mapping[str, object]]:
    yield container
    for name, value in container.items() if depth > 1 else ():
        if isinstance(value, Mapping) and name not in keys:
            yield from _nested_objects(value, depth - 1, keys)


def _next_signs(objects: Iterable[Mapping[str, object]]) -> Iterator[tuple[str, str]]:
    """Yield names and values of cursors, numbers and addresses of the next page in the objects of an envelope."""
    for container in objects:
        for name, value in container.items():
            is_next = leads_to_next_page(name)
            # an object called next has the values that ask for it, as Intercom's `{"page": 2, "starting_after": "x"}`
            fields = value.items() if is_next and isinstance(value, Mapping) else [(name, value)] if is_next else []
            for inner, sign in fields:
                # a number called offset tells where this page began
                is_current_offset = name_key(inner) == "offset" and not isinstance(sign, str)
                if not is_current_offset and sign and isinstance(sign, str | int) and not isinstance(sign, bool):
                    yield inner, str(sign)


def _more_flag(objects: Iterable[Mapping[str, object]]) -> bool | None:
    """Return the flag of an envelope for another page; None where it has none."""
    for container in objects:
        for name, stated in container.items():
            more, value = more_flag_value(name), _FLAG_TEXTS.get(stated, stated) if isinstance(stated, str) else stated
            if more is None or not isinstance(value, bool):
                continue
            # `done: true` may be the state of a job and says nothing of pages.
            if value is more or name_key(name) not in ("done", "complete"):
                return value is more
    return None


def _has_later_page(
    parameters: Sequence[PageParameter], values: Mapping[Place, object], objects: Iterable[Mapping[str, object]]
) -> bool:
    """Return whether an envelope tells of more pages than were read up to the one that a number asks for."""
    number = _first_of(parameters, PageRole.NUMBER)
    if number is None and any(values.get(entry.place) for entry in parameters if entry.role is not PageRole.SIZE):
        return False
    current = _current_number(number, values) - first_number(number.schema) + 1 if number is not None else 1
    counts = (
        whole_number(str(value))
        for container in objects
        for name, value in container.items()
        if name_key(name) in _PAGE_COUNT_NAMES and isinstance(value, str | int)
    )
    return any(count is not None and count > current for count in counts)


def _is_unfinished(
    parameters: Sequence[PageParameter],
    values: Mapping[Place, object],
    count: int,
    total: int | None,
    before: int | None,
) -> bool:
    if total is not None:
        return total > (_entries_before(parameters, values, count) if before is None else before) + count
    size = _page_size(parameters, values)
    return count > 0 and size is not None and count >= size


def _entries_before(parameters: Sequence[PageParameter], values: Mapping[Place, object], count: int) -> int:
    """Return the number of entries on the pages before this one."""
    for parameter in parameters:
        if parameter.role is PageRole.OFFSET:
            return _current_value(parameter, values) or 0
        if parameter.role is PageRole.NUMBER:
            pages = max(0, _current_number(parameter, values) - first_number(parameter.schema))
            return pages * (_page_size(parameters, values) or count)
    return 0


def _first_of(parameters: Sequence[PageParameter], role: PageRole) -> PageParameter | None:
    return next((parameter for parameter in parameters if parameter.role is role), None)


def _page_size(parameters: Sequence[PageParameter], values: Mapping[Place, object]) -> int | None:
    size = _first_of(parameters, PageRole.SIZE)
    return _current_value(size, values) if size is not None else None


def _values_from_link(operation: Operation, values: Mapping[Place, object], text: str) -> dict[Place, object]:
    """Return the values of query parameters in the address of the next page, as far as they change."""
    query = dict(parse_qsl(urlsplit(text).query))
    reader = answer_schemas(operation.spec).reader
    changes: dict[Place, Any] = {}
    for parameter in operation.parameters if query else ():
        schema = reader.flat(parameter.schema)
        is_plain = {"array", "object"}.isdisjoint(schema_types(schema))
        if parameter.location == "query" and parameter.name in query and is_plain:
            value = _parse_value(query[parameter.name], schema)
            changes |= {("query", parameter.name): value} if values.get(("query", parameter.name)) != value else {}
    return changes


def _values_from_sign(parameters: Sequence[PageParameter], name: str, text: str) -> dict[Place, object]:
    """Return the cursor or the number of the next page by the place of its parameter."""
    if _is_address(text):
        return {}
    cursors = [parameter for parameter in parameters if parameter.role is PageRole.CURSOR]
    key = name_key(name)
    same_name = [entry for entry in cursors if name_key(entry.name) in key or key in name_key(entry.name)]
    number = _first_of(parameters, PageRole.NUMBER)
    value = whole_number(text)
    is_number = number is not None and value is not None and key in ("next", "nextpage", "page")
    if cursors and (same_name or not is_number):
        # A cursor cut from an address is percent-encoded; in a request it would be encoded once more.
        return {(same_name or cursors)[0].place: unquote(text) if "%" in text else text}
    if value is None:
        return {}
    if number is not None and "offset" not in name.lower():
        return {number.place: number.to_type(value)}
    offset = _first_of(parameters, PageRole.OFFSET)
    return {offset.place: value} if offset is not None else {}


def _next_values(
    parameters: Sequence[PageParameter], values: Mapping[Place, object], count: int, last: object
) -> dict[Place, object]:
    """Return the values of the next page by number, offset or last entry, else those of a longer page."""
    for parameter in parameters if not _has_cursor(parameters, values) else ():
        if parameter.role is PageRole.NUMBER:
            return {parameter.place: parameter.to_type(_current_number(parameter, values) + 1)}
        if parameter.role is PageRole.OFFSET:
            return {parameter.place: (_current_value(parameter, values) or 0) + count}
    id = id_of(last) if isinstance(last, Mapping) else None
    for parameter in parameters if id else ():
        if parameter.role is PageRole.CURSOR and name_key(parameter.name) in ("startingafter", "startafter", "after"):
            return {parameter.place: id}
    size = _first_of(parameters, PageRole.SIZE)
    maximum = size.schema.get("maximum") if size is not None else None
    # Without any cursor, the longest page that the schema allows has the most entries; a length that was given stays.
    if size is None or not isinstance(maximum, int) or any(values.get(entry.place) for entry in parameters):
        return {}
    length = maximum if maximum <= MAX_PAGE_SIZE else _LARGE_PAGE_SIZE
    return {size.place: size.to_type(length)} if length > count else {}


def _current_value(parameter: PageParameter, values: Mapping[Place, object]) -> int | None:
    value = values.get(parameter.place, parameter.schema.get("default"))
    if isinstance(value, str):
        return whole_number(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def first_number(schema: Schema) -> int:
    """Return the number of the first page: 1, unless the schema has page 0 as default or minimum."""
    default = schema.get("default")
    return 0 if default == 0 or (schema.get("minimum") == 0 and default != 1) else 1


def _current_number(parameter: PageParameter, values: Mapping[Place, object]) -> int:
    number = _current_value(parameter, values)
    return first_number(parameter.schema) if number is None else number


def more_flag_value(name: str) -> bool | None:
    """Return the value of an envelope's flag of that name while there are more pages; None for another flag."""
    key = name_key(name)
    return True if key in _MORE_FLAGS else False if key in _LAST_FLAGS else None


def leads_to_next_page(name: str) -> bool:
    """Return whether a field of that name in an envelope leads to the next page."""
    return "next" in name_words(name) or name_key(name) in _AFTER_NAMES
