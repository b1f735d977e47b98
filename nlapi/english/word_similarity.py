"""Rates the similarity of two English words, by a list of synonyms and a table of word vectors.

The synonyms are those of users and APIs: a machine of the one is an instance of the other. The table is built by
`training/word_vectors.py`.
"""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Collection
from functools import cache, lru_cache
from importlib.resources import files
from operator import mul

from nlapi.english import lexicon
from nlapi.english.words import stem

# 24,000 stems with 50 bytes each, made of Stanford's GloVe vectors (glove.6B, public domain). A bundled sentence
# encoder would be a hundred times larger and slower (docs/design/011-choosing-an-operation.md).
VECTOR_FILE = "meanings.bin"
# Bytes of a vector. Every vector is scaled to the length 127, so a dot product over 127 * 127 is the cosine.
VECTOR_SIZE = 50
# Neighbours stored for each stem, as their positions in the list of stems.
NEIGHBOURS = 6
# Least similarity of two words of one group of synonyms.
_SYNONYM_SIMILARITY = 0.85
_SQUARED_LENGTH = 127.0 * 127.0
_UNKNOWN_RARITY = 1.0


def _synonyms(*entries: str) -> dict[str, frozenset[str]]:
    synonyms: dict[str, set[str]] = {}
    for line in (line for entry in entries for line in lexicon.lines("english/synonyms", entry)):
        group = set(map(stem, line))
        for word in group:
            synonyms.setdefault(word, set()).update(group - {word})
    return {word: frozenset(group_stems) for word, group_stems in synonyms.items()}


SYNONYMS = _synonyms("abbreviations", "groups")
"""Stem -> the stems of its synonyms."""
SPELLINGS = _synonyms("abbreviations")
"""Stem -> the stems of its other spellings: a repo is a repository in every context."""


@cache
def _vector_table() -> tuple[dict[str, int], array[int], array[int]]:
    """Return the positions of the stems, the commonest first, and all vectors and all neighbours end to end."""
    _, header, body = (files("nlapi") / "english" / VECTOR_FILE).read_bytes().split(b"\n", 2)
    positions = {word: position for position, word in enumerate(header.decode().split(" "))}
    neighbours_table = array("H", body[len(positions) * VECTOR_SIZE :])
    if sys.byteorder == "big":
        neighbours_table.byteswap()
    return positions, array("b", body[: len(positions) * VECTOR_SIZE]), neighbours_table


@cache
def _stems() -> tuple[str, ...]:
    return tuple(_vector_table()[0])


@lru_cache(maxsize=8192)
def _vector(word: str) -> tuple[int, ...] | None:
    positions, vectors, _ = _vector_table()
    position = positions.get(word)
    return None if position is None else tuple(vectors[position * VECTOR_SIZE : position * VECTOR_SIZE + VECTOR_SIZE])


@lru_cache(maxsize=65536)
def similarity(first_word: str, second_word: str) -> float:
    """Return the similarity of two stems, from 0 (none, or unknown) to 1 (equal): 0.9 for film and movie."""
    if first_word == second_word:
        return 1.0
    first_vector, second_vector = _vector(first_word), _vector(second_word)
    if first_vector is None or second_vector is None:
        return 0.0
    product: int = sum(map(mul, first_vector, second_vector))
    return max(0.0, product / _SQUARED_LENGTH)


def similarity_or_synonym(first: str, second: str) -> float:
    """Return `similarity`, but at least 0.85 for synonyms: what users call a machine is an instance in an API."""
    cosine = similarity(first, second)
    return max(_SYNONYM_SIMILARITY, cosine) if second in SYNONYMS.get(first, ()) else cosine


def similar_words(word: str, others: Collection[str], least: float) -> dict[str, float]:
    """Return those of `others` that are at least `least` similar to a stem, or synonyms, with their similarity."""
    vector, least_product = _vector(word), least * _SQUARED_LENGTH
    likenesses: dict[str, float] = {}
    # Not by `similarity`: its calls take twice as long as the products.
    for other in others:
        if vector is not None and (other_vector := _vector(other)) is not None:
            product: int = sum(map(mul, vector, other_vector))
            if product >= least_product:
                likenesses[other] = product / _SQUARED_LENGTH
    synonyms = (other for other in SYNONYMS.get(word, ()) if other in others)
    return likenesses | {other: max(_SYNONYM_SIMILARITY, likenesses.get(other, 0.0)) for other in synonyms}


def neighbours(word: str) -> list[tuple[str, float]]:
    """Return the stems most similar to the stem `word` with their similarity, the most similar first."""
    positions, _, neighbour_positions = _vector_table()
    position = positions.get(word)
    if position is None:
        return []
    stems = _stems()
    return [
        (stems[index], similarity(word, stems[index]))
        for index in neighbour_positions[position * NEIGHBOURS : (position + 1) * NEIGHBOURS]
    ]


def has_vector(word: str) -> bool:
    """Return whether a stem is in the table."""
    return word in _vector_table()[0]


def rarity(word: str) -> float:
    """Return how rare a stem is in English: 0 for the commonest, 1 for one that is not in the table."""
    positions = _vector_table()[0]
    position = positions.get(word)
    return _UNKNOWN_RARITY if position is None else math.log(2 + position) / math.log(2 + len(positions))
