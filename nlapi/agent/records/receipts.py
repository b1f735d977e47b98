"""Receipts of consent, in one form from every face: who asked, where a person answered, what about, what came of it.

A conversation has them in its transcript. What has no transcript (`nlapi call`, an MCP server) appends them to a file
of the month in the same folder. A receipt that is written again, with its answer or its outcome, replaces the one
before.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from nlapi.client.masking import redact
from nlapi.client.message import digest, exact_digest
from nlapi.client.safe_text import single_line
from nlapi.client.truncate import dump_json
from nlapi.errors import ConsentError, NlapiError, OutcomeUnknownError, UsageError
from nlapi.local_files import append_lines
from nlapi.openapi.urls import parse_url
from nlapi.registry import log_folder

if TYPE_CHECKING:
    from nlapi.agent.events import CallProposed, ConsentReply
    from nlapi.client.message import Result
    from nlapi.openapi.spec import Spec
    from nlapi.tools.plan import Step
    from nlapi.tools.sending.run import Consent, Prepared

EVENT = "consent"
SUFFIX = ".ndjson"

# Characters of a title, and of a request or a reason.
MAX_TITLE = 80
MAX_TEXT = 500


class ConsentRung(StrEnum):
    """The place where a person answers a question about a change."""

    TERMINAL = "terminal"
    FORM = "form"
    """of an MCP client (elicitation)"""
    PANEL = "panel"
    """of an MCP client (MCP Apps)"""
    PAGE = "page"
    """of `nlapi console`"""
    CLIENT = "client"
    """the client's own dialog, which a plugin's hook has it open"""
    FUNCTION = "function"
    """of a Python program, given as `yes`"""


class ConsentAnswer(StrEnum):
    """The answer to a question about a change."""

    WAITING = "waiting"
    AGREED = "agreed"
    DECLINED = "declined"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    """somebody without the right token tried to answer, or another way was named"""
    DISMISSED = "dismissed"
    """closed without an answer: a form, which some clients close by themselves, or a function that raised an error"""


class ConsentOutcome(StrEnum):
    """What came of a request that a person agreed to, the gravest last."""

    NONE = ""
    """nothing yet, or nothing that is known"""
    DONE = "done"
    """the API answered, whatever the status"""
    REFUSED = "refused"
    """nothing was sent"""
    FAILED = "failed"
    """it did not reach the API, or a step of the workflow failed"""
    UNKNOWN = "unknown"
    """it may have been carried out"""


@dataclass(slots=True, kw_only=True)
class ReceiptCall:
    """A request in a question, without its values. `status` is that of the API's answer."""

    operation: str
    request: str = ""
    digest: str = ""
    outcome: ConsentOutcome = ConsentOutcome.NONE
    status: int | None = None

    def add_step(self, outcome: ConsentOutcome, status: int | None) -> None:
        """Store what came of it, or of a step of it where it is a workflow: the gravest counts."""
        gravity = [*ConsentOutcome].index
        if (gravity(outcome), (status or 0) >= 400) >= (gravity(self.outcome), (self.status or 0) >= 400):
            self.outcome, self.status = outcome, status


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentReceipt:
    """One question about changes, and its answer. `face` is what asked: a command of nlapi, mcp, plugin or python.

    `client` is the program or the person that an MCP server names, `reason` the words of the person who answered,
    `until` the time at which a question ends that waits.
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
        return replace(self, answer=answer, rung=rung, reason=single_line(reason)[:MAX_TEXT], answered=now)

    def with_outcome(self, outcome: ConsentOutcome, status: int | None = None) -> ConsentReceipt:
        """Return the receipt with what came of all its requests of which nothing is known yet."""
        settled = (call if call.outcome else replace(call, outcome=outcome, status=status) for call in self.calls)
        return replace(self, calls=tuple(settled))

    def with_steps(self, steps: Iterable[Step]) -> ConsentReceipt:
        """Return the receipt with what came of each request that a step has made."""
        by_digest = {digest(step.request): step for step in steps if step.request is not None}
        return replace(self, calls=tuple(_settled(call, by_digest.get(call.digest)) for call in self.calls))


def _settled(call: ReceiptCall, step: Step | None) -> ReceiptCall:
    if step is None or (step.result is None and not step.is_uncertain):
        return replace(call, outcome=ConsentOutcome.FAILED if step is not None else ConsentOutcome.REFUSED)
    status = step.result.status if step.result is not None else None
    outcome = ConsentOutcome.DONE if step.result is not None else ConsentOutcome.UNKNOWN
    return replace(call, outcome=outcome, status=status)


def moment_text(moment: datetime) -> str:
    """Return a time as receipts have it: in UTC, so that their order is that of time."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def begin_receipt(face: str, items: Iterable[Prepared | CallProposed]) -> ConsentReceipt:
    """Return the receipt of a question about requests; there is one at least.

    It has the route in place of the URL: any argument may be a credential (`/bot{token}/send`).
    """
    items = tuple(items)
    calls = tuple(
        ReceiptCall(operation=item.call.operation_id, request=_request_text(item), digest=digest(item.request))
        for item in items
    )
    spec = items[0].call.tool.operation.spec
    return ConsentReceipt(face=face, api=single_line(spec.title)[:MAX_TITLE], source=spec.source, calls=calls)


