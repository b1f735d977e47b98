"""Rates how well an operation fits a phrase, by what its words, its path and its verb say beside BM25.

The weights are those of a conditional logit over the operations that BM25 finds, learned from the steps of real
workflows and from sentences about real APIs (`python -m training.relevance`); docs/design/020-finding.md has them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import mul

from nlapi.tools.index_shape import DeedKind, Shape
from nlapi.tools.phrase import Phrase, SearchIntent
from nlapi.tools.phrase_words import STATE_VERBS
from nlapi.tools.synonyms import SAME, SYNONYMS

EVIDENCE: Mapping[str, float] = {
    "bm25": 0.806,
    "length log": 1.402,
    "length": -0.412,
    "number": 1.305,
    "entity": 2.096,
    "name unsaid": -1.031,
    "inner unsaid": -1.54,
    "inner said": 1.126,
    "verb said": 1.379,
    "verb is entity": 1.465,
    "summary object said": 1.201,
    "summary said": 0.951,
    "summary unsaid": -0.028,
    "caller's": 1.971,
    "sets the state": 6.167,
    "counts": 5.382,
    "value": 0.591,
    "filters": 0.877,
    "qualifier unsaid": -0.489,
    "qualifier said": 0.658,
}
"""What speaks for an operation -> what one unit of it weighs."""
KINDS: Mapping[SearchIntent, tuple[float, ...]] = {
    SearchIntent.COUNT: (-0.10, 0.78, 3.88, -1.37, -6.77, 0.58, -2.39),
    SearchIntent.MANY: (1.83, 2.31, 0.88, -3.58, -2.39, -3.42, -2.79),
    SearchIntent.ONE: (1.08, 2.60, 1.48, -2.85, -3.70, -3.09, -1.14),
    SearchIntent.SEARCH: (2.38, -0.66, 1.65, -1.99, -2.99, -3.14, -3.60),
    SearchIntent.CREATE: (-1.05, -2.32, -0.12, 2.44, 1.64, 0.96, -2.68),
    SearchIntent.UPDATE: (-2.19, -4.73, -1.62, 0.70, 2.92, 3.54, 0.04),
    SearchIntent.DELETE: (-2.00, -2.92, -0.17, 0.19, -3.11, -1.23, 3.14),
    SearchIntent.OTHER: (-0.30, -1.71, -0.30, 1.18, 1.27, 0.34, -0.10),
    SearchIntent.MANY_NOUNS: (1.86, 0.70, 2.23, -2.58, -4.83, -1.21, -1.52),
    SearchIntent.NOUN: (0.91, 0.12, 1.27, -0.51, 0.33, -1.03, -1.38),
}
"""SearchIntent -> what it adds for each DeedKind of operation, in the order of DeedKind."""
_WEIGHTS = tuple(EVIDENCE.values())
_NUMBERED = (DeedKind.COLLECTION, DeedKind.ITEM)
_VALUED = {DeedKind.COLLECTION: -1.0, DeedKind.ITEM: 1.0, DeedKind.UPDATE: 1.0, DeedKind.DELETE: 1.0}
_FILTERED = {DeedKind.COLLECTION: 1.0, DeedKind.ITEM: -1.0}
_MADE = (DeedKind.CREATE, DeedKind.UPDATE)


@dataclass(frozen=True, slots=True, kw_only=True)
class PhraseTerms:
    """A phrase, with the words of it also as they are otherwise written."""

    phrase: Phrase
    said: frozenset[str]
    object: frozenset[str]
    plurals: frozenset[str]

    @classmethod
    def of(cls, phrase: Phrase, known: Collection[str]) -> PhraseTerms:
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

    def score(self, asked: PhraseTerms, place: int, bm25: float) -> float:
        """Return how well the operation at `place` fits; only differences mean anything."""
        kind = KINDS[asked.phrase.intent][self._shapes[place].kind]
        total: float = sum(map(mul, _WEIGHTS, self.evidence(asked, place, bm25)), kind)
        return total

    def evidence(self, asked: PhraseTerms, place: int, bm25: float) -> tuple[float, ...]:
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
                number = 1.0 if many is (kind is DeedKind.COLLECTION) else -1.0
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
            (1.0 if phrase.intent is SearchIntent.COUNT else -1.0) if shape.counts else 0.0,
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
