"""Flags by which a read answers with more: the one for all things, and those for each part of what it returns."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from nlapi.openapi.spec import Effect, Operation
from nlapi.planner.language.question_intent import Want, wish_of
from nlapi.planner.operations.candidates import Candidate
from nlapi.planner.operations.intent_rewrites import says_all
from nlapi.planner.slots.assignment import Filling
from nlapi.planner.slots.entities import noun_stems
from nlapi.planner.slots.slot import Family, Option, Slot
from nlapi.resources.naming import stem

_AROUND_ALL = frozenset(map(stem, "show include list return get with".split()))
_PART = re.compile(
    r"^\W*(?:return|show|include|get)s?\s+(?:the\s+)?(?P<noun>\w+)\s+(?:from|of)\s+\W?(?P<name>\w+)", re.I
)


def all_flag(slots: Iterable[Slot]) -> Slot | None:
    """Return the flag of a listing by which it lists all there are, where it leaves some out by default."""
    flags = (slot for slot in slots if slot.family is Family.BOOLEAN and slot.where == "query")
    return next((slot for slot in flags if set(slot.words) - _AROUND_ALL == {"all"}), None)


def part_flags(operation: Operation, slots: Iterable[Slot]) -> tuple[Slot, ...]:
    """Return the flags that each ask for a part of what a read returns: logs from stdout, logs from stderr."""
    found = []
    for slot in slots:
        said = _PART.match(slot.description) if slot.family is Family.BOOLEAN else None
        if said and stem(said["noun"].lower()) in noun_stems(operation) and said["name"].lower() == slot.name.lower():
            found.append(slot)
    return tuple(found) if len(found) > 1 else ()


def broadened(best: Candidate) -> Filling:
    """Return the filling of a read with its flags set where it would leave out what the question is about.

    What the request does not express is looked for in the answer, so that all things have to be in it; and a read that
    returns parts of something returns all of them where none is named.
    """
    filling, slots = best.filling, best.scene.slots
    if best.tool.effect is not Effect.READ:
        return filling
    filled = {option.slot for option in filling.options} | best.scene.given
    flag, parts = all_flag(slots), part_flags(best.operation, slots)
    counts = wish_of(best.scene.sentence.text).want is Want.COUNT
    sought = counts or not says_all(best) or not all(option.narrows for option in filling.options)
    flags = [flag] if flag is not None and flag not in filled and sought else []
    flags += parts if filled.isdisjoint(parts) else ()
    added = (Option(slot=one, value=True, sure=1.0, start=0, end=0) for one in flags)
    return replace(filling, options=(*filling.options, *added))
