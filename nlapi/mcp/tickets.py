"""Changes that wait for a person: each has a ticket, which is valid once, for one caller, and for what was shown."""

from __future__ import annotations

import asyncio
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

import mcp_types as types

from nlapi.agent.records.receipts import (
    ConsentAnswer,
    ConsentOutcome,
    ConsentReceipt,
    ConsentRung,
    moment_text,
    write_receipt,
)
from nlapi.client.safe_text import shorten, single_line
from nlapi.errors import ConsentError
from nlapi.mcp.answers import AnswerOwner
from nlapi.mcp.consent_subject import ConsentSubject

if TYPE_CHECKING:
    from nlapi.mcp.terminal_consent import TerminalDesk

# In seconds. A person who comes back later is asked again.
LIFETIME_S = 600.0

# Characters of the line that says what came of it.
MAX_LINE = 300

# A client that abandons questions must not fill the memory: the oldest is dropped, and asked again when it comes.
MAX_TICKETS = 1_000
MAX_OWNER_TICKETS = 100

# In seconds: for what is being sent when the server ends, and for a panel to open.
CLOSING_S = 10.0
OPENING_S = 30.0


class ApprovedCall(types.CallToolRequestParams):
    """A call that a person agreed to by its ticket. Only the server makes one: nothing on the wire is read as this."""

    fingerprint: str
    ticket_id: str


Sender = Callable[[ApprovedCall], Awaitable[types.CallToolResult | types.InputRequiredResult]]


class TicketState(StrEnum):
    """How far a change is that waits for a person."""

    WAITING = "waiting"
    """nothing was sent"""
    SENDING = "sending"
    """a person agreed, and the API has not answered yet"""
    ANSWERED = "answered"
    """a person agreed; `answer` says what came of it"""
    DECLINED = "declined"
    """a person said no, and nothing was sent"""
    WITHDRAWN = "withdrawn"
    """somebody without the right token tried to answer, or another way was named; nothing was sent"""
    EXPIRED = "expired"
    """nobody answered in time, and nothing was sent"""
    UNKNOWN = "unknown"
    """it was cancelled while it was sent"""


_STATE_TEXTS = {
    TicketState.WAITING: "Nothing is sent yet: the user has not answered.",
    TicketState.SENDING: "The user agreed, and the API has not answered yet. Do not call it again.",
    TicketState.DECLINED: "The user declined; nothing was sent. Do not try again unless the user asks for it.",
    TicketState.WITHDRAWN: "The question was withdrawn; nothing was sent.",
    TicketState.EXPIRED: "The user did not answer in time; nothing was sent. Call the tool again to ask again.",
    TicketState.UNKNOWN: "It was cancelled while it was sent, and may or may not have been carried out. Look first.",
}


@dataclass(slots=True, kw_only=True)
class Ticket:
    """A change under question. `halves` are of the token with which a panel answers: the first travels in the metadata
    of the answer to the call, which no model reads, the second in the answer to the panel's own review."""

    subject: ConsentSubject
    params: types.CallToolRequestParams
    owner: AnswerOwner
    deadline: float
    receipt: ConsentReceipt
    is_form: bool = False
    id: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    halves: tuple[str, str] = field(
        default_factory=lambda: (secrets.token_urlsafe(16), secrets.token_urlsafe(16)), repr=False
    )
    state: TicketState = TicketState.WAITING
    was_shown: bool = False
    answer: types.CallToolResult | None = None
    code: str = ""
    """of the question in a terminal, where this machine's user is asked there"""

    async def carry_out(self, send: Sender) -> None:
        """Make the call that a person agreed to, and store what came of it."""
        params = self.params
        call = ApprovedCall(
            name=params.name,
            arguments=params.arguments,
            fingerprint=self.subject.fingerprint,
            ticket_id=self.id,
        )
        try:
            answer = await send(call)
        except BaseException:
            self.state = TicketState.UNKNOWN
            raise
        assert isinstance(answer, types.CallToolResult), "an approved call asks no question"
        self.state, self.answer = TicketState.ANSWERED, answer

    @property
    def state_text(self) -> str:
        """How far it is, in words for a model."""
        return _STATE_TEXTS[self.state]

    @property
    def result_line(self) -> str:
        """What a person reads once the question is answered."""
        if self.state is TicketState.DECLINED:
            return "Declined; nothing was sent."
        if self.answer is None:
            return f"{_STATE_TEXTS[self.state].split('. ')[0].rstrip('.')}."
        if self.status is not None:
            return f"Sent: the API answered {self.status}."
        texts = [block.text for block in self.answer.content if isinstance(block, types.TextContent)]
        return shorten(single_line(texts[0]), MAX_LINE) if self.answer.is_error and texts else "Done."

    @property
    def has_failed(self) -> bool:
        """Whether the call that a person agreed to came to nothing good, or to nothing that is known."""
        return self.state is TicketState.UNKNOWN or (self.answer is not None and self.answer.is_error)

    @property
    def status(self) -> int | None:
        """The status of the API's answer; None before it, and where nothing was sent."""
        data = self.answer.structured_content if self.answer is not None else None
        return data.get("status") if isinstance(data, Mapping) else None


