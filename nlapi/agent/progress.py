"""Ends a turn whose rounds bring nothing new, with the answers that it has."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from nlapi.client.message import digest
from nlapi.client.safe_text import single_line
from nlapi.openapi.spec import Effect
from nlapi.tools.plan import Conversation, Plan, Step, StoredState
from nlapi.tools.repetition.read_log import ReadLog

# Rounds in a row that bring nothing new.
MAX_IDLE_ROUNDS = 4

# The last answers that the end of a turn lists, and the characters of each.
MAX_ANSWERS = 5
MAX_ANSWER = 300


@dataclass(slots=True, kw_only=True)
class TurnProgress:
    """The answers to the rounds of a turn, which has at most `max_rounds`."""

    reads: ReadLog
    max_rounds: int
    rounds: int = 0
    idle_rounds: int = 0
    _answers: set[str] = field(default_factory=set)

    def count(self, plan: Plan, steps: Sequence[Step]) -> None:
        # A workflow has its own limit, and must not stop in the middle of its changes.
        if isinstance(plan.raw, StoredState):
            return
        self.rounds += 1
        answers = {_answer_key(step) for step in steps if step.result is not None}
        is_idle = answers <= self._answers and not any(step.sent for step in steps)
        self.idle_rounds = self.idle_rounds + 1 if is_idle else 0
        self._answers |= answers

    def end(self, conversation: Conversation) -> Plan | None:
        """Return the plan that ends the turn with its answers; None for a turn that continues."""
        if not (reason := self._reason()):
            return None
        lines = [f"Stopped: {reason}.", *_answer_lines(conversation)]
        return Plan(text="\n".join(lines), ended="circles")

    def _reason(self) -> str:
        if self.reads.refusal:
            return self.reads.refusal
        if self.idle_rounds >= MAX_IDLE_ROUNDS:
            return f"the last {self.idle_rounds} rounds of calls brought nothing new"
        if self.rounds >= self.max_rounds:
            return f"{self.max_rounds} rounds of calls were made without an answer"
        return ""


def _answer_key(step: Step) -> str:
    """Return the same text for equal answers to one request."""
    assert step.result is not None
    request = digest(step.request) if step.request is not None else step.call.id
    return f"{request} {step.result.status} {hashlib.sha256(step.result.content).hexdigest()}"


def _answer_lines(conversation: Conversation) -> Iterator[str]:
    """Yield a line for each of the last different answers to reads of the turn."""
    # The words for an answer are the embedded planner's, which takes long to load.
    from nlapi.planner.answering.answers import answer_question

    reads = [step for step in conversation.current.steps if step.effect is Effect.READ and step.result is not None]
    answers = {_answer_key(step): step for step in reads if step.result is not None and step.result.ok}
    for step in tuple(answers.values())[-MAX_ANSWERS:]:
        text = single_line(answer_question(conversation.question, [step]).text)
        yield f"- {single_line(step.call.operation_id)}: {text[:MAX_ANSWER]}"
