"""Runs the agent loop: plan, preview, ask, call, observe, repeat, end in a circle; it yields events, prints nothing."""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING

from nlapi.agent.agreement import Agreement
from nlapi.agent.events import (
    NOT_RUN,
    UNFINISHED,
    CallProposed,
    ChangesReported,
    ChoiceOffered,
    Consent,
    Event,
    InputNeeded,
    ItemsReceived,
    PlanCreated,
    Planner,
    PlannerChosen,
    StepFinished,
    TextReceived,
    TurnAnswered,
    WorkEnded,
    WorkflowConsent,
    WorkflowProposed,
)
from nlapi.agent.models.messages import model_state
from nlapi.agent.models.spending import NO_CAPS, Caps, TurnMeter
from nlapi.agent.policy import Policy, PolicyDecision, Verdict
from nlapi.agent.sending import CallTerms, Targets, failed_step, send_all, unsent_step
from nlapi.client.masking import redact
from nlapi.client.message import Limits, digest
from nlapi.client.safe_text import count_noun, single_line
from nlapi.errors import ConsentError, NlapiError, PlannerError
from nlapi.openapi.spec import Effect
from nlapi.tools.plan import Conversation, Outcome, Plan, Round, Step, StoredState, WorkflowProposal
from nlapi.tools.repetition.ledger import Ledger
from nlapi.tools.repetition.read_log import ReadLog
from nlapi.tools.sending.run import Prepared
from nlapi.tools.tool import Call

# Rounds in a row that bring nothing new.
MAX_IDLE_ROUNDS = 4

# The last answers that the end of a turn lists, and the characters of each.
MAX_ANSWERS = 5
MAX_ANSWER = 300


@dataclass(slots=True, kw_only=True)
class TurnProgress:
    """The answers to the rounds of a turn, which has at most `max_rounds`."""

    reads: ReadLog
    max_rounds: int
    rounds: int = 0
    idle_rounds: int = 0
    _answers: set[str] = field(default_factory=set)

    def count(self, plan: Plan, steps: Sequence[Step]) -> None:
        # A workflow has its own limit, and must not stop in the middle of its changes.
        if isinstance(plan.raw, StoredState):
            return
        self.rounds += 1
        answers = {_answer_key(step) for step in steps if step.result is not None}
        is_idle = answers <= self._answers and not any(step.sent for step in steps)
        self.idle_rounds = self.idle_rounds + 1 if is_idle else 0
        self._answers |= answers

    def end(self, conversation: Conversation) -> Plan | None:
        """Return the plan that ends the turn with its answers; None for a turn that continues."""
        if not (reason := self._reason()):
            return None
        lines = [f"Stopped: {reason}.", *_answer_lines(conversation)]
        return Plan(text="\n".join(lines), ended="circles")

    def _reason(self) -> str:
        if self.reads.refusal:
            return self.reads.refusal
        if self.idle_rounds >= MAX_IDLE_ROUNDS:
            return f"the last {self.idle_rounds} rounds of calls brought nothing new"
        if self.rounds >= self.max_rounds:
            return f"{self.max_rounds} rounds of calls were made without an answer"
        return ""


def _answer_key(step: Step) -> str:
    """Return the same text for equal answers to one request."""
    assert step.result is not None
    request = digest(step.request) if step.request is not None else step.call.id
    return f"{request} {step.result.status} {hashlib.sha256(step.result.content).hexdigest()}"


def _answer_lines(conversation: Conversation) -> Iterator[str]:
    """Yield a line for each of the last different answers to reads of the turn."""
    # The words for an answer are the embedded planner's, which takes long to load.
    from nlapi.planner.answering.answers import answer_question

    reads = [step for step in conversation.current.steps if step.effect is Effect.READ and step.result is not None]
    answers = {_answer_key(step): step for step in reads if step.result is not None and step.result.ok}
    for step in tuple(answers.values())[-MAX_ANSWERS:]:
        text = single_line(answer_question(conversation.question, [step]).text)
        yield f"- {single_line(step.call.operation_id)}: {text[:MAX_ANSWER]}"


if TYPE_CHECKING:
    from nlapi.client.transport import HttpClient


