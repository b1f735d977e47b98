"""Sums up the values of a column: its few values with their counts, or its range."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from nlapi.results.cells import cell, value_at_path

# Distinct values that are counted one by one; a state, a type or a country of one page has seldom more.
MAX_VALUES = 8
MAX_VALUE_TEXT = 60
# A longer text is neither counted nor compared: it is a description and no value that sorts rows.
MAX_COMPARED_TEXT = 120


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def sum_numbers(numbers: Sequence[int | float]) -> int | float | None:
    """Return a sum, of integers exactly and with floats to 15 digits; None where it is too large for a float."""
    if all(isinstance(number, int) for number in numbers):
        return sum(numbers)
    try:
        # Digits and not decimal places: prices of tokens are under a millionth.
        total = float(f"{math.fsum(numbers):.15g}")
    except (OverflowError, ValueError):
        return None
    return total if math.isfinite(total) else None


def summarize_columns(rows: Sequence[Mapping[str, object]], paths: Iterable[str]) -> dict[str, dict[str, object]]:
    """Return the summary of each column that has one, by its path."""
    summaries = {path: summarize([value_at_path(row, path) for row in rows]) for path in paths}
    return {path: summary for path, summary in summaries.items() if summary}


def summarize(values: Sequence[object]) -> dict[str, object]:
    """Return `{"values": {text: count}}`, `{"min", "max", "sum"}` of numbers, or `{"min", "max"}` of texts.

    {} where the values are long texts, or not comparable; `empty` counts those that are null or absent.
    """
    present = [value for value in values if value is not None]
    empty: dict[str, object] = {"empty": len(values) - len(present)} if len(present) < len(values) else {}
    if not present or any(isinstance(value, Mapping | list) for value in present):
        return {}
    counts = Counter(str(cell(value, MAX_VALUE_TEXT)) for value in present)
    if len(counts) <= MAX_VALUES:
        return {"values": dict(counts.most_common()), **empty}
    numbers = [value for value in present if isinstance(value, int | float) and is_number(value)]
    if len(numbers) == len(present):
        total = sum_numbers(numbers)
        sums = {"sum": total} if total is not None else {}
        return {"min": cell(min(numbers)), "max": cell(max(numbers)), **sums, **empty}
    texts = [value for value in present if isinstance(value, str) and len(value) <= MAX_COMPARED_TEXT]
    if len(texts) < len(present):
        return {}
    return {"min": cell(min(texts), MAX_VALUE_TEXT), "max": cell(max(texts), MAX_VALUE_TEXT), **empty}
