"""Sets the clock of a server while its question waits: does a question end earlier or later, or get another answer?

    python -m benchmarks.consent_clock [--library /usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1]

A real process of `nlapi mcp` or `nlapi console` runs with libfaketime (package `libfaketime`), which gives it another
time of day from the moment on at which it is told to: a day ahead, a day back. The clock that only counts stays as it
is. A person then says yes in a form, a panel, a terminal, on a page of the console, or to the console's own question.
Each change has to be sent once, the time that is left has to be as before, and the receipt has to bear the new time of
day, which shows that the clock did jump. To show that the end of a question would be noticed, both clocks jump a day
ahead at last: then nothing may be sent. Exits with 1 when any of it is otherwise, with 2 without the library.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import mcp_types as types

from benchmarks.consent_kills import CHANGE, CONSOLE, PATIENCE, SENTENCE, SlowCampaigns, over_http
from benchmarks.consent_matrix import Browser
from benchmarks.consoles.__main__ import in_terminal as in_console
from nlapi.agent.records.receipts import ConsentAnswer
from nlapi.agent.records.transcripts import recorded_consents
from nlapi.mcp.terminal_questions import TerminalQuestion, waiting_questions
from nlapi.registry import log_folder
from tests.mcp.kit import NLAPI, PANELS, Panel, started

LIBRARY = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")
JUMPS = {"a day ahead": timedelta(days=1), "a day back": timedelta(days=-1)}
# Seconds that a question and its answer take here at most.
TOLERANCE_S = 60


class FakedClock:
    """The time of day of the processes that are started in its environment."""

    def __init__(self, library: Path, folder: Path, *, counts_too: bool) -> None:
        self._file = folder / "clock"
        self.set(timedelta())
        self.environment = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "0" if counts_too else "1",
        }

    def set(self, ahead: timedelta) -> None:
        self._file.write_text(f"{ahead.total_seconds():+.0f}\n", encoding="ascii")


async def question() -> TerminalQuestion:
    (waiting,) = await asyncio.to_thread(waiting_questions)
    return waiting


async def in_form(api: SlowCampaigns, clock: FakedClock, ahead: timedelta) -> None:
    async def agrees(context: Any, params: Any) -> types.ElicitResult:
        clock.set(ahead)
        return types.ElicitResult(action="accept", content={"send": True})

    async with over_http(api, elicitation_callback=agrees) as (client, _):
        await client.call_tool("updateCampaign", CHANGE)


async def in_panel(api: SlowCampaigns, clock: FakedClock, ahead: timedelta) -> None:
    async with over_http(api, extensions=[PANELS]) as (client, _):
        waiting = await client.call_tool("updateCampaign", CHANGE)
        clock.set(ahead)
        await Panel(client).decide(waiting)


async def in_terminal(api: SlowCampaigns, clock: FakedClock, ahead: timedelta) -> None:
    async with started("ads", "--base-url", api.url, "--auth", "bearer=x", env=clock.environment) as client:
        await client.call_tool("updateCampaign", CHANGE)
        before = (await question()).seconds
        clock.set(ahead)
        waiting = await question()
        assert before - TOLERANCE_S <= waiting.seconds <= before, f"{before} s were left, then {waiting.seconds}"
        await asyncio.to_thread(waiting.answer, agrees=True)


async def on_page(api: SlowCampaigns, clock: FakedClock, ahead: timedelta) -> None:
    with in_console(*CONSOLE) as (shown, _):
        browser = Browser(shown)
        async with started("ads", "--base-url", api.url, "--auth", "bearer=x", env=clock.environment) as client:
            await client.call_tool("updateCampaign", CHANGE)
            waiting = await question()
            clock.set(ahead)
            await asyncio.to_thread(browser.answer, f"{browser.url}/waiting/{waiting.code}", agrees=True)


async def in_console_ask(api: SlowCampaigns, clock: FakedClock, ahead: timedelta) -> None:
    os.environ["CAMPAIGNS_TOKEN"] = "x"
    words = ("api", "add", "adverts", "ads", "--base-url", api.url, "--auth", "bearer=env:CAMPAIGNS_TOKEN")
    await asyncio.to_thread(subprocess.run, [NLAPI, *words], check=True, capture_output=True)
    with in_console(*CONSOLE) as (shown, _):
        browser = Browser(shown)
        await asyncio.to_thread(browser.plan, "adverts", SENTENCE)
        review = await asyncio.to_thread(browser.send)
        assert "Send this?" in review, review
        clock.set(ahead)
        await asyncio.to_thread(browser.send, answer="yes")


WAYS = {"form": in_form, "panel": in_panel, "terminal": in_terminal, "page": on_page, "console": in_console_ask}


async def jump(way: str, clock: FakedClock, ahead: timedelta) -> str:
    """Return what is wrong after a yes to a question during which the time of day was set; "" where nothing is."""
    with SlowCampaigns() as api:
        async with asyncio.timeout(PATIENCE):
            await WAYS[way](api, clock, ahead)
        if len(api.changes) != 1:
            return f"{len(api.changes)} changes"
    now = datetime.now(UTC)
    receipts = recorded_consents(log_folder(), now - timedelta(days=2), now)
    if [receipt.answer for receipt in receipts] != [ConsentAnswer.AGREED]:
        return f"the receipts are {receipts}"
    moved = datetime.fromisoformat(receipts[0].answered) - now
    return "" if abs((moved - ahead).total_seconds()) < TOLERANCE_S else f"the clock of the server moved by {moved}"


async def end(clock: FakedClock) -> str:
    """Return what is wrong after both clocks of a server jumped over the end of its question."""
    with SlowCampaigns() as api:
        async with started("ads", "--base-url", api.url, "--auth", "bearer=x", env=clock.environment) as client:
            await client.call_tool("updateCampaign", CHANGE)
            waiting = await question()
            clock.set(timedelta(days=1))
            answered = await asyncio.to_thread(waiting.answer, agrees=True)
        is_over = answered["state"] == "expired" and not api.changes
        return "" if is_over else f"{len(api.changes)} changes after the end, and the question says {answered}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", type=Path, default=LIBRARY)
    library = parser.parse_args().library
    if not library.exists():
        print(f"{library} is missing: `apt install libfaketime`, or name it with --library")
        return 2
    faults = 0
    cases = [(way, name) for way in WAYS for name in JUMPS]
    for way, name in [*cases, ("the end", "both clocks a day ahead")]:
        before = dict(os.environ)
        with tempfile.TemporaryDirectory() as folder:
            clock = FakedClock(library, Path(folder), counts_too=name not in JUMPS)
            os.environ |= {f"NLAPI_{kind}_DIR": str(Path(folder) / kind) for kind in ("CONFIG", "STATE")}
            os.environ |= clock.environment
            try:
                fault = asyncio.run(jump(way, clock, JUMPS[name]) if way in WAYS else end(clock))
            except Exception as error:
                fault = repr(error)
            os.environ.clear()
            os.environ |= before
        print(f"{way}, {name}: {fault or 'as it should be'}", flush=True)
        faults += bool(fault)
    print(f"{len(cases) + 1} jumps, {faults} faults")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
