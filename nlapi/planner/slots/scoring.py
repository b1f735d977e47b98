"""The probability of each candidate: its row of features, and the two forests that were trained on such rows.

The first forest rates a candidate by its mention and its slot; the second (the `after` in the file of the first) rates
the best candidates of all slots beside each other, and the slots that may stay empty.
"""

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

# Candidates of a slot that the second forest rates.
FEW = 5
# Candidates less probable than this after the first forest are left out.
LEAST = 0.02
_KINDS = (Kind.QUOTED, Kind.NUMBER, Kind.DATE, Kind.LITERAL, Kind.NAME, Kind.PHRASE, Kind.CHOICE, Kind.FLAG)
# Names of the features of a row for the second forest.
CHOICE_FEATURES = (
    *("none", "rank", "sure", "ahead", "second", "rest", "count", "copies"),
    *("wanted_elsewhere", "needed_elsewhere", "spare_elsewhere", "longer", "shorter"),
    *("required", "default", "is_default", "many", "slots", "needed", "said_of_others", "spoken"),
    *(f"for_{family}" for family in Family),
    *(f"is_{kind}" for kind in _KINDS),
    *("made", "tokens", "yes"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Candidates with their probability, and the probability of each slot to stay empty."""

    options: tuple[Option, ...]
    none: Mapping[Slot, float]


def judged(scene: Scene, options: Sequence[Option]) -> Judged:
    """Return the candidates as the second forest rates them; those without a mention keep their probability."""
    forest = Forest.load("slots").after
    if forest is None:
        return Judged(options=tuple(options), none={})
    rated = [option for option in options if option.span is None]
    none: dict[Slot, float] = {}
    for slot, option, row in choice_rows(scene, options):
        sure = forest.probability(row)
        if option is None:
            none[slot] = sure
        else:
            rated.append(replace(option, sure=sure))
    return Judged(options=tuple(rated), none=none)


def choice_rows(scene: Scene, options: Sequence[Option]) -> Iterator[tuple[Slot, Option | None, list[float]]]:
    """Return a row for each of the best candidates of a slot, and one (with None) for leaving the slot empty."""
    by_slot: dict[Slot, list[Option]] = {}
    copies: dict[int, int] = {}
    for option in sorted(options, key=lambda option: -option.sure):
        if option.sure < LEAST:
            continue
        few = by_slot.setdefault(option.slot, [])
        same = next((better for better in few if better.value == option.value), None)
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
    rivals = [sure for rival, sure in best.items() if rival is not slot]
    return [
        float(slot.required),
        float(slot.has_default),
        float(slot.many),
        float(len(scene.slots)),
        needed,
        sum(rivals) / max(1, len(rivals)),
        float(bool(scene.places[slot])),
        *(float(slot.family is family) for family in Family),
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
    rivals = [rival for rival in few if rival is not first]
    second = max((rival.sure for rival in rivals), default=0.0)
    elsewhere, required_elsewhere, spare = _elsewhere(first, by_slot)
    longer = [rival.sure for rival in rivals if _contains(rival, first)]
    shorter = [rival.sure for rival in rivals if _contains(first, rival)]
    required, default, many, slots, needed, of_others, spoken, *family = common
    kind = first.span.kind if first.span is not None else None
    return [
        float(option is None),
        float(rank),
        log_odds(first.sure),
        first.sure - second,
        second,
        sum(rival.sure for rival in rivals),
        float(len(few)),
        float(copies),
        elsewhere,
        required_elsewhere,
        spare,
        max(longer, default=0.0),
        max(shorter, default=0.0),
        required,
        default,
        float(bool(default) and first.value == first.slot.schema["default"]),
        many,
        slots,
        needed,
        of_others,
        spoken,
        *family,
        *(float(kind is option_kind) for option_kind in _KINDS),
        float(bool(first.how)),
        float(first.span.last - first.span.first) if first.span is not None else 0.0,
        float(first.value is True or first.value == "True"),
    ]


def _contains(longer: Option, shorter: Option) -> bool:
    inside = longer.start <= shorter.start and shorter.end <= longer.end
    return inside and longer.end - longer.start > shorter.end - shorter.start


def _elsewhere(option: Option, by_slot: Mapping[Slot, Sequence[Option]]) -> tuple[float, float, float]:
    """Return the best probability of the same words in another slot, in a required one, and of its other words."""
    best = required = spare = 0.0
    for slot, few in by_slot.items():
        if slot is option.slot:
            continue
        for rival in few:
            if rival.sure <= best and rival.sure <= required:
                break
            if not option.collides(rival):
                continue
            if slot.required:
                required = max(required, rival.sure)
            if rival.sure > best:
                best = rival.sure
                spare = max((free.sure for free in few if not option.collides(free)), default=0.0)
    return best, required, spare


_NO_EVIDENCE = [0.0] * len(EVIDENCE)
_CONVERSION_ROWS = {name: [float(name == conversion) for conversion in HOW] for name in ("", *HOW)}
# Positions, in MATCHES, of the features that are compared with those of the same mention in other slots, and of other
# mentions in the same slot. On the public questions, out of fold, that came to 0.591 exact from 0.579
# (benchmarks/OFFLINE.md).
COMPARED = tuple(
    MATCHES.index(name)
    for name in ("named", "told", "role", "inside", "shape", "example", "measured", "world", "kin", "kin_beside")
)
# Names of the features of a row for the first forest.
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


def weighed(scene: Scene, options: Iterable[Option]) -> list[Option]:
    """Return the candidates as the first forest rates them; those without a mention keep their probability."""
    offered = list(options)
    rater = _Rater(_Table(scene, offered), Forest.load("slots"))
    rated: list[Option] = []
    for option in offered:
        if option.span is None:
            rated.append(option)
        elif (sure := rater.probability(option)) >= LEAST:
            rated.append(replace(option, sure=sure))
    return rated


def rows(scene: Scene, options: Iterable[Option]) -> Iterator[tuple[Option, list[float] | None]]:
    """Return the row of each candidate; None for one without a mention, whose probability is set."""
    offered = list(options)
    table = _Table(scene, offered)
    for option in offered:
        yield option, None if option.span is None else [value for part in table.parts(option) for value in part]


class _Table:
    """The parts of rows that several candidates have in common."""

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
        """Return the row of a candidate with a mention, in parts; all but the last are common to several candidates."""
        span, slot = option.span, option.slot
        assert span is not None
        pair = self.pairs[span, slot]
        of_span, of_slot = self._of_span[span], self._of_slot[slot]
        last = [
            *of_span.over(pair),
            *of_slot.over(pair),
            _end_fits(option),
            float(len(option.spans)),
            float(slot.has_default and option.value == slot.schema["default"]),
            float(self.counts[slot]),
            float(of_span.count),
            float(of_slot.count),
        ]
        evidence, conversion = option.evidence or _NO_EVIDENCE, _CONVERSION_ROWS[option.how]
        return self.spans[span], self.slots[slot], pair, evidence, conversion, last


class _Rater:
    """The first forest, applied once to each part that several rows have in common."""

    def __init__(self, table: _Table, forest: Forest) -> None:
        self.table, self.forest = table, forest
        self._reach: dict[int, int] = {}

    def probability(self, option: Option) -> float:
        *shared, last = self.table.parts(option)
        reach, first = self.forest.every, 0
        for part in shared:
            leaves = self._reach.get(id(part))
            if leaves is None:
                leaves = self._reach[id(part)] = self.forest.reach(part, first)
            reach &= leaves
            first += len(part)
        return self.forest.probability_at(reach & self.forest.reach(last, first))


class _Best:
    """The two largest of each compared feature among pairs, so that each pair can be compared with its best rival."""

    def __init__(self) -> None:
        self.count = 0
        self._best: list[tuple[float, float]] = [(-inf, -inf)] * len(COMPARED)

    def add(self, pair: list[float]) -> None:
        self.count += 1
        for index, at in enumerate(COMPARED):
            first, second = self._best[index]
            if pair[at] > second:
                self._best[index] = (pair[at], first) if pair[at] > first else (first, pair[at])

    def over(self, pair: list[float]) -> list[float]:
        """Return by how much each compared feature of one of the pairs is over the best of its rivals."""
        if self.count == 1:
            return [pair[at] for at in COMPARED]
        pairs = zip(COMPARED, self._best, strict=True)
        return [pair[at] - (second if pair[at] == first else first) for at, (first, second) in pairs]


def _span_traits(sentence: Sentence, span: Span) -> list[float]:
    cached = sentence.traits.get(span)
    if cached is None:
        cached = sentence.traits[span] = span_traits(sentence, span)
    return cached


def _end_fits(option: Option) -> float:
    """Return 1 for the last day of a range in a slot that ends one or the first in one that begins it, else -1."""
    words = set(option.slot.words)
    if option.span is None or not isinstance(option.span.value, tuple) or not words & (OPENING | CLOSING):
        return 0.0
    return 1.0 if (option.how == "last_day") == bool(words & CLOSING) else -1.0
