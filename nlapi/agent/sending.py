"""Sends a group of calls side by side, under the terms of a conversation, with items of streams as they come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from nlapi.agent.events import UNFINISHED, Consent, ItemsReceived, WorkEnded, WorkflowConsent
from nlapi.agent.policy import Policy, Verdict
from nlapi.client.message import EndReason, Limits, Request, Result
from nlapi.errors import ConsentError, CredentialError, NlapiError, OutcomeUnknownError, SendError, UsageError
from nlapi.openapi.spec import Effect, Spec
from nlapi.resources.long_running import WorkState
from nlapi.tools.plan import Conversation, Outcome, Step
from nlapi.tools.repetition.ledger import OUTCOME_UNKNOWN, Ledger
from nlapi.tools.sending.run import Prepared, Target, is_held, perform, prepare
from nlapi.tools.tool import Call

if TYPE_CHECKING:
    from nlapi.client.streaming.body import Piece, PieceListener
    from nlapi.client.transport import HttpClient

    Perform = Callable[[Prepared, PieceListener], Awaitable[Result]]

# READs of one plan that are in flight at a time; a plan may have dozens, and APIs limit rates and connections.
MAX_CONCURRENT = 8

# Seconds for a read beside the plan while the user waits for the question about a change (docs/design/025-once.md).
READ_SECONDS = 10

Targets = Mapping[Spec, Target] | Callable[[Call], Target]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallTerms:
    """The APIs, the policy, the source of consent and the limits. In a dry run nothing is sent."""

    targets: Targets
    policy: Policy
    consent: Consent
    dry_run: bool
    limits: Limits | None
    client: HttpClient | None
    workflow_consent: WorkflowConsent | None = None
    ledger: Ledger = field(default_factory=Ledger)
    """the changes of the conversation, and the calls that the user agreed to as parts of a whole"""
    hides_fields: bool = False
    """whether a question may reach a model, so that no value of a field that the user hides from it is shown"""
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MAX_CONCURRENT))

    def target(self, call: Call) -> Target:
        """Return the Target of a call, with the ledger of all. UsageError when none was given for its API."""
        if callable(self.targets):
            return replace(self.targets(call), ledger=self.ledger)
        spec = call.tool.operation.spec
        if spec not in self.targets:
            raise UsageError(f"no base URL and credentials were given for {spec.title}", hint="name it with -a SOURCE")
        return replace(self.targets[spec], ledger=self.ledger)

    async def read_unasked(self, call: Call, conversation: Conversation, during: tuple[Step, ...]) -> Result | None:
        """Return the answer to a READ that the policy lets run unasked, if one comes in time."""
        try:
            target = self.target(call)
            prepared = prepare(call, target)
            if (
                is_held(prepared)
                or self.policy.decide(prepared, conversation, during=during).verdict is not Verdict.RUN
            ):
                return None
            limits = Limits(deadline=READ_SECONDS, retries=0)
            return await perform(prepared, target, limits=limits, client=self.client, for_model=self.hides_fields)
        except NlapiError:
            return None

    async def end_of_work(self, step: Step, *, for_model: bool) -> WorkEnded | None:
        """Return the end of the work that the answer to a change tells of; None without any to wait for."""
        if self.dry_run or step.result is None or step.effect is Effect.READ or step.message:
            return None
        from nlapi.tools.sending.waiting import AcceptedChange, await_work

        change, target = AcceptedChange(call=step.call, effect=step.effect, result=step.result), self.target(step.call)
        outcome = await await_work(change, target, limits=self.limits, client=self.client, for_model=for_model)
        if outcome is None:
            return None
        failed = outcome.state is WorkState.FAILED
        message = "" if outcome.state is WorkState.DONE else f"{'' if failed else UNFINISHED}{outcome.message}"
        changed = replace(step, result=outcome.result, message=message)
        return WorkEnded(step=replace(changed, outcome=Outcome.FAILED) if failed else changed)

    async def perform(self, prepared: Prepared, watch: PieceListener, *, for_model: bool) -> Result:
        """Send a call, at most MAX_CONCURRENT at a time."""
        limits = self.limits
        if (deadline := prepared.call.timeout) is not None:
            limits = limits or Limits()
            limits = replace(limits, deadline=min(deadline, limits.deadline))
        async with self.slots:
            return await perform(
                prepared,
                self.target(prepared.call),
                limits=limits,
                client=self.client,
                watch=watch,
                for_model=for_model,
            )


async def send_all(items: Sequence[Prepared | Step], perform: Perform) -> AsyncGenerator[ItemsReceived | Step, None]:
    """Yield the items of streaming answers as they come, then a Step for each of `items`, in order.

    A Step among `items` is yielded unchanged. An error that is more than the failure of a call is raised after the last
    Step, and so is a cancellation; a call whose answer was streaming then is ANSWERED with its items so far.
    """
    received: asyncio.Queue[ItemsReceived | None] = asyncio.Queue()
    tasks = [asyncio.create_task(_finish(item, perform, received.put_nowait)) for item in items]
    for task in tasks:
        # One None for each task that ends wakes the loop below, which otherwise waits for items only.
        task.add_done_callback(lambda _: received.put_nowait(None))
    failure: BaseException | None = None
    try:
        remaining = len(tasks)
        while remaining:
            event = await received.get()
            if event is None:
                remaining -= 1
            else:
                yield event
    except asyncio.CancelledError as error:
        failure = error
    finally:
        for task in tasks:
            task.cancel()
        # Also after a cancellation every task is awaited: a request on the wire has an outcome, and its Step has to
        # tell it.
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    for item, task in zip(items, tasks, strict=True):
        yield _step(item, task)
    failure = failure or next((outcome for outcome in outcomes if isinstance(outcome, BaseException)), None)
    if failure is not None:
        raise failure


def failed_step(call: Call, message: str, request: Request | None = None) -> Step:
    """Return the Step of a call that could not be built or sent."""
    return Step(call=call, outcome=Outcome.FAILED, message=message, request=request)


def unsent_step(item: Prepared | Step, message: str) -> Step:
    """Return the Step of a call that was built and is not sent; one that has ended already stays."""
    return item if isinstance(item, Step) else failed_step(item.call, message, item.request)


@dataclass(slots=True, kw_only=True)
class _PartialAnswer:
    """The part of a streaming answer that has come so far."""

    call: Call
    report: Callable[[ItemsReceived], None]
    last: Piece | None = None
    items: list[Any] = field(default_factory=list)

    def __call__(self, piece: Piece) -> None:
        self.last = piece
        self.items += piece.items
        if piece.items:
            self.report(ItemsReceived(call=self.call, framing=piece.framing, items=piece.items))

    def result(self) -> Result | None:
        """Return the Result of an answer that is interrupted now; None when no item has come."""
        if self.last is None or not self.items:
            return None
        items, framing = tuple(self.items), self.last.framing
        return replace(self.last.head, items=items, framing=framing, ended=EndReason.INTERRUPTED)


async def _finish(item: Prepared | Step, perform: Perform, report: Callable[[ItemsReceived], None]) -> Step:
    """Send one call and return its Step; an answer with an error status is ANSWERED, as the planner reads it."""
    if isinstance(item, Step):
        return item
    partial = _PartialAnswer(call=item.call, report=report)
    try:
        result = await perform(item, partial)
    except OutcomeUnknownError as error:
        return failed_step(item.call, f"{OUTCOME_UNKNOWN}: {error}", item.request)
    except SendError as error:
        return failed_step(item.call, str(error), item.request)
    except (CredentialError, ConsentError):
        raise
    except NlapiError as error:
        return failed_step(item.call, f"not sent: {error}", item.request)
    except asyncio.CancelledError:
        interrupted = partial.result()
        if interrupted is None:
            raise
        result = interrupted
    return Step(call=item.call, outcome=Outcome.ANSWERED, result=result, request=item.request)


def _step(item: Prepared | Step, task: asyncio.Task[Step]) -> Step:
    """Return the Step of a task that has ended."""
    error = None if task.cancelled() else task.exception()
    if isinstance(error, NlapiError):
        return unsent_step(item, f"not sent: {error}")
    if error is None and not task.cancelled():
        return task.result()
    message = "interrupted before an answer came"
    if item.effect is not Effect.READ:
        message = f"{OUTCOME_UNKNOWN}: {message}; it may have been carried out"
    return unsent_step(item, message)
