"""Objectives and clients that share a shard: what one of them causes is not felt by the others."""

from __future__ import annotations

import asyncio
import socket
import socketserver
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import pytest

from nlapi.gateway.inference import FailureKind, InferenceError, InferenceRequest
from nlapi.gateway.shards.shards import Cluster, RemoteRunner
from nlapi.routing.model import Shard, ShardProtocol, Version
from tests.gateway.clock import Clock
from tests.gateway.gateway_app import gateway
from tests.gateway.versions import configuration
from tests.servers import Echo, Received, Reply, Script, chunk, closed_port, head, read_request
from tests.tables import table

VERSION = Version(model="ranker", name="v8", shard="far")
POISON, WAIT = {"poison": True}, {"wait": True}
CALM = InferenceRequest(input={}, objective="calm", client="web")
BAD = InferenceRequest(input=POISON, objective="bad", client="batch")
SLOW = InferenceRequest(input=WAIT, objective="bad", client="batch")


class Model(Echo):
    """A replica whose calls do not wait for each other: 500 for poison, and no answer to WAIT until `release` is set.

    `hangs` makes it answer nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        self.release = threading.Event()
        self.hangs = False
        self.arrived = threading.Semaphore(0)
        """released when a call arrives"""

    def talk(self, connection: socketserver.StreamRequestHandler) -> None:
        while request := read_request(connection.rfile):
            self.received.append(request)
            self.arrived.release()
            if self.hangs or request.json() == WAIT:
                self.release.wait(30)
            connection.wfile.write(Reply(500 if request.json() == POISON else 200, {"ok": True}).raw())

    def __exit__(self, *details: object) -> None:
        self.release.set()
        super().__exit__(*details)


class Calls:
    """Calls of one version on a cluster of these replicas."""

    def __init__(self, *urls: str, clock: Clock | None = None, **shard: Any) -> None:
        spoken = Shard(name="far", protocol=ShardProtocol.JSON, endpoints=urls, **shard)
        self.cluster = Cluster(spoken, clock) if clock else Cluster(spoken)
        self.runner = RemoteRunner(VERSION, self.cluster)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *details: object) -> None:
        await self.cluster.close()

    async def __call__(self, request: InferenceRequest, timeout_s: float = 10, *, repeatable: bool = True) -> str:
        """ "ok", or the kind of the failure."""
        try:
            await self.runner.run(request, timeout_s, repeatable=repeatable)
        except InferenceError as failure:
            return str(failure.kind)
        return "ok"

    def breakers(self) -> list[object]:
        return [replica["breaker"] for replica in self.cluster.replica_health()]


@pytest.mark.parametrize("count", [1, 3])
def test_inputs_that_make_the_model_fail_take_no_answer_from_another_objective(count: int) -> None:
    async def whole() -> None:
        async with Calls(*(replica.url for replica in replicas)) as call:
            for _ in range(60):
                assert await call(BAD) == "error"
                assert await call(CALM) == "ok"
            assert call.breakers() == ["closed"] * count

    with ExitStack() as stack:
        replicas = [stack.enter_context(Model()) for _ in range(count)]
        asyncio.run(whole())


@pytest.mark.parametrize("count", [1, 3])
def test_a_deadline_that_is_too_short_for_the_model_takes_no_answer_from_another_objective(count: int) -> None:
    async def whole() -> None:
        async with Calls(*(replica.url for replica in replicas)) as call:
            for _ in range(6):
                # Long enough for a busy machine to connect: a replica that was not reached is unavailable.
                assert await call(SLOW, 0.2) == "timeout"
                assert await call(CALM) == "ok"
            assert call.breakers() == ["closed"] * count
            assert [await call(CALM) for _ in range(count)] == ["ok"] * count

    with ExitStack() as stack:
        replicas = [stack.enter_context(Model()) for _ in range(count)]
        asyncio.run(whole())


def test_a_deadline_that_is_too_short_for_a_connection_takes_no_replica_from_another_objective() -> None:
    async def whole(url: str) -> None:
        async with Calls(url) as call:
            for _ in range(5):
                assert await call(BAD, 0.2) == "unavailable"
            (replica,) = call.cluster.replica_health()
            assert (replica["breaker"], replica["ejected_for"]) == ("closed", ["bad"])

    # Nobody accepts: once its queue is full, the kernel lets further connections wait.
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        asyncio.run(whole(f"http://127.0.0.1:{listener.getsockname()[1]}"))


def test_a_replica_that_answers_nobody_is_left_by_all_objectives() -> None:
    async def whole() -> None:
        async with Calls(stuck.url, well.url) as call:
            assert [await call(CALM) for _ in range(4)] == ["ok"] * 4
            stuck.hangs = True
            while call.breakers()[0] == "closed":
                await call(InferenceRequest(input={}, objective="bad"), 0.1)
            before = len(stuck.received)
            assert [await call(CALM) for _ in range(4)] == ["ok"] * 4
            assert len(stuck.received) == before

    with Model() as stuck, Model() as well:
        asyncio.run(whole())


def test_a_replica_that_refuses_connections_is_left_by_all_objectives_for_a_second_at_most() -> None:
    clock = Clock()

    async def whole() -> None:
        async with Calls(dead, well.url, clock=clock) as call:
            for _ in range(20):
                assert await call(InferenceRequest(input={}, objective="bad"), repeatable=False) == "ok"
            assert call.breakers() == ["open", "closed"]
        async with Calls(dead, clock=clock) as alone:
            for _ in range(20):
                assert await alone(CALM) == "unavailable"
                clock.now += 1.0
            assert alone.breakers() == ["half_open"]

    with closed_port() as dead, Model() as well:
        asyncio.run(whole())


def test_error_statuses_eject_a_replica_for_all_when_they_come_to_all() -> None:
    async def whole() -> None:
        async with Calls(first.url, second.url) as call:
            for _ in range(12):
                for name in ("bad", "worse"):
                    await call(InferenceRequest(input=POISON, objective=name), repeatable=False)
            assert sorted(call.breakers(), key=str) == ["half_open", "open"]
            assert await call(CALM) == "ok"

    with Model() as first, Model() as second:
        asyncio.run(whole())


@table("count", [1, 2, 3])
def test_a_call_finds_a_replica_for_as_long_as_they_take_connections(count: int) -> None:
    async def whole() -> None:
        async with Calls(*(replica.url for replica in replicas)) as call:
            requests = [InferenceRequest(input=POISON, objective=f"bad-{number}") for number in range(3)]
            for _ in range(30):
                assert {await call(request) for request in requests} == {"error"}
            assert call.breakers().count("open") <= count // 2
            assert await call(CALM) == "ok"

    with ExitStack() as stack:
        replicas = [stack.enter_context(Model()) for _ in range(count)]
        asyncio.run(whole())


@pytest.mark.parametrize("kind", ["objective", "client"])
def test_nobody_holds_all_slots_of_a_shard(kind: str) -> None:
    other = "client" if kind == "objective" else "objective"

    def request(number: int, value: object) -> InferenceRequest:
        names = {kind: "greedy", other: f"n{number}"}
        return InferenceRequest(input=value, **names)

    async def whole() -> None:
        async with Calls(model.url, concurrency=5) as call:
            calls = [asyncio.create_task(call(request(number, WAIT), 30)) for number in range(4)]
            for _ in range(4):
                await asyncio.to_thread(model.arrived.acquire)
            assert await call(request(9, {})) == "over_share"
            assert await call(CALM) == "ok"
            model.release.set()
            assert await asyncio.gather(*calls) == ["ok"] * 4
            assert await call(request(9, {})) == "ok"

    with Model() as model:
        asyncio.run(whole())


def test_a_share_of_all_is_no_limit() -> None:
    async def whole() -> None:
        async with Calls(model.url, concurrency=2, objective_percent=100.0, client_percent=100.0) as call:
            calls = [asyncio.create_task(call(SLOW, 30)) for _ in range(2)]
            for _ in range(2):
                await asyncio.to_thread(model.arrived.acquire)
            assert await call(CALM) == "unavailable"
            model.release.set()
            await asyncio.gather(*calls)

    with Model() as model:
        asyncio.run(whole())


def test_who_is_over_the_share_is_told_when_to_come_again(tmp_path: Path) -> None:
    with Model() as model:
        shard = Shard(name="far", protocol=ShardProtocol.JSON, endpoints=(model.url,), concurrency=2)
        served_by = configuration("v1", remote={"v1": "far"}, shards=[shard], timeout_ms=30_000)
        with gateway(tmp_path, served_by) as served:
            first = threading.Thread(target=served.ask, args=({"input": WAIT},))
            first.start()
            assert model.arrived.acquire(timeout=120)
            answer = served.ask({"input": {}})
            model.release.set()
            first.join()
            assert served.ask({"input": {}}).status == 200
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert answer.body["type"] == "urn:nlapi:problem:over_share"
    assert "'greet'" in answer.body["detail"]


def outcome(server: Callable[[], Any], request: InferenceRequest = CALM, **shard: Any) -> tuple[Any, Any]:
    """The result or failure of a call of one replica that is not repeatable, and the replica."""

    async def whole() -> Any:
        async with Calls(replica.url, **shard) as call:
            try:
                return await call.runner.run(request, 10, repeatable=False)
            except InferenceError as failure:
                return failure

    with server() as replica:
        return asyncio.run(whole()), replica


@table(
    "script",
    [
        [b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n", b" " * 2**18, Script.SILENCE],
        [head("application/json"), [chunk(b" " * 2**18)] * 9, Script.SILENCE],
        [b"HTTP/1.1 200 OK\r\n\r\n", [b" " * 2**18] * 9, Script.SILENCE],
    ],
    ids=["declared", "in chunks", "until it hangs up"],
)
def test_an_answer_that_is_too_large_is_left_unread(script: list[Any]) -> None:
    failure, _ = outcome(lambda: Script(*script), max_answer_mb=1)
    assert isinstance(failure, InferenceError)
    assert (failure.kind, failure.executed) == (FailureKind.INVALID, True)
    assert "larger than 1,048,576 bytes" in failure.message


def test_an_answer_that_is_too_large_is_asked_of_no_other_replica() -> None:
    async def whole() -> str:
        async with Calls(*(replica.url for replica in replicas), max_answer_mb=1) as call:
            return await call(CALM, repeatable=True)

    with ExitStack() as stack:
        large = [head("application/json"), [chunk(b" " * 2**18)] * 9, Script.SILENCE]
        replicas = [stack.enter_context(Script(*large)) for _ in range(3)]
        assert asyncio.run(whole()) == "invalid"
        assert sum(len(replica.received) for replica in replicas) == 1


def test_an_answer_sends_the_gateway_nowhere() -> None:
    with Echo() as elsewhere:
        failure, _ = outcome(lambda: Echo(Reply(307, {}, {"Location": elsewhere.url})))
        assert isinstance(failure, InferenceError)
        assert not elsewhere.received


def test_no_proxy_of_the_environment_sees_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    with Echo() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        result, replica = outcome(lambda: Echo(Reply(200, {})))
        assert not isinstance(result, InferenceError)
        assert len(replica.received) == 1
        assert not proxy.received


def test_no_value_of_a_request_adds_a_header() -> None:
    hostile = "a\x7f\r\nX-Evil: 1\x00\u00e9"
    request = InferenceRequest(input={}, context={"user": hostile}, request_id=hostile, traceparent=hostile)
    result, replica = outcome(lambda: Echo(Reply(200, {})), request)
    assert not isinstance(result, InferenceError)
    assert replica.only.header("x-evil") is None
    assert replica.only.header("x-request-id") is None
    assert (replica.only.header("nlapi-context") or "").startswith('{"user":"a\\u007f\\r\\n')


def test_a_call_that_was_sent_is_not_sent_again_when_it_is_not_repeatable() -> None:
    def hang_up(request: Received) -> Reply:
        raise OSError("the connection is closed without an answer")

    failure, replica = outcome(lambda: Echo(hang_up))
    assert isinstance(failure, InferenceError)
    assert failure.executed
    assert len(replica.received) == 1
