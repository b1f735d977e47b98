"""The requested page of a list, and the paging fields of its envelope."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

from nlapi.openapi.spec import Operation
from nlapi.resources.envelope import TOTALS
from nlapi.resources.naming import name_key, name_words
from nlapi.resources.paging import (
    PageParameter,
    PageRole,
    first_number,
    flag_of_more,
    leads_ahead,
    page_parameters,
    page_role,
)
from nlapi.sandbox.at import NOTHING
from nlapi.sandbox.problem import Fault, unprocessable
from nlapi.sandbox.schemas import Schemas

# Names of the number of pages.
LASTS = frozenset("totalpages pages pagecount lastpage numpages".split())

# Items of a page where neither request nor description says: more than the samples of one parent, so that a plain
# list is complete.
USUAL = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A page of a list: `limit` items from `offset`, or from behind the id `after_id`."""

    offset: int = 0
    limit: int = USUAL
    first_page: int = 1
    parameters: Mapping[PageRole, PageParameter] = field(default_factory=dict)
    after: str | None = None

    @property
    def used(self) -> frozenset[str]:
        return frozenset(one.name for one in self.parameters.values())

    def moved(self, offset: int) -> Window:
        return replace(self, offset=offset, after=None)


def window(operation: Operation, query: Mapping[str, Any], body: Any = None) -> Window:
    """Return the page that a request asks for, with the description's defaults. Problem 422 for an unknown cursor."""
    given = {"query": query, "body": body if isinstance(body, Mapping) else {}}
    parameters: dict[PageRole, PageParameter] = {}
    for parameter in page_parameters(operation):
        parameters.setdefault(parameter.role, parameter)
    asked = {role: given[one.place[0]].get(one.name, one.schema.get("default")) for role, one in parameters.items()}
    limit, offset = _count(asked.get(PageRole.SIZE), USUAL), _count(asked.get(PageRole.OFFSET), 0)
    number = parameters.get(PageRole.NUMBER)
    first_page = first_number(number.schema) if number is not None else 1
    if isinstance(page := asked.get(PageRole.NUMBER), int):
        offset = max(page - first_page, 0) * limit
    after = None
    if isinstance(cursor := asked.get(PageRole.CURSOR), str) and cursor:
        offset, after = _place(cursor, parameters[PageRole.CURSOR].place)
    return Window(offset=offset, limit=limit, first_page=first_page, parameters=parameters, after=after)


def _count(value: Any, otherwise: int) -> int:
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 else otherwise


def token(offset: int) -> str:
    return base64.urlsafe_b64encode(f"o:{offset}".encode()).decode().rstrip("=")


def _place(cursor: str, place: tuple[str, str]) -> tuple[int, str | None]:
    """Return the offset of a cursor, or the id behind which the page begins."""
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except ValueError:
        text = ""
    if text.startswith("o:") and text[2:].isdecimal():
        return int(text[2:]), None
    # Stripe's starting_after and OpenStack's marker take the id of the last item.
    if name_key(place[1]) in ("startingafter", "after", "marker"):
        return 0, cursor
    raise unprocessable([Fault(where=".".join(place), message="is no cursor that this server gave out")])


class Envelope:
    """The fields around the array of a list: totals, offsets, cursors, links to the next page."""

    def __init__(
        self, schemas: Schemas, part: Window, *, total: int, shown: int, url: str, query: Mapping[str, Any]
    ) -> None:
        self.schemas = schemas
        self.part = part
        self.total = total
        self.shown = shown
        self.url = url
        self.query = query

    @property
    def rest(self) -> bool:
        return self.part.offset + self.shown < self.total

    def fill(self, schema: Any, skip: str = "", depth: int = 3) -> dict[str, Any]:
        """Return the values of the properties of an envelope that describe the page."""
        found: dict[str, Any] = {}
        described = self.schemas.properties(schema)
        keys = {name_key(name) for name, one in described.items() if "integer" in self.schemas.types(one)}
        total = next((key for key in TOTALS if key in keys), "")
        for name, one in described.items():
            types = self.schemas.types(one)
            if name == skip:
                continue
            if "object" in types and depth and "array" not in types:
                inner = self.fill(one, depth=depth - 1)
                if inner:
                    found[name] = inner
                continue
            # Names mislead: `total` may be an amount. A value that does not fit its schema is left to the sampler.
            value = self._value(name, one, types, total)
            if value is not NOTHING and self.schemas.valid(one, value):
                found[name] = value
        return found

    def _value(self, name: str, schema: Any, types: tuple[str, ...], total: str) -> Any:
        if "boolean" in types:
            more = flag_of_more(name)
            return NOTHING if more is None else self.rest is more
        if "integer" in types or "number" in types:
            number = self._number(name, types, total)
            return number if number is not None or "null" in types else NOTHING
        if "string" not in types:
            return NOTHING
        url = str(self.schemas.flat(schema).get("format", "")).startswith(("uri", "url"))
        nothing = None if "null" in types else NOTHING
        if leads_ahead(name):
            following = self.part.offset + self.shown
            linked = url or not {"url", "uri", "link", "href"}.isdisjoint(name_words(name))
            cursor = PageRole.CURSOR in self.part.parameters or not {"next", "page"}.issuperset(name_words(name))
            return nothing if not self.rest else token(following) if cursor and not linked else self._link(following)
        if {"prev", "previous"}.isdisjoint(name_words(name)):
            return NOTHING
        before = max(self.part.offset - self.part.limit, 0)
        return self._link(before) if self.part.offset and url else nothing

    def _number(self, name: str, types: tuple[str, ...], total: str) -> int | None:
        part, key = self.part, name_key(name)
        limit, following = max(part.limit, 1), part.offset + self.shown
        if key in LASTS:
            return -(-self.total // limit)
        if key == total or (key in TOTALS and key.startswith("total")):
            return self.total
        if key in TOTALS or (total and key in ("size", "length", "results")):
            return self.shown
        if leads_ahead(name) and key != "offset":
            # `next_offset` or the number of the next page.
            reached = following if "offset" in key else part.first_page + following // limit
            return reached if self.rest else None
        number = part.first_page + part.offset // limit
        shown = {PageRole.SIZE: part.limit, PageRole.OFFSET: part.offset, PageRole.NUMBER: number}
        role = page_role(name, types)
        return shown.get(role) if role is not None else None

    def _link(self, offset: int) -> str:
        """Return the URL of this list from another offset, with its own paging parameter."""
        values, number = dict(self.query), self.part.first_page + offset // max(self.part.limit, 1)
        asked = {PageRole.OFFSET: offset, PageRole.NUMBER: number, PageRole.CURSOR: token(offset)}
        role = next((role for role in asked if role in self.part.parameters), None)
        if role is not None:
            values[self.part.parameters[role].name] = asked[role]
        simple = {name: _text(value) for name, value in values.items() if not isinstance(value, dict)}
        return f"{self.url}?{urlencode(simple, doseq=True)}" if simple else self.url


def _text(value: Any) -> Any:
    if isinstance(value, list):
        return [_text(one) for one in value]
    return str(value).lower() if isinstance(value, bool) else value
