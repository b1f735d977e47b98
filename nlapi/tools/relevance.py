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
    "bm25": 0.661,
    "length log": 1.087,
    "length": -0.306,
    "number": 1.181,
    "entity": 1.748,
    "name unsaid": -0.831,
    "inner unsaid": -1.236,
    "inner said": 0.86,
    "verb said": 1.3,
    "verb is entity": 0.99,
    "summary object said": 0.993,
    "summary said": 0.731,
    "summary unsaid": -0.024,
    "caller's": 1.608,
    "sets the state": 4.035,
    "counts": 5.498,
    "value": 0.512,
    "filters": 0.927,
    "qualifier unsaid": -0.383,
    "qualifier said": 0.935,
}
"""What speaks for an operation -> what one unit of it weighs."""
KINDS: Mapping[Request, tuple[float, ...]] = {
    Request.COUNT: (0.54, 1.08, 2.57, -2.78, -5.34, 0.89, -2.14),
    Request.MANY: (1.48, 1.94, 0.95, -2.92, -1.94, -2.74, -2.31),
    Request.ONE: (1.17, 2.30, 1.36, -2.42, -2.99, -2.37, -2.04),
    Request.SEARCH: (2.21, -0.60, 0.66, -1.82, -2.50, -2.51, -2.14),
    Request.FIND: (0.90, 0.12, 1.52, 0.70, -0.17, -3.08, -2.61),
    Request.CREATE: (-1.02, -2.03, 0.46, 2.04, 1.32, 0.80, -2.17),
    Request.UPDATE: (-1.78, -3.98, -1.32, 0.65, 2.86, 2.92, 0.05),
    Request.DELETE: (-1.58, -2.44, -0.99, 0.34, -2.56, -1.86, 2.73),
    Request.STOP: (-0.76, -1.76, 1.77, -0.68, -1.17, 0.14, 3.26),
    Request.OTHER: (-0.26, -1.43, -0.34, 1.03, 1.10, 0.29, -0.10),
    Request.MANY_NOUNS: (1.52, 0.41, 1.72, -2.00, -4.04, -1.16, -1.23),
    Request.NOUN: (0.69, -0.01, 1.34, -0.49, 0.80, -0.94, -1.14),
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
