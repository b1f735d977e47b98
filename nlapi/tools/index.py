"""The search index over operations: BM25 selects candidates, and learned weights rate them."""

from __future__ import annotations

import hashlib
import heapq
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain, pairwise

from nlapi.openapi.cache import Cache
from nlapi.openapi.spec import Effect, Operation
from nlapi.resources.naming import METHODS, STOPWORDS, VERBS, Intent, pieces, stem
from nlapi.tools.argument_names import argument_names
from nlapi.tools.index_file import FORM, Learned, Postings, packed, unpacked
from nlapi.tools.index_shape import BRACED, CALLERS, STATES, Shape, shape_of
from nlapi.tools.meaning import neighbours
from nlapi.tools.phrase import Phrase, Word, WordRole, read_phrase
from nlapi.tools.phrase_words import STATE_VERBS
from nlapi.tools.relevance import PhraseTerms, Relevance, idf
from nlapi.tools.synonyms import SAME, SYNONYMS

# Weight of a word by the field that it is in. `extra` is text of the caller's, such as the name of the API.
WEIGHTS = {
    "id": 3.0,
    "path": 2.0,
    "path parameters": 1.0,
    "summary": 2.2,
    "tags": 1.0,
    "description": 0.8,
    "arguments": 1.0,
    "extra": 0.7,
}

# Least number of operations for which reading a cached Index is quicker than building it: 16 ms and 81 ms for GitHub's
# 1,223 (benchmarks/RESULTS.md).
WORTH_KEEPING = 200
# Candidates that BM25 passes on to be rated in full. With 50, the right one is among them for 3 more of 2,473 phrases.
RATED = 40
# The usual saturation constant of BM25 (Robertson and Zaragoza, 2009).
_K1 = 1.2
# Characters of a description that are read: later text is rarely about what the operation does.
_LONGEST = 400
# Weight of a word of the phrase by its role; the verb and the words of the object count 1.
_ROLES = {WordRole.MODIFIER: 0.7, WordRole.ASIDE: 0.65, WordRole.FRAME: 1.2}
_SAME = 0.9
# Weight of a synonym that an operation has in place of a word, and of the nearest words where no operation has the
# word.
_OTHERWISE = 0.5
# Least similarity at which one word may stand for another.
_ALIKE = 0.6
# Weight of the words for the caller (`me`, `self`) where the phrase asks for what is the user's own.
_CALLER = 0.5
_STATE = 0.3
_IMPLIED = 0.5
# Penalty per logarithm of the number of words in id and path when BM25 passes on: `delete a namespace` against the many
# operations inside a namespace.
_SHORTER = 0.8
# Longest stem for which -er and -or form no word for who does it.
_SHORT = 3
# Part of the best score that a candidate needs, as long as enough candidates have it.
_NEAR = 0.4
# Share of the operations that have a word from which on it distinguishes so little that no synonym is looked for.
_COMMON = 0.3
_NOWHERE: tuple[list[int], list[float]] = ([], [])


