"""Answers a query of a stored answer without another call: of its rows, its fields, or its text."""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nlapi.bundled import tool_definitions
from nlapi.client.safe_text import single_line, strip_all
from nlapi.client.truncate import NOTE_KEY, UNTRUSTED, dump_json
from nlapi.errors import UsageError
from nlapi.json_text import parse_json
from nlapi.resources.identity import fields_of, name_of, text_of
from nlapi.results.contents import (
    Contents,
    ItemBody,
    Listing,
    Row,
    TextBody,
    cell,
    is_number,
    nested_listing,
    size_of,
    sum_numbers,
    value_at_path,
    values_at,
)
from nlapi.results.model_view import MAX_VIEW, build_table, fit_bytes, table_data
from nlapi.suggestions import nearest

QUERY_TOOL = "result"
MAX_CONDITIONS = 12

QUERY_SCHEMA: dict[str, Any] = tool_definitions()[QUERY_TOOL]["input_schema"]
"""The arguments of a query as a JSON Schema."""
_OPERATORS: Sequence[str] = QUERY_SCHEMA["properties"]["where"]["items"]["properties"]["op"]["enum"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowCondition:
    """A condition on a field of a row. Where the field is a list, it holds when it holds for one of its values."""

    path: str
    operator: str
    value: object = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultQuery:
    """A query of one stored answer; the fields are those of QUERY_SCHEMA."""

    handle: str
    select: tuple[str, ...] = ()
    conditions: tuple[RowCondition, ...] = ()
    sort: str = ""
    group: str = ""
    sum: str = ""
    list_path: str = ""
    page: int = 1
    search: str = ""
    lines: str = ""

    @property
    def reads_fields(self) -> bool:
        """Whether it is about fields, which no text has."""
        return bool(self.select or self.conditions or self.sort or self.group or self.sum or self.list_path)


def parse_query(arguments: Mapping[str, object]) -> ResultQuery:
    """Return the query of the arguments of a model's call. UsageError for arguments that do not fit QUERY_SCHEMA."""
    unknown = arguments.keys() - QUERY_SCHEMA["properties"].keys()
    if unknown:
        raise UsageError(f"{QUERY_TOOL} has no argument {sorted(unknown)[0][:64]!r}", hint=_arguments_hint())
    page = arguments.get("page", 1)
    if not isinstance(page, int) or isinstance(page, bool) or page < 1:
        raise UsageError("page is not a number from 1 on")
    return ResultQuery(
        handle=_text(arguments, "result"),
        select=tuple(_select(arguments.get("select"))),
        conditions=tuple(_conditions(arguments.get("where"))),
        sort=_text(arguments, "sort"),
        group=_text(arguments, "group"),
        sum=_text(arguments, "sum"),
        list_path=_text(arguments, "list"),
        page=page,
        search=_text(arguments, "search"),
        lines=_text(arguments, "lines"),
    )


def _arguments_hint() -> str:
    return f"its arguments are {', '.join(QUERY_SCHEMA['properties'])}"


def _text(arguments: Mapping[str, object], name: str) -> str:
    value = arguments.get(name, "")
    if value is None:
        return ""
    if not isinstance(value, str):
        raise UsageError(f"{name} is not text", hint=_arguments_hint())
    return value.strip()


def _select(value: object) -> list[str]:
    # Some models write a list as one text.
    fields = [part.strip() for part in value.split(",")] if isinstance(value, str) else value or []
    if not isinstance(fields, list) or not all(isinstance(entry, str) for entry in fields):
        raise UsageError("select is not a list of field names", hint='such as ["name", "user.login"]')
    return [entry for entry in fields if entry]


def _conditions(value: object) -> list[RowCondition]:
    # Some models write a single condition without the list around it, or the list as JSON text.
    if isinstance(value, str):
        try:
            value = parse_json(value)
        except (ValueError, RecursionError):
            raise UsageError("where is not a list of conditions", hint=_WHERE_HINT) from None
    entries = [value] if isinstance(value, Mapping) else value or []
    if not isinstance(entries, list) or len(entries) > MAX_CONDITIONS:
        raise UsageError(f"where is not a list of at most {MAX_CONDITIONS} conditions", hint=_WHERE_HINT)
    return [_condition(entry) for entry in entries]


_WHERE_HINT = 'such as [{"field": "comments", "op": ">", "value": 5}]'


def _condition(entry: object) -> RowCondition:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("field"), str) or not entry["field"]:
        raise UsageError("a condition of where has no field", hint=_WHERE_HINT)
    # A misspelt `op` would else be "=", which is the opposite of what `!=` chooses.
    if unknown := entry.keys() - {"field", "op", "value"}:
        raise UsageError(f"a condition of where has no {sorted(map(str, unknown))[0][:40]!r}", hint=_WHERE_HINT)
    operator = str(entry.get("op", "="))
    if operator not in _OPERATORS:
        raise UsageError(f"where has no op {operator[:20]!r}", hint=f"they are {', '.join(_OPERATORS)}")
    if operator == "in" and not isinstance(entry.get("value"), list):
        raise UsageError("the value of the op in is not a list", hint='such as ["open", "closed"]')
    return RowCondition(path=entry["field"], operator=operator, value=entry.get("value"))


# Lines around each line that a search finds.
CONTEXT_LINES = 2
# Characters of one line, which is cut there, or at a quarter of the room: a character takes four bytes at most.
MAX_LINE = 2_000


