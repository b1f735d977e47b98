"""Tells whether this process runs in the session of a coding agent (Claude Code), and with a plugin of nlapi.

There a model writes the commands, and the plugin has the user asked about changes. The variable that the client sets
is not enough: a command can unset it for its children. So the parents count as well,
and a process that has left its parents counts where such a session runs beside it (docs/design/083-receipts.md).
"""

from __future__ import annotations

import os
import re
import socket
import sys
from contextlib import suppress
from itertools import takewhile
from pathlib import Path

from nlapi.processes import (
    ProcessInfo,
    ancestors,
    control_group,
    environment_has,
    has_variable,
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

# The variable with the folder of a plugin's broker: NLAPI_SHOP_SESSION.
SESSION_VARIABLE = re.compile(r"NLAPI_\w+_SESSION")

_CLIENT_NAMES = frozenset(("claude", "claude.exe"))
# Who takes over a process whose parent is gone: process 1, or the manager of the user's services.
_ADOPTERS = frozenset(("systemd", "init", "launchd"))


def is_in_session() -> bool:
    """Return whether a client with a model has started this process, directly or not."""
    if os.environ.get(MARK):
        return True
    chain = [*ancestors(os.getpid())]
    return any(_is_marked(process) for process in chain) or _has_left_a_session(chain)


def announce_plugin(client: ProcessInfo) -> socket.socket | None:
    """Make known that a plugin of nlapi is on in a client's session, until the socket is closed or the process ends.

    None where the system has no local names that no process can remove (unix(7): abstract sockets, of Linux).
    """
    if sys.platform != "linux":
        return None
    sign = socket.socket(socket.AF_UNIX)
    sign.bind(f"\0{_sign(client)}-{os.getpid()}")
    sign.listen(1)
    return sign


def is_plugin_on() -> bool:
    """Return whether a plugin of nlapi is on in the session in which this process runs."""
    chain = [*ancestors(os.getpid())]
    if any(SESSION_VARIABLE.fullmatch(name) and value for name, value in os.environ.items()):
        return True
    if any(has_variable(process.pid, SESSION_VARIABLE) for process in chain):
        return True
    client = client_of(os.getpid())
    sign = _sign(client) if client is not None else _SIGN
    with suppress(OSError):
        return f"@{sign}-" in Path("/proc/net/unix").read_text(encoding="utf-8", errors="replace")
    return False


def is_plugin_description(source: str) -> bool:
    """Return whether a description lies in a plugin that nlapi built."""
    path = Path(source)
    return path.name == "openapi.json" and (path.parent.parent / "nlapi-plugin.json").is_file()


_SIGN = "nlapi-session"


def _sign(client: ProcessInfo) -> str:
    return f"{_SIGN}-{client.pid}-{client.started:.0f}"


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
    descent = [*takewhile(lambda process: process.name not in _ADOPTERS, chain)]
    if not descent or (len(descent) == len(chain) and descent[-1].parent != 1):
        return False
    first, group = descent[-1], control_group(os.getpid())
    for pid in own_processes():
        process = process_info(pid)
        if process is None or process.started > first.started or pid in {entry.pid for entry in descent}:
            continue
        if _is_marked(process) and control_group(pid) == group:
            return True
    return False
