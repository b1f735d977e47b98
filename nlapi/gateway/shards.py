"""Calls versions on remote shards: the least loaded replica first, then another, none whose circuit breaker is open."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from enum import StrEnum
from time import perf_counter
from urllib.parse import quote

import orjson

from nlapi.gateway import open_inference
from nlapi.gateway.inference import FailureKind, InferenceError, InferenceRequest, InferenceResult
from nlapi.gateway.shard_connection import ConnectionPool, NotSentError, ResponseLostError, ShardResponse, parse_address
from nlapi.gateway.snapshot import Clock
from nlapi.routing.model import Shard, ShardProtocol, Version

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

MAX_ATTEMPTS = 3

# The part of the timeout for opening a connection: an address that does not answer leaves time for another replica.
CONNECT_TIME_SHARE = 0.25

# The part of the timeout for a replica that has failed before: another one may have to answer in the rest.
TRIAL_TIME_SHARE = 0.5


class BreakerState(StrEnum):
    """The state of a breaker: CLOSED allows calls, OPEN allows none, HALF_OPEN allows one that decides."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class CircuitBreaker:
    """The circuit breaker of one replica; it opens for 1 s, and twice as long each time up to 30 s."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._state = BreakerState.CLOSED
        self._open_until = 0.0
        self._consecutive_failures = 0
        self._consecutive_successes = 0
        self._outcomes: deque[bool] = deque(maxlen=OUTCOME_WINDOW)
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

    def allows_call(self, in_flight: int) -> bool:
        """Return whether a call is allowed; in HALF_OPEN only one at a time is."""
        if self._state is BreakerState.CLOSED:
            return True
        return self._clock() >= self._open_until and in_flight == 0

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

    def record_failure(self) -> None:
        """Count a call that failed because of the replica."""
        self._outcomes.append(False)
        self._consecutive_successes = 0
        self._consecutive_failures += 1
        is_trial = self._state is BreakerState.OPEN and self._clock() >= self._open_until
        if is_trial or (self._state is BreakerState.CLOSED and self._consecutive_failures >= FAILURES_TO_OPEN):
            self.eject()

    def eject(self) -> None:
        """Open the breaker."""
        self.ejections += 1
        self._state = BreakerState.OPEN
        self._open_until = self._clock() + min(MAX_EJECTION_S, INITIAL_EJECTION_S * 2 ** min(self.ejections - 1, 10))
        self._consecutive_failures = 0


class Replica:
    """One address of a shard with its connections, its calls in flight and its breaker."""

    def __init__(self, url: str, clock: Clock) -> None:
        self.url = url
        self.connections = ConnectionPool(parse_address(url))
        self.breaker = CircuitBreaker(clock)
        self.in_flight = 0
        self.answered = 0
        self.failed = 0


class Cluster:
    """The replicas of a shard. UsageError when an endpoint is not a URL."""

    def __init__(self, shard: Shard, clock: Clock = time.monotonic) -> None:
        self.shard = shard
        self._clock = clock
        self._replicas = [Replica(url, clock) for url in shard.endpoints]
        self._next_index = 0

    def separate_copy(self) -> Cluster:
        """Return a Cluster of the same shard with separate connections, counts and breakers."""
        return Cluster(self.shard, self._clock)

    def replica_health(self) -> list[dict[str, object]]:
        """Return endpoint, breaker state and the numbers of calls in flight, answered and failed of each replica."""
        return [
            {
                "endpoint": replica.url,
                "breaker": replica.breaker.state.value,
                "in_flight": replica.in_flight,
                "answered": replica.answered,
                "failed": replica.failed,
            }
            for replica in self._replicas
        ]

    async def close(self) -> None:
        for replica in self._replicas:
            await replica.connections.close()

    async def call(
        self, path: str, headers: str, body: bytes, timeout_s: float, *, repeatable: bool
    ) -> InferenceResult:
        """Call a replica and return the body of its answer as `output`. Failed when none answered in time.

        A call that was certainly not executed goes to another replica; any other only when it is `repeatable`.
        """
        attempted: list[Replica] = []
        self._next_index += 1
        failure = InferenceError(
            FailureKind.UNAVAILABLE, f"no replica of shard {self.shard.name} is ready", executed=False
        )
        try:
            async with asyncio.timeout(timeout_s):
                while len(attempted) < MAX_ATTEMPTS and (replica := self._next_replica(attempted)):
                    attempted.append(replica)
                    # The call that tries a replica again is somebody's request: it may only take part of the time.
                    is_suspect = repeatable and replica.breaker.state is not BreakerState.CLOSED
                    send = self._send_trial if is_suspect and len(self._replicas) > 1 else self._send
                    try:
                        answer = await send(replica, path, headers, body, timeout_s, repeatable=repeatable)
                        return _accept_response(answer, replica, len(attempted))
                    except InferenceError as error:
                        if error.kind is FailureKind.INVALID:
                            raise
                        failure = error
                        if error.executed and not repeatable:
                            break
        except TimeoutError:
            text = f"no answer within {timeout_s * 1000:.0f} ms"
            failure = self._count_failure(attempted[-1], FailureKind.TIMEOUT, text, executed=True)
        raise InferenceError(failure.kind, failure.message, executed=failure.executed, attempts=len(attempted))

    def _next_replica(self, attempted: list[Replica]) -> Replica | None:
        """Return the ready replica with the fewest calls in flight, or None; equal ones take turns."""
        count = len(self._replicas)
        rotated = (self._replicas[(self._next_index + step) % count] for step in range(count))
        capacity = self.shard.concurrency
        ready = [
            replica
            for replica in rotated
            if replica not in attempted
            and replica.in_flight < capacity
            and replica.breaker.allows_call(replica.in_flight)
        ]
        return min(ready, key=lambda replica: replica.in_flight, default=None)

    async def _send_trial(
        self, replica: Replica, path: str, headers: str, body: bytes, timeout_s: float, *, repeatable: bool
    ) -> ShardResponse:
        """Send to a replica that has failed before, with part of the timeout."""
        try:
            async with asyncio.timeout(timeout_s * TRIAL_TIME_SHARE):
                return await self._send(replica, path, headers, body, timeout_s, repeatable=repeatable)
        except TimeoutError:
            text = f"no answer within {timeout_s * TRIAL_TIME_SHARE * 1000:.0f} ms"
            raise self._count_failure(replica, FailureKind.TIMEOUT, text, executed=True) from None

    async def _send(
        self, replica: Replica, path: str, headers: str, body: bytes, timeout_s: float, *, repeatable: bool
    ) -> ShardResponse:
        replica.in_flight += 1
        try:
            answer = await replica.connections.post(
                path, headers, body, connect_s=timeout_s * CONNECT_TIME_SHARE, repeatable=repeatable
            )
        except NotSentError as error:
            raise self._count_failure(replica, FailureKind.UNAVAILABLE, str(error), executed=False) from error
        except ResponseLostError as error:
            raise self._count_failure(replica, FailureKind.ERROR, str(error), executed=True) from error
        finally:
            replica.in_flight -= 1
        if answer.status >= 500:
            raise self._count_failure(
                replica, FailureKind.ERROR, f"{replica.url} answered {answer.status}", executed=True
            )
        replica.breaker.record_success()
        if answer.status == 429:
            raise InferenceError(FailureKind.UNAVAILABLE, f"{replica.url} has too much to do", executed=False)
        replica.answered += 1
        return answer

    def _count_failure(self, replica: Replica, kind: FailureKind, message: str, *, executed: bool) -> InferenceError:
        replica.failed += 1
        replica.breaker.record_failure()
        # An outlier is ejected only while at least half of the replicas work: when all fail, the cause is elsewhere,
        # and ejecting them would leave none.
        working = sum(
            1 for candidate in self._replicas if candidate.breaker.allows_call(0) and not candidate.breaker.is_outlier
        )
        if replica.breaker.is_outlier and working * 2 >= len(self._replicas) and replica.breaker.allows_call(0):
            replica.breaker.eject()
        return InferenceError(kind, message, executed=executed)


def _accept_response(answer: ShardResponse, replica: Replica, attempts: int) -> InferenceResult:
    """Return the result of an answer below 500. Failed with INVALID unless its status is 2xx."""
    # INVALID is not repeated: another replica would refuse the request as well.
    if not 200 <= answer.status < 300:
        text = f"{replica.url} answered {answer.status}"
        raise InferenceError(FailureKind.INVALID, text, executed=True, attempts=attempts)
    return InferenceResult(output=answer.body, stages={}, attempts=attempts, endpoint=replica.url)


class RemoteRunner:
    """The runner of one version on a shard."""

    def __init__(self, version: Version, cluster: Cluster, *, owns_cluster: bool = False) -> None:
        self.cluster = cluster
        self._owns_cluster = owns_cluster
        self._version = version
        self._open_inference = cluster.shard.protocol is ShardProtocol.OPEN_INFERENCE
        model, name = quote(version.model, safe=""), quote(version.name, safe="")
        self._path = f"/v2/models/{model}/versions/{name}/infer" if self._open_inference else ""
        self._headers = f"Nlapi-Model: {model}\r\nNlapi-Version: {name}\r\n"

    async def run(self, request: InferenceRequest, timeout_s: float, *, repeatable: bool) -> InferenceResult:
        """Return the version's output, with the single stage "remote"."""
        before = perf_counter()
        body = (
            open_inference.encode_request(request.input, request.request_id)
            if self._open_inference
            else orjson.dumps(request.input)
        )
        result = await self.cluster.call(
            self._path, self._header_lines(request), body, timeout_s, repeatable=repeatable
        )
        try:
            output = (
                open_inference.decode_response(result.output, self._version.output)
                if self._open_inference
                else orjson.loads(result.output)
            )
        except (ValueError, TypeError) as error:
            text = f"{result.endpoint} gave an answer that is not of its protocol"
            raise InferenceError(FailureKind.INVALID, text, executed=True, attempts=result.attempts) from error
        stages = {"remote": (perf_counter() - before) * 1000}
        return InferenceResult(output=output, stages=stages, attempts=result.attempts, endpoint=result.endpoint)

    async def close(self) -> None:
        if self._owns_cluster:
            await self.cluster.close()

    def _header_lines(self, request: InferenceRequest) -> str:
        lines = self._headers
        if request.context:
            # json and not orjson, which writes UTF-8: a header has to be ASCII.
            lines += f"Nlapi-Context: {json.dumps(dict(request.context))}\r\n"
        # A client chooses its request id: a line break in it would add headers to the shard's request.
        if request.request_id.isalnum() and request.request_id.isascii():
            lines += f"X-Request-Id: {request.request_id}\r\n"
        if request.traceparent:
            lines += f"traceparent: {quote(request.traceparent, safe='')}\r\n"
        return lines
