"""Descriptions in which something was put where it does not belong: Issues or an error of ours, whatever is asked."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nlapi import bundled
from nlapi.client.build import build
from nlapi.errors import NlapiError
from nlapi.openapi.document import read_document
from nlapi.openapi.parse import parse_document
from nlapi.tools.compile import tools
from nlapi.tools.definitions.lint import lint
from nlapi.tools.definitions.manifest import FORMATS
from nlapi.tools.sending.run import Target, prepare
from nlapi.tools.tool import Call, Tool
from tests.strategies import examples

Way = tuple[Any, ...]

PET = {
    "type": "object", "required": ["kind"], "discriminator": {"propertyName": "kind", "mapping": {"c": "Cat"}},
    "properties": {"kind": {"type": "string"}, "age": {"type": "integer", "minimum": 0, "maximum": 99}},
}  # fmt: skip
FORM = {
    "schema": {
        "type": "object",
        "properties": {
            "file": {"type": "string", "format": "binary"},
            "meta": {"$ref": "#/components/schemas/Pet"},
            "tags": {"type": "array", "items": {"type": "string"}},
        },
    },
    "encoding": {
        "meta": {"contentType": "application/json", "headers": {"X-A": {"schema": {"enum": ["a"]}}}},
        "tags": {"style": "form", "explode": False},
    },
}
THREE: dict[str, Any] = {
    "openapi": "3.2.0",
    "info": {"title": "t", "version": "1"},
    "servers": [{"url": "https://{at}.example", "variables": {"at": {"default": "api", "enum": ["api"]}}}],
    "security": [{"key": []}, {"basic": [], "key": []}],
    "paths": {
        "/pets/{id}": {
            "parameters": [{"$ref": "#/components/parameters/Id"}],
            "post": {
                "operationId": "form", "tags": ["a"], "requestBody": {"content": {"multipart/form-data": FORM}},
                "responses": {"200": {"description": "ok", "links": {"next": {"operationId": "put"}}}},
            },
            "put": {
                "operationId": "put", "servers": [{"url": "https://b.example"}],
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}},
                },
                "parameters": [
                    {"name": "f", "in": "query", "style": "deepObject", "schema": {"type": "object"}},
                    {"name": "X-O", "in": "header", "content": {"application/json": {"schema": {"enum": [1, 2]}}}},
                    {"name": "c", "in": "cookie", "x-nlapi": {"hide": True}, "schema": {"type": ["string", "null"]}},
                ],
                "responses": {},
            },
            "additionalOperations": {"COPY": {"operationId": "copy", "responses": {}}},
        }
    },
    "components": {
        "parameters": {"Id": {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}},
        "schemas": {
            "Pet": PET,
            "Cat": {"allOf": [{"$ref": "#/components/schemas/Pet"}, {"properties": {"lives": {"type": "integer"}}}]},
        },
        "securitySchemes": {
            "key": {"type": "apiKey", "in": "query", "name": "k"},
            "basic": {"type": "http", "scheme": "basic"},
        },
    },
}  # fmt: skip
TWO: dict[str, Any] = {
    "swagger": "2.0",
    "info": {"title": "t", "version": "1"},
    "host": "api.example",
    "schemes": ["https"],
    "consumes": ["application/json"],
    "paths": {
        "/pets/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": True, "type": "integer"}],
            "get": {
                "parameters": [
                    {
                        "name": "a",
                        "in": "query",
                        "type": "array",
                        "items": {"type": "string"},
                        "collectionFormat": "ssv",
                    },
                    {"$ref": "#/parameters/Page"},
                ],
                "produces": ["application/json"],
                "responses": {"200": {"description": "ok", "schema": {"$ref": "#/definitions/Pet"}}},
            },
            "put": {
                "parameters": [{"name": "b", "in": "body", "schema": {"$ref": "#/definitions/Pet"}}],
                "responses": {},
            },
            "post": {
                "consumes": ["multipart/form-data"],
                "parameters": [
                    {"name": "file", "in": "formData", "type": "file"},
                    {"name": "n", "in": "formData", "type": "array", "items": {"type": "integer"}},
                ],
                "responses": {},
            },
        }
    },
    "parameters": {"Page": {"name": "page", "in": "query", "type": "integer", "x-nullable": True}},
    "definitions": {"Pet": {**PET, "discriminator": "kind"}},
    "securityDefinitions": {"o": {"type": "oauth2", "flow": "accessCode", "scopes": {}}},
}
WHOLE = [THREE, TWO, yaml.load(bundled.text("specs/ads.yaml"), yaml.CSafeLoader)]
OUT_OF_PLACE: tuple[Any, ...] = (
    None, [], {}, "", "x", "é\n", 0, -1, 1e308, True, [None], [[]], {"": None}, {"a": {"b": []}}, [1, "a", {}],
    {"$ref": ""}, {"$ref": 1}, {"$ref": "#/"}, {"$ref": "#/paths"}, {"$ref": "#/components/schemas/Pet"},
)  # fmt: skip


def ways(node: Any, here: Way = ()) -> Iterator[Way]:
    """The way to everything in a tree."""
    if here:
        yield here
    for key, inside in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield from ways(inside, (*here, key))


@st.composite
def mutants(draw: st.DrawFn) -> Any:
    tree = json.loads(json.dumps(draw(st.sampled_from(WHOLE)), default=str))
    for _ in range(draw(st.integers(1, 4))):
        way = draw(st.sampled_from(list(ways(tree))))
        node = tree
        for key in way[:-1]:
            node = node[key]
        node[way[-1]] = copy.deepcopy(draw(st.sampled_from(OUT_OF_PLACE)))
    return tree


def sample(schema: Any, definitions: Any, depth: int = 0) -> Any:
    """A value that may fit."""
    if not isinstance(schema, dict) or depth > 4:
        return "x"
    if "$ref" in schema:
        return sample(definitions[schema["$ref"].rpartition("/")[2]], definitions, depth + 1)
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            return sample(schema[key][0], definitions, depth + 1)
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    if kind == "object":
        return {name: sample(one, definitions, depth + 1) for name, one in schema.get("properties", {}).items()}
    if kind == "array":
        return [sample(schema.get("items"), definitions, depth + 1)]
    return {"integer": 1, "number": 1.5, "boolean": False}.get(kind if isinstance(kind, str) else "", "abc")


def sent(tool: Tool) -> None:
    """What fits is built; what does not is refused by an error of ours."""
    schema = tool.input_schema
    arguments = {name: sample(one, schema.get("$defs", {})) for name, one in schema["properties"].items()}
    with suppress(NlapiError):
        prepare(Call(tool=tool, arguments=arguments), Target(spec=tool.operation.spec))
    for value in (*arguments.values(), None, [1], {"a": [{}]}):
        with suppress(NlapiError):
            build(tool.operation, {tool.places[name]: value for name in arguments})


@settings(max_examples=examples(150), derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(tree=mutants())
def test_anything_in_the_wrong_place_ends_in_issues_or_in_an_error_of_ours(tree: Any) -> None:
    try:
        spec = parse_document(read_document(json.dumps(tree).encode(), "mutant.json"))
    except NlapiError as error:
        assert error.message
        return
    assert all(str(issue) for issue in spec.issues)
    assert 0 <= lint(spec).score <= 100
    made = tools(spec)
    for operation in spec.operations:
        assert operation.usable is any(tool.operation is operation for tool in made) or operation.hidden
        assert operation.response(200) is None or operation.responses
    for tool in made[:20]:
        for format in FORMATS:
            json.dumps([tool.as_dict(format), tool.as_dict(format, strict=True)])
        sent(tool)
