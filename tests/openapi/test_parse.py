"""A description to operations and their parts: what is found where, and what is told of what is wrong."""

from __future__ import annotations

import pytest

import nlapi
from nlapi.errors import DescriptionError, Level, UsageError
from nlapi.openapi.spec import Effect, Spec
from tests.describe import body, messages, operation, parameter, spec
from tests.tables import table

OK = {"responses": {"200": {"description": "ok"}}}


def ids(found: Spec) -> list[str]:
    return [one.id for one in found.operations]


def tool_ids(found: Spec) -> list[str]:
    return [tool.operation.id for tool in nlapi.tools(found)]


def test_every_method_of_every_path_is_an_operation_in_the_order_of_the_description() -> None:
    found = spec({"/b": {"post": OK, "get": OK}, "/a": {"delete": OK, "summary": "not a method", "x-more": OK}})
    assert [(one.method, one.path) for one in found.operations] == [("GET", "/b"), ("POST", "/b"), ("DELETE", "/a")]


def test_an_operation_without_an_id_gets_one_from_method_and_path() -> None:
    found = spec({"/users/{user-id}/posts": {"get": OK}, "/": {"get": {**OK, "operationId": " "}}})
    assert ids(found) == ["get_users_user_id_posts", "get_root"]


def test_operations_with_the_same_id_can_all_be_reached() -> None:
    twice = {**OK, "operationId": "list"}
    found = spec({"/a": {"get": twice}, "/b": {"get": twice}, "/c": {"get": twice}})
    assert len(set(ids(found))) == 3
    assert found.operation("list").path == "/a"
    assert "'list' is taken" in messages(found)
    assert len(tool_ids(found)) == 3


def test_a_derived_id_never_takes_an_id_that_is_given() -> None:
    found = spec({"/a": {"get": OK}, "/b": {"get": {**OK, "operationId": "get_a"}}})
    assert len(set(ids(found))) == 2


def test_an_unknown_operation_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="listPets"):
        spec({"/pets": {"get": {**OK, "operationId": "listPets"}}}).operation("listPet")


def test_webhooks_and_callbacks_are_no_operations() -> None:
    call = {"onDone": {"{$request.body#/url}": {"post": {**OK, "operationId": "theirs"}}}}
    found = spec({"/a": {"post": {**OK, "operationId": "ours", "callbacks": call}}}, webhooks={"w": {"post": OK}})
    assert ids(found) == ["ours"]


@table(
    ("method", "more", "effect"),
    [
        ("get", {}, Effect.READ),
        ("head", {}, Effect.READ),
        ("post", {}, Effect.WRITE),
        ("put", {}, Effect.WRITE),
        ("patch", {}, Effect.WRITE),
        ("delete", {}, Effect.DESTROY),
        ("post", {"x-nlapi-effect": "read"}, Effect.READ),
        ("post", {"x-nlapi": {"effect": "destroy"}}, Effect.DESTROY),
        ("post", {"x-nlapi-effect": "nonsense"}, Effect.WRITE),
        ("delete", {"x-nlapi-effect": "read"}, Effect.DESTROY),
        ("patch", {"x-nlapi-effect": "read"}, Effect.WRITE),
        ("patch", {"x-nlapi-effect": "destroy"}, Effect.DESTROY),
    ],
)
def test_the_effect_comes_from_the_method_unless_the_description_says_otherwise(method, more, effect) -> None:
    found = operation(more, method=method)
    assert found.effect is effect
    assert ("nonsense" in messages(found.spec)) == (more == {"x-nlapi-effect": "nonsense"})


# Parameters


def test_parameters_of_the_path_item_hold_for_its_operations_which_may_override_them() -> None:
    item = {
        "parameters": [parameter("id", "path"), parameter("limit", schema={"type": "string"})],
        "get": {**OK, "parameters": [parameter("limit", schema={"type": "integer"}), parameter("limit", "header")]},
    }
    (found,) = spec({"/x/{id}": item}).operations
    assert [(p.location, p.name, p.schema["type"]) for p in found.parameters] == [
        ("path", "id", "string"), ("query", "limit", "integer"), ("header", "limit", "string"),
    ]  # fmt: skip


