"""Every way of consent over MCP, with the calls of AgentDojo's 97 benign tasks: is a change sent once where a person
said yes, and never without?

    python -m benchmarks.consent_matrix [--tasks 97]

A client has forms, or opens pages (URL), or shows panels, or declares panels that it never opens, or has nothing; over
stdio and HTTP; in the protocols of 2025-11-25 and 2026-07-28. In each of these twenty cells every call of a task is
made twice: a person says yes to all that is asked, and says it again; then the person says no, after a model that sees
all but the metadata of the answers has tried to agree by itself: without a token, with an invented one, with the half
that it can read, with the digest of another question, with another ticket. Answers of the API are those that
AgentDojo's environment gave.

Where nobody can be asked, nothing may be sent, and the answer has to name the command for a terminal. Exits with 1 when
the API got anything else.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Any

import httpx2
import mcp_types as types
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

from benchmarks.agentdojo import READS, operation_node, traces
from benchmarks.consoles.__main__ import in_terminal
from nlapi.mcp.terminal_questions import waiting_questions
from tests.mcp.kit import ERAS, NLAPI, PANELS, Panel, UrlClient
from tests.servers import Echo, Received, Reply

# Pages are those of `nlapi console`.
RUNGS = ("form", "URL", "panel", "panel never opened", "none")
TRANSPORTS = ("stdio", "HTTP")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What a client has, how it reaches the server, and which protocol it speaks."""

    rung: str
    transport: str
    era: str

    @property
    def is_asked(self) -> bool:
        """Whether a person can be asked, by the client or in a terminal of the machine."""
        return self.transport == "stdio" or self.rung in ("form", "panel")

    def __str__(self) -> str:
        return f"{self.rung}, {self.transport}, {'2025-11-25' if self.era == 'legacy' else self.era}"


class Browser:
    """A paired browser of a console that runs in a terminal of its own."""

    def __init__(self, shown: str) -> None:
        (self.url,) = re.findall(r"http://\S+?(?=/\s)", shown)
        (code,) = re.findall(r"code: (\S+)", shown)
        self._client = httpx2.Client(headers={"origin": self.url}, timeout=60, follow_redirects=True)
        self._client.post(f"{self.url}/sign-in", data={"code": code}).raise_for_status()

    def plan(self, api: str, sentence: str) -> None:
        """Type a sentence."""
        self._shown = self._client.get(self.url).text
        self.send(api=api, q=sentence)

    def send(self, **values: str) -> str:
        """Send the last form of the page that is shown with some values, and return the page that comes of it."""
        form = self._shown[self._shown.rindex("<form") :]
        (action,) = re.findall(r'action="([^"]*)"', form)
        fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form)) | values
        self._shown = self._client.post(f"{self.url}{action}", data=fields).text
        return self._shown

    def answer(self, page: str, *, agrees: bool) -> None:
        """Press a button of a question's page, and press it again."""
        fields = dict(re.findall(r'name="(key|digest)" value="(\w+)"', self._client.get(page).text))
        for _ in range(2):
            self._client.post(page, data={**fields, "answer": "yes" if agrees else "no"})


@dataclass(slots=True)
class Person:
    """Says the same to all questions, in a form, on a page, in a panel or in a terminal."""

    agrees: bool = True
    browser: Browser | None = None
    page: str = ""
    asked: int = 0

    async def __call__(self, context: Any, params: Any) -> types.ElicitResult:
        self.asked += 1
        if isinstance(params, types.ElicitRequestURLParams):  # to open a page says nothing yet
            self.page = params.url
            return types.ElicitResult(action="accept")
        return types.ElicitResult(action="accept" if self.agrees else "decline", content={"send": self.agrees})

    async def answer_on_page(self) -> None:
        assert self.browser is not None
        await asyncio.to_thread(self.browser.answer, self.page, agrees=self.agrees)

    async def answer_in_terminal(self, code: str | None = None) -> None:
        """Answer the question with a code, or all; and say it again, and then yes."""
        for question in await asyncio.to_thread(waiting_questions):
            if code is None or question.code == code:
                self.asked += code is None
                for agrees in (self.agrees, self.agrees, True):
                    await asyncio.to_thread(question.answer, agrees=agrees)


@dataclass(slots=True)
class Tally:
    """The calls of a cell: what was sent, and what should not be."""

    sent: int = 0
    declined: int = 0
    unreachable: int = 0
    attacks: int = 0
    faults: list[str] = field(default_factory=list)


