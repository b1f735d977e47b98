"""One build for every client: Agent Plugins 1.0 by its published schemas, Codex, Gemini CLI, beside Claude Code."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from nlapi.plugin.file_checks import broken_rules
from nlapi.plugin.portable import GEMINI, MCP_SCHEMA, PORTABLE, PORTABLE_MCP, SCHEMA, portable_faults
from tests.plugin.kit import HOSTILE, LIBRARY, big, plugin_of, spec_of
from tests.strategies import examples
from tests.tables import table

# The schemas that the format publishes are no part of the repository.
PUBLISHED = Path(__file__).parents[3] / "shared" / "data" / "schemas" / "agent-plugins-1.0.0"
FULL = {
    "$schema": SCHEMA,
    "name": "city-library",
    "version": "1.0.0",
    "description": "Books.",
    "author": {"name": "A", "email": "a@library.example", "url": "https://library.example"},
    "homepage": "https://library.example",
    "repository": "https://library.example/r",
    "license": "MIT",
    "keywords": ["books"],
    "extensions": {"example.client": {"setting": True}},
}
SERVERS = {
    "$schema": MCP_SCHEMA,
    "mcpServers": {
        "a": {"type": "stdio", "command": "./bin/a", "args": ["--mcp"], "env": {"A": "b"}, "cwd": "./"},
        "b": {"type": "streamable-http", "url": "https://library.example/mcp", "headers": {"X-A": "b"}},
        "c": {"type": "sse", "url": "http://127.0.0.1:8000/sse"},
    },
}


def schema(name: str) -> Draft202012Validator:
    file = PUBLISHED / f"{name}.schema.json"
    if not file.is_file():
        pytest.skip(f"the published schemas are not beside the repository: {PUBLISHED.parent.name}/{PUBLISHED.name}")
    return Draft202012Validator(json.loads(file.read_bytes()))


def faults(manifest: Any, servers: Any) -> list[tuple[str, str, str]]:
    gemini = {key: manifest[key] for key in ("name", "version") if isinstance(manifest, dict) and key in manifest}
    documents = {PORTABLE: manifest, PORTABLE_MCP: servers, GEMINI: gemini}
    return list(portable_faults({path: json.dumps(tree).encode() for path, tree in documents.items()} | {"bin/a": b""}))


@table("document", [LIBRARY, HOSTILE, big(300, 40)], ids=["library", "hostile", "many tags"])
def test_the_published_schemas_take_what_is_built(document: dict[str, Any]) -> None:
    files = plugin_of(document).files
    assert list(schema("plugin").iter_errors(json.loads(files[PORTABLE]))) == []
    assert list(schema("mcp").iter_errors(json.loads(files[PORTABLE_MCP]))) == []
    assert list(portable_faults(files)) == []


def test_what_the_schemas_take_is_taken() -> None:
    assert list(schema("plugin").iter_errors(FULL)) + list(schema("mcp").iter_errors(SERVERS)) == []
    assert faults(FULL, SERVERS) == []


def places(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    for key in tree if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ():
        yield from places(tree[key], (*path, key))


VALUES = st.sampled_from(
    [None, 7, True, "", "x", "a--b", "A", "/etc", "../x", "./", [], ["x"], [1], {}, {"x": 1}, {"x": "y"}]
)


@settings(max_examples=examples(300), deadline=None)
@given(data=st.data(), kind=st.sampled_from(["plugin", "mcp"]))
def test_what_a_published_schema_refuses_is_told(data: st.DataObject, kind: str) -> None:
    """Whatever one changes in a right document: a value, a missing field, a field too many."""
    tree = copy.deepcopy(FULL if kind == "plugin" else SERVERS)
    *parents, last = data.draw(st.sampled_from(list(places(tree))))
    parent: Any = tree
    for key in parents:
        parent = parent[key]
    match data.draw(st.sampled_from(["replace", "remove", "add"])):
        case "remove":
            del parent[last]
        case "add" if isinstance(parent, dict):
            parent["extra"] = data.draw(VALUES)
        case _:
            parent[last] = data.draw(VALUES)
    if list(schema(kind).iter_errors(tree)):
        assert faults(tree, SERVERS) if kind == "plugin" else faults(FULL, tree)


@table(
    ("server", "message"),
    [
        ({"type": "stdio", "command": "bin/a"}, "neither a bare name nor a path that begins with ./"),
        ({"type": "stdio", "command": "./../a"}, "neither a bare name nor a path that begins with ./"),
        ({"type": "stdio", "command": "./bin/none"}, "not in the plugin"),
        ({"type": "stdio", "command": "sh", "cwd": "./../.."}, "a cwd outside of the plugin"),
        ({"type": "streamable-http", "url": "http://library.example/mcp"}, "not https"),
        ({"type": "streamable-http", "url": "https://me:pw@library.example/mcp"}, "has a user"),
    ],
)
def test_what_no_schema_says_is_told_too(server: dict[str, Any], message: str) -> None:
    """Of the specification's text: paths that stay in the plugin, programs that are in it, TLS."""
    ((path, told, _),) = faults(FULL, {"$schema": MCP_SCHEMA, "mcpServers": {"a": server}})
    assert (path, message in told) == (PORTABLE_MCP, True), told


