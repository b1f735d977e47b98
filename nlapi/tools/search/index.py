"""Searches operations by a phrase: BM25 selects candidates from a cached index, and learned weights rate them."""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from itertools import chain, islice, pairwise
from operator import mul
from typing import Any

from nlapi.english import lexicon
from nlapi.english.intents import METHODS, STOPWORDS, VERBS, Intent, SpeechAct
from nlapi.english.word_similarity import SPELLINGS, SYNONYMS, has_vector, neighbours, similar_words
from nlapi.english.words import name_words, singular, split_words, stem
from nlapi.lazy_pattern import lazy_pattern
from nlapi.openapi.cache import Cache
from nlapi.openapi.spec import Effect, Operation, as_list, as_map, stated_verbs, unescape_step
from nlapi.resources.nouns import QUERY_WORDS, VERSION
from nlapi.resources.paths import FORMATS
from nlapi.tools.search.phrase import STATE_VERBS, Phrase, PhraseWord, SearchIntent, WordRole, read_phrase

Postings = dict[str, tuple[list[int], list[float]]]
"""Term -> the texts that have it, by their position, and its part of the score of each."""

ASIDE = "~"
"""Begins the terms that say little about a text: they are found, and make no word one of the API's own."""

Fields = list[tuple[float, list[str]]]
"""The fields of a text: the weight of each, and its terms."""

# The usual saturation constant of BM25 (Robertson and Zaragoza, 2009).
_K1 = 1.2
# Weight of a word of the phrase by its role, and the roles in their order: the object's words first, the verb last.
_ROLE_WEIGHTS = tuple(
    {WordRole.MODIFIER: 0.7, WordRole.ASIDE: 0.65, WordRole.FRAME: 1.2}.get(role, 1.0) for role in WordRole
)
_ROLE_ORDER = tuple(role or len(WordRole) for role in WordRole)
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
# Words whose substitutes an index remembers.
_MAX_SUBSTITUTES = 4096
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
        self._substitutes = lru_cache(maxsize=_MAX_SUBSTITUTES)(self._find_substitutes)
        self._near_words = lru_cache(maxsize=_MAX_SUBSTITUTES)(self._find_near_words)

    def has_word(self, word: str) -> bool:
        """Return whether the stem `word` is anywhere in the texts."""
        return word in self.postings

    def weight(self, word: str) -> float:
        """Return how distinctive the stem `word` is: 0 when it is unknown, near 1 when few texts have it."""
        posting = self.postings.get(word)
        if not posting:
            return 0.0
        return 1.0 - math.log(1 + len(posting[0])) / math.log(2 + self._count) * 0.8

    def scores(self, phrase: Phrase) -> dict[int, float]:
        """Return the score for a phrase of each text that shares a word with it, by the position of the text."""
        # Of thousands of texts a phrase touches some hundreds; a defaultdict takes half as long again.
        scores: dict[int, float] = {}
        score_of = scores.get
        for word in distinct_words(phrase):
            share = _ROLE_WEIGHTS[word.role]
            docs, weights = self.postings.get(word.stem, _NO_POSTINGS)
            for doc, weight in zip(docs, weights, strict=True):
                scores[doc] = score_of(doc, 0.0) + share * weight
            if len(docs) < _COMMON_SHARE * self._count:
                for doc, weight in self._synonym_scores(word.stem, phrase.stems).items():
                    scores[doc] = score_of(doc, 0.0) + share * weight
        for word, following in pairwise(phrase.words):
            compound = self._compound(word.stem, following.stem)
            for doc, weight in zip(*self.postings.get(compound, _NO_POSTINGS), strict=True):
                scores[doc] = score_of(doc, 0.0) + weight
        return scores

    def near_scores(self, phrase: Phrase, share: float = 1.0) -> dict[int, float]:
        """Return the scores for a phrase with, beside them, those of words that mean nearly the same.

        For texts that people word in many ways; it compares each new word with all words of the texts (2 us a pair).
        `share` is the weight of such words.
        """
        scores = self.scores(phrase)
        for word in distinct_words(phrase):
            near = self._near_words(word.stem)
            for doc, weight in self.best_scores(near, self.postings.get(word.stem, _NO_POSTINGS)[0]).items():
                scores[doc] = scores.get(doc, 0.0) + share * weight
        return scores

    def add_asides(self, phrase: Phrase, scores: dict[int, float]) -> None:
        """Add the scores of texts that have a word of a phrase among what says little about them."""
        for word in distinct_words(phrase):
            for doc, weight in zip(*self.postings.get(ASIDE + word.stem, _NO_POSTINGS), strict=True):
                scores[doc] = scores.get(doc, 0.0) + _ROLE_WEIGHTS[word.role] * weight

    def _find_near_words(self, word: str) -> Mapping[str, float]:
        """Return the other words of the texts that are like a stem, with how much more than the least likeness."""
        likenesses = similar_words(word, self.postings, _MIN_LIKENESS)
        likenesses.pop(word, None)
        return {other: (likeness - _MIN_LIKENESS) / (1.0 - _MIN_LIKENESS) for other, likeness in likenesses.items()}

    def _compound(self, first: str, second: str) -> str:
        """Return two words as one: a config map may be a configmap, and garbage collection gc."""
        compound, initials = first + second, first[:1] + second[:1]
        is_unknown = first not in self.postings or second not in self.postings
        return initials if is_unknown and compound not in self.postings else compound

    def _synonym_scores(self, word: str, phrase_stems: frozenset[str]) -> dict[int, float]:
        """Return the scores of texts that lack a word and have another in its place."""
        substitutes, synonyms, agent_nouns = self._substitutes(word)
        if not (substitutes or synonyms or agent_nouns):
            return {}
        chosen = dict(substitutes)
        chosen.update({synonym: _SYNONYM_WEIGHT for synonym in synonyms if synonym not in phrase_stems})
        if not phrase_stems.issuperset(agent_nouns):
            chosen.update(dict.fromkeys(agent_nouns, _SYNONYM_WEIGHT))
        return self.best_scores(chosen, self.postings.get(word, _NO_POSTINGS)[0])

    def _find_substitutes(self, word: str) -> tuple[Mapping[str, float], Collection[str], Collection[str]]:
        """Return the words of the texts in place of a word: spellings or the nearest, synonyms, and who does it."""
        substitutes: Mapping[str, float] = {}
        synonyms: Collection[str] = ()
        if word in SPELLINGS and not SPELLINGS[word].isdisjoint(self.postings):
            substitutes = dict.fromkeys(SPELLINGS[word] & self.postings.keys(), _SPELLING_WEIGHT)
        elif word in SYNONYMS:
            synonyms = SYNONYMS[word] & self.postings.keys()
        elif word not in self.postings:
            substitutes = {
                substitute: _SYNONYM_WEIGHT * similarity
                for substitute, similarity in neighbours(word)
                if similarity > _MIN_SIMILARITY and substitute in self.postings
            }
        agent_nouns = (f"{word}er", f"{word}or") if len(word) > _MAX_STEM_WITHOUT_AGENT else ()
        return substitutes, synonyms, [noun for noun in agent_nouns if noun in self.postings]

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
    for word in sorted(phrase.words, key=lambda word: _ROLE_ORDER[word.role]):
        if word.stem not in visited:
            visited.add(word.stem)
            yield word


