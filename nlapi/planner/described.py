"""Things that a sentence calls by what they are like: the silence created by priya, the book with the title Emma."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from nlapi.openapi.spec import Operation
from nlapi.planner.answering.client_filter import Filtered, filter_things
from nlapi.planner.slots.entities import DESCRIBED, Wanted, kind_of
from nlapi.planner.slots.assignment import Filling
from nlapi.planner.option import Option
from nlapi.planner.row_fields import RowFields
from nlapi.planner.slots.context import Scene
from nlapi.planner.slots import Slot
from nlapi.planner.language.english.question_intent import wish_of
from nlapi.resources.fields import Thing
from nlapi.resources.naming import singular
from nlapi.tools.tool import Call

_SURE = 0.6
_LEADING = frozenset("with whose that which where having".split())


def with_description(scene: Scene, filling: Filling, slot: Slot, listing: Operation) -> Filling:
    """Return the filling with the thing looked up that the rest of the sentence describes, from its noun on."""
    tokens, kind = scene.sentence.tokens, kind_of(scene.tool, slot)
    for at in range(len(tokens) - len(kind) - 1):
        last = at + len(kind)
        one = singular(tokens[last - 1].lower) == tokens[last - 1].lower
        if not kind or not one or scene.sentence.stems[at:last] != kind:
            continue
        led = tokens[last].lower in _LEADING or (tokens[last].lower.endswith("ed") and last + 2 < len(tokens))
        start, end = tokens[at].start, tokens[-1].end
        if not led or any(option.start < end and start < option.end for option in filling.options):
            continue
        wanted = Wanted(name=scene.sentence.text[start:end], lister=listing.id, place=DESCRIBED)
        option = Option(slot=slot, value=wanted, sure=_SURE, start=start, end=end)
        return replace(
            filling,
            options=(*filling.options, option),
            missing=tuple(one for one in filling.missing if one is not slot),
            unused=tuple(span for span in filling.unused if span.start < start),
        )
    return filling


def described(text: str, things: Sequence[Thing], call: Call, today: date) -> Filtered:
    """Return the things that a description is of; none where a part of it could not be applied."""
    fields = RowFields(things=tuple(things), operation=call.tool.operation)
    found = filter_things(text, wish_of(text), fields, call, applied=(), taken=(), today=today)
    return found if found.conditions and not found.unapplied else replace(found, things=())
