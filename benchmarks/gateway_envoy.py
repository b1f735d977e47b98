"""What Envoy as the data plane costs: CPU and latency of a request, and the time until a revision is served.

    python -m benchmarks.gateway_envoy [--rounds N] [--envoy PATH] [--only costs|publish]
        [--litellm PYTHON] [--ray PYTHON] [--write]

Rounds take turns between the upstream itself, a plain Envoy with one static route, Envoy as nlapi configures it (signed
keys, limits, a log in JSON) with 10 and with 10,000 routes, the embedded engine, and LiteLLM's proxy and Ray Serve
where the Python of an environment with them is named; each round of a variant is compared with that of the plain Envoy.
CPU is that of the proxy alone, in user and system time, without what it takes when nobody asks. Everything is on
loopback, Envoys have one worker. It takes about a minute, and two with LiteLLM and Ray Serve. --write puts the table
into GATEWAY_ENVOY.md, from which `benchmarks.capacity` takes it.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from benchmarks import envoy_costs as costs
from benchmarks.gateway_envoy_planes import (
    BODY,
    NLAPI,
    PATIENCE_S,
    PlaneThread,
    configuration,
    drive,
    payload,
    plain_bootstrap,
    post,
    upstream_command,
)
from benchmarks.load import Connection, Run, cpu_seconds, server, warm_up
from benchmarks.peers import litellm_server, ray_server
from benchmarks.ports import free_port
from nlapi.gateway.control.access import Access, Audience
from nlapi.gateway.control.codec import encode_configuration
from nlapi.gateway.envoy.envoy_process import find_envoy
from nlapi.gateway.store.store import GatewayStore
from nlapi.routing.model import Configuration, Version, VersionRef

PAYLOADS = {"1 KB": 1_000, "128 KB": 128_000, "1.3 MB": 1_300_000}
CLIENTS = {"1 KB": 16, "128 KB": 8, "1.3 MB": 4}
SECONDS = 0.4
KEYS_IN_USE = 1_000
PUBLICATIONS = 30
IDLE_S = 2.0
LEAST_FOR_P99 = 100

# The bars of the issue: us of CPU over the plain Envoy, its multiple for large payloads, ms until a revision is served.
MOST_ADDED_US, MOST_MULTIPLE, MOST_KEYS_MULTIPLE, MOST_MEDIAN_MS, MOST_MS = 22.0, 1.15, 1.2, 20.0, 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Peers:
    """The Pythons of the environments that have LiteLLM and Ray Serve; None leaves one out."""

    litellm: Path | None = None
    ray: Path | None = None


@dataclass(slots=True)
class Variant:
    """A way for a request: its port, the process whose CPU counts, and the requests that are sent in turn."""

    name: str
    port: int
    pid: int
    requests: Callable[[bytes], Sequence[bytes]]
    idle: float = 0.0
    """the CPU that it takes without requests, as a part of a core"""
    cost_us: dict[str, list[float]] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)


@contextmanager
def variants(program: Path, folder: Path, peers: Peers) -> Iterator[tuple[list[Variant], PlaneThread]]:
    """All variants, running; and the plane with most routes."""
    with ExitStack() as stack:
        target, plain, embedded = free_port(), free_port(), free_port()
        upstream_pid = stack.enter_context(server(upstream_command(target), target))
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
        objective = "/v1/objectives/objective-0"
        yield (
            [
                Variant("upstream itself", target, upstream_pid, lambda body: [post("/", body, {})]),
                Variant(costs.PLAIN, plain, plain_pid, lambda body: [post("/", body, {})]),
                Variant("nlapi's Envoy, 10 routes", few.options.port, few.process.pid, lambda b: few.requests(b, 10)),
                Variant(
                    f"nlapi's Envoy, 10,000 routes of one objective, {KEYS_IN_USE:,} keys in use",
                    wide.options.port,
                    wide.process.pid,
                    lambda body: wide.requests(body, KEYS_IN_USE),
                ),
                Variant(
                    f"nlapi's Envoy, 10,000 routes of 100 objectives, {KEYS_IN_USE:,} keys in use",
                    many.options.port,
                    many.process.pid,
                    lambda body: many.requests(body, KEYS_IN_USE),
                ),
                Variant(
                    costs.MOST_ROUTES,
                    many.options.port,
                    many.process.pid,
                    lambda body: many.requests(body, 10_000),
                ),
                Variant(
                    costs.EMBEDDED,
                    embedded,
                    embedded_pid,
                    lambda body: [post(f"{objective}/serve", b'{"input": ' + body + b"}", bearer)],
                ),
                Variant(
                    costs.RESOLVE,
                    embedded,
                    embedded_pid,
                    lambda body: [post(f"{objective}/resolve", b'{"context": {}}', bearer)],
                ),
                *_peer_variants(stack, folder, target, peers),
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


def _peer_variants(stack: ExitStack, folder: Path, target: int, peers: Peers) -> Iterator[Variant]:
    """Start what is installed; what is not is left out, with the reason."""
    starts = {
        costs.LITELLM: (peers.litellm, partial(litellm_server, api_base=f"http://127.0.0.1:{target}/v1")),
        costs.RAY: (peers.ray, partial(ray_server, body=BODY)),
    }
    for name, (python, start) in starts.items():
        if python is None:
            print(f"{name} is left out: the Python of an environment with it was not named")
            continue
        port = free_port()
        peer = start(python, folder, port)
        try:
            pid = stack.enter_context(
                server(peer.command, port, patience_s=PATIENCE_S * 2, env=peer.environment, cwd=folder)
            )
            warm_up(port, post(peer.path, payload(1000), peer.headers), 32)
        except (OSError, RuntimeError) as error:
            print(f"{name} is left out: {type(error).__name__}: {str(error)[:120]}")
            continue
        before = cpu_seconds(pid)
        time.sleep(IDLE_S)
        idle = (cpu_seconds(pid) - before) / IDLE_S
        yield Variant(name, port, pid, lambda body, peer=peer: [post(peer.path, body, peer.headers)], idle=idle)


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
                # Connections to an upstream end after 5 s without a call, which all other variants together may take.
                drive(way.port, sent[way.name], 0.05, CLIENTS[name], at_least=min(len(sent[way.name]), KEYS_IN_USE))
                before, start = cpu_seconds(way.pid), time.perf_counter()
                run = drive(way.port, sent[way.name], SECONDS, CLIENTS[name])
                spent = cpu_seconds(way.pid) - before - way.idle * (time.perf_counter() - start)
                way.cost_us.setdefault(name, []).append(spent * 1e6 / max(1, len(run.latencies)))
                way.runs[name].latencies += run.latencies
                for status, count in run.statuses.items():
                    way.runs[name].statuses[status] = way.runs[name].statuses.get(status, 0) + count


def show_costs(ways: list[Variant], rounds: int, *, writes: bool) -> list[str]:
    """Print the table, write it where the page is to have it, and return what is over its bar."""
    over: list[str] = []
    rows: dict[str, dict[str, costs.Cost]] = {way.name: {} for way in ways}
    plain = ways[1]
    for name in PAYLOADS:
        print(f"\n{name}, {CLIENTS[name]} clients: us of CPU a request (over plain Envoy), p50 and p99 in ms")
        for way in ways:
            cost, run = statistics.median(way.cost_us[name]), way.runs[name]
            pairs = list(zip(way.cost_us[name], plain.cost_us[name], strict=True))
            added = statistics.median(mine - theirs for mine, theirs in pairs)
            multiple = statistics.median(mine / theirs for mine, theirs in pairs)
            rare = len(run.latencies) < LEAST_FOR_P99
            rows[way.name][name] = costs.Cost(
                us=cost, multiple=multiple, p50=run.percentile(0.5), p99=0.0 if rare else run.percentile(0.99)
            )
            failed = sum(count for status, count in run.statuses.items() if status != 200)
            print(
                f"  {way.name:68} {cost:9.1f} us  {added:+9.1f} us  {multiple:6.2f} x"
                f"  p50 {run.percentile(0.5):7.2f}  p99 {run.percentile(0.99):7.2f}  {len(run.latencies):6} requests"
                f"{f', {failed} failed' if failed else ''}"
            )
            if failed:
                over.append(f"{name}, {way.name}: {failed} requests failed")
            is_ours = way.name.startswith("nlapi's")
            if is_ours and name == "1 KB" and added > MOST_ADDED_US:
                over.append(f"{name}, {way.name}: {added:.1f} us over plain Envoy, {MOST_ADDED_US:g} are the most")
            if is_ours and name != "1 KB" and multiple > MOST_MULTIPLE:
                over.append(f"{name}, {way.name}: {multiple:.2f} x plain Envoy, {MOST_MULTIPLE:g} are the most")
    if writes:
        load = os.getloadavg()[0]
        note = f"Medians of {rounds} rounds in turns, with a load of {load:.0f} at their end."
        note += f" No p99 of fewer than {LEAST_FOR_P99} requests."
        costs.write_table(costs.cost_table(list(PAYLOADS), rows), note)
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
    parser.add_argument("--litellm", type=Path, metavar="PYTHON", help="of an environment with litellm[proxy]")
    parser.add_argument("--write", action="store_true", help="put the table into GATEWAY_ENVOY.md")
    parser.add_argument("--ray", type=Path, metavar="PYTHON", help="of an environment with ray[serve]")
    arguments = parser.parse_args()
    over: list[str] = []
    peers = Peers(litellm=arguments.litellm, ray=arguments.ray)
    program = find_envoy(arguments.envoy)
    with tempfile.TemporaryDirectory() as folder, variants(program, Path(folder), peers) as (ways, many):
        if arguments.only != "publish":
            measure_costs(ways, arguments.rounds)
            over += show_costs(ways, arguments.rounds, writes=arguments.write)
        if arguments.only != "costs":
            over += measure_publications(many)
    print(f"load average {os.getloadavg()[0]:.1f}")
    for text in over:
        print(f"over: {text}")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
