"""The call of a tool: checked, consented to, sent and answered, with every failure an answer too."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import mcp_types as types

from nlapi.agent.operation_tools import DESCRIBE, FIND, READ, describe_for_model, inner_arguments
from nlapi.agent.policy import Policy, Verdict
from nlapi.client.auth import header_secrets
from nlapi.client.message import Result
from nlapi.client.safe_text import error_for_model, single_line, strip_control
from nlapi.errors import ConsentError, NlapiError, UsageError
from nlapi.mcp.answers import answer_pages, answer_uri
from nlapi.mcp.audit import CallOutcome, CallRecord, ConsentKind
from nlapi.mcp.consent import Context, call_subject, request_consent
from nlapi.mcp.server_state import ServerState, answer_owner, caller_of, session_id
from nlapi.mcp.settings import Consent
from nlapi.mcp.tool_listing import (
    CALL,
    DEFAULT_RESULTS,
    MAX_RESULTS,
    SEARCH_TOOLS,
    registered_arguments,
)
from nlapi.mcp.workflow_calls import ToolAnswer, call_workflow
from nlapi.openapi.spec import Effect, Operation
from nlapi.results.query_arguments import QUERY_TOOL
from nlapi.tools.describe import summarize_operation
from nlapi.tools.plan import ask as conversation
from nlapi.tools.prompt_injection import DESCRIPTION_NOTE
from nlapi.tools.rules import Ruling, denial_message, is_denied
from nlapi.tools.run import Prepared, Target, authorize_call, model_fields, perform, prepare
from nlapi.tools.tool import Call, Tool

# In seconds. Claude Code sends a progress token with each call; without one nothing is reported.
PROGRESS_INTERVAL = 1.0

# A question of 20,000 characters and the ways to send the request fit.
MAX_MESSAGE = 24_000


async def call_tool(state: ServerState, context: Context, params: types.CallToolRequestParams) -> ToolAnswer:
    """Return the answer to a call, never an error of the protocol, so that a model can read what was wrong.

    The call is counted, limited and written to the log as the state's oversight says.
    """
    caller, oversight = caller_of(context), state.oversight
    record = CallRecord(
        client=caller.name,
        role=caller.role or oversight.role,
        session=hashlib.sha256(session_id(context).encode()).hexdigest()[:12] if session_id(context) else "",
        tool=params.name,
        api=state.api_name,
        secrets=state.secrets,
    )
    started = time.monotonic()
    if oversight.metrics is not None:
        oversight.metrics.running.inc()
    try:
        with oversight.limiter.admit(caller, oversight.calls_per_minute, oversight.concurrency):
            return await _answer_call(state, context, _without_prefix(params, state), record)
    except NlapiError as error:
        record.reason = error.message
        return error_answer(str(error))
    except asyncio.CancelledError:
        record.outcome = CallOutcome.CANCELLED
        raise
    finally:
        record.milliseconds = round((time.monotonic() - started) * 1000)
        if oversight.metrics is not None:
            oversight.metrics.running.dec()
            oversight.metrics.observe(record)
        if oversight.audit is not None and (fault := oversight.audit.write_call(record)):
            state.report(fault)


def _without_prefix(params: types.CallToolRequestParams, state: ServerState) -> types.CallToolRequestParams:
    """Return a call with the name of a search tool as it is without the API's prefix."""
    name = params.name.removeprefix(state.settings.prefix)
    return params.model_copy(update={"name": name}) if name in SEARCH_TOOLS else params


async def _answer_call(
    state: ServerState, context: Context, params: types.CallToolRequestParams, record: CallRecord
) -> ToolAnswer:
    try:
        answer = await _dispatch(state, context, params, record)
    except NlapiError as error:
        record.reason = error.message
        answer = error_answer(str(error))
    # The error's own text may hold a credential or a path of this machine, so only its type is given.
    except Exception as error:
        record.reason = type(error).__name__
        state.report(f"{params.name}: {type(error).__name__} in nlapi")
        answer = error_answer(f"{type(error).__name__}: this is a fault of nlapi; nothing more is known of the call")
    if isinstance(answer, types.CallToolResult):
        answer.content[:0] = [types.TextContent(text=message) for message in state.take_unknown_outcomes(context)]
    return answer


