"""What holds for the tools of every description, whatever is in it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

import nlapi
from nlapi.errors import DescriptionError
from nlapi.openapi.document import read_document
from nlapi.openapi.parse import parse_document
from nlapi.openapi.spec import Spec
from nlapi.tools.definitions.manifest import FORMATS
from tests.strategies import descriptions, examples

NAME, ARGUMENT = re.compile(r"[a-zA-Z_][a-zA-Z0-9_-]{0,63}"), re.compile(r"[a-zA-Z0-9_.-]{1,64}")
relaxed = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))


def spec_of(tree: Any) -> Spec:
    return parse_document(read_document(json.dumps(tree).encode(), "random.json"))


def refs(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from refs(value)
    elif isinstance(node, list):
        for value in node:
            yield from refs(value)


@relaxed
@given(tree=descriptions())
def test_every_operation_is_a_tool_that_a_model_api_accepts(tree: Any) -> None:
    spec = spec_of(tree)
    tools = nlapi.tools(spec)
    names = [tool.name for tool in tools]
    assert all(map(NAME.fullmatch, names))
    assert len(set(names)) == len(names)
    assert {tool.operation.id for tool in tools} == {one.id for one in spec.operations if one.usable}
    for tool in tools:
        schema = tool.input_schema
        Draft202012Validator.check_schema(schema)
        assert schema["type"] == "object"
        assert not {"oneOf", "anyOf", "allOf", "not", "$ref"} & set(schema)
        assert all(map(ARGUMENT.fullmatch, schema["properties"]))
        assert set(schema.get("required", ())) <= set(schema["properties"])
        assert set(refs(schema)) == {f"#/$defs/{name}" for name in schema.get("$defs", {})}
        for format in FORMATS:
            json.dumps(tool.as_dict(format), allow_nan=False).encode()


@relaxed
@given(tree=descriptions())
def test_every_argument_has_a_place_and_every_parameter_an_argument(tree: Any) -> None:
    for tool in nlapi.tools(spec_of(tree)):
        assert set(tool.places) == set(tool.input_schema["properties"])
        assert len(set(tool.places.values())) == len(tool.places)
        for parameter in tool.operation.parameters:
            assert (parameter.location, parameter.name) in tool.places.values()
        if tool.operation.body is not None:
            assert any(where == "body" for where, _ in tool.places.values()) or not tool.operation.body.schema


@relaxed
@given(tree=descriptions(), data=st.data())
def test_a_name_does_not_change_when_the_description_grows(tree: Any, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(sorted(tree["paths"])))
    method = data.draw(st.sampled_from(sorted(tree["paths"][path])))
    tree["paths"][path][method] = {"operationId": "kept-as_it_is", "responses": {}}
    alone = {**tree, "paths": {path: {method: tree["paths"][path][method]}}}
    assert nlapi.tools(spec_of(alone))[0].name == "kept-as_it_is"
    assert "kept-as_it_is" in [tool.name for tool in nlapi.tools(spec_of(tree))]


@relaxed
@given(tree=descriptions())
def test_tools_are_the_same_each_time(tree: Any) -> None:
    def made() -> list[Any]:
        return [tool.as_dict() for tool in nlapi.tools(spec_of(tree))]

    assert json.dumps(made()) == json.dumps(made())


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=4) | st.just("#/components/schemas/A"),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            [
                "$ref", "type", "name", "in", "schema", "content", "properties", "items", "allOf", "get", "parameters",
                "requestBody", "responses", "servers", "url", "security", "tags", "links", "operationId", "variables",
                "enum", "default", "headers", "examples", "encoding", "style", "required", "summary", "x-nlapi",
            ]
        )
        | st.text(max_size=3),
        inner,
        max_size=3,
    ),
    max_leaves=8,
)  # fmt: skip


def places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield from places(value, (*path, key))


def replaced(node: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    copy = dict(node) if isinstance(node, dict) else list(node)
    copy[path[0]] = replaced(node[path[0]], path[1:], value)
    return copy


@settings(relaxed, max_examples=examples(60))
@given(tree=descriptions(), data=st.data())
def test_junk_anywhere_in_a_description_is_an_issue_or_one_clear_error(tree: Any, data: st.DataObject) -> None:
    where = data.draw(st.sampled_from(list(places(tree))))
    tree = replaced(tree, where, data.draw(JUNK))
    assume(isinstance(tree, dict))
    try:
        spec = spec_of(tree)
    except DescriptionError:
        return
    for issue in spec.issues:
        assert issue.message
    for tool in nlapi.tools(spec):
        Draft202012Validator.check_schema(tool.input_schema)
    for operation in spec.operations:
        assert operation.response() is None or operation.responses
        assert operation.servers
