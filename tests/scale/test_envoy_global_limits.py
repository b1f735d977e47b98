"""Rate limits that hold over several Envoys, which ask the control plane by the standard rate-limit service."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from benchmarks.ports import free_port
from nlapi.gateway.control.codec import decode_configuration
from nlapi.gateway.envoy.ads_server import AdsServer
from nlapi.gateway.envoy.data_plane import EnvoyDataPlane
from nlapi.gateway.envoy.envoy_process import ControlPlaneAddress, EnvoyProcess, bootstrap
from nlapi.gateway.envoy.options import DataPlaneOptions
from nlapi.gateway.routing_keys.key_ring import KeyRing
from nlapi.gateway.routing_keys.key_verifier import KeySigner
from nlapi.routing.model import Decision, VersionRef
from tests.scale.envoy_plane import Answer, Upstream, document, envoy_program, post, upstream

BURST = 5
# So slow that no token comes back while a test runs.
RATE = 0.001


@pytest.fixture(scope="module")
def shard() -> Iterator[Upstream]:
    with upstream("a") as state:
        yield state


class Pair:
    """Two Envoys on one port and one control plane: the kernel gives each its part of the connections."""

    def __init__(self, shard: Upstream, clients: list[Any]) -> None:
        self._ring = KeyRing("")
        self._document = document({"a": shard.url, "b": shard.url}, clients=clients)
        self.options = DataPlaneOptions(port=free_port())
        self.control = AdsServer("127.0.0.1", 0)
        self.planes = EnvoyDataPlane(self.options, self.control, self._ring, self._process("one"))
        self.second = self._process("two")
        self.revision = 0

    def _process(self, node: str) -> EnvoyProcess:
        def document(admin: str) -> Any:
            address = ControlPlaneAddress(host="127.0.0.1", port=self.control.port)
            return bootstrap(node, address, admin_socket=admin)

        return EnvoyProcess(envoy_program(), document, workers=1, drain_s=1)

    async def publish(self, **sections: Any) -> None:
        self.revision += 1
        self._document |= sections
        self.planes.publish(decode_configuration(self._document), self.revision)
        await self.planes.wait_published()

    async def start(self) -> None:
        await self.publish()
        await self.planes.start()
        await self.second.start()
        while sum(envoy.revision == self.revision for envoy in self.control.envoys) < 2:
            await asyncio.sleep(0.01)
        # An Envoy that has the revision listens a moment later, when its clusters are ready.
        while "workers_started: 1" not in await self.second.admin("/stats?filter=workers_started"):
            await asyncio.sleep(0.01)

    async def send(self, client: str, count: int) -> list[Answer]:
        decision = Decision(
            objective="rank", version=VersionRef(model="ranker", version="v1"), shard="a", revision=self.revision
        )
        key = KeySigner(self._ring).sign(decision, client=client, bucket=0, since=1).token
        url, headers = f"http://127.0.0.1:{self.options.port}", {"X-Routing-Key": key, "Nlapi-Client": "other"}

        def ask() -> list[Answer]:
            return [post(url, "/v1/objectives/rank/infer", headers) for _ in range(count)]

        return await asyncio.to_thread(ask)

    async def statuses(self, client: str, count: int) -> Counter[int]:
        return Counter(answer.status for answer in await self.send(client, count))


@asynccontextmanager
async def _pair(shard: Upstream, clients: list[Any]) -> AsyncIterator[Pair]:
    pair = Pair(shard, clients)
    try:
        await pair.start()
        yield pair
    finally:
        await pair.second.stop()
        await pair.planes.stop()


def _run(shard: Upstream, clients: list[Any], work: Callable[[Pair], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(60), _pair(shard, clients) as pair:
            await work(pair)

    asyncio.run(main())


def _client(name: str, **limits: Any) -> Any:
    return {"name": name, "requests_per_second": RATE, "burst": BURST, **limits}


def test_a_global_rate_is_counted_over_all_envoys_and_others_are_not_asked_for(shard: Upstream) -> None:
    async def work(pair: Pair) -> None:
        assert await pair.statuses("web", 40) == {200: BURST, 429: 40 - BURST}
        assert await pair.statuses("free", 10) == {200: 10}
        assert (pair.control.limits.admitted, pair.control.limits.refused) == (BURST, 40 - BURST)
        # A bucket in each Envoy.
        each = await pair.statuses("each", 40)
        assert BURST < each[200] <= 2 * BURST
        (answer,) = await pair.send("web", 1)
        assert answer.body["type"] == "urn:nlapi:problem:too_many_requests"
        assert answer.headers["retry-after"] == "1"
        assert 'requests_total{result="refused"} 36' in "\n".join(pair.planes.metric_lines())
        shard.received.clear()
        await pair.send("free", 1)
        assert not [name for name in shard.calls[0].headers if name.startswith(":")]

    _run(shard, [_client("web", global_rate=True), _client("each"), {"name": "free"}], work)


def test_a_limit_that_becomes_global_holds_for_open_keys_and_without_one_nobody_asks(shard: Upstream) -> None:
    async def work(pair: Pair) -> None:
        assert await pair.statuses("web", 10) == {200: 10}
        assert not pair.control.limits.admitted
        await pair.publish(clients=[_client("web", global_rate=True)])
        assert await pair.statuses("web", 10) == {200: BURST, 429: 10 - BURST}
        await pair.publish(clients=[{"name": "web"}])
        assert await pair.statuses("web", 10) == {200: 10}

    _run(shard, [{"name": "web"}], work)


def test_without_a_control_plane_requests_pass(shard: Upstream) -> None:
    async def work(pair: Pair) -> None:
        assert (await pair.statuses("web", 10))[429]
        await pair.control.stop()
        assert await pair.statuses("web", 20) == {200: 20}
        figures = await pair.second.admin("/stats?filter=failure_mode_allowed")
        name = "cluster.rank/a.ratelimit.global_limits.failure_mode_allowed: "
        assert [line for line in figures.splitlines() if line.startswith(name) and line != f"{name}0"], figures

    _run(shard, [_client("web", global_rate=True)], work)
