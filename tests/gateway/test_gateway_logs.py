"""Failures as callers and as operators see them, and the log as lines of JSON without secrets."""

from __future__ import annotations

import errno
import http.client
import io
import json
import logging
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from benchmarks.ports import free_port
from nlapi.gateway.records.logs import MAX_WAITING_LINES, EventLog
from tests.gateway.kit import Reply, Talk, document, gateway, write_models
from tests.gateway.processes import ServeProcess, serve_process
from tests.gateway.test_probes import until
from tests.gateway.versions import write


def failing(folder: Path, replica: int) -> dict[str, Any]:
    """A configuration whose objectives fail in the ways that versions fail."""
    write_models(folder / "models")
    write(folder / "models" / "ranker-v7", "def predict(value):\n    raise ValueError('secret: /etc/passwd')\n")
    write(
        folder / "models" / "fraud-v1",
        "import time\ndef predict(value):\n    time.sleep(9)\n",
        "[run]\nmode='thread'\n",
    )
    state = document()
    state["shards"].append({"name": "gpu", "protocol": "json", "endpoints": [f"http://127.0.0.1:{replica}"]})
    state["versions"][-1] = {"model": "popular", "version": "v1", "shard": "gpu"}
    state["objectives"][1]["timeout_ms"] = 50
    return state


def test_a_caller_sees_no_address_file_or_exception_and_an_operator_does(tmp_path: Path) -> None:
    port = free_port()
    state = failing(tmp_path, port)
    with gateway(tmp_path, publish=False) as talk:
        talk.ok("PUT", "/v1/configuration", state)
        web = talk.as_("web")
        cases = {
            "continue-watching": (502, "ranker@v7 failed", "ValueError"),
            "payment-fraud": (504, "fraud@v1 gave no answer in time", "50 ms"),
            "recommend": (503, "popular@v1 is not available", str(port)),
        }
        for objective, (status, detail, reason) in cases.items():
            answer: Reply = web("POST", f"/v1/objectives/{objective}/serve", {"input": {}})
            assert (answer.status, answer.json()["detail"]) == (status, detail)
            text = answer.content.decode()
            for secret in ("127.0.0.1", str(port), "stages.py", "ValueError", "passwd", str(tmp_path)):
                assert secret not in text, (objective, secret)
            request_id = answer.headers["x-request-id"]
            assert f"GET /v1/decisions/{request_id}" in answer.json()["hint"]
            recorded = talk.ok("GET", f"/v1/decisions/{request_id}")
            assert reason in recorded["error"], recorded
        web.refused(403, "GET", "/v1/decisions")


def lines_of(running: ServeProcess) -> list[dict[str, Any]]:
    """The lines of the log of a process that is told to stop."""
    running.process.terminate()
    _, log = running.process.communicate(timeout=60)
    return [json.loads(line) for line in log.splitlines()]


def send(running: ServeProcess, method: str, path: str, token: str, body: Any = None) -> None:
    connection = http.client.HTTPConnection(running.address, timeout=120)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "X-Request-Id": "mine-1"}
    connection.request(method, path, json.dumps(body).encode() if body is not None else None, headers)
    connection.getresponse().read()
    connection.close()


def test_each_request_and_decision_is_a_line_of_json_without_secrets(tmp_path: Path) -> None:
    with serve_process(tmp_path, "--log-format", "json", stderr=subprocess.PIPE) as running:
        serve = "/v1/objectives/recommendations/serve"
        body = {"input": {"watched": ["a-private-title"], "limit": 1}, "context": {"user": "a-private-user"}}
        send(running, "POST", serve, running.web, body)
        send(running, "POST", f"{serve}?token=in-the-query", running.web, body)
        send(running, "GET", "/v1/objectives?name=pay", running.admin)
        send(running, "GET", "/v1/objectives", "nlg_unknown-secret")
        send(running, "GET", "/nowhere%22%0A" + "x" * 1000, running.admin)
        lines = lines_of(running)
    assert all({"at", "level"} <= line.keys() for line in lines)
    events = [line.get("event") for line in lines]
    assert events[0] == "ready"
    assert "draining" in events
    requests = [line for line in lines if line.get("event") == "request"]
    served, query, listed, unknown, nowhere = requests
    expected = {"method": "POST", "path": serve, "operation": "serveObjective", "caller": "web", "client": "web",
                "status": 200, "request_id": "mine-1"}  # fmt: skip
    assert expected.items() <= served.items()
    assert served["ms"] > 0
    assert (query["status"], query["problem"], query["path"]) == (422, "invalid_request", serve)
    assert (listed["status"], listed["caller"], listed["path"]) == (200, "ana", "/v1/objectives")
    assert (unknown["status"], unknown["problem"]) == (401, "unauthorized")
    assert (nowhere["status"], len(nowhere["path"])) == (404, 300)
    (decision,) = (line for line in lines if line.get("event") == "decision")
    assert (decision["request_id"], decision["objective"], decision["revision"]) == ("mine-1", "recommendations", 1)
    assert {"model", "version", "reason", "total_ms", "client"} <= decision.keys()
    text = json.dumps(lines)
    for secret in (running.web, running.admin, "nlg_", "a-private", "in-the-query", "Bearer"):
        assert secret not in text, secret


def test_messages_and_tracebacks_are_lines_too() -> None:
    stream = io.StringIO()
    log = logging.getLogger("nlapi.gateway.test")
    with EventLog(stream):
        log.warning("two\nlines of %s", "text")
        try:
            raise ValueError("no")
        except ValueError:
            log.exception("it failed")
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (first["level"], first["logger"], first["message"]) == (
        "warning",
        "nlapi.gateway.test",
        "two\nlines of text",
    )
    assert second["message"].startswith("it failed\nTraceback")
    assert second["message"].endswith("ValueError: no")


class FullDisk(io.StringIO):
    """A stream that has no room for the first line."""

    def write(self, text: str) -> int:
        if '"first"' in text:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(text)


def test_a_line_that_cannot_be_written_does_not_end_the_log() -> None:
    stream = FullDisk()
    with EventLog(stream) as log:
        log.write("request", {"path": "first"})
        log.write("request", {"path": "not utf-8: \udcff"})
        log.write("request", {"path": "last"})
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line.get("path", line.get("lines")) for line in lines] == [1, "not utf-8: \udcff", "last"]


class StuckStream(io.StringIO):
    """A stream whose reader does not read until it is `freed`."""

    def __init__(self) -> None:
        super().__init__()
        self.freed = threading.Event()

    def write(self, text: str) -> int:
        self.freed.wait(60)
        return super().write(text)


def test_a_log_that_nobody_reads_holds_nobody_up_and_says_what_it_lost() -> None:
    stream = StuckStream()
    with EventLog(stream) as log:
        for number in range(MAX_WAITING_LINES + 100):
            log.write("request", {"number": number})
        stream.freed.set()
        until(lambda: stream.getvalue().count("\n") > MAX_WAITING_LINES)
        log.write("request", {"number": "last"})
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert lines[0]["number"] == 0
    assert lines[-1]["number"] == "last"
    (lost,) = (line["lines"] for line in lines if line["event"] == "lines_dropped")
    assert 99 <= lost <= 100
    assert len(lines) + lost == MAX_WAITING_LINES + 102


def test_without_the_option_there_are_no_lines(talk: Talk, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "nlapi"):
        talk.ok("GET", "/v1/objectives")
    assert caplog.records == []
