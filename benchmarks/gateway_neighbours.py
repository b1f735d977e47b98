"""What a bad neighbour does to the others at one gateway: their answers and their p99, with and without it.

    python -m benchmarks.gateway_neighbours [CASE ...]

Rounds take turns: the neighbour by itself, beside as many good requests of the bad client, and beside its bad ones.
All objectives share one shard of three replicas. A ratio is the median over the rounds, each compared with itself: what
else a busy machine does changes from round to round. The longest step is CPU time of the gateway's event loop, in which
it serves nobody else. It takes about 100 seconds, and exits with 1 when an answer is missing, or a p99 is more than 1.2
times that alone and that beside the good requests.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.gateway_servers import answer
from benchmarks.load import Connection, Run, paced, request, server
from benchmarks.ports import free_port
from nlapi.gateway.control.access import Access, Audience
from nlapi.gateway.engine import Engine
from nlapi.gateway.http.app import Gateway
from nlapi.gateway.http.server import serve
from nlapi.gateway.records.records import decision_sink
from nlapi.gateway.store.store import GatewayStore
from nlapi.routing.model import Configuration, Model, Objective, Shard, ShardProtocol, Version

REPLICAS = 3
RATE, SECONDS, ROUNDS = 150.0, 0.7, 7
"""of the neighbour; short rounds in turn, so that what else the machine does falls on all of them alike"""
LARGEST_RATIO = 1.2
POLITE = 10
BAD_CONNECTIONS = 40
MODEL_MS = 100

FLOOD = (b"10000\r\n" + b" " * 65536 + b"\r\n") * 64
"""4 MiB in chunks, made once: the replica shall have as little work as possible"""

LEAKING = """
held = []

def predict(value):
    if value.get("do") == "leak":
        held.append(bytearray(b"x") * 2**20 * 4)
    return {"ok": True}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A bad load: requests a second with an input for an objective; `trickles` sends each body byte by byte.

    The good one has the same rate, and {} for `good`, or the same objective.
    """

    objective: str
    rate: float
    input: dict[str, Any] = field(default_factory=dict)
    trickles: bool = False
    good: str = ""


CASES: dict[str, Case] = {
    "inputs that the model answers with 500": Case(objective="bad", rate=200, input={"do": "fail"}),
    "50 ms of patience on a 100 ms model": Case(objective="impatient", rate=200, input={"do": "wait"}, good="bad"),
    "answers that come slowly": Case(objective="bad", rate=60, input={"do": "trickle"}),
    "requests that come slowly": Case(objective="bad", rate=60, trickles=True),
    "endless answers": Case(objective="bad", rate=4, input={"do": "flood"}),
    "a worker that leaks 4 MiB a call": Case(objective="leaking", rate=20, input={"do": "leak"}),
}


def configuration(urls: list[str]) -> Configuration:
    """Objectives that share a shard, one with a deadline that its model misses, and one with a leaking version."""
    shared = Version(model="shared", name="v1", shard="far")
    leaking = Version(model="leaking", name="v1", source="leaking")
    names = (("calm", shared, 2000), ("bad", shared, 2000), ("impatient", shared, 50), ("leaking", leaking, 2000))
    return Configuration(
        objectives={
            name: Objective(name=name, default=version.ref, timeout_ms=timeout_ms)
            for name, version, timeout_ms in names
        },
        models={name: Model(name=name) for name in ("shared", "leaking")},
        versions={version.ref: version for version in (shared, leaking)},
        shards={
            "local": Shard(name="local"),
            "far": Shard(name="far", protocol=ShardProtocol.JSON, endpoints=tuple(urls)),
        },
    )


def serve_gateway(port: int, tokens: Path, urls: list[str]) -> None:
    """A whole gateway: tokens, checks, decisions recorded in a file."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "leaking").mkdir()
        (folder / "leaking" / "model.toml").write_text('[run]\nmode = "process"\nmemory_mb = 512\n')
        (folder / "leaking" / "stages.py").write_text(LEAKING)
        store = GatewayStore(folder / "gateway.db")
        access = Access(store)
        tokens.write_text(json.dumps({name: access.create_token(name, Audience.SERVE)[1] for name in ("calm", "bad")}))
        serve(App(store, folder, configuration(urls)), port=port)


