"""The automatic control of canaries: a step forward after each bake time, a rollback when a guard is broken."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from nlapi.errors import NlapiError
from nlapi.gateway.control.snapshot import Clock
from nlapi.gateway.records.metrics import Metrics, Tally
from nlapi.routing.change import upsert_entity
from nlapi.routing.model import OUTPUT_PREFIX, Canary, CanaryState, CanaryStep, Configuration, Guard

_log = logging.getLogger(__name__)

Edit = Callable[[Configuration], Configuration]
Commit = Callable[[Edit, str], Awaitable[object]]
"""Publishes an edit of the current configuration with its reason; NlapiError when it is refused."""

# Standard deviations that an error count may exceed its expectation by. Without it a base without errors would allow
# the canary none (docs/design/012-serving-engine.md).
MAX_SIGMAS = 3.0
P99 = "p99_ms"
# The part of the requests that may be slower than their p99, and the requests below which a p99 is the slowest of them:
# a canary was rolled back for the one slow request of 23.
_P99_TAIL = 0.01
_MIN_P99_REQUESTS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryCounts:
    """The counts of a canary and of its base."""

    canary: Tally
    base: Tally

    def since(self, before: CanaryCounts) -> CanaryCounts:
        """Return the counts after `before`."""
        return CanaryCounts(canary=self.canary.since(before.canary), base=self.base.since(before.base))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Baseline:
    """A canary and its counts at the time when it got its current share."""

    canary: Canary
    started_at: float
    counts: CanaryCounts


class CanaryWatcher:
    """The control loop of all running canaries with steps or guards.

    `configuration` returns the current configuration. A change is published through `commit`; when it is refused, the
    next tick tries again. Of several gateways only the leader takes steps; each rolls back what its own requests show.
    """

    def __init__(
        self,
        *,
        configuration: Callable[[], Configuration],
        metrics: Metrics,
        commit: Commit,
        clock: Clock,
        is_leader: Callable[[], bool] = lambda: True,
    ) -> None:
        self._configuration = configuration
        self._metrics = metrics
        self._commit = commit
        self._clock = clock
        self._is_leader = is_leader
        self._baselines: dict[str, _Baseline] = {}

    async def tick(self) -> None:
        """Advance or roll back every canary that is due."""
        canaries = {
            name: candidate for name, candidate in self._configuration().canaries.items() if _is_watchable(candidate)
        }
        self._baselines = {name: baseline for name, baseline in self._baselines.items() if name in canaries}
        for canary in canaries.values():
            due = self._due_change(canary)
            # All of them count, so that another leader continues where this one ended.
            if due is not None and (self._is_leader() or due.state is CanaryState.ROLLED_BACK):
                await self._publish_change(canary, due)

    async def watch(self, interval_s: float = 1.0) -> None:
        """Call `tick` every `interval_s` seconds, without end."""
        while True:
            await self.tick()
            await asyncio.sleep(interval_s)

    def _due_change(self, canary: Canary) -> Canary | None:
        """Return the changed canary, or None when it stays as it is."""
        # Counts start again with each share: those of the step before say nothing about this one.
        now, totals = self._clock(), self._counts(canary)
        baseline = self._baselines.get(canary.name)
        if baseline is None or not _has_same_share(baseline.canary, canary):
            self._baselines[canary.name] = _Baseline(canary=canary, started_at=now, counts=totals)
            return None
        counts = totals.since(baseline.counts)
        for guard in canary.guards:
            violation = guard_violation(guard, counts)
            if violation:
                return replace(canary, state=CanaryState.ROLLED_BACK, reason=violation)
        if any(_needs_more_requests(guard, counts, canary) for guard in canary.guards):
            return None
        return _advance(canary, now - baseline.started_at, counts.canary.requests)

    def _counts(self, canary: Canary) -> CanaryCounts:
        canary_tally, base_tally = Tally(), Tally()
        for (objective, version, canary_name), tally in self._metrics.tallies().items():
            if objective != canary.objective:
                continue
            if canary_name == canary.name:
                canary_tally = canary_tally.plus(tally)
            elif version == canary.base or (canary.base is None and version != canary.version):
                base_tally = base_tally.plus(tally)
        return CanaryCounts(canary=canary_tally, base=base_tally)

    async def _publish_change(self, canary: Canary, changed: Canary) -> None:
        def edit(configuration: Configuration) -> Configuration:
            if configuration.canaries.get(canary.name) != canary:
                return configuration  # an operator has changed it meanwhile; the next tick decides again
            return upsert_entity(configuration, changed)

        try:
            await self._commit(edit, f"canary {canary.name}: {changed.reason}")
        except NlapiError as error:
            _log.warning("canary %s stays as it is: %s", canary.name, error)


def guard_violation(guard: Guard, counts: CanaryCounts) -> str:
    """Return the reason why the canary broke a guard; "" when it did not, or when it had too few requests."""
    value = guard_value(guard.metric, counts.canary)
    if value is None or counts.canary.requests < guard.least:
        return ""
    base = guard_value(guard.metric, counts.base) if counts.base.requests >= _least(guard) else None
    fault = _limit_violation(guard, value, counts.canary) or (
        "" if base is None else _base_violation(guard, value, base, counts.canary)
    )
    return f"{guard.metric} is {value:.4g}, {fault}, after {counts.canary.requests} requests" if fault else ""


def _least(guard: Guard) -> int:
    """Return the requests that a value of a guard's metric needs to be compared with, or to be good enough."""
    return max(guard.least, _MIN_P99_REQUESTS) if guard.metric == P99 else guard.least


