"""What a planner is given and what it gives back: Conversation in, Plan out."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from nlapi.client.message import Request, Result
from nlapi.openapi.spec import Operation
from nlapi.tools.tool import Call, Missing
from nlapi.tools.view import AnswerView


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a planner wants next.

    With `calls`: run them, then ask again. Without, and nothing `missing`: `text` is the answer and the turn is over.
    `missing` names what the user has to give first. `ended` says why the planner's answer is not whole, where it is
    not: it refused, or was cut at a limit; nothing of such an answer is run. `confidence` is from 0 to 1;
    `alternatives` are other single calls that were considered, the likeliest first. `raw` is the planner's own form of
    the plan, kept for the next round.
    """

    calls: tuple[Call, ...] = ()
    text: str = ""
    goal: Call | None = None
    """the call that `calls` lead to, as far as it is known, when they are not the last"""
    confidence: float = 1.0
    missing: tuple[Missing, ...] = ()
    alternatives: tuple[Call, ...] = ()
    understood: str = ""
    ended: str = ""
    raw: Any = None
    views: tuple[AnswerView, ...] = ()
    """what is shown of the answers that `text` is about, in order; a planner that only writes text has none"""


class Outcome(StrEnum):
    """What became of a Call."""

    DONE = "done"
    """an answer came; its status may still be an error"""
    REFUSED = "refused"
    """the user said no"""
    FAILED = "failed"
    """it could not be built or sent, or got no complete answer"""
    SHOWN = "shown"
    """a dry run: built and shown, not sent"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A Call and what became of it.

    `message` explains anything but DONE. `request` is what was, or would be, sent; of a step out of a transcript, as
    far as it was kept there, and `digest` is then that of the whole.
    """

    call: Call
    outcome: Outcome
    result: Result | None = None
    message: str = ""
    request: Request | None = None
    digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """A Plan and what became of each of its calls, in order."""

    plan: Plan
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One question of the user and the rounds that answer it. `chosen` is the operation that the user says is meant."""

    question: str
    rounds: tuple[Round, ...] = ()
    chosen: Operation | None = None

    @property
    def steps(self) -> tuple[Step, ...]:
        return tuple(step for round in self.rounds for step in round.steps)


@dataclass(frozen=True, slots=True, eq=False)
class KnownValues(Mapping[str, Any]):
    """Values by argument name: those that the user fixed beforehand, and what he answered when he was asked.

    What is `fixed` (`--set`, a profile) is beaten by no word of a sentence. What is `remembered` gives way to a
    sentence that plainly says otherwise.
    """

    fixed: Mapping[str, Any]
    remembered: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.fixed[name] if name in self.fixed else self.remembered[name]

    def __iter__(self) -> Iterator[str]:
        return iter({**self.remembered, **self.fixed})

    def __len__(self) -> int:
        return len({**self.remembered, **self.fixed})


def is_remembered(known: Mapping[str, Any], name: str) -> bool:
    """Whether a known value is but an earlier answer of the user."""
    return isinstance(known, KnownValues) and name not in known.fixed


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """All turns so far, the current one last. `known` are values the user gave by name (`--set account_id=...`).

    `id` names the conversation, also where it is taken up again from its transcript.
    """

    turns: tuple[Turn, ...]
    known: Mapping[str, Any] = field(default_factory=dict)
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
        return tuple(step for turn in self.turns for step in turn.steps)

    def asked(self, question: str) -> Conversation:
        """This conversation with a new turn."""
        return replace(self, turns=(*self.turns, Turn(question=question)))

    def with_round(self, round: Round) -> Conversation:
        """This conversation with one more round in its current turn."""
        current = replace(self.current, rounds=(*self.current.rounds, round))
        return replace(self, turns=(*self.turns[:-1], current))

    def choosing(self, operation: Operation) -> Conversation:
        """This conversation with the operation that the user says the current question means."""
        return replace(self, turns=(*self.turns[:-1], replace(self.current, chosen=operation)))

    def with_known(self, values: Mapping[str, Any]) -> Conversation:
        """This conversation with what the user answered when he was asked; over what he answered before."""
        fixed = self.known.fixed if isinstance(self.known, KnownValues) else self.known
        remembered = self.known.remembered if isinstance(self.known, KnownValues) else {}
        return replace(self, known=KnownValues(fixed=fixed, remembered={**remembered, **values}))


def ask(question: str, known: Mapping[str, Any] | None = None) -> Conversation:
    """A new conversation with one question."""
    return Conversation(turns=(Turn(question=question),), known=dict(known or {}))