class App:
    """The gateway, with `/step`: the longest step of its event loop since the last time, in ms of CPU time."""

    def __init__(self, store: GatewayStore, folder: Path, made: Configuration) -> None:
        self._store, self._folder, self._made = store, folder, made
        self._longest = 0.0
        self._gateway: Gateway
        self._watch: asyncio.Task[None]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            self._gateway = Gateway(self._store, Engine(models=self._folder, record=decision_sink(self._store)))
            await self._gateway.publisher.change(lambda _: self._made, author="benchmark")
            self._watch = asyncio.create_task(self._measure_steps())
        if scope["type"] == "http" and scope["path"] == "/step":
            longest, self._longest = self._longest, 0.0
            await answer(send, {"ms": longest * 1000})
            return
        await self._gateway(scope, receive, send)

    async def _measure_steps(self) -> None:
        while True:
            before = time.thread_time()
            await asyncio.sleep(0.001)
            self._longest = max(self._longest, time.thread_time() - before)


def serve_shard(ports: list[int]) -> None:
    """Replicas that do what the input says."""

    async def whole() -> None:
        for port in ports:
            await asyncio.start_server(_talk, "127.0.0.1", port, backlog=1024)
        await asyncio.Event().wait()

    asyncio.run(whole())


async def _talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(EOFError, OSError):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
            await _answer(json.loads(await reader.readexactly(length)).get("do"), writer)
    writer.close()


def _flood(number: int) -> None:
    # In a thread, which needs no interpreter's lock while it sends: the other calls of the replica shall not wait.
    with socket.socket(fileno=os.dup(number)) as connection, suppress(OSError):
        connection.settimeout(10)
        while True:
            connection.sendall(FLOOD)


async def _answer(deed: str | None, writer: asyncio.StreamWriter) -> None:
    if deed == "trickle":
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.1)
    if deed == "flood":
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        await asyncio.to_thread(_flood, writer.get_extra_info("socket").fileno())
    await asyncio.sleep(MODEL_MS / 1000 if deed == "wait" else 0.002)
    status = b"500 Internal Server Error" if deed == "fail" else b"200 OK"
    writer.write(b"HTTP/1.1 " + status + b'\r\nContent-Length: 11\r\n\r\n{"ok":true}')


def misbehave(port: int, sent: bytes, rate: float, seconds: float, trickles: bool) -> int:
    """Send at a rate over many connections, and return the number of requests."""
    return asyncio.run(_misbehave(port, sent, rate, seconds, trickles))


async def _misbehave(port: int, sent: bytes, rate: float, seconds: float, trickles: bool) -> int:
    end = time.monotonic() + seconds
    connections = min(BAD_CONNECTIONS, max(1, int(rate / 2)))
    count = 0

    async def one(number: int) -> None:
        nonlocal count
        await asyncio.sleep(number / rate)
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**24)
        with suppress(EOFError, OSError, TimeoutError):
            while time.monotonic() < end:
                due = time.monotonic() + connections / rate
                count += 1
                async with asyncio.timeout(end - time.monotonic() + 0.2):
                    if trickles:
                        writer.write(sent[:-20])
                        while True:
                            await asyncio.sleep(0.05)
                            writer.write(b" ")
                    writer.write(sent)
                    head = await reader.readuntil(b"\r\n\r\n")
                    await reader.readexactly(int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]))
                await asyncio.sleep(max(0.0, due - time.monotonic()))
        writer.close()

    await asyncio.gather(*(one(number) for number in range(connections)))
    return count


