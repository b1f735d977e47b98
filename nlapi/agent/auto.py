"""The planner `auto`: for each question, routing decides whether the embedded planner or a Claude model plans it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping

from nlapi.agent.events import PlannerChosen
from nlapi.agent.messages import own
from nlapi.agent.models import DEFAULT
from nlapi.agent.planner import Planner
from nlapi.agent.routes import CLAUDE, EMBEDDED, OBJECTIVE, Routes
from nlapi.routing.nouns import Decision, Scalar
from nlapi.tools.plan import Conversation, Plan, Turn

# Returns the planner on the Claude model of an id.
MakeClaude = Callable[[str], Planner]


class AutoPlanner:
    """A planner that delegates to `embedded` or to a planner made by `claude` (None without a key), as `routes` decide.

    The planner of the last plan of a turn continues it. Claude takes over a turn in which the embedded planner is
    stuck, with the steps so far in its messages. `operations` is the number of operations to choose from; `spent`
    returns the dollars that earlier questions of this day and month have cost.
    """

    name = "auto"

    def __init__(
        self,
        embedded: Planner,
        claude: MakeClaude | None,
        *,
        routes: Routes,
        operations: int = 0,
        spent: Callable[[], tuple[float, float]] = lambda: (0.0, 0.0),
    ) -> None:
        self._embedded = embedded
        self._make = claude
        self._made: dict[str, Planner] = {}
        self._routes = routes
        self._operations = operations
        self._spent = spent
        self._before: tuple[float, float] | None = None
        self._here = 0.0

    async def next(self, conversation: Conversation) -> AsyncIterator[str | PlannerChosen | Plan]:
        """Yield the output of the planner that routing chooses, after a PlannerChosen where it changes."""
        turn = conversation.current
        # Claude finishes its own turns: its plans refer to tool calls that the embedded planner cannot continue.
        if turn.rounds and (said := own(turn.rounds[-1].plan)) is not None and self._make is not None:
            if stop := self._capped(turn):
                yield stop
                return
            async for piece in self._planned(self._claude(str(said.get("model") or DEFAULT)), conversation):
                yield piece
            return
        # The embedded planner costs milliseconds and no money, so its confidence decides whether Claude is needed.
        plan = await _plan_of(self._embedded, conversation)
        context = self._context(turn, plan)
        decision = self._routes.table.decide(OBJECTIVE, context)
        if (version := decision.version.version) == EMBEDDED:
            if not turn.rounds:
                yield self._chosen(self._embedded.name, decision, plan, context)
            yield plan
            return
        claude = self._claude(CLAUDE[version])
        yield self._chosen(claude.name, decision, plan, context)
        async for piece in self._planned(claude, conversation):
            yield piece

    async def _planned(self, claude: Planner, conversation: Conversation) -> AsyncIterator[str | PlannerChosen | Plan]:
        async for piece in claude.next(conversation):
            if isinstance(piece, Plan):
                self._here += _cost(piece)
            yield piece

    def _claude(self, model: str) -> Planner:
        assert self._make is not None
        if model not in self._made:
            self._made[model] = self._make(model)
        return self._made[model]

    def _context(self, turn: Turn, plan: Plan | None) -> dict[str, Scalar]:
        # The transcripts are read once, and only where a rule of the user is about the spending of a day or month.
        if self._before is None:
            self._before = self._spent() if self._routes.looks_back else (0.0, 0.0)
        day, month = self._before
        context: dict[str, Scalar] = {
            "question": turn.question,
            "operations": self._operations,
            "length": len(turn.question),
            "steps": len(turn.steps),
            "chosen": turn.chosen is not None,
            "key": self._make is not None,
            "spent_question": sum(_cost(round.plan) for round in turn.rounds),
            "spent_day": day + self._here,
            "spent_month": month + self._here,
        }
        if plan is not None:
            context |= {"confidence": plan.confidence, "complete": not plan.missing}
        return context

    def _capped(self, turn: Turn) -> Plan | None:
        """Return the end of a turn of Claude's that has reached a spending cap; None under the caps."""
        context = self._context(turn, None)
        for cap, most in self._routes.most.items():
            spent = float(context[f"spent_{cap}"])
            if spent >= most:
                # The turn ends here because the embedded planner would plan the question from the beginning, and repeat
                # its calls.
                text = f"Stopped: this {cap} has cost ${spent:.4f}, and ${most:g} is the most that it may."
                return Plan(text=text, confidence=1.0, ended=cap)
        return None

    def _chosen(self, planner: str, decision: Decision, plan: Plan, context: Mapping[str, Scalar]) -> PlannerChosen:
        why = _why(decision, plan, self._routes.sure)
        if self._routes.own and decision.rule != "no-key":
            why = f"{why}; {decision.reason}"
        return PlannerChosen(planner=planner, why=why, decision=decision, context=context)


def _why(decision: Decision, plan: Plan, sure: float) -> str:
    """Return the reason for the choice of a planner, for the user."""
    doubt = _doubt(plan, sure)
    if decision.version.version != EMBEDDED:
        return f"the embedded planner {doubt}"
    if decision.rule == "no-key" and (plan.missing or plan.confidence < sure):
        return f"it {doubt}, and there is no ANTHROPIC_API_KEY to ask Claude with"
    return f"it {doubt}"


def _doubt(plan: Plan, sure: float) -> str:
    if plan.missing:
        return f"lacks {', '.join(one.argument for one in plan.missing)}"
    if plan.confidence >= sure:
        return f"is {plan.confidence:.0%} sure and nothing is missing"
    if not plan.calls and plan.text:
        return f"has no plan ({plan.text.partition('. ')[0].rstrip('.')})"
    return f"is only {plan.confidence:.0%} sure"


def _cost(plan: Plan) -> float:
    said = own(plan)
    return float((said or {}).get("cost") or 0.0)


async def _plan_of(planner: Planner, conversation: Conversation) -> Plan:
    return [piece async for piece in planner.next(conversation) if isinstance(piece, Plan)][-1]
