"""LLM versions as versions: streams, decisions, metrics, fallbacks, canaries, shadows, and clients that go away."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from nlapi.gateway.inference import TokenUsage
from nlapi.gateway.llm.usage import LlmMetrics
from nlapi.gateway.records.exposition import MAX_CLIENT_LABELS, OTHER_CLIENTS
from nlapi.routing.model import VersionRef
from tests.gateway.clock import Clock
from tests.gateway.kit import Talk
from tests.gateway.llm_gateway import document, gateway
from tests.gateway.llm_upstream import PATIENCE_S, Upstream, upstream
from tests.gateway.versions import write

BODY = {"messages": [{"role": "user", "content": "hello"}]}


@pytest.fixture
def llm() -> Iterator[Upstream]:
    with upstream() as running:
        yield running


def serve(talk: Talk, objective: str, client: str = "web", **members: Any) -> Any:
    return talk.as_(client)("POST", f"/v1/objectives/{objective}/serve", {"input": {**BODY, **members}})


def events(content: bytes) -> list[tuple[str, str]]:
    """The name and the data of each event."""
    parsed = []
    for text in content.decode().strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in text.split("\n"))
        parsed.append((fields.get("event", ""), fields["data"]))
    return parsed


def test_an_answer_has_its_tokens_and_its_cost(llm: Upstream, tmp_path: Path) -> None:
    with gateway(tmp_path, document(llm.url, "writer")) as talk:
        served = serve(talk, "writer").json()
        assert served["output"]["choices"][0]["message"]["content"] == "Good morning, Brazil"
        assert served["usage"] == {"input_tokens": 20, "output_tokens": 3, "cost_usd": 0.00007}
        recorded = talk.ok("GET", f"/v1/decisions/{served['request_id']}")
        assert (recorded["usage"], recorded["streamed"]) == (served["usage"], False)
        metrics = talk("GET", "/metrics").content.decode()
        labels = 'objective="writer",model="writer",version="v1",client="web"'
        assert f'nlapi_llm_tokens_total{{{labels},kind="input"}} 20' in metrics
        assert f"nlapi_llm_cost_dollars_total{{{labels}}} 7e-05" in metrics


@pytest.mark.parametrize("asks", ["input", "accept"])
def test_serving_streams(llm: Upstream, tmp_path: Path, asks: str) -> None:
    with gateway(tmp_path, document(llm.url, "writer")) as talk:
        body = {"input": {**BODY, **({"stream": True} if asks == "input" else {})}}
        headers = {"Accept": "text/event-stream"} if asks == "accept" else {}
        answer = talk.as_("web")("POST", "/v1/objectives/writer/serve", body, headers=headers)
        assert answer.headers["content-type"] == "text/event-stream"
        *streamed, (name, data) = events(answer.content)
        assert streamed[-1] == ("", "[DONE]")
        served = json.loads(data)
        assert (name, served["output"], served["request_id"]) == ("served", None, answer.headers["x-request-id"])
        usage = served["usage"]
        # 10 fresh and 10 cached input tokens, 3 output tokens, at 2, 1 and 10 dollars a million.
        assert (usage["input_tokens"], usage["cached_tokens"], usage["output_tokens"]) == (20, 10, 3)
        assert usage["cost_usd"] == 0.00006
        assert usage["first_token_ms"] > 0
        recorded = talk.ok("GET", f"/v1/decisions/{served['request_id']}")
        assert (recorded["usage"], recorded["streamed"]) == (usage, True)
        metrics = talk("GET", "/metrics").content.decode()
        assert 'nlapi_llm_first_token_seconds_count{objective="writer",model="writer",version="v1"} 1' in metrics


def test_a_version_that_does_not_stream_answers_as_one_event(llm: Upstream, tmp_path: Path) -> None:
    with gateway(tmp_path, document(llm.url)) as talk:
        headers = {"Accept": "text/event-stream"}
        answer = talk.as_("web")("POST", "/v1/objectives/rules/serve", {"input": {}}, headers=headers)
        ((name, data),) = events(answer.content)
        assert (name, json.loads(data)["output"]) == ("served", {"rules": True})
        # Its input may have a field of that name for any purpose.
        assert serve(talk, "rules", stream=True).json()["output"] == {"rules": True}


def test_tokens_are_estimated_when_the_upstream_counts_none(llm: Upstream, tmp_path: Path) -> None:
    with gateway(tmp_path, document(llm.url, "no-usage")) as talk:
        usage = serve(talk, "no-usage").json()["usage"]
        assert usage["estimated"] and usage["input_tokens"] > 5 and usage["output_tokens"] > 5
        streamed = json.loads(events(serve(talk, "no-usage", stream=True).content)[-1][1])["usage"]
        assert streamed["estimated"] and streamed["output_tokens"] >= 3


@pytest.mark.parametrize("broken", ["status-500", "status-429", "status-401", "closes", "silent"])
@pytest.mark.parametrize("stream", [False, True])
def test_another_version_answers_before_the_first_byte(
    llm: Upstream, tmp_path: Path, broken: str, stream: bool
) -> None:
    if broken == "silent" and not stream:
        pytest.skip("only streams are silent after their head")
    configuration = document(llm.url, broken, "writer")
    configuration["objectives"][0] |= {"fallback_model": "writer", "fallback_version": "v1", "timeout_ms": 3000}
    with gateway(tmp_path, configuration) as talk:
        answer = serve(talk, broken, stream=stream)
        assert answer.status == 200
        served = json.loads(events(answer.content)[-1][1]) if stream else answer.json()
        assert served["fallback"]
        assert served["usage"]["output_tokens"] == 3
        if stream:
            assert answer.headers["nlapi-version"] == "writer@v1"


def test_an_upstream_that_is_not_there_is_passed_over(llm: Upstream, tmp_path: Path) -> None:
    configuration = document(llm.url, "writer")
    configuration["shards"][1]["endpoints"] = ["http://127.0.0.1:9/v1", f"{llm.url}/v1"]
    with gateway(tmp_path, configuration) as talk:
        assert [serve(talk, "writer").status for _ in range(4)] == [200] * 4
        failed = {row["endpoint"]: row["failed"] for row in talk.ok("GET", "/v1/shards/llm")["replicas"]}
        assert failed["http://127.0.0.1:9/v1"] > 0


def test_an_upstream_that_hangs_up_after_an_answer_is_called_again(llm: Upstream, tmp_path: Path) -> None:
    with gateway(tmp_path, document(llm.url, "hangs-up")) as talk:
        assert [serve(talk, "hangs-up").status for _ in range(6)] == [200] * 6


@pytest.mark.parametrize(
    ("model", "stream", "text"),
    [
        ("lies", False, "its answer broke off"),
        ("no-json", False, "its answer is not a JSON object"),
        ("endless", True, "an event of its stream is too large"),
        ("breaks", True, "its answer broke off"),
        ("unfinished", True, "its stream ended before its last event"),
        ("empty", True, "its stream ended before its last event"),
        ("closes", False, "closed the connection without an answer"),
    ],
)
def test_a_bad_upstream_is_an_error_and_no_hang(
    llm: Upstream, tmp_path: Path, model: str, stream: bool, text: str
) -> None:
    with gateway(tmp_path, document(llm.url, model)) as talk:
        answer = serve(talk, model, stream=stream)
        is_stream = answer.headers["content-type"] == "text/event-stream"
        problem = json.loads(events(answer.content)[-1][1]) if is_stream else answer.json()
        assert problem["status"] == 502
        assert text in problem["detail"]
        (recorded,) = talk.ok("GET", "/v1/decisions", objective=model)["data"]
        assert text in recorded["error"]


def test_a_client_that_goes_away_cancels_the_upstream_and_is_charged(llm: Upstream, tmp_path: Path) -> None:
    with gateway(tmp_path, document(llm.url, "holds")) as talk:
        connection, response = _held_stream(talk)
        assert llm.held.wait(PATIENCE_S)
        _close(connection, response)
        assert llm.gone.wait(PATIENCE_S)
        for _ in range(1000):
            rows = talk.ok("GET", "/v1/decisions", objective="holds")["data"]
            if rows:
                break
        assert "the client went away" in rows[0]["error"]
        assert rows[0]["usage"]["estimated"] and rows[0]["usage"]["input_tokens"] > 5
        # Who goes away says nothing about the version: its error rate is what guards look at.
        assert 'nlapi_requests_total{objective="holds",model="holds",version="v1",canary="",outcome="error"} 0' in (
            talk("GET", "/metrics").content.decode()
        )


def test_a_client_does_not_hold_all_slots_of_an_llm(llm: Upstream, tmp_path: Path) -> None:
    shared = document(llm.url, "holds", "writer")
    shared["shards"][1]["concurrency"] = 2
    with gateway(tmp_path, shared) as talk:
        connection, response = _held_stream(talk)
        assert llm.held.wait(PATIENCE_S)
        refused, answered = (
            talk.as_(client)("POST", "/v1/objectives/writer/serve", {"input": BODY}) for client in ("web", "app")
        )
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        assert refused.json()["type"] == "urn:nlapi:problem:over_share"
        assert answered.status == 200
        _close(connection, response)
        assert llm.gone.wait(PATIENCE_S)


def _held_stream(talk: Talk) -> tuple[HTTPConnection, http.client.HTTPResponse]:
    """A stream of the client web that has begun and does not end."""
    connection = HTTPConnection("127.0.0.1", talk.port, timeout=PATIENCE_S)
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {talk.tokens['web']}"}
    content = json.dumps({"input": {**BODY, "stream": True}})
    connection.request("POST", "/v1/objectives/holds/serve", content, headers)
    response = connection.getresponse()
    assert b"chat.completion.chunk" in response.readline()
    return connection, response


def _close(connection: HTTPConnection, response: http.client.HTTPResponse) -> None:
    response.close()
    connection.close()


def test_a_canary_moves_a_share_and_a_shadow_gets_copies(llm: Upstream, tmp_path: Path) -> None:
    configuration = document(llm.url, "writer", "newer", "copied")
    canary = {"objective": "writer", "model": "newer", "version": "v1", "percent": 50, "unit": "user"}
    shadow = {"objective": "writer", "model": "copied", "version": "v1"}
    with gateway(tmp_path, {**configuration, "canaries": [{**canary, "name": "newer-v1"}]}) as talk:
        talk.ok("POST", "/v1/shadows", shadow)
        for number in range(40):
            body = {"input": {**BODY, "stream": number % 2 == 0}, "context": {"user": f"u{number}"}}
            assert talk.as_("web")("POST", "/v1/objectives/writer/serve", body).status == 200
        rows = talk.ok("GET", "/v1/traffic")["data"]
        assert {row["model"] for row in rows} == {"writer", "newer"}
        for _ in range(1000):
            status = talk.ok("GET", "/v1/shadows/copied-v1-shadow")["status"]
            if status["answered"] == 40:
                break
        assert status["answered"] == 40
        # A copy is answered whole: nobody reads its stream.
        assert not any(request.get("stream") for request in llm.requests if request["model"] == "copied")
        assert 'client="shadow:copied-v1-shadow",kind="input"' in talk("GET", "/metrics").content.decode()


def test_an_input_that_is_no_request_is_refused(llm: Upstream, tmp_path: Path) -> None:
    with gateway(tmp_path, document(llm.url, "writer")) as talk:
        problem = talk.as_("web").refused(422, "POST", "/v1/objectives/writer/serve", {"input": "hello"})
        assert problem["type"] == "urn:nlapi:problem:refused_by_model"
        assert not llm.requests


def test_a_client_reads_what_is_its_own_mistake_and_operators_read_all(llm: Upstream, tmp_path: Path) -> None:
    names = ("status-400", "status-404", "status-500", "status-503", "status-401")
    with gateway(tmp_path, document(llm.url, *names)) as talk:
        for name in names:
            body = {"model": name, "messages": BODY["messages"]}
            front = talk.as_("web")("POST", "/openai/v1/chat/completions", body).content.decode()
            answer = front + serve(talk, name).content.decode()
            assert ("no: ***" in answer) == (name == "status-400")
            assert "upstream_model" not in answer and "shard llm" not in answer
            assert f"({name[-3:]})" in answer or f"the upstream answered {name[-3:]}" in answer
            recorded = talk.ok("GET", "/v1/decisions", objective=name)["data"][0]["error"]
            assert "no: ***" in recorded or "check the key of shard llm" in recorded
            assert ("upstream_model" in recorded) == (name == "status-404")


def test_what_a_failed_version_took_is_charged_with_its_fallback(llm: Upstream, tmp_path: Path) -> None:
    configuration = document(llm.url, "no-json", "writer")
    configuration["objectives"][0] |= {"fallback_model": "writer", "fallback_version": "v1"}
    configuration["clients"] = [{"name": "web", "tokens_per_day": 24}]
    with gateway(tmp_path, configuration, clock=Clock()) as talk:
        served = serve(talk, "no-json").json()
        assert served["fallback"] and served["usage"]["input_tokens"] + served["usage"]["output_tokens"] == 23
        assert serve(talk, "no-json").status == 429
        metrics = talk("GET", "/metrics").content.decode()
        took = {
            name: int(re.findall(rf'nlapi_llm_tokens_total{{.*model="{name}".*kind="input"}} (\d+)', metrics)[0])
            for name in ("no-json", "writer")
        }
        assert took["no-json"] > 5 and took["writer"] == 20
        usage = talk.ok("GET", "/v1/decisions", objective="no-json")["data"][0]["usage"]
        assert usage["input_tokens"] == took["no-json"] + took["writer"]
        assert usage["estimated"] and usage["cost_usd"] > served["usage"]["cost_usd"]


def test_a_client_that_gives_up_before_an_answer_counts_with_its_time(llm: Upstream, tmp_path: Path) -> None:
    with gateway(tmp_path, document(llm.url, "silent")) as talk:
        connection = HTTPConnection("127.0.0.1", talk.port, timeout=PATIENCE_S)
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {talk.tokens['web']}"}
        content = json.dumps({"input": {**BODY, "stream": True}})
        connection.request("POST", "/v1/objectives/silent/serve", content, headers)
        assert llm.held.wait(PATIENCE_S)
        connection.close()
        assert llm.gone.wait(PATIENCE_S)
        for _ in range(1000):
            if talk.ok("GET", "/v1/decisions", objective="silent")["data"]:
                break
        metrics = talk("GET", "/metrics").content.decode()
        labels = 'objective="silent",model="silent",version="v1",canary=""'
        outcomes = {name: f'nlapi_requests_total{{{labels},outcome="{name}"}}' for name in ("ok", "error", "canceled")}
        assert f"{outcomes['ok']} 0" in metrics
        assert f"{outcomes['error']} 0" in metrics
        assert f"{outcomes['canceled']} 1" in metrics
        assert f"nlapi_request_seconds_count{{{labels}}} 1" in metrics
        (row,) = talk.ok("GET", "/v1/traffic")["data"]
        assert (row["requests"], row["error_percent"]) == (1, 0) and row["p99_ms"] > 0


@pytest.mark.parametrize(
    ("accept", "is_stream"),
    [
        ("text/event-stream", True),
        ("text/event-stream, application/json;q=0", True),
        ("application/json, text/event-stream;q=0.1", False),
        ("text/event-stream, */*;q=0.1", False),
        ("text/event-stream;q=0.0", False),
        ("text/event-stream-of-mine", False),
    ],
)
def test_json_is_sent_to_whom_accepts_it(llm: Upstream, tmp_path: Path, accept: str, is_stream: bool) -> None:
    with gateway(tmp_path, document(llm.url, "writer")) as talk:
        for name in ("writer", "rules"):
            path, body = f"/v1/objectives/{name}/serve", {"input": BODY}
            answer = talk.as_("web")("POST", path, body, headers={"Accept": accept})
            assert (answer.headers["content-type"] == "text/event-stream") is is_stream
        assert serve(talk, "writer", stream=True).headers["content-type"] == "text/event-stream"


def test_an_output_that_is_not_json_is_a_502_as_an_event_too(llm: Upstream, tmp_path: Path) -> None:
    write(tmp_path / "models" / "odd", "def predict(value):\n    return {1, 2}\n", '[run]\nmode = "inline"\n')
    odd = {"model": "odd", "version": "v1"}
    objectives, versions = [{"name": "odd", **odd}], [{**odd, "source": "odd"}]
    configuration = document(llm.url, objectives=objectives, models=[{"name": "odd"}], versions=versions)
    with gateway(tmp_path, configuration) as talk:
        for accept in ("application/json", "text/event-stream"):
            path = "/v1/objectives/odd/serve"
            answer = talk.as_("web")("POST", path, {"input": 1}, headers={"Accept": accept})
            assert (answer.status, answer.json()["detail"]) == (502, "the output is not JSON")


def test_clients_beyond_a_number_are_one_label() -> None:
    metrics, version = LlmMetrics(), VersionRef(model="writer", version="v1")
    for number in range(2 * MAX_CLIENT_LABELS):
        metrics.observe("writer", version, f"c{number}", TokenUsage(input_tokens=1))
    lines = [line for line in metrics.prometheus_lines() if 'kind="input"' in line]
    assert len(lines) == MAX_CLIENT_LABELS + 1
    assert f'client="{OTHER_CLIENTS}",kind="input"}} {MAX_CLIENT_LABELS}' in lines[-1]
