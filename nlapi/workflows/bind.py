"""Builds the call of a step: expressions are evaluated, and the values become arguments of the operation's tool."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Final

from nlapi.client.message import File
from nlapi.json_text import parse_json
from nlapi.openapi.jsonpath import node_at, node_paths
from nlapi.openapi.spec import Operation, as_map, unescape_step
from nlapi.patterns import PatternError, TooLargeError, search_pattern
from nlapi.resources.paths import Place
from nlapi.resources.schemas import schema_types
from nlapi.tools.arguments import argument_schema, coerce_nested, property_schema
from nlapi.tools.compile import compile_tool
from nlapi.tools.tool import Account, Call, Missing, Origin, Tool, ValueSource
from nlapi.workflows.expressions import (
    EMBEDDED,
    ConditionError,
    Expression,
    ExpressionError,
    ExpressionPart,
    MissingPartError,
    Root,
    expressions_in,
    first_name,
    holds,
    parse_accessors,
    parse_condition,
    parse_expression,
    select,
    split_name,
)
from nlapi.workflows.model import (
    ArazzoWorkflow,
    Criterion,
    CriterionKind,
    Replacement,
    Selector,
    StepBody,
    StepParameter,
    WorkflowDocument,
    WorkflowStep,
)


class Absent(Enum):
    """The value of an input that the user did not give and need not give."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT


class UnresolvedError(Exception):
    """An expression without a value; `reason` says why."""

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

    def header(self, name: str, *, is_request: bool = False) -> str | None:
        """Return a header of the answer, or of the request; None where it has none of that name."""
        headers = self.request_headers if is_request else self.headers
        return next((text for key, text in headers if key.lower() == name.lower()), None)


# An input of any type, for a check: as an object it fits a whole payload too.
ANY_INPUT: Final[dict[str, Any]] = {}

NO_XPATH = "XPath is not run, as nlapi reads JSON; jsonpath and jsonpointer are"


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
        if (whole := EMBEDDED.fullmatch(text)) is not None:
            return self._text(whole[1])
        return EMBEDDED.sub(lambda match: _as_text(match[1], self._text(match[1])), text)

    def _selected(self, selector: Selector) -> Any:
        value = self._text(selector.context)
        if value is ABSENT:
            return ABSENT
        if selector.kind is CriterionKind.JSONPOINTER:
            accessors, _ = parse_accessors(f"#{selector.selector}")
            return self._part(selector.context, value, accessors or ())
        if selector.kind is not CriterionKind.JSONPATH:
            raise UnresolvedError(selector.selector, NO_XPATH)
        nodes = self._nodes(value, selector.selector)
        if not nodes:
            raise UnresolvedError(selector.selector, f"it selects nothing from {selector.context}")
        return nodes[0] if len(nodes) == 1 else nodes

    def _nodes(self, value: Any, text: str) -> list[Any]:
        """Return what a JSONPath selects, with expressions in it: `$.data[?@.name == '{$inputs.name}']`."""

        def literal(match: re.Match[str]) -> str:
            inner = self._text(match[1])
            if not isinstance(inner, (str, int, float, bool, type(None))):
                raise UnresolvedError(match[1], "a text or a number is wanted inside a JSONPath")
            before, after = text[match.start() - 1 : match.start()], text[match.end() : match.end() + 1]
            return _quoted_text(inner, before) if before == after and before in ("'", '"') else json.dumps(inner)

        try:
            return [node_at(value, path) for path in node_paths(value, EMBEDDED.sub(literal, text))]
        except ValueError as error:
            raise UnresolvedError(text, str(error)) from None

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
        match = split_name(expression.name, declared)
        if match is None:
            name = first_name(expression.name)
            raise UnresolvedError(expression.text, f"the workflow {self.workflow.id} has no input {name}")
        if match[0] not in self.inputs:
            if match[0] in self.workflow.required_inputs:
                raise NotGivenError(expression.text, f"the input {match[0]} was not given")
            return ABSENT
        return self._named(expression, self.inputs, "input")

    def _step_output(self, expression: Expression) -> Any:
        step = self.workflow.step(expression.owner)
        if step is None:
            raise UnresolvedError(expression.text, f"the workflow has no step {expression.owner}")
        if step.id not in self.steps:
            raise UnresolvedError(expression.text, f"the step {step.id} has not run")
        match = split_name(expression.name, step.outputs)
        if match is None:
            names = ", ".join(step.outputs) or "none"
            raise UnresolvedError(
                expression.text, f"{step.id} has no output {first_name(expression.name)}; its outputs: {names}"
            )
        if reason := self.lost.get((step.id, match[0])):
            raise UnresolvedError(expression.text, reason)
        return self._named(expression, self.steps[step.id], "output")

    def _workflow_field(self, expression: Expression) -> Any:
        fields = self.workflows.get(expression.owner)
        if fields is None or expression.part is None:
            raise UnresolvedError(expression.text, f"the workflow {expression.owner} has not run")
        return self._named(expression, fields[expression.part], expression.part.value.removesuffix("s"))

    def _named(self, expression: Expression, values: Mapping[str, Any], kind: str) -> Any:
        match = split_name(expression.name, values)
        if match is None:
            raise UnresolvedError(expression.text, f"there is no {kind} {first_name(expression.name)}")
        name, accessors, bend = match
        if self.strict and bend:
            raise UnresolvedError(expression.text, bend)
        if values[name] is ANY_INPUT and accessors:
            raise NotGivenError(expression.text, f"the {kind} {name} is known when the workflow runs")
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
        if expression.root in _OF_EXCHANGE:
            return _OF_EXCHANGE[expression.root](exchange)
        is_request = expression.root is Root.REQUEST
        if expression.part is ExpressionPart.BODY:
            body = exchange.request_body if is_request else exchange.body
            return self._part(expression.text, body, expression.accessors)
        if expression.part is ExpressionPart.HEADER:
            value = exchange.header(expression.name, is_request=is_request)
            if value is None:
                raise UnresolvedError(expression.text, f"there is no header {expression.name}")
            return value
        place = str(expression.part), expression.name
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
            raise UnresolvedError(criterion.condition, NO_XPATH)
        if context is ABSENT:
            raise UnresolvedError(criterion.context, "the input was not given")
        return bool(self._nodes(context, criterion.condition))

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


