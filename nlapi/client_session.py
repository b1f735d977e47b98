"""Tells whether this process runs in the session of a coding agent (Claude Code), and with a plugin of nlapi.

There a model writes the commands, and the plugin has the user asked about changes. The variable that the client sets
is not enough: a command can unset it for its children. So the parents count as well,
and a process that has left its parents counts where such a session runs beside it (docs/design/083-receipts.md).
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterable
from contextlib import suppress
from itertools import dropwhile, takewhile
from pathlib import Path

from nlapi.english import lexicon
from nlapi.processes import (
    INITIAL_NAMESPACE,
    ProcessInfo,
    ancestors,
    control_group,
    executable,
    has_variable,
    is_channel_from,
    namespace,
    own_processes,
    process_info,
    program_words,
)
from nlapi.system import IS_LINUX

# Claude Code (2.1.331) sets it for its shell, its hooks and the MCP servers that it starts, and has it not itself.
MARK = "CLAUDECODE"
RECEIPT_HINT = (
    "run the plugin's command, or `nlapi call`, as a command of its own with all values written out, in a session with "
    "hooks: the plugin then has the user asked. A terminal outside of the session needs none"
)

# The variable with the folder of a plugin's broker: NLAPI_SHOP_SESSION.
SESSION_VARIABLE = re.compile(r"NLAPI_\w+_SESSION")

_CLIENT_NAMES = frozenset(("claude", "claude.exe"))
# The programs of clients with a model, and the packages that an interpreter runs them from.
_MODEL_CLIENTS = lexicon.words("mcp/words", "coding_agents")
_PACKAGES = frozenset(("claude-code", "codex", "gemini-cli"))
_INTERPRETERS = frozenset(("node", "nodejs", "bun", "deno"))
# Who takes over a process whose parent is gone: process 1, or the manager of the user's services.
_ADOPTERS = frozenset(("systemd", "init", "launchd"))


def is_in_session() -> bool:
    """Return whether a client with a model has started this process, directly or not."""
    if os.environ.get(MARK):
        return True
    chain, clients = [*ancestors(os.getpid())], _announced_clients()
    if any(_is_marked(process) or process.key in clients for process in chain):
        return True
    # Those of a client that has announced itself count for processes of another user too: `setpriv`, `su`.
    beside = {*(pid for pid in own_processes() if _is_marked_id(pid)), *(pid for pid, _ in clients)}
    return _has_left(os.getpid(), beside) or _is_hidden_from_a_session(chain)


def is_started_by_model(pid: int) -> bool:
    """Return whether a coding agent (`_MODEL_CLIENTS`) has started a process, directly or not, or nobody knows."""
    chain = [*ancestors(pid)]
    return not chain or any(_is_marked(process) or _runs_client(process) for process in chain)


def has_outer_client(client: ProcessInfo) -> bool:
    """Return whether a client was started in the session of another one, directly or not.

    What has started it answers its questions, and may be a program of the other one's model: then nobody was asked.
    """
    announced = _announced_clients()

    def is_launcher(process: ProcessInfo) -> bool:
        # A shim of a version manager has the client's name, runs another program, and waits for it.
        is_alike = process.name == client.name and process.key not in announced
        return is_alike and executable(process.pid) not in ("", executable(client.pid))

    above = [*dropwhile(is_launcher, ancestors(client.parent))]
    if any(_is_marked(process) or process.key in announced or _runs_client(process) for process in above):
        return True
    beside = {*(pid for pid in own_processes() if _is_marked_id(pid)), *(pid for pid, _ in announced)}
    others = (pid for pid in beside if client.key not in (process.key for process in ancestors(pid)))
    return _has_left(client.pid, others) or _is_hidden_from_a_session([client, *above])


def _runs_client(process: ProcessInfo) -> bool:
    """Return whether a process is a client with a model, of whichever vendor."""
    program, script = (Path(word) for word in [*program_words(process.pid), "", ""][:2])
    if _MODEL_CLIENTS & {process.name, program.stem}:
        return True
    return program.name in _INTERPRETERS and bool(_MODEL_CLIENTS & {script.stem} or _PACKAGES & {*script.parts})


class PluginSign:
    """Makes known that a plugin of nlapi is on in a client's session, for as long as the process lives.

    By names that no other process can remove (unix(7): abstract sockets), where the system has them. One has the
    client in it; the other is the same for all, and can be asked for where names cannot be listed.
    """

    def __init__(self, client: ProcessInfo) -> None:
        self._sockets: dict[str, socket.socket] = {}
        self._names = (f"{_SIGN}-{client.pid}-{client.started:.0f}-{namespace()}-{os.getpid()}", _SIGN)
        self.show()

    def show(self) -> None:
        """Take the names that are free: the common one may have been another session's."""
        for name in self._names if IS_LINUX else ():
            if name not in self._sockets:
                sign = socket.socket(socket.AF_UNIX)
                try:
                    sign.bind(f"\0{name}")
                    sign.listen(1)
                    self._sockets[name] = sign
                except OSError:
                    sign.close()


