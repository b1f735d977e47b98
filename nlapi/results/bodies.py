"""Keeps the bodies of answers in memory up to a bound, and the oldest beyond it in files without a name."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from nlapi.client.message import Result, body_size, forget_derived, is_resident, move_body
from nlapi.registry import user_folder

# Bytes of bodies in memory. An answer of 21 MB and the next one fit, and a process with such an answer takes 180 MB in
# all (`python -m benchmarks.agent`).
MAX_RESIDENT = 32_000_000
# Bytes of a body that is never moved: its place in the file would take a good part of that in memory.
MIN_MOVED = 2_000
# Bytes of the bodies whose text and JSON stay beside them: the last answers, which a planner reads again and again.
MAX_DERIVED = 4_000_000
# Bytes of one file. Its room is given back when none of the bodies in it is used any more.
MAX_FILE = 64_000_000


class BodyFile:
    """A file of bodies, one behind the other, that ends when nothing refers to it.

    It has no name (on POSIX it is removed as soon as it is open, or never had one; on Windows the system removes it):
    no other process opens it, and neither an end of the process nor a kill leaves it behind.
    """

    def __init__(self, folder: Path) -> None:
        import tempfile  # which few conversations come to need

        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # `tempfile` gives it mode 0600. Unbuffered: of a write that fails, nothing is left to be written at the end.
        self._file: BinaryIO = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115
        self._lock = threading.Lock()
        self.size = 0
        weakref.finalize(self, self._file.close)

    def append(self, content: bytes) -> FileBody:
        """Write a body behind the others. OSError where it cannot be written in full."""
        with self._lock:
            self._file.seek(self.size)
            remaining = memoryview(content)
            while remaining:
                remaining = remaining[self._file.write(remaining) :]
            body = FileBody(file=self, start=self.size, size=len(content))
            self.size += len(content)
        return body

    def read(self, start: int, size: int) -> bytes:
        with self._lock:
            self._file.seek(start)
            parts: list[bytes] = []
            while size:
                part = self._file.read(size)
                if not part:
                    raise OSError("the file of an answer is shorter than it was")
                parts.append(part)
                size -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileBody:
    """A body in a BodyFile, which it keeps open."""

    file: BodyFile
    start: int
    size: int

    def read(self) -> bytes:
        """Return the bytes of the body."""
        return self.file.read(self.start, self.size)

    def __reduce__(self) -> tuple[type[bytes], tuple[bytes]]:
        # A copy, or a Result that is pickled, has the bytes themselves.
        return bytes, (self.read(),)


@dataclass(slots=True)
class ResidentBodies:
    """The bodies in memory of all Results that were added, as long as something else refers to those.

    Beyond `limit` bytes the oldest are moved to files in `folder`, the user's state folder by default. Only of the last
    ones the text and the JSON stay in memory, too.
    """

    limit: int = MAX_RESIDENT
    folder: Path | None = None
    fault: str = ""
    """why the last body that should have been moved is still in memory; "" where it was moved"""
    _results: list[weakref.ref[Result]] = field(default_factory=list)
    _file: weakref.ref[BodyFile] | None = None
    # Reentrant: a Result may be collected, and its file closed, while another is added.
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def add(self, result: Result) -> None:
        """Count the body of a Result, and move the oldest ones that are too many."""
        with self._lock:
            results = [entry for ref in self._results if (entry := ref()) is not None and entry is not result]
            results = [entry for entry in results if is_resident(entry)]
            if is_resident(result) and body_size(result) >= MIN_MOVED:
                results.append(result)
            _forget_derived(results)
            total = sum(map(body_size, results))
            moved = 0
            while total > self.limit and moved < len(results) and self._move(results[moved]):
                total -= body_size(results[moved])
                moved += 1
            self._results = list(map(weakref.ref, results[moved:]))

    def _move(self, result: Result) -> bool:
        """Move a body to a file, and return whether it was."""
        content = result.content
        try:
            file = self._file() if self._file is not None else None
            if file is None or file.size + len(content) > MAX_FILE:
                file = BodyFile(self.folder or user_folder("state"))
            body = file.append(content)
        except OSError as error:
            folder = self.folder or user_folder("state")
            self.fault = f"{folder} cannot be written: {error.strerror or error}"
            return False
        self._file, self.fault = weakref.ref(file), ""
        move_body(result, body)
        return True


def _forget_derived(results: Sequence[Result]) -> None:
    """Drop what was derived from the oldest bodies; it is derived again where it is asked for."""
    size = 0
    for result in reversed(results):
        if size and size + body_size(result) > MAX_DERIVED:
            forget_derived(result)
        size += body_size(result)


RESIDENT_BODIES = ResidentBodies()
"""The bodies of this process: memory is one, however many conversations use it."""
