"""Values that are written in one piece as paths are: octo/hello is the owner and the repository of /{owner}/{repo}."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nlapi.offline.option import Option
from nlapi.offline.scene import Scene
from nlapi.offline.sentence import Kind
from nlapi.offline.slots import Slot

SURE = 0.97
_IN_A_ROW = re.compile(r"\{[^/{}]+\}(?:/\{[^/{}]+\})+")


def paired(scene: Scene) -> Iterator[Option]:
    """An option for each of several path parameters in a row, from a span of as many parts: owner/name."""
    rows = [row for row in _rows(scene) if row]
    for span in scene.sentence.spans if rows else ():
        if span.kind is not Kind.LITERAL or span.form != "path" or span.text.startswith("/"):
            continue
        parts = span.text.split("/")
        for row in rows:
            if len(row) != len(parts) or not all(parts):
                continue
            start = span.start
            for slot, part in zip(row, parts, strict=True):
                yield Option(slot=slot, value=part, sure=SURE, start=start, end=start + len(part))
                start += len(part) + 1


def _rows(scene: Scene) -> Iterator[tuple[Slot, ...]]:
    in_path = {slot.name: slot for slot in scene.slots if slot.where == "path" and slot not in scene.given}
    for found in _IN_A_ROW.finditer(scene.operation.path):
        names = found.group()[1:-1].split("}/{")
        if all(name in in_path for name in names):
            yield tuple(in_path[name] for name in names)