def _exceeds(guard: Guard, value: float, allowed: float, tally: Tally) -> bool:
    """Return whether a value is over what is allowed, a p99 by more than chance."""
    if guard.metric != P99:
        return value > allowed
    return tally.count_above(allowed) > _with_chance(_P99_TAIL * tally.requests)


def _with_chance(expected: float) -> float:
    """Return the most that a count of an expectation reaches by chance."""
    # The standard deviation of a rare count is the root of its expectation (Poisson), of at least one.
    return expected + MAX_SIGMAS * math.sqrt(max(expected, 1.0))


def _limit_violation(guard: Guard, value: float, tally: Tally) -> str:
    if guard.limit is not None and _exceeds(guard, value, guard.limit, tally):
        return f"over its limit of {guard.limit:g}"
    if guard.floor is not None and value < guard.floor:
        return f"under its floor of {guard.floor:g}"
    return ""


def _base_violation(guard: Guard, value: float, base: float, tally: Tally) -> str:
    if guard.ratio is not None:
        allowed = guard.ratio * base
        if guard.metric == "error_rate":
            allowed = _with_chance(allowed * tally.requests) / tally.requests
        if _exceeds(guard, value, allowed, tally):
            return f"over {guard.ratio:g} times the base's {base:.4g}"
    if guard.floor_ratio is not None and value < guard.floor_ratio * base:
        return f"under {guard.floor_ratio:g} times the base's {base:.4g}"
    return ""


def _needs_more_requests(guard: Guard, counts: CanaryCounts, canary: Canary) -> bool:
    """Return whether there are too few requests to evaluate a guard."""
    # At 100 % the base has no traffic to compare with, and waiting for it would stop the canary for ever.
    needs_base = (guard.ratio is not None or guard.floor_ratio is not None) and canary.percent < 100
    tallies = (counts.canary, counts.base) if needs_base else (counts.canary,)
    return any(tally.requests < _least(guard) or guard_value(guard.metric, tally) is None for tally in tallies)


def guard_value(metric: str, tally: Tally) -> float | None:
    """Return the value of a guard's metric, or None without data."""
    if metric.startswith(OUTPUT_PREFIX):
        return tally.mean_output(metric.removeprefix(OUTPUT_PREFIX))
    if not tally.requests:
        return None
    return tally.error_rate if metric == "error_rate" else tally.percentile(0.99)


def _is_watchable(canary: Canary) -> bool:
    return canary.state is CanaryState.RUNNING and bool(canary.steps or canary.guards)


def _has_same_share(a: Canary, b: Canary) -> bool:
    return (a.version, a.base, a.percent, a.match) == (b.version, b.base, b.percent, b.match)


def _advance(canary: Canary, baked_s: float, requests: int) -> Canary | None:
    """Return the canary at its next step, or DONE after the last; None before its bake time is over."""
    if not canary.steps:
        return None
    reached = max((index for index, step in enumerate(canary.steps) if step.percent <= canary.percent), default=-1)
    bake_s = canary.steps[max(reached, 0)].bake_s
    if baked_s < bake_s:
        return None
    summary = f"{requests} requests in {baked_s:.0f} s at {canary.percent:g} % broke no guard"
    if reached + 1 < len(canary.steps):
        step: CanaryStep = canary.steps[reached + 1]
        return replace(canary, percent=step.percent, reason=f"to {step.percent:g} %: {summary}")
    return replace(canary, state=CanaryState.DONE, reason=f"done: {summary}")
