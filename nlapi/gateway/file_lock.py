"""Locks a file for one process, until it is closed or the process ends, however it ends."""

from __future__ import annotations

import os
from pathlib import Path

from nlapi.errors import NlapiError

try:
    import fcntl
except ImportError:  # Windows has none
    fcntl = None  # type: ignore[assignment]


class FileLock:
    """The lock on a file, which is made if it does not exist. `message` and `hint` say who else has it."""

    # A lock of the kernel and not a file with a process id: it is released when the process is killed.

    def __init__(self, path: str | Path, message: str, hint: str) -> None:
        self._path = path
        self._message = message
        self._hint = hint
        self._descriptor = -1

    def acquire(self) -> None:
        """Take the lock. NlapiError when another process has it, or when the file cannot be opened."""
        if fcntl is None:
            return
        try:
            self._descriptor = os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600)
        except OSError as error:
            raise NlapiError(f"{self._path} cannot be opened: {error.strerror}", hint="give another place") from None
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise NlapiError(self._message, hint=self._hint) from None

    def release(self) -> None:
        """Let another process take it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
