"""What happens to the files of a client's session, as the system tells it to the broker alone.

A hook makes a mark for each event of the client. The model's shell may remove it, or move a folder away while a hook
looks for it and back again: the queue of inotify(7) holds both, and no other process can read or empty it.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

# inotify(7). A mark that is made, or written again; and a folder on the way to it that is moved, replaced or closed.
_MODIFY, _ATTRIB, _CLOSE_WRITE, _MOVED_FROM, _MOVED_TO, _CREATE, _DELETE = 0x2, 0x4, 0x8, 0x40, 0x80, 0x100, 0x200
_DELETE_SELF, _MOVE_SELF, _UNMOUNT, _OVERFLOW, _IGNORED = 0x400, 0x800, 0x2000, 0x4000, 0x8000
_MADE = _CREATE | _CLOSE_WRITE | _MOVED_TO | _MODIFY
_PLACE = _CREATE | _MOVED_FROM | _MOVED_TO | _DELETE | _ATTRIB
_SELF = _ATTRIB | _DELETE_SELF | _MOVE_SELF
_HEADER = struct.Struct("iIII")


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderNews:
    """What has happened since the last look: the marks that were made, and whether the way to them was touched."""

    marks: tuple[str, ...] = ()
    is_touched: bool = False


class SessionWatch(Protocol):
    """Tells what happens to the marks of a session, and to the files that make them."""

    def read(self) -> FolderNews:
        """Return the news since the last call."""
        ...

    def fileno(self) -> int:
        """Return a descriptor that can be read from where there are news; -1 where there is none."""
        ...


def watch_session(marks: Path, files: Iterable[Path]) -> SessionWatch:
    """Watch the folder of the marks, and all names on the way to it and to the files, from now on."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            return _KernelWatch(marks, files)
    return _PolledWatch(marks)


def _steps(path: Path) -> Iterator[tuple[Path, str]]:
    """Yield each folder on the way to a path with the name that leads on, as written and with links resolved."""
    for way in {path.absolute(), path.resolve()}:
        for step in (way, *way.parents):
            if step.name:
                yield step.parent, step.name


class _KernelWatch:
    """The news of inotify(7)."""

    def __init__(self, marks: Path, files: Iterable[Path]) -> None:
        self._library = ctypes.CDLL(None, use_errno=True)
        self._descriptor: int = self._library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")
        self._names: dict[int, set[str]] = {}
        for path in (marks, *files):
            for folder, name in _steps(path):
                self._names.setdefault(self._add(folder, _PLACE), set()).add(name)
        self._marks = self._add(marks, _MADE | _SELF)

    def _add(self, folder: Path, mask: int) -> int:
        number: int = self._library.inotify_add_watch(self._descriptor, os.fsencode(folder), mask)
        if number < 0:
            raise OSError(ctypes.get_errno(), "inotify_add_watch", str(folder))
        return number

    def fileno(self) -> int:
        return self._descriptor

    def read(self) -> FolderNews:
        marks: dict[str, None] = {}
        is_touched = False
        for number, mask, name in self._events():
            if mask & (_OVERFLOW | _UNMOUNT | _IGNORED):
                is_touched = True
            elif number == self._marks and name:
                marks[name] = None
            elif number == self._marks or name in self._names.get(number, ()):
                is_touched = True
        return FolderNews(marks=tuple(marks), is_touched=is_touched)

    def _events(self) -> Iterator[tuple[int, int, str]]:
        with suppress(BlockingIOError):
            while data := os.read(self._descriptor, 65_536):
                position = 0
                while position < len(data):
                    number, mask, _, length = _HEADER.unpack_from(data, position)
                    position += _HEADER.size
                    yield number, mask, os.fsdecode(data[position : position + length].rstrip(b"\0"))
                    position += length


@dataclass(slots=True)
class _PolledWatch:
    """The news by looking, where there is no inotify: a mark that is removed between two looks is a touch."""

    folder: Path
    seen: set[str] = field(default_factory=set)
    changed: int = 0

    def fileno(self) -> int:
        return -1

    def read(self) -> FolderNews:
        try:
            changed = self.folder.stat().st_ctime_ns
            names = {path.name for path in self.folder.iterdir()} - self.seen
        except OSError:
            return FolderNews(is_touched=True)
        is_touched = changed != self.changed and not names and self.changed != 0
        self.changed = changed
        self.seen |= names
        return FolderNews(marks=tuple(names), is_touched=is_touched)
