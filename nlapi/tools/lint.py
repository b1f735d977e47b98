"""The rules by which a description is rated for language models, and its score; docs/check.md lists the rules."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from nlapi.issue import Issue, Level
from nlapi.openapi.hints import SCALES, hints
from nlapi.openapi.spec import Operation, Spec
from nlapi.resources.naming import STOPWORDS, pieces, stem
from nlapi.resources.schemas import schema_types
from nlapi.tools.compile import compile_tool
from nlapi.tools.tool import Tool
from nlapi.tools.walk import schema_at

# A rule of thumb for English and JSON; a tokeniser would be a dependency, and the rule `giant` needs no more precision.
CHARS_PER_TOKEN = 4

# Tokens of one tool from which on it crowds out the others; most tools have 100 to 400.
GIANT = 2_000

# Names that one message lists before it counts the others.
NAMED = 4


class Rule(StrEnum):
    """The rules; their weights are in RULE_WEIGHTS."""

    LOST = "lost"
    UNDESCRIBED = "undescribed"
    ALIKE = "alike"
    ARGUMENTS = "arguments"
    GIANT = "giant"
    SECURITY = "security"
    BODY = "body"
    UNIT = "unit"


WEIGHTS: Mapping[Rule, int] = {
    Rule.LOST: 30,
    Rule.UNDESCRIBED: 15,
    Rule.ALIKE: 15,
    Rule.ARGUMENTS: 15,
    Rule.GIANT: 10,
    Rule.SECURITY: 5,
    Rule.BODY: 5,
    Rule.UNIT: 5,
}
"""Points that a rule costs when everything it applies to breaks it. They add up to 100."""

SPOKEN = (
    ("micros", re.compile(r"\bmicros?\b|\bmicro[- ]?units?\b|\bmillionths?\b")),
    ("cents", re.compile(r"\b(?:cents|pence|minor (?:currency )?units?|smallest currency units?)\b")),
    ("milliseconds", re.compile(r"\b(?:milliseconds?|millis)\b")),
    ("basis_points", re.compile(r"\bbasis points?\b|\bbps\b")),
)
"""Units as prose and names write them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The result of `lint`: `score` from 0 to 100, `lost` points by rule, `issues` the worst first."""

    score: int
    lost: Mapping[Rule, float]
    issues: tuple[Issue, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """An Issue with the rule that it breaks, and the number of items that break it there."""

    rule: Rule
    issue: Issue
    count: int = 1


def lint(spec: Spec) -> Report:
    """Return the score and the issues of the operations that a model is shown.

    A rule costs its weight times the share of operations (or arguments, bodies, amounts) that break it.
    """
    tools = [compile_tool(operation) for operation in spec.shown if operation.usable]
    looked_at: dict[Rule, int] = dict.fromkeys(Rule, len(tools))
    looked_at |= {
        Rule.LOST: len(spec.shown),
        Rule.ARGUMENTS: sum(len(tool.places) for tool in tools),
        Rule.BODY: sum(tool.operation.body is not None for tool in tools),
        Rule.UNIT: sum(len(list(_amounts(tool))) for tool in tools),
    }
    found = [*_lost(spec), *_alike(tools), *(one for tool in tools for one in _of(tool))]
    broken: dict[Rule, int] = defaultdict(int)
    for one in found:
        broken[one.rule] += one.count
    lost = {rule: WEIGHTS[rule] * min(1.0, broken[rule] / max(1, looked_at[rule])) for rule in Rule if broken[rule]}
    if not spec.shown:
        lost = {Rule.LOST: 100.0}
    worst = sorted(found, key=lambda one: WEIGHTS[one.rule] * one.count / max(1, looked_at[one.rule]), reverse=True)
    score = max(0, round(100 - sum(lost.values())))
    # A score of 100 has to mean that no rule is broken, also where a loss of under half a point would be rounded away.
    spotless = score == 100 and any(lost.values())
    return Report(score=99 if spotless else score, lost=lost, issues=tuple(one.issue for one in worst))


def _found(rule: Rule, where: str, message: str, hint: str = "", count: int = 1) -> _Found:
    issue = Issue(level=Level.INFO, where=where, message=message, hint=hint, rule=rule.value)
    return _Found(rule=rule, issue=issue, count=count)


def _lost(spec: Spec) -> Iterator[_Found]:
    for operation in spec.shown:
        if not operation.usable:
            message = "no tool can be made of it"
            yield _found(Rule.LOST, operation.where, message, "its errors are above")


def _of(tool: Tool) -> Iterator[_Found]:
    """Yield the issues of one tool on its own."""
    operation = tool.operation
    if not operation.summary.strip() and not operation.description.strip():
        message = "neither summary nor description: a planner has only its name to go by"
        yield _found(Rule.UNDESCRIBED, operation.where, message, "say in one sentence what it does")
    bare = [name for name in tool.places if not _is_described(tool.input_schema["properties"].get(name, {}))]
    if bare:
        message = f"{len(bare)} of {len(tool.places)} arguments without a description: {_listed(bare)}"
        yield _found(Rule.ARGUMENTS, operation.where, message, "say what each is, and in which form", len(bare))
    size = tokens(tool)
    if size > GIANT:
        hint = "hide what is seldom needed with `x-nlapi: {hide: true}`, in an overlay if need be"
        yield _found(Rule.GIANT, operation.where, f"its tool takes about {size:,} tokens", hint)
    if fault := _security(operation):
        yield _found(Rule.SECURITY, f"{operation.where}.security", *fault)
    if fault := _body(tool):
        yield _found(Rule.BODY, f"{operation.where}.requestBody", *fault)
    for name, unit in _amounts(tool):
        if not hints(schema_at(tool, name)).unit:
            message = f"{name} is in {unit}, which only prose says"
            yield _found(Rule.UNIT, operation.where, message, f"give its schema `x-nlapi: {{unit: {unit}}}`")


def tokens(tool: Tool) -> int:
    """Return the approximate number of tokens of a tool in a request to a model."""
    shown = tool.as_dict("anthropic")
    schema = {key: value for key, value in shown["input_schema"].items() if key != "$defs"}
    definitions = shown["input_schema"].get("$defs", {})
    known = tool.operation.spec.derive(_known_sizes)
    size = _characters({**shown, "input_schema": schema})
    return (size + sum(_of_definition(name, one, known) for name, one in definitions.items())) // CHARS_PER_TOKEN


def _known_sizes(spec: Spec) -> dict[int, tuple[Any, int]]:
    """Return the cache of a Spec: the definitions that have been measured, by identity, with their characters."""
    return {}


def _of_definition(name: str, schema: Any, known: dict[int, tuple[Any, int]]) -> int:
    """Return the characters of a definition, measured once for all tools that share it."""
    if id(schema) not in known:
        # The schema is stored with its size, because the id of an object that was freed may be reused for another.
        known[id(schema)] = schema, _characters({name: schema})
    return known[id(schema)][1]


def _characters(shown: Any) -> int:
    return len(json.dumps(shown, ensure_ascii=False))


def _is_described(schema: Any) -> bool:
    if not isinstance(schema, Mapping):
        return False
    return bool(schema.get("description")) or "$ref" in schema or "const" in schema


def _security(operation: Operation) -> tuple[str, str] | None:
    for issue in operation.issues:
        if issue.where == f"{operation.where}.security":
            return issue.message, "describe it under components.securitySchemes"
    schemes = operation.spec.security_schemes
    faults = [[schemes[id].fault for id in wanted if schemes[id].fault] for wanted in operation.security]
    if faults and all(faults):
        return f"its security is {faults[0][0]}", "offer another alternative"
    return None


def _body(tool: Tool) -> tuple[str, str] | None:
    """Return the reason why a model cannot tell what the body should be, with a hint; None where it can."""
    body = tool.operation.body
    if body is None:
        return None
    schemas = [media.schema for media in body.media]
    if not any(schemas):
        return "the body has no schema: anything may be sent", "describe it"
    top = body.schema
    choices = [part for key in ("oneOf", "anyOf") for part in top.get(key, ()) if part != {"type": "null"}]
    if len(choices) > 1 and not top.get("properties"):
        shapes = [tool.operation.spec.follow(part) for part in choices]
        if sum("properties" in shape for shape in shapes if isinstance(shape, Mapping)) > 1:
            return f"the body is one of {len(choices)} shapes", "give each shape a title or description that says when"
    return None


def _amounts(tool: Tool) -> Iterator[tuple[str, str]]:
    """Yield the arguments that are amounts in a unit which a model has to convert to, with that unit."""
    for name in tool.places:
        schema = schema_at(tool, name)
        if unit := hints(schema).unit:
            if unit in SCALES:
                yield name, unit
        elif not {"integer", "number"}.isdisjoint(schema_types(schema)):
            prose = f"{' '.join(pieces(name))} {schema.get('description', '')} {_told(tool, name)}".lower()
            yield from ((name, unit) for unit, words in SPOKEN if words.search(prose))


def _told(tool: Tool, name: str) -> str:
    schema = tool.input_schema["properties"].get(name, {})
    return str(schema.get("description", "")) if isinstance(schema, Mapping) else ""


def _alike(tools: Iterable[Tool]) -> Iterator[_Found]:
    """Yield an issue for operations whose descriptions have the same words, in any order and inflection."""
    groups: dict[tuple[str, ...], list[Operation]] = defaultdict(list)
    for tool in tools:
        operation = tool.operation
        text = f"{operation.summary} {operation.description}"
        # Stems without order: a model cannot choose between "List users" and "Lists the user" either.
        words = sorted({stem(word) for word in pieces(text) if word not in STOPWORDS})
        if words:
            groups[tuple(words)].append(operation)
    for same in groups.values():
        if len(same) > 1:
            others = _listed([operation.id for operation in same[1:]])
            hint = "say in each what the others do not do"
            yield _found(Rule.ALIKE, same[0].where, f"described in the same words as {others}", hint, len(same))


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more}"