_OF_EXCHANGE: Mapping[Root, Callable[[StepExchange], Any]] = {
    Root.URL: attrgetter("url"),
    Root.METHOD: attrgetter("method"),
    Root.STATUS_CODE: attrgetter("status"),
}


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


# Headers that a description does not describe (OpenAPI 3.1.1, Parameter Object): they follow from the body, the answers
# and the credentials.
_IMPLIED_HEADERS = frozenset({"accept", "content-type", "authorization"})


class BindError(Exception):
    """A step whose call cannot be built; `place` is the part of the step, `parameters[0]` or `payload`."""

    def __init__(self, place: str, message: str, hint: str = "") -> None:
        super().__init__(f"{place}: {message}" if place else message)
        self.place = place
        self.message = message
        self.hint = hint

    @property
    def text(self) -> str:
        """The fault with its hint, in one line."""
        return f"{self} ({self.hint})" if self.hint else str(self)


class LostValueError(BindError):
    """A value that an answer was to give and does not have; `missing` is what a person can give in its place."""

    def __init__(self, place: str, message: str, missing: Missing) -> None:
        super().__init__(place, message)
        self.missing = missing


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCall:
    """A call of a step, ready for the pipeline; `notes` name what of the document was read tolerantly.

    `pending` has the expression for each value that is not known yet, by its place; () for a call that can be sent.
    """

    step: WorkflowStep
    call: Call
    notes: tuple[str, ...] = ()
    pending: tuple[tuple[str, str], ...] = ()


