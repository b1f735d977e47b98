"""Writes the entries of an answer as CSV, YAML, JSON, lines or bare values: chosen columns, in a chosen order."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nlapi.cli import console, table
from nlapi.cli.options import Output
from nlapi.client.safe_text import single_line, strip_all, strip_control
from nlapi.errors import UsageError

if TYPE_CHECKING:
    from nlapi.openapi.spec import Operation

VALUE = "value"
"""The column of entries that are plain values."""

# Entries whose fields are the columns of a CSV without --columns.
MAX_SURVEYED = 1_000

# A spreadsheet runs a cell that begins so as a formula; a number is none.
_FORMULA = re.compile(r"[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)*(?:[eE][+-]?\d+)?%?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrangement:
    """The columns that are shown, all of them when empty, and the fields to sort by, each with whether it descends."""

    columns: tuple[str, ...] = ()
    order: tuple[tuple[str, bool], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.columns or self.order)


def arrangement(columns: Sequence[str] | None, sort: Sequence[str] | None) -> Arrangement:
    """Return the Arrangement of `--columns a,b` and `--sort a,-b`. UsageError for an empty name."""
    names = tuple(name.strip() for text in columns or () for name in text.split(","))
    keys = tuple(name.strip() for text in sort or () for name in text.split(","))
    if not all(names) or not all(key.lstrip("-") for key in keys):
        raise UsageError(
            "--columns and --sort take names of fields", hint="such as --columns id,owner.login --sort -created_at"
        )
    return Arrangement(columns=names, order=tuple((key.removeprefix("-"), key.startswith("-")) for key in keys))


def arranged(entries: Sequence[Any], chosen: Arrangement) -> list[Any]:
    """Return the entries in order, with the chosen columns. UsageError for a column that no entry has."""
    known = list(dict.fromkeys(path for entry in entries[:MAX_SURVEYED] for path in _fields(entry)))
    for name in (*chosen.columns, *(name for name, _ in chosen.order)):
        if entries and not any(_has(entry, name) for entry in entries):
            raise UsageError(f"no entry has a field {name!r}", hint=f"there are {', '.join(known[:12])}")
    result = list(entries)
    for name, descends in reversed(chosen.order):
        # Entries without the value are last in either direction.
        present = [entry for entry in result if _at(entry, name) is not None]
        absent = [entry for entry in result if _at(entry, name) is None]
        present.sort(key=lambda entry: _sort_key(_at(entry, name)), reverse=descends)
        result = [*present, *absent]
    if chosen.columns:
        return [{name: _at(entry, name) for name in chosen.columns} for entry in result]
    return result


def _sort_key(value: object) -> tuple[int, float, str]:
    """Return a key by which numbers sort by value and before texts, and texts without case."""
    if isinstance(value, bool | int | float):
        return 0, value, ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return 1, 0.0, text.casefold()


def _fields(entry: object) -> Mapping[str, object]:
    from nlapi.resources.identity import fields_of

    return fields_of(entry) if isinstance(entry, Mapping) else {VALUE: entry}


def _at(entry: object, path: str) -> Any:
    from nlapi.resources.identity import field_at

    return field_at(entry, path) if isinstance(entry, Mapping) else entry if path == VALUE else None


def _has(entry: object, path: str) -> bool:
    """Return whether an entry has a field, also where its value is null."""
    if _at(entry, path) is not None:
        return True
    head, _, rest = path.rpartition(".")
    parent = _at(entry, head) if head else entry
    return isinstance(parent, Mapping) and rest in parent


def write_entries(
    entries: Sequence[Any], output: Output, chosen: Arrangement, operation: Operation | None = None
) -> None:
    """Write entries in a format, on standard output."""
    rows = arranged(entries, chosen)
    match output:
        case Output.CSV:
            _write_csv(rows, chosen.columns)
        case Output.VALUE:
            for row in rows:
                console.write(
                    "\t".join(_cell(value) for value in (_fields(row) if not chosen.columns else row).values())
                )
        case Output.YAML:
            from nlapi.workflows.write import yaml_text

            console.write(strip_control(yaml_text(rows)), end="")
        case Output.NDJSON:
            for row in rows:
                console.write(json.dumps(row, ensure_ascii=False))
        case Output.TABLE:
            _write_table(rows, chosen, operation)
        case _:
            console.write_list(rows)


def _write_csv(rows: Sequence[Any], columns: Sequence[str]) -> None:
    names = columns or list(dict.fromkeys(path for row in rows[:MAX_SURVEYED] for path in _fields(row)))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([_csv_cell(name) for name in names])
    for row in rows:
        fields = row if columns else _fields(row)
        writer.writerow([_csv_cell(fields.get(name)) for name in names])
    console.write(text.getvalue(), end="")


def _csv_cell(value: object) -> str:
    """Return a value as a cell that no spreadsheet takes for a formula."""
    text = _cell(value, line_breaks=True)
    # A list of texts is joined, and begins as its first one does.
    is_formula = isinstance(value, str | list) and _FORMULA.match(text) and not _NUMBER.fullmatch(text)
    return f"'{text}" if is_formula else text


def _cell(value: object, *, line_breaks: bool = False) -> str:
    """Return a value as text: null as nothing, lists of plain values with commas, other values as JSON."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return strip_control(value) if line_breaks else single_line(value)
    if isinstance(value, list) and all(isinstance(entry, str | int | float) for entry in value):
        return ",".join(_cell(entry) for entry in value)
    # JSON escapes the control characters of ASCII alone.
    return json.dumps(strip_all(value), ensure_ascii=False, default=str)


def _write_table(rows: Sequence[Any], chosen: Arrangement, operation: Operation | None) -> None:
    from dataclasses import replace

    from nlapi.tools.answer_view import AnswerView, entries_view

    view = entries_view(list(rows), operation)
    if view is None:
        console.write_list(rows)
        return
    if chosen.columns:
        # Columns that were asked for are all shown, however narrow the terminal is.
        view = replace(view, columns=chosen.columns, fixed=len(chosen.columns))
    table.print_answer(view if rows else AnswerView())


def entries_in(data: object, operation: Operation | None, headers: Mapping[str, str]) -> list[Any] | None:
    """Return the entries of the list in an answer; None where it has none."""
    from nlapi.resources.answers import extract_list
    from nlapi.resources.envelope import value_at

    part = extract_list(data, operation, headers)
    entries = value_at(data, part.envelope.keys) if part is not None else None
    return list(entries) if isinstance(entries, list) else None
