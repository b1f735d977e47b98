"""Scores texts for a phrase by BM25 over weighted fields, with synonyms, near words and compounds of its words."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise

from nlapi.english.words import split_words, stem
from nlapi.resources.naming import STOPWORDS
from nlapi.tools.phrase import Phrase, PhraseWord, WordRole
from nlapi.tools.word_similarity import SPELLINGS, SYNONYMS, neighbours, similarity_or_synonym

Postings = dict[str, tuple[list[int], list[float]]]
"""Term -> the texts that have it, by their position, and its part of the score of each."""

Fields = list[tuple[float, list[str]]]
"""The fields of a text: the weight of each, and its terms."""

# The usual saturation constant of BM25 (Robertson and Zaragoza, 2009).
_K1 = 1.2
# Weight of a word of the phrase by its role; the verb and the words of the object count 1.
_ROLE_WEIGHTS = {WordRole.MODIFIER: 0.7, WordRole.ASIDE: 0.65, WordRole.FRAME: 1.2}
_SPELLING_WEIGHT = 0.9
# Weight of a synonym that a text has in place of a word, and of the nearest words where no text has the word.
_SYNONYM_WEIGHT = 0.5
# Least similarity at which one word may stand for another.
_MIN_SIMILARITY = 0.6
# Least similarity of two words at which a text with the one is near a phrase with the other. Of 150 reworded summaries
# 96 find their workflow by its texts alone with 0.55, 93 with 0.45 and 87 with 0.35 (benchmarks.workflow_recall).
_MIN_LIKENESS = 0.55
# Longest stem for which -er and -or form no word for who does it.
_MAX_STEM_WITHOUT_AGENT = 3
# Share of the texts that have a word from which on it distinguishes so little that no synonym is looked for.
_COMMON_SHARE = 0.3
_NO_POSTINGS: tuple[list[int], list[float]] = ([], [])


def idf(total: int, count: int) -> float:
    """Return the inverse document frequency of a word that `count` of `total` texts have."""
    # The 1 inside keeps it positive for words that most texts have, as in Lucene's BM25.
    return math.log(1 + (total - count + 0.5) / (count + 0.5))


@lru_cache(maxsize=16384)
def word_terms(word: str) -> tuple[str, ...]:
    """Return the stems of a word or an identifier, without stopwords."""
    return tuple(stem(piece) for piece in split_words(word) if piece not in STOPWORDS)


def text_terms(text: str) -> list[str]:
    """Return the stems of a text, without stopwords."""
    return [term for word in text.replace("/", " ").split() for term in word_terms(word)]


def build_postings(texts: Sequence[Fields]) -> Postings:
    """Return the postings with the BM25F scores computed beforehand."""
    counts: list[dict[str, float]] = []
    text_counts: Counter[str] = Counter()
    for fields in texts:
        tally: dict[str, float] = defaultdict(float)
        for weight, terms in fields:
            # Only fields of more than 8 words are normalised by length, or an id of one word would outweigh all.
            share = weight / (0.5 + 0.5 * len(terms) / 8.0) if len(terms) > 8 else weight
            for term in terms:
                tally[term] += share
        counts.append(tally)
        text_counts.update(tally.keys())
    total = len(texts)
    rarity = {term: idf(total, count) for term, count in text_counts.items()}
    postings: Postings = {term: ([], []) for term in text_counts}
    for doc, tally in enumerate(counts):
        for term, amount in tally.items():
            docs, amounts = postings[term]
            docs.append(doc)
            amounts.append(round(rarity[term] * amount * (_K1 + 1) / (amount + _K1), 4))
    return postings


class TextIndex:
    """An immutable index over texts by their postings; `count` is the number of texts."""

    def __init__(self, postings: Postings, count: int) -> None:
        self.postings = postings
        self._count = count

    def has_word(self, word: str) -> bool:
        """Return whether the stem `word` is anywhere in the texts."""
        return word in self.postings

    def weight(self, word: str) -> float:
        """Return how distinctive the stem `word` is: 0 when it is unknown, near 1 when few texts have it."""
        posting = self.postings.get(word)
        if not posting:
            return 0.0
        return 1.0 - math.log(1 + len(posting[0])) / math.log(2 + self._count) * 0.8

    def scores(self, phrase: Phrase) -> list[float]:
        """Return the score of each text for a phrase, 0 where they share no word."""
        scores = [0.0] * self._count
        for word in distinct_words(phrase):
            share = _ROLE_WEIGHTS.get(word.role, 1.0)
            docs, weights = self.postings.get(word.stem, _NO_POSTINGS)
            for doc, weight in zip(docs, weights, strict=True):
                scores[doc] += share * weight
            if len(docs) < _COMMON_SHARE * len(scores):
                for doc, weight in self._synonym_scores(word.stem, phrase.stems).items():
                    scores[doc] += share * weight
        for word, following in pairwise(phrase.words):
            compound = self._compound(word.stem, following.stem)
            for doc, weight in zip(*self.postings.get(compound, _NO_POSTINGS), strict=True):
                scores[doc] += weight
        return scores

    def near_scores(self, phrase: Phrase) -> list[float]:
        """Return the scores for a phrase with, beside them, those of words that mean nearly the same.

        For texts that people word in many ways; it compares each word with all words of the texts (10 us a pair).
        """
        scores = self.scores(phrase)
        for word in distinct_words(phrase):
            near = {other: likeness for other, likeness in self._near_words(word.stem) if other != word.stem}
            for doc, weight in self.best_scores(near, self.postings.get(word.stem, _NO_POSTINGS)[0]).items():
                scores[doc] += weight
        return scores

    def _near_words(self, word: str) -> Iterator[tuple[str, float]]:
        """Yield the words of the texts that are like a stem, with how much more than the least likeness they are."""
        for other in self.postings:
            likeness = similarity_or_synonym(word, other)
            if likeness >= _MIN_LIKENESS:
                yield other, (likeness - _MIN_LIKENESS) / (1.0 - _MIN_LIKENESS)

    def _compound(self, first: str, second: str) -> str:
        """Return two words as one: a config map may be a configmap, and garbage collection gc."""
        compound, initials = first + second, first[:1] + second[:1]
        is_unknown = first not in self.postings or second not in self.postings
        return initials if is_unknown and compound not in self.postings else compound

    def _synonym_scores(self, word: str, phrase_stems: frozenset[str]) -> dict[int, float]:
        """Return the scores of texts that lack a word and have another in its place."""
        substitutes: Mapping[str, float] = {}
        if word in SPELLINGS and not SPELLINGS[word].isdisjoint(self.postings):
            substitutes = dict.fromkeys(SPELLINGS[word], _SPELLING_WEIGHT)
        elif word in SYNONYMS:
            substitutes = dict.fromkeys(SYNONYMS[word] - phrase_stems, _SYNONYM_WEIGHT)
        elif word not in self.postings:
            substitutes = {
                substitute: _SYNONYM_WEIGHT * similarity
                for substitute, similarity in neighbours(word)
                if similarity > _MIN_SIMILARITY
            }
        if len(word) > _MAX_STEM_WITHOUT_AGENT and not phrase_stems.issuperset(
            agent_nouns := (f"{word}er", f"{word}or")
        ):
            substitutes = {**substitutes, **dict.fromkeys(agent_nouns, _SYNONYM_WEIGHT)}
        return self.best_scores(substitutes, self.postings.get(word, _NO_POSTINGS)[0]) if substitutes else {}

    def best_scores(self, substitutes: Mapping[str, float], excluded: Collection[int] = ()) -> dict[int, float]:
        """Return the scores of texts by their best word of `substitutes`, except for those `excluded`."""
        best: dict[int, float] = {}
        for substitute, share in substitutes.items():
            for doc, weight in zip(*self.postings.get(substitute, _NO_POSTINGS), strict=True):
                if share * weight > best.get(doc, 0.0):
                    best[doc] = share * weight
        for doc in excluded if best else ():
            best.pop(doc, None)
        return best


def distinct_words(phrase: Phrase) -> Iterator[PhraseWord]:
    """Yield the words of a phrase, each stem once in its most important role, the object's first and the verb last."""
    # A repeated word counts once, so that a long question does not outweigh its command.
    visited = set[str]()
    for word in sorted(phrase.words, key=_role_order):
        if word.stem not in visited:
            visited.add(word.stem)
            yield word


def _role_order(word: PhraseWord) -> int:
    """Return the sort key of a word's role: the object's words first, the verb last."""
    return word.role or len(WordRole)
