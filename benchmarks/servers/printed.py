"""Tables as they are printed on a terminal, read back: cells that are folded over several lines are joined again."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

RULE = "─"
GAP = 3
"""Blanks between two columns of nlapi's tables."""


def unfolded(printed: str) -> str:
    """Return what was printed, and below it the rows of its tables with each cell in one piece."""
    return "\n".join([printed, *table_rows(printed)])


def table_rows(printed: str) -> list[str]:
    """Return the rows of all tables that were printed."""
    lines = printed.splitlines()
    rules = [place for place, line in enumerate(lines) if line.strip() and set(line.strip()) == {RULE}]
    return [row for place in rules if place for row in _rows(lines, place)]


def _rows(lines: Sequence[str], rule: int) -> Iterator[str]:
    """The rows of the table whose head is above the line `rule`."""
    body: list[str] = []
    for line in lines[rule + 1 :]:
        if not line.startswith(" "):
            break
        body.append(line)
    spans = _columns([lines[rule - 1], *body])
    row: list[list[str]] = []
    for line in body:
        cells = [line[first:last].strip() for first, last in spans]
        if row and cells and not cells[0]:
            for fragments, cell in zip(row, cells, strict=True):
                fragments += [cell] if cell else []
            continue
        if row:
            yield _text(row)
        row = [[cell] for cell in cells]
    if row:
        yield _text(row)


def _text(row: Sequence[Sequence[str]]) -> str:
    """Both forms of a folded cell: it is folded between words or, where one is too long, within it."""
    return "  ".join(
        " ".join(cell) if len(cell) == 1 else f"{' '.join(cell)}  {''.join(cell)}" for cell in row
    )  # fmt: skip


def _columns(lines: Sequence[str]) -> list[tuple[int, int]]:
    """The first and last place of each column: what is blank in all lines, at least `GAP` wide, is between two."""
    width = max(map(len, lines))
    padded = [line.ljust(width) for line in lines]
    blank = "".join("." if set(characters) == {" "} else "x" for characters in zip(*padded, strict=True))
    places = [0, *(match.end() for match in re.finditer(rf"\.{{{GAP},}}", blank)), width]
    return [(first, last) for first, last in pairwise(places) if first < last]