def error_answer(message: str) -> types.CallToolResult:
    """Return an error as the answer of a tool."""
    text = error_for_model(message, MAX_MESSAGE)
    return types.CallToolResult(
        content=[types.TextContent(text=text)], structured_content={"status": None, "error": text}, is_error=True
    )


async def _dispatch(
    state: ServerState, context: Context, params: types.CallToolRequestParams, record: CallRecord
) -> ToolAnswer:
    arguments = params.arguments or {}
    if params.name == QUERY_TOOL:
        record.outcome = CallOutcome.ANSWERED
        return _structured_answer(state.answers.query(answer_owner(context, state.settings), arguments))
    if not state.catalogue.uses_search or params.name not in SEARCH_TOOLS:
        return await _call_operation(state, context, params, state.catalogue.tool(params.name), arguments, record)
    if params.name == FIND:
        record.outcome = CallOutcome.ANSWERED
        return _find_operations(state, arguments)
    tool = state.catalogue.tool(_text_argument(arguments, "operation", params.name))
    if params.name == DESCRIBE:
        record.outcome = CallOutcome.ANSWERED
        return _text_answer(describe_for_model(tool, arguments))
    if params.name == READ and tool.effect is not Effect.READ:
        raise UsageError(f"{tool.operation.id} would {tool.effect} something", hint=f"the tool {CALL} calls it")
    # `read` refuses a change although `call` would ask: a user may have allowed the tool `read` to run without a
    # question.
    return await _call_operation(state, context, params, tool, inner_arguments(params.name, arguments), record)


async def _call_operation(
    state: ServerState,
    context: Context,
    params: types.CallToolRequestParams,
    tool: Tool,
    arguments: Mapping[str, object],
    record: CallRecord,
) -> ToolAnswer:
    record.take_tool(tool, state.api_name)
    if (entry := state.catalogue.workflow(tool)) is not None:
        answer = await call_workflow(state, context, params, entry, arguments)
        record.outcome = CallOutcome.ANSWERED if isinstance(answer, types.CallToolResult) else CallOutcome.ASKED
        return answer if params.name == tool.name else _framed(answer)
    call = Call(tool=tool, arguments={**registered_arguments(tool, state.settings), **arguments})
    target = state.target_for(context, call.effect)
    record.secrets = (*state.secrets, *target.credentials.values(), *header_secrets(target.headers))
    policy = Policy(secrets=record.secrets)
    if refusal := policy.refusal(call):
        raise UsageError(f"{tool.operation.id} was not sent: {refusal}", hint="leave it out")
    prepared = prepare(call, target)
    if prepared.effect is not Effect.READ and (params.name == READ or state.settings.consent is Consent.NEVER):
        # An argument makes a change of an operation that reads.
        hint = f"the tool {CALL} calls it" if params.name == READ else "leave that argument out"
        raise UsageError(f"{tool.operation.id} would {prepared.effect} something", hint=hint)
    record.take_request(prepared, model_fields(tool.operation, target))
    if prepared.rule is not None and is_denied(prepared.rule):  # without the hint, which names a file of the server
        raise ConsentError(denial_message(tool.operation, prepared.rule), hint="do not try again")
    authorize_call(prepared, target)
    decision = policy.decide(prepared, conversation(""))
    allowed = prepared.rule is not None and prepared.rule.verdict is Ruling.ALLOW
    must_ask = decision.verdict is Verdict.ASK and state.settings.consent is Consent.ELICIT and not allowed
    record.consent = _consent_without_question(decision.verdict, is_allowed=allowed)
    if prepared.requires_question or must_ask:
        record.consent = ConsentKind.NONE
        question = await request_consent(context, params, call_subject(prepared), state.pending_consents)
        if question is not None:
            record.outcome = CallOutcome.ASKED
            return question
        record.consent = ConsentKind.USER
    if prepared.effect is not Effect.READ and state.oversight.audit is not None:
        state.oversight.audit.write_sending(record)
    record.outcome = CallOutcome.FAILED
    result = await _perform_with_progress(state, context, prepared, target)
    record.outcome, record.status = CallOutcome.ANSWERED, result.status
    return _api_answer(state, context, call, result)


