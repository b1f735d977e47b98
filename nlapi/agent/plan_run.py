"""The execution of one plan: its READs side by side, its changes confirmed together and sent one by one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby

from nlapi.agent.agreement import Agreement
from nlapi.agent.events import NOT_RUN, ItemsReceived, Proposed, Reported, Stepped
from nlapi.agent.messages import own
from nlapi.agent.sending import failed_step, send_all
from nlapi.agent.terms import Terms
from nlapi.errors import ConsentError, NlapiError
from nlapi.openapi.spec import Effect
from nlapi.tools.plan import Conversation, Outcome, Plan, Step
from nlapi.tools.run import Prepared

Event = Proposed | ItemsReceived | Stepped | Reported


@dataclass(slots=True, kw_only=True)
class PlanRun:
    """The execution of a plan's calls; their steps are appended to `steps` in the plan's order.

    Calls are identified by their index in the plan, as a plan may have the same one twice.
    """

    plan: Plan
    conversation: Conversation
    terms: Terms
    done: list[Step]
    settled: dict[int, Prepared | Step] = field(default_factory=dict)
    """calls that are confirmed or ended, and not reached yet"""
    asking: tuple[Sequence[int], Agreement] | None = None
    """the calls that are being built and asked about"""

    async def events(self) -> AsyncGenerator[Event, None]:
        """Yield the events. An error or a cancellation is raised after the step of every call that was proposed."""
        try:
            for group in self._groups():
                if self._to_settle(group):
                    async with aclosing(self._settle(group)) as shown:
                        async for proposed in shown:
                            yield proposed
                async with aclosing(self._send(group)) as sent:
                    async for event in sent:
                        yield event
        # A transcript in which a proposed change has no step reads as "may have been carried out", so none may be left
        # open.
        except (Exception, asyncio.CancelledError, KeyboardInterrupt) as error:
            for step in self._given_up(error):
                self.done.append(step)
                yield Stepped(step=step)
            for report in self._report():
                yield report
            raise
        for report in self._report():
            yield report

    def _groups(self) -> Iterator[tuple[int, ...]]:
        """Yield the indices of adjacent READs together, and each change on its own."""
        for reads, group in groupby(range(len(self.plan.calls)), key=self._reads):
            if reads:
                yield tuple(group)
            else:
                yield from ((at,) for at in group)

    def _reads(self, at: int) -> bool:
        return self.plan.calls[at].tool.effect is Effect.READ

    def _to_settle(self, group: Sequence[int]) -> bool:
        """Return whether a group still has to be confirmed; after a change that failed nothing more is sent."""
        return group[0] not in self.settled and not any(_failed_change(step) for step in self.done)

    async def _settle(self, group: Sequence[int]) -> AsyncGenerator[Proposed, None]:
        """Confirm a group of READs or, at the first change, all changes of the plan."""
        places = group if self._reads(group[0]) else [at for at in range(len(self.plan.calls)) if not self._reads(at)]
        agreement = Agreement(
            calls=[self.plan.calls[at] for at in places],
            plan=self.plan,
            conversation=self.conversation,
            done=tuple(self.done),
            terms=self.terms,
        )
        # It stays set when `settle` raises: `_abandoned_steps` then has the steps of the calls that were asked about.
        self.asking = places, agreement
        async with aclosing(agreement.settle()) as shown:
            async for proposed in shown:
                yield proposed
        self.asking = None
        self.settled |= dict(zip(places, agreement.items, strict=True))

    async def _send(self, group: Sequence[int]) -> AsyncGenerator[ItemsReceived | Stepped, None]:
        ready = [self._ready(at) for at in group]
        sending = partial(self.terms.perform, for_model=own(self.plan) is not None)
        async with aclosing(send_all(ready, sending)) as outcomes:
            async for outcome in outcomes:
                if isinstance(outcome, Step):
                    self.done.append(outcome)
                    yield Stepped(step=outcome)
                else:
                    yield outcome

    def _ready(self, at: int) -> Prepared | Step:
        # A failed change may be what the later ones rely on, so they are not sent although the user agreed to them.
        item = self.settled.pop(at, None)
        if isinstance(item, Step) or (item and not any(_failed_change(step) for step in self.done)):
            return item
        call, request = (item.call, item.request) if item else (self.plan.calls[at], None)
        return failed_step(call, f"{NOT_RUN}, as a change before it in the plan failed or did not end", request)

    def _given_up(self, error: BaseException) -> Iterator[Step]:
        """Yield the steps of the calls that `error` ended before they were sent, in the plan's order."""
        ended = f"{NOT_RUN}: the turn ended before"
        fates = {at: self._unsent(item, ended) for at, item in self.settled.items()}
        if self.asking is not None:
            places, agreement = self.asking
            built = len(agreement.items)
            all_built = built == len(places)
            for at, item in zip(places, agreement.items, strict=False):
                fates[at] = _unconsented(item) if all_built else self._unsent(item, ended)
            if not all_built:
                call = agreement.calls[built]
                failed = isinstance(error, NlapiError) and not isinstance(error, ConsentError)
                fates[places[built]] = failed_step(call, f"not sent: {error}" if failed else ended)
        for at in range(len(self.done), max(fates, default=-1) + 1):
            yield fates.get(at) or failed_step(self.plan.calls[at], ended)

    def _unsent(self, item: Prepared | Step, message: str) -> Step:
        return item if isinstance(item, Step) else failed_step(item.call, message, item.request)

    def _report(self) -> Iterator[Reported]:
        """Yield the outcome of the changes where there are several and they are not a dry run."""
        steps = tuple(step for step in self.done if step.call.tool.effect is not Effect.READ)
        if len(steps) > 1 and not self.terms.dry_run:
            yield Reported(steps=steps)


def _unconsented(item: Prepared | Step) -> Step:
    if isinstance(item, Step):
        return item
    message = "no consent was given; nothing was sent"
    return Step(call=item.call, outcome=Outcome.REFUSED, message=message, request=item.request)


def _failed_change(step: Step) -> bool:
    """Return whether a change failed, or its answer was cut."""
    if step.call.tool.effect is Effect.READ:
        return False
    return step.outcome is Outcome.FAILED or (step.result is not None and (not step.result.ok or step.result.is_cut))
