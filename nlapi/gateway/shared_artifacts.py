"""Keeps the content of versions in a database that several gateways share, in chunks, beside their own copies."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from nlapi.errors import DescriptionError
from nlapi.gateway.content_digest import CHUNK_BYTES, content_files
from nlapi.gateway.store_database import StoreDatabase, StoreError

# Content that is in no revision yet: another gateway may be about to commit it.
GRACE_PERIOD = "1 hour"


class SharedArtifacts:
    """The artifacts in a shared database, by the digest of their content."""

    def __init__(self, database: StoreDatabase) -> None:
        self._database = database

    def has(self, digest: str) -> bool:
        """Return whether an artifact is there."""
        return bool(self._database.rows("SELECT 1 FROM artifacts WHERE digest = ?", digest))

    def missing(self, digests: Collection[str]) -> set[str]:
        """Return the digests that are not there. In a transaction, those that are there stay until its end."""
        rows = [
            row
            for digest in sorted(set(digests))
            for row in self._database.rows("SELECT digest FROM artifacts WHERE digest = ? FOR KEY SHARE", digest)
        ]
        return set(digests) - {row["digest"] for row in rows}

    def add(self, digest: str, folder: Path) -> None:
        """Store the files of a folder, whose digest is known. StoreError when they cannot be stored."""
        size = 0
        # Not exclusive: a large one must not keep other gateways from publishing.
        with self._database.transaction(is_exclusive=False):
            for name, entry in content_files(folder, strict=True):
                with Path(entry.path).open("rb") as stream:
                    for number, chunk in enumerate(iter(lambda: stream.read(CHUNK_BYTES), b"")):
                        self._database.execute(_ADD_CHUNK, digest, name, number, chunk)
                        size += len(chunk)
                    if not stream.tell():
                        self._database.execute(_ADD_CHUNK, digest, name, 0, b"")
            added = "INSERT INTO artifacts (digest, size) VALUES (?,?) ON CONFLICT (digest) DO NOTHING"
            self._database.execute(added, digest, size)

    def fetch(self, digest: str, folder: Path) -> bool:
        """Write the files of an artifact into an empty folder; return whether there is such an artifact.

        The caller has to check their digest. DescriptionError when they cannot be written.
        """
        names = self._database.rows(
            "SELECT name, count(*) AS chunks FROM artifact_chunks WHERE digest = ? GROUP BY name", digest
        )
        try:
            for row in names:
                self._fetch_file(digest, row["name"], row["chunks"], folder)
        except OSError as error:
            raise DescriptionError(f"the copy of an artifact cannot be written: {error.strerror or error}") from None
        return bool(names)

    def _fetch_file(self, digest: str, name: str, chunks: int, folder: Path) -> None:
        path = folder / name
        # The digest is over names too, but is checked when the files are there.
        if not path.resolve().is_relative_to(folder.resolve()):
            raise StoreError(f"the artifact {digest} in the database has a file outside of its folder")
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        query = "SELECT content FROM artifact_chunks WHERE digest = ? AND name = ? AND number = ?"
        with path.open("xb") as stream:
            for number in range(chunks):
                for row in self._database.rows(query, digest, name, number):
                    stream.write(row["content"])

    def prune(self) -> None:
        """Delete the artifacts of no stored revision, unless they came within the last hour."""
        unused = f"""
            DELETE FROM artifacts WHERE created_at < now() - interval '{GRACE_PERIOD}' AND NOT EXISTS (
              SELECT 1 FROM version_digests WHERE version_digests.digest = artifacts.digest)"""  # noqa: S608 - names of the store
        with self._database.transaction():
            self._database.execute(unused)


_ADD_CHUNK = """
INSERT INTO artifact_chunks (digest, name, number, content) VALUES (?,?,?,?)
ON CONFLICT (digest, name, number) DO NOTHING
"""
