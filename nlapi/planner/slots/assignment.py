"""Fills the slots of one Tool from a sentence: of the options for all of them, the best that go together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nlapi.planner.language.text import LOOSE, Kind, Span
from nlapi.planner.slots.candidates import options
from nlapi.planner.slots.context import Scene
from nlapi.planner.slots.overrides import SURE, plainly
from nlapi.planner.slots.scoring import judged, weighed
from nlapi.planner.slots.slot import Option, Slot

REQUIRED_AT = 0.08
"""A required slot is filled by the best option that is at least this sure."""
OPTIONAL_AT = 0.5
"""An optional slot is left out rather than filled by an option less sure than this."""
UNSPOKEN = 0.4
"""How likely an optional slot is to be left out where only a name to look up was found for it."""
USED = 0.3
"""What it is worth, in log-odds, to leave no quotation or id unused."""
REMEMBERED_AT = 0.88
"""What the user answered earlier gives way to the sentence only when it is this clear."""
BEAM = 24
PER_SLOT = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """The slots of a tool, filled: the arguments as they go into a Call, and how sure each option was."""

    options: tuple[Option, ...]
    missing: tuple[Slot, ...]
    unused: tuple[Span, ...]

    @property
    def arguments(self) -> dict[str, Any]:
        return nest({option.slot.path: option.value for option in self.options})


def nest(values: Mapping[tuple[str, ...], Any]) -> dict[str, Any]:
    """{("budget", "amount"): 5} -> {"budget": {"amount": 5}}."""
    whole: dict[str, Any] = {}
    for path, value in values.items():
        place = whole
        for step in path[:-1]:
            place = place.setdefault(step, {})
        place[path[-1]] = value
    return whole


def fill(scene: Scene) -> Filling:
    """The likeliest value of each slot, no word of the sentence used twice."""
    every = list(options(scene))
    found = judged(scene, weighed(scene, every))
    ranked = sorted(plainly(scene, found.options, every), key=lambda option: -option.sure)
    plain = {option.slot for option in ranked if option.sure >= SURE}
    worth = {slot: 1.0 - SURE if slot in plain else _none(scene, slot, found.none) for slot in scene.slots}
    taken = _assign([option for option in _free(scene, ranked) if option.sure >= _least(scene, option.slot)], worth)
    filled = {option.slot for option in taken}
    missing = tuple(slot for slot in scene.slots if slot.required and slot not in filled)
    unused = tuple(
        span for span in scene.sentence.spans if _matters(span) and not any(_covers(one, span) for one in taken)
    )
    taken.sort(key=lambda option: scene.ranks[option.slot][0])
    return Filling(options=tuple(taken), missing=missing, unused=unused)


def _free(scene: Scene, ranked: Sequence[Option]) -> list[Option]:
    """The options for what the user has not given by name, without those whose words say that as surely."""
    given = [option for option in ranked if option.slot in scene.given]
    return [
        option
        for option in ranked
        if option.slot in scene.remembered
        or (
            option.slot not in scene.given
            and not any(_said_of(one, option) for one in given if one.sure >= option.sure)
        )
    ]


def _said_of(one: Option, other: Option) -> bool:
    return one.start == other.start and one.end == other.end and one.value == other.value


def _least(scene: Scene, slot: Slot) -> float:
    return REMEMBERED_AT if slot in scene.remembered else REQUIRED_AT if slot.required else OPTIONAL_AT


def _none(scene: Scene, slot: Slot, none: Mapping[Slot, float]) -> float:
    """How likely it is that a slot is to be left out; of one that is required it is not to be made much of."""
    if slot.required:
        return REQUIRED_AT / 2
    return none.get(slot, UNSPOKEN)


def _assign(options: Sequence[Option], none: Mapping[Slot, float]) -> list[Option]:
    """The options that are worth most together, one a slot and no word used twice; a beam over the slots."""
    by_slot: dict[Slot, list[Option]] = {}
    for option in options:
        by_slot.setdefault(option.slot, []).append(option)
    beam: list[tuple[float, list[Option]]] = [(0.0, [])]
    for slot, few in by_slot.items():
        grown = list(beam)
        for worth, taken in beam:
            free = (option for option in few[:PER_SLOT] if not any(option.collides(one) for one in taken))
            grown.extend((worth + _gain(option, none[slot]), [*taken, option]) for option in free)
        grown.sort(key=lambda state: -state[0])
        beam = grown[:BEAM]
    return beam[0][1]


def _gain(option: Option, none: float) -> float:
    """What filling a slot is worth over leaving it out: the logarithm of how much likelier that is right."""
    used = USED * sum(span.kind in (Kind.QUOTED, Kind.LITERAL, Kind.JSON) for span in option.spans[:1])
    return used + math.log(max(0.001, option.sure)) - math.log(max(0.001, none))


def _matters(span: Span) -> bool:
    return span.kind not in (Kind.CALLED, Kind.PHRASE) and span.form not in LOOSE


def _covers(option: Option, span: Span) -> bool:
    return option.start < span.end and span.start < option.end
