"""How much alike two English words are used, by a table of word vectors (training/word_vectors.py makes it)."""

from __future__ import annotations

import math
import sys
from array import array
from functools import cache, lru_cache
from importlib.resources import files
from operator import mul

from nlapi.tools.synonyms import SYNONYMS

FILE = "meanings.bin"
SIZE = 50
"""Numbers a vector; all vectors are 127 long."""
NEAR = 6
"""Neighbours a stem: the places of the stems that are used most like it."""
_SAME = 0.85
"""How much alike the words of one group of synonyms are."""
_SQUARE = 127.0 * 127.0
_UNKNOWN = 1.0


@cache
def _table() -> tuple[dict[str, int], array[int], array[int]]:
    """Stem -> its place by how common it is; all vectors one after the other; all neighbours one after the other."""
    _, head, body = (files("nlapi") / "tools" / FILE).read_bytes().split(b"\n", 2)
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
    """From 0 (nothing in common, or not known) to 1 (the same) for two stems: film and movie have 0.9."""
    if one == other:
        return 1.0
    first, second = _vector(one), _vector(other)
    if first is None or second is None:
        return 0.0
    product: int = sum(map(mul, first, second))
    return max(0.0, product / _SQUARE)


def akin(one: str, other: str) -> float:
    """As `alike`, and what people and APIs call the same thing (a machine, an instance) is nearly the same."""
    found = alike(one, other)
    return max(_SAME, found) if other in SYNONYMS.get(one, ()) else found


def neighbours(word: str) -> list[tuple[str, float]]:
    """The stems most like the stem `word`, each with how much alike they are, the most alike first."""
    places, _, near = _table()
    at = places.get(word)
    if at is None:
        return []
    stems = _stems()
    return [(stems[place], alike(word, stems[place])) for place in near[at * NEAR : (at + 1) * NEAR]]


def known(word: str) -> bool:
    return word in _table()[0]


def rarity(word: str) -> float:
    """From 0 for the most common words of English to 1 for those not in the table: how much a stem says."""
    places = _table()[0]
    at = places.get(word)
    return _UNKNOWN if at is None else math.log(2 + at) / math.log(2 + len(places))
