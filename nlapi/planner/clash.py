"""Contradictions: two values for what has one, adjectives that exclude each other, a range that ends too early."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from nlapi.planner.option import Option
from nlapi.planner.slots.context import Scene
from nlapi.planner.language.english.text import Kind, Sentence, Span
from nlapi.planner.slots import Family, Slot
from nlapi.planner.language.english.lexicon import SYNONYMS
from nlapi.resources.naming import pieces, stem

_JOINED = re.compile(r"\b(?:and|or|both|either|nor|plus|to|then|not|from)\b|[,/&+|]", re.IGNORECASE)
_ENDS = (
    ("min", "max"),
    ("minimum", "maximum"),
    ("start", "end"),
    ("from", "to"),
    ("from", "until"),
    ("after", "before"),
    ("since", "until"),
    ("gte", "lte"),
    ("gt", "lt"),
    ("lower", "upper"),
    ("begin", "end"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clash:
    """What contradicts itself, in words; the slot that the user has to give anew, and the values to choose from."""

    why: str
    slot: Slot | None = None
    values: tuple[Any, ...] = ()


def clash_in(scene: Scene, options: Sequence[Option]) -> Clash | None:
    """The first contradiction among what a sentence says of one call; None when there is none."""
    return _between(scene.sentence) or _ranges(options) or _choices(scene, options)


def _between(sentence: Sentence) -> Clash | None:
    """between 50 and 20"""
    spans = [span for span in sentence.spans if span.kind in (Kind.NUMBER, Kind.DATE) and _orders(span)]
    for first in spans:
        if not first.first or sentence.tokens[first.first - 1].lower != "between":
            continue
        for second in spans:
            joined = second.first > first.last and sentence.tokens[second.first - 1].lower == "and"
            if joined and second.first - first.last <= 2 and second.kind is first.kind and _after(first, second):
                return Clash(why=f"nothing is between {first.text} and {second.text}")
    return None


def _orders(span: Span) -> bool:
    """A number or a day: not an hour, which comes again every day."""
    return isinstance(span.value, (int, float)) or type(span.value) is date


def _after(first: Span, second: Span) -> bool:
    try:
        return bool(first.value > second.value)
    except TypeError:
        return False


def _ranges(options: Sequence[Option]) -> Clash | None:
    """A least that is over the most, a start after the end: by the names of the slots and their values."""
    by_words = {tuple(pieces(option.slot.name)): option for option in options if not option.slot.many}
    for words, low in by_words.items():
        for least, most in _ENDS:
            if least not in words:
                continue
            high = by_words.get(tuple(most if word == least else word for word in words))
            if high is None or low.slot.path[:-1] != high.slot.path[:-1] or type(low.value) is not type(high.value):
                continue
            if _ordered(low) and _ordered(high) and low.value > high.value:
                why = f"{low.slot.name} would be {low.value}, and {high.slot.name} {high.value}"
                return Clash(why=why, slot=high.slot)
    return None


def _ordered(option: Option) -> bool:
    """A number, or a day written so that days sort."""
    if isinstance(option.value, (int, float)) and not isinstance(option.value, bool):
        return True
    return isinstance(option.value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", option.value) is not None


def _choices(scene: Scene, options: Sequence[Option]) -> Clash | None:
    """Values of one enum that stand next to each other with nothing between them: active paused campaigns."""
    for option in options:
        if option.slot.family is not Family.CHOICE:
            continue
        said = option.value if isinstance(option.value, list) else [option.value]
        every = list(dict.fromkeys([*said, *_beside(scene, option)]))
        text = scene.sentence.text[option.start : option.end]
        if len(every) > 1 and not _JOINED.search(text) and _adjectives(scene, option.slot, every):
            names = " and ".join(map(str, every))
            return Clash(why=f"nothing is {names} at once", slot=option.slot, values=tuple(every))
    return None


def _beside(scene: Scene, option: Option) -> list[Any]:
    """Other choices of the slot that are said right before or after the one that was taken."""
    tokens = scene.sentence.tokens
    inside = [at for at, token in enumerate(tokens) if option.start <= token.start < option.end]
    if not inside:
        return []
    beside = [tokens[at] for at in (inside[0] - 1, inside[-1] + 1) if 0 <= at < len(tokens)]
    return [choice for choice in option.slot.choices for token in beside if _means(choice, token.stem)]


def _means(choice: Any, word: str) -> bool:
    words = tuple(map(stem, pieces(str(choice))))
    return len(words) == 1 and (words[0] == word or word in SYNONYMS.get(words[0], ()))


def _adjectives(scene: Scene, slot: Slot, values: Sequence[Any]) -> bool:
    """Is each of the values said in one word, one right after the other?"""
    stems = scene.sentence.stems
    at = [next((n for n, word in enumerate(stems) if _means(value, word)), -9) for value in values]
    return -9 not in at and max(at) - min(at) == len(values) - 1
