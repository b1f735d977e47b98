"""Asks the user for consent to a change, by what the client has: a form, a page, a panel, or the command to type.

Nothing is sent between them, and only a plain yes sends.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import mcp_types as types
from mcp.server.apps import client_supports_apps
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from nlapi.agent.records.receipts import MAX_TITLE, ConsentAnswer, ConsentRung
from nlapi.client.safe_text import single_line
from nlapi.errors import ConsentError, RepetitionError
from nlapi.mcp.answers import AnswerOwner
from nlapi.mcp.audit import CallRecord
from nlapi.mcp.consent_subject import ConsentSubject
from nlapi.mcp.console_sign import console_url
from nlapi.mcp.terminal_consent import TerminalDesk
from nlapi.mcp.tickets import ApprovedCall, Sender, Ticket, Tickets

Context = ServerRequestContext[Any, Any]

SEND_FIELD = "send"
CONSENT_KEY = "consent"
CANNOT_ASK = "This client has no way to ask the user (MCP elicitation)"
DISMISSED = "The question was dismissed; where a client runs by itself, nobody can answer it"

OUTCOME = "outcome"
"""the tool by which a model learns what became of a change that waited"""

APPROVAL_KEY = "nlapi/approval"
"""where the metadata of an answer, which no model reads, has the first half of a ticket's token"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentRequest:
    """A call of a client that may need its user's consent. `send` makes it once the user has agreed."""

    context: Context
    params: types.CallToolRequestParams
    tickets: Tickets
    owner: AnswerOwner
    send: Sender
    record: CallRecord

    def open_ticket(self, subject: ConsentSubject, *, is_form: bool) -> Ticket:
        """Return a ticket for a question, which the client itself puts where it is a form."""
        info = self.context.session.client_params
        name = self.record.client or (info.client_info.name if info is not None else "")
        client = single_line(name)[:MAX_TITLE]
        return self.tickets.open(subject, self.params, self.owner, client=client, is_form=is_form)

    def take_form(self, ticket_id: str, answer: object) -> Ticket:
        """Take the answer to a form. ConsentError unless it is a plain yes, in time."""
        ticket = self.tickets.take(ticket_id, self.owner)
        result = answer if isinstance(answer, types.ElicitResult) else types.ElicitResult(action="cancel")
        if result.action == "cancel":
            # `claude -p` dismisses every question at once, so a dismissal is not the user's refusal.
            self.tickets.record_answer(ticket, ConsentAnswer.DISMISSED, ConsentRung.FORM)
            raise _consent_error(ticket.subject, DISMISSED)
        if result.action != "accept" or (result.content or {}).get(SEND_FIELD) is not True:
            self.tickets.record_answer(ticket, ConsentAnswer.DECLINED, ConsentRung.FORM)
            raise ConsentError(
                f"the user did not agree to {ticket.subject.name}; nothing was sent",
                hint="do not try again unless the user asks for it",
            )
        self.tickets.record_answer(ticket, ConsentAnswer.AGREED, ConsentRung.FORM)
        self.record.ticket = ticket
        return ticket

    async def open(self, subject: ConsentSubject) -> Ticket:
        """Return a ticket for the call. Where client and server run on one machine, a terminal can answer it too."""
        ticket = self.open_ticket(subject, is_form=False)
        if is_local(self.context):
            self.tickets.desk = self.tickets.desk or TerminalDesk(self.tickets)
            ticket.code = await self.tickets.desk.ask(ticket, self.send)
        return ticket


async def request_consent(
    request: ConsentRequest, subject: ConsentSubject
) -> types.InputRequiredResult | types.CallToolResult | None:
    """Return None when the user has agreed to the subject, else the question that the client has to put first, or the
    answer that the user is asked on a page or in a panel.

    ConsentError when the user did not agree, or cannot be asked.
    """
    context, params = request.context, request.params
    if isinstance(params, ApprovedCall):
        _require_same(params.fingerprint, subject)
        return None
    if not can_elicit(context):
        return await _ask_without_form(request, subject)
    form = _form(subject.title)
    question = types.ElicitRequestFormParams(message=subject.lines, requested_schema=form)
    if context.protocol_version not in MODERN_PROTOCOL_VERSIONS:
        ticket = request.open_ticket(subject, is_form=True)
        try:
            answer = await context.session.elicit_form(question.message, form, context.request_id)
        except (MCPError, ValueError):  # it refused the question, or its answer is not one
            request.tickets.withdraw(ticket, ConsentRung.FORM)
            raise _consent_error(subject) from None
        request.take_form(ticket.id, answer)
        return None
    if params.request_state is None:
        requests: types.InputRequests = {CONSENT_KEY: types.ElicitRequest(params=question)}
        ticket = request.open_ticket(subject, is_form=True)
        return types.InputRequiredResult(input_requests=requests, request_state=ticket.id)
    ticket = request.take_form(params.request_state, (params.input_responses or {}).get(CONSENT_KEY))
    _require_same(ticket.subject.fingerprint, subject)
    return None


async def _ask_without_form(
    request: ConsentRequest, subject: ConsentSubject
) -> types.InputRequiredResult | types.CallToolResult:
    """Return the answer that the user is asked outside of the client's forms. ConsentError where that cannot be."""
    context, params = request.context, request.params
    if params.request_state is not None:
        asked_before = request.tickets.find(params.request_state, request.owner)
        return _page_answer(request, asked_before, (params.input_responses or {}).get(CONSENT_KEY))
    page = await asyncio.to_thread(console_url) if is_local(context) else ""
    has_panel = client_supports_apps(context)
    ticket = await request.open(subject) if has_panel or is_local(context) else None
    if ticket is not None and ticket.code and page:
        page = f"{page}/waiting/{ticket.code}"
        if opens_pages(context) and (asked := await _ask_on_page(request, ticket, page)) is not None:
            return asked
    if ticket is not None and has_panel:
        return _waiting_answer(ticket)
    raise _consent_error(subject, ticket=ticket, page=page)


