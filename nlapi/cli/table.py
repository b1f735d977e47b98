"""Tables of an API's answer and of nlapi's own lists, fitted to the width of the terminal."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from nlapi.cli import show
from nlapi.cli.options import Listing, is_terminal
from nlapi.client.clean import clean, one_line

if TYPE_CHECKING:
    from nlapi.tools.view import AnswerView

Row = Mapping[str, Any]

MAX_COLUMNS = 8
# Characters of a terminal from which on a table may have twelve columns.
WIDE = 140

MAX_ROWS = 50
MAX_CELL = 60
# Characters below which a column is hard to read.
NARROWEST = 12

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
MOST_LISTS = 2

# Entries with at most this many fields (an id and a name) are listed in the field's own cell.
MOST_NAMING = 2

# Names of hidden columns in the note below a table.
MAX_NAMED = 12


def listing(rows: Sequence[Row], output: Listing | None, columns: Sequence[str], empty: str = "") -> None:
    """Print rows as a table on a terminal, else as JSON; `empty` goes to standard error when there are no rows."""
    if is_json(output):
        show.write(show.json_text(list(rows)))
    elif rows:
        table(rows, columns)
    elif empty:
        show.note(empty)


def is_json(output: Listing | None) -> bool:
    """Return whether nlapi's own lists are printed as JSON."""
    return (output or (Listing.TABLE if is_terminal() else Listing.JSON)) is Listing.JSON


def answer(view: AnswerView) -> None:
    """Print an answer: a table of its rows, the fields of a single item, or its raw text."""
    if view.raw:
        show.write(clean(view.raw))
    elif view.is_thing:
        from nlapi.tools.display import field_label

        (thing,) = view.rows
        fields = [
            {"field": field_label(path), "value": _cell_of(view, path, thing, MAX_VALUE)} for path in view.columns
        ]
        table(fields, ("field", "value"))
        for path, inner in _lists_in(view, thing):
            show.write(f"\n{field_label(path)}:")
            _rows(inner)
    elif not view.rows or not view.columns:
        show.note("nothing")
    else:
        _rows(view)


def _lists_in(view: AnswerView, thing: Row) -> Iterator[tuple[str, AnswerView]]:
    """Yield the lists in an item whose entries are records, with more fields than an id and a name."""
    from nlapi.resources.fields import field_at
    from nlapi.tools.view import entries_view

    lists = [(path, entries) for path in view.columns if isinstance(entries := field_at(thing, path), list)]
    full = [
        (path, entries)
        for path, entries in lists
        if any(isinstance(one, Mapping) and len(one) > MOST_NAMING for one in entries[:1])
    ]
    for path, entries in full[:MOST_LISTS]:
        inner = entries_view(entries, None)
        if inner is not None:
            yield path, inner


def _rows(view: AnswerView) -> None:
    from nlapi.resources.fields import field_at
    from nlapi.tools.display import column_labels

    things = view.rows[:MAX_ROWS]
    fields = dict(zip(column_labels(view.columns), view.columns, strict=True))
    labels = list(fields)
    rows = [{label: _cell_of(view, path, thing, MAX_CELL) for label, path in fields.items()} for thing in things]
    most = MAX_COLUMNS if shutil.get_terminal_size().columns < WIDE else MAX_COLUMNS * 3 // 2
    chosen = _fitting(rows, labels[: max(most, view.fixed)], view.fixed)
    right = [label for label in chosen if _counts(fields[label], [field_at(thing, fields[label]) for thing in things])]
    table(rows, chosen, right)
    if left_out := labels[len(chosen) :]:
        more = f" and {len(left_out) - MAX_NAMED} more" if len(left_out) > MAX_NAMED else ""
        show.dim(f"not shown: {', '.join(map(one_line, left_out[:MAX_NAMED]))}{more}")
    if len(view.rows) > MAX_ROWS:
        show.dim(f"the first {MAX_ROWS} of {len(view.rows)} are shown")


def _cell_of(view: AnswerView, path: str, thing: Row, most: int) -> str:
    from nlapi.resources.fields import field_at
    from nlapi.tools.display import format_cell

    text = one_line(format_cell(view.operation, path, field_at(thing, path), thing))
    return show.shorten(text, most)


def _counts(path: str, values: Sequence[Any]) -> bool:
    """Return whether a column holds numbers that are no timestamps."""
    from nlapi.tools.display import moment_of

    return _is_numeric(values) and all(moment_of(path, value) is None for value in values)


def _is_numeric(values: Sequence[Any]) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values if value is not None)


def table(rows: Sequence[Row], columns: Sequence[str], right: Collection[str] = ()) -> None:
    """Print a table. Short columns keep their width, others fold; numbers and columns in `right` are right-aligned."""
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    screen = Console(highlight=False, soft_wrap=False)
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column, width in zip(columns, _widths(rows, columns, screen.width), strict=True):
        numeric = column in right or _is_numeric([row.get(column) for row in rows])
        justify: Literal["left", "right"] = "right" if numeric else "left"
        made.add_column(escape(column), justify=justify, overflow="fold", width=width)
    for row in rows:
        made.add_row(*(escape(cell(row.get(column))) for column in columns))
    with screen.capture() as captured:
        screen.print(made)
    show.write("\n".join(line.rstrip() for line in captured.get().splitlines()).strip("\n"))


def _widths(rows: Sequence[Row], columns: Sequence[str], total: int) -> list[int]:
    """Return the width of each column in a table of `total` characters."""
    room = max(total - EDGES - GAP * (len(columns) - 1), len(columns))
    longest = [_longest(rows, column) for column in columns]
    widths = [longest[0], *(_least(rows, column) for column in columns[1:])]
    while sum(widths) > room:
        # The first column identifies the row, so it becomes narrower only when no other column can.
        wide = [place for place, width in enumerate(widths) if place and width > NARROWEST]
        place = max(wide or range(len(widths)), key=widths.__getitem__)
        widths[place] -= 1
    for _ in range(room - sum(widths)):
        short = [place for place, width in enumerate(widths) if width < longest[place]]
        if not short:
            break
        widths[min(short, key=widths.__getitem__)] += 1
    return widths


def _longest(rows: Sequence[Row], column: str) -> int:
    from rich.cells import cell_len

    return max(map(cell_len, (column, *(cell(row.get(column)) for row in rows))), default=0)


def _least(rows: Sequence[Row], column: str) -> int:
    """Return the width below which a column is hard to read: that of a short column, else of its longest word."""
    from rich.cells import cell_len

    words = (word for row in rows for word in _WORD.findall(cell(row.get(column))))
    word = max(map(cell_len, words), default=0)
    return min(_longest(rows, column), max(NARROWEST, len(column), min(word, LONGEST_WORD)))


def cell(value: Any) -> str:
    """Return a value as one line of text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = " ".join(clean(text).split())
    return show.shorten(text, MAX_CELL)


def _fitting(rows: Sequence[Row], columns: Sequence[str], fixed: int) -> list[str]:
    """Return the first columns that can be read side by side, at least two and the `fixed` ones."""
    left = shutil.get_terminal_size().columns - EDGES + GAP
    chosen: list[str] = []
    for column in columns:
        left -= (_least(rows, column) if chosen else _longest(rows, column)) + GAP
        if left < 0 and len(chosen) >= max(2, fixed):
            break
        chosen.append(column)
    return chosen
