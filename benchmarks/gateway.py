"""What the gateway costs beside a bare application, LiteLLM's proxy and Ray Serve; writes benchmarks/GATEWAY.md."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from benchmarks import gateway_servers as servers
from benchmarks.load import Connection, Run, closed_loop, cpu_seconds, paced, request, server, warm_up
from benchmarks.peers import MODEL, PeerServer, litellm_server, ray_server
from benchmarks.ports import free_port
from nlapi.routing.table import compile_table as compiled

PAGE = Path(__file__).with_name("GATEWAY.md")
SERVE = "/v1/objectives/noop/serve"
RATE, SECONDS, ROUNDS = 120.0, 2.0, 15
"""Rounds are short and take turns, so that whatever else the machine does falls on all of them alike."""
GOAL_US = 250
POLITE = 10
FLOOD = 4
"""times as many requests as its neighbour sends"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A server under the same load: CPU of its processes for a request, and requests a second."""

    name: str
    us: float
    rps: float


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gateway", description=__doc__)
    parser.add_argument("--peers", type=Path, metavar="FOLDER", help="where LiteLLM and Ray have, or get, environments")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lines = list(report(Path(folder), options.peers))
    # The sections after the first hold what other benchmarks have measured.
    _, heading, sections = PAGE.read_text(encoding="utf-8").partition("\n## ")
    PAGE.write_text("\n".join([*lines, ""]) + heading + sections, encoding="utf-8")
    return 0


def report(folder: Path, peers: Path | None) -> Iterator[str]:
    """The page, line by line, printed as it is made."""
    where = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    yield from said("# What the gateway costs", "")
    load = f"{os.getloadavg()[0]:.1f}"
    yield from said(
        f"`python -m benchmarks.gateway`, {where}, load {load} before it began, {datetime.now(UTC):%Y-%m-%d}."
    )
    yield from said("One run: figures in one table were taken one after the other on the same machine.", "")
    yield from said(f"Decisions a second on one core, {servers.RULES} rules: **{decisions():,.0f}**", "")
    rows, left_out = served(folder, peers)
    base = rows[0].us
    yield from said(
        "| server | CPU us a request | requests a second | times the bare application |", "|---|---|---|---|"
    )
    for row in rows:
        yield from said(f"| {row.name} | {row.us:,.0f} | {row.rps:,.0f} | {row.us / base:.1f} |")
    yield from said("", f"The goal was {GOAL_US} us for routing and a local version that does nothing.", *left_out, "")
    with suppress(PermissionError):  # what else runs on the machine is not what is measured
        os.nice(-POLITE)
    yield from said(*isolation(folder))


def said(*lines: str) -> Iterator[str]:
    for line in lines:
        print(line, flush=True)
        yield line


def decisions() -> float:
    """Decisions a second, the best of three, over contexts that match different rules."""
    table = compiled(servers.configuration(), 1)
    contexts = [{**servers.CONTEXT, "country": servers.COUNTRIES[n % 230], "user": f"u{n}"} for n in range(5000)]
    best = 0.0
    for _ in range(4):
        before = time.process_time()
        for context in contexts * 10:
            table.decide("noop", context)
        best = max(best, 10 * len(contexts) / (time.process_time() - before))
    return best


def served(folder: Path, peers: Path | None) -> tuple[list[Row], list[str]]:
    """Each server under the same closed loop of 8 clients, and a line for each that is not there."""
    document = {"input": servers.INPUT, "context": servers.CONTEXT}
    rows = [measured("bare starlette application", ours("bare"), request("/x", document), 8000)]
    for kind, name in (
        ("gateway-quiet", "gateway, nothing recorded"),
        ("gateway", "gateway, every decision recorded"),
        ("gateway-process", "the same, the version in a process of its own"),
    ):
        tokens = folder / f"{kind}.json"
        rows.append(measured(name, ours(kind, tokens), lambda tokens=tokens: asking("calm", tokens), 8000))
    left_out = []
    for name, package, peer, count in (
        ("LiteLLM's proxy, a mocked model", "litellm[proxy]", litellm, 400),
        ("Ray Serve, a deployment that does nothing", "ray[serve]", ray, 1200),
    ):
        try:
            rows.append(peer(name, environment(peers, package), folder, count))
        except (subprocess.CalledProcessError, RuntimeError, OSError) as error:
            left_out.append(f"{name} is left out: {type(error).__name__}: {str(error)[:120]}")
    return rows, left_out


