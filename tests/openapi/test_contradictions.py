"""Schemas that no value fits are told of."""

from __future__ import annotations

from typing import Any

from tests.describe import body, messages, operation, parameter, spec
from tests.tables import table


def told(schema: Any, **more: Any) -> str:
    return messages(operation({"parameters": [parameter("p", schema=schema)]}, **more))


@table(
    ("schema", "said"),
    [
        ({"type": "integer", "minimum": 5, "maximum": 1}, "minimum 5 is above maximum 1"),
        ({"type": "number", "exclusiveMinimum": 1, "maximum": 1}, "exclusiveMinimum 1 is above maximum 1"),
        ({"type": "string", "minLength": 2, "maxLength": 1}, "minLength 2 is above maxLength 1"),
        ({"type": "array", "items": {"minItems": 2, "maxItems": 1}}, "parameters.p.items: minItems 2"),
        ({"enum": ["a"], "const": "b"}, "const 'b' is not one of its choices"),
        ({"type": "object", "enum": ["a"]}, "none of its choices is of the type object"),
        ({"allOf": [{"type": "string"}, {"type": "integer"}]}, "of the type string and of integer"),
        ({"type": "string", "allOf": [{"type": "array"}]}, "of the type string and of array"),
        ({"type": "object", "required": ["a"], "additionalProperties": False}, "'a' is required, and no property"),
        (False, "it rules out everything"),
    ],
)
def test_what_can_never_be_had(schema: Any, said: str) -> None:
    assert said in told(schema)
    assert "no value fits" in told(schema)


@table(
    "schema",
    [
        {"type": "integer", "minimum": 1, "maximum": 1},
        {"enum": [1, None], "type": ["number", "null"]},
        {"allOf": [{"type": "number"}, {"type": "integer"}]},
        {"type": "object", "required": ["a"], "properties": {"b": {}}},
        {"not": {"minimum": 5, "maximum": 1}},
    ],
)
def test_what_can_be_had_is_not_told(schema: Any) -> None:
    assert not told(schema)


def test_a_component_is_told_of_once() -> None:
    schemas = {"Odd": {"type": "object", "properties": {"n": {"minimum": 2, "maximum": 1}}}}
    node = {**body({"type": "array", "items": {"$ref": "#/components/schemas/Odd"}}), "responses": {}}
    found = messages(spec({"/x": {"post": node, "put": node}}, components={"schemas": schemas}))
    assert found.count("components.schemas.Odd.properties.n: minimum 2 is above maximum 1") == 1


def test_a_parameter_that_is_described_twice() -> None:
    one = operation({"parameters": [parameter("p", schema={"type": "integer"}), parameter("p")]})
    assert "query parameter 'p' is described twice; the last one counts" in messages(one)
    assert one.parameters[0].schema == {"type": "string"}