def _consent_without_question(verdict: Verdict, *, is_allowed: bool) -> ConsentKind:
    """Return who agreed to a call that nobody is asked about."""
    if verdict is not Verdict.ASK:
        return ConsentKind.READ
    return ConsentKind.RULE if is_allowed else ConsentKind.CLIENT


def _framed(answer: ToolAnswer) -> ToolAnswer:
    """Return the outcome of a workflow as an answer of `read` or `call`; it has no status of its own."""
    if not isinstance(answer, types.CallToolResult):
        return answer
    record: dict[str, Any] = answer.structured_content or {}
    failure = {"error": record["failure"]} if "failure" in record else {}
    return answer.model_copy(update={"structured_content": {"status": None, "data": record, **failure}})


async def _perform_with_progress(state: ServerState, context: Context, prepared: Prepared, target: Target) -> Result:
    """Return the answer of the API, with progress reported to the client while it waits."""
    progress_task = asyncio.create_task(_report_progress(context, prepared))
    try:
        limits, client = state.settings.limits, state.client
        return await perform(prepared, target, limits=limits, client=client, for_model=True)
    except asyncio.CancelledError:
        # Both protocols forbid an answer to a cancelled call (docs/design/016).
        if prepared.effect is not Effect.READ:
            request = prepared.request
            sent = f"{request.method} {single_line(request.url)[:300]}"
            state.record_unknown_outcome(context, f"{prepared.call.operation_id} was cancelled on its way ({sent})")
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


def _api_answer(state: ServerState, context: Context, call: Call, result: Result) -> types.CallToolResult:
    """Return the answer of the API as a model is shown it; the whole is stored where that is a part of it."""
    shown = state.answers.add(answer_owner(context, state.settings), result, call)
    if fault := state.answers.take_fault():
        state.report(f"{fault}; only the last answers are stored")
    answer = _structured_answer(shown.view, is_error=result.status >= 400)
    if shown.stored is not None:
        pages = answer_pages(shown.stored)
        description = f"All of it, in {pages} page{'s' if pages > 1 else ''}"
        uri, name = answer_uri(shown.stored), f"{call.operation_id} answer"
        answer.content.append(types.ResourceLink(name=name, uri=uri, description=description, mime_type="text/plain"))
    return answer


def _structured_answer(view: str, *, is_error: bool = False) -> types.CallToolResult:
    """Return an answer whose text and whose structured content are the same JSON object."""
    return types.CallToolResult(
        content=[types.TextContent(text=view)], structured_content=json.loads(view), is_error=is_error
    )


def _find_operations(state: ServerState, arguments: Mapping[str, object]) -> types.CallToolResult:
    words, limit = _text_argument(arguments, "words", FIND), arguments.get("limit", DEFAULT_RESULTS)
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= MAX_RESULTS:
        raise UsageError(f"{FIND}: limit is not a number from 1 to {MAX_RESULTS}")
    rows = [
        {
            "operation": operation.id if state.catalogue.workflow(tool) is None else tool.name,
            "effect": operation.effect.value,
            "request": state.catalogue.request_text(operation),
            "summary": summarize_operation(operation),
            "required": list(tool.required),
        }
        for tool, operation in _found_tools(state, words, limit)
    ]
    if not rows:
        areas = ", ".join(single_line(group.label)[:60] for group in state.catalogue.areas[:40])
        return _data_answer(
            {"note": DESCRIPTION_NOTE, "operations": [], "hint": f"nothing is about that; the areas are {areas}"}
        )
    return _data_answer({"note": DESCRIPTION_NOTE, "operations": rows})


def _found_tools(state: ServerState, words: str, limit: int) -> Iterator[tuple[Tool, Operation]]:
    for operation, _ in state.catalogue.index.search(words, limit=limit):
        yield state.catalogue.found_tool(operation), operation


def _data_answer(data: dict[str, object]) -> types.CallToolResult:
    return _text_answer(json.dumps(data, ensure_ascii=False, separators=(",", ":"), default=str))


def _text_answer(text: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(text=strip_control(text))])


def _text_argument(arguments: Mapping[str, object], name: str, tool: str) -> str:
    value = arguments.get(name)
    if not isinstance(value, str) or not value.strip():
        raise UsageError(f"{tool}: argument {name!r} is missing or no text")
    return value.strip()