def measured(
    name: str,
    command: Callable[[int], list[str]],
    sent: bytes | Callable[[], bytes],
    count: int,
    *,
    port: int = 0,
    **options: object,
) -> Row:
    """CPU a request of a server under load, without what it uses when it is idle."""
    port = port or free_port()
    with server(command(port), port, patience_s=120, **options) as pid:
        content = sent if isinstance(sent, bytes) else sent()
        warm_up(port, content, max(count // 10, 50))
        idle = cpu_seconds(pid)
        time.sleep(2)
        idle = (cpu_seconds(pid) - idle) / 2
        before = cpu_seconds(pid)
        run = closed_loop(port, content, count)
        used = cpu_seconds(pid) - before - idle * run.seconds
        answers = sum(run.statuses.values())
        if run.statuses.get(200, 0) != answers:
            raise RuntimeError(f"{name} answered {run.statuses}")
        return Row(name=name, us=used / answers * 1e6, rps=answers / run.seconds)


def ours(kind: str, *more: object) -> Callable[[int], list[str]]:
    """The command of a server of our own on a port."""
    return lambda port: [sys.executable, "-m", "benchmarks.gateway_servers", kind, str(port), *map(str, more)]


def asking(client: str, tokens: Path) -> bytes:
    """A request of a client with its token."""
    headers = {"Authorization": f"Bearer {json.loads(tokens.read_text())[client]}"}
    return request(SERVE, {"input": servers.INPUT, "context": servers.CONTEXT}, headers)


def environment(peers: Path | None, package: str) -> Path:
    """The folder of programs of an environment that holds the package; it is made when it is not there."""
    home = (peers or Path(tempfile.gettempdir()) / "nlapi-peers") / package.partition("[")[0]
    programs = home / "bin"
    if not (programs / "pip").exists():
        venv.create(home, with_pip=True)
    command = [str(programs / "python"), "-m", "pip", "install", "--quiet", package]
    subprocess.run(command, check=True, capture_output=True, timeout=900)
    return programs


def litellm(name: str, programs: Path, folder: Path, count: int) -> Row:
    asked = {"model": MODEL, "messages": [{"role": "user", "content": "hello"}]}
    return _measured_peer(name, partial(litellm_server, programs / "python", folder), folder, asked, count)


def ray(name: str, programs: Path, folder: Path, count: int) -> Row:
    asked = {"input": servers.INPUT, "context": servers.CONTEXT}
    return _measured_peer(name, partial(ray_server, programs / "python", folder), folder, asked, count)


def _measured_peer(
    name: str, start: Callable[[int], PeerServer], folder: Path, asked: Mapping[str, object], count: int
) -> Row:
    port = free_port()
    peer = start(port)
    sent = request(peer.path, asked, peer.headers)
    return measured(name, lambda _: peer.command, sent, count, port=port, env=peer.environment, cwd=folder)


def isolation(folder: Path) -> list[str]:
    """What a slow shadow and a flooding client do to the others, and how soon a rollback is in effect."""
    slow, plain, shadowed, other = free_port(), free_port(), free_port(), free_port()
    tokens = [folder / "plain.json", folder / "shadowed.json"]
    with (
        server(ours("slow")(slow), slow),
        server(ours("bare")(other), other),
        server(ours("gateway", tokens[0])(plain), plain),
        server(ours("gateway", tokens[1], f"http://127.0.0.1:{slow}/x")(shadowed), shadowed),
    ):
        for port, file in ((plain, tokens[0]), (shadowed, tokens[1])):
            warm_up(port, asking("calm", file), 500)
        warm_up(other, asking("flood", tokens[0]), 500)
        alone: list[Run] = []
        copied: list[Run] = []
        elsewhere: list[Run] = []
        flooded: list[Run] = []
        floods: list[Run] = []

        def calm(port: int, file: Path) -> Run:
            return paced(port, asking("calm", file), rate=RATE, seconds=SECONDS)

        with flooder() as flood:
            for _ in range(ROUNDS):
                alone.append(calm(plain, tokens[0]))
                copied.append(calm(shadowed, tokens[1]))
                for port, runs in ((other, elsewhere), (plain, flooded)):
                    sent = asking("flood", tokens[0])
                    sending = flood.submit(paced, port, sent, rate=FLOOD * RATE, seconds=SECONDS)
                    runs.append(calm(plain, tokens[0]))
                    floods.append(sending.result())
        effects, told = rollbacks(plain, 20)
    base = typical(alone)
    lines = [f"| p99 of a client at {RATE:g} requests a second | ms | times alone | failed |", "|---|---|---|---|"]
    for name, runs in (
        ("alone", alone),
        (f"with a shadow that takes {servers.SLOW_S:g} s", copied),
        ("while the same flood goes to another server", elsewhere),
        ("beside a client that floods", flooded),
    ):
        run = together(runs)
        p99 = typical(runs)
        failed = len(run.latencies) - run.statuses.get(200, 0)
        lines.append(f"| {name} | {p99:.2f} | {p99 / base:.2f} | {failed} of {len(run.latencies)} |")
    flooding = together(floods[1::2])
    return [
        *lines,
        "",
        f"Medians of {ROUNDS} rounds of {SECONDS:g} s, in turn; 1.2 times is what is wanted. Each client has one "
        "connection, and the cores are shared by all: what a flood to another server does is the machine's part.",
        f"The flood: {FLOOD * RATE:g} requests a second where {servers.FLOOD_RATE:g} are allowed; of "
        f"{len(flooding.latencies):,}, {flooding.statuses.get(429, 0):,} were refused with 429.",
        "",
        f"A rollback is committed and in effect after {statistics.median(effects):.1f} ms ({max(effects):.1f} at most),"
        f" and told after {statistics.median(told):.1f} ms (medians of {len(effects)}, {servers.RULES} rules).",
    ]


def typical(runs: Sequence[Run]) -> float:
    """The p99 of a round, the median of all: one second in which the machine stands still is not in it."""
    return statistics.median(run.percentile(0.99) for run in runs)


def together(runs: Sequence[Run]) -> Run:
    """Several runs as one."""
    whole = Run()
    for run in runs:
        whole.latencies += run.latencies
        for status, count in run.statuses.items():
            whole.statuses[status] = whole.statuses.get(status, 0) + count
    return whole


@contextmanager
def flooder() -> Iterator[Executor]:
    """A process that sends requests when it is told to.

    It is polite: on a machine of its own it would take no time from the server either.
    """
    with ProcessPoolExecutor(1, get_context("spawn"), initializer=os.nice, initargs=(POLITE,)) as pool:
        pool.submit(os.getpid).result()
        yield pool


def rollbacks(port: int, count: int) -> tuple[list[float], list[float]]:
    """Milliseconds from the call of a rollback until it decides, and until the call comes back."""
    connection = Connection(port)
    found = [json.loads(connection.send(request("/roll", {}))[1]) for _ in range(count)]
    connection.close()
    return [one["effect_ms"] for one in found], [one["told_ms"] for one in found]


if __name__ == "__main__":
    sys.exit(main())
