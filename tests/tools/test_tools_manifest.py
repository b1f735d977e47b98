"""The forms in which a model is sent a tool: terse, and strict where the schema fits."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

import nlapi
from nlapi import testing
from nlapi.errors import UsageError
from nlapi.tools.definitions.manifest import FORMATS, MAX_OPTIONAL, MAX_TOOLS, MAX_UNIONS, manifest
from tests import messages_server
from tests.describe import body, parameter, spec
from tests.model_rules import ModelServer
from tests.servers import Echo
from tests.strategies import descriptions
from tests.tables import table
from tests.tools.test_tools_compile import tool
from tests.tools.test_tools_rules import relaxed, spec_of

DEEP = {"type": "object", "description": "A thing.", "properties": {"kind": {"type": "string", "enum": ["a"]}, "n": {}}}
NODE = {"type": "object", "properties": {"next": {"$ref": "#/components/schemas/Node"}}}


def shown(*parameters: dict[str, Any], strict: bool = False, **more: Any) -> dict[str, Any]:
    """The `input_schema` that the Claude API is sent."""
    sent: dict[str, Any] = tool({"parameters": list(parameters)}, **more).as_dict(strict=strict)["input_schema"]
    return sent


def is_strict(node: dict[str, Any], **more: Any) -> bool:
    return tool(node, **more).as_dict(strict=True).get("strict") is True


# Terse


def test_what_says_nothing_more_is_not_sent() -> None:
    ref = {"$ref": "#/components/schemas/Deep"}
    sent = shown(
        parameter("p", schema={"type": "string", "enum": ["a", "b"]}),
        parameter("q", schema=ref),
        schemas={"Deep": DEEP},
    )
    assert sent == {
        "type": "object",
        "properties": {"p": {"enum": ["a", "b"]}, "q": {"$ref": "#/$defs/Deep"}},
        "$defs": {"Deep": {**DEEP, "properties": {"kind": {"enum": ["a"]}, "n": {}}}},
    }


def test_a_type_that_leaves_out_a_choice_is_sent() -> None:
    schema = {"type": "string", "enum": ["a", None]}
    assert shown(parameter("p", schema=schema))["properties"]["p"] == schema


def test_that_an_object_inside_is_open_is_not_said() -> None:
    shape = {"type": "object", "properties": {}, "additionalProperties": True}
    assert shown(parameter("p", schema=shape))["properties"]["p"] == {"type": "object"}


def test_a_tool_that_takes_further_arguments_says_so() -> None:
    shape = {"type": "object", "properties": {"a": {}}, "additionalProperties": True}
    assert tool(body(shape)).as_dict()["input_schema"]["additionalProperties"] is True


@relaxed
@given(tree=descriptions(), data=st.data())
def test_a_terse_schema_takes_what_the_whole_one_takes(tree: Any, data: st.DataObject) -> None:
    for made in nlapi.tools(spec_of(tree)):
        sent = made.as_dict()["input_schema"]
        Draft202012Validator.check_schema(sent)
        assert set(sent["properties"]) == set(made.input_schema["properties"])
        assert set(sent.get("$defs", ())) == set(made.input_schema.get("$defs", ()))
        values = st.none() | st.booleans() | st.integers(-3, 9) | st.text(max_size=3) | st.just([]) | st.just({})
        for name in sent["properties"]:
            value = data.draw(values)
            short, whole = ({**one, "required": []} for one in (sent, made.input_schema))
            assert takes(short, {name: value}) == takes(whole, {name: value})


def takes(schema: dict[str, Any], value: dict[str, Any]) -> bool | None:
    """Is the value valid? None for a schema that only leads to itself."""
    try:
        return Draft202012Validator(schema).is_valid(value)
    except RecursionError:
        return None


# Strict


def test_a_plain_tool_is_strict_when_asked() -> None:
    node = {"parameters": [parameter("a", required=True), parameter("b", schema={"type": "integer"})]}
    made = tool(node)
    assert "strict" not in made.as_dict()
    assert made.as_dict(strict=True) == {
        "name": made.name,
        "description": made.description,
        "strict": True,
        "input_schema": made.input_schema,
    }


def test_inner_objects_are_closed_and_notes_go_into_the_description() -> None:
    inner = {
        "type": "object",
        "properties": {"a": {"type": "integer", "format": "int32", "example": 5, "description": "A."}},
    }
    made = tool(body({"type": "object", "properties": {"inner": inner}}))
    sent = made.as_dict(strict=True)["input_schema"]["properties"]["inner"]
    assert sent["additionalProperties"] is False
    assert sent["properties"]["a"] == {"type": "integer", "description": "A. Format: int32. For example 5."}
    assert "additionalProperties" not in made.input_schema["properties"]["inner"]


@table(
    "schema",
    [
        {"type": "integer", "minimum": 1},
        {"type": "integer", "multipleOf": 2},
        {"type": "string", "maxLength": 5},
        {"type": "string", "pattern": "^a"},
        {"type": "array", "items": {"type": "string"}, "minItems": 1},
        {"type": "array"},
        {"type": "object"},
        {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": True},
        {"type": "object", "additionalProperties": {"type": "string"}},
        {"type": "object", "properties": {"a": {}}},
        {"oneOf": [{"type": "string"}, {"type": "integer"}]},
        {"$ref": "#/components/schemas/Node"},
        {},
    ],
)
def test_what_strict_mode_cannot_hold_stays_plain(schema: dict[str, Any]) -> None:
    node = {"parameters": [parameter(schema=schema)]}
    assert not is_strict(node, schemas={"Node": NODE})
    assert tool(node, schemas={"Node": NODE}).as_dict(strict=True) == tool(node, schemas={"Node": NODE}).as_dict()


def test_optional_arguments_and_unions_are_counted() -> None:
    union = {"type": ["string", "null"]}
    for limit, schema, required in ((MAX_OPTIONAL, None, False), (MAX_UNIONS, union, True)):
        for count in (limit, limit + 1):
            parameters = [parameter(f"p{number}", schema=schema, required=required) for number in range(count)]
            assert is_strict({"parameters": parameters}) is (count <= limit)


def test_definitions_that_unfold_to_billions_stay_plain() -> None:
    pair = {"type": "object", "required": ["a", "b"]}
    schemas = {
        f"S{n}": {**pair, "properties": {key: {"$ref": f"#/components/schemas/S{n + 1}"} for key in "ab"}}
        for n in range(40)
    }
    schemas["S40"] = {**pair, "properties": {key: {"type": "string"} for key in "ab"}}
    assert not is_strict({"parameters": [parameter(schema={"$ref": "#/components/schemas/S0"})]}, schemas=schemas)


def test_openai_wants_every_argument_required() -> None:
    for required in (True, False):
        function = tool({"parameters": [parameter(required=required)]}).as_dict("openai", strict=True)["function"]
        assert function.get("strict", False) is required


def test_a_manifest_keeps_to_what_one_request_may_have() -> None:
    paths = {f"/{number}": {"get": {"responses": {}}} for number in range(MAX_TOOLS)}
    paths["/change"] = {"post": {"responses": {}}}
    paths["/optional"] = {"delete": {"parameters": [parameter(f"p{n}") for n in range(MAX_OPTIONAL)], "responses": {}}}
    paths["/more"] = {"put": {"parameters": [parameter()], "responses": {}}}
    tools = nlapi.tools(spec(paths))
    strict = [one["name"] for one in manifest(tools, "anthropic", strict=True) if one.get("strict")]
    assert len(strict) == MAX_TOOLS
    assert {"post_change", "delete_optional"} <= set(strict)
    assert "put_more" not in strict
    assert not any("strict" in one for one in manifest(tools, "anthropic"))


def test_mcp_and_gemini_have_no_strict_form() -> None:
    made = tool({"parameters": [parameter()]})
    assert all(made.as_dict(format, strict=True) == made.as_dict(format) for format in ("mcp", "gemini"))


# Deferred


ADS = nlapi.load("ads")


def test_deferred_tools_come_behind_the_tool_that_searches_them() -> None:
    search, *definitions = nlapi.manifest(nlapi.tools(ADS, defer=True))
    assert search == {"type": "tool_search_tool_bm25_20251119", "name": "tool_search_tool_bm25"}
    assert all(definition.pop("defer_loading") is True for definition in definitions)
    assert definitions == nlapi.manifest(nlapi.tools(ADS)) == [tool.as_dict() for tool in nlapi.tools(ADS)]
    regex = nlapi.manifest(nlapi.tools(ADS, defer=True), tool_search="regex")[0]
    assert regex == {"type": "tool_search_tool_regex_20251119", "name": "tool_search_tool_regex"}
    assert nlapi.manifest(nlapi.tools(ADS, defer=True), "openai-responses")[0] == {"type": "tool_search"}


def test_the_names_of_the_searches_are_those_of_the_packages() -> None:
    types = pytest.importorskip("anthropic.types")
    for kind, type in (("bm25", "ToolSearchToolBm25_20251119Param"), ("regex", "ToolSearchToolRegex20251119Param")):
        fields = getattr(types, type).__annotations__
        search = nlapi.manifest(nlapi.tools(ADS, defer=True), tool_search=kind)[0]
        for key, value in search.items():
            assert f'"{value}"' in str(fields[key]) or f"'{value}'" in str(fields[key])


def test_a_selection_is_loaded_in_every_request() -> None:
    tools = nlapi.tools(ADS, exclude=["method:DELETE"], defer=True, loaded=["id:list*", "getCampaign"])
    loaded = [tool.name for tool in tools if not tool.deferred]
    assert "getCampaign" in loaded and len(loaded) > 3
    assert all(name.startswith("list") or name == "getCampaign" for name in loaded)
    assert nlapi.tools(ADS, defer=True, loaded="getCampaign")[0].deferred
    with pytest.warns(UserWarning, match="--loaded 'getCampaigns' is about no operation"):
        nlapi.tools(ADS, defer=True, loaded=["getCampaigns"])
    with pytest.raises(UsageError, match="give defer=True too"):
        nlapi.tools(ADS, loaded=["getCampaign"])
    # Where all are loaded there is nothing to search.
    assert "type" not in nlapi.manifest(nlapi.tools(ADS, defer=True, loaded=["*"]))[0]


@table("format", [format for format in FORMATS if format not in ("anthropic", "openai-responses")])
def test_a_form_without_a_search_has_no_deferred_tools(format: str) -> None:
    tools = nlapi.tools(ADS, defer=True)
    for definitions in (lambda: nlapi.manifest(tools, format), lambda: tools[0].as_dict(format)):
        with pytest.raises(UsageError, match=f"the form '{format}' has no tool search"):
            definitions()


def test_a_kind_of_search_that_there_is_not_is_named() -> None:
    tools = nlapi.tools(ADS, defer=True)
    with pytest.raises(UsageError, match=r"no tool search 'bm26' \(anthropic has bm25 and regex\)"):
        nlapi.manifest(tools, tool_search="bm26")
    with pytest.raises(UsageError, match="openai-responses has no tool search 'bm25'"):
        nlapi.manifest(tools, "openai-responses", tool_search="bm25")


def test_more_tools_than_a_request_may_defer_are_refused() -> None:
    tools = nlapi.tools(ADS, defer=True)[:1] * 10_001
    with pytest.raises(UsageError, match="10,001 deferred tools, and one request may have 10,000"):
        nlapi.manifest(tools)


def test_strict_tools_may_be_deferred() -> None:
    deferred = nlapi.manifest(nlapi.tools(ADS, defer=True), strict=True)[1:]
    names = [
        definition["name"] for definition in nlapi.manifest(nlapi.tools(ADS), strict=True) if "strict" in definition
    ]
    assert [definition["name"] for definition in deferred if "strict" in definition] == names


def test_claude_calls_a_deferred_tool_that_its_search_found() -> None:
    anthropic = pytest.importorskip("anthropic")
    tools = nlapi.tools(ADS, defer=True)
    found = messages_server.tool_search("list campaigns", "listCampaigns")
    call = messages_server.tool_use("listCampaigns", {"limit": 1})
    with messages_server.MessagesServer([messages_server.message(*found, call), messages_server.say("One.")]) as server:
        claude = anthropic.Anthropic(api_key="any", base_url=server.url)
        messages: list[Any] = [{"role": "user", "content": "Which campaigns are there?"}]
        request: dict[str, Any] = {"model": "claude-sonnet-5-5", "max_tokens": 100, "tools": nlapi.manifest(tools)}
        with claude, Echo() as api:
            message = claude.messages.create(messages=messages, **request)
            # What the API ran itself is in the message too, and no call of the program's.
            (call,) = [block for block in message.content if block.type == "tool_use"]
            text = nlapi.answer(tools, call.name, call.input, base_url=api.url, auth=False)
            result = {"type": "tool_result", "tool_use_id": call.id, "content": text}
            messages += [{"role": "assistant", "content": message.content}, {"role": "user", "content": [result]}]
            assert claude.messages.create(messages=messages, **request).content[0].text == "One."
        assert api.only.target == "/campaigns?limit=1"
    assert server.refused == []


def test_gpt_takes_deferred_tools_with_its_search() -> None:
    openai = pytest.importorskip("openai")
    tools = nlapi.tools(ADS, defer=True)
    with ModelServer([testing.use("listCampaigns", {"limit": 1})]) as server:
        gpt = openai.OpenAI(api_key="any", base_url=f"{server.url}/v1")
        with gpt:
            request = {"model": "gpt-5.5", "tools": nlapi.manifest(tools, "openai-responses")}
            (call,) = gpt.responses.create(input="Which campaigns are there?", **request).output
    assert (call.name, server.refused) == ("listCampaigns", [])
