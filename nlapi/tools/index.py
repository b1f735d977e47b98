"""Finds the few operations that a sentence is about, by fielded BM25 and by the shape of their paths."""

from __future__ import annotations

import hashlib
import heapq
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

from nlapi.openapi.cache import Cache
from nlapi.openapi.spec import Effect, Operation
from nlapi.resources.naming import METHODS, PLAIN_VERBS, STOPWORDS, VERBS, Intent, intents, pieces, singular, stem
from nlapi.tools.index_file import FORM, Learned, Postings, packed, unpacked
from nlapi.tools.index_shape import BRACED, Shape, shape_of
from nlapi.tools.meaning import neighbours
from nlapi.tools.synonyms import SYNONYMS

WEIGHTS = {
    "id": 3.0,
    "path": 2.0,
    "path parameters": 1.0,
    "summary": 2.2,
    "tags": 1.0,
    "description": 0.8,
    "extra": 0.7,
}
"""What a word is worth by where it stands; `extra` is whatever the caller adds, such as parameter names."""

WORTH_KEEPING = 200
"""Operations from which on finding an Index again is quicker than making it."""
_K1 = 1.2
_LONGEST = 400
"""Characters of a description that are read: what comes later is rarely about what the operation does."""
_SYNONYMS = 0.35
_OTHERWISE = 0.3
"""What a word counts that an operation calls by another name, and of a word that no operation has, those like it."""
_ALIKE = 0.6
"""Words less alike than this do not stand for each other."""
_METHOD = 1.4
_VERB = 1.0
_AGAINST = 1.4
_STRANGE = 2.5
_HEAD = 2.5
_SHAPE = 0.6
_COVERED = 2.2
_MENTIONED = 1.8
_WISHES = frozenset(("need", "want", "know", "look", "i"))
"""Openings that say that something is wanted, not what."""
_NOWHERE: tuple[list[int], list[float]] = ([], [])


