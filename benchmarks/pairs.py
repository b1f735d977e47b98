"""Pairs of processes at once on one batch, one workflow run and one transcript: whether a change is made twice.

    python -m benchmarks.pairs [--count 20]

Each pair is two real `nlapi` processes that are started together, in turns: `batch FILE --yes` twice, under two names
of the file; `workflow resume ID --yes` twice, of a run that was killed; `log resume ID QUESTION --yes` twice, with a
scripted Claude that wants one change. An API on loopback counts what it is asked to create. Exits with 1 when a change
was made twice, when one was not made that should have been, or when no process was ever refused.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.messages_server import MessagesServer, say, use
from tests.servers import Echo, Received, Reply

NLAPI = str(Path(sys.executable).with_name("nlapi"))
PATIENCE = 120
ROWS = 3
SLOW_S = 0.15
"""Seconds of an answer: two processes that begin together overlap."""
REFUSED = "is going on in another process"


@dataclass(kw_only=True)
class Stage:
    """The servers, and what has come of the pairs."""

    api: Echo
    claude: MessagesServer
    folder: Path
    pairs: Counter[str] = field(default_factory=Counter)
    made: Counter[str] = field(default_factory=Counter)
    twice: Counter[str] = field(default_factory=Counter)
    missing: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)

    def command(self, home: Path, *words: str) -> subprocess.Popen[str]:
        environment = {**os.environ, "NLAPI_STATE_DIR": str(home / "state"), "NLAPI_CONFIG_DIR": str(home / "config")}
        environment |= {"ANTHROPIC_BASE_URL": self.claude.url, "ANTHROPIC_API_KEY": "sk-test", "NO_COLOR": "1"}
        pipes: dict[str, Any] = dict.fromkeys(("stdout", "stderr"), subprocess.PIPE)
        return subprocess.Popen([NLAPI, *words], text=True, stdin=subprocess.DEVNULL, env=environment, **pipes)

    def run(self, home: Path, *words: str) -> None:
        self.command(home, *words).communicate(timeout=PATIENCE)

    def names(self, prefix: str) -> Counter[str]:
        names = (one.json()["name"] for one in self.api.received if one.method == "POST")
        return Counter(name for name in names if name.startswith(prefix))


Pair = Callable[[Stage, Path, str], tuple[tuple[str, ...], tuple[str, ...], int]]
"""Prepares a pair in a folder, and returns its two commands and the number of changes that they should make."""


def described(url: str) -> str:
    operation = {"responses": {"200": {"description": "ok"}}}
    schema = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}
    body = {"required": True, "content": {"application/json": {"schema": schema}}}
    create = {"operationId": "createOrder", "summary": "Create an order", "requestBody": body, **operation}
    listing = {"operationId": "listOrders", "summary": "List orders", **operation}
    paths = {"/orders": {"post": create, "get": listing}}
    info = {"title": "Shop", "version": "1"}
    return json.dumps({"openapi": "3.1.0", "info": info, "servers": [{"url": url}], "paths": paths})


def batch(stage: Stage, home: Path, prefix: str) -> tuple[tuple[str, ...], tuple[str, ...], int]:
    file, link = home / "rows.jsonl", home / "link.jsonl"
    file.write_text("".join(json.dumps({"name": f"{prefix}-{number}"}) + "\n" for number in range(ROWS)))
    link.symlink_to(file)
    words = [("batch", str(home / "shop.json"), str(name), "createOrder", "--yes") for name in (file, link)]
    return words[0], words[1], ROWS


def workflow(stage: Stage, home: Path, prefix: str) -> tuple[tuple[str, ...], tuple[str, ...], int]:
    steps: list[dict[str, Any]] = [{"stepId": "look", "operationId": "listOrders"}]
    for number in range(ROWS):
        payload = {"contentType": "application/json", "payload": {"name": f"{prefix}-{number}"}}
        steps.append({"stepId": f"s{number}", "operationId": "createOrder", "requestBody": payload})
    document = {
        "arazzo": "1.0.1",
        "info": {"title": "w", "version": "1"},
        "sourceDescriptions": [{"name": "shop", "url": "./shop.json", "type": "openapi"}],
        "workflows": [{"workflowId": "make", "steps": steps}],
    }
    file = home / "make.arazzo.json"
    file.write_text(json.dumps(document))
    seen = len(stage.api.received)
    killed = stage.command(home, "workflow", "run", str(file), "--yes")
    while len(stage.api.received) == seen and killed.poll() is None:
        time.sleep(0.005)
    killed.kill()
    killed.communicate()
    words = ("workflow", "resume", "--yes")
    return words, words, ROWS


def transcript(stage: Stage, home: Path, prefix: str) -> tuple[tuple[str, ...], tuple[str, ...], int]:
    stage.claude.script[:] = [say("Hello.")]
    stage.run(home, "ask", "hello", "-a", str(home / "shop.json"), "--planner", "claude")
    create = use("createOrder", {"name": f"{prefix}-0"})
    stage.claude.script[:] = [create, say("Done.")] * 3
    words = ("log", "resume", "last", f"create an order called {prefix}-0", "--planner", "claude", "--yes")
    return words, words, 1


PAIRS: dict[str, Pair] = {"batch": batch, "workflow": workflow, "transcript": transcript}


def run_pair(stage: Stage, kind: str, number: int) -> None:
    prefix = f"{kind}{number}"
    home = stage.folder / prefix
    home.mkdir()
    (home / "shop.json").write_text(described(stage.api.url))
    first, second, expected = PAIRS[kind](stage, home, prefix)
    processes = [stage.command(home, *words) for words in (first, second)]
    errors = [process.communicate(timeout=PATIENCE)[1] for process in processes]
    counts = stage.names(prefix)
    stage.pairs[kind] += 1
    stage.made[kind] += len(counts)
    stage.twice[kind] += sum(count > 1 for count in counts.values())
    stage.missing[kind] += expected - len(counts)
    stage.refused[kind] += sum(REFUSED in text for text in errors)


def measure(count: int) -> Stage:
    """Run so many pairs, the kinds in turns."""

    def answer(request: Received) -> Reply:
        time.sleep(SLOW_S)
        return Reply(201, {"id": "o1"}) if request.method == "POST" else Reply(200, [])

    with tempfile.TemporaryDirectory() as folder, Echo(answer) as api, MessagesServer() as claude:
        stage = Stage(api=api, claude=claude, folder=Path(folder))
        for number in range(count):
            run_pair(stage, list(PAIRS)[number % len(PAIRS)], number)
        return stage


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=20, help="pairs in all")
    given = parser.parse_args()
    began = time.monotonic()
    stage = measure(given.count)
    print("| pair | pairs | changes made | made twice | not made | processes refused |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    tables = (stage.pairs, stage.made, stage.twice, stage.missing, stage.refused)
    for kind in PAIRS:
        print(f"| {kind} | " + " | ".join(str(table[kind]) for table in tables) + " |")
    print(f"{given.count} pairs, {time.monotonic() - began:.0f} s")
    wrong = stage.twice.total() or stage.missing.total() or not stage.refused.total()
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
