"""What a stretch of a sentence is like by itself, and what a Slot is like by itself, as rows of figures."""

from __future__ import annotations

from functools import lru_cache

from nlapi.planner.match import NAMELIKE, QUERYLIKE, page_number, page_size
from nlapi.planner.moments import CLOSING, OPENING
from nlapi.planner.slots.context import Scene
from nlapi.planner.language.english.text import LOOSE, Kind, Sentence, Span
from nlapi.planner.slots import Family, Slot
from nlapi.planner.language.english.lexicon import STATES
from nlapi.resources.naming import STOPWORDS, VERBS, stem
from nlapi.tools.meaning import rarity

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
