"""Parameters that are credentials: found by evidence, filled from the store, and no argument of anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import nlapi
from nlapi.errors import ArgumentError
from nlapi.sandbox import running
from tests.accounts.kit import register
from tests.cli.kit import run
from tests.servers import Echo

KEY, TOKEN = "key-canary-0123456789", "token-canary-9876543210"


def parameter(name: str, location: str = "query", *, required: bool = True, **more: Any) -> dict[str, Any]:
    return {"name": name, "in": location, "required": required, "schema": {"type": "string"}, **more}


def api(*parameters: dict[str, Any], body: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A description with three operations that all have these parameters and body properties."""
    operations: dict[str, Any] = {}
    for name in ("boards", "cards", "lists"):
        operation: dict[str, Any] = {
            "operationId": f"find_{name}",
            "parameters": [parameter("q", required=False), *parameters],
            "responses": {"200": {"description": "ok"}},
        }
        if body is not None:
            schema = {"type": "object", "required": list(body), "properties": {**body, "name": {"type": "string"}}}
            operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
        operations[f"/{name}"] = {"post" if body is not None else "get": operation}
    return {"openapi": "3.1.0", "info": {"title": "Board", "version": "1"}, "paths": operations, **more}


def load(folder: Path, document: dict[str, Any]) -> nlapi.Spec:
    file = folder / "board.json"
    file.write_text(json.dumps(document))
    return nlapi.load(file)


def arguments(spec: nlapi.Spec) -> set[str]:
    return set(nlapi.tools(spec)[0].input_schema["properties"])


FOUND = {
    "by its name": parameter("api_key"),
    "by its words": parameter("key", description="Your API key"),
    "in a header": parameter("X-BoardAPI-Key", "header"),
    "an ending of every header": parameter("X-Board-Account-Token", "header"),
    "optional": parameter("apikey", required=False),
    "because it is said": parameter("pass", **{"x-nlapi": {"credential": True}}),
}
NOT_FOUND = {
    "a page": parameter("pageToken"),
    "the key of a thing": parameter("key", description="The key of the record"),
    "of one request": parameter("Idempotency-Key", "header"),
    "a word": parameter("password", description="The password to be analyzed"),
    "because it is said": parameter("api_key", **{"x-nlapi": {"credential": False}}),
}


@pytest.mark.parametrize("case", FOUND)
def test_what_is_surely_a_credential_is_no_argument(tmp_path: Path, case: str) -> None:
    spec = load(tmp_path, api(FOUND[case]))
    assert arguments(spec) == {"q"}
    (scheme,) = spec.security_schemes.values()
    assert (scheme.name, scheme.location) == (FOUND[case]["name"], FOUND[case]["in"])


@pytest.mark.parametrize("case", NOT_FOUND)
def test_what_may_be_something_else_stays_an_argument(tmp_path: Path, case: str) -> None:
    spec = load(tmp_path, api(NOT_FOUND[case]))
    assert len(arguments(spec)) == 2
    assert not spec.security_schemes


def test_what_few_operations_have_stays_an_argument(tmp_path: Path) -> None:
    document = api()
    document["paths"]["/cards"]["get"]["parameters"].append(parameter("access_token", description="An access token"))
    assert not load(tmp_path, document).security_schemes


def test_a_header_authorization_that_no_scheme_describes_is_one(tmp_path: Path) -> None:
    spec = load(tmp_path, api(parameter("Authorization", "header", description="Bearer access token")))
    with Echo() as server:
        nlapi.call(spec, "find_cards", {}, base_url=server.url, auth={"authorization": TOKEN})
        assert server.only.header("authorization") == f"Bearer {TOKEN}"


def test_two_schemes_that_are_alternatives_and_both_required_are_both_sent(tmp_path: Path) -> None:
    """As Trello describes it: `key` or `token`, and both required in the query."""
    schemes = {
        "api_key": {"type": "apiKey", "in": "query", "name": "key"},
        "api_token": {"type": "apiKey", "in": "query", "name": "token"},
    }
    document = api(
        parameter("key"),
        parameter("token"),
        components={"securitySchemes": schemes},
        security=[{"api_key": []}, {"api_token": []}],
    )
    with Echo() as server:
        register(tmp_path, document, "--base-url", server.url, name="board")
        ran = run("call", "board", "find_cards")
        assert (ran.code, server.received) == (2, [])
        assert "find_cards needs a credential: api_key (API key in the query key) and api_token" in ran.complaint
        assert "`nlapi auth login board` asks for it once" in ran.complaint
        assert run("auth", "login", "board", stdin=f"{KEY}\n{TOKEN}\n").code == 0
        ran = run("call", "board", "find_cards", "q=x")
        assert ran.code == 0
        assert dict(server.only.query) == {"q": "x", "key": KEY, "token": TOKEN}
        assert KEY not in ran.out + ran.err


BODY = {
    "client_id": {"type": "string", "description": "Your API `client_id`."},
    "secret": {"type": "string", "description": "Your API `secret`."},
}


def test_credentials_in_a_body_are_put_there_and_the_rest_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOARD_SECRET", TOKEN)
    with Echo() as server:
        register(tmp_path, api(body=BODY), "--base-url", server.url, name="board")
        assert run("auth", "login", "board", stdin=f'{KEY}"\n{TOKEN}\n').code == 0
        ran = run("call", "board", "find_cards", 'name="a', "--yes")
        assert ran.code == 0, ran.err
        assert server.only.json() == {"client_id": f'{KEY}"', "secret": TOKEN, "name": '"a'}
        shown = run("call", "board", "find_cards", "name=a", "--curl").out
        assert """ '{"name":"a","client_id":"'"$CLIENT_ID_KEY"'","secret":"'"$SECRET_KEY"'"}' """ in shown
        assert KEY not in shown + ran.out + ran.err
        server.received.clear()
        assert run("call", "board", "find_cards", "secret=env:BOARD_SECRET", "name=a", "--yes").code == 0
        assert server.only.json()["secret"] == TOKEN


