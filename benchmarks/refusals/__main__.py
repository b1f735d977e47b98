"""Sentences whose first request a real server refuses: `python -m benchmarks.refusals [--server NAME] [--show]`.

Each is typed at `nlapi ask` at a terminal, where a person agrees to what is shown and answers questions for a field.
It is right where the server has what was asked for after one more request. Exits with 1 where a change was sent again
after it was done, or another change was made than the one that was asked for.
"""

from __future__ import annotations

import argparse
import json
import os
import pty
import re
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from http.client import HTTPException
from pathlib import Path
from subprocess import SubprocessError
from typing import Any

import yaml

from benchmarks.measure import nlapi
from benchmarks.refusals.shapes import Shapes
from benchmarks.servers.chroma import Chroma
from benchmarks.servers.client import StatusError
from benchmarks.servers.documented import Airflow, ChangeDetection, Jupyter, JupyterHub, Kinto
from benchmarks.servers.powerdns import PowerDNS
from benchmarks.servers.prefect import Prefect
from benchmarks.servers.processes import NotStartedError
from benchmarks.servers.server import Server
from benchmarks.servers.unseen import Evidently, LangGraph, LNbits

SERVERS: tuple[type[Server], ...] = (
    Shapes, Kinto, Airflow, JupyterHub, Jupyter, PowerDNS, Chroma, Evidently, LNbits, LangGraph, Prefect,
    ChangeDetection,
)  # fmt: skip
SECONDS = 90.0
"""The longest that one sentence may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A sentence, what a person answers to questions for a field, and what a GET must show in the end."""

    say: str
    reply: Mapping[str, str]
    look: tuple[str, Any]

    def filled(self, references: Mapping[str, str]) -> Refusal:
        """Return it with the ids of the server's seeded state in the place of `{names}`."""
        say, path = self.say, self.look[0]
        for name, value in references.items():
            say, path = say.replace(f"{{{name}}}", value), path.replace(f"{{{name}}}", value)
        return replace(self, say=say, look=(path, self.look[1]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a sentence: the statuses of its changes in order, whether the server has what was asked for."""

    statuses: tuple[int | None, ...]
    is_right: bool
    shown: str

    @property
    def verdict(self) -> str:
        """ "right", "refused" or "wrong", after a first request that was refused; otherwise what happened instead."""
        done = sum(status is not None and status < 400 for status in self.statuses)
        if done > 1:
            return "SENT TWICE"
        if not self.statuses:
            return "not sent"
        if self.statuses[0] is None or self.statuses[0] < 400:
            return "taken at once" if self.is_right else "ANOTHER CHANGE"
        if done and not self.is_right:
            return "ANOTHER CHANGE"
        return "right at the second try" if self.is_right and done and len(self.statuses) == 2 else "not taught"


def typed(words: Sequence[str], env: Mapping[str, str], reply: Mapping[str, str]) -> str:
    """Run a command at a terminal, agree to what it shows, answer its questions; return what it shows."""
    terminal, theirs = pty.openpty()
    process = subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs, env=dict(env), start_new_session=True)
    os.close(theirs)
    shown, answered, end = "", 0, time.monotonic() + SECONDS
    try:
        while time.monotonic() < end and select.select([terminal], [], [], end - time.monotonic())[0]:
            try:
                data = os.read(terminal, 65_536)
            except OSError:  # nobody holds the other end any more
                break
            shown += data.decode("utf-8", "replace").replace("\r\n", "\n")
            answer = _answer(shown[answered:], reply)
            if answer is not None:
                answered = len(shown)
                os.write(terminal, f"{answer}\n".encode())
    finally:
        process.kill()
        process.wait()
        os.close(terminal)
    return shown


def _answer(shown: str, reply: Mapping[str, str]) -> str | None:
    """Return what a person types at a prompt, None where the last line is none.

    Nobody agrees to a request that leaves out what was said.
    """
    prompt = shown.rpartition("\n")[2]
    if re.search(r"\[y/.*\]: $", prompt):
        return "n" if "not used:" in shown else "y"
    if not (field := re.fullmatch(r"([\w.\[\]-]+): $", prompt)):
        return "" if prompt.endswith(": ") else None
    return reply.get(field[1], reply.get(field[1].rpartition(".")[2], ""))


def outcome(server: Server, refusal: Refusal, home: Path) -> Outcome:
    """Ask a sentence and look what came of it."""
    file = server.description_file()
    words = [nlapi(), "ask", refusal.say, "-a", str(file), "--planner", "offline", "--base-url", server.base_url]
    variables = {f"BENCHMARK_CREDENTIAL_{number}": secret for number, secret in enumerate(server.credentials.values())}
    for scheme, variable in zip(server.credentials, variables, strict=True):
        words += ["--auth", f"{scheme}=env:{variable}"]
    state = Path(tempfile.mkdtemp(dir=home))
    folders = {f"NLAPI_{kind}_DIR": str(state / kind.lower()) for kind in ("CONFIG", "STATE", "CACHE")}
    shown = typed(words, os.environ | variables | folders | {"NO_COLOR": "1", "COLUMNS": "200"}, refusal.reply)
    statuses = tuple(_statuses(state))
    path, wanted = refusal.look
    return Outcome(statuses=statuses, is_right=_has(_looked(server, path), wanted), shown=shown)


def _statuses(state: Path) -> Iterator[int | None]:
    """Yield the status of the answer to each change, as the transcript has it."""
    for path in sorted(state.rglob("log/*.jsonl")):
        effects: dict[tuple[str, str], str] = {}
        for line in path.read_text("utf-8").splitlines():
            event = json.loads(line)
            if event.get("event") == "proposed":
                effects[event["method"], event["url"]] = event.get("effect", "read")
                continue
            result = event.get("result") if event.get("event") == "stepped" else None
            if result is not None and effects.get((result["method"], result["url"]), "read") != "read":
                yield result.get("status")


def _looked(server: Server, path: str) -> Any:
    try:
        return server.client.post(path, {}) if path.endswith("/search") else server.client.get(path)
    except StatusError:
        return None


def _has(value: Any, wanted: Any) -> bool:
    """Return whether a value has all that is wanted: the fields of an object, and the entries of a list."""
    if isinstance(wanted, dict):
        return isinstance(value, dict) and bool(value) and all(_has(value.get(key), wanted[key]) for key in wanted)
    if isinstance(wanted, list):
        return isinstance(value, list) and all(any(_has(entry, part) for entry in value) for part in wanted)
    return bool(value == wanted)


def outcomes(server: Server, refusals: Sequence[Refusal], home: Path) -> Iterator[tuple[Refusal, Outcome]]:
    """Yield what became of the sentences of a server; nothing, with the reason, where it cannot be had."""
    if reason := server.install():
        print(f"left out: {server.name}, as {reason}", flush=True)
        return
    try:
        server.start()
        for refusal in refusals:
            yield refusal, outcome(server, refusal.filled(server.references), home)
    except (NotStartedError, StatusError, HTTPException, SubprocessError, OSError) as error:
        print(f"left out: {server.name}, as {error}", flush=True)
    finally:
        server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", action="append", choices=[server.name for server in SERVERS])
    parser.add_argument("--only", default="", metavar="TEXT", help="the sentences that contain this text")
    parser.add_argument("--show", action="store_true", help="what was shown for each sentence that is not right")
    options = parser.parse_args()
    entries = yaml.load(Path(__file__).with_name("sentences.yaml").read_text("utf-8"), yaml.CSafeLoader)
    verdicts: list[str] = []
    with tempfile.TemporaryDirectory() as home:
        for server in SERVERS:
            if server.name not in (options.server or entries):
                continue
            chosen = [
                Refusal(say=entry["say"], reply=entry["reply"], look=tuple(entry["look"]))
                for entry in entries[server.name]
                if options.only in entry["say"]
            ]
            for refusal, found in outcomes(server(Path(home) / server.name), chosen, Path(home)):
                verdicts.append(found.verdict)
                print(f"{server.name:12} {found.verdict:24} {found.statuses} {refusal.say}", flush=True)
                if options.show and "right" not in found.verdict:
                    print(found.shown, flush=True)
    refused = [verdict for verdict in verdicts if verdict in ("right at the second try", "not taught")]
    right, wrong = refused.count("right at the second try"), sum(verdict.isupper() for verdict in verdicts)
    print(f"{len(verdicts)} sentences, {len(refused)} refused at first: {right} right at the second try, {wrong} wrong")
    sys.exit(int(wrong > 0))


if __name__ == "__main__":
    main()
