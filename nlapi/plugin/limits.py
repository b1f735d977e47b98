"""What a plugin costs in every session, and how long the full names of its tools are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

import yaml

from nlapi.issue import Issue
from nlapi.openapi.spec import Spec
from nlapi.plugin.build import PLUGIN
from nlapi.plugin.command import MAX_TOOL, MCP
from nlapi.tools.name import MAX_LENGTH, tool_names

MAX_TOKENS = 1_500
"""Of the names and descriptions of skills and agents, which Claude Code has in every session."""

A_TOKEN = 3.6
"""Characters of a token, as `claude plugin details` counts them at most (2.1.331)."""


def always_on(files: Mapping[str, bytes]) -> int:
    """The tokens that a plugin adds to every session, as the client counts them or a few more."""
    heads = [path for path in files if re.fullmatch(r"skills/[^/]+/SKILL\.md|agents/[^/]+\.md", path)]
    return round(sum(len(text) for path in heads for text in _head(files[path])) / A_TOKEN)


def _head(content: bytes) -> list[str]:
    found = re.match(r"---\n(.*?)\n---\n", content.decode("utf-8", "replace"), re.DOTALL)
    try:
        head = yaml.safe_load(found[1]) if found else None
    except yaml.YAMLError:
        head = None
    return [str(head.get(key) or "") for key in ("name", "description")] if isinstance(head, dict) else []


def over(files: Mapping[str, bytes], spec: Spec) -> Iterator[Issue]:
    """What of a plugin is larger than a client takes."""
    if (tokens := always_on(files)) > MAX_TOKENS:
        message = f"names and descriptions cost {tokens:,} tokens in every session, more than {MAX_TOKENS:,}"
        yield _issue("skills", message, "shorter descriptions, or fewer skills")
    for server, prefix in _servers(files):
        longest = _name_length(files, server)
        names = tool_names(spec.operations, longest=max(longest, 16))
        wide = max(names, key=len, default="")
        if len(prefix) + len(wide) > MAX_TOOL:
            message = f"the tool {prefix}{wide} has {len(prefix) + len(wide)} characters, more than {MAX_TOOL}"
            yield _issue(MCP, message, "a shorter name of plugin or server, or a smaller --name-length")


def _servers(files: Mapping[str, bytes]) -> list[tuple[dict[str, object], str]]:
    """The MCP servers of a plugin, and how the full names of their tools begin."""
    try:
        servers, plugin = json.loads(files[MCP])["mcpServers"], json.loads(files[PLUGIN])["name"]
        return [(dict(one), f"mcp__plugin_{plugin}_{name}__") for name, one in servers.items()]
    except (KeyError, ValueError, TypeError, AttributeError):
        return []


def _name_length(files: Mapping[str, bytes], server: Mapping[str, object]) -> int:
    """The --name-length that a server is started with, by itself or by the plugin's command."""
    given = server.get("args")
    words = " ".join(map(str, given)) if isinstance(given, list) else ""
    started = [path for path in files if path in words.replace("${CLAUDE_PLUGIN_ROOT}/", "")]
    texts = [words, *(files[path].decode("utf-8", "replace") for path in started)]
    found = next((hit for text in texts if (hit := re.search(r"--name-length[ =](\d{1,3})", text))), None)
    return int(found[1]) if found else MAX_LENGTH


def _issue(where: str, message: str, hint: str) -> Issue:
    return Issue.error(where, message, hint, "limit")
