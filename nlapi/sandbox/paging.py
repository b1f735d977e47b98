"""Which part of a list is asked for, and what its envelope says about the rest."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

from nlapi.openapi.spec import Operation
from nlapi.resources.naming import name_key
from nlapi.sandbox.at import NOTHING
from nlapi.sandbox.problem import Fault, unprocessable
from nlapi.sandbox.schemas import Schemas

LIMITS = frozenset(
    "limit pagesize perpage pagelimit size maxresults maxitems top take first count itemsperpage resultsperpage".split()
)
OFFSETS = frozenset("offset skip pageoffset startindex start from".split())
PAGES = frozenset("page pagenumber pageno pagenum currentpage pageindex".split())
CURSORS = frozenset(
    "cursor pagetoken nexttoken continuationtoken pagecursor nextcursor nextpagetoken marker token startingafter after "
    "next continuation".split()
)
TOTALS = frozenset(
    "total totalcount totalresults totalitems totalelements totalrecords totalsize totalhits numresults".split()
)
LASTS = frozenset("totalpages pages pagecount lastpage numpages".split())
MORES = frozenset("hasmore hasnext hasnextpage more istruncated truncated moreitems".split())
NEXT_TOKENS = frozenset("nextcursor nextpagetoken nexttoken continuationtoken cursor endcursor nextpagecursor".split())
NEXTS = frozenset("next nexturl nextpage nextlink nextpageurl nexthref".split())
PREVIOUS = frozenset(
    "previous prev previousurl prevurl previouspage prevpage previouslink previouscursor prevcursor".split()
)
USUAL = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The part of a list from `offset`, of `limit` things.

    `names` are the parameters of the query that say so, by their role; `after` is an id to go on after.
    """

    offset: int = 0
    limit: int = USUAL
    first_page: int = 1
    used: frozenset[str] = frozenset()
    names: Mapping[str, str] = field(default_factory=dict)
    after: str | None = None

    def moved(self, offset: int) -> Window:
        return replace(self, offset=offset, after=None)


def window(operation: Operation, query: Mapping[str, Any], schemas: Schemas) -> Window:
    """The part that the query asks for, with the defaults of the description. 422 for a cursor that is none of ours."""
    found: dict[str, tuple[str, Any]] = {}
    for parameter in operation.parameters:
        role = _role(parameter.name, schemas.types(parameter.schema)) if parameter.where == "query" else None
        if role and role not in found:
            default = schemas.flat(parameter.schema).get("default")
            found[role] = (parameter.name, query.get(parameter.name, default))
    limit = _count(found.get("limit"), USUAL)
    offset = _count(found.get("offset"), 0)
    first_page = _first_page(operation, found.get("page"), schemas)
    page = found.get("page", ("", None))[1]
    if isinstance(page, int) and "page" in found:
        offset = max(page - first_page, 0) * limit
    after = None
    name, cursor = found.get("cursor", ("", None))
    if isinstance(cursor, str) and cursor:
        offset, after = _place(cursor, name)
    return Window(
        offset=offset,
        limit=limit,
        first_page=first_page,
        used=frozenset(name for name, _ in found.values()),
        names={role: name for role, (name, _) in found.items()},
        after=after,
    )


def _role(name: str, types: tuple[str, ...]) -> str | None:
    word = name_key(name)
    number = "integer" in types or "number" in types
    if number:
        roles = (("limit", LIMITS), ("offset", OFFSETS), ("page", PAGES))
        return next((role for role, names in roles if word in names), None)
    return "cursor" if word in CURSORS and types and "string" in types else None


def _count(found: tuple[str, Any] | None, otherwise: int) -> int:
    value = found[1] if found else None
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 else otherwise


def _first_page(operation: Operation, found: tuple[str, Any] | None, schemas: Schemas) -> int:
    """Pages are counted from one, unless the description allows or presumes page 0."""
    for parameter in operation.parameters:
        if found and parameter.name == found[0]:
            flat = schemas.flat(parameter.schema)
            return 0 if flat.get("default") == 0 or (flat.get("minimum") == 0 and flat.get("default") != 1) else 1
    return 1