class Api(Echo):
    """Answers each call of a task as AgentDojo's environment did."""

    def __init__(self) -> None:
        super().__init__(self._reply)
        self.answer: Any = {}

    def _reply(self, request: Received) -> Reply:
        return Reply(200, self.answer)

    def sent(self, name: str) -> int:
        return sum(request.path == f"/{name}" for request in self.received)


def describe(suites: dict[str, Any], folder: Path) -> Path:
    """Write the description of an API with the tools of all suites."""
    paths = {}
    for suite, entry in suites.items():
        for tool in entry["tools"]:
            (method, operation), *_ = operation_node(tool).items()
            operation["operationId"] = f"{tool['name']}_{suite}"
            paths[f"/{tool['name']}_{suite}"] = {method: operation}
    file = folder / "office.json"
    file.write_text(json.dumps({"openapi": "3.1.0", "info": {"title": "Office", "version": "1"}, "paths": paths}))
    return file


@asynccontextmanager
async def connected(cell: Cell, description: Path, api: Api, person: Person) -> AsyncIterator[Client]:
    """Yield a client of the cell, of a server of its own."""
    words = ["mcp", str(description), "--base-url", api.url]
    options: dict[str, Any] = {"mode": cell.era}
    if cell.rung in ("form", "URL"):
        options["elicitation_callback"] = person
    if cell.rung.startswith("panel"):
        options["extensions"] = [PANELS]
    kind = UrlClient if cell.rung == "URL" else Client
    if cell.transport == "stdio":
        env = {name: value for name, value in os.environ.items() if name.startswith(("NLAPI_", "PYTHONPATH"))}
        with (description.parent / "errors.txt").open("a") as log:
            wire = stdio_client(StdioServerParameters(command=NLAPI, args=words, env=env), log)
            async with kind(wire, **options) as client:
                yield client
        return
    process = await asyncio.create_subprocess_exec(NLAPI, *words, "--http", "0", stdout=PIPE, stderr=DEVNULL)
    assert process.stdout is not None
    url = (await process.stdout.readline()).decode().strip()
    try:
        async with kind(streamable_http_client(url), **options) as client:
            yield client
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def run_call(cell: Cell, client: Client, api: Api, call: dict[str, Any], person: Person, tally: Tally) -> None:
    """Make a call of a task once, have the person answer, and look at what the API got."""
    name, before, asked = call["name"], api.sent(call["name"]), person.asked
    is_read = name.startswith(READS)
    api.answer = call["answer"]
    arguments = {key: value for key, value in call["arguments"].items() if value is not None}
    answer = await client.call_tool("read" if is_read else "change", {"operation": name, "arguments": arguments})
    data = answer.structured_content or {}
    waits = data.get("state") == "waiting"
    if waits and not person.agrees:
        tally.attacks += 1
        await attack(client, answer, tally.attacks)
    if cell.rung == "URL" and waits:
        await person.answer_on_page()
    elif cell.rung == "panel" and waits:
        person.asked += 1
        await answer_in_panel(client, answer, agrees=person.agrees)
    elif cell.transport == "stdio" and cell.rung != "form":
        if cell.rung == "panel never opened" and waits:
            person.asked += waits
            (code,) = re.findall(r"nlapi approve (\w+)", text(await Panel(client).outcome(answer))) or [""]
            await person.answer_in_terminal(code)
        elif not waits:
            await person.answer_in_terminal()
    sent, was_asked = api.sent(name) - before, person.asked > asked
    wanted = 1 if is_read and not was_asked else int(person.agrees and was_asked)
    if sent != wanted:
        tally.faults.append(f"{cell}: {name} was sent {sent} times, and not {wanted}: {text(answer)[:160]}")
    elif not is_read and not was_asked:
        tally.unreachable += 1
        if cell.is_asked or not (waits or "nlapi call" in text(answer)):
            tally.faults.append(f"{cell}: {name} was not asked about: {text(answer)[:160]}")
    elif not is_read:
        tally.sent += sent
        tally.declined += not sent


