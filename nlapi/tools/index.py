"""Finds the few operations that a sentence is about, by fielded BM25 and by the shape of their paths."""

from __future__ import annotations

import heapq
import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from nlapi.openapi.spec import Effect, Operation
from nlapi.tools.words import METHODS, PLAIN_VERBS, STOPWORDS, VERBS, Intent, intents, pieces, singular, stem

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

_K1 = 1.2
_LONGEST = 400
"""Characters of a description that are read: what comes later is rarely about what the operation does."""
_SYNONYMS = 0.35
_METHOD = 1.4
_VERB = 1.0
_AGAINST = 1.4
_STRANGE = 2.5
_HEAD = 2.5
_SHAPE = 0.6
_COVERED = 2.2
_MENTIONED = 1.8
_QUALIFIED = re.compile(r"(?<=[a-z])(?:By|For)(?=[A-Z])|[-_/](?:by|for)[-_]")
_WISHES = frozenset(("need", "want", "know", "look", "i"))
"""Openings that say that something is wanted, not what."""
_SPACE = re.compile(r".*[/.:]")
"""What stands before the name proper in ids such as `issues/create`."""
_BRACED = re.compile(r"\{[^}]*\}")
_VERSION = re.compile(r"v\d+(\.\d+)*|api|rest")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What the path of an operation says of it: the thing it is about, and whether that is one thing or many."""

    entity: str
    """stem of the last literal word of the path: campaign"""
    named: frozenset[str]
    """stems of the words of the id and the literal path, without verbs"""
    entities: tuple[str, ...]
    """stems of the words of the last literal segment of the path"""
    inner: frozenset[str]
    """stems of the literal words of the path before its last segment"""
    verbs: frozenset[str]
    """stems of the verbs of the id; its first word is taken for one, known or not"""
    nouns: frozenset[str]
    """stems of the literal words of the path that look like verbs and are none there: ad sets, orders"""
    one: bool
    """the path ends in a parameter"""


class Index:
    """An index over operations; built once, searched often. Pure: nothing is kept between searches.

    `extra` gives more words for an operation where they are cheap to have (its parameters' names, say).
    """

    def __init__(self, operations: Iterable[Operation], extra: Callable[[Operation], str] | None = None) -> None:
        self.operations: tuple[Operation, ...] = tuple(operations)
        self._shapes = [_shape(operation) for operation in self.operations]
        self._things = frozenset(word for shape in self._shapes for word in shape.entities)
        self._nouns = frozenset(noun for shape in self._shapes for noun in shape.nouns)
        honest = any(operation.method in METHODS[Intent.READ] for operation in self.operations)
        pairs = zip(self.operations, self._shapes, strict=True)
        self._changing = frozenset(operation for operation, shape in pairs if _changes(operation, shape, honest))
        self._intents = [_meant(*pair, honest) for pair in zip(self.operations, self._shapes, strict=True)]
        texts = [_fields(operation, extra) for operation in self.operations]
        self._postings = _weigh(texts)
        self._inner = _rarity(self._shapes)

    def __len__(self) -> int:
        return len(self.operations)

    def knows(self, word: str) -> bool:
        """Is the stem `word` anywhere in what the operations say of themselves?"""
        return word in self._postings

    def changes(self, operation: Operation) -> bool:
        """Does an operation change something? Where all is done by POST its verb has to say so."""
        return operation in self._changing

    def weight(self, word: str) -> float:
        """How telling the stem `word` is: 0 when it is unknown, near 1 when few operations have it."""
        found = self._postings.get(word)
        if not found:
            return 0.0
        return 1.0 - math.log(1 + len(found)) / math.log(2 + len(self.operations)) * 0.8

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
            for doc, weight in self._postings.get(term, ()):
                scores[doc] += share * weight
        return scores

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


def _fields(operation: Operation, extra: Callable[[Operation], str] | None) -> list[tuple[float, list[str]]]:
    fields = [
        (WEIGHTS["id"], operation.id),
        (WEIGHTS["path"], _BRACED.sub("", operation.path)),
        (WEIGHTS["path parameters"], " ".join(_BRACED.findall(operation.path))),
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


def _weigh(documents: Sequence[list[tuple[float, list[str]]]]) -> dict[str, list[tuple[int, float]]]:
    """term -> (document, its part of the BM25F score), worked out beforehand."""
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
    postings: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for doc, tally in enumerate(counts):
        for term, amount in tally.items():
            postings[term].append((doc, idf[term] * amount * (_K1 + 1) / (amount + _K1)))
    return dict(postings)


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


def _nouns(segment: str) -> list[str]:
    words = pieces(segment)
    return [stem(word) for at, word in enumerate(words) if stem(word) in VERBS and (at or singular(word) != word)]


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


def _entities(literal: Sequence[str], method: str) -> tuple[list[str], bool]:
    """The stems of what a path is about, and whether its last segment says what is done to it (/runs/{id}/cancel)."""
    words = pieces(literal[-1]) if literal else []
    if not words or stem(words[0]) not in VERBS:
        return list(map(stem, words)), False
    if len(words) > 1:
        return list(map(stem, words[1:])), False
    if singular(words[0]) != words[0] or method != "POST":
        return [stem(words[0])], False
    return (list(map(stem, pieces(literal[-2]))), True) if len(literal) > 1 else ([], False)


def _shape(operation: Operation) -> Shape:
    segments = [segment for segment in operation.path.split("/") if segment]
    literal = [_BRACED.sub("", segment) for segment in segments]
    literal = [segment for segment in literal if segment and not _VERSION.fullmatch(segment)]
    entities, acts = _entities(literal, operation.method)
    said = _QUALIFIED.split(operation.id, maxsplit=1)[0] or operation.id
    named = {stem(word) for word in pieces(said) if word not in STOPWORDS} | set(entities)
    own = list(map(stem, pieces(_SPACE.sub("", operation.id))))
    verbs = {word for at, word in enumerate(own) if (word in VERBS or at == 0) and word not in entities}
    return Shape(
        entity=entities[-1] if entities else "",
        named=frozenset(word for word in named if word not in verbs and word != "id"),
        entities=tuple(entities),
        nouns=frozenset(noun for segment in literal for noun in _nouns(segment)),
        inner=frozenset(stem(word) for segment in literal[:-1] for word in pieces(segment)) - set(entities),
        verbs=frozenset(verbs),
        one=bool(segments) and (acts or "{" in segments[-1]),
    )
