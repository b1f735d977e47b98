"""The embedded serving engine: publishes revisions, and serves each request by exactly one of them."""

from __future__ import annotations

import asyncio
import itertools
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from nlapi.gateway import refusals
from nlapi.gateway.after import Afterwards, Exchange
from nlapi.gateway.breaker import BreakerState
from nlapi.gateway.calls import Ask, Failed, LoadError, Ran, Router, Served
from nlapi.gateway.limits import Clock, limits_of
from nlapi.gateway.live import Live, Route
from nlapi.gateway.loading import Loaded
from nlapi.gateway.metrics import Metrics
from nlapi.gateway.problem import Problem
from nlapi.gateway.record import Recorder, Sink
from nlapi.gateway.shadow import Shadows
from nlapi.gateway.trace import Tracer
from nlapi.gateway.validation import Checks
from nlapi.routing.nouns import Configuration, Decision, VersionRef

__all__ = ["Ask", "Engine", "LoadError", "Served"]

Commit = Callable[[], Awaitable[None]]
"""Commits a revision just before it serves; it is the last step that can fail."""

_log = logging.getLogger(__name__)


class Engine:
    """The serving engine: it serves objectives by the current revision.

    Create it, publish to it and drain it in one event loop. The sources of local versions are relative to `models`;
    `record` writes decisions, in a thread; `training` receives only the records that a model may be trained on.
    """

    def __init__(
        self,
        *,
        models: Path = Path(),
        record: Sink | None = None,
        training: Sink | None = None,
        tracer: Tracer | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        self.metrics = Metrics(self._gauges)
        self.recorder = Recorder(record, training)
        self._clock = clock
        self._live: Live | None = None
        self._older: list[Live] = []
        self._loaded = Loaded(models)
        self._tracer = tracer
        self._shadows = Shadows(self.metrics.shadows)
        self._after = Afterwards(
            metrics=self.metrics, recorder=self.recorder, shadows=self._shadows, tracer=tracer, leave=self._leave
        )
        self._publishing = asyncio.Lock()
        self._requests = 0
        self._draining = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._ids = itertools.count()
        self._prefix = secrets.token_hex(6)

    @property
    def revision(self) -> int:
        """The number of the current revision; 0 before the first."""
        return self._live.table.revision if self._live else 0

    @property
    def configuration(self) -> Configuration:
        """The configuration of the current revision; empty before the first."""
        return self._live.configuration if self._live else Configuration()

    @property
    def in_flight(self) -> int:
        return self._requests

    @property
    def draining(self) -> bool:
        """Whether it is stopping or stopped."""
        return self._draining

    def new_request_id(self) -> str:
        """Return an id that no other request has."""
        # The prefix differs between processes, so that ids stay unique in a store that outlives one of them.
        return f"{self._prefix}{next(self._ids):08x}"

    async def publish(self, table: Router, configuration: Configuration, commit: Commit | None = None) -> None:
        """Load the new versions, await `commit`, then let `table` decide every request from the next one on.

        LoadError when a version cannot be loaded, ValueError when a schema is invalid, or any error of `commit`:
        nothing has changed then. Versions that were removed are closed when their last request has ended.
        """
        async with self._publishing:
            before = self._live
            routes = self._routes(configuration, before)
            opening = await self._loaded.open(configuration)
            live = Live(
                table=table,
                configuration=configuration,
                routes=routes,
                runners=opening.runners(shadow=False),
                shadowing=opening.runners(shadow=True),
                limits=limits_of(configuration.clients, before.limits if before else {}, self._clock),
                metrics=self.metrics,
            )
            if commit is not None:
                try:
                    await commit()
                except BaseException:
                    await self._loaded.abandon(opening)
                    raise
            # From here on only assignments: a revision that is committed cannot fail to serve
            # (docs/design/013-gateway-api.md).
            self._loaded.adopt(opening)
            self._live = live
            if before is not None:
                self._older.append(before)
            self._retire()

    def replicas(self) -> dict[str, list[dict[str, object]]]:
        """Return the replicas of each remote shard, by the shard's name.

        A replica has endpoint, breaker (closed, open, half_open), in_flight, answered and failed.
        """
        return self._loaded.health()

    def resolve(self, objective: str, ask: Ask) -> Decision:
        """Return the decision on a request without running a version. Problem 404 or 422."""
        live = self._current()
        live.route(objective).checks.context(ask.context)
        return live.table.decide(objective, ask.context, ask.client)

    async def serve(self, objective: str, ask: Ask) -> Served:
        """Run the version that the current revision decides on. Problem when there is no output."""
        # The revision is read once: a request that takes two could be decided by one and run by the other.
        live = self._current()
        live.active += 1
        self._requests += 1
        self._idle.clear()
        try:
            return await self._limited(live, objective, ask)
        finally:
            self._requests -= 1
            if not self._requests:
                self._idle.set()
            self._leave(live)

    def check_limit(self, objective: str, client: str) -> None:
        """Check a client's limits before its request is read. Problem 429 when it is over one of them."""
        live = self._live
        limit = live.limits.get(client) if live else None
        if live is None or limit is None:
            return
        try:
            limit.check()
        except Problem as problem:
            self.metrics.refused[objective if objective in live.routes else "", problem.status] += 1
            raise

    def spend(self, client: str) -> None:
        """Count a request that was refused before it was served against the client's rate."""
        limit = self._live.limits.get(client) if self._live else None
        if limit is not None:
            limit.spend()

    async def drain(self, timeout_s: float = 30.0) -> bool:
        """Refuse new requests, finish those in flight and close everything; return whether all ended in time."""
        self._draining = True
        finished = True
        # Requests first, then copies and records: a request that ends late still writes its record.
        try:
            async with asyncio.timeout(timeout_s):
                await self._idle.wait()
        except TimeoutError:
            finished = False
            _log.warning("%d requests were not finished in %g s", self._requests, timeout_s)
        async with self._publishing:
            await self._shadows.close()
            await self.recorder.close()
            await self._loaded.close()
        if self._tracer is not None:
            await asyncio.to_thread(self._tracer.close)
        return finished

    def _current(self) -> Live:
        if self._draining:
            raise refusals.draining()
        if self._live is None:
            raise refusals.unpublished()
        return self._live

    async def _limited(self, live: Live, objective: str, ask: Ask) -> Served:
        try:
            route = live.route(objective)
            limit = live.limits.get(ask.client)
            if limit is not None:
                limit.enter()
            try:
                route.checks.context(ask.context)
                route.checks.input(ask.input)
                return await self._decided(live, route, ask)
            finally:
                if limit is not None:
                    limit.leave()
        except Problem as problem:
            # An unknown objective is counted without its name: anybody may make up names.
            self.metrics.refused[objective if objective in live.routes else "", problem.status] += 1
            raise

    async def _decided(self, live: Live, route: Route, ask: Ask) -> Served:
        plan = live.plan(live.table.decide(route.objective.name, ask.context, ask.client))
        if not ask.request_id:
            ask = replace(ask, request_id=self.new_request_id())
        exchange = Exchange(live=live, route=route, plan=plan, ask=ask, at=time.time())
        before = self._clock()
        try:
            served = await _tried(exchange)
        except Failed as failure:
            self._after.finish(exchange, failure, (self._clock() - before) * 1000)
            raise refusals.failed(plan.decision.version, failure) from failure
        self._after.finish(exchange, served, (self._clock() - before) * 1000)
        return served

    def _gauges(self) -> dict[str, float]:
        replicas = [one for replicas in self.replicas().values() for one in replicas]
        return {
            "nlapi_revision": self.revision,
            "nlapi_requests_in_flight": self._requests,
            "nlapi_records_dropped_total": self.recorder.dropped,
            "nlapi_replicas": len(replicas),
            "nlapi_replicas_ejected": sum(1 for one in replicas if one["breaker"] != BreakerState.CLOSED),
        }

    def _routes(self, configuration: Configuration, before: Live | None) -> dict[str, Route]:
        """Return the compiled objectives; those of `before` that have not changed are reused."""
        known = before.routes if before else {}
        found = {}
        for name, objective in configuration.objectives.items():
            route = known.get(name)
            if route is None or route.objective != objective:
                route = Route(objective=objective, checks=Checks(objective), timeout_s=objective.timeout_ms / 1000)
            found[name] = route
        return found

    def _leave(self, live: Live) -> None:
        live.active -= 1
        if not live.active and live is not self._live:
            self._retire()

    def _retire(self) -> None:
        """Close the versions that no request can reach any more."""
        self._older = [live for live in self._older if live.active]
        used = [*self._older, *([self._live] if self._live else [])]
        self._loaded.close_all_but(used)


async def _tried(exchange: Exchange) -> Served:
    """Run the decided version, and the objective's fallback when it fails."""
    plan, route, ask = exchange.plan, exchange.route, exchange.ask
    repeatable = route.objective.idempotent
    try:
        ran = await plan.runner.run(ask, plan.first_s, repeatable=repeatable)
        route.checks.output(ran.output)
        return _served(exchange, plan.decision.version, ran)
    except Failed as failure:
        if plan.fallback is None or (failure.ran and not repeatable):
            raise
        _log.info("%s: %s; serving %s", plan.decision.version, failure.message, plan.fallback_version)
        attempts = failure.attempts
    ran = await plan.fallback.run(ask, route.timeout_s - plan.first_s, repeatable=repeatable)
    route.checks.output(ran.output)
    return _served(exchange, plan.fallback_version, ran, attempts=attempts, fallback=True)


def _served(exchange: Exchange, version: VersionRef, ran: Ran, *, attempts: int = 0, fallback: bool = False) -> Served:
    return Served(
        output=ran.output,
        decision=exchange.plan.decision,
        request_id=exchange.ask.request_id,
        version=version,
        stages=ran.stages,
        attempts=attempts + ran.attempts,
        fallback=fallback,
    )
