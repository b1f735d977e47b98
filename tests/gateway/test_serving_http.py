"""`POST /v1/objectives/{objective}/serve` over real HTTP: what it takes, what it gives, and how it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nlapi.errors import UsageError
from nlapi.gateway.server import running
from tests.gateway.gateway_app import Gateway, gateway
from tests.gateway.versions import configuration, ref, write, write_echo

INPUT = {"type": "object", "properties": {"items": {"type": "array", "items": {"type": "integer"}}}}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("models")
    write_echo(folder, "v1")
    write(folder / "v2", "def predict(value):\n    return object()\n")
    with gateway(folder, configuration("v1", "v2", input=INPUT)) as running_gateway:
        yield running_gateway


def test_an_answer_holds_the_output_and_what_decided(served: Gateway) -> None:
    answer = served.ask({"input": {"items": [1]}, "context": {"user": "u1"}}, X_Request_Id="mine-1")
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.body["output"] == {"version": "v1", "input": {"items": [1]}}
    assert answer.body["request_id"] == "mine-1"
    decision = answer.body["decision"]
    assert (decision["model"], decision["version"], decision["revision"]) == ("echo", "v1", 1)
    assert list(answer.body["stages_ms"]) == ["predict"]
    assert (answer.body["attempts"], answer.body["fallback"]) == (1, False)


def test_a_request_gets_an_id_of_its_own(served: Gateway) -> None:
    ids = {served.ask({"input": {}}).body["request_id"] for _ in range(5)}
    assert len(ids) == 5


def test_a_name_in_another_way_is_understood(served: Gateway) -> None:
    assert served.ask({"input": {}}, objective="GREET").status == 200


@pytest.mark.parametrize(
    ("document", "headers", "status", "where"),
    [
        (b"{", {}, 400, "body"),
        (b"\xff", {}, 400, "body"),
        ([1], {}, 422, "body"),
        ({}, {}, 422, "body.input"),
        ({"input": {}, "contxt": {}}, {}, 422, "body.contxt"),
        ({"input": {}, "context": []}, {}, 422, "body.context"),
        ({"input": {"items": [1, "x"]}}, {}, 422, "body.input.items[1]"),
        ({"input": {}, "context": {"city": "x"}}, {}, 422, "body.context.city"),
        ({"input": {}}, {"content_type": "text/plain"}, 415, "header.content-type"),
        ({"input": {}}, {"X_Synthetic": "maybe"}, 422, "header.x-synthetic"),
        ({"input": {}}, {"X_Request_Id": "x" * 200}, 422, "header.x-request-id"),
        (b'{"input": "' + b"x" * 2_000_000 + b'"}', {}, 413, "body"),
    ],
)
def test_what_is_wrong_is_said_as_a_problem(
    served: Gateway, document: Any, headers: dict[str, str], status: int, where: str
) -> None:
    answer = served.ask(document, **headers)
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert [error["where"] for error in answer.body["errors"]] == [where]


def test_an_unknown_objective_is_answered_with_the_nearest(served: Gateway) -> None:
    answer = served.ask({"input": {}}, objective="great")
    assert (answer.status, answer.body["hint"]) == (404, "the nearest is greet")


def test_an_output_that_json_cannot_say_is_the_version_s_fault(tmp_path: Path) -> None:
    write(tmp_path / "v1", "def predict(value):\n    return object()\n")
    with gateway(tmp_path, configuration("v1")) as served:
        answer = served.ask({"input": {}})
    assert answer.status == 502
    assert "echo@v1" in answer.body["detail"]


def test_metrics_count_what_was_served_refused_and_failed(tmp_path: Path) -> None:
    write_echo(tmp_path, "v2")
    write(tmp_path / "v1", "def predict(value):\n    return 1 / value\n")
    with gateway(tmp_path, configuration("v1", "v2", fallback=ref("v2"))) as served:
        for number in (1, 1, 0):
            assert served.ask({"input": number}).status == 200
        served.ask({"input": 1, "context": {"x": 1}})
        served.ask({"input": 1}, objective='odd"name')
        connection = served.connect()
        connection.request("GET", "/metrics")
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    labels = 'objective="greet",model="echo",version="v1",canary=""'
    assert f'nlapi_requests_total{{{labels},outcome="ok"}} 2' in text
    assert f'nlapi_requests_total{{{labels},outcome="error"}} 1' in text
    assert f"nlapi_request_seconds_count{{{labels}}} 3" in text
    assert f'nlapi_request_seconds_bucket{{{labels},le="+Inf"}} 3' in text
    assert 'nlapi_fallbacks_total{objective="greet"} 1' in text
    assert 'nlapi_refused_total{objective="greet",status="422"} 1' in text
    assert 'nlapi_refused_total{objective="",status="404"} 1' in text


def test_a_port_that_is_taken_is_said(served: Gateway) -> None:
    port = int(served.url.rpartition(":")[2])
    with pytest.raises(UsageError, match="cannot listen"), running(served.app, port=port):
        pass
