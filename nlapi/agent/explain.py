"""The meaning of an error of the Anthropic client for the user."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nlapi.agent.models import MODELS
from nlapi.errors import PlannerError, UnfinishedError

if TYPE_CHECKING:
    import anthropic

KEY_HINT = "set ANTHROPIC_API_KEY to a key from https://platform.claude.com/settings/keys, or use --planner offline"


def explain_error(error: Exception, *, model: str, base_url: str, key: str) -> PlannerError:
    """Return a PlannerError with the cause and the next step; no part of it has the key."""
    import anthropic

    # An error may come in the middle of a stream, after a status of 200; its type is then in its body.
    if isinstance(error, anthropic.APIStatusError):
        return _status_error(error, model, key)
    if isinstance(error, anthropic.APITimeoutError):
        return PlannerError(f"{base_url} did not answer in time", hint="try again, or use --planner offline")
    if isinstance(error, ValueError):
        return PlannerError(f"{base_url} sent what is not JSON; nothing of it was run", hint="ask again")
    hint = "check the network and ANTHROPIC_BASE_URL, or use --planner offline"
    return PlannerError(f"the connection to {base_url} failed or broke off", hint=hint)


def _status_error(error: anthropic.APIStatusError, model: str, key: str) -> PlannerError:
    status, kind = error.status_code, error.type
    reason = error.api_message or kind or "no reason given"
    if key:
        reason = reason.replace(key, "***")
    if status == 401 or kind == "authentication_error":
        return PlannerError("the Anthropic API does not accept the key", hint=KEY_HINT)
    if status == 404 or kind == "not_found_error":
        return PlannerError(f"the Anthropic API has no model {model!r}", hint=f"--model takes {', '.join(MODELS)}")
    if status == 429 or kind == "rate_limit_error":
        wait = error.response.headers.get("retry-after", "")
        hint = f"try again in {wait} s" if wait.isdecimal() and wait != "0" else "try again in a minute"
        return PlannerError(f"the rate limit of the Anthropic API is reached: {reason}", hint=hint)
    if status == 529 or kind == "overloaded_error":
        return PlannerError("the Anthropic API is overloaded", hint="try again in a minute, or use --planner offline")
    if status == 413 or (status == 400 and "too long" in reason):
        return UnfinishedError(f"the conversation is too long for {model}: {reason}", hint="start a new one")
    if status in (402, 403):
        return PlannerError(f"the Anthropic API refused: {reason}", hint="check the rights and the credit of the key")
    outcome = "failed" if status == 200 else f"answered {status}"
    return PlannerError(f"the Anthropic API {outcome}: {reason}", hint="try again, or use --planner offline")
