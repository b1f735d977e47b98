"""The circuit breaker of a replica: it opens after consecutive failures or at a high failure rate."""

from __future__ import annotations

from collections import deque
from enum import StrEnum

from nlapi.gateway.limits import Clock

# The thresholds are those of docs/design/012-serving-engine.md: five failures in a row, or half of the last fifty while
# most of the other replicas work, eject a replica for a second, twice as long each time until 30 s.
IN_A_ROW = 5
WINDOW = 50
OUTLIER = 0.5
FIRST_S = 1.0
LONGEST_S = 30.0

# Calls before a failure rate counts: of fewer, one or two failures by chance would make an outlier.
LEAST = 20

HEALTHY = 100
"""successes in a row after which the next ejection is short again"""


class BreakerState(StrEnum):
    """The state of a breaker: CLOSED allows calls, OPEN allows none, HALF_OPEN allows one that decides."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    """The circuit breaker of one replica; it opens for 1 s, and twice as long each time up to 30 s."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._state = BreakerState.CLOSED
        self._until = 0.0
        self._failures = 0
        self._successes = 0
        self._outcomes: deque[bool] = deque(maxlen=WINDOW)
        self.ejections = 0
        """number of consecutive openings"""

    @property
    def state(self) -> BreakerState:
        """The current state; OPEN becomes HALF_OPEN when its time is over."""
        if self._state is BreakerState.OPEN and self._clock() >= self._until:
            return BreakerState.HALF_OPEN
        return self._state

    @property
    def outlier(self) -> bool:
        """Whether at least half of the recent calls failed."""
        seen = len(self._outcomes)
        return seen >= LEAST and self._outcomes.count(False) >= OUTLIER * seen

    def ready(self, in_flight: int) -> bool:
        """Return whether a call is allowed; in HALF_OPEN only one at a time is."""
        if self._state is BreakerState.CLOSED:
            return True
        return self._clock() >= self._until and in_flight == 0

    def success(self) -> None:
        """Count an answered call."""
        self._outcomes.append(True)
        self._failures = 0
        self._successes += 1
        if self._state is BreakerState.OPEN and self._clock() >= self._until:
            self._state = BreakerState.CLOSED
            self._outcomes.clear()
        if self._successes >= HEALTHY:
            self.ejections = 0

    def failure(self) -> None:
        """Count a call that failed because of the replica."""
        self._outcomes.append(False)
        self._successes = 0
        self._failures += 1
        trial = self._state is BreakerState.OPEN and self._clock() >= self._until
        if trial or (self._state is BreakerState.CLOSED and self._failures >= IN_A_ROW):
            self.eject()

    def eject(self) -> None:
        """Open the breaker."""
        self.ejections += 1
        self._state = BreakerState.OPEN
        self._until = self._clock() + min(LONGEST_S, FIRST_S * 2 ** min(self.ejections - 1, 10))
        self._failures = 0
