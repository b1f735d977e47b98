"""The similarity in meaning of words and slots: by what a text names in the world, and by word vectors."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from nlapi.english.lexicon import text as word_text
from nlapi.english.words import split_words, stem
from nlapi.planner.language.gazetteer import is_region, region_of
from nlapi.planner.language.lexicon import COUNTRIES, CURRENCY_NAMES, LANGUAGES, STATES
from nlapi.planner.language.text import MentionKind, ValueMention
from nlapi.planner.slots.slot import Slot
from nlapi.resources.naming import STOPWORDS
from nlapi.tools.word_similarity import similarity

# Samples of a description that are compared.
_SAMPLES = 8
# Word vectors less alike than this say nothing.
_MIN_SIMILARITY = 0.35
_CODES = frozenset(CURRENCY_NAMES.values())
_KIND_LINES = (line.split(": ") for line in word_text("planner/slots/words", "world_kinds").strip().splitlines())
_KINDS = {stem(word): kind for kind, names in _KIND_LINES for word in names.split()}
# Kinds that may stand for one another: a country is a place.
_NEAR = frozenset(("town", "country", "state"))


@lru_cache(maxsize=8192)
def world_kind(text: str) -> str:
    """Return the kind of what a text names: currency, language, country, state or town; "" for anything else."""
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


def world_fit(mention: ValueMention, slot: Slot) -> float:
    """Return 1 for a mention of the kind in the name of a slot, 0.5 in its description, -1 for one of another kind."""
    if mention.kind not in (
        MentionKind.NAME,
        MentionKind.PHRASE,
        MentionKind.QUOTED,
        MentionKind.LITERAL,
        MentionKind.TITLE,
    ):
        return 0.0
    by_name, expected = _expected_kinds(slot)
    kind = world_kind(mention.text.strip(" .,")) if expected else ""
    if not kind:
        return -0.4 if by_name and by_name != "town" else 0.0
    if kind == expected:
        return 1.0 if by_name else 0.5
    return 0.0 if not by_name else 0.2 if {kind, by_name} <= _NEAR else -1.0


@lru_cache(maxsize=4096)
def _expected_kinds(slot: Slot) -> tuple[str, str]:
    """Return the kind in the name of a slot, and the one in its name or else in its description."""
    by_name = _first_kind(slot.words)
    return by_name, by_name or _first_kind(sorted(slot.prose))


def _first_kind(words: Iterable[str]) -> str:
    return next((_KINDS[word] for word in words if word in _KINDS), "")


def similar_stems(words: Iterable[str], stems: Iterable[str]) -> dict[str, float]:
    """Return the `stems` that are like one of `words`, with their similarity to the nearest."""
    content = [word for word in words if word not in STOPWORDS]
    near = ((word, max((similarity(content_word, word) for content_word in content), default=0.0)) for word in stems)
    return {word: likeness for word, likeness in near if likeness >= _MIN_SIMILARITY}


@lru_cache(maxsize=4096)
def sample_stems(slot: Slot) -> tuple[str, ...]:
    """Return the stems of the last words of the samples in the description of a slot."""
    return tuple(stem(words[-1]) for sample in slot.samples[:_SAMPLES] if (words := split_words(sample)))
