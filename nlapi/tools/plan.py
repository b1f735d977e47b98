"""The input and output of a planner, a Conversation and a Plan, and the receivers of their requests."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import chain
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from nlapi.client.message import Request, Result
from nlapi.client.safe_text import single_line
from nlapi.client.server import site_of
from nlapi.client.wire_operation import effect_on_wire
from nlapi.errors import ArgumentError, UsageError
from nlapi.openapi.spec import Effect, Operation, Spec, gravest
from nlapi.openapi.urls import parse_url
from nlapi.tools.quantities.units import to_wire_units
from nlapi.tools.repetition.ledger import OUTCOME_UNKNOWN, Change, SentOutcome, outcome_of
from nlapi.tools.tool import Call, Missing

if TYPE_CHECKING:
    from nlapi.tools.answers.view import AnswerView


@dataclass(frozen=True, slots=True)
class Receiver:
    """The description of an API with one of the origins that it sends to; "" where it names none."""

    spec: Spec
    site: str

    @property
    def title(self) -> str:
        """Return the title of the description as one line of a text for a person."""
        return single_line(self.spec.title)


def receiver_of(operation: Operation, request: Request | None = None, base_url: str | None = None) -> Receiver:
    """Return the receiver of a call: of its request where it is built, else by the operation's server."""
    if request is not None:
        with suppress(UsageError):
            return Receiver(operation.spec, parse_url(request.url).site)
    return Receiver(operation.spec, site_of(operation, base_url))


def is_of_same_receiver(operation: Operation, other: Operation) -> bool:
    """Return whether two operations go to one origin of one description, by their servers."""
    return operation.spec is other.spec and receiver_of(operation) == receiver_of(other)


@dataclass(frozen=True, slots=True)
class Receivers:
    """The receivers of the calls beside one whose request is built.

    `moved` is the one that all calls of its description go to, where the user has named their place; else None.
    """

    moved: Receiver | None = None

    @classmethod
    def beside(cls, operation: Operation, request: Request) -> Receivers:
        """Return the receivers of calls beside that of an operation with this request."""
        receiver = receiver_of(operation, request)
        return cls(receiver if receiver != receiver_of(operation) else None)

    def of_step(self, step: Step) -> Receiver:
        return self.of(step.call.tool.operation, step.request)

    def of(self, operation: Operation, request: Request | None = None) -> Receiver:
        """Return the receiver of a call."""
        if request is None and self.moved is not None and self.moved.spec is operation.spec:
            return self.moved
        return receiver_of(operation, request)


JsonObject: TypeAlias = dict[str, Any]


