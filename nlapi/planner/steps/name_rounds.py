"""The rounds in which the names of an API are read: the state of their plans, and a conversation without them.

Imports nothing else of the planner, so that a command that another planner has answered does not load it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from nlapi.tools.plan import Conversation, JsonObject, Round, Turn

if TYPE_CHECKING:
    from nlapi.planner.steps.state import ClauseState

# The name of the embedded planner in the JSON of transcripts.
PLANNER = "offline"


@dataclass(frozen=True, slots=True, kw_only=True)
class NamesState:
    """The state of a plan that reads the names which the API has, before the question is planned with them."""

    clause: ClauseState | None = None

    def to_json(self) -> JsonObject:
        return {"planner": PLANNER, "state": {"$": type(self).__name__}}


def is_name_round(round: Round) -> bool:
    """Return whether the plan of a round reads names."""
    return isinstance(round.plan.raw, NamesState)


def without_name_rounds(conversation: Conversation) -> Conversation:
    """Return the conversation as if no names had been read."""
    return replace(conversation, turns=tuple(map(_without_name_rounds, conversation.turns)))


def _without_name_rounds(turn: Turn) -> Turn:
    return replace(turn, rounds=tuple(round for round in turn.rounds if not is_name_round(round)))
