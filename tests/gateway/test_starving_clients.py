"""One client that holds all the connections that it may, and another one that is answered all the same."""

from __future__ import annotations

import http.client
import json
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.gateway.kit import Talk, gateway
from tests.gateway.processes import ServeProcess, serve_process
from tests.tables import table

CONNECTIONS = 300
OPEN_FILES = 256
TIMEOUT_S = 60


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Talk]:
    with gateway(tmp_path_factory.mktemp("gateway")) as talk:
        yield talk


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServeProcess]:
    """A gateway that may have fewer files open than another client opens connections."""
    import resource

    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as stack:
        # Inherited by the process that starts now; the hard limit of this one cannot be raised again by all users.
        folder = tmp_path_factory.mktemp("narrow")
        code = (
            "import os, resource, sys; "
            f"resource.setrlimit(resource.RLIMIT_NOFILE, ({OPEN_FILES}, {OPEN_FILES})); "
            "from nlapi.cli.main import main; main()"
        )
        yield stack.enter_context(serve_process(folder, program=[sys.executable, "-c", code]))
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == limits


def heads(token: str) -> dict[str, bytes]:
    """What a client sends that keeps its connections, by its way."""
    begun = (
        "POST /v1/objectives/continue-watching/serve HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\n"
    ).encode()
    return {
        "nothing": b"",
        "half a head": begun,
        "half a body": begun + b'Content-Length: 1000\r\n\r\n{"input": ',
        "a request before": b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    }


@table("way", ["nothing", "half a head", "half a body", "a request before"])
def test_held_connections_are_those_of_their_own_client(narrow: ServeProcess, way: str) -> None:
    with ExitStack() as held:
        for _ in range(CONNECTIONS):
            sock = held.enter_context(socket.create_connection(("127.0.0.1", narrow.port), timeout=TIMEOUT_S))
            sock.sendall(heads(narrow.web)[way])
        for _ in range(3):
            connection = http.client.HTTPConnection(narrow.address, timeout=TIMEOUT_S)
            connection.request("GET", "/v1/objectives", headers={"Authorization": f"Bearer {narrow.admin}"})
            answer = connection.getresponse()
            assert answer.status == 200
            assert json.loads(answer.read())["data"]
            connection.close()


def test_a_connection_whose_request_is_being_answered_is_not_closed_for_others(narrow: ServeProcess) -> None:
    watching = http.client.HTTPConnection(narrow.address, timeout=TIMEOUT_S)
    headers = {"Authorization": f"Bearer {narrow.web}"}
    watching.request("GET", "/v1/routing", headers=headers)
    tag = watching.getresponse()
    etag = tag.headers["ETag"]
    tag.read()
    watching.request("GET", "/v1/routing?wait=5", headers={**headers, "If-None-Match": etag})
    with ExitStack() as held:
        for _ in range(CONNECTIONS):
            held.enter_context(socket.create_connection(("127.0.0.1", narrow.port), timeout=TIMEOUT_S))
        assert watching.getresponse().status == 304
    watching.close()


def test_requests_that_one_client_sends_ahead_do_not_come_before_those_of_another(served: Talk) -> None:
    ahead = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 900
    with ExitStack() as held:
        senders = [
            held.enter_context(socket.create_connection(("127.0.0.1", served.port), timeout=TIMEOUT_S))
            for _ in range(20)
        ]
        for sender in senders:
            sender.sendall(ahead)
        assert served("GET", "/v1/objectives").status == 200
        # Its own are answered all, and in order.
        content = b""
        while content.count(b"HTTP/1.1 200") < 900:
            part = senders[0].recv(65536)
            assert part
            content += part


def test_large_bodies_of_one_client_leave_others_their_turn(served: Talk) -> None:
    body = json.dumps({"input": {"x": [1] * 400_000}, "context": {}}).encode()
    head = heads(served.tokens["web"])["half a head"] + f"Content-Length: {len(body)}\r\n\r\n".encode()
    with ExitStack() as held:
        for _ in range(10):
            sock = held.enter_context(socket.create_connection(("127.0.0.1", served.port), timeout=TIMEOUT_S))
            sock.sendall(head + body)
        large = {"objectives": [], "models": [], "versions": [], "shards": [], "why": "x" * 10_000}
        answer = served("POST", "/v1/configuration/check", large)
        assert answer.status < 500
        assert served("GET", "/livez").status == 200
