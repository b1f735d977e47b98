"""Runs versions on remote shards: the least loaded replica first, then another; those that fail are called last."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from time import perf_counter
from typing import TYPE_CHECKING, Any

import orjson

from nlapi.errors import NlapiError
from nlapi.gateway.control.snapshot import Clock
from nlapi.gateway.inference import (
    FailureKind,
    InferenceError,
    InferenceRequest,
    InferenceResult,
    UpstreamError,
)
from nlapi.gateway.ray.messages import HostedContent
from nlapi.gateway.shards.bulkhead import Bulkhead
from nlapi.gateway.shards.call_headers import decode_server_timing, request_headers, version_headers
from nlapi.gateway.shards.circuit_breaker import BreakerState, CircuitBreaker
from nlapi.gateway.shards.client import (
    ReplicaHealth,
    ShardCall,
    ShardClient,
    ShardResponse,
    UsualLatency,
    parse_endpoint,
)
from nlapi.gateway.shards.http_client import (
    AnswerBrokenError,
    AnswerTooLargeError,
    ConnectTimeoutError,
    NoAnswerError,
    NotSentError,
)
from nlapi.gateway.shards.open_inference import OpenInferenceCodec, TensorCall
from nlapi.gateway.shards.secret_references import AllowedReferences, ShardAccess, secret_texts
from nlapi.gateway.shards.server_errors import clean_text, error_text
from nlapi.routing.model import Shard, ShardProtocol, Version

if TYPE_CHECKING:
    from nlapi.gateway.ray.registry import HostRegistry

MAX_ATTEMPTS = 3

# RFC 6585 §4 and RFC 9110 §15.5.20: such a request was not executed, and may be sent elsewhere.
NOT_EXECUTED = {429: "has too much to do", 421: "does not run the version"}

# The part of the timeout for opening a connection: an address that does not answer leaves time for another replica.
CONNECT_TIME_SHARE = 0.25

# Seconds for a connection below which the caller's own deadline is to blame, and not the replica: with 12 ms for it, an
# objective on a busy machine took the replicas from all others.
PATIENT_CONNECT_S = 0.25

# The part of the timeout for a replica that has failed before: another one may have to answer in the rest.
TRIAL_TIME_SHARE = 0.5

# Statuses for an input that the server refuses, whose reason the caller has to see: invalid, too large, unsupported,
# not processable. 401, 403 and 404 are mistakes in the configuration of the shard or the version.
_INPUT_STATUSES = (400, 413, 415, 422)
_ACCESS_STATUSES = (401, 403)


class Replica:
    """One address of a shard with its calls in flight and its health."""

    def __init__(self, url: str, clock: Clock) -> None:
        self.endpoint = url
        self.url = parse_endpoint(url)
        self.health = ReplicaHealth(clock)
        self.contents: frozenset[HostedContent] = frozenset()
        """what a replica of Ray runs"""
        self.in_flight = 0
        self.answered = 0
        self.failed = 0


class Cluster:
    """The replicas of a shard: its endpoints, or the hosts of a source. UsageError when an endpoint is not a URL."""

    def __init__(
        self,
        shard: Shard,
        clock: Clock = time.monotonic,
        access: ShardAccess | None = None,
        source: HostRegistry | None = None,
    ) -> None:
        self.shard = shard
        self.access = access or ShardAccess(shard, {}, AllowedReferences())
        self._clock = clock
        self._client = ShardClient(shard.max_answer_mb * 2**20, self.access.tls)
        self._replicas = [Replica(url, clock) for url in shard.endpoints]
        self._source = source
        self._generation = -1
        self._next_index = 0
        self.bulkhead = Bulkhead.of_shard(shard)

    def separate_copy(self) -> Cluster:
        """Return a Cluster of the same shard with separate connections, counts and breakers."""
        return Cluster(self.shard, self._clock, self.access, self._source)

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
        """Import the client, and read keys and certificates once. UsageError for what is missing."""
        self.access.prepare()
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
                        # What is invalid here is invalid at every replica.
                        if error.kind is FailureKind.INVALID or (error.executed and not call.repeatable):
                            break
                    else:
                        return self._accept_response(answer, replica, len(attempted))
        except TimeoutError:
            if not attempted:
                raise failure from None
            failure = self._count_slow(attempted[-1], call, perf_counter() - sent_at)
        failure.attempts = len(attempted)
        raise failure

    def _refresh(self) -> None:
        """Take the hosts that are registered now; those that stay have their health and their counts."""
        if self._source is None or (generation := self._source.generation) == self._generation:
            return
        self._generation = generation
        earlier = {replica.endpoint: replica for replica in self._replicas}
        self._replicas = []
        for url, contents in self._source.replicas(self.shard.name).items():
            replica = earlier.get(url) or Replica(url, self._clock)
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
        """Send the one call that decides on breakers, with part of the timeout when another replica may answer it.

        Where the protocol can say it, a replica that does not call itself ready gets no call.
        """
        # It is somebody's request. One that is not repeatable goes nowhere else, and has all of its time here.
        has_another = call.repeatable and len(self._replicas) > 1
        for breaker in decided:
            breaker.is_tried = True
        sent_at = perf_counter()
        try:
            async with asyncio.timeout(call.timeout_s * TRIAL_TIME_SHARE if has_another else None):
                if call.ready_path:
                    await self._check_ready(replica, call)
                return await self._send(replica, call)
        except TimeoutError:
            raise self._count_slow(replica, call, perf_counter() - sent_at) from None
        finally:
            for breaker in decided:
                breaker.is_tried = False

    async def _check_ready(self, replica: Replica, call: ShardCall) -> None:
        """InferenceError when a replica cannot be asked whether it is ready, or is not."""
        connect_s = call.timeout_s * CONNECT_TIME_SHARE
        try:
            reason = "" if await self._client.is_ready(replica.url, call, connect_s) else "it is not ready"
            if reason:
                replica.health.record_error(call.objective)
        except (NotSentError, NoAnswerError, AnswerBrokenError) as error:
            replica.health.record_lost(is_reachable=not isinstance(error, NotSentError))
            reason = str(error)
        if reason:
            text = f"{replica.endpoint}: {reason}"
            raise self._failure(replica, call, FailureKind.UNAVAILABLE, text, executed=False)

    async def _send(self, replica: Replica, call: ShardCall) -> ShardResponse:
        replica.in_flight += 1
        sent_at = perf_counter()
        connect_s = call.timeout_s * CONNECT_TIME_SHARE
        try:
            answer = await self._client.infer(replica.url, call, connect_s)
        except NotSentError as error:
            if isinstance(error, ConnectTimeoutError) and connect_s < PATIENT_CONNECT_S:
                replica.health.record_error(call.objective)
            else:
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
            # Three replicas would send as much each, for one answer that is refused all the same.
            kind = FailureKind.INVALID if isinstance(error, AnswerTooLargeError) else FailureKind.ERROR
            raise self._failure(replica, call, kind, f"{replica.endpoint}: {error}", executed=True) from error
        finally:
            replica.in_flight -= 1
        if answer.status >= 500:
            replica.health.record_error(call.objective)
            text = f"{replica.endpoint} answered {answer.status}"
            failure = self._failure(replica, call, FailureKind.ERROR, text, executed=True)
            failure.operator_text = self._reason(answer, hides_addresses=False)
            raise failure
        replica.health.record_answer(call.objective)
        # A replica of Ray has no such path once its port is another version's.
        status = 421 if answer.status == 404 and call.content is not None else answer.status
        if status in NOT_EXECUTED:
            text = f"{replica.endpoint} {NOT_EXECUTED[status]}"
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

    def _accept_response(self, answer: ShardResponse, replica: Replica, attempts: int) -> InferenceResult:
        """Return the result of an answer below 500. InferenceError unless its status is one of success."""
        status = answer.status
        if 200 <= status < 300:
            stages = decode_server_timing(answer.server_timing) if answer.server_timing else {}
            return InferenceResult(output=answer.body, stages=stages, attempts=attempts, endpoint=replica.endpoint)
        # None of these is repeated: another replica would refuse the request as well.
        if status in _INPUT_STATUSES:
            reason = self._reason(answer, hides_addresses=True)
            text = f"its model server refused the input ({status})" + (f": {reason}" if reason else "")
            hint = "change the input: sent again as it is, it is refused again"
            raise UpstreamError(
                FailureKind.INVALID, text, executed=True, attempts=attempts, status=422, hint=hint,
                operator_text=f"it was {replica.endpoint}",
            )  # fmt: skip
        reason, name = self._reason(answer, hides_addresses=False), self.shard.name
        hints = dict.fromkeys(_ACCESS_STATUSES, f"check the key and the headers of shard {name}")
        hints[404] = f"check the endpoints of shard {name}, and the names of the model and the version at its servers"
        raise InferenceError(
            FailureKind.ERROR if status in hints else FailureKind.INVALID,
            f"{replica.endpoint} answered {status}",
            executed=status not in hints,
            attempts=attempts,
            operator_text="; ".join(filter(None, (reason, hints.get(status, "")))),
        )

    def _reason(self, answer: ShardResponse, *, hides_addresses: bool) -> str:
        """Return the reason that a server gives for an error, without any value of the shard's headers."""
        try:
            secrets = secret_texts(self.access.request_headers())
        except NlapiError:
            return ""  # what must not be shown cannot be known
        return clean_text(error_text(answer.body), secrets, hides_addresses=hides_addresses)