class Tickets:
    """The changes of all clients that wait for a person, or did. `clock` gives seconds and never jumps."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._tickets: OrderedDict[str, Ticket] = OrderedDict()
        self._clock = clock
        self._sending: set[asyncio.Task[None]] = set()
        self.report: Callable[[str], None] = lambda _: None
        """reaches the person who started the server, where a receipt cannot be written"""
        self.desk: TerminalDesk | None = None

    def open(
        self,
        subject: ConsentSubject,
        params: types.CallToolRequestParams,
        owner: AnswerOwner,
        *,
        client: str = "",
        is_form: bool = False,
    ) -> Ticket:
        """Return a new ticket for a call of a client that needs a person's consent.

        With `is_form` the client puts the question.
        """
        until = moment_text(datetime.now(UTC) + timedelta(seconds=LIFETIME_S))
        ticket = Ticket(
            subject=subject,
            params=params,
            owner=owner,
            is_form=is_form,
            deadline=self._clock() + LIFETIME_S,
            receipt=replace(subject.receipt, client=client, until=until),
        )
        self._tickets[ticket.id] = ticket
        self._make_room(owner)
        self._record(ticket, ticket.receipt)
        return ticket

    def _record(self, ticket: Ticket, receipt: ConsentReceipt) -> None:
        ticket.receipt = receipt
        if fault := write_receipt(receipt):
            self.report(fault)

    def record_answer(self, ticket: Ticket, answer: ConsentAnswer, rung: ConsentRung) -> None:
        """Write a person's answer into the receipt of a ticket, before anything is sent."""
        self._record(ticket, ticket.receipt.with_answer(answer, rung))

    def record_outcome(self, ticket: Ticket, outcome: ConsentOutcome, status: int | None) -> None:
        """Write what came of the call of a ticket into its receipt."""
        self._record(ticket, ticket.receipt.with_outcome(outcome, status))

    def _make_room(self, owner: AnswerOwner) -> None:
        """Drop the oldest tickets of an owner who has too many, and then those of all; never one that is being sent."""
        settled = [ticket for ticket in self._tickets.values() if ticket.state is not TicketState.SENDING]
        of_owner = [ticket for ticket in settled if ticket.owner == owner]
        dropped = {ticket.id for ticket in of_owner[: max(0, len(of_owner) - MAX_OWNER_TICKETS)]}
        dropped |= {ticket.id for ticket in settled[: max(0, len(settled) - MAX_TICKETS)]}
        for id in dropped:
            self._tickets.pop(id).state = TicketState.EXPIRED

    async def carry_out(self, ticket: Ticket, send: Sender) -> None:
        """Make the call of a ticket that a person agreed to. It goes on where whoever waits for it is cancelled."""
        task = asyncio.ensure_future(ticket.carry_out(send))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)
        await asyncio.shield(task)

    async def close(self) -> None:
        """Take no more answers in a terminal, and let what is being sent end."""
        if self.desk is not None:
            self.desk.close()
        if self._sending:
            await asyncio.wait(self._sending, timeout=CLOSING_S)

    def is_waiting(self, ticket: Ticket) -> bool:
        """Return whether a ticket still takes an answer."""
        return ticket.state is TicketState.WAITING and self._clock() <= ticket.deadline

    def seconds_left(self, ticket: Ticket) -> int:
        """Return how long a ticket waits for an answer."""
        return max(0, round(ticket.deadline - self._clock()))

    def withdraw(self, ticket: Ticket, rung: ConsentRung) -> None:
        """End a question for which another way is named, so that it is not answered twice."""
        if ticket.state is TicketState.WAITING:
            ticket.state = TicketState.WITHDRAWN
            self.record_answer(ticket, ConsentAnswer.WITHDRAWN, rung)

    def is_unseen(self, ticket: Ticket) -> bool:
        """Return whether a panel had the time to open and did not."""
        return not ticket.was_shown and self.seconds_left(ticket) < LIFETIME_S - OPENING_S

    def take(self, id: str, owner: AnswerOwner) -> Ticket:
        """Return the ticket of a caller's form, and forget it. ConsentError after its answer or its time."""
        ticket = self._tickets.get(id)
        if ticket is None or ticket.owner != owner or not ticket.is_form or not self.is_waiting(ticket):
            message = "this answer is of another question, was used, or came too late; nothing was sent"
            raise ConsentError(message, hint="call again, and the user is asked about what it is now")
        return self._tickets.pop(id)

    def find(self, id: str, owner: AnswerOwner) -> Ticket:
        """Return the ticket of a caller. ConsentError for any other."""
        ticket = self._tickets.get(id)
        if ticket is None or ticket.owner != owner or ticket.is_form:
            raise ConsentError(
                "no such ticket: it was of another client or server, or made room for newer ones",
                hint="if the user may have agreed to it, look at the API before you call the tool again",
            )
        if ticket.state is TicketState.WAITING and not self.is_waiting(ticket):
            ticket.state = TicketState.EXPIRED
        return ticket

    def decide(
        self, id: str, owner: AnswerOwner, rung: ConsentRung, *, digest: str, token: str, agrees: bool
    ) -> Ticket:
        """Return the ticket after a person's answer: SENDING after a yes, which the caller then sends, else DECLINED.

        ConsentError where it was answered before, has expired, or the token is wrong; a wrong one withdraws it.
        """
        ticket = self.find(id, owner)
        if ticket.state is not TicketState.WAITING:
            raise ConsentError(f"this question is {ticket.state}: it takes no answer, and nothing was sent by this one")
        expected = f"{'.'.join(ticket.halves)}/{ticket.subject.fingerprint}"
        if not hmac.compare_digest(f"{token}/{digest}".encode("utf-8", "surrogatepass"), expected.encode()):
            self.withdraw(ticket, rung)
            raise ConsentError("this is not the token of the question, which is withdrawn; nothing was sent")
        ticket.state = TicketState.SENDING if agrees else TicketState.DECLINED
        self.record_answer(ticket, ConsentAnswer.AGREED if agrees else ConsentAnswer.DECLINED, rung)
        return ticket
