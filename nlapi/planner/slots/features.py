"""The features of a mention, of a slot, and of how well the two fit, on which the slot forest is trained."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from nlapi.english import lexicon
from nlapi.english.intents import STOPWORDS, VERBS
from nlapi.english.lexicon import stems as stem_set
from nlapi.english.lexicon import words as word_set
from nlapi.english.word_similarity import rarity
from nlapi.english.words import singular, split_words, stem
from nlapi.lazy_pattern import lazy_pattern
from nlapi.openapi.spec import Effect
from nlapi.planner.slots.context import LEADING_PREPOSITIONS, ROLES, SlotContext, WeightedStems, world_fit
from nlapi.planner.slots.entities import RENAMES
from nlapi.planner.slots.slot import Family, Slot
from nlapi.planner.slots.values import CLOSING, is_coded, slot_unit, takes_fraction
from nlapi.reading.numbers import unit_of_mention, unit_similarity
from nlapi.reading.question_intent import is_yes_no_question
from nlapi.reading.text import ALTERNATIVE_FORMS, MentionKind, Sentence, ValueMention

_SIZES = stem_set("planner/slots/words", "limits")
_SKIP = stem("skip")
_PICKS = word_set("planner/slots/words", "picks")
NAMELIKE = stem_set("planner/slots/words", "namelike")
QUERYLIKE = stem_set("planner/slots/words", "querylike")
MONEYLIKE = stem_set("planner/slots/words", "moneylike")
_NUMBERLIKE = stem_set("planner/slots/words", "numberlike")
_PLACELIKE = stem_set("planner/slots/words", "placelike")
_ADDRESS = lazy_pattern(r"address|street", re.IGNORECASE)
_CODE = lexicon.pattern("planner/slots/words", "code")
# The number of items to return, by a description.
_LISTED = lexicon.pattern("planner/slots/words", "listed", re.IGNORECASE)
# Letters of a code (JFK, USD, AAPL) at most.
_LONGEST_CODE = 5

# Names of the features of a mention and a slot, in the order of `match`. They are about 0 to 1, distances in tokens.
# The forests are trained on these names: a change needs `python -m training`.
FIT_FEATURES = (
    *("named", "told", "role", "example", "money", "place", "object", "renamed", "sought", "paged", "order"),
    *("common", "verb", "left", "right", "rival_left", "rival_right", "inside", "shape", "called", "scaled"),
    *("spaced", "coded", "in_turn", "measured", "world", "kin", "kin_samples", "kin_beside", "code_asked"),
    *("addressed", "parts"),
)


def fit_features(context: SlotContext, mention: ValueMention, slot: Slot) -> list[float]:
    """Return the features named by MATCHES."""
    before, behind, leader = context.surroundings(mention)
    asks, number = _kind(slot), mention.kind is MentionKind.NUMBER
    words = asks.words
    inner, common, last = _inside(context, mention)
    return [
        _name_share(context, slot, before, behind),
        _prose_share(context, slot, before, behind),
        float(not words.isdisjoint(ROLES.get(leader, ()))),
        1.0 if mention.text.lower() in slot.examples else 0.0,
        _money(mention, slot) if number else 0.0,
        float(mention.kind is MentionKind.NAME and asks.place),
        float(leader in LEADING_PREPOSITIONS and mention.kind in (MentionKind.PHRASE, MentionKind.NAME)),
        float(asks.name and leader == "to" and not RENAMES.isdisjoint(context.sentence.stem_set)),
        float(asks.query and context.operation.method == "GET"),
        _paged(context, mention, slot) if number else 0.0,
        context.numeric_order(mention, slot),
        common,
        float(bool(inner) and inner[0] in VERBS),
        *context.distances(mention, slot),
        sum(word in words for word in inner) / max(1, len(inner)),
        shape_likeness(mention.text, slot.samples),
        float(mention.kind is MentionKind.TITLE) * (1.0 if asks.name else 0.8 if asks.query else -0.6),
        takes_fraction(slot) if mention.form == "percent" else 0.0,
        float(slot.family is Family.ID and " " in mention.text),
        float(is_coded(slot)),
        context.turn_distance(mention, slot),
        unit_similarity(unit_of_mention(context.sentence, mention), slot_unit(slot)) if number else 0.0,
        world_fit(mention, slot),
        context.similar_to_name(slot).get(last, 0.0),
        context.similar_to_samples(slot).get(last, 0.0),
        _similarity_beside(context.similar_to_name(slot), before, behind),
        float(asks.code and mention.text.isupper() and len(mention.text) <= _LONGEST_CODE),
        _addressed(context, mention, asks.address),
        _extra_parts(mention, slot),
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


def _inside(context: SlotContext, mention: ValueMention) -> tuple[Sequence[str], float, str]:
    """Return the stems of a mention, the share of them that are words of the operation, and the last of them."""
    cached = context.inner_stems.get(mention)
    if cached is None:
        inner = [token.stem for token in context.sentence.tokens[mention.first : mention.last] if token.word]
        cached = context.inner_stems[mention] = inner, _common(context, inner), inner[-1] if inner else ""
    return cached


def _similarity_beside(near_words: Mapping[str, float], before: WeightedStems, behind: WeightedStems) -> float:
    beside = (*before, *behind) if near_words else ()
    return max((near_words[word] * weight for word, weight, _ in beside if word in near_words), default=0.0)


def _addressed(context: SlotContext, mention: ValueMention, takes_address: bool) -> float:
    """Return 1 for an address where one is taken, -1 for a piece of one there, or for its number anywhere."""
    if mention.form == "address":
        return 1.0 if takes_address else 0.3
    inside = context.sentence.in_address(mention)
    return -1.0 if inside and (takes_address or mention.kind is MentionKind.NUMBER) else -0.3 if inside else 0.0


def _extra_parts(mention: ValueMention, slot: Slot) -> float:
    """Return how many more parts, divided by commas, a mention has than the samples of a slot."""
    if not slot.samples or mention.kind is MentionKind.NUMBER:
        return 0.0
    return float(mention.text.count(",") - max(sample.count(",") for sample in slot.samples))


def _money(mention: ValueMention, slot: Slot) -> float:
    if mention.form != "money" and not slot.unit:
        return 0.0
    return 1.0 if (mention.form == "money") == bool(slot.unit or MONEYLIKE & set(slot.words)) else -0.5


def _common(context: SlotContext, stems: Sequence[str]) -> float:
    """Return the share of words that are those of the operation; words of its description count half."""
    if not stems:
        return 0.0
    return sum(
        1.0 if word in context.operation_stems else 0.5 * (word in context.description_stems) for word in stems
    ) / len(stems)


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
    return slot.location == "query" and is_cursor and slot.family in (Family.TEXT, Family.ID)


@lru_cache(maxsize=4096)
def page_size_rank(slot: Slot) -> int:
    """Return how surely a slot takes the largest number of items to list: 2 by its name, 1 by its description, else 0.

    The `top` of dev.to is a number of days, and its `per_page` counts the articles.
    """
    if slot.family is not Family.NUMBER:
        return 0
    if not _SIZES.isdisjoint(slot.words):
        return 2
    return int(slot.words in (("first",), ("top",)) or _LISTED.match(slot.description) is not None)


def page_size(slot: Slot) -> bool:
    """Return whether a slot takes the largest number of items to list."""
    return page_size_rank(slot) > 0


def _paged(context: SlotContext, mention: ValueMention, slot: Slot) -> float:
    """Return 1 for the number (page 2) or the length of a page (2 per page, list 2 books), -1 for the opposite."""
    number, size = page_number(slot), context.operation.method == "GET" and page_size(slot)
    if not number and not size:
        return 0.0
    tokens = context.sentence.tokens
    before = [token.lower for token in tokens[max(0, mention.first - 2) : mention.first]]
    after = tokens[mention.last : mention.last + 2]
    words = [token.lower for token in after]
    counted = words[:1] == ["per"] or words in (["a", "page"], ["each", "page"]) or is_item_count(context, mention)
    numbered = not counted and ("page" in before or words[:1] == ["page"])
    if not counted and not numbered:
        return -1.0 if number else 0.0
    return 1.0 if counted is bool(size) and numbered is number else -1.0


def is_item_count(context: SlotContext, mention: ValueMention) -> bool:
    """Return whether a number stands before the noun that is listed (3 books), or behind a word that picks some of them
    (the last 5 log entries, top 3, 10 at a time).
    """
    cached = context.item_counts.get(mention)
    if cached is None:
        cached = context.item_counts[mention] = _counts_items(context, mention)
    return cached


def is_counted_by_answer(context: SlotContext, mention: ValueMention) -> bool:
    """Return whether a number is compared with that of the items of the answer: does X have 2 ad sets."""
    if mention.kind is not MentionKind.NUMBER or context.operation.effect is not Effect.READ:
        return False
    return is_yes_no_question(context.sentence.text) and is_item_count(context, mention)


def _counts_items(context: SlotContext, mention: ValueMention) -> bool:
    tokens = context.sentence.tokens
    before = context.sentence.word_before(mention.first)
    after = [token.lower for token in tokens[mention.last : mention.last + 4]]
    if after[:3] == ["at", "a", "time"] or after[:2] in (["at", "most"], ["per", "page"]):
        return True
    skipped = any(token.stem == _SKIP for token in tokens[max(0, mention.first - 3) : mention.first])
    # `the last 5 minutes` is a range of time, `skip the first 10` an offset, `the top 10 %` a share.
    if before in _PICKS and not skipped and after[:1] != ["%"] and unit_of_mention(context.sentence, mention) is None:
        many = [word for word in after if singular(word) != word]
        return not after or before == "top" or bool(many) or not after[0].isalpha()
    literal = [segment for segment in context.operation.path.split("/") if segment and "{" not in segment]
    noun = singular((split_words(literal[-1]) or [""])[-1]) if literal else ""
    return any(singular(word) == noun != word for word in after[:2])


def _name_share(context: SlotContext, slot: Slot, before: WeightedStems, behind: WeightedStems) -> float:
    """Return the share of the name of a slot that stands beside a mention, by the weights of words and distances."""
    weights, others = context.name_weights[slot], context.positions_of_longer_names(slot)
    near: dict[str, float] = {}
    for word, nearness, at in (*before, *behind):
        if word in weights and at not in others:
            near[word] = max(near.get(word, 0.0), nearness)
    total = sum(weights.values()) or 1.0
    return sum(weights[word] * nearness for word, nearness in near.items()) / max(total, 0.5)


def _prose_share(context: SlotContext, slot: Slot, before: WeightedStems, behind: WeightedStems) -> float:
    """Return how much of the description of a slot, without its name, stands beside a mention."""
    words = {word: near for word, near, _ in (*before, *behind) if word in slot.prose and word not in slot.words}
    return min(1.0, sum(near * context.prose_weight(word) for word, near in words.items() if word not in STOPWORDS))


_FORMS = ("percent", "url", "uuid", "numbered", "whole", "clause", "part")
_CLASSES = """
of|for|in at near|to into|from|by with using|about on|is are = equals as|and or &|, ;|: "|the a an my
|called named titled|( [|per each every|over above than least|under below most until
"""
# Class of the word before a mention: 0 at the beginning of the sentence, 1 for any word that is not here.
_BEFORE = {word: 2.0 + at for at, words in enumerate(_CLASSES.split("|")) for word in words.split()}
# Names of the features of a mention and of a slot, in the order of `span_traits` and `slot_traits`.
MENTION_FEATURES = (
    *(f"is_{kind}" for kind in MentionKind),
    *(f"as_{form}" for form in _FORMS),
    *("tokens", "length", "capital", "digits", "at_end", "before", "before_that", "after", "little_words"),
    *("verbs", "within", "in_address", "alike", "nth", "then", "starts_at", "rarity"),
)
SLOT_FEATURES = (
    *(f"for_{family}" for family in Family),
    *("many", "integer", "required", "default", "depth", "place", "slots", "needed", "same_family", "same_needed"),
    *("choices", "formatted", "in_path", "in_query", "name_length", "mentioned", "spoken"),
    *("first_of_family", "closes", "named", "sought", "numberlike"),
)


def mention_features(sentence: Sentence, slot_mention: ValueMention) -> list[float]:
    """Return the features named by SPAN_TRAITS: the kind of a mention, its size, the words around it."""
    tokens = sentence.tokens
    inside = [token for token in tokens[slot_mention.first : slot_mention.last] if token.word]
    same = [
        mention
        for mention in sentence.mentions
        if mention.kind is slot_mention.kind and mention.form not in ALTERNATIVE_FORMS
    ]
    return [
        *(float(slot_mention.kind is kind) for kind in MentionKind),
        *(float(slot_mention.form == form) for form in _FORMS),
        float(slot_mention.last - slot_mention.first),
        float(min(40, len(slot_mention.text))),
        float(slot_mention.text[:1].isupper()),
        sum(map(str.isdigit, slot_mention.text)) / max(1, len(slot_mention.text)),
        float(slot_mention.last >= len(tokens) - 1),
        _before(sentence, slot_mention.first - 1),
        _before(sentence, slot_mention.first - 2),
        _after(sentence, slot_mention.last),
        float(sum(token.lower in STOPWORDS for token in inside)),
        float(sum(token.stem in VERBS for token in inside)),
        float(
            sum(wider.first <= slot_mention.first and slot_mention.last <= wider.last for wider in sentence.mentions)
            - 1
        ),
        float(sentence.in_address(slot_mention)),
        float(len(same)),
        float(sum(mention.start < slot_mention.start for mention in same)),
        _BEFORE.get(tokens[slot_mention.last].lower, 1.0) if slot_mention.last < len(tokens) else 0.0,
        slot_mention.first / max(1, len(tokens)),
        max((rarity(token.stem) for token in inside if token.text.isalpha()), default=0.0),
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


def slot_features(context: SlotContext, slot: Slot) -> list[float]:
    """Return the features named by SLOT_TRAITS: the type of a slot, its position, and how much of it is spoken of."""
    stems = context.sentence.stem_set
    position, same, nth = context.ranks[slot]
    weights = context.name_weights[slot]
    return [
        *_type_features(slot),
        float(position),
        float(len(context.slots)),
        float(context.required_count),
        float(len(same)),
        float(sum(similar.required for similar in same)),
        *_shape_features(slot),
        sum(word in stems for word in weights) / max(1, len(weights)),
        sum(word in stems for word in slot.prose) / max(1, len(slot.prose)),
        float(nth),
        *_name_features(slot),
    ]


@lru_cache(maxsize=4096)
def _type_features(slot: Slot) -> tuple[float, ...]:
    return (
        *(float(slot.family is family) for family in Family),
        float(slot.is_array),
        float(slot.is_integer),
        float(slot.required),
        float(slot.has_default),
        float(len(slot.path)),
    )


@lru_cache(maxsize=4096)
def _shape_features(slot: Slot) -> tuple[float, ...]:
    return (
        float(len(slot.choices)),
        float("format" in slot.description.lower()),
        float(slot.location == "path"),
        float(slot.location == "query"),
        float(len(slot.words)),
    )


@lru_cache(maxsize=4096)
def _name_features(slot: Slot) -> tuple[float, ...]:
    """Return the features of the name of a slot."""
    words = set(slot.words)
    return (
        float(bool(CLOSING & words)),
        float(bool(NAMELIKE & words)),
        float(bool(QUERYLIKE & words)),
        float(bool(_NUMBERLIKE & words)),
    )
