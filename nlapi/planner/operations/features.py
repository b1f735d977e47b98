"""The words that operations are compared by: what an operation says of itself, and what a sentence asks for."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from nlapi.changes.sentences import opening_length
from nlapi.openapi.spec import Operation
from nlapi.planner.language.question_intent import order_spans
from nlapi.planner.language.text import Kind, Sentence, Token
from nlapi.planner.slots.assignment import Filling
from nlapi.planner.slots.context import Scene
from nlapi.planner.slots.entities import is_subject
from nlapi.planner.slots.slot import Family, Slot
from nlapi.resources.naming import ACTION_KINDS, METHODS, STOPWORDS, VERBS, Intent, intents, singular, split_words, stem
from nlapi.tools.word_similarity import rarity, similarity_or_synonym

_LONGEST = 400
"""Characters of a description that are read."""
_OPENS = 5
"""Words of a description among which its verb is looked for."""
_LATER = 0.7
"""What a deed counts that is named after another one, beside that one."""
_HIDDEN = (Kind.QUOTED, Kind.LITERAL, Kind.JSON)
_BY_WAY_OF = re.compile(
    r"\b(?:using|with|via|through|from|in|on) (?:the |this |that |your |our |an? )?(?:[\w.\-]+ ){0,4}"
    r"(?:API|service|database|app)\b",
    re.IGNORECASE,
)
"""Through the Weather API: the means, not what is wanted."""
_SEAMS = re.compile(r"['’-]")
_VAGUE = frozenset(map(stem, "information info data detail api function method result value".split()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What an operation says of itself, in stems."""

    verb: str
    """the first verb of its id, or its first word"""
    deeds: frozenset[str]
    """the kinds of deed that its id and its description begin with"""
    name: tuple[str, ...]
    """the words of its id and of the literal part of its path, but for the verb"""
    told: tuple[str, ...]
    """the words of its summary and its description"""
    forms: frozenset[str]
    """the words of its name in the singular, not stemmed: a booking is no book"""
    many: Mapping[str, bool]
    """the nouns of its name, and whether they stand in the plural"""
    words: frozenset[str]
    """all of them"""


