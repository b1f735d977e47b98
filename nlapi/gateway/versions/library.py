"""Binds each version's name to the content that it was registered with, for good, and finds that content again."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from nlapi.errors import DescriptionError, Issue
from nlapi.gateway.control.codec import Json
from nlapi.gateway.http.problems import GatewayProblem
from nlapi.gateway.store.schema import VersionDigest, item_key
from nlapi.gateway.store.store import GatewayStore
from nlapi.gateway.versions.artifacts import ArtifactError, ArtifactStore, short_digest
from nlapi.gateway.versions.content_digest import content_files, hash_folder, remove_tree
from nlapi.gateway.versions.sources import (
    SHA256_FIELD,
    SourceFinder,
    is_archive,
    is_remote,
    is_url,
    split_url,
    stored_source,
)
from nlapi.gateway.workers.processes import try_loading
from nlapi.routing.model import CONTENT_PROTOCOLS, Configuration, Version, VersionRef

Signature: TypeAlias = tuple[tuple[str, int, int, int, int], ...]
"""name, size, times of change and inode of each file of a folder"""

ContentPins: TypeAlias = dict[tuple[VersionRef, str], str]
"""version and its source as a request names it -> digest of the stored content, which stays until it is released"""

# Nanoseconds. File systems tell times apart by some milliseconds: a file that was changed just before it was hashed may
# change again and have the same time.
RACY_PERIOD_NS = 2 * 10**9
MAX_SIGNATURES = 1000
CONTENT_THREADS = 2
"""threads that download, copy and hash content: slow servers must not take all threads of the event loop"""
_WHOLE_FOLDER_HINT = "put all that it reads into its folder, under names without a dot at their beginning"
_log = logging.getLogger(__name__)


class VersionLibrary:
    """The content of all registered versions. Every method may read and write files; call it in a thread.

    A name is bound to its content by the revision that registers it, and is free again when no stored revision has it.
    """

    def __init__(self, store: GatewayStore, artifacts: ArtifactStore, finder: SourceFinder) -> None:
        self.artifacts = artifacts
        self._store = store
        self._finder = finder
        self._shared = store.artifacts
        self._digests: dict[tuple[str, str, str], str] = {}
        """model, version and source -> digest; "" for a version of an older database that is not copied yet"""
        self._folder_digests: dict[Signature, str] = {}
        self._archive_digests: dict[str, str] = {}
        """fragment of an archive's URL, which has its sha256 -> digest of its content"""
        self._pins: dict[int, ContentPins] = {}
        """the pins of requests that are not answered yet, by id"""
        self._pin_lock = threading.Lock()
        """held while content is pinned, and while what is not pinned is deleted"""
        self.executor = ThreadPoolExecutor(CONTENT_THREADS, "version-content")

    def close(self) -> None:
        """Delete temporary artifacts, and begin no other download."""
        self.executor.shutdown(wait=False, cancel_futures=True)
        self.artifacts.close()

    def start(self) -> None:
        """Delete what a killed process left, and copy the versions that an older database names by folder only."""
        self.artifacts.sweep()
        self._read_digests()
        copied = []
        for (model, version, source), digest in self._digests.items():
            if not digest:
                try:
                    copied.append(
                        VersionDigest(model=model, version=version, source=source, digest=self._adopt(source))
                    )
                except DescriptionError as error:
                    _log.warning("%s@%s is not copied and can change: %s", model, version, error.message)
        self._store.add_version_digests(copied)
        self._read_digests()
        self.artifacts.prune(self.used_digests())

    def _adopt(self, source: str) -> str:
        """Store a copy of a folder of an older database and return its digest.

        DescriptionError when it cannot be copied, or when the folder can be loaded and its copy cannot.
        """
        digest = self._import(source)
        (fault,) = try_loading([self.artifacts.verify(digest)])
        if fault is not None:
            with self._finder.open(source) as folder:
                if try_loading([folder]) == [None]:
                    raise DescriptionError(f"its copy cannot be loaded: {fault.message}", hint=_WHOLE_FOLDER_HINT)
        return digest

    def refresh(self) -> None:
        """Note the digests that other gateways have bound."""
        self._read_digests()

    def used_digests(self) -> frozenset[str]:
        """Return the digests of the versions of all stored revisions."""
        return frozenset(self._digests.values()) - {""}

    def prune(self) -> frozenset[str]:
        """Free the names and delete the artifacts of all versions but those of stored revisions.

        Return the deleted digests. Safe under a kill: a name is free before its content is deleted.
        """
        used = [self._complete_item(item) for item in self._store.prune_version_digests()]
        digests = {item.get("digest", "") for item in used} - {""}
        self._read_digests()
        with self._pin_lock:
            return self.artifacts.prune({*digests, *self.used_digests(), *self._pinned_digests()})

    def pin(self) -> ContentPins:
        """Return pins for one request, to `release` when it is answered."""
        pins: ContentPins = {}
        self._pins[id(pins)] = pins
        return pins

    def release(self, pins: ContentPins) -> None:
        """Delete the pinned content that no revision has."""
        del self._pins[id(pins)]
        try:
            with self._pin_lock:
                self.artifacts.delete(frozenset(pins.values()) - self.used_digests() - self._pinned_digests())
        except OSError:  # the next start deletes it
            _log.exception("the content of a refused version was not deleted")

    def _pinned_digests(self) -> frozenset[str]:
        return frozenset(digest for pins in list(self._pins.values()) for digest in list(pins.values()))

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
        digest = "" if "digest" in item else self._digests.get(item_key(item), "")
        return {**item, "digest": digest} if digest else item

    def register(
        self,
        configuration: Configuration,
        before: Configuration,
        pins: ContentPins | None = None,
        *,
        stores: bool = True,
    ) -> Configuration:
        """Return the configuration with the digests of its new versions, whose content is stored where `stores`.

        Content that `pins` name is not read again, and what is read is added to them. GatewayProblem 409 when the name
        of one has other content already, 422 when its source cannot be copied.
        """
        pins = {} if pins is None else pins
        registered: dict[VersionRef, Version] = {}
        for ref, version in configuration.versions.items():
            has_content = _has_content(configuration, version)
            if version == before.versions.get(ref) and has_content == _has_content(before, version):
                continue
            if not has_content:
                registered[ref] = replace(version, digest="")
            elif not version.digest and self._digests.get((ref.model, ref.version, version.source)) == "":
                registered[ref] = version  # only a reload copies what could not be copied when it was adopted
            else:
                registered[ref] = self._register(version, pins, stores=stores)
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
        # A new object: another thread may be reading this one.
        self._digests = self._digests | {(item.model, item.version, item.source): item.digest for item in digests}

    def new_sources(self, configuration: Configuration, before: Configuration) -> list[str]:
        """Return the sources that `register` reads, as their content is not known to be stored."""
        return [
            version.source
            for ref, version in configuration.versions.items()
            if version != before.versions.get(ref)
            and _has_content(configuration, version)
            and not self.artifacts.has(version.digest)
        ]

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
            if not self._fetch(version.digest) and not self._restore(version):
                raise
        return self.artifacts.verify(version.digest)

    def _fetch(self, digest: str) -> bool:
        """Store an artifact that a shared database has; return whether it has it, with the content of its digest."""
        if self._shared is None:
            return False
        incoming = self.artifacts.create_incoming()
        try:
            return self._shared.fetch(digest, incoming) and self.artifacts.add(incoming) == digest
        finally:
            remove_tree(incoming)

    def _share(self, digest: str) -> None:
        """Store an artifact in a shared database, where the other gateways get it."""
        if self._shared is not None and self.artifacts.has(digest) and not self._shared.has(digest):
            self._shared.add(digest, self.artifacts.verify(digest))

    def _is_stored(self, digest: str) -> bool:
        return self.artifacts.has(digest) or (self._shared is not None and bool(digest) and self._shared.has(digest))

    def reclaim(self, version: Version) -> Version:
        """Store the content of a version again from its source, when it is missing or damaged, and return the version.

        GatewayProblem 409 when the source has other content, 422 when it cannot be read.
        """
        if not version.digest:
            pins = self.pin()
            try:
                return self._copy(version, pins)
            finally:
                self.release(pins)
        if not self.artifacts.is_sound(version.digest) and not self._fetch(version.digest):
            digest = self._import_version(version, verify=True)
            if digest != version.digest:
                raise _changed_problem(version, digest, {version.digest})
        return version

    def _copy(self, version: Version, pins: ContentPins) -> Version:
        """Register a version that could not be copied before. GatewayProblem 422 when its copy cannot be loaded."""
        registered = self._register(version, pins, stores=True)
        (fault,) = try_loading([self.artifacts.verify(registered.digest)])
        if fault is not None:
            message = f"{version.ref}: its copy cannot be loaded: {fault.message}"
            raise GatewayProblem(422, message, code="not_loaded", hint=fault.hint or _WHOLE_FOLDER_HINT)
        digests = self.new_digests(Configuration(versions={registered.ref: registered}))
        self._store.add_version_digests(digests)
        self.bind(digests)
        return registered

    def source_issues(self, configuration: Configuration) -> list[Issue]:
        """Return a WARNING for each source that has changed since its version was registered, or was not copied."""
        issues = []
        for ref, version in configuration.versions.items():
            if not _has_content(configuration, version) or (version.digest and is_archive(version.source)):
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
                message = f"its files have changed since {ref} was registered, and the registered ones are served"
                issues.append(
                    Issue.warning(where, message, "register them as a new version, or restore them", "source-changed")
                )
        return issues

    def _register(self, version: Version, pins: ContentPins, *, stores: bool) -> Version:
        ref, source = version.ref, stored_source(version.source)
        bound = {digest for key, digest in self._digests.items() if digest and key[:2] == (ref.model, ref.version)}
        # Bound content is loaded or refused by the engine: a rollback may bring back what nothing routes to.
        if version.digest in bound or (version.digest and self._is_stored(version.digest)):
            digest = version.digest
        elif self.artifacts.has(pinned := pins.get((ref, version.source), "")):
            digest = pinned
        else:
            try:
                digest = self._import_pinned(version, pins, stores=stores)
            except GatewayProblem:
                # A document names its versions by their sources again and again, and a source may be gone by then.
                digest = self._digests.get((ref.model, ref.version, source), "")
                if not digest or not self._is_stored(digest):
                    raise
        with self._pin_lock:
            pins[ref, version.source] = digest
        if version.digest and version.digest != digest:
            raise _changed_problem(version, digest, {version.digest})
        if bound and digest not in bound:
            raise _changed_problem(version, digest, bound)
        if stores:
            self._share(digest)
        return replace(version, source=source, digest=digest)

    def _import_pinned(self, version: Version, pins: ContentPins, *, stores: bool) -> str:
        """Import the content of a version and pin it. What is pruned between the two is imported once more."""
        while True:
            digest = self._import_version(version, stores=stores)
            with self._pin_lock:
                pins[version.ref, version.source] = digest
            if not stores or self.artifacts.has(digest):
                return digest

    def _import_version(self, version: Version, *, stores: bool = True, verify: bool = False) -> str:
        try:
            return self._import(version.source, stores=stores, verify=verify)
        except DescriptionError as error:
            hint = error.hint or "nothing was changed"
            raise GatewayProblem(
                422,
                f"{version.ref}: {error.message}",
                code="not_loaded",
                hint=hint,
                path=f"versions.{version.ref}.source",
            ) from error

    def _import(self, source: str, *, stores: bool = True, verify: bool = False) -> str:
        """Store the content of a source, unless `stores` is false, and return its digest.

        Content that is stored already is not read again. `verify` replaces it where it is damaged.
        """
        is_stored = self.artifacts.is_sound if verify else self.artifacts.has
        archive = split_url(source).fragment if is_url(source) else ""
        archive_digest = self._archive_digests.get(archive, "") if archive else ""
        if archive_digest and (not stores or is_stored(archive_digest)):
            return archive_digest
        with self._finder.open(source) as folder:
            if stores:
                signature = _signature(folder)
                digest = self._folder_digests.get(signature, "") if signature else ""
                if not is_stored(digest):
                    digest = self.artifacts.add(folder)
                    self._remember(signature, digest)
            else:
                digest = self._hash(folder)
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
        for (_, _, source), digest in self._digests.items():
            fragment = split_url(source).fragment if is_archive(source) else ""
            if digest and fragment.startswith(SHA256_FIELD):
                self._archive_digests[fragment] = digest


def _has_content(configuration: Configuration, version: Version) -> bool:
    """Return whether a version is content of this gateway, run here or on hosts."""
    shard = configuration.shards.get(version.shard)
    return shard.protocol in CONTENT_PROTOCOLS if shard else version.shard == "local"


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
        hint="a version never changes: give the new content a new version name, or restore the source",
        path=f"versions.{version.ref}.source",
    )
