"""Kills an MCP server between a person's yes and the API's answer: is a change ever sent twice?

    python -m benchmarks.consent_kills [--kills 200] [--seed 1]

Each time a client of the SDK asks for a change, a person says yes in a form, in a panel, in a terminal or on a page of
`nlapi console`, and the server is killed with -9 at a random moment after that; or the console asks itself and is
killed. All that was said is then said again to
a new server: the decision with its token, the code of the terminal, the question what became of it. Exits with 1 when
the API got more than one change, got one without a yes, or when the receipt of the question says otherwise.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Any

import mcp_types as types
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

import nlapi
from benchmarks.consent_matrix import Browser
from benchmarks.consoles.__main__ import in_terminal as in_console
from nlapi.agent.records.receipts import ConsentAnswer, ConsentReceipt
from nlapi.agent.records.transcripts import recorded_consents
from nlapi.mcp.server import create_server
from nlapi.mcp.terminal_questions import waiting_questions
from nlapi.registry import log_folder
from tests.mcp.kit import NLAPI, PANELS, Panel, served, started
from tests.servers import Echo, Received, Reply

CHANGE = {"campaign_id": "cmp_7h2k9q4m", "name": "Rain Boots"}
SENTENCE = f"rename campaign {CHANGE['campaign_id']} to {CHANGE['name']}"
CONSOLE = ("console", "--no-browser", "--host", "127.0.0.1")
# In seconds: how long the API takes for a change, and within which time after a yes the server is killed.
CHANGE_S, MAX_DELAY_S = 0.05, 0.25
PATIENCE = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Killed:
    """A server that was killed after a yes: the changes before and after all was said again, and the receipt."""

    way: str
    before: int
    after: int
    receipt: ConsentReceipt | None

    @property
    def fault(self) -> str:
        """What should not be; "" where all is well."""
        if self.before > 1 or self.after != self.before:
            return f"{self.way}: {self.before} changes, then {self.after}"
        if self.receipt is None and not (self.way == "console" and not self.before):  # written with the answer there
            return f"{self.way}: no receipt"
        is_sent = self.before == 1
        if self.receipt is None:
            return ""
        if is_sent and self.receipt.answer is not ConsentAnswer.AGREED:
            return f"{self.way}: sent, and the receipt says {self.receipt.answer}"
        if not is_sent and self.receipt.calls[0].status is not None:
            return f"{self.way}: not sent, and the receipt says {self.receipt.calls[0].status}"
        return ""


class SlowCampaigns(Echo):
    """An API with one campaign, which takes its time for a change."""

    def __init__(self) -> None:
        super().__init__(self._reply)

    def _reply(self, request: Received) -> Reply:
        if request.method != "GET":
            time.sleep(CHANGE_S)
        return Reply(200, {"id": CHANGE["campaign_id"], "name": "Winter Boots"})


Killer = Callable[[], None]


def _kill(process: int) -> None:
    # It may have ended by itself.
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


@asynccontextmanager
async def over_http(api: SlowCampaigns, **client: Any) -> AsyncIterator[tuple[Client, Killer]]:
    """Yield a client of a server over HTTP, and what kills the server."""
    command = [NLAPI, "mcp", "ads", "--base-url", api.url, "--auth", "bearer=x", "--http", "0"]
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=DEVNULL)
    assert process.stdout is not None
    url = (await process.stdout.readline()).decode().strip()

    def kill() -> None:
        with suppress(ProcessLookupError):
            process.kill()

    try:
        async with Client(streamable_http_client(url), **client) as session:
            yield session, kill
    finally:
        kill()
        await process.wait()


async def in_form(api: SlowCampaigns, delay: float) -> None:
    kills: list[Killer] = []

    async def agrees(context: Any, params: Any) -> types.ElicitResult:
        asyncio.get_running_loop().call_later(delay, kills[0])
        return types.ElicitResult(action="accept", content={"send": True})

    async with over_http(api, elicitation_callback=agrees) as (client, kill):
        kills.append(kill)
        await client.call_tool("updateCampaign", CHANGE)


async def in_panel(api: SlowCampaigns, delay: float, said: dict[str, Any]) -> None:
    async with over_http(api, extensions=[PANELS]) as (client, kill):
        waiting = await client.call_tool("updateCampaign", CHANGE)
        shown = await Panel(client).review(waiting)
        token = f"{(waiting.meta or {})['nlapi/approval']}.{shown['half']}"
        said |= {"ticket": Panel(client).ticket(waiting), "digest": shown["digest"], "token": token, "answer": "yes"}
        asyncio.get_running_loop().call_later(delay, kill)
        await client.call_tool("nlapi_decide", said)


async def in_terminal(api: SlowCampaigns, delay: float, said: dict[str, Any]) -> None:
    async with started("ads", "--base-url", api.url, "--auth", "bearer=x") as client:
        await client.call_tool("updateCampaign", CHANGE)
        (question,) = await asyncio.to_thread(waiting_questions)
        said["code"] = question.code
        server = int(question.server.name.partition("-")[0])
        asyncio.get_running_loop().call_later(delay, _kill, server)
        with suppress(OSError, EOFError):
            await asyncio.to_thread(question.answer, agrees=True)


async def on_page(api: SlowCampaigns, delay: float, said: dict[str, Any]) -> None:
    with in_console(*CONSOLE) as (shown, _):
        browser = Browser(shown)
        async with started("ads", "--base-url", api.url, "--auth", "bearer=x") as client:
            await client.call_tool("updateCampaign", CHANGE)
            (question,) = await asyncio.to_thread(waiting_questions)
            said["code"] = question.code
            server = int(question.server.name.partition("-")[0])
            asyncio.get_running_loop().call_later(delay, _kill, server)
            await asyncio.to_thread(browser.answer, f"{browser.url}/waiting/{question.code}", agrees=True)


async def in_console_ask(api: SlowCampaigns, delay: float, said: dict[str, Any]) -> None:
    """The console itself sends the change, and is killed."""
    os.environ["CAMPAIGNS_TOKEN"] = "x"
    words = ("api", "add", "adverts", "ads", "--base-url", api.url, "--auth", "bearer=env:CAMPAIGNS_TOKEN")
    await asyncio.to_thread(subprocess.run, [NLAPI, *words], check=True, capture_output=True)
    said["sentence"] = True
    with in_console(*CONSOLE) as (shown, kill):
        browser = Browser(shown)
        await asyncio.to_thread(browser.plan, "adverts", SENTENCE)
        review = await asyncio.to_thread(browser.send)
        assert "Send this?" in review, review
        asyncio.get_running_loop().call_later(delay, kill)
        await asyncio.to_thread(browser.send, answer="yes")


def look_again() -> None:
    """Look at a new console at what came of the sentence, and ask it once more: without another yes nothing is sent."""
    with in_console(*CONSOLE) as (shown, _):
        browser = Browser(shown)
        browser.plan("adverts", SENTENCE)
        assert "Send this?" in browser.send()


async def say_again(api: SlowCampaigns, said: dict[str, Any]) -> None:
    """Say to a new server all that was said to the one before it."""
    if "sentence" in said:
        await asyncio.to_thread(look_again)
    async with Client(create_server(served(nlapi.load("ads"), api.url)), extensions=[PANELS]) as client:
        if "ticket" in said:
            for _ in range(2):
                assert (await client.call_tool("nlapi_decide", said)).is_error
            assert (await client.call_tool("outcome", {"ticket": said["ticket"]})).is_error
        assert not [question for question in waiting_questions() if question.code == said.get("code")]


async def kill_once(way: str, delay: float) -> Killed:
    """Say yes in one way, kill the server after `delay` seconds, and say all of it again to a new one."""
    said: dict[str, Any] = {}
    with SlowCampaigns() as api:
        with suppress(Exception):  # whatever the client makes of a server that has gone
            async with asyncio.timeout(PATIENCE):
                await (in_form(api, delay) if way == "form" else WAYS[way](api, delay, said))
        before = len(api.changes)
        await say_again(api, said)
        after = len(api.changes)
    now = datetime.now(UTC)
    receipts = recorded_consents(log_folder(), now - timedelta(days=1), now)
    return Killed(way=way, before=before, after=after, receipt=receipts[0] if len(receipts) == 1 else None)


WAYS: dict[str, Any] = {
    "form": in_form,
    "panel": in_panel,
    "terminal": in_terminal,
    "page": on_page,
    "console": in_console_ask,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    results: list[Killed] = []
    for number in range(options.kills):
        with tempfile.TemporaryDirectory() as folder:
            os.environ |= {f"NLAPI_{kind}_DIR": str(Path(folder) / kind) for kind in ("CONFIG", "STATE")}
            way = [*WAYS][number % len(WAYS)]
            results.append(asyncio.run(kill_once(way, chance.uniform(0, MAX_DELAY_S))))
            if fault := results[-1].fault:
                print(fault, flush=True)
    sent = Counter(result.way for result in results if result.before)
    states = Counter((r.receipt.calls[0].outcome or "open") if r.receipt else "none" for r in results if r.before)
    print(f"{len(results)} kills: {sum(sent.values())} changes sent once ({dict(sent)}), the others not at all")
    print(f"receipts of what was sent: {dict(states)}")
    faults = sum(bool(result.fault) for result in results)
    print(f"{faults} faults")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
