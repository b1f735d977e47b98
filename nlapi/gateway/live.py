"""One published revision as requests see it: its decision table, schemas, client limits and runners."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nlapi.gateway.inference import DecisionTable, Runner
from nlapi.gateway.limits import ClientLimit
from nlapi.gateway.metrics import Metrics, Series
from nlapi.gateway.problem import unknown_object
from nlapi.gateway.validation import ObjectiveSchemas
from nlapi.routing.nouns import OUTPUT_PREFIX, Configuration, Decision, Objective, Shadow, VersionRef

# Our table returns the same Decision object for all requests of one kind, so few plans exist. A table of another engine
# may create one for each request: the bound keeps that from filling the memory.
MAX_PLANS = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectiveRoute:
    """An objective with its compiled schemas."""

    objective: Objective
    schemas: ObjectiveSchemas
    timeout_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingPlan:
    """The runners, metrics and shadows of a Decision, looked up once for all requests with that Decision."""

    decision: Decision
    runner: Runner
    fallback: Runner | None
    fallback_version: VersionRef
    primary_timeout_s: float
    """seconds that the decided version has; the fallback has the rest of the objective's timeout"""
    series: Series
    guarded_fields: tuple[str, ...]
    """the fields of the output that canary guards measure"""
    shadows: tuple[tuple[Shadow, Runner], ...]


class Snapshot:
    """A published revision; a request uses exactly one from its beginning to its end."""

    def __init__(
        self,
        *,
        table: DecisionTable,
        configuration: Configuration,
        routes: Mapping[str, ObjectiveRoute],
        runners: Mapping[VersionRef, Runner],
        shadow_runners: Mapping[VersionRef, Runner],
        limits: Mapping[str, ClientLimit],
        metrics: Metrics,
    ) -> None:
        self.table = table
        self.configuration = configuration
        self.routes = routes
        self.runners = runners
        self.shadow_runners = shadow_runners
        self.limits = limits
        self.active_count = 0
        """requests and copies that use this revision"""
        self._metrics = metrics
        self._plans: dict[int, ServingPlan] = {}
        self._guarded_fields = _guarded_outputs(configuration)

    def route(self, objective: str) -> ObjectiveRoute:
        """Return the compiled objective. Problem 404 with the nearest name when there is none."""
        route = self.routes.get(objective)
        if route is None:
            raise unknown_object("objective", objective, self.routes)
        return route

    def plan(self, decision: Decision) -> ServingPlan:
        """Return the plan for a decision of this revision's table."""
        plan = self._plans.get(id(decision))
        if plan is None:
            if len(self._plans) >= MAX_PLANS:
                self._plans.clear()
            # An id is unique only while its object lives: the plan refers to the decision and so keeps it alive.
            plan = self._plans[id(decision)] = self._build_plan(decision)
        return plan

    def _build_plan(self, decision: Decision) -> ServingPlan:
        route = self.routes[decision.objective]
        fallback = route.objective.fallback
        if fallback == decision.version:
            fallback = None
        runner = self.runners.get(fallback) if fallback else None
        shadows = [self.configuration.shadows[name] for name in decision.shadows if name in self.configuration.shadows]
        # With a fallback, the decided version has two thirds of the time, so that the fallback has time to answer
        # (docs/design/012-serving-engine.md).
        return ServingPlan(
            decision=decision,
            runner=self.runners[decision.version],
            fallback=runner,
            fallback_version=fallback or decision.version,
            primary_timeout_s=route.timeout_s * (2 / 3 if runner else 1),
            series=self._metrics.series(decision.objective, decision.version, decision.canary),
            guarded_fields=self._guarded_fields.get(decision.objective, ()),
            shadows=tuple((shadow, self.shadow_runners[shadow.version]) for shadow in shadows if shadow.version in self.shadow_runners),
        )


def _guarded_outputs(configuration: Configuration) -> dict[str, tuple[str, ...]]:
    fields_by_objective: dict[str, set[str]] = {}
    for canary in configuration.canaries.values():
        for guard in canary.guards:
            if guard.metric.startswith(OUTPUT_PREFIX):
                fields_by_objective.setdefault(canary.objective, set()).add(guard.metric.removeprefix(OUTPUT_PREFIX))
    return {objective: tuple(sorted(fields)) for objective, fields in fields_by_objective.items()}
