"""Finds the operations that a sentence may ask for, assigns its values to their slots, and ranks them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nlapi.openapi.spec import Operation
from nlapi.planner.language.commands import only_reads
from nlapi.planner.language.text import Sentence
from nlapi.planner.operations.catalogue import Catalogue
from nlapi.planner.operations.features import Asked, Rated, Row, asked, rows
from nlapi.planner.operations.ranking import chances, scores
from nlapi.planner.slots.assignment import Filling, fill
from nlapi.planner.slots.context import Scene
from nlapi.planner.slots.known_values import argument_name
from nlapi.tools.plan import is_remembered
from nlapi.tools.tool import Tool

# Operations that are compared; all of them in an API this small, whether or not they share a word with the sentence.
# Twelve gave 0.754 and 0.473 (operation, exact) on `real`, eight 0.748 and 0.468 (benchmarks/OFFLINE.md).
CONSIDERED = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An operation with values assigned to its slots; `score` ranks it, `chance` is its probability among rivals."""

    tool: Tool
    scene: Scene
    filling: Filling
    score: float = 0.0
    chance: float = 1.0
    row: Row = field(default_factory=dict)
    """the features of the ranking"""
    unasked: bool = False
    """whether it is a change that the sentence does not command"""

    @property
    def operation(self) -> Operation:
        return self.tool.operation


def candidates(sentence: Sentence, catalogue: Catalogue, known: Mapping[str, Any]) -> list[Candidate]:
    """Return the likeliest operations, the best first; [] where neither words nor values name any."""
    question = asked(sentence)
    rated = compared(question, catalogue, known)
    table = rows(question, [operation for _, operation in rated])
    ranking = scores(table)
    result = [
        Candidate(
            tool=tool,
            scene=operation.scene,
            filling=operation.filling,
            score=score,
            chance=chance,
            row=row,
            unasked=operation.unasked,
        )
        for (tool, operation), row, score, chance in zip(rated, table, ranking, chances(ranking), strict=True)
    ]
    return sorted(result, key=lambda candidate: -candidate.score)


def candidate_of(
    sentence: Sentence, catalogue: Catalogue, known: Mapping[str, Any], operation: Operation, index_score: float
) -> Candidate | None:
    """Return the candidate of a single operation, without rivals; None where it has no tool."""
    tool = catalogue.tool(operation)
    if tool is None:
        return None
    question = asked(sentence)
    rated = _rated(sentence, catalogue, known, tool, index_score)
    (row,) = rows(question, [rated])
    (score,) = scores([row])
    return Candidate(tool=tool, scene=rated.scene, filling=rated.filling, score=score, row=row, unasked=rated.unasked)


def compared(question: Asked, catalogue: Catalogue, known: Mapping[str, Any]) -> list[tuple[Tool, Rated]]:
    """Return the operations that are compared, each with values assigned to its slots."""
    matches = _search(question.sentence, catalogue)
    tools = [(tool, score) for operation, score in matches if (tool := catalogue.tool(operation)) is not None]
    return [(tool, _rated(question.sentence, catalogue, known, tool, score)) for tool, score in tools]


def _search(sentence: Sentence, catalogue: Catalogue) -> Sequence[tuple[Operation, float]]:
    index = catalogue.index
    about = sentence.about(index.is_entity)
    if len(index) <= CONSIDERED:
        return index.search(about, CONSIDERED, include_all=True)
    return index.search(about, CONSIDERED) or index.search(sentence.text, CONSIDERED)


def _rated(sentence: Sentence, catalogue: Catalogue, known: Mapping[str, Any], tool: Tool, index_score: float) -> Rated:
    slots = catalogue.slots(tool)
    preset = frozenset(slot for slot in slots if argument_name(slot) in known)
    nameable = (slot for slot in slots if slot not in preset)
    listers = {slot: listing for slot in nameable if (listing := catalogue.lister(tool, slot)) is not None}
    earlier = frozenset(slot for slot in preset if is_remembered(known, argument_name(slot)))
    opaque = frozenset(slot for slot in listers if catalogue.is_opaque(tool, slot))
    scene = Scene(
        sentence=sentence,
        tool=tool,
        slots=slots,
        listers=listers,
        opaque=opaque,
        given=preset,
        remembered=earlier,
        names=catalogue.index.is_entity,
    )
    filling = fill(scene)
    return Rated(
        scene=scene,
        filling=filling,
        profile=catalogue.profile(tool.operation),
        missing=tuple(slot for slot in filling.missing if slot.path[0] not in known),
        index=index_score,
        unasked=catalogue.index.is_change(tool.operation) and only_reads(sentence, tool.operation),
    )
