"""The parts of a plugin for clients other than Claude Code: Agent Plugins 1.0, which many clients read, and Gemini CLI.

Claude Code reads `.claude-plugin/` and `.mcp.json`; Codex lays `.codex-plugin/` over the portable parts
(docs/design/084).
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

PORTABLE = "plugin.json"
PORTABLE_MCP = "mcp.json"
GEMINI = "gemini-extension.json"

SCHEMA = "https://agent-plugins.org/schemas/1.0.0/plugin.schema.json"
MCP_SCHEMA = "https://agent-plugins.org/schemas/1.0.0/mcp.schema.json"

# Section 5.5 of Agent Plugins 1.0.0.
_NAME = re.compile(r"(?!.*(?:--|\.\.))[a-z0-9](?:[a-z0-9.-]{0,62}[a-z0-9])?")
_STRINGS = frozenset(("version", "description", "homepage", "repository", "license"))
_FIELDS = _STRINGS | {"$schema", "name", "author", "keywords", "extensions"}
_ROOTED = re.compile(r"(?:\./|\$\{PLUGIN_(?:ROOT|DATA)\}(?:/|$))")
_LOOPBACK = frozenset(("localhost", "127.0.0.1", "::1"))

Fault = tuple[str, str, str]


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


def portable_faults(files: Mapping[str, bytes]) -> Iterator[Fault]:
    """Yield what breaks Agent Plugins 1.0.0 in the files of a plugin: location, message, hint."""
    manifest = read_object(files, PORTABLE)
    if manifest is None:
        yield PORTABLE, "no JSON object", "build the plugin again"
    else:
        yield from ((PORTABLE, message, "Agent Plugins 1.0.0, section 5") for message in _manifest_faults(manifest))
    if PORTABLE_MCP not in files:
        return
    config = read_object(files, PORTABLE_MCP)
    if config is None:
        yield PORTABLE_MCP, "no JSON object", "build the plugin again"
    else:
        yield from (
            (PORTABLE_MCP, message, "Agent Plugins 1.0.0, section 7.2") for message in _mcp_faults(config, files)
        )
    gemini = read_object(files, GEMINI)
    if gemini is None:
        yield GEMINI, "no JSON object", "build the plugin again"
    elif manifest is not None and any(gemini.get(key) != manifest.get(key) for key in ("name", "version")):
        yield GEMINI, f"has another name or version than {PORTABLE}", "build the plugin again"


def read_object(files: Mapping[str, bytes], path: str) -> dict[str, Any] | None:
    """Return the JSON object in a file of a plugin, or None."""
    try:
        data = json.loads(files[path])
    except (KeyError, ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


def _manifest_faults(manifest: Mapping[str, Any]) -> Iterator[str]:
    if manifest.get("$schema") != SCHEMA:
        yield f"$schema is not {SCHEMA}"
    name = manifest.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        yield f"the name {str(name)[:80]!r} is not 1 to 64 of a-z, 0-9, single dashes and periods"
    for key, value in manifest.items():
        if key not in _FIELDS:
            yield f"has the field {key[:40]!r}, which the format does not know"
        elif key in _STRINGS and not isinstance(value, str):
            yield f"{key} is not text"
    keywords, author, extensions = (manifest.get(key) for key in ("keywords", "author", "extensions"))
    if "keywords" in manifest and not _is_text_list(keywords):
        yield "keywords is not a list of texts"
    if "author" in manifest and not (
        isinstance(author, dict) and _is_text_map(author) and author.keys() <= {"name", "email", "url"}
    ):
        yield "author has more than the texts name, email and url"
    if "extensions" in manifest and not (
        isinstance(extensions, dict) and all(isinstance(value, dict) for value in extensions.values())
    ):
        yield "extensions is not an object of objects"


def _mcp_faults(config: Mapping[str, Any], files: Mapping[str, bytes]) -> Iterator[str]:
    if config.get("$schema") != MCP_SCHEMA:
        yield f"$schema is not {MCP_SCHEMA}"
    yield from (
        f"has the field {key[:40]!r}, which the format does not know"
        for key in config.keys() - {"$schema", "mcpServers"}
    )
    servers = config.get("mcpServers")
    if not isinstance(servers, dict):
        yield "has no mcpServers"
        return
    for name, server in servers.items():
        yield from (f"the server {name[:40]!r} {message}" for message in _server_faults(server, files))


def _server_faults(server: Any, files: Mapping[str, bytes]) -> Iterator[str]:
    if not isinstance(server, dict):
        yield "is not an object"
        return
    kind = server.get("type")
    if kind == "stdio":
        known, required = {"type", "command", "args", "env", "cwd"}, "command"
    elif kind in ("streamable-http", "sse"):
        known, required = {"type", "url", "headers"}, "url"
    else:
        yield "is neither stdio, streamable-http nor sse"
        return
    yield from (f"has the field {key[:40]!r}, which a server of its type has not" for key in server.keys() - known)
    target = server.get(required)
    if not isinstance(target, str) or not target:
        yield f"has no {required}"
        return
    if "args" in server and not _is_text_list(server["args"]):
        yield "has args that are not a list of texts"
    yield from (
        f"has {key} that is not a map of texts"
        for key in ("env", "headers")
        if key in server and not _is_text_map(server[key])
    )
    env = server.get("env")
    if isinstance(env, dict) and {"PLUGIN_ROOT", "PLUGIN_DATA"} & env.keys():
        yield "sets PLUGIN_ROOT or PLUGIN_DATA, which the client sets"
    yield from _place_faults(server, target, files)


def _place_faults(server: Mapping[str, Any], target: str, files: Mapping[str, bytes]) -> Iterator[str]:
    """Yield what is wrong with where a server is: its program and its folder, or its URL."""
    if server["type"] != "stdio":
        parts = urlsplit(target)
        if parts.scheme not in ("http", "https") or parts.username or parts.fragment:
            yield "has a url that is not absolute HTTP, or has a user or a fragment"
        elif parts.scheme == "http" and parts.hostname not in _LOOPBACK:
            yield "has a url that is not https"
        return
    folder = server.get("cwd", "./")
    if not isinstance(folder, str) or not _ROOTED.match(folder) or ".." in folder.split("/"):
        yield "has a cwd outside of the plugin"
    if "/" not in target and "\\" not in target:
        return
    path = posixpath.normpath(target)
    if not target.startswith("./") or path.startswith(".."):
        yield f"has the command {target[:80]!r}, which is neither a bare name nor a path that begins with ./"
    elif path not in files:
        yield f"has the command {target[:80]!r}, which is not in the plugin"


def _is_text_list(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(entry, str) for entry in value)


def _is_text_map(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(entry, str) for entry in value.values())
