"""Choosing operations, laying overlays over a description, scoring it, and the cache, at the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.kit import run
from tests.describe import parameter, text

PATHS = {
    "/notes": {"get": {"operationId": "listNotes", "summary": "List notes", "tags": ["notes"], "responses": {}}},
    "/users": {"delete": {"operationId": "deleteUsers", "parameters": [parameter("id")], "responses": {}}},
}


@pytest.fixture
def api(tmp_path: Path) -> str:
    path = tmp_path / "api.json"
    path.write_bytes(text(PATHS, servers=[{"url": "https://api.example"}]))
    return str(path)


def layer(folder: Path, *actions: dict[str, Any]) -> str:
    path = folder / "layer.json"
    path.write_text(json.dumps({"overlay": "1.0.0", "info": {}, "actions": actions}))
    return str(path)


def names(*words: str) -> list[str]:
    return [tool["name"] for tool in run("tools", *words).json]


def test_tools_are_chosen_by_filters(api: str) -> None:
    assert names(api, "--include", "tag:notes") == ["listNotes"]
    assert names(api, "--exclude", "method:GET") == ["deleteUsers"]
    assert names(api, "--include", "list*", "--include", "/users") == ["listNotes", "deleteUsers"]


def test_a_filter_that_is_about_nothing_is_told_and_the_rest_is_done(api: str) -> None:
    ran = run("tools", api, "--exclude", "tag:nots")
    assert (ran.code, len(ran.json)) == (0, 2)
    assert "--exclude 'tag:nots' is about no operation" in ran.err
    assert "notes" in ran.err


def test_filters_that_leave_nothing_fail(api: str) -> None:
    ran = run("tools", api, "--include", "tag:none")
    assert (ran.code, ran.json) == (1, [])


def test_definitions_are_deferred_but_for_a_selection(api: str) -> None:
    search, *definitions = run("tools", api, "--defer", "--loaded", "id:list*").json
    assert search["type"] == "tool_search_tool_bm25_20251119"
    assert {tool["name"]: tool.get("defer_loading") for tool in definitions} == {"listNotes": None, "deleteUsers": True}
    assert run("tools", api, "--defer", "--tool-search", "regex").json[0]["name"] == "tool_search_tool_regex"
    assert run("tools", api, "--defer", "--format", "openai-responses").json[0] == {"type": "tool_search"}


def test_deferring_where_it_cannot_be_is_an_error(api: str) -> None:
    for words, message in (
        (("--defer", "--format", "openai"), "the form 'openai' has no tool search"),
        (("--defer", "--format", "openai-responses", "--tool-search", "regex"), "has no tool search 'regex'"),
        (("--loaded", "id:list*"), "give --defer too"),
        (("--tool-search", "regex"), "give --defer too"),
    ):
        ran = run("tools", api, *words)
        assert (ran.code, ran.out) == (2, "")
        assert message in ran.complaint
    assert "--loaded 'tag:nots' is about no operation" in run("tools", api, "--defer", "--loaded", "tag:nots").err


def test_find_looks_among_the_chosen_only(api: str) -> None:
    assert [row["operation"] for row in run("find", api, "users", "--exclude", "id:list*").json] == ["deleteUsers"]
    assert run("find", api, "users", "--include", "tag:notes").code == 1


def test_an_overlay_is_laid_over_the_description(api: str, tmp_path: Path) -> None:
    actions = ({"target": "$.paths['/users']", "remove": True}, {"target": "$.nothing", "remove": True})
    ran = run("tools", api, "--overlay", layer(tmp_path, *actions))
    assert [tool["name"] for tool in ran.json] == ["listNotes"]
    assert "target $.nothing matches nothing" in ran.err
    assert run("find", api, "users", "--overlay", layer(tmp_path, *actions)).code == 1


def test_an_overlay_that_is_none_is_refused(api: str) -> None:
    assert "is not an overlay" in run("tools", api, "--overlay", api).complaint


def test_call_takes_an_overlay(api: str, tmp_path: Path) -> None:
    path = layer(tmp_path, {"target": "$.servers[0].url", "update": "https://other.example"})
    ran = run("call", api, "listNotes", "--overlay", path, "--curl")
    assert "https://other.example/notes" in ran.out


def test_a_registered_api_keeps_its_overlays(api: str, tmp_path: Path) -> None:
    path = layer(tmp_path, {"target": "$.paths['/users']", "remove": True})
    assert run("api", "add", "shop", api, "--overlay", path).code == 0
    assert names("shop") == ["listNotes"]


def test_check_gives_a_score_and_every_issue_for_ci(api: str) -> None:
    ran = run("check", api, "-o", "json")
    found = ran.json
    assert ran.code == 0
    assert found["score"] == 78  # one of two operations undescribed, and the only argument: 100 - 7.5 - 15
    assert found["points_lost"] == {"undescribed": 7.5, "arguments": 15.0}
    assert {issue["rule"] for issue in found["issues"]} >= {"undescribed", "arguments", "standard"}
    assert [issue["rule"] for issue in found["issues"]][:2] == ["arguments", "undescribed"]
    assert "score 78 of 100" in ran.err
    assert "against the OpenAPI standard" in ran.err


@pytest.mark.parametrize(("least", "code"), [("78", 0), ("79", 1)])
def test_a_score_below_the_least_fails(api: str, least: str, code: int) -> None:
    ran = run("check", api, "--min-score", least, "--no-standard")
    assert ran.code == code
    assert ("is below" in ran.err) == bool(code)
    assert "standard" not in ran.err
    assert all(issue["rule"] != "standard" for issue in ran.json["issues"])


def test_an_overlay_can_mend_the_score(api: str, tmp_path: Path) -> None:
    path = layer(
        tmp_path,
        {"target": "$.paths['/users'].delete", "update": {"summary": "Delete a user"}},
        {"target": "$..parameters[?@.name == 'id']", "update": {"description": "Who."}},
    )
    assert run("check", api, "--overlay", path, "--no-standard").json["score"] == 100


def test_what_is_slow_to_read_is_kept_in_the_cache_folder(tmp_path: Path, home: Path) -> None:
    path = tmp_path / "big.json"
    path.write_bytes(text({**PATHS, "/pad": {"get": {"description": "x" * 50_000, "responses": {}}}}))
    first = run("tools", str(path))
    assert len([entry for entry in (home / "cache").iterdir() if entry.is_file()]) == 1
    assert run("tools", str(path)).out == first.out


def test_a_folder_may_be_named_that_the_other_files_are_in(tmp_path: Path) -> None:
    (tmp_path / "v1").mkdir()
    (tmp_path / "common.json").write_text(json.dumps({"get": {"operationId": "listX", "responses": {}}}))
    path = tmp_path / "v1" / "api.json"
    path.write_bytes(text({"/x": {"$ref": "../common.json"}}, servers=[{"url": "https://api.example"}]))
    assert run("tools", str(path)).code == 1
    root = ("--root", str(tmp_path))
    assert names(str(path), *root) == ["listX"]
    assert run("call", str(path), "listX", "--dry-run", *root).code == 0
    assert run("find", str(path), "x", *root).code == 0
    assert run("check", str(path), *root).json["usable"] == 1
    assert run("api", "add", "split", str(path), *root).code == 0
    assert names("split") == ["listX"]


def test_what_is_left_out_on_purpose_is_told(tmp_path: Path) -> None:
    path = tmp_path / "api.json"
    header = parameter("X-HTTP-Method-Override", "header")
    item = {"post": {"operationId": "mk", "parameters": [header], "responses": {}}}
    path.write_bytes(text({"/x": item, "/y": {"get": {"responses": {}}}}, servers=[{"url": "https://api.example"}]))
    ran = run("tools", str(path))
    assert "1 of 2 operations: header 'X-HTTP-Method-Override' is not for callers to set" in ran.err
    assert len(ran.json) == 2
    assert "consent" in run("check", str(path)).out