PATH_PARAMETER = lazy_pattern(r"\{[^}]*\}")
"""Matches a parameter in a path."""
_QUALIFIER = lazy_pattern(r"(?<=[a-z])(?:By|For)(?=[A-Z])|[-_/](?:by|for)[-_]")
# Separators between a namespace and the name proper in ids such as `issues/create`.
_NAMESPACE_SEPARATORS = "/.:"
_MARKUP = lazy_pattern(r"<[^>]*>")
_SENTENCE = lazy_pattern(r"\.\s|\n")
# Characters of a description that its first sentence is looked for in.
_MAX_SUMMARY = 300
_LIST_WORDS = QUERY_WORDS - lexicon.words("tools/words", "no_list_words")
_LIST_STEMS = frozenset(map(stem, _LIST_WORDS))
# Last words of a path that name no resource: /containers/json lists containers.
_NON_RESOURCES = QUERY_WORDS | FORMATS
CALLER_STEMS = lexicon.stems("tools/words", "caller_stems")
"""Stems by which an operation refers to its caller."""
_POSSESSIVE_STEMS = lexicon.stems("tools/words", "possessive_stems")
STATE_STEMS = frozenset(map(stem, "state status".split()))
"""Stems by which an operation refers to a state."""

FEATURE_WEIGHTS = {name: float(weight) for name, weight in lexicon.table("tools/search/weights", "features").items()}
KIND_WEIGHTS = {
    SearchIntent[name]: tuple(map(float, weights.split()))
    for name, weights in lexicon.table("tools/search/weights", "kinds").items()
}
"""SearchIntent -> the term that it adds for each ActionKind of operation, in the order of ActionKind."""
_WEIGHTS = tuple(FEATURE_WEIGHTS.values())
_SPEECH_ACT_WEIGHTS = {
    SpeechAct(name): tuple(map(float, weights.split()))
    for name, weights in lexicon.table("tools/search/weights", "speech_acts").items()
}


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