def test_a_form_takes_them_too(tmp_path: Path) -> None:
    document = api(body=BODY)
    for item in document["paths"].values():
        content = item["post"]["requestBody"]["content"]
        content["application/x-www-form-urlencoded"] = content.pop("application/json")
    spec = load(tmp_path, document)
    with Echo() as server:
        auth = {"client_id": "a&b=c", "secret": "ü"}
        nlapi.call(spec, "find_cards", {"name": "x"}, base_url=server.url, auth=auth, yes=True)
        assert server.only.body == b"name=x&client_id=a%26b%3Dc&secret=%C3%BC"


def test_an_argument_that_is_a_credential_is_refused_with_the_way_to_give_it(tmp_path: Path) -> None:
    spec = load(tmp_path, api(parameter("api_key")))
    with pytest.raises(ArgumentError, match="api_key is a credential and no argument") as error:
        nlapi.build(spec, "find_cards", {"api_key": KEY}, base_url="http://127.0.0.1:9")
    assert KEY not in str(error.value)


def test_a_question_takes_a_credential_by_its_name_and_registering_refuses_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOARD_KEY", KEY)
    with Echo() as server:
        ran = run("api", "add", "board", str(tmp_path / "board.json"), "--set", f"api_key={KEY}")
        register(tmp_path, api(parameter("api_key")), "--base-url", server.url, name="board")
        ran = run("api", "add", "board", str(tmp_path / "board.json"), "--set", f"api_key={KEY}")
        assert (ran.code, KEY in ran.err) == (2, False)
        assert "api_key is a credential, and this file is not for secrets" in ran.complaint
        for _ in range(2):
            options = ("--set", "api_key=env:BOARD_KEY") if not server.received else ()
            ran = run("ask", "find the cards", "-a", "board", "--planner", "offline", "-o", "text", *options)
            assert ran.code == 0, ran.err
            assert server.received[-1].query == [("api_key", KEY)]
            assert KEY not in ran.out + ran.err
            register(
                tmp_path,
                api(parameter("api_key")),
                "--base-url",
                server.url,
                "--set",
                "api_key=env:BOARD_KEY",
                name="board",
            )


def test_a_sandbox_wants_them_as_the_api_does(tmp_path: Path) -> None:
    with running(load(tmp_path, api(body=BODY))) as sandbox:
        register(tmp_path, api(body=BODY), "--base-url", sandbox.url, name="board")
        ran = run("call", "board", "find_cards", "name=a", "--yes", "--no-auth")
        assert (ran.code, "needs a credential: client_id (body client_id)" in ran.out) == (4, True)
        assert run("auth", "login", "board", stdin=f"{KEY}\n{TOKEN}\n").code == 0
        assert run("call", "board", "find_cards", "name=a", "--yes").code == 0


def only_here(url: str) -> dict[str, Any]:
    """A description with a credential of one operation alone, and reads of which no body is described."""
    schemes = {"securitySchemes": {"main": {"type": "apiKey", "in": "header", "name": "X-Key"}}}
    document = api(servers=[{"url": url}], components=schemes, security=[{"main": []}])
    ok = {"responses": {"200": {"description": "ok"}}}
    token = {"type": "string", "description": "The access token of one bank"}
    schema = {"type": "object", "required": ["access_token"], "properties": {"access_token": token}}
    empty = {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}
    reads: dict[str, Any] = {"x-nlapi-effect": "read", **ok}
    content = {"application/json": {"schema": schema}}
    paths = document["paths"]
    paths["/accounts/get"] = {
        "post": {
            "operationId": "getAccounts",
            "summary": "Retrieve accounts",
            "requestBody": {"required": True, "content": content},
            **reads,
        }
    }
    paths["/kinds/get"] = {"post": {"operationId": "getKinds", "summary": "Get kinds", "requestBody": empty, **reads}}
    paths["/kinds"] = {"put": {"operationId": "setKinds", "requestBody": empty, **ok}}
    return document


def test_a_credential_of_one_operation_is_named_before_anything_is_sent(tmp_path: Path) -> None:
    with Echo() as server:
        register(tmp_path, only_here(server.url), name="bank")
        assert run("auth", "login", "bank", stdin=f"{KEY}\n").code == 0
        ran = run("ask", "what are the accounts?", "-a", "bank", "--planner", "offline", "-o", "text")
        assert (ran.code, server.received) == (7, [])
    assert "getAccounts needs access_token (The access token of one bank) (add --set access_token=...)" in ran.err


def test_a_read_of_which_no_body_is_described_needs_none_and_a_change_does(tmp_path: Path) -> None:
    spec = load(tmp_path, only_here("http://127.0.0.1:9"))
    required = {tool.operation.id: tool.input_schema.get("required") for tool in nlapi.tools(spec)}
    assert (required["getKinds"], required["setKinds"]) == (None, ["body"])
    assert nlapi.build(spec, "getKinds", {}).content == b"{}"
    with pytest.raises(ArgumentError):
        nlapi.build(spec, "setKinds", {})
