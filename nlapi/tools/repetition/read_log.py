"""The reads of a model, so that one that only repeats is recognised before it is sent."""

from __future__ import annotations

import hashlib
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from threading import Lock

from nlapi.client.message import Result, body_size
from nlapi.client.safe_text import single_line
from nlapi.errors import NlapiError, RepeatedReadError

# Equal answers to one read, after which the next one gets the stored answer.
MAX_EQUAL = 2

# Reads of one request whose answers differ, as of a job in progress: the rounds of a turn follow without a wait.
MAX_SENT = 10

# Seconds after which a read counts as new, where the end of a turn is not known.
WINDOW_S = 30.0

# Reads in one log; the oldest are removed.
MAX_READS = 200

# Bytes of an answer that is stored to be repeated. For a longer one the model gets an error.
MAX_STORED = 1_000_000


@dataclass(slots=True, kw_only=True)
class LoggedRead:
    """One request and its last answer; `equal` counts the last answers that are the same."""

    at: float = 0.0
    answer: str = ""
    result: Result | None = None
    sent: int = 0
    equal: int = 0
    under_way: int = 0
    repeats: int = 0

    @property
    def is_in_circles(self) -> bool:
        """Whether no new answer is expected, counting the requests that are still under way."""
        return self.equal + self.under_way >= MAX_EQUAL or self.sent >= MAX_SENT

    def settle(self, answer: str, result: Result | None = None) -> None:
        """Count an answer, or the reason why it is missing."""
        self.equal = self.equal + 1 if answer == self.answer else 1
        self.answer, self.result = answer, result


@dataclass(slots=True, kw_only=True)
class ReadLog:
    """The reads of one turn of a model, or of the last seconds where turns are not known.

    Its methods are safe to call from any thread.
    """

    window_s: float = WINDOW_S
    clock: Callable[[], float] = time.monotonic
    refusal: str = ""
    """why the last read was refused; "" while none was"""
    _reads: OrderedDict[str, LoggedRead] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)

    def forget(self) -> None:
        """Forget all reads: something was changed, so that the same read may have another answer."""
        with self._lock:
            self._reads.clear()

    @contextmanager
    def reading(self, request_digest: str, name: str) -> Iterator[LoggedRead | Result]:
        """Yield the entry of a read that the block sends, or the stored answer in place of sending it again.

        The first repetition gets the last answer with a note. RepeatedReadError for the next one, and where no answer
        is stored.
        """
        with self._lock:
            entry = self._entry(request_digest)
            if (stored := self._stored(entry, single_line(name))) is None:
                entry.sent, entry.at = entry.sent + 1, self.clock()
                entry.under_way += 1
        if stored is not None:
            yield stored
            return
        try:
            yield entry
        except NlapiError as error:
            with self._lock:
                entry.settle(f"{type(error).__name__}: {error.message}")
            raise
        finally:
            with self._lock:
                entry.under_way -= 1

    def settle(self, entry: LoggedRead, result: Result) -> None:
        """Store the answer to a read."""
        answer = hashlib.sha256(b"%d " % result.status + result.content).hexdigest()
        with self._lock:
            entry.settle(answer, result if body_size(result) <= MAX_STORED else None)

    def _entry(self, request_digest: str) -> LoggedRead:
        entry = self._reads.get(request_digest)
        if entry is None or (self.clock() - entry.at > self.window_s and not entry.under_way):
            entry = self._reads[request_digest] = LoggedRead()
        self._reads.move_to_end(request_digest)
        if len(self._reads) > MAX_READS:
            self._reads.popitem(last=False)
        return entry

    def _stored(self, entry: LoggedRead, name: str) -> Result | None:
        """Return the answer in place of a repeated read; None for one that is sent. RepeatedReadError for others."""
        if not entry.is_in_circles:
            return None
        if entry.under_way and entry.result is None:
            raise RepeatedReadError(
                f"{name} is being sent already", hint="its answer is that of the same call beside it"
            )
        entry.repeats += not entry.under_way
        later = "" if math.isinf(self.window_s) else f", or read it again after {self.window_s:g} s"
        if entry.repeats <= 1 and entry.result is not None:
            return replace(
                entry.result, note=f"not sent again: this is the answer that it had before. Go on with it{later}"
            )
        self.refusal = f"{name} was asked for {entry.sent + entry.repeats} times, and has nothing new to say"
        raise RepeatedReadError(self.refusal, hint=f"answer with what there is, and say what is missing{later}")
