"""Locates and reads the other files of a description, under limits for all of them together."""

from __future__ import annotations

import posixpath
import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin

from nlapi.errors import NlapiError
from nlapi.openapi.urls import origin
from nlapi.openapi.cache import Cache
from nlapi.openapi.fetch import DEADLINE, MAX_BYTES, fetch
from nlapi.openapi.tree import read_tree

# DigitalOcean's description has 2,907 files, the most of any known.
MAX_FILES = 10_000

# Entries that mark the top folder of a repository.
REPOSITORY_MARKS = (".git", ".hg", ".svn", ".jj")

# Seconds for all downloads together; the files are fetched one after the other.
MAX_DOWNLOAD_SECONDS = 120.0


@dataclass(slots=True, kw_only=True)
class DescriptionFiles:
    """The files beside `root`, a path or a URL. LookupError gives the reason when one is not available.

    A file is identified by its place: for a local root its path from the root's folder, else its URL. Downloads are
    limited to the root's own origin. Local files must be in the root's folder or in `within`; without `within`, in the
    repository of the root. Names that begin with a dot are never read (docs/design/005).
    """

    root: str
    within: str = ""
    cache: Cache | None = None
    max_files: int = MAX_FILES
    max_bytes: int = MAX_BYTES
    _trees: dict[str, Any] = field(default_factory=dict)
    _reasons: dict[str, str] = field(default_factory=dict)
    _requested: dict[str, None] = field(default_factory=dict)
    _count: int = 0
    _bytes: int = 0
    _deadline: float = 0.0
    _locations: dict[tuple[str, str], str] = field(default_factory=dict)
    _folder: str = ""
    _boundary: str = ""

    @property
    def is_remote(self) -> bool:
        return self.root.startswith(("http://", "https://"))

    def locate(self, path: str, beside: str) -> str:
        """Return the place of `path` as written in the file `beside`; "" is the root, for both."""
        key = path.replace("\\", "/"), beside if self.is_remote else posixpath.dirname(beside)
        if key not in self._locations:
            self._locations[key] = (self._locate_url if self.is_remote else self._locate_path)(*key)
        return self._locations[key]

    def _locate_url(self, path: str, beside: str) -> str:
        try:
            url = urljoin(beside or self.root, path)
        except ValueError:
            raise LookupError(f"{path!r} is no URL") from None
        if origin(url) is None or origin(url) != origin(self.root):
            raise LookupError(f"{path!r} is not on the server that the description came from")
        return "" if url == self.root.partition("#")[0] else url

    def _locate_path(self, path: str, beside: str) -> str:
        if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]+:", path):
            raise LookupError(f"{path!r} is elsewhere; files may name only files in the folder of {self.root}")
        full = posixpath.normpath(posixpath.join(self.folder, beside, unquote(path)))
        try:
            # Both forms are checked: the written path could be inside while a symbolic link leads outside.
            real = Path(full).resolve().as_posix()
        except (OSError, RuntimeError, ValueError):  # a loop of links, a NUL in the name
            real = ""
        if not (self._is_inside(full) and self._is_inside(real)):
            raise LookupError(
                f"{path!r} is outside the folder of {self.root}; if it is meant, name a folder above both with --root"
            )
        location = posixpath.relpath(full, self.folder)
        if any(part.startswith(".") and part != ".." for candidate in (full, real) for part in self._relative_parts(candidate)):
            raise LookupError(f"{path!r} is hidden: a description is not shown files whose names begin with a dot")
        return "" if location == Path(self.root).name else location

    def _is_inside(self, path: str) -> bool:
        return any(path.startswith(f"{folder.rstrip('/')}/") for folder in (self.folder, self.boundary))

    def _relative_parts(self, path: str) -> list[str]:
        return posixpath.relpath(path, self.folder).split("/")

    @property
    def folder(self) -> str:
        """Return the folder of a local root, with links followed; LookupError when the root is not a file."""
        if not self._folder:
            path = Path(self.root).expanduser()
            if not path.exists():
                raise LookupError(f"it leads into another file, and {self.root} is in no folder")
            self._folder = path.parent.resolve().as_posix()
        return self._folder

    @property
    def boundary(self) -> str:
        """Return the widest folder that files may be in: `within`, else the root's repository, else its folder."""
        if not self._boundary:
            folder = Path(self.within).expanduser().resolve() if self.within else _enclosing_repository(Path(self.folder))
            self._boundary = folder.as_posix()
        return self._boundary

    def tree(self, location: str) -> Any:
        """Return the tree of a file, the same object at each call."""
        if location not in self._trees:
            data = self._read_once(location)
            try:
                self._trees[location] = read_tree(data, self._display_path(location), self.cache)[0]
            except NlapiError as error:
                raise self._failure(location, error.message) from None
        return self._trees[location]

    @property
    def requested(self) -> tuple[str, ...]:
        """Return the path or URL of each requested file, including those that were not available."""
        return tuple(location if self.is_remote else str(Path(self.folder) / location) for location in self._requested)

    def text(self, location: str) -> str:
        """Return a file as text, in any format."""
        return self._read_once(location).decode("utf-8-sig", "replace")

    def _read_once(self, location: str) -> bytes:
        if location in self._reasons:
            raise LookupError(self._reasons[location])
        self._requested[location] = None
        if self._count >= self.max_files:
            raise LookupError(f"the description has more than {self.max_files:,} files")
        self._count += 1
        try:
            data = self._read(location)
        except NlapiError as error:
            raise self._failure(location, error.message) from None
        self._bytes += len(data)
        return data

    def _read(self, location: str) -> bytes:
        remaining = self.max_bytes - self._bytes
        if remaining <= 0:
            raise self._failure(location, f"the files of the description are larger than {self.max_bytes / 2**20:.3g} MB")
        if not self.is_remote:
            path = Path(self.folder) / location
            if not path.is_file():
                raise self._failure(location, f"no such file: {self._display_path(location)}")
            return fetch(str(path), max_bytes=remaining).data
        # The clock starts with the first download, not when the root was read.
        self._deadline = self._deadline or time.monotonic() + MAX_DOWNLOAD_SECONDS
        seconds = min(DEADLINE, self._deadline - time.monotonic())
        if seconds <= 0:
            raise self._failure(location, f"the files of the description did not arrive in {MAX_DOWNLOAD_SECONDS:g} s")
        return fetch(location, max_bytes=remaining, deadline=seconds, cache=self.cache, same_origin=True).data

    def _failure(self, location: str, reason: str) -> LookupError:
        self._reasons[location] = reason
        return LookupError(reason)

    def _display_path(self, location: str) -> str:
        return location if self.is_remote else posixpath.normpath(posixpath.join(posixpath.dirname(self.root), location))


def _enclosing_repository(folder: Path) -> Path:
    """Return the nearest repository that contains `folder`, else `folder`. A home folder under version control is too
    wide.
    """
    try:
        home: Path | None = Path.home().resolve()
    except RuntimeError:
        home = None
    for above in (folder, *folder.parents):
        if above == Path(above.anchor) or above == home or (home and above in home.parents):
            break
        if any((above / mark).exists() for mark in REPOSITORY_MARKS):
            return above
    return folder
