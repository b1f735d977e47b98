"""The automatic control of canaries: a step forward after each bake time, a rollback when a guard is broken."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from nlapi.errors import NlapiError
from nlapi.gateway.limits import Clock
from nlapi.gateway.metrics import Metrics, Tally
from nlapi.routing.change import put
from nlapi.routing.nouns import OUTPUT, Canary, CanaryState, Configuration, Guard, Step

_log = logging.getLogger(__name__)

Edit = Callable[[Configuration], Configuration]
Commit = Callable[[Edit, str], Awaitable[object]]
"""Publishes an edit of the current configuration with its reason; NlapiError when it is refused."""

# Standard deviations that an error count may exceed its expectation by. Without it a base without errors would allow
# the canary none (docs/design/012-serving-engine.md).
SIGMAS = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """The counts of a canary and of its base."""

    canary: Tally
    base: Tally

    def since(self, before: Sides) -> Sides:
        """Return the counts after `before`."""
        return Sides(canary=self.canary.since(before.canary), base=self.base.since(before.base))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Watch:
    """A canary and its counts at the time when it got its current share."""

    canary: Canary
    at: float
    before: Sides


class Watcher:
    """The control loop of all running canaries with steps or guards.

    `configuration` returns the current configuration. A change is published through `commit`; when it is refused, the
    next tick tries again.
    """

    def __init__(
        self, *, configuration: Callable[[], Configuration], metrics: Metrics, commit: Commit, clock: Clock
    ) -> None:
        self._configuration = configuration
        self._metrics = metrics
        self._commit = commit
        self._clock = clock
        self._watched: dict[str, _Watch] = {}

    async def tick(self) -> None:
        """Advance or roll back every canary that is due."""
        canaries = {name: one for name, one in self._configuration().canaries.items() if _watchable(one)}
        self._watched = {name: watch for name, watch in self._watched.items() if name in canaries}
        for canary in canaries.values():
            found = self._due(canary)
            if found is not None:
                await self._change(canary, found)

    async def watch(self, every_s: float = 1.0) -> None:
        """Call `tick` every `every_s` seconds, without end."""
        while True:
            await self.tick()
            await asyncio.sleep(every_s)

    def _due(self, canary: Canary) -> Canary | None:
        """Return the changed canary, or None when it stays as it is."""
        # Counts start again with each share: those of the step before say nothing about this one.
        now, sides = self._clock(), self._sides(canary)
        watch = self._watched.get(canary.name)
        if watch is None or not _same_share(watch.canary, canary):
            self._watched[canary.name] = _Watch(canary=canary, at=now, before=sides)
            return None
        seen = sides.since(watch.before)
        for guard in canary.guards:
            broken = broken_by(guard, seen)
            if broken:
                return replace(canary, state=CanaryState.ROLLED_BACK, reason=broken)
        if any(_undecided(guard, seen, canary) for guard in canary.guards):
            return None
        return _advanced(canary, now - watch.at, seen.canary.requests)

    def _sides(self, canary: Canary) -> Sides:
        mine, base = Tally(), Tally()
        for (objective, version, moved_by), tally in self._metrics.tallies().items():
            if objective != canary.objective:
                continue
            if moved_by == canary.name:
                mine = mine.plus(tally)
            elif version == canary.base or (canary.base is None and version != canary.version):
                base = base.plus(tally)
        return Sides(canary=mine, base=base)

    async def _change(self, seen: Canary, wanted: Canary) -> None:
        def edit(configuration: Configuration) -> Configuration:
            if configuration.canaries.get(seen.name) != seen:
                return configuration  # an operator has changed it meanwhile; the next tick decides again
            return put(configuration, wanted)

        try:
            await self._commit(edit, f"canary {seen.name}: {wanted.reason}")
        except NlapiError as error:
            _log.warning("canary %s stays as it is: %s", seen.name, error)


def broken_by(guard: Guard, seen: Sides) -> str:
    """Return the reason why the canary broke a guard; "" when it did not, or when it had too few requests."""
    value = measure(guard.metric, seen.canary)
    if value is None or seen.canary.requests < guard.least:
        return ""
    base = measure(guard.metric, seen.base) if seen.base.requests >= guard.least else None
    fault = _off_limits(guard, value) or ("" if base is None else _off_base(guard, value, base, seen.canary.requests))
    return f"{guard.metric} is {value:.4g}, {fault}, after {seen.canary.requests} requests" if fault else ""


def _off_limits(guard: Guard, value: float) -> str:
    if guard.limit is not None and value > guard.limit:
        return f"over its limit of {guard.limit:g}"
    if guard.floor is not None and value < guard.floor:
        return f"under its floor of {guard.floor:g}"
    return ""


def _off_base(guard: Guard, value: float, base: float, requests: int) -> str:
    if guard.ratio is not None:
        most = guard.ratio * base
        if guard.metric == "error_rate":
            # The standard deviation of a rare count is the root of its expectation (Poisson), of at least one error.
            expected = most * requests
            most = (expected + SIGMAS * math.sqrt(max(expected, 1.0))) / requests
        if value > most:
            return f"over {guard.ratio:g} times the base's {base:.4g}"
    if guard.floor_ratio is not None and value < guard.floor_ratio * base:
        return f"under {guard.floor_ratio:g} times the base's {base:.4g}"
    return ""


def _undecided(guard: Guard, seen: Sides, canary: Canary) -> bool:
    """Return whether there are too few requests to evaluate a guard."""
    # At 100 % the base has no traffic to compare with, and waiting for it would stop the canary for ever.
    compares = (guard.ratio is not None or guard.floor_ratio is not None) and canary.percent < 100
    sides = (seen.canary, seen.base) if compares else (seen.canary,)
    return any(one.requests < guard.least or measure(guard.metric, one) is None for one in sides)


def measure(metric: str, tally: Tally) -> float | None:
    """Return the value of a guard's metric, or None without data."""
    if metric.startswith(OUTPUT):
        return tally.mean(metric.removeprefix(OUTPUT))
    if not tally.requests:
        return None
    return tally.error_rate if metric == "error_rate" else tally.percentile(0.99)


def _watchable(canary: Canary) -> bool:
    return canary.state is CanaryState.RUNNING and bool(canary.steps or canary.guards)


def _same_share(a: Canary, b: Canary) -> bool:
    return (a.version, a.base, a.percent, a.match) == (b.version, b.base, b.percent, b.match)


def _advanced(canary: Canary, baked_s: float, requests: int) -> Canary | None:
    """Return the canary at its next step, or DONE after the last; None before its bake time is over."""
    if not canary.steps:
        return None
    at = _step(canary)
    bake = canary.steps[max(at, 0)].bake_s
    if baked_s < bake:
        return None
    good = f"{requests} requests in {baked_s:.0f} s at {canary.percent:g} % broke no guard"
    if at + 1 < len(canary.steps):
        step: Step = canary.steps[at + 1]
        return replace(canary, percent=step.percent, reason=f"to {step.percent:g} %: {good}")
    return replace(canary, state=CanaryState.DONE, reason=f"done: {good}")


def _step(canary: Canary) -> int:
    """Return the index of the last step that the canary's share has reached; -1 before the first."""
    return max((index for index, step in enumerate(canary.steps) if step.percent <= canary.percent), default=-1)
