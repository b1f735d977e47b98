"""The preparation of a plan's calls up to sending: built, judged, previewed together, confirmed with one question."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice

from nlapi.agent.events import NOT_RUN, CallProposed, ConsentReply, FieldChange, field_changes
from nlapi.agent.policy import PolicyDecision, Verdict, left_out_reason
from nlapi.agent.sending import READ_SECONDS, CallTerms, failed_step, unsent_step
from nlapi.client.message import Result
from nlapi.client.safe_text import single_line
from nlapi.errors import ArgumentError, ConsentError, MissingError, NlapiError
from nlapi.openapi.spec import Effect
from nlapi.resources.answers import extract_item
from nlapi.tools.plan import Conversation, FollowingCall, Outcome, Plan, Step, receiver_of
from nlapi.tools.repetition.ledger import are_alike, without_invented_key
from nlapi.tools.rules import Ruling, denial_message, is_denied
from nlapi.tools.sending.files import check_files, with_user_files
from nlapi.tools.sending.request_changes import NO_CHANGES, RequestChanges
from nlapi.tools.sending.run import Prepared, authorize_call, build_partial, prepare, rule_of
from nlapi.tools.sending.state_reads import contents_read, precondition, state_read, updates_item
from nlapi.tools.tool import Account, Call, Origin, ValueSource

# Items that are read before a question about a plan: nobody compares more of them.
MAX_READ_AHEAD = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class _CallDraft:
    """A call that is built and judged. `note` is the fault in the arguments that the user edited, if any."""

    prepared: Prepared
    decision: PolicyDecision
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
    steps: Sequence[Step]
    terms: CallTerms
    items: list[Prepared | Step] = field(default_factory=list)
    reads: list[tuple[Call, Result | None]] = field(default_factory=list)
    moved: dict[int, str] = field(default_factory=dict)
    """by the index of a call, how its item is another one than when it was looked up; the user is asked once more"""
    outdated: dict[int, str] = field(default_factory=dict)
    """by the index of a call, that its item has changed since the user was shown it"""
    conditions: dict[int, RequestChanges] = field(default_factory=dict)
    """by the index of a call, the header that says which state of its item was read"""
    updates: dict[int, tuple[FieldChange, ...]] = field(default_factory=dict)
    """by the index of a call, the fields of its item before and after, where that was read"""
    token: str = field(default_factory=lambda: uuid.uuid4().hex)
    """names the plan in the parts of its calls"""

    async def settle(self) -> AsyncGenerator[CallProposed, None]:
        """Yield what is shown before anything is sent; a call that cannot be built is left out.

        ConsentError when consent is needed and no one is there to give it; CredentialError and UsageError for faults
        that only the user can correct.
        """
        for call in self._calls_with_accounts():
            whole = await self._with_rest(call)
            self.items.append(whole if isinstance(whole, Step) else self._build(whole, self.items))
        self._cancel_if_broken()
        drafts = {
            index: await self._draft_at(index) for index, item in enumerate(self.items) if isinstance(item, Prepared)
        }
        while drafts:
            await self._read_ahead(drafts.values())
            for index, draft in drafts.items():
                drafts[index] = draft = await self._with_changes(index, draft)
                yield self._proposal(draft)
            edited = await self._settle_drafts(drafts)
            if edited is None:
                return
            drafts = await self._edit_drafts(drafts, edited)
            notes = self.outdated | self.moved
            drafts = {index: replace(draft, note=notes.get(index, draft.note)) for index, draft in drafts.items()}

    def _calls_with_accounts(self) -> list[Call]:
        """Return the calls with their accounts, where words that another change of the plan uses are not unused."""
        calls = [
            call
            if call.account is not None or call.effect is Effect.READ or self.terms.policy.spelled_out
            else replace(call, account=self._account_of(call))
            for call in (with_user_files(call, self.conversation.known_values) for call in self.calls)
        ]
        # "Delete a and b" is two calls, and each leaves the words of the other out.
        later_accounts = (self._later_account(entry) for entry in self.plan.following)
        accounts = (call.account for call in (*calls, *(step.call for step in self.conversation.current.steps)))
        used_words = [_quoted_words(account) for account in (*accounts, *later_accounts)]
        return [_without_used_words(call, frozenset().union(*used_words)) for call in calls]

    async def _with_rest(self, call: Call) -> Call | Step:
        """Return an update that keeps the rest of its item with what that has, unless that changes in between."""
        if not call.keeps_rest or self.terms.dry_run:
            return call
        from nlapi.tools.sending.state_reads import hidden_field, with_current_fields

        read = state_read(call)
        current = await self._read_once(read) if read is not None else None
        item = extract_item(current.data, read.tool.operation) if read is not None and current is not None else None
        if read is None or current is None or not current.ok or item is None:
            status = f" answers {current.status}" if current is not None and not current.ok else " could not be read"
            reader = read.operation_id if read is not None else "its state"
            return failed_step(call, f"not sent: it replaces the whole item, and {reader}{status}")
        self.conditions[len(self.items)] = precondition(current.header("etag"))
        self.updates[len(self.items)] = field_changes(call, current, read.tool.operation)
        whole = with_current_fields(call, item)
        if hidden := hidden_field(whole.arguments).removeprefix("."):
            # What is shown in its place would be sent back as the new value.
            return failed_step(call, f"not sent: it replaces the whole item, and the API does not show its {hidden}")
        names = whole.arguments.keys() - call.arguments.keys()
        current_sources = (
            ValueSource(argument=name, value=whole.arguments[name], origin=Origin.CURRENT) for name in sorted(names)
        )
        account = call.account or Account()
        return replace(whole, account=replace(account, sources=(*account.sources, *current_sources)))

    def _build(self, call: Call, earlier: Sequence[Prepared | Step]) -> Prepared | Step:
        target = self.terms.target(call)
        try:
            call = without_invented_key(call, self.conversation)
            call = with_user_files(call, self.conversation.known_values)
            check_files(call, self.conversation.known_values)
            if call.keeps_rest and self.terms.dry_run:
                request = build_partial(call, target)
                return Prepared(call=call, request=request, effect=call.effect, curl="", written=call)
            prepared = prepare(
                call,
                target,
                # The same change later in the plan is a new intention, and gets its own idempotency key.
                intention=lambda key: self.terms.ledger.intention(key, ahead=_count_equal(earlier, key)),
                changes=self.conditions.get(len(earlier), NO_CHANGES),
                part=f"{self.token}:{len(earlier)}",
            )
            if prepared.effect is not Effect.READ and any(_is_same_change(prepared, item) for item in earlier):
                reason = "; ".join(filter(None, ("the plan has the same change twice", prepared.repetition)))
                prepared = replace(prepared, repetition=reason)
            # Credentials are checked before consent is asked for. A dry run needs none, and a denied call gets its own
            # message.
            if not self.terms.dry_run and not is_denied(prepared.rule):
                authorize_call(prepared, target)
            return prepared
        except ArgumentError as error:
            return failed_step(call, f"not sent: {error}")

    def _cancel_if_broken(self) -> None:
        """Send none of the plan where one change of it cannot be built: the user's consent is to the whole plan."""
        broken = next((item for item in self.items if isinstance(item, Step)), None)
        if broken is None or broken.call.effect is Effect.READ or self.terms.dry_run:
            return
        reason = f"{NOT_RUN}, as {single_line(broken.call.operation_id)} of the same plan cannot be built"
        self.items = [unsent_step(item, reason) for item in self.items]

    async def _draft_at(self, index: int) -> _CallDraft:
        prepared = self.items[index]
        assert isinstance(prepared, Prepared)
        decision = await self._decision(prepared, self.items[:index])
        return _CallDraft(prepared=prepared, decision=decision, changes=self.updates.get(index, ()))

    async def _decision(self, prepared: Prepared, earlier: Sequence[Prepared | Step]) -> PolicyDecision:
        """Return the judgement on a call: the policy's, overridden by the rule of the user's policy file."""
        rule = prepared.rule
        if rule is not None and is_denied(rule):
            return PolicyDecision(verdict=Verdict.NEVER, reason=denial_message(prepared.call.tool.operation, rule))
        is_allowed = rule is not None and rule.verdict is Ruling.ALLOW
        is_agreed = self.terms.ledger.has_agreed(prepared.call.part)
        policy = replace(self.terms.policy, agreed=frozenset((prepared.call.part,)) if is_agreed else frozenset())
        policy = replace(policy, yes=True) if is_allowed else policy
        uncertain = None if self.terms.dry_run else self._uncertain_step(prepared)
        evidence = ""
        if uncertain is not None:
            from nlapi.agent.current_state import evidence_of

            evidence = await evidence_of(uncertain, self._read_once)
        decision = policy.decide(
            prepared,
            self.conversation,
            confidence=self.plan.confidence,
            during=tuple(self.steps),
            beside=tuple(item.call for item in earlier if isinstance(item, Prepared)),
            evidence=evidence,
        )
        if decision.verdict is Verdict.NEVER:
            return decision
        policy_note = f"your policy says {rule}"
        if prepared.is_ruled:
            return PolicyDecision(verdict=Verdict.ASK, reason=_join_reasons(policy_note, decision))
        return replace(decision, reason=policy_note) if is_allowed and decision.verdict is Verdict.RUN else decision

    def _needs_question(self, draft: _CallDraft) -> bool:
        # Under `--yes` nothing is read beforehand: no one would see it (docs/design/024-consent-to-a-plan.md).
        is_asked = draft.decision.verdict is Verdict.ASK and self.terms.policy.interactive and not self.terms.dry_run
        return is_asked and draft.prepared.effect is not Effect.READ

    async def _read_ahead(self, drafts: Iterable[_CallDraft]) -> None:
        """Read the items of the first changes that are asked about, beside one another: a plan may delete hundreds."""
        calls = (
            state_read(draft.prepared.call) for draft in drafts if self._needs_question(draft) and not draft.changes
        )
        reads = [call for call in islice(calls, MAX_READ_AHEAD) if call is not None]

        async def read(call: Call) -> None:
            async with self.terms.slots:
                await self._read_once(call)

        with suppress(TimeoutError):
            async with asyncio.timeout(READ_SECONDS):
                await asyncio.gather(*map(read, reads))

    async def _with_changes(self, index: int, draft: _CallDraft) -> _CallDraft:
        """Return a draft that asks with the fields that it changes, or the number of items that it removes."""
        if not self._needs_question(draft) or draft.changes:
            return draft
        from nlapi.agent.current_state import count_line

        listing = contents_read(draft.prepared.call)
        if listing is not None and not draft.note:
            result = await self._read_once(listing)
            return replace(draft, note=count_line(listing, result)) if result is not None else draft
        call = state_read(draft.prepared.call)
        is_update = updates_item(draft.prepared.call.tool.operation)
        if call is None or not (is_update or any(call == earlier for earlier, _ in self.reads)):
            return draft
        current = await self._read_once(call)
        if current is None:
            return draft
        changes = field_changes(draft.prepared.call, current, call.tool.operation)
        if (
            is_update
            and index not in self.conditions
            and (condition := precondition(current.header("etag"))) != NO_CHANGES
        ):
            self.conditions[index] = condition
            item = self._build(draft.prepared.call, self.items[:index])
            if isinstance(item, Prepared):
                self.items[index], draft = item, replace(draft, prepared=item)
        return replace(draft, changes=changes)

    async def _read_once(self, call: Call) -> Result | None:
        """Return the answer to a READ beside the plan; each one is sent once."""
        answer = next((earlier_result for earlier_call, earlier_result in self.reads if earlier_call == call), None)
        if answer is None:
            answer = await self.terms.read_unasked(call, self.conversation, tuple(self.steps))
            self.reads.append((call, answer))
        return answer

    def _uncertain_step(self, prepared: Prepared) -> Step | None:
        """Return the last step at the place of a change whose outcome is unknown, if any."""
        entry = self.terms.ledger.unknown_at(prepared.change) if prepared.effect is not Effect.READ else None
        steps = (step for step in (*self.conversation.steps, *self.steps) if step.is_uncertain)
        of_entry = [step for step in steps if entry is not None and entry.is_of(step.change)]
        return of_entry[-1] if of_entry else None

    def _proposal(self, draft: _CallDraft) -> CallProposed:
        prepared = draft.prepared
        return CallProposed(
            call=prepared.call,
            request=prepared.request,
            effect=prepared.effect,
            curl=prepared.curl,
            asks=draft.decision.verdict is Verdict.ASK and not self.terms.dry_run,
            reason="; ".join(part for part in (draft.note, draft.decision.reason) if part),
            changes=draft.changes,
        )

    async def _settle_drafts(self, drafts: Mapping[int, _CallDraft]) -> dict[int, Mapping[str, object]] | None:
        """Settle what is sent; where the user edits arguments, settle nothing and return them by index."""
        if self.terms.dry_run:
            self._end_drafts(drafts, Outcome.PREVIEWED, "a dry run: built, and not sent")
            return None
        denied = {index: draft for index, draft in drafts.items() if draft.decision.verdict is Verdict.NEVER}
        sendable = {index: draft for index, draft in drafts.items() if index not in denied}
        has_changes = any(draft.prepared.effect is not Effect.READ for draft in drafts.values())
        following = self._following_changes() if has_changes else ()
        later_fault = next(filter(None, map(self._later_fault, following)), "")
        later_lines = [
            f"{entry.call.operation_id}, later in the plan: {reason}"
            for entry in following
            if (reason := self._later_reason(entry))
        ]
        asking = [draft for draft in sendable.values() if draft.decision.verdict is Verdict.ASK or later_lines]
        proposed_later = tuple(map(self._later_proposal, following))
        reply = ConsentReply(is_agreed=True)
        # All or nothing: with one change forbidden the others are not sent either, unless the user confirms them.
        if later_fault:
            message = f"{NOT_RUN}, as a later change of the same plan is never sent: {later_fault}"
            self._end_drafts(sendable, Outcome.FAILED, message)
            return None
        if has_changes and denied and not (asking and self.terms.policy.interactive):
            message = f"{NOT_RUN}, as another change of the same plan is never sent"
            self._end_drafts(sendable, Outcome.FAILED, message)
        elif asking:
            confirmable = (
                sendable if has_changes else {index: draft for index, draft in sendable.items() if draft in asking}
            )
            if not self.terms.policy.interactive:
                asking = [draft for draft in asking if draft.decision.verdict is Verdict.ASK]
                raise self._consent_error(asking, len(sendable) + len(following), later_lines)
            proposals = tuple(self._proposal(draft) for draft in confirmable.values())
            reply = await self.terms.consent((*proposals, *proposed_later))
            if reply.arguments is not None and not _edits_later(reply, proposed_later):
                return dict(zip(confirmable, reply.arguments, strict=False))
            if reply.is_agreed and await self._note_moved_items(confirmable):
                return {}
            if reply.is_agreed and reply.is_late and await self._note_outdated(confirmable):
                return {}
            if not reply.is_agreed:
                reason = f": {single_line(reply.reason)}" if reply.reason.strip() else ""
                self._end_drafts(confirmable, Outcome.REFUSED, f"the user said no{reason}; nothing was sent")
        if reply.is_agreed:
            later = () if denied else (entry.call.part for entry in following)
            parts = (*(draft.prepared.part for draft in sendable.values()), *later)
            # A step of a document that was agreed to stays a part of that.
            self.terms.ledger.agree(part for part in parts if not self.terms.ledger.has_agreed(part))
        self._end_drafts(denied, Outcome.REFUSED, "")
        return None

    async def _note_moved_items(self, drafts: Mapping[int, _CallDraft]) -> bool:
        """Return whether an item is another one by the time of the consent than when it was looked up, and note it."""
        from nlapi.agent.current_state import difference_from_lookup, target_read

        noted = len(self.moved)
        for index, draft in drafts.items():
            call = target_read(draft.prepared.call) if draft.prepared.effect is not Effect.READ else None
            if call is None or index in self.moved:
                continue
            current = await self.terms.read_unasked(call, self.conversation, tuple(self.steps))
            steps = (*self.conversation.current.steps, *self.steps)
            change = draft.prepared.call
            if current is not None and (reason := difference_from_lookup(change, call, current, steps)):
                self.moved[index] = reason
                self.reads.clear()
        return len(self.moved) > noted

    async def _note_outdated(self, drafts: Mapping[int, _CallDraft]) -> bool:
        """Return whether a field of an item is no longer what the user was shown, and note it."""
        self.outdated.clear()
        for index, draft in drafts.items():
            call = state_read(draft.prepared.call) if draft.changes else None
            if call is None:
                continue
            current = await self.terms.read_unasked(call, self.conversation, tuple(self.steps))
            reader = call.tool.operation
            if current is None or field_changes(draft.prepared.call, current, reader) != draft.changes:
                self.outdated[index] = "it has changed since you were shown it; nothing was sent"
                self.updates.pop(index, None)
                self.conditions.pop(index, None)
                self.reads.clear()
        return bool(self.outdated)

    def _following_changes(self) -> tuple[FollowingCall, ...]:
        """Return the changes of the whole plan that come after these, where nobody agreed to them yet."""
        changes = (entry for entry in self.plan.following if entry.call.effect is not Effect.READ)
        return tuple(entry for entry in changes if not self.terms.ledger.has_agreed(entry.call.part))

    def _later_fault(self, entry: FollowingCall) -> str:
        """Return why a later change can never be sent, "" where it may. CredentialError where it lacks a credential."""
        call, target = entry.call, self.terms.target(entry.call)
        rule = rule_of(call.tool.operation, target, call.effect)
        if rule is not None and is_denied(rule):
            return denial_message(call.tool.operation, rule)
        request = build_partial(call, target)
        authorize_call(Prepared(call=call, request=request, effect=call.effect, curl="", written=call), target)
        return self.terms.policy.refusal(call)

    def _later_reason(self, entry: FollowingCall) -> str:
        """Return why consent in advance does not cover a later change, as it is known now; "" where it does.

        Asked about in its turn, it would leave the plan half done.
        """
        policy = self.terms.policy
        rule = rule_of(entry.call.tool.operation, self.terms.target(entry.call), entry.call.effect)
        calls = (*self.calls, *(item.call for item in self.plan.following))
        receivers = {receiver_of(call.tool.operation, base_url=self.terms.target(call).base_url) for call in calls}
        is_crossing = len(receivers) > 1 and not policy.across
        is_asked_each_time = rule is not None and rule.verdict is Ruling.ASK
        if not (policy.yes or policy.destroy):
            return "it needs your consent"
        if is_asked_each_time:
            return f"your policy says {rule}"
        if entry.uses_reads or is_crossing:
            return "a value will come from an answer of an API, and nobody said it"
        if not entry.pending and (reason := self._repetition(entry.call)):
            return reason
        from nlapi.changes.checks import reasons_against

        account = self._later_account(entry)
        used_words = frozenset().union(*(_quoted_words(item.call.account) for item in self.items))
        call = _without_used_words(replace(entry.call, account=account), used_words)
        assert call.account is not None
        return "; ".join(reasons_against(call, call.account, self.conversation.question, destroy=policy.destroy))

    def _repetition(self, call: Call) -> str:
        """Return why a later change, all of which is known, may be one that was sent before, or ""."""
        try:
            return prepare(call, self.terms.target(call)).repetition
        except ArgumentError as error:
            return str(error)

    def _later_account(self, entry: FollowingCall) -> Account:
        return entry.call.account or self._account_of(entry.call)

    def _account_of(self, call: Call) -> Account:
        from nlapi.changes.tracing import trace_call

        return trace_call(call, self.conversation, tuple(self.steps))

    def _later_proposal(self, entry: FollowingCall) -> CallProposed:
        return CallProposed(
            call=entry.call,
            request=build_partial(entry.call, self.terms.target(entry.call)),
            effect=entry.call.effect,
            curl="",
            asks=True,
        )

    def _end_drafts(self, drafts: Mapping[int, _CallDraft], outcome: Outcome, message: str) -> None:
        """Replace drafts that are not sent by their Steps."""
        for index, draft in drafts.items():
            is_denied = draft.decision.verdict is Verdict.NEVER
            self.items[index] = Step(
                call=draft.prepared.call,
                outcome=Outcome.REFUSED if is_denied else outcome,
                message=draft.decision.reason if is_denied else message,
                request=draft.prepared.request,
            )

    def _consent_error(self, asking: Sequence[_CallDraft], count: int, later_lines: Sequence[str]) -> NlapiError:
        """Return the error for a plan without anyone to consent: the calls that ask, with their reasons.

        A read that only leaves out words is not understood, and needs no consent.
        """
        left_out = [left_out_reason(draft.prepared.written) for draft in asking]
        if asking and all(left_out) and left_out == [draft.decision.reason for draft in asking]:
            text = "; ".join(f"{draft.prepared.call.operation_id}: {draft.decision.reason}" for draft in asking)
            return MissingError(f"{text}; it was not sent", hint="say it in other words, or add --loosely")
        lines = "; ".join((*map(_consent_line, asking), *later_lines))
        consequence = "it was not sent" if count == 1 else f"none of the {count} changes of the plan was sent"
        hint = "--yes consents in advance"
        if later_lines or any(draft.decision.reason for draft in asking):
            hint = "run it in a terminal, where you are asked"
        return ConsentError(f"{lines}; {consequence}", hint=hint)

    async def _edit_drafts(
        self, drafts: Mapping[int, _CallDraft], edited: Mapping[int, Mapping[str, object]]
    ) -> dict[int, _CallDraft]:
        """Return the drafts with the edited arguments; unchanged, with a note, where one cannot be built."""
        items = list(self.items)
        for index, arguments in edited.items():
            call = drafts[index].prepared.call
            changed = replace(call, arguments=arguments, account=_edited_account(call, arguments))
            if any(changed.values.get(place) != value for place, value in call.values.items() if place[0] == "path"):
                changed = replace(changed, label="")  # it names another item
            item = self._build(changed, items[:index])
            if isinstance(item, Step):
                note = f"your arguments were {item.message}"
                return {index: replace(draft, note=note if index in edited else "") for index, draft in drafts.items()}
            items[index] = item
        self.items = items
        return {index: await self._draft_at(index) for index in drafts}


