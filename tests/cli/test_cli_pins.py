"""What a registered description may become without a word, and what stops a call until its user accepts it."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import nlapi
from nlapi.cli.target import load, load_anew
from nlapi.errors import ConsentError
from tests.cli.kit import run
from tests.servers import Echo, Reply

Tree = dict[str, Any]
Edit = Callable[[Tree], object]
TOKEN = "t0ken-of-the-shop"


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_TOKEN", TOKEN)
    for kind in ("CONFIG", "CACHE", "STATE"):
        monkeypatch.setenv(f"NLAPI_{kind}_DIR", str(tmp_path / kind.lower()))


@pytest.fixture
def api() -> Iterator[Echo]:
    with Echo(lambda request: Reply(200, {"data": []})) as server:
        yield server


@pytest.fixture
def elsewhere() -> Iterator[Echo]:
    with Echo(lambda request: Reply(200, {"data": []})) as server:
        yield server


def described(url: str) -> Tree:
    ok = {"responses": {"200": {"description": "ok"}}}
    body = {"requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Shop", "version": "1"},
        "servers": [{"url": url}],
        "security": [{"key": []}],
        "paths": {
            "/items": {
                "get": {"operationId": "listItems", **ok},
                "post": {"operationId": "postItems", **body, **ok},
            },
            "/items/{id}": {
                "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
                "delete": {"operationId": "deleteItem", **ok},
            },
        },
        "components": {"securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}},
    }


@pytest.fixture
def shop(tmp_path: Path, api: Echo) -> Callable[[Edit], None]:
    """A registered API, and what edits its description."""
    file, tree = tmp_path / "shop.json", described(api.url)
    file.write_text(json.dumps(tree))
    assert run("api", "add", "shop", str(file), "--auth", "key=env:SHOP_TOKEN").code == 0

    def edit(change: Edit) -> None:
        changed = copy.deepcopy(tree)
        change(changed)
        file.write_text(json.dumps(changed))

    return edit


def node(tree: Tree, path: str, method: str) -> Tree:
    found: Tree = tree["paths"][path][method]
    return found


def swap_ids(tree: Tree, *places: tuple[str, str]) -> None:
    first, second = (node(tree, *place) for place in places)
    first["operationId"], second["operationId"] = second["operationId"], first["operationId"]


STOPS: dict[str, tuple[Edit, str]] = {
    "another server": (lambda tree: tree.update(servers=[{"url": "ELSEWHERE"}]), "it sends to ELSEWHERE"),
    "a server of a path": (
        lambda tree: tree["paths"]["/items"].update(servers=[{"url": "ELSEWHERE/v2"}]), "it sends to ELSEWHERE"),
    "a variable of a server": (
        lambda tree: tree.update(servers=[{"url": "{site}", "variables": {"site": {"default": "ELSEWHERE"}}}]),
        "it sends to ELSEWHERE"),
    "a change that is called a read": (
        lambda tree: node(tree, "/items", "post").update({"x-nlapi-effect": "read"}),
        "POST /items was a write, and is called a read"),
    "a removal that is called a write": (
        lambda tree: node(tree, "/items/{id}", "delete").update({"x-nlapi-effect": "write"}),
        "DELETE /items/{id} was a destroy, and is called a write"),
    "a new change": (
        lambda tree: tree["paths"].update({"/pay": {"post": {"operationId": "pay", "responses": {}}}}),
        "a new change: pay (write), which was not described when you accepted it (POST /pay)"),
    "a new method": (
        lambda tree: tree["paths"]["/items/{id}"].update(put={"operationId": "put", "responses": {}}),
        "a new change: put (write), which was not described when you accepted it (PUT /items/{id})"),
    "another credential": (
        lambda tree: tree["components"]["securitySchemes"].update(
            more={"type": "apiKey", "in": "query", "name": "k"}),
        "it wants a credential 'more': apiKey in the query k"),
    "another place for tokens": (
        lambda tree: tree["components"]["securitySchemes"].update(
            o={"type": "oauth2", "flows": {"deviceAuthorization": {"deviceAuthorizationUrl": "https://x.test/d"}}}),
        "it wants a credential 'o': oauth2 https://x.test/d"),
    "a change by the name of a read": (
        lambda tree: swap_ids(tree, ("/items", "get"), ("/items/{id}", "delete")),
        "DELETE /items/{id} was named 'deleteItem', and is named 'listItems'"),
    "a change by another name": (
        lambda tree: node(tree, "/items/{id}", "delete").update(operationId="removeItem"),
        "DELETE /items/{id} was named 'deleteItem', and is named 'removeItem'"),
    "a change by the tool of a read": (
        lambda tree: node(tree, "/items/{id}", "delete").update({"x-nlapi-name": "listItems"}),
        "DELETE /items/{id} was named 'deleteItem', and is named 'deleteItem (tool listItems)'"),
    "a credential at another place": (
        lambda tree: tree["components"]["securitySchemes"].update(key={"type": "apiKey", "in": "query", "name": "t"}),
        "the credential 'key' was http bearer, and is apiKey in the query t"),
}  # fmt: skip


@pytest.mark.parametrize("name", STOPS)
def test_what_is_added_or_lessened_stops_every_call_until_it_is_accepted(
    name: str, shop: Callable[[Edit], None], api: Echo, elsewhere: Echo
) -> None:
    edit, message = STOPS[name]
    message = message.replace("ELSEWHERE", elsewhere.url)

    def change(tree: Tree) -> None:
        edit(tree)
        text = json.dumps(tree).replace("ELSEWHERE", elsewhere.url)
        tree.clear()
        tree.update(json.loads(text))

    shop(change)
    for words in (("call", "shop", "listItems"), ("ask", "list the items", "-a", "shop", "--planner", "offline")):
        stopped = run(*words)
        assert stopped.code == 6, stopped.err
        assert message in stopped.complaint
        assert "nlapi api update shop" in stopped.complaint
    with pytest.raises(ConsentError, match="has changed since you registered it"):
        nlapi.call(nlapi.load("shop"), "listItems")
    assert (api.received, elsewhere.received) == ([], [])
    accepted = run("api", "update", "shop")
    assert accepted.code == 0
    assert message in accepted.out.splitlines()
    assert run("api", "update", "shop").out == ""
    # A credential is not given then, or not for that place.
    if "credential" not in name and "path" not in name and "a read" not in name:
        assert run("call", "shop", "listItems").code == 0


SPELLINGS = ("/items/", "/items#find", "/items?find", "/{kind}", "/Items", "/%69tems", "/items;v=1", "/elsewhere")


@pytest.mark.parametrize("path", SPELLINGS)
@pytest.mark.parametrize("statement", [{"x-nlapi-effect": "read"}, {"summary": "Search items"}])
def test_a_post_that_was_not_accepted_is_a_change_whatever_it_says(
    path: str, statement: Tree, shop: Callable[[Edit], None], api: Echo
) -> None:
    search: Tree = {"operationId": "searchItems", "responses": {"200": {"description": "ok"}}, **statement}
    if "{kind}" in path:
        search["parameters"] = [{"name": "kind", "in": "path", "required": True, "schema": {"const": "items"}}]
    shop(lambda tree: tree["paths"].update({path: {"post": search}}))
    stopped = run("call", "shop", "searchItems", *(["kind=items"] if "{kind}" in path else []))
    assert stopped.code == 6
    assert "a new change: searchItems" in stopped.complaint
    assert run("call", "shop", "listItems").code == 6
    assert api.received == []
    assert run("api", "update", "shop").code == 0
    assert run("call", "shop", "listItems").code == 0


def search_at(tree: Tree, path: str, **more: Any) -> None:
    names = [name for name in ("kind", "id") if f"{{{name}}}" in path]
    tree["paths"][path] = {
        "post": {
            "operationId": "searchItems",
            "x-nlapi-effect": "read",
            "parameters": [
                {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names
            ],
            "responses": {"200": {"description": "ok"}},
            **more,
        }
    }


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda tree: tree["servers"][0].update(url=tree["servers"][0]["url"] + "/items"), "POST /search went to"),
        (lambda tree: node(tree, "/search", "post").update(servers=[{"url": tree["servers"][0]["url"] + "/pay"}]),
         "POST /search went to"),
        (lambda tree: tree["paths"].update({"/SEARCH/": tree["paths"].pop("/search")}), "a new change: searchItems"),
    ],
)  # fmt: skip
def test_an_accepted_read_by_post_stays_where_it_was(
    edit: Edit, message: str, shop: Callable[[Edit], None], api: Echo
) -> None:
    shop(lambda tree: search_at(tree, "/search"))
    assert run("api", "update", "shop").code == 0
    assert run("call", "shop", "searchItems").code == 0
    sent = len(api.received)

    def change(tree: Tree) -> None:
        search_at(tree, "/search")
        edit(tree)

    shop(change)
    stopped = run("call", "shop", "searchItems")
    assert stopped.code == 6
    assert message in stopped.complaint
    assert len(api.received) == sent


@pytest.mark.parametrize("kind", ["items", "Items", "ITEMS", "items;x=1"])
def test_a_read_whose_request_is_that_of_a_change_is_one(kind: str, shop: Callable[[Edit], None], api: Echo) -> None:
    shop(lambda tree: search_at(tree, "/{kind}"))
    assert run("api", "update", "shop").code == 0
    assert run("call", "shop", "searchItems", "kind=books").code == 0
    stopped = run("call", "shop", "searchItems", f"kind={kind}")
    assert stopped.code == 6, stopped.err
    assert "would write something" in stopped.complaint
    assert len(api.received) == 1
    # What a rule denies is not reached by another path either.
    file = Path(os.environ["NLAPI_CONFIG_DIR"]) / "policy.toml"
    file.write_text('[[rules]]\napi = "shop"\noperation = "postItems"\nverdict = "deny"\n')
    assert run("call", "shop", "searchItems", f"kind={kind}", "--yes").code == 6
    assert run("call", "shop", "searchItems", "kind=books").code == 0
    assert len(api.received) == 2


def test_a_batch_sends_no_change_again_that_is_described_as_a_read(
    shop: Callable[[Edit], None], api: Echo, tmp_path: Path
) -> None:
    shop(lambda tree: search_at(tree, "/{kind}"))
    assert run("api", "update", "shop").code == 0
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps({"operation": "searchItems", "arguments": {"kind": "items"}}) + "\n")
    for _ in range(2):
        assert run("batch", "shop", str(rows), "--yes").code == 0
    assert len(api.received) == 1


@pytest.mark.parametrize(("path", "words"), [("/v1/items", []), ("/{kind}/{id}", ["kind=v1", "id=items"])])
def test_a_server_of_its_own_leads_no_read_to_a_change(
    path: str, words: list[str], shop: Callable[[Edit], None], api: Echo
) -> None:
    def change(tree: Tree) -> None:
        search_at(tree, path, servers=[{"url": api.url}])
        tree["servers"] = [{"url": f"{api.url}/v1"}]

    shop(change)
    assert run("api", "update", "shop").code == 0
    assert run("call", "shop", "searchItems", *words).code == 6
    file = Path(os.environ["NLAPI_CONFIG_DIR"]) / "policy.toml"
    file.write_text('[[rules]]\napi = "shop"\noperation = "postItems"\nverdict = "deny"\n')
    assert run("call", "shop", "searchItems", *words, "--yes").code == 6
    assert api.received == []
    assert run("call", "shop", "listItems").code == 0


def test_a_change_that_is_described_no_longer_is_not_reached_by_a_read(shop: Callable[[Edit], None], api: Echo) -> None:
    shop(lambda tree: search_at(tree, "/{kind}"))
    assert run("api", "update", "shop").code == 0

    def change(tree: Tree) -> None:
        search_at(tree, "/{kind}")
        tree["paths"]["/items"].pop("post")

    shop(change)
    stopped = run("call", "shop", "searchItems", "kind=items")
    assert stopped.code == 6
    assert "POST /items is described no longer" in stopped.complaint
    assert api.received == []


def test_an_argument_that_made_a_change_makes_one_until_the_user_accepts_another_text(
    shop: Callable[[Edit], None], api: Echo
) -> None:
    def muted(text: str) -> Edit:
        argument = {"name": "recheck", "in": "query", "description": text, "schema": {"type": "boolean"}}
        return lambda tree: node(tree, "/items", "get").update(parameters=[argument])

    shop(muted("Recheck all items"))
    assert run("api", "update", "shop").code == 0
    assert run("call", "shop", "listItems", "recheck=true").code == 6
    shop(muted("Whether the answer includes results of the last recheck"))
    stopped = run("call", "shop", "listItems", "recheck=true")
    assert stopped.code == 6
    assert "recheck of GET /items made a change of it, and is said to only read" in stopped.complaint
    assert api.received == []


def test_a_pin_of_an_earlier_version_is_read_and_held_to_the_same(shop: Callable[[Edit], None], api: Echo) -> None:
    shop(lambda tree: search_at(tree, "/search"))
    assert run("api", "update", "shop").code == 0
    (file,) = (Path(os.environ["NLAPI_CONFIG_DIR"]) / "pins").iterdir()
    pin = {key: value for key, value in json.loads(file.read_text()).items() if key not in ("wires", "arguments")}
    file.write_text(json.dumps(pin))

    def change(path: str) -> Edit:
        def edit(tree: Tree) -> None:
            search_at(tree, "/search")
            tree["paths"]["/new"] = {"get": {"operationId": "new", "responses": {}}}
            if path:
                tree["paths"][path] = {"post": {"operationId": "more", "x-nlapi-effect": "read", "responses": {}}}

        return edit

    shop(change(""))
    assert run("call", "shop", "searchItems").code == 0
    shop(change("/items/"))
    assert run("call", "shop", "searchItems").code == 6
    assert len(api.received) == 1


HARMLESS: dict[str, Edit] = {
    "texts": lambda tree: tree["info"].update(description="New words.", version="2"),
    "a new read": lambda tree: tree["paths"].update({"/new": {"get": {"operationId": "new", "responses": {}}}}),
    "a change that is gone": lambda tree: tree["paths"]["/items"].pop("post"),
    "a read that is called a change": lambda tree: node(tree, "/items", "get").update({"x-nlapi-effect": "write"}),
    "an argument": lambda tree: node(tree, "/items", "get").update(
        parameters=[{"name": "q", "in": "query", "schema": {"type": "string"}}]
    ),
    "another path of the same server": lambda tree: tree["servers"][0].update(url=tree["servers"][0]["url"] + "/v2"),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_harmless_changes_pass(name: str, shop: Callable[[Edit], None], api: Echo) -> None:
    shop(HARMLESS[name])
    words = ("--yes",) if name == "a read that is called a change" else ()
    called = run("call", "shop", "listItems", *words)
    assert called.code == 0, called.err
    assert len(api.received) == 1
    assert run("api", "update", "shop").out == ""


@pytest.mark.parametrize("servers", [[], [{"url": "/"}], [{"url": "/v2"}]])
def test_a_description_that_names_no_server_any_more_says_so(
    servers: list[Tree], shop: Callable[[Edit], None], api: Echo
) -> None:
    shop(lambda tree: tree.update(servers=servers))
    answer = run("call", "shop", "listItems")
    assert (answer.code, api.received) == (2, [])
    assert "--base-url" in answer.err


def test_a_place_that_the_user_named_stays_the_place(shop: Callable[[Edit], None], api: Echo, elsewhere: Echo) -> None:
    shop(lambda tree: tree.update(servers=[{"url": elsewhere.url}]))
    assert run("call", "shop", "listItems", "--base-url", api.url).code == 0
    assert elsewhere.received == []
    # Its other changes stop all the same.
    shop(lambda tree: node(tree, "/items", "post").update({"x-nlapi-effect": "read"}))
    assert run("call", "shop", "postItems", "--base-url", api.url).code == 6


def test_an_environment_of_the_description_is_no_place_that_the_user_named(
    shop: Callable[[Edit], None], api: Echo, elsewhere: Echo
) -> None:
    def at(url: str) -> Edit:
        servers = [{"url": api.url, "description": "Production"}, {"url": url, "description": "Sandbox"}]
        return lambda tree: tree.update(servers=servers)

    shop(at(api.url))
    assert run("api", "update", "shop").code == 0
    assert run("call", "shop", "listItems", "--env", "sandbox").code == 0
    shop(at(elsewhere.url))
    for words in (("call", "shop", "listItems"), ("auth", "login", "shop", "--token", "env:SHOP_TOKEN")):
        stopped = run(*words, "--env", "sandbox")
        assert stopped.code == 6, stopped.err
        assert f"the environment sandbox was at {api.url}, and is at {elsewhere.url}" in stopped.complaint
    # What the user says of an environment goes before the description.
    assert run("api", "edit", "shop", "--environment", f"sandbox={api.url}").code == 0
    assert run("call", "shop", "listItems", "--env", "sandbox").code == 0
    assert elsewhere.received == []


def test_a_choice_of_a_server_variable_is_pinned_too(shop: Callable[[Edit], None], api: Echo, elsewhere: Echo) -> None:
    def choices(*ports: int) -> Edit:
        variable = {"default": str(api.port), "enum": list(map(str, ports))}
        return lambda tree: tree.update(servers=[{"url": "http://127.0.0.1:{env}", "variables": {"env": variable}}])

    shop(choices(api.port))
    assert run("api", "update", "shop").code == 0
    shop(choices(api.port, elsewhere.port))
    assert run("call", "shop", "listItems", "--env", str(elsewhere.port)).code == 6
    assert elsewhere.received == []


def test_the_place_that_gets_credentials_and_the_first_server_are_pinned(
    shop: Callable[[Edit], None], api: Echo, elsewhere: Echo
) -> None:
    def with_uploads(tree: Tree) -> None:
        node(tree, "/items", "get").update(servers=[{"url": elsewhere.url}])

    shop(with_uploads)
    assert run("api", "update", "shop").code == 0
    for servers, message in (
        ([api.url, elsewhere.url], f"it sends credentials to {elsewhere.url}"),
        ([elsewhere.url], f"calls went to {api.url}, and go to {elsewhere.url}"),
    ):
        shop(lambda tree, urls=servers: (with_uploads(tree), tree.update(servers=[{"url": url} for url in urls])))  # type: ignore[misc]
        stopped = run("call", "shop", "listItems")
        assert (stopped.code, message in stopped.complaint) == (6, True), stopped.err
    assert elsewhere.received == []


def test_what_is_checked_is_what_is_called_also_with_an_overlay(api: Echo, elsewhere: Echo, tmp_path: Path) -> None:
    trees = [described(api.url)] * 2  # each answer of the server is another one
    overlay = tmp_path / "overlay.json"
    action = {"target": "$.info", "update": {"title": "Mine"}}
    overlay.write_text(json.dumps({"overlay": "1.0.0", "info": {"title": "T", "version": "1"}, "actions": [action]}))
    with Echo(lambda request: Reply(200, trees.pop(0))) as docs:
        assert run("api", "add", "far", f"{docs.url}/openapi.json", "--auth", "key=env:SHOP_TOKEN").code == 0
        trees[:] = [described(elsewhere.url), described(api.url)]
        run("call", "far", "listItems", "--overlay", str(overlay))
    assert elsewhere.received == []


def test_an_overlay_of_the_command_is_the_users_own(shop: Callable[[Edit], None], api: Echo, tmp_path: Path) -> None:
    action = {"target": "$.paths['/items'].post", "update": {"x-nlapi-effect": "read"}}
    overlay = tmp_path / "overlay.json"
    overlay.write_text(json.dumps({"overlay": "1.0.0", "info": {"title": "T", "version": "1"}, "actions": [action]}))
    assert run("call", "shop", "postItems", "--overlay", str(overlay)).code == 0
    shop(lambda tree: tree["paths"].update({"/pay": {"post": {"operationId": "pay", "responses": {}}}}))
    assert run("call", "shop", "postItems", "--overlay", str(overlay)).code == 6


def test_a_description_at_a_url_is_pinned_too(api: Echo, elsewhere: Echo) -> None:
    served = [described(api.url)]
    with Echo(lambda request: Reply(200, served[-1])) as docs:
        source = f"{docs.url}/openapi.json"
        run("api", "add", "far", source, "--auth", "key=env:SHOP_TOKEN", "--base-url", api.url)
        assert run("call", "far", "listItems").code == 0
        changed = copy.deepcopy(served[0])
        changed["paths"]["/items"]["post"]["x-nlapi-effect"] = "read"
        served.append(changed)
        stopped = run("call", "far", "postItems")
        assert (stopped.code, "called a read" in stopped.err) == (6, True)
    assert [request.method for request in api.received] == ["GET"]


def test_what_a_running_server_reads_again_is_held_to_it_too(
    shop: Callable[[Edit], None], api: Echo, elsewhere: Echo
) -> None:
    """`nlapi mcp --watch`: the old description stays, with the credential where it was."""
    served = load("shop")
    shop(lambda tree: tree.update(servers=[{"url": elsewhere.url}]))
    with pytest.raises(ConsentError, match="it sends to"):
        load_anew("shop", None, None, served, None)
    shop(lambda tree: tree["info"].update(version="2"))
    assert load_anew("shop", None, None, served, None).version == "2"


def test_a_url_that_a_running_server_reads_again_is_held_to_what_is_served() -> None:
    tree = described("http://127.0.0.1:9")
    with Echo(lambda request: Reply(200, tree)) as server:
        url = f"{server.url}/openapi.json"
        served = load(url)
        tree["paths"]["/more"] = {"get": {"operationId": "more", "responses": {"200": {"description": "ok"}}}}
        assert len(load_anew(url, None, None, served, None).operations) == 4
        tree["paths"]["/more"]["delete"] = {"operationId": "drop", "responses": {"200": {"description": "ok"}}}
        with pytest.raises(ConsentError, match=r"a new change: drop \(destroy\).*DELETE /more"):
            load_anew(url, None, None, served, None)


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"sha256": 5}', "\x00"])
def test_a_damaged_pin_stops_and_is_written_anew(
    shop: Callable[[Edit], None], tmp_path: Path, content: str, api: Echo
) -> None:
    (tmp_path / "config" / "pins" / "shop.json").write_text(content)
    assert "nlapi api update shop" in run("call", "shop", "listItems").complaint
    assert run("api", "update", "shop").code == 0
    assert run("call", "shop", "listItems").code == 0


@pytest.mark.parametrize("obstacle", [lambda pin: pin.symlink_to(pin.with_name("gone")), Path.mkdir, os.mkfifo])
def test_a_pin_that_is_no_file_is_no_absent_pin(
    shop: Callable[[Edit], None], tmp_path: Path, obstacle: Callable[[Path], None], api: Echo
) -> None:
    pin = tmp_path / "config" / "pins" / "shop.json"
    pin.unlink()
    obstacle(pin)
    assert "cannot be read" in run("call", "shop", "listItems").complaint
    # Nor under another name, nor where the folder is what leads nowhere.
    run("api", "rename", "shop", "other")
    assert "cannot be read" in run("call", "other", "listItems").complaint
    pin.parent.rename(pin.parent.with_name("before"))
    pin.parent.symlink_to("nowhere")
    assert "it is a link that leads nowhere" in run("call", "other", "listItems").complaint
    assert api.received == []


def test_an_api_without_a_pin_works_and_can_get_one(shop: Callable[[Edit], None], tmp_path: Path, api: Echo) -> None:
    pin = tmp_path / "config" / "pins" / "shop.json"
    pin.unlink()
    assert run("call", "shop", "listItems").code == 0
    assert "is pinned now" in run("api", "update", "shop").err
    assert pin.is_file()
    assert run("api", "remove", "shop").code == 0
    assert not pin.exists()
    assert "no API is registered" in run("api", "update", "shop").complaint


def test_what_ships_with_nlapi_has_no_pin(tmp_path: Path) -> None:
    assert run("api", "add", "mine", "ads").code == 0
    assert not (tmp_path / "config" / "pins" / "mine.json").exists()


def test_a_pin_that_cannot_be_removed_is_one_clear_error(shop: Callable[[Edit], None], tmp_path: Path) -> None:
    pin = tmp_path / "config" / "pins" / "shop.json"
    pin.unlink()
    pin.mkdir()
    assert f"{pin} cannot be removed" in run("api", "remove", "shop").complaint
