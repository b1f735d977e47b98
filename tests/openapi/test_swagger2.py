"""Swagger 2.0: every field that OpenAPI 3 has elsewhere, by what is sent, and what the sandbox makes of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import nlapi
from nlapi.client.build import build
from nlapi.client.message import File
from nlapi.errors import DescriptionError, UsageError
from nlapi.openapi.check import check
from nlapi.openapi.document import read_document
from nlapi.openapi.parse import parse_document
from nlapi.openapi.spec import Operation, Spec
from nlapi.sandbox import running
from tests.describe import messages
from tests.tables import table

SHARED = Path(__file__).parents[3] / "shared" / "data" / "specs"
HOST = {"host": "api.example", "basePath": "/v2", "schemes": ["https"]}
LIST = {"type": "array", "items": {"type": "string"}}


def swagger(paths: Any, *, source: str = "test.json", **more: Any) -> Spec:
    tree = {"swagger": "2.0", "info": {"title": "Test", "version": "1"}, **HOST, "paths": paths, **more}
    kept = {key: value for key, value in tree.items() if value is not None}
    return parse_document(read_document(json.dumps(kept).encode(), source))


def operation(*parameters: Any, path: str = "/x", method: str = "post", top: Any = None, **node: Any) -> Operation:
    responses = {"200": {"description": "ok"}}
    return swagger(
        {path: {method: {"parameters": list(parameters), "responses": responses, **node}}}, **(top or {})
    ).operations[0]


def field(name: str, where: str = "formData", **more: Any) -> dict[str, Any]:
    return {"name": name, "in": where, "required": where == "path", **({"type": "string"} | more)}


def sent(found: Operation, **values: Any) -> str:
    """The body of the request, as text."""
    return (build(found, {("body", name): value for name, value in values.items()}).content or b"").decode()


# Servers


@table(
    ("top", "source", "urls"),
    [
        ({}, "test.json", ["https://api.example/v2"]),
        ({"schemes": None}, "test.json", ["https://api.example/v2"]),
        ({"schemes": None}, "http://docs.example/swagger.json", ["http://api.example/v2"]),
        ({"schemes": ["http", "https", "wss"]}, "test.json", ["https://api.example/v2", "http://api.example/v2"]),
        ({"schemes": ["ws"]}, "test.json", ["https://api.example/v2"]),
        ({"basePath": None}, "test.json", ["https://api.example/"]),
        ({"basePath": "v3/"}, "test.json", ["https://api.example/v3"]),
        ({"host": "api.example:8443"}, "test.json", ["https://api.example:8443/v2"]),
        ({"host": "http://api.example/", "schemes": None}, "test.json", ["http://api.example/v2"]),
        (
            {"host": "http://api.example", "schemes": ["https", "http"]},
            "test.json",
            ["http://api.example/v2", "https://api.example/v2"],
        ),
        ({"host": None}, "https://docs.example:444/a/swagger.json", ["https://docs.example:444/v2"]),
        ({"host": None, "schemes": ["http"]}, "https://docs.example/swagger.json", ["http://docs.example/v2"]),
        ({"host": None}, "test.json", ["/v2"]),
        ({"host": None, "basePath": None}, "test.json", ["/"]),
    ],
)
def test_servers(top: Any, source: str, urls: list[str]) -> None:
    assert [server.url for server in swagger({}, source=source, **top).servers] == urls


def test_without_a_host_a_file_says_that_it_names_no_server() -> None:
    with pytest.raises(UsageError, match="names no server"):
        build(operation(top={"host": None}), {})


def test_the_schemes_of_an_operation_go_over_those_of_the_description() -> None:
    assert build(operation(schemes=["http"]), {}).url == "http://api.example/v2/x"


# Parameters


@table(
    ("collection", "query", "path", "header"),
    [
        (None, "p=a%2Cb,c%20d", "a%2Cb,c%20d", "a,b,c d"),
        ("csv", "p=a%2Cb,c%20d", "a%2Cb,c%20d", "a,b,c d"),
        ("multi", "p=a%2Cb&p=c%20d", "a%2Cb,c%20d", "a,b,c d"),
        ("ssv", "p=a%2Cb%20c%20d", "a%2Cb%20c%20d", "a,b c d"),
        ("tsv", "p=a%2Cb%09c%20d", "a%2Cb%09c%20d", "a,b\tc d"),
        ("pipes", "p=a%2Cb%7Cc%20d", "a%2Cb%7Cc%20d", "a,b|c d"),
    ],
)
def test_collection_formats(collection: str | None, query: str, path: str, header: str) -> None:
    def request(where: str) -> Any:
        given = LIST | ({"collectionFormat": collection} if collection else {})
        found = operation(field("p", where, **given), path="/x/{p}" if where == "path" else "/x")
        return build(found, {(where, "p"): ["a,b", "c d"]})

    assert request("query").url == f"https://api.example/v2/x?{query}"
    assert request("path").url == f"https://api.example/v2/x/{path}"
    assert dict(request("header").headers)["p"] == header


@table(
    ("collection", "urlencoded", "parts"),
    [
        (None, "p=a%3B,b", ["a;,b"]),
        ("multi", "p=a%3B&p=b", ["a;", "b"]),
        ("ssv", "p=a%3B%20b", ["a; b"]),
        ("tsv", "p=a%3B%09b", ["a;\tb"]),
        ("pipes", "p=a%3B%7Cb", ["a;|b"]),
    ],
)
def test_collection_formats_in_forms(collection: str | None, urlencoded: str, parts: list[str]) -> None:
    given = field("p", **(LIST | ({"collectionFormat": collection} if collection else {})))
    assert sent(operation(given), p=["a;", "b"]) == urlencoded
    multipart = sent(operation(given, consumes=["multipart/form-data"]), p=["a;", "b"])
    assert [part.split("\r\n\r\n")[1].removesuffix("\r\n") for part in multipart.split("--nlapi-")[1:-1]] == parts


def test_a_collection_format_of_another_place_is_told() -> None:
    for where, given in (("header", "multi"), ("query", "commas")):
        found = operation(field("p", where, **LIST, collectionFormat=given))
        assert dict.fromkeys(p.explode for p in found.parameters) == {False: None}
        assert f"collectionFormat {given!r} is not for {where}; csv is used" in messages(found)
    assert "tsv has no style in OpenAPI 3" in messages(operation(field("p", "query", **LIST, collectionFormat="tsv")))


def test_what_a_parameter_says_of_its_value_is_its_schema() -> None:
    given = {"type": "integer", "format": "int64", "minimum": 1, "maximum": 9, "exclusiveMaximum": True, "default": 3}
    found = operation(field("p", "query", **given, description="How many.", **{"x-nullable": True}))
    schema = {"format": "int64", "minimum": 1, "exclusiveMaximum": 9, "default": 3, "type": ["integer", "null"]}
    assert found.parameters[0].schema == schema
    assert found.parameters[0].description == "How many."


def test_what_items_say_is_kept() -> None:
    items = {"type": "string", "enum": ["a", "b"], "pattern": "^.$"}
    schema = operation(field("p", "query", type="array", items=items, minItems=1)).parameters[0].schema
    assert schema == {"type": "array", "items": items, "minItems": 1}


def test_choices_of_a_list_that_stand_a_level_too_high_are_those_of_its_items() -> None:
    schema = operation(field("p", "query", **LIST, enum=["a", "b"])).parameters[0].schema
    assert schema == {"type": "array", "items": {"enum": ["a", "b"], "type": "string"}}


def test_parameters_of_the_path_item_and_behind_references() -> None:
    shared = {
        "parameters": {"q": field("q", "query"), "pet": field("pet", "body", schema={"$ref": "#/definitions/Pet"})}
    }
    pet = {"type": "object", "properties": {"name": {"type": "string"}}}
    item = {
        "parameters": [{"$ref": "#/parameters/q"}, field("id", "path"), field("r", "query")],
        "put": {"parameters": [{"$ref": "#/parameters/pet"}, field("r", "query", type="integer")]},
    }
    found = swagger({"/x/{id}": item}, **shared, definitions={"Pet": pet}).operations[0]
    assert [(p.name, p.schema["type"]) for p in found.parameters] == [
        ("q", "string"),
        ("id", "string"),
        ("r", "integer"),
    ]
    assert found.body is not None
    assert found.body.schema == pet


def test_a_reference_that_leads_nowhere_loses_the_operation() -> None:
    found = operation({"$ref": "#/parameters/none"})
    assert not found.usable
    assert "'#/parameters/none' leads nowhere" in messages(found)


# Bodies


def test_a_body_in_each_media_type_that_is_consumed() -> None:
    given = field("b", "body", schema={"type": "object"}, required=True, description="A pet.")
    body = operation(given, consumes=["application/xml", "application/json"]).body
    assert body is not None
    assert ([one.content_type for one in body.media], body.required, body.description) == (
        ["application/json", "application/xml"],
        True,
        "A pet.",
    )


def test_what_is_consumed_is_said_by_the_operation_or_else_by_the_description() -> None:
    given = field("b", "body", schema={"type": "string"})
    top = {"consumes": ["text/plain"]}
    assert operation(given, top=top).body.content_type == "text/plain"
    assert operation(given, top=top, consumes=["text/csv"]).body.content_type == "text/csv"
    assert operation(given).body.content_type == "application/json"
    assert operation(given, top=top, consumes=[]).body.content_type == "application/json"


FORM, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"


@table(
    ("kind", "consumes", "chosen"),
    [
        ("string", None, FORM),
        ("string", ["application/json"], FORM),
        ("string", [MULTIPART], MULTIPART),
        ("string", [MULTIPART, FORM], FORM),
        ("file", None, MULTIPART),
        ("file", [FORM], MULTIPART),
        ("file", [FORM, MULTIPART], MULTIPART),
    ],
)
def test_a_form_is_multipart_when_it_has_to_be(kind: str, consumes: Any, chosen: str) -> None:
    body = operation(field("f", type=kind), **({"consumes": consumes} if consumes else {})).body
    assert body is not None
    assert [one.content_type for one in body.media] == [chosen]


def test_a_form_keeps_what_is_required_and_what_its_fields_say() -> None:
    found = operation(field("a", required=True, description="An a."), field("f", type="file"))
    assert found.body is not None
    assert found.body.required
    assert found.body.schema["required"] == ["a"]
    assert found.body.schema["properties"] == {
        "a": {"description": "An a.", "type": "string"},
        "f": {"format": "binary", "type": "string"},
    }


def test_a_file_is_sent_with_its_name() -> None:
    body = sent(operation(field("f", type="file"), field("a")), f=File("p.png", b"PNG", "image/png"), a="x")
    assert 'name="f"; filename="p.png"\r\nContent-Type: image/png\r\n\r\nPNG\r\n' in body
    assert 'name="a"\r\n\r\nx\r\n' in body


def test_a_body_and_a_form_together_are_told() -> None:
    found = operation(field("b", "body", schema={"type": "object"}), field("f"))
    assert found.body is not None
    assert found.body.content_type == "application/json"
    assert "a body and form fields cannot both be sent; left out: f" in messages(found)


# Security


def test_security_definitions() -> None:
    flows = {
        "implicit": "implicit",
        "password": "password",
        "application": "clientCredentials",
        "accessCode": "authorizationCode",
    }
    where = {"authorizationUrl": "https://a.example", "tokenUrl": "https://t.example", "scopes": {"read": "Reads."}}
    definitions: dict[str, Any] = {
        "basic": {"type": "basic"},
        "key": {"type": "apiKey", "in": "header", "name": "X-Key"},
        **{flow: {"type": "oauth2", "flow": flow, **where} for flow in flows},
        "broken": "x",
    }
    found = swagger(
        {"/x": {"get": {"security": [{"implicit": ["read"]}]}, "put": {}}},
        securityDefinitions=definitions,
        security=[{"key": []}],
    )
    schemes = found.security_schemes
    assert (schemes["basic"].kind, schemes["basic"].scheme) == ("http", "basic")
    assert (schemes["key"].kind, schemes["key"].location, schemes["key"].name) == ("apiKey", "header", "X-Key")
    assert {flow: dict(schemes[flow].flows) for flow in flows} == {flow: {name: where} for flow, name in flows.items()}
    assert "securityDefinitions.broken: not a security scheme" in messages(found)
    assert [one.security for one in found.operations] == [({"implicit": ("read",)},), ({"key": ()},)]


# Answers


def test_answers() -> None:
    pet = {"$ref": "#/definitions/Pet"}
    responses = {
        "200": {
            "description": "A pet.",
            "schema": pet,
            "headers": {"X-Left": {"type": "integer", "description": "Calls left."}},
            "examples": {"application/json": {"name": "Rex"}},
        },
        "204": {"description": "Nothing."},
        "404": {"$ref": "#/responses/gone"},
        "415": {"description": "A file.", "schema": {"type": "file"}},
    }
    top = {"definitions": {"Pet": {"type": "object"}}, "responses": {"gone": {"description": "Gone.", "schema": pet}}}
    found = operation(responses=responses, produces=["application/xml", "application/json"], top=top)
    good, empty, gone, _ = found.responses
    assert [(one.content_type, one.schema, one.examples) for one in good.media] == [
        ("application/xml", pet, ()),
        ("application/json", pet, ({"name": "Rex"},)),
    ]
    assert good.headers == {"X-Left": {"schema": {"type": "integer", "description": "Calls left."}}}
    assert empty.media == ()
    assert [one.schema for one in gone.media] == [pet, pet]
    assert dict(build(found, {}).headers)["Accept"] == "application/json, application/xml"
    bare = operation(responses=responses, top=top).responses
    assert [[one.content_type for one in answer.media] for answer in bare] == [
        ["application/json"],
        [],
        ["application/json"],
        ["application/octet-stream"],
    ]


# Schemas and tools


def test_a_tool_names_its_definitions_as_the_description_does() -> None:
    pet = {
        "type": "object",
        "discriminator": "kind",
        "required": ["kind"],
        "properties": {
            "kind": {"type": "string"},
            "age": {"type": "integer", "x-nullable": True},
            "child": {"$ref": "#/definitions/Pet"},
        },
    }
    found = operation(
        field("b", "body", schema={"type": "array", "items": {"$ref": "#/definitions/Pet"}}),
        top={"definitions": {"Pet": pet}},
    )
    schema = nlapi.tools(found.spec)[0].input_schema
    assert schema["properties"]["body"]["items"] == {"$ref": "#/$defs/Pet"}
    assert schema["$defs"]["Pet"]["properties"]["age"] == {"type": ["integer", "null"]}
    assert schema["$defs"]["Pet"]["properties"]["child"] == {"$ref": "#/$defs/Pet"}


def test_hints_for_nlapi_are_heeded() -> None:
    found = operation(field("a", "query", **{"x-nlapi-name": "first"}), field("b", **{"x-nlapi-name": "second"}))
    assert nlapi.tools(found.spec)[0].places == {"first": ("query", "a"), "second": ("body", "b")}


@table("top", [{"swagger": "1.2"}, {"swagger": 1.1}, {"swaggerVersion": "1.2", "apis": []}, {"swagger": "3.0"}])
def test_another_swagger_is_refused(top: Any) -> None:
    with pytest.raises(DescriptionError, match=r"is in Swagger \d.\d, which nlapi does not read"):
        read_document(json.dumps({"info": {}, "paths": {}, **top}).encode(), "test.json")


def test_a_version_without_quotes() -> None:
    assert read_document(b"swagger: 2.0\npaths: {}", "test.yaml").version == "2.0"
    assert read_document(b"swagger: 2\npaths: {}", "test.yaml").version == "2.0"


def test_what_makes_no_sense_ends_in_issues_or_nothing() -> None:
    for value in (None, 7, "x", [], {}, [None], [[]], {"x": None}):
        for key in ("parameters", "responses", "consumes", "produces", "schemes", "security"):
            tree = {"/x": {"parameters": value, "post": {key: value}}}
            messages(swagger(tree, **{key: value, "securityDefinitions": value, "definitions": value, "host": value}))


# The whole


def test_the_sandbox_reads_what_is_sent() -> None:
    definitions = {"Pet": {"type": "object", "properties": {"id": {"type": "string"}, "tags": LIST}}}
    fields = [field(name, **LIST, collectionFormat=name) for name in ("csv", "multi", "ssv", "tsv", "pipes")]
    places = [
        field(f"{where}-{name}", where, **LIST, collectionFormat=name)
        for name in ("ssv", "tsv", "pipes")
        for where in ("query", "header", "path")
    ]
    path = "/pets/" + "/".join(f"{{path-{name}}}" for name in ("ssv", "tsv", "pipes"))
    node = {
        "operationId": "op",
        "parameters": [*fields, *places],
        "responses": {"200": {"description": "ok", "schema": {"$ref": "#/definitions/Pet"}}},
    }
    for consumes in (FORM, MULTIPART):
        found = swagger({path: {"post": {**node, "consumes": [consumes]}}}, definitions=definitions)
        arguments = {name: ["a", "b c"] if "ssv" not in name else ["a", "b"] for name in nlapi.tools(found)[0].places}
        with running(found) as server:
            result = nlapi.call(found, "op", arguments, base_url=server.url, yes=True)
        assert result.status == 200, result.content


@pytest.mark.parametrize("name", ["slack-swagger2.json", "harbor-swagger2.yaml"])
def test_real_descriptions(name: str) -> None:
    if not (SHARED / name).exists():
        pytest.skip(f"../shared/data/specs/{name} is not here")
    found = nlapi.load(SHARED / name)
    assert all(one.usable for one in found.operations)
    assert len(nlapi.tools(found)) == len(found.operations) > 150
    assert not [issue for issue in check(found) if "gave up" in issue.message]
