"""Hosts of our own: a version moves between the embedded engine and hosts, and no request fails."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx2
import pytest

from benchmarks.ports import free_port
from nlapi.errors import DescriptionError
from nlapi.gateway.control.access import Access, Audience
from nlapi.gateway.http.problems import GatewayProblem
from nlapi.gateway.ray.gateways import ContentReader, resolve_gateway
from nlapi.gateway.ray.messages import EXPIRY_S, HostedContent, HostHeartbeat
from nlapi.gateway.ray.registry import SETTLING_S, HostRegistry
from nlapi.gateway.store.store import GatewayStore
from nlapi.gateway.versions.artifacts import ArtifactStore
from nlapi.routing.model import VersionRef
from tests.gateway.clock import Clock
from tests.gateway.gateway_app import Asking, Load
from tests.gateway.kit import Talk, gateway
from tests.gateway.processes import NLAPI, ROOT, ServeProcess, serve_process
from tests.gateway.versions import PATIENCE_S, write
from tests.tables import table

STAGES = """
    import os

    def features(value, context):
        return {**value, "user": context.get("user")}

    def predict(value):
        return {"place": os.environ.get("TEST_HOST", "gateway"), **value}
"""
OTHER = HostedContent(digest="sha256:" + "0" * 64)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostProcess:
    """A host in a process of its own, and the address that it is called at."""

    name: str
    process: subprocess.Popen[str]
    url: str


@contextmanager
def host_process(served: ServeProcess, token: Path, name: str) -> Iterator[HostProcess]:
    options = ["--shard", "ranking", "--gateway", served.url, "--token", f"file:{token}", "--name", name, "--port", "0"]
    command = [*NLAPI, "gateway", "host", *options, "--drain-delay", "0.5", "--worker-variable", "TEST_HOST"]
    environment = {**os.environ, "TEST_HOST": name}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield HostProcess(name=name, process=process, url=process.stdout.readline().strip())
        finally:
            if process.poll() is None:
                process.kill()


@dataclass
class Remote:
    """What `Load` needs of a gateway: connections of clients."""

    served: ServeProcess

    @contextmanager
    def connect(self, client: str = "web") -> Iterator[Asking]:
        connection = HTTPConnection(self.served.address, timeout=60)
        yield Asking(connection, self.served.web)
        connection.close()


def test_a_version_moves_between_the_gateway_and_hosts_under_load(tmp_path: Path) -> None:
    write(tmp_path / "models/v1", STAGES)
    config, token = tmp_path / "gateway.json", tmp_path / "host.token"
    config.write_text(json.dumps(_document()))
    token.write_text(_host_token(tmp_path))
    options = ["--config", str(config), "--models", str(tmp_path / "models"), "--port", str(free_port())]
    with serve_process(tmp_path, *options, example=False) as served:
        talk = Talk(served.port, served.admin)
        with Load(Remote(served), clients=2) as load:  # type: ignore[arg-type]  # what it uses of a gateway
            load.more(20)
            with host_process(served, token, "first") as first:
                load.until(lambda: bool(talk.ok("GET", "/v1/hosts")["data"]))
                talk.ok("PATCH", "/v1/models/echo/versions/v1", {"shard": "ranking"})
                _await_place(load, first.name)
                with host_process(served, token, "second") as second:
                    _await_place(load, second.name)
                    first.process.terminate()
                    first.process.wait(60)
                    assert [host["name"] for host in talk.ok("GET", "/v1/hosts")["data"]] == ["second"]
                    (replica,) = talk.ok("GET", "/v1/shards/ranking")["replicas"]
                    assert replica["endpoint"] == second.url
                    with host_process(served, token, "third") as third:
                        _await_place(load, third.name)
                        second.process.send_signal(signal.SIGKILL)
                        load.more(100)
                        talk.ok("PATCH", "/v1/models/echo/versions/v1", {"shard": "local"})
                        _await_place(load, "gateway")
                        talk.ok("PATCH", "/v1/models/echo/versions/v1", {"shard": "ranking"})
                        _await_place(load, third.name)
                        load.stopping.set()
                        _check_host(third)
                        _check_shadow(tmp_path, talk, load)
                        _check_restart(served, third)
        statuses = {answer.status for answer in load.answers}
        assert statuses == {200}, [answer.body for answer in load.answers if answer.status != 200][:3]
        assert {answer.body["output"]["user"][:1] for answer in load.answers} == {"u"}
        hosted = next(answer for answer in load.answers if answer.body["decision"]["shard"] == "ranking")
        assert set(hosted.body["stages_ms"]) == {"features", "predict", "remote"}


def _check_host(host: HostProcess) -> None:
    """What a host answers to those who call it by themselves."""
    named = {"Nlapi-Model": "echo", "Nlapi-Version": "v1"}
    assert _call(host, "POST", "/", b'{"x": 1}', named)[0] == 200
    assert _call(host, "POST", "/", b"{}", {"Nlapi-Digest": OTHER.digest})[0] == 421
    assert _call(host, "POST", "/", b"{}", {**named, "Origin": "http://evil.example.com"})[0] == 403
    status, body = _call(host, "POST", "/", b"{", named)
    assert (status, json.loads(body)) == (400, {"error": "the input or the context is not JSON"})
    assert _call(host, "GET", "/readyz") == (200, b'{"status":"ok"}')
    assert _call(host, "GET", "/v1/objectives")[0] == 404
    metrics = _call(host, "GET", "/metrics")[1].decode()
    assert 'nlapi_host_requests_total{model="echo",version="v1",status="200"}' in metrics
    assert 'nlapi_host_requests_total{model="",version="",status="421"} 1' in metrics


def _check_shadow(folder: Path, talk: Talk, load: Load) -> None:
    """A version that hosts cannot load is refused with the reason, and shadows run on hosts."""
    write(folder / "models/broken", "import nothing_of_this_name")
    version = {"version": "broken", "source": "broken", "shard": "ranking"}
    problem = talk.refused(422, "POST", "/v1/models/echo/versions", version)
    assert "imports nothing_of_this_name, which is not installed" in problem["detail"]
    write(folder / "models/v2", "def predict(value):\n    return value")
    talk.ok("POST", "/v1/models/echo/versions", {"version": "v2", "source": "v2", "shard": "ranking"})
    shadow = {"objective": "greet", "model": "echo", "version": "v2"}
    name = talk.ok("POST", "/v1/shadows", shadow)["name"]
    with load.gateway.connect() as ask:
        load.answers.append(ask({"input": {}, "context": {"user": "u1"}}))
    end = time.monotonic() + PATIENCE_S
    while not talk.ok("GET", f"/v1/shadows/{name}")["status"]["answered"]:
        assert time.monotonic() < end, "the host did not answer the copy"
    talk.ok("DELETE", f"/v1/shadows/{name}")


def _check_restart(served: ServeProcess, host: HostProcess) -> None:
    """A gateway that is killed and started again waits for its hosts before it answers."""
    served.process.kill()
    served.process.wait()
    with subprocess.Popen(served.process.args, cwd=ROOT, stdout=subprocess.PIPE, text=True) as again:
        try:
            assert again.stdout is not None
            assert again.stdout.readline()
            with Remote(served).connect() as ask:
                assert ask({"input": {}}).body["output"]["place"] == host.name
        finally:
            again.kill()


def test_a_host_without_heartbeats_is_not_called_any_more() -> None:
    clock = Clock()
    hosts, content = HostRegistry(clock), HostedContent(digest=OTHER.digest)
    hosts.record("one", _beat("http://127.0.0.1:1", ready=[content]))
    before = hosts.generation
    clock.now += EXPIRY_S - 1
    hosts.record("two", _beat("http://127.0.0.1:2"))
    assert hosts.replicas("ranking") == {"http://127.0.0.1:1": {content}, "http://127.0.0.1:2": frozenset()}
    assert not hosts.problem("ranking", content)
    clock.now += 1
    assert hosts.generation != before
    assert list(hosts.replicas("ranking")) == ["http://127.0.0.1:2"]
    assert hosts.problem("ranking", content) == "no host of shard ranking has it"
    with pytest.raises(GatewayProblem, match="two is at"):
        hosts.record("two", _beat("http://127.0.0.1:3"))
    hosts.record("two", _beat("http://127.0.0.1:2", draining=True))
    assert hosts.problem("ranking", content) == "shard ranking has no host"


def test_a_change_is_refused_without_a_host_and_by_most_hosts() -> None:
    async def wait(*beats: HostHeartbeat) -> None:
        clock = Clock()
        hosts = HostRegistry(clock)
        hosts.open()
        clock.now += SETTLING_S
        for number, beat in enumerate(beats):
            hosts.record(f"host-{number}", beat)
        await hosts.demand("ranking", OTHER, VersionRef(model="echo", version="v1")).wait_loaded()

    with pytest.raises(DescriptionError, match="shard ranking has no host"):
        asyncio.run(wait())
    fails = [_beat(f"http://127.0.0.1:{port}", failed={OTHER: "no module"}) for port in (1, 2)]
    loads = [_beat(f"http://127.0.0.1:{port}", ready=[OTHER]) for port in (3, 4, 5)]
    with pytest.raises(DescriptionError, match="host host-0: no module"):
        asyncio.run(wait(*fails))
    with pytest.raises(DescriptionError, match="most hosts"):
        asyncio.run(wait(*fails, *loads[:2]))
    asyncio.run(wait(*fails, *loads))


def test_a_name_has_all_its_addresses_and_a_failed_look_up_says_nothing() -> None:
    (address,) = asyncio.run(resolve_gateway("http://localhost:8700")) or ()
    assert address.key == "http://localhost:8700 (127.0.0.1)"
    assert asyncio.run(resolve_gateway("http://no-such-name.invalid:8700")) is None


def test_what_no_gateway_demands_is_demanded_no_more() -> None:
    hosts, content = HostRegistry(Clock()), HostedContent(digest=OTHER.digest)
    first, second = (hosts.demand("ranking", content, VersionRef(model="echo", version=name)) for name in ("v1", "v2"))
    assert len(hosts.demanded("ranking").as_json()["versions"]) == 2
    first.withdraw()
    first.withdraw()
    assert hosts.is_demanded(content.digest)
    tag = hosts.demanded("ranking").tag
    second.withdraw()
    assert not hosts.demanded("ranking").versions
    assert hosts.demanded("ranking").tag != tag


def test_a_token_of_a_host_reads_the_content_that_it_should_load_and_nothing_else(tmp_path: Path) -> None:
    with gateway(tmp_path) as talk:
        assert talk.app is not None
        talk.ok("POST", "/v1/shards", {"name": "ranking", "protocol": "host"})
        host = Talk(talk.port, talk.app.access.create_token("host", Audience.HOST)[1])
        digest = talk.ok("GET", "/v1/models/ranker/versions/v8")["digest"]
        host.refused(404, "GET", f"/v1/content/{digest}")
        demand = talk.app.engine.hosts.demand("ranking", HostedContent(digest=digest), VersionRef.parse("ranker@v8"))
        files = {item["name"]: item["bytes"] for item in host.ok("GET", f"/v1/content/{digest}")["files"]}
        assert set(files) == {"model.toml", "stages.py"}
        part = host("GET", f"/v1/content/{digest}/part", file="stages.py", offset=3)
        stages = (tmp_path / "models/ranker-v8/stages.py").read_bytes()
        assert sha256(part.content).digest() == sha256(stages[3:]).digest()
        assert host("GET", f"/v1/content/{digest}/part", file="stages.py", offset=files["stages.py"]).content == b""
        for name in ("../stages.py", "/etc/hostname", "none", ".", "stages.py\0"):
            host.refused(404, "GET", f"/v1/content/{digest}/part", file=name)
        demand.withdraw()
        host.refused(403, "GET", "/v1/configuration")
        host.refused(403, "POST", "/v1/objectives/recommend/serve", {"input": {}})
        talk.refused(403, "POST", "/v1/hosts/h1/heartbeat", {"shard": "ranking", "url": "http://127.0.0.1:1"})
        host.refused(422, "POST", "/v1/hosts/h1/heartbeat", {"shard": "local", "url": "http://127.0.0.1:1"})
        host.refused(422, "POST", "/v1/hosts/h1/heartbeat", {"shard": "ranking", "url": "http://169.254.169.254"})
        beat = {"shard": "ranking", "url": "http://127.0.0.1:1", "draining": True}
        assert host.ok("POST", "/v1/hosts/h1/heartbeat", beat)["versions"] == []


@table(
    ("name", "reason"),
    [("stages.py", "the gateway sent the content"), ("../stages.py", "leads out"), ("/tmp/stages.py", "leads out")],
)
def test_content_with_another_digest_is_not_stored(tmp_path: Path, name: str, reason: str) -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("/part"):
            return httpx2.Response(200, content=b"" if int(request.url.params["offset"]) else b"planted")
        return httpx2.Response(200, json={"files": [{"name": name, "bytes": 7}]})

    async def fetch() -> None:
        transport = httpx2.MockTransport(answer)
        async with httpx2.AsyncClient(base_url="http://gateway", transport=transport) as client:
            await ContentReader(client, dict).fetch(OTHER.digest, artifacts)

    artifacts = ArtifactStore(tmp_path / "data")
    with pytest.raises(DescriptionError, match=reason):
        asyncio.run(fetch())
    assert not artifacts.digests()
    assert not list((tmp_path / "data").iterdir())


def test_a_shard_of_hosts_has_no_endpoints(tmp_path: Path) -> None:
    with gateway(tmp_path) as talk:
        endpoints = ["http://127.0.0.1:1"]
        shard = {"name": "ranking", "protocol": "host", "endpoints": endpoints}
        problem = talk.refused(422, "POST", "/v1/shards", shard)
        assert "register themselves" in problem["errors"][0]["message"]


def _await_place(load: Load, place: str) -> None:
    """Come back when a host, or the gateway, has answered a request that was sent from now on."""
    start = len(load.answers) + load.clients
    load.until(lambda: any(answer.body.get("output", {}).get("place") == place for answer in load.answers[start:]))


def _call(
    host: HostProcess, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> tuple[int, bytes]:
    connection = HTTPConnection(host.url.removeprefix("http://"), timeout=120)
    try:
        connection.request(method, path, body or None, dict(headers or {}))
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def _beat(
    url: str,
    ready: Iterable[HostedContent] = (),
    *,
    failed: Mapping[HostedContent, str] | None = None,
    draining: bool = False,
) -> HostHeartbeat:
    return HostHeartbeat(shard="ranking", url=url, ready=frozenset(ready), failed=failed or {}, draining=draining)


def _host_token(folder: Path) -> str:
    store = GatewayStore(folder / "gateway.db")
    try:
        return Access(store).create_token("hosts", Audience.HOST)[1]
    finally:
        store.close()


def _document() -> dict[str, Any]:
    return {
        "objectives": [
            {"name": "greet", "model": "echo", "version": "v1", "timeout_ms": 20_000, "context": [{"name": "user"}]}
        ],
        "models": [{"name": "echo"}],
        "versions": [{"model": "echo", "version": "v1", "source": "v1"}],
        "shards": [{"name": "local"}, {"name": "ranking", "protocol": "host"}],
    }
