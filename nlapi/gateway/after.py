"""The work that follows an answer: counts, records, spans and copies for shadow versions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nlapi.gateway.calls import Ask, Failed, Ran, Served
from nlapi.gateway.live import Live, Plan, Route
from nlapi.gateway.metrics import Metrics
from nlapi.gateway.record import Record, Recorder
from nlapi.gateway.shadow import Copy, Shadows
from nlapi.gateway.trace import Tracer
from nlapi.routing.nouns import Shadow, VersionRef
from nlapi.routing.split import sampled


# One object in place of five arguments that every step after the answer needs.
@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request that is being served, with its revision and the plan that it is served by."""

    live: Live
    route: Route
    plan: Plan
    ask: Ask
    at: float
    """seconds since 1970"""


class Afterwards:
    """The steps after an answer. None of them waits, and none of them can fail an answer.

    `leave` is called when a copy no longer uses its revision.
    """

    def __init__(
        self,
        *,
        metrics: Metrics,
        recorder: Recorder,
        shadows: Shadows,
        tracer: Tracer | None,
        leave: Callable[[Live], None],
    ) -> None:
        self._metrics = metrics
        self._recorder = recorder
        self._shadows = shadows
        self._tracer = tracer
        self._leave = leave

    def finish(self, exchange: Exchange, outcome: Served | Failed, ms: float) -> None:
        """Count, record, trace and copy one request that ended with `outcome` after `ms` milliseconds."""
        plan = exchange.plan
        self._count(plan, outcome, ms)
        if self._recorder.wanted or self._tracer is not None:
            version = outcome.version if isinstance(outcome, Served) else plan.decision.version
            record = _record(exchange, version, outcome, ms)
            if self._recorder.wanted:
                self._recorder.note(record)
            if self._tracer is not None:
                self._tracer.trace(record, exchange.ask.trace)
        for shadow, _ in plan.shadows:
            if sampled(shadow.name, exchange.ask.request_id, shadow.percent):
                self._copy(exchange, shadow, outcome if isinstance(outcome, Served) else None)

    def _count(self, plan: Plan, outcome: Served | Failed, ms: float) -> None:
        # A request that the fallback answered counts as an error of the decided version: canary guards have to see it.
        if isinstance(outcome, Failed):
            plan.series.observe(ms, failed=True)
        elif outcome.fallback:
            plan.series.observe(ms, failed=True)
            self._metrics.fallbacks[plan.decision.objective] += 1
        else:
            plan.series.observe(ms, failed=False)
            if plan.measured:
                plan.series.observe_output(outcome.output, plan.measured)

    def _copy(self, exchange: Exchange, shadow: Shadow, served: Served | None) -> None:
        runner = exchange.live.shadowing[shadow.version]
        exchange.live.active += 1  # keeps the shadow's version loaded until the copy has ended

        def answered(result: Ran | Failed) -> Ran | Failed:
            result = _checked(exchange, result)
            self._metrics.copy(shadow.name, shadow.version).observe(result, served)
            if self._recorder.wanted:
                ms = sum(result.stages.values()) if isinstance(result, Ran) else 0.0
                output = served.output if served else None
                record = _record(exchange, shadow.version, result, ms, shadow=shadow.name, served=output)
                self._recorder.note(record)
            return result

        self._shadows.offer(
            Copy(
                shadow=shadow.name,
                ask=exchange.ask,
                runner=runner,
                timeout_s=exchange.route.timeout_s,
                answered=answered,
                finished=lambda: self._leave(exchange.live),
            )
        )


def _checked(exchange: Exchange, result: Ran | Failed) -> Ran | Failed:
    """Return the result of a copy, or the failure when its output breaks the objective's schema."""
    if isinstance(result, Ran):
        try:
            exchange.route.checks.output(result.output)
        except Failed as failure:
            return failure
    return result


def _record(
    exchange: Exchange,
    version: VersionRef,
    outcome: Served | Ran | Failed,
    ms: float,
    *,
    shadow: str = "",
    served: Any = None,
) -> Record:
    answer = None if isinstance(outcome, Failed) else outcome
    return Record(
        at=exchange.at,
        request_id=exchange.ask.request_id,
        decision=exchange.plan.decision,
        version=version,
        client=exchange.ask.client,
        context=exchange.ask.context,
        input=exchange.ask.input,
        output=answer.output if answer else None,
        error="" if answer else str(outcome),
        ms=ms,
        stages=answer.stages if answer else {},
        attempts=outcome.attempts,
        fallback=isinstance(outcome, Served) and outcome.fallback,
        synthetic=exchange.ask.synthetic,
        shadow=shadow,
        served=served,
    )
