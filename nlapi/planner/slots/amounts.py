"""The numbers that a sentence states with what they count: 50 requests a second, 8 calls in flight, $80 per day."""

from __future__ import annotations

import re
from functools import lru_cache

from nlapi.english.words import stem
from nlapi.lazy_pattern import lazy_pattern
from nlapi.planner.language.numbers import unit_of_mention
from nlapi.planner.language.text import MentionKind, Sentence, ValueMention
from nlapi.planner.slots.context import SlotContext
from nlapi.planner.slots.slot import Family, Slot, SlotCandidate
from nlapi.planner.slots.value_forms import OPENING, slot_unit
from nlapi.resources.naming import STOPWORDS
from nlapi.tools.units import RATES

# Words behind a number that may say what it counts, at most.
_REACH = 6
# Words at which that ends: 4 calls [for] partner-x.
_ENDS = frozenset("for on to from of by with and or until since because please then".split())
_BETWEEN = lazy_pattern(r"\b(?:between|from)\s+(?:the\s+)?(?:\w+\s+)?$", re.IGNORECASE)
_AND = lazy_pattern(r"\s*(?:and|to|through|-|–)\s+(?:the\s+)?(?:\w+\s+)?", re.IGNORECASE)
_FROM = lazy_pattern(r"\b(?:from|with|to|against|than|versus|vs\.?|and)\s+(?:the\s+)?(?:\w+\s+)?$", re.IGNORECASE)
_COMPARES = frozenset(map(stem, "compare compared comparison differ different difference diff versus vs".split()))
_MONEY = stem("dollar")
# Words in the names of limits that say nothing of what is counted.
_BARE_WORDS = frozenset(map(stem, ("per", "max", "maximum", "min", "minimum", "limit", "number")))


def is_stated_amount(context: SlotContext, candidate: SlotCandidate) -> bool:
    """Return whether the words behind a number name its slot, and no other slot as well."""
    mention, slot = candidate.mention, candidate.slot
    if mention is None or not _is_amount(slot) or mention.kind is not MentionKind.NUMBER or mention.form == "percent":
        return False
    if candidate.conversion not in ("", "measured"):
        return False
    counted = _counted_stems(context.sentence, mention)
    if not counted:
        return False
    amounts = [other for other in context.slots if _is_amount(other)]
    matches = [other for other in amounts if _names(counted, other)]
    if not matches:
        spoken = counted | context.sentence.stem_set
        matches = [other for other in amounts if _names(spoken, other) and not counted.isdisjoint(other.words)]
    if not matches:
        matches = [other for other in amounts if _has_only_words(context, counted, other, amounts)]
    if matches != [slot]:
        return False
    unit, wire_unit = unit_of_mention(context.sentence, mention), slot_unit(slot)
    is_converted = unit is not None and wire_unit is not None and unit.factor != wire_unit.factor
    return is_converted is (candidate.conversion == "measured")


def is_stated_end(context: SlotContext, candidate: SlotCandidate) -> bool:
    """Return whether a number is the end of a range that its slot takes: between revision [8] and [11], by `from`."""
    mention, slot = candidate.mention, candidate.slot
    if mention is None or candidate.conversion or slot.family is not Family.NUMBER:
        return False
    slots = [other for other in context.slots if other.family is Family.NUMBER]
    firsts = [other for other in slots if not OPENING.isdisjoint(other.words)]
    if len(slots) != 2 or len(firsts) != 1:
        return False
    ends = _range_ends(context.sentence)
    return ends is not None and mention is ends[slot is not firsts[0]]


def _range_ends(sentence: Sentence) -> tuple[ValueMention, ValueMention] | None:
    """Return the two numbers of a range, the one that it begins with first; None without a range, or with more numbers.

    A range is `between 8 and 11`, and what is compared: how does 11 differ from 8.
    """
    numbers = [mention for mention in sentence.mentions if mention.kind is MentionKind.NUMBER]
    if len(numbers) != 2:
        return None
    first, last = numbers
    between = sentence.text[first.end : last.start]
    if _BETWEEN.search(sentence.text[: first.start]) and _AND.fullmatch(between):
        return first, last
    return (last, first) if not _COMPARES.isdisjoint(sentence.stem_set) and _FROM.search(between) else None


def _is_amount(slot: Slot) -> bool:
    return slot.family is Family.NUMBER and slot.location == "body" and not slot.is_array


def _counted_stems(sentence: Sentence, mention: ValueMention) -> frozenset[str]:
    """Return the stems of what a number counts, those of the period included: request and second of 50 rps."""
    stems: set[str] = {_MONEY} if mention.form == "money" and mention.currency == "USD" else set()
    for token in sentence.tokens[mention.last : mention.last + _REACH]:
        if token.lower in _ENDS or token.text in ".,;:?!":
            break
        if token.word and token.lower not in STOPWORDS:
            stems |= RATES.get(token.lower, frozenset((token.stem,)))
    return frozenset(stems)


@lru_cache(maxsize=4096)
def _name_stems(slot: Slot) -> frozenset[str]:
    return frozenset(slot.words) - STOPWORDS - _BARE_WORDS


def _names(counted: frozenset[str], slot: Slot) -> bool:
    """Return whether the words are all of the name of a slot, which has two at least: requests per second."""
    name = _name_stems(slot)
    return len(name) > 1 and name <= counted


def _has_only_words(context: SlotContext, counted: frozenset[str], slot: Slot, amounts: list[Slot]) -> bool:
    """Return whether a word is in the name or the description of a slot, and of no other: 8 calls in [flight]."""
    slot_words = (slot.prose | set(slot.words)) - context.operation_stems.difference(slot.words)
    others: set[str] = set().union(*(other.prose | set(other.words) for other in amounts if other is not slot))
    return not counted.isdisjoint(slot_words - others)
