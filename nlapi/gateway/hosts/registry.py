"""The gateway's side of serving hosts: which are alive, what they should load, and calls of their versions."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import orjson

from nlapi.errors import DescriptionError
from nlapi.gateway.hosts.messages import EXPIRY_S, INTERVAL_S, HostDemand, HostedContent, HostHeartbeat
from nlapi.gateway.http.problems import GatewayProblem
from nlapi.gateway.inference import FailureKind, InferenceError, InferenceRequest, InferenceResult
from nlapi.gateway.shards.call_headers import (
    DIGEST_HEADER,
    SHADOW_HEADER,
    TIMEOUT_HEADER,
    request_headers,
    version_headers,
)
from nlapi.gateway.shards.client import ShardCall, UsualLatency
from nlapi.gateway.shards.shards import Cluster
from nlapi.routing.model import VersionRef

LOAD_WAIT_S = 60.0
"""seconds that a change waits for the hosts of a shard to load a version"""

# Hosts repeat a failed heartbeat after 0.2 s, so that those of a gateway that was restarted are heard well within this,
# also on a machine that is busy with starting.
SETTLING_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingHost:
    """A host that is alive, by its last heartbeat at `seen_at`."""

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
        """Wait until the hosts of the shard have answered. DescriptionError unless more have it than refuse it."""
        await self._registry.wait_loaded(self, timeout_s)

    def withdraw(self) -> None:
        """Let the hosts unload it, unless somebody else demands it."""
        self._registry.withdraw(self)


class HostRegistry:
    """The hosts that send heartbeats to this gateway, and the contents that their shards should have."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._opened_at: float | None = None
        self._hosts: dict[str, ServingHost] = {}
        self._beats: dict[str, list[tuple[str, HostHeartbeat]]] | None = None
        """shard -> the names and heartbeats of its hosts; None until it is asked for again after a change"""
        self._demands: dict[ContentDemand, None] = {}
        self._instance = secrets.token_hex(4)
        self._demand_count = 0
        self._next_expiry = float("inf")
        self._generation = 0
        self._change = asyncio.Event()

    @property
    def generation(self) -> int:
        """A number that is another one when a host has come, changed or gone."""
        if self._clock() >= self._next_expiry:
            self._expire()
        return self._generation

    @property
    def is_settling(self) -> bool:
        """Whether heartbeats are taken since a moment only, so that hosts may be alive and not heard yet."""
        return self._opened_at is not None and self._clock() - self._opened_at < SETTLING_S

    def open(self) -> None:
        """Note that heartbeats are taken from now on. Nothing waits for a host before: none can be heard."""
        self._opened_at = self._clock()

    def hosts(self) -> list[ServingHost]:
        """Return the live hosts by name."""
        self._expire()
        return sorted(self._hosts.values(), key=lambda host: host.name)

    def replicas(self, shard: str) -> dict[str, frozenset[HostedContent]]:
        """Return the addresses of a shard's hosts that take calls, with what each has loaded."""
        return {beat.url: beat.ready for _, beat in self._of_shard(shard)}

    def problem(self, shard: str, content: HostedContent) -> str:
        """Return the reason why no host can run a content; "" when one can."""
        hosts = self._of_shard(shard)
        if any(content in beat.ready for _, beat in hosts):
            return ""
        for name, beat in hosts:
            if reason := beat.failed.get(content, ""):
                return f"host {name}: {reason}"
        return f"no host of shard {shard} has it" if hosts else f"shard {shard} has no host"

    def record(self, name: str, heartbeat: HostHeartbeat) -> None:
        """Note a heartbeat. GatewayProblem 409 when another host that is alive has this name."""
        self._expire()
        registered = self._hosts.get(name)
        if registered is not None and registered.heartbeat.url != heartbeat.url:
            raise GatewayProblem(
                409,
                f"the host {name} is at {registered.heartbeat.url} already",
                code="exists",
                hint=f"start it with another --name, or wait {EXPIRY_S:g} s after the other one has ended",
            )
        if heartbeat.draining:
            if self._hosts.pop(name, None) is not None:
                self._notify()
            return
        self._hosts[name] = ServingHost(name=name, heartbeat=heartbeat, seen_at=self._clock())
        self._next_expiry = min(self._next_expiry, self._clock() + EXPIRY_S)
        if registered is None or _state(registered.heartbeat) != _state(heartbeat):
            self._notify()

    def demand(self, shard: str, content: HostedContent, version: VersionRef) -> ContentDemand:
        """Ask the hosts of a shard to load a content, and return the demand."""
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
        """Return all that the hosts of a shard should have loaded."""
        versions: dict[HostedContent, set[VersionRef]] = {}
        for demand in self._demands:
            if demand.shard == shard:
                versions.setdefault(demand.content, set()).add(demand.version)
        return HostDemand(
            tag=f"{self._instance}-{self._demand_count}",
            versions={content: frozenset(refs) for content, refs in versions.items()},
        )

    def is_demanded(self, digest: str) -> bool:
        """Return whether any shard of hosts should have a content."""
        return any(demand.content.digest == digest for demand in self._demands)

    async def wait_demand(self, shard: str, tag: str, timeout_s: float = INTERVAL_S) -> HostDemand:
        """Return the demand on a shard, once its tag is not the `known` one or the time is over."""
        try:
            async with asyncio.timeout(timeout_s):
                while (demand := self.demanded(shard)).tag == tag:
                    await self._change.wait()
        except TimeoutError:
            return self.demanded(shard)
        return demand

    async def wait_loaded(self, demand: ContentDemand, timeout_s: float) -> None:
        """Wait for the answer of each host of a shard. DescriptionError unless more hosts have it than refuse it."""
        if self._opened_at is None:
            return
        shard, content = demand.shard, demand.content
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    beats = [beat for _, beat in self._of_shard(shard)]
                    if beats and all(content in beat.ready or content in beat.failed for beat in beats):
                        break
                    if not beats and not self.is_settling:
                        break
                    await self._wait_change()
        except TimeoutError:
            beats = [beat for _, beat in self._of_shard(shard)]
        ready_count = sum(content in beat.ready for beat in beats)
        if ready_count <= sum(content in beat.failed for beat in beats):
            reason = self.problem(shard, content) or f"most hosts of shard {shard} cannot load it"
            hint = f"start one with `nlapi gateway host --shard {shard}`" if not beats else "GET /v1/hosts shows them"
            raise DescriptionError(reason, hint=hint)

    async def wait_replica(self, shard: str, content: HostedContent) -> None:
        """Wait until a host can run a content, as long as hosts may not be heard yet."""
        while self.is_settling and not any(content in ready for ready in self.replicas(shard).values()):
            await self._wait_change()

    async def _wait_change(self) -> None:
        """Wait for the next change, or for the next host that may have expired meanwhile."""
        try:
            async with asyncio.timeout(INTERVAL_S):
                await self._change.wait()
        except TimeoutError:
            return

    def _of_shard(self, shard: str) -> list[tuple[str, HostHeartbeat]]:
        self._expire()
        if self._beats is None:
            self._beats = {}
            for host in self.hosts():
                self._beats.setdefault(host.heartbeat.shard, []).append((host.name, host.heartbeat))
        return self._beats.get(shard, [])

    def _expire(self) -> None:
        if self._clock() < self._next_expiry:
            return
        silent_since = self._clock() - EXPIRY_S
        gone = [name for name, host in self._hosts.items() if host.seen_at <= silent_since]
        for name in gone:
            del self._hosts[name]
        self._next_expiry = min((host.seen_at for host in self._hosts.values()), default=float("inf")) + EXPIRY_S
        if gone:
            self._notify()

    def _notify(self) -> None:
        self._generation += 1
        self._beats = None
        self._change.set()
        self._change = asyncio.Event()


def _state(heartbeat: HostHeartbeat) -> tuple[object, ...]:
    return heartbeat.shard, heartbeat.url, heartbeat.ready, heartbeat.failed


class HostRunner:
    """The runner of one version on the hosts of a shard; they have it loaded until `close`."""

    def __init__(self, demand: ContentDemand, cluster: Cluster, *, owns_cluster: bool = False) -> None:
        self.cluster = cluster
        self.demand = demand
        self._owns_cluster = owns_cluster
        self._headers = {
            **version_headers(demand.version),
            DIGEST_HEADER: demand.content.digest,
        } | ({SHADOW_HEADER: "true"} if demand.content.shadow else {})
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
        """Let the hosts unload the version."""
        self.demand.withdraw()
        if self._owns_cluster:
            await self.cluster.close()
