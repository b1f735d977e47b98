"""Searches operations by a phrase: BM25 selects candidates from a cached index, and learned weights rate them."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from nlapi.openapi.cache import Cache
from nlapi.openapi.hints import stated_verbs
from nlapi.openapi.model import as_list, as_map, unescape_step
from nlapi.openapi.spec import Effect, Operation
from nlapi.resources.naming import METHODS, VERBS, Intent
from nlapi.tools.phrase import STATE_VERBS, Phrase, read_phrase
from nlapi.tools.relevance import (
    CALLER_STEMS,
    PATH_PARAMETER,
    STATE_STEMS,
    ActionKind,
    OperationTerms,
    PhraseTerms,
    Relevance,
    operation_terms,
)
from nlapi.tools.text_index import Fields, Postings, TextIndex, build_postings, text_terms, word_terms

# The index reads every operation of an API (GitHub's 1,223 in 81 ms, benchmarks/RESULTS.md), so `allOf` and `$ref` are
# followed two levels only.
_MAX_SCHEMA_DEPTH = 2
# The names of a larger body say little about what the operation does, and would lengthen the document in BM25.
_MAX_PROPERTIES = 40

MAX_LISTED_TOOLS = 40
"""operations up to which each is a tool of its own: a model selects worse, and costs more, past 30 to 50 tools"""

# Version of the stored form: raise it when the content changes, so that older files are rebuilt.
FORMAT_VERSION = 2
# Weight of a word by the field that it is in. `extra` is text of the caller's, such as the name of the API.
FIELD_WEIGHTS = {
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
MIN_CACHED_OPERATIONS = 200
# Candidates that BM25 passes on to be rated in full. With 50, the right one is among them for 3 more of 2,473 phrases.
MAX_CANDIDATES = 40
# Characters of a description that are read: later text is rarely about what the operation does.
_MAX_DESCRIPTION = 400
# Weight of the words for the caller (`me`, `self`) where the phrase asks for what is the user's own.
_CALLER_WEIGHT = 0.5
_STATE_WEIGHT = 0.3
_IMPLIED_WEIGHT = 0.5
# Penalty per logarithm of the number of words in id and path when BM25 passes on: `delete a namespace` against the many
# operations inside a namespace.
_LENGTH_PENALTY = 0.8
# Part of the best score that a candidate needs, as long as enough candidates have it.
_MIN_SCORE_SHARE = 0.4


def argument_names(operation: Operation) -> list[str]:
    """Return the names of the parameters and of the top-level properties of the body.

    A referenced parameter is named by the last segment of its `$ref`. Malformed parts are skipped.
    """
    document = operation.spec.document
    item = as_map(as_map(document.get("paths")).get(operation.path))
    node = as_map(item.get(operation.method.lower()))
    names: list[str] = []
    for parameter in (*as_list(item.get("parameters")), *as_list(node.get("parameters"))):
        if not isinstance(parameter, Mapping):
            continue
        if parameter.get("in") == "body":
            names += _properties(document, parameter.get("schema"), _MAX_SCHEMA_DEPTH)
        else:
            names.append(str(parameter.get("name") or str(parameter.get("$ref", "")).rpartition("/")[2]))
    if body := node.get("requestBody"):
        media = next(iter(as_map(_resolve(document, body).get("content")).values()), None)
        names += _properties(document, as_map(media).get("schema"), _MAX_SCHEMA_DEPTH)
    return names


def _properties(document: Mapping[str, object], schema: object, depth: int) -> list[str]:
    schema = _resolve(document, schema)
    names = [str(name) for name in islice(as_map(schema.get("properties")), _MAX_PROPERTIES)]
    for part in as_list(schema.get("allOf")) if depth else ():
        names += _properties(document, part, depth - 1)
    return names


def _resolve(document: Mapping[str, object], node: object) -> Mapping[str, object]:
    """Return a node with its `$ref` resolved within the document; {} where the target is no object."""
    for _ in range(_MAX_SCHEMA_DEPTH):
        ref = as_map(node).get("$ref")
        if not isinstance(ref, str):
            break
        node = document
        for part in ref.lstrip("#/").split("/"):
            node = as_map(node).get(unescape_step(part))
    return as_map(node)


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexData:
    """The parts of an Index that take long to compute; `operations` has the terms of each of its operations."""

    operations: list[OperationTerms]
    postings: Postings


def _serialize(data: IndexData) -> bytes:
    """Return the JSON form of `data`, with every word stored once."""
    import orjson

    words = sorted({word for terms in data.operations for part in _word_fields(terms) for word in part})
    numbers = {word: position for position, word in enumerate(words)}
    rows = [
        [_numeric_fields(terms), *([numbers[word] for word in part] for part in _word_fields(terms))]
        for terms in data.operations
    ]
    return orjson.dumps({"words": words, "shapes": rows, "postings": data.postings})


def _deserialize(data: bytes) -> IndexData | None:
    """Return the inverse of `_serialize`; None where the data is anything else."""
    import orjson

    try:
        stored = orjson.loads(data)
        words = stored["words"]
        operations = [_read_terms(row, words) for row in stored["shapes"]]
        postings = stored["postings"]
        # A cache file may be damaged or written by another version: an index out of range must not surface in a search.
        fits = all(len(docs) == len(amounts) and max(docs) < len(operations) for docs, amounts in postings.values())
    except (ValueError, LookupError, TypeError, AttributeError):
        return None
    return IndexData(operations=operations, postings=postings) if fits else None


def _numeric_fields(terms: OperationTerms) -> list[int]:
    """Return the numeric fields of OperationTerms."""
    return [terms.kind, terms.length, terms.is_count, terms.is_about_caller, terms.is_possessive, terms.sets_state]


def _word_fields(terms: OperationTerms) -> tuple[Sequence[str], ...]:
    """Return the words of OperationTerms by field; sets are sorted, so that equal ones have equal bytes."""
    sets = (
        terms.name,
        terms.qualifiers,
        terms.inner,
        terms.verbs,
        terms.spoken,
        terms.nouns,
        terms.summary,
        terms.object,
    )
    return (terms.entities, *map(sorted, sets))


def _read_terms(row: list[Any], words: list[str]) -> OperationTerms:
    """Return the OperationTerms in a row. ValueError for a row of another form."""
    (kind, length, is_count, is_about_caller, is_possessive, sets_state), entities, *set_columns = row
    sets = [frozenset([words[number] for number in part]) for part in set_columns]
    name, qualifiers, inner, verbs, spoken, nouns, summary, object_stems = sets
    return OperationTerms(
        kind=ActionKind(kind),
        entities=tuple([words[number] for number in entities]),
        name=name,
        qualifiers=qualifiers,
        inner=inner,
        verbs=verbs,
        spoken=spoken,
        nouns=nouns,
        summary=summary,
        object=object_stems,
        length=length,
        is_count=is_count,
        is_about_caller=is_about_caller,
        is_possessive=is_possessive,
        sets_state=sets_state,
    )


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
        data = _cached_data(self.operations, cache) if cache is not None and extra is None else None
        if data is None:
            texts = [_weighted_fields(operation, extra) for operation in self.operations]
            data = IndexData(operations=list(map(operation_terms, self.operations)), postings=build_postings(texts))
            if cache is not None and extra is None:
                cache.store(_cache_key(self.operations), _serialize(data))
        self._terms, self._postings = data.operations, data.postings
        self._texts = TextIndex(self._postings, len(self._terms))
        self._relevance = Relevance(self._terms, {word: len(docs) for word, (docs, _) in self._postings.items()})
        self._entity_stems = frozenset(word for terms in self._terms for word in terms.entities)
        self.nouns = frozenset(noun for terms in self._terms for noun in terms.nouns)
        """stems that look like verbs and are nouns of the API: orders"""
        self.has_read_methods = any(operation.method in METHODS[Intent.READ] for operation in self.operations)
        """whether some method reads, so that methods tell reads from changes"""
        self._by_operation = dict(zip(self.operations, self._terms, strict=True))

    @classmethod
    def of(cls, operations: Iterable[Operation]) -> Index:
        """Return an Index, cached where its Spec was loaded with a cache and is large enough."""
        operations = tuple(operations)
        is_cached = len(operations) >= MIN_CACHED_OPERATIONS
        return cls(operations, cache=operations[0].spec.cache if is_cached else None)

    def __len__(self) -> int:
        return len(self.operations)

    def has_word(self, word: str) -> bool:
        """Return whether the stem `word` is anywhere in the operations."""
        return self._texts.has_word(word)

    @property
    def vocabulary(self) -> Iterable[str]:
        """The stems of all words in the operations."""
        return self._postings

    def is_change(self, operation: Operation) -> bool:
        """Return whether an operation changes something; in an API that only POSTs, its verb decides."""
        terms = self._by_operation.get(operation)
        return terms is not None and _is_change(operation, terms, self.has_read_methods)

    def weight(self, word: str) -> float:
        """Return how distinctive the stem `word` is: 0 when it is unknown, near 1 when few operations have it."""
        return self._texts.weight(word)

    def search(self, query: str, limit: int = 10, *, include_all: bool = False) -> list[tuple[Operation, float]]:
        """Return at most `limit` operations with their scores, best first; none when no word of `query` is known.

        With `include_all`, operations that share no word with `query` are included.
        """
        phrase = read_phrase(query, self.nouns)
        terms, score_of = PhraseTerms.of(phrase, self._postings), self._relevance.score
        ranked = [(score_of(terms, doc, bm25), doc) for doc, bm25 in self._candidates(phrase, limit, include_all)]
        ranked.sort(key=lambda pair: (-pair[0], pair[1]))
        return [(self.operations[doc], score) for score, doc in ranked[:limit]]

    def features(self, query: str) -> Iterator[tuple[Operation, OperationTerms, tuple[float, ...]]]:
        """Yield the candidates for `query` with the feature values that their rating is made of, for training."""
        phrase = read_phrase(query, self.nouns)
        terms = PhraseTerms.of(phrase, self._postings)
        for doc, bm25 in self._candidates(phrase, MAX_CANDIDATES, include_all=False):
            yield self.operations[doc], self._terms[doc], self._relevance.features(terms, doc, bm25)

    def _candidates(self, phrase: Phrase, limit: int, include_all: bool) -> list[tuple[int, float]]:
        """Return the operations that BM25 selects for rating, with their scores."""
        scores, lengths = self._bm25(phrase), self._relevance.lengths
        if include_all:
            return list(enumerate(scores))
        count, min_score = max(limit, MAX_CANDIDATES), max(scores, default=0.0) * _MIN_SCORE_SHARE
        candidates = [
            (score - _LENGTH_PENALTY * lengths[doc], -doc) for doc, score in enumerate(scores) if score > min_score
        ]
        if len(candidates) < count:
            candidates = [
                (score - _LENGTH_PENALTY * lengths[doc], -doc) for doc, score in enumerate(scores) if score > 0.0
            ]
        return [(-doc, scores[-doc]) for _, doc in heapq.nlargest(count, candidates)]

    def _bm25(self, phrase: Phrase) -> list[float]:
        scores = self._texts.scores(phrase)
        hints = (
            (CALLER_STEMS, _CALLER_WEIGHT * phrase.is_about_caller),
            (STATE_STEMS, _STATE_WEIGHT * (phrase.verb in STATE_VERBS)),
            (phrase.implied, _IMPLIED_WEIGHT),
        )
        for terms, share in hints:
            for doc, weight in self._texts.best_scores(dict.fromkeys(terms, share)).items() if share and terms else ():
                # Hints alone select nothing unless the phrase names a possession: `tell me the weather` finds no
                # operation on `me`.
                if scores[doc] or phrase.has_possessive or not phrase.words:
                    scores[doc] += weight
        return scores

    def is_entity(self, word: str) -> bool:
        """Return whether the stem `word` is in the last literal path segment of some operation."""
        return word in self._entity_stems


def _cache_key(operations: Sequence[Operation]) -> str:
    """Return the cache key of an Index: a hash of everything that is read from the operations."""
    texts = "\x1e".join(map(_indexed_text, operations))
    return f"index {FORMAT_VERSION} {hashlib.sha256(texts.encode()).hexdigest()}"


def _indexed_text(operation: Operation) -> str:
    stated_effect = operation.stated_effect.value if operation.stated_effect is not None else ""
    parts = (
        operation.method,
        operation.path,
        operation.id,
        stated_effect,
        operation.summary,
        *stated_verbs(operation.extensions),
        *operation.tags,
        operation.description[:_MAX_DESCRIPTION],
    )
    return "\x1f".join((*parts, *argument_names(operation)))


def _cached_data(operations: Sequence[Operation], cache: Cache) -> IndexData | None:
    data = cache.load(_cache_key(operations))
    index_data = _deserialize(data) if data is not None else None
    return index_data if index_data is not None and len(index_data.operations) == len(operations) else None


def _weighted_fields(operation: Operation, extra: Callable[[Operation], str] | None) -> Fields:
    fields = [
        (FIELD_WEIGHTS["id"], operation.id),
        (FIELD_WEIGHTS["path"], PATH_PARAMETER.sub("", operation.path)),
        (FIELD_WEIGHTS["path parameters"], " ".join(PATH_PARAMETER.findall(operation.path))),
        (FIELD_WEIGHTS["summary"], operation.summary),
        (FIELD_WEIGHTS["summary"], " ".join(stated_verbs(operation.extensions))),
        (FIELD_WEIGHTS["tags"], " ".join(operation.tags)),
        (FIELD_WEIGHTS["description"], operation.description[:_MAX_DESCRIPTION]),
    ]
    if extra is not None:
        fields.append((FIELD_WEIGHTS["extra"], extra(operation)))
    arguments = dict.fromkeys(chain.from_iterable(map(word_terms, argument_names(operation))))
    return [
        *((weight, text_terms(text)) for weight, text in fields if text),
        (FIELD_WEIGHTS["arguments"], [*arguments]),
    ]


def _is_change(operation: Operation, terms: OperationTerms, has_read_methods: bool) -> bool:
    # Where every method is POST, as in RPC-like APIs, the effect WRITE is only the default and the verb decides.
    if operation.effect is not Effect.WRITE or has_read_methods:
        return operation.effect is not Effect.READ
    return any(VERBS.get(verb, Intent.READ) is not Intent.READ for verb in terms.verbs)
