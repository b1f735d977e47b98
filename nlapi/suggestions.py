"""Suggests what was perhaps meant by a name that does not exist: the names that are most like it."""

from __future__ import annotations

from collections.abc import Iterable

LEAST_LIKENESS = 0.5
"""The least ratio of `difflib` at which a name is another one written wrongly."""
_MAX_COMPARED = 100  # characters: the time of a comparison grows with the square of the length


def nearest(name: object, names: Iterable[object], count: int = 1, *, least: float = LEAST_LIKENESS) -> list[str]:
    """Return up to `count` of the names that are most like `name`, in any case of letters, the nearest first."""
    # Imported here: only errors need it.
    from difflib import get_close_matches

    by_lower: dict[str, list[str]] = {}
    for one in names:
        by_lower.setdefault(str(one).lower()[:_MAX_COMPARED], []).append(str(one))
    matches = get_close_matches(str(name).lower()[:_MAX_COMPARED], by_lower, n=count, cutoff=least)
    return [one for match in matches for one in by_lower[match]][:count]


def suggestion(name: object, names: Iterable[object], *, count: int = 1, otherwise: str = "") -> str:
    """Return a hint with the names that are most like `name`; `otherwise` where none is."""
    return question(nearest(name, names, count)) or otherwise


def question(names: Iterable[str]) -> str:
    """Return the question whether one of the names was meant; "" of none."""
    quoted = ", ".join(map(repr, names))
    return f"did you mean {quoted}?" if quoted else ""
