"""What a stretch of a sentence is in the world, and how near its words are in meaning to those of a Slot."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from nlapi.planner.language.gazetteer import is_region, region_of
from nlapi.planner.language.lexicon import COUNTRIES, CURRENCY_NAMES, LANGUAGES, STATES
from nlapi.planner.language.text import Kind, Span
from nlapi.planner.slots.slot import Slot
from nlapi.resources.naming import STOPWORDS, split_words, stem
from nlapi.tools.word_similarity import similarity

_SAMPLES = 8
"""Samples of a description that are looked at."""
_FAINT = 0.35
"""Words less alike than this have nothing to do with each other."""
_CODES = frozenset(CURRENCY_NAMES.values())
_WORLD = {
    "currency": "currency",
    "language": "language locale lang",
    "country": "country nation nationality",
    "state": "state province",
    "town": "city town location place address destination origin venue region area district county",
}
_WANTS = {stem(word): kind for kind, words in _WORLD.items() for word in words.split()}
_NEAR = {frozenset(("town", "country")), frozenset(("town", "state")), frozenset(("country", "state"))}
"""What may stand for one another: a country is a place."""


@lru_cache(maxsize=8192)
def world(text: str) -> str:
    """What a text names, of what the tables know: currency, language, country, state or town; else ""."""
    lower = text.lower().removeprefix("the ")
    if text in _CODES or lower in CURRENCY_NAMES:
        return "currency"
    if lower in LANGUAGES:
        return "language"
    if lower in COUNTRIES:
        return "country"
    if lower in STATES:
        return "state"
    town, comma, after = text.partition(", ")
    if comma:
        return "town" if is_region(after) or region_of(town) else ""
    return "town" if text[:1].isupper() and region_of(text) else ""


def world_fits(span: Span, slot: Slot) -> float:
    """1 for a span of the kind that a slot's name asks for, 0.5 when only its description does, -1 for another kind."""
    if span.kind not in (Kind.NAME, Kind.PHRASE, Kind.QUOTED, Kind.LITERAL, Kind.CALLED):
        return 0.0
    own, told = _wanted(slot)
    kind = world(span.text.strip(" .,")) if told else ""
    if not kind:
        return -0.4 if own and own != "town" else 0.0
    if kind == told:
        return 1.0 if own else 0.5
    return 0.0 if not own else 0.2 if frozenset((kind, own)) in _NEAR else -1.0


@lru_cache(maxsize=4096)
def _wanted(slot: Slot) -> tuple[str, str]:
    """What of the world the name of a slot asks for, and what its name or else its description does."""
    own = _wants(slot.words)
    return own, own or _wants(sorted(slot.prose))


def _wants(words: Iterable[str]) -> str:
    return next((_WANTS[word] for word in words if word in _WANTS), "")


def to_words(words: Iterable[str], stems: Iterable[str]) -> dict[str, float]:
    """Each of `stems` that is like one of `words`, with how much."""
    mine = [word for word in words if word not in STOPWORDS]
    near = ((one, max((similarity(word, one) for word in mine), default=0.0)) for one in stems)
    return {one: close for one, close in near if close >= _FAINT}


@lru_cache(maxsize=4096)
def sample_stems(slot: Slot) -> tuple[str, ...]:
    """The last words of what a description gives as values."""
    return tuple(stem(words[-1]) for one in slot.samples[:_SAMPLES] if (words := split_words(one)))
