"""How likely each Option is to be right: its row of features, and the forest that was trained on such rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf

from nlapi.planner.forest import Forest, log_odds
from nlapi.planner.language.text import Kind, Sentence, Span
from nlapi.planner.slots.choices import EVIDENCE
from nlapi.planner.slots.context import Scene
from nlapi.planner.slots.features import MATCHES, SLOT_TRAITS, SPAN_TRAITS, match, slot_traits, span_traits
from nlapi.planner.slots.slot import Family, Option, Slot
from nlapi.planner.slots.value_forms import CLOSING, OPENING
from nlapi.planner.slots.values import HOW

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


_HOW = {how: [float(how == one) for one in HOW] for how in ("", *HOW)}
COMPARED = tuple(
    MATCHES.index(name)
    for name in ("named", "told", "role", "inside", "shape", "example", "measured", "world", "kin", "kin_beside")
)
"""What is compared with what the same span is to other slots, and with what other spans are to the same slot."""
FEATURES = (
    *SPAN_TRAITS,
    *SLOT_TRAITS,
    *MATCHES,
    *EVIDENCE,
    *(f"how_{how}" for how in HOW),
    *(f"{MATCHES[at]}_over_slots" for at in COMPARED),
    *(f"{MATCHES[at]}_over_spans" for at in COMPARED),
    *("end_fits", "run", "is_default", "rivals", "slots_for_span", "spans_for_slot"),
)
"""What a row has, in this order."""


def weighed(scene: Scene, options: Iterable[Option]) -> list[Option]:
    """The options with the probability of each; one that has it already keeps it, one that is hopeless is left out."""
    found = list(options)
    told = _Told(_Table(scene, found), Forest.load("slots"))
    sure = [option.sure if option.span is None else told.probability(option) for option in found]
    return [
        option if option.span is None else replace(option, sure=one)
        for option, one in zip(found, sure, strict=True)
        if option.span is None or one >= LEAST
    ]


def rows(scene: Scene, options: Iterable[Option]) -> Iterator[tuple[Option, list[float] | None]]:
    """The row of each option; None for one whose probability is known already."""
    found = list(options)
    table = _Table(scene, found)
    for option in found:
        yield option, None if option.span is None else [value for part in table.parts(option) for value in part]


class _Table:
    """The parts of rows that several options share."""

    def __init__(self, scene: Scene, options: Iterable[Option]) -> None:
        self.spans: dict[Span, list[float]] = {}
        self.slots: dict[Slot, list[float]] = {}
        self.pairs: dict[tuple[Span, Slot], list[float]] = {}
        self.counts: dict[Slot, int] = {}
        self._of_span: defaultdict[Span, _Best] = defaultdict(_Best)
        self._of_slot: defaultdict[Slot, _Best] = defaultdict(_Best)
        for option in options:
            span, slot = option.span, option.slot
            self.counts[slot] = self.counts.get(slot, 0) + 1
            if span is None or (span, slot) in self.pairs:
                continue
            if span not in self.spans:
                self.spans[span] = _span_traits(scene.sentence, span)
            if slot not in self.slots:
                self.slots[slot] = slot_traits(scene, slot)
            pair = self.pairs[span, slot] = match(scene, span, slot)
            self._of_span[span].add(pair)
            self._of_slot[slot].add(pair)

    def parts(self, option: Option) -> tuple[Sequence[float], ...]:
        """The row of an option whose span is known, in parts: what others may have in common, and last its own."""
        span, slot = option.span, option.slot
        assert span is not None
        pair = self.pairs[span, slot]
        of_span, of_slot = self._of_span[span], self._of_slot[slot]
        own = [
            *of_span.over(pair),
            *of_slot.over(pair),
            _end_fits(option),
            float(len(option.spans)),
            float(slot.has_default and option.value == slot.schema["default"]),
            float(self.counts[slot]),
            float(of_span.count),
            float(of_slot.count),
        ]
        return self.spans[span], self.slots[slot], pair, option.evidence or _NONE, _HOW[option.how], own


class _Told:
    """What the forest says of options. A part that is common to several rows is looked at once."""

    def __init__(self, table: _Table, forest: Forest) -> None:
        self.table, self.forest = table, forest
        self._reach: dict[int, int] = {}

    def probability(self, option: Option) -> float:
        *shared, own = self.table.parts(option)
        reach, first = self.forest.every, 0
        for part in shared:
            left = self._reach.get(id(part))
            if left is None:
                left = self._reach[id(part)] = self.forest.reach(part, first)
            reach &= left
            first += len(part)
        return self.forest.probability_at(reach & self.forest.reach(own, first))


class _Best:
    """The two best of each compared figure among pairs, so that each pair can be told its best rival."""

    def __init__(self) -> None:
        self.count = 0
        self._best: list[tuple[float, float]] = [(-inf, -inf)] * len(COMPARED)

    def add(self, pair: list[float]) -> None:
        self.count += 1
        for place, at in enumerate(COMPARED):
            first, second = self._best[place]
            if pair[at] > second:
                self._best[place] = (pair[at], first) if pair[at] > first else (first, pair[at])

    def over(self, pair: list[float]) -> list[float]:
        """How much each compared figure of one of the pairs is over the best of its rivals'."""
        if self.count == 1:
            return [pair[at] for at in COMPARED]
        pairs = zip(COMPARED, self._best, strict=True)
        return [pair[at] - (second if pair[at] == first else first) for at, (first, second) in pairs]


def _span_traits(sentence: Sentence, span: Span) -> list[float]:
    found = sentence.traits.get(span)
    if found is None:
        found = sentence.traits[span] = span_traits(sentence, span)
    return found


def _end_fits(option: Option) -> float:
    """Of a stretch of days the last is for a slot that closes one, the first for one that opens it."""
    words = set(option.slot.words)
    if option.span is None or not isinstance(option.span.value, tuple) or not words & (OPENING | CLOSING):
        return 0.0
    return 1.0 if (option.how == "last_day") == bool(words & CLOSING) else -1.0


_NONE = [0.0] * len(EVIDENCE)
