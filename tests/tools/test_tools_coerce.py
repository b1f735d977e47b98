"""Text that a person typed, to the value that a schema wants."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

import nlapi
from nlapi.client.message import File
from nlapi.openapi.schema_upgrade import upgrade_schema
from nlapi.tools.arguments import coerce, coerce_arguments
from tests.describe import operation, parameter
from tests.strategies import SCHEMAS
from tests.tables import table

STRINGS, NUMBERS = {"type": "array", "items": {"type": "string"}}, {"type": "array", "items": {"type": "integer"}}


@table(
    ("text", "schema", "wanted"),
    [
        ("5", {"type": "integer"}, 5),
        ("-5", {"type": "integer"}, -5),
        ("5.0", {"type": "integer"}, 5),
        ("5.5", {"type": "integer"}, "5.5"),
        ("five", {"type": "integer"}, "five"),
        ("", {"type": "integer"}, ""),
        ("5.5", {"type": "number"}, 5.5),
        ("1e3", {"type": "number"}, 1000.0),
        ("nan", {"type": "number"}, "nan"),
        ("Infinity", {"type": "number"}, "Infinity"),
        ("true", {"type": "boolean"}, True),
        ("No", {"type": "boolean"}, False),
        ("maybe", {"type": "boolean"}, "maybe"),
        ("5", {"type": "string"}, "5"),
        ("true", {"type": "string"}, "true"),
        ("null", {"type": "string"}, "null"),
        ("null", {"type": ["integer", "null"]}, None),
        ("5", {"type": ["integer", "null"]}, 5),
        ("007", {"type": ["integer", "string"]}, "007"),
        ("7", {"type": ["integer", "string"]}, 7),
        ("7", {"type": ["number", "string"]}, 7),
        ("true", {"type": ["boolean", "string"]}, True),
        ("yes", {"type": ["boolean", "string"]}, "yes"),
        ("hello, world", {"anyOf": [{"type": "string"}, STRINGS]}, "hello, world"),
        ('["a", "b"]', {"anyOf": [{"type": "string"}, STRINGS]}, ["a", "b"]),
        ('"5"', {"type": "string"}, '"5"'),
        ("a,b", STRINGS, ["a", "b"]),
        ("a", STRINGS, ["a"]),
        ("", STRINGS, []),
        ('["a,b", "c"]', STRINGS, ["a,b", "c"]),
        ("[a", STRINGS, ["[a"]),
        ("1, 2", NUMBERS, [1, 2]),
        ("1,x", NUMBERS, [1, "x"]),
        ('{"a": 1}', {"type": "object"}, {"a": 1}),
        ("{a", {"type": "object"}, "{a"),
        ("[1]", {"type": "object"}, "[1]"),
        ("5", {}, 5),
        ("text", {}, "text"),
        ('"5"', {}, "5"),
        ("2", {"enum": [1, 2]}, 2),
        ("b", {"enum": ["a", "b"]}, "b"),
        ("5", {"oneOf": [{"type": "integer"}, {"type": "string"}]}, 5),
        ("x", {"anyOf": [{"type": "integer"}, {"type": "string"}]}, "x"),
        ("5", {"anyOf": [True, {"type": "integer"}]}, 5),
        ("5", {"allOf": [{"type": "string"}, {"maxLength": 3}]}, "5"),
    ],
)
def test_a_text_becomes_what_the_schema_asks_for(text: str, schema: dict[str, Any], wanted: Any) -> None:
    value = coerce(text, schema)
    assert value == wanted
    assert type(value) is type(wanted)


def test_definitions_are_followed_wherever_they_stand() -> None:
    definitions = {"Count": {"type": "integer", "maximum": 5, "minimum": 1, "default": 1, "format": "int32"}}
    ref = {"$ref": "#/$defs/Count"}
    assert coerce("5", ref, definitions) == 5
    assert coerce("5", {"anyOf": [ref, {"type": "null"}]}, definitions) == 5
    assert coerce("1,2", {"type": "array", "items": ref}, definitions) == [1, 2]


def test_a_schema_that_leads_to_itself_ends() -> None:
    definitions = {"A": {"anyOf": [{"$ref": "#/$defs/A"}, {"type": "integer"}]}, "B": {"$ref": "#/$defs/B"}}
    assert coerce("5", {"$ref": "#/$defs/A"}, definitions) == 5
    assert coerce("5", {"$ref": "#/$defs/B"}, definitions) in (5, "5")


def test_only_texts_are_touched_and_unknown_names_are_kept() -> None:
    node = {"parameters": [parameter("n", schema={"type": "integer"}), parameter("ids", schema=NUMBERS)]}
    (tool,) = nlapi.tools(operation(node).spec)
    file = File("5", b"")
    assert coerce_arguments({"n": "5", "ids": "1,2", "other": "x"}, tool) == {"n": 5, "ids": [1, 2], "other": "x"}
    assert coerce_arguments({"n": file, "ids": [3]}, tool) == {"n": file, "ids": [3]}
    assert coerce_arguments({"n": file}, tool)["n"] is file


@given(text=st.text() | st.sampled_from(["9" * 5000, "[" * 5000, "1e999", "-inf", "1_000"]), schema=SCHEMAS)
def test_no_text_and_no_schema_makes_it_fail(text: str, schema: Any) -> None:
    upgraded = upgrade_schema(schema, 1)
    value = coerce(text, upgraded, {"A": upgraded})
    assert value == value


@given(value=st.integers() | st.booleans() | st.text().filter(lambda text: text != "null"))
def test_a_value_as_people_write_it_comes_back(value: Any) -> None:
    kind = {int: "integer", bool: "boolean", str: "string"}[type(value)]
    assert coerce(str(value), {"type": kind}) == value
