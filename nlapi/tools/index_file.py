"""What an Index has learned of its operations, in memory and as bytes to be kept in the cache."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nlapi.tools.index_shape import Shape

FORM = 1
"""Goes up when what is learned changes, so that what was kept before is not read."""
Postings = dict[str, tuple[list[int], list[float]]]
"""Term -> the operations that have it, and its part of the score of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """Everything of an Index that takes long to work out. The shapes run along its operations."""

    shapes: list[Shape]
    postings: Postings


def packed(learned: Learned) -> bytes:
    """As JSON: every word once, in columns."""
    import orjson

    words = sorted({word for shape in learned.shapes for word in _words(shape)})
    number = {word: at for at, word in enumerate(words)}
    shapes = [
        [
            shape.entity,
            *([number[word] for word in part] for part in _parts(shape)),
            shape.one,
        ]
        for shape in learned.shapes
    ]
    return orjson.dumps({"words": words, "shapes": shapes, "postings": learned.postings})


def unpacked(data: bytes) -> Learned | None:
    """What `packed` made; None when the data is something else."""
    import orjson

    try:
        kept = orjson.loads(data)
        words = kept["words"]
        shapes = [_shape(row, words) for row in kept["shapes"]]
        postings = kept["postings"]
        fits = all(len(docs) == len(amounts) and max(docs) < len(shapes) for docs, amounts in postings.values())
    except (ValueError, LookupError, TypeError, AttributeError):
        return None
    return Learned(shapes=shapes, postings=postings) if fits else None


def _parts(shape: Shape) -> tuple[Any, ...]:
    return (sorted(shape.named), shape.entities, sorted(shape.inner), sorted(shape.verbs), sorted(shape.nouns))


def _words(shape: Shape) -> set[str]:
    return {word for part in _parts(shape) for word in part}


def _shape(row: list[Any], words: list[str]) -> Shape:
    entity, named, entities, inner, verbs, nouns, one = row
    return Shape(
        entity=entity,
        named=frozenset([words[at] for at in named]),
        entities=tuple([words[at] for at in entities]),
        inner=frozenset([words[at] for at in inner]),
        verbs=frozenset([words[at] for at in verbs]),
        nouns=frozenset([words[at] for at in nouns]),
        one=one,
    )
