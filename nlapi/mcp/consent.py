"""The user's consent to a change, asked for through the client with the exact request; only a plain yes sends it."""

from __future__ import annotations

import hashlib
import json
import secrets
import shlex
from collections import OrderedDict
from textwrap import TextWrapper
from typing import Any

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from nlapi.client import told
from nlapi.client.clean import clean, one_line
from nlapi.client.message import Request
from nlapi.errors import ConsentError
from nlapi.openapi.spec import Effect
from nlapi.tools.run import Prepared

Context = ServerRequestContext[Any, Any]

SEND = "send"
ASKED = "consent"
NO_WAY = "This client has no way to ask the user (MCP elicitation)"
MAX_SHOWN = 20_000

# Claude Code shows a question in a frame of the terminal and cuts each line at its edge.
WIDTH = 100
_LINES = TextWrapper(WIDTH, drop_whitespace=False, replace_whitespace=False, expand_tabs=False, break_on_hyphens=False)

# A client that abandons questions must not fill the memory; the oldest is dropped, and asked again when it comes.
MAX_WAITING = 1_000

# A boolean that has to be set: some clients answer "accept" by themselves, without a person.
_FORM: dict[str, Any] = {
    "type": "object",
    "properties": {
        SEND: {
            "type": "boolean",
            "title": "Send this request?",
            "description": "Nothing is sent without a yes.",
            "default": False,
        }
    },
    "required": [SEND],
}


class Waiting:
    """The requests under question with clients that answer by a second call (MCP 2026-07-28).

    Each has an unguessable id, which is valid once and for the request that was shown.
    """

    def __init__(self) -> None:
        self._requests: OrderedDict[str, str] = OrderedDict()

    def add(self, prepared: Prepared) -> str:
        id = secrets.token_urlsafe(16)
        self._requests[id] = _digest(prepared)
        if len(self._requests) > MAX_WAITING:
            self._requests.popitem(last=False)
        return id

    def take(self, id: str, prepared: Prepared) -> bool:
        """Return whether the user was asked about this very request, and forget the question."""
        # The exact bytes count, unlike in `client.digest`: consent is to what was shown, and to nothing equivalent.
        return self._requests.pop(id, "") == _digest(prepared)


async def ask(
    context: Context, params: types.CallToolRequestParams, prepared: Prepared, waiting: Waiting
) -> types.InputRequiredResult | None:
    """Return None when the user has agreed to the change, or the question that the client has to put first.

    ConsentError when the user did not agree, or cannot be asked.
    """
    if not _can_be_asked(context):
        raise _unasked(prepared)
    question = types.ElicitRequestFormParams(message=question_about(prepared), requested_schema=_FORM)
    if context.protocol_version not in MODERN_PROTOCOL_VERSIONS:
        try:
            answer = await context.session.elicit_form(question.message, _FORM, context.request_id)
        except (MCPError, ValueError):  # it refused the question, or its answer is none
            raise _unasked(prepared) from None
        _hold_to(answer, prepared)
        return None
    if params.request_state is None:
        asked: types.InputRequests = {ASKED: types.ElicitRequest(params=question)}
        return types.InputRequiredResult(input_requests=asked, request_state=waiting.add(prepared))
    if not waiting.take(params.request_state, prepared):
        raise ConsentError("this answer belongs to another request, or was used; nothing was sent", hint="call again")
    _hold_to((params.input_responses or {}).get(ASKED), prepared)
    return None


def question_about(prepared: Prepared) -> str:
    """Return the question for the user: the effect of the call, and the exact request without credentials.

    It is wrapped for a terminal with the request first: Claude Code shows three lines, each cut at the edge, and how
    many more there are.
    """
    operation, request = prepared.call.tool.operation, prepared.request
    does = "takes something away" if prepared.effect is Effect.DESTROY else "changes something"
    named = f"{one_line(operation.spec.title)[:80]}: {one_line(operation.id)[:200]} {does}"
    parts = [f"{named}: {request.method} {one_line(request.url)}"]
    parts += [_body(request)] if request.content else []
    parts += [f"{one_line(name)}: {one_line(value)}" for name, value in request.headers]
    shown = "\n".join(line for part in parts for line in _wrapped(part))
    return shown if len(shown) <= MAX_SHOWN else f"{shown[:MAX_SHOWN]}… ({len(shown):,} characters)"


def _body(request: Request) -> str:
    """Return the body of a request, JSON without line breaks, so that a short one fits the three lines."""
    if request.content and request.json_like:
        return clean(json.dumps(json.loads(request.content), ensure_ascii=False))
    return clean(told.body(request))


def _wrapped(text: str) -> list[str]:
    """Return a text in lines of WIDTH characters, complete."""
    return [piece for line in text.split("\n") for piece in _LINES.wrap(line)]


def _can_be_asked(context: Context) -> bool:
    """Return whether the client can put a form to its user."""
    # A client that names no mode of elicitation has the form: protocols before 2025-11-25 know no other.
    declared = context.session.client_capabilities
    elicitation = declared.elicitation if declared is not None else None
    return elicitation is not None and (elicitation.form is not None or elicitation.url is None)


def _hold_to(answer: Any, prepared: Prepared) -> None:
    """Raise ConsentError unless the answer is a plain yes."""
    result = answer if isinstance(answer, types.ElicitResult) else types.ElicitResult(action="cancel")
    if result.action == "accept" and (result.content or {}).get(SEND) is True:
        return
    # `claude -p` dismisses every question at once, so a dismissal is not the user's refusal.
    if result.action == "cancel":
        raise _unasked(prepared, "The question was dismissed; where a client runs by itself, nobody can answer it")
    raise ConsentError(
        f"the user did not agree to {prepared.call.operation_id}; nothing was sent",
        hint="do not try again unless the user asks for it",
    )


def _unasked(prepared: Prepared, reason: str = NO_WAY) -> ConsentError:
    """Return the error where nobody can be asked, with the request and the ways to send it."""
    call = prepared.call
    given = json.dumps(dict(call.arguments), ensure_ascii=False, default=str)
    command = shlex.join(["nlapi", "call", call.tool.operation.spec.source, call.operation_id, "--args", given])
    if prepared.asks_always:
        return ConsentError(
            f"nothing was sent: {question_about(prepared)}\n\n{reason}",
            hint=f"the user's policy wants a question each time; in a terminal nlapi asks it: {command}",
        )
    return ConsentError(
        f"nothing was sent: {question_about(prepared)}\n\n{reason}",
        hint="the user can start `nlapi mcp` with --consent client, if the client itself asks before each call; or run "
        f"in a terminal, where nlapi asks (--yes agrees in advance): {command}",
    )


def _digest(prepared: Prepared) -> str:
    return hashlib.sha256(repr(prepared.request).encode("utf-8", "surrogatepass")).hexdigest()
