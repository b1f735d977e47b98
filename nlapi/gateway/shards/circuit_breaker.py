"""A circuit breaker: it lets no call through for a while after failures, then one that decides."""

from __future__ import annotations

from collections import deque
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nlapi.gateway.control.snapshot import Clock

# The thresholds are those of docs/design/012-serving-engine.md: five failures in a row, or half of the last fifty while
# most of the other replicas work, eject a replica for a second, twice as long each time until 30 s.
FAILURES_TO_OPEN = 5
OUTCOME_WINDOW = 50
OUTLIER_FAILURE_RATE = 0.5
INITIAL_EJECTION_S = 1.0
MAX_EJECTION_S = 30.0

# Calls before a failure rate counts: of fewer, one or two failures by chance would make an outlier.
MIN_OUTCOMES = 20

SUCCESSES_TO_RESET = 100
"""successes in a row after which the next ejection is short again"""


class BreakerState(StrEnum):
    """The state of a breaker: CLOSED allows calls, OPEN allows none, HALF_OPEN allows one that decides."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class CircuitBreaker:
    """A circuit breaker; it opens for `first_s` seconds, and twice as long each time up to 30 s."""

    def __init__(self, clock: Clock, first_s: float = INITIAL_EJECTION_S) -> None:
        self._clock = clock
        self._first_s = first_s
        self._state = BreakerState.CLOSED
        self._open_until = 0.0
        self._consecutive_failures = 0
        self._consecutive_successes = 0
        self._outcomes: deque[bool] = deque(maxlen=OUTCOME_WINDOW)
        self.is_tried = False
        """whether the call that decides is in flight"""
        self.ejections = 0
        """number of consecutive openings"""

    @property
    def state(self) -> BreakerState:
        """The current state; OPEN becomes HALF_OPEN when its time is over."""
        if self._state is BreakerState.OPEN and self._clock() >= self._open_until:
            return BreakerState.HALF_OPEN
        return self._state

    @property
    def is_outlier(self) -> bool:
        """Whether at least half of the recent calls failed."""
        count = len(self._outcomes)
        return count >= MIN_OUTCOMES and self._outcomes.count(False) >= OUTLIER_FAILURE_RATE * count

    @property
    def allows_call(self) -> bool:
        """Whether a call is allowed; in HALF_OPEN only one at a time is."""
        if self._state is BreakerState.CLOSED:
            return True
        return not self.is_tried and self._clock() >= self._open_until

    def record_success(self) -> None:
        """Count an answered call."""
        self._outcomes.append(True)
        self._consecutive_failures = 0
        self._consecutive_successes += 1
        if self._state is BreakerState.OPEN and self._clock() >= self._open_until:
            self._state = BreakerState.CLOSED
            self._outcomes.clear()
        if self._consecutive_successes >= SUCCESSES_TO_RESET:
            self.ejections = 0

    def record_failure(self, *, is_brief: bool = False) -> bool:
        """Count a failed call, and return whether it opened the breaker; a brief opening never grows longer."""
        self._outcomes.append(False)
        self._consecutive_successes = 0
        self._consecutive_failures += 1
        is_trial = self._state is BreakerState.OPEN and self._clock() >= self._open_until
        if is_trial or (self._state is BreakerState.CLOSED and self._consecutive_failures >= FAILURES_TO_OPEN):
            self.eject(is_brief=is_brief)
            return True
        return False

    def eject(self, *, is_brief: bool = False) -> None:
        """Open the breaker."""
        self.ejections = 1 if is_brief else self.ejections + 1
        self._state = BreakerState.OPEN
        self._open_until = self._clock() + min(MAX_EJECTION_S, self._first_s * 2 ** min(self.ejections - 1, 10))
        self._consecutive_failures = 0
