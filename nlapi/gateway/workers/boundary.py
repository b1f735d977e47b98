"""The boundary around worker processes: which variables, files and processes the code of a version can see."""

from __future__ import annotations

import ctypes
import os
import re
import stat
import struct
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from nlapi.errors import UsageError
from nlapi.system import IS_LINUX

# The variables that a worker gets. Everything else of the gateway's environment may be a secret: keys of LLMs, tokens,
# the database's password, a proxy with a password. The operator adds names by `--worker-variable`.
_VARIABLE = re.compile(
    r"PATH|HOME|USER|LOGNAME|LANG|LANGUAGE|LC_[A-Z]+|TZ|TMPDIR|TEMP|TMP|LD_LIBRARY_PATH|DYLD_LIBRARY_PATH|VIRTUAL_ENV"
    r"|SYSTEMROOT|SYSTEMDRIVE|WINDIR|COMSPEC|PATHEXT|USERPROFILE|APPDATA|LOCALAPPDATA|PROCESSOR_ARCHITECTURE"
    r"|SSL_CERT_(FILE|DIR)|PYTHON(HASHSEED|UTF8|IOENCODING|UNBUFFERED|WARNINGS|DONTWRITEBYTECODE|FAULTHANDLER|MALLOC)"
    r"|(OMP|MKL|KMP|OPENBLAS|BLIS|GOTO|NUMEXPR|VECLIB|RAYON|NUMBA|TF)_[A-Z_]*THREADS|OMP_PROC_BIND|KMP_[A-Z_]+"
    r"|TOKENIZERS_PARALLELISM|CUDA_(VISIBLE_DEVICES|DEVICE_ORDER|HOME|PATH)|(NVIDIA|ROCR|HIP)_VISIBLE_DEVICES"
)
# The endings of the files beside a database: its journal, the routing keys, the content of versions.
_COMPANION = ("{}-", ".{}-")
_STORED_NAME = re.compile(r"[0-9a-f]{64}")
_UNPRIVILEGED = "nobody"

# Landlock (Linux 5.13, landlock(7)): a process gives up rights for itself and its children, for good, as any user.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_QUERY_VERSION, _PATH_BENEATH, _SCOPE_SIGNAL = 1, 1, 1 << 1
_WRITE_FILE, _READ_FILE, _REMOVE_DIR, _REMOVE_FILE, _REFER, _TRUNCATE = 1 << 1, 1 << 2, 1 << 4, 1 << 5, 1 << 13, 1 << 14
_FILE_RIGHTS = _WRITE_FILE | _READ_FILE | _TRUNCATE
_RIGHTS = _FILE_RIGHTS | _REMOVE_DIR | _REMOVE_FILE | _REFER
_SET_NO_NEW_PRIVS = 38  # of prctl(2)
_CAPABILITIES_OF_THIS = struct.pack("=Ii", 0x20080522, 0)  # capget(2): version 3, the calling process


@dataclass(frozen=True, slots=True, kw_only=True)
class Confinement:
    """What a worker gives up before it loads a version: the files in `hidden`, and its user for another one."""

    hidden: tuple[str, ...] = ()
    user: tuple[int, int] | None = None
    """uid and gid"""


