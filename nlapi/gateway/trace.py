"""OpenTelemetry spans of what was served: one for the request, one for each stage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from nlapi.gateway.record import Record

NS = 1_000_000
"""nanoseconds in a millisecond"""


class Tracer(Protocol):
    """Is told of each request after its answer."""

    def trace(self, record: Record, parent: str) -> None:
        """`parent` is the caller's W3C `traceparent`, or ""."""


class Spans:
    """Makes spans with the OpenTelemetry SDK that the process has configured. They begin and end when the work did."""

    def __init__(self, tracer: Any, propagator: Any) -> None:
        self._tracer = tracer
        self._propagator = propagator

    def trace(self, record: Record, parent: str) -> None:
        """One span for the request and one below it for each stage."""
        from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

        start = int(record.at * 1000 * NS)
        above = self._propagator.extract({"traceparent": parent}) if parent else None
        span = self._tracer.start_span(
            f"serve {record.decision.objective}",
            context=above,
            kind=SpanKind.SERVER,
            start_time=start,
            attributes=_attributes(record),
        )
        below = set_span_in_context(span)
        at = start
        for stage, ms in record.stages.items():
            one = self._tracer.start_span(stage, context=below, start_time=at)
            at += int(ms * NS)
            one.end(end_time=at)
        if record.error:
            span.set_status(Status(StatusCode.ERROR, record.error))
        span.end(end_time=start + int(record.ms * NS))


def configured() -> Tracer | None:
    """Spans, when the process has an OpenTelemetry SDK configured; else None, and nothing is done for a request."""
    try:
        from opentelemetry import trace
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
    except ImportError:
        return None
    provider = trace.get_tracer_provider()
    if isinstance(provider, (trace.ProxyTracerProvider, trace.NoOpTracerProvider)):
        return None  # only the API is there
    return Spans(provider.get_tracer("nlapi.gateway"), TraceContextTextMapPropagator())


def _attributes(record: Record) -> Mapping[str, Any]:
    decision = record.decision
    found = {
        "nlapi.objective": decision.objective,
        "nlapi.model": record.version.model,
        "nlapi.version": record.version.version,
        "nlapi.shard": decision.shard,
        "nlapi.revision": decision.revision,
        "nlapi.rule": decision.rule,
        "nlapi.experiment": decision.experiment,
        "nlapi.cell": decision.cell,
        "nlapi.canary": decision.canary,
        "nlapi.request_id": record.request_id,
        "nlapi.attempts": record.attempts,
        "nlapi.fallback": record.fallback,
        "nlapi.synthetic": record.synthetic,
    }
    return {name: value for name, value in found.items() if value != ""}
