"""The real command over streamable HTTP: who may call it, what it passes on, and what stays with one session."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

from nlapi.mcp import http
from nlapi.mcp.http import parse_listen_address
from nlapi.mcp.server import create_server
from nlapi.mcp.server_state import ServerState
from tests.describe import spec
from tests.describe import text as description
from tests.mcp.kit import ERAS, NLAPI, PANELS, Panel, User, served, text
from tests.servers import TWO_LENGTHS, Echo, Reply, raw_statuses

TOKEN = "server-token-0815"
LIMIT = 90


@contextmanager
def serving(*words: str, **env: str) -> Iterator[str]:
    """The URL of the command with these words; it has to end well when it is told to."""
    command = [NLAPI, "mcp", *words]
    pipes: dict[str, Any] = dict.fromkeys(("stdout", "stderr"), subprocess.PIPE)
    process = subprocess.Popen(command, text=True, env={**os.environ, **env}, **pipes)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=LIMIT)
        assert process.returncode == 0, err
        assert "Traceback" not in err, err
        assert TOKEN not in err


def talk(url: str, says: Any, *, mode: str = "legacy", panels: bool = False, **headers: str) -> Any:
    """What `says` makes of a client that sends these headers, and asks its user in forms or in panels."""
    asks: dict[str, Any] = {"extensions": [PANELS]} if panels else {"elicitation_callback": User()}

    async def run() -> Any:
        async with (
            httpx2.AsyncClient(headers=headers, timeout=LIMIT) as http,
            Client(streamable_http_client(url, http_client=http), mode=mode, **asks) as client,
        ):
            return await says(client)

    return asyncio.run(asyncio.wait_for(run(), LIMIT))


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Echo]]:
    """A description, and its API, which answers with what it got: much of it, when it is asked for `/long`."""

    def answer(request: Any) -> Reply:
        rows = [{"n": number, "text": "x" * 40} for number in range(2_000)]
        return Reply(200, rows if request.path == "/long" else {"got": dict(request.headers)})

    secured = {"security": [{"bearer": [], "oauth": []}]}
    paths = {
        "/x": {"get": {"operationId": "x", **secured}, "post": {"operationId": "alter", **secured}},
        "/long": {"get": {"operationId": "long"}},
    }
    with Echo(answer) as server:
        known = {"bearer": {"type": "http", "scheme": "bearer"}, "oauth": {"type": "oauth2", "flows": {}}}
        schemes = {"securitySchemes": known}
        more = {"servers": [{"url": server.url}], "components": schemes}
        file = tmp_path_factory.mktemp("http") / "api.json"
        file.write_bytes(description(paths, **more))
        yield str(file), server


@pytest.fixture(scope="module")
def passing(api: tuple[str, Echo]) -> Iterator[str]:
    """The URL of a server that passes two headers on."""
    headers = ("--pass-header", "Authorization", "--pass-header", "X-Tenant")
    with serving(api[0], "--http", "127.0.0.1:0", *headers) as url:
        yield url


def test_headers_of_the_allow_list_go_on_to_the_api_with_each_request(api: tuple[str, Echo], passing: str) -> None:
    _, server = api
    before = len(server.received)

    async def says(client: Client) -> Any:
        return [(await client.call_tool(name, {})) for name in ("x", "alter")]

    for mode in ERAS:
        given = {"authorization": f"Bearer of-{mode}", "x-tenant": "acme", "x-other": "no", "cookie": "a=b"}
        read, change = talk(passing, says, mode=mode, **given)
        for result, sent in zip((read, change), server.received[-2:], strict=True):
            assert not result.is_error
            assert (sent.header("authorization"), sent.header("x-tenant")) == (f"Bearer of-{mode}", "acme")
            assert sent.header("x-other") is sent.header("cookie") is sent.header("mcp-protocol-version") is None
            assert f"of-{mode}" not in result.model_dump_json()
    assert "needs a credential: bearer" in talk(passing, says)[0].content[0].text
    assert len(server.received) == before + 4


def test_an_api_that_takes_no_credential_is_called_without(api: tuple[str, Echo]) -> None:
    file, server = api
    before = len(server.received)
    with serving(file, "--http", "127.0.0.1:0", "--no-auth", "--pass-header", "X-Tenant") as url:

        async def says(client: Client) -> Any:
            return await client.call_tool("x", {})

        assert not talk(url, says, **{"x-tenant": "acme"}).is_error
    (sent,) = server.received[before:]
    assert (sent.header("authorization"), sent.header("x-tenant")) == (None, "acme")


def test_an_answer_that_is_kept_is_for_its_session_alone(passing: str) -> None:
    async def asks(client: Client) -> str:
        whole: str = (await client.call_tool("long", {})).structured_content["whole"]
        assert "page 1 of" in (await client.read_resource(whole)).contents[0].text
        listed = [one.uri for one in (await client.list_resources()).resources]
        assert whole in listed
        return whole

    whole = talk(passing, asks)

    async def another(client: Client) -> list[str]:
        with pytest.raises(MCPError, match="there is no result 'r1'"):
            await client.read_resource(whole)
        return [one.uri for one in (await client.list_resources()).resources]

    assert whole not in talk(passing, another)


def test_nobody_reads_an_answer_of_another_client_or_credential(passing: str) -> None:
    """Of clients without sessions, the unguessable handle is all that one would have to know."""

    async def asks(client: Client) -> str:
        handle: str = (await client.call_tool("long", {})).structured_content["result"]
        for query in ({"result": handle, "sum": "n"}, {"result": handle, "group": "text"}):
            assert not (await client.call_tool("result", query)).is_error
        return handle

    def reads(handle: str) -> Any:
        async def says(client: Client) -> str:
            return (await client.call_tool("result", {"result": handle, "sum": "n"})).content[0].text

        return says

    session_handle = talk(passing, asks)
    assert session_handle == "r1"
    assert "there is no result 'r1' (no answer has come yet)" in talk(passing, reads("r1"))
    handle = talk(passing, asks, mode="2026-07-28", **{"x-tenant": "acme"})
    assert len(handle) > 20
    for headers, guess in (({"x-tenant": "other"}, handle), ({}, handle), ({"x-tenant": "acme"}, "r1")):
        refused = talk(passing, reads(guess), mode="2026-07-28", **headers)
        assert refused.startswith(f"{guess!r} is not stored, or not any more (call the operation again)")
    assert '"sum":1999000' in talk(passing, reads(handle), mode="2026-07-28", **{"x-tenant": "acme"})


@pytest.mark.parametrize("mode", ERAS)
def test_nobody_answers_a_question_of_another_client_or_credential(
    api: tuple[str, Echo], passing: str, mode: str
) -> None:
    _, server = api
    before = len(server.received)

    async def asks(client: Client) -> Any:
        return await client.call_tool("alter", {})

    waiting = talk(passing, asks, mode=mode, panels=True, authorization="Bearer of-ann")

    async def answers(client: Client) -> list[Any]:
        panel = Panel(client)
        reviewed = await client.call_tool("nlapi_review", {"ticket": panel.ticket(waiting)})
        return [reviewed, await panel.decide(waiting), await panel.outcome(waiting)]

    for refused in talk(passing, answers, mode=mode, panels=True, authorization="Bearer of-bo"):
        assert refused.is_error
        assert "no such ticket" in text(refused)
    assert len(server.received) == before


def test_what_a_session_had_is_forgotten_with_it() -> None:
    described = spec({"/long": {"get": {"operationId": "long"}}})

    async def says(state: ServerState) -> None:
        ready, ended = asyncio.Queue[str](), asyncio.Queue[str]()

        def end(id: str) -> None:
            state.forget_session(id)
            ended.put_nowait(id)

        listening = parse_listen_address("127.0.0.1:0")
        server = asyncio.create_task(http.serve(create_server(state), listening, ready.put_nowait, end))
        async with Client(streamable_http_client(await ready.get()), mode="legacy") as client:
            await client.call_tool("long", {})
            (id,) = state.sessions
            assert state.answers.total > 0
        assert await ended.get() == id
        assert not state.sessions
        assert state.answers.total == 0
        server.cancel()
        await asyncio.gather(server, return_exceptions=True)

    with Echo(Reply(200, [{"id": number, "text": "x" * 40} for number in range(2_000)])) as api:
        asyncio.run(asyncio.wait_for(says(served(described, api.url)), LIMIT))


def test_pages_of_the_web_and_clients_without_the_token_are_refused(api: tuple[str, Echo]) -> None:
    file, _ = api
    hello = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
    }
    right = {"accept": "application/json, text/event-stream", "authorization": f"Bearer {TOKEN}"}
    with serving(file, "--http", "127.0.0.1:0", "--token", "env:MCP_TOKEN", MCP_TOKEN=TOKEN) as url:

        def status(**headers: str) -> int:
            return httpx2.post(url, json=hello, headers={**right, **headers}, timeout=LIMIT).status_code

        assert status() == status(origin=url.removesuffix("/mcp")) == status(host="localhost:80") == 200
        assert status(host="evil.example") == status(host="127.0.0.1.evil.example:80") == 421
        assert status(host="a@localhost") == status(host="") == status(host="localhost.") == 421
        assert status(origin="https://evil.example") == status(origin="null") == 403
        # A page of another port is another program's, and `localhost` may be another program too (::1).
        authority = url.removeprefix("http://").removesuffix("/mcp")
        port = authority.rpartition(":")[2]
        assert status(origin="http://localhost:6274") == status(origin="http://127.0.0.1:6274") == 403
        assert status(origin=f"http://localhost:{port}") == status(origin="http://127.0.0.1") == 403
        assert status(origin=f"https://{authority}") == status(origin=f"http://[::1]:{port}") == 403
        assert (
            status(origin="http://localhost:80", host="localhost")
            == status(origin="HTTP://Localhost", host="localhost:80")
            == 200
        )
        assert status(origin="chrome-extension://localhost") == status(origin="http://localhost@evil.example") == 403
        assert status(authorization="") == status(authorization="Bearer wrong") == status(authorization=TOKEN) == 401
        assert raw_statuses(url, TWO_LENGTHS) == [400]
        twice = json.dumps(hello).replace('"id": 1', '"id": 1, "id": 2')
        json_type = {**right, "content-type": "application/json"}
        answer = httpx2.post(url, content=twice, headers=json_type, timeout=LIMIT)
        assert (answer.status_code, answer.json()["error"]["message"]) == (
            400,
            "the key 'id' is there twice; nothing was called",
        )
        # Another protocol is offered and not taken up: what comes later is the body, and not a request.
        body = json.dumps(hello)
        lines = {**right, "connection": "upgrade, close", "upgrade": "h2c", "content-type": "application/json"}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        start = f"POST /mcp HTTP/1.1\r\nHost: localhost\r\n{head}Content-Length: {len(body)}\r\n\r\n"
        assert raw_statuses(url, start.encode(), body.encode()) == [200]
