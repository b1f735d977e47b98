"""The similarity of two English words, by a table of word vectors that benchmarks/offline/meanings.py builds."""

from __future__ import annotations

import math
import sys
from array import array
from functools import cache, lru_cache
from importlib.resources import files
from operator import mul

from nlapi.tools.synonyms import SYNONYMS

# 24,000 stems with 50 bytes each, made of Stanford's GloVe vectors (glove.6B, public domain). A bundled sentence
# encoder would be a hundred times larger and slower (docs/design/011-choosing-an-operation.md).
FILE = "meanings.bin"
# Bytes of a vector. Every vector is scaled to the length 127, so a dot product over 127 * 127 is the cosine.
SIZE = 50
# Neighbours stored for each stem, as their positions in the list of stems.
NEAR = 6
# Least similarity of two words of one group of synonyms.
_SAME = 0.85
_SQUARE = 127.0 * 127.0
_UNKNOWN = 1.0


@cache
def _table() -> tuple[dict[str, int], array[int], array[int]]:
    """Return the positions of the stems, the commonest first, and all vectors and all neighbours end to end."""
    head, _, body = (files("nlapi") / "tools" / FILE).read_bytes().partition(b"\n")
    places = {word: at for at, word in enumerate(head.decode().split(" "))}
    near = array("H", body[len(places) * SIZE :])
    if sys.byteorder == "big":
        near.byteswap()
    return places, array("b", body[: len(places) * SIZE]), near


@cache
def _stems() -> tuple[str, ...]:
    return tuple(_table()[0])


@lru_cache(maxsize=8192)
def _vector(word: str) -> tuple[int, ...] | None:
    places, vectors, _ = _table()
    at = places.get(word)
    return None if at is None else tuple(vectors[at * SIZE : at * SIZE + SIZE])


@lru_cache(maxsize=65536)
def alike(one: str, other: str) -> float:
    """Return the similarity of two stems, from 0 (none, or unknown) to 1 (equal): 0.9 for film and movie."""
    if one == other:
        return 1.0
    first, second = _vector(one), _vector(other)
    if first is None or second is None:
        return 0.0
    product: int = sum(map(mul, first, second))
    return max(0.0, product / _SQUARE)


def akin(one: str, other: str) -> float:
    """Return `similarity`, but at least 0.85 for synonyms: what users call a machine is an instance in an API."""
    found = alike(one, other)
    return max(_SAME, found) if other in SYNONYMS.get(one, ()) else found


def neighbours(word: str) -> list[tuple[str, float]]:
    """Return the stems most similar to the stem `word` with their similarity, the most similar first."""
    places, _, near = _table()
    at = places.get(word)
    if at is None:
        return []
    stems = _stems()
    return [(stems[place], alike(word, stems[place])) for place in near[at * NEAR : (at + 1) * NEAR]]


def known(word: str) -> bool:
    """Return whether a stem is in the table."""
    return word in _table()[0]


def rarity(word: str) -> float:
    """Return how rare a stem is in English: 0 for the commonest, 1 for one that is not in the table."""
    places = _table()[0]
    at = places.get(word)
    return _UNKNOWN if at is None else math.log(2 + at) / math.log(2 + len(places))
