"""How likely each Option is to be right: its row of features, and the forest that was trained on such rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from nlapi.offline.choices import EVIDENCE
from nlapi.offline.forest import Forest
from nlapi.offline.match import MATCHES, match
from nlapi.offline.option import Option
from nlapi.offline.scene import Scene
from nlapi.offline.sentence import Span
from nlapi.offline.slots import Slot
from nlapi.offline.traits import SLOT_TRAITS, SPAN_TRAITS, slot_traits, span_traits
from nlapi.offline.values import HOW

_HOW = {how: [float(how == one) for one in HOW] for how in ("", *HOW)}
FEATURES = (
    *SPAN_TRAITS,
    *SLOT_TRAITS,
    *MATCHES,
    *EVIDENCE,
    *(f"how_{how}" for how in HOW),
    *("run", "is_default", "rivals"),
)
"""What a row has, in this order."""


def weighed(scene: Scene, options: Iterable[Option]) -> list[Option]:
    """The options with the probability of each; one that has it already keeps it."""
    forest = Forest.load("slots")
    return [
        option if row is None else replace(option, sure=forest.probability(row)) for option, row in rows(scene, options)
    ]


def rows(scene: Scene, options: Iterable[Option]) -> Iterator[tuple[Option, list[float] | None]]:
    """The row of each option; None for one whose probability is known already."""
    found = list(options)
    counts: dict[Slot, int] = {}
    for option in found:
        counts[option.slot] = counts.get(option.slot, 0) + 1
    spans: dict[Span, list[float]] = {}
    slots: dict[Slot, list[float]] = {}
    pairs: dict[tuple[Span, Slot], list[float]] = {}
    for option in found:
        span, slot = option.span, option.slot
        if span is None:
            yield option, None
            continue
        if span not in spans:
            spans[span] = span_traits(scene.sentence, span)
        if slot not in slots:
            slots[slot] = slot_traits(scene, slot)
        if (span, slot) not in pairs:
            pairs[span, slot] = match(scene, span, slot)
        yield (
            option,
            [
                *spans[span],
                *slots[slot],
                *pairs[span, slot],
                *(option.evidence or _NONE),
                *_HOW[option.how],
                float(len(option.spans)),
                float(slot.has_default and option.value == slot.schema["default"]),
                float(counts[slot]),
            ],
        )


_NONE = [0.0] * len(EVIDENCE)
