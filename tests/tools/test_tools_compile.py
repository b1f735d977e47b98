"""An operation to a tool: which arguments there are, what their schemas say, and where each one goes."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

import nlapi
from nlapi.errors import UsageError
from nlapi.tools.texts.plain_text import MAX_DESCRIPTION
from nlapi.tools.tool import Tool
from tests.describe import body, operation, parameter, spec
from tests.tables import table


def tool(node: dict[str, Any] | None = None, **more: Any) -> Tool:
    more = {"method": "post", "path": "/x", **more}
    schemas = more.pop("schemas", None)
    components = {"components": {"schemas": schemas}} if schemas else {}
    (made,) = nlapi.tools(operation(node, **more, **components).spec)
    return made


def properties(made: Tool) -> dict[str, Any]:
    found: dict[str, Any] = made.input_schema["properties"]
    return found


# Places


def test_the_same_name_in_every_place_is_five_arguments() -> None:
    parameters = [parameter("id", where) for where in ("path", "query", "header", "cookie")]
    node = {"parameters": parameters, **body({"type": "object", "properties": {"id": {"type": "integer"}}})}
    made = tool(node, path="/x/{id}")
    assert made.places == {
        "id": ("path", "id"),
        "id_query": ("query", "id"),
        "id_header": ("header", "id"),
        "id_cookie": ("cookie", "id"),
        "id_body": ("body", "id"),
    }
    assert properties(made)["id_body"]["type"] == "integer"


def test_a_name_that_models_refuse_is_rewritten_and_says_what_is_sent() -> None:
    made = tool({"parameters": [parameter("filter[name]", description="By name.")]})
    assert made.places == {"filter_name": ("query", "filter[name]")}
    assert properties(made)["filter_name"]["description"] == "By name. (sent as filter[name] in the query)"


def test_what_is_required_on_the_wire_is_required_of_the_model() -> None:
    parameters = [parameter("a", "path"), parameter("b", required=True), parameter("c")]
    shape = {"type": "object", "required": ["d"], "properties": {"d": {}, "e": {}}}
    assert tool({"parameters": parameters, **body(shape)}, path="/{a}").required == ("a", "b", "d")


def test_nothing_beyond_the_arguments_is_allowed() -> None:
    assert tool({"parameters": [parameter()]}).input_schema["additionalProperties"] is False
    assert tool().input_schema == {"type": "object", "properties": {}, "additionalProperties": False}


# Bodies


@table(
    "content_type",
    ["application/json", "application/vnd.api+json", "multipart/form-data", "application/x-www-form-urlencoded"],
)
def test_the_properties_of_a_body_are_arguments(content_type: str) -> None:
    made = tool(body({"type": "object", "properties": {"a": {"type": "string"}, "b": {}}}, content_type))
    assert made.places == {"a": ("body", "a"), "b": ("body", "b")}


@table(
    "schema",
    [
        {"type": "array", "items": {"type": "string"}},
        {"type": "string"},
        {"oneOf": [{"type": "object", "properties": {"a": {}}}, {"type": "object", "properties": {"b": {}}}]},
        {"type": ["object", "null"], "properties": {"a": {}}},
        {"type": "object", "additionalProperties": {"type": "string"}},
        {"type": "object", "patternProperties": {"^x": {}}, "properties": {"a": {}}},
        {},
    ],
)
def test_a_body_that_is_no_plain_object_is_one_argument(schema: dict[str, Any]) -> None:
    made = tool(body(schema))
    assert made.places == {"body": ("body", "")}
    assert made.required == ("body",)
    assert {key: value for key, value in properties(made)["body"].items() if key in schema} == schema


@table("content_type", ["multipart/form-data", "application/x-www-form-urlencoded"])
@table("schema", [{}, {"type": "string", "format": "binary"}, {"type": "array", "items": {}}])
def test_a_form_is_given_as_its_fields_whatever_it_is_said_to_be(content_type: str, schema: dict[str, Any]) -> None:
    node = {**body(schema, content_type), "operationId": "up", "responses": {}}
    description = spec({"/x": {"post": node}})
    assert nlapi.tools(description)[0].input_schema["properties"]["body"]["type"] == "object"
    assert b"field" in (nlapi.build(description, "up", {"body": {"field": "a"}}).content or b"")


def test_an_argument_for_the_whole_body_does_not_take_the_name_of_a_parameter() -> None:
    made = tool({"parameters": [parameter("body")], **body({"type": "string"})})
    assert made.places == {"body": ("query", "body"), "body_body": ("body", "")}


def test_all_of_is_merged_and_what_both_say_of_a_property_is_kept() -> None:
    base = {"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}, "c": {"minLength": 1}}}
    parts = [{"$ref": "#/components/schemas/Base"}, {"properties": {"b": {}, "c": {"maxLength": 5}}}]
    made = tool(body({"allOf": parts}), schemas={"Base": base})
    assert set(made.places) == {"a", "b", "c"}
    assert made.required == ("a",)
    assert sorted(map(str, properties(made)["c"]["allOf"])) == ["{'maxLength': 5}", "{'minLength': 1}"]


def test_from_3_1_on_properties_beside_a_ref_are_arguments_too() -> None:
    schema = {"$ref": "#/components/schemas/Base", "properties": {"extra": {}}}
    made = tool(body({"allOf": [schema]}), schemas={"Base": {"type": "object", "properties": {"a": {}}}})
    assert set(made.places) == {"a", "extra"}


def test_what_the_api_writes_itself_is_no_argument() -> None:
    shape = {
        "type": "object",
        "required": ["id", "ref", "name"],
        "properties": {
            "id": {"type": "string", "readOnly": True},
            "ref": {"$ref": "#/components/schemas/Id"},
            "name": {"type": "string"},
            "secret": {"type": "string", "writeOnly": True},
            "inner": {"type": "object", "required": ["id"], "properties": {"id": {"readOnly": True}, "n": {}}},
        },
    }
    made = tool(body(shape), schemas={"Id": {"type": "string", "readOnly": True}})
    assert set(made.places) == {"name", "secret", "inner"}
    assert made.required == ("name",)
    assert properties(made)["inner"] == {"type": "object", "properties": {"n": {}}}


def test_an_open_object_takes_further_arguments() -> None:
    shape = {"type": "object", "properties": {"a": {}}, "additionalProperties": True}
    assert tool(body(shape)).input_schema["additionalProperties"] is True


def test_a_map_with_known_keys_is_one_argument() -> None:
    shape = {"type": "object", "properties": {"a": {}}, "additionalProperties": {"type": "integer"}}
    made = tool(body(shape))
    assert (made.places, properties(made)["body"]) == ({"body": ("body", "")}, shape)


def test_a_required_property_that_is_not_described_is_not_asked_for() -> None:
    shape = {"type": "object", "required": ["a", "ghost"], "properties": {"a": {}}}
    assert tool(body(shape)).required == ("a",)
    assert "ghost" not in tool(body(shape, required=False)).body_rules.get("required", ())


@table("content_type", ["application/xml", "text/csv", "application/octet-stream", "image/png"])
@table("schema", [{"type": "object", "properties": {"a": {}}}, {"type": "array", "items": {}}])
def test_a_body_that_nlapi_cannot_write_from_data_is_given_as_text(content_type: str, schema: dict[str, Any]) -> None:
    made = tool(body(schema, content_type))
    assert made.places == {"body": ("body", "")}
    assert properties(made)["body"]["type"] == "string"
    assert content_type in properties(made)["body"]["description"]
    assert properties(made)["body"]["contentMediaType"] == content_type
    assert properties(made)["body"]["contentSchema"] == schema


# Schemas


def test_recursion_is_kept_as_definitions_and_only_what_is_reached() -> None:
    node = {"type": "object", "properties": {"v": {}, "next": {"$ref": "#/components/schemas/Node"}}}
    made = tool(body({"$ref": "#/components/schemas/Node"}), schemas={"Node": node, "Other": {"type": "object"}})
    assert properties(made)["next"] == {"$ref": "#/$defs/Node"}
    assert made.input_schema["$defs"] == {
        "Node": {"type": "object", "properties": {"v": {}, "next": {"$ref": "#/$defs/Node"}}}
    }


@table(
    "schemas",
    [
        {"A": {"$ref": "#/components/schemas/A"}},
        {"A": {"$ref": "#/components/schemas/B"}, "B": {"$ref": "#/components/schemas/A"}},
        {"A": {"allOf": [{"$ref": "#/components/schemas/A"}]}},
        {"A": {"$ref": "#/components/schemas/A", "type": "object", "properties": {"a": {}}}},
    ],
)
def test_schemas_that_only_lead_to_themselves_end(schemas: dict[str, Any]) -> None:
    made = tool({"parameters": [parameter(schema={"$ref": "#/components/schemas/A"})]}, schemas=schemas)
    assert "p" in made.places
    assert "body" in tool(body({"$ref": "#/components/schemas/A"}), schemas=schemas).places or schemas["A"].get("type")


def test_definitions_from_places_with_the_same_name_stay_apart() -> None:
    deep = {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "string"}}}}
    other = {"type": "object", "properties": {"b": {"type": "array", "items": {"type": "string"}}}}
    refs = {"one": {"$ref": "#/components/schemas/T"}, "two": {"$ref": "#/components/x-more/T"}}
    more = {"components": {"schemas": {"T": deep}, "x-more": {"T": other}}}
    (made,) = nlapi.tools(operation(body({"type": "object", "properties": refs}), method="post", **more).spec)
    assert sorted(str(one["properties"].keys()) for one in made.input_schema["$defs"].values()) == [
        "dict_keys(['a'])", "dict_keys(['b'])",
    ]  # fmt: skip


def test_a_small_schema_is_put_where_it_is_used() -> None:
    node = {"parameters": [parameter(schema={"$ref": "#/components/schemas/Id"})]}
    assert properties(tool(node, schemas={"Id": {"type": "string"}}))["p"] == {"type": "string"}


def test_a_schema_that_is_true_takes_anything_and_one_that_is_false_nothing() -> None:
    refs = [parameter(name, schema={"$ref": f"#/components/schemas/{name}"}) for name in ("yes", "no")]
    schema = Draft202012Validator(tool({"parameters": refs}, schemas={"yes": True, "no": False}).input_schema)
    assert schema.is_valid({"yes": 1})
    assert not schema.is_valid({"no": 1})


def test_an_example_is_shown_unless_it_is_long() -> None:
    made = tool({"parameters": [parameter("a", example="short"), parameter("b", example="long" * 100)]})
    assert properties(made)["a"]["examples"] == ["short"]
    assert "examples" not in properties(made)["b"]


def test_extensions_and_xml_are_not_shown() -> None:
    schema = {"type": "string", "x-internal": 1, "xml": {}, "externalDocs": {}, "title": "T", "format": "email"}
    assert properties(tool({"parameters": [parameter(schema=schema)]}))["p"] == {"type": "string", "format": "email"}


# Descriptions


@table(
    ("node", "wanted"),
    [
        ({}, "GET /x"),
        ({"summary": "List pets"}, "List pets. (GET /x)"),
        ({"summary": "List pets", "description": "List pets. All of them."}, "List pets. All of them. (GET /x)"),
        ({"summary": "List pets.", "description": "Of a shop"}, "List pets. Of a shop. (GET /x)"),
        ({"summary": "Old", "deprecated": True}, "Deprecated. Old. (GET /x)"),
    ],
)
def test_a_description_is_summary_and_description_and_the_line(node: dict[str, Any], wanted: str) -> None:
    assert tool(node, method="get").description == wanted


def test_a_description_has_no_hidden_characters_and_an_end() -> None:
    made = tool({"summary": "List\u200b pets\u202e\U000e0041", "description": "x" * 9000})
    assert made.description.startswith("List pets. xxx")
    assert len(made.description) == MAX_DESCRIPTION


def test_descriptions_inside_a_schema_have_no_hidden_characters_either() -> None:
    inner = {"type": "object", "properties": {"a": {"description": "Which\u200b one"}}}
    made = tool({"parameters": [parameter(schema=inner, description="All\u202e of it")]})
    assert properties(made)["p"]["description"] == "All of it"
    assert properties(made)["p"]["properties"]["a"]["description"] == "Which one"


def test_the_description_of_a_parameter_comes_from_its_schema_when_it_has_none() -> None:
    node = {"parameters": [parameter(schema={"$ref": "#/components/schemas/Size"}, deprecated=True)]}
    made = tool(node, schemas={"Size": {"type": "integer", "description": "How many."}})
    assert properties(made)["p"]["description"] == "Deprecated. How many."


# Manifests


def test_the_manifest_forms() -> None:
    made = tool({"operationId": "op", "summary": "Do it", "parameters": [parameter()]}, method="delete")
    schema = made.input_schema
    assert made.as_dict() == made.as_dict("anthropic")
    shown = {key: value for key, value in schema.items() if key != "additionalProperties"}
    assert made.as_dict("anthropic") == {"name": "op", "description": made.description, "input_schema": shown}
    assert made.as_dict("openai")["function"]["parameters"] == schema
    assert made.as_dict("gemini")["parametersJsonSchema"] == schema
    assert made.as_dict("mcp")["inputSchema"] == schema
    assert made.as_dict("mcp")["annotations"]["destructiveHint"] is True
    assert made.as_dict("mcp")["annotations"]["readOnlyHint"] is False


def test_an_unknown_manifest_form_names_those_that_there_are() -> None:
    with pytest.raises(UsageError, match="anthropic, openai, openai-responses, mcp, gemini"):
        tool().as_dict("soap")


def test_a_thousand_choices_are_shown_and_a_hundred_thousand_told_of() -> None:
    few, many = (
        properties(tool({"parameters": [parameter(schema={"enum": list(range(size)), "description": "Which."})]}))["p"]
        for size in (1000, 100_000)
    )
    assert len(few["enum"]) == 1000
    assert "enum" not in many
    assert many["description"].startswith("Which. One of 100,000: 0, 1, ")


def test_definitions_inside_a_schema_are_those_of_the_tool() -> None:
    inner = {"type": "object", "properties": {"v": {"$ref": "#/components/schemas/Outer/$defs/Inner"}}}
    outer = {"type": "object", "properties": {"a": {"$ref": "#/components/schemas/Outer/$defs/Inner"}}}
    made = tool(body({"$ref": "#/components/schemas/Outer"}), schemas={"Outer": {**outer, "$defs": {"Inner": inner}}})
    assert set(made.places) == {"a"}
    (name,) = made.input_schema["$defs"]
    assert properties(made)["a"] == {"$ref": f"#/$defs/{name}"}
