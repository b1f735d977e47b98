"""Whatever schema a body has: what fits it fits the tool, and the tool's schema stands alone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker
from openapi_schema_validator import OAS30Validator

import nlapi
from benchmarks.values import UnfitError, Values, nested
from nlapi.openapi.document import read_document
from nlapi.openapi.parse import parse_document
from nlapi.tools.arguments import check
from nlapi.tools.tool import Tool
from tests.strategies import COMPONENTS, SCHEMAS, examples

relaxed = settings(max_examples=examples(80), derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
DIALECTS = ["2.0", "3.0.3", "3.1.0"]
KEY = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
MOST_NESTED = 4
"""Levels of a value; for alternatives that lead back to themselves a validator takes many times as long with each."""


@st.composite
def documents(draw: st.DrawFn) -> tuple[Any, dict[str, Any]]:
    """The schema of a body, and the components that it may refer to."""
    return draw(SCHEMAS), {name: draw(SCHEMAS) for name in COMPONENTS}


def described(schema: Any, components: dict[str, Any], version: str) -> dict[str, Any]:
    """A description of one operation that has a body with that schema."""
    info = {"info": {"title": "Random", "version": "1"}}
    if version == "2.0":
        made = {"schema": schema, "definitions": components}
        made = json.loads(json.dumps(made).replace("#/components/schemas/", "#/definitions/"))
        body = {"name": "it", "in": "body", "required": True, "schema": made["schema"]}
        paths = {"/x": {"post": {"parameters": [body], "responses": {}}}}
        return {"swagger": "2.0", "host": "a.example", **info, "paths": paths, "definitions": made["definitions"]}
    content = {"content": {"application/json": {"schema": schema}}, "required": True}
    paths = {"/x": {"post": {"requestBody": content, "responses": {}}}}
    return {"openapi": version, **info, "paths": paths, "components": {"schemas": components}}


def tools(schema: Any, components: dict[str, Any], version: str) -> tuple[Tool, ...]:
    return nlapi.tools(
        parse_document(read_document(json.dumps(described(schema, components, version)).encode(), "random.json"))
    )


def leads_to_itself(schema: Any, components: dict[str, Any], depth: int = 0) -> bool:
    """Is a value asked the same again and again before anything is asked of its parts? No validator ends there."""
    if depth > 15 or not isinstance(schema, dict):
        return depth > 15
    inner = [components.get(schema["$ref"].rpartition("/")[2])] if "$ref" in schema else []
    inner += [one for key in ("allOf", "oneOf", "anyOf") for one in schema.get(key, ())]
    return any(leads_to_itself(one, components, depth + 1) for one in inner)


def instances(schema: Any, components: dict[str, Any], version: str, random: Random) -> Iterator[Any]:
    """Values that fit the schema as it was written, as validators of others see it."""
    components = {**components, "Gone": {}}  # where a $ref leads nowhere, any value is taken
    whole = {**schema, "components": {"schemas": components}}
    if any(leads_to_itself(one, components) for one in (schema, *components.values())):
        return
    if all(word in json.dumps(whole) for word in ('"readOnly": true', '"additionalProperties"', '"allOf"')):
        return  # what is read only is not sent: where parts are joined it fits all the same, as any other property
    validator: Any = Draft202012Validator if version.startswith("3.1") else OAS30Validator
    for _ in range(6):
        try:
            value = Values(random, components).of(schema)
            if nested(value) <= MOST_NESTED and validator(whole, format_checker=FormatChecker(("date",))).is_valid(
                value
            ):
                yield value
        except UnfitError:
            continue


def arguments(tool: Tool, value: Any) -> dict[str, Any] | None:
    """A body as arguments; None when the tool's body is an object and this is none."""
    by_wire = {wire: name for name, (where, wire) in tool.places.items() if where == "body"}
    if "" in by_wire:
        return {by_wire[""]: value}
    return {by_wire.get(key, key): item for key, item in value.items()} if isinstance(value, dict) else None


def reached(schema: Any) -> set[str]:
    """The `$defs` that are reached from the arguments."""
    found: set[str] = set()
    todo = [{key: value for key, value in schema.items() if key != "$defs"}]
    while todo:
        node = todo.pop()
        if isinstance(node, dict):
            name = str(node.get("$ref", "")).removeprefix("#/$defs/")
            if isinstance(node.get("$ref"), str) and name not in found:
                found.add(name)
                todo.append(schema["$defs"][name])
            todo.extend(node.values())
        elif isinstance(node, list):
            todo.extend(node)
    return found


@pytest.mark.parametrize("version", DIALECTS)
@relaxed
@given(document=documents())
def test_a_schema_stands_alone(version: str, document: tuple[Any, dict[str, Any]]) -> None:
    for tool in tools(*document, version):
        schema = tool.input_schema
        Draft202012Validator.check_schema(schema)
        assert schema["type"] == "object"
        assert not {"oneOf", "anyOf", "allOf", "$ref", "not"} & schema.keys()
        assert all(map(KEY.fullmatch, schema["properties"]))
        assert reached(schema) == set(schema.get("$defs", {}))
        assert "nullable" not in json.dumps(schema)


@pytest.mark.parametrize("version", ["3.0.3", "3.1.0"])
@relaxed
@given(document=documents(), seed=st.integers(0, 2**32))
def test_what_fits_the_schema_of_a_body_fits_the_tool(version: str, document: Any, seed: int) -> None:
    if version == "3.0.3":  # where a type is one name
        document = json.loads(json.dumps(document).replace('["string", "null"]', '"string", "nullable": true'))
    schema, components = document
    for tool in tools(schema, components, version):
        for value in instances(schema, components, version, Random(seed)):
            if (given := arguments(tool, value)) is not None:
                check(tool, given)


def test_values_are_found_for_most_schemas() -> None:
    """So that the property above says something."""
    schema = {"oneOf": [{"$ref": "#/components/schemas/A"}, {"type": "integer"}]}
    components = {"A": {"type": "object", "nullable": True, "properties": {"a": {"type": "string"}}, "required": ["a"]}}
    for version in ("3.0.3", "3.1.0"):
        assert len(list(instances(schema, components, version, Random(1)))) >= 4
