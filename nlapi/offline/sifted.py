"""Those of the things listed that a question is about, where the API had no way to be asked for them alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nlapi.offline.entities import collection_of
from nlapi.offline.fields import flat, number, plain, spaced, unit_at
from nlapi.offline.figures import numeric_key
from nlapi.offline.items import Item, id_of, name_of
from nlapi.offline.numbers import find_numbers
from nlapi.offline.tables import SYNONYMS
from nlapi.offline.wish import Wish
from nlapi.openapi.spec import Operation
from nlapi.resources.naming import pieces, stem
from nlapi.tools.units import from_wire

_MOST_VALUES = 8
"""Different values that a field may have which sorts things."""
_BOUND = re.compile(
    r"\b(?P<low>over|above|more than|greater than|higher than|at least)\b"
    r"|\b(?P<high>under|below|less than|lower than|cheaper than|at most|up to)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sifted:
    """Some of the things listed, and in words what they have in common."""

    things: tuple[Item, ...]
    by: str


def sifted(question: str, wish: Wish, operation: Operation, things: Sequence[Item]) -> Sifted | None:
    """Some, but not all, of `things`: by a word of the question that is a value of theirs, or by a bound it sets."""
    rows = [flat(thing) for thing in things]
    if len(rows) < 2:
        return None
    by_number = _bounded(question, wish, operation, things, rows)
    return by_number or _valued(wish, operation, things, rows)


def _valued(
    wish: Wish, operation: Operation, things: Sequence[Item], rows: Sequence[Mapping[str, Any]]
) -> Sifted | None:
    asked = wish.words - set(collection_of(operation))
    for key, values in _sorting(things, rows):
        said = [value for value in values if _means(value, asked)]
        some = tuple(thing for thing, row in zip(things, rows, strict=True) if row.get(key) in said)
        if said and 0 < len(some) < len(things):
            return Sifted(things=some, by=f"{spaced(key)} {' or '.join(map(_word, said))}")
    return None


def _sorting(things: Sequence[Item], rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, list[str]]]:
    """The fields of short texts that sort the things, with the values each has."""
    names = {value for thing in things for value in (name_of(thing), id_of(thing))}
    for key in rows[0]:
        values = list(dict.fromkeys(row[key] for row in rows if isinstance(row.get(key), str)))
        if 1 < len(values) <= _MOST_VALUES and all(plain(value) and value not in names for value in values):
            yield key, values


def _means(value: str, asked: frozenset[str]) -> bool:
    words = set(map(stem, pieces(value)))
    return 0 < len(words) <= 2 and all(asked & SYNONYMS.get(word, frozenset((word,))) for word in words)


def _word(value: str) -> str:
    return value.lower().replace("_", " ")


def _bounded(
    question: str, wish: Wish, operation: Operation, things: Sequence[Item], rows: Sequence[Mapping[str, Any]]
) -> Sifted | None:
    found = _BOUND.search(question)
    numbers = [one for one in find_numbers(question) if found is not None and 0 <= one.start - found.end() <= 2]
    key = numeric_key(wish, operation, rows) if numbers else ""
    if found is None or not numbers or not key:
        return None
    bound, unit = numbers[0].value, unit_at(operation, key)
    low, equal = found["low"] is not None, found.group().lower() in ("at least", "at most", "up to")

    def inside(value: Any) -> bool:
        amount = number(value)
        if amount is None:
            return False
        own = from_wire(amount, unit) if unit else amount
        return (own == bound and equal) or (own > bound if low else own < bound)

    some = tuple(thing for thing, row in zip(things, rows, strict=True) if inside(row.get(key)))
    if len(some) == len(things):
        return None
    return Sifted(things=some, by=f"{spaced(key)} {found.group().lower()} {numbers[0].text.strip()}")