class PlanState(Protocol):
    """The state that a planner needs in its next round: an immutable value.

    The transcript stores `to_json`, whose `planner` names the planner; a resumed conversation has it decoded again.
    """

    def to_json(self) -> JsonObject: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredState:
    """The state of a planner above the agent as JSON, whatever is in it.

    `origin` is the state of the plan by which another planner handed over to it.
    """

    planner: str
    data: Mapping[str, Any] = field(default_factory=dict)
    origin: PlanState | None = None

    def to_json(self) -> JsonObject:
        origin = {} if self.origin is None else {"origin": self.origin.to_json()}
        return {"planner": self.planner, **self.data, **origin}


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowProposal:
    """A workflow whose calls follow in several rounds, and which is agreed to as a whole before the first of them.

    `call` is the workflow as one call with its inputs: the effect of its tool is the gravest of its steps. `lines` show
    its tree to a person, `call_ids` are the ids of its calls, `changes` the operations of those that change something,
    with their effects, and `receivers` are the APIs that they go to. `fault` says why it cannot run at all. `reason`
    speaks against running it unasked. `record` is what a transcript stores of it, so that it can be resumed; the
    `secrets` among its inputs are in no transcript.
    """

    call: Call
    lines: tuple[str, ...] = ()
    call_ids: frozenset[str] = frozenset()
    changes: tuple[tuple[Operation, Effect], ...] = ()
    receivers: frozenset[Receiver] = frozenset()
    fault: str = ""
    reason: str = ""
    record: Mapping[str, Any] = field(default_factory=dict)
    secrets: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowingCall:
    """A call that comes after the answers to the next ones. `call` has the arguments that are known by now.

    `pending` has for each other argument where its value will come from, in words; `uses_reads` says that one comes
    from the answer to a READ, and not from an item that the plan itself has made.
    """

    call: Call
    pending: tuple[tuple[str, str], ...] = ()
    uses_reads: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The next step that a planner wants.

    With `calls`: the loop runs them and asks the planner again. Without, and nothing `missing`: `text` is the answer,
    and the turn is over. `missing` lists the values that the user has to give first. `ended` is the reason why the
    planner's answer is incomplete (refused, or cut at a limit), else ""; nothing of such an answer is run. `confidence`
    is from 0 to 1; `alternatives` are other single calls that were considered, the likeliest first. `raw` is the
    planner's own state for the next round; None where it needs none, as at the end of a turn. A plan with a `proposal`
    is the first of a workflow: nothing of it is sent before the user has agreed to all of it. `failure` says why the
    aim of a turn was not reached although its calls were answered.
    """

    calls: tuple[Call, ...] = ()
    text: str = ""
    following: tuple[FollowingCall, ...] = ()
    """the calls of a whole plan that come after `calls`: consent to its changes is to these too"""
    goal: Call | None = None
    """the call that `calls` prepare, as far as it is known, where they are not the last"""
    confidence: float = 1.0
    missing: tuple[Missing, ...] = ()
    alternatives: tuple[Call, ...] = ()
    understood: str = ""
    ended: str = ""
    raw: PlanState | None = None
    views: tuple[AnswerView, ...] = ()
    """the views of the answers that `text` is about, in order; empty for a planner that only writes text"""
    proposal: WorkflowProposal | None = None
    failure: str = ""
    independent: bool = False
    """whether no call depends on another: one that fails ends none of those after it"""

    @property
    def effect(self) -> Effect:
        """The gravest effect of the calls and of the one that they prepare; READ for a plan without calls."""
        calls = (*self.calls, *(entry.call for entry in self.following))
        calls = (*calls, self.goal) if self.goal is not None else calls
        return gravest(call.effect for call in calls)


class Outcome(StrEnum):
    """The outcome of a Call. The values stand in transcripts and ndjson events."""

    ANSWERED = "done"
    """an answer came; its status may still be an error"""
    REFUSED = "refused"
    """the user said no"""
    FAILED = "failed"
    """it could not be built or sent, or got no complete answer"""
    PREVIEWED = "shown"
    """a dry run: built and shown, not sent"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A Call and its outcome.

    `message` explains any outcome but ANSWERED. `request` is the request that was, or would be, sent; in a step read
    from a transcript it may have been cut, and `digest` is that of the whole.
    """

    call: Call
    outcome: Outcome
    result: Result | None = None
    message: str = ""
    request: Request | None = None
    digest: str = ""

    @property
    def change(self) -> Change:
        """The change that it made, as it is compared with others."""
        return Change(
            operation=self.call.tool.operation,
            request=self.request,
            arguments=_wire_arguments(self.call),
            stored_digest=self.digest,
            part=self.call.part,
        )

    @property
    def effect(self) -> Effect:
        """The effect of the call, or a graver one that its request has: `POST /{kind}` may be `POST /orders`."""
        operation, request = self.call.tool.operation, self.request
        return gravest((self.call.effect, effect_on_wire(operation, request) if request is not None else Effect.READ))

    @property
    def sent(self) -> SentOutcome | None:
        """What came of a change that was sent, or may have been; None for a READ and for what was not sent."""
        if self.effect is Effect.READ:
            return None
        if self.result is not None:
            return outcome_of(self.result)
        is_open = self.outcome is Outcome.FAILED and self.message.startswith(OUTCOME_UNKNOWN)
        return SentOutcome.UNKNOWN if is_open else None

    @property
    def has_succeeded(self) -> bool:
        """Whether an answer of success came."""
        return self.outcome is Outcome.ANSWERED and self.result is not None and self.result.ok

    @property
    def is_uncertain(self) -> bool:
        """Whether it is a change of unknown outcome: lost, cut, timed out, or a fault of the API."""
        return self.sent is SentOutcome.UNKNOWN


def _wire_arguments(call: Call) -> Mapping[str, Any]:
    """Return the arguments of a call in wire units; as they are where they were never sent in this form."""
    try:
        return to_wire_units(call.tool, call.arguments)
    except ArgumentError:
        return call.arguments


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """A Plan and the step of each of its calls, in order."""

    plan: Plan
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One question of the user and the rounds that answer it; `chosen` is the operation picked from a menu."""

    question: str
    rounds: tuple[Round, ...] = ()
    chosen: Operation | None = None

    @property
    def steps(self) -> tuple[Step, ...]:
        return tuple(chain.from_iterable(round.steps for round in self.rounds))


