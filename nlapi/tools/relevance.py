"""Rates the relevance of an operation to a phrase, by learned weights over its words, its path and its verb.

The weights are those of a conditional logit over the operations that BM25 selects, learned from the steps of real
workflows and from sentences about real APIs (`python -m training.relevance`).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from operator import mul

from nlapi.english.words import name_words, singular, split_words, stem
from nlapi.openapi.spec import Effect, Operation
from nlapi.resources.naming import STOPWORDS, VERBS, Intent
from nlapi.resources.nouns import QUERY_WORDS, VERSION
from nlapi.resources.paths import FORMATS
from nlapi.tools.phrase import STATE_VERBS, Phrase, SearchIntent, WordRole, read_phrase
from nlapi.tools.text_index import idf
from nlapi.tools.word_similarity import SPELLINGS, SYNONYMS

PATH_PARAMETER = re.compile(r"\{[^}]*\}")
"""Matches a parameter in a path."""
_QUALIFIER = re.compile(r"(?<=[a-z])(?:By|For)(?=[A-Z])|[-_/](?:by|for)[-_]")
# Separators between a namespace and the name proper in ids such as `issues/create`.
_NAMESPACE_SEPARATORS = "/.:"
_MARKUP = re.compile(r"<[^>]*>")
_SENTENCE = re.compile(r"\.\s|\n")
# Characters of a description that its first sentence is looked for in.
_MAX_SUMMARY = 300
_LIST_WORDS = QUERY_WORDS - frozenset("count get info details detail batch bulk".split())
_LIST_STEMS = frozenset(map(stem, _LIST_WORDS))
# Last words of a path that name no resource: /containers/json lists containers.
_NON_RESOURCES = QUERY_WORDS | FORMATS
CALLER_STEMS = frozenset(map(stem, "me self my mine authenticated viewer current own".split()))
"""Stems by which an operation refers to its caller."""
_POSSESSIVE_STEMS = frozenset(map(stem, "me self my".split()))
STATE_STEMS = frozenset(map(stem, "state status".split()))
"""Stems by which an operation refers to a state."""

# `python -m training.relevance` prints this table and KIND_WEIGHTS as they stand here. A penalty of 3 or 30 in place
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


class ActionKind(IntEnum):
    """The kind of action of an operation on a resource. The order is that of the weights in KIND_WEIGHTS."""

    COLLECTION = 0
    """lists or searches"""
    ITEM = 1
    """reads one item of a collection"""
    SINGLETON = 2
    """reads a resource that exists once"""
    CREATE = 3
    ACTION = 4
    UPDATE = 5
    DELETE = 6


_CHANGE_KINDS = frozenset((ActionKind.CREATE, ActionKind.ACTION, ActionKind.UPDATE))


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationTerms:
    """The stems of an operation by the part that they are from, and its kind of action."""

    # index.py stores these fields by position; change it, and its FORMAT_VERSION, together with them.
    kind: ActionKind
    entities: tuple[str, ...]
    """the words of the last literal path segment that names a resource"""
    name: frozenset[str]
    """the words of the id, without verbs and without what follows `By` and `For`"""
    qualifiers: frozenset[str]
    """the words of the id that follow `By` and `For`"""
    inner: frozenset[str]
    """the words of the literal path before its last segment"""
    verbs: frozenset[str]
    """the verbs of the id; its first word counts as one, known or not"""
    spoken: frozenset[str]
    """all words of the id, and the verb of the summary"""
    nouns: frozenset[str]
    """the literal words of the path that look like verbs and are nouns there: ad sets, orders"""
    summary: frozenset[str]
    """the words of the summary, without its verb; of the description's first sentence where there is none"""
    object: frozenset[str]
    """the object of the summary"""
    length: int
    """the number of words in the literal path"""
    is_count: bool
    """whether it returns a count"""
    is_about_caller: bool
    """whether it is about the caller's own resources"""
    is_possessive: bool
    """whether its path says so"""
    sets_state: bool
    """whether it sets a state"""

    @property
    def entity(self) -> str:
        """The last word of the resource: campaign."""
        return self.entities[-1] if self.entities else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Segment:
    """The literal part of one path segment."""

    words: tuple[str, ...]
    stems: tuple[str, ...]
    nouns: tuple[str, ...]
    """stems that look like verbs and are nouns there"""
    plurals: frozenset[str]


