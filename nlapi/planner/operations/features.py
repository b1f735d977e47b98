"""Computes the features by which operations are ranked for a sentence."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from nlapi.english import lexicon
from nlapi.english.intents import ACTION_KINDS, METHODS, STOPWORDS, VERBS, Intent, intents
from nlapi.english.word_similarity import rarity, similarity_or_synonym
from nlapi.english.words import singular, split_words, stem
from nlapi.lazy_pattern import lazy_pattern
from nlapi.openapi.spec import Operation
from nlapi.planner.slots.assignment import Assignment
from nlapi.planner.slots.context import SlotContext
from nlapi.planner.slots.entities import is_subject
from nlapi.planner.slots.slot import Family, Slot
from nlapi.reading.clauses import opening_length
from nlapi.reading.question_intent import order_spans
from nlapi.reading.text import MentionKind, Sentence, Token
from nlapi.resources.command_verbs import further_verbs

# Characters of a description that are read: later ones are about errors and limits.
_MAX_DESCRIPTION = 400
# Words at the start of a description among which its verb is looked for.
_OPENING_WORDS = 5
# The weight of an action that is named after another one, beside that one.
_LATER_ACTION = 0.7
_HIDDEN = (MentionKind.QUOTED, MentionKind.LITERAL, MentionKind.JSON)
# The means of a request, which say nothing about the operation: [through the Weather API].
_BY_WAY_OF = lexicon.pattern("planner/operations/words", "by_way_of", re.IGNORECASE)
_SEAMS = lazy_pattern(r"['’-]")
_VAGUE = lexicon.stems("planner/operations/words", "vague")


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationProfile:
    """The words of an operation, in stems."""

    verb: str
    """the first verb of its id, or its first word"""
    actions: frozenset[str]
    """the kinds of action with which its id and its description begin"""
    name: tuple[str, ...]
    """the words of its id and of the literal part of its path, without the verb"""
    description: tuple[str, ...]
    """the words of its summary and its description"""
    forms: frozenset[str]
    """the words of its name in the singular, not stemmed: `booking` is not `book`"""
    verbs: frozenset[str]
    """the further verbs that its description states"""
    plurals: Mapping[str, bool]
    """noun of its name -> whether it is in the plural"""
    words: frozenset[str]
    """all its words, and those of its API where several are loaded"""


def operation_profile(operation: Operation, api: str = "") -> OperationProfile:
    """Return the profile of an operation, from texts that need no `$ref` resolved. `api` are words for its API."""
    literal = " ".join(part for part in operation.path.split("/") if "{" not in part)
    id_stems = list(map(stem, split_words(operation.id)))
    verb = next((word for word in id_stems if word in VERBS), id_stems[0] if id_stems else "")
    name_words = [word for word in split_words(f"{operation.id} {literal}") if word not in STOPWORDS]
    action_verb = verb if verb in VERBS else ""
    stems = tuple(dict.fromkeys(map(stem, name_words)))
    name = tuple(word for word in stems if word != action_verb) or stems
    verbs = further_verbs(operation)
    prose = (operation.summary, operation.description[:_MAX_DESCRIPTION])
    description = tuple(
        dict.fromkeys(stem(word) for text in prose for word in split_words(text) if word not in STOPWORDS)
    )
    verb_stems = frozenset(map(stem, verbs))
    opening = [[ACTION_KINDS.get(stem(word)) for word in split_words(text[:80])[:_OPENING_WORDS]] for text in prose]
    actions = [ACTION_KINDS.get(verb), *(next(filter(None, kinds), None) for kinds in opening)]
    actions += map(ACTION_KINDS.get, verb_stems)
    return OperationProfile(
        verb=verb,
        actions=frozenset(filter(None, actions)),
        name=name,
        description=description,
        forms=frozenset(singular(word) for word in name_words if stem(word) != action_verb),
        verbs=verb_stems,
        plurals={stem(word): singular(word) != word for word in split_words(operation.id) if stem(word) not in VERBS},
        words=frozenset((verb, *verb_stems, *name, *description, *map(stem, split_words(api)))),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionTerms:
    """The words and actions of a sentence, without quotations, codes, sort orders and the means of the request."""

    sentence: Sentence
    words: tuple[tuple[int, str, float], ...]
    """position, stem and weight of the words that are not stopwords; `one-way` is two words"""
    weights: Mapping[str, float]
    """stem -> weight"""
    stems: frozenset[str]
    """the stems of all words"""
    compounds: Mapping[str, int]
    """stem of two neighbours written as one -> position of the first: `round trip` for `roundtrip`"""
    verb: str
    """the first word after the opening"""
    actions: Mapping[str, float]
    """kind of action -> weight; the first has the highest"""
    intents: Mapping[Intent, float]
    plurals: Mapping[str, bool]
    """word -> whether it is in the plural"""

    def with_compounds(self, vocabulary: Collection[str]) -> QuestionTerms:
        """Return the same with the compounds among its words that operations have."""
        compounds = {word: at for word, at in self.compounds.items() if word in vocabulary and word not in self.stems}
        if not compounds:
            return self
        words = tuple(sorted((*self.words, *((at, word, weight(word)) for word, at in compounds.items()))))
        weights = {word: amount for _, word, amount in words}
        return replace(self, words=words, weights=weights, stems=self.stems | compounds.keys())


def question_terms(sentence: Sentence) -> QuestionTerms:
    """Return the words and actions of a sentence."""
    hidden = {at for span in sentence.of_kind(*_HIDDEN) for at in range(span.first, span.last)}
    ways = (match.span() for match in _BY_WAY_OF.finditer(sentence.text))
    for start, end in (*ways, *order_spans(sentence.text)):
        hidden |= {at for at, token in enumerate(sentence.tokens) if start <= token.start < end}
    parts = [_parts(token) for token in sentence.tokens]
    words = tuple(
        (at, stem(part), weight(stem(part)))
        for at, token in enumerate(sentence.tokens)
        if token.word and at not in hidden
        for part in parts[at]
        if part not in STOPWORDS and any(map(str.isalpha, part))
    )
    start = opening_length(sentence.text)
    plain = [token for token in sentence.tokens if token.word]
    return QuestionTerms(
        sentence=sentence,
        words=words,
        weights={word: amount for _, word, amount in words},
        stems=sentence.stem_set | {stem(part) for some in parts if len(some) > 1 for part in some},
        compounds=_compounds(parts, hidden),
        verb=next((token.stem for token in plain if token.start >= start), ""),
        actions=_actions(sentence, hidden | sentence.title_positions, start),
        intents=intents(token.stem for token in plain),
        plurals={token.stem: singular(token.lower) != token.lower for token in plain},
    )


def _parts(token: Token) -> Sequence[str]:
    """Return the words of a token: `one-way` is two, and so is `I'm`."""
    some = [part for part in _SEAMS.split(token.lower) if part]
    return some if len(some) > 1 and all(map(str.isalpha, some)) else (token.lower,)


def _compounds(parts: Sequence[Sequence[str]], hidden: Collection[int]) -> Mapping[str, int]:
    flat = [(at, part) for at, some in enumerate(parts) if at not in hidden for part in some]
    return {
        stem(first + second): at
        for (at, first), (next_at, second) in pairwise(flat)
        if next_at - at <= 1 and len(first) > 1 and len(second) > 1 and first.isalpha() and second.isalpha()
    }


def _actions(sentence: Sentence, hidden: frozenset[int] | set[int], start: int) -> Mapping[str, float]:
    weights: dict[str, float] = {}
    for at, token in enumerate(sentence.tokens):
        action = ACTION_KINDS.get(token.stem)
        if action is None or at in hidden or (token.start < start and action != "find"):
            continue
        weights.setdefault(action, _LATER_ACTION ** len(weights))
    return weights


def weight(word: str) -> float:
    """Return the weight of a stem, from 0.1 (common or vague) to 1.1 (rare)."""
    return 0.1 if word in _VAGUE else 0.1 + rarity(word)


def is_vague(word: str) -> bool:
    """Return whether a stem fits almost any operation: information, details."""
    return word in _VAGUE


# Words that are less similar than this count as unrelated.
_MIN_SIMILARITY = 0.3
# The weight of a required slot without a value, beside the logarithm of the probability of one with a value.
_MISSING = math.log(0.04)
_TYPED = frozenset((Family.DATE, Family.TIME, Family.EMAIL, Family.URL, Family.CHOICE, Family.BOOLEAN, Family.NUMBER))

# Features of an operation by itself; the last five are words and values that only it has.
ABSOLUTE = tuple(
    """index values said told said_near told_near heard heard_prose heard_name heard_near heard_told_near unheard words
    verb intent method deed first_deed number required filled sum mean weakest missing missing_ids subject clear extra
    guessed doubt unused unused_names slots deprecated unasked likely gain typed chosen named said_slots left_over
    form hit name_hit miss near outdone""".split()
)
# Features that also count by their distance to the best of the other operations.
RIVALS = tuple(
    """index said said_near told told_near heard heard_near heard_name verb deed number filled sum mean missing unused
    clear weakest likely gain typed named said_slots form hit miss near outdone unheard""".split()
)
# Those of RIVALS of which less is better.
COSTS = lexicon.words("planner/operations/words", "costs")
FEATURES = (*ABSOLUTE, *(f"{name}_ahead" for name in RIVALS), "rivals")


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignedOperation:
    """An operation with values assigned to its slots, to be compared with others."""

    context: SlotContext
    assignment: Assignment
    profile: OperationProfile
    missing: tuple[Slot, ...]
    """required slots without a value"""
    index: float
    """the score of the index"""
    is_uncommanded: bool
    """whether it is a change that the sentence does not command"""


FeatureRow = dict[str, float]


def feature_rows(question: QuestionTerms, assigned: Sequence[AssignedOperation]) -> list[FeatureRow]:
    """Return the FEATURES of each operation, those that compare it with the others included."""
    question = question.with_compounds(frozenset().union(*map(_vocabulary, assigned)))
    table = [_absolute_features(question, operation) for operation in assigned]
    _add_distinctive_words(question, assigned, table)
    for row, amount in zip(table, _outdone(question, assigned), strict=True):
        row["outdone"] = amount
    for name in RIVALS:
        sign = -1.0 if name in COSTS else 1.0
        values = sorted((sign * row[name] for row in table), reverse=True)
        for row in table:
            value = sign * row[name]
            best_rival = values[1] if value == values[0] and len(values) > 1 else values[0]
            row[f"{name}_ahead"] = value - best_rival
    for row in table:
        # Of more than twelve (candidates.CONSIDERED) nothing is compared.
        row["rivals"] = min(12.0, len(table) - 1.0)
    return table


def _vocabulary(assigned: AssignedOperation) -> frozenset[str]:
    """Return the stems of an operation and of its slots."""
    return assigned.profile.words.union(*(slot.words for slot in assigned.context.slots))


def _absolute_features(question: QuestionTerms, assigned: AssignedOperation) -> FeatureRow:
    words, action = _word_features(question, assigned), _action_features(question, assigned)
    return {"index": assigned.index, **words, **action, **_argument_features(question, assigned)}


def _word_features(question: QuestionTerms, assigned: AssignedOperation) -> FeatureRow:
    """Return the shares of the operation's words in the sentence, and of the sentence's words in the operation."""
    profile, slots = assigned.profile, assigned.context.slots
    name = [word for word in profile.name if not is_vague(word)]
    description = [word for word in profile.description if not is_vague(word)]
    stems = question.stems
    used = _value_positions(question, assigned.assignment)
    free = [(word, amount) for at, word, amount in question.words if at not in used]
    vocabulary = _vocabulary(assigned)
    prose = vocabulary | {word for slot in slots for word in slot.prose}
    total = sum(amount for _, _, amount in question.words) or 1.0
    values = sum(amount for at, _, amount in question.words if at in used)
    nearness = {word: _nearest(word, vocabulary) for word, _ in free}
    return {
        "values": values / total,
        "said": _share(name, lambda word: word in stems),
        "form": len(profile.forms & _plain_words(question)) / max(1, len(profile.forms)),
        "told": _share(description, lambda word: word in stems),
        "said_near": _share(name, lambda word: _nearest(word, question.weights)),
        "told_near": _share(description, lambda word: _nearest(word, question.weights)),
        "heard": (values + sum(amount for word, amount in free if word in vocabulary)) / total,
        "heard_prose": (values + sum(amount for word, amount in free if word in prose)) / total,
        "heard_name": sum(amount for _, word, amount in question.words if word in profile.name) / total,
        "heard_near": (values + sum(amount * nearness[word] for word, amount in free)) / total,
        "heard_told_near": sum(amount * _nearest(word, profile.words) for _, word, amount in question.words) / total,
        "unheard": sum(
            amount * (1.0 - nearness[word]) for word, amount in free if word not in prose and word not in VERBS
        ),
        "words": float(len(question.words)),
    }


def _plain_words(question: QuestionTerms) -> set[str]:
    """Return the words of the sentence in the singular, not stemmed."""
    return {singular(token.lower) for token in question.sentence.tokens if token.word}


def _value_positions(question: QuestionTerms, filling: Assignment) -> set[int]:
    """Return the positions of the words that are values of arguments."""
    spans = [(option.start, option.end) for option in filling.candidates]
    tokens = question.sentence.tokens
    return {at for at, _, _ in question.words if any(start <= tokens[at].start < end for start, end in spans)}


def _nearest(word: str, candidates: Iterable[str]) -> float:
    """Return the similarity, from 0 to 1, of a stem to the most similar of the candidates."""
    best = 0.0
    for candidate in candidates:
        similarity = similarity_or_synonym(word, candidate)
        if similarity >= 1.0:
            return 1.0
        best = max(best, similarity)
    return max(0.0, (best - _MIN_SIMILARITY) / (1.0 - _MIN_SIMILARITY))


def _share(words: Collection[str], part: Callable[[str], float]) -> float:
    """Return the weighted mean of `part` over the words, or 0."""
    weights = [0.1 if word in VERBS else weight(word) for word in words]
    total = sum(weights)
    return sum(amount * part(word) for word, amount in zip(words, weights, strict=True)) / total if total else 0.0


def _action_features(question: QuestionTerms, assigned: AssignedOperation) -> FeatureRow:
    """Return the features of the operation's action and number beside those of the sentence."""
    profile = assigned.profile
    intent = VERBS.get(profile.verb)
    if profile.verb == question.verb or question.verb in profile.verbs:
        verb = 1.0
    elif profile.verb in question.stems:
        verb = 0.9
    else:
        verb = 0.8 * similarity_or_synonym(profile.verb, question.verb)
    first = next(iter(question.actions), "")
    method = assigned.context.operation.method
    methods = [amount for intent, amount in question.intents.items() if method in METHODS[intent]]
    plurals = ((word, plural) for word, plural in profile.plurals.items() if word in question.plurals)
    number = [1 if question.plurals[word] is plural else -1 for word, plural in plurals]
    return {
        "verb": verb,
        "intent": question.intents.get(intent, 0.0) if intent and question.intents else -1.0,
        "method": max(methods, default=0.0),
        "deed": max(
            (question.actions.get(kind, 0.0) for kind in profile.actions), default=0.0 if question.actions else 0.3
        ),
        "first_deed": float(first in profile.actions) if first else 0.5,
        "number": float(sum(number)),
    }


