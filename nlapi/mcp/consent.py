"""The user's consent to a change, asked for through the client with the exact request; only a plain yes sends it."""

from __future__ import annotations

import hashlib
import json
import secrets
import shlex
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from textwrap import TextWrapper
from typing import Any

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from nlapi.client.message import Request, preview_body, shorten_lines
from nlapi.client.safe_text import reveal_control, single_line
from nlapi.errors import ConsentError, RepetitionError
from nlapi.openapi.spec import Effect
from nlapi.tools.arguments import setting_lines
from nlapi.tools.quantities.moments import value_notes
from nlapi.tools.run import Prepared

Context = ServerRequestContext[Any, Any]

SEND_FIELD = "send"
CONSENT_KEY = "consent"
CANNOT_ASK = "This client has no way to ask the user (MCP elicitation)"
MAX_QUESTION = 20_000
# A long URL or body must not hide what is behind it.
MAX_BODY = MAX_QUESTION // 2

# Claude Code shows a question in a frame of the terminal and cuts each line at its edge.
LINE_WIDTH = 100
INDENT = "  "
_LINE_WRAPPER = TextWrapper(
    LINE_WIDTH - len(INDENT), drop_whitespace=False, replace_whitespace=False, expand_tabs=False, break_on_hyphens=False
)

# A client that abandons questions must not fill the memory; the oldest is dropped, and asked again when it comes.
MAX_PENDING = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentSubject:
    """The subject of a question to the user: `question` shows it, `fingerprint` differs as soon as the request does.

    `command` sends it in a terminal. With `is_ruled` the user's policy wants a question each time. `repetition` is the
    reason why it may have been done before, "" for none; consent in advance does not cover it then.
    """

    name: str
    question: str
    fingerprint: str
    command: str
    title: str = "Send this request?"
    is_ruled: bool = False
    repetition: str = ""


def call_subject(prepared: Prepared) -> ConsentSubject:
    """Return the subject of one request."""
    call = prepared.call
    arguments = json.dumps(dict(call.arguments), ensure_ascii=False, default=str)
    # The exact bytes count, unlike in `client.digest`: consent is to what was shown, and to nothing equivalent.
    # So does the reason why it may be a repetition: who was not shown it has not agreed to one.
    content = repr((prepared.request, prepared.repetition))
    fingerprint = hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()
    return ConsentSubject(
        name=call.operation_id,
        question=consent_question(prepared),
        fingerprint=fingerprint,
        command=shlex.join(["nlapi", "call", call.tool.operation.spec.source, call.operation_id, "--args", arguments]),
        is_ruled=prepared.is_ruled,
        repetition=prepared.repetition,
    )


class PendingConsents:
    """The requests under question with clients that answer by a second call (MCP 2026-07-28).

    Each has an unguessable id, which is valid once and for the request that was shown.
    """

    def __init__(self) -> None:
        self._requests: OrderedDict[str, str] = OrderedDict()

    def add(self, subject: ConsentSubject) -> str:
        id = secrets.token_urlsafe(16)
        self._requests[id] = subject.fingerprint
        if len(self._requests) > MAX_PENDING:
            self._requests.popitem(last=False)
        return id

    def take(self, id: str, subject: ConsentSubject) -> bool:
        """Return whether the user has seen the question about this very subject, and forget it."""
        return self._requests.pop(id, "") == subject.fingerprint


async def request_consent(
    context: Context, params: types.CallToolRequestParams, subject: ConsentSubject, pending: PendingConsents
) -> types.InputRequiredResult | None:
    """Return None when the user has agreed to the subject, or the question that the client has to put first.

    ConsentError when the user did not agree, or cannot be asked.
    """
    if not _can_elicit(context):
        raise _consent_error(subject)
    form = _form(subject.title)
    question = types.ElicitRequestFormParams(message=subject.question, requested_schema=form)
    if context.protocol_version not in MODERN_PROTOCOL_VERSIONS:
        try:
            answer = await context.session.elicit_form(question.message, form, context.request_id)
        except (MCPError, ValueError):  # it refused the question, or its answer is not one
            raise _consent_error(subject) from None
        _require_acceptance(answer, subject)
        return None
    if params.request_state is None:
        requests: types.InputRequests = {CONSENT_KEY: types.ElicitRequest(params=question)}
        return types.InputRequiredResult(input_requests=requests, request_state=pending.add(subject))
    if not pending.take(params.request_state, subject):
        raise ConsentError("this answer belongs to another request, or was used; nothing was sent", hint="call again")
    _require_acceptance((params.input_responses or {}).get(CONSENT_KEY), subject)
    return None


