"""Which operation a sentence asks for: the index's few, reranked by how well their arguments can be filled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nlapi.offline.catalogue import Catalogue
from nlapi.offline.commands import only_reads
from nlapi.offline.entities import is_subject
from nlapi.offline.fill import Filling, fill
from nlapi.offline.given import argument_name
from nlapi.offline.option import Option
from nlapi.offline.scene import Scene
from nlapi.offline.sentence import Kind, Sentence
from nlapi.offline.slots import Family
from nlapi.openapi.spec import Operation
from nlapi.tools.tool import Tool

CONSIDERED = 8
BEHIND = 5.0
"""Operations whose index score is this far behind the best are not looked at."""

FEW = 8
"""An API this small is tried by its arguments alone when no word of the sentence is known to it."""
SURE = 1.0

WEIGHTS = {
    "filled": 0.25,
    "required": 1.0,
    "missing": -0.9,
    "unused": -0.55,
    "unused_name": -0.15,
    "extra": 0.45,
    "subject": -1.2,
    "deprecated": -1.0,
    "change": -3.0,
}
"""What the arguments add to an operation's index score."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An operation with its slots filled. `score` ranks it; `index_score` is the words' part of it."""

    tool: Tool
    scene: Scene
    filling: Filling
    index_score: float
    score: float
    unasked: bool = False
    """it changes something and the sentence does not command it"""

    @property
    def operation(self) -> Operation:
        return self.tool.operation


def candidates(sentence: Sentence, catalogue: Catalogue, known: Mapping[str, Any]) -> list[Candidate]:
    """The likeliest operations, the best first; none when neither words nor values say which."""
    found = catalogue.index.search(sentence.about(catalogue.index.names), CONSIDERED)
    if not found:
        found = catalogue.index.search(sentence.text, CONSIDERED)
    best = found[0][1] if found else 0.0
    near = [(operation, score) for operation, score in found if score > best - BEHIND]
    ranked = [candidate for pair in near if (candidate := _candidate(sentence, catalogue, known, *pair)) is not None]
    if not found and len(catalogue.operations) <= FEW:
        every = (_candidate(sentence, catalogue, known, operation, 0.0) for operation in catalogue.operations)
        ranked = [candidate for candidate in every if candidate is not None and _fits(candidate.filling)]
    return sorted(ranked, key=lambda candidate: -candidate.score)


def _candidate(
    sentence: Sentence, catalogue: Catalogue, known: Mapping[str, Any], operation: Operation, index_score: float
) -> Candidate | None:
    tool = catalogue.tool(operation)
    if tool is None:
        return None
    slots = catalogue.slots(tool)
    given = frozenset(slot for slot in slots if argument_name(slot) in known)
    nameable = (slot for slot in slots if slot not in given)
    listers = {slot: listing for slot in nameable if (listing := catalogue.lister(tool, slot)) is not None}
    scene = Scene(sentence=sentence, operation=operation, slots=slots, listers=listers, given=given)
    filling = fill(scene)
    unasked = catalogue.index.changes(operation) and only_reads(sentence, operation)
    score = index_score + _arguments(filling, known, operation) + WEIGHTS["change"] * unasked
    return Candidate(tool=tool, scene=scene, filling=filling, index_score=index_score, score=score, unasked=unasked)


def _fits(filling: Filling) -> bool:
    """Does the sentence hold just the values that an operation needs, though none of its words?"""
    return bool(filling.options) and not filling.missing and all(option.score >= SURE for option in filling.options)


def _solid(option: Option) -> float:
    """How much a filled slot counts for its operation: next to nothing when it was a guess."""
    return min(1.0, max(0.1, (option.score - 0.3) / 1.3))


def _arguments(filling: Filling, known: Mapping[str, Any], operation: Operation) -> float:
    """What speaks for an operation in how its arguments are filled, and against it in what is left over."""
    missing = [slot for slot in filling.missing if slot.path[0] not in known]
    ids = sum(slot.family is Family.ID for slot in missing)
    needed = [option for option in filling.options if option.slot.required]
    count = len(needed) + len(missing)
    total: float = (
        WEIGHTS["filled"] * sum(min(option.score, 2.5) for option in filling.options if option.score > 0.9) ** 0.5
    )
    if count:
        total += (
            WEIGHTS["required"] * sum(map(_solid, needed)) / count
            + WEIGHTS["missing"] * (len(missing) - 0.7 * ids) / count
        )
    total += WEIGHTS["subject"] * any(is_subject(operation, slot) for slot in missing)
    for span in filling.unused:
        total += WEIGHTS["unused_name" if span.kind is Kind.NAME else "unused"]
    clear = sum(option.score > 1.6 for option in filling.options if not option.slot.required)
    total += WEIGHTS["extra"] * min(2, clear)
    return total + (WEIGHTS["deprecated"] if operation.deprecated else 0.0)


candidate_of = _candidate
"""The candidate that one operation is: for an operation that somebody has chosen."""
