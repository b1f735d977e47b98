"""The gateway's side of Ray clusters: what they should run, where its replicas are, and calls of them."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from time import perf_counter

import orjson

from nlapi.errors import DescriptionError
from nlapi.gateway.http.problems import GatewayProblem
from nlapi.gateway.inference import FailureKind, InferenceError, InferenceRequest, InferenceResult
from nlapi.gateway.ray.messages import INTERVAL_S, SILENT_S, HostDemand, HostedContent, HostHeartbeat
from nlapi.gateway.shards.call_headers import (
    TIMEOUT_HEADER,
    request_headers,
    version_headers,
)
from nlapi.gateway.shards.client import ShardCall, UsualLatency
from nlapi.gateway.shards.shards import Cluster
from nlapi.routing.model import VersionRef

LOAD_WAIT_S = 120.0
"""seconds that a change waits for the hosts of a shard to run a version; Ray takes 3 and the imports of the version"""

MAX_HOSTS = 100
"""hosts that are noted at once: a token of a host may name as many shards as it likes"""

FORGET_S = 600.0
"""seconds after which a silent host is forgotten while another one of its shard is heard, as after a new name"""

# Hosts repeat a failed heartbeat after 0.2 s, so that those of a gateway that was restarted are heard well within this,
# also on a machine that is busy with starting.
SETTLING_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingHost:
    """A Ray cluster that runs versions of a shard, by its last heartbeat at `seen_at`."""

    name: str
    heartbeat: HostHeartbeat
    seen_at: float


class ContentDemand:
    """The demand of one runner for a content on a shard, until it is withdrawn."""

    def __init__(self, registry: HostRegistry, shard: str, content: HostedContent, version: VersionRef) -> None:
        self.shard = shard
        self.content = content
        self.version = version
        self._registry = registry

    async def wait_loaded(self, timeout_s: float = LOAD_WAIT_S) -> None:
        """Wait until a replica runs it. DescriptionError when no host can run it."""
        await self._registry.wait_loaded(self, timeout_s)

    def withdraw(self) -> None:
        """Let the hosts end it, unless somebody else demands it."""
        self._registry.withdraw(self)


class HostRegistry:
    """The hosts that send heartbeats to this gateway, and the contents that their shards should run.

    A host that is silent is not forgotten: without Ray's head its replicas serve, and are called.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._opened_at: float | None = None
        self._hosts: dict[tuple[str, str], ServingHost] = {}
        """shard and name -> host: those of two shards may have one name"""
        self._demands: dict[ContentDemand, None] = {}
        self._instance = secrets.token_hex(4)
        self._demand_count = 0
        self._change = asyncio.Event()
        self.generation = 0
        """another number when replicas have come or gone"""
        self.on_change: Callable[[], None] = lambda: None
        """called when replicas have come or gone"""

    @property
    def is_settling(self) -> bool:
        """Whether heartbeats are taken since a moment only, so that hosts may be alive and not heard yet."""
        return self._opened_at is not None and self._clock() - self._opened_at < SETTLING_S

    def open(self) -> None:
        """Note that heartbeats are taken from now on. Nothing waits for a host before: none can be heard."""
        self._opened_at = self._clock()

    def hosts(self) -> list[ServingHost]:
        """Return the hosts by name and shard."""
        return sorted(self._hosts.values(), key=lambda host: (host.name, host.heartbeat.shard))

    def silent_s(self, host: ServingHost) -> float:
        """Return the seconds since a host should have been heard; 0 while it is heard."""
        silence = self._clock() - host.seen_at
        return silence if silence >= SILENT_S else 0.0

    def replicas(self, shard: str) -> dict[str, frozenset[HostedContent]]:
        """Return the addresses of the replicas of a shard, each with the content that it runs."""
        replicas: dict[str, frozenset[HostedContent]] = {}
        for host in self._of_shard(shard):
            for content, urls in host.heartbeat.ready.items():
                replicas |= dict.fromkeys(urls, frozenset((content,)))
        return replicas

    def reported_endpoints(self, shard: str, content: HostedContent) -> tuple[str, ...] | None:
        """Return the addresses of the replicas of a content; None while a host that has some may not be heard yet."""
        endpoints = self.endpoints(shard, content)
        return None if not endpoints and (self.is_settling or not self._of_shard(shard)) else endpoints

    def endpoints(self, shard: str, content: HostedContent) -> tuple[str, ...]:
        """Return the addresses of the replicas of a content."""
        # A host that was started again under another name has the replicas that it had under the first.
        urls = (url for host in self._of_shard(shard) for url in host.heartbeat.ready.get(content, ()))
        return tuple(dict.fromkeys(urls))

    def problem(self, shard: str, content: HostedContent) -> str:
        """Return the reason why no host runs a content; "" when one does."""
        if self.endpoints(shard, content):
            return ""
        hosts = self._of_shard(shard)
        for host in hosts:
            if reason := host.heartbeat.failed.get(content, "") or host.heartbeat.problem:
                return f"host {host.name}: {reason}"
        if all(self.silent_s(host) for host in hosts):
            return f"no host of shard {shard} is heard"
        return f"no host of shard {shard} runs it yet"

    def record(self, name: str, heartbeat: HostHeartbeat) -> None:
        """Note a heartbeat. GatewayProblem 409 when there are too many hosts."""
        key, now = (heartbeat.shard, name), self._clock()
        before = self._hosts.get(key)
        if before is None and len(self._hosts) >= MAX_HOSTS:
            oldest = min(self._hosts, key=lambda other: self._hosts[other].seen_at)
            if now - self._hosts[oldest].seen_at < FORGET_S:
                raise GatewayProblem(409, f"{MAX_HOSTS} hosts are known already", code="exists")
            del self._hosts[oldest]
        self._hosts[key] = ServingHost(name=name, heartbeat=heartbeat, seen_at=now)
        expired = [host for host in self._of_shard(heartbeat.shard) if now - host.seen_at >= FORGET_S]
        for other in expired:
            del self._hosts[heartbeat.shard, other.name]
        if before is None or expired or _state(before.heartbeat) != _state(heartbeat):
            self.generation += 1
            self._notify()
            self.on_change()

    def demand(self, shard: str, content: HostedContent, version: VersionRef) -> ContentDemand:
        """Ask the hosts of a shard to run a content, and return the demand."""
        demand = ContentDemand(self, shard, content, version)
        self._demands[demand] = None
        self._demand_count += 1
        self._notify()
        return demand

    def withdraw(self, demand: ContentDemand) -> None:
        """Remove a demand; a second time has no effect."""
        if demand in self._demands:
            del self._demands[demand]
            self._demand_count += 1
            self._notify()

    def demanded(self, shard: str) -> HostDemand:
        """Return all that the hosts of a shard should run."""
        versions: dict[HostedContent, set[VersionRef]] = {}
        for demand in self._demands:
            if demand.shard == shard:
                versions.setdefault(demand.content, set()).add(demand.version)
        return HostDemand(
            tag=f"{self._instance}-{self._demand_count}",
            versions={content: frozenset(refs) for content, refs in versions.items()},
        )

    def is_demanded(self, digest: str) -> bool:
        """Return whether any shard of hosts should run a content."""
        return any(demand.content.digest == digest for demand in self._demands)

    async def wait_demand(self, shard: str, tag: str, timeout_s: float = INTERVAL_S) -> HostDemand:
        """Return the demand on a shard, once its tag is another one than `tag` or the time is over."""
        try:
            async with asyncio.timeout(timeout_s):
                while (demand := self.demanded(shard)).tag == tag:
                    await self._change.wait()
        except TimeoutError:
            return self.demanded(shard)
        return demand

    async def wait_loaded(self, demand: ContentDemand, timeout_s: float) -> None:
        """Wait until a replica of the content runs. DescriptionError when no host can run it, or none in time."""
        if self._opened_at is None:
            return
        shard, content = demand.shard, demand.content
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while True:
                    # What a silent host has may be gone: it may serve, and nothing new is sent there.
                    live = [host for host in self._of_shard(shard) if not self.silent_s(host)]
                    if any(host.heartbeat.ready.get(content) for host in live):
                        return
                    refuses = (content in host.heartbeat.failed or host.heartbeat.problem for host in live)
                    if all(refuses) and (live or not self.is_settling):
                        break
                    await self._wait_change()
        reason = self.problem(shard, content) or f"no host of shard {shard} that is heard runs it"
        is_refused = any(host.heartbeat.failed.get(content) for host in live)
        hint = "nothing was changed; mend it on the nodes of Ray or in the version" if is_refused else host_hint(shard)
        raise DescriptionError(reason, hint=hint)

    async def wait_replica(self, shard: str, content: HostedContent) -> None:
        """Wait until a host runs a content, as long as hosts may not be heard yet."""
        while self.is_settling and not self.endpoints(shard, content):
            await self._wait_change()

    async def _wait_change(self) -> None:
        """Wait for the next change, or for the next moment at which a host may have become silent."""
        with suppress(TimeoutError):
            async with asyncio.timeout(INTERVAL_S):
                await self._change.wait()

    def _of_shard(self, shard: str) -> list[ServingHost]:
        return [host for host in self._hosts.values() if host.heartbeat.shard == shard]

    def _notify(self) -> None:
        self._change.set()
        self._change = asyncio.Event()


