"""Descriptions that are cut, cyclic, contradictory or enormous end in tools, in Issues or in one clear error."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import nlapi
from benchmarks.hostile import as_json, contradictory, cycle, explosion, gets, inherited, nested, posts, ref, whole
from nlapi.errors import DescriptionError
from nlapi.openapi.document import read_document
from nlapi.openapi.parse import parse_document
from nlapi.openapi.spec import Spec
from tests.describe import messages
from tests.strategies import descriptions, examples
from tests.tables import table
from tests.worlds import WORLDS

relaxed = settings(max_examples=examples(60), deadline=None, suppress_health_check=list(HealthCheck))


def spec_of(data: bytes | dict[str, Any]) -> Spec:
    return parse_document(read_document(data if isinstance(data, bytes) else json.dumps(data).encode(), "hostile"))


def survives(data: bytes) -> None:
    """Whatever it says: nothing but a DescriptionError, and what can be read can be made tools of."""
    try:
        spec = spec_of(data)
    except DescriptionError as error:
        assert str(error).startswith("hostile")
        return
    assert all(issue.message for issue in spec.issues)
    for tool in nlapi.tools(spec):
        json.dumps(tool.as_dict())


@relaxed
@given(tree=descriptions() | st.sampled_from(list(WORLDS.values())), data=st.data())
def test_json_that_is_cut_anywhere(tree: Any, data: st.DataObject) -> None:
    encoded = json.dumps(tree, ensure_ascii=data.draw(st.booleans())).encode()
    survives(encoded[: data.draw(st.integers(0, len(encoded)))])


@relaxed
@given(tree=descriptions() | st.sampled_from(list(WORLDS.values())), data=st.data())
def test_yaml_that_is_cut_anywhere(tree: Any, data: st.DataObject) -> None:
    import yaml

    encoded = yaml.safe_dump(tree, allow_unicode=data.draw(st.booleans())).encode()
    survives(encoded[: data.draw(st.integers(0, len(encoded)))])


def body_of(node: Any) -> dict[str, Any]:
    return whole({"/x": {"post": {"requestBody": node, "responses": {}}}})


def answers(node: Any) -> dict[str, Any]:
    return whole({"/x": {"get": {"responses": {"200": node}}}})


@table(
    ("kind", "use", "left"),
    [
        ("pathItems", lambda node: whole({"/x": node, "/y": {"get": {"responses": {}}}}), 1),
        ("parameters", gets, 0),
        ("requestBodies", body_of, 0),
        ("responses", answers, 1),
        ("schemas", posts, 1),
        ("schemas", lambda node: gets({"name": "q", "in": "query", "schema": {"type": "array", "items": node}}), 1),
    ],
)
@table("links", [1, 2, 50])
def test_a_ring_of_refs_is_told_and_costs_only_what_needs_it(kind: str, use: Any, left: int, links: int) -> None:
    spec = spec_of(cycle(kind, use, links)())
    assert "itself" in messages(spec)
    assert len(nlapi.tools(spec)) == left


@table("keyword", ["allOf", "anyOf", "oneOf"])
def test_a_ring_through_a_combination_is_told_and_takes_any_value(keyword: str) -> None:
    schemas = {"A": {keyword: [ref("schemas", "B")]}, "B": {keyword: [ref("schemas", "A"), {"type": "string"}]}}
    query = {"name": "q", "in": "query", "schema": ref("schemas", "A")}
    spec = spec_of({**gets(query), "components": {"schemas": schemas}})
    assert "leads to itself" in messages(spec)
    assert nlapi.build(spec, "get", {"q": "a"}).url == "https://api.example/x?q=a"


def test_recursion_through_a_part_is_none_to_tell_of() -> None:
    tree = {"type": "object", "properties": {"below": {"type": "array", "items": ref("schemas", "Tree")}}}
    spec = spec_of(posts(ref("schemas", "Tree"), components={"schemas": {"Tree": tree}}))
    assert not spec.issues
    assert nlapi.build(spec, "make", {"below": [{"below": []}]}).content == b'{"below":[{"below":[]}]}'


@table("key", ["properties", "items", "allOf"])
def test_nesting_without_end_is_refused(key: str) -> None:
    with pytest.raises(DescriptionError, match=r"depth|deep"):
        spec_of(nested(10_000, key))
    assert nlapi.tools(spec_of(nested(30, key)))


@table("keyword", ["allOf", "anyOf", "oneOf"])
def test_schemas_that_double_stay_as_many_as_they_are(keyword: str) -> None:
    (tool,) = nlapi.tools(spec_of(explosion(60, keyword)))
    assert len(json.dumps(tool.as_dict())) < 10_000


@table("keyword", ["allOf", "anyOf", "oneOf"])
def test_schemas_that_double_take_any_value(keyword: str) -> None:
    spec = spec_of(explosion(60, keyword))
    assert "combines more than 5,000 schemas" in messages(spec)
    (tool,) = nlapi.tools(spec)
    # Each would take for ever.
    nlapi.plan("make one with the name Bob", spec)
    nlapi.build(spec, tool.operation.id, {name: {} for name in tool.input_schema["properties"]})


@table("path", ["/a/..;/b", "/a/..%2fb", "/a%2f%2e%2e%2fb", "/a%5c..%5cb", "/%00", "/%0d%0aX: y", "/" + "a" * 9_000])
def test_a_path_that_leads_elsewhere_is_left_out(path: str) -> None:
    spec = spec_of(whole({path: {"get": {"responses": {}}}, "/ok": {"get": {"responses": {}}}}))
    assert [operation.path for operation in spec.operations] == ["/ok"]
    assert "a path may" in messages(spec)


def test_a_method_that_is_described_twice_is_named() -> None:
    item = {
        "get": {"operationId": "kept", "responses": {}},
        "GET": {"operationId": "other", "responses": {}},
        "Delete": {"operationId": "mixed", "responses": {}},
        "additionalOperations": {"GET": {"responses": {}}, "CONNECT": {"responses": {}}, "COPY": {"responses": {}}},
    }
    spec = spec_of(whole({"/a": item}, openapi="3.2.0"))
    assert [(operation.method, operation.id) for operation in spec.operations] == [("GET", "kept"), ("COPY", "copy_a")]
    assert messages(spec).count("was left out") == 3
    assert "CONNECT: not an operation" in messages(spec)


def test_patterns_that_take_long_to_compile_are_left_out() -> None:
    sets = "[\\u0100-\\uffff]"  # 5 ms each
    patterns = {f"p{one}": {"type": "string", "pattern": f"(?i){sets * 199}{one}"} for one in range(200)}
    patterns["q"] = {"type": "string", "pattern": sets * 201}
    (tool,) = nlapi.tools(spec_of(posts({"type": "object", "properties": patterns})))
    assert "pattern" not in tool.input_schema["properties"]["q"]
    assert "pattern" not in tool.input_schema["properties"]["p199"]


@table(
    "schema",
    [
        {"type": "object", "properties": {f"p{one}": {"type": "string"} for one in range(3_000)}},
        {"type": "object", "properties": {"a": {}}, "required": [f"p{one}" for one in range(3_000)]},
        {"type": "object", "properties": {f"p{one}": {"description": "word " * 500} for one in range(900)}},
        {"type": "string", "enum": ["x" * 10_000 + str(one) for one in range(100)]},
        {"type": "string", "default": "x" * 1_000_000, "pattern": "a" * 19_000, "format": "f" * 300_000},
        {"anyOf": [{"const": "x" * 100 + str(one)} for one in range(9_000)]},
        {"type": "object", "properties": {"o": {"type": "object", "properties": {"n" * 500_000: {}}}}},
    ],
    ids=["properties", "required", "texts", "choices", "values", "any of", "a name"],
)
def test_the_schema_of_a_tool_is_bounded(schema: Any) -> None:
    (tool,) = nlapi.tools(spec_of(posts(schema)))
    shown = json.dumps(tool.as_dict())
    assert len(shown) < 256_000
    assert json.loads(shown)["input_schema"]["properties"]


def test_more_parameters_than_any_api_has_leave_the_operation_out() -> None:
    queries = [{"name": f"q{one}", "in": "query", "schema": {}} for one in range(2_001)]
    spec = spec_of(gets(*queries))
    assert nlapi.tools(spec) == ()
    assert "2,001 parameters" in messages(spec)


def test_what_nobody_sees_is_not_in_the_schema_of_a_tool() -> None:
    tags = "\U000e0041\U000e0042\u202e"
    schema = {
        "type": "object",
        "properties": {
            "a": {"type": "string", "enum": [f"x{tags}", "y"], "default": tags, "pattern": tags, "format": tags},
            "o": {"type": "object", "properties": {tags: {"type": "string"}, "p": {"const": tags}}, "required": [tags]},
        },
    }
    (tool,) = nlapi.tools(spec_of(posts(schema)))
    shown = json.dumps(tool.as_dict(), ensure_ascii=False)
    assert not set(tags) & set(shown)
    assert "One of 2: x, y" in shown


@pytest.mark.parametrize("levels", [20, 1_000])
def test_a_long_line_of_all_of_keeps_every_property(levels: int) -> None:
    (tool,) = nlapi.tools(spec_of(inherited(levels)))
    shown = json.dumps(tool.input_schema)
    assert all(f'"p{one}"' in shown for one in range(levels))


def test_more_paths_than_any_api_has_are_refused() -> None:
    with pytest.raises(DescriptionError, match="30,000 paths"):
        spec_of(whole({f"/{one}": {"get": {}} for one in range(30_000)}))


def test_more_objects_than_memory_is_worth_are_refused_before_they_are_read() -> None:
    with pytest.raises(DescriptionError, match="too large"):
        spec_of(b'{"openapi": "3.1.0", "x": [' + b"{}," * 1_000_001 + b"{}]}")
    with pytest.raises(DescriptionError, match="objects and lists"):
        spec_of(b'{"openapi": "3.1.0", "x": [' + b"[1]," * 1_000_001 + b"[]]}")
    with pytest.raises(DescriptionError, match="values"):
        spec_of(b'{"openapi": "3.1.0", "x": [' + b"1," * 3_000_001 + b"1]}")
    with pytest.raises(DescriptionError, match="objects and lists"):
        spec_of(b' {"openapi": "3.1.0", "x": [' + b"{}," * 1_000_001 + b"{}]}")


def test_what_contradicts_itself_is_told_and_the_rest_works() -> None:
    spec = spec_of(contradictory())
    said = messages(spec)
    assert "'same' is taken" in said
    assert "'gone' is not in the path" in said
    assert "{id} of the path is not described" in said
    assert "a path must begin with one slash" in said
    assert len(nlapi.tools(spec)) == 3


def test_a_hundred_thousand_properties_and_choices() -> None:
    properties = {f"$p{one}": {"type": "string"} for one in range(20_000)}
    many = {"type": "object", "properties": properties, "required": ["$p1"]}
    (tool,) = nlapi.tools(spec_of(as_json(lambda: posts(many))()))
    assert tool.places == {"body": ("body", "")}  # as one argument, as no model chooses among so many
    (tool,) = nlapi.tools(spec_of(posts({"type": "object", "properties": {"c": {"enum": list(range(100_000))}}})))
    assert "100,000" in tool.input_schema["properties"]["c"]["description"]


def test_a_pattern_that_is_too_long_is_not_tried() -> None:
    query = {"name": "q", "in": "query", "schema": {"type": "string", "pattern": "(a+)+" * 10_000}}
    assert nlapi.build(spec_of(gets(query)), "get", {"q": "b"}).url.endswith("q=b")
