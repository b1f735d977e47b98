"""Versions on remote shards: what goes over the wire, which replica gets it, and what happens when one fails."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from nlapi.errors import UsageError
from nlapi.gateway.inference import FailureKind, InferenceError, InferenceRequest, InferenceResult
from nlapi.gateway.shards.shards import Cluster, RemoteRunner
from nlapi.routing.model import Shard, ShardProtocol, Version
from tests.gateway.certificates import Authority
from tests.gateway.clock import Clock
from tests.servers import Echo, Received, Reply, Script
from tests.tables import table

VERSION = Version(model="ranker", name="v8", shard="far")


def echoed(request: Received) -> Reply:
    """An inference response whose outputs are the inputs."""
    return Reply(200, {"model_name": "ranker", "outputs": request.json()["inputs"]})


def asked(
    urls: Iterable[str],
    *asks: InferenceRequest,
    repeatable: bool = True,
    timeout_s: float = 10.0,
    protocol: ShardProtocol = ShardProtocol.OPEN_INFERENCE,
    clock: Clock | None = None,
) -> list[InferenceResult | InferenceError]:
    """What becomes of calls of a shard with these replicas, one after the other."""

    async def whole() -> list[InferenceResult | InferenceError]:
        shard = Shard(name="far", protocol=protocol, endpoints=tuple(urls))
        cluster = Cluster(shard, clock) if clock else Cluster(shard)
        remote = RemoteRunner(VERSION, cluster)
        found: list[InferenceResult | InferenceError] = []
        for ask in asks:
            try:
                found.append(await remote.run(ask, timeout_s, repeatable=repeatable))
            except InferenceError as failure:
                found.append(failure)
        await cluster.close()
        return found

    return asyncio.run(whole())


def test_an_open_inference_request_is_as_the_protocol_says() -> None:
    given = {"user": "u1", "scores": [0.5, 1.5], "grid": [[1, 2], [3, 4]], "on": True, "mixed": [1, "x"], "none": None}
    with Echo(echoed) as server:
        (ran,) = asked([server.url], InferenceRequest(input=given, request_id="r1", context={"country": "BR"}))
    assert isinstance(ran, InferenceResult)
    assert ran.output == given
    assert list(ran.stages) == ["remote"]
    request = server.only
    assert (request.method, request.target) == ("POST", "/v2/models/ranker/versions/v8/infer")
    assert request.header("x-request-id") == "r1"
    assert json.loads(request.header("nlapi-context") or "") == {"country": "BR"}
    document = request.json()
    assert document["id"] == "r1"
    tensors = {one["name"]: one for one in document["inputs"]}
    assert tensors["user"] == {"name": "user", "shape": [1], "datatype": "BYTES", "data": ["u1"]}
    assert tensors["scores"] == {"name": "scores", "shape": [2], "datatype": "FP64", "data": [0.5, 1.5]}
    assert tensors["grid"] == {"name": "grid", "shape": [2, 2], "datatype": "INT64", "data": [1, 2, 3, 4]}
    assert tensors["on"]["datatype"] == "BOOL"
    assert tensors["mixed"]["parameters"] == {"content_type": "json"}


@table(
    "answer",
    [
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 X\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n[1]",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n1\r\n[\r\n02 ;x\r\n1]\r\n0\r\nX: y\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\n[1]",
        b"HTTP/1.1 200\r\ncontent-length:3\r\n\r\n[1]",
    ],
    ids=["hints first", "chunks", "until it hangs up", "no phrase"],
)
def test_an_answer_is_read_however_it_is_framed(answer: bytes) -> None:
    with Script(answer) as server:
        (ran,) = asked([server.url], InferenceRequest(input={}), protocol=ShardProtocol.JSON)
    assert isinstance(ran, InferenceResult)
    assert ran.output == [1]


def test_a_json_shard_gets_the_input_and_gives_the_output() -> None:
    with Echo(Reply(200, {"score": 1})) as server:
        (ran,) = asked([server.url + "/predict"], InferenceRequest(input={"a": [1, None]}), protocol=ShardProtocol.JSON)
    assert isinstance(ran, InferenceResult)
    assert ran.output == {"score": 1}
    assert (server.only.target, server.only.json()) == ("/predict", {"a": [1, None]})


def test_a_large_input_goes_out_whole() -> None:
    large = {"text": "x" * 3 * 2**20}
    with Echo(Reply(200, {"ok": True})) as server:
        (ran,) = asked([server.url], InferenceRequest(input=large), protocol=ShardProtocol.JSON)
    assert isinstance(ran, InferenceResult)
    assert server.only.json() == large


def test_a_compressed_answer_is_not_unpacked() -> None:
    bomb = gzip.compress(b" " * 2**26)
    with Echo(Reply(200, bomb, {"Content-Encoding": "gzip"})) as server:
        (failure,) = asked([server.url], InferenceRequest(input={}), protocol=ShardProtocol.JSON, repeatable=False)
    assert server.only.header("accept-encoding") == "identity"
    assert isinstance(failure, InferenceError)
    assert "compressed" in failure.message


def test_no_cookie_of_an_answer_goes_back() -> None:
    with Echo(Reply(200, {}, {"Set-Cookie": "caller=a; Path=/"})) as server:
        asked([server.url], *[InferenceRequest(input={})] * 2, protocol=ShardProtocol.JSON)
    assert [request.header("cookie") for request in server.received] == [None, None]


def test_a_connection_is_kept_and_one_that_died_is_replaced() -> None:
    async def whole() -> tuple[list[Any], int]:
        opened = 0

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal opened
            opened += 1
            for _ in range(2):  # closes without a word after the second answer
                await reader.readuntil(b"{}")
                writer.write(
                    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\n{}\r\n0\r\nTrailer: x\r\n\r\n"
                )
            writer.close()

        async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            cluster = Cluster(Shard(name="far", protocol=ShardProtocol.JSON, endpoints=(url,)))
            remote = RemoteRunner(VERSION, cluster)
            found = [await remote.run(InferenceRequest(input={}), 10, repeatable=True) for _ in range(4)]
            await cluster.close()
        return found, opened

    found, opened = asyncio.run(whole())
    assert [ran.output for ran in found] == [{}] * 4
    assert opened == 2


@table("repeatable", [True, False])
@table(
    "bad",
    [
        lambda: Echo(Reply(503, {})),
        lambda: Script(b""),
        lambda: Script(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"),
        lambda: Script(b"what is this\r\n\r\n"),
        lambda: Script(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"),
        lambda: Script(Script.RESET),
        lambda: Script(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}"),
        lambda: Script(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
        ),
        lambda: Script(b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\n{}"),
        lambda: Script(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n"),
        lambda: Script(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n"),
        lambda: Script(b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n"),
        lambda: Script([b"HTTP/1.1 200 OK\r\nX: ", *[b"x" * 9999] * 9]),
    ],
    ids=[
        *("503", "hangs up", "stops halfway", "no HTTP", "odd coding", "resets"),
        *("two lengths", "length and chunks", "odd length", "odd chunk", "long chunk", "no header", "endless head"),
    ],
)
def test_a_call_that_may_have_been_carried_out_goes_to_another_replica_only_when_repeatable(
    bad: Callable[[], Any], repeatable: bool
) -> None:
    with bad() as first, Echo(Reply(200, {"ok": True})) as second:
        # Equals take turns, the second one first: by the second call the bad replica has had its turn.
        found = asked(
            [second.url, first.url],
            InferenceRequest(input={}),
            InferenceRequest(input={}),
            repeatable=repeatable,
            protocol=ShardProtocol.JSON,
        )
    failures = [one for one in found if isinstance(one, InferenceError)]
    assert first.received
    if repeatable:
        assert not failures
        assert sorted(one.attempts for one in found) == [1, 2]
    else:
        assert [failure.executed for failure in failures] == [True]


def test_what_a_replica_sends_beyond_its_answer_is_nobodys_answer() -> None:
    async def whole() -> list[Any]:
        talks: list[asyncio.Task[Any] | None] = []

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            talks.append(asyncio.current_task())
            await reader.readuntil(b"{}")
            once = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n"
            writer.write(once + b"1" + once + b"2")
            await reader.read()
            writer.close()

        async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            cluster = Cluster(Shard(name="far", protocol=ShardProtocol.JSON, endpoints=(url,)))
            remote = RemoteRunner(VERSION, cluster)
            found = [await remote.run(InferenceRequest(input={}), 10, repeatable=True) for _ in range(3)]
            await cluster.close()
            await asyncio.gather(*(one for one in talks if one))
        return [ran.output for ran in found]

    assert asyncio.run(whole()) == [1, 1, 1]


def test_what_a_replica_sends_later_is_not_the_answer_to_the_next_call() -> None:
    async def whole() -> list[Any]:
        writers: list[asyncio.StreamWriter] = []

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writers.append(writer)
            while await reader.read(2**16):
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1")
            writer.close()

        async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            cluster = Cluster(Shard(name="far", protocol=ShardProtocol.JSON, endpoints=(url,)))
            remote = RemoteRunner(VERSION, cluster)
            found = []
            for _ in range(3):
                # Not repeatable: nothing was sent on the connection that cannot be used, so that another one is.
                found.append(await remote.run(InferenceRequest(input={}), 10, repeatable=False))
                writers[-1].write(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n2")
                for _ in range(10):  # until the client has read it
                    await asyncio.sleep(0)
            await cluster.close()
        assert len(writers) == 3
        return [ran.output for ran in found]

    assert asyncio.run(whole()) == [1, 1, 1]


def test_a_server_that_speaks_first_gets_no_call() -> None:
    with Script(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}" * 2, Script.SILENCE, reads=False) as server:
        found = asked([server.url], *[InferenceRequest(input={})] * 2, protocol=ShardProtocol.JSON, timeout_s=1.0)
    assert all(isinstance(one, InferenceError) or one.output == {} for one in found)


def test_an_address_that_takes_no_connection_in_time_is_left_for_another_whatever_is_called() -> None:
    with ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):  # nobody accepts them, so that the system answers no further one
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        server = stack.enter_context(Echo(Reply(200, {"ok": True})))
        found = asked(
            [server.url, f"http://127.0.0.1:{full.getsockname()[1]}"],
            InferenceRequest(input={}),
            repeatable=False,
            protocol=ShardProtocol.JSON,
            timeout_s=2.0,
        )
    assert [(type(one), one.attempts) for one in found] == [(InferenceResult, 2)]


def test_a_refused_connection_goes_to_another_replica_whatever_is_called() -> None:
    with Echo(Reply(200, {"ok": True})) as dead:
        pass
    with Echo(Reply(200, {"ok": True})) as server:
        found = asked(
            [dead.url, server.url], *[InferenceRequest(input={})] * 4, repeatable=False, protocol=ShardProtocol.JSON
        )
    assert all(isinstance(one, InferenceResult) for one in found)


def test_a_refused_request_is_not_sent_again() -> None:
    with Echo(Reply(400, {"error": "no"})) as one, Echo(Reply(400, {"error": "no"})) as other:
        (failure,) = asked([one.url, other.url], InferenceRequest(input={}))
        assert len(one.received) + len(other.received) == 1
    assert isinstance(failure, InferenceError)
    assert failure.message == "its model server refused the input (400): no"


def test_an_answer_that_is_not_of_the_protocol_is_a_failure() -> None:
    with Echo(Reply(200, {"outputs": [{"name": "x", "shape": [3], "datatype": "INT64", "data": [1]}]})) as server:
        (failure,) = asked([server.url], InferenceRequest(input={}))
    assert isinstance(failure, InferenceError)
    assert failure.kind is FailureKind.INVALID


def test_a_replica_that_says_nothing_is_left_when_the_time_is_over() -> None:
    with Script(Script.SILENCE) as server:
        (failure,) = asked([server.url], InferenceRequest(input={}), timeout_s=0.05)
    assert isinstance(failure, InferenceError)
    assert (failure.kind, failure.executed) == (FailureKind.TIMEOUT, True)


def test_a_breaker_opens_after_failures_in_a_row_and_lets_one_call_try_again() -> None:
    clock = Clock()
    working = False

    def answer(request: Received) -> Reply:
        return Reply(200 if working else 500, {})

    async def whole() -> None:
        nonlocal working
        shard = Shard(name="far", protocol=ShardProtocol.JSON, endpoints=(bad.url, good.url))
        cluster = Cluster(shard, clock)
        remote = RemoteRunner(VERSION, cluster)

        async def calls_of_bad(calls: int, objective: str = "greet") -> int:
            before = len(bad.received)
            for _ in range(calls):
                await remote.run(InferenceRequest(input={}, objective=objective), 10, repeatable=True)
            return len(bad.received) - before

        assert await calls_of_bad(10) == 5
        assert await calls_of_bad(4) == 0
        assert cluster.replica_health()[0]["ejected_for"] == ["greet"]
        assert cluster.replica_health()[0]["breaker"] == "closed"
        assert await calls_of_bad(2, "another") == 1
        clock.now += 1.1
        assert await calls_of_bad(4) == 1  # the one that tries
        clock.now += 1.1
        assert await calls_of_bad(4) == 0  # it stays away twice as long
        clock.now += 1.0
        working = True
        assert await calls_of_bad(4) == 2
        assert cluster.replica_health()[0]["ejected_for"] == []
        await cluster.close()

    with Echo(answer) as bad, Echo(Reply(200, {})) as good:
        asyncio.run(whole())


def test_the_request_that_tries_a_replica_again_is_answered_by_another_when_it_hangs() -> None:
    clock = Clock()
    release = threading.Event()

    def answer(request: Received) -> Reply:
        if len(first.received) > 5:
            release.wait(30)
        return Reply(500, {})

    async def whole() -> list[InferenceResult]:
        cluster = Cluster(Shard(name="far", protocol=ShardProtocol.JSON, endpoints=(first.url, second.url)), clock)
        remote = RemoteRunner(VERSION, cluster)
        while not cluster.replica_health()[0]["ejected_for"]:
            await remote.run(InferenceRequest(input={}, objective="greet"), 10, repeatable=True)
        clock.now += 1.1
        ask = InferenceRequest(input={}, objective="greet")
        found = [await remote.run(ask, 0.4, repeatable=True) for _ in range(2)]
        assert cluster.replica_health()[0]["ejected_for"] == ["greet"]
        release.set()
        await cluster.close()
        return found

    with Echo(answer) as first, Echo(Reply(200, {})) as second:
        found = asyncio.run(whole())
    assert sorted(ran.attempts for ran in found) == [1, 2]
    assert {ran.endpoint for ran in found} == {second.url}


def test_a_replica_that_fails_half_of_its_calls_is_ejected_while_the_other_works() -> None:
    count = 0

    def flaky(request: Received) -> Reply:
        nonlocal count
        count += 1
        return Reply(200 if count % 2 else 500, {})

    with Echo(flaky) as bad, Echo(Reply(200, {})) as good:
        found = asked(
            [bad.url, good.url], *[InferenceRequest(input={})] * 80, protocol=ShardProtocol.JSON, clock=Clock()
        )
        assert all(isinstance(one, InferenceResult) for one in found)
        assert len(bad.received) < 30
        assert len(good.received) > 50


def test_the_least_loaded_replica_is_called_and_none_beyond_its_concurrency() -> None:
    async def whole() -> None:
        release = asyncio.Event()
        served = [0, 0]

        def talker(index: int) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]:
            async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                await reader.readuntil(b"{}")
                served[index] += 1
                await release.wait()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
                writer.close()

            return talk

        servers = [await asyncio.start_server(talker(index), "127.0.0.1", 0) for index in range(2)]
        urls = tuple(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}" for server in servers)
        cluster = Cluster(Shard(name="far", protocol=ShardProtocol.JSON, endpoints=urls, concurrency=3))
        remote = RemoteRunner(VERSION, cluster)
        calls = [asyncio.create_task(remote.run(InferenceRequest(input={}), 10, repeatable=True)) for _ in range(6)]
        while sum(served) < 6:
            await asyncio.sleep(0)
        assert served == [3, 3]
        with pytest.raises(InferenceError, match="no replica") as caught:
            await remote.run(InferenceRequest(input={}), 10, repeatable=True)
        assert (caught.value.kind, caught.value.executed) == (FailureKind.UNAVAILABLE, False)
        release.set()
        await asyncio.gather(*calls)
        await cluster.close()
        for server in servers:
            server.close()

    asyncio.run(whole())


@table(
    "url", ["ftp://x", "http://", "x", "http://u:p@x", "http://x/?a=b", "http://x/#a", "http://x/\r\na", "http://x:y"]
)
def test_an_endpoint_has_to_be_a_url(url: str) -> None:
    with pytest.raises(UsageError, match="endpoint"), ExitStack():
        Cluster(Shard(name="far", endpoints=(url,)))


TLS_CALL = """
import asyncio, sys

