"""The real command over stdio: what it says, when it ends, and that nothing but the protocol is on standard output."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from tests.cli.kit import dialogue
from tests.describe import text as description
from tests.mcp.kit import ERAS, NLAPI, SECRET, User, names, started, text
from tests.servers import Echo, Received, Reply

HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}
LIMIT = 90


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_a_client_starts_it_reads_and_changes(sandbox: str, mode: str, home: Path) -> None:
    user = User()
    words = ("ads", "--base-url", sandbox, "--auth", "bearer=env:ADS_TOKEN")

    async def says() -> None:
        async with started(*words, env={"ADS_TOKEN": SECRET}, mode=mode, user=user, errors=home / "err") as client:
            assert "operate Ads: 40 operations" in (client.instructions or "")
            made = await client.call_tool("createCampaign", {"name": "Rain Boots", "objective": "REACH"})
            named = await client.call_tool("listCampaigns", {"name": "Rain Boots"})
            assert named.structured_content["data"]["data"][0]["id"] == made.structured_content["data"]["id"]

    asyncio.run(asyncio.wait_for(says(), LIMIT))
    assert len(user.asked) == 1
    told = (home / "err").read_text()
    assert "Ads: 40 operations over stdio" in told
    assert SECRET not in told + user.asked[0]


class Started:
    """The command as a process, spoken to by hand."""

    def __init__(self, *words: str) -> None:
        pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        self.process = subprocess.Popen([NLAPI, "mcp", *words], text=True, **pipes)
        self.say(HELLO)
        self.hello = self.hear()

    def say(self, message: Any) -> None:
        self.process.stdin.write(f"{message if isinstance(message, str) else json.dumps(message)}\n")
        self.process.stdin.flush()

    def hear(self) -> Any:
        return json.loads(self.process.stdout.readline())

    def end(self) -> tuple[int, str, str]:
        """How it ends, what was still on standard output, and standard error."""
        out, err = self.process.communicate(timeout=LIMIT)
        return self.process.returncode, out, err


def test_it_survives_what_is_no_message_refuses_an_argument_twice_and_ends_with_its_input() -> None:
    server = Started("ads")
    assert server.hello["result"]["serverInfo"]["title"] == "Ads"
    server.say("no json")
    server.say('{"jsonrpc": "2.0", "id": 2, "method": "no/such"}')
    assert server.hear()["error"]["code"] == -32601
    server.say('{"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {"name": 7}}')
    assert server.hear()["error"]["code"] == -32602
    # Of an argument that is there twice, clients show their person the first value or the last: nothing is called.
    for arguments in ('"arguments": {"campaign_id": "a", "campaign_id": "b"}', '"arguments": {}, "arguments": {}'):
        call = f'{{"name": "deleteCampaign", {arguments}}}'
        server.say(f'{{"jsonrpc": "2.0", "id": 4, "method": "tools/call", "params": {call}}}')
        heard = server.hear()
        assert (heard["id"], heard["error"]["code"]) == (4, -32600)
        assert heard["error"]["message"].endswith("is there twice; nothing was called")
    assert server.end()[:2] == (0, "")


def test_without_anybody_to_speak_to_it_ends() -> None:
    done = subprocess.run(
        [NLAPI, "mcp", "ads"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT, check=True
    )
    assert done.stdout == ""
    assert done.stderr == "Ads: 40 operations over stdio; an MCP client starts this and speaks to it\n"


def test_ctrl_c_ends_it_at_once() -> None:
    server = Started("ads")
    server.process.send_signal(signal.SIGINT)
    code, out, err = server.end()
    assert (code, out) == (0, "")
    assert "Traceback" not in err


def test_a_change_that_a_signal_cuts_off_is_in_doubt(tmp_path: Path) -> None:
    file = tmp_path / "api.json"
    file.write_bytes(description({"/x": {"post": {"operationId": "x"}}}))

    def cut_off(_: Received) -> Reply:
        server.process.send_signal(signal.SIGTERM)
        api.stopping.wait(LIMIT)
        return Reply()

    with Echo(cut_off) as api:
        server = Started(str(file), "--base-url", api.url, "--consent", "client")
        server.say({"jsonrpc": "2.0", "method": "notifications/initialized"})
        server.say({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "x", "arguments": {}}})
        code, _, err = server.end()
    assert code == 0
    assert f"x was cancelled on its way (POST {api.url}/x): it may or may not have been carried out" in err


@pytest.mark.parametrize("mode", ERAS)
def test_a_description_that_changes_is_read_again_and_clients_are_told(home: Path, mode: str) -> None:
    file = home / "api.json"
    file.write_bytes(description({"/a": {"get": {"operationId": "a"}}}))
    told = asyncio.Queue[str]()

    async def hear(message: Any) -> None:
        if method := getattr(message, "method", None):
            told.put_nowait(method)

    async def after(content: bytes, client: Any) -> list[str]:
        """The tools once the client has been told that they are others."""
        while not told.empty():
            told.get_nowait()
        file.write_bytes(content)
        while await told.get() != "notifications/tools/list_changed":
            pass
        return names((await client.list_tools(cache_mode="bypass")).tools)

    async def says() -> None:
        async with started(str(file), "--watch", mode=mode, errors=home / "err", message_handler=hear) as client:
            listening = client.listen(tools_list_changed=True) if mode != "legacy" else nullcontext()
            async with listening as events:
                relay = asyncio.create_task(_relay(events, told))
                assert names((await client.list_tools()).tools) == ["result", "a"]
                both = description({"/a": {"get": {"operationId": "a"}}, "/b": {"get": {"operationId": "b"}}})
                assert await after(both, client) == ["result", "a", "b"]
                file.write_text("{ this is broken")
                while "the old one stays" not in (home / "err").read_text():
                    await asyncio.sleep(0.05)
                refusal = text(await client.call_tool("b", {"x": 1}))
                assert refusal.startswith("b: there is no argument 'x' (it takes none)")
                relay.cancel()

    asyncio.run(asyncio.wait_for(says(), LIMIT))


def test_the_other_files_of_a_description_are_watched_too(home: Path) -> None:
    root, file, later = (home / name for name in ("api.json", "paths.json", "later.json"))
    root.write_bytes(description({"/a": {"$ref": "paths.json#/a"}, "/b": {"$ref": "later.json#/b"}}))
    file.write_text(json.dumps({"a": {"get": {"operationId": "a"}}}))

    async def says() -> None:
        async with started(str(root), "--watch") as client:

            async def until(*wanted: str) -> None:
                while names((await client.list_tools(cache_mode="bypass")).tools) != ["result", *wanted]:
                    await asyncio.sleep(0.1)

            await until("a")
            file.write_text(json.dumps({"a": {"get": {"operationId": "other"}}}))
            await until("other")
            later.write_text(json.dumps({"b": {"get": {"operationId": "b"}}}))
            await until("other", "b")
            later.write_text(json.dumps({"b": {"get": {"operationId": "last"}}}))
            await until("other", "last")

    asyncio.run(asyncio.wait_for(says(), LIMIT))


async def _relay(events: Any, told: asyncio.Queue[str]) -> None:
    if events is not None:
        async for _ in events:
            told.put_nowait("notifications/tools/list_changed")


def test_a_change_that_was_agreed_to_in_a_terminal_is_sent_to_its_end(tmp_path: Path, home: Path) -> None:
    file = tmp_path / "api.json"
    file.write_bytes(description({"/x": {"post": {"operationId": "x"}}}))

    def answer(_: Received) -> Reply:
        server.process.send_signal(signal.SIGTERM)
        end = time.monotonic() + LIMIT
        # The server takes no more answers, so the signal has come; it waits for this one alone.
        while time.monotonic() < end and any((home / "state" / "questions").iterdir()):
            api.stopping.wait(0.02)
        return Reply(201, {})

    with Echo(answer) as api:
        server = Started(str(file), "--base-url", api.url)
        server.say({"jsonrpc": "2.0", "method": "notifications/initialized"})
        server.say({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "x", "arguments": {}}})
        code = re.search(r"nlapi approve (\w+)", json.dumps(server.hear()))
        assert code
        with dialogue("approve", code[1]) as terminal:
            terminal.expect("[y/N]")
            terminal.type("y\n")
            terminal.expect("Sent: the API answered 201.")
            assert terminal.end() == 0
        assert server.end()[0] == 0
        assert len(api.received) == 1
