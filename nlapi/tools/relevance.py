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
    "bm25": 0.673,
    "length log": 1.069,
    "length": -0.318,
    "number": 1.163,
    "entity": 1.723,
    "name unsaid": -0.789,
    "inner unsaid": -1.24,
    "inner said": 0.885,
    "verb said": 1.27,
    "verb is entity": 0.968,
    "summary object said": 0.977,
    "summary said": 0.73,
    "summary unsaid": -0.024,
    "caller's": 1.555,
    "sets the state": 4.069,
    "counts": 5.489,
    "value": 0.514,
    "filters": 0.873,
    "qualifier unsaid": -0.4,
    "qualifier said": 0.918,
}
"""What speaks for an operation -> what one unit of it weighs."""
KINDS: Mapping[Request, tuple[float, ...]] = {
    Request.COUNT: (0.40, 0.94, 2.41, -2.89, -5.33, 0.72, -2.09),
    Request.MANY: (1.48, 1.92, 0.92, -2.74, -1.95, -2.78, -2.32),
    Request.ONE: (1.17, 2.33, 1.37, -2.42, -2.98, -2.39, -2.04),
    Request.SEARCH: (2.22, -0.60, 0.65, -1.81, -2.53, -2.50, -2.14),
    Request.FIND: (0.72, 0.32, 1.67, 0.94, -0.15, -3.14, -2.59),
    Request.CREATE: (-0.99, -2.01, 0.45, 2.01, 1.34, 0.79, -2.20),
    Request.UPDATE: (-1.46, -3.99, -1.37, 0.50, 2.70, 2.82, -0.08),
    Request.DELETE: (-1.58, -2.41, -1.02, 0.32, -2.57, -1.87, 2.70),
    Request.STOP: (-0.76, -1.73, 1.77, -0.68, -1.16, 0.10, 3.27),
    Request.OTHER: (-0.29, -1.43, -0.26, 1.09, 1.11, 0.25, -0.15),
    Request.MANY_NOUNS: (1.60, 0.31, 1.67, -1.99, -4.05, -1.20, -1.23),
    Request.NOUN: (0.68, 0.02, 1.28, -0.47, 0.85, -0.97, -1.13),
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
        return cls(phrase=phrase, said=_widened(phrase.stems), object=_widened(phrase.object))


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
                number = 1.0 if (entities[-1] in phrase.plurals) is (kind is Kind.COLLECTION) else -1.0
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
