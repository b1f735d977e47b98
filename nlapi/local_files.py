"""Reads and writes files of the user that more than one process writes: whole or not at all, one process at a time."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from nlapi import system
from nlapi.errors import NlapiError, file_faults

# Bytes of a claim that are read of another process.
MAX_HOLDER = 300

_COMMAND_WORD = re.compile(r"[a-z][a-z-]{1,20}")


class FileLock:
    """The lock on a file, which is made if it does not exist. `message` and `hint` say who else has it.

    Where the lock `is_claim`, the file is there for it alone: it says which process has it, as the error of another one
    does, and is removed with the lock.
    """

    # A lock of the kernel and not a file with a process id: it is released when the process is killed.

    def __init__(self, path: str | Path, message: str = "", hint: str = "", *, is_claim: bool = False) -> None:
        self._path = path
        self._message = message
        self._hint = hint
        self._is_claim = is_claim
        self._descriptor = -1

    def acquire(self, *, wait: bool = False) -> None:
        """Take the lock. NlapiError when another process has it, or when the file cannot be opened.

        With `wait` the other process is waited for.
        """
        if not system.HAS_LOCKS:
            return
        while self._descriptor < 0:
            try:
                self._descriptor = os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600)
            except OSError as error:
                raise NlapiError(
                    f"{self._path} cannot be opened: {error.strerror}", hint="give another place"
                ) from None
            try:
                system.lock(self._descriptor, wait=wait)
            except OSError:
                holder = os.pread(self._descriptor, MAX_HOLDER, 0).decode("utf-8", "replace") if self._is_claim else ""
                self._close()
                raise NlapiError(": ".join(filter(None, (self._message, holder))), hint=self._hint) from None
            # The process that had it before may have removed the file in between.
            if self._is_claim and not self._is_in_place():
                self._close()
        if self._is_claim:
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, _holder_text().encode(), 0)

    def release(self) -> None:
        """Let another process take it."""
        if self._descriptor >= 0 and self._is_claim:
            Path(self._path).unlink(missing_ok=True)
        self._close()

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _is_in_place(self) -> bool:
        """Return whether the file that is open is the one at the path."""
        try:
            return os.path.samestat(os.fstat(self._descriptor), Path(self._path).stat())
        except OSError:
            return False


def _holder_text() -> str:
    """Return the lines that tell other processes about this one: its id, the time, and the words of its command."""
    # Neither options nor values: a question, or the value of a `KEY=VALUE`, may be a secret.
    words = [word for word in sys.argv[1:3] if _COMMAND_WORD.fullmatch(word)]
    return f"process {os.getpid()} (nlapi {' '.join(words)}), since {datetime.now().astimezone():%Y-%m-%d %H:%M:%S}"


@contextmanager
def claimed(folder: Path, names: Iterable[str], message: str, hint: str) -> Iterator[None]:
    """Be the only process that does something, by all `names` of it, for as long as the block runs.

    The claims are files in a folder, which is made. NlapiError with `message` and who has it where another process
    does it; OSError where the folder cannot be made.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with ExitStack() as claims:
        for name in sorted(set(names)):
            digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:32]
            claim = FileLock(folder / f".{digest}.lock", message, hint, is_claim=True)
            claim.acquire()
            claims.callback(claim.release)
        yield


def file_names(path: Path) -> tuple[str, ...]:
    """Return names of a file for `claimed`: by its place, and by itself, which another name of it (a link) shares."""
    place = path.resolve()
    try:
        status = place.stat()
    except OSError:
        return (str(place),)
    return str(place), f"{status.st_dev}:{status.st_ino}"


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


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder while its files are written; other processes wait. It is made if it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    if not system.HAS_LOCKS:
        yield
        return
    # The folder itself is locked: a file beside it would be left in somebody's repository.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        system.lock(descriptor)
        yield
    finally:
        os.close(descriptor)


