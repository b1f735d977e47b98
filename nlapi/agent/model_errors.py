"""Explains what went wrong between nlapi and a server of models: the cause, and the next step."""

from __future__ import annotations

import re

from nlapi.agent.endpoints import ModelEndpoint, ModelProtocol
from nlapi.agent.model_http import AnswerSizeError, ModelServerError
from nlapi.client.safe_text import single_line
from nlapi.errors import PlannerError, UnfinishedError
from nlapi.openapi.connection_errors import explain_connection_error

# Texts of Anthropic, OpenAI, llama.cpp, Ollama and vLLM.
_TOO_LONG = re.compile(
    r"context.{0,20}(length|window|size|limit)|too long|too many tokens|exceeds? the (limit|available)", re.I
)


class PromptTooLongError(UnfinishedError):
    """The conversation does not fit into the window of the model."""


def explain_error(error: Exception, endpoint: ModelEndpoint) -> PlannerError:
    """Return a PlannerError with the cause and the next step; no part of it has the key.

    `error` is a ModelServerError, an error of httpx2, or one of reading what should be an answer.
    """
    import httpx2

    if isinstance(error, ModelServerError):
        return _explain_refusal(error, endpoint)
    if isinstance(error, httpx2.TimeoutException):
        hint = "try again, or use --planner offline"
        return PlannerError(f"{endpoint.address} did not answer in time", hint=hint)
    if isinstance(error, httpx2.HTTPError):
        failure = explain_connection_error(error)
        outcome = f"failed: {single_line(failure.reason)}" if failure else "failed or broke off"
        hint = f"is the server running? {endpoint.address_setting} has its address; --planner offline does without"
        if endpoint.variable == "ANTHROPIC_API_KEY":
            hint = f"check the network and {endpoint.address_setting}, or use --planner offline"
        hint = failure.hint if failure and failure.hint else hint
        return PlannerError(f"the connection to {endpoint.address} {outcome}", hint=hint)
    if isinstance(error, AnswerSizeError):
        message = f"{endpoint.address} sent {error} as one answer; nothing of it was run"
        return PlannerError(message, hint="is it a server of models? ask again, or use --planner offline")
    reason = f"{endpoint.address} sent what is no answer of {endpoint.protocol_name}; nothing of it was run"
    is_chat = endpoint.protocol is ModelProtocol.CHAT
    hint = "does it serve /chat/completions? models.toml sets the protocol" if is_chat else "ask again"
    return PlannerError(reason, hint=hint)


def _explain_refusal(error: ModelServerError, endpoint: ModelEndpoint) -> PlannerError:
    status, kind, server = error.status, error.kind, endpoint.server_name
    # Masked before it is cut, or a part of the key would stay.
    reason = endpoint.mask(single_line(error.reason))[:300]
    because = f": {reason}" if reason else ""
    if status == 401 or kind == "authentication_error":
        return PlannerError(f"{server} does not accept the key{because}", hint=endpoint.key_hint)
    if status in (404, 405) or kind == "not_found_error":
        return PlannerError(f"{server} has no model {endpoint.model!r}{because}", hint=endpoint.model_hint)
    if status == 429 or kind == "rate_limit_error":
        wait = error.retry_after
        hint = f"try again in {wait} s" if wait.isdecimal() and wait != "0" else "try again in a minute"
        return PlannerError(f"the rate limit of {server} is reached{because}", hint=hint)
    if status == 529 or kind == "overloaded_error":
        return PlannerError(f"{server} is overloaded", hint="try again in a minute, or use --planner offline")
    if status == 413 or (status == 400 and _TOO_LONG.search(reason)):
        message = f"the conversation is too long for {endpoint.model}{because}"
        return PromptTooLongError(message, hint="start a new one")
    if status in (402, 403):
        return PlannerError(f"{server} refused{because}", hint="check the rights and the credit of the key")
    outcome = "failed" if status == 200 else f"answered {status}"
    request = f", request {endpoint.mask(single_line(error.request_id))[:80]}" if error.request_id else ""
    hint = "try again, or use --planner offline"
    return PlannerError(f"{server} {outcome}: {reason or 'no reason given'}{request}", hint=hint)
