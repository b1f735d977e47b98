"""What goes into and comes out of an objective, checked against its compiled schemas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nlapi.gateway import refusals
from nlapi.gateway.calls import Failed, FailureKind
from nlapi.gateway.json_schema import SchemaValidator, compile_schema
from nlapi.routing.nouns import Context, Field, FieldType, Objective

Type = type | tuple[type, ...]

_TYPES: dict[FieldType, Type] = {
    FieldType.STRING: str,
    FieldType.INTEGER: int,
    FieldType.NUMBER: (int, float),
    FieldType.BOOLEAN: bool,
}


class Checks:
    """The checks of one objective, compiled once. ValueError when a schema of the objective is not one."""

    def __init__(self, objective: Objective) -> None:
        self._input = _compiled(objective.input)
        self._output = _compiled(objective.output)
        self._fields = {field.name: field for field in objective.context}

    def context(self, context: Context) -> None:
        """Problem 422 at the first field that is not declared, or whose value it does not take."""
        for name, value in context.items():
            field = self._fields.get(name)
            if field is None:
                hint = refusals.declared(name, self._fields)
                raise refusals.invalid("the objective declares no such field", f"body.context.{name[:80]}", hint)
            if not _takes(field, value):
                raise refusals.invalid(
                    f"{str(value)[:80]!r} is not what it takes", f"body.context.{name}", _wanted(field)
                )

    def input(self, value: Any) -> None:
        """Problem 422 with the path of what breaks the objective's input schema."""
        if self._input is None or self._input.is_valid(value):
            return
        path, message = _first(self._input, value, "body.input")
        raise refusals.invalid(message, path, "see the objective's input schema")

    def output(self, value: Any) -> None:
        """Failed when a version's output breaks the objective's output schema."""
        if self._output is None:
            return
        try:
            if self._output.is_valid(value):
                return
            path, _ = _first(self._output, value, "output")
        except (TypeError, ValueError):  # not JSON at all: jsonschema_rs refuses to look at it
            path = "output"
        raise Failed(FailureKind.INVALID, f"its output breaks the objective's schema at {path}", ran=True)


def _compiled(schema: Mapping[str, Any]) -> SchemaValidator | None:
    return compile_schema(schema) if schema else None


def _first(validator: SchemaValidator, value: Any, root: str) -> tuple[str, str]:
    error = next(validator.iter_errors(value))
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.instance_path)
    return root + "".join(steps), error.message[:300]


def _takes(field: Field, value: Any) -> bool:
    if not isinstance(value, _TYPES[field.type]):
        return False
    if isinstance(value, bool) and field.type is not FieldType.BOOLEAN:
        return False
    return not field.values or value in field.values


def _wanted(field: Field) -> str:
    if field.values:
        return f"one of {', '.join(str(value) for value in field.values)}"
    return f"a value of type {field.type}"
