"""Whether this process runs in the session of a coding agent (Claude Code), where a model writes the commands.

The variable that the client sets is not enough: a command can unset it for its children. So the parents count as well,
and a process that has left its parents counts where such a session runs beside it (docs/design/083-receipts.md).
"""

from __future__ import annotations

import os
from itertools import takewhile

from nlapi.processes import (
    ProcessInfo,
    ancestors,
    control_group,
    environment_has,
    is_channel_from,
    own_processes,
    process_info,
)

# Claude Code (2.1.331) sets it for its shell, its hooks and the MCP servers that it starts, and has it not itself.
MARK = "CLAUDECODE"
RECEIPT_HINT = (
    "run the plugin's command, or `nlapi call`, as a command of its own with all values written out, in a session with "
    "hooks: the plugin then has the user asked. A terminal outside of the session needs none"
)

_CLIENT_NAMES = frozenset(("claude", "claude.exe"))
# Who takes over a process whose parent is gone: process 1, or the manager of the user's services.
_ADOPTERS = frozenset(("systemd", "init", "launchd"))


def is_in_session() -> bool:
    """Return whether a client with a model has started this process, directly or not."""
    if os.environ.get(MARK):
        return True
    chain = [*ancestors(os.getpid())]
    return any(_is_marked(process) for process in chain) or _has_left_a_session(chain)


def is_client_channel(descriptor: int) -> bool:
    """Return whether what is read from a descriptor can only come from the client whose session this is."""
    client = client_of(os.getpid())
    return client is not None and is_channel_from(descriptor, client.pid)


def client_of(pid: int) -> ProcessInfo | None:
    """Return the client that has started a process: the first parent that is not in the session itself."""
    chain = [*ancestors(pid)]
    marked = [index for index, process in enumerate(chain) if environment_has(process.pid, MARK)]
    if marked:
        return chain[marked[-1] + 1] if marked[-1] + 1 < len(chain) else None
    return next((process for process in chain if process.name in _CLIENT_NAMES), None)


def _is_marked(process: ProcessInfo) -> bool:
    return process.name in _CLIENT_NAMES or environment_has(process.pid, MARK)


def _has_left_a_session(chain: list[ProcessInfo]) -> bool:
    """Return whether the first of the parents was started by a process that is gone, while a client ran beside it."""
    # `setsid`, `nohup ... &` in a subshell: the child belongs to process 1 then, or to the manager of the user. What a
    # user starts (a terminal, tmux, cron) was there before the client, or is in another control group.
    own = [*takewhile(lambda process: process.name not in _ADOPTERS, chain)]
    if not own or (len(own) == len(chain) and own[-1].parent != 1):
        return False
    first, group = own[-1], control_group(os.getpid())
    for pid in own_processes():
        process = process_info(pid)
        if process is None or process.started > first.started or pid in {entry.pid for entry in own}:
            continue
        if _is_marked(process) and control_group(pid) == group:
            return True
    return False
