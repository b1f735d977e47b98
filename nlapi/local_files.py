"""Writes files that more than one process writes: whole or not at all, and one process at a time."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nlapi.errors import NlapiError

try:
    import fcntl
except ImportError:  # Windows has none
    fcntl = None  # type: ignore[assignment]


class FileLock:
    """The lock on a file, which is made if it does not exist. `message` and `hint` say who else has it."""

    # A lock of the kernel and not a file with a process id: it is released when the process is killed.

    def __init__(self, path: str | Path, message: str = "", hint: str = "") -> None:
        self._path = path
        self._message = message
        self._hint = hint
        self._descriptor = -1

    def acquire(self, *, wait: bool = False) -> None:
        """Take the lock. NlapiError when another process has it, or when the file cannot be opened.

        With `wait` the other process is waited for.
        """
        if fcntl is None:
            return
        try:
            self._descriptor = os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600)
        except OSError as error:
            raise NlapiError(f"{self._path} cannot be opened: {error.strerror}", hint="give another place") from None
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError:
            raise NlapiError(self._message, hint=self._hint) from None

    def release(self) -> None:
        """Let another process take it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of the file at `path` while it is read, changed and written; other processes wait.

    The lock is a file beside it, as the file itself is replaced. OSError when its folder cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    lock.acquire(wait=True)
    try:
        yield
    finally:
        lock.release()


def write_file(path: Path, content: str | bytes) -> None:
    """Write a file whole or not at all, and on the disk before it replaces an earlier one. OSError when it cannot be.

    A new file is for the user alone (0600), an existing one keeps its mode; a link is followed. A process that is
    killed leaves the old file or the new one.
    """
    target = path.resolve()
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # mkstemp makes it with mode 0600.
    handle, name = tempfile.mkstemp(prefix=f".{target.name}-", suffix=".part", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content.encode("utf-8") if isinstance(content, str) else content)
            stream.flush()
            os.fsync(stream.fileno())
        with suppress(FileNotFoundError):
            Path(name).chmod(target.stat().st_mode & 0o7777)
        Path(name).replace(target)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    """Put the names in a folder on the disk, where the system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
