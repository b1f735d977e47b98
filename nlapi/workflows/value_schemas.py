"""The schemas of the values in a workflow before it runs, by the descriptions of the operations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nlapi.openapi.spec import Operation, Spec
from nlapi.resources.answers import answer_schema
from nlapi.resources.schemas import SchemaReader
from nlapi.workflows.expressions import (
    EACH,
    Accessors,
    Expression,
    ExpressionError,
    ExpressionPart,
    Root,
    first_name,
    parse_expression,
    pointer,
    split_name,
)
from nlapi.workflows.model import ArazzoWorkflow, Selector, WorkflowStep
from nlapi.workflows.sources import LinkedDocument

# Outputs that are outputs of other steps; a real document has two levels.
MAX_HOPS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueSchema:
    """The schema of a value; {} where nothing is described. `fault` says why there is no such value, else ""."""

    schema: Mapping[str, Any] = field(default_factory=dict)
    reader: SchemaReader | None = None
    fault: str = ""

    @property
    def types(self) -> tuple[str, ...]:
        """The JSON types that the value may have, without null; () where nothing is described."""
        types = self.reader.types(self.schema) if self.reader is not None else ()
        return tuple(name for name in types if name != "null")

    @property
    def is_described(self) -> bool:
        """Whether the description says what the value is."""
        return bool(self.types)

    @property
    def is_scalar(self) -> bool:
        """Whether the value can only be a text, a number or a truth value."""
        return bool(self.types) and not {"object", "array"} & set(self.types)

    @property
    def names(self) -> tuple[str, ...]:
        """The properties that an object of this schema may have."""
        return tuple(self.reader.properties(self.schema)) if self.reader is not None else ()

    def part(self, accessors: Accessors) -> ValueSchema:
        """Return the schema of the part that accessors lead to."""
        value = self
        for position, step in enumerate(accessors):
            if step == EACH and "array" in value.types:
                inner = value.part((0, *accessors[position + 1 :]))
                schema = {"type": "array", "items": inner.schema}
                return inner if inner.fault else ValueSchema(schema=schema, reader=self.reader)
            value = value._member(step, pointer(accessors[: position + 1]))
            if value.fault:
                return value
        return value

    def _member(self, step: str | int, place: str) -> ValueSchema:
        if self.reader is None:
            return ValueSchema()
        flat, types = self.reader.flat(self.schema), self.types
        properties = self.reader.properties(self.schema)
        if str(step) in properties:
            return ValueSchema(schema=properties[str(step)], reader=self.reader)
        items = flat.get("items")
        if "array" in types and (isinstance(step, int) or str(step).isdecimal()):
            return ValueSchema(schema=items if isinstance(items, Mapping) else {}, reader=self.reader)
        additional = flat.get("additionalProperties")
        if isinstance(additional, Mapping):
            return ValueSchema(schema=additional, reader=self.reader)
        if additional is True or (not properties and (not types or "object" in types)):
            return ValueSchema(reader=self.reader)
        if "array" in types and not properties:
            return ValueSchema(fault=f"there is no {place}: it is a list")
        if not properties:
            return ValueSchema(fault=f"there is no {place}: it is {' or '.join(types)}")
        names = ", ".join(list(properties)[:8])
        return ValueSchema(fault=f"there is no {place} in the description; it has {names}")


@dataclass(slots=True, kw_only=True)
class ValueSchemas:
    """The schemas of the values of one linked document."""

    linked: LinkedDocument
    readers: dict[Spec, SchemaReader] = field(default_factory=dict)

    def reader(self, spec: Spec) -> SchemaReader:
        """Return the reader of a Spec's schemas, the same one each time."""
        return self.readers.setdefault(spec, SchemaReader(spec))

    def answer(self, operation: Operation) -> ValueSchema:
        """Return the schema of an operation's answer of success."""
        schema = answer_schema(operation)
        return ValueSchema(schema=schema if isinstance(schema, Mapping) else {}, reader=self.reader(operation.spec))

    def argument(self, operation: Operation, location: str, name: str) -> ValueSchema | None:
        """Return the schema of a parameter, or with location body of a field; None where there is none."""
        reader = self.reader(operation.spec)
        if location != "body":
            parameter = operation.parameter(location, name)
            schema = parameter.schema if parameter is not None else None
            return (
                ValueSchema(schema=schema if isinstance(schema, Mapping) else {}, reader=reader) if parameter else None
            )
        body = operation.body
        if body is None:
            return None
        whole = ValueSchema(schema=body.schema, reader=reader)
        if not name:
            return whole
        member = whole.part((name,))
        return None if member.fault else member

    def of(self, node: Any, workflow: ArazzoWorkflow, step: WorkflowStep | None = None, hops: int = 0) -> ValueSchema:
        """Return the schema of a value; `step` is the one whose answer `$response` is."""
        if isinstance(node, Selector):
            context = self.of(node.context, workflow, step, hops)
            return context if context.fault else ValueSchema()
        if not isinstance(node, str) or not node.startswith("$"):
            return _literal(node)
        try:
            expression = parse_expression(node)
        except ExpressionError as error:
            return ValueSchema(fault=str(error))
        if expression is None:
            return _literal(node)
        if hops > MAX_HOPS:
            return ValueSchema(fault=f"{node} leads in circles")
        return self._of_expression(expression, workflow, step, hops)

    def _of_expression(
        self, expression: Expression, workflow: ArazzoWorkflow, step: WorkflowStep | None, hops: int
    ) -> ValueSchema:
        match expression.root:
            case Root.INPUTS:
                return self._input(expression, workflow)
            case Root.STEPS:
                return self._step_output(expression, workflow, hops)
            case Root.STATUS_CODE:
                return ValueSchema(schema={"type": "integer"}, reader=self._any_reader())
            case Root.RESPONSE if expression.part is ExpressionPart.BODY and step is not None:
                operation = self.linked.target(step).operation
                return ValueSchema() if operation is None else self.answer(operation).part(expression.accessors)
            case Root.RESPONSE | Root.URL | Root.METHOD if expression.part is not ExpressionPart.BODY:
                return ValueSchema(schema={"type": "string"}, reader=self._any_reader())
        return ValueSchema()

    def _input(self, expression: Expression, workflow: ArazzoWorkflow) -> ValueSchema:
        found = split_name(expression.name, workflow.input_schemas)
        if found is None:
            return ValueSchema(fault=f"the workflow has no input {first_name(expression.name)}")
        schema = workflow.input_schemas[found[0]]
        if not isinstance(schema, Mapping) or "$ref" in schema:
            return ValueSchema()
        return ValueSchema(schema=schema, reader=self._any_reader()).part(found[1])

    def _step_output(self, expression: Expression, workflow: ArazzoWorkflow, hops: int) -> ValueSchema:
        step = workflow.step(expression.owner)
        if step is None:
            return ValueSchema(fault=f"the workflow has no step {expression.owner}")
        found = split_name(expression.name, step.outputs)
        if found is None:
            known = ", ".join(step.outputs) or "none"
            return ValueSchema(fault=f"{step.id} has no output {first_name(expression.name)}; its outputs: {known}")
        output = self.of(step.outputs[found[0]], workflow, step, hops + 1)
        return output if output.fault else output.part(found[1])

    def _any_reader(self) -> SchemaReader | None:
        return next((self.reader(spec) for spec in self.linked.all_specs), None)


def _literal(node: Any) -> ValueSchema:
    return ValueSchema()
