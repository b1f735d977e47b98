"""Answers a query of a stored answer without another call: of its rows, its fields, or its text."""

from __future__ import annotations

import difflib
import json
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from nlapi.client.safe_text import single_line, strip_all
from nlapi.client.truncate import NOTE_KEY, UNTRUSTED, dump_json
from nlapi.errors import UsageError
from nlapi.resources.identity import fields_of, name_of, text_of
from nlapi.results.cells import cell, size_of, value_at_path, values_at
from nlapi.results.contents import Contents, ItemBody, Listing, Row, TextBody, nested_listing
from nlapi.results.model_view import MAX_VIEW, build_table, fit_bytes, table_data
from nlapi.results.query_arguments import ResultQuery, RowCondition
from nlapi.results.summary import is_number, sum_numbers
from nlapi.results.text_query import query_text

MAX_GROUPS = 200


def run_query(query: ResultQuery, contents: Contents, *, limit: int = MAX_VIEW) -> str:
    """Return the answer to a query as JSON text of at most `limit` bytes, marked as untrusted data.

    UsageError for a field that no row has, a list that is not there, and lines of what is no text.
    """
    try:
        # The names of fields are texts of the API, as are the values of groups.
        return dump_json(strip_all(_answer_query(query, contents, limit)))
    except RecursionError:
        raise UsageError(f"{query.handle} is nested too deep for that query") from None


def _answer_query(query: ResultQuery, contents: Contents, limit: int) -> dict[str, object]:
    frame: dict[str, object] = {"result": query.handle, "note": UNTRUSTED}
    room = limit - len(dump_json(frame).encode()) - 400
    if isinstance(contents, TextBody):
        if query.reads_fields:
            # JSON that a transcript stored in part is a text, too.
            hint = f"{contents.note}; call again" if contents.note else "`search` and `lines` read it"
            raise UsageError(f"{query.handle} is a text and has no fields", hint=hint)
        return {**frame, **query_text(query, contents, room)}
    if query.search or query.lines:
        raise UsageError(f"{query.handle} is no text", hint="`select` and `where` read its fields")
    if query.list_path:
        listing = nested_listing(contents, query.list_path)
        if listing is None:
            raise UsageError(f"{query.handle} has no list at {query.list_path[:100]!r}", hint=_fields_hint(contents))
        contents = listing
    if isinstance(contents, ItemBody):
        return {**frame, **_query_item(query, contents, room)}
    return {**frame, **_query_rows(query, contents, room)}


def _query_item(query: ResultQuery, item: ItemBody, room: int) -> dict[str, object]:
    """Return the selected values of an item, as long as there is room for them."""
    if query.conditions or query.group or query.sort or query.sum:
        raise UsageError(f"{query.handle} is no list", hint="`list` names a list inside of it, `select` its fields")
    if not query.select:
        return {"data": fit_bytes(item.data, room)}
    _check_fields(query.select, [item.data], query.handle)
    selected = {path: value_at_path(item.data, path) for path in query.select}
    return {"data": fit_bytes(selected, room)}


def _query_rows(query: ResultQuery, listing: Listing, room: int) -> dict[str, object]:
    rows: Sequence[Row] = listing.rows
    sort_path = query.sort.removeprefix("-")
    paths = [*query.select, *(condition.path for condition in query.conditions), sort_path, query.group, query.sum]
    _check_fields([path for path in paths if path], rows, query.handle)
    rows = [row for row in rows if all(_holds(condition, row) for condition in query.conditions)]
    counts: dict[str, object] = {"matching": len(rows), "of": len(listing.rows)}
    if listing.total is not None and listing.total > len(listing.rows):
        counts["on_all_pages"] = listing.total
    if query.sum:
        counts["sum"] = _sum(rows, query.sum)
        # Without it, a mean would be that of all rows.
        if (count := len(_numbers(rows, query.sum))) != len(rows):
            counts["numbers_summed"] = count
    if query.group:
        return {**counts, **_groups(query, rows, room)}
    if sort_path:
        rows = sorted(rows, key=_sort_key(sort_path), reverse=query.sort.startswith("-"))
    return {**counts, **_page(query, rows, room)}


def _check_fields(paths: Sequence[str], rows: Sequence[object], handle: str) -> None:
    """Raise UsageError for a path that no row has."""
    for path in paths:
        if rows and not any(values_at(row, path) for row in rows):
            names = dict.fromkeys(name for row in rows[:50] if isinstance(row, Mapping) for name in fields_of(row))
            near = difflib.get_close_matches(path, names, n=3, cutoff=0.5) or list(names)[:12]
            raise UsageError(f"{handle} has no field {path[:100]!r}", hint=f"there are {_short_names(near)}")


def _short_names(names: Iterable[str]) -> str:
    """Return names of fields, which are texts of the API, for an error."""
    return ", ".join(single_line(name)[:64] for name in names)


def _fields_hint(contents: Contents) -> str:
    sample = contents.rows[0] if isinstance(contents, Listing) and contents.rows else None
    item = contents.data if isinstance(contents, ItemBody) else sample
    fields = fields_of(item) if isinstance(item, Mapping) else {}
    lists = [path for path, value in fields.items() if isinstance(value, list)]
    return f"the lists inside are {_short_names(lists[:12])}" if lists else "there is no list inside"


