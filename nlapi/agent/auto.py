"""The planner `auto`: the embedded one where it is sure of its plan, else Claude, and it says which and why."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from nlapi.agent.events import PlannerChosen
from nlapi.agent.messages import own
from nlapi.agent.planner import Planner
from nlapi.tools.plan import Conversation, Plan, Turn


class AutoPlanner:
    """Plans with `embedded` and, where that is not `sure` of its plan, with what `claude` makes; None without a key.

    Whoever made the last plan of a turn goes on with it. Claude takes over a turn in which the embedded planner is
    stuck: what was done so far is told to it.
    """

    name = "auto"

    def __init__(self, embedded: Planner, claude: Callable[[], Planner] | None, *, sure: float) -> None:
        self._embedded = embedded
        self._make = claude
        self._claude: Planner | None = None
        self._sure = sure

    async def next(self, conversation: Conversation) -> AsyncIterator[str | PlannerChosen | Plan]:
        """What one of the two says next, after a PlannerChosen where that is not the one who went before."""
        turn = conversation.current
        if turn.rounds and own(turn.rounds[-1].plan) is not None and (claude := self._other()):
            async for piece in claude.next(conversation):
                yield piece
            return
        plan = await _plan_of(self._embedded, conversation)
        doubt = self._doubt(plan, turn)
        claude = self._other() if doubt else None
        if claude is None:
            if not turn.rounds:
                yield PlannerChosen(planner=self._embedded.name, why=_why(plan, doubt))
            yield plan
            return
        yield PlannerChosen(planner=claude.name, why=f"the embedded planner {doubt}")
        async for piece in claude.next(conversation):
            yield piece

    def _other(self) -> Planner | None:
        if self._claude is None and self._make is not None:
            self._claude = self._make()
        return self._claude

    def _doubt(self, plan: Plan, turn: Turn) -> str:
        """Why Claude had better plan; "" when the embedded planner will do. What the user chose from a menu stays."""
        if turn.chosen is not None:
            return ""
        if plan.missing:
            return f"lacks {', '.join(one.argument for one in plan.missing)}"
        if plan.confidence >= self._sure:
            return ""
        if not plan.calls and plan.text:
            return f"has no plan ({plan.text.partition('. ')[0].rstrip('.')})"
        return f"is only {plan.confidence:.0%} sure"


def _why(plan: Plan, doubt: str) -> str:
    if doubt:
        return f"it {doubt}, and there is no ANTHROPIC_API_KEY to ask Claude with"
    return f"it is {plan.confidence:.0%} sure and nothing is missing"


async def _plan_of(planner: Planner, conversation: Conversation) -> Plan:
    return [piece async for piece in planner.next(conversation) if isinstance(piece, Plan)][-1]
