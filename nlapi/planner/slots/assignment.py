"""The assignment of values to the slots of one Tool: of the candidates for all slots, the best that go together."""

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

# Least probability of the value of a required slot. On the public questions, out of fold, 0.12 had 0.003 fewer exact;
# 0.04 had 0.01 more, but made values up where the user should be asked (docs/design/008-learned-slots.md).
REQUIRED_AT = 0.08
# The same of an optional slot. A lower floor was no more exact, and made values up (docs/design/008-learned-slots.md).
OPTIONAL_AT = 0.5
# Probability that an optional slot stays empty where its only candidate is a name to look up, which has no row for the
# second forest to rate.
UNSPOKEN = 0.4
# Log-odds added to a candidate made of a quotation, an id or JSON: nobody writes those for nothing.
USED = 0.3
# A value that the user answered earlier is replaced by none less probable than this.
REMEMBERED_AT = 0.88
# Partial assignments, and candidates of a slot, that the search goes on with.
BEAM = 24
PER_SLOT = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """Candidates for the slots of a tool, one a slot at most, with the required slots and the mentions without one."""

    options: tuple[Option, ...]
    missing: tuple[Slot, ...]
    unused: tuple[Span, ...]

    @property
    def arguments(self) -> dict[str, object]:
        """The arguments of a Call."""
        return nest({option.slot.path: option.value for option in self.options})


def nest(values: Mapping[tuple[str, ...], object]) -> dict[str, object]:
    """Return values by path as nested objects: {("budget", "amount"): 5} -> {"budget": {"amount": 5}}."""
    root: dict[str, Any] = {}
    for path, value in values.items():
        parent = root
        for step in path[:-1]:
            parent = parent.setdefault(step, {})
        parent[path[-1]] = value
    return root


def fill(scene: Scene) -> Filling:
    """Return the likeliest value of each slot, with no word of the sentence used twice."""
    offered = list(options(scene))
    rated = judged(scene, weighed(scene, offered))
    ranked = sorted(plainly(scene, rated.options, offered), key=lambda option: -option.sure)
    certain = {option.slot for option in ranked if option.sure >= SURE}
    empty = {slot: 1.0 - SURE if slot in certain else _empty_probability(slot, rated.none) for slot in scene.slots}
    assigned = _best_set(
        [option for option in _open(scene, ranked) if option.sure >= _floor(scene, option.slot)], empty
    )
    filled = {option.slot for option in assigned}
    missing = tuple(slot for slot in scene.slots if slot.required and slot not in filled)
    unused = tuple(
        span
        for span in scene.sentence.spans
        if span.kind not in (Kind.CALLED, Kind.PHRASE)
        and span.form not in LOOSE
        and not any(option.start < span.end and span.start < option.end for option in assigned)
    )
    assigned.sort(key=lambda option: scene.ranks[option.slot][0])
    return Filling(options=tuple(assigned), missing=missing, unused=unused)


def _open(scene: Scene, ranked: Sequence[Option]) -> list[Option]:
    """Return the candidates of slots whose value is not preset, without words that fit a preset slot better."""
    preset = [option for option in ranked if option.slot in scene.given]

    def is_preset(option: Option) -> bool:
        words = option.start, option.end, option.value
        return any(other.sure >= option.sure and (other.start, other.end, other.value) == words for other in preset)

    return [
        option
        for option in ranked
        if option.slot in scene.remembered or (option.slot not in scene.given and not is_preset(option))
    ]


def _floor(scene: Scene, slot: Slot) -> float:
    return REMEMBERED_AT if slot in scene.remembered else REQUIRED_AT if slot.required else OPTIONAL_AT


def _empty_probability(slot: Slot, none: Mapping[Slot, float]) -> float:
    """Return how likely a slot is to stay empty; for a required one half of the floor, so that any candidate wins."""
    return REQUIRED_AT / 2 if slot.required else none.get(slot, UNSPOKEN)


def _best_set(options: Sequence[Option], empty: Mapping[Slot, float]) -> list[Option]:
    """Return the candidates that gain most together, one a slot and no word used twice, by a beam over the slots."""
    by_slot: dict[Slot, list[Option]] = {}
    for option in options:
        by_slot.setdefault(option.slot, []).append(option)
    beam: list[tuple[float, list[Option]]] = [(0.0, [])]
    for slot, ranked in by_slot.items():
        extended = list(beam)
        for gain, assigned in beam:
            free = (option for option in ranked[:PER_SLOT] if not any(map(option.collides, assigned)))
            extended.extend((gain + _gain(option, empty[slot]), [*assigned, option]) for option in free)
        extended.sort(key=lambda state: -state[0])
        beam = extended[:BEAM]
    return beam[0][1]


def _gain(option: Option, empty: float) -> float:
    """Return by how much a value is likelier than an empty slot, in log-odds."""
    used = USED * sum(span.kind in (Kind.QUOTED, Kind.LITERAL, Kind.JSON) for span in option.spans[:1])
    return used + math.log(max(0.001, option.sure)) - math.log(max(0.001, empty))
