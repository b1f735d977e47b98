"""Waits for work that goes on after an answer, told in eight ways, and never begins it a second time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import nlapi
from nlapi.client.message import Limits
from tests.cli.kit import NLAPI, run
from tests.mcp.kit import call, served
from tests.servers import Echo, Received, Reply

LOOKS = 3
"""How often the state says that the work goes on."""

Begin = Callable[[str], Reply]
State = Callable[[str, bool], Reply]
DONE = {"id": "e1", "name": "Done", "rows": 7}


def _states(name: str, going_on: str, done: str, **more: Any) -> State:
    return lambda url, is_done: Reply(200, {name: done if is_done else going_on, **more}, {"Retry-After": "0"})


def _accepted(url: str, is_done: bool) -> Reply:
    return Reply(200, DONE) if is_done else Reply(202, {}, {"Retry-After": "0"})


def _operation(url: str, is_done: bool) -> Reply:
    return Reply(200, {"name": "operations/7", "done": is_done, **({"response": DONE} if is_done else {})})


AT = "/v1/operations/7"
NOW = {"Retry-After": "0"}
# Eight ways: how the change is answered, and how its state at AT is.
WAYS: dict[str, tuple[Begin, State]] = {
    "Azure-AsyncOperation": (
        lambda url: Reply(
            201, {"properties": {"provisioningState": "Creating"}}, {"Azure-AsyncOperation": url + AT, **NOW}
        ),
        _states("status", "InProgress", "Succeeded"),
    ),
    "Operation-Location": (
        lambda url: Reply(202, b"", {"Operation-Location": url + AT, **NOW}),
        _states("status", "notStarted", "succeeded"),
    ),
    "202 with Location": (lambda url: Reply(202, b"", {"Location": AT, **NOW}), _accepted),
    "202 and a state": (
        lambda url: Reply(202, {"id": "e1"}, {"Location": AT, **NOW}),
        _states("state", "running", "finished"),
    ),
    "an operation of Google": (lambda url: Reply(200, {"name": "operations/7", "metadata": {}}, NOW), _operation),
    "a link of the body": (
        lambda url: Reply(202, {"status": "queued", "status_url": url + AT}, NOW),
        _states("status", "processing", "completed"),
    ),
    "links": (
        lambda url: Reply(202, {"_links": {"self": {"href": AT}}}, NOW),
        _states("phase", "Pending", "Completed"),
    ),
    "a state in a wrapper": (
        lambda url: Reply(202, {"job": {"state": "QUEUED", "selfLink": url + AT}}, NOW),
        lambda url, is_done: Reply(200, {"job": {"state": "DONE" if is_done else "IN_PROGRESS"}}, NOW),
    ),
}


class Exports(Echo):
    """Begins an export at each POST, and says how far it is; `looks` are the answers that it is not done."""

    def __init__(self, begin: Begin, state: State, looks: int = LOOKS) -> None:
        super().__init__()
        self.begin, self.state, self.looks = begin, state, looks

    @property
    def begun(self) -> int:
        return sum(request.method == "POST" for request in self.received)

    def reply(self, request: Received) -> Reply:
        if request.method == "POST":
            return self.begin(self.url)
        self.looks -= 1
        return self.state(self.url, self.looks < 0)


def exports(folder: Path, url: str, security: tuple[str, ...] = ()) -> str:
    """A description of exports, which says nothing of how they are waited for; `security` is for their state."""
    body = {"content": {"application/json": {"schema": {"type": "object", "properties": {"name": {"type": "string"}}}}}}
    begin = {"operationId": "createExport", "requestBody": body, "responses": {"200": {"description": "ok"}}}
    read = {
        "operationId": "getExport",
        "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
        "responses": {"200": {"description": "ok"}},
    }
    document = {
        "openapi": "3.1.0",
        "info": {"title": "Exports", "version": "1"},
        "servers": [{"url": url}],
        "components": {"securitySchemes": {"state": {"type": "apiKey", "in": "header", "name": "X-State"}}},
        "paths": {
            "/v1/exports": {"post": begin},
            "/v1/exports/{id}": {
                "get": read | {"security": [{name: []} for name in security]},
                "delete": read | {"operationId": "deleteExport"},
            },
        },
    }
    file = folder / "exports.json"
    file.write_text(json.dumps(document))
    return str(file)


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in ("config", "state", "cache"):
        monkeypatch.setenv(f"NLAPI_{kind.upper()}_DIR", str(tmp_path / kind))


def test_work_is_waited_for_in_eight_ways(tmp_path: Path) -> None:
    for name, (begin, state) in WAYS.items():
        with Exports(begin, state) as api:
            ran = run("call", exports(tmp_path, api.url), "createExport", "name=a", "--yes", "-o", "json")
            assert (ran.code, api.begun, len(api.received)) == (0, 1, LOOKS + 2), (name, ran.err)
            assert "createExport is done" in ran.err, name
        with Exports(begin, state) as api:
            ran = run("call", exports(tmp_path, api.url), "createExport", "name=a", "--yes", "--no-wait")
            assert (ran.code, len(api.received)) == (0, 1), name


COMMANDS = [
    ("ask", 'create an export called "a"', "-a", "{api}", "--planner", "offline", "--yes"),
    ("batch", "{api}", "{rows}", "--yes"),
    ("workflow", "run", "{workflow}", "--yes"),
]


def test_every_command_waits(tmp_path: Path) -> None:
    for command in COMMANDS:
        with Exports(*WAYS["202 and a state"]) as api:
            file, rows, workflow = exports(tmp_path, api.url), tmp_path / "rows.jsonl", tmp_path / "w.json"
            rows.write_text('{"operation": "createExport", "arguments": {"name": "a"}}')
            body = {"contentType": "application/json", "payload": {"name": "a"}}
            step = {"stepId": "one", "operationId": "createExport", "requestBody": body}
            workflow.write_text(
                json.dumps(
                    {
                        "arazzo": "1.0.1",
                        "info": {"title": "E", "version": "1"},
                        "sourceDescriptions": [{"name": "e", "url": file, "type": "openapi"}],
                        "workflows": [{"workflowId": "all", "steps": [step]}],
                    }
                )
            )
            ran = run(*(word.format(api=file, rows=rows, workflow=workflow) for word in command))
            assert (ran.code, api.begun, len(api.received)) == (0, 1, LOOKS + 2), (command, ran.err)


def test_a_client_of_mcp_has_the_end_of_the_work(tmp_path: Path) -> None:
    """Its answer is the newest about the work, and a sentence says how far that is; the limit is the server's."""
    for way, said in (("202 and a state", "createExport is done (finished)"), ("nowhere", "is not done yet")):
        begin, state = WAYS.get(way, (lambda url: Reply(202, b"", {}), _accepted))
        with Exports(begin, state) as api:
            limits = Limits(wait=20.0)
            server = served(nlapi.load(exports(tmp_path, api.url)), api.url, consent="client", limits=limits)
            answer = call(server, "createExport", {"name": "a"})
            assert said in answer.structured_content["work"], way
            assert api.begun == 1


