"""Writes the transcript of a conversation: append-only JSON lines that survive a kill."""

from __future__ import annotations

import base64
import codecs
import json
import os
import uuid
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from nlapi.agent.events import (
    CallProposed,
    ChangeOutcome,
    ChangesReported,
    ChoiceOffered,
    Event,
    FieldChange,
    FieldState,
    InputNeeded,
    ItemsReceived,
    PlanCreated,
    PlannerChosen,
    StepFinished,
    TextReceived,
    TurnAnswered,
    WorkEnded,
    WorkflowProposed,
)
from nlapi.client.auth import secret_parts
from nlapi.client.credential_texts import mask_credential_texts
from nlapi.client.masking import redact
from nlapi.client.message import File, Request, Result, digest
from nlapi.client.safe_text import single_line
from nlapi.errors import UsageError, file_faults
from nlapi.local_files import append_lines, claimed, file_names
from nlapi.openapi.spec import Effect
from nlapi.resources.long_running import STATE_HEADERS
from nlapi.tools.plan import Plan, Step
from nlapi.tools.tool import Call, Missing, sources_to_json

if TYPE_CHECKING:
    from nlapi.agent.records.receipts import ConsentReceipt
    from nlapi.agent.records.transcripts import Record

# Bytes of a body that are stored; `cut` has the true size of a longer one. The digest of the whole is stored beside it,
# so that a body that was cut can still be compared.
MAX_BODY = 200_000
# Only these response headers are stored: none of them can hold a session or a credential.
_HEADERS = ("content-type", "link", "location", "retry-after", *STATE_HEADERS)


