"""The cost of a plugin in every session, and the length of its tools' full names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from nlapi.issue import Issue
from nlapi.openapi.spec import Spec
from nlapi.plugin.build import PLUGIN
from nlapi.plugin.programs import MAX_TOOL_NAME, MCP
from nlapi.plugin.rules import front_matter
from nlapi.tools.name import MAX_LENGTH, tool_names

# For the names and descriptions of skills and agents, which Claude Code has in every session. Kubernetes' plugin, with
# 845 operations, takes 1,281, the most measured (docs/design/015).
MAX_SESSION_TOKENS = 1_500

# Characters of a token, as `claude plugin details` counts them at most (2.1.331).
TOKEN_LENGTH = 3.6


def session_tokens(files: Mapping[str, bytes]) -> int:
    """Return the tokens that a plugin adds to every session, as the client counts them or a few more."""
    heads = [path for path in files if re.fullmatch(r"skills/[^/]+/SKILL\.md|agents/[^/]+\.md", path)]
    return round(sum(len(text) for path in heads for text in _head_texts(files[path])) / TOKEN_LENGTH)


def _head_texts(content: bytes) -> list[str]:
    head = front_matter(content.decode("utf-8", "replace")) or {}
    return [str(head.get(key) or "") for key in ("name", "description")]


def exceeded_limits(files: Mapping[str, bytes], spec: Spec) -> Iterator[Issue]:
    """Yield an Issue for each part of a plugin that is larger than a client accepts."""
    if (tokens := session_tokens(files)) > MAX_SESSION_TOKENS:
        message = f"names and descriptions cost {tokens:,} tokens in every session, more than {MAX_SESSION_TOKENS:,}"
        yield _limit_issue("skills", message, "shorter descriptions, or fewer skills")
    for server, prefix in _mcp_servers(files):
        max_length = _name_length(files, server)
        names = tool_names(spec.operations, max_length=max(max_length, 16))
        longest_name = max(names, key=len, default="")
        if len(prefix) + len(longest_name) > MAX_TOOL_NAME:
            message = f"the tool {prefix}{longest_name} has {len(prefix) + len(longest_name)} characters, more than {MAX_TOOL_NAME}"
            yield _limit_issue(MCP, message, "a shorter name of plugin or server, or a smaller --name-length")


def _mcp_servers(files: Mapping[str, bytes]) -> list[tuple[dict[str, object], str]]:
    """Return the MCP servers of a plugin, each with the prefix of its tools' full names."""
    try:
        servers, plugin = json.loads(files[MCP])["mcpServers"], json.loads(files[PLUGIN])["name"]
        return [(dict(server), f"mcp__plugin_{plugin}_{name}__") for name, server in servers.items()]
    except (KeyError, ValueError, TypeError, AttributeError):
        return []


def _name_length(files: Mapping[str, bytes], server: Mapping[str, object]) -> int:
    """Return the --name-length that a server is started with, by itself or by the plugin's command."""
    arguments = server.get("args")
    words = " ".join(map(str, arguments)) if isinstance(arguments, list) else ""
    started = [path for path in files if path in words.replace("${CLAUDE_PLUGIN_ROOT}/", "")]
    texts = [words, *(files[path].decode("utf-8", "replace") for path in started)]
    match = next((hit for text in texts if (hit := re.search(r"--name-length[ =](\d{1,3})", text))), None)
    return int(match[1]) if match else MAX_LENGTH


def _limit_issue(location: str, message: str, hint: str) -> Issue:
    return Issue.error(location, message, hint, "limit")
