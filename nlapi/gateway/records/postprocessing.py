"""Does the work that follows an answer: counts, records, spans and copies for shadow versions."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from nlapi.gateway.control.snapshot import ObjectiveRoute, ServingPlan, Snapshot
from nlapi.gateway.inference import (
    FailureKind,
    InferenceError,
    InferenceRequest,
    InferenceResponse,
    InferenceResult,
    Runner,
)
from nlapi.gateway.llm.usage import add_usage
from nlapi.gateway.records.judge import Judge
from nlapi.gateway.records.metrics import Metrics
from nlapi.gateway.records.records import Record, Recorder, Tracer
from nlapi.routing.model import Shadow, VersionRef
from nlapi.routing.split import is_sampled

_log = logging.getLogger(__name__)

# Copies of one shadow that wait; more are dropped. Without a bound a slow or dead shadow holds memory and connections:
# Envoy held 1,024 connections for a shadow at a dead port.
MAX_WAITING_COPIES = 64

MAX_RUNNING_COPIES = 4
"""copies of one shadow in flight"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowCopy:
    """One copied request with its runner; `on_finished` is called in any case."""

    shadow: str
    request: InferenceRequest
    runner: Runner
    timeout_s: float
    on_result: Callable[[InferenceResult | InferenceError], InferenceResult | InferenceError]
    """checks and counts the result; returns the result, or the failure that it counts as"""
    on_finished: Callable[[], None]


class ShadowQueue:
    """The queues of copies, one for each shadow; no request waits for a copy."""

    def __init__(self, outcomes: Counter[tuple[str, str]]) -> None:
        self._waiting: dict[str, deque[ShadowCopy]] = {}
        self._running: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self.outcomes = outcomes
        """(shadow, "ok" | "error" | "dropped") -> copies"""

    def offer(self, copy: ShadowCopy) -> bool:
        """Run or queue a copy, or drop it when the queue is full; return whether it was accepted."""
        name = copy.shadow
        if self._running[name] < MAX_RUNNING_COPIES:
            self._running[name] += 1
            task = asyncio.get_running_loop().create_task(self._run_queue(copy))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            return True
        queue = self._waiting.setdefault(name, deque())
        if len(queue) >= MAX_WAITING_COPIES:
            self.outcomes[name, "dropped"] += 1
            copy.on_finished()
            return False
        queue.append(copy)
        return True

    async def close(self) -> None:
        """Drop the waiting copies and cancel the running ones."""
        for queue in self._waiting.values():
            while queue:
                self._drop(queue.popleft())
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run_queue(self, copy: ShadowCopy | None) -> None:
        name = copy.shadow if copy else ""
        try:
            while copy is not None:
                await self._run(copy)
                queue = self._waiting.get(name)
                copy = queue.popleft() if queue else None
        finally:
            self._running[name] -= 1

    async def _run(self, copy: ShadowCopy) -> None:
        try:
            result: InferenceResult | InferenceError = await copy.runner.run(
                copy.request, copy.timeout_s, repeatable=False
            )
        except InferenceError as failure:
            result = failure
        except Exception:
            _log.exception("shadow %s", copy.shadow)
            self.outcomes[copy.shadow, "error"] += 1
            return
        finally:
            copy.on_finished()
        result = copy.on_result(result)
        self.outcomes[copy.shadow, "error" if isinstance(result, InferenceError) else "ok"] += 1

    def _drop(self, copy: ShadowCopy) -> None:
        self.outcomes[copy.shadow, "dropped"] += 1
        copy.on_finished()


# One object in place of five arguments that every step after the answer needs.
class Exchange(Struct, frozen=True, kw_only=True):
    """One request that is being served, with its revision and the plan that it is served by."""

    snapshot: Snapshot
    route: ObjectiveRoute
    plan: ServingPlan
    request: InferenceRequest
    started_at: float
    """seconds since 1970"""


