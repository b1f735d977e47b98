"""Calls versions on remote shards: the least loaded replica first, then another; those that fail are called last."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Protocol
from urllib.parse import quote

import orjson

from nlapi.gateway import open_inference
from nlapi.gateway.bulkhead import Bulkhead
from nlapi.gateway.circuit_breaker import BreakerState, CircuitBreaker
from nlapi.gateway.hosts.messages import HostedContent, decode_server_timing
from nlapi.gateway.http_client import AnswerBrokenError, NoAnswerError, NotSentError
from nlapi.gateway.inference import FailureKind, InferenceError, InferenceRequest, InferenceResult
from nlapi.gateway.replica_health import ReplicaHealth, UsualLatency
from nlapi.gateway.shard_client import ShardClient, ShardResponse, parse_endpoint
from nlapi.gateway.snapshot import Clock
from nlapi.routing.model import Shard, ShardProtocol, Version

MAX_ATTEMPTS = 3

# RFC 6585 §4 and RFC 9110 §15.5.20: such a request was not executed, and may be sent elsewhere.
NOT_EXECUTED = {429: "has too much to do", 421: "has not loaded the version"}

# The part of the timeout for opening a connection: an address that does not answer leaves time for another replica.
CONNECT_TIME_SHARE = 0.25

# The part of the timeout for a replica that has failed before: another one may have to answer in the rest.
TRIAL_TIME_SHARE = 0.5


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
    content: HostedContent | None = None
    """the content that a replica has to have loaded; None where every replica of the shard serves the version"""


class Replica:
    """One address of a shard with its calls in flight and its health."""

    def __init__(self, url: str, clock: Clock) -> None:
        self.endpoint = url
        self.url = parse_endpoint(url)
        self.health = ReplicaHealth(clock)
        self.contents: frozenset[HostedContent] = frozenset()
        """what a serving host has loaded"""
        self.in_flight = 0
        self.answered = 0
        self.failed = 0


class ReplicaSource(Protocol):
    """The replicas of shards whose hosts register themselves."""

    @property
    def generation(self) -> int:
        """A number that is another one when a replica has come, changed or gone."""

    def replicas(self, shard: str) -> Mapping[str, frozenset[HostedContent]]:
        """Return the addresses that take calls, with what each has loaded."""

    async def wait_replica(self, shard: str, content: HostedContent) -> None:
        """Wait for a replica as long as some may not be heard yet."""


class Cluster:
    """The replicas of a shard: its endpoints, or the hosts of a source. UsageError when an endpoint is not a URL."""

    def __init__(self, shard: Shard, clock: Clock = time.monotonic, source: ReplicaSource | None = None) -> None:
        self.shard = shard
        self._clock = clock
        self._client = ShardClient(shard.max_answer_mb * 2**20)
        self._replicas = [Replica(url, clock) for url in shard.endpoints]
        self._source = source
        self._generation = -1
        self._next_index = 0
        self.bulkhead = Bulkhead.of_shard(shard)

    def separate_copy(self) -> Cluster:
        """Return a Cluster of the same shard with separate connections, counts and breakers."""
        return Cluster(self.shard, self._clock, self._source)

    def replica_health(self) -> list[dict[str, object]]:
        """Return endpoint, breaker, the objectives that alone do not call it, and counts of calls of each replica.

        At most half of the replicas are open while they take connections; the others are called last (half open).
        """
        self._refresh()
        ejected = self._ejected()
        return [
            {
                "endpoint": replica.endpoint,
                "breaker": _shown_state(replica, is_ejected=replica in ejected).value,
                "ejected_for": replica.health.ejected_for(),
                "in_flight": replica.in_flight,
                "answered": replica.answered,
                "failed": replica.failed,
            }
            for replica in self._replicas
        ]

    def prepare(self) -> None:
        """Import the HTTP client. UsageError when it is not installed."""
        self._client.prepare()

    async def close(self) -> None:
        """Close its connections."""
        await self._client.close()

    async def call(self, call: ShardCall) -> InferenceResult:
        """Call a replica and return the body of its answer as `output`. InferenceError when none answered in time.

        A call that was certainly not executed goes to another replica; any other only when it is repeatable.
        """
        attempted: list[Replica] = []
        self._next_index += 1
        failure = InferenceError(
            FailureKind.UNAVAILABLE, f"no replica of shard {self.shard.name} is ready", executed=False
        )
        sent_at = perf_counter()
        try:
            async with asyncio.timeout(call.timeout_s):
                if self._source is not None and call.content is not None:
                    await self._source.wait_replica(self.shard.name, call.content)
                while len(attempted) < MAX_ATTEMPTS and (replica := self._next_replica(attempted, call)):
                    attempted.append(replica)
                    sent_at = perf_counter()
                    decided = replica.health.half_open(call.objective)
                    try:
                        answer = await (
                            self._send_trial(replica, call, decided) if decided else self._send(replica, call)
                        )
                    except InferenceError as error:
                        failure = error
                        if error.executed and not call.repeatable:
                            break
                    else:
                        return _accept_response(answer, replica, len(attempted))
        except TimeoutError:
            if not attempted:
                raise failure from None
            failure = self._count_slow(attempted[-1], call, perf_counter() - sent_at)
        raise InferenceError(failure.kind, failure.message, executed=failure.executed, attempts=len(attempted))

    def _refresh(self) -> None:
        """Take the hosts that are registered now; those that stay have their health and their counts."""
        if self._source is None or (generation := self._source.generation) == self._generation:
            return
        self._generation = generation
        known = {replica.endpoint: replica for replica in self._replicas}
        self._replicas = []
        for url, contents in self._source.replicas(self.shard.name).items():
            replica = known.get(url) or Replica(url, self._clock)
            replica.contents = contents
            self._replicas.append(replica)
        self.bulkhead.resize(self.shard, len(self._replicas))

    def _next_replica(self, attempted: list[Replica], call: ShardCall) -> Replica | None:
        """Return the ready replica with the fewest calls in flight, or None; equal ones take turns.

        When none is ready, a call that no replica has had goes to the least bad of those that take connections.
        """
        self._refresh()
        objective, count = call.objective, len(self._replicas)
        rotated = (self._replicas[(self._next_index + step) % count] for step in range(count))
        capacity = self.shard.concurrency
        free = [
            replica
            for replica in rotated
            if replica not in attempted
            and replica.in_flight < capacity
            and (call.content is None or call.content in replica.contents)
        ]
        ready = [replica for replica in free if replica.health.allows_call(objective)]
        if ready or attempted:
            return min(ready, key=lambda replica: replica.in_flight, default=None)
        reachable = [replica for replica in free if replica.health.is_reachable]
        return min(reachable, key=lambda replica: replica.health.badness(objective), default=None)

    def _ejected(self) -> list[Replica]:
        """Return the replicas that no objective calls: all unreachable ones, and at most half with those that fail."""
        opened = [replica for replica in self._replicas if replica.health.breaker.state is BreakerState.OPEN]
        opened.sort(key=lambda replica: (replica.health.is_reachable, -replica.health.breaker.ejections))
        unreachable_count = sum(1 for replica in opened if not replica.health.is_reachable)
        return opened[: max(unreachable_count, len(self._replicas) // 2)]

    async def _send_trial(self, replica: Replica, call: ShardCall, decided: list[CircuitBreaker]) -> ShardResponse:
        """Send the one call that decides on breakers, with part of the timeout when another replica may answer it."""
        # It is somebody's request. One that is not repeatable goes nowhere else, and has all of its time here.
        has_another = call.repeatable and len(self._replicas) > 1
        for breaker in decided:
            breaker.is_tried = True
        sent_at = perf_counter()
        try:
            async with asyncio.timeout(call.timeout_s * TRIAL_TIME_SHARE if has_another else None):
                return await self._send(replica, call)
        except TimeoutError:
            raise self._count_slow(replica, call, perf_counter() - sent_at) from None
        finally:
            for breaker in decided:
                breaker.is_tried = False

    async def _send(self, replica: Replica, call: ShardCall) -> ShardResponse:
        replica.in_flight += 1
        sent_at = perf_counter()
        try:
            answer = await self._client.post(
                f"{replica.url}{call.path}",
                call.headers,
                call.body,
                connect_s=call.timeout_s * CONNECT_TIME_SHARE,
                repeatable=call.repeatable,
            )
        except NotSentError as error:
            replica.health.record_lost(is_reachable=False)
            raise self._failure(
                replica, call, FailureKind.UNAVAILABLE, f"{replica.endpoint}: {error}", executed=False
            ) from error
        except NoAnswerError as error:
            replica.health.record_lost(is_reachable=True)
            raise self._failure(
                replica, call, FailureKind.ERROR, f"{replica.endpoint}: {error}", executed=True
            ) from error
        except AnswerBrokenError as error:
            replica.health.record_error(call.objective)
            raise self._failure(
                replica, call, FailureKind.ERROR, f"{replica.endpoint}: {error}", executed=True
            ) from error
        finally:
            replica.in_flight -= 1
        if answer.status >= 500:
            replica.health.record_error(call.objective)
            text = f"{replica.endpoint} answered {answer.status}"
            raise self._failure(replica, call, FailureKind.ERROR, text, executed=True)
        replica.health.record_answer(call.objective)
        if answer.status in NOT_EXECUTED:
            text = f"{replica.endpoint} {NOT_EXECUTED[answer.status]}"
            raise InferenceError(FailureKind.UNAVAILABLE, text, executed=False)
        call.usual.record(perf_counter() - sent_at)
        replica.answered += 1
        return answer

    def _count_slow(self, replica: Replica, call: ShardCall, waited_s: float) -> InferenceError:
        replica.health.record_slow(call.objective, waited_s, call.usual.seconds)
        text = f"no answer within {waited_s * 1000:.0f} ms"
        return self._failure(replica, call, FailureKind.TIMEOUT, text, executed=True)

    def _failure(
        self, replica: Replica, call: ShardCall, kind: FailureKind, message: str, *, executed: bool
    ) -> InferenceError:
        """Return the failure of a call that is counted, and eject the replica when it has become an outlier."""
        replica.failed += 1
        # An outlier is ejected only while at least half of the replicas work: when all fail, the cause is elsewhere.
        objective, health = call.objective, replica.health
        if health.is_outlier(objective) and health.allows_call(objective):
            working = sum(
                1
                for candidate in self._replicas
                if candidate.health.allows_call(objective) and not candidate.health.is_outlier(objective)
            )
            if working * 2 >= len(self._replicas):
                health.eject_outlier(objective)
        return InferenceError(kind, message, executed=executed)


def _shown_state(replica: Replica, *, is_ejected: bool) -> BreakerState:
    state = replica.health.breaker.state
    return BreakerState.HALF_OPEN if state is BreakerState.OPEN and not is_ejected else state


def _accept_response(answer: ShardResponse, replica: Replica, attempts: int) -> InferenceResult:
    """Return the result of an answer below 500. InferenceError with INVALID unless its status is 2xx."""
    # INVALID is not repeated: another replica would refuse the request as well.
    if not 200 <= answer.status < 300:
        text = f"{replica.endpoint} answered {answer.status}"
        raise InferenceError(FailureKind.INVALID, text, executed=True, attempts=attempts)
    stages = decode_server_timing(answer.server_timing) if answer.server_timing else {}
    return InferenceResult(output=answer.body, stages=stages, attempts=attempts, endpoint=replica.endpoint)


class RemoteRunner:
    """The runner of one version on a shard."""

    def __init__(self, version: Version, cluster: Cluster, *, owns_cluster: bool = False) -> None:
        self.cluster = cluster
        self._owns_cluster = owns_cluster
        self._version = version
        self._open_inference = cluster.shard.protocol is ShardProtocol.OPEN_INFERENCE
        model, name = quote(version.model, safe=""), quote(version.name, safe="")
        self._path = f"/v2/models/{model}/versions/{name}/infer" if self._open_inference else ""
        self._headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Nlapi-Model": model,
            "Nlapi-Version": name,
        }
        self._usual = UsualLatency()

    async def run(self, request: InferenceRequest, timeout_s: float, *, repeatable: bool) -> InferenceResult:
        """Return the version's output, with the single stage "remote"."""
        before = perf_counter()
        body = (
            open_inference.encode_request(request.input, request.request_id)
            if self._open_inference
            else orjson.dumps(request.input)
        )
        call = ShardCall(
            path=self._path,
            headers=self._request_headers(request),
            body=body,
            timeout_s=timeout_s,
            repeatable=repeatable,
            objective=request.objective,
            usual=self._usual,
        )
        self.cluster.bulkhead.enter(request)
        try:
            result = await self.cluster.call(call)
        finally:
            self.cluster.bulkhead.leave(request)
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

    def _request_headers(self, request: InferenceRequest) -> Mapping[str, str]:
        headers = self._headers.copy()
        if request.context:
            # json and not orjson, which writes UTF-8: a header has to be ASCII, and has no DEL (RFC 9110 §5.5).
            headers["Nlapi-Context"] = json.dumps(dict(request.context)).replace("\x7f", "\\u007f")
        # A client chooses its request id, which may be no text of a header.
        if request.request_id.isalnum() and request.request_id.isascii():
            headers["X-Request-Id"] = request.request_id
        if request.traceparent:
            headers["traceparent"] = quote(request.traceparent, safe="")
        return headers
