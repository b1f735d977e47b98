"""Asks the user of this machine in a terminal (`nlapi approve`), where a client has no way to ask."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

from nlapi.errors import ConsentError, NlapiError
from nlapi.mcp.terminal_questions import TerminalQuestion
from nlapi.mcp.tickets import LIFETIME_S, Sender, Ticket, Tickets, TicketState

# In seconds, between two looks for an answer.
INTERVAL = 0.3

# Questions at once: each is a file that is looked for.
MAX_QUESTIONS = 50


def ask_in_terminal(tickets: Tickets, ticket: Ticket, send: Sender) -> None:
    """Publish the question of a ticket, and watch for its answer as long as it waits.

    Where too many wait, or no file can be written, the ticket gets no code, and the client's answer names a command.
    """
    if tickets.watched >= MAX_QUESTIONS:
        return
    subject = ticket.subject
    question = TerminalQuestion(
        title=subject.title, text=subject.lines, digest=subject.fingerprint, ends=time.time() + LIFETIME_S
    )
    with suppress(NlapiError):
        question.publish()
        ticket.code = question.code
        tickets.watch(_watch(tickets, ticket, question, send))


async def _watch(tickets: Tickets, ticket: Ticket, question: TerminalQuestion, send: Sender) -> None:
    outcome = ""
    try:
        # A ticket that had to make room for newer ones is not found.
        with suppress(ConsentError):
            outcome = await _outcome(tickets, ticket, question, send)
    finally:
        question.end(outcome)


async def _outcome(tickets: Tickets, ticket: Ticket, question: TerminalQuestion, send: Sender) -> str:
    """Return what came of a question, once it is answered here or elsewhere, or is over."""
    while tickets.find(ticket.id, ticket.owner).state is TicketState.WAITING:
        agrees = question.answer()
        if agrees is not None:
            token = ".".join(ticket.halves)
            tickets.decide(ticket.id, ticket.owner, digest=question.digest, token=token, agrees=agrees)
            if agrees:
                await ticket.carry_out(send)
            return ticket.result_line
        await asyncio.sleep(INTERVAL)
    return f"It was answered elsewhere: {ticket.result_line}"
