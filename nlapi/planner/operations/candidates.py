"""Finds the operations that a sentence may ask for, assigns its values to their slots, and ranks them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import mul

from nlapi.english.intents import VERBS, Intent
from nlapi.openapi.spec import Operation
from nlapi.planner.commands import command_verb, only_reads
from nlapi.planner.forest import Forest
from nlapi.planner.operations.catalogue import Catalogue, is_hypothetical
from nlapi.planner.operations.features import (
    FEATURES,
    AssignedOperation,
    FeatureRow,
    QuestionTerms,
    feature_rows,
    question_terms,
)
from nlapi.planner.slots.assignment import Assignment, assign_slots
from nlapi.planner.slots.context import SlotContext
from nlapi.planner.slots.preset_values import argument_name, complete_values, keeps_rest
from nlapi.planner.slots.slot import Slot, slots_of_variant
from nlapi.reading.text import MentionKind, Sentence
from nlapi.tools.plan import is_remembered
from nlapi.tools.search.phrase import read_phrase
from nlapi.tools.tool import Tool

# The model's file; its fact `weights` is the linear part, one weight a feature. Trees beside it gained 0.4 % of the
# operations of `real` and cost loss (benchmarks/OFFLINE.md), so that the shipped model has none.
NAME = "rank"


def vector(row: FeatureRow) -> list[float]:
    """Return the features of an operation in the order of the model."""
    return [row[name] for name in FEATURES]


def scores(rows: Sequence[FeatureRow]) -> list[float]:
    """Return the score of each operation; only the differences between scores have a meaning."""
    model = Forest.load(NAME)
    weights = model.metadata["weights"]
    vectors = list(map(vector, rows))
    return [sum(map(mul, weights, features)) + model.score(features) for features in vectors]


def chances(scores: Sequence[float]) -> list[float]:
    """Return the scores as probabilities that add up to 1."""
    best = max(scores, default=0.0)
    odds = [math.exp(score - best) for score in scores]
    total = sum(odds)
    return [part / total for part in odds]


# Operations that are compared; all of them in an API this small, whether or not they share a word with the sentence.
# Twelve gave 0.754 and 0.473 (operation, exact) on `real`, eight 0.748 and 0.468 (benchmarks/OFFLINE.md).
CONSIDERED = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationCandidate:
    """An operation with values assigned to its slots; `score` ranks it, `chance` is its probability among rivals."""

    tool: Tool
    context: SlotContext
    assignment: Assignment
    score: float = 0.0
    chance: float = 1.0
    row: FeatureRow = field(default_factory=dict)
    """the features of the ranking"""
    is_uncommanded: bool = False
    """whether it is a change that the sentence does not command"""

    @property
    def operation(self) -> Operation:
        return self.tool.operation


def rank_candidates(
    sentence: Sentence, catalogue: Catalogue, known_values: Mapping[str, object]
) -> list[OperationCandidate]:
    """Return the likeliest operations, the best first; [] where neither words nor values name any."""
    question = question_terms(sentence)
    assigned = assign_operations(question, catalogue, known_values)
    table = feature_rows(question, [operation for _, operation in assigned])
    ranking = scores(table)
    result = [
        OperationCandidate(
            tool=tool,
            context=operation.context,
            assignment=operation.assignment,
            score=score,
            chance=chance,
            row=row,
            is_uncommanded=operation.is_uncommanded,
        )
        for (tool, operation), row, score, chance in zip(assigned, table, ranking, chances(ranking), strict=True)
    ]
    return sorted(result, key=lambda candidate: -candidate.score)


def build_candidate(
    sentence: Sentence,
    catalogue: Catalogue,
    known_values: Mapping[str, object],
    operation: Operation,
    index_score: float,
) -> OperationCandidate | None:
    """Return the candidate of a single operation, without rivals; None where it has no tool."""
    tool = catalogue.tool(operation)
    if tool is None:
        return None
    question = question_terms(sentence)
    assigned = _assign_operation(sentence, catalogue, known_values, tool, index_score)
    (row,) = feature_rows(question, [assigned])
    (score,) = scores([row])
    return OperationCandidate(
        tool=tool,
        context=assigned.context,
        assignment=assigned.assignment,
        score=score,
        row=row,
        is_uncommanded=assigned.is_uncommanded,
    )


def assign_operations(
    question: QuestionTerms, catalogue: Catalogue, known_values: Mapping[str, object]
) -> list[tuple[Tool, AssignedOperation]]:
    """Return the operations that are compared, each with values assigned to its slots."""
    matches = _search(question.sentence, catalogue)
    tools = [(tool, score) for operation, score in matches if (tool := catalogue.tool(operation)) is not None]
    return [(tool, _assign_operation(question.sentence, catalogue, known_values, tool, score)) for tool, score in tools]


def _search(sentence: Sentence, catalogue: Catalogue) -> Sequence[tuple[Operation, float]]:
    index = catalogue.index
    about = sentence.without_values(index.is_entity)
    if len(index) <= CONSIDERED:
        return index.search(about, CONSIDERED, include_all=True)
    matches = index.search(about, CONSIDERED) or index.search(sentence.text, CONSIDERED)
    scores = dict(matches)
    further = dict.fromkeys(_further(sentence, about, catalogue))
    return [*matches, *((operation, 0.0) for operation in further if operation not in scores)]


def _further(sentence: Sentence, about: str, catalogue: Catalogue) -> Iterator[Operation]:
    """Yield operations of which a sentence may have no word, as names and values alone may show its subject."""
    verb = command_verb(sentence)
    yield from catalogue.item_reads  # how is tone-test set up
    yield from catalogue.named_changes(verb)
    if is_hypothetical(sentence.text):
        yield from catalogue.simulations
    for mention in sentence.mentions:
        if mention.kind is MentionKind.LITERAL:
            yield from catalogue.taking(mention.text)
    # Words of a name or a value do not count as missing in the operations.
    if not all(map(catalogue.index.has_word, read_phrase(about).stems)):
        yield from catalogue.stated(about)
    if VERBS.get(verb) is Intent.UPDATE and verb not in catalogue.command_verbs:
        yield from catalogue.item_updates


def _assign_operation(
    sentence: Sentence, catalogue: Catalogue, known_values: Mapping[str, object], tool: Tool, index_score: float
) -> AssignedOperation:
    scene = _context(sentence, catalogue, known_values, tool, catalogue.slots(tool))
    assignment = assign_slots(scene)
    values = assignment.values
    # The variant whose tag is in the sentence has no fields of another one, and its own are as required as the tag.
    if (slots := slots_of_variant(scene.slots, values)) != scene.slots:
        scene = _context(sentence, catalogue, known_values, tool, slots)
        assignment = assign_slots(scene)
        values = assignment.values
    # What a whole item requires is read first. Any other PUT requires in its body what PATCH leaves as it is, even if
    # neither requires one.
    begun: tuple[Slot, ...] = ()
    if keeps_rest(tool, values, scene.slots):
        lacking = tuple(slot for slot in assignment.missing if slot.location != "body")
        assignment = replace(assignment, missing=lacking)
    elif tool.operation.method == "PUT":
        begun = complete_values(values, scene.slots, known_values)[1]
    return AssignedOperation(
        context=scene,
        assignment=assignment,
        profile=catalogue.profile(tool.operation),
        missing=(
            *(slot for slot in assignment.missing if slot.path[0] not in known_values),
            *(slot for slot in begun if not slot.required),
        ),
        index=index_score,
        is_uncommanded=catalogue.index.is_change(tool.operation) and only_reads(sentence, tool.operation),
    )


def _context(
    sentence: Sentence,
    catalogue: Catalogue,
    known_values: Mapping[str, object],
    tool: Tool,
    slots: tuple[Slot, ...],
) -> SlotContext:
    preset = frozenset(slot for slot in slots if argument_name(slot) in known_values)
    nameable = (slot for slot in slots if slot not in preset)
    list_operations = {
        slot: listing for slot in nameable if (listing := catalogue.list_operation(tool, slot)) is not None
    }
    earlier = frozenset(slot for slot in preset if is_remembered(known_values, argument_name(slot)))
    has_names = {slot: catalogue.has_names(tool, slot) for slot in list_operations}
    return SlotContext(
        sentence=sentence,
        tool=tool,
        slots=slots,
        list_operations=list_operations,
        opaque=frozenset(slot for slot, has_name in has_names.items() if has_name),
        nameless=frozenset(slot for slot, has_name in has_names.items() if has_name is False),
        preset=preset,
        remembered=earlier,
        is_api_noun=catalogue.index.is_entity,
    )
