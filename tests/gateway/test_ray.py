"""Ray runs versions of a shard: they move there and back under load, and serve while what is around them is away."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from http.client import HTTPConnection
from pathlib import Path
from threading import Thread
from typing import Any

import httpx2
import pytest

from benchmarks.ports import free_port
from nlapi.errors import DescriptionError
from nlapi.gateway.control.access import Access, Audience
from nlapi.gateway.control.codec import decode_configuration
from nlapi.gateway.http.problems import GatewayProblem
from nlapi.gateway.ray.cluster import RayCluster as Client
from nlapi.gateway.ray.cluster import Scale, app_name
from nlapi.gateway.ray.content import store_content
from nlapi.gateway.ray.gateways import HostIdentity, resolve_gateway
from nlapi.gateway.ray.messages import MAX_LOADS, SILENT_S, HostedContent, HostHeartbeat
from nlapi.gateway.ray.reconciler import RayReconciler
from nlapi.gateway.ray.registry import FORGET_S, MAX_HOSTS, SETTLING_S, ContentDemand, HostRegistry
from nlapi.gateway.store.store import GatewayStore
from nlapi.gateway.versions.artifacts import ArtifactStore
from nlapi.routing.model import ShardProtocol, VersionRef
from tests.gateway.clock import Clock
from tests.gateway.gateway_app import Asking, Load
from tests.gateway.kit import Talk, gateway
from tests.gateway.processes import NLAPI, ROOT, ServeProcess, serve_process
from tests.gateway.ray_cluster import TOKEN, RayCluster, ray_cluster
from tests.gateway.versions import write
from tests.tables import table
from tests.waiting import until

STAGES = """
    import sys

    def features(value, context):
        return {**value, "user": context.get("user")}

    def predict(value):
        return {"place": "ray" if "uvicorn" in sys.modules else "gateway", **value}