def token(offset: int) -> str:
    return base64.urlsafe_b64encode(f"o:{offset}".encode()).decode().rstrip("=")


def _place(cursor: str, name: str) -> tuple[int, str | None]:
    """The offset that a cursor stands for; or the id after which to go on."""
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except ValueError:
        text = ""
    if text.startswith("o:") and text[2:].isdecimal():
        return int(text[2:]), None
    if name_key(name) in ("startingafter", "after", "marker"):
        return 0, cursor
    raise unprocessable([Fault(where=f"query.{name}", message="is no cursor that this server gave out")])


class Envelope:
    """Fills what surrounds the array of a list: totals, offsets, cursors, links to the next part."""

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
        """Values for the properties of an envelope that say something about the list."""
        found: dict[str, Any] = {}
        described = self.schemas.properties(schema)
        has_total = any(name_key(name) in TOTALS for name in described)
        for name, one in described.items():
            types = self.schemas.types(one)
            if name == skip:
                continue
            if "object" in types and depth and "array" not in types:
                inner = self.fill(one, depth=depth - 1)
                if inner:
                    found[name] = inner
                continue
            value = self._value(name_key(name), one, types, has_total)
            if value is not NOTHING:
                found[name] = value
        return found

    def _value(self, word: str, schema: Any, types: tuple[str, ...], has_total: bool) -> Any:
        if "boolean" in types:
            return self.rest if word in MORES else NOTHING
        if "integer" in types or "number" in types:
            number = self._number(word, has_total)
            return number if number is not None or "null" in types else NOTHING
        if "string" in types and word in NEXT_TOKENS | NEXTS:
            if not self.rest:
                return self._nothing(types)
            following = self.part.offset + self.shown
            plain_token = word in NEXT_TOKENS or ("cursor" in self.part.names and not self._is_url(schema))
            return token(following) if plain_token else self._link(following)
        if "string" in types and word in PREVIOUS:
            before = max(self.part.offset - self.part.limit, 0)
            return self._link(before) if self.part.offset and self._is_url(schema) else self._nothing(types)
        return NOTHING

    def _nothing(self, types: tuple[str, ...]) -> Any:
        return None if "null" in types else NOTHING

    def _is_url(self, schema: Any) -> bool:
        return str(self.schemas.flat(schema).get("format", "")).startswith(("uri", "url"))

    def _number(self, word: str, has_total: bool) -> int | None:
        part = self.part
        limit = max(part.limit, 1)
        pages = -(-self.total // limit)
        if word in TOTALS:
            return self.total
        if word in LASTS:
            return pages
        if word in PAGES:
            return part.first_page + part.offset // limit
        if word in ("count", "size", "length", "results") and has_total:
            return self.shown
        if word == "count":
            return self.total
        if word in LIMITS:
            return part.limit
        if word in OFFSETS:
            return part.offset
        if word in ("nextoffset", "nextpage", "next"):
            following = part.offset + self.shown
            reached = following if word == "nextoffset" else part.first_page + following // limit
            return reached if self.rest else None
        return None

    def _link(self, offset: int) -> str:
        """The URL of this list from another offset, in the terms of its own parameters."""
        names, values = self.part.names, dict(self.query)
        if "offset" in names:
            values[names["offset"]] = offset
        elif "page" in names:
            values[names["page"]] = self.part.first_page + offset // max(self.part.limit, 1)
        elif "cursor" in names:
            values[names["cursor"]] = token(offset)
        simple = {name: _text(value) for name, value in values.items() if not isinstance(value, dict)}
        return f"{self.url}?{urlencode(simple, doseq=True)}" if simple else self.url


def _text(value: Any) -> Any:
    if isinstance(value, list):
        return [_text(one) for one in value]
    return str(value).lower() if isinstance(value, bool) else value
