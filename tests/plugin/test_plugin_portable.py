"""One build for every client: Agent Plugins 1.0 by its published schemas, Codex, Gemini CLI, beside Claude Code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from nlapi.plugin.programs import GEMINI, PORTABLE, PORTABLE_MCP
from tests.plugin.kit import HOSTILE, LIBRARY, big, plugin_of, spec_of
from tests.tables import table

# The schemas that the format publishes are no part of the repository.
PUBLISHED = Path(__file__).parents[3] / "shared" / "data" / "schemas" / "agent-plugins-1.0.0"


def schema(name: str) -> Draft202012Validator:
    file = PUBLISHED / f"{name}.schema.json"
    if not file.is_file():
        pytest.skip(f"the published schemas are not beside the repository: {PUBLISHED.parent.name}/{PUBLISHED.name}")
    return Draft202012Validator(json.loads(file.read_bytes()))


@table("document", [LIBRARY, HOSTILE, big(300, 40)], ids=["library", "hostile", "many tags"])
def test_the_published_schemas_take_what_is_built(document: dict[str, Any]) -> None:
    files = plugin_of(document).files
    assert list(schema("plugin").iter_errors(json.loads(files[PORTABLE]))) == []
    assert list(schema("mcp").iter_errors(json.loads(files[PORTABLE_MCP]))) == []


def test_every_manifest_has_the_same_name_and_version() -> None:
    files = dict(plugin_of(LIBRARY).files)
    paths = (".claude-plugin/plugin.json", ".codex-plugin/plugin.json", PORTABLE, GEMINI)
    manifests = [json.loads(files[path]) for path in paths]
    assert len({(manifest["name"], manifest["version"], manifest["description"]) for manifest in manifests}) == 1


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
