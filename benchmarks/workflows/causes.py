"""Says why a run stopped, by the step, the values and the schemas: the document, the description, the sandbox or nlapi.

Schemas are read with the sandbox's reader, not with the checks that refused a call.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from benchmarks.workflows.collection import Step, uses
from benchmarks.workflows.evidence import described_statuses, wanted_statuses
from benchmarks.workflows.inputs import has_fields
from benchmarks.workflows.playing import Mode, Played, Stop
from benchmarks.workflows.stage import Exchange
from nlapi.openapi.spec import Operation, Spec
from nlapi.resources.answers import json_media
from nlapi.resources.semantics import semantics_of
from nlapi.sandbox.samples import SampleContext, Sampler
from nlapi.sandbox.schemas import Schemas
from nlapi.tools.sending.run import locate_arguments
from nlapi.workflows.bind import ABSENT, Scope, UnresolvedError
from nlapi.workflows.expressions import Expression, ExpressionError, ExpressionPart, Root, parse_expression, split_name


class Source(StrEnum):
    """Who a failure is due to."""

    DOCUMENT = "document"
    DESCRIPTION = "description"
    SANDBOX = "sandbox"
    OURS = "ours"


Verdict = tuple[Source, str]
"""Who it is due to, and a kind that can be counted."""


@dataclass(frozen=True, kw_only=True)
class Cause:
    """Why a run stopped; `detail` is the evidence in one line."""

    source: Source
    kind: str
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where the value of an expression comes from: the part `keys` of the answer `exchange` to `operation`."""

    operation: Operation
    exchange: Exchange
    keys: tuple[Any, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A run that stopped at a step."""

    played: Played
    step: Step
    operation: Operation
    exchanges: Mapping[str, Exchange | None]


class Explainer:
    """Finds the causes of the failures of one API."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.schemas = Schemas(spec)
        self._sampler = Sampler(self.schemas)
        self._semantics = semantics_of(spec)
        self._operations = {(operation.method, operation.path): operation for operation in spec.operations}

    def cause(self, played: Played) -> Cause:
        """Return the cause of a run that did not end."""
        source, kind = self._verdict(played)
        last = played.evidence.last if played.evidence is not None else None
        answer = f" [{last}] {last.answer_body}" if last is not None and last.status >= 400 else ""
        return Cause(source=source, kind=kind, detail=f"{played.step}: {played.failure}{answer}"[:1000])

    def _verdict(self, played: Played) -> Verdict:
        step = next((step for step in played.script.steps if step.id == played.step), None)
        if played.stop is Stop.CRASH:
            return Source.OURS, "an exception"
        if played.stop is Stop.INPUT:
            is_question = played.failure.startswith("asks for")
            kind = "required value that nothing gives" if is_question else "input of another type than the operation's"
            return Source.DOCUMENT, kind
        is_ambiguous = any(step.is_ambiguous for step in played.script.steps)
        if is_ambiguous and (played.stop is Stop.NOTHING or (step is not None and step.is_ambiguous)):
            return Source.DESCRIPTION, "operationId of several operations"
        if played.stop is Stop.NOTHING or step is None or played.evidence is None:
            return Source.OURS, "says another end than the sandbox saw"
        operation = self._operations.get((step.method, step.path))
        if operation is None:
            return (Source.OURS if step.is_resolved else Source.DOCUMENT), "operation not found"
        steps = zip(played.script.steps, played.evidence.exchanges, strict=True)
        exchanges = {step.id: exchange for step, exchange in steps}
        failure = Failure(played=played, step=step, operation=operation, exchanges=exchanges)
        explain = {
            Stop.ANSWER: self._answer,
            Stop.QUESTION: self._unbound,
            Stop.UNBOUND: self._unbound,
            Stop.REFUSED: self._refused,
        }
        return explain[played.stop](failure)

    def _answer(self, failure: Failure) -> Verdict:
        """Return the cause of an answer that does not meet the criteria."""
        exchange = failure.exchanges[failure.step.id]
        if exchange is None:
            return Source.OURS, "no request for a call that was answered"
        if exchange.is_success:
            wanted = {form for status in wanted_statuses(failure.step) for form in (str(status), f"{status // 100}XX")}
            is_described = bool(wanted & described_statuses(failure.step, self.spec))
            return (Source.SANDBOX if is_described else Source.DOCUMENT), "another success than the criterion names"
        if exchange.refusal:
            return self._unfit_value(failure) or self._forbidden(failure, exchange)
        if exchange.status == 401:
            return Source.OURS, "no credential"
        if exchange.status == 404 and _has_two_meanings(failure):
            return Source.DOCUMENT, "input that does not fit: one input for two uses"
        if exchange.status == 404:
            return self._not_found(failure)
        return Source.SANDBOX, f"{exchange.status} of the sandbox"

    def _forbidden(self, failure: Failure, exchange: Exchange) -> Verdict:
        """Return the cause of a request that passes nlapi's check, and that the description forbids."""
        schema = failure.operation.body.schema if failure.operation.body is not None else {}
        required = set(self.schemas.flat(schema).get("required") or ())
        undescribed = required - self.schemas.properties(schema).keys()
        if any(f"{name!r} is required" in exchange.refusal for name in undescribed):
            return Source.DESCRIPTION, "requires a field that it does not describe"
        return Source.OURS, "sends what the description forbids"

    def _not_found(self, failure: Failure) -> Verdict:
        """Return the cause of a 404: an id of another kind where a repair passes it on, else the sandbox."""
        role = self._semantics.classify(failure.operation)
        wanted = {parent.parameter: parent.resource for parent in role.parents}
        if role.key:
            wanted[role.key] = role.resource
        written = {place: node for *place_, node in step_values(_original(failure)) if (place := tuple(place_))}
        for location, name, node in step_values(failure.step):
            origin = self._origin(failure, node) if location == "path" and isinstance(node, str) else ""
            if not isinstance(origin, Origin):
                continue
            resource = self._semantics.classify(origin.operation).resource
            if resource is not None and resource is wanted.get(name):
                return Source.SANDBOX, "404 for an id that it gave"
            if written.get((location, name)) != node:
                return Source.OURS, "404 for an id that a repair passes on"
            return Source.SANDBOX, "404 for an id of another kind that it gave"
        return Source.SANDBOX, "404 for an id that it lists or has"

    def _unbound(self, failure: Failure) -> Verdict:
        """Return the cause of a call that cannot be built."""
        played, step = failure.played, failure.step
        assert played.scope is not None
        if played.mode is Mode.LETTER and "operationPath" in played.failure:
            return Source.DOCUMENT, "operationPath in another form than the standard's"
        # Read tolerantly, an expression that only bends the standard has a value.
        tolerant = replace(played.scope, strict=False)
        for _, _, node in step_values(step):
            if (error := _unresolved(played.scope, node)) is not None:
                if _unresolved(tolerant, node) is None:
                    return Source.DOCUMENT, "expression that bends the standard"
                origin = self._origin(failure, error.expression)
                return self._missing_part(origin) if isinstance(origin, Origin) else (Source.DOCUMENT, origin)
        return self._misplaced(failure)

    def _unfit_value(self, failure: Failure) -> Verdict | None:
        """Return the cause of the first value of a step that does not fit its place; None where all fit."""
        operation, scope = failure.operation, failure.played.scope
        if scope is None:
            return None
        properties = self.schemas.properties(operation.body.schema) if operation.body is not None else {}
        for location, name, node in step_values(failure.step):
            parameter = operation.parameter(location, name)
            schema = parameter.schema if parameter is not None else properties.get(name)
            value = None if schema is None or _unresolved(scope, node) is not None else scope.value(node)
            if value is not None and value is not ABSENT and not self._fits(schema, value):
                return self._unfit(failure, (location, name), value, schema)
        return None

    def _null_value(self, failure: Failure) -> Verdict | None:
        """Return the cause of a null where a step wants a value of an answer; None without one."""
        for _, _, node in step_values(failure.step):
            assert failure.played.scope is not None
            origin = self._origin(failure, node) if isinstance(node, str) else ""
            if isinstance(origin, Origin) and failure.played.scope.value(node) is None:
                return self._missing_part(origin)
        return None

    def _fits(self, schema: Any, value: Any) -> bool:
        """Return whether a value fits, or is the text of one that does: all in a URL is text."""
        readings = [value]
        if isinstance(value, str):
            with suppress(ValueError):
                readings.append(json.loads(value))
        elif isinstance(value, int | float):
            readings.append(json.dumps(value))
        return any(self.schemas.valid(schema, reading, "write") for reading in readings)

    def _misplaced(self, failure: Failure) -> Verdict:
        """Return the cause of a call whose values do not go where the document puts them."""
        if verdict := self._null_value(failure) or self._unfit_value(failure):
            return verdict
        step, operation = failure.step, failure.operation
        properties = self.schemas.properties(operation.body.schema) if operation.body is not None else {}
        for location, name, _ in step_values(step):
            if location != "body" and operation.parameter(location, name) is None:
                return Source.DOCUMENT, "parameter that the operation does not have"
            if location == "body" and self.schemas.flat(properties.get(name)).get("readOnly") is True:
                return Source.DOCUMENT, "read-only field in a payload"
            if location == "body" and name and name not in properties:
                return Source.DOCUMENT, "field that the body does not have"
        if operation.body is None and "requestBody" in step.tree:
            return Source.DOCUMENT, "payload for an operation without a body"
        if "takes an object" in failure.played.failure:
            return Source.DOCUMENT, "payload that is no object"
        return Source.OURS, "call that cannot be built"

    def _origin(self, failure: Failure, text: str) -> Origin | str:
        """Return the origin of an expression's value, else what is wrong with the expression."""
        expression, owner = _parsed(text), failure.step.id
        keys: tuple[Any, ...] = ()
        if expression is None:
            return "text that is no expression"
        if expression.root is Root.INPUTS:
            return "input that is not declared, or part of one"
        if expression.root is Root.STEPS:
            owner = expression.owner
            source = next((step for step in failure.played.script.steps if step.id == owner), None)
            outputs = source.tree.get("outputs", {}) if source is not None else {}
            found = split_name(expression.name, outputs)
            if found is None:
                return "output that no step declares"
            expression, keys = _parsed(str(outputs[found[0]])), found[1]
            if expression is None:
                return "output that is no expression"
        exchange = failure.exchanges.get(owner)
        if exchange is None or exchange.operation is None:
            return "step that has not run"
        if expression.part is not ExpressionPart.BODY:
            return "output of something else than the body of an answer"
        operation = self._operations[exchange.operation]
        return Origin(operation=operation, exchange=exchange, keys=(*expression.accessors, *keys))

    def _missing_part(self, origin: Origin) -> Verdict:
        """Return the cause of a part that an answer does not have."""
        value = origin.exchange.answer_body
        for key in origin.keys:
            if isinstance(value, list) and not value:
                return Source.SANDBOX, "empty list where its first is wanted"
            value = value.get(str(key)) if isinstance(value, Mapping) else None
        schema = self.part_schema(origin)
        if schema is None:
            return Source.DOCUMENT, "output that the answer's schema does not have"
        if not schema:
            return Source.DESCRIPTION, "answer without a schema"
        return Source.SANDBOX, "described value that the answer does not have"

    def part_schema(self, origin: Origin) -> Mapping[str, Any] | None:
        """Return the flat schema of a part of an answer; {} where the description does not say, None for no part."""
        media = json_media(origin.operation)
        schema: Any = self.schemas.flat(media.schema) if media is not None else {}
        for key in origin.keys:
            types, properties = self.schemas.types(schema), self.schemas.properties(schema)
            items = [branch["items"] for branch in (schema, *self.schemas.branches(schema)) if "items" in branch]
            additional = schema.get("additionalProperties")
            if str(key) in properties:
                schema = properties[str(key)]
            elif items and str(key).isdecimal():
                schema = items[0]
            elif isinstance(additional, Mapping) and additional:
                schema = additional
            else:
                is_open = not properties and not items and (not types or "object" in types)
                return {} if is_open else None
            schema = self.schemas.flat(schema)
        return dict(schema)

    def _refused(self, failure: Failure) -> Verdict:
        """Return the cause of a call that nlapi's check refuses: what the schemas say of the same values."""
        call, operation = failure.played.call, failure.operation
        assert call is not None
        values = dict(locate_arguments(call.tool, call.arguments))
        for parameter in operation.parameters:
            place = (parameter.location, parameter.name)
            if place in values and not self.schemas.valid(parameter.schema, values[place], "write"):
                return self._unfit(failure, place, values[place], parameter.schema)
            if place not in values and parameter.required:
                return Source.DOCUMENT, "required value that nothing gives"
        fields = {name: value for (location, name), value in values.items() if location == "body"}
        body = fields.get("", fields)
        if operation.body is None:
            return (Source.DOCUMENT, "field that the body does not have") if body else _REFUSAL
        return self._refused_body(failure, body) if body or operation.body.required else _REFUSAL

    def _refused_body(self, failure: Failure, body: Any) -> Verdict:
        operation = failure.operation
        assert operation.body is not None
        if not has_fields(operation.body) and "object" in self.schemas.types(operation.body.schema):
            return Source.DESCRIPTION, "object described as a body that has no fields"
        errors = list(self.schemas.errors(operation.body.schema, body, "write"))
        properties = self.schemas.properties(operation.body.schema)
        for error in errors:
            name = str(error.absolute_path[0]) if error.absolute_path else ""
            if name in properties:
                return self._unfit(failure, ("body", name), body[name], properties[name])
        if any("is required" in error.message or "is a required" in error.message for error in errors):
            return Source.DOCUMENT, "required value that nothing gives"
        if errors:
            return Source.DOCUMENT, "payload that the body does not allow"
        read_only = {name for name, schema in properties.items() if self.schemas.flat(schema).get("readOnly") is True}
        if isinstance(body, Mapping) and read_only & body.keys():
            return Source.DOCUMENT, "read-only field in a payload"
        if isinstance(body, Mapping) and body.keys() - properties.keys():
            return Source.DOCUMENT, "field that the body does not describe, but allows"
        return _REFUSAL

    def _unfit(self, failure: Failure, place: tuple[str, str], value: Any, schema: Any) -> Verdict:
        """Return the cause of a value that does not fit its place."""
        nodes = step_values(failure.step)
        node = next((node for location, name, node in nodes if (location, name) == place), None)
        if not isinstance(node, str):
            return Source.DOCUMENT, "value inside a payload that does not fit"
        if "$inputs." in node:
            sample = self._sampler.sample(schema, SampleContext(seed=0, path=place[1], name=place[1]))
            if not self.schemas.valid(schema, sample, "write"):
                return Source.DESCRIPTION, "schema that no sample fits"
            return Source.DOCUMENT, "input that does not fit: one input for two uses"
        if not node.startswith("$"):
            return Source.DOCUMENT, "constant that does not fit"
        wanted = set(self.schemas.types(schema))
        origin = self._origin(failure, node)
        given = self.part_schema(origin) if isinstance(origin, Origin) else {}
        if not given:
            return Source.DESCRIPTION, "answer without a schema"
        if isinstance(value, dict | list) and wanted and not {"object", "array"} & wanted:
            return Source.DOCUMENT, "a whole answer passed for one value"
        if isinstance(value, dict | list) or not wanted - {"object", "array"}:
            return Source.DOCUMENT, "a value of another shape passed on"
        is_same = bool(set(self.schemas.types(given)) & wanted) and self.schemas.valid(schema, value, "read")
        source = Source.SANDBOX if is_same else Source.DESCRIPTION
        return source, "value of an answer that does not fit where it goes"


_REFUSAL = (Source.OURS, "refuses what the description allows")


def _has_two_meanings(failure: Failure) -> bool:
    """Return whether an input in the path of a step stands for the id of another thing in another step."""
    targets: dict[str, set[str]] = {}
    for use in uses(failure.played.script):
        if use.location == "path" and "$inputs." in use.expression:
            collection = use.step.path.partition(f"{{{use.name}}}")[0]
            targets.setdefault(use.expression, set()).add(re.sub(r"\{[^{}]+\}", "{}", collection))
    expressions = [node for location, _, node in step_values(failure.step) if location == "path"]
    return any(len(targets.get(text, ())) > 1 for text in expressions if isinstance(text, str))


def _original(failure: Failure) -> Step:
    """Return the step as the document has it."""
    return next(step for step in failure.played.case.steps if step.id == failure.step.id)


def _parsed(text: str) -> Expression | None:
    try:
        return parse_expression(text)
    except ExpressionError:
        return None


def _unresolved(scope: Scope, node: Any) -> UnresolvedError | None:
    """Return why a value of the document has none."""
    try:
        scope.value(node)
    except UnresolvedError as error:
        return error
    return None


def step_values(step: Step) -> Iterator[tuple[str, str, Any]]:
    """Yield location, name and value of what a step sends; of a payload its fields, or the whole under ""."""
    for parameter in step.tree.get("parameters", ()):
        yield str(parameter.get("in", "")), str(parameter.get("name", "")), parameter.get("value")
    payload = step.tree.get("requestBody", {}).get("payload")
    if isinstance(payload, Mapping):
        yield from (("body", str(name), value) for name, value in payload.items())
    elif payload is not None:
        yield "body", "", payload