def test_parameters_bodies_and_responses_can_be_refs_to_refs() -> None:
    components = {
        "parameters": {"A": {"$ref": "#/components/parameters/B"}, "B": parameter("q")},
        "requestBodies": {"A": {"$ref": "#/components/requestBodies/B"}, "B": body({"type": "string"})["requestBody"]},
        "responses": {"A": {"$ref": "#/components/responses/B"}, "B": {"description": "there"}},
    }
    found = operation(
        {
            "parameters": [{"$ref": "#/components/parameters/A"}],
            "requestBody": {"$ref": "#/components/requestBodies/A"},
            "responses": {"200": {"$ref": "#/components/responses/A"}},
        },
        method="post",
        components=components,
    )
    assert [p.name for p in found.parameters] == ["q"]
    assert found.body is not None
    assert found.body.schema == {"type": "string"}
    assert found.responses[0].description == "there"
    assert found.issues == ()


def test_a_path_item_can_be_a_ref_and_what_stands_beside_it_is_kept() -> None:
    shared = {"get": {**OK, "operationId": "shared"}}
    item = {"$ref": "#/components/pathItems/S", "summary": "mine"}
    found = spec({"/a": item}, components={"pathItems": {"S": shared}})
    assert found.operation("shared").path == "/a"
    assert found.operation("shared").summary == "mine"


def test_path_items_that_lead_to_each_other_are_an_issue_and_the_others_work() -> None:
    found = spec({"/a": {"$ref": "#/paths/~1b"}, "/b": {"$ref": "#/paths/~1a"}, "/c": {"get": OK}})
    assert ids(found) == ["get_c"]
    assert messages(found).count("error: paths./") == 2


@table(
    "node",
    [
        {"parameters": [{"$ref": "#/components/parameters/Gone"}]},
        {"requestBody": {"$ref": "#/components/requestBodies/Gone"}},
        {"requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Gone"}}}}},
        {"parameters": [{"$ref": "other.yaml#/Gone"}]},
        {"parameters": [{"$ref": "#/components/parameters/Loop"}]},
        {"parameters": [parameter(schema={"$ref": "#/components/schemas/Gone"})]},
    ],
)
def test_a_ref_that_leads_nowhere_costs_its_operation_and_no_other(node) -> None:
    components = {"parameters": {"Loop": {"$ref": "#/components/parameters/Loop"}}}
    broken, good = {**OK, "operationId": "broken", **node}, {**OK, "operationId": "good"}
    found = spec({"/x": {"post": broken, "get": good}}, components=components)
    assert tool_ids(found) == ["good"]
    (issue,) = [issue for issue in found.issues if issue.level is Level.ERROR]
    assert issue.where.startswith("paths./x.post.")
    assert "$ref" in issue.message


@table(
    "node",
    [
        {"parameters": [parameter(schema={"allOf": [{"$ref": "#/components/schemas/Gone"}]})]},
        {"parameters": [parameter(schema={"type": "array", "items": {"$ref": "#/components/schemas/Deep"}})]},
        body({"type": "object", "properties": {"p": {"$ref": "#/components/schemas/Gone"}}}),
        body({"$ref": "#/components/schemas/Deep"}),
    ],
)
def test_a_ref_inside_a_schema_that_leads_nowhere_is_told_and_takes_any_value(node) -> None:
    schemas = {"Deep": {"type": "object", "properties": {"p": {"$ref": "#/components/schemas/Gone"}}}}
    found = operation({"operationId": "op", **node}, method="post", components={"schemas": schemas})
    assert tool_ids(found.spec) == ["op"]
    assert "#/components/schemas/Gone" in messages(found)
    assert "p" in nlapi.tools(found.spec)[0].places


def test_what_is_wrong_in_a_response_never_costs_the_operation() -> None:
    media = {"application/json": {"schema": {"$ref": "#/components/schemas/Gone"}}, "text/plain": None}
    responses = {"200": {"$ref": "#/nowhere"}, "201": {"description": "ok", "content": media}, "404": 5}
    found = operation({"responses": responses})
    assert found.usable
    assert "#/nowhere" in messages(found)


def test_parameters_given_as_a_map_are_read() -> None:
    found = operation({"parameters": {"first": parameter("q"), "second": parameter("r")}})
    assert [p.name for p in found.parameters] == ["q", "r"]


@table(
    "wrong",
    [
        parameter(where="nowhere"),
        parameter(where="body"),
        {"in": "query"},
        {"name": 5.5, "in": "query"},
        {"name": ["q"], "in": "query"},
        "q",
        5,
        None,
        {},
    ],
)
def test_what_is_no_parameter_is_left_out_and_told(wrong) -> None:
    found = operation({"parameters": [wrong, parameter("q")]})
    assert [p.name for p in found.parameters] == ["q"]
    assert "parameters[0]" in messages(found)