class Index:
    """An immutable search index over operations, built once; a search changes nothing in it.

    `extra` returns further words for an operation, such as the name of its API.
    """

    def __init__(
        self,
        operations: Iterable[Operation],
        extra: Callable[[Operation], str] | None = None,
        *,
        cache: Cache | None = None,
    ) -> None:
        self.operations: tuple[Operation, ...] = tuple(operations)
        learned = _kept(self.operations, cache) if cache is not None and extra is None else None
        if learned is None:
            texts = [_fields(operation, extra) for operation in self.operations]
            learned = Learned(shapes=list(map(shape_of, self.operations)), postings=_weigh(texts))
            if cache is not None and extra is None:
                cache.put(_key(self.operations), packed(learned))
        self._shapes, self._postings = learned.shapes, learned.postings
        self._relevance = Relevance(self._shapes, {word: len(docs) for word, (docs, _) in self._postings.items()})
        self._things = frozenset(word for shape in self._shapes for word in shape.entities)
        self.nouns = frozenset(noun for shape in self._shapes for noun in shape.nouns)
        """stems that look like verbs and are nouns of the API: orders"""
        self.honest = any(operation.method in METHODS[Intent.READ] for operation in self.operations)
        """whether some method reads, so that methods tell reads from changes"""
        self._by_operation = dict(zip(self.operations, self._shapes, strict=True))

    @classmethod
    def of(cls, operations: Iterable[Operation]) -> Index:
        """Return an Index, cached where its Spec was loaded with a cache and is large enough."""
        operations = tuple(operations)
        worth = len(operations) >= WORTH_KEEPING
        return cls(operations, cache=operations[0].spec.cache if worth else None)

    def __len__(self) -> int:
        return len(self.operations)

    def knows(self, word: str) -> bool:
        """Return whether the stem `word` is anywhere in the operations."""
        return word in self._postings

    @property
    def vocabulary(self) -> Iterable[str]:
        """The stems of all words in the operations."""
        return self._postings

    def changes(self, operation: Operation) -> bool:
        """Return whether an operation changes something; in an API that only POSTs, its verb decides."""
        shape = self._by_operation.get(operation)
        return shape is not None and _changes(operation, shape, self.honest)

    def weight(self, word: str) -> float:
        """Return how distinctive the stem `word` is: 0 when it is unknown, near 1 when few operations have it."""
        found = self._postings.get(word)
        if not found:
            return 0.0
        return 1.0 - math.log(1 + len(found[0])) / math.log(2 + len(self.operations)) * 0.8

    def search(self, query: str, k: int = 10, *, every: bool = False) -> list[tuple[Operation, float]]:
        """Return at most `limit` operations with their scores, best first; none when no word of `query` is known.

        With `include_all`, operations that share no word with `query` are included.
        """
        phrase = read_phrase(query, self.nouns)
        asked, rate = PhraseTerms.of(phrase, self._postings), self._relevance.score
        ranked = [(rate(asked, doc, bm25), doc) for doc, bm25 in self._candidates(phrase, k, every)]
        ranked.sort(key=lambda pair: (-pair[0], pair[1]))
        return [(self.operations[doc], score) for score, doc in ranked[:k]]

    def evidence(self, query: str) -> Iterator[tuple[Operation, Shape, tuple[float, ...]]]:
        """Yield the candidates for `query` with the feature values that their rating is made of, for training."""
        phrase = read_phrase(query, self.nouns)
        asked = PhraseTerms.of(phrase, self._postings)
        for doc, bm25 in self._candidates(phrase, RATED, every=False):
            yield self.operations[doc], self._shapes[doc], self._relevance.evidence(asked, doc, bm25)

    def _candidates(self, phrase: Phrase, k: int, every: bool) -> list[tuple[int, float]]:
        """Return the operations that BM25 selects for rating, with their scores."""
        scores, lengths = self._bm25(phrase), self._relevance.lengths
        if every:
            return list(enumerate(scores))
        few, least = max(k, RATED), max(scores, default=0.0) * _NEAR
        near = [(score - _SHORTER * lengths[doc], -doc) for doc, score in enumerate(scores) if score > least]
        if len(near) < few:
            near = [(score - _SHORTER * lengths[doc], -doc) for doc, score in enumerate(scores) if score > 0.0]
        return [(-doc, scores[-doc]) for _, doc in heapq.nlargest(few, near)]

    def _bm25(self, phrase: Phrase) -> list[float]:
        scores = [0.0] * len(self.operations)
        # A repeated word counts once, in its most important role, so that a long question does not outweigh its
        # command.
        postings, rated = self._postings, set[str]()
        for word in sorted(phrase.words, key=_importance):
            if word.stem in rated:
                continue
            rated.add(word.stem)
            share = _ROLES.get(word.role, 1.0)
            docs, weights = postings.get(word.stem, _NOWHERE)
            for doc, weight in zip(docs, weights, strict=True):
                scores[doc] += share * weight
            if len(docs) < _COMMON * len(scores):
                for doc, weight in self._otherwise(word.stem, phrase.stems).items():
                    scores[doc] += share * weight
        for word, after in pairwise(phrase.words):
            for doc, weight in zip(*postings.get(self._joined(word.stem, after.stem), _NOWHERE), strict=True):
                scores[doc] += weight
        hints = (
            (CALLERS, _CALLER * phrase.mine),
            (STATES, _STATE * (phrase.verb in STATE_VERBS)),
            (phrase.implied, _IMPLIED),
        )
        for terms, share in hints:
            for doc, weight in self._best(dict.fromkeys(terms, share)).items() if share and terms else ():
                # Hints alone select nothing unless the phrase names a possession: `tell me the weather` finds no
                # operation on `me`.
                if scores[doc] or phrase.owned or not phrase.words:
                    scores[doc] += weight
        return scores

    def _joined(self, word: str, after: str) -> str:
        """Return two words as one: a config map may be a configmap, and garbage collection gc."""
        whole, initials = word + after, word[:1] + after[:1]
        unknown = word not in self._postings or after not in self._postings
        return initials if unknown and whole not in self._postings else whole

    def _otherwise(self, term: str, said: frozenset[str]) -> dict[int, float]:
        """Return the scores of operations that lack a word and have another in its place."""
        likes: Mapping[str, float] = {}
        if term in SAME and not SAME[term].isdisjoint(self._postings):
            likes = dict.fromkeys(SAME[term], _SAME)
        elif term in SYNONYMS:
            likes = dict.fromkeys(SYNONYMS[term] - said, _OTHERWISE)
        elif term not in self._postings:
            likes = {other: _OTHERWISE * likeness for other, likeness in neighbours(term) if likeness > _ALIKE}
        if len(term) > _SHORT and not said.issuperset(doers := (f"{term}er", f"{term}or")):
            likes = {**likes, **dict.fromkeys(doers, _OTHERWISE)}
        return self._best(likes, self._postings.get(term, _NOWHERE)[0]) if likes else {}

    def _best(self, likes: Mapping[str, float], without: Collection[int] = ()) -> dict[int, float]:
        """Return the scores of operations by their best word of `substitutes`, except for those `excluded`."""
        best: dict[int, float] = {}
        for other, share in likes.items():
            for doc, weight in zip(*self._postings.get(other, _NOWHERE), strict=True):
                if share * weight > best.get(doc, 0.0):
                    best[doc] = share * weight
        for doc in without if best else ():
            best.pop(doc, None)
        return best

    def names(self, word: str) -> bool:
        """Return whether the stem `word` is in the last literal path segment of some operation."""
        return word in self._things


