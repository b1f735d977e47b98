"""The arguments of a tool beside the schemas that the description has for them: amounts, and what is hidden."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from nlapi.openapi.hints import hints
from nlapi.openapi.spec import Operation, Spec
from nlapi.resources.schemas import schema_types
from nlapi.tools.tool import Place, Tool
from nlapi.tools.units import spoken

MAX_DEPTH = 32
"""Levels of values inside values that are walked."""

MAX_COMBINED = 4
"""Levels of `allOf`, `anyOf` and `oneOf` inside each other that are walked."""

Change = Callable[[Mapping[str, Any], Any], Any]
"""A schema and a value to what the value becomes."""


def on_the_wire(tool: Tool, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments with every amount that is a text with its unit as a number in the units of the wire.

    A whole number that a model wrote as `2.0` goes out as `2` where the description has an integer.
    """
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
    """Values by their place, with the default of everything that is required and hidden (`x-nlapi: {hide: true}`)."""
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
    """`value` with every part of it as `change` makes it, given the schema of that part."""
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
    """A schema and those that it is put together from; those it may be as well, if `any_of`."""
    schema = spec.follow(schema)
    if not isinstance(schema, Mapping) or depth > MAX_COMBINED:
        return
    yield schema
    for key in ("allOf", "anyOf", "oneOf") if any_of else ("allOf",):
        for part in schema.get(key, ()):
            yield from _parts(spec, part, any_of=any_of, depth=depth + 1)


def property_of(spec: Spec, schema: Any, name: str) -> Mapping[str, Any]:
    """The schema of a property, `$ref`s at its top followed; {} when the schema does not know it."""
    for part in _parts(spec, schema, any_of=True):
        found = spec.follow(part.get("properties", {}).get(name))
        if isinstance(found, Mapping):
            return found
    return {}


def schema_at(tool: Tool, argument: str, *inside: str) -> Mapping[str, Any]:
    """The schema that the description, rather than `input_schema`, has for an argument, or for a property inside it."""
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