def _argument_features(question: QuestionTerms, assigned: AssignedOperation) -> FeatureRow:
    """Return the features of the values of the arguments, and of the values of the sentence that none takes."""
    options, missing, unused = assigned.assignment.candidates, assigned.missing, assigned.assignment.unused
    needed = [option.probability for option in options if option.slot.required]
    extra = [option.probability for option in options if not option.slot.required]
    probabilities = [*needed, *extra]
    count = len(needed) + len(missing)
    stems = question.stems
    slot_mentions = [option.slot for option in options if not stems.isdisjoint(option.slot.words)]
    required = [slot for slot in assigned.context.slots if slot.required]
    similarities = [max((_nearest(word, stems) for word in slot.words), default=0.0) for slot in required]
    return {
        "required": float(count),
        "filled": len(needed) / count if count else 1.0,
        "sum": sum(probabilities),
        "mean": sum(needed) / len(needed) if needed else 0.5,
        "weakest": min(probabilities, default=0.7),
        "missing": float(len(missing)),
        "missing_ids": float(sum(slot.family is Family.ID for slot in missing)),
        "subject": float(any(is_subject(assigned.context.operation, slot) for slot in missing)),
        "clear": float(sum(sure > 0.8 for sure in probabilities)),
        "extra": float(sum(sure > 0.8 for sure in extra)),
        "guessed": float(sum(any(span.kind is MentionKind.PHRASE for span in option.mentions) for option in options)),
        "doubt": sum(1.0 - sure for sure in extra),
        "unused": float(sum(span.kind is not MentionKind.NAME for span in unused)),
        "unused_names": float(sum(span.kind is MentionKind.NAME for span in unused)),
        "slots": float(min(20, len(assigned.context.slots))),
        "deprecated": float(assigned.context.operation.deprecated),
        "unasked": float(assigned.is_uncommanded),
        "likely": sum(math.log(max(0.02, sure)) for sure in needed) + _MISSING * len(missing),
        "gain": sum(max(0.0, math.log(max(0.02, sure) / max(0.02, 1.0 - sure))) for sure in extra),
        "typed": float(sum(option.slot.family in _TYPED for option in options)),
        "chosen": float(sum(option.slot.family is Family.CHOICE for option in options)),
        "named": float(len(slot_mentions)),
        "said_slots": sum(similarities) / len(similarities) if similarities else 0.5,
        "left_over": len(unused) / (len(unused) + len(options)) if unused else 0.0,
    }


