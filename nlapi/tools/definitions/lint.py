"""The rules by which a description is rated for language models, and its score; docs/check.md lists the rules."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from nlapi.english.intents import STOPWORDS
from nlapi.english.words import split_words, stem
from nlapi.errors import Issue, Level
from nlapi.openapi.spec import SCALES, Operation, Spec, read_hints
from nlapi.resources.schemas import schema_types
from nlapi.tools.arguments import argument_schema
from nlapi.tools.compile import compile_tool
from nlapi.tools.quantities.unit_evidence import LIKELY_UNITS
from nlapi.tools.texts.names import join_names
from nlapi.tools.tool import Tool

# A rule of thumb for English and JSON; a tokeniser would be a dependency, and the rule `giant` needs no more precision.
CHARS_PER_TOKEN = 4

# Tokens of one tool from which on it crowds out the others; most tools have 100 to 400.
GIANT_TOKENS = 2_000

# Names that one message lists before it counts the others.
MAX_NAMES = 4


class LintRule(StrEnum):
    """The rules; their weights are in RULE_WEIGHTS."""

    LOST = "lost"
    UNDESCRIBED = "undescribed"
    ALIKE = "alike"
    ARGUMENTS = "arguments"
    GIANT = "giant"
    SECURITY = "security"
    BODY = "body"
    UNIT = "unit"


RULE_WEIGHTS: Mapping[LintRule, int] = {
    LintRule.LOST: 30,
    LintRule.UNDESCRIBED: 15,
    LintRule.ALIKE: 15,
    LintRule.ARGUMENTS: 15,
    LintRule.GIANT: 10,
    LintRule.SECURITY: 5,
    LintRule.BODY: 5,
    LintRule.UNIT: 5,
}
"""Points that a rule costs when everything it applies to breaks it. They add up to 100."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LintReport:
    """The result of `lint`: `score` from 0 to 100, `lost` points by rule, `issues` the worst first."""

    score: int
    lost: Mapping[LintRule, float]
    issues: tuple[Issue, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Finding:
    """An Issue with the rule that it breaks, and the number of items that break it there."""

    rule: LintRule
    issue: Issue
    count: int = 1


def lint(spec: Spec) -> LintReport:
    """Return the score and the issues of the operations that a model is shown.

    A rule costs its weight times the share of operations (or arguments, bodies, amounts) that break it.
    """
    tools = [compile_tool(operation) for operation in spec.visible_operations if operation.usable]
    totals: dict[LintRule, int] = dict.fromkeys(LintRule, len(tools))
    totals |= {
        LintRule.LOST: len(spec.visible_operations),
        LintRule.ARGUMENTS: sum(len(tool.places) for tool in tools),
        LintRule.BODY: sum(tool.operation.body is not None for tool in tools),
        LintRule.UNIT: sum(len(list(_amounts(tool))) for tool in tools),
    }
    findings = [*_unusable(spec), *_duplicates(tools), *(finding for tool in tools for finding in _tool_findings(tool))]
    broken: dict[LintRule, int] = defaultdict(int)
    for finding in findings:
        broken[finding.rule] += finding.count
    lost = {
        rule: RULE_WEIGHTS[rule] * min(1.0, broken[rule] / max(1, totals[rule])) for rule in LintRule if broken[rule]
    }
    if not spec.visible_operations:
        lost = {LintRule.LOST: 100.0}
    worst = sorted(
        findings,
        key=lambda finding: RULE_WEIGHTS[finding.rule] * finding.count / max(1, totals[finding.rule]),
        reverse=True,
    )
    score = max(0, round(100 - sum(lost.values())))
    # A score of 100 has to mean that no rule is broken, also where a loss of under half a point would be rounded away.
    is_rounded_up = score == 100 and any(lost.values())
    return LintReport(score=99 if is_rounded_up else score, lost=lost, issues=tuple(finding.issue for finding in worst))


def _finding(rule: LintRule, location: str, message: str, hint: str = "", count: int = 1) -> _Finding:
    issue = Issue(level=Level.INFO, where=location, message=message, hint=hint, rule=rule.value)
    return _Finding(rule=rule, issue=issue, count=count)


def _unusable(spec: Spec) -> Iterator[_Finding]:
    for operation in spec.visible_operations:
        if not operation.usable:
            message = "no tool can be made of it"
            yield _finding(LintRule.LOST, operation.location, message, "its errors are above")


def _tool_findings(tool: Tool) -> Iterator[_Finding]:
    """Yield the issues of one tool on its own."""
    operation = tool.operation
    if not operation.summary.strip() and not operation.description.strip():
        message = "neither summary nor description: a planner has only its name to go by"
        yield _finding(LintRule.UNDESCRIBED, operation.location, message, "describe it in one sentence")
    undescribed = [name for name in tool.places if not _is_described(tool.input_schema["properties"].get(name, {}))]
    if undescribed:
        names = join_names(undescribed, MAX_NAMES)
        message = f"{len(undescribed)} of {len(tool.places)} arguments without a description: {names}"
        yield _finding(
            LintRule.ARGUMENTS, operation.location, message, "say what each is, and in which form", len(undescribed)
        )
    size = tokens(tool)
    if size > GIANT_TOKENS:
        hint = "hide what is seldom needed with `x-nlapi: {hide: true}`, in an overlay if need be"
        yield _finding(LintRule.GIANT, operation.location, f"its tool takes about {size:,} tokens", hint)
    if fault := _security_fault(operation):
        yield _finding(LintRule.SECURITY, f"{operation.location}.security", *fault)
    if fault := _body_fault(tool):
        yield _finding(LintRule.BODY, f"{operation.location}.requestBody", *fault)
    for name, unit in _amounts(tool):
        if not read_hints(argument_schema(tool, name)).unit:
            message = f"{name} is in {unit}, which only prose says"
            yield _finding(LintRule.UNIT, operation.location, message, f"give its schema `x-nlapi: {{unit: {unit}}}`")


def tokens(tool: Tool) -> int:
    """Return the approximate number of tokens of a tool in a request to a model."""
    form = tool.as_dict("anthropic")
    schema = {key: value for key, value in form["input_schema"].items() if key != "$defs"}
    definitions = form["input_schema"].get("$defs", {})
    sizes = tool.operation.spec.derive(_definition_sizes)
    size = _characters({**form, "input_schema": schema})
    return (
        size + sum(_definition_size(name, definition, sizes) for name, definition in definitions.items())
    ) // CHARS_PER_TOKEN


def _definition_sizes(spec: Spec) -> dict[int, tuple[object, int]]:
    """Return the cache of a Spec: the definitions that have been measured, by identity, with their characters."""
    return {}


def _definition_size(name: str, schema: object, sizes: dict[int, tuple[object, int]]) -> int:
    """Return the characters of a definition, measured once for all tools that share it."""
    if id(schema) not in sizes:
        # The schema is stored with its size, because the id of an object that was freed may be reused for another.
        sizes[id(schema)] = schema, _characters({name: schema})
    return sizes[id(schema)][1]


def _characters(value: object) -> int:
    return len(json.dumps(value, ensure_ascii=False))


def _is_described(schema: object) -> bool:
    if not isinstance(schema, Mapping):
        return False
    return bool(schema.get("description")) or "$ref" in schema or "const" in schema


def _security_fault(operation: Operation) -> tuple[str, str] | None:
    for issue in operation.issues:
        if issue.where == f"{operation.location}.security":
            return issue.message, "describe it under components.securitySchemes"
    schemes = operation.spec.security_schemes
    faults = [[schemes[id].fault for id in requirement if schemes[id].fault] for requirement in operation.security]
    if faults and all(faults):
        return f"its security is {faults[0][0]}", "offer another alternative"
    return None


def _body_fault(tool: Tool) -> tuple[str, str] | None:
    """Return the reason why a model cannot know the form of the body, with a hint; None where it can."""
    body = tool.operation.body
    if body is None:
        return None
    schemas = [media.schema for media in body.media]
    if not any(schemas):
        return "the body has no schema: anything may be sent", "describe it"
    body_schema = body.schema
    choices = [part for key in ("oneOf", "anyOf") for part in body_schema.get(key, ()) if part != {"type": "null"}]
    if len(choices) > 1 and not body_schema.get("properties"):
        shapes = [tool.operation.spec.follow(part) for part in choices]
        if sum("properties" in shape for shape in shapes if isinstance(shape, Mapping)) > 1:
            return f"the body is one of {len(choices)} shapes", "give each shape a title or description that says when"
    return None


def _amounts(tool: Tool) -> Iterator[tuple[str, str]]:
    """Yield the arguments that are amounts in a unit which a model has to convert to, with that unit."""
    for name in tool.places:
        schema = argument_schema(tool, name)
        if unit := read_hints(schema).unit:
            if unit in SCALES:
                yield name, unit
        elif not {"integer", "number"}.isdisjoint(schema_types(schema)):
            texts = (*split_words(name), str(schema.get("description", "")), _argument_description(tool, name))
            prose = " ".join(texts).lower()
            yield from ((name, unit) for unit, words in LIKELY_UNITS if words.search(prose))


def _argument_description(tool: Tool, name: str) -> str:
    schema = tool.input_schema["properties"].get(name, {})
    return str(schema.get("description", "")) if isinstance(schema, Mapping) else ""


def _duplicates(tools: Iterable[Tool]) -> Iterator[_Finding]:
    """Yield an issue for operations whose descriptions have the same words, in any order and inflection."""
    by_words: dict[tuple[str, ...], list[Operation]] = defaultdict(list)
    for tool in tools:
        operation = tool.operation
        text = f"{operation.summary} {operation.description}"
        # Stems without order: a model cannot choose between "List users" and "Lists the user" either.
        words = sorted({stem(word) for word in split_words(text) if word not in STOPWORDS})
        if words:
            by_words[tuple(words)].append(operation)
    for duplicates in by_words.values():
        if len(duplicates) > 1:
            duplicate_ids = join_names([operation.id for operation in duplicates[1:]], MAX_NAMES)
            hint = "say in each what the others do not do"
            yield _finding(
                LintRule.ALIKE,
                duplicates[0].location,
                f"described in the same words as {duplicate_ids}",
                hint,
                len(duplicates),
            )