def test_a_path_parameter_that_is_not_described_is_taken_as_text() -> None:
    found = operation(path="/x/{id}")
    (only,) = found.parameters
    assert (only.location, only.name, only.required, only.schema) == ("path", "id", True, {"type": "string"})
    assert "{id}" in messages(found)


def test_an_expansion_of_rfc_6570_in_a_path_is_its_parameter() -> None:
    """Google's `/v2/{+parent}/alerts` describes `parent`."""
    get = {**OK, "operationId": "alerts", "parameters": [parameter("parent", "path")]}
    found = spec({"/v2/{+parent}/alerts": {"get": get}})
    assert not found.parse_issues
    assert nlapi.build(found, "alerts", {"parent": "pub-1"}, base_url="http://127.0.0.1").url.endswith(
        "/v2/pub-1/alerts"
    )


def test_a_path_parameter_that_is_not_in_the_path_is_left_out_and_told() -> None:
    found = operation({"parameters": [parameter("ghost", "path")]})
    assert found.parameters == ()
    assert "'ghost'" in messages(found)


@table(
    "name",
    [
        "Authorization",
        "accept",
        "Content-Type",
        "Host",
        "Cookie",
        "Upgrade",
        "X-HTTP-Method-Override",
        "bad name",
        "x\r\ny",
    ],
)
def test_headers_that_are_not_the_callers_business_are_left_out_and_told(name: str) -> None:
    found = operation({"parameters": [parameter(name, "header")]})
    assert found.parameters == ()
    assert "header" in messages(found)
    assert found.usable


@table(
    ("name", "reason"),
    [
        ("Accept", "the media type of its responses says what is sent"),
        ("Host", "it belongs to HTTP"),
        ("bad name", "it is not the name of a header"),
        ("x-http-method-override", "another than the one that consent was asked for"),
    ],
)
def test_the_reason_why_a_header_is_left_out_is_told(name: str, reason: str) -> None:
    assert reason in messages(operation({"parameters": [parameter(name, "header")]}))


