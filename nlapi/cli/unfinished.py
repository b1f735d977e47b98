"""How to go on after a question that ended before its answer, when changes were sent for it."""

from __future__ import annotations

from nlapi.agent.log import Log
from nlapi.agent.repetition import is_uncertain
from nlapi.errors import NlapiError
from nlapi.openapi.spec import Effect
from nlapi.tools.plan import Conversation, Step


def hint_to_resume(conversation: Conversation, log: Log | None) -> str:
    """Return what to do next; "" where no change of the last question was, or may have been, carried out."""
    changes = [step for step in _steps(conversation) if step.call.tool.effect is not Effect.READ]
    unknown = sum(map(is_uncertain, changes))
    done = sum(step.result is not None and step.result.ok and not is_uncertain(step) for step in changes)
    if not done + unknown:
        return ""
    happened = [f"{_counted(done)} carried out"] if done else []
    happened += [f"{_counted(unknown)} of unknown outcome"] if unknown else []
    if log is None:
        return f"{' and '.join(happened)}: look before you ask for it again, as --no-log keeps no transcript"
    return f'{" and ".join(happened)}: `nlapi log resume {log.path.stem} "go on"` goes on, and repeats nothing unasked'


def hint_after_unknown(conversation: Conversation, log: Log | None) -> str:
    """Return the same for a question that was answered; "" unless the outcome of a change of it is unknown."""
    return hint_to_resume(conversation, log) if any(map(is_uncertain, _steps(conversation))) else ""


def add_hint(error: NlapiError, conversation: Conversation, log: Log | None) -> None:
    """Add to an error that ended a question how to go on with it."""
    error.hint = "; ".join(filter(None, (error.hint, hint_to_resume(conversation, log))))


def _steps(conversation: Conversation) -> tuple[Step, ...]:
    return conversation.current.steps if conversation.turns else ()


def _counted(count: int) -> str:
    return "1 change" if count == 1 else f"{count} changes"