@dataclass(slots=True, kw_only=True)
class ProposalSettlement:
    """The decision on the workflow that a plan begins.

    After `events`, `terms` are those under which its calls are sent, or `steps` has the end of each call of the plan
    where none is.
    """

    plan: Plan
    proposal: WorkflowProposal
    conversation: Conversation
    terms: CallTerms
    steps: tuple[Step, ...] = ()

    async def events(self) -> AsyncGenerator[WorkflowProposed | StepFinished, None]:
        """Yield what is shown before anything is sent, then the steps of a plan that is not sent.

        ConsentError when consent is needed and no one is there to give it.
        """
        try:
            if self.proposal.fault:
                self._end(Outcome.FAILED, f"not sent: {self.proposal.fault}")
            else:
                proposed, decision = self._judged()
                yield proposed
                await self._settle(proposed, decision)
        except (Exception, asyncio.CancelledError, KeyboardInterrupt):
            self._end(Outcome.REFUSED, "no consent was given; nothing was sent")
            for step in self.steps:
                yield StepFinished(step=step)
            raise
        for step in self.steps:
            yield StepFinished(step=step)

    def _judged(self) -> tuple[WorkflowProposed, PolicyDecision]:
        policy, terms = self.terms.policy, self.terms
        decision = policy.decide_workflow(self.proposal, self.conversation, confidence=self.plan.confidence)
        # A reason may quote the value of an input.
        decision = replace(decision, reason=redact(decision.reason, self.proposal.secrets))
        asks = decision.verdict is Verdict.ASK and not terms.dry_run
        return WorkflowProposed(proposal=self.proposal, asks=asks, reason=decision.reason), decision

    async def _settle(self, proposed: WorkflowProposed, decision: PolicyDecision) -> None:
        if decision.verdict is Verdict.NEVER:
            self._end(Outcome.REFUSED, decision.reason)
            return
        # Each read of a workflow that only reads is judged by itself, as nobody has agreed to anything.
        if proposed.effect is Effect.READ or self.terms.dry_run:
            return
        if proposed.asks:
            if self.terms.workflow_consent is None or not self.terms.policy.interactive:
                raise self._consent_error(decision.reason)
            reply = await self.terms.workflow_consent(proposed)
            if not reply.is_agreed:
                reason = f": {single_line(reply.reason)}" if reply.reason.strip() else ""
                self._end(Outcome.REFUSED, f"the user said no{reason}; nothing was sent")
                return
        # Its calls are not a repetition of earlier ones where the user was shown that it may be one as a whole.
        repeats = proposed.asks and bool(self.proposal.reason)
        self.terms.ledger.agree(self.proposal.call_ids, repeats=repeats)

    def _end(self, outcome: Outcome, message: str) -> None:
        self.steps = tuple(Step(call=call, outcome=outcome, message=message) for call in self.plan.calls)

    def _consent_error(self, reason: str) -> ConsentError:
        """Return the error where nobody is there to consent."""
        count = count_noun(len(self.proposal.changes), "change")
        needs = f"the workflow {single_line(self.proposal.call.operation_id)} makes {count} and needs your consent"
        hint = "run it in a terminal, where you are asked" if reason else "--yes consents in advance"
        return ConsentError(f"{needs}{f': {reason}' if reason else ''}; nothing was sent", hint=hint)


PlanRunEvent = CallProposed | ItemsReceived | StepFinished | WorkEnded | ChangesReported

# Calls in a menu at most. One of the three likeliest operations has to show that the API is meant at all
# (docs/design/011-choosing-an-operation.md), so further ones are little more than noise.
MAX_CHOICES = 3

# Plans of one question, before it is ended, where no cap does before.
MAX_ROUNDS = 60


