"""Compares a planned call with the one that a question asks for, as leniently as the public sets do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

EMPTY: tuple[Any, ...] = (None, "", [], {})
_FOLDED = re.compile(r"[\s,./\-_*^'\"!?()]+")
Row = Mapping[str, Any]
"""A question: `question`, `calls` with operationId and arguments, `accept` with the alternatives of each argument."""


class PlannedCall(Protocol):
    """The operation and the arguments of a call."""

    @property
    def operation_id(self) -> str: ...

    @property
    def arguments(self) -> Mapping[str, Any]: ...


def score(row: Row, call: PlannedCall | None, required: Iterable[str]) -> tuple[bool, bool, bool]:
    """Return whether the operation, all arguments, and the required arguments of a call are right.

    An argument counts as left out where its value is in EMPTY; `""` among the alternatives allows that.
    """
    target = row["calls"][0]
    if call is None or call.operation_id != target["operationId"]:
        return False, False, False
    alternatives = (row["accept"] or [{}])[0]
    values, expected = _filled(call.arguments), _filled(target["arguments"])
    right = {
        name: accepted(values[name], alternatives.get(name) or [expected.get(name)])
        if name in values
        else name not in expected or "" in (alternatives.get(name) or [])
        for name in {*values, *expected}
    }
    return True, all(right.values()), all(right.get(name, True) for name in required)


def accepted(value: Any, alternatives: Sequence[Any]) -> bool:
    """Return whether `value` equals one of the alternatives; an object lists alternatives for each member."""
    return any(_fits(value, alternative) for alternative in alternatives)


def _fits(value: Any, alternative: Any) -> bool:
    if not (isinstance(alternative, dict) and isinstance(value, dict)):
        return same(value, alternative)
    members = {name: inner if isinstance(inner, list) else [inner] for name, inner in alternative.items()}
    return value.keys() <= members.keys() and all(
        accepted(value[name], inner) if name in value else "" in inner for name, inner in members.items()
    )


def same(value: Any, other: Any) -> bool:
    """Return whether two values mean the same: 5 is 5.0 and "5", case and punctuation do not count."""
    if isinstance(value, bool) or isinstance(other, bool):
        return str(value).lower() == str(other).lower()
    if isinstance(value, dict) and isinstance(other, dict):
        value, other = _filled(value), _filled(other)
        return value.keys() == other.keys() and all(same(value[name], other[name]) for name in value)
    if isinstance(value, (list, tuple)) or isinstance(other, (list, tuple)):
        values, others = _entries(value), _entries(other)
        return len(values) == len(others) and all(map(same, values, others))
    numbers = _number(value), _number(other)
    return numbers[0] == numbers[1] if None not in numbers else _folded(value) == _folded(other)


def _filled(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if value not in EMPTY}


def _entries(value: Any) -> list[Any]:
    if isinstance(value, str):
        return list(value.split(","))
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _number(value: Any) -> float | None:
    try:
        return None if isinstance(value, bool) else float(str(value).replace(",", ""))
    except ValueError:
        return None


def _folded(value: Any) -> str:
    return _FOLDED.sub("", str(value)).lower()
