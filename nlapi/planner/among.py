"""How likely each of the few best options is beside the others, and how likely it is that a slot was not spoken of.

weigh.py looks at one pair of span and slot at a time. Here what it said of all of them is looked at together: an option
is worth less when another slot needs its words more, and two ways to read one value share what speaks for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from nlapi.planner.forest import Forest, log_odds
from nlapi.planner.option import Option
from nlapi.planner.slots.context import Scene
from nlapi.planner.language.english.text import Kind
from nlapi.planner.slots import Family, Slot

FEW = 5
"""Options of a slot that are looked at."""
LEAST = 0.02
"""An option less sure than this is not looked at."""
_FAMILIES = tuple(Family)
_KINDS = (Kind.QUOTED, Kind.NUMBER, Kind.DATE, Kind.LITERAL, Kind.NAME, Kind.PHRASE, Kind.CHOICE, Kind.FLAG)
CHOICE_FEATURES = (
    *("none", "rank", "sure", "ahead", "second", "rest", "count", "copies"),
    *("wanted_elsewhere", "needed_elsewhere", "spare_elsewhere", "longer", "shorter"),
    *("required", "default", "is_default", "many", "slots", "needed", "said_of_others", "spoken"),
    *(f"for_{family}" for family in Family),
    *(f"is_{kind}" for kind in _KINDS),
    *("made", "tokens", "yes"),
)
"""What a row has, in this order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The options with what is now thought of them, and per slot how likely it is that it is to be left out."""

    options: tuple[Option, ...]
    none: Mapping[Slot, float]


def judged(scene: Scene, options: Sequence[Option]) -> Judged:
    """`options` as the forest sees them that goes over what the first said; those without a row stay as they are."""
    forest = Forest.load("slots").after
    if forest is None:
        return Judged(options=tuple(options), none={})
    known = [option for option in options if option.span is None]
    none: dict[Slot, float] = {}
    found: list[Option] = []
    for slot, option, row in choice_rows(scene, options):
        sure = forest.probability(row)
        if option is None:
            none[slot] = sure
        else:
            found.append(replace(option, sure=sure))
    return Judged(options=(*known, *found), none=none)


def choice_rows(scene: Scene, options: Sequence[Option]) -> Iterator[tuple[Slot, Option | None, list[float]]]:
    """A row for each of the few best options of a slot, and one for leaving the slot out."""
    by_slot: dict[Slot, list[Option]] = {}
    copies: dict[int, int] = {}
    for option in sorted(options, key=lambda one: -one.sure):
        if option.sure < LEAST:
            continue
        few = by_slot.setdefault(option.slot, [])
        same = next((one for one in few if one.value == option.value), None)
        if same is not None:
            copies[id(same)] = copies.get(id(same), 0) + 1
        elif len(few) < FEW:
            few.append(option)
    needed = float(scene.needed)
    best = {slot: few[0].sure for slot, few in by_slot.items()}
    for slot, few in by_slot.items():
        common = _slot_part(scene, slot, needed, best)
        for rank, option in enumerate(few):
            if option.span is not None:
                yield slot, option, _row(option, rank, few, by_slot, common, copies.get(id(option), 0))
        yield slot, None, _row(None, 0, few, by_slot, common, 0)


def _slot_part(scene: Scene, slot: Slot, needed: float, best: Mapping[Slot, float]) -> list[float]:
    others = [sure for other, sure in best.items() if other is not slot]
    return [
        float(slot.required),
        float(slot.has_default),
        float(slot.many),
        float(len(scene.slots)),
        needed,
        sum(others) / max(1, len(others)),
        float(bool(scene.places[slot])),
        *(float(slot.family is family) for family in _FAMILIES),
    ]


def _row(
    option: Option | None,
    rank: int,
    few: Sequence[Option],
    by_slot: Mapping[Slot, Sequence[Option]],
    common: Sequence[float],
    copies: int,
) -> list[float]:
    first = option or few[0]
    rivals = [one.sure for one in few if one is not first]
    second = max(rivals, default=0.0)
    wanted, needed, spare = _elsewhere(first, by_slot)
    longer = [one.sure for one in few if one is not first and _holds(one, first)]
    shorter = [one.sure for one in few if one is not first and _holds(first, one)]
    required, default, many, slots, need, others, spoken, *family = common
    kind = first.span.kind if first.span is not None else None
    return [
        float(option is None),
        float(rank),
        log_odds(first.sure),
        first.sure - second,
        second,
        sum(rivals),
        float(len(few)),
        float(copies),
        wanted,
        needed,
        spare,
        max(longer, default=0.0),
        max(shorter, default=0.0),
        required,
        default,
        float(bool(default) and first.value == first.slot.schema["default"]),
        many,
        slots,
        need,
        others,
        spoken,
        *family,
        *(float(kind is one) for one in _KINDS),
        float(bool(first.how)),
        float(first.span.last - first.span.first) if first.span is not None else 0.0,
        float(first.value is True or first.value == "True"),
    ]


def _holds(one: Option, other: Option) -> bool:
    return one.start <= other.start and other.end <= one.end and one.end - one.start > other.end - other.start


def _elsewhere(option: Option, by_slot: Mapping[Slot, Sequence[Option]]) -> tuple[float, float, float]:
    """How sure the best use of the same words is in another slot, in one that is required, and what it has else."""
    wanted = needed = spare = 0.0
    for slot, few in by_slot.items():
        if slot is option.slot:
            continue
        for one in few:
            if one.sure <= wanted and one.sure <= needed:
                break
            if not option.collides(one):
                continue
            if slot.required:
                needed = max(needed, one.sure)
            if one.sure > wanted:
                wanted = one.sure
                spare = max((two.sure for two in few if not option.collides(two)), default=0.0)
    return wanted, needed, spare
