"""The requested page of a list, and the paging fields of its envelope."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

from nlapi.openapi.spec import Operation
from nlapi.resources.envelope import TOTAL_NAMES
from nlapi.resources.naming import name_key, name_words
from nlapi.resources.paging import (
    PageParameter,
    PageRole,
    first_number,
    more_flag_value,
    leads_to_next_page,
    page_parameters,
    page_role,
)
from nlapi.sandbox.at import ABSENT
from nlapi.sandbox.problem import Fault, unprocessable
from nlapi.sandbox.schemas import Schemas

# Names of the number of pages.
PAGE_COUNTS = frozenset("totalpages pages pagecount lastpage numpages".split())

# Items of a page where neither request nor description says: more than the samples of one parent, so that a plain
# list is complete.
DEFAULT_LIMIT = 50


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


def page_window(operation: Operation, query: Mapping[str, Any], body: Any = None) -> PageWindow:
    """Return the page that a request asks for, with the description's defaults. Problem 422 for an unknown cursor."""
    sources = {"query": query, "body": body if isinstance(body, Mapping) else {}}
    parameters: dict[PageRole, PageParameter] = {}
    for parameter in page_parameters(operation):
        parameters.setdefault(parameter.role, parameter)
    requested = {role: sources[page_parameter.place[0]].get(page_parameter.name, page_parameter.schema.get("default")) for role, page_parameter in parameters.items()}
    limit, offset = _natural_number(requested.get(PageRole.SIZE), DEFAULT_LIMIT), _natural_number(requested.get(PageRole.OFFSET), 0)
    number = parameters.get(PageRole.NUMBER)
    first_page = first_number(number.schema) if number is not None else 1
    if isinstance(page := requested.get(PageRole.NUMBER), int):
        offset = max(page - first_page, 0) * limit
    after_id = None
    if isinstance(cursor := requested.get(PageRole.CURSOR), str) and cursor:
        offset, after_id = _parse_cursor(cursor, parameters[PageRole.CURSOR].place)
    return PageWindow(offset=offset, limit=limit, first_page=first_page, parameters=parameters, after_id=after_id)


def _natural_number(value: Any, default: int) -> int:
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 else default


def cursor_token(offset: int) -> str:
    return base64.urlsafe_b64encode(f"o:{offset}".encode()).decode().rstrip("=")


def _parse_cursor(cursor: str, location: tuple[str, str]) -> tuple[int, str | None]:
    """Return the offset of a cursor, or the id behind which the page begins."""
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except ValueError:
        text = ""
    if text.startswith("o:") and text[2:].isdecimal():
        return int(text[2:]), None
    # Stripe's starting_after and OpenStack's marker take the id of the last item.
    if name_key(location[1]) in ("startingafter", "after", "marker"):
        return 0, cursor
    raise unprocessable([Fault(location=".".join(location), message="is no cursor that this server gave out")])


class PageEnvelope:
    """The fields around the array of a list: totals, offsets, cursors, links to the next page."""

    def __init__(
        self, schemas: Schemas, part: PageWindow, *, total: int, item_count: int, url: str, query: Mapping[str, Any]
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

    def fill(self, schema: Any, skip: str = "", depth: int = 3) -> dict[str, Any]:
        """Return the values of the properties of an envelope that describe the page."""
        values: dict[str, Any] = {}
        described = self.schemas.properties(schema)
        keys = {name_key(name) for name, property_schema in described.items() if "integer" in self.schemas.types(property_schema)}
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

    def _value(self, name: str, schema: Any, types: tuple[str, ...], total: str) -> Any:
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
            return absent if not self.has_more else cursor_token(following) if cursor and not is_link else self._link(following)
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
        positions = {PageRole.OFFSET: offset, PageRole.NUMBER: number, PageRole.CURSOR: cursor_token(offset)}
        role = next((role for role in positions if role in self.part.parameters), None)
        if role is not None:
            values[self.part.parameters[role].name] = positions[role]
        simple = {name: _query_text(value) for name, value in values.items() if not isinstance(value, dict)}
        return f"{self.url}?{urlencode(simple, doseq=True)}" if simple else self.url


def _query_text(value: Any) -> Any:
    if isinstance(value, list):
        return [_query_text(item) for item in value]
    return str(value).lower() if isinstance(value, bool) else value