"""
OTHER = HostedContent(digest="sha256:" + "0" * 64)
THEIRS = {"name": "theirs", "route_prefix": "/theirs", "import_path": "their.app:build"}


@contextmanager
def reconciler(
    served: ServeProcess, cluster: RayCluster, token: Path, *options: str
) -> Iterator[subprocess.Popen[str]]:
    common = ["--shard", "ranking", "--gateway", served.url, "--token", f"file:{token}", "--ray", cluster.url]
    command = [*NLAPI, "gateway", "ray", *common, "--ray-token", "env:RAY_TOKEN", *options]
    environment = {**os.environ, "RAY_TOKEN": TOKEN}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            yield
        finally:
            process.kill()


class Remote:
    """What `Load` needs of a gateway: connections of clients."""

    def __init__(self, served: ServeProcess) -> None:
        self.served = served

    @contextmanager
    def connect(self, client: str = "web") -> Iterator[Asking]:
        connection = HTTPConnection(self.served.address, timeout=60)
        yield Asking(connection, self.served.web)
        connection.close()


def test_a_version_moves_to_ray_and_back_under_load(tmp_path: Path) -> None:
    write(tmp_path / "models/v1", STAGES)
    config, token = tmp_path / "gateway.json", tmp_path / "host.token"
    config.write_text(json.dumps(_document()))
    token.write_text(_host_token(tmp_path))
    options = ["--config", str(config), "--models", str(tmp_path / "models"), "--port", str(free_port())]
    with ray_cluster() as cluster, serve_process(tmp_path, *options, example=False) as served:
        cluster.configs["theirs"] = THEIRS
        talk = Talk(served.port, served.admin)
        with Load(Remote(served), clients=2) as load:  # type: ignore[arg-type]  # what it uses of a gateway
            load.more(20)
            with reconciler(served, cluster, token, "--replicas", "1-3", "--calls", "8"):
                load.until(lambda: bool(talk.ok("GET", "/v1/hosts")["data"]))
                talk.ok("PATCH", "/v1/models/echo/versions/v1", {"shard": "ranking"})
                _await_place(load, "ray")
                assert "theirs" in cluster.configs
                _check_application(cluster)
                _check_replica(talk)
                cluster.forgets = True  # the controller was killed, and replicas serve
                load.more(100)
                cluster.is_away, cluster.forgets = True, False
                load.more(100)
                cluster.is_away = False
                talk.ok("PATCH", "/v1/models/echo/versions/v1", {"shard": "local"})
                _await_place(load, "gateway")
                talk.ok("PATCH", "/v1/models/echo/versions/v1", {"shard": "ranking"})
                _await_place(load, "ray")
                _check_refusal(tmp_path, talk)
                _check_shadow(tmp_path, talk, load)
                load.stopping.set()
                load.join()
                _check_restart(served)
        statuses = {answer.status for answer in load.answers}
        assert statuses == {200}, [answer.body for answer in load.answers if answer.status != 200][:3]
        assert {answer.body["output"]["user"][:1] for answer in load.answers} == {"u"}
        hosted = next(answer for answer in load.answers if answer.body["decision"]["shard"] == "ranking")
        assert set(hosted.body["stages_ms"]) == {"features", "predict", "remote"}


def _check_application(cluster: RayCluster) -> None:
    """What Ray is told: each version is an application of its own, that scales as the options say."""
    (ours,) = (config for name, config in cluster.configs.items() if name != "theirs")
    assert ours["route_prefix"] == f"/{ours['name']}"
    (deployment,) = ours["deployments"]
    assert deployment["autoscaling_config"]["max_replicas"] == 3
    assert deployment["autoscaling_config"]["target_ongoing_requests"] == 8
    assert ours["args"]["token"].startswith("file:/")


def _check_replica(talk: Talk) -> None:
    """What a replica answers to those who call it by themselves."""
    (host,) = talk.ok("GET", "/v1/hosts")["data"]
    ((url,),) = [item["endpoints"] for item in host["ready"]]
    named = {"Nlapi-Context": '{"user": "u1"}'}
    assert httpx2.post(url, content=b'{"x": 1}', headers=named).json() == {"place": "ray", "x": 1, "user": "u1"}
    assert httpx2.post(url, content=b"{}", headers={"Origin": "http://evil.example.com"}).status_code == 403
    assert httpx2.get(url).status_code == 405
    answer = httpx2.post(url, content=b"{")
    assert (answer.status_code, answer.json()) == (400, {"error": "the input or the context is not JSON"})
    assert httpx2.post(url, content=b"{}", headers={"Nlapi-Context": "[]"}).status_code == 400
    assert httpx2.post(url, content=b"1" * 5_000_000).status_code == 413
    failed = httpx2.post(url, content=b'"text"')  # as Envoy calls it: what the answer says goes to the caller
    assert (failed.status_code, "stages.py" in failed.text) == (500, False)
    assert "stages.py" in httpx2.post(url, content=b'"text"', headers={"Nlapi-Timeout-Ms": "9000"}).text


def _check_refusal(folder: Path, talk: Talk) -> None:
    """A version that Ray cannot run is refused with the reason."""
    write(folder / "models/broken", "import nothing_of_this_name")
    version = {"version": "broken", "source": "broken", "shard": "ranking"}
    problem = talk.refused(422, "POST", "/v1/models/echo/versions", version)
    assert "imports nothing_of_this_name, which is not installed" in problem["detail"]
    assert "DescriptionError" not in problem["detail"]


def _check_shadow(folder: Path, talk: Talk, load: Load) -> None:
    """Copies of a shadow run on Ray."""
    write(folder / "models/v2", "def predict(value):\n    return value", '[run]\nmode = "inline"\n')
    talk.ok("POST", "/v1/models/echo/versions", {"version": "v2", "source": "v2", "shard": "ranking"})
    shadow = {"objective": "greet", "model": "echo", "version": "v2"}
    name = talk.ok("POST", "/v1/shadows", shadow)["name"]
    until(lambda: talk.ok("GET", f"/v1/shadows/{name}")["status"]["answered"])
    talk.ok("DELETE", f"/v1/shadows/{name}")


def _check_restart(served: ServeProcess) -> None:
    """A gateway that is killed and started again waits for what it is told of Ray before it answers."""
    served.process.kill()
    served.process.wait()
    with subprocess.Popen(served.process.args, cwd=ROOT, stdout=subprocess.PIPE, text=True) as again:
        try:
            assert again.stdout is not None
            assert again.stdout.readline()
            with Remote(served).connect() as ask:
                assert ask({"input": {}}).body["output"]["place"] == "ray"
        finally:
            again.kill()


def test_a_wrong_option_is_refused_at_once(tmp_path: Path) -> None:
    def refused(*options: str) -> str:
        command = [*NLAPI, "gateway", "ray", "--shard", "ranking", *options]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert done.returncode == 2
        return done.stderr

    (tmp_path / "token").write_text("t")
    token = ["--token", f"file:{tmp_path}/token"]
    assert "--token is not a reference" in refused("--token", "secret-token")
    assert "secret-token" not in refused("--token", "secret-token")
    assert "NLAPI_HOST_TOKEN" in refused()
    assert "is no number of replicas" in refused(*token, "--replicas", "4-1")
    assert "is not an http or https URL" in refused(*token, "--ray", "127.0.0.1:8265")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosted:
    """A gateway in this process with a shard of Ray, a cluster, and the content of a version."""

    talk: Talk
    cluster: RayCluster
    token: str
    content: HostedContent

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.talk.port}"

    def demand(self, content: HostedContent) -> ContentDemand:
        assert self.talk.app is not None
        return self.talk.app.engine.hosts.demand("ranking", content, VersionRef.parse("ranker@v8"))

    def hosts(self) -> list[Any]:
        hosts: list[Any] = self.talk.ok("GET", "/v1/hosts")["data"]
        return hosts

    @contextmanager
    def reconciler(self, *gateways: str, name: str = "here", least: int = 1, patience_s: float = 10) -> Iterator[None]:
        """A reconciler in a thread of this process, which waits for nothing long."""
        ray = Client(
            url=self.cluster.url, shard="ranking", read_token=lambda: TOKEN, listen="127.0.0.1", proxy_port=8000,
            scale=Scale(least=least, most=least), gateways=(self.url, *gateways), token="env:HOST_TOKEN",
        )  # fmt: skip
        identity = HostIdentity(name=name, read_token=lambda: self.token)
        work = RayReconciler(ray, identity, remove_delay_s=0.2, retry_s=0.2, patience_s=patience_s).run()
        loop = asyncio.new_event_loop()
        task = loop.create_task(work)

        def run() -> None:
            with suppress(asyncio.CancelledError):
                loop.run_until_complete(task)

        thread = Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            loop.call_soon_threadsafe(task.cancel)
            thread.join()
            loop.close()


@pytest.fixture
def hosted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hosted]:
    with gateway(tmp_path) as talk, ray_cluster() as cluster:
        assert talk.app is not None
        token = talk.app.access.create_token("host", Audience.HOST)[1]
        monkeypatch.setenv("HOST_TOKEN", token)
        talk.ok("POST", "/v1/shards", {"name": "ranking", "protocol": "ray"})
        content = HostedContent(digest=talk.ok("GET", "/v1/models/ranker/versions/v8")["digest"])
        yield Hosted(talk=talk, cluster=cluster, token=token, content=content)


def test_ray_runs_what_is_demanded_and_nothing_else(hosted: Hosted) -> None:
    cluster, name, failed = hosted.cluster, app_name("ranking", hosted.content), app_name("ranking", OTHER)
    with hosted.reconciler():
        demand, broken = hosted.demand(hosted.content), hosted.demand(OTHER)
        until(lambda: name in cluster.replicas)
        until(lambda: any(host["failed"] for host in hosted.hosts()))
        assert failed in [app["name"] for app in cluster.puts[-1]["applications"]]
        count = len(cluster.puts)  # tried anew: left out once, and named again
        until(lambda: len(cluster.puts) >= count + 2)
        broken.withdraw()
        until(lambda: failed not in cluster.configs)
        assert name in cluster.replicas
    # Another start with other options: what runs is not replaced in place, and what nobody demands any more stays as
    # long as a gateway has not been heard that may demand it.
    arguments = cluster.configs[name]["args"]
    demand.withdraw()
    with hosted.reconciler(f"http://127.0.0.1:{free_port()}", least=2):
        until(lambda: cluster.configs[name]["deployments"][0]["num_replicas"] == 2)
        seen = cluster.reads
        until(lambda: cluster.reads > seen + 2)
        assert cluster.configs[name]["args"] == arguments
    with hosted.reconciler():
        until(lambda: name not in cluster.configs)


def test_gateways_hear_nothing_before_ray_names_the_replicas(hosted: Hosted) -> None:
    hosted.demand(hosted.content)

    def heard() -> dict[str, bool]:
        """The hosts that have been heard, and whether they have said where a replica is."""
        return {host["name"]: bool(host["ready"]) for host in hosted.hosts()}

    with hosted.reconciler():
        until(lambda: heard() == {"here": True})
    hosted.cluster.forgets = True
    with hosted.reconciler(name="again"):
        seen = hosted.cluster.reads
        until(lambda: hosted.cluster.reads > seen + 1)
        assert heard() == {"here": True}
        hosted.cluster.forgets = False
        until(lambda: "again" in heard())
        assert heard() == {"here": True, "again": True}


def test_a_change_is_refused_while_ray_does_not_answer(hosted: Hosted) -> None:
    talk, move = hosted.talk, ("PATCH", "/v1/models/ranker/versions/v8", {"shard": "ranking"})
    with hosted.reconciler(patience_s=0.2):
        until(hosted.hosts)
        hosted.cluster.is_away = True
        until(lambda: hosted.hosts()[0].get("problem"))
        assert "answered 503" in talk.refused(422, *move)["detail"]
        assert "answered 503" in str(talk.ok("GET", "/v1/issues")["issues"])
        hosted.cluster.is_away = False
        until(lambda: not hosted.hosts()[0].get("problem"))
        talk.ok(*move)


def test_an_address_that_is_another_versions_by_now_is_passed_over(hosted: Hosted) -> None:
    talk = hosted.talk
    assert talk.app is not None
    web = Talk(talk.port, talk.app.access.create_token("walker", Audience.SERVE)[1])
    host = Talk(talk.port, hosted.token)
    with hosted.reconciler(), ray_cluster() as other:
        until(hosted.hosts)
        talk.ok("PATCH", "/v1/models/ranker/versions/v8", {"shard": "ranking"})
        objective = {"name": "once", "model": "ranker", "version": "v8", "idempotent": False}
        talk.ok("POST", "/v1/objectives", objective)
        stale = f"{other.url}/{app_name('ranking', hosted.content)}"
        ready = [{"digest": hosted.content.digest, "endpoints": [stale]}]
        host.ok("POST", "/v1/hosts/stale/heartbeat", {"shard": "ranking", "ready": ready})
        answers = [web.ok("POST", "/v1/objectives/once/serve", {"input": {"user": "u1"}}) for _ in range(10)]
        assert {answer["decision"]["shard"] for answer in answers} == {"ranking"}
        assert other.strays, "the stale address was not tried"


def test_a_fixed_number_of_replicas_does_not_scale() -> None:
    assert Scale(least=2, most=2).as_json()["num_replicas"] == 2
    assert "autoscaling_config" not in Scale(least=2, most=2).as_json()


def test_a_silent_host_is_called_all_the_same_and_an_old_name_is_forgotten() -> None:
    clock = Clock()
    hosts, content = HostRegistry(clock), HostedContent(digest=OTHER.digest)
    assert hosts.reported_endpoints("ranking", content) is None
    hosts.record("one", _beat({content: "http://127.0.0.1:1"}))
    before = hosts.generation
    hosts.record("one", _beat({content: "http://127.0.0.1:1"}))
    assert hosts.generation == before
    clock.now += SILENT_S
    assert hosts.silent_s(hosts.hosts()[0]) == SILENT_S
    assert hosts.replicas("ranking") == {"http://127.0.0.1:1": {content}}
    assert not hosts.problem("ranking", content)
    clock.now += FORGET_S
    assert hosts.endpoints("ranking", content) == ("http://127.0.0.1:1",)
    hosts.record("two", _beat({content: "http://127.0.0.1:2"}))
    assert hosts.generation != before
    assert [host.name for host in hosts.hosts()] == ["two"]
    hosts.record("two", _beat({}))
    assert hosts.reported_endpoints("ranking", content) == ()
    assert hosts.problem("ranking", content) == "no host of shard ranking runs it yet"
    hosts.record("two", HostHeartbeat(shard="search"))
    assert len(hosts.hosts()) == 2, "hosts of two shards may have one name"
    clock.now += SILENT_S
    assert hosts.problem("ranking", content) == "no host of shard ranking is heard"


def test_a_gateway_that_has_just_started_says_nothing_of_what_it_may_not_have_heard() -> None:
    clock = Clock()
    hosts, content = HostRegistry(clock), HostedContent(digest=OTHER.digest)
    hosts.open()
    hosts.record("east", _beat({}))
    assert hosts.reported_endpoints("ranking", content) is None
    hosts.record("west", _beat({content: "http://127.0.0.1:1"}))
    hosts.record("west-again", _beat({content: "http://127.0.0.1:1"}))
    assert hosts.reported_endpoints("ranking", content) == ("http://127.0.0.1:1",)
    clock.now += SETTLING_S
    assert hosts.reported_endpoints("ranking", OTHER if content != OTHER else HostedContent(digest="sha256:1")) == ()


def test_a_version_does_not_move_to_a_host_that_is_not_heard() -> None:
    async def wait() -> None:
        clock = Clock()
        hosts = HostRegistry(clock)
        hosts.open()
        clock.now += SETTLING_S
        hosts.record("old", _beat({OTHER: "http://127.0.0.1:1"}))
        clock.now += SILENT_S
        hosts.record("new", HostHeartbeat(shard="ranking", failed={OTHER: "no module"}))
        await hosts.demand("ranking", OTHER, VersionRef(model="echo", version="v1")).wait_loaded()

    with pytest.raises(DescriptionError, match="that is heard runs it"):
        asyncio.run(wait())


def test_no_more_hosts_are_noted_than_there_can_be() -> None:
    hosts = HostRegistry(Clock())
    for number in range(MAX_HOSTS):
        hosts.record(f"host-{number}", HostHeartbeat(shard=f"shard-{number}"))
    with pytest.raises(GatewayProblem, match="hosts are known"):
        hosts.record("one-more", HostHeartbeat(shard="ranking"))


def test_a_change_is_refused_without_a_host_and_by_all_hosts() -> None:
    async def wait(*beats: HostHeartbeat) -> None:
        clock = Clock()
        hosts = HostRegistry(clock)
        hosts.open()
        clock.now += SETTLING_S
        for number, beat in enumerate(beats):
            hosts.record(f"host-{number}", beat)
        await hosts.demand("ranking", OTHER, VersionRef(model="echo", version="v1")).wait_loaded()

    with pytest.raises(DescriptionError, match="no host of shard ranking is heard"):
        asyncio.run(wait())
    fails = HostHeartbeat(shard="ranking", failed={OTHER: "no module"})
    with pytest.raises(DescriptionError, match="host host-0: no module"):
        asyncio.run(wait(fails))
    asyncio.run(wait(fails, _beat({OTHER: "http://127.0.0.1:3"})))


def test_a_name_has_all_its_addresses_and_a_failed_look_up_says_nothing() -> None:
    (address,) = resolve_gateway("http://localhost:8700") or ()
    assert address.key == "http://localhost:8700 (127.0.0.1)"
    assert resolve_gateway("http://no-such-name.invalid:8700") is None
    assert resolve_gateway(f"http://{'a' * 64}.invalid:8700") is None


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


def test_a_change_asks_hosts_for_several_versions_at_once(tmp_path: Path) -> None:
    count = MAX_LOADS + 2
    with gateway(tmp_path) as talk, ThreadPoolExecutor(1) as pool:
        assert talk.app is not None
        for number in range(count):
            write(tmp_path / f"models/echo-{number}", f"def predict(value):\n    return {number}")
        host = Talk(talk.port, talk.app.access.create_token("host", Audience.HOST)[1])

        def beat(ready: set[str], demand: str = "") -> Any:
            items = [{"digest": digest, "endpoints": [_url(digest)]} for digest in sorted(ready)]
            return host.ok("POST", "/v1/hosts/h1/heartbeat", {"shard": "ranking", "ready": items, "demand": demand})

        document = talk.ok("GET", "/v1/configuration")
        document["shards"].append({"name": "ranking", "protocol": "ray"})
        document["models"].append({"name": "echo"})
        document["versions"] += [
            {"model": "echo", "version": f"v{number}", "source": f"echo-{number}", "shard": "ranking"}
            for number in range(count)
        ]
        beat(set())
        change = pool.submit(talk.ok, "PUT", "/v1/configuration", document)
        asked = beat(set())
        while len(asked["versions"]) < MAX_LOADS and not change.done():
            asked = beat(set(), asked["demand"])
        assert len(asked["versions"]) == MAX_LOADS
        loaded: set[str] = set()
        while not change.done():
            loaded |= {item["digest"] for item in asked["versions"]}
            asked = beat(loaded)
            assert len({item["digest"] for item in asked["versions"]} - loaded) <= MAX_LOADS
        change.result()
        assert len(loaded) == count


def test_a_token_of_a_host_reads_the_content_that_it_should_run_and_nothing_else(tmp_path: Path) -> None:
    with gateway(tmp_path) as talk:
        assert talk.app is not None
        talk.ok("POST", "/v1/shards", {"name": "ranking", "protocol": "ray"})
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
        talk.refused(403, "POST", "/v1/hosts/h1/heartbeat", {"shard": "ranking"})
        host.refused(422, "POST", "/v1/hosts/h1/heartbeat", {"shard": "local"})
        for url in ("http://169.254.169.254", "http://127.0.0.1:1/other", _url(digest).replace("http", "https")):
            evil = [{"digest": digest, "endpoints": [url]}]
            host.refused(422, "POST", "/v1/hosts/h1/heartbeat", {"shard": "ranking", "ready": evil})
        many = [{"digest": digest, "endpoints": [_url(digest)] * 1000} for _ in range(1)]
        many += [{"digest": f"sha256:{number:064x}", "endpoints": [_url("")] * 1000} for number in range(10)]
        host.refused(422, "POST", "/v1/hosts/h1/heartbeat", {"shard": "ranking", "ready": many})
        assert host.ok("POST", "/v1/hosts/h1/heartbeat", {"shard": "ranking"})["versions"] == []


@table(
    ("name", "reason"),
    [("stages.py", "the gateway sent the content"), ("../stages.py", "leads out"), ("/tmp/stages.py", "leads out")],
)
def test_content_with_another_digest_is_not_stored(tmp_path: Path, name: str, reason: str) -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("/part"):
            return httpx2.Response(200, content=b"" if int(request.url.params["offset"]) else b"planted")
        return httpx2.Response(200, json={"files": [{"name": name, "bytes": 7}]})

    artifacts = ArtifactStore(tmp_path / "data")
    transport = httpx2.MockTransport(answer)
    with (
        httpx2.Client(base_url="http://gateway", transport=transport) as client,
        pytest.raises(DescriptionError, match=reason),
    ):
        store_content(OTHER.digest, client, artifacts)
    assert not artifacts.digests()
    assert not list((tmp_path / "data").iterdir())


@table(
    ("shard", "message"),
    [
        ({"endpoints": ["http://127.0.0.1:1"]}, "those of Ray are reported"),
        ({"key": "env:KEY"}, "takes no key"),
        ({"ca": "file:/etc/ca.pem"}, "takes no ca"),
    ],
)
def test_a_shard_of_ray_has_nothing_of_a_server(tmp_path: Path, shard: Mapping[str, Any], message: str) -> None:
    with gateway(tmp_path) as talk:
        problem = talk.refused(422, "POST", "/v1/shards", {"name": "ranking", "protocol": "ray", **shard})
        assert message in problem["errors"][0]["message"]


def test_a_shard_of_hosts_in_an_earlier_revision_is_one_of_ray() -> None:
    document = {**_document(), "shards": [{"name": "ranking", "protocol": "host"}]}
    assert decode_configuration(document).shards["ranking"].protocol is ShardProtocol.RAY


def _await_place(load: Load, place: str) -> None:
    """Come back when Ray, or the gateway, has answered a request that was sent from now on."""
    start = len(load.answers) + load.clients
    load.until(lambda: any(answer.body.get("output", {}).get("place") == place for answer in load.answers[start:]))


def _url(digest: str) -> str:
    """The address of a replica of a content on the shard ranking."""
    return f"http://127.0.0.1:1/{app_name('ranking', HostedContent(digest=digest))}"


def _beat(ready: Mapping[HostedContent, str]) -> HostHeartbeat:
    return HostHeartbeat(shard="ranking", ready={content: (url,) for content, url in ready.items()})


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
        "shards": [{"name": "local"}, {"name": "ranking", "protocol": "ray"}],
    }
