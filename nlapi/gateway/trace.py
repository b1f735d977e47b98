"""OpenTelemetry spans of what was served: one for the request, one for each stage."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any, Protocol

from nlapi.errors import UsageError
from nlapi.extras import install_hint
from nlapi.gateway.record import Record

NS = 1_000_000
"""nanoseconds in a millisecond"""
FLUSH_MS = 5000


class Tracer(Protocol):
    """Is told of each request after its answer."""

    def trace(self, record: Record, parent: str) -> None:
        """`parent` is the caller's W3C `traceparent`, or ""."""

    def close(self) -> None:
        """Send what waits to be sent."""


class Spans:
    """Makes spans with the OpenTelemetry SDK that the process has configured. They begin and end when the work did."""

    def __init__(self, provider: Any, propagator: Any) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("nlapi.gateway")
        self._propagator = propagator

    def close(self) -> None:
        """Send what waits to be sent. A process that a signal ends does nothing more after this."""
        self._provider.force_flush(FLUSH_MS)

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


def configured(environment: Mapping[str, str]) -> Tracer | None:
    """Spans as OpenTelemetry's environment variables want them, or for the SDK that the process has configured itself.

    None when neither is there; then nothing is done for a request. UsageError for an exporter that is not installed.
    """
    named = environment.get("OTEL_TRACES_EXPORTER", "")
    exporter = named or ("otlp" if any(environment.get(one) for one in _ENDPOINTS) else "")
    try:
        from opentelemetry import trace
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
    except ImportError:
        if exporter in ("", "none"):
            return None
        raise _lacking(exporter) from None
    provider: Any = trace.get_tracer_provider()
    if isinstance(provider, (trace.ProxyTracerProvider, trace.NoOpTracerProvider)):
        if exporter in ("", "none"):
            return None  # only the API is there
        provider = _provider(exporter, environment)
    return Spans(provider, TraceContextTextMapPropagator())


_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
SERVICE = "nlapi-gateway"


def _provider(exporter: str, environment: Mapping[str, str]) -> Any:
    """An SDK that sends batches to an exporter; its other variables (sampler, endpoint, ...) it reads by itself."""
    try:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise _lacking(exporter) from None
    named = environment.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or environment.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    entry = f"otlp_proto_{(named or 'http').partition('/')[0]}" if exporter == "otlp" else exporter
    found = next(iter(entry_points(group="opentelemetry_traces_exporter", name=entry)), None)
    if found is None:
        raise _lacking(exporter)
    service = {} if environment.get("OTEL_SERVICE_NAME") else {"service.name": SERVICE}
    provider = TracerProvider(resource=Resource.create(service))
    provider.add_span_processor(BatchSpanProcessor(found.load()()))
    return provider


def _lacking(exporter: str) -> UsageError:
    hint = f"{install_hint('otel')}, or unset the OTEL_ variables"
    return UsageError(f"traces should go to {exporter!r}, and there is no such exporter", hint=hint)


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