def consent_question(prepared: Prepared) -> str:
    """Return the question for the user: the effect of the call, and the exact request without credentials.

    It is wrapped for a terminal with the request first: Claude Code shows three lines, each cut at the edge, and how
    many more there are.
    """
    operation, request = prepared.call.tool.operation, prepared.request
    effect_text = (prepared.effect if prepared.effect is not Effect.READ else Effect.WRITE).phrase
    headline = f"{single_line(operation.spec.title)[:80]}: {single_line(operation.id)[:200]} {effect_text}"
    parts = [_cut_text(f"{headline}: {request.method} {single_line(request.url)}", MAX_QUESTION // 4)]
    parts += [f"Sent again? {prepared.repetition}"] if prepared.repetition else []
    parts += [_cut_text(_body_text(request), MAX_BODY)] if request.content else []
    parts += setting_lines(prepared.settings)
    parts += value_notes(prepared.written)
    parts += [f"{single_line(name)}: {single_line(reveal_control(value))}" for name, value in request.headers]
    return wrap_question(parts)


def wrap_question(parts: Iterable[str]) -> str:
    """Return the parts of a question in lines that fit a terminal, at most MAX_QUESTION characters."""
    question = "\n".join(line for part in parts for line in _wrap_lines(part))
    return question if len(question) <= MAX_QUESTION else f"{question[:MAX_QUESTION]}… ({len(question):,} characters)"


def _body_text(request: Request) -> str:
    """Return the body of a request, JSON without line breaks, so that a short one fits the three lines."""
    if request.content and request.is_json:
        text = reveal_control(json.dumps(json.loads(request.content), ensure_ascii=False))
        return text if len(text) <= MAX_BODY else shorten_lines(preview_body(request), MAX_BODY)
    return f"{INDENT}{preview_body(request)}"


def _cut_text(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text):,} characters)"


def _wrap_lines(text: str) -> list[str]:
    """Return a text in lines of LINE_WIDTH characters, complete; those behind the first are indented.

    So no value can pose as a line of the question.
    """
    first, *others = [piece for line in text.split("\n") for piece in _LINE_WRAPPER.wrap(line)] or [""]
    return [first, *(f"{INDENT}{line}" for line in others)]


def _form(title: str) -> dict[str, object]:
    """Return the form of a question."""
    # A boolean that has to be set: some clients answer "accept" by themselves, without a person.
    field = {"type": "boolean", "title": title, "description": "Nothing is sent without a yes.", "default": False}
    return {"type": "object", "properties": {SEND_FIELD: field}, "required": [SEND_FIELD]}


def _can_elicit(context: Context) -> bool:
    """Return whether the client can put a form to its user."""
    # A client that names no mode of elicitation has the form: protocols before 2025-11-25 know no other.
    capabilities = context.session.client_capabilities
    elicitation = capabilities.elicitation if capabilities is not None else None
    return elicitation is not None and (elicitation.form is not None or elicitation.url is None)


def _require_acceptance(answer: object, subject: ConsentSubject) -> None:
    """Raise ConsentError unless the answer is a plain yes."""
    result = answer if isinstance(answer, types.ElicitResult) else types.ElicitResult(action="cancel")
    if result.action == "accept" and (result.content or {}).get(SEND_FIELD) is True:
        return
    # `claude -p` dismisses every question at once, so a dismissal is not the user's refusal.
    if result.action == "cancel":
        raise _consent_error(subject, "The question was dismissed; where a client runs by itself, nobody can answer it")
    raise ConsentError(
        f"the user did not agree to {subject.name}; nothing was sent",
        hint="do not try again unless the user asks for it",
    )


def _consent_error(subject: ConsentSubject, reason: str = CANNOT_ASK) -> ConsentError:
    """Return the error where nobody can be asked, with what would be sent and the ways to send it."""
    message = f"nothing was sent: {subject.question}\n\n{reason}"
    if subject.repetition:
        return RepetitionError(
            message,
            hint=f"it may be a repetition: {subject.repetition}. Look at the state of the API first, and do not call "
            "it again by yourself. The user can have it sent again in a client that asks (MCP elicitation), or in a "
            f"terminal: {subject.command}",
        )
    if subject.is_ruled:
        return ConsentError(
            message,
            hint=f"the user's policy wants a question each time; in a terminal nlapi asks it: {subject.command}",
        )
    return ConsentError(
        message,
        hint="the user can start `nlapi mcp` with --consent client, if the client itself asks before each call; or run "
        f"in a terminal, where nlapi asks (--yes agrees in advance): {subject.command}",
    )
