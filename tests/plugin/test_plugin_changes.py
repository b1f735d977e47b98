"""`nlapi plugin check --against`: what a newer description would change, and what of it breaks calls."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

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


def test_an_operation_that_is_called_otherwise_is_told_by_its_new_name(plugin: Path) -> None:
    newer = json.dumps(LIBRARY).replace('"listLoans"', '"listAllLoans"')
    (plugin.parent / "newer.json").write_text(newer)
    ran = run("plugin", "check", str(plugin), "--against", str(plugin.parent / "newer.json"), "-o", "json")
    assert (ran.code, ran.json[0]["hint"]) == (1, "it is called listAllLoans now")


def test_the_same_description_and_its_prose_change_nothing(plugin: Path) -> None:
    assert against(plugin, lambda tree: books(tree)["get"].update(summary="All books")) == (0, [])
