"""The runners of loaded versions: opened when a configuration names them, closed when no request can reach them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeAlias

from nlapi.errors import NlapiError
from nlapi.gateway.control.snapshot import Snapshot
from nlapi.gateway.inference import (
    FailureKind,
    InferenceError,
    InferenceRequest,
    InferenceResult,
    LoadError,
    Runner,
)
from nlapi.gateway.llm.runner import LlmRunner, LlmUpstream
from nlapi.gateway.ray.messages import MAX_LOADS, HostedContent
from nlapi.gateway.ray.registry import ContentDemand, HostRegistry, HostRunner, host_hint
from nlapi.gateway.shards.secret_references import AllowedReferences, ShardAccess
from nlapi.gateway.shards.shards import Cluster, RemoteRunner
from nlapi.gateway.versions.workflow import Mode, find_folder, read_manifest
from nlapi.gateway.workers.processes import open_runner, try_loading
from nlapi.routing.model import (
    CONTENT_PROTOCOLS,
    LLM_PROTOCOLS,
    Configuration,
    Shard,
    ShardProtocol,
    Version,
    VersionRef,
)

LOCAL_SHARD = Shard(name="local")
"""the shard of this process, which a configuration need not declare"""

RunnerKey = tuple[VersionRef, bool]
"""a version, and whether the runner is for the copies of a shadow"""

FolderFinder: TypeAlias = Callable[[Version], Path]
"""Returns the folder with a version's content. NlapiError if none exists."""

Tolerance: TypeAlias = Callable[[VersionRef], bool]
"""Returns whether a revision is published although a version cannot be loaded."""

_log = logging.getLogger(__name__)


def has_local_versions(configuration: Configuration) -> bool:
    """Return whether a version of a configuration runs on this machine, so that processes have to be started."""
    shards = configuration.shards
    return any(
        shards.get(version.shard, LOCAL_SHARD).protocol is ShardProtocol.LOCAL
        for version in configuration.versions.values()
    )


def _runs_in_process(folder: Path) -> bool:
    try:
        return read_manifest(folder).mode is Mode.PROCESS
    except NlapiError:  # the trial says why
        return False


def tolerate_none(version: VersionRef) -> bool:
    """Return False: every version has to be loaded."""
    return False


class UnloadedRunner:
    """Stands for a version that cannot be loaded: each call fails at once, and the objective's fallback answers."""

    def __init__(self, error: LoadError) -> None:
        self.error = error

    async def run(self, request: InferenceRequest, timeout_s: float, *, repeatable: bool) -> InferenceResult:
        """Raise InferenceError."""
        # Without the reason: it may name files and settings, and is for operators (GET /v1/issues).
        raise InferenceError(FailureKind.UNAVAILABLE, "it is not loaded", executed=False)

    async def close(self) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRunner:
    """A runner with the version and the shard that it was opened for."""

    version: Version
    shard: Shard
    runner: Runner

    @property
    def is_loaded(self) -> bool:
        return not isinstance(self.runner, UnloadedRunner)

    def can_serve(self, version: Version, shard: Shard) -> bool:
        """Return whether the runner can also serve `version` on `shard`."""
        opened = self.version
        has_same_content = (opened.digest or opened.source) == (version.digest or version.source)
        # Descriptions are not the runner's, and input schemas only where they declare tensors; the content has been
        # compared.
        has_tensors = self.shard.protocol is ShardProtocol.OPEN_INFERENCE
        comparable = replace(
            opened,
            description=version.description,
            input=opened.input if has_tensors else version.input,
            source=version.source,
            digest=version.digest,
        )
        return has_same_content and comparable == version and self.shard == shard


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedRunners:
    """The runners of a revision that is not published yet; `new_runners` are those that were opened for it."""

    clusters: dict[str, Cluster | LlmUpstream]
    entries: dict[RunnerKey, OpenRunner] = field(default_factory=dict)
    new_runners: list[Runner] = field(default_factory=list)
    demands: list[ContentDemand] = field(default_factory=list)
    """what hosts were asked to run before it is known whether a revision takes it"""

    def runners(self, *, shadow: bool) -> dict[VersionRef, Runner]:
        """Return the runner of each version, for requests or for the copies of shadows."""
        return {ref: entry.runner for (ref, copies), entry in self.entries.items() if copies is shadow}


