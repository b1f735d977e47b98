"""The receipts of a client's session: which requests its user was asked about, and whether one may be sent now."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

from nlapi.processes import ProcessInfo

# Seconds between a question and the sending of what was asked about: a person may have to look something up.
LIFETIME_S = 900.0

Owner = Literal["shell", "server"]

UNASKED = "nobody was asked about this request"
INTERVENED = "something else was done since the question about it"
USED = "the receipt for it is used up"
EXPIRED = f"the question about it is more than {LIFETIME_S / 60:g} minutes old"
STRANGER = "it does not come from the command that was asked about"


@dataclass(slots=True, kw_only=True)
class ReceiptQuestion:
    """The requests of one event that the user was asked about, by their digests.

    `asked` is when the hook of the event was started, on the clock of ProcessInfo. `process` is the command that the
    first receipt was taken by: the others are for it alone.
    """

    event: str
    owner: Owner
    asked: float
    expires: float
    remaining: Counter[str]
    process: int = 0


@dataclass(slots=True, kw_only=True)
class ReceiptBook:
    """The open question, and why earlier receipts are worth nothing any more.

    There is one question at a time: any further event of the client takes the receipts of the one before away, as a
    denial is no event, and the next command is the first that could use what was denied.
    """

    clock: Callable[[], float] = time.monotonic
    question: ReceiptQuestion | None = None
    reasons: dict[str, str] = field(default_factory=dict)

    def begin_event(self, event: str) -> None:
        """Take away what was asked about by another event."""
        if self.question is not None and self.question.event != event:
            self._end(INTERVENED)

    def withdraw(self, reason: str) -> None:
        """Take away what was asked about."""
        self._end(reason)

    def add(self, event: str, digests: Iterable[str], owner: Owner, asked: float) -> None:
        """Write receipts for the requests that the user is asked about by an event."""
        self._end(INTERVENED)
        remaining = Counter(digests)
        if remaining:
            expires = self.clock() + LIFETIME_S
            self.question = ReceiptQuestion(event=event, owner=owner, asked=asked, expires=expires, remaining=remaining)

    def has_sent(self, digests: Iterable[str]) -> bool:
        """Return whether one of the requests was asked about and sent before."""
        return any(self.reasons.get(digest) == USED for digest in digests)

    def take(self, request_digest: str, owner: Owner, process: ProcessInfo | None) -> str:
        """Use up the receipt for a request of a command that is, or runs under, `process`, a child of the client.

        Return why there is none, "" where there was one.
        """
        question = self.question
        if question is None or request_digest not in question.remaining:
            return self.reasons.get(request_digest, UNASKED)
        if self.clock() > question.expires:
            self._end(EXPIRED)
            return EXPIRED
        if question.owner != owner or process is None:
            return STRANGER
        # What ran before the question was asked was not what it is about.
        if owner == "shell" and (process.started < question.asked or question.process not in (0, process.pid)):
            return STRANGER
        question.process = process.pid
        question.remaining[request_digest] -= 1
        if not question.remaining[request_digest]:
            del question.remaining[request_digest]
            self.reasons[request_digest] = USED
        return ""

    def _end(self, reason: str) -> None:
        if self.question is not None:
            self.reasons |= dict.fromkeys(self.question.remaining, reason)
        self.question = None