_NO_KIND_WEIGHTS = (0.0,) * len(ActionKind)
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
    """the words of the summary, without its verb; of the description's first sentence if none exists"""
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
    """Return the literal part of a path segment; None if none exists, and for a version."""
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
    spoken_verb = phrase.verb if phrase.verb in VERBS else ""
    verb = next((word for word in name_stems if word in verbs and word in VERBS), spoken_verb)
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
        is_many = is_list or verb in _LIST_STEMS
        return ActionKind.ITEM if is_item else ActionKind.COLLECTION if is_many else ActionKind.SINGLETON
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
                is_head = entities[-1] in object and phrase.head in terms.object
                is_plural = is_head or entities[-1] in phrase_terms.plurals
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


# The index reads every operation of an API (GitHub's 1,223 in 81 ms, benchmarks/RESULTS.md), so `allOf` and `$ref` are
# followed two levels only.
_MAX_SCHEMA_DEPTH = 2
# Characters of the description of an argument that are read: what follows is about its form.
_MAX_ARGUMENT_DESCRIPTION = 100
# The names of a larger body say little about the operation, and would lengthen the document in BM25.
_MAX_PROPERTIES = 40

# Version of the stored form: raise it when the content changes, so that older files are rebuilt.
FORMAT_VERSION = 4
# Weight of a word by the field that it is in. `extra` is text of the caller's, such as the name of the API.
FIELD_WEIGHTS = {
    "id": 3.0,
    "path": 2.0,
    "path parameters": 1.0,
    "summary": 2.2,
    "tags": 1.0,
    "description": 0.8,
    "arguments": 1.0,
    "argument descriptions": 0.2,
    "extra": 0.7,
}

# Least number of operations for which reading a cached Index is quicker than building it: 16 ms and 81 ms for GitHub's
# 1,223 (benchmarks/RESULTS.md).
MIN_CACHED_OPERATIONS = 200
# Candidates that BM25 passes on to be rated in full. With 50, the right one is among them for 3 more of 2,473 phrases.
MAX_CANDIDATES = 40
# Characters of a description that are read: later text is rarely about the operation's purpose.
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
# Weight of the words that mean nearly the same as one of the phrase, and words of an API up to which they are looked
# for, which takes 4 ms on GitHub's 2,200. Of 333 phrases of `more words`, `plain words` and `everyday words` 235 find
# their operation first and 285 in five with 0.5, 233 and 283 without (benchmarks.find).
_NEAR_WEIGHT = 0.5
_MAX_NEAR_WORDS = 4000
# Stems of a phrase up to which they are looked for: a longer one has words of the API.
_MAX_NEAR_STEMS = 7


def argument_texts(operation: Operation) -> list[tuple[str, str]]:
    """Return the names and the descriptions of the parameters and of the top-level properties of the body.

    A referenced parameter that is not in the document is named by the last segment of its `$ref`. Malformed parts are
    skipped.
    """
    document = operation.spec.document
    item = as_map(as_map(document.get("paths")).get(operation.path))
    node = as_map(item.get(operation.method.lower()))
    texts: list[tuple[str, str]] = []
    for parameter in (*as_list(item.get("parameters")), *as_list(node.get("parameters"))):
        if not isinstance(parameter, Mapping):
            continue
        if parameter.get("in") == "body":
            texts += _properties(document, parameter.get("schema"), _MAX_SCHEMA_DEPTH)
        else:
            target = _resolve(document, parameter)
            name = parameter.get("name") or str(parameter.get("$ref", "")).rpartition("/")[2]
            texts.append((str(name), _argument_description(target)))
    if body := node.get("requestBody"):
        media = next(iter(as_map(_resolve(document, body).get("content")).values()), None)
        texts += _properties(document, as_map(media).get("schema"), _MAX_SCHEMA_DEPTH)
    return texts


def _properties(document: Mapping[str, object], schema: object, depth: int) -> list[tuple[str, str]]:
    schema = _resolve(document, schema)
    properties = islice(as_map(schema.get("properties")).items(), _MAX_PROPERTIES)
    texts = [(str(name), _argument_description(_resolve(document, node))) for name, node in properties]
    for part in as_list(schema.get("allOf")) if depth else ():
        texts += _properties(document, part, depth - 1)
    return texts