class RunnerRegistry:
    """All open runners."""

    def __init__(
        self, models: Path, environment: Mapping[str, str], allowed: AllowedReferences, hosts: HostRegistry
    ) -> None:
        self._find_folder: FolderFinder = lambda version: find_folder(version.source, models)
        self._environment = environment
        self._allowed = allowed
        self._hosts = hosts
        self._current: dict[RunnerKey, OpenRunner] = {}
        self._clusters: dict[str, Cluster | LlmUpstream] = {}
        self._open_resources: list[Runner | Cluster | LlmUpstream] = []
        self._closing: set[asyncio.Task[None]] = set()
        self._preloads: list[PreparedRunners] = []
        self._loadable: set[str] = set()
        """digests of content that a trial has loaded"""

    def use_folders(self, find: FolderFinder) -> None:
        """Take the content of local versions from `find`, and not from the folder of models."""
        self._find_folder = find

    async def prepare(self, configuration: Configuration, tolerates: Tolerance = tolerate_none) -> PreparedRunners:
        """Open the runners of all versions and shadows.

        LoadError, with nothing new left open, when a version cannot be loaded that `tolerates` refuses.
        """
        targets = [(version, False) for version in configuration.versions.values()]
        shadowed = {shadow.version for shadow in configuration.shadows.values()}
        targets += [(configuration.versions[ref], True) for ref in sorted(shadowed) if ref in configuration.versions]
        clusters = {
            name: self._reuse_cluster(shard)
            for name, shard in configuration.shards.items()
            if shard.endpoints or shard.protocol is ShardProtocol.RAY
        }
        prepared = PreparedRunners(clusters=clusters)
        new_targets = []
        for version, shadow in targets:
            shard = configuration.shards.get(version.shard, LOCAL_SHARD)
            entry = self._current.get((version.ref, shadow))
            if entry is not None and entry.can_serve(version, shard) and (entry.is_loaded or tolerates(version.ref)):
                prepared.entries[version.ref, shadow] = entry
            elif (preloaded := self._take_preloaded(version, shard, shadow=shadow)) is not None:
                prepared.entries[version.ref, shadow] = preloaded
                prepared.new_runners.append(preloaded.runner)
            else:
                new_targets.append((version, shard, shadow))
        try:
            await self._open_entries(new_targets, prepared, tolerates)
        except BaseException:
            await self.discard(prepared)
            raise
        return prepared

    async def preload(self, configuration: Configuration, refs: Collection[VersionRef]) -> PreparedRunners:
        """Open the runners of local versions, and of their shadows, that no open runner can serve.

        `prepare` takes them, and `release` closes the others. Versions on hosts are loaded there meanwhile. LoadError,
        with nothing new left open, when one cannot be loaded.
        """
        shadowed = {shadow.version for shadow in configuration.shadows.values()}
        targets: list[tuple[Version, Shard, bool]] = []
        hosted: list[tuple[Version, Shard, bool]] = []
        for version in map(configuration.versions.__getitem__, refs):
            shard = configuration.shards.get(version.shard, LOCAL_SHARD)
            if shard.protocol in CONTENT_PROTOCOLS:
                for shadow in (False, True) if version.ref in shadowed else (False,):
                    entry = self._current.get((version.ref, shadow))
                    if entry is None or not entry.is_loaded or not entry.can_serve(version, shard):
                        (hosted if shard.protocol is ShardProtocol.RAY else targets).append((version, shard, shadow))
        preloaded = PreparedRunners(clusters={})
        try:
            await _run_bounded(partial(self._preload_hosted, preloaded, *target) for target in hosted)
            await self._open_entries(targets, preloaded, tolerate_none)
        except BaseException:
            await self.discard(preloaded)
            raise
        self._preloads.append(preloaded)
        return preloaded

    async def _preload_hosted(self, preloaded: PreparedRunners, version: Version, shard: Shard, shadow: bool) -> None:
        preloaded.demands.append(await self._demand_content(version, shard, shadow=shadow))

    async def release(self, preloaded: PreparedRunners) -> None:
        """Close the preloaded runners that no revision has taken."""
        self._preloads = [other for other in self._preloads if other is not preloaded]
        await self.discard(preloaded)

    def _take_preloaded(self, version: Version, shard: Shard, *, shadow: bool) -> OpenRunner | None:
        for preloaded in self._preloads:
            entry = preloaded.entries.get((version.ref, shadow))
            if entry is not None and entry.can_serve(version, shard):
                del preloaded.entries[version.ref, shadow]
                preloaded.new_runners.remove(entry.runner)
                return entry
        return None

    async def _open_entries(
        self, targets: Sequence[tuple[Version, Shard, bool]], prepared: PreparedRunners, tolerates: Tolerance
    ) -> None:
        local_versions = {
            version.ref: version for version, shard, _ in targets if shard.protocol is ShardProtocol.LOCAL
        }
        # In a thread: hashing and loading models can take seconds, and requests are served meanwhile.
        folders = await asyncio.to_thread(self._find_folders, list(local_versions.values())) if local_versions else {}

        async def open_target(version: Version, shard: Shard, shadow: bool) -> None:
            try:
                if shard.protocol is ShardProtocol.RAY:
                    runner = await self._open_hosted(
                        version, shard, prepared.clusters, shadow=shadow, waits=not tolerates(version.ref)
                    )
                    entry = OpenRunner(version=version, shard=shard, runner=runner)
                else:
                    entry = await self._open_entry(version, shard, prepared.clusters, folders, shadow=shadow)
            except LoadError as error:
                if not tolerates(version.ref):
                    raise
                _log.warning("%s is not loaded: %s", version.ref, error.reason)
                entry = OpenRunner(version=version, shard=shard, runner=UnloadedRunner(error))
            prepared.new_runners.append(entry.runner)
            prepared.entries[version.ref, shadow] = entry

        # Hosts load side by side; what is loaded here shares one process, and is opened one by one.
        hosted = [target for target in targets if target[1].protocol is ShardProtocol.RAY]
        await _run_bounded(partial(open_target, *target) for target in hosted)
        for target in targets:
            if target not in hosted:
                await open_target(*target)

    def _find_folders(self, versions: Sequence[Version]) -> dict[VersionRef, Path | LoadError]:
        """Return the folders of versions that could be loaded in another process, or the reasons."""
        folders: dict[VersionRef, Path | LoadError] = {}
        for version in versions:
            try:
                folders[version.ref] = self._find_folder(version)
            except NlapiError as error:
                folders[version.ref] = LoadError(version.ref, error.message, hint=error.hint)
        digests = {version.ref: version.digest for version in versions}
        # Content that was loaded before needs no trial: a rollback must not wait for the trial of a slow new version.
        # One in a separate process is loaded there first anyway.
        tried = {
            ref: folder
            for ref, folder in folders.items()
            if isinstance(folder, Path) and digests[ref] not in self._loadable and not _runs_in_process(folder)
        }
        for ref, fault in zip(tried, try_loading(list(tried.values())) if tried else (), strict=True):
            if fault is not None:
                folders[ref] = LoadError(ref, fault.message, hint=fault.hint)
            elif digests[ref]:
                self._loadable.add(digests[ref])
        return folders

    def load_errors(self) -> dict[VersionRef, LoadError]:
        """Return the versions that are not loaded, with the reasons."""
        errors = {}
        for (ref, shadow), entry in self._current.items():
            if isinstance(entry.runner, UnloadedRunner):
                errors[ref] = entry.runner.error
            elif isinstance(entry.runner, HostRunner) and not shadow:
                demand = entry.runner.demand
                if reason := self._hosts.problem(demand.shard, demand.content):
                    errors[ref] = LoadError(ref, reason, hint=host_hint(demand.shard))
        return errors

    async def discard(self, prepared: PreparedRunners) -> None:
        """Close the runners that were opened for a revision that is not published."""
        for demand in prepared.demands:
            demand.withdraw()
        await asyncio.gather(*(runner.close() for runner in prepared.new_runners))

    def adopt(self, prepared: PreparedRunners) -> None:
        """Let the opened runners serve from now on."""
        self._current, self._clusters = prepared.entries, prepared.clusters
        self._open_resources += [
            *prepared.new_runners,
            *(cluster for cluster in prepared.clusters.values() if cluster not in self._open_resources),
        ]

    def close_unused(self, used: Iterable[Snapshot]) -> None:
        """Close, in the background, the runners that none of the revisions in `used` can reach."""
        # By id: runners are mutable and compare by identity, and a RemoteRunner shares its cluster with others.
        used_ids: set[int] = {id(resource) for resource in self._clusters.values()}
        for snapshot in used:
            for runner in (*snapshot.runners.values(), *snapshot.shadow_runners.values()):
                used_ids.add(id(runner))
                if isinstance(runner, RemoteRunner | HostRunner):
                    used_ids.add(id(runner.cluster))
                elif isinstance(runner, LlmRunner):
                    used_ids.add(id(runner.upstream))
        unused = [resource for resource in self._open_resources if id(resource) not in used_ids]
        self._open_resources = [resource for resource in self._open_resources if id(resource) in used_ids]
        for resource in unused:
            task = asyncio.get_running_loop().create_task(resource.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        resources, self._open_resources = self._open_resources, []
        await asyncio.gather(*self._closing, *(resource.close() for resource in resources), return_exceptions=True)

    def replica_health(self) -> dict[str, list[dict[str, object]]]:
        """Return the replicas of each shard with their state, by the shard's name."""
        return {name: cluster.replica_health() for name, cluster in self._clusters.items()}

    # An unchanged shard keeps its Cluster: its connections stay open, and its breakers remember who failed.
    def _reuse_cluster(self, shard: Shard) -> Cluster | LlmUpstream:
        cluster = self._clusters.get(shard.name)
        if cluster is not None and cluster.shard == shard:
            return cluster
        if shard.protocol in LLM_PROTOCOLS:
            return LlmUpstream(shard, self._environment, self._allowed)
        source = self._hosts if shard.protocol is ShardProtocol.RAY else None
        return Cluster(shard, access=ShardAccess(shard, self._environment, self._allowed), source=source)

    async def _demand_content(
        self, version: Version, shard: Shard, *, shadow: bool, waits: bool = True
    ) -> ContentDemand:
        """Ask the hosts of a shard to load a version, and wait for them. LoadError when they cannot."""
        if not version.digest:
            hint = "reload the version, or register it under another name"
            raise LoadError(version.ref, "it is not copied, and hosts get copies alone", hint=hint)
        content = HostedContent(digest=version.digest, shadow=shadow)
        try:
            # Hosts read it here: what is missing is stored again from its source, or from the shared database.
            await asyncio.to_thread(self._find_folder, version)
        except NlapiError as error:
            _log.warning("hosts cannot read the content of %s here: %s", version.ref, error.message)
        demand = self._hosts.demand(shard.name, content, version.ref)
        try:
            if waits:
                await demand.wait_loaded()
        except NlapiError as error:
            demand.withdraw()
            raise LoadError(version.ref, error.message, hint=error.hint) from error
        except BaseException:
            demand.withdraw()
            raise
        return demand

    async def _open_hosted(
        self,
        version: Version,
        shard: Shard,
        clusters: Mapping[str, Cluster | LlmUpstream],
        *,
        shadow: bool,
        waits: bool,
    ) -> HostRunner:
        cluster = clusters[shard.name]
        if not isinstance(cluster, Cluster):
            raise TypeError(f"shard {shard.name} is not a shard of hosts")
        await asyncio.to_thread(cluster.prepare)
        demand = await self._demand_content(version, shard, shadow=shadow, waits=waits)
        return HostRunner(demand, cluster.separate_copy() if shadow else cluster, owns_cluster=shadow)

    async def _open_entry(
        self,
        version: Version,
        shard: Shard,
        clusters: Mapping[str, Cluster | LlmUpstream],
        folders: Mapping[VersionRef, Path | LoadError],
        *,
        shadow: bool,
    ) -> OpenRunner:
        runner: Runner
        if shard.protocol is ShardProtocol.LOCAL:
            folder = folders[version.ref]
            if isinstance(folder, LoadError):
                raise folder
            try:
                runner = await open_runner(folder.name, folder.parent, shadow=shadow, digest=version.digest)
            except NlapiError as error:
                raise LoadError(version.ref, error.message, hint=error.hint) from error
            except OSError as error:
                raise LoadError(version.ref, f"no worker process can be started: {error}") from error
        elif cluster := clusters.get(shard.name):
            # Copies get separate connections and a separate concurrency limit, so that they never delay a request.
            resource = cluster.separate_copy() if shadow else cluster
            try:
                await asyncio.to_thread(resource.prepare)
            except NlapiError as error:
                raise LoadError(version.ref, f"shard {shard.name}: {error.message}", hint=error.hint) from error
            if isinstance(resource, LlmUpstream):
                runner = LlmRunner(version, resource, owns_upstream=shadow)
            else:
                runner = RemoteRunner(version, resource, owns_cluster=shadow)
        else:
            raise LoadError(version.ref, f"shard {shard.name!r} has no endpoints", hint="give the shard an endpoint")
        return OpenRunner(version=version, shard=shard, runner=runner)


async def _run_bounded(works: Iterable[Callable[[], Awaitable[None]]]) -> None:
    """Run works, at most MAX_LOADS at once. The first error ends the others, and is raised when they have ended."""
    slots = asyncio.Semaphore(MAX_LOADS)

    async def run(work: Callable[[], Awaitable[None]]) -> None:
        async with slots:
            await work()

    tasks = [asyncio.ensure_future(run(work)) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
