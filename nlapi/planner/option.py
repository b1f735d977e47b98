"""The noun Option: one way to fill one slot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nlapi.planner.language.english.text import Span
from nlapi.planner.slots import Family, Slot

_DAYS = {Family.CHOICE, Family.DATE}
"""The last 30 days are told either by a word for them or by the days themselves."""
LOW, HIGH = 0.2, 1.9
"""The score of an option that is surely wrong, and of one that is surely right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One way to fill a slot. `spans` are what it uses up; `shared` options may be taken from the same words.

    `span` is what the value was read from, `how` what was made of it (see values.py, choices.py), and `evidence` what
    else the reader of a choice or a flag saw. `sure` is the probability that it is right.
    """

    slot: Slot
    value: Any
    start: int
    end: int
    span: Span | None = None
    spans: tuple[Span, ...] = ()
    shared: bool = False
    how: str = ""
    evidence: Sequence[float] = ()
    sure: float = 0.0

    @property
    def score(self) -> float:
        """`sure` on the scale of the scores of operations: above about 1 it is likely, below 0.5 it is not."""
        return LOW + (HIGH - LOW) * self.sure

    @property
    def narrows(self) -> bool:
        """Whether the request says less with it than without: a flag that is set as by default says nothing."""
        return not (self.value is True and self.slot.schema.get("default") is True)

    def collides(self, other: Option) -> bool:
        kinds = {self.slot.family, other.slot.family}
        if self.shared and other.shared and self.value != other.value and kinds != _DAYS:
            return self.slot.words == other.slot.words
        return self.start < other.end and other.start < self.end