def host_hint(shard: str) -> str:
    """Return what an operator does when a shard has no host."""
    return f"`nlapi gateway ray --shard {shard}` connects a Ray cluster; GET /v1/hosts shows those that are heard"


def _state(heartbeat: HostHeartbeat) -> tuple[object, ...]:
    return heartbeat.shard, heartbeat.ready, heartbeat.failed, heartbeat.problem


class HostRunner:
    """The runner of one version on the hosts of a shard, which run it until `close`."""

    def __init__(self, demand: ContentDemand, cluster: Cluster, *, owns_cluster: bool = False) -> None:
        self.cluster = cluster
        self.demand = demand
        self._owns_cluster = owns_cluster
        self._headers = version_headers(demand.version)
        self._usual = UsualLatency()

    async def run(self, request: InferenceRequest, timeout_s: float, *, repeatable: bool) -> InferenceResult:
        """Return the version's output, with its stages and, as "remote", the time until the answer."""
        before = perf_counter()
        try:
            body = orjson.dumps(request.input)
        except TypeError as error:
            text = "the input has an integer of more than 64 bits, which hosts do not take"
            raise InferenceError(FailureKind.INVALID, text, executed=False) from error
        call = ShardCall(
            path="",
            headers={**self._headers, **request_headers(request), TIMEOUT_HEADER: f"{timeout_s * 1000:.0f}"},
            body=body,
            timeout_s=timeout_s,
            repeatable=repeatable,
            objective=request.objective,
            usual=self._usual,
            content=self.demand.content,
        )
        with self.cluster.bulkhead.hold(request):
            result = await self.cluster.call(call)
        try:
            output = orjson.loads(result.output)
        except ValueError as error:
            text = f"{result.endpoint} gave an answer that is not JSON"
            raise InferenceError(FailureKind.INVALID, text, executed=True, attempts=result.attempts) from error
        stages = {**result.stages, "remote": (perf_counter() - before) * 1000}
        return InferenceResult(output=output, stages=stages, attempts=result.attempts, endpoint=result.endpoint)

    async def close(self) -> None:
        """Let the hosts end the version."""
        self.demand.withdraw()
        if self._owns_cluster:
            await self.cluster.close()
