"""Codes that the sentence calls what the description of a slot does: its ISBN is X, the airport (ICAO: X)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nlapi.planner.option import Option
from nlapi.planner.slots.context import Scene
from nlapi.planner.slots import Family

LABEL_CONFIDENCE = 0.95
_LABEL = re.compile("[A-Z]{3,6}")
"""What a kind of code is called: ISBN, ICAO, VIN."""
_CODE = re.compile(r"(?=.*\d|[A-Z]+$)[A-Za-z0-9][A-Za-z0-9-]+")
_NOUNS = frozenset("identifier id code number".split())
_SAYS = frozenset((":", "=", "is", "of")) | _NOUNS


def labelled(scene: Scene) -> Iterator[Option]:
    """An option for each code that has such a name before it, where one slot alone is described by that name."""
    tokens = scene.sentence.tokens
    for at, token in enumerate(tokens):
        before = at - 1
        while before > 0 and tokens[before].lower in _SAYS | {","}:
            before -= 1
        said = {one.lower for one in tokens[before + 1 : at]} & _SAYS if before >= 0 else set()
        if not said or not _LABEL.fullmatch(tokens[before].text) or not _CODE.fullmatch(token.text):
            continue
        word = re.compile(rf"\b{tokens[before].text}\b")
        slots = [slot for slot in scene.slots if word.search(slot.description)]
        if len(slots) == 1 and slots[0].family in (Family.TEXT, Family.ID):
            value = [token.text] if slots[0].many else token.text
            yield Option(slot=slots[0], value=value, sure=LABEL_CONFIDENCE, start=token.start, end=token.end)
