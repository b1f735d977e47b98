"""CPU of a call to a shard with each HTTP client that is installed: `python -m benchmarks.gateway_shard_clients`.

16 calls at once, in turns; the CPU time of this process with all of its threads, the server is another one. Medians.
It takes about ten seconds. nlapi does not need pyreqwest; its row says so when it is not installed.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from importlib import import_module
from importlib.util import find_spec

import httpx2
import uvloop

from nlapi.gateway.shards.client import ShardClient

CALLS, AT_ONCE, ROUNDS = 1600, 16, 8
BODY = b'{"user":"u1","titles":[1,2,3,4]}'
HEADERS = {"Content-Type": "application/json", "Accept": "application/json", "Nlapi-Version": "v8"}
SERVER = r"""
import asyncio, uvloop

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 42\r\n\r\n" + b"x" * 42

class Protocol(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.data = transport, b""
    def data_received(self, data):
        self.data += data
        head, end, body = self.data.partition(b"\r\n\r\n")
        if end and len(body) >= int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]):
            self.data = b""
            self.transport.write(ANSWER)

async def main():
    server = await asyncio.get_running_loop().create_server(Protocol, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

uvloop.run(main())
"""

Call = Callable[[], Awaitable[int]]


async def open_clients(url: str, stack: AsyncExitStack) -> dict[str, Call]:
    """Return a call of each client, which returns the size of the answer."""
    shard = ShardClient(2**23)
    stack.push_async_callback(shard.close)
    general = await stack.enter_async_context(httpx2.AsyncClient(trust_env=False))

    async def call_shard_client() -> int:
        return len((await shard.post(url, HEADERS, BODY, connect_s=0.3, repeatable=True)).body)

    async def call_httpx2() -> int:
        return len((await general.post(url, headers=HEADERS, content=BODY)).content)

    calls: dict[str, Call] = {"aiohttp, as ShardClient uses it": call_shard_client, "httpx2": call_httpx2}
    if find_spec("pyreqwest"):
        builder = import_module("pyreqwest.client").ClientBuilder().http1_only().no_proxy()
        reqwest = builder.connect_timeout(timedelta(seconds=0.256)).build()

        async def call_pyreqwest() -> int:
            async with reqwest.post(url).headers(HEADERS).body_bytes(BODY).build_streamed() as response:
                return len(await response.body_reader.read(2**16))

        calls["pyreqwest"] = call_pyreqwest
    return calls


async def measure(call: Call, calls: int) -> tuple[float, float]:
    """CPU of one call in us: of the process, and of the event loop's thread."""

    async def some() -> None:
        for _ in range(calls // AT_ONCE):
            assert await call() == 42

    process, thread = time.process_time(), time.thread_time()
    await asyncio.gather(*(some() for _ in range(AT_ONCE)))
    return (time.process_time() - process) / calls * 1e6, (time.thread_time() - thread) / calls * 1e6


async def compare(url: str) -> dict[str, list[tuple[float, float]]]:
    """CPU of a call of each client, round by round."""
    async with AsyncExitStack() as stack:
        calls = await open_clients(url, stack)
        costs: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
        for turn in range(ROUNDS + 1):
            for name, call in calls.items():
                cost = await measure(call, CALLS // 8 if name == "httpx2" else CALLS)
                if turn:  # the first opens the connections
                    costs[name].append(cost)
    return costs


def main() -> None:
    with subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        costs = uvloop.run(compare(f"http://127.0.0.1:{int(process.stdout.readline())}/x"))
        process.kill()
    print("| client | CPU us a call | of it in the event loop's thread |\n|---|---|---|")
    for name, found in costs.items():
        process, thread = (statistics.median(costs) for costs in zip(*found, strict=True))
        print(f"| {name} | {process:.0f} | {thread:.0f} |")
    if "pyreqwest" not in costs:
        print("| pyreqwest | not installed | |")


if __name__ == "__main__":
    main()
