"""The permission rules that a plugin's skills bring: what only reads runs without a question while one is open."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence

from nlapi.openapi.spec import Effect, Operation
from nlapi.plugin.names import callable_id

# Rules of a skill; with more, one rule is for the whole command, and the hook alone tells reads from changes. Of ads,
# Spotify's Ads API and the gateway there are 4 to 12, of GitHub's and Slack's more.
MAX_RULES = 60


def read_rules(command: str, tools: str, operations: Sequence[Operation]) -> str:
    """Return the rules of Claude Code for the reads among operations, as a skill's `allowed-tools`.

    A rule is for the beginning of names that no change has: `Bash(nlapi-shop list*)`. `tools` is the prefix of the
    names of the MCP server's tools, whose hook asks about changes.
    """
    changes = sorted(callable_id(operation) for operation in operations if operation.effect is not Effect.READ)
    reads = [callable_id(operation) for operation in operations if operation.effect is Effect.READ]
    beginnings = dict.fromkeys(_beginning(id, changes) for id in reads)
    rules = [f"Bash({command} {beginning}*)" for beginning in beginnings if beginning]
    if len(rules) > MAX_RULES:
        return f"Bash({command}:*), {tools}*"
    printing = [f"Bash({command} --find:*)", f"Bash({command} --about:*)"]
    return ", ".join([*rules, *printing, f"{tools}*"])


def _beginning(id: str, changes: Sequence[str]) -> str:
    """Return the first words of an id with which none of `changes`, in order, begins; "" where one has all of it."""
    words = re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])|[^A-Za-z0-9]+", id) or [id]
    candidates = ("".join(words[:count]) for count in range(1, len(words) + 1))
    return next((text for text in candidates if not _begins_one(text, changes)), "")


def _begins_one(text: str, ordered: Sequence[str]) -> bool:
    """Return whether one of some names in order begins with a text."""
    index = bisect_left(ordered, text)
    return index < len(ordered) and ordered[index].startswith(text)
