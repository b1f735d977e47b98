"""The Planner protocol: what the loop asks of anything that plans."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from nlapi.agent.events import PlannerChosen
from nlapi.tools.plan import Conversation, Plan


class Planner(Protocol):
    """Turns a conversation into the next Plan.

    `next` yields pieces of text as they come (a planner without streaming yields none), then exactly one Plan, last.
    One that chooses among others says so with a PlannerChosen before.
    It raises PlannerError when it cannot plan at all. It sends nothing to the API that is being talked to.
    """

    name: str

    def next(self, conversation: Conversation) -> AsyncIterator[str | PlannerChosen | Plan]: ...
