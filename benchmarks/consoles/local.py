"""A console of this machine with a practice API, a batch of 40 rows of which some failed, and a question that waits."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import nlapi
from nlapi.mcp.terminal_questions import waiting_questions
from nlapi.sandbox import running
from tests.cli.kit import run
from tests.console.kit import NAME, console
from tests.mcp.kit import started
from tests.messages_server import MessagesServer, say

CHANGED, ROWS = "cmp_3m9z5a1n", 40
KEY = "sk-test"


@contextmanager
def local_stage(folder: Path) -> Iterator[dict[str, str]]:
    """Yield the address of four consoles with their codes, one for each walk: a code pairs one browser."""
    own = {f"NLAPI_{kind}_DIR": str(folder / kind.lower()) for kind in ("CONFIG", "STATE", "CACHE")}
    with ExitStack() as stack:
        stack.enter_context(_environment({**own, "TOKEN": "any"}))
        url = stack.enter_context(running(nlapi.load("ads"))).url
        assert run("api", "add", "ads", "ads", "--base-url", url, "--auth", "bearer=env:TOKEN").code == 0
        _ask_a_model()
        for name in ("light", "dark", "narrow", "no-scripts"):
            rows = folder / f"{name}.csv"
            # One of ten is of a campaign that there is not.
            ids = (f"cmp_nowhere{n:02}" if n % 10 == 0 else CHANGED for n in range(1, ROWS + 1))
            rows.write_text("campaign_id,name\n" + "".join(f"{id},{name} {n}\n" for n, id in enumerate(ids, 1)))
            assert run("batch", "ads", str(rows), "updateCampaign", "--yes").code == 1
        facts = {"name": NAME}
        for name in ("light", "dark", "narrow", "no-scripts"):
            served = stack.enter_context(console())
            facts |= {f"{name}.port": str(served.port), f"{name}.code": served.code}
        stack.enter_context(_questions(url, 4))
        yield facts


def _ask_a_model() -> None:
    """Ask a stand-in for a model once, so that something was paid for. Later questions have no model."""
    with (
        MessagesServer([say("Two campaigns run.")], key=KEY) as model,
        _environment({"ANTHROPIC_BASE_URL": model.url, "ANTHROPIC_API_KEY": KEY}),
    ):
        assert run("ask", "how many campaigns run?", "-a", "ads", "--planner", "model").code == 0


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _questions(url: str, count: int) -> Iterator[None]:
    """Keep an MCP server whose client cannot ask, with changes that wait."""
    ready, over = threading.Event(), threading.Event()

    async def ask() -> None:
        async with started("ads", "--base-url", url, "--auth", "bearer=env:TOKEN", env={"TOKEN": "any"}) as client:
            for number in range(count):
                name = {"campaign_id": CHANGED, "name": f"Question {number}"}
                await client.call_tool("updateCampaign", name)
            ready.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=lambda: asyncio.run(ask()), daemon=True)
    thread.start()
    try:
        assert ready.wait(120)
        assert len(waiting_questions()) == count
        yield
    finally:
        over.set()
        thread.join(60)
