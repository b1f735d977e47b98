"""One published revision as requests see it: its decision table, schemas, client limits and runners."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nlapi.gateway.calls import Router, Runner
from nlapi.gateway.limits import Limit
from nlapi.gateway.metrics import Metrics, Series
from nlapi.gateway.problem import not_found
from nlapi.gateway.validation import Checks
from nlapi.routing.nouns import OUTPUT, Configuration, Decision, Objective, Shadow, VersionRef

# Our table returns the same Decision object for all requests of one kind, so few plans exist. A table of another engine
# may create one for each request: the bound keeps that from filling the memory.
MOST_PLANS = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """An objective with its compiled schemas."""

    objective: Objective
    checks: Checks
    timeout_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The runners, metrics and shadows of a Decision, looked up once for all requests with that Decision."""

    decision: Decision
    runner: Runner
    fallback: Runner | None
    fallback_version: VersionRef
    first_s: float
    """seconds that the decided version has; the fallback has the rest of the objective's timeout"""
    series: Series
    measured: tuple[str, ...]
    """the fields of the output that canary guards measure"""
    shadows: tuple[tuple[Shadow, Runner], ...]


class Live:
    """A published revision; a request uses exactly one from its beginning to its end."""

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
        """requests and copies that use this revision"""
        self._metrics = metrics
        self._plans: dict[int, Plan] = {}
        self._measured = _measured(configuration)

    def route(self, objective: str) -> Route:
        """Return the compiled objective. Problem 404 with the nearest name when there is none."""
        route = self.routes.get(objective)
        if route is None:
            raise not_found("objective", objective, self.routes)
        return route

    def plan(self, decision: Decision) -> Plan:
        """Return the plan for a decision of this revision's table."""
        plan = self._plans.get(id(decision))
        if plan is None:
            if len(self._plans) >= MOST_PLANS:
                self._plans.clear()
            # An id is unique only while its object lives: the plan refers to the decision and so keeps it alive.
            plan = self._plans[id(decision)] = self._planned(decision)
        return plan

    def _planned(self, decision: Decision) -> Plan:
        route = self.routes[decision.objective]
        fallback = route.objective.fallback
        if fallback == decision.version:
            fallback = None
        runner = self.runners.get(fallback) if fallback else None
        shadows = [self.configuration.shadows[name] for name in decision.shadows if name in self.configuration.shadows]
        # With a fallback, the decided version has two thirds of the time, so that the fallback has time to answer
        # (docs/design/012-serving-engine.md).
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
