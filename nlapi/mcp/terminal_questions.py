"""The side of the person who answers: what this user's MCP servers ask about, over a local socket of each server."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from nlapi import registry
from nlapi.agent.records.receipts import ConsentRung
from nlapi.client.safe_text import strip_control
from nlapi.local_sockets import open_connection, receive_message, send_message
from nlapi.system import IS_WINDOWS

SUFFIX = ".socket"

# Letters and digits that nobody takes for one another.
_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"

# In seconds. A server lists at once; what it sends after a yes may take its time.
LIST_S = 5.0
# Servers that are asked at the same time.
MAX_ASKED = 16
ANSWER_S = 300.0


def new_code(length: int) -> str:
    """Return a random code for people to type."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def questions_folder() -> Path:
    """Return the folder with the sockets of the servers that ask."""
    return registry.user_folder("state") / "questions"


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalQuestion:
    """A change that waits. `digest` is of all that `text` shows; `seconds` are left for the answer."""

    code: str
    title: str
    text: str
    digest: str
    seconds: int
    server: Path

    def answer(self, *, agrees: bool, rung: ConsentRung = ConsentRung.TERMINAL) -> Mapping[str, Any]:
        """Return what came of an answer: `state`, `text` and the `status` of the API, if it was sent.

        OSError or EOFError where the server ends before it says so.
        """
        message = {"code": self.code, "digest": self.digest, "agrees": agrees, "rung": rung}
        return exchange(self.server, message, ANSWER_S)


def waiting_questions(seconds: float = LIST_S) -> list[TerminalQuestion]:
    """Return the questions that wait, the one that ends first at the beginning.

    The servers are asked at once. One that does not answer in `seconds` is left out: it may be stopped.
    """
    servers = [] if IS_WINDOWS else sorted(questions_folder().glob(f"*{SUFFIX}"))
    if not servers:
        return []
    with ThreadPoolExecutor(max_workers=min(len(servers), MAX_ASKED)) as pool:
        listings = pool.map(lambda server: list(_questions_of(server, seconds)), servers)
        return sorted(chain.from_iterable(listings), key=lambda question: question.seconds)


def _questions_of(server: Path, seconds: float) -> Iterator[TerminalQuestion]:
    try:
        listed = exchange(server, {"list": True}, seconds)
    except ConnectionRefusedError:  # its server has ended
        server.unlink(missing_ok=True)
        return
    except (OSError, EOFError, ValueError):
        return
    for entry in listed.get("questions", ()):
        with suppress(TypeError):
            texts = {name: strip_control(str(entry[name])) for name in ("title", "text") if name in entry}
            yield TerminalQuestion(server=server, **entry | texts)


def exchange(server: Path, message: dict[str, Any], seconds: float) -> Mapping[str, Any]:
    """Return the answer of the process behind a local socket. OSError, EOFError or ValueError without one."""
    with open_connection(server.parent, server.name, seconds) as connection:
        send_message(connection, message)
        return receive_message(connection)[0]
