"""The policy: which calls run, ask first or never run; a pure function of the call and the steps before it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from nlapi.agent.flow import flow_reason, leaves_by_name
from nlapi.client.auth import secret_parts
from nlapi.client.masking import secret_mask
from nlapi.openapi.spec import Effect
from nlapi.resources.lexicon import are_synonyms, leading_verbs
from nlapi.tools.ledger import OUTCOME_UNKNOWN as OUTCOME_UNKNOWN
from nlapi.tools.ledger import SentOutcome
from nlapi.tools.plan import Conversation, Step, WorkflowProposal, receiver_of
from nlapi.tools.run import Prepared
from nlapi.tools.tool import Account, Call, Origin

_VARIABLE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")


class Verdict(StrEnum):
    """The verdict of the policy on a call."""

    RUN = "run"
    ASK = "ask"
    NEVER = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyDecision:
    """A verdict with its reason, in words for a user and a planner; "" where it is plain."""

    verdict: Verdict
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The rules under which calls run without a question.

    A READ runs; a WRITE or DESTROY asks. With `yes`, consent in advance, a change runs unasked where the question
    itself asks for it: one that fails a check of its account (`nlapi.changes.checks`) asks, with the reasons, and so
    does one of a plan with a confidence under `change_below`. `destroy` is consent in advance that names DESTROY:
    without it a DESTROY runs only where the question says that something is to be removed. When a user is present
    (`interactive`), READs of a plan under `ask_below` ask too. Under `offer_below` nothing of a plan with alternatives
    is proposed, and the user picks one of them.

    The answers of an API are untrusted, and a read is a channel as well as a write. So once one API has answered, a
    change to another API asks even under `yes`, and so does a READ there whose arguments the user did not give, or
    that comes after reads which could have carried READ_BITS (`nlapi.agent.flow`); `across` is consent to both in
    advance. A change that the ledger calls a repetition (`nlapi.tools.ledger`) is never sent unasked. A call that
    carries one of `secrets` (credentials, also in part or encoded), or a `${VARIABLE}` that something may expand, is
    never sent.

    `agreed` are the ids of calls that the user agreed to as parts of a document that was shown (a workflow): they run
    unasked, once each. A further attempt of one asks as a repetition does, and so does one that may have been carried
    out. With `spelled_out` the user wrote the calls themselves, with their operations and values, and no sentence.
    """

    yes: bool = False
    destroy: bool = False
    across: bool = False
    interactive: bool = True
    ask_below: float = 0.0
    change_below: float = 0.0
    offer_below: float = 0.0
    secrets: tuple[str, ...] = field(default=(), repr=False)
    agreed: frozenset[str] = frozenset()
    spelled_out: bool = False

    def decide(
        self,
        prepared: Prepared,
        conversation: Conversation,
        *,
        confidence: float = 1.0,
        during: tuple[Step, ...] = (),
        beside: tuple[Call, ...] = (),
        evidence: str = "",
    ) -> PolicyDecision:
        """Return the judgement on one call, by its request as it goes on the wire.

        `during` are the steps already taken in the current round, and `beside` the calls of the same plan that go
        before this one and are not sent yet. `evidence` is the state that the API shows of an
        earlier change that this one may repeat; it is added to the reason and decides nothing.
        """
        call = prepared.written
        # Both forms are searched: a secret may be in an amount as written, or appear in the converted arguments.
        if refusal := self.refusal(prepared.call) or self.refusal(call):
            return PolicyDecision(verdict=Verdict.NEVER, reason=refusal)
        if call.part in self.agreed:
            return self._decide_agreed(prepared, evidence)
        crossing = "" if self.across else flow_reason(prepared, conversation, during, beside)
        is_read = prepared.effect is Effect.READ
        is_sure = confidence >= (self.ask_below if is_read else self.change_below)
        confidence_reason = "" if is_sure else f"the planner is only {confidence:.0%} sure of it"
        if is_read:
            reason = _join_reasons(confidence_reason if self.interactive else "", crossing)
            return PolicyDecision(verdict=Verdict.ASK, reason=reason) if reason else PolicyDecision(verdict=Verdict.RUN)
        # What a change is held to is not loaded for a read.
        from nlapi.changes.checks import reasons_against
        from nlapi.changes.tracing import trace_call

        repetition = prepared.repetition
        account = call.account if call.account is not None else trace_call(call, conversation, during)
        standing_reasons: tuple[str, ...] = ()
        if not self.spelled_out:
            standing_reasons = reasons_against(call, account, conversation.question, destroy=self.destroy)
            current_steps = (*conversation.current.steps, *during)
            repetition = repetition or _same_words_reason(account, call, current_steps, beside)
        reason = _join_reasons(
            repetition, evidence if repetition else "", crossing, *standing_reasons, confidence_reason
        )
        if (self.yes or self.destroy) and not reason:
            return PolicyDecision(verdict=Verdict.RUN, reason="consent was given in advance")
        return PolicyDecision(verdict=Verdict.ASK, reason=reason)

    def decide_workflow(
        self, proposal: WorkflowProposal, conversation: Conversation, *, confidence: float = 1.0
    ) -> PolicyDecision:
        """Return the judgement on a workflow as a whole, as on one change with its inputs as arguments.

        One that only reads runs, and its calls are judged one by one.
        """
        call = proposal.call
        if refusal := self.refusal(call):
            return PolicyDecision(verdict=Verdict.NEVER, reason=refusal)
        if call.effect is Effect.READ:
            return PolicyDecision(verdict=Verdict.RUN)
        from nlapi.changes.checks import reasons_against
        from nlapi.changes.tracing import trace_call

        earlier = conversation.steps
        answered = (receiver_of(step.call.tool.operation, step.request) for step in earlier if step.result is not None)
        foreign = None if self.across else next((other for other in answered if other not in proposal.receivers), None)
        crossing = f"it may carry what {foreign.title} answered" if foreign is not None else ""
        confidence_reason = (
            "" if confidence >= self.change_below else f"the planner is only {confidence:.0%} sure of it"
        )
        account = call.account if call.account is not None else trace_call(call, conversation, ())
        standing_reasons = reasons_against(call, account, conversation.question, destroy=self.destroy)
        reason = _join_reasons(proposal.reason, crossing, *standing_reasons, confidence_reason)
        if (self.yes or self.destroy) and not reason:
            return PolicyDecision(verdict=Verdict.RUN, reason="consent was given in advance")
        return PolicyDecision(verdict=Verdict.ASK, reason=reason)

    def _decide_agreed(self, prepared: Prepared, evidence: str) -> PolicyDecision:
        """Return the judgement on a call that the user agreed to beforehand, as a part of a document."""
        if prepared.effect is Effect.READ:
            return PolicyDecision(verdict=Verdict.RUN)
        if prepared.repetition:
            return PolicyDecision(verdict=Verdict.ASK, reason=_join_reasons(prepared.repetition, evidence))
        return PolicyDecision(verdict=Verdict.RUN, reason="agreed to with the workflow")

    def refusal(self, call: Call) -> str:
        """Return the reason why the call must not be sent at all; "" when it may."""
        secrets = secret_mask(tuple(part for secret in self.secrets for part in secret_parts(secret)))
        for text in _texts(call.arguments):
            # A model that was told to leak a key may encode it.
            if secrets.finds(text):
                return "its arguments carry a credential, and credentials never travel in arguments"
            if _VARIABLE.fullmatch(text.strip()):
                return f"the argument {text.strip()} names a variable, and variables are not expanded in arguments"
        return ""


