"""Measures what a client of the gateway adds to a call: CPU us of a cached decision, of a payload, and of a resolve.

usage: python -m benchmarks.gateway_client [--calls 4000]     (about 20 s)

Everything is on loopback. The client has a process to itself, so its CPU time is its alone; the gateway and an upstream
that answers at once run in others. "bare" sends the same
payload with the same library, JSON and time limit, and no decision.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import orjson

from nlapi.gateway import AsyncClient, Client
from tests.gateway.kit import document
from tests.gateway.processes import serve_process

ROUNDS = 5
LOOKUPS = 20_000
AT_ONCE = 8
OBJECTIVE = "continue-watching"
CONTEXTS = [{"country": country, "user": f"u{number}"} for number, country in enumerate(["BR", "US", "DE", "JP"] * 25)]
RULE = {"name": "brazil", "objective": OBJECTIVE, "position": 1, "when": {"country": ["BR"]}}

UPSTREAM = """
import asyncio
BODY = b'{"score": 0.5}'
HEAD = b"HTTP/1.1 200 OK\\r\\ncontent-type: application/json\\r\\ncontent-length: %d\\r\\n\\r\\n" % len(BODY)
class Answer(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.data = transport, b""
    def data_received(self, data):
        self.data += data
        while (end := self.data.find(b"\\r\\n\\r\\n")) >= 0:
            head = self.data[:end].lower()
            length = int(head.partition(b"content-length:")[2].split(b"\\r\\n")[0])
            if len(self.data) < end + 4 + length:
                return
            self.data = self.data[end + 4 + length:]
            self.transport.write(HEAD + BODY)
async def main():
    server = await asyncio.get_running_loop().create_server(Answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""


def cpu_us(work: Callable[[], object], calls: int) -> float:
    """Return the CPU us of this process for each call of `work`, which makes `calls` of them."""
    before = time.process_time()
    work()
    return (time.process_time() - before) / calls * 1e6


def lookups(resolve: Callable[[str, dict[str, str]], object]) -> Callable[[], None]:
    def work() -> None:
        for number in range(LOOKUPS):
            resolve(OBJECTIVE, CONTEXTS[number % len(CONTEXTS)])

    return work


async def repeated(call: Callable[[dict[str, str]], Awaitable[object]], calls: int) -> None:
    """Make `calls` calls, AT_ONCE at a time."""

    async def some(start: int) -> None:
        for number in range(start, calls, AT_ONCE):
            await call(CONTEXTS[number % len(CONTEXTS)])

    await asyncio.gather(*(some(start) for start in range(AT_ONCE)))


async def measure_async(url: str, token: str, plane: str, calls: int) -> dict[str, list[float]]:
    """Return the CPU us a call of each kind, of each round."""
    from nlapi.gateway.shards.http_client import EndpointClient

    figures: dict[str, list[float]] = {name: [] for name in ("cached (async)", "serve", "bare", "resolve")}
    bare = EndpointClient(60.0)
    target = f"{plane}/v1/objectives/{OBJECTIVE}/infer"
    headers = {"Content-Type": "application/json", "Accept": "application/json", "X-Routing-Key": "k" * 420}

    async def send(context: dict[str, str]) -> None:
        body = orjson.dumps({"x": 1})
        async with asyncio.timeout(2.0):
            sent = {**headers, "Nlapi-Context": orjson.dumps(context).decode()}
            answer = await bare.post(target, sent, body, connect_s=1.0, repeatable=True)
            try:
                content = await answer.read_all(10_000)
            finally:
                answer.close()
        orjson.loads(content)

    async with AsyncClient(url, token) as client, AsyncClient(url, token, max_age_s=0.0) as forgetful:
        for _ in range(ROUNDS):
            for known in CONTEXTS:
                await client.resolve(OBJECTIVE, known)

            async def cached() -> None:
                for number in range(LOOKUPS):
                    await client.resolve(OBJECTIVE, CONTEXTS[number % len(CONTEXTS)])

            kinds: tuple[tuple[str, Callable[[], Awaitable[None]], int], ...] = (
                ("cached (async)", cached, LOOKUPS),
                ("bare", lambda: repeated(send, calls), calls),
                ("serve", lambda: repeated(lambda context: client.serve(OBJECTIVE, {"x": 1}, context), calls), calls),
                ("resolve", lambda: repeated(lambda context: forgetful.resolve(OBJECTIVE, context), calls), calls),
            )
            for name, work, count in kinds:
                before = time.process_time()
                await work()
                figures[name].append((time.process_time() - before) / count * 1e6)
        await bare.close()
    return figures


def added_work(client: Client) -> tuple[Callable[[], None], Callable[[], None]]:
    """Return all that the client does for a payload beside the transport, and what any sender does in its place."""
    from nlapi.gateway.client.gateway_client import RawAnswer, parse_output, payload_body, payload_headers

    headers = {"Content-Type": "application/json", "Accept": "application/json", "X-Routing-Key": "k" * 420}

    def with_client() -> None:
        for number in range(LOOKUPS):
            context = CONTEXTS[number % len(CONTEXTS)]
            decision = client.resolve(OBJECTIVE, context)
            payload_headers(decision, context, "", "")
            payload_body(decision, {"x": 1}, context, "")
            parse_output(decision, RawAnswer(200, "application/json", b'{"score": 0.5}'), "", None)

    def by_hand() -> None:
        for number in range(LOOKUPS):
            context = CONTEXTS[number % len(CONTEXTS)]
            _ = {**headers, "Nlapi-Context": orjson.dumps(context).decode()}
            orjson.dumps({"x": 1})
            orjson.loads(b'{"score": 0.5}')

    return with_client, by_hand


def process_cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process; its workers are not counted."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resolve_by_size(url: str, token: str, pid: int, calls: int) -> list[tuple[int, float]]:
    """Return the gateway's CPU us a resolve for payloads of several sizes: the payload is not in it."""
    rows = []
    for size in (1_000, 128_000, 1_300_000):
        payload = {"text": "x" * size}
        with Client(url, token, max_age_s=0.0) as client:
            before = process_cpu_s(pid)
            for number in range(calls):
                client.resolve(OBJECTIVE, CONTEXTS[number % len(CONTEXTS)])
            rows.append((len(payload["text"]), (process_cpu_s(pid) - before) / calls * 1e6))
    return rows


def configuration() -> dict[str, object]:
    whole = document()
    shard = {"name": "far", "protocol": "json", "endpoints": ["http://127.0.0.1:9"]}
    versions = [{"model": "ranker", "version": name, "shard": "far"} for name in ("v7", "v8")]
    rule = {**RULE, "shares": [{"model": "ranker", "version": "v8", "percent": 100}]}
    return {
        "objectives": [whole["objectives"][0]], "models": [{"name": "ranker"}], "versions": versions,
        "shards": [shard], "rules": [rule],
    }  # fmt: skip


def main() -> None:
    import json

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--calls", type=int, default=2000, help="payloads in a round")
    calls = parser.parse_args().calls
    with (
        tempfile.TemporaryDirectory() as name,
        subprocess.Popen([sys.executable, "-c", UPSTREAM], stdout=subprocess.PIPE, text=True) as upstream,
    ):
        assert upstream.stdout is not None
        plane = f"http://127.0.0.1:{int(upstream.stdout.readline())}"
        folder = Path(name)
        (folder / "first.json").write_text(json.dumps(configuration()))
        options = ("--config", str(folder / "first.json"), "--data-plane-url", plane)
        try:
            with serve_process(folder, *options, example=False) as gateway:
                figures = asyncio.run(measure_async(gateway.url, gateway.web, plane, calls))
                with Client(gateway.url, gateway.web) as client:
                    for context in CONTEXTS:
                        client.resolve(OBJECTIVE, context)
                    work = lookups(client.resolve)
                    figures["cached (blocking)"] = [cpu_us(work, LOOKUPS) for _ in range(ROUNDS)]
                    with_client, by_hand = added_work(client)
                    # In turns, so that both meet the same neighbours of this machine.
                    pairs = [(cpu_us(with_client, LOOKUPS), cpu_us(by_hand, LOOKUPS)) for _ in range(ROUNDS)]
                    figures["added to a payload"] = [ours - theirs for ours, theirs in pairs]
                rows = resolve_by_size(gateway.url, gateway.web, gateway.process.pid, calls)
        finally:
            upstream.kill()
    print(f"CPU us of the client a call, median of {ROUNDS} rounds (least, most); {AT_ONCE} at once")
    for kind, values in figures.items():
        print(f"{kind:20} {statistics.median(values):8.1f}   ({min(values):.1f}, {max(values):.1f})")
    print("CPU us of the gateway a resolve, by the size of the payload that it admits")
    for size, cost in rows:
        print(f"{size:>12,} bytes   {cost:8.1f}")


if __name__ == "__main__":
    main()
