"""The noun Option: one way to fill one slot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nlapi.offline.sentence import Span
from nlapi.offline.slots import Slot


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One way to fill a slot. `spans` are what it uses up; `shared` options may be taken from the same words."""

    slot: Slot
    value: Any
    score: float
    start: int
    end: int
    spans: tuple[Span, ...] = ()
    shared: bool = False

    def collides(self, other: Option) -> bool:
        if self.shared and other.shared and self.value != other.value:
            return self.slot.words == other.slot.words
        return self.start < other.end and other.start < self.end
