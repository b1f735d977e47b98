"""Printing: data on standard output, everything else on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from nlapi.cli.options import Listing, is_terminal
from nlapi.client.clean import clean

if TYPE_CHECKING:
    from nlapi.client.message import Request

MAX_COLUMNS = 8
MAX_ROWS = 50
MAX_CELL = 60


def write(text: str) -> None:
    """Data, to standard output."""
    sys.stdout.write(text if text.endswith("\n") else f"{text}\n")


def note(text: str) -> None:
    """Anything but data, to standard error."""
    print(clean(text), file=sys.stderr)


def json_text(data: Any) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False, default=str)


@contextmanager
def working(text: str) -> Iterator[None]:
    """A spinner on standard error while something takes its time; nothing when nobody watches."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(clean(text)):
        yield


def listing(rows: Sequence[Mapping[str, Any]], output: Listing | None, columns: Sequence[str], empty: str = "") -> None:
    """Rows of nlapi's own: a table on a terminal, else JSON. `empty` is said, on standard error, for none."""
    chosen = output or (Listing.TABLE if is_terminal() else Listing.JSON)
    if chosen is Listing.JSON:
        write(json_text(list(rows)))
    elif rows:
        table(rows, columns)
    elif empty:
        note(empty)


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, title: str = "") -> None:
    """A table of rows, to standard output. Cells are one line each, and fold when the terminal is narrow."""
    from rich import box
    from rich.table import Table

    made = Table(box=box.SIMPLE_HEAD, title=title or None, title_justify="left", pad_edge=False)
    for column in columns:
        numeric = all(isinstance(row.get(column), int | float) for row in rows if row.get(column) is not None)
        made.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        made.add_row(*(cell(row.get(column)) for column in columns))
    _console().print(made)


def answer(data: Any) -> None:
    """An API's answer as a table: its list of things if it has one, else its fields."""
    from nlapi.tools.rows import rows_of

    rows = rows_of(data)
    if rows is None:
        fields = data if isinstance(data, Mapping) else {"value": data}
        table([{"field": key, "value": value} for key, value in fields.items()], ("field", "value"))
        return
    if not rows:
        note("nothing")
        return
    shown = [row if isinstance(row, Mapping) else {"value": row} for row in rows[:MAX_ROWS]]
    table(shown, _columns(shown))
    if len(rows) > MAX_ROWS:
        note(f"the first {MAX_ROWS} of {len(rows)}; -o json shows them all")


def _columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The columns worth showing: plain values before nested ones, ids and names first, empty ones left out."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    filled = [name for name in names if any(row.get(name) not in (None, "", [], {}) for row in rows)]
    first = ("id", "name", "title", "status", "state", "type")

    def rank(name: str) -> tuple[bool, int]:
        nested = any(isinstance(row.get(name), Mapping | list) for row in rows)
        return nested, first.index(name) if name in first else len(first)

    return sorted(filled, key=rank)[: MAX_COLUMNS if len(filled) > MAX_COLUMNS else None]


def cell(value: Any) -> str:
    """One value on one line."""
    from rich.markup import escape

    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = " ".join(clean(text).split())
    return escape(text if len(text) <= MAX_CELL else f"{text[: MAX_CELL - 1]}…")


def _console() -> Any:
    from rich.console import Console

    return Console(file=sys.stdout, highlight=False)


def request(request: Request, *, to_stderr: bool = False) -> None:
    """A request as it will be sent, before credentials."""
    lines = [f"{request.method} {request.url}", *(f"{name}: {value}" for name, value in request.headers)]
    if request.content is not None:
        text = request.content.decode("utf-8", "replace")
        if request.json_like:
            text = json_text(json.loads(text))
        lines += ["", text]
    (note if to_stderr else write)(clean("\n".join(lines)))


def reason(status: int) -> str:
    """The usual words for a status; the server's own words are not shown."""
    from http import HTTPStatus

    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
