"""Which operation a sentence asks for: the few that the index finds, in the order that speaks for each."""

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

CONSIDERED = 12
"""Operations whose arguments are tried: all of them in an API this small, whether or not they share a word with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An operation with its slots filled. `score` ranks it, `chance` is the probability that it is the one meant."""

    tool: Tool
    scene: Scene
    filling: Filling
    score: float = 0.0
    chance: float = 1.0
    row: Row = field(default_factory=dict)
    """what speaks for it and against it, by feature"""
    unasked: bool = False
    """it changes something and the sentence does not command it"""

    @property
    def operation(self) -> Operation:
        return self.tool.operation


def candidates(sentence: Sentence, catalogue: Catalogue, known: Mapping[str, Any]) -> list[Candidate]:
    """The likeliest operations, the best first; none when neither words nor values say which."""
    question = asked(sentence)
    rated = compared(question, catalogue, known)
    every = rows(question, [one for _, one in rated])
    worth = scores(every)
    found = [
        Candidate(
            tool=tool,
            scene=one.scene,
            filling=one.filling,
            score=score,
            chance=chance,
            row=row,
            unasked=one.unasked,
        )
        for (tool, one), row, score, chance in zip(rated, every, worth, chances(worth), strict=True)
    ]
    return sorted(found, key=lambda candidate: -candidate.score)


def candidate_of(
    sentence: Sentence, catalogue: Catalogue, known: Mapping[str, Any], operation: Operation, index_score: float
) -> Candidate | None:
    """The candidate that one operation is: for an operation that somebody has chosen."""
    tool = catalogue.tool(operation)
    if tool is None:
        return None
    question = asked(sentence)
    one = _rated(sentence, catalogue, known, tool, index_score)
    (row,) = rows(question, [one])
    return Candidate(
        tool=tool, scene=one.scene, filling=one.filling, score=scores([row])[0], row=row, unasked=one.unasked
    )


def compared(question: Asked, catalogue: Catalogue, known: Mapping[str, Any]) -> list[tuple[Tool, Rated]]:
    """The operations that are compared, each with its slots filled."""
    found = _found(question.sentence, catalogue)
    tools = [(operation, score, tool) for operation, score in found if (tool := catalogue.tool(operation)) is not None]
    return [(tool, _rated(question.sentence, catalogue, known, tool, score)) for _, score, tool in tools]


def _found(sentence: Sentence, catalogue: Catalogue) -> Sequence[tuple[Operation, float]]:
    index = catalogue.index
    about = sentence.about(index.is_entity)
    if len(index) <= CONSIDERED:
        return index.search(about, CONSIDERED, include_all=True)
    return index.search(about, CONSIDERED) or index.search(sentence.text, CONSIDERED)


def _rated(sentence: Sentence, catalogue: Catalogue, known: Mapping[str, Any], tool: Tool, index_score: float) -> Rated:
    slots = catalogue.slots(tool)
    given = frozenset(slot for slot in slots if argument_name(slot) in known)
    nameable = (slot for slot in slots if slot not in given)
    listers = {slot: listing for slot in nameable if (listing := catalogue.lister(tool, slot)) is not None}
    earlier = frozenset(slot for slot in given if is_remembered(known, argument_name(slot)))
    opaque = frozenset(slot for slot in listers if catalogue.is_opaque(tool, slot))
    scene = Scene(
        sentence=sentence,
        tool=tool,
        slots=slots,
        listers=listers,
        opaque=opaque,
        given=given,
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
