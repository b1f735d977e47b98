"""The planner `auto`: for each question, routing decides whether the embedded planner or a Claude model plans it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping

from nlapi.agent.events import PlannerChosen
from nlapi.agent.messages import claude_raw
from nlapi.agent.models import DEFAULT
from nlapi.agent.planner import Planner
from nlapi.agent.routes import CLAUDE_VERSIONS, EMBEDDED_VERSION, OBJECTIVE, PlannerRoutes
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
        routes: PlannerRoutes,
        operations: int = 0,
        spent: Callable[[], tuple[float, float]] = lambda: (0.0, 0.0),
    ) -> None:
        self._embedded = embedded
        self._make_claude = claude
        self._claude_planners: dict[str, Planner] = {}
        self._routes = routes
        self._operations = operations
        self._spent = spent
        self._earlier_cost: tuple[float, float] | None = None
        self._session_cost = 0.0

    async def next(self, conversation: Conversation) -> AsyncIterator[str | PlannerChosen | Plan]:
        """Yield the output of the planner that routing chooses, after a PlannerChosen where it changes."""
        turn = conversation.current
        # Claude finishes its own turns: its plans refer to tool calls that the embedded planner cannot continue.
        if turn.rounds and (raw := claude_raw(turn.rounds[-1].plan)) is not None and self._make_claude is not None:
            if capped_plan := self._cap_plan(turn):
                yield capped_plan
                return
            async for piece in self._stream_claude(self._claude(str(raw.get("model") or DEFAULT)), conversation):
                yield piece
            return
        # The embedded planner costs milliseconds and no money, so its confidence decides whether Claude is needed.
        plan = await _plan_of(self._embedded, conversation)
        context = self._context(turn, plan)
        decision = self._routes.table.decide(OBJECTIVE, context)
        if (version := decision.version.version) == EMBEDDED_VERSION:
            if not turn.rounds:
                yield self._choice_event(self._embedded.name, decision, plan, context)
            yield plan
            return
        claude = self._claude(CLAUDE_VERSIONS[version])
        yield self._choice_event(claude.name, decision, plan, context)
        async for piece in self._stream_claude(claude, conversation):
            yield piece

    async def _stream_claude(self, claude: Planner, conversation: Conversation) -> AsyncIterator[str | PlannerChosen | Plan]:
        async for piece in claude.next(conversation):
            if isinstance(piece, Plan):
                self._session_cost += _plan_cost(piece)
            yield piece

    def _claude(self, model: str) -> Planner:
        assert self._make_claude is not None
        if model not in self._claude_planners:
            self._claude_planners[model] = self._make_claude(model)
        return self._claude_planners[model]

    def _context(self, turn: Turn, plan: Plan | None) -> dict[str, Scalar]:
        # The transcripts are read once, and only where a rule of the user is about the spending of a day or month.
        if self._earlier_cost is None:
            self._earlier_cost = self._spent() if self._routes.needs_history else (0.0, 0.0)
        day, month = self._earlier_cost
        context: dict[str, Scalar] = {
            "question": turn.question,
            "operations": self._operations,
            "length": len(turn.question),
            "steps": len(turn.steps),
            "chosen": turn.chosen is not None,
            "key": self._make_claude is not None,
            "spent_question": sum(_plan_cost(round.plan) for round in turn.rounds),
            "spent_day": day + self._session_cost,
            "spent_month": month + self._session_cost,
        }
        if plan is not None:
            context |= {"confidence": plan.confidence, "complete": not plan.missing}
        return context

    def _cap_plan(self, turn: Turn) -> Plan | None:
        """Return the end of a turn of Claude's that has reached a spending cap; None under the caps."""
        context = self._context(turn, None)
        for cap, limit in self._routes.caps.items():
            spent = float(context[f"spent_{cap}"])
            if spent >= limit:
                # The turn ends here because the embedded planner would plan the question from the beginning, and repeat
                # its calls.
                text = f"Stopped: this {cap} has cost ${spent:.4f}, and ${limit:g} is the most that it may."
                return Plan(text=text, confidence=1.0, ended=cap)
        return None

    def _choice_event(self, planner: str, decision: Decision, plan: Plan, context: Mapping[str, Scalar]) -> PlannerChosen:
        reason = _choice_reason(decision, plan, self._routes.min_confidence)
        if self._routes.is_custom and decision.rule != "no-key":
            reason = f"{reason}; {decision.reason}"
        return PlannerChosen(planner=planner, why=reason, decision=decision, context=context)


def _choice_reason(decision: Decision, plan: Plan, min_confidence: float) -> str:
    """Return the reason for the choice of a planner, for the user."""
    assessment = _assessment(plan, min_confidence)
    if decision.version.version != EMBEDDED_VERSION:
        return f"the embedded planner {assessment}"
    if decision.rule == "no-key" and (plan.missing or plan.confidence < min_confidence):
        return f"it {assessment}, and there is no ANTHROPIC_API_KEY to ask Claude with"
    return f"it {assessment}"


def _assessment(plan: Plan, min_confidence: float) -> str:
    if plan.missing:
        return f"lacks {', '.join(missing.argument for missing in plan.missing)}"
    if plan.confidence >= min_confidence:
        return f"is {plan.confidence:.0%} sure and nothing is missing"
    if not plan.calls and plan.text:
        return f"has no plan ({plan.text.partition('. ')[0].rstrip('.')})"
    return f"is only {plan.confidence:.0%} sure"


def _plan_cost(plan: Plan) -> float:
    raw = claude_raw(plan)
    return float((raw or {}).get("cost") or 0.0)


async def _plan_of(planner: Planner, conversation: Conversation) -> Plan:
    return [piece async for piece in planner.next(conversation) if isinstance(piece, Plan)][-1]
