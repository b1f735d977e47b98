"""Brings a Ray cluster and its gateways together: it deploys what they demand, and reports the replicas to them."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Coroutine
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

PATIENCE_S = 10.0
"""seconds until it is said that Ray does not answer or names no replica; a controller that was killed takes one"""

# Longer than the longest request of the revision before usually takes; an undo within it finds the version running.
REMOVE_DELAY_S = 30.0
RETRY_S = 30.0
"""seconds until an application that could not be deployed is tried again, while a gateway demands it"""
MAX_REASON_CHARS = 2000

_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
_log = logging.getLogger(__name__)


class RayReconciler:
    """Runs for ever; when it ends, replicas go on, and gateways go on to call them."""

    def __init__(
        self,
        cluster: RayCluster,
        identity: HostIdentity,
        *,
        remove_delay_s: float = REMOVE_DELAY_S,
        retry_s: float = RETRY_S,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._cluster = cluster
        self._remove_delay_s = remove_delay_s
        self._retry_s = retry_s
        self._patience_s = patience_s
        self._links = GatewayLinks(cluster.gateways, identity, self._heartbeat)
        self._state = ClusterState()
        """what Ray said last"""
        self._endpoints: dict[HostedContent, tuple[str, ...]] = {}
        self._demanded_at: dict[HostedContent, float] = {}
        """when a content was demanded last; it is kept in Ray"""
        self._failed_at: dict[HostedContent, float] = {}
        self._nameless_at: dict[HostedContent, float] = {}
        """since when an application runs of which Ray names no replica"""
        self._is_deployed = False
        """whether Ray has the options of this process"""
        self._problem = ""
        self._problem_at = 0.0

    async def run(self) -> None:
        """Look at Ray and at the gateways until it is cancelled."""
        async with self._cluster.open() as client:
            # First of all: a heartbeat without replicas would let the gateways forget those that run.
            while not await self._try(self._begin(client)):  # noqa: ASYNC110 - Ray does not tell
                await asyncio.sleep(POLL_S)
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._links.run())
                    tasks.create_task(self._reconcile(client))
            finally:
                await self._links.close()

    async def _begin(self, client: httpx2.AsyncClient) -> bool:
        """Note what runs; return whether Ray has named the replicas of all that runs, or does not name them."""
        state = await self._cluster.read(client)
        self._demanded_at = dict.fromkeys(state.apps, time.monotonic())
        self._take(state)
        return self._nameless_at.keys() == self._nameless()

    async def _reconcile(self, client: httpx2.AsyncClient) -> None:
        while True:
            self._links.wake.clear()
            await self._try(self._step(client))
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await self._links.wake.wait()

    async def _try(self, work: Coroutine[object, object, bool]) -> bool:
        """Do something with Ray, and return what it returns; False when Ray does not answer."""
        try:
            result = await work
        except NlapiError as error:
            # Ray's head may be away: what is known of the replicas stays, and they serve without it.
            problem = error.message
            result = False
        else:
            problem = ""
        if problem != self._problem:  # once, and not every second
            _log.warning("Ray: %s", problem or "it answers again")
            self._problem_at = self._problem_at if self._problem and problem else time.monotonic()
            self._problem = problem
            self._links.report()
        return result

    async def _step(self, client: httpx2.AsyncClient) -> bool:
        """Deploy what is demanded; return whether Ray needed a request."""
        state = await self._cluster.read(client)
        self._take(state)
        target = self._target(state)
        if target is None or (target == state.apps.keys() and self._is_deployed):
            return False
        await self._cluster.deploy(client, target, state)
        if state.listen and state.listen != self._cluster.listen and not self._is_deployed:
            text = "Ray: replicas listen on %s since Serve was started, and not on %s; `serve shutdown` ends it for all"
            _log.warning(text, state.listen, self._cluster.listen)
        self._is_deployed = True
        return True

    def _take(self, state: ClusterState) -> None:
        """Note what Ray says, and tell the gateways if it has changed."""
        before = (self._state, self._endpoints, self._nameless())
        # A controller that was killed forgets the replicas for a second, and they serve. When really none is left,
        # calls of the addresses that it had fail as calls of none do.
        earlier = {content: urls for content, urls in self._endpoints.items() if content in self._demanded_at}
        self._endpoints = earlier | {content: app.endpoints for content, app in state.apps.items() if app.endpoints}
        self._state, now = state, time.monotonic()
        self._nameless_at = {
            content: self._nameless_at.get(content, now)
            for content, app in state.apps.items()
            if app.status == AppStatus.RUNNING and content not in self._endpoints
        }
        if before != (self._state, self._endpoints, self._nameless()):
            self._links.report()

    def _nameless(self) -> set[HostedContent]:
        """Return what runs, and of which Ray would have named a replica by now if it did."""
        now = time.monotonic()
        return {content for content, at in self._nameless_at.items() if now >= at + self._patience_s}

    def _target(self, state: ClusterState) -> set[HostedContent] | None:
        """Return what should run, or None while no gateway has said it."""
        demands = self._links.demands()
        if not demands:
            return None
        now, demanded = time.monotonic(), {content for demand in demands for content in demand.versions}
        self._demanded_at |= dict.fromkeys(demanded, now)
        # One whose newest replica has failed while others serve is left as it is.
        failed = {
            content for content, app in state.apps.items() if app.status == AppStatus.FAILED and not app.endpoints
        }
        self._failed_at = {content: self._failed_at.get(content, now) for content in failed & demanded}
        for content, at in list(self._demanded_at.items()):
            # What failed is kept for nobody: the next one who demands it may have mended the cause. All else may be
            # demanded by a gateway that has not been heard yet.
            is_over = now >= at + self._remove_delay_s and self._links.is_complete
            if content not in demanded and (is_over or content in failed):
                del self._demanded_at[content]
        # Left out once, and deployed anew by the next look.
        retried = {content for content, at in self._failed_at.items() if now >= at + self._retry_s}
        return {*self._demanded_at} - retried

    def _heartbeat(self, tag: str) -> HostHeartbeat:
        nameless = self._nameless()
        return HostHeartbeat(
            shard=self._cluster.shard,
            ready=self._endpoints,
            failed={
                content: _reason(app)
                for content, app in self._state.apps.items()
                if content in nameless or (app.status == AppStatus.FAILED and content not in self._endpoints)
            },
            problem=self._problem if time.monotonic() >= self._problem_at + self._patience_s else "",
            demand=tag,
        )


def _reason(app: RunningApp) -> str:
    """Return why an application without an address has none: of a traceback the last line, which is the version's."""
    if app.status == AppStatus.RUNNING:
        return "Ray names no replicas: start it with RAY_SERVE_ENABLE_DIRECT_INGRESS=1"
    lines = [line for line in _ESCAPES.sub("", app.message).splitlines() if line.strip()]
    last = lines[-1].strip() if lines else "Ray could not deploy it"
    return last.removeprefix(f"{DescriptionError.__module__}.{DescriptionError.__name__}: ")[:MAX_REASON_CHARS]