def is_plugin_on() -> bool:
    """Return whether a plugin of nlapi is on in the session in which this process runs."""
    chain, clients = [*ancestors(os.getpid())], _announced_clients()
    if any(SESSION_VARIABLE.fullmatch(name) and value for name, value in os.environ.items()):
        return True
    if any(has_variable(process.pid, SESSION_VARIABLE) or process.key in clients for process in chain):
        return True
    if _is_hidden_from_a_session(chain):
        return True
    client = client_of(os.getpid())
    if client is None:
        return bool(clients)
    # What is only called like a client, and was started by a session, is not its own.
    return _has_left(client.pid, (pid for pid, _ in clients))


def is_plugin_description(source: str) -> bool:
    """Return whether a description lies in a plugin that nlapi built."""
    path = Path(source)
    return path.name == "openapi.json" and (path.parent.parent / "nlapi-plugin.json").is_file()


_SIGN = "nlapi-session"
_SIGN_NAME = re.compile(rf"@{_SIGN}-(\d+)-(\d+)-(\d+)-\d+$", re.MULTILINE)


def _signs() -> list[tuple[int, float, int]]:
    """Return the clients of sessions with a plugin: their ids, when they were started, and their namespace of ids."""
    with suppress(OSError):
        text = Path("/proc/net/unix").read_text(encoding="utf-8", errors="replace")
        return [(int(pid), float(started), int(space)) for pid, started, space in _SIGN_NAME.findall(text)]
    return []


def _announced_clients() -> set[tuple[int, float]]:
    """Return the clients of sessions with a plugin that this process can see."""
    space = namespace()
    return {(pid, started) for pid, started, sign_space in _signs() if sign_space == space}


def _is_common_sign_shown() -> bool:
    """Return whether a session with a plugin is on, where the names of sockets cannot be listed."""
    if not IS_LINUX:
        return False
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(1.0)
        try:
            connection.connect(f"\0{_SIGN}")
        except ConnectionRefusedError:
            return False
        except OSError:
            # More have asked for the name than the system keeps (listen(2)), or this process may not ask for it.
            return True
    return True


def _is_hidden_from_a_session(chain: list[ProcessInfo]) -> bool:
    """Return whether parents are unknown while a plugin is on beside this process.

    That is so in a separate namespace of process ids (`unshare --pid`), and without `/proc`.
    """
    space = namespace()
    # Whose ids are those of the whole machine sees every parent; the sign is that of a container then.
    if space == INITIAL_NAMESPACE:
        return False
    if not chain:
        return bool(_signs()) or _is_common_sign_shown()
    return any(other != space for _, _, other in _signs())


def is_client_channel(descriptor: int) -> bool:
    """Return whether what is read from a descriptor can only come from this session's client, which asks a user."""
    client = client_of(os.getpid())
    return client is not None and is_channel_from(descriptor, client.pid) and not has_outer_client(client)


def client_of(pid: int) -> ProcessInfo | None:
    """Return the client that has started a process: the first parent that is not in the session itself."""
    chain = [*ancestors(pid)]
    marked = [index for index, process in enumerate(chain) if has_variable(process.pid, MARK)]
    if marked:
        return chain[marked[-1] + 1] if marked[-1] + 1 < len(chain) else None
    clients = _announced_clients()
    named = (process for process in chain if process.name in _CLIENT_NAMES or process.key in clients)
    return next(named, None)


def _is_marked(process: ProcessInfo) -> bool:
    return process.name in _CLIENT_NAMES or has_variable(process.pid, MARK)


def _is_marked_id(pid: int) -> bool:
    process = process_info(pid)
    return process is not None and _is_marked(process)


def _has_left(pid: int, beside: Iterable[int]) -> bool:
    """Return whether the first parent of a process was started by one that is gone, while one of `beside` ran."""
    # `setsid`, `nohup ... &` in a subshell: the child belongs to process 1 then, or to the manager of the user. What a
    # user starts (a terminal, tmux, cron) was there before the client, or is in another control group.
    chain = [*ancestors(pid)]
    descent = [*takewhile(lambda process: process.name not in _ADOPTERS, chain)]
    if not descent or (len(descent) == len(chain) and descent[-1].parent != 1):
        return False
    first, group, ids = descent[-1], control_group(pid), {entry.pid for entry in descent}
    others = (process for other in beside if other not in ids and (process := process_info(other)) is not None)
    return any(other.started <= first.started and control_group(other.pid) == group for other in others)
