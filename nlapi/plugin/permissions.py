"""The permission rules that a plugin's skills bring: what only reads runs without a question while one is open."""

from __future__ import annotations

import re
from collections.abc import Sequence

from nlapi.openapi.spec import Effect, Operation
from nlapi.plugin.names import COMMAND_WORDS, callable_id
from nlapi.resources.effect_arguments import possible_effect

# Reads of the whole API that its main skill allows. Of ads and the gateway there are 21 and 39; of GitHub's and
# Slack's more, whose areas have skills that allow their own.
MAX_RULES = 60

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./:-]*")


def read_rules(command: str, tools: str, operations: Sequence[Operation], own: Sequence[Operation], text: str) -> str:
    """Return the rules of Claude Code for the reads of a skill, as its `allowed-tools`.

    They are those among its `own` operations, and those among all `operations` that its text names. A rule is for the
    whole word of one: `Bash(nlapi-shop listOrders:*)`. One that an argument makes a change has none, and none one with
    which the word of a change begins, or a word of the command, as some clients take a rule for a beginning. `tools` is
    the prefix of the names of the MCP server's tools, which asks about changes itself.
    """
    named = {*_WORD.findall(text), *map(callable_id, own)}
    changes = [callable_id(operation) for operation in operations if possible_effect(operation) is not Effect.READ]
    words = (
        id
        for operation in operations
        if possible_effect(operation) is Effect.READ and (id := callable_id(operation)) in named
        if not any(other.startswith(id) for other in (*changes, *COMMAND_WORDS))
    )
    rules = [f"Bash({command} {word}:*)" for word in dict.fromkeys((*words, "--find", "--about"))]
    return ", ".join([*rules, f"{tools}*"])