def _importance(word: Word) -> int:
    """Return the sort key of a word's role: the object's words first, the verb last."""
    return word.role or len(WordRole)


def _key(operations: Sequence[Operation]) -> str:
    """Return the cache key of an Index: a hash of everything that is read from the operations."""
    texts = "\x1e".join(map(_text, operations))
    return f"index {FORM} {hashlib.sha256(texts.encode()).hexdigest()}"


def _text(one: Operation) -> str:
    stated = one.stated_effect.value if one.stated_effect is not None else ""
    parts = (one.method, one.path, one.id, stated, one.summary, *one.tags, one.description[:_LONGEST])
    return "\x1f".join((*parts, *argument_names(one)))


def _kept(operations: Sequence[Operation], cache: Cache) -> Learned | None:
    data = cache.get(_key(operations))
    learned = unpacked(data) if data is not None else None
    return learned if learned is not None and len(learned.shapes) == len(operations) else None


def _fields(operation: Operation, extra: Callable[[Operation], str] | None) -> list[tuple[float, list[str]]]:
    fields = [
        (WEIGHTS["id"], operation.id),
        (WEIGHTS["path"], BRACED.sub("", operation.path)),
        (WEIGHTS["path parameters"], " ".join(BRACED.findall(operation.path))),
        (WEIGHTS["summary"], operation.summary),
        (WEIGHTS["tags"], " ".join(operation.tags)),
        (WEIGHTS["description"], operation.description[:_LONGEST]),
    ]
    if extra is not None:
        fields.append((WEIGHTS["extra"], extra(operation)))
    texts = ((weight, text.replace("/", " ").split()) for weight, text in fields if text)
    arguments = dict.fromkeys(chain.from_iterable(map(_word_terms, argument_names(operation))))
    return [
        *((weight, [term for word in words for term in _word_terms(word)]) for weight, words in texts),
        (WEIGHTS["arguments"], [*arguments]),
    ]


@lru_cache(maxsize=16384)
def _word_terms(word: str) -> tuple[str, ...]:
    return tuple(stem(piece) for piece in pieces(word) if piece not in STOPWORDS)


def _weigh(documents: Sequence[list[tuple[float, list[str]]]]) -> Postings:
    """Return the postings with the BM25F scores computed beforehand."""
    counts: list[dict[str, float]] = []
    have: Counter[str] = Counter()
    for fields in documents:
        tally: dict[str, float] = defaultdict(float)
        for weight, terms in fields:
            # Only fields of more than 8 words are normalised by length, or an id of one word would outweigh all.
            share = weight / (0.5 + 0.5 * len(terms) / 8.0) if len(terms) > 8 else weight
            for term in terms:
                tally[term] += share
        counts.append(tally)
        have.update(tally.keys())
    total = len(documents)
    rarity = {term: idf(total, count) for term, count in have.items()}
    postings: Postings = {term: ([], []) for term in have}
    for doc, tally in enumerate(counts):
        for term, amount in tally.items():
            docs, amounts = postings[term]
            docs.append(doc)
            amounts.append(round(rarity[term] * amount * (_K1 + 1) / (amount + _K1), 4))
    return postings


def _changes(operation: Operation, shape: Shape, honest: bool) -> bool:
    # Where every method is POST, as in RPC-like APIs, the effect WRITE is only the default and the verb decides.
    if operation.effect is not Effect.WRITE or honest:
        return operation.effect is not Effect.READ
    return any(VERBS.get(verb, Intent.READ) is not Intent.READ for verb in shape.verbs)
