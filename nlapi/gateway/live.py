"""One published revision as requests see it: its table, checks, limits and what runs each version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nlapi.gateway.calls import Router, Runner
from nlapi.gateway.limits import Limit
from nlapi.gateway.metrics import Metrics, Series
from nlapi.gateway.problem import not_found
from nlapi.gateway.validation import Checks
from nlapi.routing.nouns import OUTPUT, Configuration, Decision, Objective, Shadow, VersionRef

MOST_PLANS = 8192
"""A table shares its Decisions; one that does not is not let fill the memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """An objective, compiled."""

    objective: Objective
    checks: Checks
    timeout_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a Decision comes to, looked up once for all requests that get it."""

    decision: Decision
    runner: Runner
    fallback: Runner | None
    fallback_version: VersionRef
    first_s: float
    """the time that the first version gets; the fallback gets the rest"""
    series: Series
    measured: tuple[str, ...]
    """the fields of the output that guards look at"""
    shadows: tuple[tuple[Shadow, Runner], ...]


class Live:
    """A revision that serves. A request takes one at its beginning and uses nothing of another."""

    def __init__(
        self,
        *,
        table: Router,
        configuration: Configuration,
        routes: Mapping[str, Route],
        runners: Mapping[VersionRef, Runner],
        shadowing: Mapping[VersionRef, Runner],
        limits: Mapping[str, Limit],
        metrics: Metrics,
    ) -> None:
        self.table = table
        self.configuration = configuration
        self.routes = routes
        self.runners = runners
        self.shadowing = shadowing
        self.limits = limits
        self.active = 0
        """requests and copies that use it"""
        self._metrics = metrics
        self._plans: dict[int, Plan] = {}
        self._measured = _measured(configuration)

    def route(self, objective: str) -> Route:
        """Problem 404 that names the nearest objective."""
        route = self.routes.get(objective)
        if route is None:
            raise not_found("objective", objective, self.routes)
        return route

    def plan(self, decision: Decision) -> Plan:
        """The plan of a decision of this revision's table."""
        plan = self._plans.get(id(decision))
        if plan is None:
            if len(self._plans) >= MOST_PLANS:
                self._plans.clear()
            # The plan holds the decision, so that no other one gets its id.
            plan = self._plans[id(decision)] = self._planned(decision)
        return plan

    def _planned(self, decision: Decision) -> Plan:
        route = self.routes[decision.objective]
        fallback = route.objective.fallback
        if fallback == decision.version:
            fallback = None
        runner = self.runners.get(fallback) if fallback else None
        shadows = [self.configuration.shadows[name] for name in decision.shadows if name in self.configuration.shadows]
        return Plan(
            decision=decision,
            runner=self.runners[decision.version],
            fallback=runner,
            fallback_version=fallback or decision.version,
            first_s=route.timeout_s * (2 / 3 if runner else 1),
            series=self._metrics.series(decision.objective, decision.version, decision.canary),
            measured=self._measured.get(decision.objective, ()),
            shadows=tuple((one, self.shadowing[one.version]) for one in shadows if one.version in self.shadowing),
        )


def _measured(configuration: Configuration) -> dict[str, tuple[str, ...]]:
    found: dict[str, set[str]] = {}
    for canary in configuration.canaries.values():
        for guard in canary.guards:
            if guard.metric.startswith(OUTPUT):
                found.setdefault(canary.objective, set()).add(guard.metric.removeprefix(OUTPUT))
    return {objective: tuple(sorted(fields)) for objective, fields in found.items()}
