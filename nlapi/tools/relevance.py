"""Rates how well an operation fits a phrase, by what its words, its path and its verb say beside BM25.

The weights are those of a conditional logit over the operations that BM25 finds, learned from the steps of real
workflows and from sentences about real APIs (`python -m benchmarks.find_train`); docs/design/020-finding.md has them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import mul

from nlapi.tools.index_shape import Kind, Shape
from nlapi.tools.phrase import STATE_VERBS, Phrase, Request
from nlapi.tools.synonyms import SAME

EVIDENCE: Mapping[str, float] = {
    "bm25": 0.812,
    "length log": 1.421,
    "length": -0.446,
    "number": 1.303,
    "entity": 2.072,
    "name unsaid": -1.068,
    "inner unsaid": -1.349,
    "inner said": 1.097,
    "verb said": 1.456,
    "verb is entity": 1.199,
    "summary object said": 1.236,
    "summary said": 0.873,
    "summary unsaid": -0.028,
    "caller's": 1.936,
    "sets the state": 4.912,
    "counts": 6.391,
    "value": 0.626,
    "filters": 1.329,
    "qualifier unsaid": -0.473,
    "qualifier said": 0.536,
}
"""What speaks for an operation -> what one unit of it weighs."""
KINDS: Mapping[Request, tuple[float, ...]] = {
    Request.COUNT: (0.56, 1.15, 3.30, -3.40, -6.50, 0.84, -2.73),
    Request.MANY: (1.76, 2.31, 0.98, -3.18, -2.42, -3.39, -2.84),
    Request.ONE: (1.39, 2.81, 1.57, -2.78, -3.73, -2.92, -2.45),
    Request.SEARCH: (1.69, -0.23, 1.48, -0.39, -3.29, -3.33, -2.88),
    Request.CREATE: (-1.08, -2.18, 0.30, 2.34, 1.54, 0.88, -2.69),
    Request.UPDATE: (-2.16, -4.73, -1.57, 0.72, 3.44, 3.52, 0.05),
    Request.DELETE: (-1.99, -2.96, -0.21, 0.16, -3.00, -1.20, 3.11),
    Request.OTHER: (-0.22, -1.59, -0.58, 1.18, 1.15, 0.28, -0.16),
    Request.MANY_NOUNS: (1.88, 0.51, 2.03, -2.54, -4.88, -1.37, -1.53),
    Request.NOUN: (0.89, 0.07, 1.53, -0.66, 0.10, -1.23, -1.31),
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

    @classmethod
    def of(cls, phrase: Phrase) -> Asked:
        return cls(phrase=phrase, said=_widened(phrase.stems) | phrase.implied, object=_widened(phrase.object))


def _widened(words: frozenset[str]) -> frozenset[str]:
    others = [other for word in words if word in SAME for other in SAME[word]]
    return words.union(others) if others else words


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
        return sum(map(mul, _WEIGHTS, self.evidence(asked, place, bm25))) + kind

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
                many = entities[-1] in phrase.plurals or (entities[-1] in object and phrase.head in shape.object)
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
