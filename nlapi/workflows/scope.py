"""Evaluates expressions: the values that one step of a run can refer to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from nlapi.client.message import File
from nlapi.openapi.jsonpath import node_at, node_paths
from nlapi.patterns import PatternError, TooLargeError, search_pattern
from nlapi.resources.paths import Place
from nlapi.workflows.conditions import ConditionError, holds, parse_condition
from nlapi.workflows.expressions import (
    Expression,
    ExpressionError,
    ExpressionPart,
    MissingPartError,
    Root,
    embedded_expressions,
    first_name,
    parse_accessors,
    parse_expression,
    select,
    split_name,
)
from nlapi.workflows.model import ArazzoWorkflow, Criterion, CriterionKind, Selector, WorkflowDocument


class Absent(Enum):
    """The value of an input that the user did not give and need not give."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT


class UnresolvedError(Exception):
    """An expression without a value; `reason` says what it lacks."""

    def __init__(self, expression: str, reason: str) -> None:
        super().__init__(f"{expression}: {reason}")
        self.expression = expression
        self.reason = reason


class NotGivenError(UnresolvedError):
    """A required input that was not given, yet may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepExchange:
    """A request and its answer, as expressions see them; `body` and `request_body` are JSON, or text."""

    method: str
    url: str
    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: Any = None
    request_headers: tuple[tuple[str, str], ...] = ()
    arguments: Mapping[Place, Any] = field(default_factory=dict)
    request_body: Any = None


@dataclass(slots=True, kw_only=True)
class Scope:
    """The values of one workflow during a run.

    `steps` has the outputs of each step that ended, `lost` the reason for each output that has no value, by step and
    name. With `strict`, what bends the standard has no value.
    """

    workflow: ArazzoWorkflow
    document: WorkflowDocument
    inputs: Mapping[str, Any]
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)
    lost: dict[tuple[str, str], str] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)
    workflows: dict[str, Mapping[ExpressionPart, Mapping[str, Any]]] = field(default_factory=dict)
    exchange: StepExchange | None = None
    strict: bool = False

    def value(self, node: Any) -> Any:
        """Return a value of the document with its expressions evaluated; ABSENT for an optional input without one.

        Members and items that are ABSENT are left out. UnresolvedError where an expression has no value.
        """
        if isinstance(node, Selector):
            return self._selected(node)
        if isinstance(node, str):
            return self._text(node)
        if isinstance(node, Mapping):
            values = {name: self.value(item) for name, item in node.items()}
            return {name: value for name, value in values.items() if value is not ABSENT}
        if isinstance(node, list):
            return [value for value in map(self.value, node) if value is not ABSENT]
        return node

    def _text(self, text: str) -> Any:
        if text.startswith("$"):
            expression = self._parse(text)
            return text if expression is None else self.evaluate(expression)
        embedded = list(embedded_expressions(text))
        if not embedded:
            return text
        if len(embedded) == 1 and embedded[0][:2] == (0, len(text)):
            return self._text(embedded[0][2])
        pieces, end = [], 0
        for start, stop, inner in embedded:
            value = self._text(inner)
            pieces += [text[end:start], _as_text(inner, value)]
            end = stop
        return "".join((*pieces, text[end:]))

    def _selected(self, selector: Selector) -> Any:
        value = self._text(selector.context)
        if value is ABSENT:
            return ABSENT
        if selector.kind is CriterionKind.JSONPOINTER:
            accessors, _ = parse_accessors(f"#{selector.selector}")
            return self._part(selector.context, value, accessors or ())
        if selector.kind is not CriterionKind.JSONPATH:
            raise UnresolvedError(selector.selector, f"{selector.kind} is not supported")
        try:
            nodes = [node_at(value, path) for path in node_paths(value, self._jsonpath(selector.selector))]
        except ValueError as error:
            raise UnresolvedError(selector.selector, str(error)) from None
        if not nodes:
            raise UnresolvedError(selector.selector, f"it selects nothing from {selector.context}")
        return nodes[0] if len(nodes) == 1 else nodes

    def _jsonpath(self, text: str) -> str:
        """Return a JSONPath with the values of the expressions in it: `$.data[?@.name == '{$inputs.name}']`."""
        pieces, end = [], 0
        for start, stop, inner in embedded_expressions(text):
            value = self._text(inner)
            if not isinstance(value, (str, int, float, bool, type(None))):
                raise UnresolvedError(inner, "a text or a number is wanted inside a JSONPath")
            quote = text[start - 1 : start]
            is_quoted = quote in ("'", '"') and text[stop : stop + 1] == quote
            pieces += [text[end:start], _quoted_text(value, quote) if is_quoted else json.dumps(value)]
            end = stop
        return "".join((*pieces, text[end:]))

    def _parse(self, text: str) -> Expression | None:
        try:
            return parse_expression(text)
        except ExpressionError as error:
            raise UnresolvedError(text, str(error).removeprefix(f"{text}: ")) from None

    def evaluate(self, expression: Expression) -> Any:
        """Return the value of an expression; ABSENT for an optional input without one. UnresolvedError for none."""
        if self.strict and expression.bends:
            raise UnresolvedError(expression.text, expression.bends[0])
        match expression.root:
            case Root.INPUTS:
                return self._input(expression)
            case Root.STEPS:
                return self._step_output(expression)
            case Root.OUTPUTS:
                return self._named(expression, self.outputs, "output")
            case Root.WORKFLOWS:
                return self._workflow_field(expression)
            case Root.SELF:
                return self.document.location
            case Root.SOURCES:
                return self._source(expression)
            case Root.COMPONENTS:
                raise UnresolvedError(expression.text, "components are referred to by `reference`")
        return self._exchanged(expression)

    def _input(self, expression: Expression) -> Any:
        declared = {*self.workflow.input_schemas, *self.inputs}
        found = split_name(expression.name, declared)
        if found is None:
            name = first_name(expression.name)
            raise UnresolvedError(expression.text, f"the workflow {self.workflow.id} has no input {name}")
        if found[0] not in self.inputs:
            if found[0] in self.workflow.required_inputs:
                raise NotGivenError(expression.text, f"the input {found[0]} was not given")
            return ABSENT
        return self._named(expression, self.inputs, "input")

    def _step_output(self, expression: Expression) -> Any:
        step = self.workflow.step(expression.owner)
        if step is None:
            raise UnresolvedError(expression.text, f"the workflow has no step {expression.owner}")
        if step.id not in self.steps:
            raise UnresolvedError(expression.text, f"the step {step.id} has not run")
        found = split_name(expression.name, step.outputs)
        if found is None:
            known = ", ".join(step.outputs) or "none"
            raise UnresolvedError(
                expression.text, f"{step.id} has no output {first_name(expression.name)}; its outputs: {known}"
            )
        if reason := self.lost.get((step.id, found[0])):
            raise UnresolvedError(expression.text, reason)
        return self._named(expression, self.steps[step.id], "output")

    def _workflow_field(self, expression: Expression) -> Any:
        fields = self.workflows.get(expression.owner)
        if fields is None or expression.part is None:
            raise UnresolvedError(expression.text, f"the workflow {expression.owner} has not run")
        return self._named(expression, fields[expression.part], expression.part.value.removesuffix("s"))

    def _named(self, expression: Expression, values: Mapping[str, Any], kind: str) -> Any:
        found = split_name(expression.name, values)
        if found is None:
            raise UnresolvedError(expression.text, f"there is no {kind} {first_name(expression.name)}")
        name, accessors, bend = found
        if self.strict and bend:
            raise UnresolvedError(expression.text, bend)
        return self._part(expression.text, values[name], accessors)

    def _source(self, expression: Expression) -> str:
        source = next((entry for entry in self.document.sources if entry.name == expression.owner), None)
        if source is None or expression.name != "url":
            raise UnresolvedError(expression.text, "of a source there is only its url")
        return source.url

    def _exchanged(self, expression: Expression) -> Any:
        """Return the value of an expression on the request or the answer of the step."""
        exchange = self.exchange
        if exchange is None:
            raise UnresolvedError(expression.text, "there is no answer yet")
        match expression.root:
            case Root.URL:
                return exchange.url
            case Root.METHOD:
                return exchange.method
            case Root.STATUS_CODE:
                return exchange.status
        is_request = expression.root is Root.REQUEST
        if expression.part is ExpressionPart.BODY:
            body = exchange.request_body if is_request else exchange.body
            return self._part(expression.text, body, expression.accessors)
        if expression.part is ExpressionPart.HEADER:
            headers = exchange.request_headers if is_request else exchange.headers
            value = next((text for name, text in headers if name.lower() == expression.name.lower()), None)
            if value is None:
                raise UnresolvedError(expression.text, f"there is no header {expression.name}")
            return value
        place = expression.part.value if expression.part is not None else "", expression.name
        if not is_request or place not in exchange.arguments:
            raise UnresolvedError(expression.text, f"the request has no {place[0]} parameter {place[1]}")
        return exchange.arguments[place]

    def _part(self, text: str, value: Any, accessors: tuple[str | int, ...]) -> Any:
        try:
            return select(value, accessors)
        except MissingPartError as error:
            raise UnresolvedError(text, error.message) from None

    def holds(self, criterion: Criterion) -> bool:
        """Return whether a criterion holds. UnresolvedError where it cannot be decided."""
        if criterion.kind is CriterionKind.SIMPLE:
            try:
                condition = parse_condition(criterion.condition)
            except ConditionError as error:
                raise UnresolvedError(criterion.condition, str(error)) from None
            return holds(condition, self._operand)
        context = self._text(criterion.context)
        if criterion.kind is CriterionKind.REGEX:
            try:
                return search_pattern(criterion.condition, _as_text(criterion.context, context))
            except (PatternError, TooLargeError) as error:
                raise UnresolvedError(criterion.condition, str(error)) from None
            except TimeoutError:
                raise UnresolvedError(criterion.condition, "the pattern takes too long") from None
        if criterion.kind is not CriterionKind.JSONPATH:
            raise UnresolvedError(criterion.condition, f"{criterion.kind} is not supported")
        if context is ABSENT:
            raise UnresolvedError(criterion.context, "the input was not given")
        try:
            return bool(node_paths(context, self._jsonpath(criterion.condition)))
        except ValueError as error:
            raise UnresolvedError(criterion.condition, str(error)) from None

    def _operand(self, expression: Expression) -> Any:
        """Return the value of an expression in a condition; None where an answer has no such part."""
        try:
            value = self.evaluate(expression)
        except UnresolvedError:
            # `$response.body#/next != null` asks whether there is one.
            if expression.root in (Root.RESPONSE, Root.REQUEST, Root.STEPS, Root.OUTPUTS):
                return None
            raise
        return None if value is ABSENT else value


def _as_text(expression: str, value: Any) -> str:
    """Return a value as it stands inside a text: a text itself, else its JSON. UnresolvedError where it has none."""
    if value is ABSENT:
        raise UnresolvedError(expression, "the input was not given, and it stands inside a text")
    if isinstance(value, File):
        raise UnresolvedError(expression, "a file cannot stand inside a text")
    return value if isinstance(value, str) else json.dumps(value)


def _quoted_text(value: Any, quote: str) -> str:
    """Return a value as the inside of a string of a JSONPath (RFC 9535 §2.3.1.1), so that it cannot end the string."""
    text = json.dumps(value if isinstance(value, str) else json.dumps(value))[1:-1]
    return text if quote == '"' else text.replace('\\"', '"').replace("'", "\\'")
