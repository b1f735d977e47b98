"""`nlapi plugin check --against`: what a newer description would change, and what of it breaks calls."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import nlapi
from nlapi.errors import Level
from nlapi.openapi.spec import Operation
from nlapi.plugin.file_checks import changes
from tests.cli.conftest import home as home
from tests.cli.kit import run
from tests.plugin.kit import LIBRARY
from tests.plugin.test_plugin_check import plugin as plugin
from tests.plugin.test_plugin_check import source as source

Change = Callable[[dict[str, Any]], Any]


def against(plugin: Path, change: Change) -> tuple[int, list[str]]:
    """Exit code, and the issues as lines, for a description that was changed so."""
    newer = copy.deepcopy(LIBRARY)
    change(newer)
    file = plugin.parent / "newer.json"
    file.write_text(json.dumps(newer))
    ran = run("plugin", "check", str(plugin), "--against", str(file), "-o", "json")
    return ran.code, [f"{one['level']}: {one['where']} {one['message']}" for one in ran.json]


def books(tree: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = tree["paths"]["/books"]
    return found


def schemas(tree: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = tree["components"]["schemas"]
    return found


BREAKING: dict[str, Change] = {
    "listLoans is gone": lambda tree: tree["paths"]["/loans"].pop("get"),
    "listBooks no longer takes `genre`": lambda tree: books(tree)["get"]["parameters"].pop(0),
    "listBooks requires `genre` now": lambda tree: books(tree)["get"]["parameters"][0].update(required=True),
    "listBooks no longer takes `POETRY` for `genre`": lambda tree: books(tree)["get"]["parameters"][0]["schema"][
        "enum"
    ].pop(),
    "listBooks has a maximum of 20 for `limit`, where it was 50": lambda tree: books(tree)["get"]["parameters"][1][
        "schema"
    ].update(maximum=20),
    "listBooks wants `limit` as string, where it was integer": lambda tree: books(tree)["get"]["parameters"][1].update(
        schema={"type": "string"}
    ),
    "addBook requires `labels` now": lambda tree: schemas(tree)["Book"]["required"].append("labels"),
    "addBook requires `shelf.row` now": lambda tree: schemas(tree)["Shelf"]["required"].append("row"),
    "addBook requires `isbn`, which is new": lambda tree: (
        schemas(tree)["Book"]["properties"].update(isbn={"type": "string"}),
        schemas(tree)["Book"]["required"].append("isbn"),
    ),
    "getBook no longer answers with `title`": lambda tree: (
        schemas(tree)["Book"]["properties"].pop("title"),
        schemas(tree)["Book"]["required"].clear(),
    ),
    "getBook is GET /volumes/{book_id} now, where it was GET /books/{book_id}": lambda tree: tree["paths"].update(
        {"/volumes/{book_id}": {**tree["paths"].pop("/books/{book_id}")}}
    ),
}
HARMLESS: dict[str, Change] = {
    "listReaders is new: GET /readers": lambda tree: tree["paths"].update(
        {"/readers": {"get": {"operationId": "listReaders", "responses": {}}}}
    ),
    "listBooks takes `author`, which is new": lambda tree: books(tree)["get"]["parameters"].append(
        {"name": "author", "in": "query", "schema": {"type": "string"}}
    ),
    "listBooks takes `DRAMA` for `genre` as well": lambda tree: books(tree)["get"]["parameters"][0]["schema"][
        "enum"
    ].append("DRAMA"),
    "listBooks takes more kinds of value for `limit`": lambda tree: books(tree)["get"]["parameters"][1][
        "schema"
    ].update(type=["integer", "string"]),
    "listBooks is deprecated now": lambda tree: books(tree)["get"].update(deprecated=True),
    "addBook takes `isbn`, which is new": lambda tree: schemas(tree)["Book"]["properties"].update(
        isbn={"type": "string"}
    ),
}


def shelf(tree: dict[str, Any]) -> dict[str, Any]:
    """What `addBook` takes as the room of a shelf: a schema that is only referred to by what is referred to."""
    rooms = schemas(tree)
    rooms["Room"] = {
        "type": "object",
        "properties": {"floor": {"type": "integer"}, "door": {"oneOf": [{"type": "string"}, {"type": "integer"}]}},
    }
    rooms["Shelf"]["properties"]["rooms"] = {"type": "array", "items": {"$ref": "#/components/schemas/Room"}}
    found: dict[str, Any] = rooms["Room"]["properties"]
    return found


DEEP: dict[str, Change] = {
    "addBook wants `shelf.rooms[].floor` as string, where it was integer": lambda at: at["floor"].update(type="string"),
    "addBook takes fewer kinds of value for `shelf.rooms[].door`": lambda at: at["door"]["oneOf"].pop(),
    "addBook takes for `shelf.rooms[].floor` only `1` now": lambda at: at["floor"].update(const=1),
    "addBook wants `shelf.rooms[].floor` as a multiple of 5": lambda at: at["floor"].update(multipleOf=5),
    "getBook answers with `shelf.rooms[].floor` as string, where it was integer": lambda at: at["floor"].update(
        type="string"
    ),
    "getBook no longer answers with `shelf.rooms[].door`": lambda at: at.pop("door"),
}


@pytest.mark.parametrize("message", DEEP)
def test_what_breaks_deep_in_a_body_or_an_answer_is_found_behind_references(tmp_path: Path, message: str) -> None:
    old, new = copy.deepcopy(LIBRARY), copy.deepcopy(LIBRARY)
    shelf(old)
    DEEP[message](shelf(new))
    before, after = (loaded(tmp_path, tree) for tree in (old, new))
    assert message in [f"{one.where} {one.message}" for one in changes(before, after) if one.level is Level.ERROR]
    assert [*changes(before, before), *changes(after, after)] == []


def loaded(folder: Path, tree: dict[str, Any]) -> tuple[Operation, ...]:
    file = folder / "api.json"
    file.write_text(json.dumps(tree))
    return nlapi.load(file).visible_operations


def test_credentials_break_a_call_only_where_the_old_ones_are_not_enough(tmp_path: Path) -> None:
    def with_security(*ways: dict[str, list[str]]) -> tuple[Operation, ...]:
        tree = copy.deepcopy(LIBRARY)
        schemes = {"other": {"type": "http", "scheme": "basic"}, "oauth": {"type": "oauth2", "flows": {}}}
        tree["components"]["securitySchemes"] |= schemes
        books(tree)["get"]["security"] = list(ways)
        return loaded(tmp_path, tree)

    token = next(iter(LIBRARY["components"]["securitySchemes"]))
    nothing, either, one, other = (
        with_security(*ways) for ways in ((), ({}, {token: []}), ({token: []},), ({"other": []},))
    )
    assert [one.message for one in changes(nothing, one)] == ["needs a credential now"]
    assert [one.message for one in changes(one, other)] == ["needs another credential now"]
    assert [*changes(nothing, either), *changes(one, either), *changes(one, nothing)] == []
    tokens = with_security({token: [], "oauth": []})
    assert [*changes(one, tokens)] == []
    assert [found.message for found in changes(tokens, one)] == ["needs another credential now"]


@pytest.mark.parametrize("message", BREAKING)
def test_what_would_break_a_call_is_an_error(plugin: Path, message: str) -> None:
    code, found = against(plugin, BREAKING[message])
    assert code == 1
    assert f"error: {message}" in found


@pytest.mark.parametrize("message", HARMLESS)
def test_what_would_not_is_told_all_the_same(plugin: Path, message: str) -> None:
    code, found = against(plugin, HARMLESS[message])
    assert code == 0
    assert f"info: {message}" in found


TOGETHER = (
    "listLoans is gone",
    "listBooks requires `genre` now",
    "listBooks no longer takes `POETRY` for `genre`",
    "listBooks has a maximum of 20 for `limit`, where it was 50",
    "listBooks is deprecated now",
    "listBooks takes `author`, which is new",
    "addBook requires `labels` now",
    "addBook requires `shelf.row` now",
    "addBook requires `isbn`, which is new",
    "getBook is GET /volumes/{book_id} now, where it was GET /books/{book_id}",
    "listReaders is new: GET /readers",
)


def test_a_check_names_each_change_at_the_source(plugin: Path) -> None:
    """All at once, as they come: each with its operation and argument, and a moved server too."""
    newer = copy.deepcopy(LIBRARY)
    newer["servers"] = [{"url": "https://moved.example"}]
    for message in TOGETHER:
        {**BREAKING, **HARMLESS}[message](newer)
    file = plugin.parent / "newer.json"
    file.write_text(json.dumps(newer))
    ran = run("plugin", "check", str(plugin), "--source", str(file), "-o", "json")
    found = [f"{one['where']} {one['message']}" for one in ran.json]
    assert ran.code == 1
    assert [message for message in TOGETHER if message not in found] == []
    assert any(text.startswith("every operation") and "moved.example" in text for text in found)


def test_an_operation_that_is_called_otherwise_is_told_by_its_new_name(plugin: Path) -> None:
    newer = json.dumps(LIBRARY).replace('"listLoans"', '"listAllLoans"')
    (plugin.parent / "newer.json").write_text(newer)
    ran = run("plugin", "check", str(plugin), "--against", str(plugin.parent / "newer.json"), "-o", "json")
    assert (ran.code, ran.json[0]["hint"]) == (1, "it is called listAllLoans now")


def test_the_same_description_and_its_prose_change_nothing(plugin: Path) -> None:
    assert against(plugin, lambda tree: books(tree)["get"].update(summary="All books")) == (0, [])


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("https://evil.example/v1", "is sent to https://evil.example/v1 now"),
        ("http://library.example/v1", "is sent to http://library.example/v1 now"),
        ("https://library.example:8443/v1", "is sent to https://library.example:8443/v1 now"),
        ("https://library.example/v2", "is sent to https://library.example/v2 now"),
        ("https://LIBRARY.example:443/v1/", ""),
    ],
)
def test_a_server_that_moves_breaks_every_call(tmp_path: Path, url: str, message: str) -> None:
    def at(*urls: str) -> tuple[Operation, ...]:
        return loaded(tmp_path, {**LIBRARY, "servers": [{"url": url} for url in urls]})

    old = "https://library.example/v1"
    assert [f"{one.where} {one.message}" for one in changes(at(old), at(url))] == (
        [f"every operation {message}, where it was sent to {old}"] if message else []
    )
    assert [one.level for one in changes(at(old, url), at(old))] == ([Level.ERROR] if message else [])
    # The user has named the place: the description sends nowhere.
    assert [*changes(at(old), at(url), with_servers=False)] == []


def test_a_server_of_one_operation_and_an_environment_are_compared(tmp_path: Path) -> None:
    servers = [{"url": "https://a.example"}, {"url": "https://b.example", "description": "Sandbox"}]
    old = loaded(tmp_path, {**LIBRARY, "servers": servers})
    moved = copy.deepcopy({**LIBRARY, "servers": servers})
    books(moved)["get"]["servers"] = [{"url": "https://c.example"}]
    assert [one.where for one in changes(old, loaded(tmp_path, moved)) if "c.example" in one.message] == ["listBooks"]
    other = [servers[0], {**servers[1], "url": "https://d.example"}]
    messages = [one.message for one in changes(old, loaded(tmp_path, {**LIBRARY, "servers": other}))]
    assert "has the environment sandbox at https://d.example now, where it was at https://b.example" in messages


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"type": "apiKey", "in": "header", "name": "X-Key"}, {"type": "apiKey", "in": "query", "name": "X-Key"}),
        ({"type": "http", "scheme": "bearer"}, {"type": "http", "scheme": "basic"}),
        (
            {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "https://a.example/t", "scopes": {}}}},
            {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "https://b.example/t", "scopes": {}}}},
        ),
    ],
)
def test_a_credential_that_goes_elsewhere_breaks_its_calls(
    tmp_path: Path, old: dict[str, Any], new: dict[str, Any]
) -> None:
    def with_scheme(scheme: dict[str, Any]) -> tuple[Operation, ...]:
        tree = copy.deepcopy(LIBRARY)
        tree["components"]["securitySchemes"]["key"] = scheme
        books(tree)["get"]["security"] = [{"key": []}]
        return loaded(tmp_path, tree)

    (issue,) = changes(with_scheme(old), with_scheme(new))
    assert (issue.level, issue.where) == (Level.ERROR, "listBooks")
    assert issue.message.startswith("has the credential 'key' as ")


def test_a_moved_server_is_no_success(plugin: Path) -> None:
    code, found = against(plugin, lambda tree: tree.update(servers=[{"url": "https://evil.example"}]))
    assert code == 1
    assert any("evil.example" in line for line in found)


def test_a_least_length_of_nothing_is_no_bound(plugin: Path) -> None:
    assert against(plugin, lambda tree: books(tree)["get"]["parameters"][0]["schema"].update(minLength=0)) == (0, [])