@dataclass(slots=True, kw_only=True)
class PlanRun:
    """The execution of a plan's calls; their steps are appended to `steps` in the plan's order.

    Calls are identified by their index in the plan, as a plan may have the same one twice.
    """

    plan: Plan
    conversation: Conversation
    terms: CallTerms
    steps: list[Step]
    settled: dict[int, Prepared | Step] = field(default_factory=dict)
    """calls that are confirmed or ended, and not reached yet"""
    asking: tuple[Sequence[int], Agreement] | None = None
    """the calls that are being built and asked about"""

    async def events(self) -> AsyncGenerator[PlanRunEvent, None]:
        """Yield the events. An error or a cancellation is raised after the step of every call that was proposed."""
        try:
            for group in self._groups():
                if group[0] not in self.settled and not self._has_failed:
                    async with aclosing(self._settle(group)) as proposals:
                        async for proposed in proposals:
                            yield proposed
                async with aclosing(self._send(group)) as outcomes:
                    async for event in outcomes:
                        yield event
        # A transcript in which a proposed change has no step reads as "may have been carried out", so none may be left
        # open.
        except (Exception, asyncio.CancelledError, KeyboardInterrupt) as error:
            for step in self._abandoned_steps(error):
                self.steps.append(step)
                yield StepFinished(step=step)
            for report in self._report():
                yield report
            raise
        for report in self._report():
            yield report

    def _groups(self) -> Iterator[tuple[int, ...]]:
        """Yield the indices of adjacent READs together, and each change on its own."""
        for are_reads, group in groupby(range(len(self.plan.calls)), key=self._is_read):
            if are_reads:
                yield tuple(group)
            else:
                yield from ((index,) for index in group)

    def _is_read(self, index: int) -> bool:
        return self.plan.calls[index].effect is Effect.READ

    @property
    def _has_failed(self) -> bool:
        """Whether a change failed on which the later calls of the plan may depend."""
        return not self.plan.independent and any(_is_failed_change(step) for step in self.steps)

    async def _settle(self, group: Sequence[int]) -> AsyncGenerator[CallProposed, None]:
        """Confirm a group of READs or, at the first change, all changes of the plan."""
        indices = (
            group
            if self._is_read(group[0])
            else [index for index in range(len(self.plan.calls)) if not self._is_read(index)]
        )
        agreement = Agreement(
            calls=[self.plan.calls[index] for index in indices],
            plan=self.plan,
            conversation=self.conversation,
            steps=tuple(self.steps),
            terms=self.terms,
        )
        # It stays set when `settle` raises: `_abandoned_steps` then has the steps of the calls in the question.
        self.asking = indices, agreement
        async with aclosing(agreement.settle()) as proposals:
            async for proposed in proposals:
                yield proposed
        self.asking = None
        self.settled |= dict(zip(indices, agreement.items, strict=True))

    async def _send(self, group: Sequence[int]) -> AsyncGenerator[ItemsReceived | StepFinished | WorkEnded, None]:
        ready = [self._ready(index) for index in group]
        # A model reads the answers of the further rounds of a plan that it wrote whole, too.
        plans = (self.plan, *(round.plan for round in self.conversation.current.rounds))
        for_model = any(model_state(plan) is not None for plan in plans)
        sending = partial(self.terms.perform, for_model=for_model)
        async with aclosing(send_all(ready, sending)) as outcomes:
            async for outcome in outcomes:
                if isinstance(outcome, Step):
                    self.steps.append(outcome)
                    yield StepFinished(step=outcome)
                    if (ended := await self.terms.end_of_work(outcome, for_model=for_model)) is not None:
                        self.steps[-1] = ended.step
                        yield ended
                else:
                    yield outcome

    def _ready(self, index: int) -> Prepared | Step:
        # Later changes may rely on a failed one, so they are not sent although the user agreed to them.
        item = self.settled.pop(index, None)
        if isinstance(item, Step) or (item and not self._has_failed):
            return item
        call, request = (item.call, item.request) if item else (self.plan.calls[index], None)
        return failed_step(call, f"{NOT_RUN}, as a change before it in the plan failed or did not end", request)

    def _abandoned_steps(self, error: BaseException) -> Iterator[Step]:
        """Yield the steps of the calls that `error` ended before they were sent, in the plan's order."""
        message = f"{NOT_RUN}: the turn ended before"
        steps_by_index = {index: unsent_step(item, message) for index, item in self.settled.items()}
        if self.asking is not None:
            indices, agreement = self.asking
            built = len(agreement.items)
            all_built = built == len(indices)
            for index, item in zip(indices, agreement.items, strict=False):
                steps_by_index[index] = _unconsented_step(item) if all_built else unsent_step(item, message)
            if not all_built:
                call = agreement.calls[built]
                failed = isinstance(error, NlapiError) and not isinstance(error, ConsentError)
                steps_by_index[indices[built]] = failed_step(call, f"not sent: {error}" if failed else message)
        for index in range(len(self.steps), max(steps_by_index, default=-1) + 1):
            yield steps_by_index.get(index) or failed_step(self.plan.calls[index], message)

    def _report(self) -> Iterator[ChangesReported]:
        """Yield the outcome of the changes where there are several and they are not a dry run."""
        steps = tuple(step for step in self.steps if step.effect is not Effect.READ)
        if len(steps) > 1 and not self.terms.dry_run:
            yield ChangesReported(steps=steps)


