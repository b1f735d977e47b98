"""Reads the transcripts of conversations. A record of another program is skipped and named, whatever it holds."""

from __future__ import annotations

import base64
import json
import math
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import MAXYEAR, MINYEAR, date, datetime
from pathlib import Path
from typing import Any, Required, TypedDict

import msgspec

from nlapi.agent.events import NOT_RUN
from nlapi.agent.models.messages import ModelState
from nlapi.agent.models.spending import UsageTotal, usage_total
from nlapi.agent.records.receipts import (
    EVENT,
    SUFFIX,
    ConsentAnswer,
    ConsentOutcome,
    ConsentReceipt,
    ReceiptCall,
    moment_text,
)
from nlapi.client.message import EndReason, Framing, Request, Result, digest, finite_float
from nlapi.errors import UsageError, file_faults
from nlapi.openapi.spec import Effect
from nlapi.tools.plan import Conversation, Outcome, Plan, PlanState, Round, Step, StoredState, Turn
from nlapi.tools.repetition.ledger import OUTCOME_UNKNOWN
from nlapi.tools.tool import Account, Call, Tool, sources_from_json

Record = dict[str, Any]

DAMAGED = "damaged"
"""The `event` of what stands in for a record that cannot be read; `line` is its number."""


# The types of the keys that are read. A key that is not there is not a fault here: earlier versions wrote fewer.
class _CallRecord(TypedDict, total=False):
    id: str
    source: str
    operation: str
    arguments: dict[str, Any]
    reason: str


class _Result(TypedDict, total=False):
    status: int
    method: str
    url: str
    elapsed: float
    headers: dict[str, str]
    text: str
    base64: str
    items: list[Any]
    left_out: int


class _Message(TypedDict, total=False):
    role: str
    content: list[dict[str, Any]]


class _State(TypedDict, total=False):
    planner: str
    model: str | None
    messages: list[_Message] | None
    results: dict[str, Any] | None
    usage: dict[str, Any] | None
    cost: float | None
    origin: _State | None


class _Asked(TypedDict, total=False):
    question: str
    known: dict[str, Any]
    conversation: str | None
    sources: list[str] | None
    apis: list[str] | None
    auth: list[str]
    headers: list[str]
    base_url: str | None
    no_auth: bool


class _Planner(TypedDict, total=False):
    planner: str
    why: str
    decision: dict[str, Any] | None


class _PlanRecord(TypedDict, total=False):
    calls: list[_CallRecord]
    text: str
    understood: str
    confidence: float
    raw: _State | None
    ended: str


class _Proposed(TypedDict, total=False):
    call: Required[_CallRecord]
    method: str
    url: str
    effect: str
    headers: dict[str, str]
    digest: str
    text: str
    base64: str


class _Stepped(TypedDict, total=False):
    call: Required[_CallRecord]
    outcome: Outcome
    message: str
    result: _Result | None
    digest: str


class _Reported(TypedDict, total=False):
    """The keys are the values of ChangeOutcome."""

    done: list[Any]
    failed: list[Any]
    refused: list[Any]
    not_tried: list[Any]


class _Argument(TypedDict, total=False):
    argument: str


class _Needed(TypedDict, total=False):
    missing: list[_Argument]


class _Workflow(TypedDict, total=False):
    workflow: dict[str, Any]


class _Answered(TypedDict, total=False):
    text: str