def _shown_state(replica: Replica, *, is_ejected: bool) -> BreakerState:
    state = replica.health.breaker.state
    return BreakerState.HALF_OPEN if state is BreakerState.OPEN and not is_ejected else state


_log = logging.getLogger(__name__)


class JsonCodec:
    """The input and the output as JSON, at the address of the endpoint."""

    path = ready_path = ""

    def encode(self, value: object, request_id: str) -> tuple[bytes, TensorCall]:
        """Return the input as JSON."""
        return orjson.dumps(value), _NO_TENSORS

    def decode(self, body: bytes, call: TensorCall) -> Any:
        """Return an answer's JSON. ValueError."""
        return orjson.loads(body)


_NO_TENSORS = TensorCall(inputs=[])


class RemoteRunner:
    """The runner of one version on a shard."""

    def __init__(self, version: Version, cluster: Cluster, *, owns_cluster: bool = False) -> None:
        self.cluster = cluster
        self._owns_cluster = owns_cluster
        self._ref = version.ref
        self._codec = _open_codec(version, cluster.shard)
        self._headers = version_headers(version.ref)
        self._usual = UsualLatency()

    async def run(self, request: InferenceRequest, timeout_s: float, *, repeatable: bool) -> InferenceResult:
        """Return the version's output, with the single stage "remote"."""
        before = perf_counter()
        codec = self._codec
        try:
            body, tensors = codec.encode(request.input, request.request_id)
        except ValueError as error:
            text = f"its model server takes tensors: {error}"
            raise UpstreamError(FailureKind.INVALID, text, executed=False, status=422, hint=_INPUT_HINT) from error
        call = ShardCall(
            path=codec.path,
            headers=self._request_headers(request),
            body=body,
            timeout_s=timeout_s,
            repeatable=repeatable,
            objective=request.objective,
            usual=self._usual,
            ready_path=codec.ready_path,
        )
        with self.cluster.bulkhead.hold(request):
            result = await self.cluster.call(call)
        try:
            output = codec.decode(result.output, tensors)
        except (ValueError, TypeError) as error:
            text = f"{result.endpoint} gave an answer that is not of its protocol"
            reason = "" if isinstance(error, orjson.JSONDecodeError | TypeError) else str(error)
            raise InferenceError(
                FailureKind.INVALID, text, executed=True, attempts=result.attempts, operator_text=reason
            ) from error
        stages = {"remote": (perf_counter() - before) * 1000}
        return InferenceResult(output=output, stages=stages, attempts=result.attempts, endpoint=result.endpoint)

    async def close(self) -> None:
        if self._owns_cluster:
            await self.cluster.close()

    def _request_headers(self, request: InferenceRequest) -> Mapping[str, str]:
        headers = self._headers | request_headers(request)
        try:
            return headers | self.cluster.access.request_headers()
        except NlapiError as error:
            # The client sees neither the path of a file nor the name of a variable.
            _log.warning("%s: %s", self._ref, error.message)
            hint = f"check the key and the headers of shard {self.cluster.shard.name}"
            text = "its key cannot be read"
            raise UpstreamError(FailureKind.ERROR, text, executed=False, operator_text=hint) from None


_INPUT_HINT = "change the input: sent again as it is, it is refused again"


def _open_codec(version: Version, shard: Shard) -> JsonCodec | OpenInferenceCodec:
    if shard.protocol is not ShardProtocol.OPEN_INFERENCE:
        return JsonCodec()
    return OpenInferenceCodec(version, shard)
