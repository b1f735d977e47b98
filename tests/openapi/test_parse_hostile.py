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
from tests.strategies import descriptions
from tests.worlds import WORLDS

relaxed = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


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


@pytest.mark.parametrize(
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
@pytest.mark.parametrize("links", [1, 2, 50])
def test_a_ring_of_refs_is_told_and_costs_only_what_needs_it(kind: str, use: Any, left: int, links: int) -> None:
    spec = spec_of(cycle(kind, use, links)())
    assert "itself" in messages(spec)
    assert len(nlapi.tools(spec)) == left


@pytest.mark.parametrize("keyword", ["allOf", "anyOf", "oneOf"])
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


@pytest.mark.parametrize("key", ["properties", "items", "allOf"])
def test_nesting_without_end_is_refused(key: str) -> None:
    with pytest.raises(DescriptionError, match=r"depth|deep"):
        spec_of(nested(10_000, key))
    assert nlapi.tools(spec_of(nested(30, key)))


@pytest.mark.parametrize("keyword", ["allOf", "anyOf", "oneOf"])
def test_schemas_that_double_stay_as_many_as_they_are(keyword: str) -> None:
    (tool,) = nlapi.tools(spec_of(explosion(60, keyword)))
    assert len(json.dumps(tool.as_dict())) < 10_000


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
    assert len(tool.places) == 20_000
    (tool,) = nlapi.tools(spec_of(posts({"type": "object", "properties": {"c": {"enum": list(range(100_000))}}})))
    assert "100,000" in tool.input_schema["properties"]["c"]["description"]


def test_a_pattern_that_is_too_long_is_not_tried() -> None:
    query = {"name": "q", "in": "query", "schema": {"type": "string", "pattern": "(a+)+" * 10_000}}
    assert nlapi.build(spec_of(gets(query)), "get", {"q": "b"}).url.endswith("q=b")
