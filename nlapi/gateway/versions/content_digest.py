"""Computes the digest of a folder's content, and copies a folder under limits, without following any link."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from io import FileIO
from pathlib import Path

from nlapi.errors import DescriptionError, file_faults
from nlapi.system import IS_WINDOWS

DIGEST_PREFIX = "sha256:"
CHUNK_BYTES = 1 << 20
PYTHON_CACHE = "__pycache__"


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderLimits:
    """The largest content of a version: number of files, and bytes of all files together."""

    files: int = 10_000
    total_bytes: int = 32 * 2**30


DEFAULT_LIMITS = FolderLimits()
NO_LIMITS = FolderLimits(files=sys.maxsize, total_bytes=sys.maxsize)


class ContentDigest:
    """The sha256 over the names and bytes of files, which are added in the order of `content_files`."""

    def __init__(self) -> None:
        self._hash = sha256()

    def add(self, name: str, file_digest: bytes) -> None:
        """Add a file by its path below the folder and the sha256 of its bytes."""
        encoded = os.fsencode(name)
        # The length in front keeps two lists of files apart whose joined names are equal.
        self._hash.update(len(encoded).to_bytes(8, "big") + encoded + file_digest)

    def text(self) -> str:
        """Return the digest as "sha256:" and 64 hexadecimal digits."""
        return DIGEST_PREFIX + self._hash.hexdigest()


def content_files(folder: Path, *, strict: bool = False) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Yield the files of a folder with their paths below it, by "/", in the order of the bytes of these paths.

    `__pycache__` and names that begin with a dot are left out; with `strict` only `__pycache__` is. DescriptionError
    for a link, a device, a socket or a folder that cannot be read.
    """
    yield from sorted(_walk(folder, strict), key=lambda pair: os.fsencode(pair[0]))


def _walk(folder: Path, strict: bool) -> Iterator[tuple[str, os.DirEntry[str]]]:
    pending = [(str(folder), "")]
    while pending:
        path, prefix = pending.pop()
        try:
            entries = list(os.scandir(path))
        except OSError as error:
            raise _unreadable(prefix.rstrip("/") or folder.name, error) from None
        for entry in entries:
            name = f"{prefix}{entry.name}"
            if entry.name == PYTHON_CACHE or (entry.name.startswith(".") and not strict):
                continue
            if entry.is_symlink():
                raise DescriptionError(f"{name} is a link", hint="copy its target into the folder")
            if entry.is_dir(follow_symlinks=False):
                pending.append((entry.path, f"{name}/"))
            elif entry.is_file(follow_symlinks=False):
                yield name, entry
            else:
                raise DescriptionError(f"{name} is neither a file nor a folder", hint="take it out of the folder")


def hash_folder(folder: Path, limits: FolderLimits = DEFAULT_LIMITS, *, strict: bool = False) -> str:
    """Return the digest of a folder's content. DescriptionError when it cannot be read or is over a limit."""
    digest = ContentDigest()
    remaining = limits.total_bytes
    for count, (name, entry) in enumerate(content_files(folder, strict=strict), 1):
        _check_count(count, limits)
        file_digest, size = _read_file(name, entry.path, None, remaining, limits)
        remaining -= size
        digest.add(name, file_digest)
    return digest.text()


def copy_folder(source: Path, target: Path, limits: FolderLimits = DEFAULT_LIMITS) -> str:
    """Copy a folder's content into an empty folder, flush it to the disk, and return the digest of what was copied.

    The copy can be read by its user alone and written by nobody. DescriptionError as of `hash_folder`, or when the
    copy cannot be written.
    """
    digest = ContentDigest()
    remaining = limits.total_bytes
    folders = {target}
    with file_faults(f"the copy of {source.name} cannot be written", DescriptionError):
        for count, (name, entry) in enumerate(content_files(source), 1):
            _check_count(count, limits)
            copy = target / name
            if copy.parent not in folders:
                copy.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
                folders |= {parent for parent in copy.parents if parent.is_relative_to(target)}
            # The digest is that of the bytes that are copied: a file that changes meanwhile cannot make it wrong.
            file_digest, size = _read_file(name, entry.path, copy, remaining, limits)
            remaining -= size
            digest.add(name, file_digest)
        for folder in sorted(folders, reverse=True):
            sync_folder(folder)
            folder.chmod(0o500)
    return digest.text()


def hash_stored(folder: Path) -> str:
    """Return the digest of a stored folder, in which nothing is left out; "" when it cannot be that of a copy."""
    # Bytecode is not part of the digest, and Python would run a planted or damaged one in place of its source.
    for cache in list(folder.rglob(PYTHON_CACHE)):
        remove_tree(cache)
    try:
        return hash_folder(folder, NO_LIMITS, strict=True)
    except DescriptionError:
        return ""


def remove_tree(path: Path) -> None:
    """Delete a file, or a folder with everything in it, as far as that is possible."""
    if path.is_symlink() or path.is_file():
        with suppress(OSError):
            path.unlink()
        return
    for folder in [path, *(entry for entry in path.rglob("*") if entry.is_dir() and not entry.is_symlink())]:
        with suppress(OSError):
            folder.chmod(0o700)
    shutil.rmtree(path, ignore_errors=True)


def sync_folder(folder: Path) -> None:
    """Flush the entries of a folder to the disk, so that a rename in it survives a loss of power."""
    if IS_WINDOWS:  # which opens no folders
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read_file(name: str, path: str, copy: Path | None, remaining: int, limits: FolderLimits) -> tuple[bytes, int]:
    """Return the sha256 and the size of a file; its bytes go to `copy`, if that is a path."""
    try:
        # O_NOFOLLOW and O_NONBLOCK: a file that was replaced meanwhile by a link is refused, and by a pipe never waits.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        raise _unreadable(name, error) from None
    file_hash, size = sha256(), 0
    with os.fdopen(descriptor, "rb", buffering=0) as source:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise DescriptionError(f"{name} is not a file", hint="take it out of the folder")
        writer = copy.open("xb", buffering=0) if copy is not None else None
        try:
            while chunk := _read_chunk(name, source):
                size += len(chunk)
                if size > remaining:
                    raise DescriptionError(
                        f"its files are larger than {format_bytes(limits.total_bytes)}, up to {name}",
                        hint="leave out files that the version does not need",
                    )
                file_hash.update(chunk)
                if writer is not None:
                    writer.write(chunk)
            if writer is not None:
                os.fsync(writer.fileno())
        finally:
            if writer is not None:
                writer.close()
    if copy is not None:
        copy.chmod(0o400)
    return file_hash.digest(), size


def _read_chunk(name: str, source: FileIO) -> bytes:
    try:
        return source.read(CHUNK_BYTES)
    except OSError as error:
        raise _unreadable(name, error) from None


def _check_count(count: int, limits: FolderLimits) -> None:
    if count > limits.files:
        raise DescriptionError(
            f"it has more than {limits.files:,} files", hint="leave out files that the version does not need"
        )


def _unreadable(name: str, error: OSError) -> DescriptionError:
    if error.errno == errno.ELOOP:
        return DescriptionError(f"{name} is a link", hint="copy its target into the folder")
    return DescriptionError(f"{name} cannot be read: {error.strerror or error}")


def format_bytes(count: int) -> str:
    """Return a number of bytes with its unit, such as "1.5 MiB"."""
    for unit, size in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count} bytes"
