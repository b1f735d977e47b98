"""Repeats a read for each of several values that a sentence has for one argument."""

from __future__ import annotations

from dataclasses import replace

from nlapi.english import lexicon
from nlapi.planner.operations.candidates import OperationCandidate
from nlapi.planner.slots.slot import Family, SlotCandidate
from nlapi.planner.slots.values import value_for
from nlapi.reading.text import ALTERNATIVE_FORMS, MentionKind, ValueMention
from nlapi.tools.plan import Plan
from nlapi.tools.tool import Call

# Calls of a plan at most.
MAX_CALLS = 5
_KINDS = (MentionKind.NAME, MentionKind.LITERAL, MentionKind.QUOTED)
_JOINTS = lexicon.words("planner/operations/words", "joints")
# Tokens that may stand between two of the values: John F. Kennedy (KJFK) and LaGuardia (KLGA).
_MAX_DISTANCE = 12


def with_fan_out(plan: Plan, best: OperationCandidate) -> Plan:
    """Return `plan` with a call for each value that the sentence has for a required argument.

    Only unused values count that are of the same kind as the first and joined to it.
    """
    for option in best.assignment.candidates:
        values = _further_values(option, best) if option.slot.required and not option.slot.is_array else []
        if values and len(plan.calls) == 1 and len(option.slot.path) == 1:
            call = plan.calls[0]
            calls = (call, *(_repeat(call, option, value, n) for n, value in enumerate(values, 2)))
            text = f"{plan.understood.partition('; not used')[0]}; the same for {', '.join(map(str, values))}"
            return replace(plan, calls=calls, understood=text)
    return plan


def _repeat(call: Call, option: SlotCandidate, value: object, number: int) -> Call:
    return replace(call, arguments={**call.arguments, option.slot.name: value}, id=f"{call.id} {number}")


def _further_values(option: SlotCandidate, best: OperationCandidate) -> list[object]:
    """Return the further values for the slot of `option` that are joined to its own value."""
    first = option.mentions[0] if len(option.mentions) == 1 else None
    if first is None or first.kind not in _KINDS or option.slot.family in (Family.CHOICE, Family.BOOLEAN):
        return []
    similar = [span for span in best.assignment.unused if span.kind is first.kind and _is_same_shape(span, first)]
    row = sorted([first, *similar], key=lambda span: span.first)
    run = [span for span in _run(row, row.index(first), best) if span is not first]
    values = (value_for(span, option.slot, best.context.sentence) for span in run)
    return [value for value in dict.fromkeys(values) if value is not None and value != option.value][: MAX_CALLS - 1]


def _run(row: list[ValueMention], at: int, best: OperationCandidate) -> list[ValueMention]:
    """Return the spans around the one at `at` that are joined to it, each to the next."""
    first = last = at
    while first > 0 and _are_joined(best, row[first - 1], row[first]):
        first -= 1
    while last + 1 < len(row) and _are_joined(best, row[last], row[last + 1]):
        last += 1
    return row[first : last + 1]


def _is_same_shape(span: ValueMention, first: ValueMention) -> bool:
    """Return whether both spans or none are in capitals, and neither is a longer reading of a shorter one."""
    return (
        span.text.isupper() == first.text.isupper() and span.form == first.form and span.form not in ALTERNATIVE_FORMS
    )


def _are_joined(best: OperationCandidate, first: ValueMention, second: ValueMention) -> bool:
    """Return whether only an `and` or a comma is between two spans."""
    between = best.context.sentence.tokens[first.last : second.first]
    near = all(token.lower in _JOINTS for token in between)
    bracketed = any(token.text == "(" for token in between) and any(token.lower == "and" for token in between)
    return bool(between) and ((near and len(between) <= 3) or (bracketed and len(between) <= _MAX_DISTANCE))
