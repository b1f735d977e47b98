"""Hints on how to continue after a question that ended early, when changes were already sent."""

from __future__ import annotations

from nlapi.agent.log import Log
from nlapi.agent.repetition import is_uncertain
from nlapi.cli import show
from nlapi.errors import NlapiError
from nlapi.openapi.spec import Effect
from nlapi.tools.plan import Conversation, Step


def hint_to_resume(conversation: Conversation, log: Log | None) -> str:
    """Return a hint to resume; "" when no change of the last question was, or may have been, carried out."""
    # Asking the same question again would repeat these changes (docs/design/025-once.md); resuming compares with them.
    changes = [step for step in _steps(conversation) if step.call.tool.effect is not Effect.READ]
    unknown = sum(map(is_uncertain, changes))
    completed = sum(step.result is not None and step.result.ok and not is_uncertain(step) for step in changes)
    if not completed + unknown:
        return ""
    outcomes = [f"{show.count_noun(completed, 'change')} carried out"] if completed else []
    outcomes += [f"{show.count_noun(unknown, 'change')} of unknown outcome"] if unknown else []
    if log is None:
        return f"{' and '.join(outcomes)}: look before you ask for it again, as --no-log keeps no transcript"
    return f'{" and ".join(outcomes)}: `nlapi log resume {log.path.stem} "go on"` goes on, and repeats nothing unasked'


def hint_for_uncertain(conversation: Conversation, log: Log | None) -> str:
    """Return a hint to resume after a complete answer; "" unless the outcome of one of its changes is unknown."""
    return hint_to_resume(conversation, log) if any(map(is_uncertain, _steps(conversation))) else ""


def add_hint(error: NlapiError, conversation: Conversation, log: Log | None) -> None:
    """Add a hint to resume to the error that ended a question."""
    error.hint = "; ".join(filter(None, (error.hint, hint_to_resume(conversation, log))))


def _steps(conversation: Conversation) -> tuple[Step, ...]:
    return conversation.current.steps if conversation.turns else ()
