"""The first plan for a question of a conversation: of the question alone, or as it follows the turns before it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Protocol

from nlapi.openapi.spec import Operation
from nlapi.planner.operations.catalogue import Catalogue
from nlapi.tools.plan import Conversation, Plan


class PlanFunction(Protocol):
    """`OfflinePlanner.plan`."""

    def __call__(
        self, question: str, *, known: Mapping[str, object] | None = None, chosen: Operation | None = None
    ) -> Plan: ...


def plan_question(conversation: Conversation, catalogue: Catalogue, plan: PlanFunction, today: date) -> Plan:
    """Return the first plan for the last question of a conversation, read with the turns before it."""
    turn = conversation.current
    if turn.chosen is not None or len(conversation.turns) < 2:
        return plan(turn.question, known=conversation.known_values, chosen=turn.chosen)
    from nlapi.planner.steps.followup import plan_follow_up

    return plan_follow_up(conversation, catalogue, plan, today)
