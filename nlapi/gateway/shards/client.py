"""Calls of replicas over HTTP: the addresses that are accepted, answers with their limits, and who is well."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from nlapi.errors import UsageError
from nlapi.gateway.control.snapshot import Clock
from nlapi.gateway.http.tls import ClientTls
from nlapi.gateway.ray.messages import HostedContent
from nlapi.gateway.shards.circuit_breaker import BreakerState, CircuitBreaker
from nlapi.gateway.shards.http_client import EndpointClient

if TYPE_CHECKING:
    from nlapi.gateway.shards.http_session import HttpAnswer


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


# Seconds that an idle connection stays open. uvicorn, and so MLServer, BentoML and Ray Serve, closes one after 5 s: a
# request that is sent at that moment is lost, and one that is not idempotent may not be sent again.
IDLE_S = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardCall:
    """One call of a version on a shard. A `repeatable` call may be sent again when it may have been executed."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    timeout_s: float
    repeatable: bool
    objective: str
    usual: UsualLatency
    """of the version that is called"""
    ready_path: str = ""
    """the path that says whether the version is ready; "" where the protocol has none"""
    content: HostedContent | None = None
    """the content that a replica has to have loaded; None where every replica of the shard serves the version"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardResponse:
    """The status of an answer as in HTTP, and its body: the text of an error where the status is not a success."""

    status: int
    body: bytes
    server_timing: str = ""
    """its Server-Timing header"""


def parse_endpoint(url: str) -> str:
    """Return the URL of a replica without a trailing slash.

    UsageError when it is not http(s), or has credentials, a query or a fragment.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    is_unsupported = (
        parts.username or parts.query or parts.fragment or not (url.isascii() and url.isprintable()) or " " in url
    )
    if parts.scheme not in ("http", "https") or not host or is_unsupported:
        raise UsageError(f"an endpoint is not an http or https URL: {url!r}", hint="such as http://127.0.0.1:8080")
    return url.rstrip("/")


class ShardClient:
    """Sends calls to replicas over HTTP. `max_body` is the maximum number of bytes of an answer."""

    def __init__(self, max_body: int, tls: ClientTls) -> None:
        self._max_body = max_body
        self._http = EndpointClient(IDLE_S, tls)

    def prepare(self) -> None:
        """Import the HTTP client. UsageError when it is not installed."""
        self._http.prepare()

    async def close(self) -> None:
        """Close its connections."""
        await self._http.close()

    async def infer(self, url: str, call: ShardCall, connect_s: float) -> ShardResponse:
        """Send a POST with a JSON body and return the answer. NotSentError, NoAnswerError or AnswerBrokenError."""
        answer = await self._http.post(
            url + call.path, call.headers, call.body, connect_s=connect_s, repeatable=call.repeatable
        )
        return await self._read(answer)

    async def is_ready(self, url: str, call: ShardCall, connect_s: float) -> bool:
        """Return whether a replica calls itself ready for a call; without such a path it does."""
        answer = await self._read(await self._http.get(url + call.ready_path, call.headers, connect_s=connect_s))
        return 200 <= answer.status < 300 or answer.status in _NO_READY_PATH

    async def _read(self, answer: HttpAnswer) -> ShardResponse:
        try:
            answer.check_codings()
            body = await answer.read_all(self._max_body)
            return ShardResponse(status=answer.status, body=body, server_timing=answer.header("Server-Timing"))
        finally:
            answer.close()


# A server may have no such path, or not show it to everybody: the call itself decides then.
_NO_READY_PATH = (401, 403, 404, 405, 501)
