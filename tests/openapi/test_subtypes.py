"""A schema with a discriminator stands for those that are made from it."""

from __future__ import annotations

import json
from typing import Any

from jsonschema import Draft202012Validator

import nlapi
from nlapi.openapi.document import read_document
from nlapi.openapi.parse import parse_document
from nlapi.openapi.spec import Spec
from tests.describe import body, operation
from tests.tables import table

PET = {
    "type": "object",
    "required": ["kind"],
    "properties": {"kind": {"type": "string"}, "friend": {"$ref": "#/components/schemas/Pet"}},
    "discriminator": {"propertyName": "kind", "mapping": {"feline": "#/components/schemas/Cat", "dog": "Dog"}},
}
OF_PET = {"$ref": "#/components/schemas/Pet"}
SCHEMAS: dict[str, Any] = {
    "Pet": PET,
    "Cat": {"allOf": [OF_PET, {"type": "object", "properties": {"lives": {"type": "integer"}}}]},
    "Lion": {"allOf": [{"$ref": "#/components/schemas/Cat"}, {"properties": {"mane": {"type": "boolean"}}}]},
    "Dog": {"type": "object", "required": ["kind", "bark"], "properties": {"kind": {}, "bark": {"type": "string"}}},
}


def of(schema: dict[str, Any], schemas: dict[str, Any] = SCHEMAS, **more: Any) -> Spec:
    node = {"operationId": "op", **body(schema)}
    return operation(node, method="post", components={"schemas": schemas}, **more).spec


def input_schema(spec: Spec) -> dict[str, Any]:
    return nlapi.tools(spec)[0].input_schema


@table("pet", [{"kind": "feline", "lives": 9}, {"kind": "Lion", "mane": True}, {"kind": "other"}])
def test_what_is_made_from_the_base_may_be_sent(pet: dict[str, Any]) -> None:
    spec = of(OF_PET)
    assert json.loads(nlapi.build(spec, "op", {"body": {**pet, "friend": pet}}).content or b"") == {
        **pet, "friend": pet,
    }  # fmt: skip


def test_a_model_sees_every_choice_and_the_value_that_goes_with_it() -> None:
    schema = input_schema(of(OF_PET))
    Draft202012Validator.check_schema(schema)
    shown = schema["properties"]["body"]
    assert [one["$ref"] for one in shown["anyOf"]] == [f"#/$defs/{name}" for name in ("Cat", "Dog", "Lion", "Pet")]
    assert "feline for Cat, dog for Dog, Lion" in shown["description"]
    assert schema["$defs"]["Lion"]["allOf"][0] == {"$ref": "#/$defs/Cat"}


def test_one_of_the_family_is_itself() -> None:
    assert set(input_schema(of({"$ref": "#/components/schemas/Lion"}))["properties"]) == {
        "kind", "friend", "lives", "mane",
    }  # fmt: skip


def test_a_use_inside_a_property_keeps_what_stands_beside_it() -> None:
    shape = {"type": "object", "properties": {"pet": {**OF_PET, "description": "Yours."}}}
    pet = input_schema(of(shape))["properties"]["pet"]
    assert len(pet["anyOf"]) == 4
    assert pet["description"].startswith("Yours. kind tells them apart")


def test_a_list_of_alternatives_that_is_spelt_out_is_left_alone() -> None:
    schemas = {**SCHEMAS, "Pet": {**PET, "oneOf": [{"$ref": "#/components/schemas/Dog"}]}}
    shown = input_schema(of(OF_PET, schemas))["properties"]["body"]
    assert "anyOf" not in shown


def test_a_base_that_very_many_are_made_from_stays_the_base() -> None:
    many = {f"Pet{number}": {"allOf": [OF_PET]} for number in range(40)}
    assert set(input_schema(of(OF_PET, {"Pet": PET, **many}))["properties"]) == {"kind", "friend"}


def test_swagger_has_the_name_of_the_property_alone() -> None:
    pet = {"type": "object", "discriminator": "kind", "properties": {"kind": {"type": "string"}}}
    cat = {"x-ms-discriminator-value": "C", "allOf": [{"$ref": "#/definitions/Pet"}, {"properties": {"lives": {}}}]}
    taken = {"in": "body", "name": "b", "schema": {"$ref": "#/definitions/Pet"}}
    document = {
        "swagger": "2.0", "info": {"title": "t", "version": "1"}, "host": "api.example",
        "paths": {"/x": {"post": {"operationId": "op", "parameters": [taken], "responses": {}}}},
        "definitions": {"Pet": pet, "Cat": cat},
    }  # fmt: skip
    spec = parse_document(read_document(json.dumps(document).encode(), "swagger.json"))
    assert "C for Cat" in input_schema(spec)["properties"]["body"]["description"]
    assert nlapi.build(spec, "op", {"body": {"kind": "C", "lives": 9}}).content == b'{"kind":"C","lives":9}'
