"""Tables, as wide as the terminal: of an API's answer, and of nlapi's own lists."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from nlapi.cli import show
from nlapi.cli.options import Listing, is_terminal
from nlapi.client.clean import clean

Row = Mapping[str, Any]

MAX_COLUMNS = 8
MAX_ROWS = 50
MAX_CELL = 60
NARROWEST = 12
"""Characters that a column needs, if it has as many: below that a table is no longer read with ease."""

LONGEST_WORD = 36
"""Words of up to so many characters, such as a UUID or a time, are kept in one piece where there is room."""

GAP = 3
"""Characters between two columns."""

EDGES = 2
"""Characters before the first column and after the last."""

SPREAD_DEPTH = 2
SPREAD_FIELDS = 16
"""Objects of so many levels and fields are shown field by field in the table of one thing."""

HOLDERS = ("attributes", "fields")
"""Objects that many APIs put all the values of a thing in, beside its id."""

FIRST = ("id", "name", "displayName", "display_name", "title", "status", "state", "type")


def listing(rows: Sequence[Row], output: Listing | None, columns: Sequence[str], empty: str = "") -> None:
    """Rows of nlapi's own: a table on a terminal, else JSON. `empty` is said, on standard error, for none."""
    if is_json(output):
        show.write(show.json_text(list(rows)))
    elif rows:
        table(rows, columns)
    elif empty:
        show.note(empty)


def is_json(output: Listing | None) -> bool:
    """Are lists of nlapi's own wanted as JSON?"""
    return (output or (Listing.TABLE if is_terminal() else Listing.JSON)) is Listing.JSON


def answer(data: Any) -> None:
    """An API's answer as a table: its list of things if it has one, else its fields."""
    from nlapi.tools.rows import rows_of

    rows = rows_of(data)
    if rows is None:
        fields = _alone(data) if isinstance(data, Mapping) else {"value": data}
        table([{"field": key, "value": value} for key, value in _spread(fields)], ("field", "value"))
        return
    if not rows:
        show.note("nothing")
        return
    shown = [_opened(row) if isinstance(row, Mapping) else {"value": row} for row in rows[:MAX_ROWS]]
    names = _ranked(shown)
    chosen = _fitting(shown, names[:MAX_COLUMNS])
    table(shown, chosen)
    left_out = names[len(chosen) :]
    if left_out:
        show.dim(f"not shown: {', '.join(left_out)}")
    if len(rows) > MAX_ROWS:
        show.dim(f"the first {MAX_ROWS} of {len(rows)} are shown")


def _spread(fields: Row) -> Iterator[tuple[str, Any]]:
    """The fields of a thing, those of a small object in it one by one, as "status.requests"."""
    for key, value in fields.items():
        if isinstance(value, Mapping) and value and _is_small(value, SPREAD_DEPTH):
            yield from ((f"{key}.{inner}", one) for inner, one in _spread(value))
        else:
            yield key, value


def _alone(data: Row) -> Row:
    """The one thing in an envelope that holds nothing else, as in `{"droplet": {...}}`."""
    (only, *others) = data.values() or [None]
    return only if isinstance(only, Mapping) and only and not others else data


def _opened(row: Row) -> Row:
    """A thing that keeps what it has in one object, as JSON:API does, with the fields of that beside its own."""
    held = [name for name in HOLDERS if isinstance(row.get(name), Mapping)]
    if not held:
        return row
    inside = {inner: value for name in held for inner, value in _spread(row[name])}
    return {**inside, **{name: value for name, value in row.items() if name not in held}}


def _is_small(value: Any, depth: int) -> bool:
    if isinstance(value, Mapping):
        return depth > 0 and len(value) <= SPREAD_FIELDS and all(_is_small(one, depth - 1) for one in value.values())
    return not isinstance(value, list) or not value


def table(rows: Sequence[Row], columns: Sequence[str]) -> None:
    """A table of rows, to standard output. Short columns stay whole, the others share the rest and fold."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, soft_wrap=False)
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column, width in zip(columns, _widths(rows, columns, console.width), strict=True):
        justify: Literal["left", "right"] = "right" if _numeric(rows, column) else "left"
        made.add_column(_escaped(column), justify=justify, overflow="fold", width=width)
    for row in rows:
        made.add_row(*(_escaped(cell(row.get(column))) for column in columns))
    with console.capture() as captured:
        console.print(made)
    show.write("\n".join(line.rstrip() for line in captured.get().splitlines()).strip("\n"))


def _widths(rows: Sequence[Row], columns: Sequence[str], total: int) -> list[int]:
    """The width of each column in a table of `total` characters."""
    room = max(total - EDGES - GAP * (len(columns) - 1), len(columns))
    longest = [_longest(rows, column) for column in columns]
    widths = [longest[0], *(_least(rows, column) for column in columns[1:])]
    while sum(widths) > room:
        # The first column tells which row it is: it gives way when the others cannot.
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
    """The width below which a column is hard to read: all of a short one, else its longest word."""
    from rich.cells import cell_len

    words = (word for row in rows for word in cell(row.get(column)).split())
    word = max(map(cell_len, words), default=0)
    return min(_longest(rows, column), max(NARROWEST, len(column), min(word, LONGEST_WORD)))


def cell(value: Any) -> str:
    """One value on one line."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = " ".join(clean(text).split())
    return text if len(text) <= MAX_CELL else f"{text[: MAX_CELL - 1]}…"


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _numeric(rows: Sequence[Row], column: str) -> bool:
    return all(isinstance(row.get(column), int | float) for row in rows if row.get(column) is not None)


def _ranked(rows: Sequence[Row]) -> list[str]:
    """The columns that hold anything, the ones worth most first: ids and names, plain values before nested ones."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    filled = [name for name in names if any(row.get(name) not in (None, "", [], {}) for row in rows)]

    def rank(name: str) -> tuple[bool, int]:
        nested = any(isinstance(row.get(name), Mapping | list) for row in rows)
        return nested, FIRST.index(name) if name in FIRST else len(FIRST)

    return sorted(filled, key=rank)


def _fitting(rows: Sequence[Row], columns: Sequence[str]) -> list[str]:
    """As many of the columns as can be read side by side; two at least."""
    left = shutil.get_terminal_size().columns - EDGES + GAP
    chosen: list[str] = []
    for column in columns:
        left -= (_least(rows, column) if chosen else _longest(rows, column)) + GAP
        if left < 0 and len(chosen) >= 2:
            break
        chosen.append(column)
    return chosen
