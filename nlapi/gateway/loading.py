"""The runners of loaded versions: opened when a configuration names them, closed when no request can reach them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from nlapi.errors import NlapiError
from nlapi.gateway.calls import LoadError, Runner
from nlapi.gateway.live import Live
from nlapi.gateway.pools import open_runner
from nlapi.gateway.shards import Cluster, Remote
from nlapi.routing.nouns import Configuration, Protocol, Shard, Version, VersionRef

LOCAL = Shard(name="local")
"""the shard of this process, which a configuration need not declare"""

Key = tuple[VersionRef, bool]
"""a version, and whether the runner is for the copies of a shadow"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A runner with the version and the shard that it was opened for."""

    version: Version
    shard: Shard
    runner: Runner

    def fits(self, version: Version, shard: Shard) -> bool:
        """Return whether the runner can also serve `version` on `shard`."""
        mine = self.version
        same = mine.source == version.source and mine.output == version.output
        return same and self.shard == shard


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """The runners of a revision that is not published yet; `fresh` are those that were opened for it."""

    clusters: dict[str, Cluster]
    opened: dict[Key, Opened] = field(default_factory=dict)
    fresh: list[Runner] = field(default_factory=list)

    def runners(self, *, shadow: bool) -> dict[VersionRef, Runner]:
        """Return the runner of each version, for requests or for the copies of shadows."""
        return {ref: one.runner for (ref, copies), one in self.opened.items() if copies is shadow}


class Loaded:
    """All open runners."""

    def __init__(self, models: Path) -> None:
        self._models = models
        self._current: dict[Key, Opened] = {}
        self._clusters: dict[str, Cluster] = {}
        self._open: list[Runner | Cluster] = []
        self._closing: set[asyncio.Task[None]] = set()

    async def open(self, configuration: Configuration) -> Opening:
        """Open the runners of all versions and shadows. LoadError, with nothing new left open."""
        wanted = [(version, False) for version in configuration.versions.values()]
        shadowed = {shadow.version for shadow in configuration.shadows.values()}
        wanted += [(configuration.versions[ref], True) for ref in sorted(shadowed) if ref in configuration.versions]
        clusters = {name: self._cluster(shard) for name, shard in configuration.shards.items() if shard.endpoints}
        opening = Opening(clusters=clusters)
        try:
            for version, shadow in wanted:
                shard = configuration.shards.get(version.shard, LOCAL)
                one = self._current.get((version.ref, shadow))
                if one is None or not one.fits(version, shard):
                    one = await self._opened(version, shard, clusters, shadow=shadow)
                    opening.fresh.append(one.runner)
                opening.opened[version.ref, shadow] = one
        except BaseException:
            await self.abandon(opening)
            raise
        return opening

    async def abandon(self, opening: Opening) -> None:
        """Close the runners that were opened for a revision that is not published."""
        await asyncio.gather(*(runner.close() for runner in opening.fresh))

    def adopt(self, opening: Opening) -> None:
        """Let the opened runners serve from now on."""
        self._current, self._clusters = opening.opened, opening.clusters
        self._open += [*opening.fresh, *(one for one in opening.clusters.values() if one not in self._open)]

    def close_all_but(self, used: Iterable[Live]) -> None:
        """Close, in the background, the runners that none of the revisions in `used` can reach."""
        # By id: runners are mutable and compare by identity, and a Remote shares its cluster with others.
        kept: set[int] = {id(one) for one in self._clusters.values()}
        for live in used:
            for runner in (*live.runners.values(), *live.shadowing.values()):
                kept.add(id(runner))
                if isinstance(runner, Remote):
                    kept.add(id(runner.cluster))
        gone = [one for one in self._open if id(one) not in kept]
        self._open = [one for one in self._open if id(one) in kept]
        for one in gone:
            task = asyncio.get_running_loop().create_task(one.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        everything, self._open = self._open, []
        await asyncio.gather(*self._closing, *(one.close() for one in everything), return_exceptions=True)

    def health(self) -> dict[str, list[dict[str, object]]]:
        """Return the replicas of each shard with their state, by the shard's name."""
        return {name: cluster.health() for name, cluster in self._clusters.items()}

    # An unchanged shard keeps its Cluster: its connections stay open, and its breakers remember who failed.
    def _cluster(self, shard: Shard) -> Cluster:
        known = self._clusters.get(shard.name)
        return known if known is not None and known.shard == shard else Cluster(shard)

    async def _opened(self, version: Version, shard: Shard, clusters: dict[str, Cluster], *, shadow: bool) -> Opened:
        runner: Runner
        if shard.protocol is Protocol.LOCAL:
            try:
                # In a thread: importing a model can take seconds, and requests are served meanwhile.
                runner = await asyncio.to_thread(open_runner, version.source, self._models, shadow=shadow)
            except NlapiError as error:
                raise LoadError(version.ref, error.message, hint=error.hint) from error
        elif cluster := clusters.get(shard.name):
            # Copies get separate connections and a separate concurrency limit, so that they never delay a request.
            runner = Remote(version, cluster.apart() if shadow else cluster, owns=shadow)
        else:
            raise LoadError(version.ref, f"shard {shard.name!r} has no endpoints", hint="give the shard an endpoint")
        return Opened(version=version, shard=shard, runner=runner)
