"""Holds one published revision as requests see it: its decision table, schemas, client limits and runners."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nlapi.gateway.control.codec import encode_decision
from nlapi.gateway.http import problems
from nlapi.gateway.http.json_schema import SchemaValidator, compile_schema
from nlapi.gateway.http.problems import unknown_object
from nlapi.gateway.inference import DecisionTable, FailureKind, InferenceError, Runner
from nlapi.gateway.llm.runner import LlmRunner
from nlapi.gateway.records.metrics import Metrics, Series
from nlapi.routing.model import (
    OUTPUT_PREFIX,
    Client,
    Configuration,
    Context,
    Decision,
    Field,
    FieldType,
    Objective,
    Shadow,
    VersionRef,
)

Clock = Callable[[], float]
"""Returns seconds of a monotonic clock."""

PythonType = type | tuple[type, ...]

_PYTHON_TYPES: dict[FieldType, PythonType] = {
    FieldType.STRING: str,
    FieldType.INTEGER: int,
    FieldType.NUMBER: (int, float),
    FieldType.BOOLEAN: bool,
}

# Our table returns the same Decision object for all requests of one kind, so few plans exist. A table of another engine
# may create one for each request: the bound keeps that from filling the memory.
MAX_PLANS = 8192


class InFlightCount:
    """The number of calls of one client in flight, shared by the limits before and after a change of the client."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


class ClientLimit:
    """The token bucket and the calls in flight of one client; it is replaced when the client's limits change.

    `previous` is the limit that it replaces, whose calls are still in flight.
    """

    def __init__(self, client: Client, clock: Clock, previous: ClientLimit | None = None) -> None:
        self.client = client
        self._clock = clock
        self._capacity = float(client.burst or max(1.0, client.rate))
        self._tokens = self._capacity
        self._refilled_at = clock()
        self._in_flight: InFlightCount = previous._in_flight if previous else InFlightCount()
        self.refused = 0

    def check(self) -> None:
        """Check that a call is allowed now. GatewayProblem 429 when it is not."""
        client = self.client
        if client.concurrency and self._in_flight.count >= client.concurrency:
            self.refused += 1
            raise problems.rate_limited(client.name, f"{client.concurrency} calls in flight", 1.0)
        if client.rate:
            self._refill(client.rate)
            if self._tokens < 1.0:
                self.refused += 1
                wait = (1.0 - self._tokens) / client.rate
                raise problems.rate_limited(client.name, f"{client.rate:g} requests a second", wait)

    def start_call(self) -> None:
        """Count the start of a call. GatewayProblem 429, with nothing counted, when it is not allowed."""
        self.check()
        self.charge()
        self._in_flight.count += 1

    def charge(self) -> None:
        """Count a call against the rate alone, for a request that was refused before it was in flight."""
        # A flood of invalid requests has to wait as a flood of valid ones does (docs/design/012-serving-engine.md).
        if self.client.rate:
            self._tokens -= 1.0

    def end_call(self) -> None:
        """Count the end of a call."""
        self._in_flight.count -= 1

    def _refill(self, rate: float) -> None:
        now = self._clock()
        self._tokens = min(self._capacity, self._tokens + (now - self._refilled_at) * rate)
        self._refilled_at = now


def build_limits(
    clients: Mapping[str, Client], previous: Mapping[str, ClientLimit], clock: Clock
) -> dict[str, ClientLimit]:
    """Return a ClientLimit for each client that has limits; unchanged clients keep that of `previous`."""
    # A new bucket is full. If every publication made new ones, a client could exceed its rate at each revision.
    limits = {}
    for name, client in clients.items():
        if client.rate or client.concurrency:
            previous_limit = previous.get(name)
            limits[name] = (
                previous_limit
                if previous_limit is not None and previous_limit.client == client
                else ClientLimit(client, clock, previous_limit)
            )
    return limits


