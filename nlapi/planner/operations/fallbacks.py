"""Builds the plans that call nothing: a sentence that is not understood, too much at once, or not in English."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nlapi.openapi.spec import Effect, Operation, Spec
from nlapi.planner.operations.candidates import OperationCandidate
from nlapi.planner.operations.catalogue import Catalogue
from nlapi.planner.slots.assignment import Assignment
from nlapi.planner.slots.preset_values import pending_lookup
from nlapi.tools.plan import Plan
from nlapi.tools.tool import Call

NEEDS_CLAUDE = "this needs Claude: "
ALTERNATIVES = 3
# The most that a plan is sure of which leaves out a condition, or makes a change that nobody commanded: below
# nlapi.cli.session.ASK_BELOW (0.4), so that the command line asks.
UNSURE = 0.35


def empty_plan(text: str, candidates: Sequence[OperationCandidate], sure: float) -> Plan:
    """Return a plan without calls, with the first candidates as alternatives."""
    return Plan(text=text, confidence=sure, alternatives=tuple(map(candidate_call, candidates[:ALTERNATIVES])))


def unsupported_plan(spec: Spec, command: str, candidates: Sequence[OperationCandidate]) -> Plan:
    """Return the plan of a command that no operation carries out, with the nearest changes."""
    others = (candidate for candidate in candidates if candidate.operation.spec is spec)
    changes = [candidate for candidate in others if candidate.tool.effect is not Effect.READ][:ALTERNATIVES]
    near = ", ".join(candidate.operation.id for candidate in changes)
    text = f"Nothing in {spec.title} does that: {command}.{f' The nearest: {near}.' if near else ''}"
    return empty_plan(text, changes, 0.05)


def several_requests_plan(operation_ids: Sequence[str], candidates: Sequence[OperationCandidate]) -> Plan:
    """Return the plan of a sentence that asks for several unrelated operations."""
    ids = ", ".join(operation_ids)
    text = f"{NEEDS_CLAUDE}the sentence asks for {len(operation_ids)} things ({ids}); ask for one at a time"
    return empty_plan(text, candidates, 0.05)


def valueless_plan(best: OperationCandidate, rivals: Sequence[OperationCandidate]) -> Plan:
    """Return the plan of an update of which the sentence does not say what it sets."""
    fields = [name for name, place in best.tool.places.items() if place[0] == "body"]
    text = f"{best.operation.id} needs a value, and the sentence does not say what is set: {', '.join(fields[:8])}"
    return empty_plan(text, rivals, 0.05)


def unmatched_plan(catalogue: Catalogue, candidates: Sequence[OperationCandidate], language: str) -> Plan:
    """Return the plan of a sentence that is not about the API, or not legible, with examples of what the API does."""
    title = ", ".join(spec.title for spec in catalogue.specs)
    can = abilities(catalogue)
    if language:
        text = f"{NEEDS_CLAUDE}the question is not in English but, it seems, in {language}. {can}"
    else:
        text = f"Nothing in {title or 'this API'} matches that. {can}"
    return empty_plan(text.strip(), candidates, 0.05)


def abilities(catalogue: Catalogue) -> str:
    """Return examples of what each of the APIs can do."""
    parts = [catalogue.api_catalogue(spec) for spec in catalogue.specs] if catalogue.several else [catalogue]
    return " ".join(
        operation_examples(part.operations, spec.title) for part, spec in zip(parts, catalogue.specs, strict=False)
    )


def unread_language_plan(plan: Plan, language: str) -> Plan:
    """Return a plan from a sentence in `language`, of which only values are read, with the confidence of a guess."""
    text = f"The question is not in English but, it seems, in {language}: see whether this is what it asks for."
    return replace(plan, text=f"{text} {plan.text}".strip(), confidence=min(UNSURE, plan.confidence))


def candidate_call(candidate: OperationCandidate) -> Call:
    """Return the call of a candidate with the arguments that need no look-up."""
    return Call(tool=candidate.tool, arguments=_without_names(candidate.assignment))


def _without_names(filling: Assignment) -> dict[str, object]:
    """Return the arguments that need no look-up."""
    plain = [option for option in filling.candidates if pending_lookup(option.value) is None]
    return replace(filling, candidates=tuple(plain)).arguments


def operation_examples(operations: tuple[Operation, ...], title: str) -> str:
    """Return up to five examples of what an API can do, one a tag."""
    examples: dict[str, str] = {}
    for operation in operations:
        tag = operation.tags[0] if operation.tags else operation.path.strip("/").partition("/")[0]
        if tag not in examples:
            examples[tag] = operation.summary.strip().rstrip(".") or operation.id
        if len(examples) == 5:
            break
    return f"{title or 'This API'} can, for example: {'; '.join(examples.values())}." if examples else ""
