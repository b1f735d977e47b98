"""The words that operations are compared by: what an operation says of itself, and what a sentence asks for."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from nlapi.changes.sentences import opening
from nlapi.openapi.spec import Operation
from nlapi.planner.language.english.text import Kind, Sentence, Token
from nlapi.planner.language.english.question_intent import order_spans
from nlapi.resources.naming import DEEDS, STOPWORDS, VERBS, Intent, intents, pieces, singular, stem
from nlapi.tools.meaning import rarity

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
    own = list(map(stem, pieces(operation.id)))
    verb = next((word for word in own if word in VERBS), own[0] if own else "")
    named = [word for word in pieces(f"{operation.id} {literal}") if word not in STOPWORDS]
    deed = verb if verb in VERBS else ""
    stems = tuple(dict.fromkeys(map(stem, named)))
    name = tuple(word for word in stems if word != deed) or stems
    prose = (operation.summary, operation.description[:_LONGEST])
    told = tuple(dict.fromkeys(stem(word) for text in prose for word in pieces(text) if word not in STOPWORDS))
    opening = [[DEEDS.get(stem(word)) for word in pieces(text[:80])[:_OPENS]] for text in prose]
    deeds = [DEEDS.get(verb), *(next(filter(None, found), None) for found in opening)]
    return Profile(
        verb=verb,
        deeds=frozenset(deed for deed in deeds if deed),
        name=name,
        told=told,
        forms=frozenset(singular(word) for word in named if stem(word) != deed),
        many={stem(word): singular(word) != word for word in pieces(operation.id) if stem(word) not in VERBS},
        words=frozenset((verb, *name, *told, *map(stem, pieces(api)))),
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
    start = opening(sentence.text)
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
        deed = DEEDS.get(token.stem)
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
