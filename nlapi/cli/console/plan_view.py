"""What a page shows of a plan: the words and what they became, the exact requests, and one figure of certainty."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from nlapi.agent.events import CallProposed, FieldState, WorkflowProposed
from nlapi.agent.records.receipts import begin_receipt
from nlapi.changes.tracing import trace_call
from nlapi.cli.render import preview
from nlapi.cli.render.console import plain_text
from nlapi.client.masking import redact
from nlapi.client.message import Request, preview_body
from nlapi.client.safe_text import json_line, reveal_control, single_line
from nlapi.errors import NlapiError
from nlapi.openapi.spec import Effect, Spec
from nlapi.tools.plan import Conversation, Plan
from nlapi.tools.quantities.moments import value_notes
from nlapi.tools.sending.run import Target, build_partial, prepare
from nlapi.tools.tool import Account, Call, ValueSource

# Characters that a page shows of one value, and of a whole request.
MAX_VALUE = 2_000
MAX_REQUEST = 20_000

_MARKS = "abcd"
"""the classes of the style sheet that colour words"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueRow:
    """One value of a call: the words that it was read from, the class of their colour, and how it came about."""

    name: str
    value: str
    words: str = ""
    mark: str = ""
    origin: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRow:
    """One field of an update before and after; `is_same` where nothing would change."""

    field: str
    before: str
    after: str
    is_same: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CallView:
    """One call: its operation, its values and its request. Values are masked where they are secret."""

    operation: str
    summary: str
    label: str
    """what the API calls the item that it is about; "" where that is not known"""
    effect: Effect
    rows: tuple[ValueRow, ...]
    request: str
    curl: str = ""
    digest: str = ""
    reason: str = ""
    changes: tuple[ChangeRow, ...] = ()

    @property
    def is_change(self) -> bool:
        return self.effect is not Effect.READ


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanView:
    """A plan: its calls in order, how sure it is in one figure, what it lacks, and what else was considered."""

    calls: tuple[CallView, ...]
    words: tuple[tuple[str, str], ...]
    sure: str
    missing: tuple[tuple[str, str], ...]
    unused: tuple[str, ...]
    rivals: tuple[tuple[str, str], ...]
    following: tuple[str, ...]
    understood: str
    text: str
    is_change: bool
    is_guess: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CallViewer:
    """Makes the views of calls to some APIs; no secret is in them."""

    targets: Mapping[Spec, Target]
    secrets: Sequence[str]

    def plan(self, plan: Plan, conversation: Conversation, offer_below: float) -> PlanView:
        """Return the view of a plan of which nothing was sent."""
        calls = (*plan.calls, *([plan.goal] if plan.goal is not None else ()))
        accounts = [call.account or trace_call(call, conversation, ()) for call in calls]
        sources = [source for account in accounts for source in account.sources]
        marks = _marks(sources)
        sentence = next((account.sentence for account in accounts if account.sentence), conversation.question)
        return PlanView(
            calls=tuple(self._planned(*pair, marks) for pair in zip(calls, accounts, strict=True)),
            words=tuple((reveal_control(text), mark) for text, mark in _coloured(sentence, sources, marks)),
            sure=f"{plan.confidence:.0%}",
            missing=tuple((item.argument, shorten(plain_text(item.description))) for item in plan.missing),
            unused=tuple(_unused(accounts)),
            rivals=tuple(
                (call.operation_id, plain_text(call.tool.operation.summary)) for call in plan.alternatives[:4]
            ),
            following=tuple(map(preview.following, plan.following)),
            understood=self.mask(single_line(plan.understood)) if plan.goal is not None else "",
            text=self.mask(plan.text),
            is_change=plan.effect is not Effect.READ,
            is_guess=plan.confidence < offer_below,
        )

    def _planned(self, call: Call, account: Account, marks: Mapping[str, str]) -> CallView:
        target = self.targets[call.tool.operation.spec]
        try:
            prepared = prepare(call, target)
            request, curl = self.request(prepared.request), self.mask(prepared.curl)
        except NlapiError:  # an argument lacks, or a look-up will find it
            request, curl = self.request(build_partial(call, target)), ""
        return self._view(call, account, call.effect, request, curl=curl, marks=marks)

    def proposed(self, event: CallProposed) -> CallView:
        """Return the view of a call that waits for an answer."""
        account = event.call.account or Account()
        rows = tuple(
            ChangeRow(
                field=single_line(change.field),
                before=self._value(change.before) if change.state is not FieldState.UNKNOWN else "not shown by the API",
                after=self._value(change.after) if change.state is not FieldState.SHOWN else "—",
                is_same=change.state is FieldState.SAME,
            )
            for change in event.changes
        )
        return self._view(
            event.call,
            account,
            event.effect,
            self.request(event.request),
            curl=self.mask(event.curl),
            digest=begin_receipt("console", (event,)).calls[0].digest,
            reason="; ".join((*value_notes(event.call), *filter(None, [event.reason]))),
            changes=rows,
        )

    def workflow(self, event: WorkflowProposed) -> CallView:
        """Return the view of a workflow that waits for an answer: its calls as a tree."""
        call = event.proposal.call
        tree = self.mask("\n".join(event.proposal.lines))
        return self._view(call, Account(), event.effect, tree, reason=event.reason)

    def _view(
        self,
        call: Call,
        account: Account,
        effect: Effect,
        request: str,
        *,
        marks: Mapping[str, str] | None = None,
        curl: str = "",
        digest: str = "",
        reason: str = "",
        changes: tuple[ChangeRow, ...] = (),
    ) -> CallView:
        marks = _marks(account.sources) if marks is None else marks
        return CallView(
            operation=single_line(call.operation_id),
            summary=plain_text(call.tool.operation.summary),
            label=self.mask(single_line(reveal_control(call.label))),
            effect=effect,
            rows=tuple(self._rows(call, account.sources, marks)),
            request=request,
            curl=curl,
            digest=digest,
            reason=self.mask(reason),
            changes=changes,
        )

    def _rows(self, call: Call, sources: Sequence[ValueSource], marks: Mapping[str, str]) -> Iterator[ValueRow]:
        for source in sources:
            yield ValueRow(
                name=single_line(source.argument),
                value=self._value(source.value),
                words=self.mask(single_line(source.words)),
                mark=marks.get(source.words, ""),
                origin=preview.origin_text(source),
            )
        told = {source.argument.partition(".")[0] for source in sources}
        for name, value in call.arguments.items():
            if name not in told:
                yield ValueRow(name=single_line(name), value=self._value(value))

    def request(self, request: Request) -> str:
        """Return a request as it is sent, without credentials."""
        lines = [f"{request.method} {single_line(request.url)}"]
        lines += [f"{single_line(name)}: {single_line(reveal_control(value))}" for name, value in request.headers]
        lines += ["", reveal_control(preview_body(request))] if request.content else []
        return shorten(self.mask("\n".join(lines)), MAX_REQUEST)

    def _value(self, value: object) -> str:
        text = value if isinstance(value, str) else json_line(value)
        return shorten(self.mask(reveal_control(text)))

    def mask(self, text: str) -> str:
        """Return a text without the credentials of the APIs."""
        return redact(text, self.secrets) if self.secrets else text


