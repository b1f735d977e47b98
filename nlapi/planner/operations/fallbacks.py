"""Plans that call nothing: what is not understood, is too much at once, or can only half be read."""

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
UNSURE = 0.35
"""The most that a plan is sure of which leaves out a condition, or changes something that nobody commanded."""


def no_plan(text: str, found: Sequence[Candidate], sure: float) -> Plan:
    return Plan(text=text, confidence=sure, alternatives=tuple(map(call_of, found[:ALTERNATIVES])))


def nothing_does(spec: Spec, what: str, found: Sequence[Candidate]) -> Plan:
    """No operation does what a sentence commands: say so, and which changes are the nearest."""
    changes = [one for one in found if one.tool.effect is not Effect.READ and one.operation.spec is spec][:ALTERNATIVES]
    near = ", ".join(one.operation.id for one in changes)
    text = f"Nothing in {spec.title} does that: {what}.{f' The nearest: {near}.' if near else ''}"
    return no_plan(text, changes, 0.05)


def too_much(wants: Sequence[str], found: Sequence[Candidate]) -> Plan:
    text = f"{CLAUDE}the sentence asks for {len(wants)} things ({', '.join(wants)}); ask for one at a time"
    return no_plan(text, found, 0.05)


def unmatched(catalogue: Catalogue, found: Sequence[Candidate], language: str) -> Plan:
    """Nothing in the API is meant, or nothing that can be read: say so, and what it can do."""
    title = ", ".join(spec.title for spec in catalogue.specs)
    can = abilities(catalogue)
    if language:
        text = f"{CLAUDE}the question is not in English but, it seems, in {language}. {can}"
    else:
        text = f"Nothing in {title or 'this API'} matches that. {can}"
    return no_plan(text.strip(), found, 0.05)


def abilities(catalogue: Catalogue) -> str:
    """What each of the APIs can do, by examples."""
    parts = [catalogue.part(spec) for spec in catalogue.specs] if catalogue.several else [catalogue]
    return " ".join(can_do(part.operations, spec.title) for part, spec in zip(parts, catalogue.specs, strict=False))


def half_read(made: Plan, language: str) -> Plan:
    """A read of an API that can do little else, from a sentence of which only values are read: to be looked at."""
    text = f"The question is not in English but, it seems, in {language}: see whether this is what it asks for."
    return replace(made, text=f"{text} {made.text}".strip(), confidence=min(UNSURE, made.confidence))


def call_of(candidate: Candidate) -> Call:
    """The call that a candidate is, as far as it needs no look-up."""
    return Call(tool=candidate.tool, arguments=_without_names(candidate.filling))


def _without_names(filling: Filling) -> dict[str, Any]:
    """The arguments that need no look-up."""
    plain = [option for option in filling.options if wanted_in(option.value) is None]
    return replace(filling, options=tuple(plain)).arguments


def can_do(operations: tuple[Operation, ...], title: str) -> str:
    """A few examples of what an API can do, one a tag."""
    shown: dict[str, str] = {}
    for operation in operations:
        tag = operation.tags[0] if operation.tags else operation.path.strip("/").partition("/")[0]
        if tag not in shown:
            shown[tag] = operation.summary.strip().rstrip(".") or operation.id
        if len(shown) == 5:
            break
    return f"{title or 'This API'} can, for example: {'; '.join(shown.values())}." if shown else ""