def _add_distinctive_words(
    question: QuestionTerms, assigned: Sequence[AssignedOperation], table: Sequence[FeatureRow]
) -> None:
    """Add the features of the words that only one operation has: those in the sentence, and those that are not."""
    names = [{operation.profile.verb, *operation.profile.name} for operation in assigned]
    words = list(map(_vocabulary, assigned))
    stems = question.stems
    for at, row in enumerate(table):
        rival_names = frozenset().union(*names[:at], *names[at + 1 :])
        alone = words[at].difference(*words[:at], *words[at + 1 :])
        row["hit"] = sum(amount for word, amount in question.weights.items() if word in alone)
        row["name_hit"] = sum(amount for word, amount in question.weights.items() if word in names[at] - rival_names)
        absent = [word for word in names[at] - rival_names if word not in stems and not is_vague(word)]
        row["miss"] = sum(weight(word) * (1.0 - _nearest(word, question.weights)) for word in absent)
        further = alone - stems - assigned[at].profile.verbs
        row["near"] = sum(sorted((_nearest(word, question.weights) for word in further), reverse=True)[:3])


def _outdone(question: QuestionTerms, assigned: Sequence[AssignedOperation]) -> list[float]:
    """Return, for each operation, how much surer others are of the words that are values."""
    tokens = question.sentence.tokens
    total = [0.0] * len(assigned)
    for token in tokens:
        sure = [_probability_at(operation.assignment, token.start) for operation in assigned]
        best = max(sure, default=0.0)
        total = [amount + best - probability for amount, probability in zip(total, sure, strict=True)]
    return [amount / math.sqrt(max(1, len(tokens))) for amount in total]


def _probability_at(filling: Assignment, at: int) -> float:
    """Return the probability of the value at a character, 0 if none exists."""
    return max((option.probability for option in filling.candidates if option.start <= at < option.end), default=0.0)