@contextmanager
def gateway() -> Iterator[tuple[int, dict[str, str]]]:
    """A gateway with its shard, each in a process of its own: the port and the clients' tokens."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        tokens, port, ports = Path(folder) / "tokens.json", free_port(), [free_port() for _ in range(REPLICAS)]
        # Not with -m: a worker process of the gateway would import this module, with all that it needs.
        start = "import sys; from benchmarks.gateway_neighbours import main; main(sys.argv[1:])"
        command = [sys.executable, "-c", start]
        stack.enter_context(server([*command, "--shard", *map(str, ports)], ports[-1]))
        urls = [f"http://127.0.0.1:{number}" for number in ports]
        stack.enter_context(server([*command, "--gateway", str(port), str(tokens), *urls], port))
        yield port, json.loads(tokens.read_text())


def asking(objective: str, token: str, value: dict[str, Any]) -> bytes:
    headers = {"Authorization": f"Bearer {token}"}
    return request(f"/v1/objectives/{objective}/serve", {"input": value}, headers)


@dataclass(slots=True)
class Measured:
    """The neighbour's runs in one place, and the longest steps of its gateway in each."""

    runs: list[Run] = field(default_factory=list)
    steps: list[float] = field(default_factory=list)

    @property
    def p99s(self) -> list[float]:
        """In ms, of each round."""
        return [run.percentile(0.99) for run in self.runs]

    @property
    def answers(self) -> tuple[int, int]:
        """The number of answers, and of requests."""
        return sum(run.statuses.get(200, 0) for run in self.runs), sum(len(run.latencies) for run in self.runs)

    def ratio(self, other: Measured) -> float:
        """The p99 to that of another place: the median over the rounds."""
        return statistics.median(mine / theirs for mine, theirs in zip(self.p99s, other.p99s, strict=True))


def longest_step(port: int) -> float:
    connection = Connection(port)
    _, body = connection.send(request("/step", {}))
    connection.close()
    return float(json.loads(body)["ms"])


def measure(case: Case, port: int, tokens: dict[str, str], pool: Executor) -> list[Measured]:
    """The neighbour alone, beside good requests of the bad client, and beside its bad ones."""
    calm = asking("calm", tokens["calm"], {})
    good = (asking(case.good or case.objective, tokens["bad"], {}), case.rate, SECONDS, False)
    bad = (asking(case.objective, tokens["bad"], case.input), case.rate, SECONDS, case.trickles)
    found = [Measured(), Measured(), Measured()]
    for _ in range(ROUNDS):
        for load, measured in zip((None, good, bad), found, strict=True):
            sending = pool.submit(misbehave, port, *load) if load else None
            longest_step(port)
            measured.runs.append(paced(port, calm, rate=RATE, seconds=SECONDS))
            measured.steps.append(longest_step(port))
            if sending:
                sending.result()
    return found


def _set_scheduler(urgent: bool) -> None:
    """Let this process and what it starts go before all others, where that is allowed; those not urgent behind them."""
    # What else runs on the machine is not what is measured. They need less than one core. The bad client goes before
    # the rest of the machine too: held up by it, it would send what is due in bursts.
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(2 if urgent else 1))
    except (PermissionError, AttributeError):
        if not urgent:
            os.nice(POLITE)


def report(names: list[str]) -> bool:
    """Print the table as it is measured, and return whether all of it holds."""
    columns = ("beside", "answers", "p99 alone, ms", "times alone", "times beside good requests", "longest step, ms")
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}", flush=True)
    holds = True
    _set_scheduler(urgent=True)
    with (
        gateway() as (port, tokens),
        ProcessPoolExecutor(1, get_context("spawn"), initializer=_set_scheduler, initargs=(False,)) as pool,
    ):
        paced(port, asking("calm", tokens["calm"], {}), rate=RATE, seconds=1)
        for name in names:
            alone, good, bad = measure(CASES[name], port, tokens, pool)
            answered, asked = bad.answers
            steps = f"{statistics.median(good.steps):.1f} -> {statistics.median(bad.steps):.1f}"
            cells = [name, f"{answered} of {asked}", f"{statistics.median(alone.p99s):.2f}", f"{bad.ratio(alone):.2f}"]
            print(f"| {' | '.join([*cells, f'{bad.ratio(good):.2f}', steps])} |", flush=True)
            holds = holds and answered == asked and min(bad.ratio(alone), bad.ratio(good)) <= LARGEST_RATIO
    return holds


def main(words: list[str]) -> int:
    starts: dict[str, Callable[[], None]] = {
        "--shard": lambda: serve_shard([int(port) for port in words[1:]]),
        "--gateway": lambda: serve_gateway(int(words[1]), Path(words[2]), words[3:]),
    }
    if words and words[0] in starts:
        starts[words[0]]()
        return 0
    return 0 if report([name for name in CASES if not words or any(word in name for word in words)]) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
