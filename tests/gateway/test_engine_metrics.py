"""What the engine counts, as Prometheus reads it; and a server that says what is wrong with its port."""

from __future__ import annotations

from pathlib import Path

import pytest

from nlapi.errors import UsageError
from nlapi.gateway.engine import Engine
from nlapi.gateway.http.problems import GatewayProblem
from nlapi.gateway.http.server import run_in_thread
from nlapi.gateway.inference import InferenceRequest
from nlapi.gateway.records.metrics import Metrics
from tests.gateway.gateway_app import gateway
from tests.gateway.versions import configuration, publish, ref, run, write, write_echo


def test_metrics_count_what_was_served_refused_and_failed(tmp_path: Path) -> None:
    write_echo(tmp_path, "v2")
    write(tmp_path / "v1", "def predict(value):\n    return 1 / value\n")

    async def body(engine: Engine) -> None:
        await publish(engine, configuration("v1", "v2", fallback=ref("v2")))
        for number in (1, 1, 0):
            await engine.serve("greet", InferenceRequest(input=number))
        for objective, context in (("greet", {"x": 1}), ('odd"name', {})):
            with pytest.raises(GatewayProblem):
                await engine.serve(objective, InferenceRequest(input=1, context=context))
        text = engine.metrics.prometheus_text()
        labels = 'objective="greet",model="echo",version="v1",canary=""'
        assert f'nlapi_requests_total{{{labels},outcome="ok"}} 2' in text
        assert f'nlapi_requests_total{{{labels},outcome="error"}} 0' in text
        assert f'nlapi_requests_total{{{labels},outcome="fallback"}} 1' in text
        assert f"nlapi_request_seconds_count{{{labels}}} 3" in text
        assert f'nlapi_request_seconds_bucket{{{labels},le="+Inf"}} 3' in text
        assert 'nlapi_fallbacks_total{objective="greet",model="echo",version="v2"} 1' in text
        assert 'nlapi_refused_total{objective="greet",status="422"} 1' in text
        assert 'nlapi_refused_total{objective="",status="404"} 1' in text
        assert "nlapi_revision 1" in text.splitlines()

    run(tmp_path, body)


def test_percentiles_are_within_a_bucket_of_the_truth() -> None:
    metrics = Metrics()
    series = metrics.series("greet", ref("v1"))
    for number in range(1, 1001):
        series.observe(number / 10, failed=number % 100 == 0)
    (tally,) = metrics.tallies().values()
    for share in (0.5, 0.9, 0.99):
        assert share * 100 / 1.25 <= tally.percentile(share) <= share * 100 * 1.25
    assert tally.error_rate == 0.01
    series.observe(1e9, failed=False)
    added = series.tally().since(tally)
    assert (added.requests, added.errors, sum(added.buckets)) == (1, 0, 1)
    assert tally.plus(added) == series.tally()


def test_names_cannot_break_the_metrics() -> None:
    metrics = Metrics()
    metrics.series('a"b\\c\nd', ref("v1")).observe(1, failed=False)
    assert 'objective="a\\"b\\\\c\\nd"' in metrics.prometheus_text()


def test_an_output_that_json_cannot_say_is_the_version_s_fault(tmp_path: Path) -> None:
    write(tmp_path / "v1", "def predict(value):\n    return object()\n")
    with gateway(tmp_path, configuration("v1")) as served:
        assert served.ask({"input": {}}).status == 502


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    write_echo(tmp_path, "v1")
    with gateway(tmp_path, configuration("v1")) as served:
        port = int(served.url.rpartition(":")[2])
        with pytest.raises(UsageError, match="cannot listen"), run_in_thread(served.app, port=port):
            pass
