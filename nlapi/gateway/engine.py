"""The embedded serving engine: publishes revisions, and serves each request by exactly one of them."""

from __future__ import annotations

import asyncio
import itertools
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from pathlib import Path

from msgspec.structs import replace

from nlapi.gateway.answers import AnswerCache, answer_key
from nlapi.gateway.control.snapshot import Clock, ObjectiveRoute, ObjectiveSchemas, ServingPlan, Snapshot, build_limits
from nlapi.gateway.http import problems
from nlapi.gateway.http.client_connection import run_while_connected
from nlapi.gateway.http.problems import GatewayProblem
from nlapi.gateway.inference import (
    DecisionTable,
    FailureKind,
    InferenceError,
    InferenceRequest,
    InferenceResponse,
    InferenceResult,
    LoadError,
    Runner,
    TokenUsage,
)
from nlapi.gateway.llm.budgets import BudgetLedger, Reservation, estimate_call
from nlapi.gateway.llm.usage import Prices, add_usage
from nlapi.gateway.ray.registry import HostRegistry
from nlapi.gateway.records.judge import Judge
from nlapi.gateway.records.metrics import Metrics
from nlapi.gateway.records.postprocessing import Exchange, Postprocessor, ShadowQueue
from nlapi.gateway.records.records import Recorder, Sink, Tracer
from nlapi.gateway.runner_registry import PreparedRunners, RunnerRegistry, Tolerance, tolerate_none
from nlapi.gateway.shards.circuit_breaker import BreakerState
from nlapi.gateway.shards.secret_references import AllowedReferences
from nlapi.gateway.store.store import GatewayStore
from nlapi.routing.model import Configuration, Decision, VersionRef

__all__ = ["Engine", "InferenceRequest", "InferenceResponse", "LoadError"]

Commit = Callable[[], Awaitable[None]]
"""Commits a revision just before it serves; it is the last step that can fail."""

_log = logging.getLogger(__name__)


