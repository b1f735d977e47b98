"""Schemas of OpenAPI 3.0, and ones that nobody can mean, come out as JSON Schema 2020-12."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from nlapi.openapi import schema_upgrade
from nlapi.openapi.schema_upgrade import upgrade_schema
from tests.tables import table


def upgraded(schema: Any, minor: int = 0) -> Any:
    result = upgrade_schema(schema, minor)
    Draft202012Validator.check_schema(result)
    return result


def fits(value: Any, schema: Any) -> bool:
    return Draft202012Validator(upgraded(schema)).is_valid(value)


@table(
    "schema",
    [
        {"type": "string", "nullable": True},
        {"type": "string", "enum": ["a"], "nullable": True},
        {"type": "string", "enum": ["a", None], "nullable": True},
        {"enum": ["a"], "nullable": True},
        {"allOf": [{"type": "string"}], "nullable": True},
        {"oneOf": [{"type": "string"}, {"type": "integer"}], "nullable": True},
        {"anyOf": [{"type": "string"}], "nullable": True},
    ],
)
def test_nullable_allows_null_and_nothing_more(schema: dict[str, Any]) -> None:
    assert fits(None, schema)
    assert fits("a", schema)
    assert not fits([], schema)


def test_nullable_properties_without_a_type_are_an_object_or_null() -> None:
    assert upgraded({"nullable": True, "properties": {"a": {}}})["type"] == ["object", "null"]


def test_nullable_false_is_the_default_and_disappears() -> None:
    assert upgraded({"type": "string", "nullable": False}) == {"type": "string"}


def test_a_ref_keeps_the_annotations_beside_it() -> None:
    node = {"$ref": "#/components/schemas/A", "description": "why", "readOnly": True, "type": "string", "example": 1}
    assert upgraded(node) == {
        "$ref": "#/components/schemas/A", "description": "why", "readOnly": True, "examples": [1],
    }  # fmt: skip


def test_a_nullable_ref_is_the_schema_or_null() -> None:
    node = {"$ref": "#/components/schemas/A", "nullable": True, "description": "why"}
    assert upgraded(node) == {
        "anyOf": [{"$ref": "#/components/schemas/A"}, {"type": "null"}], "description": "why",
    }  # fmt: skip


def test_from_3_1_on_a_ref_keeps_the_constraints_beside_it() -> None:
    extra = {"extra": {"type": "string"}}
    node = {"$ref": "#/components/schemas/A", "properties": extra, "allOf": [{"type": "object"}]}
    assert upgraded(node, 1) == {
        "allOf": [{"$ref": "#/components/schemas/A"}, {"type": "object"}],
        "properties": extra,
        "type": "object",
    }
    assert upgraded(node, 0) == {"$ref": "#/components/schemas/A"}


@table(
    ("given", "wanted"),
    [
        ({"minimum": 1, "exclusiveMinimum": True}, {"exclusiveMinimum": 1}),
        ({"maximum": 9, "exclusiveMaximum": True}, {"exclusiveMaximum": 9}),
        ({"minimum": 1, "exclusiveMinimum": False}, {"minimum": 1}),
        ({"exclusiveMinimum": True}, {}),
        ({"exclusiveMinimum": 2}, {"exclusiveMinimum": 2}),
        ({"minimum": True}, {}),
    ],
)
def test_exclusive_bounds_become_numbers(given: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert upgraded(given) == wanted


def test_example_becomes_the_first_of_examples() -> None:
    assert upgraded({"type": "integer", "example": 0}) == {"type": "integer", "examples": [0]}
    assert upgraded({"example": 1, "examples": [2]}) == {"examples": [1, 2]}
    assert upgraded({"examples": {"a": {"value": 1}, "b": {"externalValue": "x"}}}) == {"examples": [1]}


@table(
    ("given", "wanted"),
    [
        ({"type": "int"}, {"type": "integer"}),
        ({"type": "String"}, {"type": "string"}),
        ({"type": "datetime"}, {"type": "string"}),
        ({"type": "file"}, {"type": "string", "format": "binary"}),
        ({"type": ["string", "any"]}, {"type": "string"}),
        ({"type": "Pet"}, {}),
        ({"type": None}, {}),
        ({"type": "array", "items": [{"type": "string"}]}, {"type": "array", "items": {"type": "string"}}),
        ({"items": {"type": "string"}}, {"type": "array", "items": {"type": "string"}}),
        ({"type": "object", "required": True}, {"type": "object"}),
        ({"type": "object", "required": ["a", "a", 1.5]}, {"type": "object", "required": ["a"]}),
        ({"type": "object", "required": ["a", 1, True]}, {"type": "object", "required": ["a", "1", "true"]}),
        ({"type": "string", "enum": [1, 2.0, True, "on"]}, {"type": "string", "enum": ["1", "2.0", "true", "on"]}),
        ({"type": "integer", "enum": ["1", "x"], "default": "2"}, {"type": "integer", "enum": [1, "x"], "default": 2}),
        ({"type": "boolean", "default": "true"}, {"type": "boolean", "default": True}),
        ({"type": "number", "default": "1e400"}, {"type": "number", "default": "1e400"}),
        ({"type": ["string", "integer"], "enum": [1, "2"]}, {"type": ["string", "integer"], "enum": [1, "2"]}),
        ({"type": "integer", "maximum": 10**400}, {"type": "integer"}),
        ({"type": "array", "collectionFormat": "csv"}, {"type": "array"}),
        (
            {"type": "array", "enum": ["a", 1], "items": {"type": "string"}},
            {"type": "array", "items": {"type": "string", "enum": ["a", "1"]}},
        ),
        (
            {"type": "array", "enum": ["a"], "items": {"$ref": "#/x"}, "nullable": True},
            {"type": ["array", "null"], "items": {"$ref": "#/x"}},
        ),
        ({"type": "array", "enum": [["a"]]}, {"type": "array", "enum": [["a"]]}),
        ({"type": "string", "maxLength": "12"}, {"type": "string", "maxLength": 12}),
        ({"type": "string", "maxLength": 12.0, "minLength": -1}, {"type": "string", "maxLength": 12}),
        ({"type": "number", "maximum": "inf", "minimum": "nan"}, {"type": "number"}),
        ({"type": "string", "enum": "a, b"}, {"type": "string"}),
        ({"type": "string", "enum": ["a", "a", "b"]}, {"type": "string", "enum": ["a", "b"]}),
        ({"oneOf": ["Pet", {"type": "string"}]}, {"oneOf": [{"type": "string"}]}),
        ({"properties": [1]}, {}),
        ({"allOf": []}, {}),
        ("Pet", {}),
        (None, {}),
        (True, True),
    ],
)
def test_what_cannot_be_meant_is_mended(given: Any, wanted: Any) -> None:
    assert upgraded(given) == wanted


@table("pattern", [r"^[a-z]+$", r"\d{4}-\d\d", "a|b", r"^\S+@\S+$", r"^[\w.\-/]+$"])
def test_a_pattern_that_means_the_same_in_python_is_kept(pattern: str) -> None:
    assert upgraded({"pattern": pattern}) == {"pattern": pattern}


@table("pattern", [r"\p{L}+", r"(?<year>\d+)", "[", r"\u{1F600}", "*", "a{2,1}", "[[a-z]]", 5])
def test_a_pattern_that_python_reads_otherwise_is_left_out(pattern: Any) -> None:
    assert upgraded({"type": "string", "pattern": pattern}) == {"type": "string"}
    assert upgraded({"patternProperties": {str(pattern): {}}}) in ({}, {"patternProperties": {"5": {}}})


def test_upgrading_what_is_upgraded_changes_nothing() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "nullable": True, "example": "x"}}}
    assert upgraded(upgraded(schema), 1) == upgraded(schema)


KEYWORDS = sorted({
    *schema_upgrade.HANDLERS, *schema_upgrade.SANITIZERS, *schema_upgrade.DROPPED_KEYWORDS,
    *schema_upgrade.ANNOTATION_KEYWORDS, "type", "const", "x-other",
})  # fmt: skip
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5),
    st.sampled_from(
        [
            *sorted(schema_upgrade.TYPES),
            *schema_upgrade.TYPE_ALIASES,
            "inf",
            "-1",
            "1e400",
            "[",
            "#/components/schemas/A",
        ]
    ),
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYWORDS) | st.text(max_size=3), inner),
    max_leaves=25,
)


@given(schema=ANYTHING, minor=st.sampled_from([0, 1, 2]))
@example(schema={"nullable": True, "type": []}, minor=0)
@example(schema={"nullable": True, "enum": []}, minor=0)
@example(schema={"multipleOf": "1e-400"}, minor=0)
def test_whatever_comes_in_a_valid_schema_comes_out(schema: Any, minor: int) -> None:
    upgraded(schema, minor)


@table(
    ("mapping", "told"),
    [
        ({"dog": "#/components/schemas/Dog", "cat": "Cat"}, "kind tells them apart: dog for Dog, cat for Cat."),
        ({"Dog": "#/components/schemas/Dog"}, "kind tells them apart: Dog, Cat."),
        (None, "kind tells them apart: Dog, Cat."),
    ],
)
@table("union", ["oneOf", "anyOf"])
def test_what_a_discriminator_says_is_told(mapping: Any, told: str, union: str) -> None:
    choices = [{"$ref": "#/components/schemas/Dog"}, {"$ref": "#/components/schemas/Cat"}]
    discriminator = {"propertyName": "kind", **({"mapping": mapping} if mapping else {})}
    found = upgraded({union: choices, "discriminator": discriminator, "description": "A pet."})
    assert found == {union: choices, "description": f"A pet. {told}"}


@table("wrong", ["kind", {"propertyName": 5}, {}, {"propertyName": "kind", "mapping": 5}, None])
def test_a_discriminator_that_says_nothing_is_dropped(wrong: Any) -> None:
    choices = [{"type": "string"}, {"type": "object"}]
    assert upgraded({"oneOf": choices, "discriminator": wrong}) == {"oneOf": choices}
