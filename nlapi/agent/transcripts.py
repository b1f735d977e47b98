"""Reads the transcripts of conversations. A record that is none of nlapi's is skipped and named, whatever it holds."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Required, TypedDict

import msgspec

from nlapi.agent.events import NOT_RUN
from nlapi.client.message import finite_float
from nlapi.errors import UsageError
from nlapi.openapi.spec import Effect
from nlapi.tools.plan import Outcome

Record = dict[str, Any]

DAMAGED = "damaged"
"""The `event` of what stands in for a record that cannot be read; `line` is its number."""


# The types of the keys that are read. A key that is not there is no fault here: earlier versions wrote fewer.
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
    "reported": _Reported,
    "needed": _Needed,
    "workflow": _Workflow,
    "answered": _Answered,
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
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise UsageError(f"cannot read the log {path}: {error.strerror}", hint="`nlapi log list` names them") from error
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
