"""Each client has a rate and a number in flight over all versions; one that floods gets 429s, its neighbours none."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from nlapi.gateway.engine import Engine
from nlapi.gateway.http.problems import GatewayProblem
from nlapi.gateway.inference import InferenceRequest
from nlapi.routing.model import Client
from tests.gateway.clock import Clock
from tests.gateway.gateway_app import Answer, gateway
from tests.gateway.versions import configuration, publish, run, write, write_echo


async def status(engine: Engine, client: str) -> int:
    try:
        await engine.serve("greet", InferenceRequest(input=0, client=client))
    except GatewayProblem as problem:
        return problem.status
    return 200


def test_a_rate_lets_a_burst_through_and_then_as_many_as_time_brings(tmp_path: Path) -> None:
    write_echo(tmp_path, "v1")
    clock = Clock()

    async def body(engine: Engine) -> None:
        limited = configuration("v1", clients=[Client(name="web", rate=10.0, burst=3)])
        await publish(engine, limited)
        assert [await status(engine, "web") for _ in range(5)] == [200, 200, 200, 429, 429]
        clock.now += 0.1
        assert [await status(engine, "web") for _ in range(2)] == [200, 429]
        clock.now += 60
        assert [await status(engine, "web") for _ in range(4)] == [200, 200, 200, 429]
        await publish(engine, limited, revision=2)  # a new revision is no new burst
        assert await status(engine, "web") == 429
        await publish(engine, configuration("v1", clients=[Client(name="web", rate=10.0, burst=9)]), revision=3)
        assert await status(engine, "web") == 200

    run(tmp_path, body, clock=clock)


def test_a_refusal_says_when_to_come_back(tmp_path: Path) -> None:
    write_echo(tmp_path, "v1")

    async def body(engine: Engine) -> None:
        await publish(engine, configuration("v1", clients=[Client(name="web", rate=0.1, burst=1)]))
        assert await status(engine, "web") == 200
        with pytest.raises(GatewayProblem, match=r"client 'web' is over its limit of 0\.1 requests a second") as caught:
            await engine.serve("greet", InferenceRequest(input=0, client="web"))
        assert caught.value.headers["Retry-After"] == "10"

    run(tmp_path, body, clock=Clock())


def test_calls_in_flight_are_counted_over_all_versions_and_given_back(tmp_path: Path) -> None:
    write(
        tmp_path / "v1", "import asyncio\nasync def predict(value):\n    await asyncio.sleep(0)\n    return 1 / value\n"
    )

    async def body(engine: Engine) -> None:
        await publish(engine, configuration("v1", clients=[Client(name="web", concurrency=2)]))
        for _ in range(3):
            found = await asyncio.gather(*(status(engine, "web") for _ in range(5)))
            assert sorted(found) == [429, 429, 429, 502, 502]

    run(tmp_path, body)


def test_calls_in_flight_count_when_the_limits_change(tmp_path: Path) -> None:
    write(
        tmp_path / "v1",
        """
        import asyncio
        gate = asyncio.Event()

        async def predict(value):
            if value == "open":
                gate.set()
            await gate.wait()
        """,
    )

    async def body(engine: Engine) -> None:
        async def allow(concurrency: int, revision: int) -> None:
            clients = [Client(name="web", concurrency=concurrency)]
            await publish(engine, configuration("v1", clients=clients, timeout_ms=20_000), revision)

        await allow(2, 1)
        waiting = [asyncio.create_task(status(engine, "web")) for _ in range(2)]
        await asyncio.sleep(0)
        for concurrency, revision in ((1, 2), (2, 3)):
            await allow(concurrency, revision)
            assert await status(engine, "web") == 429
        await allow(3, 4)
        waiting.append(asyncio.create_task(status(engine, "web")))
        await asyncio.sleep(0)
        assert await status(engine, "web") == 429
        await engine.serve("greet", InferenceRequest(input="open"))
        assert await asyncio.gather(*waiting) == [200, 200, 200]
        assert await asyncio.gather(*(status(engine, "web") for _ in range(3))) == [200, 200, 200]

    run(tmp_path, body)


def test_a_client_that_floods_gets_429s_and_its_neighbour_none(tmp_path: Path) -> None:
    write_echo(tmp_path, "v1")
    clients = [Client(name="flood", rate=1.0, burst=5), Client(name="calm")]
    found: dict[str, list[Answer]] = {"flood": [], "calm": []}

    def send(client: str, count: int) -> None:
        with served.connect(client) as ask:
            found[client] += [ask({"input": number}) for number in range(count)]

    with gateway(tmp_path, configuration("v1", clients=clients)) as served:
        for client in found:
            served.token(client)
        threads = [threading.Thread(target=send, args=(name, 150)) for name in ("flood", "flood", "calm")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert {answer.status for answer in found["calm"]} == {200}
    statuses = [answer.status for answer in found["flood"]]
    assert set(statuses) == {200, 429}
    refused = next(answer for answer in found["flood"] if answer.status == 429)
    assert (refused.headers["retry-after"], refused.body["status"]) == ("1", 429)


def test_faulty_requests_count_against_the_rate(tmp_path: Path) -> None:
    write_echo(tmp_path, "v1")
    clients = [Client(name="flood", rate=0.001, burst=3)]
    with gateway(tmp_path, configuration("v1", clients=clients)) as served, served.connect("flood") as ask:
        assert [ask({"no": "input"}).status for _ in range(5)] == [422, 422, 422, 429, 429]
