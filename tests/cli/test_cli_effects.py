"""A POST that reads by evidence: listed with the reasons, sent without a question, and pinned by an overlay."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

import nlapi
from nlapi.openapi.spec import Effect
from nlapi.plugin.build import PROPOSED_EFFECTS
from nlapi.plugin.user_files import EFFECTS
from nlapi.sandbox import running
from tests.cli.kit import run
from tests.mcp.kit import User, call, served, talk, text
from tests.servers import Echo, Reply

ITEMS = {"type": "object", "properties": {"items": {"type": "array", "items": {"type": "object"}}}}


def posts(operation_id: str, summary: str, **properties: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties}
    return {
        "post": {
            "operationId": operation_id,
            "summary": summary,
            "requestBody": {"content": {"application/json": {"schema": schema}}},
            "responses": {"200": {"description": "ok", "content": {"application/json": {"schema": ITEMS}}}},
        }
    }


PATHS = {
    "/orders/search": posts("searchOrders", "Search orders", query={"type": "string"}),
    "/orders": posts("createOrder", "Create an order", sku={"type": "string"}),
}


def described(folder: Path, url: str = "http://127.0.0.1:9", **paths: Any) -> str:
    """The path of a description with a search and a creation."""
    tree = {"openapi": "3.1.0", "info": {"title": "Shop", "version": "1"}, "servers": [{"url": url}]}
    file = folder / "shop.json"
    file.write_text(json.dumps({**tree, "paths": {**PATHS, **paths}}))
    return str(file)


def test_check_lists_them_with_the_reasons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = described(tmp_path)
    (read,) = run("check", source, "--no-standard").json["reads_by_evidence"]
    assert (read["operation"], read["request"]) == ("searchOrders", "POST /orders/search")
    assert read["why"][0] == "its name, summary and path say `search`"
    monkeypatch.setenv("COLUMNS", "120")
    shown = run("check", source, "--no-standard", "-o", "table")
    assert "POST /orders/search   its name, summary and path say `search`" in shown.out
    assert "1 POST classified as read, and sent without a question" in shown.err


def test_check_tells_of_a_stated_read_that_is_not_believed(tmp_path: Path) -> None:
    stated = {"post": {**PATHS["/orders"]["post"], "x-nlapi-effect": "read"}}
    checked = run("check", described(tmp_path, **{"/orders": stated}), "--no-standard").json
    (issue,) = [issue for issue in checked["issues"] if issue["rule"] == "effect"]
    assert (issue["level"], issue["where"]) == ("warning", "paths./orders.post")


def test_a_read_is_sent_unasked_and_a_change_is_not(tmp_path: Path) -> None:
    with Echo(Reply(200, {"items": []})) as api:
        source = described(tmp_path, api.url)
        assert run("call", source, "searchOrders", "query=tea").code == 0
        assert run("call", source, "createOrder", "sku=tea").code == 6
        assert api.only.json() == {"query": "tea"}


def test_a_post_that_reads_is_not_sent_again(tmp_path: Path) -> None:
    busy = Reply(503, headers=(("Retry-After", "0"),))
    get = {"get": {"operationId": "listOrders", "responses": {"200": {"description": "ok"}}}}
    with Echo([busy, Reply(200, {"items": []})]) as api:
        source = described(tmp_path, api.url, **{"/orders": {**PATHS["/orders"], **get}})
        assert run("call", source, "searchOrders", "query=tea").code != 0
        assert len(api.received) == 1
    with Echo([busy, Reply(200, {"items": []})]) as api:
        source = described(tmp_path, api.url, **{"/orders": {**PATHS["/orders"], **get}})
        assert run("call", source, "listOrders").code == 0
        assert len(api.received) == 2


def test_mcp_offers_it_as_a_read(tmp_path: Path) -> None:
    many = {
        f"/t{n}": {"get": {"operationId": f"getT{n}", "responses": {"200": {"description": "ok"}}}} for n in range(60)
    }
    with Echo(Reply(200, {"items": []})) as api:
        small, large = nlapi.load(described(tmp_path)), nlapi.load(described(tmp_path, **many))
        tools = talk(served(small, api.url), lambda client: client.list_tools(), user=User()).tools
        hints = {tool.name: tool.annotations.read_only_hint for tool in tools}
        assert hints == {"result": True, "plan": None, "searchOrders": True, "createOrder": False}
        asked = served(large, api.url, consent="never")
        read = call(asked, "read", {"operation": "searchOrders", "arguments": {"query": "tea"}})
        assert not read.is_error
        assert "createOrder" not in text(call(asked, "find", {"words": "create an order"}))


def test_what_is_accepted_is_pinned(tmp_path: Path, home: Path) -> None:
    source, file = described(tmp_path), home / "config" / "effects" / "shop.overlay.yaml"
    added = run("api", "add", "shop", source)
    assert added.code == 0
    assert str(file) in added.err
    assert "`nlapi api accept shop` pins them" in added.err
    assert "$.paths['/orders/search'].post" in file.read_text()
    assert "1 POST pinned as read" in run("api", "accept", "shop").err
    assert run("check", "shop", "--no-standard").json["reads_by_evidence"] == []
    described(tmp_path, **{"/carts/search": posts("searchCarts", "Search carts", query={"type": "string"})})
    assert run("call", "shop", "searchCarts", "query=tea").code == 6
    assert "accepted already" in run("api", "accept", "shop").complaint
    assert "its accepted reads stay" in run("api", "add", "shop", source).err
    assert run("call", "shop", "searchCarts", "query=tea").code == 6
    assert run("api", "remove", "shop").code == 0
    assert not file.exists()


def test_an_edited_proposal_is_what_is_accepted(tmp_path: Path, home: Path) -> None:
    run("api", "add", "shop", described(tmp_path))
    file = home / "config" / "effects" / "shop.overlay.yaml"
    kept, _, _ = file.read_text().partition("- target: $.paths")
    file.write_text(kept)
    assert "0 POSTs pinned as read" in run("api", "accept", "shop").err
    assert run("call", "shop", "searchOrders", "query=tea").code == 6


@pytest.mark.parametrize(
    ("name", "said"),
    [("nothing", "no API is registered as 'nothing'"), ("plain", "no POST that is a read by evidence")],
)
def test_what_cannot_be_accepted_is_told(tmp_path: Path, name: str, said: str) -> None:
    added = run("api", "add", "plain", described(tmp_path, **{"/orders/search": PATHS["/orders"]}))
    assert "accept" not in added.err
    assert said in run("api", "accept", name).complaint


def test_a_plugin_calls_it_a_read_and_its_proposal_is_accepted_by_a_new_name(tmp_path: Path) -> None:
    source, folder = described(tmp_path), tmp_path / "plugin"
    built = run("plugin", "build", source, "-o", str(folder), "--name", "shop")
    assert str(folder / PROPOSED_EFFECTS) in built.err
    assert "read: `POST /orders/search`" in "\n".join(file.read_text() for file in folder.rglob("*.md"))
    assert run("plugin", "check", str(folder)).code == 0
    event = {"tool_name": "Bash", "tool_input": {"command": "nlapi-shop searchOrders query=tea"}}
    assert run("plugin", "consent", str(folder), stdin=json.dumps(event)).out == ""
    event["tool_input"] = {"command": "nlapi-shop createOrder sku=tea --yes"}
    assert json.loads(run("plugin", "consent", str(folder), stdin=json.dumps(event)).out)["hookSpecificOutput"]
    (folder / PROPOSED_EFFECTS).rename(folder / EFFECTS)
    assert run("plugin", "build", source, "-o", str(folder), "--name", "shop").code == 0
    assert not (folder / PROPOSED_EFFECTS).exists()
    assert run("plugin", "check", str(folder)).code == 0
    bundled = nlapi.load(folder / "api" / "openapi.json")
    assert bundled.states_effects
    assert [one.id for one in bundled.operations if one.effect is Effect.READ] == ["searchOrders"]


def test_the_sandbox_changes_nothing_by_it(tmp_path: Path) -> None:
    order = {"type": "object", "properties": {"id": {"type": "string"}, "sku": {"type": "string"}}, "required": ["id"]}

    def answers(schema: Any) -> dict[str, Any]:
        return {"responses": {"200": {"description": "ok", "content": {"application/json": {"schema": schema}}}}}

    found = {"type": "object", "properties": {"items": {"type": "array", "items": order}}}
    named = {"parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}]}
    fetches = {"operationId": "fetchOrder", "summary": "Fetch an order with its fields"}
    changed = posts("", "", sku={"type": "string"})["post"]["requestBody"]
    paths = {
        "/orders": {"get": {"operationId": "listOrders", **answers(found)}, "post": PATHS["/orders"]["post"]},
        "/orders/{id}": {"get": {"operationId": "getOrder", **answers(order)}, **named},
        "/orders/{id}/fetch": {"post": {**fetches, "requestBody": changed, **answers(order)}, **named},
    }
    spec = nlapi.load(described(tmp_path, **paths))
    assert spec.operation("fetchOrder").effect is Effect.READ
    with running(spec) as server, httpx2.Client(base_url=server.url) as http:
        before = http.get("/orders").json()["items"]
        assert http.post(f"/orders/{before[0]['id']}/fetch", json={"sku": "another"}).is_success
        assert http.post("/orders/search", json={"query": "tea"}).is_success
        assert http.get("/orders").json()["items"] == before
