"""Receipts of consent, in one form from every face: who asked, where a person answered, what about, what came of it.

A conversation has them in its transcript. What has no transcript (`nlapi call`, an MCP server) appends them to a file
of the month in the same folder. A receipt that is written again, with its answer or its outcome, replaces the one
before.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlapi import registry
from nlapi.client.masking import secret_mask
from nlapi.client.message import digest, exact_digest
from nlapi.client.safe_text import single_line
from nlapi.client.truncate import dump_json
from nlapi.local_files import append_lines

if TYPE_CHECKING:
    from nlapi.agent.events import CallProposed, ConsentReply
    from nlapi.openapi.spec import Spec
    from nlapi.tools.run import Prepared

EVENT = "consent"
SUFFIX = ".ndjson"

# Characters of a title, and of a method with its URL.
MAX_TITLE = 80
MAX_REQUEST = 500


class ConsentRung(StrEnum):
    """The place where a person answers a question about a change."""

    TERMINAL = "terminal"
    FORM = "form"
    """of an MCP client (elicitation)"""
    PANEL = "panel"
    """of an MCP client (MCP Apps)"""
    CLIENT = "client"
    """the client's own dialog, which a plugin's hook has it open"""


class ConsentAnswer(StrEnum):
    """The answer to a question about a change."""

    WAITING = "waiting"
    AGREED = "agreed"
    DECLINED = "declined"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    """somebody without the right token tried to answer, or another way was named"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptCall:
    """A request that was asked about. `outcome` is "" where it was not sent, `status` that of the API's answer."""

    operation: str
    request: str = ""
    digest: str = ""
    outcome: str = ""
    status: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentReceipt:
    """One question about changes, and its answer. `face` is what asked: a command of nlapi, mcp or plugin.

    `client` is the program or the person that an MCP server names, `reason` what was said with the answer, `until` the
    time at which a question ends that waits.
    """

    face: str
    api: str
    calls: tuple[ReceiptCall, ...]
    source: str = ""
    client: str = ""
    rung: str = ""
    answer: ConsentAnswer = ConsentAnswer.WAITING
    reason: str = ""
    until: str = ""
    answered: str = ""
    transcript: str = ""
    at: str = field(default_factory=lambda: moment_text(datetime.now(UTC)))
    id: str = field(default_factory=lambda: uuid.uuid4().hex[:12])

    @property
    def record(self) -> dict[str, Any]:
        """The receipt as a record of a transcript, without what is empty."""
        return {"event": EVENT, **{name: value for name, value in asdict(self).items() if value}}

    def as_of(self, now: datetime) -> ConsentReceipt:
        """Return the receipt at a time: a question may have ended that nobody has answered."""
        is_over = self.answer is ConsentAnswer.WAITING and "" < self.until < moment_text(now)
        return replace(self, answer=ConsentAnswer.EXPIRED) if is_over else self

    def with_answer(self, answer: ConsentAnswer, rung: ConsentRung, reason: str = "") -> ConsentReceipt:
        """Return the receipt with a person's answer, of now."""
        now = moment_text(datetime.now(UTC))
        return replace(self, answer=answer, rung=rung, reason=single_line(reason)[:MAX_REQUEST], answered=now)

    def with_step(self, operation: str, request_digest: str, outcome: str, status: int | None) -> ConsentReceipt:
        """Return the receipt with what came of a call that a person agreed to; as it is for any other call.

        A later call of a plan is known by its operation alone, and the calls of a workflow by the whole.
        """
        tests = (
            lambda call: call.digest == request_digest,
            lambda call: not call.outcome and call.operation == operation,
            lambda call: not call.request,
        )
        matches = (index for test in tests for index, call in enumerate(self.calls) if test(call))
        index = next(matches, -1) if self.answer is ConsentAnswer.AGREED else -1
        if index < 0:
            return self
        call = replace(self.calls[index], outcome=outcome, status=status)
        return replace(self, calls=(*self.calls[:index], call, *self.calls[index + 1 :]))

    def with_outcome(self, outcome: str, status: int | None = None) -> ConsentReceipt:
        """Return the receipt with what came of all its requests."""
        return replace(self, calls=tuple(replace(call, outcome=outcome, status=status) for call in self.calls))


def log_folder() -> Path:
    """Return the folder of the transcripts and the receipts."""
    return registry.user_folder("state") / "log"


def moment_text(moment: datetime) -> str:
    """Return a time as receipts have it: in UTC, so that their order is that of time."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def begin_receipt(face: str, items: Iterable[Prepared | CallProposed], secrets: Iterable[str] = ()) -> ConsentReceipt:
    """Return the receipt of a question about requests, without secrets; there is one request at least."""
    mask, asked = secret_mask(tuple(secrets)), tuple(items)
    calls = tuple(
        ReceiptCall(
            operation=item.call.operation_id,
            request=mask.text(f"{item.request.method} {single_line(item.request.url)}")[:MAX_REQUEST],
            digest=digest(item.request),
        )
        for item in asked
    )
    spec = asked[0].call.tool.operation.spec
    return ConsentReceipt(face=face, api=single_line(spec.title)[:MAX_TITLE], source=spec.source, calls=calls)


def run_receipt(face: str, spec: Spec, name: str, run_digest: str = "") -> ConsentReceipt:
    """Return the receipt of a question about a workflow as a whole."""
    call = ReceiptCall(operation=single_line(name)[:MAX_TITLE], digest=run_digest)
    return ConsentReceipt(face=face, api=single_line(spec.title)[:MAX_TITLE], source=spec.source, calls=(call,))


def reply_of(receipt: ConsentReceipt, reply: ConsentReply) -> ConsentReceipt:
    """Return a receipt with the reply of the person at the terminal."""
    answer = ConsentAnswer.AGREED if reply.is_agreed else ConsentAnswer.DECLINED
    return receipt.with_answer(answer, ConsentRung.TERMINAL, reply.reason)


def write_receipt(receipt: ConsentReceipt) -> str:
    """Write the receipt of what has no transcript; return why it cannot be written, or ""."""
    path = log_folder() / f"consents-{datetime.now(UTC):%Y-%m}{SUFFIX}"
    line = dump_json(receipt.record).encode("utf-8", "surrogatepass") + b"\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            append_lines(descriptor, line)
        finally:
            os.close(descriptor)
    except OSError as error:
        return f"the receipt of a consent cannot be written to {path}: {error.strerror}"
    return ""


@dataclass(slots=True, kw_only=True)
class DialogReceipts:
    """The changes that the user of a client has confirmed in its own dialog: each has a receipt once it is sent.

    `take_digest` uses up what is confirmed, by its digest. A `run` was confirmed as a whole: it is taken for its first
    change, and for all others by the same process.
    """

    take_digest: Callable[[str], str]
    secrets: tuple[str, ...] = field(default=(), repr=False)
    run: ConsentReceipt | None = None
    is_taken: bool = False

    def take(self, prepared: Prepared) -> str:
        if self.is_taken:
            return ""
        confirmed = self.run.calls[0].digest if self.run is not None else exact_digest(prepared.request)
        if reason := self.take_digest(confirmed):
            return reason
        self.is_taken = self.run is not None
        receipt = self.run or begin_receipt("plugin", (prepared,), self.secrets)
        write_receipt(receipt.with_answer(ConsentAnswer.AGREED, ConsentRung.CLIENT).with_outcome("sent"))
        return ""
