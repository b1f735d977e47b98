"""What the loop tells the world, one frozen value at a time."""

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

NOT_RUN = "not run"
"""How the message of a Step begins whose call was not tried, as something before it went wrong."""


class Fate(StrEnum):
    """What became of one change of several."""

    DONE = "done"
    FAILED = "failed"
    """refused by the API, or without a complete answer: its message says whether it may have been carried out"""
    REFUSED = "refused"
    """by the user, or by the policy"""
    NOT_TRIED = "not tried"


def fate_of(step: Step) -> Fate:
    """Return what became of a change."""
    if step.outcome is Outcome.REFUSED:
        return Fate.REFUSED
    if step.outcome is Outcome.FAILED:
        return Fate.NOT_TRIED if step.message.startswith(NOT_RUN) else Fate.FAILED
    done = step.result is not None and step.result.ok and not step.result.is_cut
    return Fate.DONE if done else Fate.FAILED


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A piece of the planner's text, as it comes."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannerChosen:
    """Of several planners, the one called `planner` goes on from here; `why` says so in words.

    `decision` is routing's, for the objective `nlapi.plan` in this `context`, where it was routing that chose.
    """

    planner: str
    why: str
    decision: Decision | None = None
    context: Context = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """The planner has made a plan; `planner` is its name."""

    plan: Plan
    planner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposed:
    """A call is built and judged, and nothing of it is sent yet.

    `curl` has its secrets left out; `asks` says consent will be sought, `reason` why, where it is not plain. `changes`
    are the fields of an update before and after, where that was read. The calls of a plan that are asked about together
    are proposed one after the other, and proposed once more where the user edits their arguments.
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
    """Items of an answer that streams have come. They come again, all together, in the Result of its step."""

    call: Call
    framing: Framing
    items: tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stepped:
    """A call is over, one way or the other."""

    step: Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """What became of the changes of a plan that has several, in their order."""

    steps: tuple[Step, ...]

    def of(self, fate: Fate) -> tuple[Step, ...]:
        """The steps of the changes that ended so."""
        return tuple(step for step in self.steps if fate_of(step) is fate)


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """The turn stopped because the user has to give something first; `conversation` can be gone on with then."""

    missing: tuple[Missing, ...]
    plan: Plan
    conversation: Conversation


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """The turn stopped because the plan is hardly more than a guess: the user has to say which of `choices` is meant.

    They are single calls, the likeliest first. `conversation.choosing(operation)` can be gone on with.
    """

    choices: tuple[Call, ...]
    plan: Plan
    conversation: Conversation


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The turn is over. `text` is the planner's answer; `conversation` holds everything that happened.

    `views` are what the planner shows of the API's answers: the rows and columns that the text is about.
    """

    text: str
    conversation: Conversation
    views: tuple[AnswerView, ...] = ()


Event = Said | PlannerChosen | Planned | Proposed | ItemsReceived | Stepped | Reported | Needed | Offered | Answered