def test_work_that_fails_or_does_not_end_is_said_with_exit_code_1(tmp_path: Path) -> None:
    cases: dict[str, tuple[Begin, State, tuple[str, ...], str]] = {
        "it fails": (
            WAYS["Operation-Location"][0],
            _states("status", "running", "failed", error={"message": "no rows"}),
            (),
            "its work failed (failed): no rows",
        ),
        "endless": (
            WAYS["Operation-Location"][0],
            _states("status", "running", "running"),
            ("--wait", "0.2"),
            "is not done yet",
        ),
        "another origin": (
            lambda url: Reply(202, b"", {"Location": "https://elsewhere.example/x"}),
            _accepted,
            (),
            "its state at https://elsewhere.example/x cannot be asked for from here",
        ),
        "nowhere": (lambda url: Reply(202, b"", {}), _accepted, (), "the API does not say where its state is read"),
        "a state that is refused": (
            WAYS["202 with Location"][0],
            lambda url, is_done: Reply(403, {"error": "no"}, NOW),
            (),
            "its state could not be read 5 times in a row",
        ),
        "an address that is none": (
            lambda url: Reply(202, b"", {"Location": "http://["}),
            _accepted,
            (),
            "the API does not say where its state is read",
        ),
        "another credential": (
            lambda url: Reply(202, b"", {"Location": "/v1/exports/7"}),
            _accepted,
            (),
            "its state at {url}/v1/exports/7 cannot be asked for from here",
        ),
    }
    for name, (begin, state, options, said) in cases.items():
        with Exports(begin, state) as api:
            file = exports(tmp_path, api.url, ("state",))
            ran = run("call", file, "createExport", "name=a", "--yes", *options)
            assert (ran.code, api.begun) == (1, 1), (name, ran.err)
            assert said.format(url=api.url) in ran.err, (name, ran.err)


