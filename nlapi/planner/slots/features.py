"""How well a Span fits a Slot, as a row of figures."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import time
from functools import lru_cache

from nlapi.planner.language.lexicon import STATES
from nlapi.planner.language.measures import fits, said
from nlapi.planner.language.text import LOOSE, Kind, Sentence, Span
from nlapi.planner.slots.context import LEADING, ROLES, Scene
from nlapi.planner.slots.entities import RENAMES
from nlapi.planner.slots.similarity import world_fits
from nlapi.planner.slots.slot import Family, Slot
from nlapi.planner.slots.value_forms import CLOSING, OPENING, wanted, wants_clock
from nlapi.planner.slots.values import fraction_wanted, is_coded
from nlapi.resources.naming import STOPWORDS, VERBS, singular, split_words, stem
from nlapi.tools.word_similarity import rarity

_SIZES = frozenset(map(stem, "limit size per count max maximum take results rows".split()))
_PAIRED = frozenset().union(*(ROLES[word] for word in ("from", "to", "over", "under")))
_SKIP = stem("skip")
_PICKS = frozenset("last first top latest newest oldest recent".split())
NAMELIKE = frozenset(map(stem, "name title label subject headline username".split()))
QUERYLIKE = frozenset(map(stem, "q query search keyword term text filter".split()))
MONEYLIKE = frozenset(
    map(
        stem, "price budget amount cost fee salary bid spend money payment balance value income loan fund total".split()
    )
)
_CITY = re.compile(r"\b(?:city|town|address)\b(?: and|,)\s*(?:the )?(?:state|country|province|region)", re.IGNORECASE)
_PLACELIKE = frozenset(
    map(stem, "city location place address town area region destination origin venue country state".split())
)


MATCHES = (
    *("named", "told", "role", "against", "example", "money", "place", "object", "renamed", "sought", "paged"),
    *("order", "counts", "common", "verb", "city", "left", "right", "rival_left", "rival_right", "inside", "shape"),
    *("called", "clear", "scaled", "spaced", "coded", "clock_wanted", "clock_said", "in_turn", "counted"),
    *("measured", "world", "kin", "kin_samples", "kin_beside", "code_asked", "addressed", "parts"),
)
"""What `match` gives, in this order; each about 0 to 1, distances in tokens."""


def match(scene: Scene, span: Span, slot: Slot) -> list[float]:
    """What speaks for and against `span` being the value of `slot`."""
    left, right, leader = scene.around(span)
    asks, number = _asks(slot), span.kind is Kind.NUMBER
    words = asks.words
    role, against = _role(words, leader)
    inner, common, last = _inside(scene, span)
    return [
        _named(scene, slot, left, right),
        _told(scene, slot, left, right),
        role,
        against,
        1.0 if span.text.lower() in slot.examples else 0.0,
        _money(span, slot) if number else 0.0,
        float(span.kind is Kind.NAME and asks.place),
        float(leader in LEADING and span.kind in (Kind.PHRASE, Kind.NAME)),
        float(asks.name and leader == "to" and not RENAMES.isdisjoint(scene.sentence.stem_set)),
        float(asks.query and scene.operation.method == "GET"),
        _paged(scene, span, slot) if number else 0.0,
        scene.order(span, slot),
        float(number and slot.family is Family.ID and bool(right) and right[0][0] not in slot.words),
        common,
        float(bool(inner) and inner[0] in VERBS),
        _city(scene, span, slot) if span.form == "place" else 0.0,
        *scene.distances(span, slot),
        sum(word in words for word in inner) / max(1, len(inner)),
        shape_likeness(span.text, slot.samples),
        float(span.kind is Kind.CALLED) * (1.0 if asks.name else 0.8 if asks.query else -0.6),
        float(number and slot.unit != ""),
        fraction_wanted(slot) if span.form == "percent" else 0.0,
        float(slot.family is Family.ID and " " in span.text),
        float(is_coded(slot)),
        *_clock(scene, span, slot),
        scene.in_turn(span, slot),
        float(number and counts_things(scene, span)),
        fits(said(scene.sentence, span), wanted(slot)) if number else 0.0,
        world_fits(span, slot),
        scene.kin(slot).get(last, 0.0),
        scene.kin_of_samples(slot).get(last, 0.0),
        _kin_beside(scene.kin(slot), left, right),
        float(asks.code and span.text.isupper() and len(span.text) <= _SHORT),
        _addressed(scene, span, asks.address),
        _parts(span, slot),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asks:
    """What a slot asks for, as far as no sentence is needed to say so."""

    words: frozenset[str]
    place: bool
    name: bool
    query: bool
    code: bool
    address: bool


@lru_cache(maxsize=4096)
def _asks(slot: Slot) -> _Asks:
    words = frozenset(slot.words)
    return _Asks(
        words=words,
        place=bool(_PLACELIKE & words),
        name=bool(NAMELIKE & words),
        query=bool(QUERYLIKE & words),
        code=_CODE.search(slot.description) is not None,
        address=_ADDRESS.search(f"{slot.name} {slot.description}") is not None,
    )


def _inside(scene: Scene, span: Span) -> tuple[Sequence[str], float, str]:
    """The stems of a span, how much of it is words of the operation itself, and the last of them."""
    found = scene.inside.get(span)
    if found is None:
        inner = [token.stem for token in scene.sentence.tokens[span.first : span.last] if token.word]
        found = scene.inside[span] = inner, _common(scene, inner), inner[-1] if inner else ""
    return found


def _kin_beside(
    kin: Mapping[str, float], left: Sequence[tuple[str, float]], right: Sequence[tuple[str, float]]
) -> float:
    return max((kin[word] * near for word, near in (*left, *right) if word in kin), default=0.0) if kin else 0.0


def _addressed(scene: Scene, span: Span, asked: bool) -> float:
    """1 for an address where one is asked for, -1 for a piece of one there, or for its number anywhere."""
    if span.form == "address":
        return 1.0 if asked else 0.3
    inside = scene.sentence.in_address(span)
    return -1.0 if inside and (asked or span.kind is Kind.NUMBER) else -0.3 if inside else 0.0


def _parts(span: Span, slot: Slot) -> float:
    """How many more parts, divided by commas, a span has than the example or the format of a description."""
    if not slot.samples or span.kind is Kind.NUMBER:
        return 0.0
    return float(span.text.count(",") - max(one.count(",") for one in slot.samples))


_ADDRESS = re.compile(r"address|street", re.IGNORECASE)


_CODE = re.compile(r"\b(?:code|identifier|symbol|ticker|abbreviat\w+)\b")
_SHORT = 5
"""Letters of a code (JFK, USD, AAPL) at most."""


def _clock(scene: Scene, span: Span, slot: Slot) -> tuple[float, float]:
    """Does the slot take a time of day, and does the sentence say one that is not in the span?"""
    if slot.family not in (Family.DATE, Family.TIME):
        return 0.0, 0.0
    hours = (one for one in scene.sentence.spans if isinstance(one.value, time) and one is not span)
    return float(wants_clock(slot)), float(any(hours))


def _money(span: Span, slot: Slot) -> float:
    if span.form != "money" and not slot.unit:
        return 0.0
    return 1.0 if (span.form == "money") == bool(slot.unit or MONEYLIKE & set(slot.words)) else -0.5


def _common(scene: Scene, words: Sequence[str]) -> float:
    """How much of a span is words of the operation itself."""
    if not words:
        return 0.0
    return sum(1.0 if word in scene.common else 0.5 * (word in scene.talked) for word in words) / len(words)


def _city(scene: Scene, span: Span, slot: Slot) -> float:
    if any("," in one for one in slot.examples) or _CITY.search(slot.description):
        return 2.0
    return _alone(scene, slot)


def shape_likeness(text: str, samples: Sequence[str]) -> float:
    """How much `text` looks like the most similar of `samples`, from 0 to 1; 0 when there are none."""
    if not samples:
        return 0.0
    own = _shape_matches(text)
    return max(
        (sum(a == b for a, b in zip(own, _shape_matches(one), strict=True)) / len(own) for one in samples), default=0.0
    )


@lru_cache(maxsize=4096)
def _shape_matches(text: str) -> tuple[object, ...]:
    words = len(text.split())
    digits = sum(map(str.isdigit, text))
    return (
        text[:1].isupper(), text.isupper(), digits > 0, digits == len(text), "," in text, min(words, 3),
        bool(re.search(r"[-_/.@:]", text)), min(4, len(text) // 5),
    )  # fmt: skip


@lru_cache(maxsize=4096)
def page_number(slot: Slot) -> bool:
    """Is `slot` which page is wanted, rather than how long a page is?"""
    return slot.family is Family.NUMBER and stem("page") in slot.words and not page_size(slot)


_TOKENS = (
    *(["page", "token"], ["next", "token"], ["continuation", "token"]),
    *(["starting", "after"], ["start", "after"], ["ending", "before"]),
)


@lru_cache(maxsize=4096)
def page_token(slot: Slot) -> bool:
    """Is `slot` what an API itself gives out to say where a page begins: a cursor, a page token?"""
    words = split_words(slot.name)
    named = words[-1:] == ["cursor"] or words[-2:] in _TOKENS
    named = named or "cursor" in slot.description.lower()
    return slot.where == "query" and named and slot.family in (Family.TEXT, Family.ID)


@lru_cache(maxsize=4096)
def page_size(slot: Slot) -> bool:
    """Is `slot` how many things are wanted at most?"""
    words = set(slot.words)
    return slot.family is Family.NUMBER and bool(words & _SIZES or slot.words == ("first",) or slot.words == ("top",))


def _paged(scene: Scene, span: Span, slot: Slot) -> float:
    """1 for a page that is numbered (page 2) or counted (2 per page, list 2 books), -1 for the other of the two."""
    number, size = page_number(slot), scene.operation.method == "GET" and page_size(slot)
    if not number and not size:
        return 0.0
    tokens = scene.sentence.tokens
    before = [token.lower for token in tokens[max(0, span.first - 2) : span.first]]
    after = tokens[span.last : span.last + 2]
    words = [token.lower for token in after]
    counted = words[:1] == ["per"] or words in (["a", "page"], ["each", "page"]) or counts_things(scene, span)
    numbered = not counted and ("page" in before or words[:1] == ["page"])
    if not counted and not numbered:
        return -1.0 if number else 0.0
    return 1.0 if counted is bool(size) and numbered is number else -1.0


def counts_things(scene: Scene, span: Span) -> bool:
    """Does a number stand in front of what is listed (3 books), or behind what picks some of them (the last 5 log
    entries, top 3, 10 at a time)?
    """
    found = scene.counting.get(span)
    if found is None:
        found = scene.counting[span] = _counts_things(scene, span)
    return found


def _counts_things(scene: Scene, span: Span) -> bool:
    tokens = scene.sentence.tokens
    before = tokens[span.first - 1].lower if span.first else ""
    after = [token.lower for token in tokens[span.last : span.last + 4]]
    if after[:3] == ["at", "a", "time"] or after[:2] == ["at", "most"]:
        return True
    skipped = any(token.stem == _SKIP for token in tokens[max(0, span.first - 3) : span.first])
    if before in _PICKS and not skipped and after[:1] != ["%"] and said(scene.sentence, span) is None:
        many = [word for word in after if singular(word) != word]
        return not after or before == "top" or bool(many) or not after[0].isalpha()
    literal = [segment for segment in scene.operation.path.split("/") if segment and "{" not in segment]
    thing = singular((split_words(literal[-1]) or [""])[-1]) if literal else ""
    return any(singular(word) == thing != word for word in after[:2])


def _named(scene: Scene, slot: Slot, left: Sequence[tuple[str, float]], right: Sequence[tuple[str, float]]) -> float:
    own = scene.own[slot]
    total = sum(own.values()) or 1.0
    near: dict[str, float] = {}
    for word, nearness in (*left, *right):
        if word in own:
            near[word] = max(near.get(word, 0.0), nearness)
    return sum(own[word] * nearness for word, nearness in near.items()) / max(total, 0.5)


def _told(scene: Scene, slot: Slot, left: Sequence[tuple[str, float]], right: Sequence[tuple[str, float]]) -> float:
    words = {word: near for word, near in (*left, *right) if word in slot.prose and word not in slot.words}
    return min(1.0, sum(near * scene.told(word) for word, near in words.items() if word not in STOPWORDS))


def _role(words: frozenset[str], leader: str) -> tuple[float, float]:
    roles = ROLES.get(leader)
    if not roles:
        return 0.0, 0.0
    if words & roles:
        return 1.0, 0.0
    return 0.0, float(bool(words & _PAIRED and roles & _PAIRED))


def _alone(scene: Scene, slot: Slot) -> float:
    """Rome, Italy is one value for a location, unless a country or a state is asked for beside it."""
    parts = {"countri", "state", "region", "provinc", "city", "citi"}
    others = any(parts & set(one.words) for one in scene.slots if one is not slot)
    return 1.0 if not others and not parts & set(slot.words) else -1.5


_FORMS = (
    *("money", "percent", "spelt", "counted", "url", "email", "uuid", "id", "path", "tag", "host"),
    *("place", "joined", "numbered", "whole", "clause", "all", "address", "part"),
)
_CLASSES = """
of|for|in at near|to into|from|by with using|about on|is are = equals as|and or &|, ;|: "|the a an my
|called named titled|( [|per each every|over above than least|under below most until
"""
_BEFORE = {word: 2.0 + at for at, words in enumerate(_CLASSES.split("|")) for word in words.split()}
"""The word before a span -> its class; 0 at the beginning of the sentence, 1 for any other word."""
SPAN_TRAITS = (
    *(f"is_{kind}" for kind in Kind),
    *(f"as_{form}" for form in _FORMS),
    *("tokens", "length", "capital", "digits", "at_end", "before", "before_that", "after", "little_words"),
    *("verbs", "within", "in_address", "alike", "nth", "then", "verb_before", "starts_at", "rarity", "spelt_elsewhere"),
)
"""What `span_traits` gives, in this order."""
SLOT_TRAITS = (
    *(f"for_{family}" for family in Family),
    *("many", "integer", "required", "default", "depth", "place", "slots", "needed", "same_family", "same_needed"),
    *("choices", "samples", "formatted", "in_path", "in_query", "name_length", "mentioned", "spoken"),
    *("glossary", "first_of_family", "unit", "opens", "closes", "pages", "sizes", "named", "sought"),
    *("numberlike", "samples_named", "samples_figures", "ordinal", "samples_in_us"),
)
"""What `slot_traits` gives, in this order."""


def span_traits(sentence: Sentence, span: Span) -> list[float]:
    """The kind of a span, its size, and the words around it."""
    tokens = sentence.tokens
    inside = [token for token in tokens[span.first : span.last] if token.word]
    same = [one for one in sentence.spans if one.kind is span.kind and one.form not in LOOSE]
    return [
        *(float(span.kind is kind) for kind in Kind),
        *(float(span.form == form) for form in _FORMS),
        float(span.last - span.first),
        float(min(40, len(span.text))),
        float(span.text[:1].isupper()),
        sum(map(str.isdigit, span.text)) / max(1, len(span.text)),
        float(span.last >= len(tokens) - 1),
        _before(sentence, span.first - 1),
        _before(sentence, span.first - 2),
        _after(sentence, span.last),
        float(sum(token.lower in STOPWORDS for token in inside)),
        float(sum(token.stem in VERBS for token in inside)),
        float(sum(one.first <= span.first and span.last <= one.last for one in sentence.spans) - 1),
        float(sentence.in_address(span)),
        float(len(same)),
        float(sum(one.start < span.start for one in same)),
        _BEFORE.get(tokens[span.last].lower, 1.0) if span.last < len(tokens) else 0.0,
        float(span.first > 0 and tokens[span.first - 1].stem in VERBS),
        span.first / max(1, len(tokens)),
        max((rarity(token.stem) for token in inside if token.text.isalpha()), default=0.0),
        float(span.form != "spelt" and sum(one.form == "spelt" for one in same)),
    ]


def _before(sentence: Sentence, at: int) -> float:
    return 0.0 if at < 0 else _BEFORE.get(sentence.tokens[at].lower, 1.0)


def _after(sentence: Sentence, at: int) -> float:
    if at >= len(sentence.tokens):
        return 0.0
    token = sentence.tokens[at]
    if token.text in ".?!;":
        return 1.0
    return 2.0 if not token.word else 3.0 if token.lower in STOPWORDS else 4.0


def slot_traits(scene: Scene, slot: Slot) -> list[float]:
    """The type of a slot, its place among the others, and how much of its name and description the sentence says."""
    stems = scene.sentence.stem_set
    place, same, nth = scene.ranks[slot]
    own = scene.own[slot]
    return [
        *_type(slot),
        float(place),
        float(len(scene.slots)),
        float(scene.needed),
        float(len(same)),
        float(sum(one.required for one in same)),
        *_shape(slot),
        sum(word in stems for word in own) / max(1, len(own)),
        sum(word in stems for word in slot.prose) / max(1, len(slot.prose)),
        float(bool(slot.glossary)),
        float(nth),
        *_name(slot),
    ]


@lru_cache(maxsize=4096)
def _type(slot: Slot) -> tuple[float, ...]:
    return (
        *(float(slot.family is family) for family in Family),
        float(slot.many),
        float(slot.integer),
        float(slot.required),
        float(slot.has_default),
        float(len(slot.path)),
    )


@lru_cache(maxsize=4096)
def _shape(slot: Slot) -> tuple[float, ...]:
    return (
        float(len(slot.choices)),
        float(bool(slot.samples)),
        float("format" in slot.description.lower()),
        float(slot.where == "path"),
        float(slot.where == "query"),
        float(len(slot.words)),
    )


@lru_cache(maxsize=4096)
def _name(slot: Slot) -> tuple[float, ...]:
    """What its name and the values that its description mentions say."""
    words, samples = set(slot.words), slot.samples[:6]
    return (
        float(bool(slot.unit)),
        float(bool(OPENING & words)),
        float(bool(CLOSING & words)),
        float(page_number(slot)),
        float(page_size(slot)),
        float(bool(NAMELIKE & words)),
        float(bool(QUERYLIKE & words)),
        float(bool(_NUMBERLIKE & words)),
        sum(any(stem(one.lower()) in words for one in sample.split()) for sample in samples) / max(1, len(samples)),
        sum(any(map(str.isdigit, sample)) for sample in samples) / max(1, len(samples)),
        float(slot.name[-1]) if slot.name[-1:].isdigit() else 0.0,
        float(any(one.rpartition(", ")[2] in _STATES for one in slot.samples)),
    )


_STATES = frozenset(STATES.values())
_NUMBERLIKE = frozenset(
    map(
        stem,
        """width height size count amount quantity number year month day hour age length weight depth radius distance
        rate ratio percent percentage price total limit offset page level score rating duration minutes seconds
        temperature latitude longitude lat lon lng volume speed capacity zip zipcode postal version
        quality""".split(),
    )
)
"""Stems of the names of what is told in figures, though its type is text."""
