"""The call of a tool: checked, consented to, sent and answered, with every failure an answer too."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import mcp_types as types

from nlapi.agent.policy import Policy, Verdict
from nlapi.client.auth import secrets_in
from nlapi.client.clean import clean, one_line
from nlapi.client.message import Result
from nlapi.client.shrink import NOTE, shrink
from nlapi.errors import ConsentError, NlapiError, UsageError
from nlapi.mcp.catalogue import CALL, DESCRIBE, FIND, OWN, READ, known_arguments
from nlapi.mcp.consent import Context, ask
from nlapi.mcp.forms import FOUND, MOST_FOUND
from nlapi.mcp.reference import about, summary
from nlapi.mcp.served import Served, owner_of
from nlapi.mcp.settings import Consent
from nlapi.openapi.spec import Effect
from nlapi.tools.pages import next_arguments, page_arguments
from nlapi.tools.plan import ask as conversation
from nlapi.tools.rules import Ruling, forbidden, forbids
from nlapi.tools.run import Prepared, Target, perform, permit, prepare
from nlapi.tools.tool import Call, Tool

# In characters of an answer. Claude Code replaces a result of 200,000 by a pointer to a file; the rest is read in
# pages.
SHOWN = 20_000

# In seconds. Claude Code sends a progress token with each call; without one nothing is reported.
EVERY = 1.0

# A question of 20,000 characters and the ways to send the request fit.
MAX_MESSAGE = 24_000

# The arguments of the next page are those of this one and a cursor; more is not worth a model's context.
MAX_NEXT = 4_000

Answered = types.CallToolResult | types.InputRequiredResult


async def call_tool(served: Served, context: Context, params: types.CallToolRequestParams) -> Answered:
    """Return the answer to a call, never an error of the protocol, so that a model can read what was wrong."""
    try:
        answer = await _called(served, context, params)
    except NlapiError as error:
        answer = failed(str(error))
    # The error's own text may hold a credential or a path of this machine, so only its type is given.
    except Exception as error:
        served.say(f"{params.name}: {type(error).__name__} in nlapi")
        answer = failed(f"{type(error).__name__}: this is a fault of nlapi; nothing more is known of the call")
    if isinstance(answer, types.CallToolResult):
        answer.content[:0] = [types.TextContent(text=told) for told in served.doubts_of(context)]
    return answer


def failed(message: str) -> types.CallToolResult:
    """Return an error as the answer of a tool."""
    text = clean(message)[:MAX_MESSAGE]
    return types.CallToolResult(
        content=[types.TextContent(text=text)], structured_content={"status": None, "error": text}, is_error=True
    )


async def _called(served: Served, context: Context, params: types.CallToolRequestParams) -> Answered:
    given = params.arguments or {}
    if not served.catalogue.searched or params.name not in OWN:
        return await _call(served, context, params, served.catalogue.tool(params.name), given)
    if params.name == FIND:
        return _found(served, given)
    tool = served.catalogue.tool(_text(given, "operation", params.name))
    if params.name == DESCRIBE:
        return _told(about(tool))
    if params.name == READ and tool.effect is not Effect.READ:
        raise UsageError(f"{tool.operation.id} would {tool.effect} something", hint=f"the tool {CALL} calls it")
    # `read` refuses a change although `call` would ask: a user may have allowed the tool `read` to run without a
    # question.
    inner = given.get("arguments") or {}
    if not isinstance(inner, dict):
        raise UsageError(f"{params.name}: arguments is not an object", hint='such as {"name": "value"}')
    return await _call(served, context, params, tool, inner)


async def _call(
    served: Served, context: Context, params: types.CallToolRequestParams, tool: Tool, given: Mapping[str, Any]
) -> Answered:
    target = served.target_for(context)
    call = Call(tool=tool, arguments={**known_arguments(tool, served.settings), **given})
    policy = Policy(secrets=(*target.credentials.values(), *secrets_in(target.headers)))
    if refusal := policy.refusal(call):
        raise UsageError(f"{tool.operation.id} was not sent: {refusal}", hint="leave it out")
    prepared = prepare(call, target)
    if prepared.rule is not None and forbids(prepared.rule):  # without the hint, which names a file of the server
        raise ConsentError(forbidden(tool.operation, prepared.rule), hint="do not try again")
    permit(prepared, target)
    judgement = policy.judge(prepared, conversation(""))
    allowed = prepared.rule is not None and prepared.rule.verdict is Ruling.ALLOW
    elicits = judgement.verdict is Verdict.ASK and served.settings.consent is Consent.ELICIT and not allowed
    if prepared.asks_always or elicits:
        wanted = await ask(context, params, prepared, served.waiting)
        if wanted is not None:
            return wanted
    result = await _sent(served, context, prepared, target)
    return _answer(served, context, prepared, result)


async def _sent(served: Served, context: Context, prepared: Prepared, target: Target) -> Result:
    """Return the answer of the API, with progress reported to the client while it waits."""
    telling = asyncio.create_task(_tell(context, prepared))
    try:
        limits, client = served.settings.limits, served.client
        return await perform(prepared, target, limits=limits, client=client, for_model=True)
    except asyncio.CancelledError:
        # Both protocols forbid an answer to a cancelled call (docs/design/016).
        if prepared.effect is not Effect.READ:
            served.doubt(context, prepared)
        raise
    finally:
        telling.cancel()


async def _tell(context: Context, prepared: Prepared) -> None:
    waited = 0.0
    with suppress(Exception):  # the transport notices a client that has gone
        while True:
            await asyncio.sleep(EVERY)
            waited += EVERY
            said = f"{prepared.call.operation_id} waits for an answer ({waited:g} s)"
            await context.session.report_progress(waited, None, said)


def _answer(served: Served, context: Context, prepared: Prepared, result: Result) -> types.CallToolResult:
    """Return the answer of the API, cut to what a model can use; the whole is stored where something was cut."""
    shown = json.loads(shrink(result, limit=SHOWN))
    content: list[types.ContentBlock] = []
    if (result.content or result.items) and _was_cut(shown):
        call = f"{prepared.request.method} {one_line(prepared.request.url)[:200]}"
        answer = served.kept.keep(result, owner_of(context, served.settings), call)
        shown["whole"] = f"nlapi://answer/{answer.id}/1"
        said = f"All of it, in {answer.pages} page{'s' if answer.pages > 1 else ''}"
        name = f"{prepared.call.operation_id} answer"
        content = [types.ResourceLink(name=name, uri=shown["whole"], description=said, mime_type="text/plain")]
    if next := _next(prepared, result):
        shown["next"] = next
    text = json.dumps(shown, ensure_ascii=False, separators=(",", ":"))
    return types.CallToolResult(
        content=[types.TextContent(text=text), *content], structured_content=shown, is_error=result.status >= 400
    )


def _was_cut(shown: Any) -> bool:
    """Return whether `shrink` left a note anywhere that something is missing."""
    # Binary data are not missing: a page of text could not show them either.
    text = json.dumps(shown, ensure_ascii=False)
    return (f'"{NOTE}"' in text and "binary data, not shown" not in text) or "… [nlapi: " in text


def _next(prepared: Prepared, result: Result) -> dict[str, Any]:
    """Return the arguments for the next page of a listing; {} when there is none, or it is unknown."""
    if prepared.effect is not Effect.READ or not result.ok:
        return {}
    given = prepared.call.arguments
    found = next_arguments(prepared.call, result) or {}
    # A server that repeats the same cursor would have a model read one page for ever.
    goes_on = any(found.get(name) != given.get(name) for name in page_arguments(prepared.call.tool))
    return found if goes_on and len(json.dumps(found, default=str)) <= MAX_NEXT else {}


def _found(served: Served, given: Mapping[str, Any]) -> types.CallToolResult:
    words, limit = _text(given, "words", FIND), given.get("limit", FOUND)
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= MOST_FOUND:
        raise UsageError(f"{FIND}: limit is not a number from 1 to {MOST_FOUND}")
    rows = [
        {
            "operation": one.id,
            "effect": one.effect.value,
            "request": f"{one.method} {one_line(one.path)}",
            "summary": summary(one),
            "required": list(served.catalogue.tool(one.id).required),
        }
        for one, _ in served.catalogue.index.search(words, k=limit)
    ]
    if not rows:
        areas = ", ".join(one_line(group.label)[:60] for group in served.catalogue.areas[:40])
        return _told({"operations": [], "note": f"nothing is about that; the areas are {areas}"})
    return _told({"operations": rows})


def _told(data: dict[str, Any]) -> types.CallToolResult:
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), default=str)
    return types.CallToolResult(content=[types.TextContent(text=clean(text))])


def _text(given: Mapping[str, Any], name: str, tool: str) -> str:
    value = given.get(name)
    if not isinstance(value, str) or not value.strip():
        raise UsageError(f"{tool}: argument {name!r} is missing or no text")
    return value.strip()
