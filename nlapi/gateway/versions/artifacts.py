"""Stores the content of versions by its digest, so that a version never changes once it is registered."""

from __future__ import annotations

import re
import tempfile
import threading
import weakref
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from nlapi.errors import DescriptionError, file_faults
from nlapi.gateway.versions.content_digest import (
    DEFAULT_LIMITS,
    DIGEST_PREFIX,
    FolderLimits,
    copy_folder,
    hash_stored,
    remove_tree,
    sync_folder,
)
from nlapi.gateway.workers.boundary import shared_boundary
from nlapi.local_files import FileLock

INCOMPLETE_PREFIX = "incoming-"
"""the prefix of a folder that is being copied or extracted"""
DISCARDED_PREFIX = "trash-"
"""the prefix of a folder that is being deleted"""
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class ArtifactError(DescriptionError):
    """A stored artifact is missing or damaged."""


class ArtifactStore:
    """The artifacts in one folder: each is a folder with the content of a version, named by its digest.

    An artifact is complete as soon as it has its name, whenever the process is killed. Without a `folder` they are in
    a temporary one until `close`. Every method is safe to call from any thread.
    """

    def __init__(self, folder: Path | None, *, limits: FolderLimits = DEFAULT_LIMITS) -> None:
        self.limits = limits
        self._lock = threading.Lock()
        self._cleanup: weakref.finalize[..., ArtifactStore] | None = None
        if folder is None:
            folder = Path(tempfile.mkdtemp(prefix="nlapi-artifacts-"))
            self._cleanup = weakref.finalize(self, remove_tree, folder)
        else:
            shared_boundary.hide(folder)
        # Absolute: worker processes may have another working directory.
        self.folder = folder.absolute()
        # Another gateway would take what this one is storing for the remains of a killed process.
        hint = "give each gateway its own --artifacts folder"
        self._claim = FileLock(self.folder / ".lock", f"another gateway keeps versions in {self.folder}", hint)

    @classmethod
    def beside(cls, database: str, *, limits: FolderLimits = DEFAULT_LIMITS) -> ArtifactStore:
        """Return the artifacts of a database: `gateway.db-artifacts` beside `gateway.db`."""
        return cls(None if database == ":memory:" else Path(f"{database}-artifacts"), limits=limits)

    def add(self, source: Path) -> str:
        """Store a copy of a folder's content and return its digest; equal content is stored once.

        DescriptionError when the folder cannot be copied or is over a limit. A damaged artifact of the same content is
        replaced.
        """
        incoming = self.create_incoming()
        try:
            digest = copy_folder(source, incoming, self.limits)
            target = self.path(digest)
            with self._lock:
                if target.exists():
                    if self.is_sound(digest):
                        return digest
                    self._discard(target)
                incoming.rename(target)
                sync_folder(self.folder)
        except OSError as error:
            raise DescriptionError(f"the copy of {source.name} cannot be stored: {error.strerror or error}") from None
        finally:
            remove_tree(incoming)
        return digest

    def create_incoming(self) -> Path:
        """Create an empty folder for content that is on its way; `sweep` deletes it. DescriptionError on failure."""
        with file_faults(f"{self.folder} cannot be written", DescriptionError):
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            return Path(tempfile.mkdtemp(prefix=INCOMPLETE_PREFIX, dir=self.folder))

    def path(self, digest: str) -> Path:
        """Return the folder of an artifact, whether it is there or not."""
        return self.folder / digest.removeprefix(DIGEST_PREFIX)

    def has(self, digest: str) -> bool:
        """Return whether an artifact is there; only `verify` says whether it is sound."""
        return _DIGEST.fullmatch(digest) is not None and self.path(digest).is_dir()

    def is_sound(self, digest: str) -> bool:
        """Return whether an artifact is there with exactly the content that its digest names."""
        try:
            self.verify(digest)
        except DescriptionError:
            return False
        return True

    def verify(self, digest: str) -> Path:
        """Return the folder of an artifact whose content has been hashed. ArtifactError: it is missing or damaged."""
        if not self.has(digest):
            raise ArtifactError(
                f"its artifact {short_digest(digest)} is missing", hint="restore its source, then reload the version"
            )
        path = self.path(digest)
        if hash_stored(path) != digest:
            raise ArtifactError(
                f"its artifact {short_digest(digest)} is damaged", hint="restore its source, then reload the version"
            )
        return path

    def digests(self) -> frozenset[str]:
        """Return the digests of all stored artifacts."""
        names = [path.name for path in self.folder.iterdir()] if self.folder.is_dir() else []
        return frozenset(digest for name in names if _DIGEST.fullmatch(digest := DIGEST_PREFIX + name))

    def prune(self, used: Collection[str]) -> frozenset[str]:
        """Delete the artifacts whose digests are not in `used`, and return the deleted digests.

        A kill at any moment leaves whole artifacts, and remains that `sweep` deletes.
        """
        unused = self.digests() - frozenset(used)
        self.delete(unused)
        return unused

    def delete(self, digests: Collection[str]) -> None:
        """Delete the artifacts that are there; a kill leaves the same as of `prune`."""
        with self._lock:
            for digest in sorted(digests):
                if self.has(digest):
                    self._discard(self.path(digest))

    def sweep(self) -> None:
        """Delete what a killed process left. Call it before anything is added, by the only process that writes."""
        for path in self.folder.iterdir() if self.folder.is_dir() else ():
            if path.name.startswith((INCOMPLETE_PREFIX, DISCARDED_PREFIX)):
                remove_tree(path)

    def claim(self) -> None:
        """Lock the folder, until the process ends, for one gateway. NlapiError when another one uses it."""
        with file_faults(f"{self.folder} cannot be made", hint="give another folder"):
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._claim.acquire()

    def close(self) -> None:
        """Delete the artifacts of a temporary folder."""
        self._claim.release()
        if self._cleanup is not None:
            self._cleanup()

    def _discard(self, path: Path) -> None:
        # Renamed first: an artifact that is half deleted must not have the name of a whole one.
        discarded = Path(tempfile.mkdtemp(prefix=DISCARDED_PREFIX, dir=self.folder)) / path.name
        with suppress(FileNotFoundError):
            path.chmod(0o700)  # a folder that nobody may write to cannot get another parent
            path.rename(discarded)
            sync_folder(self.folder)
        remove_tree(discarded.parent)


def short_digest(digest: str) -> str:
    """Return the first twelve hexadecimal digits of a digest, for messages and tables."""
    return digest.removeprefix(DIGEST_PREFIX)[:12]