def _same_words_reason(account: Account, call: Call, steps: Iterable[Step], beside: Iterable[Call]) -> str:
    """Return the reason why a model's change may be one that another operation has made for the same words.

    `steps` are those of the question at hand, and `beside` are further calls of its plan. A sentence that is carried
    out by createPayment is not carried out by createPaymentV2 too: both have the verb, and all that was said.
    """
    traced_texts = {
        str(entry.value).casefold() for entry in account.sources if entry.origin in (Origin.WORDS, Origin.LOOKUP)
    }
    if not account.traced or not traced_texts:
        return ""
    verbs = leading_verbs(call.tool.operation)
    made = (step.call for step in steps if step.sent in (SentOutcome.UNKNOWN, SentOutcome.ANSWERED))
    for other in (*made, *beside):
        if other.effect is Effect.READ or other.tool.operation is call.tool.operation:
            continue
        other_verbs = leading_verbs(other.tool.operation)
        is_same_verb = any(are_synonyms(verb, other_verb) for verb in verbs for other_verb in other_verbs)
        if is_same_verb and traced_texts <= {str(value).casefold() for _, value in leaves_by_name(other)}:
            return f"{other.operation_id} does the same with the same values"
    return ""


def _join_reasons(*reasons: str) -> str:
    return "; ".join(dict.fromkeys(filter(None, reasons)))


def _texts(value: object) -> Iterator[str]:
    """Yield every text in a JSON value, keys included, and numbers from 10,000 on."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _texts(key)
            yield from _texts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)
    # Smaller numbers are page sizes and counts, which carry no one's data.
    elif isinstance(value, (int, float)) and abs(value) >= 10_000:
        yield str(value)