def _edits_later(reply: ConsentReply, later: Sequence[CallProposed]) -> bool:
    """Return whether the user edited a call whose arguments are not all known yet."""
    edited = (reply.arguments or ())[-len(later) :] if later else ()
    return any(dict(arguments) != dict(entry.call.arguments) for arguments, entry in zip(edited, later, strict=True))


def _quoted_words(account: Account | None) -> frozenset[str]:
    return (
        frozenset(word for source in account.sources for word in source.words.casefold().split())
        if account
        else frozenset()
    )


def _without_used_words(call: Call, used_words: frozenset[str]) -> Call:
    """Return a model's call whose account lists as unused only words that no change of its plan uses."""
    if call.account is None or not call.account.traced:
        return call
    unused = tuple(text for text in call.account.unused if not used_words.issuperset(text.casefold().split()))
    return replace(call, account=replace(call.account, unused=unused))


def _consent_line(draft: _CallDraft) -> str:
    request = draft.prepared.request
    label = f"{single_line(draft.prepared.call.operation_id)} ({request.method} {request.url})"
    return f"{label} needs your consent{f': {draft.decision.reason}' if draft.decision.reason else ''}"


def _join_reasons(reason: str, decision: PolicyDecision) -> str:
    """Return a reason, followed by the policy's own where that is against the call."""
    policy_reason = decision.reason if decision.verdict is Verdict.ASK else ""
    return f"{reason}; {policy_reason}" if policy_reason else reason


def _is_same_change(prepared: Prepared, item: Prepared | Step) -> bool:
    """Return whether two calls are of one operation and have the same, or nearly the same, request."""
    if isinstance(item, Step) or prepared.call.tool.operation is not item.call.tool.operation:
        return False
    return are_alike(prepared.change.form, item.change.form)


def _count_equal(earlier: Sequence[Prepared | Step], request_digest: str) -> int:
    """Return the number of changes of the plan with a digest that are sent before."""
    items = (item for item in earlier if isinstance(item, Prepared) and item.effect is not Effect.READ)
    return sum(item.change.form.digest == request_digest for item in items)


def _edited_account(call: Call, arguments: Mapping[str, object]) -> Account:
    """Return the account of a call that the user edited: each changed value has the origin REPLY."""
    account = call.account or Account()
    changed = {name for name, value in arguments.items() if name not in call.arguments or call.arguments[name] != value}
    unchanged = tuple(
        source
        for source in account.sources
        if (name := source.argument.partition(".")[0]) not in changed and name in arguments
    )
    edited = tuple(ValueSource(argument=name, value=arguments[name], origin=Origin.REPLY) for name in sorted(changed))
    return replace(account, sources=(*unchanged, *edited))
