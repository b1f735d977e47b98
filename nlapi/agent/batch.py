"""Calls from the rows of a file: one plan, one consent, and an outcome for each row, whatever became of the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from nlapi.agent.events import NOT_RUN, change_outcome
from nlapi.client.message import digest
from nlapi.errors import ArgumentError, NlapiError
from nlapi.tools.plan import Conversation, Outcome, Plan, Step
from nlapi.tools.repetition.ledger import OUTCOME_UNKNOWN, SentOutcome
from nlapi.tools.sending.run import Prepared, Target, prepare
from nlapi.tools.tool import Call

NAME = "batch"

# Rows of a file. Each change of a plan is compared with those before it (docs/design/024), and a question about more
# would be read by nobody.
MAX_ROWS = 500


class RowOutcome(StrEnum):
    """What became of a row. The values are keys of the report."""

    DONE = "done"
    EARLIER = "done before"
    """an earlier run of the file carried it out"""
    FAILED = "failed"
    """the API refused it, or it could not be sent: nothing was changed"""
    UNKNOWN = "outcome unknown"
    """it may have been carried out, and is not repeated"""
    UNTRIED = "not tried"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRow:
    """A row as a call with its request; `number` counts from 1."""

    number: int
    prepared: Prepared

    @property
    def call(self) -> Call:
        return self.prepared.call

    @property
    def digest(self) -> str:
        return digest(self.prepared.request)


def prepare_rows(calls: Sequence[Call], target: Target) -> tuple[BatchRow, ...]:
    """Return the calls as rows. ArgumentError that names each row which cannot be built: then none is sent."""
    rows, faults = [], []
    for number, call in enumerate(calls, 1):
        try:
            rows.append(BatchRow(number=number, prepared=prepare(call, target)))
        except NlapiError as error:
            faults.append(f"row {number}: {error}")
    if faults:
        more = f"; and {len(faults) - 5} more" if len(faults) > 5 else ""
        raise ArgumentError("; ".join(faults[:5]) + more, hint="nothing was sent")
    return tuple(rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSplit:
    """The rows that are sent, and those that an earlier run of the file has sent, with what is known of these."""

    pending: tuple[BatchRow, ...]
    earlier: dict[int, RowOutcome]


def split_rows(rows: Sequence[BatchRow], steps: Sequence[Step]) -> BatchSplit:
    """Return which rows are left after the `steps` of earlier runs: those not tried, and those plainly refused.

    Requests are compared as they are sent, each as often as it was sent (docs/design/025-once.md). READs are sent
    anew.
    """
    done = Counter(
        step.change.form.digest
        for step in steps
        if step.sent is SentOutcome.ANSWERED and step.result is not None and step.result.ok
    )
    unknown = Counter(step.change.form.digest for step in steps if step.is_uncertain)
    pending: list[BatchRow] = []
    earlier: dict[int, RowOutcome] = {}
    for row in rows:
        for outcome, counter in ((RowOutcome.EARLIER, done), (RowOutcome.UNKNOWN, unknown)):
            if counter[row.digest]:
                counter[row.digest] -= 1
                earlier[row.number] = outcome
                break
        else:
            pending.append(row)
    return BatchSplit(pending=tuple(pending), earlier=earlier)


@dataclass(slots=True, kw_only=True)
class BatchPlanner:
    """The planner of one run: one plan with all its calls, of which none depends on another."""

    rows: Sequence[BatchRow]
    name: str = NAME

    async def next(self, conversation: Conversation) -> AsyncIterator[Plan]:
        """Yield the plan, or the one that ends the turn once it was run."""
        if conversation.current.rounds:
            yield Plan()
        else:
            yield Plan(calls=tuple(row.prepared.written for row in self.rows), independent=True)


def row_outcome(step: Step) -> RowOutcome:
    """Return what became of the row whose step this is."""
    if step.message.startswith(NOT_RUN) or step.outcome is Outcome.REFUSED:
        return RowOutcome.UNTRIED
    if step.is_uncertain or step.message.startswith(OUTCOME_UNKNOWN):
        return RowOutcome.UNKNOWN
    return RowOutcome.DONE if change_outcome(step) == "done" else RowOutcome.FAILED
