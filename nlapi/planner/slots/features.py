"""The features of a mention, of a slot, and of how well the two fit, on which the slot forest is trained."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import time
from functools import lru_cache

from nlapi.planner.language.lexicon import STATES
from nlapi.planner.language.measures import fits, said
from nlapi.planner.language.text import LOOSE, Kind, Sentence, Span
from nlapi.planner.language.words import stems as stem_set
from nlapi.planner.language.words import words as word_set
from nlapi.planner.slots.context import LEADING, ROLES, Scene, WeightedStems
from nlapi.planner.slots.entities import RENAMES
from nlapi.planner.slots.similarity import world_fits
from nlapi.planner.slots.slot import Family, Slot
from nlapi.planner.slots.value_forms import CLOSING, OPENING, wanted, wants_clock
from nlapi.planner.slots.values import fraction_wanted, is_coded
from nlapi.resources.naming import STOPWORDS, VERBS, singular, split_words, stem
from nlapi.tools.word_similarity import rarity

_SIZES = stem_set("slots", "limits")
_PAIRED = frozenset().union(*(ROLES[word] for word in ("from", "to", "over", "under")))
_SKIP = stem("skip")
_PICKS = word_set("slots", "picks")
NAMELIKE = stem_set("slots", "namelike")
QUERYLIKE = stem_set("slots", "querylike")
MONEYLIKE = stem_set("slots", "moneylike")
_NUMBERLIKE = stem_set("slots", "numberlike")
_PLACELIKE = stem_set("slots", "placelike")
_STATES = frozenset(STATES.values())
_CITY = re.compile(r"\b(?:city|town|address)\b(?: and|,)\s*(?:the )?(?:state|country|province|region)", re.IGNORECASE)
_ADDRESS = re.compile(r"address|street", re.IGNORECASE)
_CODE = re.compile(r"\b(?:code|identifier|symbol|ticker|abbreviat\w+)\b")
# Letters of a code (JFK, USD, AAPL) at most.
_LONGEST_CODE = 5

# Names of the features of a mention and a slot, in the order of `match`. They are about 0 to 1, distances in tokens.
# The forests are trained on these names: a change needs `python -m training`.
MATCHES = (
    *("named", "told", "role", "against", "example", "money", "place", "object", "renamed", "sought", "paged"),
    *("order", "counts", "common", "verb", "city", "left", "right", "rival_left", "rival_right", "inside", "shape"),
    *("called", "clear", "scaled", "spaced", "coded", "clock_wanted", "clock_said", "in_turn", "counted"),
    *("measured", "world", "kin", "kin_samples", "kin_beside", "code_asked", "addressed", "parts"),
)


def match(scene: Scene, span: Span, slot: Slot) -> list[float]:
    """Return the features named by MATCHES."""
    before, behind, leader = scene.around(span)
    asks, number = _kind(slot), span.kind is Kind.NUMBER
    words = asks.words
    role, against = _role(words, leader)
    inner, common, last = _inside(scene, span)
    return [
        _name_share(scene, slot, before, behind),
        _prose_share(scene, slot, before, behind),
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
        float(number and slot.family is Family.ID and bool(behind) and behind[0][0] not in slot.words),
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
        _similarity_beside(scene.kin(slot), before, behind),
        float(asks.code and span.text.isupper() and len(span.text) <= _LONGEST_CODE),
        _addressed(scene, span, asks.address),
        _extra_parts(span, slot),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _SlotKind:
    """The words of a slot and the kinds of values that they stand for."""

    words: frozenset[str]
    place: bool
    name: bool
    query: bool
    code: bool
    address: bool


@lru_cache(maxsize=4096)
def _kind(slot: Slot) -> _SlotKind:
    words = frozenset(slot.words)
    return _SlotKind(
        words=words,
        place=bool(_PLACELIKE & words),
        name=bool(NAMELIKE & words),
        query=bool(QUERYLIKE & words),
        code=_CODE.search(slot.description) is not None,
        address=_ADDRESS.search(f"{slot.name} {slot.description}") is not None,
    )


def _inside(scene: Scene, span: Span) -> tuple[Sequence[str], float, str]:
    """Return the stems of a mention, the share of them that are words of the operation, and the last of them."""
    cached = scene.inside.get(span)
    if cached is None:
        inner = [token.stem for token in scene.sentence.tokens[span.first : span.last] if token.word]
        cached = scene.inside[span] = inner, _common(scene, inner), inner[-1] if inner else ""
    return cached


def _similarity_beside(near_words: Mapping[str, float], before: WeightedStems, behind: WeightedStems) -> float:
    beside = (*before, *behind) if near_words else ()
    return max((near_words[word] * weight for word, weight in beside if word in near_words), default=0.0)


def _addressed(scene: Scene, span: Span, takes_address: bool) -> float:
    """Return 1 for an address where one is taken, -1 for a piece of one there, or for its number anywhere."""
    if span.form == "address":
        return 1.0 if takes_address else 0.3
    inside = scene.sentence.in_address(span)
    return -1.0 if inside and (takes_address or span.kind is Kind.NUMBER) else -0.3 if inside else 0.0


def _extra_parts(span: Span, slot: Slot) -> float:
    """Return how many more parts, divided by commas, a mention has than the samples of a slot."""
    if not slot.samples or span.kind is Kind.NUMBER:
        return 0.0
    return float(span.text.count(",") - max(sample.count(",") for sample in slot.samples))


def _clock(scene: Scene, span: Span, slot: Slot) -> tuple[float, float]:
    """Return whether a slot takes a time of day, and whether the sentence has one outside the mention."""
    if slot.family not in (Family.DATE, Family.TIME):
        return 0.0, 0.0
    hours = any(isinstance(mention.value, time) and mention is not span for mention in scene.sentence.spans)
    return float(wants_clock(slot)), float(hours)


def _money(span: Span, slot: Slot) -> float:
    if span.form != "money" and not slot.unit:
        return 0.0
    return 1.0 if (span.form == "money") == bool(slot.unit or MONEYLIKE & set(slot.words)) else -0.5


def _common(scene: Scene, words: Sequence[str]) -> float:
    """Return the share of words that are those of the operation; words of its description count half."""
    if not words:
        return 0.0
    return sum(1.0 if word in scene.common else 0.5 * (word in scene.talked) for word in words) / len(words)


def _city(scene: Scene, span: Span, slot: Slot) -> float:
    if any("," in sample for sample in slot.examples) or _CITY.search(slot.description):
        return 2.0
    return _alone(scene, slot)


def shape_likeness(text: str, samples: Sequence[str]) -> float:
    """Return how much `text` looks like the most similar of `samples`, from 0 to 1; 0 without samples."""
    shape = _text_shape(text) if samples else ()
    shapes = map(_text_shape, samples)
    return max((sum(a == b for a, b in zip(shape, other, strict=True)) / len(shape) for other in shapes), default=0.0)


@lru_cache(maxsize=4096)
def _text_shape(text: str) -> tuple[object, ...]:
    words = len(text.split())
    digits = sum(map(str.isdigit, text))
    return (
        text[:1].isupper(), text.isupper(), digits > 0, digits == len(text), "," in text, min(words, 3),
        bool(re.search(r"[-_/.@:]", text)), min(4, len(text) // 5),
    )  # fmt: skip


@lru_cache(maxsize=4096)
def page_number(slot: Slot) -> bool:
    """Return whether a slot takes the number of a page, rather than its length."""
    return slot.family is Family.NUMBER and stem("page") in slot.words and not page_size(slot)


# Ends of the names of cursors. Nobody writes a cursor into a sentence, but its slot takes any text.
_TOKENS = (
    *(["page", "token"], ["next", "token"], ["continuation", "token"]),
    *(["starting", "after"], ["start", "after"], ["ending", "before"]),
)


@lru_cache(maxsize=4096)
def page_token(slot: Slot) -> bool:
    """Return whether a slot takes a cursor or a page token, which an API gives out itself."""
    words = split_words(slot.name)
    is_cursor = words[-1:] == ["cursor"] or words[-2:] in _TOKENS or "cursor" in slot.description.lower()
    return slot.where == "query" and is_cursor and slot.family in (Family.TEXT, Family.ID)


@lru_cache(maxsize=4096)
def page_size(slot: Slot) -> bool:
    """Return whether a slot takes the largest number of items to list."""
    words = set(slot.words)
    return slot.family is Family.NUMBER and bool(words & _SIZES or slot.words == ("first",) or slot.words == ("top",))


def _paged(scene: Scene, span: Span, slot: Slot) -> float:
    """Return 1 for the number (page 2) or the length of a page (2 per page, list 2 books), -1 for the opposite."""
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
    """Return whether a number stands before the noun that is listed (3 books), or behind a word that picks some of them
    (the last 5 log entries, top 3, 10 at a time).
    """
    cached = scene.counting.get(span)
    if cached is None:
        cached = scene.counting[span] = _is_item_count(scene, span)
    return cached


def _is_item_count(scene: Scene, span: Span) -> bool:
    tokens = scene.sentence.tokens
    before = tokens[span.first - 1].lower if span.first else ""
    after = [token.lower for token in tokens[span.last : span.last + 4]]
    if after[:3] == ["at", "a", "time"] or after[:2] == ["at", "most"]:
        return True
    skipped = any(token.stem == _SKIP for token in tokens[max(0, span.first - 3) : span.first])
    # `the last 5 minutes` is a range of time, `skip the first 10` an offset, `the top 10 %` a share.
    if before in _PICKS and not skipped and after[:1] != ["%"] and said(scene.sentence, span) is None:
        many = [word for word in after if singular(word) != word]
        return not after or before == "top" or bool(many) or not after[0].isalpha()
    literal = [segment for segment in scene.operation.path.split("/") if segment and "{" not in segment]
    noun = singular((split_words(literal[-1]) or [""])[-1]) if literal else ""
    return any(singular(word) == noun != word for word in after[:2])


def _name_share(scene: Scene, slot: Slot, before: WeightedStems, behind: WeightedStems) -> float:
    """Return the share of the name of a slot that stands beside a mention, by the weights of words and distances."""
    weights = scene.own[slot]
    near: dict[str, float] = {}
    for word, nearness in (*before, *behind):
        if word in weights:
            near[word] = max(near.get(word, 0.0), nearness)
    total = sum(weights.values()) or 1.0
    return sum(weights[word] * nearness for word, nearness in near.items()) / max(total, 0.5)


def _prose_share(scene: Scene, slot: Slot, before: WeightedStems, behind: WeightedStems) -> float:
    """Return how much of the description of a slot, without its name, stands beside a mention."""
    words = {word: near for word, near in (*before, *behind) if word in slot.prose and word not in slot.words}
    return min(1.0, sum(near * scene.told(word) for word, near in words.items() if word not in STOPWORDS))


def _role(words: frozenset[str], leader: str) -> tuple[float, float]:
    roles = ROLES.get(leader)
    if not roles:
        return 0.0, 0.0
    if words & roles:
        return 1.0, 0.0
    return 0.0, float(bool(words & _PAIRED and roles & _PAIRED))


def _alone(scene: Scene, slot: Slot) -> float:
    """Return more for a pair (Rome, Italy) as one value, unless a country or a state is asked for beside it."""
    parts = {"countri", "state", "region", "provinc", "city", "citi"}
    return -1.5 if any(not parts.isdisjoint(rival.words) for rival in scene.slots) else 1.0


_FORMS = (
    *("money", "percent", "spelt", "counted", "url", "email", "uuid", "id", "path", "tag", "host"),
    *("place", "joined", "numbered", "whole", "clause", "all", "address", "part"),
)
_CLASSES = """
of|for|in at near|to into|from|by with using|about on|is are = equals as|and or &|, ;|: "|the a an my
|called named titled|( [|per each every|over above than least|under below most until
"""
# Class of the word before a mention: 0 at the beginning of the sentence, 1 for any word that is not here.
_BEFORE = {word: 2.0 + at for at, words in enumerate(_CLASSES.split("|")) for word in words.split()}
# Names of the features of a mention and of a slot, in the order of `span_traits` and `slot_traits`.
SPAN_TRAITS = (
    *(f"is_{kind}" for kind in Kind),
    *(f"as_{form}" for form in _FORMS),
    *("tokens", "length", "capital", "digits", "at_end", "before", "before_that", "after", "little_words"),
    *("verbs", "within", "in_address", "alike", "nth", "then", "verb_before", "starts_at", "rarity", "spelt_elsewhere"),
)
SLOT_TRAITS = (
    *(f"for_{family}" for family in Family),
    *("many", "integer", "required", "default", "depth", "place", "slots", "needed", "same_family", "same_needed"),
    *("choices", "samples", "formatted", "in_path", "in_query", "name_length", "mentioned", "spoken"),
    *("glossary", "first_of_family", "unit", "opens", "closes", "pages", "sizes", "named", "sought"),
    *("numberlike", "samples_named", "samples_figures", "ordinal", "samples_in_us"),
)


def span_traits(sentence: Sentence, span: Span) -> list[float]:
    """Return the features named by SPAN_TRAITS: the kind of a mention, its size, the words around it."""
    tokens = sentence.tokens
    inside = [token for token in tokens[span.first : span.last] if token.word]
    same = [mention for mention in sentence.spans if mention.kind is span.kind and mention.form not in LOOSE]
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
        float(sum(wider.first <= span.first and span.last <= wider.last for wider in sentence.spans) - 1),
        float(sentence.in_address(span)),
        float(len(same)),
        float(sum(mention.start < span.start for mention in same)),
        _BEFORE.get(tokens[span.last].lower, 1.0) if span.last < len(tokens) else 0.0,
        float(span.first > 0 and tokens[span.first - 1].stem in VERBS),
        span.first / max(1, len(tokens)),
        max((rarity(token.stem) for token in inside if token.text.isalpha()), default=0.0),
        float(span.form != "spelt" and sum(mention.form == "spelt" for mention in same)),
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
    """Return the features named by SLOT_TRAITS: the type of a slot, its position, and how much of it is spoken of."""
    stems = scene.sentence.stem_set
    position, same, nth = scene.ranks[slot]
    weights = scene.own[slot]
    return [
        *_type(slot),
        float(position),
        float(len(scene.slots)),
        float(scene.needed),
        float(len(same)),
        float(sum(similar.required for similar in same)),
        *_shape(slot),
        sum(word in stems for word in weights) / max(1, len(weights)),
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
    """Return the features of the name of a slot and of the samples in its description."""
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
        sum(any(stem(word.lower()) in words for word in sample.split()) for sample in samples) / max(1, len(samples)),
        sum(any(map(str.isdigit, sample)) for sample in samples) / max(1, len(samples)),
        float(slot.name[-1]) if slot.name[-1:].isdigit() else 0.0,
        float(any(sample.rpartition(", ")[2] in _STATES for sample in slot.samples)),
    )
