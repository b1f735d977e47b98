"""The transformation of arguments by the description's schemas: amounts to wire units, defaults of hidden values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from nlapi.openapi.hints import read_hints
from nlapi.openapi.spec import Operation, Spec
from nlapi.resources.schemas import schema_types
from nlapi.tools.tool import Place, Tool
from nlapi.tools.units import parse_amount

# Levels of nested values that are transformed.
MAX_VALUE_DEPTH = 32

# Levels of nested `allOf`, `anyOf` and `oneOf` that are followed; a schema may contain itself.
MAX_COMBINER_DEPTH = 4

# Called with the schema and the value of each part; returns the new value.
Change = Callable[[Mapping[str, Any], Any], Any]


def to_wire_units(tool: Tool, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments with every amount that is a text with its unit as a number in wire units.

    A whole number that a model wrote as `2.0` becomes `2` where the description has an integer.
    """
    # The description's schemas are read and not `input_schema`, where a wire unit is only a pattern and a sentence.
    spec = tool.operation.spec

    def amount(schema: Mapping[str, Any], value: Any) -> Any:
        types = schema_types(schema)
        if isinstance(value, float) and value.is_integer() and "integer" in types and "number" not in types:
            return int(value)
        unit = read_hints(schema).unit if isinstance(value, str) else ""
        number = parse_amount(value, unit) if unit else None
        if number is None:
            return value
        return str(number) if "string" in types else number

    return {name: _transform(spec, argument_schema(tool, name), value, amount, 0) for name, value in arguments.items()}


def with_defaults(operation: Operation, values: dict[Place, Any]) -> dict[Place, Any]:
    """Return values by location, with the defaults of values that are required and hidden (`x-nlapi: {hide:
    true}`).
    """
    spec, body = operation.spec, operation.body

    def complete(schema: Mapping[str, Any], value: Any) -> Any:
        return {**_hidden_defaults(spec, schema, value), **value} if isinstance(value, Mapping) else value

    defaults = {
        (parameter.location, parameter.name): schema["default"]
        for parameter in operation.parameters
        if parameter.required and read_hints(schema := spec.follow(parameter.schema)).hide and "default" in schema
    }
    result = {**defaults, **values}
    if body is None:
        return result
    if ("body", "") in result:
        return {**result, ("body", ""): _transform(spec, body.schema, result["body", ""], complete, 0)}
    body_values = {name: value for (location, name), value in result.items() if location == "body"}
    if body_values or body.required:
        completed = _transform(spec, body.schema, body_values, complete, 0)
        result |= {("body", name): value for name, value in completed.items()}
    return result


def _hidden_defaults(spec: Spec, schema: Mapping[str, Any], value: Mapping[str, Any]) -> dict[str, Any]:
    defaults = {}
    parts = list(_combined_schemas(spec, schema))
    required = {name for part in parts for name in part.get("required", ())}
    for part in parts:
        for name, property_schema in part.get("properties", {}).items():
            if name in required and name not in value:
                property_schema = spec.follow(property_schema)
                if read_hints(property_schema).hide and "default" in property_schema:
                    defaults[name] = property_schema["default"]
    return defaults


def _transform(spec: Spec, schema: Any, value: Any, change: Change, depth: int) -> Any:
    """Return `value` with `change` applied to every part of it, innermost first."""
    schema = spec.follow(schema)
    if not isinstance(schema, Mapping) or depth > MAX_VALUE_DEPTH:
        return value
    if isinstance(value, Mapping):
        value = {
            name: _transform(spec, property_schema(spec, schema, name), item, change, depth + 1) for name, item in value.items()
        }
    elif isinstance(value, list):
        items: Any = next((part["items"] for part in _combined_schemas(spec, schema, any_of=True) if "items" in part), {})
        value = [_transform(spec, items, item, change, depth + 1) for item in value]
    for part in _combined_schemas(spec, schema, any_of=True):
        value = change(part, value)
    return value


def _combined_schemas(spec: Spec, schema: Any, *, any_of: bool = False, depth: int = 0) -> Iterator[Mapping[str, Any]]:
    """Yield a schema and the schemas in its `allOf`; with `any_of`, also those of `anyOf` and `oneOf`."""
    schema = spec.follow(schema)
    if not isinstance(schema, Mapping) or depth > MAX_COMBINER_DEPTH:
        return
    yield schema
    for key in ("allOf", "anyOf", "oneOf") if any_of else ("allOf",):
        for part in schema.get(key, ()):
            yield from _combined_schemas(spec, part, any_of=any_of, depth=depth + 1)


def property_schema(spec: Spec, schema: Any, name: str) -> Mapping[str, Any]:
    """Return the schema of a property, `$ref`s at its top followed; {} where the schema does not declare it."""
    for part in _combined_schemas(spec, schema, any_of=True):
        declared = spec.follow(part.get("properties", {}).get(name))
        if isinstance(declared, Mapping):
            return declared
    return {}


def argument_schema(tool: Tool, argument: str, *path: str) -> Mapping[str, Any]:
    """Return the description's schema (not `input_schema`) for an argument, or for a property inside it."""
    operation = tool.operation
    location, wire_name = tool.places.get(argument, ("body", argument))
    if location != "body":
        parameter = operation.parameter(location, wire_name)
        schema: Any = parameter.schema if parameter else {}
    else:
        schema = operation.body.schema if operation.body else {}
        path = (wire_name, *path) if wire_name else path
    for name in path:
        schema = property_schema(operation.spec, schema, name)
    return operation.spec.schema(schema)