def _unconsented_step(item: Prepared | Step) -> Step:
    if isinstance(item, Step):
        return item
    message = "no consent was given; nothing was sent"
    return Step(call=item.call, outcome=Outcome.REFUSED, message=message, request=item.request)


def _is_failed_change(step: Step) -> bool:
    """Return whether a change failed, or its answer was cut, or the work that it began is still running."""
    if step.effect is Effect.READ:
        return False
    return (
        step.message.startswith(UNFINISHED)
        or step.outcome is Outcome.FAILED
        or (step.result is not None and (not step.result.ok or step.result.is_cut))
    )


async def converse(
    planner: Planner,
    conversation: Conversation,
    targets: Targets,
    *,
    policy: Policy,
    consent: Consent,
    dry_run: bool = False,
    max_rounds: int = MAX_ROUNDS,
    caps: Caps = NO_CAPS,
    limits: Limits | None = None,
    workflow_consent: WorkflowConsent | None = None,
    ledger: Ledger | None = None,
    hides_fields: bool = False,
) -> AsyncGenerator[Event, None]:
    """Answer the question of `conversation`, one event at a time.

    Each round: TextReceived*, PlanCreated, then for every call CallProposed, ItemsReceived* and StepFinished;
    TurnAnswered, InputNeeded or ChoiceOffered ends it. READs that stand next to each other in a plan are proposed
    together and run side by side. The changes of a plan are proposed together before the first of them, and asked about
    with one question; they run one by one, in order, and nothing after a change that failed or is unfinished is run;
    ChangesReported has the outcome of several. Consent is to the plan: where one of its changes cannot be built, or
    nobody is there to answer the question about one, nothing is sent. A call that cannot be built or sent is a FAILED
    step, in the first case without a CallProposed; it goes back to the planner, as a refused one does. In a dry run
    nothing is sent. A workflow that a plan proposes is agreed to as a whole: WorkflowProposed comes before its first
    calls, `workflow_consent` is asked once, and its calls then run without a question. A turn that reaches one of the
    `caps`, or goes in circles, ends before the next request, with the answers so far. `ledger` has the changes of a
    conversation that this one is a part of; without it, those of this one count. With `hides_fields` a question shows
    no value of a field that the user hides from models: what asks it may hand it to one.

    Raises PlannerError; ConsentError when consent is needed and no one is there to give it; CredentialError and
    UsageError for faults that only the user can correct, such as a credential or a base URL. Before it ends in an
    error, or is cancelled, it yields the step of every call that was proposed.
    """
    ledger = ledger if ledger is not None else Ledger(id=conversation.id, is_literal=policy.spelled_out)
    for turn in conversation.turns:
        ledger.take_up(turn.steps, is_past=turn is not conversation.current)
    ledger.agree(part for part in policy.agreed if not ledger.has_agreed(part))
    ledger.reads = ReadLog(window_s=math.inf)  # the user, who asks again, wants a new answer
    async with _client_of(dry_run=dry_run) as client:
        terms = CallTerms(
            targets=targets,
            policy=policy,
            consent=consent,
            dry_run=dry_run,
            limits=limits,
            client=client,
            workflow_consent=workflow_consent,
            ledger=ledger,
            hides_fields=hides_fields,
        )
        # The API may still work for a process that was killed: its state is read, and the change is not sent again.
        if (ended := await _earlier_work(conversation, terms)) is not None:
            yield ended
            conversation = conversation.with_last_step(ended.step)
        # `aclosing`, because an abandoned generator is closed only when it is collected, after the client is.
        async with aclosing(_rounds(planner, conversation, terms, max_rounds, TurnMeter(caps))) as events:
            async for event in events:
                yield event


