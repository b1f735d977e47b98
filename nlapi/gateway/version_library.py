"""Binds each version's name to the content that it was registered with, for good, and finds that content again."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from nlapi.errors import DescriptionError
from nlapi.gateway.archives import split_url
from nlapi.gateway.artifacts import ArtifactError, ArtifactStore, short_digest
from nlapi.gateway.codec import Json
from nlapi.gateway.content_digest import content_files, hash_folder
from nlapi.gateway.problems import GatewayProblem
from nlapi.gateway.store import GatewayStore
from nlapi.gateway.version_digests import VersionDigest
from nlapi.gateway.version_sources import SourceFinder, is_archive, is_remote, is_url, stored_source
from nlapi.issue import Issue
from nlapi.routing.model import Configuration, ShardProtocol, Version, VersionRef

Signature: TypeAlias = tuple[tuple[str, int, int, int, int], ...]
"""name, size, times of change and inode of each file of a folder"""

# Nanoseconds. File systems tell times apart by some milliseconds: a file that was changed just before it was hashed may
# change again and have the same time.
RACY_PERIOD_NS = 2 * 10**9
MAX_SIGNATURES = 1000
_log = logging.getLogger(__name__)


class VersionLibrary:
    """The content of all registered versions. Every method may read and write files; call it in a thread.

    A name is bound to its content by the revision that registers it, and is free again when no stored revision has it.
    """

    def __init__(self, store: GatewayStore, artifacts: ArtifactStore, finder: SourceFinder) -> None:
        self.artifacts = artifacts
        self._store = store
        self._finder = finder
        self._digests: dict[tuple[str, str, str], str] = {}
        """model, version and source -> digest; "" for a version of an older database that is not copied yet"""
        self._folder_digests: dict[Signature, str] = {}
        self._archive_digests: dict[str, str] = {}
        """sha256 of an archive -> digest of its content"""

    def start(self) -> None:
        """Delete what a killed process left, and copy the versions that an older database names by folder only."""
        self.artifacts.sweep()
        self._read_digests()
        copied = []
        for (model, version, source), digest in self._digests.items():
            if not digest:
                try:
                    copied.append(
                        VersionDigest(model=model, version=version, source=source, digest=self._import(source))
                    )
                except DescriptionError as error:
                    _log.warning("%s@%s is not copied and can change: %s", model, version, error.message)
        self._store.add_version_digests(copied)
        self._read_digests()
        self.artifacts.prune(self.used_digests())

    def used_digests(self) -> frozenset[str]:
        """Return the digests of the versions of all stored revisions."""
        return frozenset(self._digests.values()) - {""}

    def digests_of(self, items: Iterable[Json]) -> frozenset[str]:
        """Return the digests of the versions of stored documents, to `prune` all others."""
        return frozenset(self._complete_item(item).get("digest", "") for item in items) - {""}

    def prune(self, used: Collection[str]) -> frozenset[str]:
        """Free the names and delete the artifacts whose digests are not in `used`; return the deleted digests.

        `used` has those of all revisions that stay. Safe under a kill: a name is free before its content is deleted.
        """
        self._store.prune_version_digests(used)
        self._read_digests()
        return self.artifacts.prune({*used, *self.used_digests()})

    def complete(self, configuration: Configuration) -> Configuration:
        """Return a stored configuration with the digests of the versions that were copied later."""
        completed = {
            ref: replace(version, digest=digest)
            for ref, version in configuration.versions.items()
            if not version.digest and (digest := self._digests.get((ref.model, ref.version, version.source)))
        }
        return replace(configuration, versions={**configuration.versions, **completed}) if completed else configuration

    def complete_document(self, document: Mapping[str, object]) -> Mapping[str, object]:
        """Return a stored document with the digests of the versions that were copied later."""
        versions = document.get("versions", ())
        if not isinstance(versions, Sequence):
            return document
        return {**document, "versions": [self._complete_item(item) for item in versions]}

    def _complete_item(self, item: Json) -> Json:
        key = (item.get("model", ""), item.get("version", ""), item.get("source", ""))
        digest = "" if "digest" in item else self._digests.get(key, "")
        return {**item, "digest": digest} if digest else item

    def register(self, configuration: Configuration, before: Configuration) -> Configuration:
        """Return the configuration with the digests of its new versions, whose content is stored.

        GatewayProblem 409 when the name of one has other content already, 422 when its source cannot be copied.
        """
        registered: dict[VersionRef, Version] = {}
        for ref, version in configuration.versions.items():
            local = _is_local(configuration, version)
            if version == before.versions.get(ref) and local == _is_local(before, version):
                continue
            registered[ref] = self._register(version) if local else replace(version, digest="")
        # The same object when nothing differs: the publisher tells configurations apart by identity.
        if all(version == configuration.versions[ref] for ref, version in registered.items()):
            return configuration
        return replace(configuration, versions={**configuration.versions, **registered})

    def new_digests(self, configuration: Configuration) -> tuple[VersionDigest, ...]:
        """Return the digests of a configuration's versions that no revision has bound yet."""
        return tuple(
            VersionDigest(model=ref.model, version=ref.version, source=version.source, digest=version.digest)
            for ref, version in configuration.versions.items()
            if version.digest and not self._digests.get((ref.model, ref.version, version.source))
        )

    def bind(self, digests: Iterable[VersionDigest]) -> None:
        """Note the digests that a revision was committed with."""
        self._digests |= {(item.model, item.version, item.source): item.digest for item in digests}

    def prefetch(self, sources: Iterable[str]) -> None:
        """Download and store those sources that are http(s) URLs. GatewayProblem 422 when one cannot be had."""
        for source in sources:
            if is_remote(source):
                try:
                    self._import(source)
                except DescriptionError as error:
                    raise GatewayProblem(422, error.message, code="not_loaded", hint=error.hint) from error

    def folder(self, version: Version) -> Path:
        """Return the folder with the content of a version, whose digest has been checked.

        A missing or damaged artifact is stored again from its source on this machine, if that is unchanged.
        ArtifactError when it is not.
        """
        if not version.digest:  # its folder could not be copied, or no library registered it
            with self._finder.open(version.source) as folder:
                return folder
        try:
            return self.artifacts.verify(version.digest)
        except ArtifactError:
            if not self._restore(version):
                raise
        return self.artifacts.verify(version.digest)

    def reclaim(self, version: Version) -> Version:
        """Store the content of a version again from its source, when it is missing or damaged, and return the version.

        GatewayProblem 409 when the source has other content, 422 when it cannot be read.
        """
        if not version.digest:
            registered = self._register(version)
            digests = self.new_digests(Configuration(versions={registered.ref: registered}))
            self._store.add_version_digests(digests)
            self.bind(digests)
            return registered
        if not self.artifacts.is_sound(version.digest):
            digest = self._import_version(version)
            if digest != version.digest:
                raise _changed_problem(version, digest, {version.digest})
        return version

    def source_issues(self, configuration: Configuration) -> list[Issue]:
        """Return a WARNING for each source that has changed since its version was registered, or was not copied."""
        issues = []
        for ref, version in configuration.versions.items():
            if not _is_local(configuration, version) or (version.digest and is_archive(version.source)):
                continue
            where = f"versions.{ref}.source"
            try:
                with self._finder.open(version.source) as folder:
                    digest = self._hash(folder)
            except DescriptionError as error:
                if not version.digest:
                    issues.append(Issue.warning(where, f"it is not copied: {error.message}", error.hint, "not-copied"))
                continue
            if not version.digest:
                issues.append(
                    Issue.warning(where, "it is not copied, and can change", "reload the version", "not-copied")
                )
            elif digest != version.digest:
                message = f"its files have changed since {ref} was registered, and what was registered is served"
                issues.append(
                    Issue.warning(where, message, "register them as a new version, or restore them", "source-changed")
                )
        return issues

    def _register(self, version: Version) -> Version:
        ref, source = version.ref, stored_source(version.source)
        bound = {digest for key, digest in self._digests.items() if digest and key[:2] == (ref.model, ref.version)}
        # Bound content is loaded or refused by the engine: a rollback may bring back what nothing routes to.
        if version.digest in bound or (version.digest and self.artifacts.has(version.digest)):
            digest = version.digest
        else:
            try:
                digest = self._import_version(version)
            except GatewayProblem:
                # A document names its versions by their sources again and again, and a source may be gone by then.
                digest = self._digests.get((ref.model, ref.version, source), "")
                if not digest or not self.artifacts.has(digest):
                    raise
        if version.digest and version.digest != digest:
            raise _changed_problem(version, digest, {version.digest})
        if bound and digest not in bound:
            raise _changed_problem(version, digest, bound)
        return replace(version, source=source, digest=digest)

    def _import_version(self, version: Version) -> str:
        try:
            return self._import(version.source)
        except DescriptionError as error:
            hint = error.hint or "nothing was changed"
            raise GatewayProblem(
                422,
                f"{version.ref}: {error.message}",
                code="not_loaded",
                hint=hint,
                path=f"versions.{version.ref}.source",
            ) from error

    def _import(self, source: str) -> str:
        """Store the content of a source and return its digest."""
        archive = split_url(source).fragment if is_url(source) else ""
        known = self._archive_digests.get(archive, "")
        if archive and self.artifacts.has(known):
            return known
        with self._finder.open(source) as folder:
            signature = _signature(folder)
            digest = self._folder_digests.get(signature, "") if signature else ""
            if not self.artifacts.has(digest):
                digest = self.artifacts.add(folder)
                self._remember(signature, digest)
        if archive:
            self._archive_digests[archive] = digest
        return digest

    def _hash(self, folder: Path) -> str:
        """Return the digest of a folder; one whose files did not change since is not read again."""
        signature = _signature(folder)
        digest = self._folder_digests.get(signature, "") if signature else ""
        if not digest:
            digest = hash_folder(folder, self.artifacts.limits)
            self._remember(signature, digest)
        return digest

    def _remember(self, signature: Signature | None, digest: str) -> None:
        if signature is not None:
            if len(self._folder_digests) >= MAX_SIGNATURES:
                self._folder_digests.clear()
            self._folder_digests[signature] = digest

    def _restore(self, version: Version) -> bool:
        """Store an artifact again from a folder with the same content; return whether that was possible."""
        if is_remote(version.source):  # a start must not wait for a server; `reclaim` downloads
            return False
        try:
            with self._finder.open(version.source) as folder:
                if hash_folder(folder, self.artifacts.limits) != version.digest:
                    return False
                self.artifacts.add(folder)
        except DescriptionError:
            return False
        _log.warning("the artifact %s of %s was stored again", short_digest(version.digest), version.ref)
        return True

    def _read_digests(self) -> None:
        self._digests = {(item.model, item.version, item.source): item.digest for item in self._store.version_digests()}


def _is_local(configuration: Configuration, version: Version) -> bool:
    shard = configuration.shards.get(version.shard)
    return shard.protocol is ShardProtocol.LOCAL if shard else version.shard == "local"


def _signature(folder: Path) -> Signature | None:
    """Return the signature of a folder; None when a file changed just now."""
    latest = time.time_ns() - RACY_PERIOD_NS
    rows = []
    for name, entry in content_files(folder):
        try:
            status = entry.stat(follow_symlinks=False)
        except OSError:
            return None
        if max(status.st_mtime_ns, status.st_ctime_ns) > latest:
            return None
        rows.append((name, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino))
    return tuple(rows)


def _changed_problem(version: Version, digest: str, bound: Collection[str]) -> GatewayProblem:
    """Return the 409 for a version whose name has other content already."""
    names = " or ".join(short_digest(item) for item in sorted(bound))
    return GatewayProblem(
        409,
        f"{version.ref} is registered with the content {names}, and its source now has {short_digest(digest)}",
        code="version_changed",
        hint="a version never changes: give the new content a version name of its own, or restore the source",
        path=f"versions.{version.ref}.source",
    )