class Engine:
    """The serving engine: it serves objectives by the current revision.

    Create it, publish to it and drain it in one event loop. The sources of local versions are relative to `models`;
    `record` writes decisions, in a thread; `training` receives only the records that a model may be trained on.
    `environment` has the variables with the keys of LLMs, and `wall_clock` returns seconds since 1970.
    """

    def __init__(
        self,
        *,
        models: Path = Path(),
        record: Sink | None = None,
        training: Sink | None = None,
        tracer: Tracer | None = None,
        clock: Clock = time.monotonic,
        wall_clock: Clock = time.time,
        environment: Mapping[str, str] | None = None,
        allowed_keys: AllowedReferences | None = None,
    ) -> None:
        self.models = models
        self.allowed_keys = allowed_keys or AllowedReferences()
        self.recorder = Recorder(record, training)
        self._clock = clock
        self._snapshot: Snapshot | None = None
        self._replaced_snapshots: list[Snapshot] = []
        self.hosts = HostRegistry(clock)
        self.runners = RunnerRegistry(models, environment or {}, self.allowed_keys, self.hosts)
        self._wall_clock = wall_clock
        own_store = GatewayStore()
        self.budgets = BudgetLedger(own_store.spending, wall_clock)
        self.judge = Judge(self.serve, own_store.add_outcomes)
        self.metrics = Metrics(self._gauges, self.judge.ratings)
        self._answers = AnswerCache(clock)
        self._tracer = tracer
        self._shadows = ShadowQueue(self.metrics.shadow_outcomes)
        self._postprocessor = Postprocessor(
            metrics=self.metrics,
            recorder=self.recorder,
            shadows=self._shadows,
            tracer=tracer,
            judge=self.judge,
            release=self._release,
        )
        self._publishing = asyncio.Lock()
        self.in_flight = 0
        self.draining = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._ids = itertools.count()
        self._prefix = secrets.token_hex(6)

    @property
    def revision(self) -> int:
        """The number of the current revision; 0 before the first."""
        return self._snapshot.table.revision if self._snapshot else 0

    @property
    def configuration(self) -> Configuration:
        """The configuration of the current revision; empty before the first."""
        return self._snapshot.configuration if self._snapshot else Configuration()

    def new_request_id(self) -> str:
        """Return an id that no other request has."""
        # The prefix differs between processes, so that ids stay unique in a store that outlives one of them.
        return f"{self._prefix}{next(self._ids):08x}"

    async def publish(
        self,
        table: DecisionTable,
        configuration: Configuration,
        commit: Commit | None = None,
        tolerates: Tolerance = tolerate_none,
    ) -> None:
        """Load the new versions, await `commit`, then let `table` decide every request from the next one on.

        A version that cannot be loaded is left out when `tolerates` accepts it: its calls fail, and its objective's
        fallback answers. LoadError when another version cannot be loaded, ValueError when a schema is invalid, or any
        error of `commit`: nothing has changed then. Versions that were removed are closed when their last request has
        ended.
        """
        async with self._publishing:
            previous = self._snapshot
            routes = self._compile_routes(configuration, previous)
            prepared = await self.runners.prepare(configuration, tolerates)
            snapshot = Snapshot(
                table=table,
                configuration=configuration,
                routes=routes,
                runners=prepared.runners(shadow=False),
                shadow_runners=prepared.runners(shadow=True),
                limits=build_limits(configuration.clients, previous.limits if previous else {}, self._clock),
                metrics=self.metrics,
            )
            if commit is not None:
                try:
                    await commit()
                except BaseException:
                    await self.runners.discard(prepared)
                    raise
            # From here on only assignments: a revision that is committed cannot fail to serve
            # (docs/design/013-gateway-api.md).
            self.runners.adopt(prepared)
            self._snapshot = snapshot
            self._answers.clear()
            if previous is not None:
                self._replaced_snapshots.append(previous)
            self._close_unused()

    async def preload(self, configuration: Configuration, refs: Collection[VersionRef]) -> PreparedRunners:
        """Load local versions of a configuration for a later `publish`, which does not load them again.

        LoadError when one cannot be loaded. `release` what is returned.
        """
        return await self.runners.preload(configuration, refs)

    async def release(self, preloaded: PreparedRunners) -> None:
        """Close those preloaded versions that no revision serves."""
        await self.runners.release(preloaded)

    def resolve(self, objective: str, request: InferenceRequest) -> Decision:
        """Return the decision on a request without running a version. GatewayProblem 404 or 422."""
        snapshot = self._current_snapshot()
        snapshot.route(objective).schemas.check_context(request.context)
        return snapshot.table.decide(objective, request.context, request.client)

    async def serve(self, objective: str, request: InferenceRequest) -> InferenceResponse:
        """Run the version that the current revision decides on. GatewayProblem without an output."""
        # The revision is read once: a request that takes two could be decided by one and run by the other.
        snapshot = self._current_snapshot()
        snapshot.active_count += 1
        self.in_flight += 1
        self._idle.clear()
        try:
            return await self._serve_limited(snapshot, objective, request)
        finally:
            self.in_flight -= 1
            if not self.in_flight:
                self._idle.set()
            self._release(snapshot)

    def check_limit(self, objective: str, client: str) -> None:
        """Check a client's limits before its request is read. GatewayProblem 429 when it is over one of them."""
        snapshot = self._snapshot
        limit = snapshot.limits.get(client) if snapshot else None
        if snapshot is None or limit is None:
            return
        try:
            limit.check()
        except GatewayProblem as problem:
            self.metrics.refused[objective if objective in snapshot.routes else "", problem.status] += 1
            self.metrics.clients.observe(client, "refused")
            raise

    def charge_refused(self, client: str) -> None:
        """Count a request that was refused before it was served against the client's rate."""
        self.metrics.clients.observe(client, "refused")
        limit = self._snapshot.limits.get(client) if self._snapshot else None
        if limit is not None:
            limit.charge()

    async def drain(self, timeout_s: float = 30.0) -> bool:
        """Refuse new requests, finish those in flight and close everything; return whether all ended in time."""
        self.draining = True
        finished = True
        # Requests first, then copies and records: a request that ends late still writes its record.
        try:
            async with asyncio.timeout(timeout_s):
                await self._idle.wait()
        except TimeoutError:
            finished = False
            _log.warning("%d requests were not finished in %g s", self.in_flight, timeout_s)
        async with self._publishing:
            await self._shadows.close()
            await self.judge.close()
            await self.recorder.close()
            await self.runners.close()
        if self._tracer is not None:
            await asyncio.to_thread(self._tracer.close)
        return finished

    def _current_snapshot(self) -> Snapshot:
        if self.draining:
            raise problems.draining_problem()
        if self._snapshot is None:
            raise problems.unpublished_problem()
        return self._snapshot

    async def _serve_limited(self, snapshot: Snapshot, objective: str, request: InferenceRequest) -> InferenceResponse:
        try:
            route = snapshot.route(objective)
            limit = snapshot.limits.get(request.client)
            if limit is not None:
                limit.start_call()
            try:
                route.schemas.check_context(request.context)
                route.schemas.check_input(request.input)
                return await self._serve_decided(snapshot, route, request)
            finally:
                if limit is not None:
                    limit.end_call()
        except GatewayProblem as problem:
            if not isinstance(problem.__cause__, InferenceError):  # a version that failed was counted with its version
                # An unknown objective is counted without its name: anybody may make up names.
                self.metrics.refused[objective if objective in snapshot.routes else "", problem.status] += 1
                self.metrics.clients.observe(request.client, "refused")
            raise

    async def _serve_decided(
        self, snapshot: Snapshot, route: ObjectiveRoute, request: InferenceRequest
    ) -> InferenceResponse:
        plan = snapshot.plan(snapshot.table.decide(route.objective.name, request.context, request.client))
        request_id = request.request_id or self.new_request_id()
        request = replace(request, objective=route.objective.name, request_id=request_id, decision=plan.decision)
        exchange = Exchange(snapshot=snapshot, route=route, plan=plan, request=request, started_at=self._wall_clock())
        lifetime_s = route.objective.cache_seconds
        if lifetime_s and not (request.connection is not None and request.connection.wants_stream):
            return await self._serve_again(exchange, lifetime_s)
        return await self._serve_now(exchange)

    async def _serve_again(self, exchange: Exchange, lifetime_s: float) -> InferenceResponse:
        """Return the answer that the same request had, if it is young enough, else a new one."""
        started_at, version = self._clock(), exchange.plan.decision.version
        key = answer_key(exchange.request, exchange.plan.decision)
        stored = self._answers.find(key) if key else None
        if stored is None:
            response = await self._serve_now(exchange)
            # Of a revision that was replaced meanwhile no request finds it any more.
            if key and exchange.snapshot is self._snapshot:
                self._answers.store(key, response, lifetime_s)
            return response
        output, age_s = stored
        result = InferenceResult(output=output, stages={}, attempts=0)
        response = replace(_build_response(exchange, version, result), age_s=age_s)
        self._postprocessor.finish(exchange, response, (self._clock() - started_at) * 1000)
        return response

    async def _serve_now(self, exchange: Exchange) -> InferenceResponse:
        if exchange.plan.protocol or exchange.request.protocol:
            return await self._serve_llm(exchange)
        return await self._run(exchange)

    async def _serve_llm(self, exchange: Exchange) -> InferenceResponse:
        """Run an LLM within its budgets. GatewayProblem 400 when it is of another protocol, 429 over a budget."""
        plan, request = exchange.plan, exchange.request
        if request.protocol and plan.protocol != request.protocol:
            decision = plan.decision
            raise problems.other_protocol(decision.objective, decision.version, plan.protocol, request.protocol)
        configuration, objective = exchange.snapshot.configuration, exchange.route.objective
        windows = self.budgets.windows(configuration.clients.get(request.client), objective, request.key)
        if not windows:
            return await self._run(exchange)
        # A new budget begins with what recorded decisions say was spent.
        await self.recorder.flush()
        answering = [configuration.versions[ref] for ref in (plan.decision.version, objective.fallback) if ref]
        tokens, dollars = estimate_call(request.input, request.call, map(Prices.of, answering))
        reservation = await self.budgets.reserve(windows, tokens, dollars)
        if request.connection is not None:
            request.connection.rate_limit = self.budgets.rate_limit(reservation.spent)
        try:
            response = await self._run(exchange, reservation)
        finally:
            # A client that goes away must not leave the estimate in the place of what was spent.
            await asyncio.shield(asyncio.ensure_future(self.budgets.settle(reservation)))
        return replace(response, rate_limit=self.budgets.rate_limit(reservation.spent))

    async def _run(self, exchange: Exchange, reservation: Reservation | None = None) -> InferenceResponse:
        plan, request = exchange.plan, exchange.request
        started_at = self._clock()
        try:
            if plan.protocol and request.connection is not None:
                response = await run_while_connected(request.connection, _run_with_fallback(exchange))
            else:
                response = await _run_with_fallback(exchange)
        except InferenceError as failure:
            _note_usage(reservation, failure.usage)
            self._postprocessor.finish(exchange, failure, (self._clock() - started_at) * 1000)
            raise problems.version_failed(plan.decision.version, failure, request.request_id) from failure
        _note_usage(reservation, add_usage(response.usage, response.failed_usage))
        self._postprocessor.finish(exchange, response, (self._clock() - started_at) * 1000)
        return response

    def _gauges(self) -> dict[str, float]:
        replicas = [replica for replicas in self.runners.replica_health().values() for replica in replicas]
        return {
            "nlapi_revision": self.revision,
            "nlapi_versions": len(self.configuration.versions),
            "nlapi_versions_not_loaded": len(self.runners.load_errors()),
            "nlapi_requests_in_flight": self.in_flight,
            "nlapi_records_dropped_total": self.recorder.dropped,
            "nlapi_hosts": sum(not self.hosts.silent_s(host) for host in self.hosts.hosts()),
            "nlapi_replicas": len(replicas),
            "nlapi_replicas_ejected": sum(1 for replica in replicas if replica["breaker"] != BreakerState.CLOSED),
        }

    def _compile_routes(self, configuration: Configuration, previous: Snapshot | None) -> dict[str, ObjectiveRoute]:
        """Return the compiled objectives; those of `previous` that have not changed are reused."""
        previous_routes = previous.routes if previous else {}
        routes = {}
        for name, objective in configuration.objectives.items():
            route = previous_routes.get(name)
            if route is None or (route.objective is not objective and route.objective != objective):
                route = ObjectiveRoute(
                    objective=objective, schemas=ObjectiveSchemas(objective), timeout_s=objective.timeout_ms / 1000
                )
            routes[name] = route
        return routes

    def _release(self, snapshot: Snapshot) -> None:
        snapshot.active_count -= 1
        if not snapshot.active_count and snapshot is not self._snapshot:
            self._close_unused()

    def _close_unused(self) -> None:
        """Close the versions that no request can reach any more."""
        self._replaced_snapshots = [snapshot for snapshot in self._replaced_snapshots if snapshot.active_count]
        used = [*self._replaced_snapshots, *([self._snapshot] if self._snapshot else [])]
        self.runners.close_unused(used)