def profile(operation: Operation, api: str = "") -> Profile:
    """The Profile of an operation; only what needs no `$ref` followed is read. `api` are words for its API."""
    literal = " ".join(part for part in operation.path.split("/") if "{" not in part)
    own = list(map(stem, split_words(operation.id)))
    verb = next((word for word in own if word in VERBS), own[0] if own else "")
    named = [word for word in split_words(f"{operation.id} {literal}") if word not in STOPWORDS]
    deed = verb if verb in VERBS else ""
    stems = tuple(dict.fromkeys(map(stem, named)))
    name = tuple(word for word in stems if word != deed) or stems
    prose = (operation.summary, operation.description[:_LONGEST])
    told = tuple(dict.fromkeys(stem(word) for text in prose for word in split_words(text) if word not in STOPWORDS))
    opening = [[ACTION_KINDS.get(stem(word)) for word in split_words(text[:80])[:_OPENS]] for text in prose]
    deeds = [ACTION_KINDS.get(verb), *(next(filter(None, found), None) for found in opening)]
    return Profile(
        verb=verb,
        deeds=frozenset(deed for deed in deeds if deed),
        name=name,
        told=told,
        forms=frozenset(singular(word) for word in named if stem(word) != deed),
        many={stem(word): singular(word) != word for word in split_words(operation.id) if stem(word) not in VERBS},
        words=frozenset((verb, *name, *told, *map(stem, split_words(api)))),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a sentence asks for. Quotations, codes, orders and the means by which it shall be done are left out."""

    sentence: Sentence
    words: tuple[tuple[int, str, float], ...]
    """position, stem and weight of the words that are no stopwords; of one-way each part"""
    weights: Mapping[str, float]
    """stem -> weight"""
    stems: frozenset[str]
    """the stems of all words"""
    compounds: Mapping[str, int]
    """stem of two neighbours written as one -> the position of the first: round trip may be a roundtrip"""
    verb: str
    """the first word after the politeness"""
    deeds: Mapping[str, float]
    """kind of deed -> how strongly it is asked for; the first is asked for most"""
    intents: Mapping[Intent, float]
    many: Mapping[str, bool]
    """every word, and whether it stands in the plural"""

    def knowing(self, known: Collection[str]) -> Asked:
        """The same with the compounds that are in `known` among its words."""
        found = {word: at for word, at in self.compounds.items() if word in known and word not in self.stems}
        if not found:
            return self
        words = tuple(sorted((*self.words, *((at, word, weight(word)) for word, at in found.items()))))
        weights = {word: amount for _, word, amount in words}
        return replace(self, words=words, weights=weights, stems=self.stems | found.keys())


def asked(sentence: Sentence) -> Asked:
    """The words and deeds of a sentence."""
    hidden = {at for span in sentence.spans if span.kind in _HIDDEN for at in range(span.first, span.last)}
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
    return Asked(
        sentence=sentence,
        words=words,
        weights={word: amount for _, word, amount in words},
        stems=sentence.stem_set | {stem(part) for some in parts if len(some) > 1 for part in some},
        compounds=_compounds(parts, hidden),
        verb=next((token.stem for token in plain if token.start >= start), ""),
        deeds=_deeds(sentence, hidden | sentence.titled, start),
        intents=intents(token.stem for token in plain),
        many={token.stem: singular(token.lower) != token.lower for token in plain},
    )


def _parts(token: Token) -> Sequence[str]:
    """The words that a token is made of: one-way is two, and so is I'm."""
    some = [part for part in _SEAMS.split(token.lower) if part]
    return some if len(some) > 1 and all(map(str.isalpha, some)) else (token.lower,)


def _compounds(parts: Sequence[Sequence[str]], hidden: Collection[int]) -> Mapping[str, int]:
    flat = [(at, part) for at, some in enumerate(parts) if at not in hidden for part in some]
    return {
        stem(first + second): at
        for (at, first), (next_at, second) in pairwise(flat)
        if next_at - at <= 1 and len(first) > 1 and len(second) > 1 and first.isalpha() and second.isalpha()
    }


def _deeds(sentence: Sentence, hidden: frozenset[int] | set[int], start: int) -> Mapping[str, float]:
    found: dict[str, float] = {}
    for at, token in enumerate(sentence.tokens):
        deed = ACTION_KINDS.get(token.stem)
        if deed is None or at in hidden or (token.start < start and deed != "find"):
            continue
        found.setdefault(deed, _LATER ** len(found))
    return found


def weight(word: str) -> float:
    """How much a stem says, from 0.1 to 1.1: little when it is common or vague."""
    return 0.1 if word in _VAGUE else 0.1 + rarity(word)


def vague(word: str) -> bool:
    """Does a stem say next to nothing of an operation: information, details?"""
    return word in _VAGUE


_FAR = 0.3
"""Words less alike than this have nothing to do with each other."""
_MISSING = math.log(0.04)
"""What a required slot counts that is not filled, beside the logarithm of how sure one is that is."""
_TYPED = frozenset((Family.DATE, Family.TIME, Family.EMAIL, Family.URL, Family.CHOICE, Family.BOOLEAN, Family.NUMBER))

OWN = tuple(
    """index values said told said_near told_near heard heard_prose heard_name heard_near heard_told_near unheard words
    verb intent method deed first_deed number required filled sum mean weakest missing missing_ids subject clear extra
    guessed doubt unused unused_names slots deprecated unasked likely gain typed chosen named said_slots left_over
    form hit name_hit miss near outdone""".split()
)
"""Features of an operation by itself; the last five set it apart from the others."""
RIVALS = tuple(
    """index said said_near told told_near heard heard_near heard_name verb deed number filled sum mean missing unused
    clear weakest likely gain typed named said_slots form hit miss near outdone unheard""".split()
)
"""Features that count also by their distance to the best of the other operations."""
COSTS = frozenset(("missing", "unused", "miss", "outdone", "unheard"))
"""Those of them that are the better the less there is."""
FEATURES = (*OWN, *(f"{name}_ahead" for name in RIVALS), "rivals")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rated:
    """An operation with its slots filled, as far as it is compared with others."""

    scene: Scene
    filling: Filling
    profile: Profile
    missing: tuple[Slot, ...]
    """required, neither said nor given"""
    index: float
    """the score of the index"""
    unasked: bool
    """it changes something and the sentence does not command it"""


Row = dict[str, float]


def rows(question: Asked, rated: Sequence[Rated]) -> list[Row]:
    """The FEATURES of each operation; those of its rivals are taken into account."""
    known = (one.profile.words | {word for slot in one.scene.slots for word in slot.words} for one in rated)
    question = question.knowing(frozenset().union(*known))
    found = [_own(question, one) for one in rated]
    _apart(question, rated, found)
    for row, amount in zip(found, _outdone(question, rated), strict=True):
        row["outdone"] = amount
    for name in RIVALS:
        sign = -1.0 if name in COSTS else 1.0
        values = sorted((sign * row[name] for row in found), reverse=True)
        for row in found:
            own = sign * row[name]
            other = values[1] if own == values[0] and len(values) > 1 else values[0]
            row[f"{name}_ahead"] = own - other
    for row in found:
        row["rivals"] = min(12.0, len(found) - 1.0)
    return found


def _own(question: Asked, one: Rated) -> Row:
    return {"index": one.index, **_words(question, one), **_deed(question, one), **_arguments(question, one)}


def _words(question: Asked, one: Rated) -> Row:
    """How much of its name and description the sentence says, and how much of the sentence it accounts for."""
    profile, slots = one.profile, one.scene.slots
    name = [word for word in profile.name if not vague(word)]
    told = [word for word in profile.told if not vague(word)]
    stems = question.stems
    used = _used(question, one.filling)
    free = [(word, amount) for at, word, amount in question.words if at not in used]
    known = profile.words | {word for slot in slots for word in slot.words}
    prose = known | {word for slot in slots for word in slot.prose}
    total = sum(amount for _, _, amount in question.words) or 1.0
    values = sum(amount for at, _, amount in question.words if at in used)
    nearness = {word: _nearest(word, known) for word, _ in free}
    return {
        "values": values / total,
        "said": _share(name, lambda word: word in stems),
        "form": len(profile.forms & _plain_words(question)) / max(1, len(profile.forms)),
        "told": _share(told, lambda word: word in stems),
        "said_near": _share(name, lambda word: _nearest(word, question.weights)),
        "told_near": _share(told, lambda word: _nearest(word, question.weights)),
        "heard": (values + sum(amount for word, amount in free if word in known)) / total,
        "heard_prose": (values + sum(amount for word, amount in free if word in prose)) / total,
        "heard_name": sum(amount for _, word, amount in question.words if word in profile.name) / total,
        "heard_near": (values + sum(amount * nearness[word] for word, amount in free)) / total,
        "heard_told_near": sum(amount * _nearest(word, profile.words) for _, word, amount in question.words) / total,
        "unheard": sum(
            amount * (1.0 - nearness[word]) for word, amount in free if word not in prose and word not in VERBS
        ),
        "words": float(len(question.words)),
    }


def _plain_words(question: Asked) -> set[str]:
    """The words of the sentence in the singular, not stemmed."""
    return {singular(token.lower) for token in question.sentence.tokens if token.word}


def _used(question: Asked, filling: Filling) -> set[int]:
    """Positions of the words that are values of arguments."""
    spans = [(option.start, option.end) for option in filling.options]
    tokens = question.sentence.tokens
    return {at for at, _, _ in question.words if any(start <= tokens[at].start < end for start, end in spans)}


def _nearest(word: str, others: Iterable[str]) -> float:
    best = 0.0
    for other in others:
        found = similarity_or_synonym(word, other)
        if found >= 1.0:
            return 1.0
        best = max(best, found)
    return max(0.0, (best - _FAR) / (1.0 - _FAR))


def _share(words: Collection[str], part: Callable[[str], float]) -> float:
    """The weighted mean of what `part` says of the words; 0 when there are none."""
    weights = [0.1 if word in VERBS else weight(word) for word in words]
    total = sum(weights)
    return sum(amount * part(word) for word, amount in zip(words, weights, strict=True)) / total if total else 0.0


def _deed(question: Asked, one: Rated) -> Row:
    """Whether it does what the sentence wants done, and to one or to many as the sentence says."""
    profile = one.profile
    intent = VERBS.get(profile.verb)
    if profile.verb == question.verb:
        verb = 1.0
    elif profile.verb in question.stems:
        verb = 0.9
    else:
        verb = 0.8 * similarity_or_synonym(profile.verb, question.verb)
    first = next(iter(question.deeds), "")
    method = one.scene.operation.method
    methods = [amount for intent, amount in question.intents.items() if method in METHODS[intent]]
    number = [1 if question.many[word] is many else -1 for word, many in profile.many.items() if word in question.many]
    return {
        "verb": verb,
        "intent": question.intents.get(intent, 0.0) if intent and question.intents else -1.0,
        "method": max(methods, default=0.0),
        "deed": max((question.deeds.get(deed, 0.0) for deed in profile.deeds), default=0.0 if question.deeds else 0.3),
        "first_deed": float(first in profile.deeds) if first else 0.5,
        "number": float(sum(number)),
    }


def _arguments(question: Asked, one: Rated) -> Row:
    """How its arguments are filled, and what of the sentence is left over."""
    options, missing, unused = one.filling.options, one.missing, one.filling.unused
    needed = [option.sure for option in options if option.slot.required]
    extra = [option.sure for option in options if not option.slot.required]
    every = [*needed, *extra]
    count = len(needed) + len(missing)
    stems = question.stems
    named = [option.slot for option in options if not stems.isdisjoint(option.slot.words)]
    required = [slot for slot in one.scene.slots if slot.required]
    said = [max((_nearest(word, stems) for word in slot.words), default=0.0) for slot in required]
    return {
        "required": float(count),
        "filled": len(needed) / count if count else 1.0,
        "sum": sum(every),
        "mean": sum(needed) / len(needed) if needed else 0.5,
        "weakest": min(every, default=0.7),
        "missing": float(len(missing)),
        "missing_ids": float(sum(slot.family is Family.ID for slot in missing)),
        "subject": float(any(is_subject(one.scene.operation, slot) for slot in missing)),
        "clear": float(sum(sure > 0.8 for sure in every)),
        "extra": float(sum(sure > 0.8 for sure in extra)),
        "guessed": float(sum(any(span.kind is Kind.PHRASE for span in option.spans) for option in options)),
        "doubt": sum(1.0 - sure for sure in extra),
        "unused": float(sum(span.kind is not Kind.NAME for span in unused)),
        "unused_names": float(sum(span.kind is Kind.NAME for span in unused)),
        "slots": float(min(20, len(one.scene.slots))),
        "deprecated": float(one.scene.operation.deprecated),
        "unasked": float(one.unasked),
        "likely": sum(math.log(max(0.02, sure)) for sure in needed) + _MISSING * len(missing),
        "gain": sum(max(0.0, math.log(max(0.02, sure) / max(0.02, 1.0 - sure))) for sure in extra),
        "typed": float(sum(option.slot.family in _TYPED for option in options)),
        "chosen": float(sum(option.slot.family is Family.CHOICE for option in options)),
        "named": float(len(named)),
        "said_slots": sum(said) / len(said) if said else 0.5,
        "left_over": len(unused) / (len(unused) + len(options)) if unused else 0.0,
    }


def _apart(question: Asked, rated: Sequence[Rated], found: Sequence[Row]) -> None:
    """What only one operation says of itself: how much of that is in the sentence, and how much is not."""
    names = [{one.profile.verb, *one.profile.name} for one in rated]
    words = [one.profile.words | {word for slot in one.scene.slots for word in slot.words} for one in rated]
    stems = question.stems
    for at, row in enumerate(found):
        other_names = {word for n, some in enumerate(names) if n != at for word in some}
        other_words = {word for n, some in enumerate(words) if n != at for word in some}
        alone = words[at] - other_words
        row["hit"] = sum(amount for word, amount in question.weights.items() if word in alone)
        row["name_hit"] = sum(amount for word, amount in question.weights.items() if word in names[at] - other_names)
        unsaid = [word for word in names[at] - other_names if word not in stems and not vague(word)]
        row["miss"] = sum(weight(word) * (1.0 - _nearest(word, question.weights)) for word in unsaid)
        row["near"] = sum(sorted((_nearest(word, question.weights) for word in alone - stems), reverse=True)[:3])


def _outdone(question: Asked, rated: Sequence[Rated]) -> list[float]:
    """How much surer the words that are values of some operation are filled in by the one that does so best."""
    tokens = question.sentence.tokens
    total = [0.0] * len(rated)
    for token in tokens:
        sure = [_surest(one.filling, token.start) for one in rated]
        best = max(sure, default=0.0)
        total = [amount + best - own for amount, own in zip(total, sure, strict=True)]
    return [amount / math.sqrt(max(1, len(tokens))) for amount in total]


def _surest(filling: Filling, at: int) -> float:
    """How sure the value is that the character `at` is part of."""
    return max((option.sure for option in filling.options if option.start <= at < option.end), default=0.0)
