"""OpenTelemetry spans of served requests: one for the request, one for each stage."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any, Protocol

from nlapi.errors import UsageError
from nlapi.gateway.record import Record

NS_PER_MS = 1_000_000
"""nanoseconds in a millisecond"""
# Milliseconds that the last batch may take at the end of the process; an exporter that is away must not delay it more.
FLUSH_TIMEOUT_MS = 5000


class Tracer(Protocol):
    """The receiver of each request's record after its answer."""

    def trace(self, record: Record, parent: str) -> None:
        """Trace one request; `parent` is the caller's W3C `traceparent`, or ""."""

    def close(self) -> None:
        """Send the pending spans."""


class SpanTracer:
    """A Tracer that creates spans with the OpenTelemetry SDK of the process, with the times of the recorded work."""

    def __init__(self, provider: Any, propagator: Any) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("nlapi.gateway")
        self._propagator = propagator

    def close(self) -> None:
        """Send the pending spans."""
        # The SDK flushes at exit, but a process that ends by a signal never runs its exit handlers.
        self._provider.force_flush(FLUSH_TIMEOUT_MS)

    def trace(self, record: Record, parent: str) -> None:
        """Create one span for the request with one child for each stage."""
        # Imported here: OpenTelemetry is an optional dependency.
        from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

        start = int(record.at * 1000 * NS_PER_MS)
        parent_context = self._propagator.extract({"traceparent": parent}) if parent else None
        span = self._tracer.start_span(
            f"serve {record.decision.objective}",
            context=parent_context,
            kind=SpanKind.SERVER,
            start_time=start,
            attributes=_span_attributes(record),
        )
        span_context = set_span_in_context(span)
        at = start
        for stage, ms in record.stages.items():
            stage_span = self._tracer.start_span(stage, context=span_context, start_time=at)
            at += int(ms * NS_PER_MS)
            stage_span.end(end_time=at)
        if record.error:
            span.set_status(Status(StatusCode.ERROR, record.error))
        span.end(end_time=start + int(record.ms * NS_PER_MS))


def tracer_from_environment(environment: Mapping[str, str]) -> Tracer | None:
    """Return a Tracer for the SDK of the process, or for OpenTelemetry's environment variables.

    None when neither is configured. UsageError for an exporter that is not installed.
    """
    exporter_name = environment.get("OTEL_TRACES_EXPORTER", "")
    exporter = exporter_name or ("otlp" if any(environment.get(variable) for variable in _ENDPOINT_VARIABLES) else "")
    try:
        from opentelemetry import trace
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
    except ImportError:
        if exporter in ("", "none"):
            return None
        raise _missing_exporter(exporter) from None
    provider: Any = trace.get_tracer_provider()
    if isinstance(provider, (trace.ProxyTracerProvider, trace.NoOpTracerProvider)):
        if exporter in ("", "none"):
            return None  # the API is installed without an SDK, and its spans go nowhere
        provider = _create_provider(exporter, environment)
    return SpanTracer(provider, TraceContextTextMapPropagator())


_ENDPOINT_VARIABLES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
SERVICE_NAME = "nlapi-gateway"


def _create_provider(exporter: str, environment: Mapping[str, str]) -> Any:
    """Return an SDK provider that sends batches to an exporter."""
    # The SDK reads its other variables itself (sampler, endpoint, ...); its exporters register as entry points.
    try:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise _missing_exporter(exporter) from None
    protocol = environment.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or environment.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    entry_name = f"otlp_proto_{(protocol or 'http').partition('/')[0]}" if exporter == "otlp" else exporter
    entry_point = next(iter(entry_points(group="opentelemetry_traces_exporter", name=entry_name)), None)
    if entry_point is None:
        raise _missing_exporter(exporter)
    service = {} if environment.get("OTEL_SERVICE_NAME") else {"service.name": SERVICE_NAME}
    provider = TracerProvider(resource=Resource.create(service))
    provider.add_span_processor(BatchSpanProcessor(entry_point.load()()))
    return provider


def _missing_exporter(exporter: str) -> UsageError:
    hint = "in the checkout of nlapi: pip install '.[otel]', or unset the OTEL_ variables"
    return UsageError(f"traces should go to {exporter!r}, and there is no such exporter", hint=hint)


def _span_attributes(record: Record) -> Mapping[str, Any]:
    decision = record.decision
    attributes = {
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
    return {name: value for name, value in attributes.items() if value != ""}
