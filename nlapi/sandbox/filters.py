"""Filters and order of a list by the names of query parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from nlapi.resources.naming import name_key, name_words, singular_words

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


def select(rows: Iterable[Data], query: Mapping[str, Any], thing: str, id_name: str | None) -> list[Data]:
    """Return the rows that match every parameter of the query; parameters that name no property are ignored."""
    found = list(rows)
    names = dict.fromkeys(name for row in found for name in row)
    for test in _tests(query, names, thing, id_name):
        found = [row for row in found if test(row)]
    return found


def _tests(query: Mapping[str, Any], names: Mapping[str, None], thing: str, id_name: str | None) -> Iterable[Test]:
    for name, value in query.items():
        if isinstance(value, Mapping):
            inner = value if name_key(name) == "filter" else {f"{name}_{key}": one for key, one in value.items()}
            yield from _tests(inner, names, thing, id_name)
        elif value is not None and value != []:
            test = _test(name, value, list(names), thing, id_name)
            if test is not None:
                yield test


def _test(name: str, value: Any, names: list[str], thing: str, id_name: str | None) -> Test | None:
    if name_key(name) in SEARCHES and isinstance(value, str):
        return lambda row: any(_contains(one, value) for one in row.values())
    bound = _bound(name, value, names)
    if bound is not None:
        return bound
    property = _property(name, names, thing, id_name)
    if property is None:
        return None
    if isinstance(value, str) and name_key(property) in CONTAINS:
        return lambda row: _contains(row.get(property), value)
    wanted = value if isinstance(value, list) else [value]
    return lambda row: _any_of(row.get(property), wanted)


def _property(name: str, names: list[str], thing: str, id_name: str | None) -> str | None:
    """Return the property of a parameter: `status`, `statuses`, `campaign_status`, `filter[status]`, `ids`."""
    owner = tuple(name_words(thing))
    parts = tuple(part for part in singular_words(name) if part not in ("filter", "in", "eq", "by"))
    forms = [parts, parts[len(owner) :] if owner and parts[: len(owner)] == owner else ()]
    by_words = {singular_words(one): one for one in names}
    for form in forms:
        if form == ("id",) and id_name:
            return id_name
        if form and form in by_words:
            return by_words[form]
    return None


def _bound(name: str, value: Any, names: list[str]) -> Test | None:
    """Return the test of a lower or upper bound: `min_price`, `price_gte`, `created_after`, `start_date`, `until`."""
    parts = name_words(name)
    marks = [part for part in parts if part in LOWER | UPPER]
    if not marks or isinstance(value, list | bool):
        return None
    lower = marks[-1] in LOWER
    rest = tuple(part for part in parts if part not in marks)
    dated = isinstance(value, str) and len(value) >= 10 and value[4:5] == "-"
    if not dated and (not isinstance(value, int | float) or not rest):
        return None
    exact = next((one for one in names if name_key(one) == name_key(name)), None)
    property = exact or next(
        (one for one in names if rest and set(rest) - DATES <= set(name_words(one)) and _goes(rest, one)), None
    )
    # `since=2026-01-01` names no property: it is about the first date of the items.
    if property is None and dated:
        property = next((one for one in names if set(name_words(one)) & DATES), None)
    if property is None:
        return None
    return lambda row: _within(row.get(property), value, lower)


def _goes(rest: tuple[str, ...], name: str) -> bool:
    return bool(set(rest) & set(name_words(name)))


def _within(found: Any, bound: Any, lower: bool) -> bool:
    if isinstance(found, list):
        return any(_within(one, bound, lower) for one in found)
    if isinstance(found, str) and isinstance(bound, str):
        # A date is compared with a time by its day, and times without fractions and zones: 19 is YYYY-MM-DDTHH:MM:SS.
        size = min(len(found), len(bound), 19)
        return found[:size] >= bound[:size] if lower else found[:size] <= bound[:size]
    if isinstance(found, int | float) and isinstance(bound, int | float):
        return found >= bound if lower else found <= bound
    return False


def _contains(found: Any, wanted: str) -> bool:
    return isinstance(found, str) and wanted.lower() in found.lower()


def _any_of(found: Any, wanted: list[Any]) -> bool:
    """Return whether a value, one of a list of values, or the id of a nested item is among the requested ones."""
    if isinstance(found, list):
        return any(_any_of(one, wanted) for one in found)
    if isinstance(found, dict):
        found = found.get("id")
    return any(found == one and isinstance(found, bool) == isinstance(one, bool) for one in wanted)


def ordered(rows: list[Data], query: Mapping[str, Any]) -> list[Data]:
    """Return the rows in the order of `sort=-name`, `sort_by=name&order=desc` or `sort=name:desc`."""
    fields, down = None, False
    for name, value in query.items():
        word = name_key(name)
        text = ",".join(map(str, value)) if isinstance(value, list) else value
        if not isinstance(text, str):
            continue
        if word in DIRECTIONS and text.lower() in ("asc", "desc", "ascending", "descending"):
            down = text.lower().startswith("desc")
        elif word in SORTS:
            fields = text
    if fields is None:
        return rows
    for field in reversed(fields.split(",")):
        name, reverse = _field(field.strip())
        property = next((one for row in rows for one in row if name_key(one) == name_key(name)), None)
        if property is not None:
            rows = sorted(rows, key=lambda row: _rank(row.get(property)), reverse=reverse != down)
    return rows


def _field(text: str) -> tuple[str, bool]:
    for mark in (":desc", " desc", ".desc", "_desc", "-desc", ":asc", " asc", ".asc", "_asc", "-asc"):
        if text.lower().endswith(mark):
            return text[: -len(mark)], "desc" in mark
    return text.lstrip("+-"), text.startswith("-")


def _rank(value: Any) -> tuple[int, Any]:
    """Return a key that sorts numbers before texts, and missing values last."""
    if isinstance(value, int | float):
        return (0, value)
    return (1, value.lower()) if isinstance(value, str) else (2, "")