def _request_text(item: Prepared | CallProposed) -> str:
    site = ""
    with suppress(UsageError):
        site = parse_url(item.request.url).site
    return single_line(f"{item.request.method} {site}{item.call.tool.operation.route}")[:MAX_TEXT]


def run_receipt(face: str, spec: Spec, name: str, run_digest: str = "") -> ConsentReceipt:
    """Return the receipt of a question about a workflow as a whole."""
    call = ReceiptCall(operation=single_line(name)[:MAX_TITLE], digest=run_digest)
    return ConsentReceipt(face=face, api=single_line(spec.title)[:MAX_TITLE], source=spec.source, calls=(call,))


def reply_of(
    receipt: ConsentReceipt,
    reply: ConsentReply,
    secrets: Iterable[str] = (),
    rung: ConsentRung = ConsentRung.TERMINAL,
) -> ConsentReceipt:
    """Return a receipt with the reply of the person at a terminal or a page, without secrets."""
    answer = ConsentAnswer.AGREED if reply.is_agreed else ConsentAnswer.DECLINED
    # Masked before it is cut: a cut secret is found no more.
    return receipt.with_answer(answer, rung, redact(reply.reason, secrets))


def error_outcome(error: BaseException) -> ConsentOutcome:
    """Return what an error says of the request that it ended. What was interrupted may have been carried out."""
    if isinstance(error, ConsentError):
        return ConsentOutcome.REFUSED
    is_known = isinstance(error, NlapiError) and not isinstance(error, OutcomeUnknownError)
    return ConsentOutcome.FAILED if is_known else ConsentOutcome.UNKNOWN


async def settled(sent: Awaitable[Result], settle: Callable[[ConsentOutcome, int | None], None]) -> Result:
    """Return the result of a call; `settle` gets what came of it first, an error too."""
    try:
        result = await sent
    except BaseException as error:
        settle(error_outcome(error), None)
        raise
    settle(ConsentOutcome.DONE, result.status)
    return result


def write_receipt(receipt: ConsentReceipt) -> str:
    """Write the receipt of what has no transcript; return why it cannot be written, or ""."""
    # Of the month of the question, whenever it is answered, so that its lines stand together.
    path = log_folder() / f"consents-{receipt.at[:7]}{SUFFIX}"
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
    """The changes that the user of a client has confirmed in its own dialog: each has a receipt before it is sent.

    `take_digest` uses up what is confirmed, by its digest; `report` tells why a receipt cannot be written. A `run` was
    confirmed as a whole: it is taken for its first change, and for all others by the same process.
    """

    take_digest: Callable[[str], str]
    report: Callable[[str], None]
    run: ConsentReceipt | None = None
    is_taken: bool = False

    def take(self, prepared: Prepared) -> str:
        if self.is_taken:
            return ""
        confirmed = self.run.calls[0].digest if self.run is not None else exact_digest(prepared.request)
        if reason := self.take_digest(confirmed):
            return reason
        self.is_taken = self.run is not None
        receipt = self.run or begin_receipt("plugin", (prepared,))
        if fault := write_receipt(receipt.with_answer(ConsentAnswer.AGREED, ConsentRung.CLIENT)):
            self.report(fault)
        return ""


class FunctionConsent:
    """The consent of a function of a Python program to one call, or to the changes of one plan.

    With `receipts` each question leaves one; where it cannot be written, the log of the program says so.
    """

    def __init__(self, consent: Consent, *, receipts: bool) -> None:
        self._consent = consent
        self._is_recorded = receipts
        self._receipts: list[ConsentReceipt] = []

    async def ask(self, prepared: Prepared) -> bool:
        """Ask the function; its answer is written before anything is sent."""
        if not self._is_recorded:
            return await self._consent(prepared)
        receipt, answer = begin_receipt("python", (prepared,)), ConsentAnswer.DISMISSED
        try:
            is_agreed = await self._consent(prepared)
            answer = ConsentAnswer.AGREED if is_agreed else ConsentAnswer.DECLINED
        finally:
            self._receipts.append(receipt.with_answer(answer, ConsentRung.FUNCTION))
            _write_or_log(self._receipts[-1])
        return is_agreed

    async def settled(self, sent: Awaitable[Result]) -> Result:
        """Return the result of the call, after what came of it was written."""
        return await settled(sent, self._settle)

    def _settle(self, outcome: ConsentOutcome, status: int | None) -> None:
        for receipt in self._agreed():
            # The last question is about what was sent: another call sent the same during those before it.
            is_sent = receipt is self._receipts[-1]
            _write_or_log(receipt.with_outcome(*((outcome, status) if is_sent else (ConsentOutcome.REFUSED, None))))

    def settle_plan(self, steps: Iterable[Step]) -> None:
        """Write what came of each change of a plan. Nothing of it was sent unless every question got a yes."""
        agreed = self._agreed()
        sent = tuple(steps) if len(agreed) == len(self._receipts) else ()
        for receipt in agreed:
            _write_or_log(receipt.with_steps(sent))

    def _agreed(self) -> list[ConsentReceipt]:
        return [receipt for receipt in self._receipts if receipt.answer is ConsentAnswer.AGREED]


def _write_or_log(receipt: ConsentReceipt) -> None:
    if fault := write_receipt(receipt):
        import logging

        # Programs configure it by this name, wherever the module is.
        logging.getLogger("nlapi.agent.receipts").warning(fault)
