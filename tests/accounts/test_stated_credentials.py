"""Logs in to APIs whose descriptions do not say how, and keeps what they say apart from where it goes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.accounts.kit import description, register
from tests.cli.kit import run
from tests.servers import Echo, Received, Reply

KEY = "canary-of-a-stated-key"
BEARER = {"bearer": {"type": "http", "scheme": "bearer"}}
OAUTH = {"type": "oauth2", "flows": {"password": {"tokenUrl": "/token", "scopes": {}}}}


@pytest.fixture(autouse=True)
def _variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", KEY)


class Orders(Echo):
    """An API that lists an order and takes any request."""

    def reply(self, request: Received) -> Reply:
        return Reply(200, {"orders": [{"id": "o1", "name": "Red"}]})


# Ways to state a credential for one command, and the header that the API gets.
STATED = [
    (("--auth", "header:X-Shop-Key=env:KEY"), "x-shop-key", KEY),
    (("-H", f"X-Shop-Key: {KEY}"), "x-shop-key", KEY),
    (("-H", "Authorization: env:KEY"), "authorization", KEY),
    (("--auth", "bearer=env:KEY"), "authorization", f"Bearer {KEY}"),
    (("--auth", "cookie:session=env:KEY"), "cookie", f"session={KEY}"),
]
COMMANDS = [
    ("call", "{api}", "listOrders", "-v"),
    ("call", "{api}", "deleteOrder", "id=o1", "--yes", "-v"),
    ("batch", "{api}", "{rows}", "--yes"),
    ("ask", "list the orders", "-a", "{api}", "--planner", "offline", "-v"),
    ("workflow", "run", "{workflow}", "--yes"),
]


@pytest.mark.parametrize("schemes", [{}, BEARER, {"oauth": OAUTH}], ids=["none", "bearer", "oauth"])
def test_every_command_takes_a_credential_that_no_scheme_has(tmp_path: Path, schemes: dict[str, Any]) -> None:
    with Orders() as api:
        file, rows, workflow = tmp_path / "shop.json", tmp_path / "rows.jsonl", tmp_path / "shop.arazzo.json"
        file.write_text(json.dumps(description(api.url, schemes)))
        step = {"stepId": "one", "operationId": "listOrders", "successCriteria": [{"condition": "$statusCode == 200"}]}
        workflow.write_text(
            json.dumps(
                {
                    "arazzo": "1.0.1",
                    "info": {"title": "Shop", "version": "1"},
                    "sourceDescriptions": [{"name": "shop", "url": str(file), "type": "openapi"}],
                    "workflows": [{"workflowId": "all", "steps": [step]}],
                }
            )
        )
        for number, (options, name, value) in enumerate(STATED):
            for command in COMMANDS:
                row = {"operation": "deleteOrder", "arguments": {"id": f"o{number}"}}
                rows.write_text(json.dumps(row))
                words = [word.format(api=file, rows=rows, workflow=workflow) for word in command]
                before = len(api.received)
                ran = run(*words, *options)
                assert ran.code == 0, (words, options, ran.err)
                assert [request.header(name) for request in api.received[before:]] == [value], (words, options)
                assert KEY not in ran.out + ran.err, (words, options)


def test_a_header_that_is_no_credential_is_shown_and_sent(tmp_path: Path) -> None:
    with Orders() as api:
        register(tmp_path, description(api.url, {}), "-H", "X-Trace: 7")
        shown = run("call", "shop", "deleteOrder", "id=o1", "--curl", "-H", "Accept-Language: de")
        assert "X-Trace: 7" in shown.out
        assert "Accept-Language: de" in shown.out
        assert run("ask", "list the orders", "-a", "shop", "--planner", "offline", "-H", "X-Trace: 8").code == 0
        assert [request.header("x-trace") for request in api.received] == ["8"], "one for this question goes before"
        assert run("api", "edit", "shop", "-H", "X-Trace:").code == 0
        assert "X-Trace" not in run("call", "shop", "listOrders", "--curl").out


def test_a_credential_that_the_user_states_is_stored_and_stays_at_its_api(tmp_path: Path) -> None:
    with Orders() as api, Echo() as elsewhere:
        document = description(api.url, {})
        document["paths"]["/away"] = {
            "servers": [{"url": elsewhere.url}],
            "get": {"operationId": "listAway", "responses": {"200": {"description": "ok"}}},
        }
        register(tmp_path, document)
        refused = run("api", "add", "shop", str(tmp_path / "shop.json"), "-H", f"X-Api-Key: {KEY}")
        assert (refused.code, KEY in refused.err) == (2, False), "the file of registrations is none for secrets"
        assert run("auth", "login", "shop", "header:X-Shop-Key", stdin=f"{KEY}\n").code == 0
        assert run("call", "shop", "listOrders").code == 0
        assert api.received[-1].header("x-shop-key") == KEY
        assert run("call", "shop", "listAway").code == 0
        assert KEY not in str(elsewhere.received), "another origin gets nothing"
        refused = run("call", "shop", "listOrders", "--base-url", elsewhere.url)
        assert (refused.code, len(elsewhere.received)) == (2, 1)
        assert run("api", "edit", "shop", "--base-url", elsewhere.url).code == 0
        assert run("call", "shop", "listOrders").code == 0
        assert elsewhere.received[-1].header("x-shop-key") == KEY, "the user has named it for this API"


def test_a_login_before_the_base_url_is_for_the_first_one_that_is_named(tmp_path: Path) -> None:
    with Orders() as api, Echo() as elsewhere:
        register(tmp_path, {**description("", BEARER), "servers": [{"url": "/v1"}]})
        stored = run("auth", "login", "shop", stdin=f"{KEY}\n")
        assert "--base-url" in stored.err
        assert run("call", "shop", "listOrders", "--base-url", api.url).code == 0
        assert api.received[-1].header("authorization") == f"Bearer {KEY}"
        refused = run("call", "shop", "listOrders", "--base-url", elsewhere.url)
        assert (refused.code, elsewhere.received) == (2, [])
        assert f"`nlapi api edit shop --base-url {elsewhere.url}` lets it go there" in refused.complaint


def test_an_access_token_is_one_whatever_kind_of_scheme_an_operation_names(tmp_path: Path) -> None:
    with Orders() as api:
        document = description(api.url, {"oauth": OAUTH, "other": {"type": "http", "scheme": "bearer"}, **BEARER})
        document["security"] = [{"oauth": []}]
        document["paths"]["/orders/{id}"]["delete"]["security"] = [{"other": []}]
        file = tmp_path / "shop.json"
        file.write_text(json.dumps(document))
        assert run("call", str(file), "listOrders", "--auth", "other=env:KEY").code == 0
        assert api.received[-1].header("authorization") == f"Bearer {KEY}"
        both = ("--auth", "bearer=env:KEY", "--auth", "other=env:KEY")
        assert run("call", str(file), "listOrders", *both).code == 2, "which of the two is not known"
        refused = run("call", str(file), "deleteOrder", "id=o1", "--auth", "bearer=env:KEY", "--yes")
        assert (refused.code, len(api.received)) == (2, 1), "two bearer schemes of one API are two tokens"


def test_what_would_make_another_request_is_no_credential(tmp_path: Path) -> None:
    with Orders() as api:
        file = tmp_path / "shop.json"
        file.write_text(json.dumps(description(api.url, {})))
        for id in ("header:X-HTTP-Method-Override", "header:Host", "header:a b", "body:key", "shop"):
            refused = run("call", str(file), "listOrders", "--auth", f"{id}=DELETE")
            assert (refused.code, api.received) == (2, []), id


class TokenServer(Echo):
    """Gives a token for a password: by a form, or with JSON alone, and says of neither that it is a bearer token."""

    form = True

    def reply(self, request: Received) -> Reply:
        if request.path != "/token":
            return Reply(200, {"orders": []})
        if self.form != str(request.header("content-type")).startswith("application/x-www-form-urlencoded"):
            return Reply(422, {"detail": [{"loc": ["body"], "msg": "Input should be a valid dictionary"}]})
        # Of servers that leave the type out, some write it as null.
        return Reply(201, {"access_token": KEY} if self.form else {"access_token": KEY, "token_type": None})


@pytest.mark.parametrize("form", [True, False])
def test_a_password_is_exchanged_for_a_token_and_forgotten(tmp_path: Path, config: Path, form: bool) -> None:
    with TokenServer() as server:
        server.form = form
        # Of a description in a file, a relative address is where the user says that the API runs.
        schemes = {"bearer": {"type": "http", "scheme": "bearer"}, "oauth": OAUTH}
        either = {"servers": [], "security": [{"bearer": []}, {"oauth": []}]}
        register(tmp_path, {**description("", schemes), **either}, "--base-url", server.url)
        ran = run("auth", "login", "shop", "--flow", "password", stdin="ada:hunter22\n")
        assert ran.code == 0, ran.err
        assert f"warning: Shop takes the password itself, which goes to {server.url}" in ran.err
        assert "hunter22" not in ran.err + "".join(file.read_text() for file in config.rglob("*.*") if file.is_file())
        body = server.received[-1].body
        assert body == (
            b"grant_type=password&username=ada&password=hunter22"
            if form
            else b'{"username": "ada", "password": "hunter22"}'
        )
        assert run("call", "shop", "listOrders").code == 0
        assert server.received[-1].header("authorization") == f"Bearer {KEY}"
