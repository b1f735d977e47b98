"""Defines the interfaces of the agent loop: its events, the user's consent to calls, and the Planner protocol."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from nlapi.client.message import Framing, Request, Result
from nlapi.client.safe_text import json_line, single_line
from nlapi.english.words import name_key
from nlapi.openapi.spec import Effect, Operation
from nlapi.resources.answers import extract_item
from nlapi.resources.identity import field_at, fields_of, name_path
from nlapi.resources.nouns import singular_noun
from nlapi.tools.plan import Conversation, Outcome, Plan, Step, WorkflowProposal
from nlapi.tools.sending.state_reads import updates_item
from nlapi.tools.tool import Call, Missing

if TYPE_CHECKING:
    from nlapi.routing.model import Context, Decision
    from nlapi.tools.answers.view import AnswerView

# Beginning of the message of a Step whose call was not tried because something before it failed. It stands in
# transcripts, and `change_outcome` and the log recognise such steps by it.
NOT_RUN = "not run"
# Beginning of the message of a change that was accepted and whose work is in progress.
UNFINISHED = "not done yet: "


class FieldState(StrEnum):
    """The relation of a field's state before an update to the value that the update sets."""

    CHANGES = "changes"
    SAME = "same"
    """it has the value already"""
    UNKNOWN = "unknown"
    """the API does not return it"""
    SHOWN = "shown"
    """it tells which item is deleted or acted on, and is not set"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """A field of the item of a change, dotted where it is nested.

    `before` is None where it is unknown, `after` where the change does not set it.
    """

    field: str
    state: FieldState
    after: Any
    before: Any = None


def change_lines(fields: tuple[FieldChange, ...]) -> Iterator[str]:
    """Yield a line for each field of the item of a change, with its value before and after, or that it stays."""
    for change in fields:
        name, new_value = single_line(change.field), json_line(change.after)
        if change.state is FieldState.SAME:
            yield f"{name} is already {new_value}"
        elif change.state is FieldState.SHOWN:
            yield f"{name} is {json_line(change.before)}"
        elif change.state is FieldState.CHANGES:
            yield f"{name}: {json_line(change.before)} -> {new_value}"
        else:
            yield f"{name}: not shown by the API -> {new_value}"
    if fields and all(change.state is FieldState.SAME for change in fields):
        yield "nothing would change"


def field_changes(call: Call, current: Result, reader: Operation) -> tuple[FieldChange, ...]:
    """Return the fields in the body of an update with their values before and after, in the body's order.

    Of a deletion and of an action the name and the state of the item. `current` is the answer of `reader`. () where it
    has none of them, or the body is not an object.
    """
    if not current.ok or not isinstance(current.data, Mapping):
        return ()
    item = extract_item(current.data, reader)
    if not updates_item(call.tool.operation):
        return tuple(_identity_fields(item, singular_noun(reader))) if item is not None else ()
    body: Mapping[str, object] = call.body_fields
    if not body:
        return ()
    before: Mapping[str, Any] = item if isinstance(item, Mapping) else current.data
    # {"card": {...}}: some APIs wrap the resource in the request and not in the answer.
    if len(body) == 1:
        (inner,) = body.values()
        if isinstance(inner, Mapping) and not set(body) & set(before):
            body = inner
    # An answer without any of the fields is of another form, and "unknown" for each would only be noise.
    fields = tuple(_compare_fields(body, before, ""))
    return fields if any(field.state is not FieldState.UNKNOWN for field in fields) else ()


# Other fields by which an item is known, such as `key` and `code`, may be what nobody should read.
_NAME_ENDS = ("name", "names", "title", "label", "subject")
_STATE_NAMES = ("status", "state", "phase")


def _identity_fields(item: Mapping[str, Any], noun: Sequence[str]) -> Iterator[FieldChange]:
    fields = fields_of(item)
    path = name_path(item, noun).removesuffix(".0")
    names = [path] if name_key(path.rpartition(".")[2]).endswith(_NAME_ENDS) else []
    states = [path for path in fields if name_key(path.rpartition(".")[2]) in _STATE_NAMES]
    for path in (*names, *sorted(states, key=lambda path: path.count("."))[:1]):
        before = field_at(item, path)
        before = before[0] if isinstance(before, list) and before else before
        if isinstance(before, str | int | float):
            yield FieldChange(field=path, state=FieldState.SHOWN, after=None, before=before)


def _compare_fields(body: Mapping[str, object], before: Mapping[str, Any], prefix: str) -> Iterator[FieldChange]:
    for name, after in body.items():
        field = f"{prefix}{name}"
        if name not in before:
            yield FieldChange(field=field, state=FieldState.UNKNOWN, after=after)
        elif isinstance(after, Mapping) and isinstance(before[name], Mapping) and after:
            yield from _compare_fields(after, before[name], f"{field}.")
        else:
            state = FieldState.SAME if _is_json_equal(after, before[name]) else FieldState.CHANGES
            yield FieldChange(field=field, state=state, after=after, before=before[name])


def _is_json_equal(first: object, second: object) -> bool:
    """Return whether two JSON values are equal; unlike in Python, 1 and true differ."""
    if isinstance(first, bool) is not isinstance(second, bool):
        return False
    return bool(first == second)


class ChangeOutcome(StrEnum):
    """The outcome of one of several changes. The values are keys of the event `reported` in ndjson."""

    SUCCEEDED = "done"
    FAILED = "failed"
    """refused by the API, or without a complete answer; its message says whether it may have been carried out"""
    REFUSED = "refused"
    """by the user, or by the policy"""
    UNTRIED = "not tried"


def change_outcome(step: Step) -> ChangeOutcome:
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
    """The planner `planner` continues from here, on `model` where it is one of models; `why` is the reason in words.

    `decision` is routing's, for the objective `nlapi.plan` in this `context`, where routing chose.
    """

    planner: str
    why: str
    model: str = ""
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
class WorkflowProposed:
    """A workflow is judged, and nothing of it is sent yet; `asks` is True where consent to it will be requested."""

    proposal: WorkflowProposal
    asks: bool
    reason: str = ""

    @property
    def effect(self) -> Effect:
        """The gravest effect of its calls."""
        return self.proposal.call.effect


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
class WorkEnded:
    """Work that the API did after it had answered a change is over, or is not waited for any longer.

    `step` is that of the change, with the newest answer about the work, in place of the one that had finished.
    """

    step: Step


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangesReported:
    """A plan with several changes has ended; `steps` are those of the changes, in order."""

    steps: tuple[Step, ...]

    def with_outcome(self, outcome: ChangeOutcome) -> tuple[Step, ...]:
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

    They are single calls, the likeliest first. `conversation.with_choice(operation)` can be continued.
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
Event = (
    TextReceived
    | PlannerChosen
    | PlanCreated
    | WorkflowProposed
    | CallProposed
    | ItemsReceived
    | StepFinished
    | WorkEnded
    | ChangesReported
    | InputNeeded
    | ChoiceOffered
    | TurnAnswered
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentReply:
    """The decision whether the calls that were shown are sent; they are sent together or not at all.

    `reason` is the reason for a no, which goes to the planner, or says that a yes was given before. `arguments` are the
    edited ones, for each call in order: the calls are then checked and shown again, and nothing is sent yet. With
    `is_late` the items are read again before a yes is acted on: where they are no longer what was shown, they are shown
    anew and nothing is sent.
    """

    is_agreed: bool
    reason: str = ""
    arguments: tuple[Mapping[str, Any], ...] | None = None
    is_late: bool = False


# Called with the calls of one plan that are shown: one question for all of them. Asked one by one, the user would see
# the second change when the first is made (docs/design/024-consent-to-a-plan.md).
Consent = Callable[[tuple[CallProposed, ...]], Awaitable[ConsentReply]]

# Called with a workflow that is shown; a yes covers all of its calls (docs/design/064-workflows-as-tools.md).
WorkflowConsent = Callable[[WorkflowProposed], Awaitable[ConsentReply]]


# A protocol and no base class, so that a scripted planner in a test is any object with `name` and `next`.
class Planner(Protocol):
    """A planner, which turns a conversation into the next Plan.

    `next` yields pieces of text as they come (none without streaming), then exactly one Plan, last. A planner that
    delegates to others yields a PlannerChosen before. It raises PlannerError when it cannot plan at all, and sends
    nothing to the API.
    """

    name: str

    def next(self, conversation: Conversation) -> AsyncIterator[str | PlannerChosen | Plan]: ...
