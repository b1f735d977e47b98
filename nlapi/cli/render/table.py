"""Tables of an API's answer and of nlapi's own lists, fitted to the terminal, and small charts below them."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, TypeGuard

from nlapi.cli.options import ListFormat, is_terminal
from nlapi.cli.render import console
from nlapi.client.safe_text import single_line, strip_control

if TYPE_CHECKING:
    from nlapi.tools.answers.view import AnswerView


_DAY = re.compile(r"\d{4}-\d\d-\d\d")

BARS = "▁▂▃▄▅▆▇█"
# Fewer rows are read faster than a chart of them.
MIN_ROWS = 8
MAX_WIDTH = 32
# JSON has numbers that no float holds, and Python reads NaN and Infinity (RFC 8259 §6).
MAX_PLOTTED = 1e300
# Charts below one table.
MAX_CHARTS = 3
# The share of rows that need a time; the others are left out.
MIN_DATED = 0.8


def is_plottable(values: Sequence[object]) -> TypeGuard[Sequence[float]]:
    """Return whether all values are numbers that a chart can show."""
    return all(
        isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < MAX_PLOTTED for value in values
    )


def sparkline(values: Sequence[float]) -> str:
    """Return a bar for each value, from the lowest to the highest; equal values are bars of one half."""
    low, high = min(values, default=0), max(values, default=0)
    if high == low:
        return BARS[len(BARS) // 2 - 1] * len(values)
    steps = len(BARS) - 1
    return "".join(BARS[round((value - low) / (high - low) * steps)] for value in values)


def chart_lines(view: AnswerView) -> Iterator[str]:
    """Yield a line for each chart of a table: the quantities of a time series, else the number of rows over time."""
    if len(view.rows) < MIN_ROWS:
        return
    dated = _dated_rows(view)
    if dated is None:
        return
    path, rows = dated
    first, last = rows[0][0], rows[-1][0]
    span = f"{first:%Y-%m-%d} to {last:%Y-%m-%d}"
    if len({moment for moment, _ in rows}) == len(rows):
        yield from _series_lines(view, path, [row for _, row in rows], span)
        return
    counts = _counts([moment for moment, _ in rows])
    if len(counts) > 1:
        yield f"rows by {path}: {sparkline(counts)} {span}, at most {max(counts)}"


def _dated_rows(view: AnswerView) -> tuple[str, list[tuple[datetime, Any]]] | None:
    """Return the first column of times, and the rows that have one, the earliest first."""
    from nlapi.resources.identity import field_at

    for path in view.columns:
        pairs = [(_time_of(path, field_at(row, path)), row) for row in view.rows]
        rows = [(moment, row) for moment, row in pairs if moment is not None]
        if len(rows) >= max(MIN_ROWS, MIN_DATED * len(pairs)):
            rows.sort(key=lambda pair: pair[0])
            if rows[0][0] < rows[-1][0]:
                return path, rows
    return None


def _time_of(path: str, value: object) -> datetime | None:
    """Return the time or the day that a field holds, in UTC where it names no zone; None where it holds none."""
    from nlapi.tools.quantities.value_format import moment_of

    moment = moment_of(path, value)
    if moment is None and isinstance(value, str) and _DAY.fullmatch(value):
        with suppress(ValueError):
            moment = datetime.fromisoformat(value)
    return moment if moment is None or moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _series_lines(view: AnswerView, time_path: str, rows: Sequence[Any], span: str) -> Iterator[str]:
    from nlapi.english.words import name_words
    from nlapi.resources.identity import field_at
    from nlapi.resources.nouns import ID_WORDS
    from nlapi.tools.quantities.value_format import format_cell

    charts = 0
    for path in view.columns:
        cells = [field_at(row, path) for row in rows]
        if path == time_path or not is_plottable(cells) or {*name_words(path)[-1:]} & ID_WORDS:
            continue
        if _time_of(path, cells[0]) is not None:
            continue
        low, high = (format_cell(view.operation, path, bound(cells)) for bound in (min, max))
        yield f"{path}: {sparkline(_sampled(cells))} {low} to {high}, {span}"
        charts += 1
        if charts == MAX_CHARTS:
            return


def _sampled(values: Sequence[float]) -> Sequence[float]:
    """Return the means of neighbours where there are more values than a chart has bars."""
    if len(values) <= MAX_WIDTH:
        return values
    bounds = [len(values) * index // MAX_WIDTH for index in range(MAX_WIDTH + 1)]
    parts = [values[start:end] for start, end in pairwise(bounds)]
    return [sum(part) / len(part) for part in parts]


def _counts(moments: Sequence[datetime]) -> list[int]:
    """Return the number of moments in equal parts of their time."""
    first, last = moments[0].timestamp(), moments[-1].timestamp()
    width = min(MAX_WIDTH, len(moments))
    counts = [0] * width
    for moment in moments:
        counts[min(int((moment.timestamp() - first) / (last - first) * width), width - 1)] += 1
    return counts


Row = Mapping[str, Any]

MAX_COLUMNS = 8
# Characters of a terminal from which on a table may have twelve columns.
WIDE_TERMINAL = 140

MAX_ROWS = 50
MAX_CELL = 60
# Characters below which a column is hard to read.
MIN_COLUMN = 12

# The length of a UUID: words up to this length are not folded where there is room.
LONGEST_WORD = 36

# A word, or a date with its time: folding between these two makes a row hard to read.
_WORD = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d\S*|\S+")

# Characters between two columns, and at both edges together, of rich's box.SIMPLE_HEAD.
GAP = 3
EDGES = 2

# Characters of a value in the table of one item, which has a line or several for itself.
MAX_VALUE = 300

# Lists inside one item that are printed below its fields.
MAX_LISTS = 2

# Entries with at most this many fields (an id and a name) are listed in the field's own cell.
MAX_NAMING_FIELDS = 2

# Numbers of a list that are drawn as a line.
MIN_SERIES = 4
MAX_SERIES = 24

# Names of hidden columns in the note below a table.
MAX_HIDDEN = 12


def print_list(rows: Sequence[Row], output: ListFormat | None, columns: Sequence[str], empty: str = "") -> None:
    """Print rows as a table on a terminal, else as JSON; `empty` goes to standard error without rows."""
    if is_json(output):
        console.write(console.format_json(list(rows)))
    elif rows:
        print_table(rows, columns)
    elif empty:
        console.note(empty)


def is_json(output: ListFormat | None) -> bool:
    """Return whether nlapi's own lists are printed as JSON."""
    return (output or (ListFormat.TABLE if is_terminal() else ListFormat.JSON)) is ListFormat.JSON