@table("name", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
def test_an_operation_that_is_another_without_its_method_override_is_lost(name: str) -> None:
    optional, needed = (
        operation({"parameters": [parameter(name, "header", required=one)]}, method="post") for one in (False, True)
    )
    assert [issue.level for issue in optional.issues] == [Level.WARNING]
    assert optional.usable
    assert not needed.usable


@table(
    ("schema", "kept"),
    [
        ({"type": "string", "default": "GET"}, True),
        ({"type": "string", "enum": ["HEAD"]}, True),
        ({"const": "GET"}, True),
        ({"type": "string", "default": "DELETE"}, False),
        ({"type": "string", "default": "GET", "enum": ["GET", "DELETE"]}, False),
    ],
)
def test_a_method_override_is_sent_when_the_description_lets_it_name_a_harmless_method_only(schema, kept) -> None:
    header = parameter("X-HTTP-Method-Override", "header", required=True, schema=schema)
    found = operation({"parameters": [header]}, method="post")
    assert found.usable is kept
    wanted = schema.get("default") or schema.get("const") or "HEAD"
    assert [one.schema["const"] for one in found.parameters] == ([wanted] if kept else [])


@table(
    ("where", "more", "wanted"),
    [
        ("query", {}, ("form", True)),
        ("query", {"explode": False}, ("form", False)),
        ("query", {"style": "pipeDelimited"}, ("pipeDelimited", False)),
        ("query", {"style": "spaceDelimited", "explode": True}, ("spaceDelimited", True)),
        ("query", {"style": "deepObject"}, ("deepObject", True)),
        ("query", {"style": "matrix"}, ("form", True)),
        ("path", {}, ("simple", False)),
        ("path", {"style": "label"}, ("label", False)),
        ("path", {"style": "form"}, ("simple", False)),
        ("header", {}, ("simple", False)),
        ("cookie", {}, ("form", True)),
    ],
)
def test_style_and_explode_have_the_defaults_of_their_place(where, more, wanted) -> None:
    (only,) = operation({"parameters": [parameter("p", where, **more)]}, path="/x/{p}").parameters[:1]
    assert (only.style, only.explode) == wanted


def test_a_path_parameter_is_required_whatever_the_description_says() -> None:
    (only,) = operation({"parameters": [parameter("p", "path", required=False)]}, path="/x/{p}").parameters
    assert only.required


def test_a_content_parameter_has_its_media_type_and_schema() -> None:
    content = {"application/json": {"schema": {"type": "object"}}}
    (only,) = operation({"parameters": [parameter("filter", content=content)]}).parameters
    assert (only.content_type, only.schema) == ("application/json", {"type": "object"})


def test_the_examples_of_a_parameter_are_those_of_its_schema() -> None:
    named = {"a": {"value": 1}, "b": {"value": 2}}
    (one, two) = operation({"parameters": [parameter("a", example=0), parameter("b", examples=named)]}).parameters
    assert one.schema["examples"] == [0]
    assert two.schema["examples"] == [1, 2]


# Bodies and responses


def test_of_several_media_types_json_is_sent_and_xml_last() -> None:
    types = ["application/xml", "text/plain", "multipart/form-data", "application/vnd.api+json", "application/json"]
    content = {one: {"schema": {"type": "string", "title": one}} for one in types}
    found = operation({"requestBody": {"content": content}}, method="post").body
    assert found is not None
    assert [media.content_type for media in found.media] == [
        "application/json", "application/vnd.api+json", "multipart/form-data", "text/plain", "application/xml",
    ]  # fmt: skip


@table("wrong", ["text", 5, [], {}, {"content": {}}, {"content": [1]}])
def test_a_body_that_is_none_is_told(wrong: object) -> None:
    found = operation({"requestBody": wrong}, method="post")
    assert found.body is None
    assert "requestBody" in messages(found)


def test_the_response_of_a_status_is_found_by_code_range_and_default() -> None:
    responses = {name: {"description": name} for name in ("200", "4XX", "default")}
    found = operation({"responses": responses})
    texts = [getattr(found.response(status), "description", None) for status in (200, 404, 500, None)]
    assert texts == ["200", "4XX", "default", "200"]


def test_links_lead_on_by_operation_id_and_by_operation_ref() -> None:
    links = {
        "byId": {"operationId": "get", "parameters": {"id": "$response.body#/id"}},
        "byRef": {"operationRef": "#/paths/~1x~1{id}/get", "requestBody": "$response.body"},
        "byRefToRef": {"$ref": "#/components/links/L"},
        "lost": {"operationRef": "https://elsewhere.example/#/paths/~1a/get"},
        "ghost": {"operationId": "gone"},
        "empty": {},
    }
    paths = {
        "/x": {"post": {"operationId": "make", "responses": {"201": {"description": "ok", "links": links}}}},
        "/x/{id}": {"get": {**OK, "operationId": "get"}},
    }
    found = spec(paths, components={"links": {"L": {"operationId": "make"}}}).operation("make")
    assert [(link.name, link.operation_id) for link in found.links] == [
        ("byId", "get"), ("byRef", "get"), ("byRefToRef", "make"),
    ]  # fmt: skip
    assert found.links[0].parameters == {"id": "$response.body#/id"}
    for name in ("lost", "ghost", "empty"):
        assert f"link {name!r}" in messages(found)
    assert found.usable


# Security


SCHEMES = {
    "key": {"type": "apiKey", "in": "header", "name": "X-Key"},
    "token": {"type": "http", "scheme": "Bearer"},
    "login": {"type": "oauth2", "flows": {}},
}


@table(
    ("own", "wanted"),
    [
        (None, [{"key": ()}]),
        ([], []),
        ([{}], []),
        ([{"token": []}, {"key": [], "login": ["a", "b"]}], [{"token": ()}, {"key": (), "login": ("a", "b")}]),
        ([{}, {"key": []}], [{}, {"key": ()}]),
        ([{"key": None}], [{"key": ()}]),
        ([{"key": 5}], [{"key": ()}]),
        ([{"key": "scope"}], [{"key": ()}]),
    ],
)
def test_security_is_the_operations_own_or_that_of_the_description(own, wanted) -> None:
    node = {} if own is None else {"security": own}
    found = operation(node, components={"securitySchemes": SCHEMES}, security=[{"key": []}])
    assert [dict(one) for one in found.security] == wanted


def test_security_schemes_are_read_and_a_broken_one_is_told() -> None:
    found = operation(components={"securitySchemes": {**SCHEMES, "bad": {"in": "header"}}}).spec
    assert set(found.security_schemes) == set(SCHEMES)
    assert found.security_schemes["token"].scheme == "bearer"
    assert "securitySchemes.bad" in messages(found)


def test_a_requirement_that_names_no_scheme_is_told() -> None:
    assert "'gone'" in messages(operation({"security": [{"gone": []}]}))


# Servers


def server_urls(source: str, *, root: object = None, item: object = None, own: object = None) -> list[str]:
    levels = {"servers": root} if root is not None else {"servers": []}
    node = {**OK, **({"servers": own} if own is not None else {})}
    paths = {"/x": {"get": node, **({"servers": item} if item is not None else {})}}
    return [server.url for server in spec(paths, source=source, **levels).operations[0].servers]


def urls(*given: str) -> list[dict[str, str]]:
    return [{"url": url} for url in given]


@table(
    ("levels", "wanted"),
    [
        ({"root": urls("https://r")}, ["https://r"]),
        ({"root": urls("https://r"), "item": urls("https://i")}, ["https://i"]),
        ({"root": urls("https://r"), "item": urls("https://i"), "own": urls("https://o", "https://o2")},
         ["https://o", "https://o2"]),
        ({"root": urls("https://r"), "item": [], "own": []}, ["https://r"]),
        ({"root": urls("/v1")}, ["/v1"]),
        ({"root": [5, {"url": None}]}, ["/"]),
        ({}, ["/"]),
    ],
)  # fmt: skip
def test_the_nearest_servers_count(levels, wanted) -> None:
    assert server_urls("folder/api.yaml", **levels) == wanted


@table(
    ("url", "wanted"),
    [
        ("/v1", "https://docs.example/v1"),
        ("v1", "https://docs.example/a/v1"),
        ("../v1", "https://docs.example/v1"),
        ("//other.example/v1", "https://other.example/v1"),
        ("https://r/v1", "https://r/v1"),
        ("{scheme}://r/v1", "{scheme}://r/v1"),
        ("/{version}", "https://docs.example/{version}"),
    ],
)
def test_relative_servers_are_resolved_against_where_the_description_came_from(url: str, wanted: str) -> None:
    assert server_urls("https://docs.example/a/api.yaml", root=urls(url)) == [wanted]


def test_without_servers_the_api_is_where_its_description_is() -> None:
    assert server_urls("https://docs.example/a/api.yaml") == ["https://docs.example/"]


# Broken paths


@table(
    "path",
    [
        "x",
        "//evil.example/x",
        "/a/../b",
        "/a/%2e%2E/b",
        "/a/..?b",
        "/..#b",
        "/a#b/c",
        "\\a",
        "/a\r\nb",
        "/{",
        "/a/{}/b",
        "/}a{",
    ],
)
def test_a_path_that_could_lead_elsewhere_is_left_out_and_told(path: str) -> None:
    found = spec({path: {"get": OK}, "/good": {"get": OK}})
    assert ids(found) == ["get_good"]
    assert [issue.level for issue in found.issues] == [Level.ERROR]


def test_an_additional_operation_of_3_2_is_one_if_its_method_is_a_token() -> None:
    extra = {"LINK": OK, "GET /evil HTTP/1.1\r\nX": OK}
    found = spec({"/x": {"additionalOperations": extra}}, openapi="3.2.0")
    assert [one.method for one in found.operations] == ["LINK"]
    assert [issue.level for issue in found.issues] == [Level.ERROR]


@table("paths", [[], "x", 5])
def test_paths_that_are_no_map_are_refused(paths: object) -> None:
    with pytest.raises(DescriptionError, match=r"test\.json"):
        spec(paths)


@table("paths", [{}, {"/x": None}, {"/x": {"get": 5}}, {"x-only": {"get": OK}}, {"/x": {}}])
def test_a_description_without_an_operation_says_so(paths: object) -> None:
    found = spec(paths)
    assert found.operations == ()
    assert any("no operation" in issue.message and issue.level is Level.ERROR for issue in found.issues)


def test_a_path_that_tells_operations_apart_by_query_or_fragment_is_sent_without_the_fragment() -> None:
    found = spec({path: {"get": OK} for path in ("/a?op=x", "/a#y", "/a b", "/a?q={q}#z")})
    assert [issue.level for issue in found.issues if issue.level is Level.ERROR] == []
    assert [(one.route, one.fixed_query) for one in found.operations] == [
        ("/a", "op=x"), ("/a", ""), ("/a b", ""), ("/a", "q={q}"),
    ]  # fmt: skip
    assert [(one.name, one.location) for one in found.operations[-1].parameters] == [("q", "path")]


# Servers and security that are not quite right


@table(
    ("url", "source", "wanted"),
    [
        ("", "https://h.example/docs/o.json", "https://h.example/"),
        (" /v1 ", "https://h.example/docs/o.json", "https://h.example/v1"),
        ("./v1/", "https://h.example/docs/o.json?x=1", "https://h.example/docs/v1/"),
        ("//o.example/v1", "http://h.example/o.json", "http://o.example/v1"),
        ("//o.example/v1", "o.json", "https://o.example/v1"),
        ("{scheme}://h.example", "https://h.example/o.json", "{scheme}://h.example"),
        ("/{v}", "https://h.example/o.json", "https://h.example/{v}"),
        ("/v1", "o.json", "/v1"),
    ],
)
def test_the_url_of_a_server_is_resolved_against_the_source(url: str, source: str, wanted: str) -> None:
    assert spec({"/x": {"get": {}}}, source=source, servers=[{"url": url}]).servers[0].url == wanted


def test_a_server_whose_variables_cannot_be_right_is_told() -> None:
    choice = {"url": "https://{r}.example", "variables": {"r": {"default": "xx", "enum": ["us", "eu"]}}}
    found = spec({"/x": {"get": {"servers": [{"url": "https://{gone}.example"}]}}}, servers=[choice])
    assert "warning: servers: the default 'xx' of {r} is not one of its choices (choices are us, eu)" in messages(found)
    assert "paths./x.get.servers: server 'https://{gone}.example' uses {gone}, which is not described" in messages(
        found
    )


@table(
    ("scheme", "said"),
    [
        ({"type": "mutualTLS"}, "mutual TLS"),
        ({"type": "aws.sig4"}, "of the kind 'aws.sig4'"),
        ({"type": "http", "scheme": "Digest"}, "digest"),
        ({"type": "http"}, "an http scheme without a name"),
        ({"type": "apiKey", "in": "body", "name": "k"}, "a key in 'body'"),
        ({"type": "apiKey", "in": "header"}, "not the name of a header"),
        ({"type": "apiKey", "in": "query"}, "a key without a name"),
        ({"type": "apiKey", "in": "header", "name": "Host"}, "belongs to the connection"),
    ],
)
def test_a_security_scheme_that_cannot_be_served_is_told(scheme: dict[str, str], said: str) -> None:
    found = spec({"/x": {"get": {"security": [{"s": []}]}}}, components={"securitySchemes": {"s": scheme}})
    assert "warning: components.securitySchemes.s: it is" in messages(found)
    assert said in messages(found)
    assert found.operations[0].usable


def test_security_that_is_null_is_not_given_and_a_lone_requirement_counts() -> None:
    known = {"securitySchemes": {name: {"type": "http", "scheme": "bearer"} for name in "ab"}}
    paths = {"/x": {"get": {"security": None}}, "/y": {"get": {"security": {"b": []}}}, "/z": {"get": {"security": []}}}
    found = spec(paths, components=known, security=[{"a": []}]).operations
    assert [one.security for one in found] == [({"a": ()},), ({"b": ()},), ()]


@pytest.mark.parametrize(
    "schema", [{"allOf": [{"$ref": "#/components/schemas/A"}]}, {"anyOf": [{"$ref": "#/components/schemas/A"}, {}]}]
)
def test_a_schema_that_only_leads_to_itself_is_told_and_takes_any_value(schema: dict[str, object]) -> None:
    node = {"operationId": "get", "parameters": [parameter(schema={"$ref": "#/components/schemas/A"})], "responses": {}}
    description = spec({"/x": {"get": node}}, components={"schemas": {"A": schema}})
    assert "leads to itself" in messages(description)
    assert nlapi.build(description, "get", {"p": "a"}).url.endswith("/x?p=a")


def test_a_parameter_with_its_type_beside_it_has_that_schema() -> None:
    node = {"name": "q", "in": "query", "description": "D", "type": "integer", "minimum": 1, "example": 5}
    (found,) = operation({"parameters": [node]}).parameters
    assert (found.schema, found.description) == ({"type": "integer", "minimum": 1, "examples": [5]}, "D")