@dataclass(slots=True)
class Log:
    """An open transcript. Each event is one line, written in one call.

    A line about a change is on disk before `write` returns. The loop yields `CallProposed` before it sends the call, so
    the intention is on disk before the change can happen: a proposed change without its step may have been carried out.
    The `secrets`, and parts of them that are secret on their own, are masked in everything that is written.
    NlapiError when a line cannot be written, as on a full disk.
    """

    path: Path
    descriptor: int
    secrets: tuple[str, ...] = field(default=(), repr=False)
    claim: ExitStack = field(default_factory=ExitStack, repr=False)

    @classmethod
    def create(cls, folder: Path, *, secrets: Iterable[str] = ()) -> Log:
        """Create a transcript in `folder`, named by the time."""
        now = datetime.now(UTC)
        # The microseconds order those of one second, so that `last` is the last of them.
        name = f"{now:%Y%m%dT%H%M%SZ}-{now.microsecond:05x}{uuid.uuid4().hex[:3]}.jsonl"
        return cls.open(folder / name, secrets=secrets)

    @classmethod
    def open(cls, path: Path, *, secrets: Iterable[str] = ()) -> Log:
        """Open a transcript to append to, readable by its owner only, as its only writer until it is closed.

        A process that continues it reads it after that: another one may have written to it before. UsageError when it
        cannot be opened, NlapiError while another process has it.
        """
        with file_faults(f"cannot write the log {path}", UsageError, hint="--no-log does without"):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        log = cls(path=path, descriptor=descriptor)
        log.hide(secrets)
        message = f"the conversation {path.stem} is open in another process; nothing was sent"
        hint = f"wait for it, or end it; `nlapi log show {path.stem}` shows how far it is"
        try:
            log.claim.enter_context(claimed(path.resolve().parent, file_names(path)[1:], message, hint))
        except BaseException:
            os.close(descriptor)
            raise
        return log

    def __enter__(self) -> Log:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1
        self.claim.close()

    def write_question(
        self, question: str, *, known_values: Mapping[str, object] | None = None, **fields: object
    ) -> None:
        """Write a question of the user. `fields` are the caller's further fields (planner, sources, version)."""
        # Of a file only its name would stand here, and be sent in place of the file by `nlapi log resume`.
        known = {name: value for name, value in (known_values or {}).items() if not isinstance(value, File)}
        # A credential that was typed into a question is not part of what is kept of it.
        masked = mask_credential_texts(question, question)
        self._append({"event": "asked", "question": masked, "known": known, **fields})

    def hide(self, secrets: Iterable[str]) -> None:
        """Mask further secrets in all that is written from now on."""
        parts = (part for secret in secrets for part in secret_parts(secret))
        self.secrets = tuple(dict.fromkeys((*self.secrets, *parts)))

    def write_receipt(self, receipt: ConsentReceipt) -> None:
        """Write a person's answer to a question about changes."""
        self._append(receipt.record, durable=True)

    def write(self, event: Event) -> None:
        """Write one event. TextReceived and ItemsReceived are skipped: the plan and the step contain them."""
        if isinstance(event, PlanCreated) and event.plan.proposal is not None:
            self.hide(event.plan.proposal.secrets)
        if not isinstance(event, TextReceived | ItemsReceived):
            self._append(encode_event(event), durable=_is_change(event))

    def _append(self, record: Record, *, durable: bool = False) -> None:
        stamped = {"at": datetime.now(UTC).isoformat(timespec="milliseconds"), **record}
        line = json.dumps(self._masked(stamped), ensure_ascii=False, default=str).encode("utf-8", "replace") + b"\n"
        # Nothing is sent that could not be written down, and nothing after it.
        with file_faults(f"cannot write the log {self.path}", hint="make room for it, or --no-log does without"):
            append_lines(self.descriptor, line)
            if durable:
                os.fsync(self.descriptor)

    def _masked(self, value: object) -> object:
        if not self.secrets:
            return value
        if isinstance(value, str):
            return redact(value, self.secrets)
        if isinstance(value, Mapping):
            return {redact(str(key), self.secrets): self._masked(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._masked(item) for item in value]
        return value


def _is_change(event: Event) -> bool:
    """Return whether an event is about a change, whose line has to be on disk at once."""
    if isinstance(event, CallProposed):
        return event.effect is not Effect.READ
    return isinstance(event, StepFinished | WorkEnded) and event.step.effect is not Effect.READ


def encode_event(event: Event) -> Record:
    """Return an event as a JSON object; `event` is its type."""
    # Types and keys are the format of transcripts and of `-o ndjson`, so they stay when a class is renamed.
    match event:
        case TextReceived():
            return {"event": "said", "text": event.text}
        case PlannerChosen():
            model = {"model": event.model} if event.model else {}
            return {"event": "planner", "planner": event.planner, **model, "why": event.why, **_decision(event)}
        case PlanCreated():
            return {"event": "planned", "planner": event.planner, **_plan(event.plan)}
        case CallProposed():
            proposed = {"effect": event.effect, "curl": event.curl, "asks": event.asks, "reason": event.reason}
            proposed |= {
                "account": _account(event.call),
                "changes": [_change(change) for change in event.changes],
            }
            return {"event": "proposed", "call": _call(event.call), **_request(event.request), **proposed}
        case ItemsReceived():
            return {
                "event": "items",
                "call": event.call.id,
                "operation": event.call.operation_id,
                **_items(event.items),
            }
        case WorkflowProposed():
            return {"event": "workflow", **_proposal(event)}
        case StepFinished() | WorkEnded():
            return {"event": "worked" if isinstance(event, WorkEnded) else "stepped", **_step(event.step)}
        case ChangesReported():
            outcomes = {str(outcome).replace(" ", "_"): event.with_outcome(outcome) for outcome in ChangeOutcome}
            lists = {
                name: [{**_call(step.call), "message": step.message} for step in steps]
                for name, steps in outcomes.items()
            }
            return {"event": "reported", **lists}
        case InputNeeded():
            return {"event": "needed", "missing": [_missing(missing) for missing in event.missing]}
        case ChoiceOffered():
            return {"event": "offered", "choices": [_choice(call) for call in event.choices]}
        case TurnAnswered():
            return {"event": "answered", "text": event.text}


def _proposal(event: WorkflowProposed) -> Record:
    """Return a workflow that was proposed; `workflow` has all that a resumed run needs."""
    proposal = event.proposal
    return {
        "workflow": dict(proposal.record),
        "tree": list(proposal.lines),
        "changes": len(proposal.changes),
        "effect": event.effect,
        "asks": event.asks,
        "reason": event.reason,
    }


def _decision(event: PlannerChosen) -> Record:
    """Return routing's decision with its context, without the question, which the transcript has already."""
    if event.decision is None:
        return {}
    decision = event.decision
    target = {"objective": decision.objective, "model": decision.version.model, "version": decision.version.version}
    context = {name: value for name, value in event.context.items() if name != "question"}
    return {
        "decision": {**target, "rule": decision.rule, "revision": decision.revision, "reason": decision.reason},
        "context": context,
    }


def _plan(plan: Plan) -> Record:
    following = [{**_call(entry.call), "pending": dict(entry.pending)} for entry in plan.following]
    return {
        "text": plan.text,
        "understood": plan.understood,
        "confidence": plan.confidence,
        **({"ended": plan.ended} if plan.ended else {}),
        "calls": [_call(call) for call in plan.calls],
        **({"following": following} if following else {}),
        "missing": [_missing(missing) for missing in plan.missing],
        **({"doubts": doubts} if (doubts := _doubts(plan)) else {}),
        "raw": plan.raw.to_json() if plan.raw is not None else None,
    }


def _call(call: Call) -> Record:
    operation = call.tool.operation
    source = {"source": operation.spec.source, "operation": operation.id, "tool": call.tool.name}
    return {"id": call.id, **source, "arguments": dict(call.arguments), "reason": call.reason}


def _account(call: Call) -> Record | None:
    """Return the sources of the arguments; `start` and `end` are positions in the question, -1 for none.

    `left` are the words that have no use, `unused` the values among them.
    """
    account = call.account
    if account is None:
        return None
    from nlapi.changes.account import left_words

    words = left_words(call, account)
    return {"sources": sources_to_json(account.sources), "unused": list(account.unused), "left": list(words)}


def _doubts(plan: Plan) -> list[Record]:
    """Return the doubts about the changes of a plan; those about a model's calls come with the proposal."""
    accounts = [(call, call.account) for call in plan.calls if call.account is not None]
    if all(call.effect is Effect.READ for call, _ in accounts):
        return []
    from nlapi.changes.checks import doubts_about

    return [
        {"call": call.id, "concern": doubt.concern, "text": doubt.text}
        for call, account in accounts
        if call.effect is not Effect.READ
        for doubt in doubts_about(call, account, account.sentence)
    ]


def _change(change: FieldChange) -> Record:
    before = {} if change.state is FieldState.UNKNOWN else {"before": change.before}
    return {"field": change.field, "state": change.state, **before, "after": change.after}


def _choice(call: Call) -> Record:
    operation = call.tool.operation
    summary = single_line(operation.summary) or operation.id
    return {**_call(call), "does": summary, "method": operation.method, "path": operation.path}


def _missing(missing: Missing) -> Record:
    operation = missing.tool.operation
    location = {"source": operation.spec.source, "operation": operation.id, "argument": missing.argument}
    return {**location, "description": missing.description, "choices": list(missing.choices)}


def _step(step: Step) -> Record:
    result = _result(step.result) if step.result is not None else None
    digest_field = {} if step.request is None else {"digest": step.digest or digest(step.request)}
    return {
        "call": _call(step.call),
        "outcome": step.outcome,
        "message": step.message,
        **digest_field,
        "result": result,
    }


def _request(request: Request) -> Record:
    """Return a request before credentials; `digest` is that of the whole, also where the body is cut."""
    body = _body(request.content) if request.content is not None else {}
    fields = {"headers": dict(request.headers), "digest": digest(request)}
    return {"method": request.method, "url": request.url, **fields, **body}


def _result(result: Result) -> Record:
    headers = {name.lower(): value for name, value in result.headers if name.lower() in _HEADERS}
    fields = {"status": result.status, "method": result.method, "url": result.url, "elapsed": round(result.elapsed, 4)}
    if result.items is None:
        return {**fields, "headers": headers, **_body(result.content)}
    stream = {"framing": result.framing, "ended": result.ended, "fault": result.fault}
    return {**fields, "headers": headers, **stream, **_items(result.items)}


def _items(items: Iterable[object]) -> Record:
    """Return the first items of a stream, as many as MAX_BODY holds; `left_out` counts the others."""
    stored: list[object] = []
    size, omitted = 0, 0
    for item in items:
        size += len(json.dumps(item, ensure_ascii=False))
        if size > MAX_BODY:
            omitted += 1
        else:
            stored.append(item)
    return {"items": stored, **({"left_out": omitted} if omitted else {})}


def _body(content: bytes) -> Record:
    """Return the body as `text` when it is UTF-8, else as `base64`; `cut` is the true size of a longer one."""
    stored = content[:MAX_BODY]
    is_complete = len(stored) == len(content)
    cut = {} if is_complete else {"cut": len(content)}
    try:
        # not `final`: a character that the cut went through is dropped, any other fault means that this is not text
        return {"text": codecs.getincrementaldecoder("utf-8")().decode(stored, final=is_complete), **cut}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(stored).decode("ascii"), **cut}
