"""Rates how well an operation fits a phrase, by what its words, its path and its verb say beside BM25.

The weights are those of a conditional logit over the operations that BM25 finds, learned from the steps of real
workflows and from sentences about real APIs (`python -m benchmarks.find_train`); docs/design/020-finding.md has them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import mul

from nlapi.tools.index_shape import Kind, Shape
from nlapi.tools.phrase import Phrase, Request
from nlapi.tools.phrase_words import STATE_VERBS
from nlapi.tools.synonyms import SAME, SYNONYMS

EVIDENCE: Mapping[str, float] = {
    "bm25": 0.803,
    "length log": 1.427,
    "length": -0.414,
    "number": 1.292,
    "entity": 2.105,
    "name unsaid": -1.035,
    "inner unsaid": -1.548,
    "inner said": 1.121,
    "verb said": 1.384,
    "verb is entity": 1.469,
    "summary object said": 1.205,
    "summary said": 0.928,
    "summary unsaid": -0.027,
    "caller's": 1.948,
    "sets the state": 6.192,
    "counts": 5.288,
    "value": 0.587,
    "filters": 0.864,
    "qualifier unsaid": -0.488,
    "qualifier said": 0.659,
}
"""What speaks for an operation -> what one unit of it weighs."""
KINDS: Mapping[Request, tuple[float, ...]] = {
    Request.COUNT: (0.27, 1.07, 4.43, -3.48, -6.59, 0.82, -2.19),
    Request.MANY: (1.83, 2.29, 0.87, -3.58, -2.41, -3.43, -2.79),
    Request.ONE: (1.13, 2.66, 1.59, -3.19, -3.64, -3.03, -1.07),
    Request.SEARCH: (2.27, -0.74, 1.48, -0.75, -3.04, -4.28, -3.61),
    Request.CREATE: (-1.13, -2.15, 0.26, 2.39, 1.64, 0.90, -2.71),
    Request.UPDATE: (-2.18, -4.71, -1.63, 0.72, 2.93, 3.55, 0.06),
    Request.DELETE: (-2.00, -2.90, -0.17, 0.18, -3.11, -1.22, 3.14),
    Request.OTHER: (-0.32, -1.71, -0.45, 1.24, 1.27, 0.32, -0.10),
    Request.MANY_NOUNS: (1.86, 0.70, 2.27, -2.52, -4.82, -1.21, -1.46),
    Request.NOUN: (0.86, 0.11, 1.27, -0.43, 0.30, -1.02, -1.36),
}
"""Request -> what it adds for each Kind of operation, in the order of Kind."""
_WEIGHTS = tuple(EVIDENCE.values())
_NUMBERED = (Kind.COLLECTION, Kind.ITEM)
_VALUED = {Kind.COLLECTION: -1.0, Kind.ITEM: 1.0, Kind.UPDATE: 1.0, Kind.DELETE: 1.0}
_FILTERED = {Kind.COLLECTION: 1.0, Kind.ITEM: -1.0}
_MADE = (Kind.CREATE, Kind.UPDATE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A phrase, with the words of it also as they are otherwise written."""

    phrase: Phrase
    said: frozenset[str]
    object: frozenset[str]
    plurals: frozenset[str]

    @classmethod
    def of(cls, phrase: Phrase, known: Collection[str]) -> Asked:
        """Return the phrase with what else its words may be called; `known` are the stems that the API uses."""
        same = {word: _otherwise(word, known) for word in phrase.stems if word in SYNONYMS}
        return cls(
            phrase=phrase,
            said=_widened(phrase.stems, same) | phrase.implied,
            object=_widened(phrase.object, same),
            plurals=_widened(phrase.plurals, same),
        )


def _otherwise(word: str, known: Collection[str]) -> frozenset[str]:
    """What a word is the same as: as it is written otherwise, or called where the API does not use it."""
    return SAME.get(word, frozenset()) if word in known else SYNONYMS[word]


