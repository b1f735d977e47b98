"""The agent loop: plan, show, ask, call, observe, repeat; it yields events and prints nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

from nlapi.agent.events import Answered, Event, Needed, Planned, Proposed, Said, Stepped
from nlapi.agent.planner import Planner
from nlapi.agent.policy import OUTCOME_UNKNOWN, Judgement, Policy, Verdict
from nlapi.client.limits import Limits
from nlapi.errors import ArgumentError, ConsentError, OutcomeUnknownError, PlannerError, SendError, UsageError
from nlapi.openapi.spec import Effect, Spec
from nlapi.tools.plan import Conversation, Outcome, Plan, Round, Step
from nlapi.tools.run import Prepared, Target, perform, permit, prepare
from nlapi.tools.tool import Call

Targets = Mapping[Spec, Target] | Callable[[Call], Target]
Consent = Callable[[Proposed], Awaitable[bool]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Terms:
    """What the calls of a conversation are carried out under."""

    targets: Targets
    policy: Policy
    consent: Consent
    dry_run: bool
    limits: Limits | None

    def target(self, call: Call) -> Target:
        if callable(self.targets):
            return self.targets(call)
        spec = call.tool.operation.spec
        if spec not in self.targets:
            raise UsageError(f"no base URL and credentials were given for {spec.title}", hint="name it with -a SOURCE")
        return self.targets[spec]


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
    """Answers the question of `conversation`, one event at a time.

    Each round: Said*, Planned, then for every call Proposed and Stepped; Answered or Needed ends it. READs that stand
    next to each other in a plan are proposed together and run side by side; a change runs alone, in its order, and
    what came after a change that failed is not run. A call whose arguments do not fit is a FAILED step without a
    Proposed; it goes back to the planner, as a refused one does. In a dry run nothing is sent.

    Raises ConsentError when consent is needed and nobody is there to give it, PlannerError, and the UsageErrors (a
    credential or base URL that was not given). Cancelled while a call is under way, it yields that call's step first.
    """
    terms = _Terms(targets=targets, policy=policy, consent=consent, dry_run=dry_run, limits=limits)
    for _ in range(max_rounds):
        plan = None
        async for piece in planner.next(conversation):
            if isinstance(piece, Plan):
                plan = piece
            else:
                yield Said(text=piece)
        if plan is None:
            raise PlannerError(f"the planner {planner.name} ended without a plan")
        yield Planned(plan=plan, planner=planner.name)
        if plan.missing:
            yield Needed(missing=plan.missing, plan=plan, conversation=conversation)
            return
        steps: list[Step] = []
        async for event in _carry_out(plan, conversation, terms):
            if isinstance(event, Stepped):
                steps.append(event.step)
            yield event
        conversation = conversation.with_round(Round(plan=plan, steps=tuple(steps)))
        if not plan.calls:
            yield Answered(text=plan.text, conversation=conversation)
            return
        shown = sum(step.outcome is Outcome.SHOWN for step in steps)
        if shown:
            calls = "the call is" if shown == 1 else f"the {shown} calls are"
            yield Answered(text=f"Dry run: {calls} shown above; nothing was sent.", conversation=conversation)
            return
    yield Answered(text=f"Stopped after {max_rounds} rounds of calls without an answer.", conversation=conversation)


async def _carry_out(plan: Plan, conversation: Conversation, terms: _Terms) -> AsyncIterator[Event]:
    """The events of one plan's calls."""
    done: list[Step] = []
    for group in _groups(plan.calls):
        ready: list[Prepared | Step] = []
        for call in group:
            prepared = _prepare(call, done, terms)
            if isinstance(prepared, Step):
                ready.append(prepared)
                continue
            judgement = terms.policy.judge(call, conversation, confidence=plan.confidence, during=tuple(done))
            proposed = Proposed(
                call=call,
                request=prepared.request,
                effect=prepared.effect,
                curl=prepared.curl,
                asks=judgement.verdict is Verdict.ASK and not terms.dry_run,
                reason=judgement.reason,
            )
            yield proposed
            step = await _held_back(proposed, judgement, terms)
            ready.append(step or prepared)
        try:
            ended = await asyncio.gather(*(_finish(item, terms) for item in ready), return_exceptions=True)
        except asyncio.CancelledError:
            for item in ready:
                if isinstance(item, Prepared):
                    yield Stepped(step=_interrupted(item))
            raise
        for outcome in ended:
            if isinstance(outcome, BaseException):
                raise outcome
            done.append(outcome)
            yield Stepped(step=outcome)


def _groups(calls: tuple[Call, ...]) -> Iterator[tuple[Call, ...]]:
    """READs next to each other together; each change alone."""
    for reads, group in groupby(calls, key=lambda call: call.tool.effect is Effect.READ):
        if reads:
            yield tuple(group)
        else:
            yield from ((call,) for call in group)


def _prepare(call: Call, done: list[Step], terms: _Terms) -> Prepared | Step:
    if any(_failed_change(step) for step in done):
        return Step(call=call, outcome=Outcome.FAILED, message="not run, as a change before it in the plan failed")
    try:
        prepared = prepare(call, terms.target(call))
        if not terms.dry_run:
            permit(prepared, terms.target(call))
        return prepared
    except ArgumentError as error:
        return Step(call=call, outcome=Outcome.FAILED, message=str(error))


async def _held_back(proposed: Proposed, judgement: Judgement, terms: _Terms) -> Step | None:
    """The step of a call that is not to be sent; None when it is."""
    if judgement.verdict is Verdict.NEVER:
        return Step(call=proposed.call, outcome=Outcome.REFUSED, message=judgement.reason)
    if terms.dry_run:
        return Step(call=proposed.call, outcome=Outcome.SHOWN, message="a dry run: built, and not sent")
    if not proposed.asks:
        return None
    if not terms.policy.interactive:
        what = f"{proposed.call.operation_id} ({proposed.request.method} {proposed.request.url})"
        why = f": {proposed.reason}" if proposed.reason else ""
        hint = "run it in a terminal, where you are asked" if terms.policy.yes else "--yes consents in advance"
        raise ConsentError(f"{what} needs your consent{why}; it was not sent", hint=hint)
    if await terms.consent(proposed):
        return None
    return Step(call=proposed.call, outcome=Outcome.REFUSED, message="the user said no; nothing was sent")


async def _finish(item: Prepared | Step, terms: _Terms) -> Step:
    """Sends what is to be sent. An answer with an error status is DONE: the planner sees it."""
    if isinstance(item, Step):
        return item
    try:
        result = await perform(item, terms.target(item.call), limits=terms.limits)
    except OutcomeUnknownError as error:
        return Step(call=item.call, outcome=Outcome.FAILED, message=f"{OUTCOME_UNKNOWN}: {error}")
    except (SendError, ArgumentError) as error:
        return Step(call=item.call, outcome=Outcome.FAILED, message=str(error))
    return Step(call=item.call, outcome=Outcome.DONE, result=result)


def _interrupted(item: Prepared) -> Step:
    message = "interrupted before an answer came"
    if item.effect is not Effect.READ:
        message = f"{OUTCOME_UNKNOWN}: {message}; it may have been carried out"
    return Step(call=item.call, outcome=Outcome.FAILED, message=message)


def _failed_change(step: Step) -> bool:
    if step.call.tool.effect is Effect.READ:
        return False
    return step.outcome is Outcome.FAILED or (step.result is not None and not step.result.ok)
