"""Calls of replicas over HTTP and gRPC: the addresses that are accepted, answers with their limits, and who is well.

grpcio is imported late: it belongs to an extra.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from time import perf_counter
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from nlapi.errors import UsageError, install_hint
from nlapi.gateway.control.snapshot import Clock
from nlapi.gateway.hosts.messages import HostedContent
from nlapi.gateway.http.tls import ClientTls
from nlapi.gateway.shards.circuit_breaker import BreakerState, CircuitBreaker
from nlapi.gateway.shards.http_client import AnswerBrokenError, EndpointClient, NoAnswerError, NotSentError

if TYPE_CHECKING:
    import grpc

    from nlapi.gateway.shards.http_session import HttpAnswer

    _Method = grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]


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
    ready_body: bytes = b""
    content: HostedContent | None = None
    """the content that a replica has to have loaded; None where every replica of the shard serves the version"""
    started_at: float = field(default_factory=perf_counter)

    @property
    def remaining_s(self) -> float:
        """The seconds that are left of its time."""
        return self.timeout_s - (perf_counter() - self.started_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardResponse:
    """The status of an answer as in HTTP, and its body: the text of an error where the status is none of success."""

    status: int
    body: bytes
    server_timing: str = ""
    """its Server-Timing header"""


class ShardTransport(Protocol):
    """Sends calls to the replicas of a shard."""

    def prepare(self) -> None:
        """Import its library and read its files. UsageError."""

    async def infer(self, url: str, call: ShardCall, connect_s: float) -> ShardResponse:
        """Send a call and return the answer. NotSentError, NoAnswerError or AnswerBrokenError."""

    async def is_ready(self, url: str, call: ShardCall, connect_s: float) -> bool:
        """Return whether a replica calls itself ready for a call, or says nothing on it. Errors as `infer`."""

    async def close(self) -> None:
        """Close its connections."""


def parse_endpoint(url: str) -> str:
    """Return the URL of a replica without a trailing slash.

    UsageError when it is not http(s) or grpc(s), or has credentials, a query or a fragment.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    is_unsupported = (
        parts.username or parts.query or parts.fragment or not (url.isascii() and url.isprintable()) or " " in url
    )
    if parts.scheme not in ("http", "https", "grpc", "grpcs") or not host or is_unsupported:
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


# Status codes of gRPC as those of HTTP that mean the same to a caller; all others are the server's failure.
_HTTP_STATUSES = {
    "INVALID_ARGUMENT": 400,
    # MLServer's 422.
    "FAILED_PRECONDITION": 422,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "UNIMPLEMENTED": 404,
    "RESOURCE_EXHAUSTED": 429,
}
# gRPC writes these headers itself.
_HTTP_HEADERS = frozenset(("content-type", "accept"))
# A server that has no such method, or does not show it to everybody: the call itself decides then.
_NO_READY_METHOD = (401, 403, 404)
_LIVE_PATH = "/inference.GRPCInferenceService/ServerLive"
# The reason of a connection that failed is already there; nothing is sent for it.
_REASON_TIMEOUT_S = 0.5


