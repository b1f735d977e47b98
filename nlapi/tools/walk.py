"""The transformation of arguments by the description's schemas: amounts to wire units, defaults of hidden values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from nlapi.openapi.hints import hints
from nlapi.openapi.spec import Operation, Spec
from nlapi.resources.schemas import schema_types
from nlapi.tools.tool import Place, Tool
from nlapi.tools.units import spoken

# Levels of nested values that are transformed.
MAX_DEPTH = 32

# Levels of nested `allOf`, `anyOf` and `oneOf` that are followed; a schema may contain itself.
MAX_COMBINED = 4

# Called with the schema and the value of each part; returns the new value.
Change = Callable[[Mapping[str, Any], Any], Any]


def on_the_wire(tool: Tool, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments with every amount that is a text with its unit as a number in wire units.

    A whole number that a model wrote as `2.0` becomes `2` where the description has an integer.
    """
    # The description's schemas are read and not `input_schema`, where a wire unit is only a pattern and a sentence.
    spec = tool.operation.spec

    def amount(schema: Mapping[str, Any], value: Any) -> Any:
        types = schema_types(schema)
        if isinstance(value, float) and value.is_integer() and "integer" in types and "number" not in types:
            return int(value)
        unit = hints(schema).unit if isinstance(value, str) else ""
        number = spoken(value, unit) if unit else None
        if number is None:
            return value
        return str(number) if "string" in types else number

    return {name: _changed(spec, schema_at(tool, name), value, amount, 0) for name, value in arguments.items()}


def filled(operation: Operation, values: dict[Place, Any]) -> dict[Place, Any]:
    """Return values by location, with the defaults of values that are required and hidden (`x-nlapi: {hide:
    true}`).
    """
    spec, body = operation.spec, operation.body

    def complete(schema: Mapping[str, Any], value: Any) -> Any:
        return {**_defaults(spec, schema, value), **value} if isinstance(value, Mapping) else value

    fixed = {
        (parameter.where, parameter.name): schema["default"]
        for parameter in operation.parameters
        if parameter.required and hints(schema := spec.follow(parameter.schema)).hide and "default" in schema
    }
    result = {**fixed, **values}
    if body is None:
        return result
    if ("body", "") in result:
        return {**result, ("body", ""): _changed(spec, body.schema, result["body", ""], complete, 0)}
    given = {name: value for (where, name), value in result.items() if where == "body"}
    if given or body.required:
        whole = _changed(spec, body.schema, given, complete, 0)
        result |= {("body", name): value for name, value in whole.items()}
    return result


def _defaults(spec: Spec, schema: Mapping[str, Any], value: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    parts = list(_parts(spec, schema))
    required = {name for part in parts for name in part.get("required", ())}
    for part in parts:
        for name, one in part.get("properties", {}).items():
            if name in required and name not in value:
                one = spec.follow(one)
                if hints(one).hide and "default" in one:
                    found[name] = one["default"]
    return found


def _changed(spec: Spec, schema: Any, value: Any, change: Change, depth: int) -> Any:
    """Return `value` with `change` applied to every part of it, innermost first."""
    schema = spec.follow(schema)
    if not isinstance(schema, Mapping) or depth > MAX_DEPTH:
        return value
    if isinstance(value, Mapping):
        value = {
            name: _changed(spec, property_of(spec, schema, name), one, change, depth + 1) for name, one in value.items()
        }
    elif isinstance(value, list):
        items: Any = next((part["items"] for part in _parts(spec, schema, any_of=True) if "items" in part), {})
        value = [_changed(spec, items, one, change, depth + 1) for one in value]
    for part in _parts(spec, schema, any_of=True):
        value = change(part, value)
    return value


def _parts(spec: Spec, schema: Any, *, any_of: bool = False, depth: int = 0) -> Iterator[Mapping[str, Any]]:
    """Yield a schema and the schemas in its `allOf`; with `any_of`, also those of `anyOf` and `oneOf`."""
    schema = spec.follow(schema)
    if not isinstance(schema, Mapping) or depth > MAX_COMBINED:
        return
    yield schema
    for key in ("allOf", "anyOf", "oneOf") if any_of else ("allOf",):
        for part in schema.get(key, ()):
            yield from _parts(spec, part, any_of=any_of, depth=depth + 1)


def property_of(spec: Spec, schema: Any, name: str) -> Mapping[str, Any]:
    """Return the schema of a property, `$ref`s at its top followed; {} where the schema does not declare it."""
    for part in _parts(spec, schema, any_of=True):
        found = spec.follow(part.get("properties", {}).get(name))
        if isinstance(found, Mapping):
            return found
    return {}


def schema_at(tool: Tool, argument: str, *inside: str) -> Mapping[str, Any]:
    """Return the description's schema (not `input_schema`) for an argument, or for a property inside it."""
    operation = tool.operation
    where, wire = tool.places.get(argument, ("body", argument))
    if where != "body":
        found = operation.parameter(where, wire)
        schema: Any = found.schema if found else {}
    else:
        schema = operation.body.schema if operation.body else {}
        inside = (wire, *inside) if wire else inside
    for name in inside:
        schema = property_of(operation.spec, schema, name)
    return operation.spec.schema(schema)