from nlapi.gateway.inference import InferenceError, InferenceRequest
from nlapi.gateway.shards.shards import RemoteRunner
from nlapi.gateway.shards.shards import Cluster
from nlapi.routing.model import Shard, ShardProtocol, Version

async def call(url):
    cluster = Cluster(Shard(name="far", protocol=ShardProtocol.JSON, endpoints=(url,)))
    try:
        remote = RemoteRunner(Version(model="ranker", name="v8", shard="far"), cluster)
        print((await remote.run(InferenceRequest(input={}), 10, repeatable=False)).output)
    except InferenceError as failure:
        print(failure.kind, failure.executed, failure.message)
    finally:
        await cluster.close()

asyncio.run(call(sys.argv[1]))
"""


def test_a_shard_is_trusted_by_the_authorities_of_ssl_cert_file(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("shard")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.certificate, pair.key)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        writer.close()

    async def whole() -> list[str]:
        async with await asyncio.start_server(talk, "127.0.0.1", 0, ssl=context) as server:
            url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            found = []
            for trusted in (str(authority.file), ""):
                environment = {**os.environ, "SSL_CERT_FILE": trusted}
                process = await asyncio.create_subprocess_exec(
                    sys.executable, "-c", TLS_CALL, url, stdout=subprocess.PIPE, env=environment
                )
                found.append((await process.communicate())[0].decode())
            return found

    trusted, unknown = asyncio.run(whole())
    assert trusted == "{}\n"
    assert unknown.startswith("unavailable False")
    assert "certificate" in unknown
