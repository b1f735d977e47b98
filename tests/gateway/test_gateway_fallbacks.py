"""An answer by the fallback: the version that gave it is named, and it is no error of the traffic."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from rich.console import Console

from nlapi.cli.gateway import traffic as gateway_traffic
from tests.gateway.kit import Talk, gateway, write_models
from tests.gateway.versions import write


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Talk]:
    """A gateway whose payment-fraud is served by a version that fails for 0, with a fallback."""
    folder = tmp_path_factory.mktemp("gateway")
    write_models(folder / "models")
    write(folder / "models" / "fraud-v2", "def predict(value):\n    return 1 / value\n")
    with gateway(folder) as talk:
        fallback = {"model": "fraud", "version": "v2", "fallback_model": "fraud", "fallback_version": "v1"}
        talk.ok("PATCH", "/v1/objectives/payment-fraud", {**fallback, "idempotent": True})
        yield talk


def test_an_answer_of_the_fallback_names_its_version(talk: Talk) -> None:
    client = talk.as_("web")
    served = client("POST", "/v1/objectives/payment-fraud/serve", {"input": 0}, headers={"X-Request-Id": "by-fallback"})
    assert (served.status, served.headers["nlapi-version"]) == (200, "fraud@v1")
    body = served.json()
    assert (body["fallback"], body["answered_by"], body["decision"]["version"]) == (True, "fraud@v1", "v2")
    direct = client("POST", "/v1/objectives/payment-fraud/serve", {"input": 1}, headers={"X-Request-Id": "decided"})
    assert (direct.headers["nlapi-version"], "answered_by" in direct.json()) == ("fraud@v2", False)
    recorded = talk.ok("GET", "/v1/decisions/by-fallback")
    assert (recorded["version"], recorded["fallback"], recorded["answered_by"]) == ("v2", True, "fraud@v1")
    assert "ZeroDivisionError" in recorded["fallback_reason"]
    assert recorded["error"] == ""
    assert not {"answered_by", "fallback_reason"} & talk.ok("GET", "/v1/decisions/decided").keys()
    metrics = talk("GET", "/metrics").content.decode()
    assert 'nlapi_fallbacks_total{objective="payment-fraud",model="fraud",version="v1"} 1' in metrics


def test_traffic_counts_it_apart_from_errors(talk: Talk) -> None:
    for number in (0, 1, 0, 1):
        talk.as_("web").ok("POST", "/v1/objectives/payment-fraud/serve", {"input": number})
    traffic = talk.ok("GET", "/v1/traffic", objective="payment-fraud")
    (row,) = traffic["data"]
    assert (row["version"], row["error_percent"], row["fallback_percent"]) == ("v2", 0, 50)
    stream = io.StringIO()
    objectives = talk.ok("GET", "/v1/objectives")["data"]
    Console(file=stream, width=80).print(gateway_traffic.status_view(traffic, objectives, ()))
    lines = stream.getvalue().splitlines()
    (head,) = (line for line in lines if "errors" in line)
    (fraud,) = (line for line in lines if "payment-fraud" in line)
    assert head.split()[-2:] == ["errors", "fallback"]
    assert fraud.split()[-4:] == ["0.00", "%", "50.00", "%"]
