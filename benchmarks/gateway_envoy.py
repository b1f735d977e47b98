"""What Envoy as the data plane costs: CPU and latency of a request, and the time until a revision is served.

    python -m benchmarks.gateway_envoy [--rounds N] [--envoy PATH] [--only costs|publish]

Rounds take turns between the upstream itself, a plain Envoy with one static route, Envoy as nlapi configures it (signed
keys, limits, a log in JSON) with 10 and with 10,000 routes, and the embedded engine; each round of a variant is
compared with that of the plain Envoy. CPU is that of the proxy alone, in user and system time. Everything is on
loopback, Envoys have one worker. It takes about a minute.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.load import Connection, Run, cpu_seconds, free_port, server
from nlapi.gateway.access import Access, Audience
from nlapi.gateway.codec import encode_configuration
from nlapi.gateway.envoy.ads_server import AdsServer
from nlapi.gateway.envoy.bootstrap import ControlPlaneAddress, bootstrap
from nlapi.gateway.envoy.data_plane import EnvoyDataPlane
from nlapi.gateway.envoy.documents import JsonObject, extension, socket_address
from nlapi.gateway.envoy.envoy_process import EnvoyProcess, find_envoy
from nlapi.gateway.envoy.options import DataPlaneOptions
from nlapi.gateway.routing_keys.key_ring import KeyRing
from nlapi.gateway.routing_keys.key_signer import KeySigner
from nlapi.gateway.store import GatewayStore
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

PAYLOADS = {"1 KB": 1_000, "128 KB": 128_000, "1.3 MB": 1_300_000}
CLIENTS = {"1 KB": 16, "128 KB": 8, "1.3 MB": 4}
SECONDS = 0.4
CELLS = 100
"""routes of an objective"""
KEYS_IN_USE = 1_000
PUBLICATIONS = 30
PATIENCE_S = 60
NLAPI = [sys.executable, "-c", "from nlapi.cli.main import main; main()"]

# The bars of the issue: us of CPU over the plain Envoy, its multiple for large payloads, ms until a revision is served.
MOST_ADDED_US, MOST_MULTIPLE, MOST_KEYS_MULTIPLE, MOST_MEDIAN_MS, MOST_MS = 22.0, 1.15, 1.2, 20.0, 100.0


@dataclass(slots=True)
class Variant:
    """A way for a request: its port, the process whose CPU counts, and the requests that are sent in turn."""

    name: str
    port: int
    pid: int
    requests: Callable[[bytes], Sequence[bytes]]
    cost_us: dict[str, list[float]] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)


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


BODY = json.dumps({"ok": "x" * 190}).encode()
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(BODY) + BODY


def payload(size: int) -> bytes:
    """A JSON document of a size."""
    return json.dumps({"x": "a" * (size - 10)}).encode()


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


@contextmanager
def variants(program: Path, folder: Path) -> Iterator[tuple[list[Variant], PlaneThread]]:
    """All variants, running; and the plane with most routes."""
    with ExitStack() as stack:
        target, plain, embedded = free_port(), free_port(), free_port()
        command = [sys.executable, "-m", "benchmarks.gateway_envoy", "--upstream", str(target)]
        upstream_pid = stack.enter_context(server(command, target))
        file = folder / "plain.json"
        file.write_text(json.dumps(plain_bootstrap(plain, target)))
        options = ["--config-path", str(file), "--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]
        plain_pid = stack.enter_context(server([str(program), *options], plain))
        endpoint = f"http://127.0.0.1:{target}"
        few = PlaneThread(program, folder, configuration(10, endpoint))
        stack.callback(few.stop)
        wide = PlaneThread(program, folder, configuration(10_000, endpoint, 10_000))
        stack.callback(wide.stop)
        many = PlaneThread(program, folder, configuration(10_000, endpoint))
        stack.callback(many.stop)
        token, embedded_pid = _embedded(stack, folder, embedded, configuration(10, endpoint))
        bearer = {"Authorization": f"Bearer {token}"}
        serve = "/v1/objectives/objective-0/serve"
        yield (
            [
                Variant("upstream itself", target, upstream_pid, lambda body: [post("/", body, {})]),
                Variant("plain Envoy", plain, plain_pid, lambda body: [post("/", body, {})]),
                Variant("nlapi's Envoy, 10 routes", few.options.port, few.process.pid, lambda b: few.requests(b, 10)),
                Variant(
                    f"10,000 of one objective, {KEYS_IN_USE:,} keys",
                    wide.options.port,
                    wide.process.pid,
                    lambda body: wide.requests(body, KEYS_IN_USE),
                ),
                Variant(
                    f"10,000 of 100 objectives, {KEYS_IN_USE:,} keys",
                    many.options.port,
                    many.process.pid,
                    lambda body: many.requests(body, KEYS_IN_USE),
                ),
                Variant(
                    "10,000 of 100 objectives, 10,000 keys",
                    many.options.port,
                    many.process.pid,
                    lambda body: many.requests(body, 10_000),
                ),
                Variant(
                    "embedded engine",
                    embedded,
                    embedded_pid,
                    lambda body: [post(serve, b'{"input": ' + body + b"}", bearer)],
                ),
            ],
            many,
        )


def _embedded(stack: ExitStack, folder: Path, port: int, current: Configuration) -> tuple[str, int]:
    file, database = folder / "gateway.json", folder / "gateway.db"
    current = replace(current, clients={})
    file.write_text(json.dumps(encode_configuration(current)))
    store = GatewayStore(database)
    token = Access(store).create_token("web", Audience.SERVE)[1]
    store.close()
    command = [*NLAPI, "gateway", "serve", "--config", str(file), "--database", str(database), "--port", str(port)]
    return token, stack.enter_context(server(command, port))


def measure_costs(ways: list[Variant], rounds: int) -> None:
    """Drive all variants in turn."""
    for name, size in PAYLOADS.items():
        body = payload(size)
        sent = {way.name: way.requests(body) for way in ways}
        for way in ways:  # connections, pools and each key in Envoy's cache are there before anything counts
            drive(way.port, sent[way.name], 0.1, CLIENTS[name], at_least=len(sent[way.name]))
            way.runs[name] = Run()
        for _ in range(rounds):
            for way in ways:
                before = cpu_seconds(way.pid)
                run = drive(way.port, sent[way.name], SECONDS, CLIENTS[name])
                spent = cpu_seconds(way.pid) - before
                way.cost_us.setdefault(name, []).append(spent * 1e6 / max(1, len(run.latencies)))
                way.runs[name].latencies += run.latencies
                for status, count in run.statuses.items():
                    way.runs[name].statuses[status] = way.runs[name].statuses.get(status, 0) + count


def show_costs(ways: list[Variant]) -> list[str]:
    """Print the table, and return what is over its bar."""
    over: list[str] = []
    plain = ways[1]
    for name in PAYLOADS:
        print(f"\n{name}, {CLIENTS[name]} clients: us of CPU a request (over plain Envoy), p50 and p99 in ms")
        for way in ways:
            cost, run = statistics.median(way.cost_us[name]), way.runs[name]
            pairs = list(zip(way.cost_us[name], plain.cost_us[name], strict=True))
            added = statistics.median(mine - theirs for mine, theirs in pairs)
            multiple = statistics.median(mine / theirs for mine, theirs in pairs)
            failed = sum(count for status, count in run.statuses.items() if status != 200)
            print(
                f"  {way.name:38} {cost:9.1f} us  {added:+9.1f} us  {multiple:6.2f} x"
                f"  p50 {run.percentile(0.5):7.2f}  p99 {run.percentile(0.99):7.2f}  {len(run.latencies):6} requests"
                f"{f', {failed} failed' if failed else ''}"
            )
            if failed:
                over.append(f"{name}, {way.name}: {failed} requests failed")
            is_ours = "Envoy, 10" in way.name or "keys" in way.name
            if is_ours and name == "1 KB" and added > MOST_ADDED_US:
                over.append(f"{name}, {way.name}: {added:.1f} us over plain Envoy, {MOST_ADDED_US:g} are the most")
            if is_ours and name != "1 KB" and multiple > MOST_MULTIPLE:
                over.append(f"{name}, {way.name}: {multiple:.2f} x plain Envoy, {MOST_MULTIPLE:g} are the most")
    few, wide, many = (statistics.median(ways[index].cost_us["1 KB"]) for index in (2, 3, 4))
    print(f"\nat 1 KB, 10,000 routes cost {wide / few:.2f} x those of 10, and over 100 objectives {many / few:.2f} x")
    if wide / few > MOST_KEYS_MULTIPLE:
        over.append(f"10,000 routes: {wide / few:.2f} x of 10, {MOST_KEYS_MULTIPLE:g} are the most")
    return over


def measure_publications(plane: PlaneThread) -> list[str]:
    """Move a default and ask with a key for the new route; print the times, and return what is over its bar."""
    taken, first = [], []
    names = list(plane.current.objectives)
    gc.collect()
    gc.freeze()  # as the gateway does when it has started
    for number in range(PUBLICATIONS):
        objective = plane.current.objectives[names[number % len(names)]]
        version = VersionRef(model=objective.name, version=f"new-{number}")
        entry = Version(model=objective.name, name=version.version, shard="json")
        changed = replace(
            plane.current,
            objectives={**plane.current.objectives, objective.name: replace(objective, default=version)},
            versions={**plane.current.versions, version: entry},
        )
        key = plane.key(objective.name, version)
        sent = post(f"/v1/objectives/{objective.name}/infer", b"{}", {"X-Routing-Key": key})
        connection = Connection(plane.options.port)
        before = time.perf_counter()
        taken.append(plane.publish(changed))
        status, _ = connection.send(sent)
        first.append((time.perf_counter() - before) * 1000)
        connection.close()
        if status != 200:
            return [f"publication {number}: {status} on the new route"]
    rows = {"until Envoy has answered": taken, "until the first answer on the new route": first}
    print(f"\n{PUBLICATIONS} publications with {len(plane.current.rules):,} rules and 10,000 routes, ms")
    for text, values in rows.items():
        print(f"  {text:42} median {statistics.median(values):6.1f}  most {max(values):6.1f}")
    over = []
    if statistics.median(first) > MOST_MEDIAN_MS or max(first) > MOST_MS:
        over.append(f"a publication: {MOST_MEDIAN_MS:g} ms in the median and {MOST_MS:g} ms are the most")
    return over


def main() -> int:
    """Print the tables; 1 when a bar is not held."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--envoy", type=Path)
    parser.add_argument("--only", choices=["costs", "publish"])
    parser.add_argument("--upstream", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.upstream:
        upstream(arguments.upstream)
        return 0
    over: list[str] = []
    with tempfile.TemporaryDirectory() as folder, variants(find_envoy(arguments.envoy), Path(folder)) as (ways, many):
        if arguments.only != "publish":
            measure_costs(ways, arguments.rounds)
            over += show_costs(ways)
        if arguments.only != "costs":
            over += measure_publications(many)
    for text in over:
        print(f"over: {text}")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
