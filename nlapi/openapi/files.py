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
from nlapi.openapi.address import origin
from nlapi.openapi.cache import Cache
from nlapi.openapi.fetch import DEADLINE, MAX_BYTES, fetch
from nlapi.openapi.tree import read_tree

# DigitalOcean's description has 2,907 files, the most of any known.
MAX_FILES = 10_000

# Entries that mark the top folder of a repository.
REPOSITORIES = (".git", ".hg", ".svn", ".jj")

# Seconds for all downloads together; the files are fetched one after the other.
MAX_SECONDS = 120.0


@dataclass(slots=True, kw_only=True)
class Files:
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
    _asked: dict[str, None] = field(default_factory=dict)
    _count: int = 0
    _bytes: int = 0
    _deadline: float = 0.0
    _places: dict[tuple[str, str], str] = field(default_factory=dict)
    _folder: str = ""
    _reach: str = ""

    @property
    def is_remote(self) -> bool:
        return self.root.startswith(("http://", "https://"))

    def place(self, path: str, beside: str) -> str:
        """Return the place of `path` as written in the file `beside`; "" is the root, for both."""
        key = path.replace("\\", "/"), beside if self.is_remote else posixpath.dirname(beside)
        if key not in self._places:
            self._places[key] = (self._url if self.is_remote else self._local)(*key)
        return self._places[key]

    def _url(self, path: str, beside: str) -> str:
        try:
            url = urljoin(beside or self.root, path)
        except ValueError:
            raise LookupError(f"{path!r} is no URL") from None
        if origin(url) is None or origin(url) != origin(self.root):
            raise LookupError(f"{path!r} is not on the server that the description came from")
        return "" if url == self.root.partition("#")[0] else url

    def _local(self, path: str, beside: str) -> str:
        if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]+:", path):
            raise LookupError(f"{path!r} is elsewhere; files may name only files in the folder of {self.root}")
        full = posixpath.normpath(posixpath.join(self.folder, beside, unquote(path)))
        try:
            # Both forms are checked: the written path could be inside while a symbolic link leads outside.
            real = Path(full).resolve().as_posix()
        except (OSError, RuntimeError, ValueError):  # a loop of links, a NUL in the name
            real = ""
        if not (self._inside(full) and self._inside(real)):
            raise LookupError(
                f"{path!r} is outside the folder of {self.root}; if it is meant, name a folder above both with --root"
            )
        place = posixpath.relpath(full, self.folder)
        if any(part.startswith(".") and part != ".." for one in (full, real) for part in self._from_folder(one)):
            raise LookupError(f"{path!r} is hidden: a description is not shown files whose names begin with a dot")
        return "" if place == Path(self.root).name else place

    def _inside(self, path: str) -> bool:
        return any(path.startswith(f"{folder.rstrip('/')}/") for folder in (self.folder, self.reach))

    def _from_folder(self, path: str) -> list[str]:
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
    def reach(self) -> str:
        """Return the widest folder that files may be in: `within`, else the root's repository, else its folder."""
        if not self._reach:
            given = Path(self.within).expanduser().resolve() if self.within else _repository(Path(self.folder))
            self._reach = given.as_posix()
        return self._reach

    def tree(self, place: str) -> Any:
        """Return the tree of a file, the same object at each call."""
        if place not in self._trees:
            data = self._data(place)
            try:
                self._trees[place] = read_tree(data, self._shown(place), self.cache)[0]
            except NlapiError as error:
                raise self._failed(place, error.message) from None
        return self._trees[place]

    @property
    def named(self) -> tuple[str, ...]:
        """Return the path or URL of each requested file, including those that were not available."""
        return tuple(place if self.is_remote else str(Path(self.folder) / place) for place in self._asked)

    def text(self, place: str) -> str:
        """Return a file as text, in any format."""
        return self._data(place).decode("utf-8-sig", "replace")

    def _data(self, place: str) -> bytes:
        if place in self._reasons:
            raise LookupError(self._reasons[place])
        self._asked[place] = None
        if self._count >= self.max_files:
            raise LookupError(f"the description has more than {self.max_files:,} files")
        self._count += 1
        try:
            data = self._fetched(place)
        except NlapiError as error:
            raise self._failed(place, error.message) from None
        self._bytes += len(data)
        return data

    def _fetched(self, place: str) -> bytes:
        left = self.max_bytes - self._bytes
        if left <= 0:
            raise self._failed(place, f"the files of the description are larger than {self.max_bytes / 2**20:.3g} MB")
        if not self.is_remote:
            path = Path(self.folder) / place
            if not path.is_file():
                raise self._failed(place, f"no such file: {self._shown(place)}")
            return fetch(str(path), max_bytes=left).data
        # The clock starts with the first download, not when the root was read.
        self._deadline = self._deadline or time.monotonic() + MAX_SECONDS
        seconds = min(DEADLINE, self._deadline - time.monotonic())
        if seconds <= 0:
            raise self._failed(place, f"the files of the description did not arrive in {MAX_SECONDS:g} s")
        return fetch(place, max_bytes=left, deadline=seconds, cache=self.cache, same_origin=True).data

    def _failed(self, place: str, reason: str) -> LookupError:
        self._reasons[place] = reason
        return LookupError(reason)

    def _shown(self, place: str) -> str:
        return place if self.is_remote else posixpath.normpath(posixpath.join(posixpath.dirname(self.root), place))


def _repository(folder: Path) -> Path:
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
        if any((above / mark).exists() for mark in REPOSITORIES):
            return above
    return folder