def print_answer(view: AnswerView) -> None:
    """Print an answer: a table of its rows, the fields of a single item, or its raw text."""
    if view.raw:
        console.write(strip_control(view.raw))
    elif view.is_single:
        (item,) = view.rows
        fields = [
            {"field": column_label(view, path), "value": answer_cell(view, path, item, MAX_VALUE)}
            for path in view.columns
        ]
        print_table(fields, ("field", "value"))
        for path, inner in _record_lists(view, item):
            console.write(f"\n{single_line(path)}:")
            _print_rows(inner)
    elif not view.rows or not view.columns:
        console.note("nothing")
    else:
        _print_rows(view)


def _record_lists(view: AnswerView, item: Row) -> Iterator[tuple[str, AnswerView]]:
    """Yield the lists in an item whose entries are records, with more fields than an id and a name."""
    from nlapi.resources.identity import field_at
    from nlapi.tools.answers.view import entries_view

    lists = [(path, entries) for path in view.columns if isinstance(entries := field_at(item, path), list)]
    records = [
        (path, entries)
        for path, entries in lists
        if any(isinstance(entry, Mapping) and len(entry) > MAX_NAMING_FIELDS for entry in entries[:1])
    ]
    for path, entries in records[:MAX_LISTS]:
        inner = entries_view(entries, None)
        if inner is not None:
            yield path, inner


def _print_rows(view: AnswerView) -> None:
    from nlapi.resources.identity import field_at
    from nlapi.tools.quantities.value_format import column_labels

    # A file gets every row: nobody scrolls in it.
    items = view.rows[:MAX_ROWS] if is_terminal() else view.rows
    fields = dict(zip(column_labels(view.columns, _amounts_of(view)), view.columns, strict=True))
    labels = list(fields)
    rows = [{label: answer_cell(view, path, item, MAX_CELL) for label, path in fields.items()} for item in items]
    limit = MAX_COLUMNS if shutil.get_terminal_size().columns < WIDE_TERMINAL else MAX_COLUMNS * 3 // 2
    chosen = _fitting_columns(rows, labels[: max(limit, view.fixed)], view.fixed)
    right = [
        label for label in chosen if _is_quantity(fields[label], [field_at(item, fields[label]) for item in items])
    ]
    print_table(rows, chosen, right)
    if hidden := labels[len(chosen) :]:
        suffix = f" and {len(hidden) - MAX_HIDDEN} more" if len(hidden) > MAX_HIDDEN else ""
        console.dim(f"not shown: {', '.join(map(single_line, hidden[:MAX_HIDDEN]))}{suffix}")
    if len(view.rows) > len(items):
        console.dim(f"the first {len(items)} of {len(view.rows)} are shown")
    for line in chart_lines(view):
        console.dim(line)