def _note_usage(reservation: Reservation | None, usage: TokenUsage | None) -> None:
    if reservation is not None:
        reservation.usage = usage


async def _run_with_fallback(exchange: Exchange) -> InferenceResponse:
    """Run the decided version, and the objective's fallback when it fails before it has sent anything."""
    plan, route, request = exchange.plan, exchange.route, exchange.request
    repeatable = route.objective.idempotent
    try:
        result = await plan.runner.run(request, plan.primary_timeout_s, repeatable=repeatable)
        if not result.streamed:
            route.schemas.check_output(result.output)
        return _build_response(exchange, plan.decision.version, result)
    except InferenceError as failure:
        fallback = _usable_fallback(plan, request, failure)
        if fallback is None or (failure.executed and not repeatable):
            raise
        _log.info("%s: %s; serving %s", plan.decision.version, failure, plan.fallback_version)
        attempts, spent, reason = failure.attempts, failure.usage, str(failure)
    try:
        result = await fallback.run(request, route.timeout_s - plan.primary_timeout_s, repeatable=repeatable)
        if not result.streamed:
            route.schemas.check_output(result.output)
    except InferenceError as failure:
        failure.usage = add_usage(failure.usage, spent)
        raise
    response = _build_response(exchange, plan.fallback_version, result, attempts=attempts, fallback=True)
    return replace(response, failed_usage=spent, fallback_reason=reason)


def _usable_fallback(plan: ServingPlan, request: InferenceRequest, failure: InferenceError) -> Runner | None:
    """Return the fallback if it can answer a request that the decided version failed."""
    # What was streamed cannot be taken back.
    started = request.connection is not None and request.connection.started
    if started or failure.kind in (FailureKind.REFUSED, FailureKind.CANCELED):
        return None
    # A body of one LLM protocol means nothing to the other; a version of our own code reads what its stages read.
    is_readable = plan.fallback_protocol in ((request.protocol,) if request.protocol else ("", plan.protocol))
    return plan.fallback if is_readable or not plan.protocol else None


def _build_response(
    exchange: Exchange, version: VersionRef, result: InferenceResult, *, attempts: int = 0, fallback: bool = False
) -> InferenceResponse:
    return InferenceResponse(
        output=result.output,
        decision=exchange.plan.decision,
        decision_document=exchange.plan.decision_document,
        request_id=exchange.request.request_id,
        version=version,
        stages=result.stages,
        attempts=attempts + result.attempts,
        fallback=fallback,
        usage=result.usage,
        streamed=result.streamed,
    )
