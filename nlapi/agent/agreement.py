"""The preparation of a plan's calls up to sending: built, judged, previewed together, confirmed with one question."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from nlapi.agent.consent import Reply
from nlapi.agent.current_state import contents_call, counted, state_call
from nlapi.agent.events import NOT_RUN, Proposed
from nlapi.agent.evidence import evidence_of
from nlapi.agent.policy import Judgement, Verdict
from nlapi.agent.preview import FieldChange, field_changes
from nlapi.agent.repetition import are_alike, intention_in, uncertain_step, without_unsaid_key
from nlapi.agent.sending import failed_step
from nlapi.agent.terms import Terms
from nlapi.changes.tracing import traced
from nlapi.client.clean import one_line
from nlapi.client.message import Result
from nlapi.errors import ArgumentError, ConsentError
from nlapi.openapi.spec import Effect
from nlapi.tools.account import Account, Origin, Source
from nlapi.tools.plan import Conversation, Outcome, Plan, Step
from nlapi.tools.rules import Ruling, forbidden, forbids
from nlapi.tools.run import Prepared, permit, prepare
from nlapi.tools.tool import Call


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    """A call that is built and judged. `note` is the fault in the arguments that the user edited, if any."""

    prepared: Prepared
    judgement: Judgement
    changes: tuple[FieldChange, ...] = ()
    note: str = ""


@dataclass(slots=True, kw_only=True)
class Agreement:
    """The decision on `calls` of a plan before any of them is sent: on READs of it, or on all its changes.

    After `settle`, `items` has for each call, in order, either the request to send or the Step that ends it. During it,
    `items` has the calls that are built so far.
    """

    calls: Sequence[Call]
    plan: Plan
    conversation: Conversation
    done: Sequence[Step]
    terms: Terms
    items: list[Prepared | Step] = field(default_factory=list)
    looks: list[tuple[Call, Result | None]] = field(default_factory=list)

    async def settle(self) -> AsyncGenerator[Proposed, None]:
        """Yield what is shown before anything is sent; a call that cannot be built is left out.

        ConsentError when consent is needed and no one is there to give it; CredentialError and UsageError for faults
        that only the user can correct.
        """
        for call in self._accounted():
            self.items.append(self._build(call, self.items))
        self._hold_together()
        drafts = {at: await self._judged(at) for at, item in enumerate(self.items) if isinstance(item, Prepared)}
        while drafts:
            for at, draft in drafts.items():
                drafts[at] = draft = await self._with_changes(draft)
                yield self._proposed(draft)
            edited = await self._decide(drafts)
            if edited is None:
                return
            drafts = await self._edited(drafts, edited)

    def _accounted(self) -> list[Call]:
        """Return the calls with their accounts, where words that another change of the plan uses are not unused."""
        calls = [
            call
            if call.account is not None or call.tool.effect is Effect.READ
            else replace(call, account=traced(call, self.conversation, tuple(self.done)))
            for call in self.calls
        ]
        # "Delete a and b" is two calls, and each leaves the words of the other out.
        used = [_words_of(call.account) for call in (*calls, *(step.call for step in self.conversation.current.steps))]
        return [_without_used(call, frozenset().union(*used)) for call in calls]

    def _build(self, call: Call, before: Sequence[Prepared | Step]) -> Prepared | Step:
        target = self.terms.target(call)
        try:
            call = without_unsaid_key(call, self.conversation)
            intention = intention_in(self.conversation, (*self.done, *_foreseen(before)))
            prepared = prepare(call, target, intention=intention)
            # Credentials are checked before consent is asked for. A dry run needs none, and a denied call gets its own
            # message.
            if not self.terms.dry_run and not forbids(prepared.rule):
                permit(prepared, target)
            return prepared
        except ArgumentError as error:
            return failed_step(call, f"not sent: {error}")

    def _hold_together(self) -> None:
        """Send none of the plan where one change of it cannot be built: the user's consent is to the whole plan."""
        broken = next((item for item in self.items if isinstance(item, Step)), None)
        if broken is None or broken.call.tool.effect is Effect.READ or self.terms.dry_run:
            return
        reason = f"{NOT_RUN}, as {one_line(broken.call.operation_id)} of the same plan cannot be built"
        self.items = [
            item if isinstance(item, Step) else failed_step(item.call, reason, item.request) for item in self.items
        ]

    async def _judged(self, at: int) -> _Draft:
        prepared = self.items[at]
        assert isinstance(prepared, Prepared)
        return _Draft(prepared=prepared, judgement=await self._judgement(prepared, self.items[:at]))

    async def _judgement(self, prepared: Prepared, before: Sequence[Prepared | Step]) -> Judgement:
        """Return the judgement on a call: the policy's, overridden by the rule of the user's policy file."""
        rule = prepared.rule
        if rule is not None and forbids(rule):
            return Judgement(verdict=Verdict.NEVER, reason=forbidden(prepared.call.tool.operation, rule))
        allows = rule is not None and rule.verdict is Ruling.ALLOW
        policy = replace(self.terms.policy, yes=True) if allows else self.terms.policy
        doubted = None if self.terms.dry_run else uncertain_step(prepared, (*self.conversation.steps, *self.done))
        judgement = policy.judge(
            prepared,
            self.conversation,
            confidence=self.plan.confidence,
            during=tuple(self.done),
            evidence=await evidence_of(doubted, self._look) if doubted is not None else "",
        )
        if judgement.verdict is Verdict.NEVER:
            return judgement
        if prepared.effect is not Effect.READ and any(_same(prepared, other) for other in before):
            return Judgement(verdict=Verdict.ASK, reason=_also("the plan has the same change twice", judgement))
        says = f"your policy says {rule}"
        if prepared.asks_always:
            return Judgement(verdict=Verdict.ASK, reason=_also(says, judgement))
        return replace(judgement, reason=says) if allows and judgement.verdict is Verdict.RUN else judgement

    async def _with_changes(self, draft: _Draft) -> _Draft:
        """Return a draft that asks with the fields that it changes, or the number of items that it removes."""
        asks = draft.judgement.verdict is Verdict.ASK and self.terms.policy.interactive and not self.terms.dry_run
        # Under `--yes` nothing is read beforehand: no one would see it (docs/design/024-consent-to-a-plan.md).
        if not asks or draft.changes or draft.prepared.effect is Effect.READ:
            return draft
        listing = contents_call(draft.prepared.call)
        if listing is not None and not draft.note:
            result = await self._look(listing)
            return replace(draft, note=counted(listing, result)) if result is not None else draft
        call = state_call(draft.prepared.call)
        current = await self._look(call) if call is not None else None
        if call is None or current is None:
            return draft
        return replace(draft, changes=field_changes(draft.prepared.call, current, call.tool.operation))

    async def _look(self, call: Call) -> Result | None:
        """Return the answer to a READ beside the plan; each one is sent once."""
        seen = next((result for other, result in self.looks if other == call), None)
        if seen is None:
            seen = await self.terms.look(call, self.conversation, tuple(self.done))
            self.looks.append((call, seen))
        return seen

    def _proposed(self, draft: _Draft) -> Proposed:
        prepared = draft.prepared
        return Proposed(
            call=prepared.call,
            request=prepared.request,
            effect=prepared.effect,
            curl=prepared.curl,
            asks=draft.judgement.verdict is Verdict.ASK and not self.terms.dry_run,
            reason="; ".join(part for part in (draft.note, draft.judgement.reason) if part),
            changes=draft.changes,
        )

    async def _decide(self, drafts: Mapping[int, _Draft]) -> dict[int, Mapping[str, Any]] | None:
        """Settle what is sent; where the user edits arguments, settle nothing and return them by index."""
        if self.terms.dry_run:
            self._hold(drafts, Outcome.SHOWN, "a dry run: built, and not sent")
            return None
        never = {at: draft for at, draft in drafts.items() if draft.judgement.verdict is Verdict.NEVER}
        sent = {at: draft for at, draft in drafts.items() if at not in never}
        asks = [draft for draft in sent.values() if draft.judgement.verdict is Verdict.ASK]
        changes = any(draft.prepared.effect is not Effect.READ for draft in drafts.values())
        reply = Reply(agreed=True)
        # All or nothing: with one change forbidden the others are not sent either, unless the user confirms them.
        if changes and never and not (asks and self.terms.policy.interactive):
            self._hold_back(sent, f"{NOT_RUN}, as another change of the same plan is never sent")
        elif asks:
            asked = sent if changes else {at: draft for at, draft in sent.items() if draft in asks}
            if not self.terms.policy.interactive:
                raise self._unconsented(asks, len(sent))
            reply = await self.terms.consent(tuple(self._proposed(draft) for draft in asked.values()))
            if reply.arguments is not None:
                return dict(zip(asked, reply.arguments, strict=True))
            if not reply.agreed:
                why = f": {one_line(reply.reason)}" if reply.reason.strip() else ""
                self._hold(asked, Outcome.REFUSED, f"the user said no{why}; nothing was sent")
        self._hold(never, Outcome.REFUSED, "")
        return None

    def _hold(self, drafts: Mapping[int, _Draft], outcome: Outcome, message: str) -> None:
        """Replace drafts that are not sent by their Steps."""
        for at, draft in drafts.items():
            never = draft.judgement.verdict is Verdict.NEVER
            self.items[at] = Step(
                call=draft.prepared.call,
                outcome=Outcome.REFUSED if never else outcome,
                message=draft.judgement.reason if never else message,
                request=draft.prepared.request,
            )

    def _hold_back(self, drafts: Mapping[int, _Draft], message: str) -> None:
        for at, draft in drafts.items():
            self.items[at] = failed_step(draft.prepared.call, message, draft.prepared.request)

    def _unconsented(self, asks: Sequence[_Draft], count: int) -> ConsentError:
        """Return the error for a plan without anyone to consent: the calls that ask, with their reasons."""
        told = "; ".join(_described(draft) for draft in asks)
        lost = "it was not sent" if count == 1 else f"none of the {count} changes of the plan was sent"
        hint = "--yes consents in advance"
        if any(draft.judgement.reason for draft in asks):
            hint = "run it in a terminal, where you are asked"
        return ConsentError(f"{told}; {lost}", hint=hint)

    async def _edited(self, drafts: Mapping[int, _Draft], edited: Mapping[int, Mapping[str, Any]]) -> dict[int, _Draft]:
        """Return the drafts with the edited arguments; unchanged, with a note, where one cannot be built."""
        items = list(self.items)
        for at, arguments in edited.items():
            call = drafts[at].prepared.call
            changed = replace(call, arguments=arguments, account=_edited_account(call, arguments))
            item = self._build(changed, items[:at])
            if isinstance(item, Step):
                note = f"your arguments were {item.message}"
                return {at: replace(draft, note=note if at in edited else "") for at, draft in drafts.items()}
            items[at] = item
        self.items = items
        return {at: await self._judged(at) for at in drafts}


