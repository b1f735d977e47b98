"""The labels of the data set, and how a line of it is read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

LABELS = Path(__file__).with_name("labels.jsonl")
EFFECTS = ("read", "change", "destroy")
"""The three labels, from the lightest to the gravest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """One labelled operation.

    Attributes:
        split: `train` or `test`; no provider is in both.
        set: How it came into the data set: dev, held, fresh or gets.
        doubtful: Whether a careful engineer would hesitate; such a label is left out of the figures.
    """

    split: str
    set: str
    provider: str
    api: str
    id: str
    method: str
    path: str
    label: str
    doubtful: bool
    reason: str

    @property
    def reads(self) -> bool:
        return self.label == "read"


def read_labels(file: Path = LABELS) -> Sequence[Label]:
    """Return the labels of a file of JSON Lines."""
    return [Label(**json.loads(line)) for line in file.read_text(encoding="utf-8").splitlines()]
