"""The events of the agent loop, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from nlapi.agent.preview import FieldChange
from nlapi.client.message import Framing, Request
from nlapi.openapi.spec import Effect
from nlapi.routing.nouns import Context, Decision
from nlapi.tools.plan import Conversation, Outcome, Plan, Step
from nlapi.tools.tool import Call, Missing
from nlapi.tools.view import AnswerView

# Beginning of the message of a Step whose call was not tried because something before it failed. It stands in
# transcripts, and `change_outcome` and the log recognise such steps by it.
NOT_RUN = "not run"


class ChangeOutcome(StrEnum):
    """The outcome of one of several changes. The values are keys of the event `reported` in ndjson."""

    SUCCEEDED = "done"
    FAILED = "failed"
    """refused by the API, or without a complete answer; its message says whether it may have been carried out"""
    REFUSED = "refused"
    """by the user, or by the policy"""
    UNTRIED = "not tried"


def change_outcome(step: Step) -> ChangeOutcome:
    """Return the outcome of a change."""
    if step.outcome is Outcome.REFUSED:
        return ChangeOutcome.REFUSED
    if step.outcome is Outcome.FAILED:
        return ChangeOutcome.UNTRIED if step.message.startswith(NOT_RUN) else ChangeOutcome.FAILED
    # An answer that was cut does not show that the change was carried out to its end.
    succeeded = step.result is not None and step.result.ok and not step.result.is_cut
    return ChangeOutcome.SUCCEEDED if succeeded else ChangeOutcome.FAILED


@dataclass(frozen=True, slots=True, kw_only=True)
class TextReceived:
    """A piece of the planner's text, while it streams."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannerChosen:
    """The planner `planner` continues from here; `why` is the reason in words.

    `decision` is routing's, for the objective `nlapi.plan` in this `context`, where routing chose.
    """

    planner: str
    why: str
    decision: Decision | None = None
    context: Context = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanCreated:
    """A plan is made; `planner` is the name of its planner."""

    plan: Plan
    planner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallProposed:
    """A call is built and judged, and nothing of it is sent yet.

    `curl` has no secrets; `asks` is True where consent will be requested, with `reason` where that is not plain.
    `changes` are the fields of an update before and after, where they could be read. The calls of a plan that need one
    consent are proposed one after the other, and again where the user edits their arguments.
    """

    call: Call
    request: Request
    effect: Effect
    curl: str
    asks: bool
    reason: str = ""
    changes: tuple[FieldChange, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemsReceived:
    """Items of a streaming answer have arrived; the Result of its step has all of them again."""

    call: Call
    framing: Framing
    items: tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFinished:
    """A call has ended, successfully or not."""

    step: Step


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangesReported:
    """A plan with several changes has ended; `steps` are those of the changes, in order."""

    steps: tuple[Step, ...]

    def with_outcome(self, outcome: ChangeOutcome) -> tuple[Step, ...]:
        """Return the steps of the changes with this outcome."""
        return tuple(step for step in self.steps if change_outcome(step) is outcome)


@dataclass(frozen=True, slots=True, kw_only=True)
class InputNeeded:
    """The turn has stopped until the user gives something; `conversation` can be continued then."""

    missing: tuple[Missing, ...]
    plan: Plan
    conversation: Conversation


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceOffered:
    """The turn has stopped because the plan is little more than a guess: the user has to pick one of `choices`.

    They are single calls, the likeliest first. `conversation.choosing(operation)` can be continued.
    """

    choices: tuple[Call, ...]
    plan: Plan
    conversation: Conversation


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnAnswered:
    """The turn is over. `text` is the planner's answer; `conversation` has everything that happened.

    `views` are the planner's views of the API's answers: the rows and columns that the text is about.
    """

    text: str
    conversation: Conversation
    views: tuple[AnswerView, ...] = ()


# The loop only yields these values; the command line and the transcript render them.
Event = TextReceived | PlannerChosen | PlanCreated | CallProposed | ItemsReceived | StepFinished | ChangesReported | InputNeeded | ChoiceOffered | TurnAnswered
