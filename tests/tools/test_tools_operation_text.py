"""An operation as Markdown: whole, nested, within its size, and honest about what is left out."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nlapi.errors import UsageError
from nlapi.tools.compile import compile_tool
from nlapi.tools.definitions.describe import MAX_TEXT, argument_text, operation_text
from nlapi.tools.texts.plain_text import cut_text
from nlapi.tools.tool import Tool
from tests.describe import spec
from tests.strategies import examples


def tool_of(body: Any, **schemas: Any) -> Tool:
    operation = {
        "operationId": "make",
        "summary": "Make a thing",
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {"204": {"description": ""}},
    }
    return compile_tool(spec({"/things": {"post": operation}}, components={"schemas": schemas}).operation("make"))


def opener(operation: str, path: str) -> str:
    return f"things --about {operation} {path}"


def text(tool: Tool, limit: int = MAX_TEXT) -> str:
    return operation_text(tool, opener, limit=limit)


def test_choices_nested_objects_and_branches_stand_whole() -> None:
    values = [f"VALUE_{number}" for number in range(60)]
    card = {"type": "object", "required": ["number"], "properties": {"number": {"type": "string"}}}
    bank = {"type": "object", "properties": {"iban": {"type": "string", "maxLength": 34}}}
    body = {
        "type": "object",
        "required": ["kind"],
        "properties": {
            "kind": {"type": "string", "enum": values},
            "pay": {"oneOf": [{"$ref": "#/components/schemas/Card"}, {"$ref": "#/components/schemas/Bank"}]},
            "budget": {
                "type": "object",
                "required": ["micro_amount"],
                "properties": {
                    "type": {"type": "string", "enum": ["DAILY", "LIFETIME"]},
                    "micro_amount": {"type": "integer", "minimum": 0, "maximum": 9},
                },
            },
        },
    }
    found = text(tool_of(body, Card=card, Bank=bank))
    assert all(f"`{value}`" in found for value in values)
    assert "  - `micro_amount` (required, integer, micros: `'15 USD'` or a number of micros, 0 to 9)" in found
    assert "  - `type` (one of `DAILY`, `LIFETIME`)" in found
    assert "  - either, as Card:\n    - `number` (required, string)" in found
    assert "  - either, as Bank:\n    - `iban` (string, at most 34 characters)" in found
    assert "…" not in found


def test_a_schema_of_several_places_is_a_part_and_may_contain_itself() -> None:
    node = {
        "type": "object",
        "description": "A node of a tree that has children of its own kind, and a name that is shown.",
        "properties": {
            "name": {"type": "string", "description": "What is shown of it, to everybody who sees the tree at all."},
            "children": {"type": "array", "items": {"$ref": "#/components/schemas/Node"}},
        },
    }
    ref = {"$ref": "#/components/schemas/Node"}
    found = text(tool_of({"type": "object", "properties": {"root": ref, "other": ref}}, Node=node))
    assert "- `root` (see Node)" in found
    assert found.count("### Node") == 1
    assert found.count("What is shown of it") == 1
    assert "`children` (list of Node (see there))" in found


def test_what_has_no_room_is_counted_and_can_be_opened() -> None:
    fields = {
        f"field_{number}": {
            "type": "object",
            "description": "One of many. " * 20,
            "properties": {f"inner_{inner}": {"type": "string", "description": "Inside. " * 20} for inner in range(12)},
        }
        for number in range(60)
    }
    tool = tool_of({"type": "object", "properties": fields})
    found = text(tool)
    assert len(found) <= MAX_TEXT
    assert "`things --about make ARGUMENT.PATH` opens it" in found
    opened = argument_text(tool, "field_7", opener)
    assert all(f"`inner_{inner}`" in opened for inner in range(12))
    inner = argument_text(tool, "field_7.inner_3", opener)
    assert inner.startswith("# make: `field_7.inner_3`\n\n- `inner_3` (string)")
    with pytest.raises(UsageError, match="no argument"):
        argument_text(tool, "field_7.none", opener)


def test_many_choices_are_cut_with_their_number_and_opened_whole() -> None:
    values = [f"CATEGORY_OF_GOODS_{number:04}" for number in range(150)]
    others = {f"other_{n}": {"type": "string", "description": "Something else. " * 40} for n in range(40)}
    kind = {"type": "string", "enum": values}
    tool = tool_of({"type": "object", "properties": {"kind": kind, **others}})
    found = text(tool)
    shown = len(re.findall(r"`CATEGORY_OF_GOODS_\d+`", found))
    assert f"… {150 - shown} more" in found
    assert all(value in argument_text(tool, "kind", opener) for value in values)


def test_a_text_is_cut_between_sentences_and_keeps_its_restrictions() -> None:
    told = (
        "The name of the thing. It is shown in lists, to everybody. " * 3
        + "It must be unique. It is e.g. Ada, in capitals."
    )
    short, is_cut = cut_text(told, 60)
    assert is_cut
    assert short == "The name of the thing. It must be unique."
    assert cut_text("Short, e.g. this.", 60) == ("Short, e.g. this.", False)


LEAVES = st.sampled_from(
    [{"type": "string"}, {"type": "integer", "description": "A number in cents. " * 9}, {"enum": ["A", "B"]}, {}]
)
SCHEMAS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.dictionaries(st.text("abcXYZ_", min_size=1, max_size=9), inner, max_size=6).map(
            lambda properties: {"type": "object", "properties": properties}
        ),
        inner.map(lambda items: {"type": "array", "items": items}),
        st.lists(inner, min_size=1, max_size=3).map(lambda branches: {"anyOf": branches}),
        st.lists(inner, min_size=1, max_size=2).map(lambda parts: {"allOf": parts}),
        st.just({"$ref": "#/components/schemas/Self"}),
    ),
    max_leaves=40,
)


@settings(max_examples=examples(60), deadline=None)
@given(SCHEMAS, SCHEMAS, st.integers(1_200, MAX_TEXT))
def test_any_operation_fits_its_size_and_names_its_arguments(body: Any, other: Any, limit: int) -> None:
    tool = tool_of({"type": "object", "properties": {"first": body, "second": other}}, Self=body)
    found = text(tool, limit)
    assert len(found) <= limit
    assert "- `first` (" in found
    assert "- `second` (" in found
