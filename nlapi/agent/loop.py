"""The agent loop: plan, show, ask, call, observe, repeat; it yields events and prints nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING

from nlapi.agent.events import (
    Answered,
    Event,
    Needed,
    Offered,
    Planned,
    PlannerChosen,
    Proposed,
    Said,
    Stepped,
)
from nlapi.agent.evidence import evidence_of
from nlapi.agent.messages import own
from nlapi.agent.planner import Planner
from nlapi.agent.policy import Judgement, Policy, Verdict
from nlapi.agent.repetition import intention_in, uncertain_step, without_unsaid_key
from nlapi.agent.sending import failed_step, send_all
from nlapi.client.clean import one_line
from nlapi.client.limits import Limits
from nlapi.client.message import Result
from nlapi.client.send import open_client
from nlapi.errors import (
    ArgumentError,
    ConsentError,
    NlapiError,
    PlannerError,
    UsageError,
)
from nlapi.openapi.spec import Effect, Spec
from nlapi.tools.plan import Conversation, Outcome, Plan, Round, Step
from nlapi.tools.run import Prepared, Target, perform, permit, prepare
from nlapi.tools.tool import Call

if TYPE_CHECKING:
    from nlapi.client.streaming.body import Watch
    from nlapi.client.wire import Client

CHOICES = 3
"""How many calls a menu has at most."""
AT_ONCE = 8
"""How many READs of a plan run side by side."""
LOOK_SECONDS = 10
"""The longest that is looked for what became of a change before the user is asked about another."""

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
    client: Client | None
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

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

    Each round: Said*, Planned, then for every call Proposed, ItemsReceived* and Stepped; Answered, Needed or Offered
    ends it. READs that stand next to each other in a plan are proposed together and run side by side; a change runs
    alone, in its order, and what came after a change that failed or was left unfinished is not run. A call that cannot
    be built or sent is a FAILED step, the first without a Proposed; it goes back to the planner, as a refused one does.
    In a dry run nothing is sent.

    Raises PlannerError; ConsentError when consent is needed and nobody is there to give it; CredentialError and
    UsageError for what only the user can mend, a credential or a base URL. Before it ends in an error, or is cancelled,
    it yields the step of every call that was proposed.
    """
    opened: AbstractAsyncContextManager[Client | None] = nullcontext() if dry_run else open_client()
    async with opened as client:
        terms = _Terms(targets=targets, policy=policy, consent=consent, dry_run=dry_run, limits=limits, client=client)
        async with aclosing(_rounds(planner, conversation, terms, max_rounds)) as events:
            async for event in events:
                yield event


async def _rounds(
    planner: Planner, conversation: Conversation, terms: _Terms, max_rounds: int
) -> AsyncGenerator[Event, None]:
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
                yield Said(text=piece)
        if plan is None:
            raise PlannerError(f"the planner {planner.name} ended without a plan")
        yield Planned(plan=plan, planner=name)
        if stopped := _stopped(plan, conversation, terms):
            yield stopped
            return
        steps: list[Step] = []
        async with aclosing(_carry_out(plan, conversation, steps, terms)) as events:
            async for event in events:
                yield event
        conversation = conversation.with_round(Round(plan=plan, steps=tuple(steps)))
        if not plan.calls:
            yield Answered(text=plan.text, conversation=conversation, views=plan.views)
            return
        if shown := sum(step.outcome is Outcome.SHOWN for step in steps):
            yield Answered(text=_rehearsed(shown, plan.goal), conversation=conversation)
            return
    yield Answered(text=f"Stopped after {max_rounds} rounds of calls without an answer.", conversation=conversation)


def _rehearsed(shown: int, goal: Call | None) -> str:
    """What a dry run ends with: the call that the question is about may only follow on what the shown ones answer."""
    calls = "the call is" if shown == 1 else f"the {shown} calls are"
    told = f"Dry run: {calls} shown above; nothing was sent."
    if goal is None:
        return told
    return f"{told} {goal.operation_id} would follow, with what {'it answers' if shown == 1 else 'they answer'}."


def _stopped(plan: Plan, conversation: Conversation, terms: _Terms) -> Needed | Offered | None:
    """What the user has to give or to choose before anything of the plan is done; None when nothing."""
    if plan.calls and plan.alternatives and plan.confidence < terms.policy.offer_below:
        likeliest = {call.tool.operation: call for call in (plan.goal or plan.calls[-1], *plan.alternatives)}
        if len(likeliest) > 1:
            choices = tuple(likeliest.values())[:CHOICES]
            return Offered(choices=choices, plan=plan, conversation=conversation)
    if plan.missing:
        return Needed(missing=plan.missing, plan=plan, conversation=conversation)
    return None


async def _carry_out(
    plan: Plan, conversation: Conversation, done: list[Step], terms: _Terms
) -> AsyncGenerator[Event, None]:
    """The events of one plan's calls; their steps are added to `done`."""
    for group in _groups(plan.calls):
        ready: list[Prepared | Step] = []
        try:
            for call in group:
                item = _prepare(call, conversation, done, terms)
                if isinstance(item, Prepared):
                    judgement = await _judged(item, plan, conversation, done, terms)
                    proposed = _proposed(item, judgement, terms)
                    yield proposed
                    item = await _held_back(proposed, judgement, terms) or item
                ready.append(item)
        except (Exception, asyncio.CancelledError, KeyboardInterrupt) as error:
            for step in _given_up(group, ready, error):
                yield Stepped(step=step)
            raise
        sending = partial(_perform, terms=terms, for_model=own(plan) is not None)
        async with aclosing(send_all(ready, sending)) as outcomes:
            async for outcome in outcomes:
                if isinstance(outcome, Step):
                    done.append(outcome)
                    yield Stepped(step=outcome)
                else:
                    yield outcome


