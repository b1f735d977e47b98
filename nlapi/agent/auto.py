"""Plans each question with the embedded planner or a model, as a routing configuration decides."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping

from nlapi.agent.events import Planner, PlannerChosen
from nlapi.agent.messages import model_state, request_state
from nlapi.agent.planner_routes import EMBEDDED_VERSION, MODEL_VERSION, OBJECTIVE, PlannerRoutes, version_model
from nlapi.openapi.spec import Effect
from nlapi.planner.steps.name_rounds import without_name_rounds
from nlapi.routing.model import (
    Decision,
    Scalar,
)
from nlapi.tools.plan import Conversation, Plan, Turn

# Returns the planner on the model of a name.
MakeModelPlanner = Callable[[str], Planner]


class AutoPlanner:
    """A planner that delegates to `embedded`, or to one made by `make_planner` (None without a model), by `routes`.

    The planner of the last plan of a turn continues it. A model takes over a turn in which the embedded planner is
    stuck, with the steps so far in its messages. `resolve_model` returns the model of a version. `operations` is the
    number of operations to choose from; `spent` returns the dollars that earlier questions of this day and month have
    cost.
    """

    name = "auto"

    def __init__(
        self,
        embedded: Planner,
        make_planner: MakeModelPlanner | None,
        *,
        routes: PlannerRoutes,
        resolve_model: Callable[[str], str] = version_model,
        operations: int = 0,
        spent: Callable[[], tuple[float, float]] = lambda: (0.0, 0.0),
    ) -> None:
        self._embedded = embedded
        self._make_planner = make_planner
        self._resolve_model = resolve_model
        self._model_planners: dict[str, Planner] = {}
        self._routes = routes
        self._operations = operations
        self._spent = spent
        self._earlier_cost: tuple[float, float] | None = None
        self._session_cost = 0.0

    async def next(self, conversation: Conversation) -> AsyncIterator[str | PlannerChosen | Plan]:
        """Yield the output of the planner that routing chooses, after a PlannerChosen where it changes."""
        turn = conversation.current
        # A model finishes its own turns: its plans refer to tool calls that the embedded planner cannot continue.
        states = [state for round in turn.rounds if (state := model_state(round.plan)) is not None]
        if states and self._make_planner is not None:
            if capped_plan := self._cap_plan(turn):
                yield capped_plan
                return
            async for piece in self._stream(
                self._model_planner(states[-1].model or self._resolve_model(MODEL_VERSION)), conversation
            ):
                yield piece
            return
        # The embedded planner costs milliseconds and no money, so its confidence decides whether a model is needed.
        plan = await _plan_of(self._embedded, conversation)
        context = self._context(turn, plan)
        # The names of things that a planner reads before it plans are no beginning of its plan.
        context["underway"] = bool(without_name_rounds(conversation).current.rounds)
        decision = self._routes.table.decide(OBJECTIVE, context)
        if (version := decision.version.version) == EMBEDDED_VERSION:
            if not turn.rounds:
                yield self._choice_event(self._embedded.name, decision, plan, context)
            yield plan
            return
        model = self._resolve_model(version)
        planner = self._model_planner(model)
        yield self._choice_event(planner.name, decision, plan, context, model)
        async for piece in self._stream(planner, conversation):
            yield piece

    async def _stream(self, planner: Planner, conversation: Conversation) -> AsyncIterator[str | PlannerChosen | Plan]:
        """Yield the output of a model's planner, and count what its plan costs."""
        async for piece in planner.next(conversation):
            if isinstance(piece, Plan):
                self._session_cost += _plan_cost(piece)
            yield piece

    def _model_planner(self, model: str) -> Planner:
        assert self._make_planner is not None
        if model not in self._model_planners:
            self._model_planners[model] = self._make_planner(model)
        return self._model_planners[model]

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
            "key": self._make_planner is not None,
            "spent_question": sum(_plan_cost(round.plan) for round in turn.rounds),
            "spent_day": day + self._session_cost,
            "spent_month": month + self._session_cost,
        }
        if plan is not None:
            effects = {plan.effect, *(step.call.effect for step in turn.steps)}
            is_change = effects != {Effect.READ}
            context |= {"confidence": plan.confidence, "complete": not plan.missing, "changes": is_change}
        return context

    def _cap_plan(self, turn: Turn) -> Plan | None:
        """Return the end of a turn of a model's that has reached a spending cap; None under the caps."""
        context = self._context(turn, None)
        for cap, limit in self._routes.caps.items():
            spent = float(context[f"spent_{cap}"])
            if spent >= limit:
                # The turn ends here because the embedded planner would plan the question from the beginning, and repeat
                # its calls.
                text = f"Stopped: this {cap} has cost ${spent:.4f}, and ${limit:g} is the most that it may."
                return Plan(text=text, confidence=1.0, ended=cap)
        return None

    def _choice_event(
        self, planner: str, decision: Decision, plan: Plan, context: Mapping[str, Scalar], model: str = ""
    ) -> PlannerChosen:
        reason = _choice_reason(decision, plan, self._routes)
        if self._routes.is_custom and decision.rule != "no-key":
            reason = f"{reason}; {decision.reason}"
        return PlannerChosen(planner=planner, model=model, why=reason, decision=decision, context=context)


def _choice_reason(decision: Decision, plan: Plan, routes: PlannerRoutes) -> str:
    """Return the reason for the choice of a planner, for the user."""
    assessment = _assessment(plan, routes.min_confidence)
    if decision.version.version == EMBEDDED_VERSION:
        if decision.rule == "no-key" and (plan.missing or plan.confidence < routes.min_confidence):
            return f"it {assessment}, and there is no ANTHROPIC_API_KEY, or --model, to ask a model with"
        return f"it {assessment}"
    if routes.trust is not None and not plan.missing and plan.confidence >= routes.min_confidence:
        least, kind = routes.trust.of_plan(plan), "read" if plan.effect is Effect.READ else "change"
        condition = f"from {least:.0%} on" if least is not None else "never"
        return f"the embedded planner is {plan.confidence:.0%} sure of a {kind}, which is left to it {condition}"
    return f"the embedded planner {assessment}"


def _assessment(plan: Plan, min_confidence: float) -> str:
    if plan.missing:
        return f"lacks {', '.join(missing.argument for missing in plan.missing)}"
    if plan.confidence >= min_confidence:
        return f"is {plan.confidence:.0%} sure and nothing is missing"
    if not plan.calls and plan.text:
        return f"has no plan ({plan.text.partition('. ')[0].rstrip('.')})"
    return f"is only {plan.confidence:.0%} sure"


def _plan_cost(plan: Plan) -> float:
    state = request_state(plan)
    return (state.cost or 0.0) if state is not None else 0.0


async def _plan_of(planner: Planner, conversation: Conversation) -> Plan:
    return [piece async for piece in planner.next(conversation) if isinstance(piece, Plan)][-1]
