"""Fills the inputs of a workflow from a sentence: what is said, and nothing that is not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from nlapi.changes.sentences import build_case, check_condition, check_is_command, check_negation
from nlapi.openapi.spec import Effect
from nlapi.planner.planner import OfflinePlanner, read_question
from nlapi.tools.arguments import argument_schema
from nlapi.tools.tool import Account, Call, Missing, Origin
from nlapi.workflows.workflow_tools import WorkflowTool

# The least probability that words of the sentence mean an input. It is the floor of an optional argument in the
# embedded planner; with that of a required one, 0.08, values are made up where the user should be asked
# (docs/design/008-learned-slots.md).
MIN_SURE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class SentenceInputs:
    """The call of a workflow that a sentence means, with the inputs that it says, and those that have to be asked for.

    `confidence` is from 0 to 1.
    """

    call: Call
    missing: tuple[Missing, ...]
    confidence: float


def read_inputs(question: str, entry: WorkflowTool, known_values: Mapping[str, Any]) -> SentenceInputs | None:
    """Return the inputs that a sentence says; None where it asks for no change and the workflow makes one."""
    plan = OfflinePlanner((entry.tool,)).plan(question, known=known_values, chosen=entry.operation)
    if not plan.calls:
        return None
    call = plan.calls[0]
    account = call.account or Account()
    if entry.effect is not Effect.READ and any(_reasons_against(call, account, question)):
        return None
    unsure = {
        source.argument.partition(".")[0]
        for source in account.sources
        if source.origin in (Origin.WORDS, Origin.LOOKUP) and source.sure < MIN_SURE
    }
    arguments = {name: value for name, value in call.arguments.items() if name not in unsure}
    sources = tuple(source for source in account.sources if source.argument.partition(".")[0] not in unsure)
    asked = {item.argument for item in plan.missing}
    doubtful = tuple(
        Missing(
            tool=entry.tool,
            argument=name,
            description=str((schema := argument_schema(entry.tool, name)).get("description", "")),
            schema=schema,
        )
        for name in entry.tool.required
        if name in unsure and name not in asked
    )
    account = replace(account, sources=sources)
    return SentenceInputs(
        call=replace(call, arguments=arguments, account=account),
        missing=(*plan.missing, *doubtful),
        confidence=plan.confidence,
    )


def without_values(question: str, entry: WorkflowTool) -> str:
    """Return a sentence without the names, ids and quotations in it."""
    catalogue = OfflinePlanner((entry.tool,)).catalogue
    return read_question(question, catalogue, date.today()).without_values(catalogue.index.is_entity)


def _reasons_against(call: Call, account: Account, question: str) -> Iterator[str]:
    """Yield why a sentence commands no change: a question, a wish, a condition, a negation."""
    case = build_case(call, account, question)
    for sentence_check in (check_is_command, check_negation, check_condition):
        yield from sentence_check(case)
