"""Builds the plans that call nothing: a sentence that is not understood, too much at once, or not in English."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from nlapi.openapi.spec import Effect, Operation, Spec
from nlapi.planner.operations.candidates import Candidate
from nlapi.planner.operations.catalogue import Catalogue
from nlapi.planner.slots.assignment import Filling
from nlapi.planner.slots.known_values import wanted_in
from nlapi.tools.plan import Plan
from nlapi.tools.tool import Call

CLAUDE = "this needs Claude: "
ALTERNATIVES = 3
# The most that a plan is sure of which leaves out a condition, or makes a change that nobody commanded: below
# nlapi.cli.session.ASK_BELOW (0.4), so that the command line asks.
UNSURE = 0.35


def no_plan(text: str, found: Sequence[Candidate], sure: float) -> Plan:
    """Return a plan without calls, with the first candidates as alternatives."""
    return Plan(text=text, confidence=sure, alternatives=tuple(map(call_of, found[:ALTERNATIVES])))


def nothing_does(spec: Spec, what: str, found: Sequence[Candidate]) -> Plan:
    """Return the plan of a command that no operation carries out, with the nearest changes."""
    others = (candidate for candidate in found if candidate.operation.spec is spec)
    changes = [candidate for candidate in others if candidate.tool.effect is not Effect.READ][:ALTERNATIVES]
    near = ", ".join(candidate.operation.id for candidate in changes)
    text = f"Nothing in {spec.title} does that: {what}.{f' The nearest: {near}.' if near else ''}"
    return no_plan(text, changes, 0.05)


def too_much(wants: Sequence[str], found: Sequence[Candidate]) -> Plan:
    """Return the plan of a sentence that asks for several unrelated operations."""
    text = f"{CLAUDE}the sentence asks for {len(wants)} things ({', '.join(wants)}); ask for one at a time"
    return no_plan(text, found, 0.05)


def unmatched(catalogue: Catalogue, found: Sequence[Candidate], language: str) -> Plan:
    """Return the plan of a sentence that is not about the API, or not legible, with examples of what the API does."""
    title = ", ".join(spec.title for spec in catalogue.specs)
    can = abilities(catalogue)
    if language:
        text = f"{CLAUDE}the question is not in English but, it seems, in {language}. {can}"
    else:
        text = f"Nothing in {title or 'this API'} matches that. {can}"
    return no_plan(text.strip(), found, 0.05)


def abilities(catalogue: Catalogue) -> str:
    """Return examples of what each of the APIs can do."""
    parts = [catalogue.part(spec) for spec in catalogue.specs] if catalogue.several else [catalogue]
    return " ".join(can_do(part.operations, spec.title) for part, spec in zip(parts, catalogue.specs, strict=False))


def half_read(plan: Plan, language: str) -> Plan:
    """Return a plan from a sentence in `language`, of which only values are read, with the confidence of a guess."""
    text = f"The question is not in English but, it seems, in {language}: see whether this is what it asks for."
    return replace(plan, text=f"{text} {plan.text}".strip(), confidence=min(UNSURE, plan.confidence))


def call_of(candidate: Candidate) -> Call:
    """Return the call of a candidate with the arguments that need no look-up."""
    return Call(tool=candidate.tool, arguments=_without_names(candidate.filling))


def _without_names(filling: Filling) -> dict[str, Any]:
    """Return the arguments that need no look-up."""
    plain = [option for option in filling.options if wanted_in(option.value) is None]
    return replace(filling, options=tuple(plain)).arguments


def can_do(operations: tuple[Operation, ...], title: str) -> str:
    """Return up to five examples of what an API can do, one a tag."""
    examples: dict[str, str] = {}
    for operation in operations:
        tag = operation.tags[0] if operation.tags else operation.path.strip("/").partition("/")[0]
        if tag not in examples:
            examples[tag] = operation.summary.strip().rstrip(".") or operation.id
        if len(examples) == 5:
            break
    return f"{title or 'This API'} can, for example: {'; '.join(examples.values())}." if examples else ""
