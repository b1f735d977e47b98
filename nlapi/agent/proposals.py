"""Decides on a workflow as a whole, before the first of its calls: shown once, asked about once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace

from nlapi.agent.events import StepFinished, WorkflowProposed
from nlapi.agent.policy import PolicyDecision, Verdict
from nlapi.agent.sending import CallTerms
from nlapi.client.masking import redact
from nlapi.client.safe_text import single_line
from nlapi.errors import ConsentError
from nlapi.openapi.spec import Effect
from nlapi.tools.plan import Conversation, Outcome, Plan, Step, WorkflowProposal


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
        # Its calls are no repetition of earlier ones where the user was shown that it may be one as a whole.
        repeats = proposed.asks and bool(self.proposal.reason)
        self.terms.ledger.agree(self.proposal.call_ids, repeats=repeats)

    def _end(self, outcome: Outcome, message: str) -> None:
        self.steps = tuple(Step(call=call, outcome=outcome, message=message) for call in self.plan.calls)

    def _consent_error(self, reason: str) -> ConsentError:
        """Return the error where nobody is there to consent."""
        count = self.proposal.changes
        name = single_line(self.proposal.call.operation_id)
        needs = f"the workflow {name} makes {count} change{'' if count == 1 else 's'} and needs your consent"
        hint = "run it in a terminal, where you are asked" if reason else "--yes consents in advance"
        return ConsentError(f"{needs}{f': {reason}' if reason else ''}; nothing was sent", hint=hint)
