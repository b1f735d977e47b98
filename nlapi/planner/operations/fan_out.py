"""The same read for several values: the airports KJFK and KLGA are two calls of one operation that takes one code."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from nlapi.planner.language.text import LOOSE, Kind, Span
from nlapi.planner.operations.candidates import Candidate
from nlapi.planner.slots.slot import Family, Option
from nlapi.planner.slots.values import value_for
from nlapi.tools.plan import Plan
from nlapi.tools.tool import Call

MOST = 5
_KINDS = (Kind.NAME, Kind.LITERAL, Kind.QUOTED)
_JOINTS = frozenset((",", "and", "&", "or", "the", "both", "(", ")", "/"))
_FAR = 12
"""Tokens that may stand between two of the values: John F. Kennedy (KJFK) and LaGuardia (KLGA)."""


def with_twins(plan: Plan, best: Candidate) -> Plan:
    """`plan` with a call for each value that the sentence gives for one required argument; as it is when it gives one.

    Only values that no other argument took, of the same kind as the first and joined to it, count.
    """
    for option in best.filling.options:
        others = _others(option, best) if option.slot.required and not option.slot.many else []
        if others and len(plan.calls) == 1 and len(option.slot.path) == 1:
            call = plan.calls[0]
            calls = (call, *(_again(call, option, value, n) for n, value in enumerate(others, 2)))
            text = f"{plan.understood.partition('; not used')[0]}; the same for {', '.join(map(str, others))}"
            return replace(plan, calls=calls, understood=text)
    return plan


def _again(call: Call, option: Option, value: Any, number: int) -> Call:
    return replace(call, arguments={**call.arguments, option.slot.name: value}, id=f"{call.id} {number}")


def _others(option: Option, best: Candidate) -> list[Any]:
    """The other values for the slot of `option` that stand in a row with its own."""
    own = option.spans[0] if len(option.spans) == 1 else None
    if own is None or own.kind not in _KINDS or option.slot.family in (Family.CHOICE, Family.BOOLEAN):
        return []
    alike = [span for span in best.filling.unused if span.kind is own.kind and _same_shape(span, own)]
    row = sorted([own, *alike], key=lambda span: span.first)
    run = [span for span in _run(row, row.index(own), best) if span is not own]
    values = (value_for(span, option.slot, best.scene.sentence) for span in run)
    return [value for value in dict.fromkeys(values) if value is not None and value != option.value][: MOST - 1]


def _run(row: list[Span], at: int, best: Candidate) -> list[Span]:
    """The spans around the one at `at` that are joined to it, one to the next."""
    first = last = at
    while first > 0 and _joined(best, row[first - 1], row[first]):
        first -= 1
    while last + 1 < len(row) and _joined(best, row[last], row[last + 1]):
        last += 1
    return row[first : last + 1]


def _same_shape(one: Span, other: Span) -> bool:
    """Are both in capitals, or neither, and neither a longer reading of a shorter one?"""
    return one.text.isupper() == other.text.isupper() and one.form == other.form and one.form not in LOOSE


def _joined(best: Candidate, first: Span, second: Span) -> bool:
    """Is there an `and` or a comma between two spans, and nothing that parts them?"""
    between = best.scene.sentence.tokens[first.last : second.first]
    near = all(token.lower in _JOINTS for token in between)
    bracketed = any(token.text == "(" for token in between) and any(token.lower == "and" for token in between)
    return bool(between) and ((near and len(between) <= 3) or (bracketed and len(between) <= _FAR))
