"""Draws small charts of characters below a table: counts over time, and values of a series."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeGuard

if TYPE_CHECKING:
    from nlapi.tools.answer_view import AnswerView

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
    from nlapi.tools.value_format import moment_of

    moment = moment_of(path, value)
    if moment is None and isinstance(value, str) and _DAY.fullmatch(value):
        with suppress(ValueError):
            moment = datetime.fromisoformat(value)
    return moment if moment is None or moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _series_lines(view: AnswerView, time_path: str, rows: Sequence[Any], span: str) -> Iterator[str]:
    from nlapi.english.words import name_words
    from nlapi.resources.identity import field_at
    from nlapi.resources.nouns import ID_WORDS
    from nlapi.tools.value_format import format_cell

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
