"""Finds the folder that a version's source names: below the folder of models, a package, or an archive by URL."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path, PurePosixPath
from urllib.parse import SplitResult, unquote
from urllib.request import url2pathname

from nlapi.errors import DescriptionError
from nlapi.gateway.archives import SUFFIXES, display_url, download, extract, split_url
from nlapi.gateway.artifacts import ArtifactStore
from nlapi.gateway.content_digest import CHUNK_BYTES, remove_tree
from nlapi.gateway.workflow import MANIFEST_NAME, find_folder

SHA256_FIELD = "sha256="
_URL_SCHEMES = ("file", "http", "https")
_DIGITS = frozenset("0123456789abcdef")


def is_url(source: str) -> bool:
    """Return whether a source is a URL and not a path or a package."""
    return source.lower().startswith(tuple(f"{scheme}:" for scheme in _URL_SCHEMES)) or "://" in source


def is_remote(source: str) -> bool:
    """Return whether a source is on another machine, or may be: any URL but a `file:` one."""
    return is_url(source) and not source.lower().startswith("file:")


def is_archive(source: str) -> bool:
    """Return whether a source is a file that has to be unpacked."""
    return is_url(source) and split_url(source).path.endswith(SUFFIXES)


def stored_source(source: str) -> str:
    """Return a source as revisions have it: a URL without its query, which may hold a signature."""
    if not is_url(source):
        return source
    fragment = split_url(source).fragment
    return display_url(source) + (f"#{fragment}" if fragment else "")


class SourceFinder:
    """Opens the sources of versions.

    Paths and packages are those of `models`. A URL needs a prefix in `allowed`, as whoever may name any URL may run any
    code; `file:` URLs below `models` are always allowed.
    """

    def __init__(self, models: Path, artifacts: ArtifactStore, allowed: Iterable[str] = ()) -> None:
        self.models = models
        self._artifacts = artifacts
        self._allowed = tuple(split_url(prefix) for prefix in allowed)

    @contextmanager
    def open(self, source: str) -> Iterator[Path]:
        """Give the folder of a source while the `with` block lasts. DescriptionError when there is none."""
        if not is_url(source):
            yield find_folder(source, self.models)
            return
        parts = self._check_url(source)
        if parts.scheme == "file":
            path = Path(url2pathname(parts.path)).resolve()
            if path.is_dir():
                yield _version_folder(path, display_url(source))
                return
        with self._unpacked(source, parts) as folder:
            yield folder

    @contextmanager
    def _unpacked(self, source: str, parts: SplitResult) -> Iterator[Path]:
        location = display_url(source)
        expected = parts.fragment.removeprefix(SHA256_FIELD).lower()
        if not parts.fragment.startswith(SHA256_FIELD) or len(expected) != 64 or not _DIGITS.issuperset(expected):
            raise DescriptionError(
                f"{location} has no sha256", hint=f"add #{SHA256_FIELD} and the 64 digits that `sha256sum` prints"
            )
        if not parts.path.endswith(SUFFIXES):
            raise DescriptionError(
                f"{location} is no archive", hint=f"give the address of a {' or '.join(SUFFIXES)} file"
            )
        workspace = self._artifacts.create_incoming()
        try:
            archive = workspace / "archive"
            if parts.scheme == "file":
                archive = Path(url2pathname(parts.path)).resolve()
                actual = _hash_file(archive, location)
            else:
                actual = download(source.partition("#")[0], archive, is_allowed=self._is_allowed)
            if actual != expected:
                raise DescriptionError(
                    f"{location} has the sha256 {actual[:12]}..., and not {expected[:12]}...",
                    hint="compare it with what its author says before you give the new one",
                )
            content = workspace / "content"
            content.mkdir()
            extract(archive, content, self._artifacts.limits)
            yield _version_folder(content, location)
        finally:
            remove_tree(workspace)

    def _check_url(self, source: str) -> SplitResult:
        """Return the parts of an allowed URL. DescriptionError for any other."""
        parts = split_url(source)
        if parts.scheme not in _URL_SCHEMES:
            raise DescriptionError(
                f"{source[:80]!r} is no address of a version",
                hint="give a path, a package, or a file:, http: or https: URL",
            )
        if parts.username is not None or parts.password is not None:
            raise DescriptionError(f"{display_url(source)} holds a credential", hint="leave it out")
        if not self._is_allowed(source):
            raise DescriptionError(
                f"{display_url(source)} is no allowed source",
                hint="start the gateway with `--allow-source` and the address that it begins with",
            )
        return parts

    def _is_allowed(self, url: str) -> bool:
        parts = split_url(url)
        if parts.scheme == "file":
            return parts.netloc in ("", "localhost") and self._is_allowed_path(Path(url2pathname(parts.path)))
        # Servers take "%2e%2e/" for "../", and a backslash for a slash.
        path = PurePosixPath(unquote(parts.path).replace("\\", "/"))
        return ".." not in path.parts and any(
            (parts.scheme, parts.hostname, parts.port) == (prefix.scheme, prefix.hostname, prefix.port)
            and path.is_relative_to(prefix.path or "/")
            for prefix in self._allowed
        )

    def _is_allowed_path(self, path: Path) -> bool:
        folders = [Path(url2pathname(prefix.path)) for prefix in self._allowed if prefix.scheme == "file"]
        # After resolve(), which follows links: an allowed folder may hold a link to anywhere.
        with suppress(OSError, ValueError, RuntimeError):
            return any(path.resolve().is_relative_to(folder.resolve()) for folder in (self.models, *folders))
        return False


def _version_folder(folder: Path, location: str) -> Path:
    """Return the folder with the manifest: this one, or its only subfolder, as archives often have one at their top."""
    if (folder / MANIFEST_NAME).is_file():
        return folder
    entries = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    if len(entries) == 1 and not entries[0].is_symlink() and (entries[0] / MANIFEST_NAME).is_file():
        return entries[0]
    raise DescriptionError(f"{location} has no {MANIFEST_NAME}", hint=f"pack the folder that holds the {MANIFEST_NAME}")


def _hash_file(file: Path, location: str) -> str:
    digest = sha256()
    try:
        with file.open("rb") as stream:
            while chunk := stream.read(CHUNK_BYTES):
                digest.update(chunk)
    except OSError as error:
        raise DescriptionError(f"{location} cannot be read: {error.strerror or error}") from None
    return digest.hexdigest()
