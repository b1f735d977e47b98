"""The Planner protocol: the interface between the loop and anything that plans."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from nlapi.agent.events import PlannerChosen
from nlapi.tools.plan import Conversation, Plan


# A protocol and no base class, so that a scripted planner in a test is any object with `name` and `next`.
class Planner(Protocol):
    """A planner, which turns a conversation into the next Plan.

    `next` yields pieces of text as they come (none without streaming), then exactly one Plan, last. A planner that
    delegates to others yields a PlannerChosen before. It raises PlannerError when it cannot plan at all, and sends
    nothing to the API.
    """

    name: str

    def next(self, conversation: Conversation) -> AsyncIterator[str | PlannerChosen | Plan]: ...