async def attack(client: Client, waiting: types.CallToolResult, number: int) -> None:
    """Try to agree as a model can, which sees the ticket, the review and no metadata. Another way each time."""
    ticket = str((waiting.structured_content or {}).get("ticket", ""))
    review: dict[str, Any] = {}
    with suppress(MCPError):
        review = (await client.call_tool("nlapi_review", {"ticket": ticket})).structured_content or {}
    half, digest = review.get("half", ""), review.get("digest", "")
    ways: list[dict[str, Any]] = [
        {"ticket": ticket, "answer": "yes"},
        {"ticket": ticket, "answer": "yes", "digest": digest, "token": "invented.invented"},
        {"ticket": ticket, "answer": "yes", "digest": digest, "token": half},
        {"ticket": ticket, "answer": "yes", "digest": digest, "token": f"{half}.{half}"},
        {"ticket": ticket, "answer": "yes", "digest": "0" * 64, "token": f".{half}"},
        {"ticket": f"{ticket}x", "answer": "yes", "digest": digest, "token": f"{half}.{half}"},
    ]
    with suppress(MCPError):
        await client.call_tool("nlapi_decide", ways[number % len(ways)])
    with suppress(MCPError):
        await client.call_tool("outcome", {"ticket": ticket})


async def answer_in_panel(client: Client, waiting: types.CallToolResult, *, agrees: bool) -> None:
    """Answer as a panel does, and say it again: first the same, then a yes."""
    panel = Panel(client)
    shown = await panel.review(waiting)
    token = f"{(waiting.meta or {})['nlapi/approval']}.{shown.get('half', '')}"
    words = {"ticket": panel.ticket(waiting), "digest": shown.get("digest", ""), "token": token}
    for answer in ("yes" if agrees else "no",) * 2 + ("yes",):
        with suppress(MCPError):
            await client.call_tool("nlapi_decide", {**words, "answer": answer})


def text(answer: types.CallToolResult) -> str:
    return "\n".join(block.text for block in answer.content if isinstance(block, types.TextContent))


async def run_cell(cell: Cell, suites: dict[str, Any], chosen: set[tuple[str, str]], folder: Path) -> Tally:
    """Return what came of all tasks in a cell."""
    tally = Tally()
    description = describe(suites, folder)
    calls: dict[str, dict[str, Any]] = {}
    for suite, id in sorted(chosen):
        for call in suites[suite]["users"][id]["calls"]:
            name, arguments = f"{call['name']}_{suite}", json.dumps(call["arguments"])
            # The same read again would be answered from the store.
            key = f"{name} {arguments}" if name.startswith(READS) else f"{name} {len(calls)}"
            calls.setdefault(key, {**call, "name": name})
    for agrees in (True, False):
        person = Person(agrees=agrees)
        with Api() as api, ExitStack() as stack:
            if cell.rung == "URL":
                words = ("console", "--no-browser", "--host", "127.0.0.1")
                person.browser = Browser(stack.enter_context(in_terminal(*words))[0])
            async with connected(cell, description, api, person) as client:
                for call in calls.values():
                    await run_call(cell, client, api, call, person, tally)
    return tally


def cells() -> Iterator[Cell]:
    for rung in RUNGS:
        for transport in TRANSPORTS:
            for era in ERAS:
                yield Cell(rung=rung, transport=transport, era=era)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=97, help="how many of the tasks, evenly chosen")
    parser.add_argument("--rung", choices=RUNGS, help="one alone")
    options = parser.parse_args()
    suites = traces(None)
    every = [(name, id) for name, suite in suites.items() for id in suite["users"]]
    step = max(1.0, len(every) / options.tasks)
    chosen = {every[int(number * step)] for number in range(min(options.tasks, len(every)))}
    total, faults = Counter[str](), 0
    chosen_cells = [cell for cell in cells() if options.rung in (None, cell.rung)]
    for cell in chosen_cells:
        with tempfile.TemporaryDirectory() as folder:
            os.environ |= {f"NLAPI_{kind}_DIR": str(Path(folder) / kind) for kind in ("CONFIG", "STATE")}
            tally = asyncio.run(run_cell(cell, suites, chosen, Path(folder)))
        counts = {"sent": tally.sent, "declined": tally.declined, "nobody to ask": tally.unreachable}
        total.update({**counts, "attacks": tally.attacks})
        print(f"{cell!s:40} {', '.join(f'{count} {word}' for word, count in counts.items())}", flush=True)
        for fault in tally.faults[:5]:
            print(f"    {fault}")
        faults += len(tally.faults)
    print(f"{len(chosen)} tasks in {len(chosen_cells)} cells: {dict(total)}, {faults} faults")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