class Index:
    """An index over operations; built once, searched often. Pure: nothing is kept between searches.

    `extra` gives more words for an operation where they are cheap to have (its parameters' names, say).
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
        self._things = frozenset(word for shape in self._shapes for word in shape.entities)
        self._nouns = frozenset(noun for shape in self._shapes for noun in shape.nouns)
        self.honest = honest = any(operation.method in METHODS[Intent.READ] for operation in self.operations)
        """some methods read: they say what the operations do"""
        pairs = zip(self.operations, self._shapes, strict=True)
        self._changing = frozenset(operation for operation, shape in pairs if _changes(operation, shape, honest))
        self._intents = [_meant(*pair, honest) for pair in zip(self.operations, self._shapes, strict=True)]
        self._inner = _rarity(self._shapes)

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
        return operation in self._changing

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
        words = pieces(query)
        terms = [stem(word) for word in words if word not in STOPWORDS]
        scores = self._bm25(terms)
        if every:
            scores = {doc: scores.get(doc, 0.0) for doc in range(len(self.operations))}
        if not scores:
            return []
        stemmed = [stem(word) for word in words[:40]]
        asked = intents(word for at, word in enumerate(stemmed) if at == 0 or word not in self._nouns)
        plain = {stem(word) for word in words}
        many = {stem(word) for word in words if singular(word) != word}
        few = heapq.nlargest(max(4 * k, 40), scores, key=scores.__getitem__)
        ordered = [stem(word) for word in words]
        heads = self._heads(few, ordered)
        ranked = [(scores[doc] + heads.get(doc, 0.0) + self._evidence(doc, asked, plain, many), doc) for doc in few]
        ranked.sort(key=lambda pair: (-pair[0], pair[1]))
        return [(self.operations[doc], score) for score, doc in ranked[:k]]

    def _bm25(self, terms: Sequence[str]) -> dict[int, float]:
        scores: dict[int, float] = defaultdict(float)
        for term, count in Counter(terms).items():
            share = min(count, 2) ** 0.5 * (_SYNONYMS if term in VERBS and term not in self._nouns else 1.0)
            for doc, weight in zip(*self._postings.get(term, _NOWHERE), strict=True):
                scores[doc] += share * weight
        asked = set(terms)
        for term in asked:
            for other, share in self._otherwise(term):
                if other not in asked:
                    for doc, weight in zip(*self._postings.get(other, _NOWHERE), strict=True):
                        scores[doc] += share * weight
        return scores

    def _otherwise(self, term: str) -> list[tuple[str, float]]:
        """What an operation may have in place of a word, and what each counts."""
        if term in SYNONYMS:
            return [(other, _OTHERWISE) for other in SYNONYMS[term]]
        if term in self._postings:
            return []
        return [(other, _OTHERWISE * likeness) for other, likeness in neighbours(term) if likeness > _ALIKE]

    def _heads(self, docs: Iterable[int], words: Sequence[str]) -> dict[int, float]:
        """A bonus for the operations about the thing that a command names first: [ads] of the campaign.

        A verb of its own kind ([lend] the book, [cancel] the run) says as much.
        """
        opening = {word for word in words[:3] if word in VERBS or word not in self._things}
        opening -= self._nouns | _WISHES
        rare = {doc for doc in docs if (self._shapes[doc].verbs & opening) - PLAIN_VERBS}
        if rare or not opening & VERBS.keys():
            return dict.fromkeys(rare, _HEAD)
        first: dict[int, tuple[int, int]] = {}
        for doc in docs:
            phrase = self._shapes[doc].entities
            at = _position(phrase, words)
            if at is not None:
                first[doc] = (at, -len(phrase))
        best = min(first.values(), default=None)
        return {doc: _HEAD for doc, place in first.items() if place == best}

    def names(self, word: str) -> bool:
        """Is the stem `word` part of what some operation is about (the last literal segment of its path)?"""
        return word in self._things

    def _evidence(self, doc: int, asked: dict[Intent, float], plain: set[str], many: set[str]) -> float:
        """What method and path add to the words."""
        operation, shape = self.operations[doc], self._shapes[doc]
        total = 0.0
        if asked:
            good = max((weight for intent, weight in asked.items() if intent in self._intents[doc]), default=0.0)
            total += _METHOD * good - _AGAINST * (1.0 - good)
        if shape.verbs & plain:
            total += _VERB
        total -= _STRANGE * max((weight for word, weight in self._inner[doc] if word not in plain), default=0.0)
        if shape.named:
            total += _MENTIONED * len(shape.named & plain) / len(shape.named)
        if shape.entities:
            covered = sum(word in plain for word in shape.entities) / len(shape.entities)
            total += _COVERED * covered
            if covered == 1.0 and operation.method == "GET":
                total += _SHAPE if (shape.entity in many) is not shape.one else -_SHAPE
        return total


def _key(operations: Sequence[Operation]) -> str:
    """What an Index is kept under: everything of the operations that is in it."""
    texts = (
        "\x1f".join((one.method, one.path, one.id, one.summary, *one.tags, one.description[:_LONGEST]))
        for one in operations
    )
    return f"index {FORM} {hashlib.sha256(chr(30).join(texts).encode()).hexdigest()}"


def _kept(operations: Sequence[Operation], cache: Cache) -> Learned | None:
    """What was learned of these very operations before."""
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
    return [(weight, _terms(text)) for weight, text in fields if text]


@lru_cache(maxsize=4096)
def _word_terms(word: str) -> tuple[str, ...]:
    return tuple(stem(piece) for piece in pieces(word) if piece not in STOPWORDS)


def _terms(text: str) -> list[str]:
    return [term for word in text.replace("/", " ").split() for term in _word_terms(word)]


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
    idf = {term: math.log(1 + (total - count + 0.5) / (count + 0.5)) for term, count in have.items()}
    postings: Postings = {term: ([], []) for term in have}
    for doc, tally in enumerate(counts):
        for term, amount in tally.items():
            docs, amounts = postings[term]
            docs.append(doc)
            amounts.append(round(idf[term] * amount * (_K1 + 1) / (amount + _K1), 4))
    return postings


def _rarity(shapes: Sequence[Shape]) -> list[tuple[tuple[str, float], ...]]:
    """For each operation the inner words of its path, and how much each sets it apart from the others (0 to 1)."""
    have = Counter(word for shape in shapes for word in shape.inner)
    apart = {word: (1.0 - count / len(shapes)) ** 2 for word, count in have.items()}
    return [tuple((word, apart[word]) for word in shape.inner) for shape in shapes]


def _position(phrase: Sequence[str], words: Sequence[str]) -> int | None:
    """Where `phrase` begins in `words`, unless it only owns what comes next (the campaign's ads)."""
    size = len(phrase)
    for at in range(len(words) - size + 1 if size else 0):
        if (
            words[at] == phrase[0]
            and tuple(words[at : at + size]) == phrase
            and words[at + size : at + size + 1] != ["s"]
        ):
            return at
    return None


def _meant(operation: Operation, shape: Shape, honest: bool) -> frozenset[Intent]:
    """What an operation does: by its method (unless the API is `honest` about none) and by the verbs of its id."""
    first = next((word for word in map(stem, pieces(operation.id)) if word in shape.verbs and word in VERBS), None)
    found = {VERBS[first]} if first is not None else set()
    if honest or not found:
        found |= {intent for intent, methods in METHODS.items() if operation.method in methods}
    return frozenset(found)


def _changes(operation: Operation, shape: Shape, honest: bool) -> bool:
    if operation.effect is not Effect.WRITE or honest:
        return operation.effect is not Effect.READ
    return any(VERBS.get(verb, Intent.READ) is not Intent.READ for verb in shape.verbs)