class Postprocessor:
    """The steps after an answer. None of them waits, and none of them can fail an answer.

    `release` is called when a copy no longer uses its revision.
    """

    def __init__(
        self,
        *,
        metrics: Metrics,
        recorder: Recorder,
        shadows: ShadowQueue,
        tracer: Tracer | None,
        judge: Judge,
        release: Callable[[Snapshot], None],
    ) -> None:
        self._metrics = metrics
        self._recorder = recorder
        self._shadows = shadows
        self._tracer = tracer
        self._judge = judge
        self._release = release

    def finish(self, exchange: Exchange, outcome: InferenceResponse | InferenceError, ms: float) -> None:
        """Count, record, trace and copy one request that ended with `outcome` after `ms` milliseconds."""
        plan = exchange.plan
        connection = exchange.request.connection
        self._count(plan, outcome, ms, has_started=connection is not None and connection.started)
        if outcome.usage is not None:
            answering = outcome.version if isinstance(outcome, InferenceResponse) else plan.decision.version
            self._metrics.llm.observe(plan.decision.objective, answering, exchange.request.client, outcome.usage)
        if isinstance(outcome, InferenceResponse) and outcome.failed_usage is not None:
            decision = plan.decision
            self._metrics.llm.observe(
                decision.objective, decision.version, exchange.request.client, outcome.failed_usage
            )
        answered = "error" if isinstance(outcome, InferenceError) else "ok"
        self._metrics.clients.observe(exchange.request.client, answered, ms / 1000)
        if self._recorder.is_enabled or self._tracer is not None:
            version = outcome.version if isinstance(outcome, InferenceResponse) else plan.decision.version
            record = _build_record(exchange, version, outcome, ms)
            if self._recorder.is_enabled:
                self._recorder.add(record)
            if self._tracer is not None:
                self._tracer.trace(record, exchange.request.traceparent)
        objective = exchange.route.objective
        if objective.judge and isinstance(outcome, InferenceResponse):
            self._judge.offer(exchange.snapshot.configuration, objective, exchange.request, outcome)
        self._offer_copies(exchange, outcome)

    def _offer_copies(self, exchange: Exchange, outcome: InferenceResponse | InferenceError) -> None:
        # Nothing ran for an answer that is given again: a copy would be compared with an old output, and cost.
        if isinstance(outcome, InferenceResponse) and outcome.age_s is not None:
            return
        for shadow, _ in exchange.plan.shadows:
            if is_sampled(shadow.name, exchange.request.request_id, shadow.percent):
                # What was streamed was not kept, so that a copy's output cannot be compared with it.
                response = outcome if isinstance(outcome, InferenceResponse) and not outcome.streamed else None
                self._queue_copy(exchange, shadow, response)

    def _count(
        self, plan: ServingPlan, outcome: InferenceResponse | InferenceError, ms: float, *, has_started: bool
    ) -> None:
        # Nothing ran for an answer that is given again: it says nothing of the version to a canary's guards.
        if isinstance(outcome, InferenceResponse) and outcome.age_s is not None:
            self._metrics.given_again[plan.decision.objective] += 1
            return
        # A request that the fallback answered counts as an error of the decided version: canary guards have to see it.
        if isinstance(outcome, InferenceError):
            # Who goes away, who has too many calls in flight, and whose request an LLM refuses as a mistake say nothing
            # of the version: a healthy canary was rolled back for them.
            if outcome.kind not in (FailureKind.CANCELED, FailureKind.OVER_SHARE, FailureKind.REFUSED):
                plan.series.observe(ms, failed=True)
            elif outcome.kind is FailureKind.CANCELED and not has_started:
                plan.series.observe_canceled(ms)
        elif outcome.fallback:
            plan.series.observe_fallback(ms)
            self._metrics.fallbacks[plan.decision.objective, outcome.version] += 1
        else:
            plan.series.observe(ms, failed=False)
            if plan.guarded_fields:
                plan.series.observe_output(outcome.output, plan.guarded_fields)

    def _queue_copy(self, exchange: Exchange, shadow: Shadow, response: InferenceResponse | None) -> None:
        runner = exchange.snapshot.shadow_runners[shadow.version]
        exchange.snapshot.active_count += 1  # keeps the shadow's version loaded until the copy has ended

        def on_result(result: InferenceResult | InferenceError) -> InferenceResult | InferenceError:
            result = _check_output(exchange, result)
            self._metrics.shadow_comparison(shadow.name, shadow.version).observe(result, response)
            if result.usage is not None:
                objective = exchange.plan.decision.objective
                self._metrics.llm.observe(objective, shadow.version, f"shadow:{shadow.name}", result.usage)
            if self._recorder.is_enabled:
                ms = sum(result.stages.values()) if isinstance(result, InferenceResult) else 0.0
                output = response.output if response else None
                record = _build_record(exchange, shadow.version, result, ms, shadow=shadow.name, served_output=output)
                self._recorder.add(record)
            return result

        self._shadows.offer(
            ShadowCopy(
                shadow=shadow.name,
                request=replace(exchange.request, connection=None),
                runner=runner,
                timeout_s=exchange.route.timeout_s,
                on_result=on_result,
                on_finished=lambda: self._release(exchange.snapshot),
            )
        )


def _check_output(exchange: Exchange, result: InferenceResult | InferenceError) -> InferenceResult | InferenceError:
    """Return the result of a copy, or the failure when its output breaks the objective's schema."""
    if isinstance(result, InferenceResult):
        try:
            exchange.route.schemas.check_output(result.output)
        except InferenceError as failure:
            return failure
    return result


def _build_record(
    exchange: Exchange,
    version: VersionRef,
    outcome: InferenceResponse | InferenceResult | InferenceError,
    ms: float,
    *,
    shadow: str = "",
    served_output: Any = None,
) -> Record:
    answer = None if isinstance(outcome, InferenceError) else outcome
    entry = exchange.snapshot.configuration.versions.get(version)
    return Record(
        at=exchange.started_at,
        request_id=exchange.request.request_id,
        decision=exchange.plan.decision,
        decision_document=exchange.plan.decision_document,
        version=version,
        digest=entry.digest if entry else "",
        client=exchange.request.client,
        context=exchange.request.context,
        input=exchange.request.input,
        output=answer.output if answer else None,
        error="" if answer else str(outcome),
        ms=ms,
        stages=answer.stages if answer else {},
        attempts=outcome.attempts,
        fallback=isinstance(outcome, InferenceResponse) and outcome.fallback,
        fallback_reason=outcome.fallback_reason if isinstance(outcome, InferenceResponse) else "",
        synthetic=exchange.request.synthetic,
        shadow=shadow,
        served_output=served_output,
        # The whole cost of the request: budgets of a day are restored from it.
        usage=add_usage(outcome.usage, outcome.failed_usage if isinstance(outcome, InferenceResponse) else None),
        streamed=exchange.request.connection is not None and exchange.request.connection.started and not shadow,
    )
