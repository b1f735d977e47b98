"""The call of a tool: checked, consented to, sent and answered, with every failure an answer too."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress

import mcp_types as types

from nlapi.agent.policy import Policy, Verdict
from nlapi.client.auth import header_secrets
from nlapi.client.message import Result
from nlapi.client.safe_text import single_line, strip_control
from nlapi.client.truncate import NOTE_KEY, truncate
from nlapi.errors import ConsentError, NlapiError, UsageError
from nlapi.mcp.consent import Context, request_consent
from nlapi.mcp.server_state import ServerState, answer_owner
from nlapi.mcp.settings import Consent
from nlapi.mcp.tool_listing import (
    CALL,
    DEFAULT_RESULTS,
    DESCRIBE,
    FIND,
    MAX_RESULTS,
    READ,
    SEARCH_TOOLS,
    registered_arguments,
)
from nlapi.openapi.spec import Effect
from nlapi.tools.answer_view import further_page
from nlapi.tools.describe import describe_operation, summarize_operation
from nlapi.tools.plan import ask as conversation
from nlapi.tools.rules import Ruling, denial_message, is_denied
from nlapi.tools.run import Prepared, Target, authorize_call, perform, prepare
from nlapi.tools.tool import Call, Tool

# In characters of an answer. Claude Code replaces a result of 200,000 by a pointer to a file; the rest is read in
# pages.
MAX_ANSWER_TEXT = 20_000

# In seconds. Claude Code sends a progress token with each call; without one nothing is reported.
PROGRESS_INTERVAL = 1.0

# A question of 20,000 characters and the ways to send the request fit.
MAX_MESSAGE = 24_000

ToolAnswer = types.CallToolResult | types.InputRequiredResult


async def call_tool(state: ServerState, context: Context, params: types.CallToolRequestParams) -> ToolAnswer:
    """Return the answer to a call, never an error of the protocol, so that a model can read what was wrong."""
    try:
        answer = await _dispatch(state, context, params)
    except NlapiError as error:
        answer = error_answer(str(error))
    # The error's own text may hold a credential or a path of this machine, so only its type is given.
    except Exception as error:
        state.report(f"{params.name}: {type(error).__name__} in nlapi")
        answer = error_answer(f"{type(error).__name__}: this is a fault of nlapi; nothing more is known of the call")
    if isinstance(answer, types.CallToolResult):
        answer.content[:0] = [types.TextContent(text=message) for message in state.take_unknown_outcomes(context)]
    return answer


def error_answer(message: str) -> types.CallToolResult:
    """Return an error as the answer of a tool."""
    text = strip_control(message)[:MAX_MESSAGE]
    return types.CallToolResult(
        content=[types.TextContent(text=text)], structured_content={"status": None, "error": text}, is_error=True
    )


async def _dispatch(state: ServerState, context: Context, params: types.CallToolRequestParams) -> ToolAnswer:
    arguments = params.arguments or {}
    if not state.catalogue.uses_search or params.name not in SEARCH_TOOLS:
        return await _call_operation(state, context, params, state.catalogue.tool(params.name), arguments)
    if params.name == FIND:
        return _find_operations(state, arguments)
    tool = state.catalogue.tool(_text_argument(arguments, "operation", params.name))
    if params.name == DESCRIBE:
        return _data_answer(describe_operation(tool))
    if params.name == READ and tool.effect is not Effect.READ:
        raise UsageError(f"{tool.operation.id} would {tool.effect} something", hint=f"the tool {CALL} calls it")
    # `read` refuses a change although `call` would ask: a user may have allowed the tool `read` to run without a
    # question.
    inner_arguments = arguments.get("arguments") or {}
    if not isinstance(inner_arguments, dict):
        raise UsageError(f"{params.name}: arguments is not an object", hint='such as {"name": "value"}')
    return await _call_operation(state, context, params, tool, inner_arguments)


async def _call_operation(
    state: ServerState,
    context: Context,
    params: types.CallToolRequestParams,
    tool: Tool,
    arguments: Mapping[str, object],
) -> ToolAnswer:
    target = state.target_for(context)
    call = Call(tool=tool, arguments={**registered_arguments(tool, state.settings), **arguments})
    policy = Policy(secrets=(*target.credentials.values(), *header_secrets(target.headers)))
    if refusal := policy.refusal(call):
        raise UsageError(f"{tool.operation.id} was not sent: {refusal}", hint="leave it out")
    prepared = prepare(call, target)
    if prepared.rule is not None and is_denied(prepared.rule):  # without the hint, which names a file of the server
        raise ConsentError(denial_message(tool.operation, prepared.rule), hint="do not try again")
    authorize_call(prepared, target)
    decision = policy.decide(prepared, conversation(""))
    allowed = prepared.rule is not None and prepared.rule.verdict is Ruling.ALLOW
    must_ask = decision.verdict is Verdict.ASK and state.settings.consent is Consent.ELICIT and not allowed
    if prepared.requires_question or must_ask:
        question = await request_consent(context, params, prepared, state.pending_consents)
        if question is not None:
            return question
    result = await _perform_with_progress(state, context, prepared, target)
    return _api_answer(state, context, prepared, result)


async def _perform_with_progress(state: ServerState, context: Context, prepared: Prepared, target: Target) -> Result:
    """Return the answer of the API, with progress reported to the client while it waits."""
    progress_task = asyncio.create_task(_report_progress(context, prepared))
    try:
        limits, client = state.settings.limits, state.client
        return await perform(prepared, target, limits=limits, client=client, for_model=True)
    except asyncio.CancelledError:
        # Both protocols forbid an answer to a cancelled call (docs/design/016).
        if prepared.effect is not Effect.READ:
            state.record_unknown_outcome(context, prepared)
        raise
    finally:
        progress_task.cancel()


async def _report_progress(context: Context, prepared: Prepared) -> None:
    seconds = 0.0
    with suppress(Exception):  # the transport notices a client that has gone
        while True:
            await asyncio.sleep(PROGRESS_INTERVAL)
            seconds += PROGRESS_INTERVAL
            message = f"{prepared.call.operation_id} waits for an answer ({seconds:g} s)"
            await context.session.report_progress(seconds, None, message)


def _api_answer(state: ServerState, context: Context, prepared: Prepared, result: Result) -> types.CallToolResult:
    """Return the answer of the API, cut to what a model can use; the whole is stored where something was cut."""
    document = json.loads(truncate(result, limit=MAX_ANSWER_TEXT))
    content: list[types.ContentBlock] = []
    if (result.content or result.items) and _is_truncated(document):
        call = f"{prepared.request.method} {single_line(prepared.request.url)[:200]}"
        stored = state.answers.add(result, answer_owner(context, state.settings), call)
        document["whole"] = f"nlapi://answer/{stored.id}/1"
        description = f"All of it, in {stored.pages} page{'s' if stored.pages > 1 else ''}"
        name = f"{prepared.call.operation_id} answer"
        content = [
            types.ResourceLink(name=name, uri=document["whole"], description=description, mime_type="text/plain")
        ]
    if next_page := further_page(prepared.call, result):
        document["next"] = next_page
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return types.CallToolResult(
        content=[types.TextContent(text=text), *content], structured_content=document, is_error=result.status >= 400
    )


def _is_truncated(document: object) -> bool:
    """Return whether `truncate` left a note anywhere that something is missing."""
    # Binary data are not missing: a page of text could not show them either.
    text = json.dumps(document, ensure_ascii=False)
    return (f'"{NOTE_KEY}"' in text and "binary data, not shown" not in text) or "… [nlapi: " in text


def _find_operations(state: ServerState, arguments: Mapping[str, object]) -> types.CallToolResult:
    words, limit = _text_argument(arguments, "words", FIND), arguments.get("limit", DEFAULT_RESULTS)
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= MAX_RESULTS:
        raise UsageError(f"{FIND}: limit is not a number from 1 to {MAX_RESULTS}")
    rows = [
        {
            "operation": operation.id,
            "effect": operation.effect.value,
            "request": f"{operation.method} {single_line(operation.path)}",
            "summary": summarize_operation(operation),
            "required": list(state.catalogue.tool(operation.id).required),
        }
        for operation, _ in state.catalogue.index.search(words, limit=limit)
    ]
    if not rows:
        areas = ", ".join(single_line(group.label)[:60] for group in state.catalogue.areas[:40])
        return _data_answer({"operations": [], "note": f"nothing is about that; the areas are {areas}"})
    return _data_answer({"operations": rows})


def _data_answer(data: dict[str, object]) -> types.CallToolResult:
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), default=str)
    return types.CallToolResult(content=[types.TextContent(text=strip_control(text))])


def _text_argument(arguments: Mapping[str, object], name: str, tool: str) -> str:
    value = arguments.get(name)
    if not isinstance(value, str) or not value.strip():
        raise UsageError(f"{tool}: argument {name!r} is missing or no text")
    return value.strip()