class WorkerBoundary:
    """The files that workers must not see, registered by those who read secrets. Safe to use in any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._hidden: set[str] = set()
        self._user: str | None = None
        self.environment: Mapping[str, str] = {}
        """the variables of workers"""

    def hide(self, *paths: str | Path | None) -> None:
        """Keep files and folders, and what stands beside them as `NAME-...`, from workers that start from now on."""
        resolved = {os.path.realpath(path) for path in paths if path}
        with self._lock:
            self._hidden |= resolved

    def configure(
        self, environment: Mapping[str, str], *, variables: Iterable[str] = (), user: str | None = None
    ) -> None:
        """Set what workers get of an environment, `variables` besides the usual ones, and the user that they run as.

        Without a user it is `nobody` where the gateway is root and that user can read the interpreter. UsageError for a
        user that they cannot run as.
        """
        names = frozenset(variables)
        self.environment = {
            name: value for name, value in environment.items() if name in names or _VARIABLE.fullmatch(name.upper())
        }
        self._user = user
        if user is not None and (fault := _user_fault(user)):
            raise UsageError(f"--worker-user {user}: {fault}", hint="name a user of this machine, or leave it out")

    def confinement(self) -> Confinement:
        """Return what a worker that starts now gives up."""
        user = self._user
        if user is None and _is_root() and not _user_fault(_UNPRIVILEGED):
            user = _UNPRIVILEGED
        with self._lock:
            return Confinement(hidden=tuple(sorted(self._hidden)), user=_ids(user) if user else None)

    def gaps(self) -> str:
        """Return what versions can still see of the gateway on this system, as a sentence; "" for nothing."""
        user = self.confinement().user
        if landlock_version() or (user is not None and user[0] != os.geteuid()):
            return ""
        return (
            "versions run as the gateway's own user, and this system has no Landlock: their code can read the "
            "gateway's files. Start it as root with --worker-user NAME, or on Linux 5.19 or later"
        )


def confine(confinement: Confinement, folder: Path) -> Path:
    """Give up what a worker must not have, for good, and return the folder of its version as it can still be read.

    OSError when the user cannot be changed.
    """
    ruleset = _build_ruleset(confinement.hidden, folder) if landlock_version() else -1
    if confinement.user is not None and confinement.user[0] != os.geteuid():
        folder = _reopen(folder)
        uid, gid = confinement.user
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if IS_LINUX:
        # Root's rights on memory and disks, which no file's mode bounds. Another user has none.
        _libc().capset(_CAPABILITIES_OF_THIS, bytes(24))
        _libc().prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if ruleset >= 0:
        _check(_syscall(_RESTRICT_SELF, ruleset, 0))
        os.close(ruleset)
    return folder


def _reopen(folder: Path) -> Path:
    """Open a folder, and return the path of the open one: another user may not go through the folders above it."""
    if not Path("/proc/self/fd").is_dir():
        return folder
    if _STORED_NAME.fullmatch(folder.name):  # of the artifacts, whose folder is for the gateway's user alone
        for path in (folder, *folder.rglob("*")):
            mode = stat.S_IMODE(path.stat().st_mode)
            path.chmod(mode | (0o055 if path.is_dir() else 0o044))
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    return Path(f"/proc/{os.getpid()}/fd/{descriptor}")


def _build_ruleset(hidden: Iterable[str], folder: Path) -> int:
    """Return a ruleset of Landlock that leaves everything but what is hidden; the folder of the version can be read."""
    version = landlock_version()
    handled = _RIGHTS if version >= 3 else _RIGHTS & ~_TRUNCATE
    attributes = struct.pack("=QQQ", handled, 0, _SCOPE_SIGNAL) if version >= 6 else struct.pack("=Q", handled)
    ruleset = _check(_syscall(_CREATE_RULESET, attributes, len(attributes), 0))
    parents = {path: frozenset(_folders_above(path)) for path in map(_highest_missing, hidden)}
    paths = {path for path in parents if parents[path].isdisjoint(parents)}
    above = {"/", "/dev"}.union(*(parents[path] for path in paths))
    for path, is_folder in _visible(paths, above):
        _allow(ruleset, path, handled if is_folder else handled & _FILE_RIGHTS)
    # The content of versions is hidden, but for its own; and the interpreter may stand in a hidden folder.
    for readable in (str(folder), sys.prefix, sys.base_prefix, *sys.path):
        real_path = os.path.realpath(readable)
        if real_path not in above and Path(folder).is_dir():
            _allow(ruleset, real_path, _READ_FILE)
    return ruleset


def _highest_missing(path: str) -> str:
    """Return the folder above `path` that is gone and stands in one that is there; the path where none is gone."""
    while not os.path.lexists(folder := _folder_of(path)):
        path = folder
    return path


def _folders_above(path: str) -> Iterator[str]:
    while (folder := _folder_of(path)) != path:
        yield folder
        path = folder


def _folder_of(path: str) -> str:
    # Not through pathlib: a gateway with hundreds of secrets would start its workers in seconds.
    return path.rpartition("/")[0] or "/"


def _visible(hidden: set[str], above: set[str]) -> Iterator[tuple[str, bool]]:
    """Yield what is beside something hidden, or beside a folder above it, and whether it is a folder."""
    names: dict[str, list[str]] = {}
    for path in hidden:
        names.setdefault(_folder_of(path), []).append(path.rpartition("/")[2])
    for folder in above:
        companions = tuple(form.format(name) for name in names.get(folder, ()) for form in _COMPANION)
        with suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                # The target of a link has a separate rule, or is hidden.
                if (
                    entry.path in above
                    or entry.path in hidden
                    or entry.name.startswith(companions)
                    or entry.is_symlink()
                ):
                    continue
                yield entry.path, entry.is_dir()


def _allow(ruleset: int, path: str, rights: int) -> None:
    with suppress(OSError):  # it is gone, or of a file system without rules
        descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            _check(_syscall(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", rights, descriptor), 0))
        finally:
            os.close(descriptor)


@cache
def landlock_version() -> int:
    """Return the version of the kernel's Landlock; 0 where it has none that leaves files their renames (Linux 5.19)."""
    if not IS_LINUX:
        return 0
    version = int(_syscall(_CREATE_RULESET, None, 0, _QUERY_VERSION))
    return version if version >= 2 else 0


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _syscall(number: int, *arguments: object) -> int:
    values = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    return int(_libc().syscall(ctypes.c_long(number), *values))


def _check(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def _is_root() -> bool:
    identity: Callable[[], int] | None = getattr(os, "geteuid", None)
    return identity is not None and identity() == 0


def _ids(user: str) -> tuple[int, int]:
    """Return uid and gid of a user. KeyError if none exists."""
    import pwd

    entry = pwd.getpwnam(user)
    return entry.pw_uid, entry.pw_gid


@cache
def _user_fault(user: str) -> str:
    """Return the reason why workers cannot run as a user; "" when they can."""
    try:
        uid, gid = _ids(user)
    except (KeyError, ImportError):
        return "there is no such user"
    if uid == os.geteuid():
        return ""
    if not _is_root():
        return "only root can start processes of another user"
    files = {os.__file__, sys.executable, __file__, ctypes.__file__}
    unreadable = next((file for file in files if not _may_read(Path(os.path.realpath(file)), uid, gid)), "")
    return f"it cannot read {unreadable}" if unreadable else ""


def _may_read(file: Path, uid: int, gid: int) -> bool:
    def has(path: Path, bit: int) -> bool:
        status = path.stat()
        shift = 6 if status.st_uid == uid else 3 if status.st_gid == gid else 0
        return bool(status.st_mode >> shift & bit)

    return has(file, 4) and all(has(folder, 1) for folder in file.parents)


shared_boundary = WorkerBoundary()
"""the boundary of this process, for all workers and all gateways in it"""