@dataclass(frozen=True, slots=True, eq=False)
class KnownValues(Mapping[str, Any]):
    """Values by argument name: those that the user fixed beforehand, and his replies to questions.

    No word of a sentence overrides a `fixed` value (`--set`, a profile). A `remembered` value yields to a sentence that
    plainly has another.
    """

    fixed: Mapping[str, Any]
    remembered: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:
        # `--set` and profiles are the user's explicit choice for the run, a reply is older than the question at hand.
        return self.fixed[name] if name in self.fixed else self.remembered[name]

    def __iter__(self) -> Iterator[str]:
        return iter({**self.remembered, **self.fixed})

    def __len__(self) -> int:
        return len({**self.remembered, **self.fixed})


def is_remembered(known_values: Mapping[str, Any], name: str) -> bool:
    """Return whether a known value is an earlier reply of the user and not fixed."""
    return isinstance(known_values, KnownValues) and name not in known_values.fixed


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """All turns so far, the current one last.

    `known_values` are values that the user gave by name (`--set account_id=...`). `id` identifies the conversation,
    also after it is resumed from its transcript.
    """

    turns: tuple[Turn, ...]
    known_values: Mapping[str, Any] = field(default_factory=dict)
    # Idempotency keys are derived from the id, so a resumed conversation has to have the same one.
    id: str = field(default_factory=lambda: uuid.uuid4().hex, compare=False)

    @property
    def current(self) -> Turn:
        return self.turns[-1]

    @property
    def question(self) -> str:
        return self.current.question

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps of all turns, in order."""
        return tuple(chain.from_iterable(turn.steps for turn in self.turns))

    def with_question(self, question: str) -> Conversation:
        """Return this conversation with a new turn for a question."""
        return replace(self, turns=(*self.turns, Turn(question=question)))

    def with_round(self, round: Round) -> Conversation:
        """Return this conversation with one more round in its current turn."""
        current = replace(self.current, rounds=(*self.current.rounds, round))
        return replace(self, turns=(*self.turns[:-1], current))

    def with_last_step(self, step: Step) -> Conversation:
        """Return this conversation with another step in place of the last one, of whatever turn."""
        turns = list(self.turns)
        index = max(number for number, turn in enumerate(turns) if turn.steps)
        rounds = list(turns[index].rounds)
        last = max(number for number, round in enumerate(rounds) if round.steps)
        rounds[last] = replace(rounds[last], steps=(*rounds[last].steps[:-1], step))
        turns[index] = replace(turns[index], rounds=tuple(rounds))
        return replace(self, turns=tuple(turns))

    def without_views(self) -> Conversation:
        """Return this conversation without the views of its current turn: the rows of answers that were shown."""
        rounds = tuple(replace(round, plan=replace(round.plan, views=())) for round in self.current.rounds)
        return replace(self, turns=(*self.turns[:-1], replace(self.current, rounds=rounds)))

    def with_choice(self, operation: Operation) -> Conversation:
        """Return this conversation with the operation that the user picked for the current question."""
        return replace(self, turns=(*self.turns[:-1], replace(self.current, chosen=operation)))

    def with_replies(self, values: Mapping[str, Any]) -> Conversation:
        """Return this conversation with the user's replies, which override earlier ones."""
        # `known_values` may be a plain mapping from a caller of `nlapi.plan`; all of that counts as fixed.
        fixed = self.known_values.fixed if isinstance(self.known_values, KnownValues) else self.known_values
        remembered = self.known_values.remembered if isinstance(self.known_values, KnownValues) else {}
        return replace(self, known_values=KnownValues(fixed=fixed, remembered={**remembered, **values}))


def ask(question: str, known_values: Mapping[str, Any] | None = None) -> Conversation:
    """Return a new conversation with one question."""
    return Conversation(turns=(Turn(question=question),), known_values=dict(known_values or {}))
