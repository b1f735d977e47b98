"""A plan that a model hands over in one call, for what sees single calls: an MCP client, a toolset.

It is read, asked about once, sent, and answered with what became of each call.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from nlapi.agent.events import CallProposed, Consent, ConsentReply, StepFinished, WorkEnded
from nlapi.agent.loop import converse
from nlapi.agent.models.messages import ModelState
from nlapi.agent.operations.tools import PLAN_TOOL, CallChain, ChainWriter, OperationTools
from nlapi.agent.policy import Policy
from nlapi.agent.sending import Targets
from nlapi.client.message import Limits
from nlapi.client.safe_text import single_line, strip_all
from nlapi.client.truncate import NOTE_KEY, UNTRUSTED
from nlapi.errors import NlapiError, UsageError
from nlapi.openapi.spec import Effect
from nlapi.results.model_view import MAX_VIEW, fit_bytes
from nlapi.results.store import StoredResult
from nlapi.tools.plan import Conversation, Outcome, Plan, Round, Step, Turn
from nlapi.tools.repetition.ledger import Ledger
from nlapi.tools.sending.run import Prepared, Target, prepare
from nlapi.tools.tool import Call

# Rounds: the pages of a list, and what comes after them.
MAX_ROUNDS = 300
_DEPENDENT = "a change waits for the answer to another one: call them one by one"


@dataclass(slots=True, kw_only=True)
class SubmittedPlan:
    """A plan as the planner of its own turn, with the steps that were taken.

    `complete` adds what the user has registered to a call.
    """

    chain: CallChain
    conversation: Conversation
    complete: Callable[[Call], Call] = lambda call: call
    name: str = PLAN_TOOL
    steps: list[Step] = field(default_factory=list)
    summary: str = ""
    failure: str = ""
    last_calls: frozenset[str] = frozenset()
    """the ids of the calls of the last round"""
    changes: int = 0
    """changes of the last round"""

    async def next(self, conversation: Conversation) -> AsyncIterator[Plan]:
        """Yield the next calls, or the end of the turn."""
        plan = self.chain.next_plan(conversation) or Plan(failure="not every call was answered with success")
        later = [entry.call for entry in plan.following]
        if all(any(call.effect is not Effect.READ for call in calls) for calls in (plan.calls, later)):
            # One question is about all changes, and shows them as they are sent.
            plan = Plan(failure=f"nothing was changed: {_DEPENDENT}")
        if plan.calls:
            self.last_calls = frozenset(call.id for call in plan.calls)
            self.changes = sum(call.effect is not Effect.READ for call in plan.calls)
        else:
            self.failure = plan.failure
        self.summary = plan.understood or self.summary or plan.text
        # The state of a model's plan: a model reads the answers, without the fields that are hidden from it.
        yield replace(plan, calls=tuple(map(self.complete, plan.calls)), raw=ModelState(model=""))

    async def carry_out(
        self, targets: Targets, consent: Consent, ledger: Ledger, *, policy: Policy, limits: Limits | None = None
    ) -> None:
        """Take the steps. NlapiError before anything is changed; after that, `failure` says what ended it."""

        async def agree(proposed: tuple[CallProposed, ...]) -> ConsentReply:
            if len(proposed) < self.changes:
                return ConsentReply(is_agreed=False, reason="another change of the plan is never sent")
            return await consent(proposed)

        reads = ledger.reads
        try:
            async for event in converse(
                self,
                self.conversation,
                targets,
                policy=policy,
                consent=agree,
                limits=limits,
                max_rounds=MAX_ROUNDS,
                ledger=ledger,
                hides_fields=True,
            ):
                if isinstance(event, WorkEnded):
                    self.steps[-1:] = [event.step]
                elif isinstance(event, StepFinished):
                    self.steps.append(event.step)
        except NlapiError as error:
            if not any(step.sent for step in self.steps):
                raise
            self.failure = str(error)
        finally:
            ledger.reads = reads  # those of the caller's conversation go on

    @property
    def is_done(self) -> bool:
        return not self.failure and all(step.has_succeeded for step in self.steps)

    def record(self, room: int = MAX_VIEW) -> dict[str, Any]:
        """Return what became of it, for a model: the number of changes, what failed, and what the last reads answered.

        It takes at most `room` bytes.
        """
        changes = [step for step in self.steps if step.effect is not Effect.READ]
        failed = [step for step in self.steps if not step.has_succeeded]
        reads = [step for step in self.steps if step.call.id in self.last_calls and step.effect is Effect.READ]
        record: dict[str, Any] = {
            "state": "done" if self.is_done else "failed",
            NOTE_KEY: UNTRUSTED,
            "plan": single_line(self.summary)[:500],
            **({"failure": single_line(self.failure)} if self.failure else {}),
            "changed": sum(step.has_succeeded for step in changes),
        }
        parts = {"not_done": failed, "answers": [step for step in reads if step.has_succeeded]}
        for name, steps in parts.items():
            if steps:
                record[name] = strip_all(fit_bytes(list(map(_entry, steps)), room // 3))
        return record


def submitted_plan(
    arguments: Mapping[str, Any],
    tools: OperationTools,
    write: ChainWriter,
    stored: Callable[[str], StoredResult],
    complete: Callable[[Call], Call] = lambda call: call,
) -> SubmittedPlan:
    """Return the plan of the arguments of the tool. UsageError with what is wrong in it: nothing is sent then.

    `stored` returns the answer of a handle, which a loop may go through.
    """
    nodes = arguments.get("steps")
    steps: list[Step] = []
    if isinstance(nodes, list):
        nodes = [_with_number(node, stored, steps) for node in nodes]
    earlier = Turn(question="", rounds=(Round(plan=Plan(), steps=tuple(steps)),))
    conversation = Conversation(turns=(*([earlier] if steps else []), Turn(question="carry out the plan")))
    chain = write({**arguments, "steps": nodes}, tools, conversation)
    return SubmittedPlan(chain=chain, conversation=conversation, complete=complete)


def _with_number(node: object, stored: Callable[[str], StoredResult], steps: list[Step]) -> object:
    """Return a step of a plan with the number of the stored answer that it goes through; that is added to `steps`."""
    each = node.get("each") if isinstance(node, Mapping) else None
    handle = each.get("in") if isinstance(each, Mapping) else None
    if not isinstance(node, Mapping) or not isinstance(each, Mapping) or not isinstance(handle, str):
        return node
    if handle.startswith("$"):
        return node
    entry = stored(handle.strip())
    if entry.call.effect is not Effect.READ:
        raise UsageError(f"{handle[:40]!r} is not a list that was read")
    steps.append(Step(call=entry.call, outcome=Outcome.ANSWERED, result=entry.result))
    return {**node, "each": {**each, "in": f"r{len(steps)}"}}


def proposed_change(proposed: CallProposed, target: Target) -> Prepared:
    """Return a change of a plan as a question about single changes has it.

    What speaks against it has to be agreed to by a person, as a repetition has.
    """
    prepared = prepare(proposed.call, target)
    return replace(prepared, request=proposed.request, repetition=prepared.repetition or proposed.reason)


def _entry(step: Step) -> dict[str, Any]:
    """Return what became of one call."""
    entry: dict[str, Any] = {"operation": step.call.operation_id, "item": step.call.label or dict(step.call.arguments)}
    if step.result is None:
        return {**entry, "message": step.message}
    data = step.result.data if step.result.data is not None else step.result.text
    return {**entry, "status": step.result.status, "data": data}