def _proposed(prepared: Prepared, judgement: Judgement, terms: _Terms) -> Proposed:
    return Proposed(
        call=prepared.call,
        request=prepared.request,
        effect=prepared.effect,
        curl=prepared.curl,
        asks=judgement.verdict is Verdict.ASK and not terms.dry_run,
        reason=judgement.reason,
    )


def _given_up(group: tuple[Call, ...], ready: list[Prepared | Step], error: BaseException) -> Iterator[Step]:
    """The steps of a group that `error` ended before anything of it was sent: at the latest while it was asked for."""
    for item in ready:
        yield item if isinstance(item, Step) else failed_step(item.call, "not run: the turn ended before", item.request)
    call = group[len(ready)]
    if isinstance(error, NlapiError) and not isinstance(error, ConsentError):
        yield failed_step(call, f"not sent: {error}")
    else:
        yield Step(call=call, outcome=Outcome.REFUSED, message="no consent was given; nothing was sent")


def _groups(calls: tuple[Call, ...]) -> Iterator[tuple[Call, ...]]:
    """READs next to each other together; each change alone."""
    for reads, group in groupby(calls, key=lambda call: call.tool.effect is Effect.READ):
        if reads:
            yield tuple(group)
        else:
            yield from ((call,) for call in group)


def _prepare(call: Call, conversation: Conversation, done: list[Step], terms: _Terms) -> Prepared | Step:
    if any(_failed_change(step) for step in done):
        return failed_step(call, "not run, as a change before it in the plan failed or did not end")
    target = terms.target(call)
    try:
        call = without_unsaid_key(call, conversation)
        prepared = prepare(call, target, intention=intention_in(conversation, done))
        if not terms.dry_run:
            permit(prepared, target)
        return prepared
    except ArgumentError as error:
        return failed_step(call, f"not sent: {error}")


async def _judged(
    prepared: Prepared, plan: Plan, conversation: Conversation, done: list[Step], terms: _Terms
) -> Judgement:
    """The judgement on a call, with what a look at the API shows of an earlier change that it may repeat."""
    judge = partial(terms.policy.judge, prepared, conversation, confidence=plan.confidence, during=tuple(done))
    doubted = None if terms.dry_run else uncertain_step(prepared, (*conversation.steps, *done))
    if doubted is None:
        return judge()
    return judge(evidence=await evidence_of(doubted, partial(_look, conversation=conversation, done=done, terms=terms)))


async def _look(call: Call, *, conversation: Conversation, done: list[Step], terms: _Terms) -> Result | None:
    """The answer to a READ that the policy lets run unasked; None where it does not, or none comes in time."""
    try:
        prepared = prepare(call, terms.target(call))
        if terms.policy.judge(prepared, conversation, during=tuple(done)).verdict is not Verdict.RUN:
            return None
        limits = Limits(deadline=LOOK_SECONDS, retries=0)
        return await perform(prepared, terms.target(call), limits=limits, client=terms.client)
    except NlapiError:
        return None


async def _held_back(proposed: Proposed, judgement: Judgement, terms: _Terms) -> Step | None:
    """The step of a call that is not to be sent; None when it is."""
    if judgement.verdict is Verdict.NEVER:
        return _unsent(proposed, Outcome.REFUSED, judgement.reason)
    if terms.dry_run:
        return _unsent(proposed, Outcome.SHOWN, "a dry run: built, and not sent")
    if not proposed.asks:
        return None
    if not terms.policy.interactive:
        what = f"{one_line(proposed.call.operation_id)} ({proposed.request.method} {proposed.request.url})"
        why = f": {proposed.reason}" if proposed.reason else ""
        hint = "run it in a terminal, where you are asked" if terms.policy.yes else "--yes consents in advance"
        raise ConsentError(f"{what} needs your consent{why}; it was not sent", hint=hint)
    if await terms.consent(proposed):
        return None
    return _unsent(proposed, Outcome.REFUSED, "the user said no; nothing was sent")


def _unsent(proposed: Proposed, outcome: Outcome, message: str) -> Step:
    return Step(call=proposed.call, outcome=outcome, message=message, request=proposed.request)


async def _perform(prepared: Prepared, watch: Watch, *, terms: _Terms, for_model: bool) -> Result:
    async with terms.turns:
        target, limits = terms.target(prepared.call), terms.limits
        return await perform(prepared, target, limits=limits, client=terms.client, watch=watch, for_model=for_model)


def _failed_change(step: Step) -> bool:
    """Whether a change failed, or was left before its answer had come to its end."""
    if step.call.tool.effect is Effect.READ:
        return False
    return step.outcome is Outcome.FAILED or (step.result is not None and (not step.result.ok or step.result.is_cut))