_FORMS: Mapping[str, Any] = {
    "asked": _Asked,
    "planner": _Planner,
    "planned": _PlanRecord,
    "proposed": _Proposed,
    "stepped": _Stepped,
    "worked": _Stepped,
    "reported": _Reported,
    "needed": _Needed,
    "workflow": _Workflow,
    "answered": _Answered,
    EVENT: ConsentReceipt,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """The records of a transcript in order, with a DAMAGED one in place of each that cannot be read.

    A line that a kill cut short is not there.
    """

    records: tuple[Record, ...]

    @property
    def damaged_lines(self) -> tuple[int, ...]:
        return tuple(record["line"] for record in self.records if record.get("event") == DAMAGED)


def read_transcript(path: Path) -> Transcript:
    """Return the Transcript in a file. UsageError when it cannot be read."""
    with file_faults(f"cannot read the log {path}", UsageError, hint="`nlapi log list` names them"):
        lines = path.read_bytes().split(b"\n")
    parsed = (_record(line, number) for number, line in enumerate(lines, 1))
    return Transcript(records=tuple(record for record in parsed if record is not None))


def read_records(path: Path) -> list[Record]:
    """Return the records of a transcript in order, without damaged ones. UsageError when it cannot be read."""
    return [record for record in read_transcript(path).records if record.get("event") != DAMAGED]


def _record(line: bytes, number: int) -> Record | None:
    """Return the record in a line; None for an empty one and for one that a kill cut short."""
    line = line.strip()
    # Each line that is whole ends in a brace.
    if not line or not line.endswith(b"}"):
        return None
    try:
        record = json.loads(line, parse_constant=lambda _: None, parse_float=finite_float)
        event = record.get("event")
        if event in _FORMS:
            msgspec.convert(record, _FORMS[event])
        if event != DAMAGED:
            return dict(record)
    except (ValueError, AttributeError, TypeError, RecursionError):
        pass  # msgspec's error for a wrong form is a ValueError
    return {"event": DAMAGED, "line": number}


def record_body(record: Mapping[str, Any]) -> bytes:
    """Return the body in a record of a request or a result, as far as it was stored."""
    if "base64" in record:
        return base64.b64decode(record["base64"])
    return str(record.get("text", "")).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptSummary:
    """The summary of one transcript. `changes` counts the changes that were, or may have been, sent.

    `damaged_lines` are the numbers of the lines that cannot be read.
    """

    path: Path
    started: str
    question: str
    turns: int
    changes: int
    damaged_lines: tuple[int, ...] = ()

    @property
    def id(self) -> str:
        return self.path.stem


def list_transcripts(folder: Path) -> tuple[TranscriptSummary, ...]:
    """Return the transcripts in a folder, the newest first, without those that are whole and have no question.

    UsageError for a folder that cannot be read.
    """
    try:
        paths = [path for path in folder.iterdir() if path.suffix == ".jsonl"]
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise UsageError(f"cannot read the logs in {folder}: {error.strerror}", hint="set NLAPI_STATE_DIR") from error
    summaries = []
    # The names begin with the time in UTC, so their order is that of time.
    for path in sorted(paths, reverse=True):
        try:
            transcript = read_transcript(path)
        except UsageError:
            continue
        records = transcript.records
        questions = [record for record in records if record.get("event") == "asked"]
        # One whose questions are damaged may have made changes.
        if questions or transcript.damaged_lines:
            first = questions[0] if questions else {}
            started, question = str(first.get("at", "")), str(first.get("question", ""))
            entry = TranscriptSummary(
                path=path,
                started=started,
                question=question,
                turns=len(questions),
                changes=_count_changes(records),
                damaged_lines=transcript.damaged_lines,
            )
            summaries.append(entry)
    return tuple(summaries)


def _count_changes(records: Iterable[Record]) -> int:
    """Count the changes that were, or may have been, sent: one that was proposed and has no step may have been."""
    count, planned, finished = 0, Counter[str](), Counter[str]()
    changing_operations: set[str] = set()
    for record in records:
        event = record.get("event")
        operation = str((record.get("call") or {}).get("operation")) if event in ("proposed", "stepped") else ""
        if event == "planned":
            count += sum((planned - finished)[name] for name in changing_operations)
            planned, finished = Counter(str(call.get("operation")) for call in record.get("calls", ())), Counter()
            changing_operations.clear()
        elif event == "proposed" and record.get("effect") != Effect.READ:
            changing_operations.add(operation)
        elif event == "stepped" and operation in changing_operations:
            finished[operation] += 1
            is_unsent = record.get("outcome") in (Outcome.REFUSED, Outcome.PREVIEWED)
            count += not (is_unsent or record.get("message", "").startswith(NOT_RUN))
    return count + sum((planned - finished)[name] for name in changing_operations)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedPlan:
    """A plan of a model in a transcript; `question` tells the questions of all transcripts apart."""

    moment: datetime
    question: tuple[str, int]
    model: str
    total: UsageTotal


@dataclass(slots=True, kw_only=True)
class DayUsage:
    """What one model took on one day; a question that two models planned counts for both."""

    day: date
    model: str
    total: UsageTotal = field(default_factory=UsageTotal)
    question_ids: set[tuple[str, int]] = field(default_factory=set)

    @property
    def questions(self) -> int:
        return len(self.question_ids)


def recorded_plans(folder: Path, since: datetime) -> Iterator[RecordedPlan]:
    """Yield the plans of models since a moment (with its zone), by the transcripts in `folder`."""
    for path in _files_since(folder, since):
        records: list[Record] = []
        with suppress(UsageError):
            records = read_records(path)
        questions = 0
        for record in records:
            questions += record.get("event") == "asked"
            raw = record.get("raw") if record.get("event") == "planned" else None
            raw = raw.get("origin", raw) if isinstance(raw, dict) else raw  # of a workflow that a model called
            moment = _moment(record)
            if isinstance(raw, dict) and moment is not None and moment >= since and ("usage" in raw or "cost" in raw):
                model = str(raw.get("model") or "")
                yield RecordedPlan(moment=moment, question=(path.stem, questions), model=model, total=_total(raw))


def recorded_consents(folder: Path, since: datetime, now: datetime) -> tuple[ConsentReceipt, ...]:
    """Return the questions about changes since a moment, the newest first, with their answers and what came of them."""
    receipts: dict[str, ConsentReceipt] = {}
    for path in _files_since(folder, since):
        reader = _ReceiptReader("" if path.suffix == SUFFIX else path.stem)
        with suppress(UsageError):
            for record in read_records(path):
                reader.read(record)
        receipts |= reader.receipts
    # Any program of the user may write there; a question is about something.
    recent = (entry.as_of(now) for entry in receipts.values() if entry.calls and entry.at >= moment_text(since))
    return tuple(sorted(recent, key=lambda receipt: receipt.at, reverse=True))


def _files_since(folder: Path, since: datetime) -> Iterator[Path]:
    """Yield the files that were written to since a moment: a folder of transcripts only grows."""
    for path in sorted((*folder.glob("*.jsonl"), *folder.glob(f"*{SUFFIX}"))):
        with suppress(OSError):
            if path.stat().st_mtime >= since.timestamp():
                yield path


class _ReceiptReader:
    """The receipts of a file by their ids, with what came of the requests: the steps of the same question say it."""

    def __init__(self, transcript: str) -> None:
        self.transcript = transcript
        self.receipts: dict[str, ConsentReceipt] = {}
        self._begin_question()

    def _begin_question(self) -> None:
        # What was agreed to, by its digest, by its operation (a later call of a plan is not known yet), and by "" (a
        # workflow as a whole).
        self._agreed: dict[str, deque[ReceiptCall]] = {}
        self._call_of_step: dict[str, ReceiptCall] = {}
        self._changes: set[str] = set()

    def read(self, record: Record) -> None:
        match record.get("event"):
            case "asked":
                self._begin_question()
            case "proposed" if record.get("effect") != Effect.READ:
                self._changes.add(str(record["call"].get("id")))
            case "stepped" | "worked":
                self._take_step(record)
            case event if event == EVENT and all(_moment(record, name) for name in _TIMES if record.get(name)):
                self._take_receipt(replace(msgspec.convert(record, ConsentReceipt), transcript=self.transcript))

    def _take_receipt(self, receipt: ConsentReceipt) -> None:
        self.receipts[receipt.id] = receipt
        for call in receipt.calls if self.transcript else ():
            # A second question about the same change shows that the yes before it sent nothing.
            if call.request and (earlier := self._open_call(call.digest) or self._open_call(call.operation)):
                earlier.outcome = ConsentOutcome.REFUSED
        for call in receipt.calls if receipt.answer is ConsentAnswer.AGREED else ():
            for key in (call.digest, call.operation) if call.request else ("",):
                self._agreed.setdefault(key, deque()).append(call)

    def _open_call(self, key: str) -> ReceiptCall | None:
        """Return the first call at a key of which nothing came yet."""
        calls = self._agreed.get(key) if key else None
        while calls and calls[0].outcome:
            calls.popleft()
        return calls[0] if calls else None

    def _take_step(self, record: Record) -> None:
        step, operation = str(record["call"].get("id")), record["call"].get("operation")
        call = self._call_of_step.get(step) or self._open_call(str(record.get("digest")))
        if call is None and step in self._changes:
            call = self._open_call(str(operation)) or next(reversed(self._agreed.get("", ())), None)
        is_unknown = str(record.get("message")).startswith(OUTCOME_UNKNOWN)
        outcome = ConsentOutcome.UNKNOWN if is_unknown else record.get("outcome")
        if call is not None and outcome in tuple(ConsentOutcome):
            self._call_of_step[step] = call
            call.add_step(ConsentOutcome(outcome), (record.get("result") or {}).get("status"))


# Of a receipt; not each has all.
_TIMES = ("at", "until", "answered")


def usage_by_day(folder: Path, since: datetime) -> tuple[DayUsage, ...]:
    """Return what each model took on each day in the local zone, the newest day first."""
    days: dict[tuple[date, str], DayUsage] = {}
    for plan in recorded_plans(folder, since):
        day = plan.moment.astimezone().date()
        usage = days.setdefault((day, plan.model), DayUsage(day=day, model=plan.model))
        usage.total += plan.total
        usage.question_ids.add(plan.question)
    return tuple(sorted(days.values(), key=lambda usage: (-usage.day.toordinal(), usage.model)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Savings:
    """What it saved that not each question asked the model that is dearest by question of those that were asked.

    `dearest_usd` are its dollars a question on average, over `dearest_questions`; 0 where no price is known.
    """

    questions: int
    without_model: int
    spent_usd: float
    dearest: str = ""
    dearest_usd: float = 0.0
    dearest_questions: int = 0

    @property
    def saved_usd(self) -> float:
        return self.dearest_usd * self.questions - self.spent_usd


def savings(folder: Path, since: datetime) -> Savings:
    """Return what was saved since a moment, by the transcripts in `folder`."""
    questions = {question for path in _files_since(folder, since) for question in _asked_since(path, since)}
    usd: dict[tuple[str, int], float] = {}
    models: dict[tuple[str, int], set[str]] = {}
    for plan in recorded_plans(folder, since):
        if plan.question in questions:
            usd[plan.question] = usd.get(plan.question, 0.0) + plan.total.usd
            models.setdefault(plan.question, set()).add(plan.model)
    costs: dict[str, list[float]] = {}
    for question, names in models.items():
        if len(names) == 1 and usd[question]:  # of two models nobody knows what one alone would have taken
            costs.setdefault(next(iter(names)), []).append(usd[question])
    base = Savings(questions=len(questions), without_model=len(questions) - len(models), spent_usd=sum(usd.values()))
    if not costs:
        return base
    average, dearest = max((sum(each) / len(each), model) for model, each in costs.items())
    return replace(base, dearest=dearest, dearest_usd=average, dearest_questions=len(costs[dearest]))


def _asked_since(path: Path, since: datetime) -> list[tuple[str, int]]:
    """Return the questions of a transcript that were asked since a moment, as plans name them."""
    with suppress(UsageError):
        moments = [_moment(record) for record in read_records(path) if record.get("event") == "asked"]
        return [
            (path.stem, number) for number, moment in enumerate(moments, 1) if moment is not None and moment >= since
        ]
    return []


def spent_by_period(folder: Path, now: datetime) -> tuple[float, float]:
    """Return the dollars of the day and of the month of `now` (with its zone), by the transcripts in `folder`.

    A plan of unknown cost and a question without a transcript count nothing.
    """
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    plans = list(recorded_plans(folder, day.replace(day=1)))
    return sum(plan.total.usd for plan in plans if plan.moment >= day), sum(plan.total.usd for plan in plans)


def _moment(record: Record, name: str = "at") -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(record.get(name)))
    except ValueError:
        return None
    # In another zone the first and the last year have times that there are not.
    return moment if moment.tzinfo and MINYEAR < moment.year < MAXYEAR else None


def _total(raw: Mapping[str, Any]) -> UsageTotal:
    """Return what a plan took. Each request has left one message of the model in its state."""
    messages, usage, usd = raw.get("messages"), raw.get("usage"), raw.get("cost")
    message_list = messages if isinstance(messages, list) else []
    requests = sum(isinstance(message, dict) and message.get("role") == "assistant" for message in message_list)
    cost = float(usd) if isinstance(usd, int | float) and math.isfinite(usd) else None
    return usage_total(usage if isinstance(usage, dict) else {}, cost, max(requests, 1))


INTERRUPTED = "interrupted"
"""the event of what `with_interruptions` adds"""

# What is read of the last conversations: newest first, files and bytes.
MAX_FILES, MAX_BYTES = 200, 20_000_000


def with_interruptions(records: Iterable[Record]) -> Iterator[Record]:
    """Yield records, and behind a change that was being sent when its process ended one that says so."""
    attempts = _Attempts()
    for record in records:
        ended = attempts.read(record)
        yield from ({**proposal, "event": INTERRUPTED} for proposal, step in ended if step is None)
        yield record
    yield from ({**proposal, "event": INTERRUPTED} for proposal, _ in attempts.end())


def interrupted_requests(folder: Path, since: datetime) -> dict[str, str]:
    """Return digest -> time of the requests whose outcome is unknown: no answer is recorded, or none came.

    Where the same request was answered later, in whatever conversation, it is known. Digests are without If-Match.
    """
    outcomes: list[tuple[str, str, bool]] = []
    remaining = MAX_BYTES
    paths = sorted(_files_since(folder, since), key=lambda path: path.name, reverse=True)
    for path in [path for path in paths if path.suffix == ".jsonl"][:MAX_FILES]:
        attempts = _Attempts()
        with suppress(UsageError, OSError):
            remaining -= path.stat().st_size
            if remaining < 0:
                break
            for record in read_records(path):
                outcomes += map(_outcome_of, attempts.read(record))
        outcomes += map(_outcome_of, attempts.end())
    moments: dict[str, str] = {}
    for at, request_digest, is_open in sorted(outcomes):
        if is_open:
            moments[request_digest] = at
        else:
            moments.pop(request_digest, None)
    return moments


_Attempt = tuple[Record, Record | None]
"""The proposal of a change that was sent, and its step; None where none is recorded."""


class _Attempts:
    """The changes that were being sent at a place of a transcript, by the ids of their calls."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[Record, bool]] = {}

    def read(self, record: Record) -> list[_Attempt]:
        """Return the attempts that end with a record."""
        event, call = record.get("event"), record.get("call")
        id = str(call.get("id")) if isinstance(call, Mapping) else ""
        if event in ("asked", "answered"):
            return self.end()
        if event == "proposed" and record.get("effect") != Effect.READ:
            self._open[id] = record, not record.get("asks")
        elif event == EVENT:
            agreed = record.get("answer") == ConsentAnswer.AGREED
            pairs = self._open.items()
            self._open = {id: (entry, True) for id, (entry, is_sent) in pairs if agreed or is_sent}
        elif event == "stepped" and id in self._open:
            proposal, is_sent = self._open.pop(id)
            was_tried = record.get("outcome") in (Outcome.ANSWERED, Outcome.FAILED)
            if is_sent and was_tried and not str(record.get("message")).startswith(NOT_RUN):
                return [(proposal, record)]
        return []

    def end(self) -> list[_Attempt]:
        """Return the attempt without a step, and forget all that is open."""
        # Changes are sent one by one: of those without an answer only the first may have been.
        sent = [proposal for proposal, is_sent in self._open.values() if is_sent]
        self._open = {}
        return [(proposal, None) for proposal in sent[:1]]


def _outcome_of(attempt: _Attempt) -> tuple[str, str, bool]:
    """Return when an attempt was, the digest of its request, and whether nobody knows what came of it."""
    proposal, step = attempt
    request_digest = str(proposal.get("digest", ""))
    headers = proposal.get("headers")
    if "cut" not in proposal and isinstance(headers, Mapping) and "if-match" in map(str.lower, headers):
        with suppress(LookupError, TypeError, ValueError):
            request = _request(proposal)
            without = tuple(pair for pair in request.headers if pair[0].lower() != "if-match")
            request_digest = digest(replace(request, headers=without))
    is_open = step is None or str(step.get("message")).startswith(OUTCOME_UNKNOWN)
    return str((step or proposal).get("at", "")), request_digest, is_open


# (source of the description, operation id) -> Tool; UsageError when the operation no longer exists.
FindTool = Callable[[str, str], Tool]


def resume(records: Iterable[Record], tool: FindTool) -> Conversation:
    """Return the Conversation in the records of a transcript, as far as it was stored: bodies may be cut.

    A change that was proposed and has no step, because the process was killed, becomes a FAILED step of unknown
    outcome, so that no planner takes it for untried. Where a record of the round is damaged, so does every change of
    the round that has no step.
    """
    # The proposal counts and not the plan: a plan has the planner's text (`"$50"`), a proposal the wire's form.
    # Compared by the plan, a change killed in its POST came back as "not run" (docs/design/025-once.md).
    reader = _RecordReader(tool)
    for record in records:
        try:
            reader.read(record)
        # What its form does not show: a state of a planner, an outcome or a body that is not one.
        except (LookupError, TypeError, ValueError, AttributeError):
            reader.open_round.is_damaged = True
    return reader.close()


class _RecordReader:
    """Reads records into a conversation."""

    def __init__(self, tool: FindTool) -> None:
        self._tool = tool
        self._conversation = Conversation(turns=())
        self.open_round = _OpenRound()

    def read(self, record: Record) -> None:
        event = record.get("event")
        if event in ("asked", "planned", "answered"):
            self.close()
        if event == "asked":
            conversation = replace(self._conversation, id=record.get("conversation") or self._conversation.id)
            self._conversation = conversation.with_question(record["question"]).with_replies(record.get("known", {}))
        elif event == "planned":
            self.open_round = _OpenRound(plan=_plan(record, self._tool))
        elif event == "proposed":
            self.open_round.proposed.append(_read_proposal(record, self._tool))
        elif event == "stepped":
            self.open_round.add(record, self._tool)
        elif event == "worked":
            self._read_work(record)
        elif event in ("needed", "offered"):
            self.open_round = _OpenRound()
        elif event == DAMAGED:
            self.open_round.is_damaged = True

    def _read_work(self, record: Record) -> None:
        """Put the end of the work of a change in place of its step: of the open round, or of one before a kill."""
        steps = self.open_round.steps
        last = (steps or self._conversation.steps)[-1]
        ended = _step(record, last.call, last.request)
        if steps:
            steps[-1] = ended
        else:
            self._conversation = self._conversation.with_last_step(ended)

    def close(self) -> Conversation:
        """Return the conversation with the round that is open; the next one begins."""
        self._conversation = self.open_round.close(self._conversation)
        self.open_round = _OpenRound()
        return self._conversation


@dataclass(frozen=True, slots=True, kw_only=True)
class _Proposal:
    """What a record says of a call that was about to be sent; `call` has its account."""

    call: Call
    request: Request
    digest: str


@dataclass(slots=True)
class _OpenRound:
    """A round during the reading of its records. `proposed` are the proposals without a step so far, in order.

    `is_damaged`: one of its records cannot be read, which may be its plan.
    """

    plan: Plan | None = None
    proposed: list[_Proposal] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    is_damaged: bool = False

    def add(self, record: Record, tool: FindTool) -> None:
        """Add the step in a record, with the request of its proposal."""
        call = _call(record["call"], tool)
        proposal = self._take_proposal(call, exact=True)
        if proposal is not None:
            call = replace(call, account=proposal.call.account)
        self.steps.append(_step(record, call, None if proposal is None else proposal.request))

    def close(self, conversation: Conversation) -> Conversation:
        """Return the conversation with this round, where it has a plan."""
        if self.plan is None and self.is_damaged:
            # What was sent must be known, though nobody knows why it was.
            calls = (*(step.call for step in self.steps), *(proposal.call for proposal in self.proposed))
            self.plan = Plan(calls=calls) if calls else None
        if self.plan is None:
            return conversation
        if not conversation.turns:
            conversation = replace(conversation, turns=(Turn(question=""),))
        remaining = self.plan.calls[len(self.steps) :]
        # Changes are sent one by one, so only the first without a step may have been sent.
        changes = [index for index, call in enumerate(remaining) if call.effect is not Effect.READ]
        uncertain = changes if self.is_damaged else changes[:1]
        steps = [self._missing_step(call, is_uncertain=index in uncertain) for index, call in enumerate(remaining)]
        return conversation.with_round(Round(plan=self.plan, steps=(*self.steps, *steps)))

    def _missing_step(self, call: Call, *, is_uncertain: bool) -> Step:
        """Return the step of a call that has none."""
        proposal = self._take_proposal(call) if is_uncertain else None
        if proposal is None and is_uncertain and self.is_damaged:
            message = f"{OUTCOME_UNKNOWN}: a record of the transcript is damaged; it may have been carried out"
            return Step(call=call, outcome=Outcome.FAILED, message=message)
        if proposal is None:
            return Step(call=call, outcome=Outcome.FAILED, message="not run: nlapi was stopped before")
        return Step(
            call=replace(call, arguments=proposal.call.arguments),
            outcome=Outcome.FAILED,
            message=f"{OUTCOME_UNKNOWN}: nlapi was stopped while it was being sent; it may have been carried out",
            request=proposal.request,
            digest=proposal.digest,
        )

    def _take_proposal(self, call: Call, *, exact: bool = False) -> _Proposal | None:
        """Remove and return the first proposal of a call that has no step yet, or None.

        It has the operation and id of the call and, with `exact`, its very arguments.
        """
        for proposal in self.proposed:
            is_of_call = (proposal.call.id, proposal.call.operation_id) == (call.id, call.operation_id)
            if is_of_call and (not exact or proposal.call.arguments == call.arguments):
                self.proposed.remove(proposal)
                return proposal
        return None


def _account(record: Mapping[str, Any] | None) -> Account | None:
    """Return the account of a proposed call; None where its planner gave none, and in older transcripts."""
    if record is None:
        return None
    return Account(sources=sources_from_json(record["sources"]), unused=tuple(record["unused"]))


def _read_proposal(record: Record, tool: FindTool) -> _Proposal:
    call = replace(_call(record["call"], tool), account=_account(record.get("account")))
    return _Proposal(call=call, request=_request(record), digest=record.get("digest", ""))


def _request(record: Record) -> Request:
    """Return the request in a record of a proposal, as far as it was stored."""
    body = record_body(record) if "text" in record or "base64" in record else None
    headers = tuple(record.get("headers", {}).items())
    return Request(method=record["method"], url=record["url"], headers=headers, content=body)


def _plan(record: Record, tool: FindTool) -> Plan:
    return Plan(
        calls=tuple(_call(call, tool) for call in record["calls"]),
        text=record["text"],
        understood=record["understood"],
        confidence=record["confidence"],
        ended=record.get("ended", ""),
        raw=None if record["raw"] is None else _state(record["raw"], tool),
    )


def _state(data: Mapping[str, object], tool: FindTool) -> PlanState | None:
    """Return the state of a plan. UsageError where its planner cannot continue from it."""
    match data.get("planner"):
        case "claude":
            return ModelState.from_json(data)
        case "offline":
            # The embedded planner takes long to import, and a conversation with Claude does without it.
            from nlapi.planner.steps.state import decode_state

            return decode_state(data, tool)
        case "workflow":
            origin = data.get("origin")
            return StoredState(
                planner="workflow",
                data={name: value for name, value in data.items() if name not in ("planner", "origin")},
                origin=_state(origin, tool) if isinstance(origin, Mapping) else None,
            )
        case planner:
            raise UsageError(
                f"the transcript has a plan of the planner {planner!r}, which this version of nlapi does not know",
                hint="ask the question again in a new conversation",
            )


def _call(record: Mapping[str, Any], tool: FindTool) -> Call:
    resolved_tool = tool(record["source"], record["operation"])
    return Call(tool=resolved_tool, arguments=record["arguments"], id=record["id"], reason=record["reason"])


def _step(record: Record, call: Call, request: Request | None) -> Step:
    result = record["result"]
    return Step(
        call=call,
        request=request,
        digest=record.get("digest", ""),
        outcome=Outcome(record["outcome"]),
        message=record["message"],
        result=None if result is None else _result(result),
    )


def _result(record: Mapping[str, Any]) -> Result:
    return Result(
        status=record["status"],
        headers=tuple(record["headers"].items()),
        content=record_body(record),
        url=record["url"],
        method=record["method"],
        elapsed=record["elapsed"],
        **_stream(record),
    )


def _stream(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the further fields of a Result whose answer streamed."""
    if "items" not in record:
        return {}
    framing, ended = Framing(record["framing"]), EndReason(record["ended"])
    return {"items": tuple(record["items"]), "framing": framing, "ended": ended, "fault": record["fault"]}
