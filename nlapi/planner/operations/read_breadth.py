"""Sets the flags by which a read returns more: the flag for all items, and the flags for each part of its answer."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from nlapi.english.words import stem
from nlapi.openapi.spec import Effect, Operation
from nlapi.planner.language.question_intent import IntentKind, read_intent
from nlapi.planner.operations.candidates import OperationCandidate
from nlapi.planner.operations.sentence_coverage import explains_all_words
from nlapi.planner.slots.assignment import Assignment
from nlapi.planner.slots.entities import operation_noun_stems
from nlapi.planner.slots.slot import Family, Slot, SlotCandidate

_AROUND_ALL = frozenset(map(stem, "show include list return get with".split()))
_PART = re.compile(
    r"^\W*(?:return|show|include|get)s?\s+(?:the\s+)?(?P<noun>\w+)\s+(?:from|of)\s+\W?(?P<name>\w+)", re.I
)


def all_flag(slots: Iterable[Slot]) -> Slot | None:
    """Return the flag of a list for all items, where it leaves some out by default; None without one."""
    flags = (slot for slot in slots if slot.family is Family.BOOLEAN and slot.location == "query")
    return next((slot for slot in flags if set(slot.words) - _AROUND_ALL == {"all"}), None)


def part_flags(operation: Operation, slots: Iterable[Slot]) -> tuple[Slot, ...]:
    """Return the flags that are each for a part of an answer: logs from stdout, logs from stderr."""
    flags = []
    for slot in slots:
        match = _PART.match(slot.description) if slot.family is Family.BOOLEAN else None
        if (
            match
            and stem(match["noun"].lower()) in operation_noun_stems(operation)
            and match["name"].lower() == slot.name.lower()
        ):
            flags.append(slot)
    return tuple(flags) if len(flags) > 1 else ()


def with_breadth_flags(best: OperationCandidate) -> Assignment:
    """Return the assignment of a read with its flags set where the answer would lack what the question is about.

    Conditions that the request does not express are applied to the answer, which then needs all items. A read of parts
    returns all of them where none is named.
    """
    filling, slots = best.assignment, best.context.slots
    if best.tool.effect is not Effect.READ:
        return filling
    assigned = {option.slot for option in filling.candidates} | best.context.preset
    flag, parts = all_flag(slots), part_flags(best.operation, slots)
    counts = read_intent(best.context.sentence.text).kind is IntentKind.COUNT
    is_filtered = counts or not explains_all_words(best) or not all(option.narrows for option in filling.candidates)
    flags = [flag] if flag is not None and flag not in assigned and is_filtered else []
    flags += parts if assigned.isdisjoint(parts) else ()
    added = (SlotCandidate(slot=slot, value=True, probability=1.0, start=0, end=0) for slot in flags)
    return replace(filling, candidates=(*filling.candidates, *added))
