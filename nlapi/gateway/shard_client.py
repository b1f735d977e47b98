"""Calls of replicas over HTTP: the addresses that are accepted, and the answers, with their limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from nlapi.errors import UsageError
from nlapi.gateway.client_tls import ClientTls
from nlapi.gateway.hosts.messages import HostedContent
from nlapi.gateway.http_client import EndpointClient
from nlapi.gateway.replica_health import UsualLatency

if TYPE_CHECKING:
    from nlapi.gateway.http_session import HttpAnswer

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
        raise UsageError(f"an endpoint is no http or https URL: {url!r}", hint="such as http://127.0.0.1:8080")
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
