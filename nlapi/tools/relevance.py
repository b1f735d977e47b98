"""The relevance of an operation to a phrase, by learned weights over its words, its path and its verb.

The weights are those of a conditional logit over the operations that BM25 selects, learned from the steps of real
workflows and from sentences about real APIs (`python -m benchmarks.find_train`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import mul

from nlapi.tools.index_shape import ActionKind, OperationTerms
from nlapi.tools.phrase import Phrase, SearchIntent
from nlapi.tools.phrase_words import STATE_VERBS
from nlapi.tools.synonyms import SPELLINGS, SYNONYMS

# `python -m benchmarks.find_train` prints this table and KIND_WEIGHTS as they stand here. A penalty of 3 or 30 in place
# of 10 changes the shares of right operations by less than 0.005.
FEATURE_WEIGHTS: Mapping[str, float] = {
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
KIND_WEIGHTS: Mapping[SearchIntent, tuple[float, ...]] = {
    SearchIntent.COUNT: (-0.10, 0.78, 3.88, -1.37, -6.77, 0.58, -2.39),
    SearchIntent.LIST: (1.83, 2.31, 0.88, -3.58, -2.39, -3.42, -2.79),
    SearchIntent.ITEM: (1.08, 2.60, 1.48, -2.85, -3.70, -3.09, -1.14),
    SearchIntent.SEARCH: (2.38, -0.66, 1.65, -1.99, -2.99, -3.14, -3.60),
    SearchIntent.CREATE: (-1.05, -2.32, -0.12, 2.44, 1.64, 0.96, -2.68),
    SearchIntent.UPDATE: (-2.19, -4.73, -1.62, 0.70, 2.92, 3.54, 0.04),
    SearchIntent.DELETE: (-2.00, -2.92, -0.17, 0.19, -3.11, -1.23, 3.14),
    SearchIntent.UNCLASSIFIED: (-0.30, -1.71, -0.30, 1.18, 1.27, 0.34, -0.10),
    SearchIntent.PLURAL_NOUN: (1.86, 0.70, 2.23, -2.58, -4.83, -1.21, -1.52),
    SearchIntent.NOUN: (0.91, 0.12, 1.27, -0.51, 0.33, -1.03, -1.38),
}
"""SearchIntent -> the term that it adds for each ActionKind of operation, in the order of ActionKind."""
_WEIGHTS = tuple(FEATURE_WEIGHTS.values())
_NUMBER_KINDS = (ActionKind.COLLECTION, ActionKind.ITEM)
_VALUE_SIGNS = {ActionKind.COLLECTION: -1.0, ActionKind.ITEM: 1.0, ActionKind.UPDATE: 1.0, ActionKind.DELETE: 1.0}
_FILTER_SIGNS = {ActionKind.COLLECTION: 1.0, ActionKind.ITEM: -1.0}
_WRITE_KINDS = (ActionKind.CREATE, ActionKind.UPDATE)


@dataclass(frozen=True, slots=True, kw_only=True)
class PhraseTerms:
    """A phrase, with its words also in their other spellings."""

    phrase: Phrase
    stems: frozenset[str]
    object: frozenset[str]
    plurals: frozenset[str]

    @classmethod
    def of(cls, phrase: Phrase, api_stems: Collection[str]) -> PhraseTerms:
        """Return the phrase with the synonyms of its words; `api_stems` are the stems that the API uses."""
        synonyms = {word: _spellings(word, api_stems) for word in phrase.stems if word in SYNONYMS}
        return cls(
            phrase=phrase,
            stems=_with_synonyms(phrase.stems, synonyms) | phrase.implied,
            object=_with_synonyms(phrase.object, synonyms),
            plurals=_with_synonyms(phrase.plurals, synonyms),
        )


def _spellings(word: str, api_stems: Collection[str]) -> frozenset[str]:
    """Return the other spellings of a word that the API uses, or the synonyms of one that it does not."""
    return SPELLINGS.get(word, frozenset()) if word in api_stems else SYNONYMS[word]


def _with_synonyms(words: frozenset[str], synonyms: Mapping[str, frozenset[str]]) -> frozenset[str]:
    additions = [synonyms[word] for word in words if word in synonyms]
    return words.union(*additions) if additions else words


class Relevance:
    """The relevance of each of several operations to a phrase. `frequency` counts the operations that have a stem."""

    def __init__(self, terms: Sequence[OperationTerms], frequency: Mapping[str, int]) -> None:
        total = len(terms)
        self._terms = terms
        self._distinctiveness = _distinctiveness(terms)
        words = {word for operation in terms for word in operation.summary}
        self._idf = idf_by_word = {word: idf(total, frequency.get(word, 0)) for word in words}
        self.lengths = [math.log(1 + len(_path_and_name(operation))) for operation in terms]
        """for each operation, the logarithm of the number of words in its id and path"""
        self._names = [sum([self._distinctiveness[word] for word in operation.name]) for operation in terms]
        self._summaries = [sum([idf_by_word[word] for word in operation.summary]) for operation in terms]
        self._objects = [sum([idf_by_word[word] for word in operation.object]) for operation in terms]

    def score(self, phrase_terms: PhraseTerms, index: int, bm25: float) -> float:
        """Return the score of the operation at `index`; only differences between scores mean anything."""
        kind = KIND_WEIGHTS[phrase_terms.phrase.intent][self._terms[index].kind]
        total: float = sum(map(mul, _WEIGHTS, self.features(phrase_terms, index, bm25)), kind)
        return total

    def features(self, phrase_terms: PhraseTerms, index: int, bm25: float) -> tuple[float, ...]:
        """Return the feature values of an operation, in the order of FEATURE_WEIGHTS."""
        terms, phrase, stems, object = self._terms[index], phrase_terms.phrase, phrase_terms.stems, phrase_terms.object
        distinctiveness, rarity, kind, entities = self._distinctiveness, self._idf, terms.kind, terms.entities
        name_sum = summary_sum = object_sum = inner_sum = entity_count = number_sign = value_sign = unmentioned = 0.0
        # Plain loops: this runs 40 times a query, and generator expressions cost more than the additions in them.
        for word in terms.name & stems:
            name_sum += distinctiveness[word]
        for word in terms.summary & stems:
            summary_sum += rarity[word]
        for word in terms.object & object:
            object_sum += rarity[word]
        for word in terms.inner:
            if word in stems:
                inner_sum += distinctiveness[word]
            elif distinctiveness[word] > unmentioned:
                unmentioned = distinctiveness[word]
        for word in entities:
            entity_count += word in object
        if entities and entities[-1] in stems:
            if kind in _NUMBER_KINDS:
                is_plural = entities[-1] in phrase_terms.plurals or (entities[-1] in object and phrase.head in terms.object)
                number_sign = 1.0 if is_plural is (kind is ActionKind.COLLECTION) else -1.0
            if phrase.has_value and entities[-1] in object:
                value_sign = _VALUE_SIGNS.get(kind, 0.0)
        qualifiers, summary, verb = terms.qualifiers, self._summaries[index], phrase.verb
        return (
            bm25,
            self.lengths[index],
            terms.length,
            number_sign,
            entity_count / len(entities) if entities else 0.0,
            self._names[index] - name_sum,
            unmentioned,
            inner_sum,
            verb in terms.spoken if verb else 0.0,
            verb in entities and kind in _WRITE_KINDS,
            object_sum / self._objects[index] if object_sum else 0.0,
            summary_sum / summary if summary_sum else 0.0,
            summary - summary_sum,
            float(terms.is_about_caller) if phrase.is_about_caller else -float(terms.is_possessive),
            terms.sets_state and verb in STATE_VERBS,
            (1.0 if phrase.intent is SearchIntent.COUNT else -1.0) if terms.is_count else 0.0,
            value_sign,
            _FILTER_SIGNS.get(kind, 0.0) if phrase.has_filter else 0.0,
            len(qualifiers - stems) if qualifiers else 0.0,
            not qualifiers.isdisjoint(stems) if qualifiers else 0.0,
        )


def idf(total: int, count: int) -> float:
    """Return the inverse document frequency of a word that `count` of `total` operations have."""
    # The 1 inside keeps it positive for words that most operations have, as in Lucene's BM25.
    return math.log(1 + (total - count + 0.5) / (count + 0.5))


def _path_and_name(terms: OperationTerms) -> frozenset[str]:
    return terms.name.union(terms.inner, terms.entities)


def _distinctiveness(terms: Iterable[OperationTerms]) -> dict[str, float]:
    """Return for each word of the ids and paths how well it distinguishes operations, from 0 to 1."""
    counts, total = Counter[str](), 0
    for operation in terms:
        total += 1
        counts.update(_path_and_name(operation))
    return {word: (1.0 - count / total) ** 2 for word, count in counts.items()}