def bind(
    operation: Operation,
    step: WorkflowStep,
    scope: Scope,
    *,
    id: str,
    defaults: Mapping[str, Any] = MappingProxyType({}),
    given: Mapping[str, Any] = MappingProxyType({}),
    partial: bool = False,
) -> StepCall:
    """Return the call of a step. BindError where a value has no place in the operation, or an expression no value.

    `defaults` are values by argument for those that are required and that the step does not give, `given` those for
    values that an answer lacks: without one, LostValueError. With `partial`, for a preview, a value that an answer or
    the user is yet to give is left out, and `pending` has it.
    """
    binding = _Binding(tool=compile_tool(operation), scope=scope, step=step.id, given=given, is_partial=partial)
    step_places = {(parameter.name, parameter.location) for parameter in step.parameters}
    inherited = [entry for entry in scope.workflow.parameters if (entry.name, entry.location) not in step_places]
    for parameter in (*inherited, *step.parameters):
        binding.add_parameter(parameter, is_inherited=parameter in inherited)
    if step.body is not None:
        binding.add_body(step.body)
    for name in binding.tool.required:
        if name not in binding.arguments and name in defaults:
            binding.add(name, defaults[name], "$inputs.")
    return StepCall(
        step=step,
        call=Call(
            tool=binding.tool,
            arguments=coerce_nested(binding.tool, binding.arguments),
            id=id,
            reason=step.description,
            account=Account(sources=tuple(binding.sources)),
            timeout=step.timeout,
        ),
        notes=tuple(binding.notes),
        pending=tuple(binding.pending),
    )


