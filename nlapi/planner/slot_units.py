"""Units of slots: what an argument is counted in, and the measures of a sentence converted to it."""

from __future__ import annotations

import re
from functools import lru_cache

from nlapi.planner.language.english.measures import Unit, said, unit
from nlapi.planner.language.english.text import Kind, Sentence, Span
from nlapi.planner.slots import Slot

_ASKED = re.compile(
    r"\b(?:in|of|as|per|number of|how many|measured in|specified in|expressed in)\s+(?:the\s+|whole\s+)?([^\W\d_]+)"
    r"|\(([^\W\d_]+)\)|([^\W\d_]{4,})\s*[.)]?$|^([^\W\d_]{5,})\b",
    re.IGNORECASE,
)


def wanted(slot: Slot) -> Unit | None:
    """What an argument is counted in, by its name or else by its description."""
    return _wanted(slot.name, slot.description)


@lru_cache(maxsize=4096)
def _wanted(name: str, description: str) -> Unit | None:
    last = re.split(r"[_\-\s]|(?<=[a-z])(?=[A-Z])", name)[-1]
    found = unit(last.lower()) if len(last) > 1 else None
    if found is not None:
        return found
    for match in _ASKED.finditer(description[:200]):
        word = next(group for group in match.groups() if group is not None)
        found = unit(word) if len(word) > 1 else None
        if found is not None:
            return found
    return None


def measured(sentence: Sentence, span: Span, slot: Slot) -> bool:
    """Does a number say what it is counted in, and is that something that the slot can be counted in?"""
    one, other = said(sentence, span), wanted(slot)
    return one is not None and other is not None and one.dimension == other.dimension


def converted(sentence: Sentence, span: Span, slot: Slot) -> float | int | None:
    """The number of a span in the unit of a slot, when that is another one: 2 hours in minutes are 120.

    What follows in a smaller unit is added: 1 hour and 30 minutes.
    """
    one, other = said(sentence, span), wanted(slot)
    if one is None or other is None or one.dimension != other.dimension:
        return None
    total = float(span.value) * one.factor
    added = _rest(sentence, span, one)
    if one.factor == other.factor and not added:
        return None
    value = float(f"{(total + added) / other.factor:.10g}")
    return int(value) if value.is_integer() else value


def _rest(sentence: Sentence, span: Span, one: Unit) -> float:
    """What is said right after a measure in a smaller unit of the same dimension, in the base."""
    for after in sentence.spans:
        if after.kind is Kind.NUMBER and span.last <= after.first <= span.last + 3:
            smaller = said(sentence, after)
            if smaller is not None and smaller.dimension == one.dimension and smaller.factor < one.factor:
                return float(after.value) * smaller.factor
    return 0.0
