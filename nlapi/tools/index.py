"""Finds the few operations that a sentence is about: BM25 over their words, then what else speaks for each."""

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
"""What a word is worth by where it stands; `extra` is whatever the caller adds, such as the name of the API."""

WORTH_KEEPING = 200
"""Operations from which on finding an Index again is quicker than making it."""
RATED = 40
"""Operations that BM25 hands on to be rated in full. On 2,473 phrases 50 have the right one in 3 more."""
_K1 = 1.2
_LONGEST = 400
"""Characters of a description that are read: what comes later is rarely about what the operation does."""
_ROLES = {WordRole.MODIFIER: 0.7, WordRole.ASIDE: 0.65, WordRole.FRAME: 1.2}
"""What a word of a phrase counts that neither is the verb nor belongs to the object."""
_SAME = 0.9
_OTHERWISE = 0.5
"""What a word counts that an operation calls by another name, and of a word that no operation has, those like it."""
_ALIKE = 0.6
"""Words less alike than this do not stand for each other."""
_CALLER = 0.5
"""What the words for the caller count where somebody asks for what is his."""
_STATE = 0.3
_IMPLIED = 0.5
_SHORTER = 0.8
"""How much fewer words in id and path count when BM25 hands on: `delete a namespace` beside all that are in one."""
_SHORT = 3
"""Letters of a stem up to which -er and -or make no word for who does it."""
_NEAR = 0.4
"""The part of the best score that BM25 hands on, where enough have it."""
_COMMON = 0.3
"""The part of the operations from which on having a word says so little that no other stands for it."""
_NOWHERE: tuple[list[int], list[float]] = ([], [])


class Index:
    """An index over operations; built once, searched often. Pure: nothing is kept between searches.

    `extra` gives more words for an operation, such as the name of its API.
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
        """stems that look like verbs and are things of the API: orders"""
        self.honest = any(operation.method in METHODS[Intent.READ] for operation in self.operations)
        """some methods read: they say what the operations do"""
        self._by_operation = dict(zip(self.operations, self._shapes, strict=True))

    @classmethod
    def of(cls, operations: Iterable[Operation]) -> Index:
        """An Index that is kept where its Spec was loaded with a cache and is large enough to be worth it."""
        operations = tuple(operations)
        worth = len(operations) >= WORTH_KEEPING
        return cls(operations, cache=operations[0].spec.cache if worth else None)

    def __len__(self) -> int:
        return len(self.operations)

    def knows(self, word: str) -> bool:
        """Is the stem `word` anywhere in what the operations say of themselves?"""
        return word in self._postings

    @property
    def vocabulary(self) -> Iterable[str]:
        """The stems that the operations say of themselves."""
        return self._postings

    def changes(self, operation: Operation) -> bool:
        """Does an operation change something? Where all is done by POST its verb has to say so."""
        shape = self._by_operation.get(operation)
        return shape is not None and _changes(operation, shape, self.honest)

    def weight(self, word: str) -> float:
        """How telling the stem `word` is: 0 when it is unknown, near 1 when few operations have it."""
        found = self._postings.get(word)
        if not found:
            return 0.0
        return 1.0 - math.log(1 + len(found[0])) / math.log(2 + len(self.operations)) * 0.8

    def search(self, query: str, k: int = 10, *, every: bool = False) -> list[tuple[Operation, float]]:
        """The `k` likeliest operations and their scores, the best first. Nothing when no word of `query` is known.

        With `every` the operations that share no word with `query` are among them.
        """
        phrase = read_phrase(query, self.nouns)
        asked, rate = PhraseTerms.of(phrase, self._postings), self._relevance.score
        ranked = [(rate(asked, doc, bm25), doc) for doc, bm25 in self._candidates(phrase, k, every)]
        ranked.sort(key=lambda pair: (-pair[0], pair[1]))
        return [(self.operations[doc], score) for score, doc in ranked[:k]]

    def evidence(self, query: str) -> Iterator[tuple[Operation, Shape, tuple[float, ...]]]:
        """Yield what search rates for `query`, and the amounts that its rating is made of: for training."""
        phrase = read_phrase(query, self.nouns)
        asked = PhraseTerms.of(phrase, self._postings)
        for doc, bm25 in self._candidates(phrase, RATED, every=False):
            yield self.operations[doc], self._shapes[doc], self._relevance.evidence(asked, doc, bm25)

    def _candidates(self, phrase: Phrase, k: int, every: bool) -> list[tuple[int, float]]:
        """The operations that BM25 finds, as many as are worth rating, each with its score."""
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
                if scores[doc] or phrase.owned or not phrase.words:  # `tell me the weather` finds nothing of mine
                    scores[doc] += weight
        return scores

    def _joined(self, word: str, after: str) -> str:
        """What two words are as one: a config map may be a configmap, and garbage collection gc."""
        whole, initials = word + after, word[:1] + after[:1]
        unknown = word not in self._postings or after not in self._postings
        return initials if unknown and whole not in self._postings else whole

    def _otherwise(self, term: str, said: frozenset[str]) -> dict[int, float]:
        """What operations get that lack a word and have another in its place."""
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
        """What operations get for the one of `likes` that counts most; none of those `without`."""
        best: dict[int, float] = {}
        for other, share in likes.items():
            for doc, weight in zip(*self._postings.get(other, _NOWHERE), strict=True):
                if share * weight > best.get(doc, 0.0):
                    best[doc] = share * weight
        for doc in without if best else ():
            best.pop(doc, None)
        return best

    def names(self, word: str) -> bool:
        """Is the stem `word` part of what some operation is about (the last literal segment of its path)?"""
        return word in self._things


def _importance(word: Word) -> int:
    """Where a word is said twice, its place in the object counts first, and as the verb last."""
    return word.role or len(WordRole)


def _key(operations: Sequence[Operation]) -> str:
    """What an Index is kept under: everything of the operations that is in it."""
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
    """The parts of the BM25F scores, worked out beforehand."""
    counts: list[dict[str, float]] = []
    have: Counter[str] = Counter()
    for fields in documents:
        tally: dict[str, float] = defaultdict(float)
        for weight, terms in fields:
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
    if operation.effect is not Effect.WRITE or honest:
        return operation.effect is not Effect.READ
    return any(VERBS.get(verb, Intent.READ) is not Intent.READ for verb in shape.verbs)