@dataclass(slots=True, kw_only=True)
class _Binding:
    """The arguments of one call while they are collected."""

    tool: Tool
    scope: Scope
    step: str
    given: Mapping[str, Any]
    is_partial: bool = False
    arguments: dict[str, Any] = field(default_factory=dict)
    sources: list[ValueSource] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    pending: list[tuple[str, str]] = field(default_factory=list)
    levels: dict[str, bool] = field(default_factory=dict)
    """whether the parameter of an argument is the workflow's, which one of the step replaces"""

    def add(self, name: str, value: Any, node: Any) -> None:
        if value is not ABSENT:
            self.arguments[name] = value
            self.sources.append(ValueSource(argument=name, value=value, origin=_origin(node)))

    def value(self, node: Any, place: str, name: str) -> Any:
        """Return the value of a node; ABSENT if none exists, or none yet in a preview.

        `name` is the argument that it is for, dotted for one inside of it.
        """
        if isinstance(node, Mapping):
            return self._members(node, place, lambda key: f"{name}.{key}")
        is_answer = _origin(node) is Origin.ANSWER
        try:
            value = self.scope.value(node)
            if is_answer and (reason := self._unfit_reason(value, name)):
                raise UnresolvedError(str(node), reason)
            return value
        except UnresolvedError as error:
            if self.is_partial and (is_answer or isinstance(error, NotGivenError)):
                self.pending.append((name, next(expressions_in(node), str(node))))
                return ABSENT
            if not is_answer:
                raise BindError(place, str(error)) from None
            return self._given_value(name, place, str(error))

    def _members(self, node: Mapping[str, Any], place: str, name: Callable[[str], str]) -> dict[str, Any]:
        """Return the values of the members of an object; `name` gives the argument that each is for."""
        values = {key: self.value(inner, f"{place}.{key}", name(str(key))) for key, inner in node.items()}
        return {key: value for key, value in values.items() if value is not ABSENT}

    def _given_value(self, name: str, place: str, reason: str) -> Any:
        """Return the value that a person gave in the place of one that an answer lacks, else ask for it."""
        if name in self.given:
            return self.given[name]
        if self.scope.strict:
            raise BindError(place, reason) from None
        schema = dict(self._schema(name))
        missing = Missing(tool=self.tool, argument=f"{self.step}.{name}", description=reason, schema=schema)
        raise LostValueError(place, reason, missing) from None

    def _schema(self, name: str) -> Mapping[str, Any]:
        """Return the schema of an argument, whose name may have dots, or of what is inside of one."""
        argument = next((entry for entry in self.tool.places if name == entry or name.startswith(f"{entry}.")), name)
        inner = name.removeprefix(argument).removeprefix(".")
        return argument_schema(self.tool, argument, *(inner.split(".") if inner else ()))

    def _unfit_reason(self, value: Any, name: str) -> str:
        """Return why an answer's value cannot stand for an argument: null, or an object where one value is wanted."""
        types = schema_types(self._schema(name))
        if not types or not (value is None or isinstance(value, (Mapping, list))):
            return ""
        if value is None:
            return "" if "null" in types else "the answer has null there"
        if {"object", "array"} & set(types):
            return ""
        return f"it is {'a list' if isinstance(value, list) else 'an object'}, and {name} takes {' or '.join(types)}"

    def add_parameter(self, parameter: StepParameter, *, is_inherited: bool) -> None:
        place, operation = f"parameters.{parameter.name}", self.tool.operation
        name = _argument_of(self.tool, parameter, self.notes, strict=self.scope.strict)
        value = self.value(parameter.value, place, name or parameter.name)
        if name is None:
            # A parameter of the whole workflow need not fit each of its operations.
            if not (is_inherited or value is ABSENT or is_implied(operation, parameter, self.notes)):
                names = ", ".join(entry for location, entry in self.tool.places.values() if location != "body")
                message = f"{operation.id} has no {parameter.location} parameter {parameter.name}"
                raise BindError(place, message, f"it has {names or 'none'}")
            return
        if self.levels.get(name) is is_inherited:
            raise BindError(place, f"{name} is given twice", "it takes one value")
        self.levels[name] = is_inherited
        self.add(name, value, parameter.value)

    def _sendable(self, value: Any, schema: Any, path: str) -> Any:
        """Return a value without what only answers have: an item that was read is sent back, or as part of another.

        A request must not have it (JSON Schema Validation 2020-12 §9.4).
        """
        spec = self.tool.operation.spec
        if isinstance(value, list):
            items = spec.schema(schema).get("items", {})
            return [self._sendable(item, items, path) for item in value]
        if not isinstance(value, Mapping):
            return value
        result = {}
        for name, inner in value.items():
            declared = property_schema(spec, schema, str(name))
            place = f"{path}.{name}".removeprefix(".")
            if declared.get("readOnly") is True and ("body", place) not in self.tool.places.values():
                self.notes.append(f"{place} is read-only: it is not sent")
            else:
                result[name] = self._sendable(inner, declared, place)
        return result

    def add_body(self, body: StepBody) -> None:
        """Add the arguments of a payload."""
        names = {wire_name: name for name, (location, wire_name) in self.tool.places.items() if location == "body"}
        payload = self._payload(body, names)
        if payload is None:
            return
        whole = names.get("")
        schema = self.tool.input_schema["properties"].get(whole, {})
        if whole is None or schema.get("type") in ("object", "array"):
            payload = _parsed(payload, self.notes)
        if whole is not None:
            self.add(whole, payload, body.payload)
        elif isinstance(payload, Mapping):
            self._add_fields(payload, body, names)
        else:
            raise BindError("payload", f"{self.tool.operation.id} takes an object, and not {json.dumps(payload)[:60]}")

    def _payload(self, body: StepBody, names: Mapping[str, str]) -> Any:
        """Return the value of a payload with its replacements made, None for no body; `names` are the body's."""
        if isinstance(body.payload, Mapping) and "" not in names:
            payload: Any = self._members(body.payload, "payload", lambda key: names.get(key, key))
        else:
            payload = self.value(body.payload, "payload", names.get("", "body"))
            payload = None if payload is ABSENT else payload
        if body.replacements and not (self.is_partial and self.pending):
            payload = _replaced(payload, body.replacements, self.scope)
        described = self.tool.operation.body
        if described is not None:
            return self._sendable(payload, described.schema, "")
        if payload is not None and not names:
            raise BindError("payload", f"{self.tool.operation.id} takes no body")
        return payload

    def _add_fields(self, payload: Mapping[str, Any], body: StepBody, names: Mapping[str, str]) -> None:
        nodes = as_map(body.payload)
        for wire_name, value in payload.items():
            # A field that the body merely allows is an argument of its own name, unless a parameter has that name.
            if wire_name not in names and wire_name in self.tool.places:
                raise BindError(f"payload.{wire_name}", f"the body of {self.tool.operation.id} has no such field")
            self.add(names.get(str(wire_name), str(wire_name)), value, nodes.get(wire_name, body.payload))


