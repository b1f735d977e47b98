"""The directions of days in a read.

`before Friday` is not a first day, `on 3 May` is the first and the last, and `the last 3 days` are not one day.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date

from nlapi.english.lexicon import stems as stem_set
from nlapi.english.lexicon import words as word_set
from nlapi.openapi.spec import Effect
from nlapi.planner.slots.context import SlotContext
from nlapi.planner.slots.slot import DAY_CONVERSION, Family, Slot, SlotCandidate
from nlapi.planner.slots.values import CLOSING, OPENING, encode
from nlapi.reading.text import MentionKind, ValueMention

# Words before a day from which on, and up to which, something is.
_FIRST_LEADS = word_set("reading/words", "first_day_leads")
_LAST_LEADS = word_set("reading/words", "last_day_leads")
_PERIODS = stem_set("planner/slots/words", "periods")
# Probability of a day as both bounds; with 0.85 `who won the match yesterday` is about a report that needs two days.
_BOTH = 0.8


def with_directions(context: SlotContext, offered: Sequence[SlotCandidate]) -> Iterator[SlotCandidate]:
    """Yield the candidates without the days whose lead is of the other bound, and both bounds for a day by itself."""
    if context.operation.effect is not Effect.READ:
        yield from offered
        return
    bounds = {slot: end for slot in context.slots if (end := _is_end(slot)) is not None and slot not in context.preset}
    days = context.sentence.of_kind(MentionKind.DATE)
    led = {mention: end for mention in days if (end := _leads_to_end(context, mention)) is not None}
    first, last = (next((slot for slot, is_end in bounds.items() if is_end is end), None) for end in (False, True))
    alone = days[0] if len(days) == 1 and days[0] not in led and type(days[0].value) is date else None
    is_other = len(bounds) != 2 or any(slot.family is Family.DATE and slot not in bounds for slot in context.slots)
    if alone is not None and first is not None and last is not None and not is_other:
        yield from _both(context, alone, first, last)
        offered = [candidate for candidate in offered if candidate.slot not in bounds or candidate.mention is not alone]
    # A period that no filter takes is not a text for the next one either: it is named as not used.
    longer = [entry.mention for entry in offered if entry.mention is not None and _is_longer(entry.slot, entry.mention)]
    for candidate in offered:
        end, mention = bounds.get(candidate.slot), candidate.mention
        is_period = any(period.start <= candidate.start < period.end for period in longer)
        if is_period and (candidate.slot.family is not Family.DATE or mention in longer) and end is None:
            continue
        if end is None or mention is None or led.get(mention, end) is end:
            yield candidate


def _is_longer(slot: Slot, mention: ValueMention) -> bool:
    """Return whether a mention is of several days, and a filter takes a single one."""
    value, words = mention.value, frozenset(slot.words)
    is_filter = slot.location == "query" and slot.family is Family.DATE and not slot.is_array
    is_single = words.isdisjoint(OPENING | CLOSING | _PERIODS)
    return is_filter and is_single and isinstance(value, tuple) and value[0] != value[1]


def _is_end(slot: Slot) -> bool | None:
    """Return whether a filter is the last day of what is listed, False for the first one; None for no such filter."""
    if slot.location != "query" or slot.family is not Family.DATE or slot.is_array:
        return None
    return next((word in CLOSING for word in reversed(slot.words) if word in OPENING | CLOSING), None)


def _leads_to_end(context: SlotContext, mention: ValueMention) -> bool | None:
    """Return whether the word before a day makes it a last one, False for a first one; None without such a word."""
    before = [token.lower for token in context.sentence.tokens[: mention.first] if token.lower not in ("the", "on")]
    lead = before[-1] if before else ""
    return True if lead in _LAST_LEADS else False if lead in _FIRST_LEADS else None


def _both(context: SlotContext, day: ValueMention, first: Slot, last: Slot) -> Iterator[SlotCandidate]:
    """Yield a day as the first and as the last one."""
    for slot, conversion in ((first, ""), (last, "last_day")):
        values = encode(replace(day, value=(day.value, day.value)), slot, context.sentence)
        value = next((entry.value for entry in values if entry.conversion == conversion), None)
        if value is not None:
            yield SlotCandidate(
                slot=slot, value=value, start=day.start, end=day.end, mentions=(day,), shared=True,
                conversion=DAY_CONVERSION, probability=_BOTH,
            )  # fmt: skip