def _argument_description(node: Mapping[str, object]) -> str:
    return str(node.get("description") or "")[:_MAX_ARGUMENT_DESCRIPTION]


def _resolve(document: Mapping[str, object], node: object) -> Mapping[str, object]:
    """Return a node with its `$ref` resolved within the document; {} where the target is not an object."""
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
        [
            [getattr(terms, name) for name in _NUMERIC_FIELDS],
            *([numbers[word] for word in part] for part in _word_fields(terms)),
        ]
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


# The fields of OperationTerms in the order in which a row has them.
_NUMERIC_FIELDS = ("kind", "length", "is_count", "is_about_caller", "is_possessive", "sets_state")
_SET_FIELDS = ("name", "qualifiers", "inner", "verbs", "spoken", "nouns", "summary", "object")


def _word_fields(terms: OperationTerms) -> tuple[Sequence[str], ...]:
    """Return the words of OperationTerms by field; sets are sorted, so that equal ones have equal bytes."""
    return (terms.entities, *(sorted(getattr(terms, name)) for name in _SET_FIELDS))


def _read_terms(row: list[Any], words: list[str]) -> OperationTerms:
    """Return the OperationTerms in a row. ValueError for a row of another form."""
    numbers, entities, *set_columns = row
    fields: dict[str, Any] = dict(zip(_NUMERIC_FIELDS, numbers, strict=True))
    sets = [frozenset([words[number] for number in part]) for part in set_columns]
    fields |= zip(_SET_FIELDS, sets, strict=True)
    return OperationTerms(
        **{**fields, "kind": ActionKind(fields["kind"])}, entities=tuple([words[n] for n in entities])
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

    def search(
        self,
        query: str,
        limit: int = 10,
        *,
        include_all: bool = False,
        is_near: bool = False,
        speech_act: SpeechAct | None = None,
    ) -> list[tuple[Operation, float]]:
        """Return at most `limit` operations with their scores, best first; none when no word of `query` is known.

        With `include_all`, operations that share no word with `query` are included; with `is_near`, words that mean
        nearly the same count too, where the operations have at most 4,000 words; a speech act, as a question, prefers
        some kinds of operations.
        """
        phrase = read_phrase(query, self.nouns)
        terms, score_of = PhraseTerms.of(phrase, self._postings), self._relevance.score
        candidates = self._candidates(phrase, limit, include_all=include_all, is_near=is_near)
        kinds = _SPEECH_ACT_WEIGHTS[speech_act] if speech_act is not None else _NO_KIND_WEIGHTS
        ranked = [(score_of(terms, doc, bm25) + kinds[self._terms[doc].kind], doc) for doc, bm25 in candidates]
        ranked.sort(key=lambda pair: (-pair[0], pair[1]))
        return [(self.operations[doc], score) for score, doc in ranked[:limit]]

    def features(self, query: str) -> Iterator[tuple[Operation, OperationTerms, tuple[float, ...]]]:
        """Yield the candidates for `query` with the feature values that their rating is made of, for training."""
        phrase = read_phrase(query, self.nouns)
        terms = PhraseTerms.of(phrase, self._postings)
        for doc, bm25 in self._candidates(phrase, MAX_CANDIDATES):
            yield self.operations[doc], self._terms[doc], self._relevance.features(terms, doc, bm25)

    def _candidates(
        self, phrase: Phrase, limit: int, *, include_all: bool = False, is_near: bool = False
    ) -> list[tuple[int, float]]:
        """Return the operations that BM25 selects for rating, with their scores."""
        scores, lengths = self._bm25(phrase, is_near=is_near), self._relevance.lengths
        if include_all:
            return [(doc, scores.get(doc, 0.0)) for doc in range(len(self._terms))]
        count, min_score = max(limit, MAX_CANDIDATES), max(scores.values(), default=0.0) * _MIN_SCORE_SHARE
        docs = [doc for doc, score in scores.items() if score > min_score]
        docs = docs if len(docs) >= count else list(scores)
        penalized = [(score - _LENGTH_PENALTY * lengths[doc], -doc) for doc in docs if (score := scores[doc])]
        return [(-doc, scores[-doc]) for _, doc in sorted(penalized, reverse=True)[:count]]

    def _bm25(self, phrase: Phrase, *, is_near: bool) -> dict[int, float]:
        compares = is_near and len(phrase.stems) <= _MAX_NEAR_STEMS and len(self._postings) <= _MAX_NEAR_WORDS
        scores = self._texts.near_scores(phrase, _NEAR_WEIGHT) if compares else self._texts.scores(phrase)
        # Not for the planner: descriptions of arguments made one of 800 commands a wrong change (benchmarks.changes).
        if is_near:
            self._texts.add_asides(phrase, scores)
        hints = (
            (CALLER_STEMS, _CALLER_WEIGHT * phrase.is_about_caller),
            (STATE_STEMS, _STATE_WEIGHT * (phrase.verb in STATE_VERBS)),
            (phrase.implied, _IMPLIED_WEIGHT),
        )
        for terms, share in hints:
            for doc, weight in self._texts.best_scores(dict.fromkeys(terms, share)).items() if share and terms else ():
                # Hints alone select nothing unless the phrase names a possession: `tell me the weather` finds no
                # operation on `me`.
                if doc in scores or phrase.has_possessive or not phrase.words:
                    scores[doc] = scores.get(doc, 0.0) + weight
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
    return "\x1f".join((*parts, *chain.from_iterable(argument_texts(operation))))


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
    arguments = argument_texts(operation)
    names = dict.fromkeys(term for name, _ in arguments for term in word_terms(name))
    terms = [*((weight, text_terms(text)) for weight, text in fields if text), (FIELD_WEIGHTS["arguments"], [*names])]
    # A word that the descriptions of many arguments have says no more about the operation than one that one has.
    descriptions = {term for _, text in arguments for term in text_terms(text)}.difference(
        *(words for _, words in terms)
    )
    return [*terms, (FIELD_WEIGHTS["argument descriptions"], [ASIDE + term for term in sorted(descriptions)])]


def _is_change(operation: Operation, terms: OperationTerms, has_read_methods: bool) -> bool:
    # Where every method is POST, as in RPC-like APIs, the effect WRITE is only the default and the verb decides.
    if operation.effect is not Effect.WRITE or has_read_methods:
        return operation.effect is not Effect.READ
    return any(VERBS.get(verb, Intent.READ) is not Intent.READ for verb in terms.verbs)


# Words of five small letters and more outside of ids, paths, flags and quotations, which are values and never changed.
_WORD = lazy_pattern(r"(?<![\w\"'`./@#:-])[a-z]{5,}(?![\w\"'`/@:-]|\.\w)")
# Least number of letters for which two slips are forgiven; in a shorter word two make another word.
_TWO_SLIPS_LENGTH = 8


def correct_spelling(question: str, index: Index) -> str:
    """Return `question` with each misspelt word replaced by the word of the API that it nearly is."""

    misspelt = find_misspelt(question, index)
    return _WORD.sub(lambda match: misspelt.get(match.start(), match.group()), question)


def find_misspelt(question: str, index: Index) -> dict[int, str]:
    """Return the word of the API for each misspelt word, by the character where that starts."""
    slips: dict[int, str] = {}
    for match in _WORD.finditer(question):
        word, root = match.group(), stem(match.group())
        if word in STOPWORDS or index.has_word(root) or root in VERBS or has_vector(root):
            continue
        is_quoted = question.count('"', 0, match.start()) % 2
        if not is_quoted and (nearest := nearest_word(root, index.vocabulary)):
            slips[match.start()] = nearest
    return slips


def nearest_word(word: str, words: Iterable[str]) -> str:
    """Return the word with the same first letter and the fewest slips; "" when none is near."""
    max_slips = 2 if len(word) >= _TWO_SLIPS_LENGTH else 1
    letters = set(word)
    candidates = [
        candidate
        for candidate in words
        if candidate[:1] == word[:1]
        and abs(len(candidate) - len(word)) <= max_slips
        and len(candidate) > 3
        # A slip brings one letter and takes one away at most, which is quicker to see than the distance.
        and len(letters.symmetric_difference(candidate)) <= 2 * max_slips
    ]
    by_distance = [(edit_distance(word, candidate), candidate) for candidate in candidates]
    return min(by_distance)[1] if by_distance and min(by_distance)[0] <= max_slips else ""


def edit_distance(word: str, target: str) -> int:
    """Return the optimal string alignment distance: letters left out, added, mistaken or swapped with the next."""
    previous: list[int] = []
    row = list(range(len(target) + 1))
    for position, letter in enumerate(word, 1):
        previous, earlier, row = row, previous, [position]
        for column, target_letter in enumerate(target, 1):
            cost = min(previous[column] + 1, row[column - 1] + 1, previous[column - 1] + (letter != target_letter))
            if earlier and column > 1 and letter == target[column - 2] and word[position - 2] == target_letter:
                cost = min(cost, earlier[column - 2] + 1)
            row.append(cost)
    return row[-1]
