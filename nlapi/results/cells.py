"""Makes the values of rows short: what stands in a cell of a table for a model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property

from nlapi.client.safe_text import strip_control
from nlapi.client.truncate import dump_json
from nlapi.resources.identity import field_at, fields_of, name_of, path_splits, text_of

# Titles of GitHub have at most 256 characters; longer texts are read with `select`.
MAX_TEXT = 280
# Entries of a list in a cell; the others are counted.
MAX_ENTRIES = 6

Cell = str | int | float | bool | list["str | int | float | bool | None"] | None


def values_at(item: object, path: str) -> list[object]:
    """Return the values at a dotted path, also inside of lists: `labels.name` has those of all labels."""
    if path == "":
        return [item]
    if isinstance(item, Sequence) and not isinstance(item, str | bytes):
        return [value for entry in item for value in values_at(entry, path)]
    if not isinstance(item, Mapping):
        return []
    if path in item:
        return [item[path]]
    for head, rest in path_splits(path):
        if head in item:
            return values_at(item[head], rest)
    return []


def value_at_path(item: object, path: str) -> object:
    """Return the value at a dotted path; a list of values where the path leads through lists, None for none."""
    if (value := field_at(item, path)) is not None:
        return value
    values = values_at(item, path)
    return values if len(values) > 1 else next(iter(values), None)


def cell(value: object, max_text: int = MAX_TEXT) -> Cell:
    """Return a value as it stands in a cell: an object by its name, a list by its first entries, a text cut."""
    if isinstance(value, str):
        return _cut(value, max_text)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, Mapping):
        name = text_of(value) or name_of(value)
        return _cut(name, max_text) if name else f"{{{len(value):,} fields}}"
    if isinstance(value, Sequence):
        return _list_cell(value, max_text)
    return _cut(str(value), max_text)


def _list_cell(values: Sequence[object], max_text: int) -> Cell:
    # Not by `cell` of the inner list: lists may be nested as deep as the parser goes.
    if any(isinstance(value, list) for value in values[:MAX_ENTRIES]):
        return f"[{len(values):,} items]"
    entries = [cell(value, max_text // 2) for value in values[:MAX_ENTRIES]]
    plain: list[str | int | float | bool | None] = [entry for entry in entries if not isinstance(entry, list)]
    if len(plain) < len(entries) or any(isinstance(entry, str) and entry.endswith(" fields}") for entry in plain):
        return f"[{len(values):,} items]"
    return [*plain, f"and {len(values) - MAX_ENTRIES:,} more"] if len(values) > MAX_ENTRIES else plain


def _cut(text: str, max_text: int) -> str:
    if len(text) <= max_text and text.isascii() and text.isprintable():
        return text
    # Cut before it is cleaned: a text can be as long as the body.
    cleaned = strip_control(text[: max_text + max_text // 2])
    return cleaned if len(text) <= max_text else f"{cleaned[:max_text]}…"


def size_of(value: object) -> int:
    """Return the bytes that a value takes in JSON, with the comma behind it."""
    # Most cells are plain texts and numbers; encoding each of them took an eighth of the time of a view.
    if type(value) is str and value.isascii() and value.isprintable() and '"' not in value and "\\" not in value:
        return len(value) + 3
    if type(value) is int:
        return len(str(value)) + 1
    return len(dump_json(value).encode("utf-8", "replace")) + 1


class SampleColumns:
    """The values and cells of the first rows of a list by column; each is read once, at its first use."""

    def __init__(self, rows: Sequence[Mapping[str, object]]) -> None:
        self.rows = rows
        self._values: dict[str, list[object]] = {}
        self._cells: dict[str, list[Cell]] = {}

    @cached_property
    def fields(self) -> list[dict[str, object]]:
        """The fields of each row by their path."""
        return list(map(fields_of, self.rows))

    def values(self, path: str) -> list[object]:
        if path not in self._values:
            self._values[path] = [value_at_path(row, path) for row in self.rows]
        return self._values[path]

    def cells(self, path: str) -> list[Cell]:
        if path not in self._cells:
            self._cells[path] = list(map(cell, self.values(path)))
        return self._cells[path]

    def size(self, path: str) -> int:
        """Return the bytes that a column takes with its name."""
        return size_of(path) + sum(map(size_of, self.cells(path)))
