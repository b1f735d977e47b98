"""What the benchmarks of Envoy run: an upstream, a plain Envoy, a control plane with its Envoy, and their load.

    python -m benchmarks.gateway_envoy_planes PORT

starts the upstream alone.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import threading
import time
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.load import Connection, Run
from benchmarks.peers import MODEL
from benchmarks.ports import free_port
from nlapi.gateway.envoy.ads_server import AdsServer
from nlapi.gateway.envoy.data_plane import EnvoyDataPlane
from nlapi.gateway.envoy.documents import JsonObject, extension, socket_address
from nlapi.gateway.envoy.envoy_process import ControlPlaneAddress, EnvoyProcess, bootstrap
from nlapi.gateway.envoy.options import DataPlaneOptions
from nlapi.gateway.routing_keys.key_ring import KeyRing
from nlapi.gateway.routing_keys.key_verifier import KeySigner
from nlapi.routing.model import (
    Client,
    Configuration,
    Decision,
    Match,
    Model,
    Objective,
    Rule,
    Shard,
    ShardProtocol,
    Share,
    Version,
    VersionRef,
)

CELLS = 100
"""routes of an objective"""
PATIENCE_S = 60
NLAPI = [sys.executable, "-c", "from nlapi.cli.main import main; main()"]


def upstream_command(port: int) -> list[str]:
    """Return the command of the upstream on a port."""
    return [sys.executable, "-m", "benchmarks.gateway_envoy_planes", str(port)]


def upstream(port: int) -> None:
    """Answer every request on a port, as cheaply as Python can."""
    import uvloop

    class Answering(asyncio.Protocol):
        missing = 0

        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            if not self.missing:
                head, _, body = data.partition(b"\r\n\r\n")
                length = head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or b"0"
                self.missing = int(length) - len(body)
            else:
                self.missing -= len(data)
            if self.missing <= 0:
                self.missing = 0
                self.transport.write(ANSWER)

    async def listen() -> None:
        listener = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", port)
        await listener.serve_forever()

    uvloop.run(listen())


# An answer that LiteLLM takes for one of a model, and that is as good as another for everybody else.
BODY = json.dumps(
    {
        "id": "1",
        "object": "chat.completion",
        "created": 0,
        "model": MODEL,
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "ok"}}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    },
    separators=(",", ":"),
).encode()
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(BODY) + BODY


def payload(size: int) -> bytes:
    """A JSON document of a size, of the form that LiteLLM takes."""
    empty = json.dumps({"model": MODEL, "messages": [{"role": "user", "content": ""}]})
    return empty.replace('""', f'"{"a" * (size - len(empty))}"').encode()


def post(path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    """A request as bytes."""
    named = {"Host": "localhost", "Content-Type": "application/json", "Content-Length": str(len(body)), **headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    return f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + body


def drive(port: int, sent: Sequence[bytes], seconds: float, clients: int, *, at_least: int = 0) -> Run:
    """Closed loops for some seconds and requests, each client with its own part of the requests in turn."""
    run = Run()
    end = time.perf_counter() + seconds

    def work(number: int) -> None:
        connection = Connection(port)
        for count, content in enumerate(itertools.cycle([*sent[number::clients]] or sent)):
            before = time.perf_counter()
            if before > end and count * clients >= at_least:
                break
            status, _ = connection.send(content)
            run.latencies.append((time.perf_counter() - before) * 1000)
            run.statuses[status] = run.statuses.get(status, 0) + 1
        connection.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    run.seconds = seconds
    return run


def configuration(routes: int, endpoint: str, cells: int = CELLS) -> Configuration:
    """`routes` over objectives with `cells` each, all on one shard of JSON, and a client with a limit."""
    objectives, versions, rules, models = {}, {}, {}, {}
    for number in range(max(1, routes // cells)):
        name = f"objective-{number}"
        models[name] = Model(name=name)
        refs = [VersionRef(model=name, version=f"v{index}") for index in range(min(routes, cells))]
        versions |= {ref: Version(model=name, name=ref.version, shard="json") for ref in refs}
        objectives[name] = Objective(name=name, default=refs[0], timeout_ms=5000)
        for index, ref in enumerate(refs[1:]):
            rule = Rule(
                name=f"rule-{number}-{index}",
                objective=name,
                match=Match(when={"client": (f"client-{index}",)}),
                shares=(Share(version=ref, percent=100.0),),
                position=index,
            )
            rules[rule.name] = rule
    return Configuration(
        objectives=objectives,
        models=models,
        versions=versions,
        rules=rules,
        shards={"json": Shard(name="json", protocol=ShardProtocol.JSON, endpoints=(endpoint,), concurrency=1000)},
        clients={"web": Client(name="web", rate=1_000_000.0)},
    )


class PlaneThread:
    """A control plane with its Envoy, in a thread of this process."""

    def __init__(self, program: Path, folder: Path, current: Configuration) -> None:
        self.ring = KeyRing("")
        self.signer = KeySigner(self.ring)
        self.current = current
        self.revision = 1
        port = free_port()
        self.options = DataPlaneOptions(port=port, access_log=str(folder / f"access-{port}.jsonl"))
        self.control = AdsServer("127.0.0.1", 0)
        self.process = EnvoyProcess(
            program,
            lambda admin: bootstrap(
                "bench", ControlPlaneAddress(host="127.0.0.1", port=self.control.port), admin_socket=admin
            ),
            workers=1,
            drain_s=1,
            log=folder / f"envoy-{port}.log",
        )
        self.plane = EnvoyDataPlane(self.options, self.control, self.ring, self.process)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.run(self._start())

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_S)

    async def _start(self) -> None:
        self.plane.publish(self.current, self.revision)
        await self.plane.start()

    def stop(self) -> None:
        self.run(self.plane.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def key(self, objective: str, version: VersionRef, client: str = "web", *, shadows: tuple[str, ...] = ()) -> str:
        decision = Decision(objective=objective, version=version, shard="json", revision=self.revision, shadows=shadows)
        return self.signer.sign(decision, client=client, bucket=0, since=1).token

    def requests(self, body: bytes, keys: int) -> list[bytes]:
        """Requests with so many keys in turn."""
        refs = list(self.current.versions)
        if len(body) > 10_000:  # as many copies of a large body as there are keys would not fit the memory
            refs = refs[:8]
        return [
            post(f"/v1/objectives/{ref.model}/infer", body, {"X-Routing-Key": self.key(ref.model, ref)})
            for ref in refs[:: max(1, len(refs) // keys)][:keys]
        ]

    def publish(self, current: Configuration) -> float:
        """Publish, and come back when Envoy has it; ms."""

        async def work() -> float:
            before = time.perf_counter()
            self.plane.publish(current, self.revision)
            await self.plane.wait_published()
            return (time.perf_counter() - before) * 1000

        self.current = current
        self.revision += 1
        return float(self.run(work()))


def plain_bootstrap(port: int, target: int) -> JsonObject:
    """An Envoy with one static route to the upstream."""
    cluster: JsonObject = {
        "name": "upstream",
        "type": "STATIC",
        "load_assignment": {
            "cluster_name": "upstream",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": socket_address("127.0.0.1", target)}}]}],
        },
    }
    route: JsonObject = {
        "virtual_hosts": [
            {"name": "v", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "upstream"}}]}
        ]
    }
    manager = extension(
        "envoy.filters.network.http_connection_manager",
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        {
            "stat_prefix": "plain",
            "route_config": route,
            "http_filters": [
                extension("envoy.filters.http.router", "envoy.extensions.filters.http.router.v3.Router", {})
            ],
        },
    )
    listener: JsonObject = {
        "name": "plain",
        "address": socket_address("127.0.0.1", port),
        "filter_chains": [{"filters": [manager]}],
    }
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


if __name__ == "__main__":
    upstream(int(sys.argv[1]))