@lru_cache(maxsize=16384)
def _segment(text: str) -> _Segment | None:
    """Return the literal part of a path segment; None where there is none, and for a version."""
    literal = PATH_PARAMETER.sub("", text) if "{" in text else text
    words = tuple(split_words(literal)) if literal and not VERSION.fullmatch(literal) else ()
    if not words:
        return None
    stems = tuple(map(stem, words))
    plural = [singular(word) != word for word in words]
    rooted = zip(stems, plural, range(len(words)), strict=True)
    return _Segment(
        words=words,
        stems=stems,
        # A verb is a noun behind another word (`ad sets`) or in the plural (`orders`).
        nouns=tuple(root for root, is_plural, position in rooted if root in VERBS and (position or is_plural)),
        plurals=frozenset(root for root, is_plural in zip(stems, plural, strict=True) if is_plural),
    )


def operation_terms(operation: Operation) -> OperationTerms:
    """Return the terms of an operation, read from its path, id and summary alone; its schemas are not parsed."""
    segments = [segment for segment in operation.path.split("/") if segment]
    literal = [literal_segment for segment in segments if (literal_segment := _segment(segment)) is not None]
    words = [segment.words for segment in literal]
    entities, is_action, is_listing = _path_entities(words, operation.method)
    start = max(map(operation.id.rfind, _NAMESPACE_SEPARATORS)) + 1
    id_pieces, namespace_words = split_words(operation.id[start:]), name_words(operation.id[:start])
    name_stems = list(map(stem, id_pieces))
    id_words = [*map(stem, namespace_words), *name_stems]
    # The first word of an id is nearly always its verb, so it counts as one even where the list of verbs lacks it.
    verbs = frozenset(
        word for position, word in enumerate(name_stems) if (word in VERBS or position == 0) and word not in entities
    )
    name, *qualifiers = _QUALIFIER.split(operation.id)
    name_terms = _name_stems(name or operation.id) if qualifiers else _content_stems([*namespace_words, *id_pieces])
    phrase = read_phrase(_summary_text(operation))
    path = [root for segment in literal for root in segment.stems]
    verb = next(
        (word for word in name_stems if word in verbs and word in VERBS), phrase.verb if phrase.verb in VERBS else ""
    )
    is_item = "{" in next((is_item for is_item in reversed(segments) if is_item not in _NON_RESOURCES), "")
    is_list = bool(entities) and any(entities[-1] in segment.plurals for segment in literal)
    is_list_phrase = phrase.intent is SearchIntent.LIST or phrase.intent is SearchIntent.SEARCH
    kind = _action_kind(
        operation,
        verb,
        is_item=is_item,
        is_action=is_action,
        is_list=is_list or is_listing or is_list_phrase,
        has_verb=bool(verbs),
    )
    names_caller = not CALLER_STEMS.isdisjoint([*path[:2], *id_words])
    spoken = frozenset((*id_words, phrase.verb))
    return OperationTerms(
        kind=kind,
        entities=tuple(entities),
        name=frozenset(name_terms) - verbs,
        qualifiers=frozenset(word for part in qualifiers for word in _name_stems(part)),
        inner=frozenset([root for segment in literal[:-1] for root in segment.stems]).difference(entities),
        verbs=verbs,
        spoken=spoken,
        nouns=frozenset([noun for segment in literal for noun in segment.nouns]),
        summary=frozenset([word.stem for word in phrase.words if word.role is not WordRole.VERB]),
        object=phrase.object,
        length=len(path),
        is_count="count" in spoken or path[-1:] == ["count"],
        is_about_caller=names_caller or _is_current_user(segments),
        is_possessive=not _POSSESSIVE_STEMS.isdisjoint(path),
        sets_state=kind in _CHANGE_KINDS and not STATE_STEMS.isdisjoint((*path, *id_words)),
    )


