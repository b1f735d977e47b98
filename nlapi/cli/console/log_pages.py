"""The pages Log and Costs: earlier conversations, the rows of a batch to send again, and what models took."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from nlapi.agent.batch import NAME, BatchPlanner, RowOutcome, prepare_rows, row_outcome
from nlapi.agent.models.spending import UsageTotal
from nlapi.agent.records.log import Log
from nlapi.agent.records.transcripts import (
    INTERRUPTED,
    Record,
    list_transcripts,
    read_records,
    resume,
    savings,
    usage_by_day,
    with_interruptions,
)
from nlapi.cli.ask.planners import only_process
from nlapi.cli.ask.session import Session, open_session
from nlapi.cli.console.plan_view import shorten
from nlapi.cli.console.runs import Run, Runs
from nlapi.cli.log import (
    find_transcript,
    has_words,
    record_line,
    resumed_setup,
    savings_text,
    since_moment,
    tool_finder,
)
from nlapi.cli.options import Setup
from nlapi.client.safe_text import single_line
from nlapi.console.web import PageAnswer, PageHandler, PageRequest, page_number, redirect, render
from nlapi.errors import UsageError
from nlapi.local_files import file_names
from nlapi.registry import log_folder
from nlapi.resources.error_reasons import error_reason
from nlapi.tools.plan import Conversation, Step

# Conversations on one page, and records of one that are shown.
PAGE_SIZE = 50
MAX_RECORDS = 2_000
MAX_LINE = 20_000


@dataclass(slots=True, kw_only=True)
class LogPages:
    """Shows the transcripts of this user."""

    runs: Runs

    @property
    def routes(self) -> dict[tuple[str, str], PageHandler]:
        return {
            ("GET", "/log"): self.page,
            ("GET", "/log/{id}"): self.conversation,
            ("POST", "/log/{id}"): self.send_again,
            ("GET", "/costs"): self.costs,
        }

    async def page(self, request: PageRequest) -> PageAnswer:
        """Show the conversations, the newest or those that failed first, and those with some words alone."""
        words, order = request.query.get("q", "").strip(), request.query.get("order", "")
        number = page_number(request)
        entries = await asyncio.to_thread(_entries, words.lower().split(), failed_first=order == "failed")
        first = (number - 1) * PAGE_SIZE
        shown = entries[first : first + PAGE_SIZE]
        values: dict[str, Any] = {
            "words": words,
            "order": order,
            "number": number,
            "has_more": len(entries) > first + PAGE_SIZE,
        }
        return render(request, "local/log.html", entries=shown, total=len(entries), **values)

    async def conversation(self, request: PageRequest) -> PageAnswer:
        """Show one conversation: its questions, calls, consents and answers, and of a batch the rows that failed."""
        path = await asyncio.to_thread(find_transcript, request.values["id"])
        records = await asyncio.to_thread(read_records, path)
        lines = [line for record in islice(with_interruptions(records), MAX_RECORDS) if (line := _line(record))]
        batch = await asyncio.to_thread(_batch, records) if _batch_key(records) else None
        values: dict[str, Any] = {"batch": batch, "form_id": self.runs.new_form() if batch else ""}
        return render(request, "local/conversation.html", id=path.stem, lines=lines, **values)

    async def send_again(self, request: PageRequest) -> PageAnswer:
        """Ask about the rows of a batch that failed: a review comes before anything is sent."""
        path, id = await asyncio.to_thread(find_transcript, request.values["id"]), request.form.get("id", "")
        run = await self.runs.start(id, partial(_resend, path))
        await run.settled()
        return redirect(request, f"/asked/{id}")

    async def costs(self, request: PageRequest) -> PageAnswer:
        """Show what models took, by day and model."""
        since = request.query.get("since", "7d")
        moment = since_moment(since)
        days = await asyncio.to_thread(usage_by_day, log_folder(), moment)
        saved = await asyncio.to_thread(savings, log_folder(), moment)
        total = sum((usage.total for usage in days), UsageTotal())
        values: dict[str, Any] = {"days": days, "total": total, "saved": savings_text(saved)}
        return render(request, "local/costs.html", since=since, first_day=f"{moment:%Y-%m-%d}", **values)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """A conversation in the list; `failures` counts the calls that failed."""

    id: str
    started: str
    question: str
    turns: int
    changes: int
    failures: int


def _entries(words: Sequence[str], *, failed_first: bool) -> list[LogEntry]:
    entries = []
    for entry in list_transcripts(log_folder()):
        records = read_records(entry.path)
        if words and not has_words(records, words):
            continue
        failures = sum(map(_has_failed, with_interruptions(records)))
        started = entry.started[:16].replace("T", " ")
        entries.append(
            LogEntry(
                id=entry.id,
                started=started,
                question=shorten(single_line(entry.question), 300),
                turns=entry.turns,
                changes=entry.changes,
                failures=failures,
            )
        )
    return sorted(entries, key=lambda entry: not entry.failures) if failed_first else entries


def _has_failed(record: Record) -> bool:
    result = record.get("result") or {}
    return record.get("event") == INTERRUPTED or (
        record.get("event") == "stepped" and (record.get("outcome") == "failed" or result.get("status", 0) >= 400)
    )


def _line(record: Record) -> tuple[str, str, str] | None:
    """Return the time, the text and the class of a record that is shown."""
    text = record_line(record)
    if not text:
        return None
    time, _, rest = text.partition(" ")
    return time, shorten(rest, MAX_LINE), "bad" if _has_failed(record) else str(record.get("event"))


def _batch_key(records: Sequence[Record]) -> list[Any]:
    """Return the file and the API of a batch; [] for another conversation."""
    key = next((record["batch"] for record in records if "batch" in record), None)
    try:
        parsed = json.loads(str(key)) if key is not None else []
    except ValueError:
        return []
    return parsed if isinstance(parsed, list) and len(parsed) == 3 else []


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRowView:
    """A row of a batch that was not done."""

    row: str
    operation: str
    outcome: RowOutcome
    status: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchView:
    """What became of a batch: its rows that were not done, and how many were."""

    file: str
    done: int
    rows: tuple[BatchRowView, ...]

    @property
    def failed(self) -> int:
        """The number of rows that can be sent again: of the others nobody knows whether they were carried out."""
        return sum(row.outcome in (RowOutcome.FAILED, RowOutcome.UNTRIED) for row in self.rows)


def _opened(records: Sequence[Record]) -> tuple[Conversation, Session]:
    session = open_session(resumed_setup(Setup(), records))
    return resume(records, tool_finder(records, tuple(session.targets))), session


def _last_steps(conversation: Conversation) -> list[Step]:
    """Return the last step of each row: one that failed may have been sent again since."""
    return list({step.call.id: step for step in conversation.steps}.values())


def _batch(records: Sequence[Record]) -> BatchView:
    conversation, _ = _opened(records)
    steps = _last_steps(conversation)
    rows = tuple(_row_view(step) for step in steps if row_outcome(step) is not RowOutcome.DONE)
    return BatchView(file=Path(str(_batch_key(records)[0])).name, done=len(steps) - len(rows), rows=rows)


def _row_view(step: Step) -> BatchRowView:
    result, reason = step.result, step.message
    if result is not None and not result.ok:
        reason = error_reason(result.data if result.data is not None else result.text) or reason
    return BatchRowView(
        row=step.call.id.removeprefix("row-"),
        operation=single_line(step.call.operation_id),
        outcome=row_outcome(step),
        status=str(result.status) if result is not None else "",
        reason=shorten(single_line(reason), 300),
    )


async def _resend(path: Path) -> Run:
    """Return a run of the rows of a batch that failed or were not tried; it goes on in the same transcript."""
    return Run(*await asyncio.to_thread(_opened_again, path))


def _opened_again(path: Path) -> tuple[Session, Conversation, AbstractContextManager[Log]]:
    with ExitStack() as held:
        # What was sent is read when no other process sends these rows.
        file = Path(str(_batch_key(read_records(path))[0]))
        hint = f"`nlapi log show {path.stem}` shows how far it is"
        held.enter_context(only_process(file_names(file), f"a batch of {file.name}", hint))
        log = held.enter_context(Log.open(path))
        session, conversation = _rows_again(read_records(path))
        log.hide(session.policy.secrets)
        return session, conversation, _holding(held.pop_all(), log)


@contextmanager
def _holding(held: ExitStack, log: Log) -> Iterator[Log]:
    with held:
        yield log


def _rows_again(records: Sequence[Record]) -> tuple[Session, Conversation]:
    """Return a session that sends the rows which failed or were not tried, and the conversation that goes on."""
    conversation, session = _opened(records)
    again = (RowOutcome.FAILED, RowOutcome.UNTRIED)
    calls = [step.call for step in _last_steps(conversation) if row_outcome(step) in again]
    if not calls:
        raise UsageError("no row of this batch is left to send", hint="rows of unknown outcome are not sent again")
    if any("***" in json.dumps(dict(call.arguments), default=str) for call in calls):
        raise UsageError("a value of these rows is secret and not in the log", hint="run the same `nlapi batch` again")
    (target,) = session.targets.values()
    session.planner, session.face = BatchPlanner(rows=prepare_rows(calls, target)), "batch"
    session.policy = replace(session.policy, spelled_out=True)
    key = next(record["batch"] for record in records if "batch" in record)
    session.log_fields = {**session.log_fields, "batch": key, "base_url": target.base_url}
    return session, conversation.with_question(f"{NAME}: {len(calls)} rows again")
