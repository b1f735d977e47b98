"""Defines a Repair: one proposed edit of a workflow document, with its place and its reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class RepairKind(StrEnum):
    """The kind of a repair. The values stand in the JSON of `nlapi workflow repair`."""

    FORM = "form"
    """written as the standard has it; the meaning stays"""
    TAKE = "take"
    """the value is taken out of a whole answer"""
    FIND = "find"
    """the output is elsewhere in the answer"""
    ENVELOPE = "envelope"
    """the fields stand in the envelope that the body has"""
    OMIT = "omit"
    """the operation does not have it"""
    HAND_ON = "hand on"
    """a value of an earlier step is passed on"""
    ASK = "ask"
    """a required value that nothing gives becomes an input"""
    TYPE = "type"
    """the input has the type that the operation takes"""
    STATUS = "status"
    """the status that the operation describes"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """One edit: what stood at `where`, what stands there now, and why. None for nothing."""

    kind: RepairKind
    where: str
    before: Any
    after: Any
    reason: str

    def __str__(self) -> str:
        before, after = _short(self.before), _short(self.after)
        change = f"{before} -> {after}" if self.before is not None and self.after is not None else before or after
        verb = "" if self.after is not None else "left out: "
        verb = verb or ("added: " if self.before is None else "")
        return f"{self.kind}: {self.where}: {verb}{change} ({self.reason})"


Note = Callable[[RepairKind, str, Any, Any, str], None]
"""Records a repair: its kind, its place, what stood there, what stands there now, and the reason."""


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else "" if value is None else str(value)
    return text if len(text) <= 100 else f"{text[:97]}..."
