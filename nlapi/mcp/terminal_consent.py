"""Asks the user of this machine in a terminal (`nlapi approve`), where a client has no way to ask."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

from nlapi.errors import NlapiError
from nlapi.mcp.terminal_questions import TerminalQuestion
from nlapi.mcp.tickets import LIFETIME_S, Sender, Ticket, Tickets, TicketState

# In seconds, between two looks for an answer.
INTERVAL = 0.3


def ask_in_terminal(tickets: Tickets, ticket: Ticket, send: Sender) -> None:
    """Publish the question of a ticket, and watch for its answer as long as it waits."""
    subject = ticket.subject
    question = TerminalQuestion(
        title=subject.title, text=subject.lines, digest=subject.fingerprint, ends=time.time() + LIFETIME_S
    )
    # Where no file can be written the client's answer names the command instead.
    with suppress(NlapiError):
        question.publish()
        ticket.code = question.code
        tickets.watch(_watch(tickets, ticket, question, send))


async def _watch(tickets: Tickets, ticket: Ticket, question: TerminalQuestion, send: Sender) -> None:
    outcome = ""
    try:
        while tickets.find(ticket.id, ticket.owner).state is TicketState.WAITING:
            agrees = question.answer()
            if agrees is not None:
                token = ".".join(ticket.halves)
                tickets.decide(ticket.id, ticket.owner, digest=question.digest, token=token, agrees=agrees)
                if agrees:
                    await ticket.carry_out(send)
                outcome = ticket.result_line
                return
            await asyncio.sleep(INTERVAL)
        outcome = f"It was answered elsewhere: {ticket.result_line}"
    finally:
        question.end(outcome)