def _page(query: ResultQuery, rows: Sequence[Row], room: int) -> dict[str, object]:
    """Return one page of rows: as many as fit, counted from the first page on."""
    # Pages differ in length, as rows do; so the rows before a page are laid out again.
    start, table = 0, None
    for _ in range(query.page):
        if start >= len(rows) and table is not None:
            raise UsageError(f"there is no page {query.page}", hint=f"{len(rows):,} rows end before it")
        table = build_table(rows[start:], room, paths=query.select)
        first, start = start, start + len(table.rows)
    assert table is not None
    view = table_data(table)
    if start < len(rows):
        view[NOTE_KEY] = f"rows {first + 1:,} to {start:,} of {len(rows):,}; page {query.page + 1} has the next"
    return view


def _groups(query: ResultQuery, rows: Sequence[Row], room: int) -> dict[str, object]:
    """Return the number of rows of each value, the most first; a row counts once for each value of a list."""
    members: dict[str, list[Row]] = {}
    for row in rows:
        values = [entry for value in values_at(row, query.group) for entry in _entries(value)]
        for name in dict.fromkeys(map(_group_name, values)) or ["null"]:
            members.setdefault(name, []).append(row)
    ranked = sorted(members.items(), key=lambda member: -len(member[1]))
    if query.sort.removeprefix("-") in (query.group, "value"):
        ranked.sort(key=lambda member: member[0], reverse=query.sort.startswith("-"))
    columns = ["value", "count", *([f"sum of {query.sum}"] if query.sum else [])]
    lines: list[list[object]] = []
    for name, group in ranked[:MAX_GROUPS]:
        line: list[object] = [cell(name), len(group), *([_sum(group, query.sum)] if query.sum else [])]
        room -= size_of(line)
        if room < 0 and lines:
            break
        lines.append(line)
    view: dict[str, object] = {"columns": columns, "rows": lines}
    if len(lines) < len(ranked):
        view[NOTE_KEY] = f"the first {len(lines)} of {len(ranked):,} groups"
    return view


def _group_name(value: object) -> str:
    """Return the text that is equal for equal values: of an object its name, else all of it."""
    if isinstance(value, Mapping) and (name := text_of(value) or name_of(value)):
        return name
    # Not strict: items of a stream may hold NaN.
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _numbers(rows: Sequence[Row], path: str) -> list[int | float]:
    """Return the values of a field but null. UsageError where one is no number."""
    values = [entry for row in rows for value in values_at(row, path) for entry in _entries(value)]
    numbers = [_number(value) for value in values if value is not None]
    if any(number is None for number in numbers):
        raise UsageError(f"{path[:100]} is not a number everywhere", hint="`group` counts texts")
    return [number for number in numbers if number is not None]


def _sum(rows: Sequence[Row], path: str) -> int | float:
    """Return the sum of a field. UsageError where it cannot be summed."""
    total = sum_numbers(_numbers(rows, path))
    if total is None:
        raise UsageError(f"the sum of {path[:100]} is too large for a number")
    return total


def _number(value: object) -> float | int | None:
    if isinstance(value, int | float) and is_number(value):
        return value
    # Amounts and counts are texts in many APIs.
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,30}(\.[0-9]{1,18})?", value):
        return float(value) if "." in value else int(value)
    return None


def _entries(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _sort_key(path: str) -> Callable[[Row], tuple[int, float, str]]:
    def key(row: Row) -> tuple[int, float, str]:
        value = value_at_path(row, path)
        number = _number(value)
        if number is not None:
            # Not as a float: ids of 18 digits would be equal to their neighbours.
            return 1, number, ""
        return (0, 0, "") if value is None else (2, 0, _plain(value))

    return key


def _holds(condition: RowCondition, row: Row) -> bool:
    values = [entry for value in values_at(row, condition.path) for entry in _entries(value)]
    present = [value for value in values if value not in (None, "", [], {})]
    if condition.operator == "empty":
        return not present
    if condition.operator == "not empty":
        return bool(present)
    if condition.operator == "!=":
        return not any(_compare("=", value, condition.value) for value in values or [None])
    return any(_compare(condition.operator, value, condition.value) for value in values or [None])


def _compare(symbol: str, value: object, expected: object) -> bool:
    if symbol == "in":
        return any(_compare("=", value, choice) for choice in _entries(expected))
    if symbol == "contains":
        return _plain(expected) in _plain(value)
    number, bound = _number(value), _number(expected)
    if symbol == "=":
        if number is not None and bound is not None and not (_is_code(value) or _is_code(expected)):
            return number == bound
        return _plain(value) == _plain(expected)
    # As texts, "n/a" would be more than 5, and the seconds 1700000000 less than a date.
    if value is None or expected is None or (number is None and bound is not None):
        return False
    if number is not None and bound is not None:
        return bool(_ORDERS[symbol](number, bound))
    if number is not None and not isinstance(value, str):
        raise UsageError(f"{str(expected)[:40]!r} is compared with a number, and is none")
    return bool(_ORDERS[symbol](_plain(value), _plain(expected)))


_ORDERS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


def _is_code(value: object) -> bool:
    """Return whether a text of digits is no number, as postal codes are: 00501 is not 501."""
    return isinstance(value, str) and re.match("-?0[0-9]", value) is not None


def _plain(value: object) -> str:
    """Return a value as a text to compare: `true` and True are equal, as are texts in other case."""
    return "" if value is None else _group_name(value).casefold()
