"""A real Envoy sends OpenTelemetry spans with the decision of each request."""

from __future__ import annotations

from pathlib import Path

import pytest

from nlapi.cli.gateway.planes import PlaneOptions, Telemetry, read_telemetry
from nlapi.errors import UsageError
from tests.scale.envoy_plane import document, plane, post, until, upstream
from tests.scale.otlp_receiver import otlp_receiver

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
# Envoy sends spans when it has five of them, or after five seconds.
BATCH = 5


def test_spans_have_the_decision_and_belong_to_the_trace_of_the_client(tmp_path: Path) -> None:
    with otlp_receiver() as collector, upstream("a") as first, upstream("b") as second:
        options = PlaneOptions(otlp=Telemetry(collector.url))
        with plane(tmp_path, document({"a": first.url, "b": second.url}), options) as running:
            key = running.key("rank", client="traced")
            path = "/v1/objectives/rank/infer"
            for flag in ("01", "00"):
                for _ in range(BATCH):
                    trace = TRACE if flag == "01" else TRACE[::-1]
                    headers = {"X-Routing-Key": key, "traceparent": f"00-{trace}-{PARENT}-{flag}"}
                    assert post(running.envoy, path, headers).status == 200
            until(lambda: len(collector.spans) >= BATCH, "spans at the collector")
            revision = running.gateway.publisher.revision
    assert collector.paths == {"/v1/traces"}
    # What the client does not sample is not traced.
    assert {span.trace_id for span in collector.spans} == {TRACE}
    span = collector.spans[0]
    assert (span.service, span.parent_id) == ("nlapi-envoy", PARENT)
    decision = {
        "nlapi.objective": "rank", "nlapi.client": "traced", "nlapi.cell": "ranker@v1", "nlapi.version": "ranker@v1",
        "nlapi.rule": "default", "nlapi.revision": str(revision),
    }  # fmt: skip
    assert {**span.attributes, **decision} == span.attributes
    assert key not in str(collector.spans)
    # The shard gets the span of Envoy as its parent.
    assert all(call.headers["traceparent"].split("-")[1] in (TRACE, TRACE[::-1]) for call in first.calls)
    assert PARENT not in first.calls[0].headers["traceparent"]


def test_a_collector_that_is_gone_is_felt_by_nobody(tmp_path: Path) -> None:
    with otlp_receiver() as collector:
        gone = collector.url
    with upstream("a") as first, upstream("b") as second:
        options = PlaneOptions(otlp=Telemetry(gone))
        with plane(tmp_path, document({"a": first.url, "b": second.url}), options) as running:
            key = running.key("rank")
            assert {running.infer("rank", key).status for _ in range(4 * BATCH)} == {200}


@pytest.mark.parametrize(
    "url", ["localhost:4318", "grpc://localhost:4317", "http://", "http://me:secret@localhost:4318"]
)
def test_what_is_no_url_of_a_collector_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="no URL of a collector") as raised:
        read_telemetry(url, 100)
    assert "secret" not in str(raised.value)
