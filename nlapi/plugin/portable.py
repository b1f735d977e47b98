"""The parts of a plugin for clients other than Claude Code: Agent Plugins 1.0, which many clients read, and Gemini CLI.

Claude Code reads `.claude-plugin/` and `.mcp.json`; Codex lays `.codex-plugin/` over the portable parts
(docs/design/084).
"""

from __future__ import annotations

from collections.abc import Mapping

PORTABLE = "plugin.json"
PORTABLE_MCP = "mcp.json"
GEMINI = "gemini-extension.json"

SCHEMA = "https://agent-plugins.org/schemas/1.0.0/plugin.schema.json"
MCP_SCHEMA = "https://agent-plugins.org/schemas/1.0.0/mcp.schema.json"


def portable_files(manifest: Mapping[str, object], command: str) -> dict[str, dict[str, object]]:
    """Return the manifest and the MCP configuration of Agent Plugins 1.0.

    `manifest` has the plugin's name, version, description, author and keywords. The format has no place for credentials
    and no options: a client hands on its user's environment, or what it knows of its own.
    """
    # Clients name a server by its entry alone, so `api` of one plugin would displace that of another (Codex 0.169).
    server = {"type": "stdio", "command": f"./bin/{command}", "args": ["--mcp"]}
    return {
        PORTABLE: {"$schema": SCHEMA, **manifest},
        PORTABLE_MCP: {"$schema": MCP_SCHEMA, "mcpServers": {command: server}},
    }


def gemini_extension(
    manifest: Mapping[str, object],
    command: str,
    options: Mapping[str, Mapping[str, object]],
    variables: Mapping[str, str],
) -> dict[str, object]:
    """Return the manifest of an extension of Gemini CLI.

    `options` are those of the plugin by key, `variables` the environment variable of each key.
    """
    # Of the user's environment a server has only what its entry names, and what is not set stays as it is written:
    # so the values go where the command expects an option that may be such a text (`given` of settings.sh).
    env = {f"CLAUDE_PLUGIN_OPTION_{key.upper()}": f"${{{variable}}}" for key, variable in variables.items()}
    server = {
        "command": "sh",
        "args": [f"${{extensionPath}}/bin/{command}", "--mcp"],
        "cwd": "${extensionPath}",
        "env": env,
    }
    settings = [
        {
            "name": options[key]["title"],
            "description": options[key]["description"],
            "envVar": variable,
            **({"sensitive": True} if options[key].get("sensitive") else {}),
        }
        for key, variable in variables.items()
    ]
    shared = {key: manifest[key] for key in ("name", "version", "description")}
    return {**shared, "mcpServers": {command: server}, "settings": settings}
