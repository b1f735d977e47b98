"""The client in JavaScript, in node, with a real gateway: docs/gateway-clients.md is enough to write one."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.kit import Talk, document, gateway
from tests.gateway.versions import PATIENCE_S
from tests.servers import Echo, Reply

FILE = Path(__file__).parents[2] / "examples/gateway/clients/gateway-client.mjs"
DRIVER = Path(__file__).parent / "routing_client_driver.mjs"
WATCHING = "continue-watching"
BRAZIL = {"country": "BR", "user": "u1"}
RULE = {"name": "brazil", "objective": WATCHING, "model": "ranker", "version": "v8", "when": {"country": ["BR"]}}
NODE = shutil.which("node")
MAX_LINES = 200

pytestmark = pytest.mark.skipif(NODE is None, reason="node is not installed")


class Driver:
    """The client in a process of node."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def __call__(self, call: str, *args: Any, later_s: float = 0) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"call": call, "args": args, "later": later_s * 1000}) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def version(self, context: Any = None, **more: Any) -> str:
        return str(self("resolve", WATCHING, context or {}, **more)["answer"]["version"])


@contextmanager
def node(talk: Talk, token: str = "") -> Iterator[Driver]:
    url = f"http://127.0.0.1:{talk.port}"
    command = [NODE or "", str(DRIVER), str(FILE), url, token or talk.tokens["web"]]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Driver(process)
            assert process.stdin is not None
            process.stdin.close()
            assert process.wait(120) == 0
        finally:
            process.kill()


def test_the_client_is_as_short_as_the_page_says() -> None:
    assert len(FILE.read_text().splitlines()) < MAX_LINES


def test_it_serves_caches_follows_changes_and_refuses_as_the_python_client(tmp_path: Path) -> None:
    with gateway(tmp_path) as talk, node(talk) as client:
        assert talk.app is not None
        served = client("serve", WATCHING, {"titles": ["ä"]}, BRAZIL)["answer"]
        assert served["output"] == {"version": "v7", "input": {"titles": ["ä"]}}
        assert client.version({"country": "US"}) == "ranker@v7"
        talk.ok("POST", "/v1/rules", RULE)
        end = time.monotonic() + PATIENCE_S
        while client("revision")["answer"] < 2:
            assert time.monotonic() < end, "the change was not reported"
        assert client.version(BRAZIL) == "ranker@v8"
        assert client.version({"country": "US"}) == "ranker@v7"
        signatures = talk.app.key_signer.signatures
        for number in range(5):
            assert client.version({"country": "BR", "user": f"u{number}"}) == "ranker@v8"
        assert talk.app.key_signer.signatures == signatures
        assert client("resolve", WATCHING, {"shoe": 42})["error"]["status"] == 422
        assert client("serve", "nothing", {})["error"]["code"] == "unknown_objective"
        talk.app.keys.rotate(0)
        assert client("serve", WATCHING, {}, BRAZIL)["answer"]["output"]["version"] == "v8"


def test_it_goes_straight_to_the_data_plane_and_on_with_a_stale_decision(tmp_path: Path) -> None:
    with Echo(Reply(200, {"score": 1})) as plane:
        with gateway(tmp_path, publish=False) as talk:
            assert talk.app is not None
            talk.app.data_plane_url = plane.url
            whole = document()
            whole["shards"].append({"name": "far", "protocol": "json", "endpoints": ["http://127.0.0.1:9"]})
            whole["versions"].append({"model": "ranker", "version": "far", "shard": "far"})
            whole["objectives"][0]["version"] = "far"
            talk.ok("PUT", "/v1/configuration", whole)
            running = node(talk)
            client = running.__enter__()
            assert client("serve", WATCHING, {"x": 1}, {"user": "é"})["answer"]["output"] == {"score": 1}
        sent = plane.only
        assert json.loads(sent.header("nlapi-context") or "") == {"user": "é"}
        assert sent.header("authorization") is None
        stale = client("serve", WATCHING, {"x": 2}, {"user": "é"}, later_s=61)["answer"]
        assert (stale["output"], stale["decision"]["stale"]) == ({"score": 1}, True)
        assert client("resolve", WATCHING, {"user": "é"}, later_s=900)["error"]["status"] == 0
        running.__exit__(None, None, None)
