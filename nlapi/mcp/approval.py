"""Consent in a panel (MCP Apps, SEP-1865), for clients that show one and have no form.

Three tools belong to it. Only the panel calls `nlapi_review` and `nlapi_decide`; a model calls `outcome`, as an answer
given in a panel does not reach it. A server cannot tell a call of the panel from one of the model, so an answer needs a
token: its first half is in metadata, which models do not read, its second in the answer to the review.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Any

import mcp_types as types
from mcp.server.apps import APP_MIME_TYPE, EXTENSION_ID, client_supports_apps

from nlapi.agent.events import FieldState
from nlapi.agent.records.receipts import ConsentRung
from nlapi.client.safe_text import json_line, single_line
from nlapi.mcp.answers import AnswerOwner
from nlapi.mcp.consent import OUTCOME, Context, can_elicit, is_local, terminal_way
from nlapi.mcp.tickets import Sender, Ticket, Tickets, TicketState
from nlapi.mcp.tool_listing import LIST_ROOM, ToolCatalogue, definition_size, offered_tools

REVIEW, DECIDE = "nlapi_review", "nlapi_decide"
APPROVAL_TOOLS = (REVIEW, DECIDE, OUTCOME)
PANEL_URI = "ui://nlapi/consent"
EXTENSIONS: dict[str, dict[str, Any]] = {EXTENSION_ID: {}}

# Characters of a value before and after.
MAX_SHOWN = 2_000

Definition = dict[str, Any]


def offered_definitions(catalogues: tuple[ToolCatalogue, ...], context: Context) -> Sequence[Definition]:
    """Return the definitions of tools for a client, with those by which it asks its user where it has no forms."""
    has_panel = client_supports_apps(context)
    if can_elicit(context) or not (has_panel or is_local(context)):
        return offered_tools(catalogues).definitions
    tools = offered_tools(catalogues, LIST_ROOM - definition_size(_OUTCOME_TOOL))
    if not tools.may_change:
        return offered_tools(catalogues).definitions
    return _with_panel(tools.definitions) if has_panel else (*tools.definitions, _OUTCOME_TOOL)


def _with_panel(definitions: Sequence[Definition]) -> list[Definition]:
    """Return the definitions of tools with those of the panel, which each change opens."""
    link = {"ui": {"resourceUri": PANEL_URI}, "ui/resourceUri": PANEL_URI}
    opening = [
        definition
        if (definition.get("annotations") or {}).get("readOnlyHint")
        else {**definition, "_meta": {**definition.get("_meta", {}), **link}}
        for definition in definitions
    ]
    text = {"type": "string"}
    decision = {"ticket": text, "digest": text, "token": text, "answer": {"enum": ["yes", "no"]}}
    only_app = {"ui": {"resourceUri": PANEL_URI, "visibility": ["app"]}}
    return [
        *opening,
        _OUTCOME_TOOL,
        _definition(REVIEW, "Show the user a change that waits", {"ticket": text}, only_app),
        _definition(DECIDE, "Take the user's answer", decision, only_app),
    ]


def _definition(name: str, about: str, properties: Mapping[str, Any], meta: Mapping[str, Any]) -> Definition:
    schema = {"type": "object", "properties": dict(properties), "required": list(properties)}
    hints = {"readOnlyHint": name != DECIDE, "openWorldHint": name == DECIDE}
    definition = {"name": name, "title": about, "description": f"{about}.", "inputSchema": schema, "annotations": hints}
    return {**definition, "_meta": dict(meta)} if meta else definition


_OUTCOME_TOOL = _definition(
    OUTCOME, "Learn what became of a change that waited for the user", {"ticket": {"type": "string"}}, {}
)


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
            ConsentRung.PANEL,
            digest=values.get("digest", ""),
            token=values.get("token", ""),
            agrees=values.get("answer") == "yes",
        )
        if ticket.state is TicketState.SENDING:
            await tickets.carry_out(ticket, send)
        return _structured(ticket.result_line, state=ticket.state.value)
    ticket = tickets.find(id, owner)
    return _review(ticket) if params.name == REVIEW else _outcome(tickets, ticket)


def _review(ticket: Ticket) -> types.CallToolResult:
    if ticket.state is not TicketState.WAITING:
        return _structured(ticket.result_line, state=ticket.state.value)
    ticket.was_shown = True
    subject = ticket.subject
    rows = [
        {
            "field": single_line(change.field),
            "before": "" if change.state is FieldState.UNKNOWN else json_line(change.before, MAX_SHOWN),
            "after": "—" if change.state is FieldState.SHOWN else json_line(change.after, MAX_SHOWN),
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


def _outcome(tickets: Tickets, ticket: Ticket) -> types.CallToolResult:
    if ticket.answer is not None:
        return ticket.answer
    text = ticket.state_text
    if ticket.state is TicketState.WAITING and ticket.code:
        text += f" The user can also answer in a terminal on this machine: nlapi approve {ticket.code}"
    elif ticket.state is TicketState.WAITING and tickets.is_unseen(ticket):
        # A client that declares panels need not show them. Both ways at once could send it twice.
        tickets.withdraw(ticket, ConsentRung.PANEL)
        text = f"No panel was opened, and the question is withdrawn; nothing was sent. {terminal_way(ticket.subject)}"
    elif ticket.state is TicketState.EXPIRED:
        text += f" {terminal_way(ticket.subject)}"
    return _structured(text, state=ticket.state.value)


def _structured(text: str, **data: object) -> types.CallToolResult:
    """Return an answer that sends nothing to the API, with a line of text."""
    content: list[types.ContentBlock] = [types.TextContent(text=text)] if text else []
    return types.CallToolResult(content=content, structured_content={"status": None, **data, "text": text})