def _summary_text(operation: Operation) -> str:
    """Return the summary, or the first sentence of the description, without markup."""
    if operation.summary:
        return operation.summary
    return _SENTENCE.split(_MARKUP.sub(" ", operation.description[:_MAX_SUMMARY]).strip(), maxsplit=1)[0]


def _name_stems(name: str) -> list[str]:
    return _content_stems(split_words(name))


def _content_stems(words: Sequence[str]) -> list[str]:
    return [stem(word) for word in words if word not in STOPWORDS and word != "id" and not word.isdigit()]


def _path_entities(literal: Sequence[Sequence[str]], method: str) -> tuple[list[str], bool, bool]:
    """Return the stems of the resource that a path is about.

    With them: whether the last segment names an action on it (/runs/{id}/cancel), and whether the path reads many.
    """
    segments, is_listing = list(literal), False
    while len(segments) > 1 and segments[-1] and _NON_RESOURCES.issuperset(segments[-1]):
        is_listing = not _LIST_WORDS.isdisjoint(segments.pop()) or is_listing
    words = segments[-1] if segments else ()
    if len(words) > 1 and words[-1] in _NON_RESOURCES:
        words = words[:-1]
    if not words or stem(words[0]) not in VERBS:
        return list(map(stem, words)), False, is_listing
    if len(words) > 1:
        return list(map(stem, words[1:])), False, is_listing
    if singular(words[0]) != words[0] or method != "POST":
        return [stem(words[0])], False, is_listing
    return (list(map(stem, segments[-2])), True, is_listing) if len(segments) > 1 else ([], False, is_listing)


def _action_kind(
    operation: Operation,
    verb: str,
    *,
    is_item: bool,
    is_action: bool,
    is_list: bool,
    has_verb: bool,
) -> ActionKind:
    """Return the kind of action by the effect, the method and the verb."""
    intent = VERBS.get(verb)
    if operation.effect is Effect.READ:
        return (
            ActionKind.ITEM
            if is_item
            else ActionKind.COLLECTION
            if is_list or verb in _LIST_STEMS
            else ActionKind.SINGLETON
        )
    if operation.method == "DELETE" or (operation.method == "POST" and intent is Intent.DELETE):
        return ActionKind.DELETE
    if operation.method != "POST" or intent is Intent.UPDATE or is_item:
        return ActionKind.UPDATE
    # `POST /runs/{id}/rerun`: an unknown verb below an item is an action; under a collection it may create.
    is_action = is_action or (has_verb and intent is None and not is_list and "{" in operation.path)
    return ActionKind.ACTION if is_action else ActionKind.CREATE


def _is_current_user(segments: Sequence[str]) -> bool:
    """Return whether a path is about the one user who calls: /user/repos, not /user/{id}."""
    path = [segment for segment in segments if not VERSION.fullmatch(segment)] if "user" in segments else []
    return path[:1] == ["user"] and (len(path) == 1 or "{" not in path[1])


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
                is_plural = entities[-1] in phrase_terms.plurals or (
                    entities[-1] in object and phrase.head in terms.object
                )
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


def _path_and_name(terms: OperationTerms) -> frozenset[str]:
    return terms.name.union(terms.inner, terms.entities)


def _distinctiveness(terms: Iterable[OperationTerms]) -> dict[str, float]:
    """Return for each word of the ids and paths how well it distinguishes operations, from 0 to 1."""
    counts, total = Counter[str](), 0
    for operation in terms:
        total += 1
        counts.update(_path_and_name(operation))
    return {word: (1.0 - count / total) ** 2 for word, count in counts.items()}