def read_file(path: Path) -> bytes | None:
    """Return the content of a file; None only if none exists.

    OSError for all else: a link that leads nowhere, on the way too, and what is not a file. It may hold what forbids.
    """
    try:
        # A pipe is not waited for.
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0))) as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise OSError(errno.EINVAL, "it is not a file")
            return stream.read()
    except FileNotFoundError:
        if any(place.is_symlink() and not place.exists() for place in (path, *path.parents)):
            raise OSError(errno.ENOENT, "it is a link that leads nowhere") from None
        return None


def read_toml(path: Path) -> dict[str, Any] | None:
    """Return the content of a file of TOML as `read_file` reads it. OSError or ValueError, as `fault_of` says it."""
    content = read_file(path)
    if content is None:
        return None
    import tomllib

    try:
        return tomllib.loads(content.decode("utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"it is not TOML: {error}") from None


def fault_of(path: Path | str, error: Exception) -> str:
    """Return the sentence for a file that cannot be read."""
    return f"{path} cannot be read: {getattr(error, 'strerror', None) or error}"


def append_lines(descriptor: int, lines: bytes) -> None:
    """Append lines to a file that is open for reading and appending, while other processes append to it too.

    A last line that a kill has cut short gets its end first: it would swallow the next one.
    """
    system.lock(descriptor)
    try:
        size = os.fstat(descriptor).st_size
        if size and _last_byte(descriptor, size) != b"\n":
            lines = b"\n" + lines
        # `os.write` may write less than it was given, on a full disk or after a signal.
        while lines:
            lines = lines[os.write(descriptor, lines) :]
    finally:
        system.unlock(descriptor)


def _last_byte(descriptor: int, size: int) -> bytes:
    os.lseek(descriptor, size - 1, os.SEEK_SET)
    return os.read(descriptor, 1)


def write_file(path: Path, content: str | bytes) -> None:
    """Write a file whole or not at all, and on the disk before it replaces an earlier one. OSError when it cannot be.

    A new file is for the user alone (0600), an existing one keeps its mode; a link is followed. A process that is
    killed leaves the old file or the new one.
    """
    target = path.resolve()
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    _replace(target, content, 0o600)


def write_new_file(path: Path, content: str | bytes) -> None:
    """Write a file for the user alone, whole or not at all. FileExistsError where there is one, or a link."""
    with _written_beside(path, content, 0o600) as part:
        # A link to a name that is taken fails, where a rename would replace it.
        path.hardlink_to(part)
        part.unlink()
    _sync_folder(path.parent)


def remove_file(path: Path) -> None:
    """Remove a file, if there is one. NlapiError when it cannot be removed."""
    with file_faults(f"{path} cannot be removed", hint="remove it yourself"):
        path.unlink(missing_ok=True)


def write_output(path: Path, content: str | bytes) -> None:
    """Write a file that the user has named for an output, whole or not at all. OSError when it cannot be written.

    A new file has the mode of the user's umask. What is not a file (a device, a pipe) is written to.
    """
    target = path.resolve()
    if target.exists() and not target.is_file():
        target.write_bytes(_encoded(content))
        return
    _replace(target, content, 0o666)


def _encoded(content: str | bytes) -> bytes:
    return content.encode("utf-8") if isinstance(content, str) else content


def _replace(target: Path, content: str | bytes, mode: int) -> None:
    with _written_beside(target, content, mode) as part:
        with suppress(FileNotFoundError):
            part.chmod(target.stat().st_mode & 0o7777)
        part.replace(target)
    _sync_folder(target.parent)


@contextmanager
def _written_beside(target: Path, content: str | bytes, mode: int) -> Iterator[Path]:
    """Yield a new file beside a path, with the content on the disk; it is removed where what follows fails."""
    part = target.with_name(f".{target.name[:200]}-{secrets.token_hex(8)}.part")
    try:
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(handle, "wb") as stream:
            stream.write(_encoded(content))
            stream.flush()
            os.fsync(stream.fileno())
        yield part
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise


def _sync_folder(folder: Path) -> None:
    """Put the names in a folder on the disk, where the system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