def shorten(text: str, length: int = MAX_VALUE) -> str:
    """Return the beginning of a long text, and how long it is."""
    return text if len(text) <= length else f"{text[:length]}… ({len(text):,} characters)"


def _marks(sources: Iterable[ValueSource]) -> dict[str, str]:
    """Return the colour of the words that became values, by the words."""
    texts = dict.fromkeys(source.words for source in sources if source.words)
    return {text: _MARKS[index % len(_MARKS)] for index, text in enumerate(texts)}


def _unused(accounts: Sequence[Account]) -> Iterator[str]:
    """Yield the words that no call of a plan uses: a look-up uses those that the change leaves."""
    used = {word for account in accounts for source in account.sources for word in source.words.casefold().split()}
    for text in accounts[-1].unused if accounts else ():
        if not used.issuperset(text.casefold().split()):
            yield text


def _coloured(sentence: str, sources: Sequence[ValueSource], marks: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the pieces of a sentence, each with the colour of the value that it became, or ""."""
    end = 0
    for source in sorted(sources, key=lambda source: source.start):
        if source.start < end or source.end > len(sentence):
            continue
        if source.start > end:
            yield sentence[end : source.start], ""
        yield sentence[source.start : source.end], marks.get(source.words, "")
        end = source.end
    if end < len(sentence):
        yield sentence[end:], ""
