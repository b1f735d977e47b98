"""Asks the user of this machine in a terminal (`nlapi approve`), where a client has no way to ask.

The terminal and the server talk over a socket that only this user can open. What waits is in no file, and an answer
comes from a process that can be looked at: one that a client with a model has started answers nothing.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
from contextlib import suppress
from typing import Any

from nlapi.agent.records.receipts import ConsentRung
from nlapi.client_session import is_started_by_model
from nlapi.errors import ConsentError
from nlapi.local_sockets import bind
from nlapi.mcp.terminal_questions import SUFFIX, new_code, questions_folder
from nlapi.mcp.tickets import Sender, Ticket, Tickets, TicketState
from nlapi.processes import peer_of
from nlapi.system import IS_WINDOWS

_CODE_LENGTH = 5

# Questions at once.
MAX_QUESTIONS = 50

FROM_MODEL = "a client with a model started this terminal: answer in one of your own"


class TerminalDesk:
    """Where the user of this machine answers the tickets of a server."""

    def __init__(self, tickets: Tickets) -> None:
        self._tickets = tickets
        self._waiting: dict[str, tuple[Ticket, Sender]] = {}
        self._server: asyncio.Server | None = None
        self._path = questions_folder() / f"{os.getpid()}-{secrets.token_hex(4)}{SUFFIX}"

    async def ask(self, ticket: Ticket, send: Sender) -> str:
        """Return the code by which a ticket can be answered; "" where it cannot: too many wait, or no socket can be."""
        self._forget_answered()
        if IS_WINDOWS or len(self._waiting) >= MAX_QUESTIONS:
            return ""
        try:
            await self._listen()
        except OSError:
            return ""
        code = new_code(_CODE_LENGTH)
        self._waiting[code] = ticket, send
        return code

    def close(self) -> None:
        """Take no more answers."""
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)

    def _forget_answered(self) -> None:
        self._waiting = {code: entry for code, entry in self._waiting.items() if self._tickets.is_waiting(entry[0])}

    async def _listen(self) -> None:
        if self._server is None:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            listener = bind(self._path.parent, self._path.name)
            self._server = await asyncio.start_unix_server(self._serve, sock=listener)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one message of a terminal."""
        with suppress(OSError, ValueError):
            message = json.loads(await reader.readline())
            pid = peer_of(writer.get_extra_info("socket"))
            reply = await self._reply(message, pid) if isinstance(message, dict) else {}
            writer.write(json.dumps(reply).encode("utf-8", "surrogatepass") + b"\n")
            await writer.drain()
        writer.close()

    async def _reply(self, message: dict[str, Any], pid: int) -> dict[str, Any]:
        self._forget_answered()
        if "code" not in message:
            return {"questions": [self._shown(code, ticket) for code, (ticket, _) in self._waiting.items()]}
        ticket, send = self._waiting.get(str(message["code"]), (None, None))
        if ticket is None or send is None:
            return {"state": TicketState.EXPIRED, "text": "This question does not wait any more; nothing was sent."}
        if is_started_by_model(pid):
            return {"state": ticket.state, "text": f"Nothing was answered: {FROM_MODEL}."}
        agrees, token = message.get("agrees") is True, ".".join(ticket.halves)
        rung = ConsentRung.PAGE if message.get("rung") == ConsentRung.PAGE else ConsentRung.TERMINAL
        try:
            digest = str(message.get("digest"))
            self._tickets.decide(ticket.id, ticket.owner, rung, digest=digest, token=token, agrees=agrees)
        except ConsentError as error:
            return {"state": ticket.state, "text": error.message}
        if agrees:
            try:
                await self._tickets.carry_out(ticket, send)
            except asyncio.CancelledError:
                if ticket.state is not TicketState.UNKNOWN:  # this answer is cancelled, and not the change
                    raise
        return {"state": ticket.state, "text": ticket.result_line, "status": ticket.status, "failed": ticket.has_failed}

    def _shown(self, code: str, ticket: Ticket) -> dict[str, Any]:
        subject, seconds = ticket.subject, self._tickets.seconds_left(ticket)
        return {
            "code": code,
            "title": subject.title,
            "text": subject.lines,
            "digest": subject.fingerprint,
            "seconds": seconds,
        }
