"""Filters, sorts and pages a list by the names of its query parameters, and fills the fields of its envelope."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

from nlapi.english.words import name_key, name_words, singular_words
from nlapi.openapi.spec import Operation
from nlapi.resources.envelope import TOTAL_NAMES
from nlapi.resources.paging import (
    OFFSET_NAMES,
    PageParameter,
    PageRole,
    first_number,
    gives_cursors,
    leads_to_next_page,
    more_flag_value,
    page_parameters,
    page_role,
)
from nlapi.sandbox.problem import Fault, unprocessable
from nlapi.sandbox.samples import ABSENT
from nlapi.sandbox.schemas import Schemas

Data = Mapping[str, Any]
Test = Callable[[Data], bool]

# Descriptions rarely say what a query parameter does, so its name decides. A parameter that matches nothing here
# filters nothing: a list that is too long is a smaller mistake than one that hides items.
SEARCHES = frozenset("q query search searchterm searchtext keyword keywords term text searchquery".split())
SORTS = frozenset("sort sortby orderby sortfield ordering sortkey order".split())
DIRECTIONS = frozenset("sortdirection direction orderdirection dir sortorder order".split())
LOWER = frozenset("min from after since gte gt start starts begin begins".split())
UPPER = frozenset("max to before until lte lt end ends".split())
CONTAINS = frozenset("name title".split())
DATES = frozenset("date dates at time timestamp day created start".split())

# Names of the number of pages.
PAGE_COUNTS = frozenset("totalpages pages pagecount lastpage numpages".split())

# Items of a page where neither request nor description says: more than the samples of one parent, so that a plain
# list is complete.
DEFAULT_LIMIT = 50


def filter_rows(rows: Iterable[Data], query: Mapping[str, object], noun: str, id_name: str | None) -> list[Data]:
    """Return the rows that match every parameter of the query; parameters that name no property are ignored."""
    matches = list(rows)
    names = dict.fromkeys(name for row in matches for name in row)
    for test in _tests(query, names, noun, id_name):
        matches = [row for row in matches if test(row)]
    return matches


def _tests(query: Mapping[str, object], names: Mapping[str, None], noun: str, id_name: str | None) -> Iterable[Test]:
    for name, value in query.items():
        if isinstance(value, Mapping):
            inner = (
                value
                if name_key(name) == "filter"
                else {f"{name}_{key}": inner_value for key, inner_value in value.items()}
            )
            yield from _tests(inner, names, noun, id_name)
        elif value is not None and value != []:
            test = _test(name, value, list(names), noun, id_name)
            if test is not None:
                yield test


def _test(name: str, value: object, names: list[str], noun: str, id_name: str | None) -> Test | None:
    if name_key(name) in SEARCHES and isinstance(value, str):
        return lambda row: any(_contains(field_value, value) for field_value in row.values())
    bound = _bound_test(name, value, names)
    if bound is not None:
        return bound
    property = _property_name(name, names, noun, id_name)
    if property is None:
        return None
    if isinstance(value, str) and name_key(property) in CONTAINS:
        return lambda row: _contains(row.get(property), value)
    accepted = value if isinstance(value, list) else [value]
    return lambda row: _matches_any(row.get(property), accepted)


def _property_name(name: str, names: list[str], noun: str, id_name: str | None) -> str | None:
    """Return the property of a parameter: `status`, `statuses`, `campaign_status`, `filter[status]`, `ids`."""
    owner = tuple(name_words(noun))
    parts = tuple(part for part in singular_words(name) if part not in ("filter", "in", "eq", "by"))
    forms = [parts, parts[len(owner) :] if owner and parts[: len(owner)] == owner else ()]
    by_words = {singular_words(candidate): candidate for candidate in names}
    for form in forms:
        if form == ("id",) and id_name:
            return id_name
        if form and form in by_words:
            return by_words[form]
    return None


def _bound_test(name: str, value: object, names: list[str]) -> Test | None:
    """Return the test of a lower or upper bound: `min_price`, `price_gte`, `created_after`, `start_date`, `until`."""
    parts = name_words(name)
    bound_words = [part for part in parts if part in LOWER | UPPER]
    if not bound_words or isinstance(value, list | bool):
        return None
    lower = bound_words[-1] in LOWER
    words = tuple(part for part in parts if part not in bound_words)
    is_date = isinstance(value, str) and len(value) >= 10 and value[4:5] == "-"
    if not is_date and (not isinstance(value, int | float) or not words):
        return None
    exact = next((candidate for candidate in names if name_key(candidate) == name_key(name)), None)
    property = exact or next(
        (
            candidate
            for candidate in names
            if words and set(words) - DATES <= set(name_words(candidate)) and _shares_word(words, candidate)
        ),
        None,
    )
    # `since=2026-01-01` names no property: it is about the first date of the items.
    if property is None and is_date:
        property = next((candidate for candidate in names if set(name_words(candidate)) & DATES), None)
    if property is None:
        return None
    return lambda row: _is_within(row.get(property), value, lower)


def _shares_word(words: tuple[str, ...], name: str) -> bool:
    return bool(set(words) & set(name_words(name)))


def _is_within(field_value: object, bound: object, lower: bool) -> bool:
    if isinstance(field_value, list):
        return any(_is_within(item, bound, lower) for item in field_value)
    if isinstance(field_value, str) and isinstance(bound, str):
        # A date is compared with a time by its day, and times without fractions and zones: 19 is YYYY-MM-DDTHH:MM:SS.
        size = min(len(field_value), len(bound), 19)
        return field_value[:size] >= bound[:size] if lower else field_value[:size] <= bound[:size]
    if isinstance(field_value, int | float) and isinstance(bound, int | float):
        return field_value >= bound if lower else field_value <= bound
    return False


def _contains(field_value: object, text: str) -> bool:
    return isinstance(field_value, str) and text.lower() in field_value.lower()


def _matches_any(field_value: object, accepted: list[object]) -> bool:
    """Return whether a value, one of a list of values, or the id of a nested item is among the requested ones."""
    if isinstance(field_value, list):
        return any(_matches_any(item, accepted) for item in field_value)
    if isinstance(field_value, dict):
        field_value = field_value.get("id")
    return any(field_value == item and isinstance(field_value, bool) == isinstance(item, bool) for item in accepted)


def sort_rows(rows: list[Data], query: Mapping[str, object]) -> list[Data]:
    """Return the rows in the order of `sort=-name`, `sort_by=name&order=desc` or `sort=name:desc`."""
    fields, is_descending = None, False
    for name, value in query.items():
        word = name_key(name)
        text = ",".join(map(str, value)) if isinstance(value, list) else value
        if not isinstance(text, str):
            continue
        if word in DIRECTIONS and text.lower() in ("asc", "desc", "ascending", "descending"):
            is_descending = text.lower().startswith("desc")
        elif word in SORTS:
            fields = text
    if fields is None:
        return rows
    for sort_field in reversed(fields.split(",")):
        name, reverse = _sort_field(sort_field.strip())
        property = next((candidate for row in rows for candidate in row if name_key(candidate) == name_key(name)), None)
        if property is not None:
            rows = sorted(rows, key=lambda row: _sort_key(row.get(property)), reverse=reverse != is_descending)
    return rows


def _sort_field(text: str) -> tuple[str, bool]:
    for mark in (":desc", " desc", ".desc", "_desc", "-desc", ":asc", " asc", ".asc", "_asc", "-asc"):
        if text.lower().endswith(mark):
            return text[: -len(mark)], "desc" in mark
    return text.lstrip("+-"), text.startswith("-")


def _sort_key(value: object) -> tuple[int, object]:
    """Return a key that sorts numbers before texts, and missing values last."""
    if isinstance(value, int | float):
        return (0, value)
    return (1, value.lower()) if isinstance(value, str) else (2, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class PageWindow:
    """A page of a list: `limit` items from `offset`, or from behind the id `after_id`."""

    offset: int = 0
    limit: int = DEFAULT_LIMIT
    first_page: int = 1
    parameters: Mapping[PageRole, PageParameter] = field(default_factory=dict)
    after_id: str | None = None

    @property
    def parameter_names(self) -> frozenset[str]:
        return frozenset(parameter.name for parameter in self.parameters.values())

    def at_offset(self, offset: int) -> PageWindow:
        return replace(self, offset=offset, after_id=None)


def page_window(operation: Operation, query: Mapping[str, object], body: object = None) -> PageWindow:
    """Return the page that a request asks for, by the description's defaults. RequestProblem 422: an unknown cursor."""
    sources = {"query": query, "body": body if isinstance(body, Mapping) else {}}
    parameters: dict[PageRole, PageParameter] = {}
    for parameter in page_parameters(operation):
        parameters.setdefault(parameter.role, parameter)
    requested = {
        role: sources[page_parameter.place[0]].get(page_parameter.name, page_parameter.schema.get("default"))
        for role, page_parameter in parameters.items()
    }
    limit, offset = (
        _natural_number(requested.get(PageRole.SIZE), DEFAULT_LIMIT),
        _natural_number(requested.get(PageRole.OFFSET), 0),
    )
    number = parameters.get(PageRole.NUMBER)
    first_page = first_number(number.schema) if number is not None else 1
    if isinstance(page := requested.get(PageRole.NUMBER), int):
        offset = max(page - first_page, 0) * limit
    after_id = None
    if isinstance(cursor := requested.get(PageRole.CURSOR), str) and cursor:
        offset, after_id = _parse_cursor(cursor, parameters[PageRole.CURSOR].place, operation)
    return PageWindow(offset=offset, limit=limit, first_page=first_page, parameters=parameters, after_id=after_id)