class GrpcClient:
    """Sends calls to replicas over gRPC. `max_body` is the maximum number of bytes of an answer."""

    def __init__(self, max_body: int, tls: ClientTls) -> None:
        self._max_body = max_body
        self._tls = tls
        self._credentials: grpc.ChannelCredentials | None = None
        self._channels: dict[str, grpc.aio.Channel] = {}

    def prepare(self) -> None:
        """Import grpcio and protobuf, and read the files of TLS. UsageError when one is missing or faulty."""
        try:
            import_module("grpc.aio")
            import_module("nlapi.gateway.shards.open_inference_messages")
        except ImportError as error:
            message = "shards with grpc:// endpoints need grpcio and protobuf, of which one is not installed"
            raise UsageError(message, hint=install_hint("grpc")) from error
        self._credentials = self._credentials or self._read_credentials()

    async def close(self) -> None:
        """Close its connections; calls in flight are canceled."""
        channels, self._channels = list(self._channels.values()), {}
        for channel in channels:
            await channel.close()

    async def infer(self, url: str, call: ShardCall, connect_s: float) -> ShardResponse:
        """Send a call with its deadline and return the answer. NotSentError, NoAnswerError or AnswerBrokenError.

        A call that is canceled is canceled at the server too. TimeoutError when its time is over.
        """
        return await self._send(url, call.path, call.body, call, connect_s)

    async def is_ready(self, url: str, call: ShardCall, connect_s: float) -> bool:
        """Return whether a replica calls the model of a call ready; without such a method it is."""
        from nlapi.gateway.shards.open_inference_messages import read_ready

        answer = await self._send(url, call.ready_path, call.ready_body, call, connect_s)
        return read_ready(answer.body) if answer.status == 200 else answer.status in _NO_READY_METHOD

    async def _send(self, url: str, path: str, body: bytes, call: ShardCall, connect_s: float) -> ShardResponse:
        import grpc

        channel = await self._connect(url, connect_s)
        method: _Method = channel.unary_unary(path)
        try:
            answer = await method(body, timeout=max(call.remaining_s, 0.001), metadata=_metadata(call.headers))
        except grpc.aio.AioRpcError as error:
            return self._read_error(error)
        return ShardResponse(status=200, body=bytes(answer))

    async def _connect(self, url: str, connect_s: float) -> grpc.aio.Channel:
        """Return a connected channel. NotSentError with the reason when there is none in time."""
        # gRPC's UNAVAILABLE does not say whether a call was sent, so that none begins before there is a connection.
        import grpc

        channel = self._channels.get(url)
        if channel is None:
            channel = self._channels[url] = self._open_channel(url)
        lost = (grpc.ChannelConnectivity.TRANSIENT_FAILURE, grpc.ChannelConnectivity.SHUTDOWN)
        try:
            async with asyncio.timeout(connect_s) as deadline:
                state = channel.get_state(try_to_connect=True)
                while state is not grpc.ChannelConnectivity.READY and state not in lost:
                    await channel.wait_for_state_change(state)
                    state = channel.get_state(try_to_connect=True)
        except TimeoutError:
            if not deadline.expired():
                raise
            raise NotSentError(f"no gRPC connection within {connect_s * 1000:.0f} ms") from None
        if state is grpc.ChannelConnectivity.READY:
            return channel
        # A new channel tries at once; this one would wait for longer and longer before it does.
        if self._channels.get(url) is channel:
            del self._channels[url]
        reason = await _failure_reason(channel)
        await channel.close()
        raise NotSentError(f"no gRPC connection: {reason}")

    def _open_channel(self, url: str) -> grpc.aio.Channel:
        import grpc

        scheme, _, address = url.partition("://")
        options = (
            ("grpc.max_receive_message_length", self._max_body),
            ("grpc.max_send_message_length", -1),
            ("grpc.enable_http_proxy", 0),
            # Channels would share connections, and their pauses between attempts, with others of this process.
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.primary_user_agent", "nlapi-gateway"),
        )
        if scheme.lower() == "grpc":
            return grpc.aio.insecure_channel(address, options=options)
        return grpc.aio.secure_channel(address, self._credentials or self._read_credentials(), options=options)

    def _read_credentials(self) -> grpc.ChannelCredentials:
        import grpc

        ca, certificate = self._tls.read_ca(), self._tls.read_certificate()
        pem = certificate.encode() if certificate else None
        return grpc.ssl_channel_credentials(
            root_certificates=ca.encode() if ca else None, private_key=pem, certificate_chain=pem
        )

    def _read_error(self, error: grpc.aio.AioRpcError) -> ShardResponse:
        """Return the answer that an error stands for. TimeoutError, NoAnswerError or AnswerBrokenError."""
        code, details = error.code().name, error.details() or ""
        if code == "DEADLINE_EXCEEDED":
            raise TimeoutError from error
        if code == "RESOURCE_EXHAUSTED" and "eceived message larger than max" in details:
            raise AnswerBrokenError(f"it is larger than {self._max_body:,} bytes") from error
        if code in ("UNAVAILABLE", "CANCELLED"):
            raise NoAnswerError(f"no answer: {details[:200] or code}") from error
        return ShardResponse(status=_HTTP_STATUSES.get(code, 500), body=details.encode())


async def _failure_reason(channel: grpc.aio.Channel) -> str:
    """Return the reason why a channel has no connection."""
    import grpc

    try:
        method: _Method = channel.unary_unary(_LIVE_PATH)
        await method(b"", timeout=_REASON_TIMEOUT_S)
    except grpc.aio.AioRpcError as error:
        details = error.details() or error.code().name
        return details.rpartition("last error: ")[2][:200]
    return "it was lost"


def _metadata(headers: Mapping[str, str]) -> tuple[tuple[str, str | bytes], ...]:
    return tuple(
        (name.lower(), value.encode() if name.lower().endswith("-bin") else value)
        for name, value in headers.items()
        if name.lower() not in _HTTP_HEADERS
    )