def _origin(node: Any) -> Origin:
    texts = list(expressions_in(node))
    if any(text.startswith(("$steps.", "$workflows.", "$response")) for text in texts):
        return Origin.ANSWER
    return Origin.SETTING if any(text.startswith("$inputs.") for text in texts) else Origin.WORKFLOW


def _argument_of(tool: Tool, parameter: StepParameter, notes: list[str], *, strict: bool) -> str | None:
    """Return the argument for a parameter: by name and location, else by the name in the only other location."""
    by_place = {_plain_place(*place): name for name, place in tool.places.items()}
    if (name := by_place.get(_plain_place(parameter.location, parameter.name))) is not None:
        return name
    elsewhere = [entry for entry, place in tool.places.items() if place[1] == parameter.name and place[0] != "body"]
    if len(elsewhere) != 1 or strict:
        return None
    notes.append(
        f"{parameter.name} is in the {tool.places[elsewhere[0]][0]}, not in the {parameter.location or 'step'}"
    )
    return elsewhere[0]


def _plain_place(location: str, name: str) -> Place:
    """Return a place as it is compared: the names of headers have no case."""
    return location, name.lower() if location == "header" else name


def is_implied(operation: Operation, parameter: StepParameter, notes: list[str]) -> bool:
    """Return whether a parameter is filled elsewhere: a header that follows from the call, or a credential."""
    if parameter.location == "header" and parameter.name.lower() in _IMPLIED_HEADERS:
        notes.append(f"the header {parameter.name} follows from the call")
        return True
    schemes = operation.spec.security_schemes.values()
    if any(
        scheme.name.lower() == parameter.name.lower() and scheme.location == parameter.location for scheme in schemes
    ):
        notes.append(f"{parameter.name} is a credential: --auth gives it")
        return True
    return False


def _parsed(payload: Any, notes: list[str]) -> Any:
    """Return a payload that is JSON in a text as its value."""
    if not isinstance(payload, str) or not payload.lstrip().startswith(("{", "[")):
        return payload
    try:
        value = parse_json(payload)
    except (ValueError, RecursionError):
        return payload
    notes.append("the payload is a text with JSON in it")
    return value


def _replaced(payload: Any, replacements: tuple[Replacement, ...], scope: Scope) -> Any:
    """Return a payload with its replacements (Arazzo 1.1, Payload Replacement Object)."""
    payload = copy.deepcopy(payload)
    targets = [(replacement.kind, replacement.target) for replacement in replacements]
    for index, replacement in enumerate(replacements):
        if targets[index] in targets[:index]:
            raise BindError(f"replacements.{replacement.target}", "it is replaced twice")
        try:
            value = scope.value(replacement.value)
        except UnresolvedError as error:
            raise BindError(f"replacements.{replacement.target}", str(error)) from None
        if value is ABSENT:
            continue
        for path in _target_paths(payload, replacement):
            if path:
                node_at(payload, path[:-1])[path[-1]] = value
            else:
                payload = value
    return payload


def _target_paths(payload: Any, replacement: Replacement) -> list[tuple[Any, ...]]:
    """Return the places that a replacement is for; a JSON pointer may lead to a new member of an object."""
    place = f"replacements.{replacement.target}"
    if replacement.kind is CriterionKind.XPATH:
        raise BindError(place, NO_XPATH)
    try:
        if replacement.kind is CriterionKind.JSONPATH:
            paths = node_paths(payload, replacement.target)
        else:
            paths, holder = [()], payload
            for key in map(unescape_step, replacement.target.split("/")[1:]):
                holder = node_at(payload, paths[0])
                index = range(len(holder)).index(int(key)) if isinstance(holder, list) else key
                paths = [(*paths[0], index)]
            if paths[0] and not isinstance(holder, (dict, list)):
                paths = []
    except (ValueError, LookupError, TypeError):
        paths = []
    if not paths:
        raise BindError(place, "the payload has no such place")
    return paths
