"""JSON Schema in the gateway: jsonschema-rs and, as in `nlapi demo` of the core alone, jsonschema say the same."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from nlapi.gateway.http.json_schema import SchemaValidator, compile_schema
from tests.gateway.kit import document

NESTED = {
    "type": "object",
    "required": ["titles"],
    "properties": {"titles": {"type": "array", "items": {"$ref": "#/$defs/title"}}, "at": {"format": "date-time"}},
    "additionalProperties": False,
    "$defs": {"title": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 8}},
}
VALUES: tuple[tuple[Any, list[str | int] | None], ...] = (
    ({"titles": []}, None),
    ({"titles": ["a", "b"]}, None),
    ({"titles": ["a", 7]}, ["titles", 1]),
    ({"titles": ["a\n"]}, ["titles", 0]),
    ({"titles": ["a" * 9]}, ["titles", 0]),
    ({"titles": [], "at": "2026-11-24T10:00:00Z"}, None),
    ({"titles": [], "at": "noon"}, ["at"]),
    ({"titles": [], "x": 1}, []),
    ({}, []),
    ([], []),
)
UNUSABLE: tuple[dict[str, Any], ...] = (
    {"type": "text"},
    {"pattern": "("},
    {"items": [{"type": "string"}]},
    {"$ref": "#/$defs/nothing"},
    {"properties": {"a": {"$ref": "https://schemas.example/a.json"}}},
    {"properties": {"a": {"$ref": "file:///etc/passwd"}}},
    {"pattern": "(?:(?:a{9999}){9999}){9999}"},
    {"patternProperties": {"(a{1,9999}|b{1,9999}){9999}": {}}},
    {"propertyNames": {"pattern": "(?<=(?:ab{99}){999})c"}},
    {"$defs": {"a": {"pattern": "(?x)(?:a{9999} ) {9999}"}}},
)


@pytest.fixture(params=["jsonschema-rs", "jsonschema"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The library that `compile_schema` finds."""
    if request.param == "jsonschema":
        monkeypatch.setitem(sys.modules, "jsonschema_rs", None)
    return str(request.param)


def first_path(validator: SchemaValidator, value: Any) -> list[str | int] | None:
    """The path of the first violation; None of a valid value."""
    violation = next(iter(validator.iter_errors(value)), None)
    assert validator.is_valid(value) is (violation is None)
    return violation and list(violation.instance_path)


@pytest.mark.parametrize(("value", "path"), VALUES)
def test_violations_are_at_the_same_place(engine: str, value: Any, path: list[str | int] | None) -> None:
    assert first_path(compile_schema(NESTED, formats=True), value) == path


@pytest.mark.parametrize("schema", UNUSABLE)
def test_a_schema_that_is_none_or_leads_elsewhere_is_refused(engine: str, schema: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        compile_schema(schema)


def test_a_format_is_asserted_only_where_it_is_asked_for(engine: str) -> None:
    assert compile_schema({"format": "date-time"}).is_valid("noon")
    assert not compile_schema({"format": "date-time"}, formats=True).is_valid("noon")


def test_a_schema_is_read_by_the_draft_that_it_names(engine: str) -> None:
    draft = {"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"type": "string"}]}
    assert first_path(compile_schema(draft), [1]) == [0]


def test_a_pattern_that_would_take_for_ever_refuses(engine: str) -> None:
    assert first_path(compile_schema({"pattern": "^(a+)+$"}), "a" * 64 + "b") == []


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        (r"^[\w.-]{1,2048}$", "a" * 2048, "a" * 2049),
        (r"^\p{L}{1,200}$", "ä" * 200, "ä" * 201),
        ("^(?=.*[0-9])[a-z0-9]{3,65535}$", "ab1", "abc"),
        ("^[a-z]{3}$", "abc", "abc\n"),
        (r"^\d+$", "12", "١٢"),
    ],
)
def test_a_pattern_with_high_counts_says_the_same(engine: str, pattern: str, good: str, bad: str) -> None:
    validator = compile_schema({"pattern": pattern})
    assert validator.is_valid(good)
    assert not validator.is_valid(bad)


def test_many_patterns_of_high_counts_are_held_without_writing_them_out(engine: str) -> None:
    # jsonschema-rs takes 5 MB for each, under its bound for one.
    names = [f"p{number}" for number in range(600)]
    properties = {name: {"pattern": rf"^\p{{L}}{{1,100}}-{name}$"} for name in names}
    validator = compile_schema({"properties": properties})
    assert validator.is_valid({"p1": "ä-p1"})
    assert first_path(validator, {"p1": "ä", "p2": "ä-p2"}) == ["p1"]


def test_a_schema_within_that_names_another_draft_keeps_the_bounds(engine: str) -> None:
    draft = "http://json-schema.org/draft-07/schema#"
    schema = {"properties": {"a": {"$schema": draft, "pattern": "^(a+)+$"}}}
    assert first_path(compile_schema(schema), {"a": "a" * 64 + "b"}) == ["a"]


def test_the_description_takes_a_whole_configuration(engine: str) -> None:
    from nlapi.gateway.http.description import load_description

    load_description.cache_clear()
    try:
        load_description().check("Configuration", document())
    finally:
        load_description.cache_clear()


@pytest.mark.parametrize(
    ("value", "messages"),
    [
        ({"titel": 1, "owner": "x"}, [("there is no property 'titel'", "did you mean 'title'?")]),
        ({"zzz": 1}, [("there is no property 'zzz'", "it takes title, owner, parts")]),
        ({"parts": [{"nmae": 1}], "y-1": 2}, [("there is no property 'nmae'", "did you mean 'name'?")]),
    ],
)
def test_an_unknown_property_is_named_with_the_nearest(
    engine: str, value: Any, messages: list[tuple[str, str]]
) -> None:
    part = {"type": "object", "additionalProperties": False, "properties": {"name": {"type": "string"}}}
    properties = {"title": {}, "owner": {}, "parts": {"items": {"$ref": "#/$defs/part"}}}
    schema = {"additionalProperties": False, "properties": properties, "patternProperties": {"^y-": {}},
              "$defs": {"part": part}}  # fmt: skip
    assert [(error.message, error.hint) for error in compile_schema(schema).iter_errors(value)] == messages