def test_a_state_that_goes_back_is_waited_for_to_its_end(tmp_path: Path) -> None:
    accepted = Reply(202, b"", {"Operation-Location": AT, **NOW})
    looks = [Reply(200, {"status": state}, NOW) for state in ("running", "queued", "running", "notStarted")]
    with Echo([accepted, *looks, Reply(200, {"status": "succeeded"})]) as api:
        ran = run("call", exports(tmp_path, api.url), "createExport", "name=a", "--yes")
        methods = [request.method for request in api.received]
        assert (ran.code, methods) == (0, ["POST", *["GET"] * 5]), ran.err
        assert "createExport is done (succeeded)" in ran.err


def test_a_state_that_is_not_there_yet_is_no_end_of_a_deletion(tmp_path: Path) -> None:
    accepted, absent = Reply(202, b"", {"Location": AT, **NOW}), Reply(404, b"", NOW)
    going_on = Reply(200, {"status": "running"}, NOW)
    for looks, said in (
        ([absent, Reply(200, {"status": "succeeded"})], "deleteExport is done (succeeded)"),
        ([going_on, absent], "deleteExport is done: it is gone"),
    ):
        with Echo([accepted, *looks]) as api:
            ran = run("call", exports(tmp_path, api.url), "deleteExport", "id=7", "--yes=destroy")
            assert (len(api.received), said in ran.err) == (3, True), ran.err


def test_an_ordinary_answer_is_not_waited_for(tmp_path: Path) -> None:
    """A thing with a state is what was asked for, unless it is work and the user waits for it."""
    answers = [
        Reply(201, {"id": "e1", "status": "pending"}, NOW),
        Reply(201, {"id": "e1", "status": "draft"}),
        Reply(204),
    ]
    for answer in answers:
        with Exports(lambda url, answer=answer: answer, _accepted) as api:
            assert run("call", exports(tmp_path, api.url), "createExport", "name=a", "--yes").code == 0
            assert len(api.received) == 1
    with Exports(lambda url: Reply(201, {"state": "queued", "selfLink": AT}, NOW), WAYS["202 and a state"][1]) as api:
        assert run("call", exports(tmp_path, api.url), "createExport", "name=a", "--yes", "--wait", "9").code == 0
        assert len(api.received) == LOOKS + 2


def test_a_kill_while_it_waits_begins_nothing_twice(tmp_path: Path) -> None:
    begin = WAYS["Operation-Location"][0]
    with Exports(begin, _states("status", "running", "succeeded"), looks=10**6) as api:
        file = exports(tmp_path, api.url)
        words = ["ask", 'create an export called "a"', "-a", file, "--planner", "offline", "--yes", "--wait", "600"]
        process = subprocess.Popen([NLAPI, *words], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, env=os.environ)
        assert process.stderr is not None
        while b"waiting for createExport (running)" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
        api.looks = 2
        ran = run("log", "resume", "last", "list the exports", "--planner", "offline")
        assert "createExport is done" in ran.err, ran.err
        again = run("log", "resume", "last", 'create an export called "a"', "--planner", "offline", "--yes")
        assert (again.code, api.begun) == (6, 1), "it is a repetition, which nobody was asked about"
