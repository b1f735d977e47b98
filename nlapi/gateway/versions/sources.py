"""Finds the folder that a version's source names: below the folder of models, a package, or an archive by URL."""

from __future__ import annotations

import gzip
import stat
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Protocol
from urllib.parse import SplitResult, unquote, urljoin, urlsplit, urlunsplit
from urllib.request import url2pathname

from nlapi.errors import DescriptionError, file_faults
from nlapi.gateway.versions.artifacts import ArtifactStore
from nlapi.gateway.versions.content_digest import CHUNK_BYTES, FolderLimits, format_bytes, remove_tree
from nlapi.gateway.versions.workflow import MANIFEST_NAME, find_folder

if TYPE_CHECKING:
    import httpx2


MAX_ARCHIVE_BYTES = 8 * 2**30
DOWNLOAD_TIMEOUT_S = 120.0
"""seconds that a whole download may take, redirects included"""
MAX_REDIRECTS = 5
# Bytes of one read of a tar file. `tarfile` reads an extended header whole, whatever length it claims; files are read
# in chunks.
MAX_TAR_READ_BYTES = 1 << 20
SUFFIXES = (".zip", ".tar.gz", ".tgz")

_REDIRECTS = (301, 302, 303, 307, 308)


class _Reader(Protocol):
    """An open file of an archive."""

    def read(self, size: int, /) -> bytes: ...


def download(url: str, target: Path, *, is_allowed: Callable[[str], bool], max_bytes: int = MAX_ARCHIVE_BYTES) -> str:
    """Write the answer of an http(s) URL to a file and return its sha256 in hexadecimal digits.

    A redirect is followed when `is_allowed` accepts its address. DescriptionError when the download fails, is larger
    than `max_bytes` or takes longer than DOWNLOAD_TIMEOUT_S.
    """
    # Imported here: it takes a fifth of the gateway's start, and few versions come by URL.
    import httpcore2
    import httpx2

    deadline = time.monotonic() + DOWNLOAD_TIMEOUT_S
    # A proxy cannot reach this machine's loopback.
    is_loopback = split_url(url).hostname in ("localhost", "127.0.0.1", "::1")
    location = display_url(url)
    try:
        with httpx2.Client(
            timeout=httpx2.Timeout(30.0),
            trust_env=not is_loopback,
            verify=httpcore2.default_ssl_context(),
            # Compressed on the way it would be another file than the one whose sha256 is expected.
            headers={"Accept-Encoding": "identity"},
        ) as client:
            for _ in range(MAX_REDIRECTS + 1):
                with client.stream("GET", url) as response:
                    if response.status_code not in _REDIRECTS:
                        return _save(response, location, target, max_bytes, deadline)
                    url = urljoin(url, response.headers.get("location", ""))
                if not is_allowed(url):
                    raise DescriptionError(
                        f"{location} redirects to {display_url(url)}, which is not an allowed source",
                        hint="allow it with `nlapi gateway serve --allow-source`, or give that address",
                    )
            raise DescriptionError(
                f"{location} redirects more than {MAX_REDIRECTS} times", hint="give the last address"
            )
    except (httpx2.HTTPError, httpx2.InvalidURL, UnicodeError) as error:
        raise DescriptionError(
            f"{location} cannot be downloaded: {type(error).__name__}", hint="repeat later"
        ) from None


def _save(response: httpx2.Response, location: str, target: Path, max_bytes: int, deadline: float) -> str:
    if response.status_code != 200:
        raise DescriptionError(f"{location} answers {response.status_code}", hint="give the address of the archive")
    digest, size = sha256(), 0
    with target.open("xb") as file:
        for chunk in response.iter_raw(CHUNK_BYTES):
            size += len(chunk)
            if size > max_bytes:
                raise DescriptionError(f"{location} is larger than {format_bytes(max_bytes)}")
            # A server that sends a byte now and then would hold the change for ever.
            if time.monotonic() > deadline:
                raise DescriptionError(f"{location} takes longer than {DOWNLOAD_TIMEOUT_S:g} s", hint="repeat later")
            digest.update(chunk)
            file.write(chunk)
    return digest.hexdigest()


