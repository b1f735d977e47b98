"""Values that are written in one piece as paths are: octo/hello is the owner and the repository of /{owner}/{repo}."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from nlapi.planner.option import Option
from nlapi.planner.slots.context import Scene
from nlapi.planner.language.english.text import Kind, Span
from nlapi.planner.slots import Family, Slot

PAIR_CONFIDENCE = 0.97
LIKELY = 0.9
_IN_A_ROW = re.compile(r"\{[^/{}]+\}(?:/\{[^/{}]+\})+")
_NO_PAIR = re.compile(r"/|\d+(?:\.\d+){3}/\d+$")
"""An absolute path, or a network (10.0.0.0/8)."""
_PARTS = re.compile(r"[/:]")


def paired(scene: Scene) -> Iterator[Option]:
    """An option for each of several path parameters, from a span of as many parts: owner/name, or project/image:tag.

    Parameters that stand in a row surely go together; the first of them, or those that a path begins with, may.
    """
    spans = [
        span
        for span in scene.sentence.spans
        if span.kind is Kind.LITERAL and span.form == "path" and not _NO_PAIR.match(span.text)
    ]
    if not spans:
        return
    every = {slot.name: slot for slot in scene.slots if slot.where == "path" and slot not in scene.given}
    rows = [(row, PAIR_CONFIDENCE) for row in _rows(scene, every)]
    first = max((row for row, _ in rows), key=len, default=None)
    if first is None:
        first = tuple(slot for slot in every.values() if slot.family in (Family.TEXT, Family.ID) and not slot.integer)
    rows += [(first[:count], LIKELY) for count in range(2, len(first) + (not rows))]
    for span in spans:
        for row, sure in rows:
            yield from _options(span, row, sure)


def _options(span: Span, row: Sequence[Slot], sure: float) -> Iterator[Option]:
    parts = _PARTS.split(span.text)
    if len(row) != len(parts) or not all(parts):
        return
    start = span.start
    for slot, part in zip(row, parts, strict=True):
        yield Option(slot=slot, value=part, sure=sure, start=start, end=start + len(part))
        start += len(part) + 1


def _rows(scene: Scene, every: Mapping[str, Slot]) -> Iterator[tuple[Slot, ...]]:
    for found in _IN_A_ROW.finditer(scene.operation.path):
        names = found.group()[1:-1].split("}/{")
        if all(name in every for name in names):
            yield tuple(every[name] for name in names)
