"""`nlapi undo`: the inverse of the last change of a conversation, shown and asked about like every change."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nlapi.cli.log import find_transcript, resumed_setup, tool_finder
from nlapi.cli.options import Setup, argument, conversation_options
from nlapi.errors import UsageError
from nlapi.openapi.spec import Effect, Spec

if TYPE_CHECKING:
    from nlapi.tools.plan import Conversation, Step
    from nlapi.tools.sending.run import Target

EPILOG = """nlapi undo
nlapi undo --dry-run
nlapi undo 20261201T07 --yes"""


@conversation_options("sources", "planner", "model", "routing", "no_log", "plan", "plan_to", "known_values", "events")
def undo(
    setup: Setup,
    id: Annotated[str, argument("ID", "The beginning of an id that `nlapi log list` shows, or `last`.")] = "last",
) -> None:
    """Undo the last change of a conversation, if the API can reverse it.

    What was created is deleted, the fields of an update are set back, an action is followed by its opposite. It is
    shown and asked about like every change. If the API has no way back, it says so.
    """
    from nlapi.agent.records.log import Log
    from nlapi.agent.records.transcripts import read_transcript, resume
    from nlapi.agent.records.undo import UndoPlanner, changes_seen, inverse_of
    from nlapi.cli.ask.session import open_session

    path = find_transcript(id)
    with Log.open(path) as log:
        records = read_transcript(path).records
        session = open_session(resumed_setup(setup, records))
        earlier = resume(records, tool_finder(records, tuple(session.targets)))
        step = _last_change(earlier)
        call = inverse_of(step, _changes_of(records, step) or changes_seen(step, earlier.steps))
        _check_place(step, session.targets)
        log.hide(session.policy.secrets)
        session.log, session.face = log, "undo"
        session.planner = UndoPlanner(call=call)
        # The call is the inverse of one that was agreed to, and no reading of a sentence.
        session.policy = replace(session.policy, spelled_out=True)
        question = f"undo {step.call.operation_id}"
        _, code = asyncio.run(session.answer(earlier.with_question(question)))
    if code:
        raise typer.Exit(code)


def _check_place(step: Step, targets: Mapping[Spec, Target]) -> None:
    """Raise UsageError where the API runs at another address than the change was sent to: its ids mean others there."""
    from nlapi.tools.sending.run import build_partial

    sent = step.request.url if step.request is not None else step.result.url if step.result is not None else ""
    now = build_partial(step.call, targets[step.call.tool.operation.spec]).url
    (before, *_), (after, *_) = sent.split("?"), now.split("?")
    if before != after:
        message = f"{step.call.operation_id} was sent to {before}, and would go to {after} now; nothing was sent"
        raise UsageError(message, hint="give the address of then with --base-url")


def _last_change(conversation: Conversation) -> Step:
    """Return the last change of a conversation that was made, or may have been. UsageError without one."""
    from nlapi.agent.events import ChangeOutcome, change_outcome
    from nlapi.tools.plan import Outcome

    changes = [step for step in conversation.steps if step.effect is not Effect.READ]
    candidates = [
        step
        for step in changes
        if step.is_uncertain or (step.outcome is Outcome.ANSWERED and change_outcome(step) is ChangeOutcome.SUCCEEDED)
    ]
    if not candidates:
        raise UsageError("this conversation has changed nothing", hint="`nlapi log list` lists the others")
    return candidates[-1]


def _changes_of(records: Iterable[Mapping[str, Any]], step: Step) -> list[Mapping[str, Any]]:
    """Return the fields before and after of the proposal of a change, as the transcript has them."""
    from nlapi.client.message import digest

    expected = ("proposed", step.digest or (digest(step.request) if step.request is not None else ""))
    proposed = [record for record in records if (record.get("event"), record.get("digest")) == expected]
    return list(proposed[-1].get("changes", ())) if proposed else []
