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
    "bm25": 0.796,
    "length log": 1.304,
    "length": -0.366,
    "number": 1.403,
    "entity": 2.088,
    "name unsaid": -1.009,
    "inner unsaid": -1.486,
    "inner said": 1.035,
    "verb said": 1.55,
    "verb is entity": 1.212,
    "summary object said": 1.225,
    "summary said": 0.859,
    "summary unsaid": -0.029,
    "caller's": 1.936,
    "sets the state": 4.869,
    "counts": 6.568,
    "value": 0.62,
    "filters": 1.342,
    "qualifier unsaid": -0.454,
    "qualifier said": 1.106,
}
"""What speaks for an operation -> what one unit of it weighs."""
KINDS: Mapping[Request, tuple[float, ...]] = {
    Request.COUNT: (0.66, 1.30, 3.12, -3.33, -6.40, 1.05, -2.59),
    Request.MANY: (1.78, 2.33, 1.13, -3.49, -2.34, -3.29, -2.77),
    Request.ONE: (1.47, 2.75, 1.54, -2.90, -3.59, -2.86, -2.44),
    Request.SEARCH: (1.88, -0.42, 1.26, -0.20, -3.17, -3.25, -2.82),
    Request.CREATE: (-1.22, -2.42, 0.56, 2.45, 1.58, 0.97, -2.61),
    Request.UPDATE: (-2.14, -4.77, -1.58, 0.78, 3.43, 3.51, 0.06),
    Request.DELETE: (-1.98, -3.01, -0.17, 0.20, -3.07, -1.18, 3.10),
    Request.OTHER: (-0.31, -1.71, -0.41, 1.23, 1.32, 0.34, -0.12),
    Request.MANY_NOUNS: (1.82, 0.49, 2.08, -2.40, -4.86, -1.40, -1.49),
    Request.NOUN: (0.85, -0.00, 1.54, -0.60, 0.94, -1.13, -1.36),
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
