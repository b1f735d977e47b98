"""Consent in a panel (MCP Apps, SEP-1865), for clients that show one and have no form.

Three tools belong to it. Only the panel calls `nlapi_review` and `nlapi_decide`; a model calls `outcome`, as an answer
given in a panel does not reach it. A server cannot tell a call of the panel from one of the model, so an answer needs a
token: its first half is in metadata, which models do not read, its second in the answer to the review.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any

import mcp_types as types
from mcp.server.apps import APP_MIME_TYPE, EXTENSION_ID, client_supports_apps

from nlapi.agent.events import FieldState
from nlapi.client.safe_text import json_line, shorten, single_line
from nlapi.mcp.answers import AnswerOwner
from nlapi.mcp.consent import OUTCOME, ApprovedCall, Context, can_elicit
from nlapi.mcp.tickets import Ticket, Tickets, TicketState

REVIEW, DECIDE = "nlapi_review", "nlapi_decide"
APPROVAL_TOOLS = (REVIEW, DECIDE, OUTCOME)
PANEL_URI = "ui://nlapi/consent"
EXTENSIONS: dict[str, dict[str, Any]] = {EXTENSION_ID: {}}

# Characters of a value before and after, and of the line that says what came of it.
MAX_SHOWN = 2_000
MAX_LINE = 300

Definition = dict[str, Any]
Sender = Callable[[ApprovedCall], Awaitable[types.CallToolResult | types.InputRequiredResult]]

_SAYS = {
    TicketState.WAITING: "Nothing is sent yet: the user has not answered.",
    TicketState.SENDING: "The user agreed, and the API has not answered yet. Do not call it again.",
    TicketState.DECLINED: "The user declined; nothing was sent. Do not try again unless the user asks for it.",
    TicketState.WITHDRAWN: "The question was withdrawn, as somebody without its token answered; nothing was sent.",
    TicketState.EXPIRED: "The user did not answer in time; nothing was sent. Call the tool again to ask again.",
    TicketState.UNKNOWN: "It was cancelled while it was sent, and may or may not have been carried out. Look first.",
}


def uses_panel(context: Context) -> bool:
    """Return whether a client is asked in a panel: it can show one, and has no form."""
    return client_supports_apps(context) and not can_elicit(context)


def with_approval(definitions: tuple[Definition, ...]) -> list[Definition]:
    """Return the definitions of tools for a client with panels: a change opens one, and the tools of it are there."""
    link = {"ui": {"resourceUri": PANEL_URI}, "ui/resourceUri": PANEL_URI}
    opening = [
        definition
        if (definition.get("annotations") or {}).get("readOnlyHint")
        else {**definition, "_meta": {**definition.get("_meta", {}), **link}}
        for definition in definitions
    ]
    text = {"type": "string"}
    decision = {"ticket": text, "digest": text, "token": text, "answer": {"enum": ["yes", "no"]}}
    outcome = _definition(OUTCOME, "Learn what became of a change that waited for the user", {"ticket": text}, {})
    only_app = {"ui": {"resourceUri": PANEL_URI, "visibility": ["app"]}}
    return [
        *opening,
        outcome,
        _definition(REVIEW, "Show the user a change that waits", {"ticket": text}, only_app),
        _definition(DECIDE, "Take the user's answer", decision, only_app),
    ]


def _definition(name: str, about: str, properties: Mapping[str, Any], meta: Mapping[str, Any]) -> Definition:
    schema = {"type": "object", "properties": dict(properties), "required": list(properties)}
    hints = {"readOnlyHint": name != DECIDE, "openWorldHint": name == DECIDE}
    definition = {"name": name, "title": about, "description": f"{about}.", "inputSchema": schema, "annotations": hints}
    return {**definition, "_meta": dict(meta)} if meta else definition


@lru_cache(maxsize=1)
def panel() -> types.TextResourceContents:
    """Return the page of the panel. Its own policy lets nothing run but the script in it, whatever the host allows."""
    page = files("nlapi.mcp").joinpath("panel.html").read_text(encoding="utf-8")
    parts = {name: re.search(rf"<{name}>(.*?)</{name}>", page, re.DOTALL) for name in ("script", "style")}
    hashes = {
        name: base64.b64encode(hashlib.sha256(part[1].encode()).digest()).decode()
        for name, part in parts.items()
        if part
    }
    sources = "; ".join(f"{name}-src 'sha256-{digest}'" for name, digest in hashes.items())
    policy = f"default-src 'none'; {sources}; base-uri 'none'; form-action 'none'"
    return types.TextResourceContents(
        uri=PANEL_URI,
        mime_type=APP_MIME_TYPE,
        text=page.replace("@POLICY@", policy),
        _meta={"ui": {"prefersBorder": True}},
    )


def _source_hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


async def answer_approval(
    tickets: Tickets, owner: AnswerOwner, params: types.CallToolRequestParams, send: Sender
) -> types.CallToolResult:
    """Return the answer of one of the three tools; a yes is sent with `send`. ConsentError for a ticket that is not."""
    values = {name: str(value) for name, value in (params.arguments or {}).items()}
    id = values.get("ticket", "")
    if params.name == DECIDE:
        ticket = tickets.decide(
            id,
            owner,
            digest=values.get("digest", ""),
            token=values.get("token", ""),
            agrees=values.get("answer") == "yes",
        )
        if ticket.state is TicketState.SENDING:
            await _send(ticket, send)
        return _structured(_result_line(ticket), state=ticket.state.value)
    ticket = tickets.find(id, owner)
    return _review(ticket) if params.name == REVIEW else _outcome(ticket)


async def _send(ticket: Ticket, send: Sender) -> None:
    params = ticket.params
    call = ApprovedCall(name=params.name, arguments=params.arguments, fingerprint=ticket.subject.fingerprint)
    ticket.state = TicketState.UNKNOWN  # until an answer comes, also where this is cancelled
    answer = await send(call)
    assert isinstance(answer, types.CallToolResult), "an approved call asks no question"
    ticket.state, ticket.answer = TicketState.ANSWERED, answer


def _review(ticket: Ticket) -> types.CallToolResult:
    if ticket.state is not TicketState.WAITING:
        return _structured(_result_line(ticket), state=ticket.state.value)
    ticket.was_shown = True
    subject = ticket.subject
    rows = [
        {
            "field": single_line(change.field),
            "before": "" if change.state is FieldState.UNKNOWN else json_line(change.before, MAX_SHOWN),
            "after": json_line(change.after, MAX_SHOWN),
        }
        for change in subject.changes
    ]
    return _structured(
        "",
        state=ticket.state.value,
        title=subject.title,
        question=subject.question,
        rows=rows,
        digest=subject.fingerprint,
        half=ticket.halves[1],
    )


def _outcome(ticket: Ticket) -> types.CallToolResult:
    if ticket.answer is not None:
        return ticket.answer
    text = _SAYS[ticket.state]
    if ticket.state is TicketState.WAITING and not ticket.was_shown:
        # A client that declares panels need not show them.
        text += f" The panel was not opened. The user can run in a terminal, where nlapi asks: {ticket.subject.command}"
    return _structured(text, state=ticket.state.value)


def _result_line(ticket: Ticket) -> str:
    """Return what the user reads once the question is answered."""
    if ticket.answer is None:
        return f"{_SAYS[ticket.state].split('. ')[0].rstrip('.')}."
    data = ticket.answer.structured_content
    status = data.get("status") if isinstance(data, Mapping) else None
    if status is not None:
        return f"Sent: the API answered {status}."
    texts = [block.text for block in ticket.answer.content if isinstance(block, types.TextContent)]
    return shorten(single_line(texts[0]), MAX_LINE) if ticket.answer.is_error and texts else "Done."


def _structured(text: str, **data: object) -> types.CallToolResult:
    """Return an answer that sends nothing to the API, with a line of text."""
    content: list[types.ContentBlock] = [types.TextContent(text=text)] if text else []
    return types.CallToolResult(content=content, structured_content={"status": None, **data, "text": text})