def _natural_number(value: object, default: int) -> int:
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 else default


def _cursor_token(offset: int) -> str:
    return base64.urlsafe_b64encode(f"o:{offset}".encode()).decode().rstrip("=")


def _parse_cursor(cursor: str, location: tuple[str, str], operation: Operation) -> tuple[int, str | None]:
    """Return the offset of a cursor, or the id behind which the page begins.

    A parameter that only looks like a cursor, where no answer gives one, has any value and leads to the first page.
    """
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except ValueError:
        text = ""
    if text.startswith("o:") and text[2:].isdecimal():
        return int(text[2:]), None
    # eBay's `offset` is a number in a text.
    if name_key(location[1]) in OFFSET_NAMES and cursor.isdecimal():
        return int(cursor), None
    # Stripe's starting_after and OpenStack's marker take the id of the last item.
    if name_key(location[1]) in ("startingafter", "after", "marker"):
        return 0, cursor
    if not gives_cursors(operation):
        return 0, None
    raise unprocessable([Fault(location=".".join(location), message="is not a cursor that this server gave out")])


class PageEnvelope:
    """The fields around the array of a list: totals, offsets, cursors, links to the next page."""

    def __init__(
        self, schemas: Schemas, part: PageWindow, *, total: int, item_count: int, url: str, query: Mapping[str, object]
    ) -> None:
        self.schemas = schemas
        self.part = part
        self.total = total
        self.item_count = item_count
        self.url = url
        self.query = query

    @property
    def has_more(self) -> bool:
        return self.part.offset + self.item_count < self.total

    def fill(self, schema: object, skip: str = "", depth: int = 3) -> dict[str, Any]:
        """Return the values of the properties of an envelope that describe the page."""
        values: dict[str, Any] = {}
        described = self.schemas.properties(schema)
        keys = {
            name_key(name)
            for name, property_schema in described.items()
            if "integer" in self.schemas.types(property_schema)
        }
        total = next((key for key in TOTAL_NAMES if key in keys), "")
        for name, property_schema in described.items():
            types = self.schemas.types(property_schema)
            if name == skip:
                continue
            if "object" in types and depth and "array" not in types:
                inner = self.fill(property_schema, depth=depth - 1)
                if inner:
                    values[name] = inner
                continue
            # Names mislead: `total` may be an amount. A value that does not fit its schema is left to the sampler.
            value = self._value(name, property_schema, types, total)
            if value is not ABSENT and self.schemas.valid(property_schema, value):
                values[name] = value
        return values

    def _value(self, name: str, schema: object, types: tuple[str, ...], total: str) -> object:
        if "boolean" in types:
            flag = more_flag_value(name)
            return ABSENT if flag is None else self.has_more is flag
        if "integer" in types or "number" in types:
            number = self._number(name, types, total)
            return number if number is not None or "null" in types else ABSENT
        if "string" not in types:
            return ABSENT
        url = str(self.schemas.flat(schema).get("format", "")).startswith(("uri", "url"))
        absent = None if "null" in types else ABSENT
        if leads_to_next_page(name):
            following = self.part.offset + self.item_count
            is_link = url or not {"url", "uri", "link", "href"}.isdisjoint(name_words(name))
            cursor = PageRole.CURSOR in self.part.parameters or not {"next", "page"}.issuperset(name_words(name))
            return (
                absent
                if not self.has_more
                else _cursor_token(following)
                if cursor and not is_link
                else self._link(following)
            )
        if {"prev", "previous"}.isdisjoint(name_words(name)):
            return ABSENT
        previous = max(self.part.offset - self.part.limit, 0)
        return self._link(previous) if self.part.offset and url else absent

    def _number(self, name: str, types: tuple[str, ...], total: str) -> int | None:
        part, key = self.part, name_key(name)
        limit, following = max(part.limit, 1), part.offset + self.item_count
        if key in PAGE_COUNTS:
            return -(-self.total // limit)
        if key == total or (key in TOTAL_NAMES and key.startswith("total")):
            return self.total
        if key in TOTAL_NAMES or (total and key in ("size", "length", "results")):
            return self.item_count
        if leads_to_next_page(name) and key != "offset":
            # `next_offset` or the number of the next page.
            next_value = following if "offset" in key else part.first_page + following // limit
            return next_value if self.has_more else None
        number = part.first_page + part.offset // limit
        numbers = {PageRole.SIZE: part.limit, PageRole.OFFSET: part.offset, PageRole.NUMBER: number}
        role = page_role(name, types)
        return numbers.get(role) if role is not None else None

    def _link(self, offset: int) -> str:
        """Return the URL of this list from another offset, with its own paging parameter."""
        values, number = dict(self.query), self.part.first_page + offset // max(self.part.limit, 1)
        positions = {PageRole.OFFSET: offset, PageRole.NUMBER: number, PageRole.CURSOR: _cursor_token(offset)}
        role = next((role for role in positions if role in self.part.parameters), None)
        if role is not None:
            values[self.part.parameters[role].name] = positions[role]
        simple = {name: _query_text(value) for name, value in values.items() if not isinstance(value, dict)}
        return f"{self.url}?{urlencode(simple, doseq=True)}" if simple else self.url


def _query_text(value: object) -> object:
    if isinstance(value, list):
        return [_query_text(item) for item in value]
    return str(value).lower() if isinstance(value, bool) else value
