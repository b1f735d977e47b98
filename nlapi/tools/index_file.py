"""The serialised form of an Index, as it is stored in the cache."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nlapi.tools.index_shape import DeedKind, Shape

# Version of the stored form: raise it when the content changes, so that older files are rebuilt.
FORM = 2
Postings = dict[str, tuple[list[int], list[float]]]
"""Term -> the operations that have it, and its part of the score of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """The parts of an Index that take long to compute. `shapes` is parallel to its operations."""

    shapes: list[Shape]
    postings: Postings


def packed(learned: Learned) -> bytes:
    """Return the JSON form of `learned`, with every word stored once."""
    import orjson

    words = sorted({word for shape in learned.shapes for part in _parts(shape) for word in part})
    number = {word: at for at, word in enumerate(words)}
    shapes = [[_plain(shape), *([number[word] for word in part] for part in _parts(shape))] for shape in learned.shapes]
    return orjson.dumps({"words": words, "shapes": shapes, "postings": learned.postings})


def unpacked(data: bytes) -> Learned | None:
    """Return the inverse of `packed`; None where the data is anything else."""
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


_PLAIN = ("length", "counts", "callers", "own", "states")
# These names are read from Shape with `getattr` and stored by position: rename them with the fields of Shape.
_SETS = ("name", "qualifiers", "inner", "verbs", "spoken", "nouns", "summary", "object")


def _plain(shape: Shape) -> list[int]:
    """Return the numeric parts of a Shape."""
    return [shape.kind, *(getattr(shape, name) for name in _PLAIN)]


def _parts(shape: Shape) -> tuple[Any, ...]:
    return (shape.entities, *(sorted(getattr(shape, name)) for name in _SETS))


def _shape(row: list[Any], words: list[str]) -> Shape:
    (kind, *plain), entities, *sets = row
    parts: dict[str, Any] = dict(zip(_PLAIN, plain, strict=True))
    parts |= {name: frozenset([words[at] for at in part]) for name, part in zip(_SETS, sets, strict=True)}
    return Shape(kind=DeedKind(kind), entities=tuple([words[at] for at in entities]), **parts)
