"""When a replica is not called: after failures in a row, or when it fails far more than it answers."""

from __future__ import annotations

from collections import deque
from enum import StrEnum

from nlapi.gateway.limits import Clock

IN_A_ROW = 5
"""failures that open it"""

WINDOW = 50
LEAST = 20
"""calls seen before a failure rate is one"""

OUTLIER = 0.5
"""the failure rate of an outlier"""

FIRST_S = 1.0
LONGEST_S = 30.0
HEALTHY = 100
"""successes in a row after which its past is forgotten"""


class BreakerState(StrEnum):
    """CLOSED calls go; OPEN none do; HALF_OPEN one does, and decides."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    """The circuit breaker of one replica. It opens for a second, and twice as long each time until 30 s."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._state = BreakerState.CLOSED
        self._until = 0.0
        self._failures = 0
        self._successes = 0
        self._outcomes: deque[bool] = deque(maxlen=WINDOW)
        self.ejections = 0
        """times in a row that it opened"""

    @property
    def state(self) -> BreakerState:
        """OPEN becomes HALF_OPEN by itself when its time is over."""
        if self._state is BreakerState.OPEN and self._clock() >= self._until:
            return BreakerState.HALF_OPEN
        return self._state

    @property
    def outlier(self) -> bool:
        """Does it fail at least half of its calls?"""
        seen = len(self._outcomes)
        return seen >= LEAST and self._outcomes.count(False) >= OUTLIER * seen

    def ready(self, in_flight: int) -> bool:
        """May a call go to it? Half open, only one at a time may."""
        if self._state is BreakerState.CLOSED:
            return True
        return self._clock() >= self._until and in_flight == 0

    def success(self) -> None:
        """A call was answered."""
        self._outcomes.append(True)
        self._failures = 0
        self._successes += 1
        if self._state is BreakerState.OPEN and self._clock() >= self._until:
            self._state = BreakerState.CLOSED
            self._outcomes.clear()
        if self._successes >= HEALTHY:
            self.ejections = 0

    def failure(self) -> None:
        """A call failed for a reason that lies in the replica."""
        self._outcomes.append(False)
        self._successes = 0
        self._failures += 1
        trial = self._state is BreakerState.OPEN and self._clock() >= self._until
        if trial or (self._state is BreakerState.CLOSED and self._failures >= IN_A_ROW):
            self.eject()

    def eject(self) -> None:
        """Open it."""
        self.ejections += 1
        self._state = BreakerState.OPEN
        self._until = self._clock() + min(LONGEST_S, FIRST_S * 2 ** min(self.ejections - 1, 10))
        self._failures = 0