def column_label(view: AnswerView, path: str) -> str:
    """Return the title of a column of an answer."""
    from nlapi.tools.quantities.value_format import field_label

    return field_label(path) if path in _amounts_of(view) else path


def _amounts_of(view: AnswerView) -> list[str]:
    """Return the columns whose numbers are shown in units of their currency."""
    from nlapi.resources.identity import field_at
    from nlapi.tools.quantities.value_format import is_shown_as_money

    return [
        path
        for path in view.columns
        if is_shown_as_money(view.operation, path, (field_at(item, path) for item in view.rows))
    ]


def answer_cell(view: AnswerView, path: str, item: Row, length: int) -> str:
    """Return a value of an answer as one line of text, in the units of its column."""
    from nlapi.resources.identity import field_at
    from nlapi.tools.quantities.value_format import format_cell

    value = field_at(item, path)
    if isinstance(value, list) and len(value) >= MIN_SERIES and is_plottable(value):
        # A series: its course, and its last value.
        return f"{sparkline(value[-MAX_SERIES:])} {value[-1]}"
    text = single_line(format_cell(view.operation, path, value, item))
    return console.shorten(text, length)


def _is_quantity(path: str, values: Sequence[object]) -> bool:
    """Return whether a column holds numbers that are not timestamps."""
    from nlapi.tools.quantities.value_format import moment_of

    return _is_numeric(values) and all(moment_of(path, value) is None for value in values)


def _is_numeric(values: Sequence[object]) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values if value is not None)


def print_table(rows: Sequence[Row], columns: Sequence[str], right: Collection[str] = ()) -> None:
    """Print a table. Short columns keep their width, others fold; numbers and columns in `right` are right-aligned."""
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    screen = Console(highlight=False, soft_wrap=False)
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column, width in zip(columns, _widths(rows, columns, screen.width), strict=True):
        numeric = column in right or _is_numeric([row.get(column) for row in rows])
        justify: Literal["left", "right"] = "right" if numeric else "left"
        grid.add_column(escape(single_line(column)), justify=justify, overflow="fold", width=width)
    for row in rows:
        grid.add_row(*(escape(cell(row.get(column))) for column in columns))
    with screen.capture() as captured:
        screen.print(grid)
    console.write("\n".join(line.rstrip() for line in captured.get().splitlines()).strip("\n"))


def _widths(rows: Sequence[Row], columns: Sequence[str], total: int) -> list[int]:
    """Return the width of each column in a table of `total` characters."""
    room = max(total - EDGES - GAP * (len(columns) - 1), len(columns))
    longest = [_longest_width(rows, column) for column in columns]
    widths = [longest[0], *(_least_width(rows, column) for column in columns[1:])]
    while sum(widths) > room:
        # The first column identifies the row, so it becomes narrower only when no other column can.
        shrinkable = [index for index, width in enumerate(widths) if index and width > MIN_COLUMN]
        index = max(shrinkable or range(len(widths)), key=widths.__getitem__)
        widths[index] -= 1
    for _ in range(room - sum(widths)):
        growable = [index for index, width in enumerate(widths) if width < longest[index]]
        if not growable:
            break
        widths[min(growable, key=widths.__getitem__)] += 1
    return widths


def _longest_width(rows: Sequence[Row], column: str) -> int:
    from rich.cells import cell_len

    return max(map(cell_len, (column, *(cell(row.get(column)) for row in rows))), default=0)


def _least_width(rows: Sequence[Row], column: str) -> int:
    """Return the width below which a column is hard to read: that of a short column, else of its longest word."""
    from rich.cells import cell_len

    words = (word for row in rows for word in _WORD.findall(cell(row.get(column))))
    word = max(map(cell_len, words), default=0)
    return min(_longest_width(rows, column), max(MIN_COLUMN, len(column), min(word, LONGEST_WORD)))


def cell(value: object) -> str:
    """Return a value as one line of text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = " ".join(strip_control(text).split())
    return console.shorten(text, MAX_CELL)


def _fitting_columns(rows: Sequence[Row], columns: Sequence[str], fixed: int) -> list[str]:
    """Return the first columns that can be read side by side, at least two and the `fixed` ones."""
    remaining = shutil.get_terminal_size().columns - EDGES + GAP
    chosen: list[str] = []
    for column in columns:
        remaining -= (_least_width(rows, column) if chosen else _longest_width(rows, column)) + GAP
        if remaining < 0 and len(chosen) >= max(2, fixed):
            break
        chosen.append(column)
    return chosen