def query_text(query: ResultQuery, body: TextBody, room: int) -> dict[str, object]:
    """Return the lines of a text that a query is for, or one of its pages. UsageError for lines that there are not."""
    lines = body.lines
    if query.search:
        numbers = _matching_lines(lines, query.search)
        around = (range(max(n - CONTEXT_LINES, 0), min(n + CONTEXT_LINES + 1, len(lines))) for n in numbers)
        near_lines = sorted({near for near_range in around for near in near_range})
        return {"matching_lines": len(numbers), **_numbered_lines(lines, near_lines, room)}
    if not query.lines:
        page_lines = _text_pages(lines, room)
        if query.page > len(page_lines):
            raise UsageError(f"there is no page {query.page}", hint=f"this text has {len(page_lines)}")
        first, last = page_lines[query.page - 1]
        return {"pages": len(page_lines), **_numbered_lines(lines, range(first, last), room)}
    match = re.fullmatch(r"(\d{1,9})(?:\s*-\s*(\d{1,9}))?", query.lines)
    if match is None or int(match[1]) < 1:
        raise UsageError(f"lines {query.lines[:40]!r} is not a range", hint="such as 100-150")
    first, last = int(match[1]), int(match[2] or match[1])
    if first > len(lines):
        raise UsageError(f"there is no line {first}", hint=f"this text has {len(lines):,}")
    return _numbered_lines(lines, range(first - 1, min(last, len(lines))), room)


def _matching_lines(lines: Sequence[str], search: str) -> list[int]:
    words = search.casefold().split()
    return [number for number, line in enumerate(lines) if all(word in line.casefold() for word in words)]


def _text_pages(lines: Sequence[str], room: int) -> list[tuple[int, int]]:
    """Return the first line and the one behind the last of each page of a text."""
    pages, first, used = [], 0, 0
    max_line = min(MAX_LINE, room // 4)
    for number, line in enumerate(lines):
        size = size_of(line[:max_line]) + 12
        if used + size > room and number > first:
            pages.append((first, number))
            first, used = number, 0
        used += size
    return [*pages, (first, len(lines))]


def _numbered_lines(lines: Sequence[str], numbers: Sequence[int] | range, room: int) -> dict[str, object]:
    """Return lines with their numbers, as many as there is room for."""
    numbered: list[str] = []
    max_line = min(MAX_LINE, room // 4)
    for number in numbers:
        line = lines[number]
        text = f"{number + 1}: {line if len(line) <= max_line else f'{line[:max_line]}…'}"
        room -= size_of(text)
        if room < 0 and numbered:
            break
        numbered.append(text)
    note = {NOTE_KEY: f"{len(numbered):,} of {len(numbers):,} lines fit"} if len(numbered) < len(numbers) else {}
    return {"lines": numbered, **note}


MAX_GROUPS = 200


def run_query(query: ResultQuery, contents: Contents, *, limit: int = MAX_VIEW) -> str:
    """Return the answer to a query as JSON text of at most `limit` bytes, marked as untrusted data.

    UsageError for a field that no row has, a list that is not there, and lines of what is not a text.
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
        raise UsageError(f"{query.handle} is not text", hint="`select` and `where` read its fields")
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
        raise UsageError(f"{query.handle} is not a list", hint="`list` names a list inside of it, `select` its fields")
    if not query.select:
        return {"data": fit_bytes(item.data, room)}
    _check_fields(query.select, [item.data], query.handle)
    selected = {path: value_at_path(item.data, path) for path in query.select}
    return {"data": fit_bytes(selected, room)}


def matching_rows(query: ResultQuery, listing: Listing) -> Sequence[Row]:
    """Return the rows that a query chooses, in its order. UsageError for a field that no row has."""
    rows: Sequence[Row] = listing.rows
    sort_path = query.sort.removeprefix("-")
    paths = [*query.select, *(condition.path for condition in query.conditions), sort_path, query.group, query.sum]
    _check_fields([path for path in paths if path], rows, query.handle)
    rows = [row for row in rows if all(_holds(condition, row) for condition in query.conditions)]
    # The rows of a group have no order of their own.
    if not sort_path or query.group:
        return rows
    return sorted(rows, key=_sort_key(sort_path), reverse=query.sort.startswith("-"))


def _query_rows(query: ResultQuery, listing: Listing, room: int) -> dict[str, object]:
    rows = matching_rows(query, listing)
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
    return {**counts, **_page(query, rows, room)}


def _check_fields(paths: Sequence[str], rows: Sequence[object], handle: str) -> None:
    """Raise UsageError for a path that no row has."""
    for path in paths:
        if rows and not any(values_at(row, path) for row in rows):
            names = dict.fromkeys(name for row in rows[:50] if isinstance(row, Mapping) for name in fields_of(row))
            near = nearest(path, names, 3) or list(names)[:12]
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
    """Return the values of a field but null. UsageError where one is not a number."""
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
        raise UsageError(f"{str(expected)[:40]!r} is compared with a number, but is not a number")
    return bool(_ORDERS[symbol](_plain(value), _plain(expected)))


_ORDERS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


def _is_code(value: object) -> bool:
    """Return whether a text of digits is not a number, as postal codes are: 00501 is not 501."""
    return isinstance(value, str) and re.match("-?0[0-9]", value) is not None


def _plain(value: object) -> str:
    """Return a value as a text to compare: `true` and True are equal, as are texts in other case."""
    return "" if value is None else _group_name(value).casefold()