async def _ask_on_page(
    request: ConsentRequest, ticket: Ticket, page: str
) -> types.InputRequiredResult | types.CallToolResult | None:
    """Have the client open the page of a question; None where it refuses. The link gives no right by itself."""
    context, message = request.context, ticket.subject.lines
    if context.protocol_version in MODERN_PROTOCOL_VERSIONS:
        params = types.ElicitRequestURLParams(message=message, url=page)
        requests: types.InputRequests = {CONSENT_KEY: types.ElicitRequest(params=params)}
        return types.InputRequiredResult(input_requests=requests, request_state=ticket.id)
    try:
        answer = await context.session.elicit_url(message, page, ticket.id, context.request_id)
    except (MCPError, ValueError):
        return None
    return _page_answer(request, ticket, answer)


def _page_answer(request: ConsentRequest, ticket: Ticket, answer: object) -> types.CallToolResult:
    """Return what a client learns once it has opened a page, or not: to open it is no yes."""
    is_declined = isinstance(answer, types.ElicitResult) and answer.action == "decline"
    if is_declined and request.tickets.is_waiting(ticket):
        request.tickets.withdraw(ticket, ConsentRung.PAGE)
        raise ConsentError(
            f"the user did not open the page about {ticket.subject.name}; nothing was sent by this question",
            hint="do not try again unless the user asks for it",
        )
    if ticket.answer is not None:
        return ticket.answer
    text = (
        f"{ticket.state_text} The user is asked on a page of this machine. Do not call this again. "
        f'{OUTCOME} {{"ticket": "{ticket.id}"}} says what became of it.'
    )
    content = {"status": None, "state": ticket.state.value, "ticket": ticket.id}
    return types.CallToolResult(content=[types.TextContent(text=text)], structured_content=content)


def _require_same(fingerprint: str, subject: ConsentSubject) -> None:
    """Raise ConsentError unless the subject is what the user was shown and said yes to."""
    if fingerprint != subject.fingerprint:
        raise ConsentError(
            "the request, or the state of what it changes, is no longer what the user was shown; nothing was sent",
            hint="call again, and the user is asked about what it is now",
        )


def _form(title: str) -> dict[str, object]:
    """Return the form of a question."""
    # A boolean that has to be set: some clients answer "accept" by themselves, without a person.
    field = {"type": "boolean", "title": title, "description": "Nothing is sent without a yes.", "default": False}
    return {"type": "object", "properties": {SEND_FIELD: field}, "required": [SEND_FIELD]}


def can_elicit(context: Context) -> bool:
    """Return whether the client can put a form to its user."""
    # A client that names no mode of elicitation has the form: protocols before 2025-11-25 know no other.
    capabilities = context.session.client_capabilities
    elicitation = capabilities.elicitation if capabilities is not None else None
    return elicitation is not None and (elicitation.form is not None or elicitation.url is None)


def opens_pages(context: Context) -> bool:
    """Return whether the client can have its user open a page (URL mode of elicitation)."""
    capabilities = context.session.client_capabilities
    elicitation = capabilities.elicitation if capabilities is not None else None
    return elicitation is not None and elicitation.url is not None


def is_local(context: Context) -> bool:
    """Return whether the client has started the server on its own machine, over stdio."""
    return context.request is None


def terminal_way(subject: ConsentSubject) -> str:
    """Return how the user can send a change without this server."""
    return f"The user can run in a terminal, where nlapi asks: {subject.command}"


def _consent_error(
    subject: ConsentSubject, reason: str = CANNOT_ASK, *, ticket: Ticket | None = None, page: str = ""
) -> ConsentError:
    """Return the error where nobody can be asked, with what would be sent and the ways to send it.

    `page` is that of the question, where a console of this user runs.
    """
    message = f"nothing was sent: {subject.question}\n\n{reason}"
    command = subject.command
    if ticket is not None and ticket.code:
        learn = f'{OUTCOME} {{"ticket": "{ticket.id}"}} says what became of it'
        other = f", or on the page {page}" if page else ""
        command = f"nlapi approve {ticket.code}{other}\nDo not call it again: {learn}."
    if subject.repetition:
        return RepetitionError(
            message,
            hint=f"it may be a repetition: {subject.repetition}. Look at the state of the API first, and do not call "
            "it again by yourself. The user can have it sent again in a client that asks (MCP elicitation), or in a "
            f"terminal: {command}",
        )
    if subject.is_ruled:
        return ConsentError(
            message, hint=f"the user's policy wants a question each time; in a terminal nlapi asks it: {command}"
        )
    return ConsentError(
        message,
        hint="the user can start `nlapi mcp` with --consent client, if the client itself asks before each call; or run "
        f"in a terminal, where nlapi asks: {command}",
    )


def _waiting_answer(ticket: Ticket) -> types.CallToolResult:
    """Return the answer to a call that the user is asked about in a panel."""
    text = (
        "Nothing is sent yet: the user is asked in a panel. Do not call this again. "
        f'{OUTCOME} {{"ticket": "{ticket.id}"}} says what became of it.'
    )
    return types.CallToolResult(
        content=[types.TextContent(text=text)],
        structured_content={"status": None, "state": ticket.state.value, "ticket": ticket.id},
        _meta={APPROVAL_KEY: ticket.halves[0]},
    )
