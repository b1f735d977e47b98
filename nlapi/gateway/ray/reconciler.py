"""Brings a Ray cluster and its gateways together: it deploys what they demand, and reports the replicas to them."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from nlapi.errors import DescriptionError, NlapiError
from nlapi.gateway.ray.cluster import AppStatus, ClusterState, RayCluster, RunningApp
from nlapi.gateway.ray.gateways import GatewayLinks, HostIdentity
from nlapi.gateway.ray.messages import HostedContent, HostHeartbeat

if TYPE_CHECKING:
    import httpx2

POLL_S = 1.0
"""seconds between two looks at Ray; what a gateway demands is deployed at once"""

# Longer than the longest request of the revision before usually takes; an undo within it finds the version running.
REMOVE_DELAY_S = 30.0
RETRY_S = 30.0
"""seconds until an application that could not be deployed is tried again, while a gateway demands it"""
MAX_REASON_CHARS = 2000

_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
_log = logging.getLogger(__name__)


class RayReconciler:
    """Runs for ever; when it ends, replicas go on, and gateways go on to call them."""

    def __init__(self, cluster: RayCluster, identity: HostIdentity) -> None:
        self._cluster = cluster
        self._links = GatewayLinks(cluster.gateways, identity, self._heartbeat)
        self._state: ClusterState | None = None
        """what Ray said last"""
        self._demanded_at: dict[HostedContent, float] = {}
        self._failed_at: dict[HostedContent, float] = {}
        self._endpoints: dict[HostedContent, tuple[str, ...]] = {}
        self._is_deployed = False
        """whether Ray has the options of this process"""
        self._problem = ""

    async def run(self) -> None:
        """Look at Ray and at the gateways until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._reconcile(tasks))

    async def _reconcile(self, tasks: asyncio.TaskGroup) -> None:
        async with self._cluster.open() as client:
            try:
                while True:
                    self._links.wake.clear()
                    try:
                        if self._state is None:
                            # First of all: a heartbeat without replicas would let the gateways forget those that run.
                            state = await self._cluster.read(client)
                            self._demanded_at = dict.fromkeys(state.apps, time.monotonic())
                            self._take(state)
                            tasks.create_task(self._links.run())
                        await self._step(client)
                        self._note("")
                    except NlapiError as error:
                        # Ray's head may be away: what is known of the replicas stays, and they serve without it.
                        self._note(error.message)
                    with suppress(TimeoutError):
                        async with asyncio.timeout(POLL_S):
                            await self._links.wake.wait()
            finally:
                await self._links.close()

    async def _step(self, client: httpx2.AsyncClient) -> None:
        state = await self._cluster.read(client)
        self._take(state)
        wanted = self._wanted(state)
        if wanted is None:
            return
        if wanted != set(state.apps) or not self._is_deployed:
            await self._cluster.deploy(client, wanted, state.others)
            self._is_deployed = True

    def _take(self, state: ClusterState) -> None:
        """Note what Ray says, and tell the gateways if it has changed."""
        # A controller that was killed forgets the replicas for a second, and they serve. When really none is left,
        # calls of the addresses that it had fail as calls of none do.
        kept = {content: urls for content, urls in self._endpoints.items() if content in self._demanded_at}
        endpoints = kept | {content: app.endpoints for content, app in state.apps.items() if app.endpoints}
        if state != self._state or endpoints != self._endpoints:
            self._state, self._endpoints = state, endpoints
            self._links.report()

    def _wanted(self, state: ClusterState) -> set[HostedContent] | None:
        """Return what should run, or None while no gateway has said it."""
        demands = self._links.demands()
        if not demands:
            return None
        now, demanded = time.monotonic(), {content for demand in demands for content in demand.versions}
        self._demanded_at |= dict.fromkeys(demanded, now)
        failed = {content for content, app in state.apps.items() if app.status == AppStatus.FAILED}
        self._failed_at = {content: self._failed_at.get(content, now) for content in failed & demanded}
        retried = {content for content, at in self._failed_at.items() if now >= at + RETRY_S}
        for content, at in list(self._demanded_at.items()):
            # What failed is kept for nobody: the next one who demands it may have mended the cause.
            if now >= at + REMOVE_DELAY_S or content in failed - demanded:
                del self._demanded_at[content]
        # Left out once, and deployed anew by the next look.
        return {*self._demanded_at} - retried

    def _heartbeat(self, tag: str) -> HostHeartbeat:
        apps = self._state.apps if self._state is not None else {}
        unreachable = {content: app for content, app in apps.items() if content not in self._endpoints}
        return HostHeartbeat(
            shard=self._cluster.shard,
            ready=self._endpoints,
            failed={content: _reason(app) for content, app in unreachable.items() if app.status in _FINAL},
            demand=tag,
        )

    def _note(self, problem: str) -> None:
        if problem != self._problem:  # once, and not every second
            _log.warning("Ray: %s", problem or "it answers again")
            self._problem = problem


_FINAL = (AppStatus.FAILED, AppStatus.RUNNING)
"""the states in which a replica without an address gets none any more"""


def _reason(app: RunningApp) -> str:
    """Return why an application without an address has none: of a traceback the last line, which is the version's."""
    if app.status == AppStatus.RUNNING:
        return "Ray names no replicas: start it with RAY_SERVE_ENABLE_DIRECT_INGRESS=1"
    lines = [line for line in _ESCAPES.sub("", app.message).splitlines() if line.strip()]
    last = lines[-1].strip() if lines else "Ray could not deploy it"
    return last.removeprefix(f"{DescriptionError.__module__}.{DescriptionError.__name__}: ")[:MAX_REASON_CHARS]
