"""From `api add` to a first answer with Trello, Plaid, Listen Notes and Twilio, on their sandboxes, as a new user goes.

usage: python -m benchmarks.first_answers

Each is registered, logged in to by what `auth login` asks for, and asked by `nlapi ask` and by `nlapi call`; a question
that lacks something has to name it, and say what to type, before anything is sent. Exits with 1 unless all do.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nlapi
from benchmarks.descriptions import directory
from nlapi.sandbox import running
from tests.cli.kit import Ran, run


@dataclass(frozen=True, kw_only=True)
class Walk:
    """The way with one API. `lines` are typed at `auth login`; `lacking` is a question that lacks what `hint` names."""

    name: str
    file: str
    lines: tuple[str, ...]
    question: str
    call: tuple[str, ...]
    lacking: str
    hint: str


WALKS = (
    Walk(
        name="trello",
        file="trello.com.json",
        lines=("key-0123456789", "token-0123456789"),
        question="list the boards of member 5f2c1a",
        call=("getMembersBoardsByIdMember", "idMember=5f2c1a"),
        lacking="list my boards",
        hint="--set idMember=...",
    ),
    Walk(
        name="plaid",
        file="plaid.com.json",
        lines=("client-0123456789", "2020-09-14", "secret-0123456789"),
        question="list the categories",
        call=("categoriesGet",),
        lacking="what are the accounts?",
        hint="(add --set access_token=...)",
    ),
    Walk(
        name="listennotes",
        file="listennotes.com.json",
        lines=("key-0123456789",),
        question="list the genres",
        call=("getGenres",),
        lacking="show the podcast",
        hint="--set id=...",
    ),
    Walk(
        name="twilio",
        file="twilio.com/api.json",
        lines=("AC0123456789:token-0123456789",),
        question="list the accounts",
        call=("ListAccount",),
        lacking="list the messages",
        hint="--set AccountSid=...",
    ),
)


def faults(walk: Walk, folder: Path) -> Iterator[str]:
    """Yield what goes wrong on the way with one API."""
    file = str(folder / walk.file)
    received: list[object] = []
    with running(nlapi.load(file), on_request=lambda *request: received.append(request)) as server:
        yield from _ended("api add", run("api", "add", walk.name, file, "--base-url", server.url))
        yield from _ended("auth login", run("auth", "login", walk.name, stdin="\n".join((*walk.lines, ""))))
        yield from _ended("setup", setup := run("setup", walk.name))
        if "nlapi ask" not in setup.out:
            yield "setup suggests no question"
        yield from _ended("ask", run("ask", walk.question, "-a", walk.name, "--planner", "offline", "-o", "text"))
        yield from _ended("call", run("call", walk.name, *walk.call))
        lacking = run("ask", walk.lacking, "-a", walk.name, "--planner", "offline", "-o", "text")
        if lacking.code != 7 or walk.hint not in lacking.err:
            yield f"ask {walk.lacking!r}: {lacking.code} {lacking.err[-300:]!r}"
        if not received:
            yield "nothing was sent"


def _ended(step: str, ran: Ran) -> Iterator[str]:
    if ran.code:
        yield f"{step}: {ran.code} {ran.err[-300:]!r}"


def main() -> int:
    folder = directory()
    if folder is None:
        print("left out, needs npm")
        return 0
    code = 0
    for walk in WALKS:
        with tempfile.TemporaryDirectory() as home:
            os.environ |= {f"NLAPI_{kind}_DIR": f"{home}/{kind}" for kind in ("CONFIG", "STATE", "CACHE")}
            os.environ["PYTHON_KEYRING_BACKEND"] = "keyring.backends.fail.Keyring"
            found = list(faults(walk, folder))
        print(f"{walk.name}: {'; '.join(found) or 'a first answer by ask and by call, and what lacks is named'}")
        code = code or bool(found)
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