def split_url(url: str) -> SplitResult:
    """Return the parts of a URL; empty ones for any other text."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return SplitResult("", "", "", "", "")
    return parts


def display_url(url: str) -> str:
    """Return a URL for messages and revisions, without user, query and fragment, which may hold a credential."""
    parts = split_url(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))[:300]


def extract(archive: Path, target: Path, limits: FolderLimits) -> None:
    """Extract the files of a .zip or .tar.gz file into an empty folder.

    DescriptionError for an archive that is damaged, over a limit, or has a link or a path that leads out of the folder.
    """
    try:
        if zipfile.is_zipfile(archive):
            _extract_zip(archive, target, limits)
        else:
            _extract_tar(archive, target, limits)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, ValueError, NotImplementedError, RuntimeError) as error:
        raise DescriptionError(f"the archive is damaged: {type(error).__name__}", hint="pack it again") from None
    except gzip.BadGzipFile:
        raise DescriptionError("it is neither a .zip nor a .tar.gz file", hint="pack it as one of them") from None
    except OSError as error:
        raise DescriptionError(f"the archive cannot be extracted: {error.strerror or error}") from None
    # zlib's errors have no common base class but Exception.
    except Exception as error:
        if isinstance(error, DescriptionError):
            raise
        raise DescriptionError(f"the archive is damaged: {type(error).__name__}", hint="pack it again") from None


def _extract_zip(archive: Path, target: Path, limits: FolderLimits) -> None:
    with zipfile.ZipFile(archive) as file:
        writer = _Extraction(target, limits)
        for info in file.infolist():
            mode = info.external_attr >> 16
            if stat.S_ISLNK(mode):
                raise _link_error(info.filename)
            if not info.is_dir():
                with file.open(info) as content:
                    writer.add(info.filename, content)


def _extract_tar(archive: Path, target: Path, limits: FolderLimits) -> None:
    with _TarGzipFile(archive) as unpacked, tarfile.open(fileobj=unpacked, mode="r:") as file:
        writer = _Extraction(target, limits)
        for info in file:
            if info.isdir():
                continue
            if not info.isreg():
                raise _link_error(info.name)
            content = file.extractfile(info)
            if content is not None:
                writer.add(info.name, content)


def _link_error(name: str) -> DescriptionError:
    return DescriptionError(
        f"{name[:200]!r} in the archive is not a file", hint="pack files, without links and devices"
    )


class _Extraction:
    """The files that are written below one folder, under limits."""

    def __init__(self, target: Path, limits: FolderLimits) -> None:
        self._target = target
        self._limits = limits
        self._count = 0
        self._size = 0

    def add(self, name: str, content: _Reader) -> None:
        """Write one file. DescriptionError for a path that leads out of the folder, or over a limit."""
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in name or "\0" in name or not path.parts:
            raise DescriptionError(
                f"{name[:200]!r} in the archive leads out of its folder", hint="pack the folder with relative paths"
            )
        self._count += 1
        if self._count > self._limits.files:
            raise DescriptionError(f"the archive has more than {self._limits.files:,} files")
        file = self._target.joinpath(*path.parts)
        file.parent.mkdir(parents=True, exist_ok=True)
        # "x": a second entry of one name would replace the first, and readers disagree about which one counts.
        with file.open("xb") as stream:
            for chunk in _chunks(content):
                self._size += len(chunk)
                # The extracted bytes count, not the archive's own figures: a few KiB may unpack to any size.
                if self._size > self._limits.total_bytes:
                    raise DescriptionError(f"the archive unpacks to more than {format_bytes(self._limits.total_bytes)}")
                stream.write(chunk)


def _chunks(content: _Reader) -> Iterator[bytes]:
    while chunk := content.read(CHUNK_BYTES):
        yield chunk


class _TarGzipFile(gzip.GzipFile):
    """A .gz file for `tarfile` that refuses to unpack a header of any length at once."""

    def read(self, size: int | None = -1) -> bytes:
        if size is None or not 0 <= size <= MAX_TAR_READ_BYTES:
            raise tarfile.ReadError("a header is too long")
        return super().read(size)


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
        """Give the folder of a source while the `with` block lasts. DescriptionError if none exists."""
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
                f"{location} is not an archive", hint=f"give the address of a {' or '.join(SUFFIXES)} file"
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
                f"{source[:80]!r} is not an address of a version",
                hint="give a path, a package, or a file:, http: or https: URL",
            )
        if parts.username is not None or parts.password is not None:
            raise DescriptionError(f"{display_url(source)} holds a credential", hint="leave it out")
        if not self._is_allowed(source):
            raise DescriptionError(
                f"{display_url(source)} is not an allowed source",
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
    with file_faults(f"{location} cannot be read", DescriptionError), file.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
