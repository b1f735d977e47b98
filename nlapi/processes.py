"""Facts about processes from the system: their parents, their age, and the maker of a socket."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nlapi.system import IS_LINUX, IS_MACOS

if TYPE_CHECKING:
    import socket

_PROC = Path("/proc")

# Of macOS (sys/un.h), which Python does not name.
_SOL_LOCAL, _LOCAL_PEERPID = 0, 2

# The namespace of process ids that Linux starts with (include/linux/proc_ns.h), in which all others are seen.
INITIAL_NAMESPACE = 0xEFFFFFFC

# A chain of parents is at most this long: a loop would be a race of process ids.
MAX_ANCESTORS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessInfo:
    """A process. `started` orders processes by their start: ticks since the boot, or seconds if none exists."""

    pid: int
    parent: int
    name: str
    started: float

    @property
    def key(self) -> tuple[int, float]:
        """What no other process has while this one is there: ids are used again."""
        return self.pid, self.started


def process_info(pid: int) -> ProcessInfo | None:
    """Return what is known of a process, or None."""
    return _from_proc(pid) if IS_LINUX else _from_ps(pid)


def _read(pid: int, name: str) -> str:
    """Return a file of a process; "" where it cannot be read, and without /proc, which only Linux has."""
    with suppress(OSError):
        return (_PROC / str(pid) / name).read_bytes().decode(errors="replace")
    return ""


def _from_proc(pid: int) -> ProcessInfo | None:
    if not (text := _read(pid, "stat")):
        return None
    # proc_pid_stat(5): the name is in parentheses, and may have any characters.
    name, _, rest = text.partition("(")[2].rpartition(")")
    fields = rest.split()
    return ProcessInfo(pid=pid, parent=int(fields[1]), name=name, started=float(fields[19]))


def _from_ps(pid: int) -> ProcessInfo | None:
    import subprocess
    from time import mktime, strptime

    command = ["ps", "-o", "ppid=,lstart=,comm=", "-p", str(pid)]
    try:
        words = subprocess.run(command, capture_output=True, text=True, env={"LC_ALL": "C"}, timeout=5).stdout.split()
        started = mktime(strptime(" ".join(words[1:6]), "%a %b %d %H:%M:%S %Y"))
        return ProcessInfo(pid=pid, parent=int(words[0]), name=Path(" ".join(words[6:])).name, started=started)
    except (OSError, ValueError, IndexError, subprocess.SubprocessError):
        return None


def ancestors(pid: int) -> Iterator[ProcessInfo]:
    """Yield a process, its parent, and so on, up to the one that nobody else has started."""
    for _ in range(MAX_ANCESTORS):
        process = process_info(pid) if pid > 1 else None
        if process is None:
            return
        yield process
        pid = process.parent


def has_variable(pid: int, name: str | re.Pattern[str]) -> bool:
    """Return whether a process was started with such a variable, not empty; False where that cannot be read."""
    pairs = (entry.partition("=") for entry in _read(pid, "environ").split("\0"))
    return any(value and re.fullmatch(name, key) for key, _, value in pairs)


def program_words(pid: int) -> list[str]:
    """Return the first two words of a process's command line, as far as they can be read."""
    text = _read(pid, "cmdline")
    return text.split("\0")[:2] if text else []


def executable(pid: int) -> str:
    """Return the file that a process runs; "" where that cannot be read."""
    return _link(_PROC / str(pid) / "exe")


def control_group(pid: int) -> str:
    """Return the control group of a process as the system writes it, or ""."""
    return _read(pid, "cgroup")


def namespace() -> int:
    """Return the number of the namespace of this process's id (pid_namespaces(7)), or 0."""
    with suppress(OSError):
        return (_PROC / "self" / "ns" / "pid").stat().st_ino
    return 0


def own_processes() -> Iterator[int]:
    """Yield the ids of this user's processes, where the system lists them as files."""
    for entry in _PROC.iterdir() if IS_LINUX else ():
        with suppress(OSError):
            if entry.name.isdecimal() and entry.stat().st_uid == os.getuid():
                yield int(entry.name)


def peer_of(connection: socket.socket) -> int:
    """Return the id of the process at the other end of a local socket; 0 where the system does not say.

    Of a pair of sockets, it is the process that has made the pair.
    """
    import socket
    import struct

    with suppress(OSError, AttributeError, struct.error):
        if IS_MACOS:
            return int(struct.unpack("i", connection.getsockopt(_SOL_LOCAL, _LOCAL_PEERPID, 4))[0])
        size = struct.calcsize("3i")
        return int(struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))[0])
    return 0


def is_channel_from(descriptor: int, pid: int) -> bool:
    """Return whether what is read from a descriptor can only come from a process.

    It has made the pair of sockets, or has the other end of a pipe without a name.
    """
    import socket

    try:
        mode = os.fstat(descriptor).st_mode
    except OSError:
        return False
    if stat.S_ISSOCK(mode):
        with socket.socket(fileno=os.dup(descriptor)) as channel:
            return channel.family == socket.AF_UNIX and peer_of(channel) == pid
    if not stat.S_ISFIFO(mode) or not IS_LINUX:
        return False
    # A pipe without a name that the process can write to: nothing else can open it.
    with suppress(OSError):
        name = _link(Path(f"/proc/self/fd/{descriptor}"))
        folder = _PROC / str(pid) / "fd"
        return name.startswith("pipe:") and any(_link(entry) == name for entry in folder.iterdir())
    return False


def _link(entry: Path) -> str:
    with suppress(OSError):
        return str(entry.readlink())
    return ""


def hide_memory() -> None:
    """Keep other processes of this user from reading the memory and the environment of this one, where Linux can."""
    import ctypes

    # prctl(2): PR_SET_DUMPABLE. /proc/PID/environ and /proc/PID/mem are root's then, and ptrace is refused.
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)
