"""Checks of the input, the context and the output of an objective against its compiled schemas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jsonschema_rs

from nlapi.gateway import refusals
from nlapi.gateway.inference import InferenceError, FailureKind
from nlapi.routing.nouns import Context, Field, FieldType, Objective

PythonType = type | tuple[type, ...]

_PYTHON_TYPES: dict[FieldType, PythonType] = {
    FieldType.STRING: str,
    FieldType.INTEGER: int,
    FieldType.NUMBER: (int, float),
    FieldType.BOOLEAN: bool,
}


class ObjectiveSchemas:
    """The compiled schemas of one objective. ValueError when one of them is not a JSON Schema."""

    # jsonschema_rs: 0.6 us for an input of four titles, where fastjsonschema takes 4.9 and jsonschema 104
    # (docs/design/012-serving-engine.md).
    def __init__(self, objective: Objective) -> None:
        self._input = _compile_schema(objective.input)
        self._output = _compile_schema(objective.output)
        self._fields = {field.name: field for field in objective.context}

    def check_context(self, context: Context) -> None:
        """Check the context. Problem 422 at the first field that is undeclared or has an invalid value."""
        for name, value in context.items():
            field = self._fields.get(name)
            if field is None:
                hint = refusals.declared_fields_hint(name, self._fields)
                raise refusals.invalid_request("the objective declares no such field", f"body.context.{name[:80]}", hint)
            if not _accepts(field, value):
                raise refusals.invalid_request(
                    f"{str(value)[:80]!r} is not what it takes", f"body.context.{name}", _accepted_values(field)
                )

    def check_input(self, value: Any) -> None:
        """Check an input. Problem 422 with the path of the first value that breaks the objective's input schema."""
        # `is_valid` builds no error message; the message is built for refused inputs only.
        if self._input is None or self._input.is_valid(value):
            return
        path, message = _schema_error(self._input, value, "body.input")
        raise refusals.invalid_request(message, path, "see the objective's input schema")

    def check_output(self, value: Any) -> None:
        """Check an output of a version. Failed when it breaks the objective's output schema."""
        if self._output is None:
            return
        try:
            if self._output.is_valid(value):
                return
            path, _ = _schema_error(self._output, value, "output")
        except (TypeError, ValueError):  # an output that is not JSON, such as a set: jsonschema_rs raises
            path = "output"
        raise InferenceError(FailureKind.INVALID, f"its output breaks the objective's schema at {path}", executed=True)


def _compile_schema(schema: Mapping[str, Any]) -> Any:
    if not schema:
        return None
    return jsonschema_rs.validator_for(dict(schema), retriever=_refuse_reference)


# A schema comes from an operator: fetching its `$ref`s would let it make the gateway call any address.
def _refuse_reference(uri: str) -> Any:
    raise ValueError(f"a schema of an objective may not refer to {uri}")


def _schema_error(validator: Any, value: Any, root: str) -> tuple[str, str]:
    error = next(validator.iter_errors(value))
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.instance_path)
    return root + "".join(steps), error.message[:300]


def _accepts(field: Field, value: Any) -> bool:
    if not isinstance(value, _PYTHON_TYPES[field.type]):
        return False
    if isinstance(value, bool) and field.type is not FieldType.BOOLEAN:  # bool is a subclass of int in Python
        return False
    return not field.values or value in field.values


def _accepted_values(field: Field) -> str:
    if field.values:
        return f"one of {', '.join(str(value) for value in field.values)}"
    return f"a value of type {field.type}"