class ObjectiveSchemas:
    """The compiled schemas of one objective. ValueError when one of them is not a JSON Schema."""

    # jsonschema_rs: 0.6 us for an input of four titles, where fastjsonschema takes 4.9 and jsonschema 104
    # (docs/design/012-serving-engine.md).
    def __init__(self, objective: Objective) -> None:
        self._input = _compile_schema(objective.input)
        self._output = _compile_schema(objective.output)
        self._fields = {field.name: field for field in objective.context}

    def check_context(self, context: Context) -> None:
        """Check the context. GatewayProblem 422 at the first field that is undeclared or has an invalid value."""
        for name, value in context.items():
            field = self._fields.get(name)
            if field is None:
                hint = problems.nearest_or_all(name[:80], self._fields, "declares")
                raise problems.invalid_request(
                    "the objective declares no such field", f"body.context.{name[:80]}", hint
                )
            if not _accepts(field, value):
                raise problems.invalid_request(
                    f"{str(value)[:80]!r} is not one of its values", f"body.context.{name}", _accepted_values(field)
                )

    def check_input(self, value: Any) -> None:
        """Check an input. GatewayProblem 422 with the path of the first value that breaks the input schema."""
        # `is_valid` builds no error message; the message is built for refused inputs only.
        if self._input is None or self._input.is_valid(value):
            return
        path, message, hint = _schema_error(self._input, value, "body.input")
        raise problems.invalid_request(message, path, hint or "see the objective's input schema")

    def check_output(self, value: Any) -> None:
        """Check an output of a version. Failed when it breaks the objective's output schema."""
        if self._output is None:
            return
        try:
            if self._output.is_valid(value):
                return
            path, _, _ = _schema_error(self._output, value, "output")
        except (TypeError, ValueError):  # an output that is not JSON, such as a set: jsonschema_rs raises
            path = "output"
        raise InferenceError(FailureKind.INVALID, f"its output breaks the objective's schema at {path}", executed=True)


def _compile_schema(schema: Mapping[str, Any]) -> SchemaValidator | None:
    return compile_schema(schema) if schema else None


def _schema_error(validator: SchemaValidator, value: Any, root: str) -> tuple[str, str, str]:
    """Return the path, the message and the hint of the first violation."""
    error = next(validator.iter_errors(value))
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.instance_path)
    return root + "".join(steps), error.message[:300], error.hint


def _accepts(field: Field, value: Any) -> bool:
    if not isinstance(value, _PYTHON_TYPES[field.type]):
        return False
    if isinstance(value, bool) and field.type is not FieldType.BOOLEAN:  # bool is a subclass of int in Python
        return False
    return not field.values or value in field.values


def _accepted_values(field: Field) -> str:
    if field.values:
        return f"one of {', '.join(str(value) for value in field.values)}"
    return f"a value of type {field.type}"


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
    decision_document: Mapping[str, object]
    runner: Runner
    fallback: Runner | None
    fallback_version: VersionRef
    primary_timeout_s: float
    """seconds that the decided version has; the fallback has the rest of the objective's timeout"""
    series: Series
    guarded_fields: tuple[str, ...]
    """the fields of the output that canary guards measure"""
    shadows: tuple[tuple[Shadow, Runner], ...]
    protocol: str = ""
    """the LLM protocol of the runner; "" for a version that is not an LLM"""
    fallback_protocol: str = ""


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
        """Return the compiled objective. GatewayProblem 404 with the nearest name if none exists."""
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
            decision_document=encode_decision(decision),
            runner=self.runners[decision.version],
            protocol=_llm_protocol(self.runners[decision.version]),
            fallback=runner,
            fallback_protocol=_llm_protocol(runner),
            fallback_version=fallback or decision.version,
            primary_timeout_s=route.timeout_s * (2 / 3 if runner else 1),
            series=self._metrics.series(decision.objective, decision.version, decision.canary),
            guarded_fields=self._guarded_fields.get(decision.objective, ()),
            shadows=tuple(
                (shadow, self.shadow_runners[shadow.version])
                for shadow in shadows
                if shadow.version in self.shadow_runners
            ),
        )


def _llm_protocol(runner: Runner | None) -> str:
    return runner.protocol if isinstance(runner, LlmRunner) else ""


def _guarded_outputs(configuration: Configuration) -> dict[str, tuple[str, ...]]:
    fields_by_objective: dict[str, set[str]] = {}
    for canary in configuration.canaries.values():
        for guard in canary.guards:
            if guard.metric.startswith(OUTPUT_PREFIX):
                fields_by_objective.setdefault(canary.objective, set()).add(guard.metric.removeprefix(OUTPUT_PREFIX))
    return {objective: tuple(sorted(fields)) for objective, fields in fields_by_objective.items()}
