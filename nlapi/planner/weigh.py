"""How likely each Option is to be right: its row of features, and the forest that was trained on such rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from math import inf

from nlapi.planner.among import LEAST
from nlapi.planner.choices import EVIDENCE
from nlapi.planner.forest import Forest
from nlapi.planner.match import MATCHES, match
from nlapi.planner.moments import CLOSING, OPENING
from nlapi.planner.option import Option
from nlapi.planner.slots.context import Scene
from nlapi.planner.language.english.text import Sentence, Span
from nlapi.planner.slots import Slot
from nlapi.planner.traits import SLOT_TRAITS, SPAN_TRAITS, slot_traits, span_traits
from nlapi.planner.values import HOW

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
