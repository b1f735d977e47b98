"""Asynchronous forms of `nlapi.call` and `nlapi.answer`, with the same parameters and results."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from inspect import isawaitable
from threading import Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nlapi.client.message import Result
    from nlapi.openapi.spec import Spec
    from nlapi.tools.repetition.ledger import Ledger
    from nlapi.tools.sending.run import Auth, Consent, Prepared
    from nlapi.tools.tool import Tool


async def call(
    spec: Spec,
    operation: str,
    arguments: Mapping[str, Any] | None = None,
    *,
    base_url: str | None = None,
    auth: Auth = None,
    yes: bool | Callable[[Prepared], bool | Awaitable[bool]] = False,
    timeout: float | None = None,  # noqa: ASYNC109 - it ends a stream, whose items are then the answer
    events: int | None = None,
    receipts: bool = False,
) -> Result:
    """Call an operation and return its answer, as `nlapi.call` does. `yes` may be an asynchronous function too."""
    from nlapi.agent.records.receipts import FunctionConsent
    from nlapi.client.message import call_limits
    from nlapi.tools.compile import compile_tool
    from nlapi.tools.sending.run import registered_target, run
    from nlapi.tools.tool import Call

    tool_call = Call(tool=compile_tool(spec.operation(operation)), arguments=dict(arguments or {}))
    target = registered_target(spec, base_url=base_url, auth=auth)
    consent = FunctionConsent(consent_of(yes), receipts=receipts and callable(yes))
    return await consent.settled(run(tool_call, target, consent.ask, limits=call_limits(timeout, events)))


async def answer(
    tools: Iterable[Tool],
    name: str,
    arguments: Mapping[str, Any] | str | None,
    *,
    base_url: str | None = None,
    auth: Auth = None,
    yes: bool | Callable[[Prepared], bool | Awaitable[bool]] = False,
    timeout: float | None = None,  # noqa: ASYNC109 - it bounds the call, and not the question for consent
    answer_bytes: int = 16_000,
    fields: Iterable[str] = (),
    ledger: Ledger | None = None,
    receipts: bool = False,
) -> str:
    """Return the text that answers a model's tool call, as `nlapi.answer` does."""
    from nlapi.agent.records.receipts import FunctionConsent
    from nlapi.client.message import call_limits
    from nlapi.results.answering import answer as answer_call
    from nlapi.results.model_view import answer_form

    limits, form = call_limits(timeout), answer_form(answer_bytes, fields)
    consent = FunctionConsent(consent_of(yes), receipts=receipts and callable(yes))
    return await answer_call(
        tools, name, arguments, consent, base_url=base_url, auth=auth, limits=limits, form=form, ledger=ledger
    )


def consent_of(yes: bool | Callable[[Prepared], bool | Awaitable[bool]]) -> Consent:
    """Return a function that asks `yes` for consent to a change; one that is not asynchronous, one change at a time."""
    # Threads would write two questions to one terminal, and a "y" could answer the other one.
    lock = Lock()

    async def consent(prepared: Prepared) -> bool:
        # Neither a rule of the user's policy that asks each time nor a repetition is answered in advance by `yes=True`.
        if prepared.requires_question and not callable(yes):
            return False
        with lock:
            agreed = yes(prepared) if callable(yes) else yes
        # Only True itself is consent: a function may return the text "n" that somebody typed, which is truthy.
        return (await agreed if isawaitable(agreed) else agreed) is True

    return consent