async def _earlier_work(conversation: Conversation, terms: CallTerms) -> WorkEnded | None:
    """Return the end of the work that the last step of a conversation began; None where it began none."""
    if not conversation.steps:
        return None
    is_of_model = any(model_state(round.plan) is not None for turn in conversation.turns for round in turn.rounds)
    return await terms.end_of_work(conversation.steps[-1], for_model=is_of_model)


def _client_of(*, dry_run: bool) -> AbstractAsyncContextManager[HttpClient | None]:
    """Return the connections of a turn; None in a dry run, which loads nothing that sends."""
    if dry_run:
        return nullcontext()
    from nlapi.client.send import open_client

    return open_client()


async def _rounds(
    planner: Planner, conversation: Conversation, terms: CallTerms, max_rounds: int, meter: TurnMeter
) -> AsyncGenerator[Event, None]:
    """Yield the events of rounds until one ends the turn."""
    name = planner.name
    progress = TurnProgress(reads=terms.ledger.reads, max_rounds=max_rounds)
    while True:
        plan = progress.end(conversation)
        async with aclosing(_pieces_in_time(planner, conversation, meter, plan)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Plan):
                    plan = piece
                elif isinstance(piece, PlannerChosen):
                    name = piece.planner
                    yield piece
                else:
                    yield TextReceived(text=piece)
        if plan is None:
            raise PlannerError(f"the planner {planner.name} ended without a plan")
        plan = meter.count_calls(len(plan.calls)) or plan
        yield PlanCreated(plan=plan, planner=name)
        if stop_event := _stop_event(plan, conversation, terms):
            yield stop_event
            return
        steps: list[Step] = []
        if plan.proposal is not None:
            settlement = ProposalSettlement(plan=plan, proposal=plan.proposal, conversation=conversation, terms=terms)
            async with aclosing(settlement.events()) as proposed:
                async for event in proposed:
                    yield event
            terms = settlement.terms
            steps += settlement.steps
        async with aclosing(_plan_events(plan, conversation, steps, terms)) as events:
            async for run_event in events:
                yield run_event
        conversation = conversation.with_round(Round(plan=plan, steps=tuple(steps)))
        progress.count(plan, steps)
        if not plan.calls:
            yield TurnAnswered(text=plan.text, conversation=conversation, views=plan.views)
            return
        if previewed := sum(step.outcome is Outcome.PREVIEWED for step in steps):
            yield TurnAnswered(text=_dry_run_text(previewed, plan.goal), conversation=conversation)
            return


async def _plan_events(
    plan: Plan, conversation: Conversation, steps: list[Step], terms: CallTerms
) -> AsyncGenerator[PlanRunEvent, None]:
    """Yield the events of a plan's calls, and append their steps; none where `steps` has their end already."""
    if steps:
        return
    run = PlanRun(plan=plan, conversation=conversation, steps=steps, terms=terms)
    async with aclosing(run.events()) as events:
        async for event in events:
            yield event


async def _pieces_in_time(
    planner: Planner, conversation: Conversation, meter: TurnMeter, end: Plan | None
) -> AsyncGenerator[str | PlannerChosen | Plan, None]:
    """Yield what a planner yields; in its place `end` where there is one, and in place of the rest once time is over.

    A planner sends nothing to the API, so that it can be left in the middle of an answer: nothing of that is run.
    """
    if last_plan := end or meter.late_plan():
        yield last_plan
        return
    pieces = planner.next(conversation)
    while True:
        try:
            async with asyncio.timeout(meter.remaining_s):
                piece = await anext(pieces)
        except StopAsyncIteration:
            return
        except TimeoutError:
            if not (late_plan := meter.late_plan()):
                raise
            yield late_plan
            return
        yield piece


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
    if choices := offered_choices(plan, terms.policy.offer_below):
        return ChoiceOffered(choices=choices, plan=plan, conversation=conversation)
    if plan.missing:
        return InputNeeded(missing=plan.missing, plan=plan, conversation=conversation)
    return None


def offered_choices(plan: Plan, offer_below: float) -> tuple[Call, ...]:
    """Return the calls that the user has to pick from where a plan is little more than a guess; () for a surer one."""
    if not plan.calls or not plan.alternatives or plan.confidence >= offer_below:
        return ()
    likeliest = {call.tool.operation: call for call in (plan.goal or plan.calls[-1], *plan.alternatives)}
    return tuple(likeliest.values())[:MAX_CHOICES] if len(likeliest) > 1 else ()
