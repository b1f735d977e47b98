"""A plan of a model as one call of a client: all its changes are one question, whatever the server asks for otherwise.

A client's own dialog shows the conditions of a loop and not the entries that they choose, so the server asks itself.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import mcp_types as types

from nlapi.agent.events import CallProposed, ConsentReply, FieldState, change_lines
from nlapi.agent.operations.tools import PLAN_TOOL, OperationTools
from nlapi.agent.policy import Policy
from nlapi.agent.records.receipts import begin_receipt
from nlapi.agent.toolset.submitted_plan import SubmittedPlan, proposed_change, submitted_plan
from nlapi.client.safe_text import count_noun
from nlapi.errors import UsageError
from nlapi.mcp.audit import CallOutcome
from nlapi.mcp.consent import ConsentRequest, request_consent
from nlapi.mcp.consent_subject import MAX_QUESTION, ConsentSubject, call_subject, wrap_question
from nlapi.mcp.progress import changes_made, progress_reports
from nlapi.mcp.server_state import ServerState
from nlapi.mcp.settings import Consent
from nlapi.mcp.tool_listing import registered_arguments
from nlapi.openapi.spec import Effect
from nlapi.tools.sending.run import Prepared, Target
from nlapi.tools.tool import Call
from nlapi.workflows.plan_writer import deferred_chain

# Commands of a terminal in an answer where nobody can be asked.
MAX_COMMANDS = 10


@dataclass(slots=True, kw_only=True)
class _PlanCall:
    """A plan for a client. `question` is what the client has to put first."""

    state: ServerState
    request: ConsentRequest
    plan: SubmittedPlan
    question: types.InputRequiredResult | types.CallToolResult | None = None
    has_asked: bool = False

    def target(self, call: Call) -> Target:
        """Return the API for a call. UsageError for an operation that is not offered, such as a read beside a plan."""
        if call.tool.operation not in self.state.catalogue.operations:
            raise UsageError(f"{call.operation_id} is not offered here")
        return self.state.target_for(self.request.context, call.effect)

    async def consent(self, proposed: tuple[CallProposed, ...]) -> ConsentReply:
        """Ask the user about all changes. ConsentError without a yes."""
        if self.has_asked or any(item.effect is Effect.READ for item in proposed):
            names = ", ".join(dict.fromkeys(item.call.operation_id for item in proposed))
            return ConsentReply(is_agreed=False, reason=f"{names} needs a question of its own: call it by itself")
        self.has_asked = True
        changes = [(item, proposed_change(item, self.target(item.call))) for item in proposed]
        self.question = await request_consent(self.request, plan_subject(self.plan.summary, changes))
        return ConsentReply(is_agreed=self.question is None, reason="" if self.question is None else "not answered yet")


async def call_plan(
    state: ServerState, tools: OperationTools, request: ConsentRequest
) -> types.CallToolResult | types.InputRequiredResult:
    """Return the outcome of a plan, or the question that the client has to put first.

    NlapiError where nothing is changed: a plan at fault, no consent.
    """
    if state.settings.consent is Consent.NEVER or state.settings.prefix:
        raise UsageError(f"there is no tool {PLAN_TOOL!r} here", hint="call the operations one by one")
    plan = submitted_plan(
        request.params.arguments or {},
        tools,
        deferred_chain,
        partial(state.answers.get, request.owner),
        lambda call: replace(call, arguments={**registered_arguments(call.tool, state.settings), **call.arguments}),
    )
    targets = state.target_for(request.context), state.target_for(request.context, Effect.WRITE)
    secrets = tuple(secret for target in targets for secret in target.credentials.values())
    call = _PlanCall(state=state, request=request, plan=plan)
    ledger, record = state.ledger(request.context), request.record
    try:
        async with progress_reports(request.context, lambda: f"{count_noun(len(plan.steps), 'call')} answered"):
            policy = Policy(secrets=secrets, spelled_out=True)
            await plan.carry_out(call.target, call.consent, ledger, policy=policy, limits=state.settings.limits)
    except asyncio.CancelledError:
        if made := changes_made("the plan", plan.steps, lambda step: step.call.label or step.call.operation_id):
            state.record_unknown_outcome(request.context, made)
        raise
    if call.question is not None:
        record.outcome = CallOutcome.ASKED
        return call.question
    if record.ticket is not None:
        record.ticket.receipt = record.ticket.receipt.with_steps(plan.steps)
    is_open = any(step.is_uncertain for step in plan.steps)
    record.outcome = CallOutcome.UNKNOWN if is_open else CallOutcome.ANSWERED if plan.is_done else CallOutcome.FAILED
    text = json.dumps(plan.record(), ensure_ascii=False, default=str)
    return types.CallToolResult(
        content=[types.TextContent(text=text)], structured_content=json.loads(text), is_error=not plan.is_done
    )


def _plan_question(head: str, events: Sequence[CallProposed], subjects: Sequence[ConsentSubject]) -> str:
    parts, before = [head], ""
    for proposed, subject in zip(events, subjects, strict=True):
        first, _, rest = subject.question.partition("\n")
        label = f"  {json.dumps(proposed.call.label, ensure_ascii=False)}" if proposed.call.label else ""
        parts += [f"{first}{label}{'  (the rest as above)' if rest and rest == before else ''}"]
        parts += rest.split("\n") if rest and rest != before else []
        parts += change_lines(proposed.changes)
        before = rest
    return "\n".join(map(wrap_question, ([part] for part in parts)))


def plan_subject(summary: str, changes: Sequence[tuple[CallProposed, Prepared]]) -> ConsentSubject:
    """Return the question about all changes of a plan. UsageError where nobody could be shown them all."""
    subjects = [call_subject(prepared, proposed.changes) for proposed, prepared in changes]
    head = f"{count_noun(len(changes), 'change')}: {summary}"
    events = [proposed for proposed, _ in changes]
    question = _plan_question(head, events, subjects)
    if len(question) > MAX_QUESTION:  # what is deleted has its name by its label
        set_alone = (tuple(field for field in event.changes if field.state is not FieldState.SHOWN) for event in events)
        events = [replace(event, changes=fields) for event, fields in zip(events, set_alone, strict=True)]
        question = _plan_question(head, events, subjects)
    if len(question) > MAX_QUESTION:
        raise UsageError(f"{head}: too many to show in one question", hint="a limit, or a narrower condition, helps")
    prints = repr([(summary, subject.fingerprint) for subject in subjects])
    return ConsentSubject(
        name=f"the plan ({count_noun(len(changes), 'change')})",
        question=question,
        fingerprint=hashlib.sha256(prints.encode("utf-8", "surrogatepass")).hexdigest(),
        command="\n".join(subject.command for subject in subjects[:MAX_COMMANDS]),
        receipt=begin_receipt("mcp", [prepared for _, prepared in changes]),
        title=f"Send these {len(changes)} requests?" if len(changes) > 1 else "Send this request?",
        is_ruled=any(prepared.is_ruled for _, prepared in changes),
        repetition="; ".join(dict.fromkeys(prepared.repetition for _, prepared in changes if prepared.repetition)),
    )
