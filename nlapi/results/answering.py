"""Makes the calls that a model asks for, and answers each with a text: the result, or the reason for its failure."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping
from typing import Any, Protocol

from nlapi.client.auth import alternatives
from nlapi.client.message import Limits, Result
from nlapi.client.safe_text import error_for_model
from nlapi.errors import (
    ArgumentError,
    ConsentError,
    DeniedError,
    MissingCredentialError,
    OutcomeUnknownError,
    RepeatedReadError,
    RepetitionError,
    SendError,
    UsageError,
)
from nlapi.json_text import parse_json
from nlapi.openapi.spec import Operation
from nlapi.results.contents import read_contents
from nlapi.results.model_view import PLAIN_FORM, AnswerForm, model_view
from nlapi.suggestions import suggestion
from nlapi.tools.repetition.ledger import Ledger, process_ledger
from nlapi.tools.sending.run import Auth, Prepared, registered_target, run
from nlapi.tools.tool import Call, Tool

REPETITION_NOTE = (
    "The user has not agreed to sending it again. Read the state of the API before anything else, and tell the user "
    "what came of it; do not call it again by yourself"
)

NOT_AGREED = (
    "the user has not agreed to that. Nothing was changed. Do not call it again by yourself: tell the user what it "
    "would do, and that it is not done"
)
NOT_GIVEN = "The user has not given it. It is given to the program that makes this call"


class CallConsent(Protocol):
    """Whoever consents to one call of a model, and is told what came of it."""

    async def ask(self, prepared: Prepared) -> bool: ...

    async def settled(self, sent: Awaitable[Result]) -> Result: ...


async def answer(
    tools: Iterable[Tool],
    name: str,
    arguments: Mapping[str, Any] | str | None,
    consent: CallConsent,
    *,
    base_url: str | None = None,
    auth: Auth = None,
    limits: Limits | None = None,
    form: AnswerForm = PLAIN_FORM,
    ledger: Ledger | None = None,
) -> str:
    """Make the call that a model asked for and return its result, or the reason for its failure, as text for the model.

    `nlapi.answer` documents which errors are returned as text and which are raised.
    """
    tools = tuple(tools)
    # The same scheme id may stand in two descriptions, so a credential given for one API could be sent to another.
    if (base_url or auth) and len({tool.operation.spec for tool in tools}) > 1:
        raise UsageError(
            "these tools are of several APIs, and a base URL or a credential is for one of them",
            hint="give the tools of one API",
        )
    try:
        call = Call(tool=_find_tool(tools, name), arguments=parse_arguments(arguments))
    except ArgumentError as error:
        return error_for_model(f"not sent: {error}")
    if ledger is None:
        ledger = process_ledger(call.tool.operation.spec.source, base_url, auth)
    outcome = await run_for_model(call, consent, base_url=base_url, auth=auth, limits=limits, ledger=ledger)
    if isinstance(outcome, str):
        return outcome
    return model_view(outcome, read_contents(outcome, call.tool.operation), call=call, form=form)


async def run_for_model(
    call: Call,
    consent: CallConsent,
    *,
    ledger: Ledger,
    base_url: str | None = None,
    auth: Auth = None,
    limits: Limits | None = None,
) -> Result | str:
    """Make a call and return its Result, or the text that tells a model why it is missing.

    Errors that only the caller can correct are raised: UsageError, and CredentialError for one that cannot be used.
    """
    operation = call.tool.operation
    try:
        target = registered_target(operation.spec, base_url=base_url, auth=auth, ledger=ledger)
        return await consent.settled(run(call, target, consent.ask, limits=limits, for_model=True))
    except DeniedError as error:
        return f"not sent: {error.message}"
    except RepeatedReadError as error:
        return f"not sent: {error}"
    except RepetitionError as error:
        return error_for_model(f"not sent: {error.message}. {REPETITION_NOTE}")
    except ConsentError:
        return f"not sent: {call.tool.name} would {call.effect} something, and {NOT_AGREED}"
    except ArgumentError as error:
        return error_for_model(f"not sent: {error}")
    except MissingCredentialError as error:
        return f"not sent: {error.message}. {_credential_hint(operation)}"
    except OutcomeUnknownError as error:
        return error_for_model(f"failed: {error}")
    # The hint of a SendError is about the base URL, which the model cannot change, so the text leaves it out.
    except SendError as error:
        return error_for_model(f"failed: {error.message}")


def _credential_hint(operation: Operation) -> str:
    """Return the sentence that tells the user how to pass a credential to the program."""
    # A secret in the conversation would reach the model's provider and every later request, so the text forbids it.
    first = next(iter(alternatives(operation)), ())
    auth = ", ".join(f"{credential.id!r}: ..." for credential in first)
    return (
        f"{NOT_GIVEN}, as auth={{{auth}}} or with `nlapi api add`, and never in this conversation; auth=False calls "
        "without."
    )


def _find_tool(tools: Iterable[Tool], name: str) -> Tool:
    """Return the tool of a name; ArgumentError for an unknown one, UsageError where two tools of the name differ."""
    tools_by_name: dict[str, Tool] = {}
    for tool in tools:
        if tools_by_name.setdefault(tool.name, tool).operation is not tool.operation and tool.name == name:
            hint = "give one of them another name: dataclasses.replace(tool, name=...)"
            raise UsageError(f"two of these tools are called {name}, so the name does not identify one", hint=hint)
    if name not in tools_by_name:
        raise ArgumentError(f"there is no tool {name[:64]!r}", hint=suggestion(name, tools_by_name))
    return tools_by_name[name]


def parse_arguments(arguments: Mapping[str, Any] | str | None) -> Mapping[str, Any]:
    """Return the arguments as a mapping; some models pass JSON text, which may be cut off or not be an object."""
    try:
        parsed = parse_json(arguments or "{}") if arguments is None or isinstance(arguments, str) else arguments
    except (ValueError, RecursionError) as error:
        raise ArgumentError("the arguments are not JSON", hint=str(error)) from None
    if not isinstance(parsed, Mapping):
        raise ArgumentError("the arguments are not a JSON object")
    return parsed
