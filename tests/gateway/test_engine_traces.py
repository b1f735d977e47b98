"""OpenTelemetry spans: one for each request and each of its stages, when an SDK is configured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from nlapi.errors import UsageError
from nlapi.gateway.engine import Engine
from nlapi.gateway.http.problems import GatewayProblem
from nlapi.gateway.inference import InferenceRequest
from nlapi.gateway.records.records import Tracer, tracer_from_environment
from tests.gateway.versions import configuration, publish, run, write

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Kept(SpanExporter):
    """Keeps what is exported."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.spans += spans
        return SpanExportResult.SUCCESS


def test_a_request_has_a_span_and_each_stage_one_below_it(tmp_path: Path) -> None:
    write(tmp_path / "v1", "def features(value):\n    return 1 / value\n\ndef predict(value):\n    return value\n")
    kept, provider = Kept(), TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(kept))
    spans = Tracer(provider, TraceContextTextMapPropagator())

    async def body(engine: Engine) -> None:
        await publish(engine, configuration("v1"), revision=3)
        await engine.serve("greet", InferenceRequest(input=1, traceparent=PARENT, request_id="r1"))
        try:
            await engine.serve("greet", InferenceRequest(input=0))
        except GatewayProblem:
            return

    run(tmp_path, body, tracer=spans)  # what is drained has sent its spans
    features, predict, request, failed = kept.spans
    assert [one.name for one in kept.spans] == ["features", "predict", "serve greet", "serve greet"]
    assert request.context.trace_id == int(PARENT.split("-")[1], 16)
    assert request.parent
    assert request.parent.span_id == int(PARENT.split("-")[2], 16)
    assert {one.parent.span_id for one in (features, predict) if one.parent} == {request.context.span_id}
    assert request.attributes
    assert request.attributes["nlapi.version"] == "v1"
    assert (request.attributes["nlapi.revision"], request.attributes["nlapi.request_id"]) == (3, "r1")
    assert request.start_time
    assert features.start_time
    assert predict.end_time
    assert request.end_time
    assert request.start_time <= features.start_time <= predict.end_time <= request.end_time
    assert failed.status.status_code is StatusCode.ERROR
    provider.shutdown()


def test_without_a_configured_sdk_nothing_is_traced() -> None:
    assert tracer_from_environment({}) is None
    assert (
        tracer_from_environment({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"})
        is None
    )


def test_the_variables_of_opentelemetry_are_followed() -> None:
    assert isinstance(tracer_from_environment({"OTEL_TRACES_EXPORTER": "console"}), Tracer)
    with pytest.raises(UsageError, match="'nowhere'"):
        tracer_from_environment({"OTEL_TRACES_EXPORTER": "nowhere"})
