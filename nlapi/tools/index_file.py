"""The serialised form of an Index, as it is stored in the cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nlapi.tools.index_shape import DeedKind, Shape

# Version of the stored form: raise it when the content changes, so that older files are rebuilt.
FORM = 2
Postings = dict[str, tuple[list[int], list[float]]]
"""Term -> the operations that have it, and its part of the score of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """The parts of an Index that take long to compute; `operations` has the terms of each of its operations."""

    shapes: list[Shape]
    postings: Postings


def packed(learned: Learned) -> bytes:
    """Return the JSON form of `data`, with every word stored once."""
    import orjson

    words = sorted({word for shape in learned.shapes for part in _parts(shape) for word in part})
    number = {word: at for at, word in enumerate(words)}
    shapes = [[_plain(shape), *([number[word] for word in part] for part in _parts(shape))] for shape in learned.shapes]
    return orjson.dumps({"words": words, "shapes": shapes, "postings": learned.postings})


def unpacked(data: bytes) -> Learned | None:
    """Return the inverse of `serialize`; None where the data is anything else."""
    import orjson

    try:
        kept = orjson.loads(data)
        words = kept["words"]
        shapes = [_shape(row, words) for row in kept["shapes"]]
        postings = kept["postings"]
        # A cache file may be damaged or written by another version: an index out of range must not surface in a search.
        fits = all(len(docs) == len(amounts) and max(docs) < len(shapes) for docs, amounts in postings.values())
    except (ValueError, LookupError, TypeError, AttributeError):
        return None
    return Learned(shapes=shapes, postings=postings) if fits else None


def _plain(shape: Shape) -> list[int]:
    """Return the numeric parts of a Shape."""
    return [shape.kind, shape.length, shape.counts, shape.callers, shape.own, shape.states]


def _parts(shape: Shape) -> tuple[Sequence[str], ...]:
    """Return the words of a Shape by field; sets are sorted, so that equal ones have equal bytes."""
    sets = (
        shape.name,
        shape.qualifiers,
        shape.inner,
        shape.verbs,
        shape.spoken,
        shape.nouns,
        shape.summary,
        shape.object,
    )
    return (shape.entities, *map(sorted, sets))


def _shape(row: list[Any], words: list[str]) -> Shape:
    """Return the Shape in a row. ValueError for a row of another form."""
    (kind, length, counts, callers, own, states), entities, *parts = row
    sets = [frozenset([words[number] for number in part]) for part in parts]
    name, qualifiers, inner, verbs, spoken, nouns, summary, object = sets
    return Shape(
        kind=DeedKind(kind),
        entities=tuple([words[number] for number in entities]),
        name=name,
        qualifiers=qualifiers,
        inner=inner,
        verbs=verbs,
        spoken=spoken,
        nouns=nouns,
        summary=summary,
        object=object,
        length=length,
        counts=counts,
        callers=callers,
        own=own,
        states=states,
    )
