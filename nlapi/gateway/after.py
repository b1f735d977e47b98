"""What happens after an answer was made: counting, recording, tracing, and copies for shadows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nlapi.gateway.calls import Ask, Failed, Ran, Served
from nlapi.gateway.live import Live, Plan, Route
from nlapi.gateway.metrics import Metrics
from nlapi.gateway.record import Record, Recorder
from nlapi.gateway.shadow import Copy, Shadows
from nlapi.gateway.trace import Tracer
from nlapi.routing.nouns import Shadow
from nlapi.routing.split import sampled


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request on its way: what it asked, and what the revision that it took says about it."""

    live: Live
    route: Route
    plan: Plan
    ask: Ask
    at: float
    """seconds since 1970"""


class Afterwards:
    """Does what is left to do for a request. Nothing here waits, and nothing here can fail an answer.

    `leave` tells the engine that a copy no longer uses its revision.
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
        """Count, record, trace and copy one request that came to `outcome` after `ms`."""
        plan = exchange.plan
        self._count(plan, outcome, ms)
        if self._recorder.wanted:
            self._recorder.note(_record(exchange, outcome, ms))
        if self._tracer is not None:
            self._tracer.trace(_record(exchange, outcome, ms), exchange.ask.trace)
        for shadow, _ in plan.shadows:
            if sampled(shadow.name, exchange.ask.request_id, shadow.percent):
                self._copy(exchange, shadow, outcome if isinstance(outcome, Served) else None)

    def _count(self, plan: Plan, outcome: Served | Failed, ms: float) -> None:
        # A request that its fallback saved is an error of the version that was decided on: guards have to see it.
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
        exchange.live.active += 1  # its version stays loaded until the copy is done

        def answered(result: Ran | Failed) -> Ran | Failed:
            result = _checked(exchange, result)
            self._metrics.copy(shadow.name, shadow.version).observe(result, served)
            if self._recorder.wanted:
                self._recorder.note(_shadow_record(exchange, shadow, result, served))
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
    """An output that breaks the objective's schema is a failure of a copy, as it is of a request."""
    if isinstance(result, Ran):
        try:
            exchange.route.checks.output(result.output)
        except Failed as failure:
            return failure
    return result


def _record(exchange: Exchange, outcome: Served | Failed, ms: float) -> Record:
    served = outcome if isinstance(outcome, Served) else None
    decision = exchange.plan.decision
    return Record(
        at=exchange.at,
        request_id=exchange.ask.request_id,
        decision=decision,
        version=served.version if served else decision.version,
        client=exchange.ask.client,
        context=exchange.ask.context,
        input=exchange.ask.input,
        output=served.output if served else None,
        error="" if served else str(outcome),
        ms=ms,
        stages=served.stages if served else {},
        attempts=outcome.attempts,
        fallback=served.fallback if served else False,
        synthetic=exchange.ask.synthetic,
    )


def _shadow_record(exchange: Exchange, shadow: Shadow, result: Ran | Failed, served: Served | None) -> Record:
    ran = result if isinstance(result, Ran) else None
    stages = ran.stages if ran else {}
    return Record(
        at=exchange.at,
        request_id=exchange.ask.request_id,
        decision=exchange.plan.decision,
        version=shadow.version,
        client=exchange.ask.client,
        context=exchange.ask.context,
        input=exchange.ask.input,
        output=ran.output if ran else None,
        error="" if ran else str(result),
        ms=sum(stages.values()),
        stages=stages,
        attempts=result.attempts,
        fallback=False,
        synthetic=exchange.ask.synthetic,
        shadow=shadow.name,
        served=served.output if served else None,
    )
