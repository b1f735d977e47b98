"""A real Envoy as a process: it is started again, and goes on without its control plane."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmarks.ports import free_port
from nlapi.gateway.control.access import Access, Audience, Role
from nlapi.gateway.store.store import GatewayStore
from tests.gateway.certificates import Authority
from tests.gateway.processes import NLAPI, ROOT
from tests.scale.envoy_plane import Answer, Upstream, document, envoy_program, plane, post, until, upstream

# Seconds that a process has to end.
END_S = 60


@pytest.fixture(scope="module")
def upstreams() -> Iterator[tuple[Upstream, Upstream]]:
    with upstream("a") as first, upstream("b") as second:
        yield first, second


@pytest.fixture(scope="module")
def basic(upstreams: tuple[Upstream, Upstream]) -> Any:
    return document({"a": upstreams[0].url, "b": upstreams[1].url})


def test_an_envoy_that_is_killed_is_started_again(tmp_path: Path, basic: Any) -> None:
    with plane(tmp_path, basic) as running:
        key = running.key("rank")
        process = running.gateway.data_plane._process  # type: ignore[union-attr]
        before = process.pid
        os.kill(before, signal.SIGKILL)
        until(lambda: process.pid not in (0, before), "another Envoy")
        until(lambda: _serves(running.envoy, key), "an answer")
        assert "nlapi_envoy_restarts_total 1" in running.call("GET", "/metrics")
        assert running.issues("envoy-missing") == []


class _Remote:
    """`nlapi gateway control-plane` with a database of its own, started as often as wanted, and an Envoy beside it."""

    def __init__(self, folder: Path, configuration: Any, *options: str) -> None:
        self.folder = folder
        self.port, self.control_port, self.envoy_port = free_port(), free_port(), free_port()
        (folder / "gateway.json").write_text(json.dumps(configuration))
        store = GatewayStore(folder / "gateway.db")
        access = Access(store)
        self.admin = access.create_token("ana", Audience.ADMIN, role=Role.ADMIN)[1]
        self.web = access.create_token("web", Audience.SERVE)[1]
        store.close()
        self._options = options
        self.bootstrap = folder / "envoy.json"

    @property
    def envoy(self) -> str:
        return f"http://127.0.0.1:{self.envoy_port}"

    @contextmanager
    def control_plane(self) -> Iterator[subprocess.Popen[str]]:
        command = [
            *NLAPI, "gateway", "control-plane", "--database", str(self.folder / "gateway.db"),
            "--config", str(self.folder / "gateway.json"), "--port", str(self.port),
            "--control-port", str(self.control_port), "--envoy-port", str(self.envoy_port),
            "--bootstrap", str(self.bootstrap), *self._options,
        ]  # fmt: skip
        with subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("http")
            try:
                yield process
            finally:
                process.terminate()
                process.wait(END_S)

    @contextmanager
    def envoy_process(self) -> Iterator[None]:
        command = [
            str(envoy_program()),
            "--config-path",
            str(self.bootstrap),
            "--disable-hot-restart",
            "--concurrency",
            "1",
        ]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                yield
            finally:
                process.kill()
                process.wait(END_S)

    def call(self, method: str, path: str, body: Any = None, token: str = "") -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {"Authorization": f"Bearer {token or self.admin}", "Content-Type": "application/json"}
        connection.request(method, path, body=None if body is None else json.dumps(body), headers=headers)
        response = connection.getresponse()
        content = response.read()
        connection.close()
        assert response.status < 300, content
        return json.loads(content)

    def key(self) -> str:
        return str(self.call("POST", "/v1/objectives/rank/resolve", {"context": {}}, self.web)["routing_key"])

    def connected(self) -> bool:
        envoys = self.call("GET", "/v1/data-plane")["envoys"]
        return [envoy["node"] for envoy in envoys] == ["envoy-1"]


def test_an_envoy_elsewhere_serves_while_its_control_plane_is_gone(tmp_path: Path, basic: Any) -> None:
    remote = _Remote(tmp_path, basic)
    with remote.control_plane() as control:
        issues = remote.call("GET", "/v1/issues")["issues"]
        assert issues[0]["rule"] == "envoy-missing"
        with remote.envoy_process():
            until(remote.connected, "the connection of Envoy")
            key = remote.key()
            until(lambda: _serves(remote.envoy, key), "an answer")
            control.kill()
            control.wait()
            assert [_infer(remote.envoy, key).status for _ in range(20)] == [200] * 20
            with remote.control_plane():
                until(remote.connected, "the connection of Envoy")
                change = {"model": "ranker", "version": "v2"}
                revision = remote.call("PATCH", "/v1/objectives/rank", change)["revision"]
                until(lambda: remote.call("GET", "/v1/data-plane")["envoys"][0]["revision"] >= revision, "the revision")
                assert _infer(remote.envoy, remote.key()).version == "ranker@v2"


def test_an_envoy_elsewhere_shows_a_certificate(tmp_path: Path, basic: Any) -> None:
    authority = Authority(tmp_path)
    server, client = authority.issue("server"), authority.issue("client")
    other = Authority(tmp_path, "other")
    stranger = other.issue("stranger")
    folder = tmp_path / "envoy"
    folder.mkdir()
    _place(folder, authority.file, stranger.certificate, stranger.key)
    remote = _Remote(
        tmp_path, basic, "--control-cert", str(server.certificate), "--control-key", str(server.key),
        "--control-client-ca", str(authority.file), "--envoy-certs", str(folder),
    )  # fmt: skip
    with remote.control_plane():
        with remote.envoy_process():
            assert not remote.connected()
        _place(folder, authority.file, client.certificate, client.key)
        with remote.envoy_process():
            until(remote.connected, "the connection of Envoy")
            key = remote.key()
            until(lambda: _serves(remote.envoy, key), "an answer")


def _place(folder: Path, authority: Path, certificate: Path, key: Path) -> None:
    for name, file in (("ca.crt", authority), ("tls.crt", certificate), ("tls.key", key)):
        (folder / name).write_bytes(file.read_bytes())


def _infer(envoy: str, key: str) -> Answer:
    return post(envoy, "/v1/objectives/rank/infer", {"X-Routing-Key": key})


def _serves(envoy: str, key: str) -> bool:
    try:
        return _infer(envoy, key).status == 200
    except OSError:
        return False
