"""Reads the files of a description, from a path, a URL, standard input or a bundled name, under limits."""

from __future__ import annotations

import posixpath
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin

from nlapi import bundled
from nlapi.errors import FetchError, NlapiError
from nlapi.openapi.cache import Cache
from nlapi.openapi.document import read_tree
from nlapi.openapi.download import DEADLINE, DownloadCall, FetchedDescription, too_large_error
from nlapi.openapi.egress import NetworkScope
from nlapi.openapi.urls import is_http_url, origin, redact_url

STANDARD_INPUT = "standard input"
"""The source of what was read from "-"."""

# GitHub's description is 13 MB; a server may send without end, so there is a limit.
MAX_BYTES = 64 * 1024 * 1024

# DigitalOcean's description has 2,907 files, the most of any known.
MAX_FILES = 10_000

# Seconds for all downloads together; the files are fetched one after the other.
MAX_DOWNLOAD_SECONDS = 120.0


_SCOPE = ContextVar("scope", default=NetworkScope.ANY)


@contextmanager
def within_networks(scope: NetworkScope) -> Iterator[None]:
    """Let URLs that are fetched in the block, named by a document and no user, be in these networks alone."""
    token = _SCOPE.set(scope)
    try:
        yield
    finally:
        _SCOPE.reset(token)


def fetch(
    source: str,
    *,
    max_bytes: int = MAX_BYTES,
    deadline: float = DEADLINE,
    cache: Cache | None = None,
    same_origin: bool = False,
    scope: NetworkScope | None = None,
) -> FetchedDescription:
    """Return the bytes of a description. FetchError gives the reason when they are not available.

    `source` is "-" (standard input), an http(s) URL, a path, or the name of a description that nlapi ships. `deadline`
    is in seconds. A download is stored in `cache` as its server allows. With `same_origin` no redirect to another
    origin is followed. `scope` are the networks that the host of a URL may be in: any where the user named it, and
    those of `within_networks` where a document did.
    """
    if source == "-":
        return FetchedDescription(
            data=_read_limited(sys.stdin.buffer, STANDARD_INPUT, max_bytes), source=STANDARD_INPUT
        )
    scheme = source.partition("://")[0].lower() if "://" in source else ""
    if scheme in ("http", "https"):
        call = DownloadCall(url=source, max_bytes=max_bytes, seconds=deadline, cache=cache, same_origin=same_origin)
        return call.run(_SCOPE.get() if scope is None else scope)
    if scheme:
        raise FetchError(
            f"{redact_url(source)}: nlapi reads http and https URLs and files", hint="give a path or an http(s) URL"
        )
    return _read_file(source, max_bytes)


def _read_file(source: str, max_bytes: int) -> FetchedDescription:
    try:
        with Path(source).expanduser().open("rb") as file:
            return FetchedDescription(data=_read_limited(file, source, max_bytes), source=source)
    except IsADirectoryError:
        if shipped := bundled.spec(source):
            return FetchedDescription(data=shipped[1], source=source)
        hint = "name the file in it that begins with `openapi:`"
        raise FetchError(f"{source or '.'} is a folder", hint=hint) from None
    except (FileNotFoundError, NotADirectoryError, RuntimeError, ValueError):  # no such home, a NUL in the name
        if shipped := bundled.spec(source):
            return FetchedDescription(data=shipped[1], source=source)
        raise FetchError(f"no such file: {source[:200]}", hint=_missing_file_hint(source)) from None
    except OSError as error:
        raise FetchError(f"{source[:200]} cannot be read: {error.strerror}") from None


def _missing_file_hint(source: str) -> str:
    """Return a hint for a name that is not a file: a URL without a scheme, or the accepted forms."""
    if re.match(r"(?:localhost|[\w-]+(?:\.[\w-]+)+)(?::\d+)?/|[\w.-]+:\d+$", source):
        return f"a URL begins with its scheme: http://{source[:200]} or https://{source[:200]}"
    names = ", ".join(bundled.spec_names())
    return f"give a path, a URL, a bundled name ({names}), or one of `nlapi api list`"


def _read_limited(stream: Any, source: str, max_bytes: int) -> bytes:
    # One byte more than allowed: a pipe has no size to ask for.
    data: bytes = stream.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise too_large_error(source, max_bytes)
    return data


@dataclass(slots=True, kw_only=True)
class DescriptionFiles:
    """The files beside `root`, a path or a URL. LookupError gives the reason when one is not available.

    A file is identified by its place: for a local root its path from the root's folder, else its URL. Downloads are
    limited to the root's own origin, and to the networks of `network`. Local files must be in the root's folder or in
    `within`. Names that begin with a dot are never read (docs/design/005).
    """

    root: str
    network: NetworkScope = NetworkScope.LOCAL
    within: str = ""
    cache: Cache | None = None
    max_files: int = MAX_FILES
    max_bytes: int = MAX_BYTES
    _trees: dict[str, object] = field(default_factory=dict)
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
        return is_http_url(self.root)

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
        if any(
            part.startswith(".") and part != ".."
            for candidate in (full, real)
            for part in self._relative_parts(candidate)
        ):
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
        """Return the widest folder that files may be in: `within`, else the root's folder."""
        if not self._boundary:
            self._boundary = Path(self.within).expanduser().resolve().as_posix() if self.within else self.folder
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
            raise self._failure(
                location, f"the files of the description are larger than {self.max_bytes / 2**20:.3g} MB"
            )
        if not self.is_remote:
            path = Path(self.folder) / location
            try:
                is_file = path.is_file()
            except OSError:  # a name that is too long
                is_file = False
            if not is_file:
                raise self._failure(location, f"no such file: {self._display_path(location)[:200]}")
            return fetch(str(path), max_bytes=remaining).data
        # The clock starts with the first download, not when the root was read.
        self._deadline = self._deadline or time.monotonic() + MAX_DOWNLOAD_SECONDS
        seconds = min(DEADLINE, self._deadline - time.monotonic())
        if seconds <= 0:
            raise self._failure(location, f"the files of the description did not arrive in {MAX_DOWNLOAD_SECONDS:g} s")
        return fetch(
            location,
            max_bytes=remaining,
            deadline=seconds,
            cache=self.cache,
            same_origin=True,
            scope=self.network,
        ).data

    def _failure(self, location: str, reason: str) -> LookupError:
        self._reasons[location] = reason
        return LookupError(reason)

    def _display_path(self, location: str) -> str:
        return (
            location if self.is_remote else posixpath.normpath(posixpath.join(posixpath.dirname(self.root), location))
        )
