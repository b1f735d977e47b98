"""The agent loop: plan, preview, ask, call, observe, repeat; it yields events and prints nothing."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from typing import TYPE_CHECKING

from nlapi.agent.consent import Consent
from nlapi.agent.events import TurnAnswered, Event, InputNeeded, ChoiceOffered, PlanCreated, PlannerChosen, TextReceived
from nlapi.agent.plan_run import PlanRun
from nlapi.agent.planner import Planner
from nlapi.agent.policy import Policy
from nlapi.agent.terms import Targets, CallTerms
from nlapi.client.limits import Limits
from nlapi.client.send import open_client
from nlapi.errors import PlannerError
from nlapi.tools.plan import Conversation, Outcome, Plan, Round, Step
from nlapi.tools.tool import Call

if TYPE_CHECKING:
    from nlapi.client.transport import HttpClient

# Calls in a menu at most. One of the three likeliest operations has to show that the API is meant at all
# (docs/design/011-choosing-an-operation.md), so further ones are little more than noise.
MAX_CHOICES = 3


async def converse(
    planner: Planner,
    conversation: Conversation,
    targets: Targets,
    *,
    policy: Policy,
    consent: Consent,
    dry_run: bool = False,
    max_rounds: int = 12,
    limits: Limits | None = None,
) -> AsyncIterator[Event]:
    """Answer the question of `conversation`, one event at a time.

    Each round: TextReceived*, PlanCreated, then for every call CallProposed, ItemsReceived* and StepFinished;
    TurnAnswered, InputNeeded or ChoiceOffered ends it. READs that stand next to each other in a plan are proposed
    together and run side by side. The changes of a plan are proposed together before the first of them, and asked about
    with one question; they run one by one, in order, and nothing after a change that failed or is unfinished is run;
    ChangesReported has the outcome of several. Consent is to the plan: where one of its changes cannot be built, or no
    one is there to be asked about one that asks, none of them is sent. A call that cannot be built or sent is a FAILED
    step, in the first case without a CallProposed; it goes back to the planner, as a refused one does. In a dry run
    nothing is sent.

    Raises PlannerError; ConsentError when consent is needed and no one is there to give it; CredentialError and
    UsageError for faults that only the user can correct, such as a credential or a base URL. Before it ends in an
    error, or is cancelled, it yields the step of every call that was proposed.
    """
    opened: AbstractAsyncContextManager[HttpClient | None] = nullcontext() if dry_run else open_client()
    async with opened as client:
        terms = CallTerms(targets=targets, policy=policy, consent=consent, dry_run=dry_run, limits=limits, client=client)
        # `aclosing`, because an abandoned generator is closed only when it is collected, after the client is.
        async with aclosing(_rounds(planner, conversation, terms, max_rounds)) as events:
            async for event in events:
                yield event


async def _rounds(
    planner: Planner, conversation: Conversation, terms: CallTerms, max_rounds: int
) -> AsyncGenerator[Event, None]:
    """Yield the events of rounds until one ends the turn."""
    name = planner.name
    for _ in range(max_rounds):
        plan = None
        async for piece in planner.next(conversation):
            if isinstance(piece, Plan):
                plan = piece
            elif isinstance(piece, PlannerChosen):
                name = piece.planner
                yield piece
            else:
                yield TextReceived(text=piece)
        if plan is None:
            raise PlannerError(f"the planner {planner.name} ended without a plan")
        yield PlanCreated(plan=plan, planner=name)
        if stop_event := _stop_event(plan, conversation, terms):
            yield stop_event
            return
        steps: list[Step] = []
        run = PlanRun(plan=plan, conversation=conversation, steps=steps, terms=terms)
        async with aclosing(run.events()) as events:
            async for event in events:
                yield event
        conversation = conversation.with_round(Round(plan=plan, steps=tuple(steps)))
        if not plan.calls:
            yield TurnAnswered(text=plan.text, conversation=conversation, views=plan.views)
            return
        if previewed := sum(step.outcome is Outcome.PREVIEWED for step in steps):
            yield TurnAnswered(text=_dry_run_text(previewed, plan.goal), conversation=conversation)
            return
    yield TurnAnswered(text=f"Stopped after {max_rounds} rounds of calls without an answer.", conversation=conversation)


def _dry_run_text(previewed: int, goal: Call | None) -> str:
    """Return the last text of a dry run, with the call that would follow on the answers to the shown ones."""
    calls = "the call is" if previewed == 1 else f"the {previewed} calls are"
    text = f"Dry run: {calls} shown above; nothing was sent."
    if goal is None:
        return text
    return f"{text} {goal.operation_id} would follow, with what {'it answers' if previewed == 1 else 'they answer'}."


def _stop_event(plan: Plan, conversation: Conversation, terms: CallTerms) -> InputNeeded | ChoiceOffered | None:
    """Return the event that ends the turn because the user has to give or choose something first; None for nothing."""
    # A choice comes before missing arguments: those belong to one of the operations only.
    if plan.calls and plan.alternatives and plan.confidence < terms.policy.offer_below:
        likeliest = {call.tool.operation: call for call in (plan.goal or plan.calls[-1], *plan.alternatives)}
        if len(likeliest) > 1:
            choices = tuple(likeliest.values())[:MAX_CHOICES]
            return ChoiceOffered(choices=choices, plan=plan, conversation=conversation)
    if plan.missing:
        return InputNeeded(missing=plan.missing, plan=plan, conversation=conversation)
    return None
