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


def filter_rows(rows: Iterable[Data], query: Mapping[str, Any], noun: str, id_name: str | None) -> list[Data]:
    """Return the rows that match every parameter of the query; parameters that name no property are ignored."""
    matches = list(rows)
    names = dict.fromkeys(name for row in matches for name in row)
    for test in _tests(query, names, noun, id_name):
        matches = [row for row in matches if test(row)]
    return matches


def _tests(query: Mapping[str, Any], names: Mapping[str, None], noun: str, id_name: str | None) -> Iterable[Test]:
    for name, value in query.items():
        if isinstance(value, Mapping):
            inner = value if name_key(name) == "filter" else {f"{name}_{key}": inner_value for key, inner_value in value.items()}
            yield from _tests(inner, names, noun, id_name)
        elif value is not None and value != []:
            test = _test(name, value, list(names), noun, id_name)
            if test is not None:
                yield test


def _test(name: str, value: Any, names: list[str], noun: str, id_name: str | None) -> Test | None:
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


def _bound_test(name: str, value: Any, names: list[str]) -> Test | None:
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
        (candidate for candidate in names if words and set(words) - DATES <= set(name_words(candidate)) and _shares_word(words, candidate)), None
    )
    # `since=2026-01-01` names no property: it is about the first date of the items.
    if property is None and is_date:
        property = next((candidate for candidate in names if set(name_words(candidate)) & DATES), None)
    if property is None:
        return None
    return lambda row: _is_within(row.get(property), value, lower)


def _shares_word(words: tuple[str, ...], name: str) -> bool:
    return bool(set(words) & set(name_words(name)))


def _is_within(field_value: Any, bound: Any, lower: bool) -> bool:
    if isinstance(field_value, list):
        return any(_is_within(item, bound, lower) for item in field_value)
    if isinstance(field_value, str) and isinstance(bound, str):
        # A date is compared with a time by its day, and times without fractions and zones: 19 is YYYY-MM-DDTHH:MM:SS.
        size = min(len(field_value), len(bound), 19)
        return field_value[:size] >= bound[:size] if lower else field_value[:size] <= bound[:size]
    if isinstance(field_value, int | float) and isinstance(bound, int | float):
        return field_value >= bound if lower else field_value <= bound
    return False


def _contains(field_value: Any, text: str) -> bool:
    return isinstance(field_value, str) and text.lower() in field_value.lower()


def _matches_any(field_value: Any, accepted: list[Any]) -> bool:
    """Return whether a value, one of a list of values, or the id of a nested item is among the requested ones."""
    if isinstance(field_value, list):
        return any(_matches_any(item, accepted) for item in field_value)
    if isinstance(field_value, dict):
        field_value = field_value.get("id")
    return any(field_value == item and isinstance(field_value, bool) == isinstance(item, bool) for item in accepted)


def sort_rows(rows: list[Data], query: Mapping[str, Any]) -> list[Data]:
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
    for field in reversed(fields.split(",")):
        name, reverse = _sort_field(field.strip())
        property = next((candidate for row in rows for candidate in row if name_key(candidate) == name_key(name)), None)
        if property is not None:
            rows = sorted(rows, key=lambda row: _sort_key(row.get(property)), reverse=reverse != is_descending)
    return rows


def _sort_field(text: str) -> tuple[str, bool]:
    for mark in (":desc", " desc", ".desc", "_desc", "-desc", ":asc", " asc", ".asc", "_asc", "-asc"):
        if text.lower().endswith(mark):
            return text[: -len(mark)], "desc" in mark
    return text.lstrip("+-"), text.startswith("-")


def _sort_key(value: Any) -> tuple[int, Any]:
    """Return a key that sorts numbers before texts, and missing values last."""
    if isinstance(value, int | float):
        return (0, value)
    return (1, value.lower()) if isinstance(value, str) else (2, "")