def _widened(words: frozenset[str], same: Mapping[str, frozenset[str]]) -> frozenset[str]:
    others = [same[word] for word in words if word in same]
    return words.union(*others) if others else words


class Relevance:
    """Rates operations by their Shapes. `frequency` is in how many operations a stem is."""

    def __init__(self, shapes: Sequence[Shape], frequency: Mapping[str, int]) -> None:
        total = len(shapes)
        self._shapes = shapes
        self._apart = _apartness(shapes)
        words = {word for shape in shapes for word in shape.summary}
        self._idf = rarity = {word: idf(total, frequency.get(word, 0)) for word in words}
        self.lengths = [math.log(1 + len(_own_words(shape))) for shape in shapes]
        """of each operation, the logarithm of how many words its id and its path have"""
        self._names = [sum([self._apart[word] for word in shape.name]) for shape in shapes]
        self._summaries = [sum([rarity[word] for word in shape.summary]) for shape in shapes]
        self._objects = [sum([rarity[word] for word in shape.object]) for shape in shapes]

    def score(self, asked: Asked, place: int, bm25: float) -> float:
        """Return how well the operation at `place` fits; only differences mean anything."""
        kind = KINDS[asked.phrase.request][self._shapes[place].kind]
        total: float = sum(map(mul, _WEIGHTS, self.evidence(asked, place, bm25)), kind)
        return total

    def evidence(self, asked: Asked, place: int, bm25: float) -> tuple[float, ...]:
        """Return the amounts of EVIDENCE, in its order."""
        shape, phrase, said, object = self._shapes[place], asked.phrase, asked.said, asked.object
        apart, rarity, kind, entities = self._apart, self._idf, shape.kind, shape.entities
        named = summed = subject = inner = entity = number = value = unsaid = 0.0
        for word in shape.name & said:
            named += apart[word]
        for word in shape.summary & said:
            summed += rarity[word]
        for word in shape.object & object:
            subject += rarity[word]
        for word in shape.inner:
            if word in said:
                inner += apart[word]
            elif apart[word] > unsaid:
                unsaid = apart[word]
        for word in entities:
            entity += word in object
        if entities and entities[-1] in said:
            if kind in _NUMBERED:
                many = entities[-1] in asked.plurals or (entities[-1] in object and phrase.head in shape.object)
                number = 1.0 if many is (kind is Kind.COLLECTION) else -1.0
            if phrase.valued and entities[-1] in object:
                value = _VALUED.get(kind, 0.0)
        qualifiers, summary, verb = shape.qualifiers, self._summaries[place], phrase.verb
        return (
            bm25,
            self.lengths[place],
            shape.length,
            number,
            entity / len(entities) if entities else 0.0,
            self._names[place] - named,
            unsaid,
            inner,
            verb in shape.spoken if verb else 0.0,
            verb in entities and kind in _MADE,
            subject / self._objects[place] if subject else 0.0,
            summed / summary if summed else 0.0,
            summary - summed,
            float(shape.callers) if phrase.mine else -float(shape.own),
            shape.states and verb in STATE_VERBS,
            (1.0 if phrase.request is Request.COUNT else -1.0) if shape.counts else 0.0,
            value,
            _FILTERED.get(kind, 0.0) if phrase.filters else 0.0,
            len(qualifiers - said) if qualifiers else 0.0,
            not qualifiers.isdisjoint(said) if qualifiers else 0.0,
        )


def idf(total: int, count: int) -> float:
    """Return how telling a word is that `count` of `total` operations have."""
    return math.log(1 + (total - count + 0.5) / (count + 0.5))


def _own_words(shape: Shape) -> frozenset[str]:
    return shape.name.union(shape.inner, shape.entities)


def _apartness(shapes: Iterable[Shape]) -> dict[str, float]:
    """For each word of the ids and paths: how much it sets an operation apart from the others, from 0 to 1."""
    have, total = Counter[str](), 0
    for shape in shapes:
        total += 1
        have.update(_own_words(shape))
    return {word: (1.0 - count / total) ** 2 for word, count in have.items()}