def _words_of(account: Account | None) -> frozenset[str]:
    """Return the words of the sentence that an account quotes."""
    return (
        frozenset(word for source in account.sources for word in source.words.casefold().split())
        if account
        else frozenset()
    )


def _without_used(call: Call, used: frozenset[str]) -> Call:
    """Return a model's call whose account lists as unused only words that no change of its plan uses."""
    if call.account is None or not call.account.traced:
        return call
    unused = tuple(text for text in call.account.unused if not used.issuperset(text.casefold().split()))
    return replace(call, account=replace(call.account, unused=unused))


def _described(draft: _Draft) -> str:
    request = draft.prepared.request
    what = f"{one_line(draft.prepared.call.operation_id)} ({request.method} {request.url})"
    return f"{what} needs your consent{f': {draft.judgement.reason}' if draft.judgement.reason else ''}"


def _also(reason: str, judgement: Judgement) -> str:
    """Return a reason, followed by the policy's own where that is against the call."""
    more = judgement.reason if judgement.verdict is Verdict.ASK else ""
    return f"{reason}; {more}" if more else reason


def _same(one: Prepared, other: Prepared | Step) -> bool:
    """Return whether two calls are of one operation and have the same, or nearly the same, request."""
    if isinstance(other, Step) or one.call.tool.operation is not other.call.tool.operation:
        return False
    return are_alike(one.request, other.request)


def _foreseen(before: Sequence[Prepared | Step]) -> Iterator[Step]:
    """Yield the changes of the plan as if they had succeeded."""
    # The same change later in the plan is then a new intention, and gets an idempotency key of its own.
    for item in before:
        if isinstance(item, Prepared):
            result = Result(status=200, content=b"")
            yield Step(call=item.call, outcome=Outcome.DONE, request=item.request, result=result)


def _edited_account(call: Call, arguments: Mapping[str, Any]) -> Account:
    """Return the account of a call that the user edited: each changed value has the origin REPLY."""
    account = call.account or Account()
    changed = {name for name, value in arguments.items() if name not in call.arguments or call.arguments[name] != value}
    stayed = tuple(
        source
        for source in account.sources
        if (name := source.argument.partition(".")[0]) not in changed and name in arguments
    )
    given = tuple(Source(argument=name, value=arguments[name], origin=Origin.REPLY) for name in sorted(changed))
    return replace(account, sources=(*stayed, *given))