def test_every_manifest_has_the_same_name_and_version() -> None:
    files = dict(plugin_of(LIBRARY).files)
    paths = (".claude-plugin/plugin.json", ".codex-plugin/plugin.json", PORTABLE, GEMINI)
    manifests = [json.loads(files[path]) for path in paths]
    assert len({(manifest["name"], manifest["version"], manifest["description"]) for manifest in manifests}) == 1
    files[GEMINI] = files[GEMINI].replace(b"city-library", b"town-library")
    assert any(issue.where == GEMINI for issue in broken_rules(files))


def test_servers_have_one_name_for_each_plugin_where_clients_know_them_by_it() -> None:
    """Codex lays the entry of its own, with the variables that it hands on, over the portable one of the same name."""
    files = plugin_of(LIBRARY).files
    names = [list(json.loads(files[path])["mcpServers"]) for path in (PORTABLE_MCP, GEMINI, ".codex-plugin/mcp.json")]
    assert names == [["nlapi-city-library"]] * 3
    assert json.loads(files[".codex-plugin/mcp.json"])["mcpServers"]["nlapi-city-library"]["env_vars"] == [
        "CITY_LIBRARY_BASE_URL",
        "CITY_LIBRARY_TOKEN",
    ]


def test_gemini_asks_for_the_settings_and_hands_them_to_the_server() -> None:
    extension = json.loads(plugin_of(LIBRARY).files[GEMINI])
    assert [(entry["envVar"], entry.get("sensitive")) for entry in extension["settings"]] == [
        ("CITY_LIBRARY_BASE_URL", None),
        ("CITY_LIBRARY_TOKEN", True),
    ]
    env = extension["mcpServers"]["nlapi-city-library"]["env"]
    assert env == {
        "CLAUDE_PLUGIN_OPTION_BASE_URL": "${CITY_LIBRARY_BASE_URL}",
        "CLAUDE_PLUGIN_OPTION_TOKEN": "${CITY_LIBRARY_TOKEN}",
    }


def test_hooks_are_where_claude_code_alone_reads_them() -> None:
    """Another client that looks into hooks/ would start them without what they need."""
    files = plugin_of(LIBRARY).files
    assert not [path for path in files if path.startswith("hooks/") and path.endswith(".json")]
    assert json.loads(files[".claude-plugin/plugin.json"])["hooks"] == "./.claude-plugin/hooks.json"


def test_no_credential_is_in_a_portable_file() -> None:
    spec = spec_of(LIBRARY)
    assert spec.security_schemes
    portable = json.loads(plugin_of(LIBRARY).files[PORTABLE_MCP])["mcpServers"]["nlapi-city-library"]
    assert portable == {"type": "stdio", "command": "./bin/nlapi-city-library", "args": ["--mcp"]}
