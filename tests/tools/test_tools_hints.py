"""`x-nlapi` in a description: names, descriptions, what is hidden, and amounts with their unit."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nlapi
from nlapi.errors import ArgumentError
from nlapi.openapi.spec import Spec
from tests.describe import body, messages, parameter, spec
from tests.tables import table

MICROS = {"type": "integer", "minimum": 1_000_000, "x-nlapi": {"unit": "micros"}}


def one(node: dict[str, Any], *, path: str = "/x", **more: Any) -> Spec:
    return spec({path: {"post": {"operationId": "op", "responses": {}, **node}}}, **more)


def sent(found: Spec, arguments: dict[str, Any]) -> Any:
    """What goes out for these arguments: the query and the body."""
    request = nlapi.build(found, "op", arguments)
    return request.url.partition("?")[2], json.loads(request.content or b"null")


def schema(found: Spec) -> dict[str, Any]:
    (tool,) = nlapi.tools(found)
    return tool.input_schema


# Names and descriptions


def test_an_operation_gets_the_name_and_description_that_it_is_given() -> None:
    found = one(
        {"summary": "Old", "description": "Older", "x-nlapi": {"name": "pause it!", "description": "Pauses it"}}
    )
    (tool,) = nlapi.tools(found)
    assert tool.name == "pause_it"
    assert tool.description == "Pauses it. (POST /x)"
    assert found.operation("op").id == "op"


def test_a_given_name_never_takes_that_of_another() -> None:
    nodes = {"operationId": "a", "responses": {}, "x-nlapi": {"name": "b"}}, {"operationId": "b", "responses": {}}
    names = [tool.name for tool in nlapi.tools(spec({"/1": {"get": nodes[0]}, "/2": {"get": nodes[1]}}))]
    assert names[1] == "b"
    assert len(set(names)) == 2


def test_an_argument_gets_its_name_and_goes_to_its_own_place() -> None:
    found = one(
        {
            "parameters": [parameter("q", **{"x-nlapi": {"name": "words", "description": "What to look for."}})],
            **body({"type": "object", "properties": {"nm": {"type": "string", "x-nlapi": {"name": "full_name"}}}}),
        }
    )
    assert set(schema(found)["properties"]) == {"words", "full_name"}
    assert schema(found)["properties"]["words"]["description"] == "What to look for."
    assert sent(found, {"words": "a", "full_name": "b"}) == ("q=a", {"nm": "b"})


def test_a_description_deep_inside_replaces_the_one_there() -> None:
    inner = {"type": "string", "description": "Old", "x-nlapi": {"description": "New"}}
    found = one(body({"type": "object", "properties": {"a": {"type": "object", "properties": {"b": inner}}}}))
    assert schema(found)["properties"]["a"]["properties"]["b"] == {"type": "string", "description": "New"}


def test_a_dashed_key_says_the_same() -> None:
    found = one({"x-nlapi-name": "n", "parameters": [parameter("q", **{"x-nlapi-hide": True})]})
    (tool,) = nlapi.tools(found)
    assert (tool.name, tool.places) == ("n", {})


# What is hidden


def test_a_hidden_operation_is_no_tool_but_can_be_called() -> None:
    found = one({"x-nlapi": {"hide": True}})
    assert nlapi.tools(found) == ()
    assert nlapi.build(found, "op", {}).method == "POST"
    assert nlapi.plan("op", found).calls == ()


def test_optional_things_can_be_hidden() -> None:
    hidden = {"type": "string", "x-nlapi": {"hide": True}}
    inner = {"type": "object", "properties": {"c": {"type": "string"}, "d": hidden}}
    found = one(
        {
            "parameters": [parameter("q"), parameter("debug", schema=hidden)],
            **body({"type": "object", "properties": {"a": inner, "b": hidden}}),
        }
    )
    assert set(schema(found)["properties"]) == {"q", "a"}
    assert set(schema(found)["properties"]["a"]["properties"]) == {"c"}
    assert not found.issues
    assert sent(found, {"a": {"c": "x"}}) == ("", {"a": {"c": "x"}})


def test_a_hidden_thing_that_is_required_is_sent_with_its_default() -> None:
    fixed = {"type": "string", "default": "v1", "x-nlapi": {"hide": True}}
    inner = {"type": "object", "required": ["kind"], "properties": {"kind": fixed, "c": {"type": "string"}}}
    whole = {"type": "object", "required": ["a", "tag"], "properties": {"a": inner, "tag": fixed}}
    found = one({"parameters": [parameter("version", schema=fixed, required=True)], **body(whole)})
    assert set(schema(found)["properties"]) == {"a"}
    assert schema(found)["required"] == ["a"]
    assert schema(found)["properties"]["a"]["properties"].keys() == {"c"}
    assert sent(found, {"a": {"c": "x"}}) == ("version=v1", {"a": {"c": "x", "kind": "v1"}, "tag": "v1"})
    assert not found.issues


def test_an_optional_body_is_not_sent_only_for_what_is_hidden_in_it() -> None:
    fixed = {"type": "string", "default": "v1", "x-nlapi": {"hide": True}}
    whole = {"type": "object", "required": ["tag"], "properties": {"tag": fixed, "b": {"type": "string"}}}
    found = one(body(whole, required=False))
    assert sent(found, {}) == ("", None)
    assert sent(found, {"b": "x"}) == ("", {"b": "x", "tag": "v1"})


def test_what_must_be_sent_and_has_no_default_is_shown_and_told() -> None:
    hidden = {"type": "string", "x-nlapi": {"hide": True}}
    found = one(
        {
            "parameters": [parameter("q", schema=hidden, required=True)],
            **body({"type": "object", "required": ["a"], "properties": {"a": hidden}}),
        }
    )
    assert set(schema(found)["properties"]) == {"q", "a"}
    assert messages(found).count("hidden, but required and without a default") == 2


@table(
    ("hint", "message"),
    [
        ({"hidden": True}, "has no 'hidden'"),
        ({"hide": "yes"}, "not true or false"),
        ({"name": 3}, "not a text"),
        ({"unit": "parsecs"}, "unit 'parsecs' is not known"),
        ("hide", "is not a map"),
    ],
)
def test_what_is_wrong_with_a_hint_is_an_issue(hint: Any, message: str) -> None:
    node = {"type": "integer", "x-nlapi": hint}
    for found in (
        one({"x-nlapi": hint}),
        one({"parameters": [parameter("q", **{"x-nlapi": hint})]}),
        one(body({"type": "object", "properties": {"a": {"type": "array", "items": node}}})),
        one(body({"$ref": "#/components/schemas/A"}), components={"schemas": {"A": {"properties": {"b": node}}}}),
    ):
        assert message in messages(found)
        assert len(nlapi.tools(found)) == 1


# Amounts


def amounts() -> Spec:
    line = {"type": "object", "properties": {"price": {"$ref": "#/components/schemas/Micros"}}}
    node = {
        "parameters": [parameter("limit", schema={"type": "integer"}, **{"x-nlapi": {"unit": "cents"}})],
        **body(
            {
                "type": "object",
                "properties": {
                    "budget": MICROS,
                    "lines": {"type": "array", "items": line},
                    "cap": {"anyOf": [{"$ref": "#/components/schemas/Micros"}, {"type": "null"}]},
                    "big": {"type": "string", "x-nlapi": {"unit": "micros"}},
                    "rate": {"type": "number", "x-nlapi": {"unit": "fraction"}},
                    "wait": {"type": ["integer", "null"], "x-nlapi": {"unit": "milliseconds"}},
                    "note": {"type": "string"},
                },
            }
        ),
    }
    return one(node, components={"schemas": {"Micros": MICROS}})


@table(
    ("arguments", "wire"),
    [
        ({"budget": 50_000_000}, {"budget": 50_000_000}),
        ({"budget": "$50"}, {"budget": 50_000_000}),
        ({"budget": "1,250.50 EUR"}, {"budget": 1_250_500_000}),
        ({"budget": "USD 19.99"}, {"budget": 19_990_000}),
        ({"lines": [{"price": "€2"}, {"price": 3_000_000}]}, {"lines": [{"price": 2_000_000}, {"price": 3_000_000}]}),
        ({"cap": "£5"}, {"cap": 5_000_000}),
        ({"cap": None}, {"cap": None}),
        ({"big": "$7"}, {"big": "7000000"}),
        ({"big": "7000000"}, {"big": "7000000"}),
        ({"rate": "12.5%"}, {"rate": 0.125}),
        ({"rate": 0.125}, {"rate": 0.125}),
        ({"wait": "90 s"}, {"wait": 90_000}),
        ({"note": "$50"}, {"note": "$50"}),
    ],
)
def test_a_number_is_in_wire_units_and_a_text_carries_its_own(arguments: dict[str, Any], wire: dict[str, Any]) -> None:
    assert sent(amounts(), arguments) == ("", wire)


@table(("text", "wire"), [("$5", "500"), ("JPY 5", "5"), ("¥5", "5"), ("5 KWD", "5000")])
def test_the_smallest_part_of_a_currency_is_not_always_a_hundredth(text: str, wire: str) -> None:
    assert sent(amounts(), {"limit": text})[0] == f"limit={wire}"


@table("text", ["50", "50 bucks", "1.250,50 €", "$", "$5 and $6", "50%", "$1,00", "٥ USD"])
def test_a_text_that_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ArgumentError, match="budget"):
        nlapi.build(amounts(), "op", {"budget": text})


def test_an_amount_is_checked_in_wire_units() -> None:
    with pytest.raises(ArgumentError, match="500000 is less than the minimum"):
        nlapi.build(amounts(), "op", {"budget": "$0.50"})


def test_a_model_is_told_both_ways_to_give_an_amount() -> None:
    budget = schema(amounts())["properties"]["budget"]
    assert budget["type"] == ["integer", "string"]
    assert budget["description"] == (
        'A number is in micros: 1,000,000 to one unit of the currency; a text carries its unit: "$50".'
    )
    assert "unit" not in json.dumps(schema(amounts())).replace("unit of", "").replace("its unit", "")
    assert schema(amounts())["properties"]["wait"]["type"] == ["integer", "null", "string"]


@given(st.decimals(min_value=1, max_value=10**6, places=2))
def test_however_an_amount_is_written_it_is_sent_the_same(amount: Any) -> None:
    wire = sent(amounts(), {"budget": int(amount * 1_000_000)})
    for form in (f"${amount}", f"$ {amount:,}", f"{amount} EUR", f"GBP {amount:,}"):
        assert sent(amounts(), {"budget": form}) == wire
