"""The health of a replica by its calls: a circuit breaker for all objectives, and one for each that had failures."""

from __future__ import annotations

from collections.abc import Iterable

from nlapi.gateway.circuit_breaker import BreakerState, CircuitBreaker
from nlapi.gateway.snapshot import Clock

# A time-out is held against the replica when it waited this many times as long as an answer usually takes, and against
# all of its objectives only then. Below it the caller's own deadline is the likelier cause.
SLOW_FACTOR = 4.0

# Seconds for which an answer shows that a replica works: within them, the failures of other objectives are their own.
ANSWER_PROOF_S = 10.0

# Objectives whose breakers have to be open before a replica counts as failing for all of them.
OBJECTIVES_TO_OPEN = 2

LATENCY_WEIGHT = 1 / 16
"""the weight of one answer in the moving average of latencies"""


class UsualLatency:
    """The moving average of the seconds in which a version answers, over all replicas of its shard."""

    def __init__(self) -> None:
        self.seconds: float | None = None
        """None before the first answer"""

    def record(self, seconds: float) -> None:
        """Count an answer."""
        self.seconds = seconds if self.seconds is None else self.seconds + LATENCY_WEIGHT * (seconds - self.seconds)


class ReplicaHealth:
    """The breakers of one replica. A failure counts for the objective that had it, or for all objectives.

    For all count failed connections and slowness that no caller explains. An error status is the objective's: its
    inputs may cause it. It counts for all when no objective that still calls the replica has answers from it.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._by_objective: dict[str, CircuitBreaker] = {}
        """only of the objectives that had failures"""
        self._answered_at: dict[str, float] = {}
        self.breaker = CircuitBreaker(clock)
        """the breaker for all objectives"""
        self.is_reachable = True
        """whether the last connection could be opened"""
        self.last_answer_at = float("-inf")

    def allows_call(self, objective: str) -> bool:
        """Return whether neither breaker is open for the objective."""
        breaker = self._by_objective.get(objective)
        return self.breaker.allows_call and (breaker is None or breaker.allows_call)

    def half_open(self, objective: str) -> list[CircuitBreaker]:
        """Return the breakers that the next call of the objective decides on."""
        return [breaker for breaker in self._breakers(objective) if breaker.state is BreakerState.HALF_OPEN]

    def badness(self, objective: str) -> int:
        """Return how often in a row the replica was ejected for the objective."""
        return sum(breaker.ejections for breaker in self._breakers(objective))

    def is_outlier(self, objective: str) -> bool:
        """Return whether at least half of the objective's recent calls failed."""
        return any(breaker.is_outlier for breaker in self._breakers(objective))

    def ejected_for(self) -> list[str]:
        """Return the objectives that alone do not call it, sorted."""
        return sorted(name for name, breaker in self._by_objective.items() if breaker.state is BreakerState.OPEN)

    def record_answer(self, objective: str) -> None:
        """Count an answer below 500."""
        self.last_answer_at = self._answered_at[objective] = self._clock()
        self.is_reachable = True
        for breaker in self._breakers(objective):
            breaker.record_success()

    def record_error(self, objective: str) -> None:
        """Count an error status, a faulty answer or a slow one of an objective."""
        self.is_reachable = True
        breaker = self._by_objective.setdefault(objective, CircuitBreaker(self._clock))
        if breaker.record_failure() and self.breaker.state is BreakerState.CLOSED and self._fails_for_all():
            self.breaker.eject()

    def record_slow(self, objective: str, waited_s: float, usual_s: float | None) -> None:
        """Count a call without an answer after `waited_s`, against whoever explains it.

        A deadline before the usual latency of the version is the caller's own matter. A replica that meanwhile answered
        others is slow for this objective only.
        """
        if usual_s is not None and waited_s < usual_s:
            return
        self.record_error(objective)
        began_at = self._clock() - waited_s
        if usual_s is not None and waited_s >= SLOW_FACTOR * usual_s and self.last_answer_at < began_at:
            self.breaker.record_failure()

    def record_lost(self, *, is_reachable: bool) -> None:
        """Count a connection that could not be opened, or that was lost before an answer began, for all objectives."""
        self.is_reachable = is_reachable
        # A connection attempt costs little: a replica that comes back is called within a second.
        self.breaker.record_failure(is_brief=not is_reachable)

    def eject_outlier(self, objective: str) -> None:
        """Eject the replica for the objective, or for all when its connections fail."""
        (self.breaker if self.breaker.is_outlier else self._by_objective[objective]).eject()

    def _breakers(self, objective: str) -> Iterable[CircuitBreaker]:
        breaker = self._by_objective.get(objective)
        return (self.breaker,) if breaker is None else (self.breaker, breaker)

    def _fails_for_all(self) -> bool:
        failing = {name for name, breaker in self._by_objective.items() if breaker.state is not BreakerState.CLOSED}
        since = self._clock() - ANSWER_PROOF_S
        works_for_another = any(at >= since for name, at in self._answered_at.items() if name not in failing)
        return len(failing) >= OBJECTIVES_TO_OPEN and not works_for_another
