"""Sends requests to the endpoints of an LLM's shard, the least loaded first, and reads their answers in parts."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from nlapi.errors import UsageError
from nlapi.gateway.inference import FailureKind, UpstreamError
from nlapi.gateway.llm.secret_references import SecretReference, is_reference
from nlapi.routing.model import Shard

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

CONNECT_TIMEOUT_S = 10.0
# Seconds that an idle connection is kept: below the 60 s after which load balancers commonly close it.
IDLE_CONNECTION_S = 50.0
MAX_ENDPOINTS_TRIED = 3
# Seconds for which an endpoint that could not be reached is tried last.
UNREACHABLE_PAUSE_S = 5.0


class AnswerBrokenError(Exception):
    """An answer began and did not arrive whole."""


@dataclass(frozen=True, slots=True)
class UpstreamAnswer:
    """The head of an answer, and its body in parts as they arrive."""

    status: int
    media_type: str
    _response: ClientResponse

    async def read(self) -> bytes:
        """Return what has arrived of the body; b"" at its end. AnswerBrokenError when it is not whole."""
        try:
            return await self._response.content.readany()
        except Exception as error:
            # Imported here alone: an import statement for each of 5,000 events a second costs 2 us each.
            from aiohttp import ClientError

            if isinstance(error, ClientError | OSError):
                raise AnswerBrokenError("the connection closed before its end") from error
            raise

    async def read_all(self, limit: int) -> bytes:
        """Return the rest of the body. AnswerBrokenError when it is not whole, or larger than `limit` bytes."""
        parts = []
        size = 0
        while chunk := await self.read():
            size += len(chunk)
            if size > limit:
                raise AnswerBrokenError(f"more than {limit:,} bytes")
            parts.append(chunk)
        return b"".join(parts)


class UpstreamEndpoint:
    """One endpoint with its calls in flight and its counts."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.path = urlsplit(self.url).path
        self.in_flight = 0
        self.answered = 0
        self.failed = 0
        self.unreachable_until = 0.0


class LlmUpstream:
    """The endpoints of an LLM's shard, with its key and headers. UsageError when a reference leads to no key."""

    def __init__(self, shard: Shard, environment: Mapping[str, str]) -> None:
        self.shard = shard
        self._environment = environment
        self._key = SecretReference(shard.key, environment) if shard.key else None
        self._headers = {
            name.lower(): SecretReference(value, environment) if is_reference(value) else value
            for name, value in shard.headers.items()
        }
        self._endpoints = [UpstreamEndpoint(url) for url in shard.endpoints]
        self._session: ClientSession | None = None
        self._turn = 0

    def prepare(self) -> None:
        """Import the HTTP client and read every key once. UsageError for what is missing."""
        # Before the first request: importing aiohttp takes 0.4 s, and the event loop would stand still for it.
        try:
            import aiohttp  # noqa: F401
        except ImportError:
            hint = "pip install 'nlapi[gateway]'"
            raise UsageError("versions of LLMs need the extra gateway", hint=hint) from None
        self.read_key()
        self.read_headers()

    def separate_copy(self) -> LlmUpstream:
        """Return the same upstream with separate connections and counts."""
        return LlmUpstream(self.shard, self._environment)

    def replica_health(self) -> list[dict[str, object]]:
        """Return endpoint, state and the numbers of calls in flight, answered and failed of each endpoint."""
        now = time.monotonic()
        return [
            {
                "endpoint": endpoint.url,
                "breaker": "half_open" if endpoint.unreachable_until > now else "closed",
                "in_flight": endpoint.in_flight,
                "answered": endpoint.answered,
                "failed": endpoint.failed,
            }
            for endpoint in self._endpoints
        ]

    def read_key(self) -> str:
        """Return the key, or "" without one. UsageError."""
        return self._key.read() if self._key else ""

    def read_headers(self) -> dict[str, str]:
        """Return the shard's extra headers. UsageError when a reference leads to no value."""
        return {
            name: value.read() if isinstance(value, SecretReference) else value for name, value in self._headers.items()
        }

    def endpoints(self) -> Iterator[UpstreamEndpoint]:
        """Yield the endpoints with room for a call, the least loaded first; equal ones take turns."""
        self._turn += 1
        count = len(self._endpoints)
        now = time.monotonic()
        rotated = [self._endpoints[(self._turn + step) % count] for step in range(count)]
        ready = [endpoint for endpoint in rotated if endpoint.in_flight < self.shard.concurrency]
        ready.sort(key=lambda endpoint: (endpoint.unreachable_until > now, endpoint.in_flight))
        yield from ready[:MAX_ENDPOINTS_TRIED]

    @asynccontextmanager
    async def post(
        self, endpoint: UpstreamEndpoint, path: str, headers: Mapping[str, str], body: bytes, *, repeatable: bool
    ) -> AsyncIterator[UpstreamAnswer]:
        """Send a POST and give its answer; the end of the block closes an answer that was not read whole.

        InferenceError when there is no answer.
        """
        url = f"{endpoint.url.removesuffix(endpoint.path) if endpoint.path else endpoint.url}{path}"
        endpoint.in_flight += 1
        try:
            response = await self._send(endpoint, url, headers, body, repeatable=repeatable)
            try:
                yield UpstreamAnswer(response.status, response.content_type, response)
            finally:
                response.close()  # to the pool when it was read whole, else the connection closes
        finally:
            endpoint.in_flight -= 1

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _send(
        self, endpoint: UpstreamEndpoint, url: str, headers: Mapping[str, str], body: bytes, *, repeatable: bool
    ) -> ClientResponse:
        """Return the head of the answer. InferenceError when there is none."""
        session = self._open_session()
        from aiohttp import (
            ClientConnectorError,
            ClientError,
            ClientOSError,
            ConnectionTimeoutError,
            ServerDisconnectedError,
        )

        for is_last in (not repeatable, True):
            try:
                # A redirect would send the key to another address.
                response = await session.post(url, data=body, headers=headers, allow_redirects=False)
                endpoint.unreachable_until = 0.0
                return response
            except (ClientConnectorError, ConnectionTimeoutError) as error:
                endpoint.failed += 1
                endpoint.unreachable_until = time.monotonic() + UNREACHABLE_PAUSE_S
                text = f"shard {self.shard.name} cannot be reached"
                raise UpstreamError(FailureKind.UNAVAILABLE, text, executed=False) from error
            except (ClientError, OSError) as error:
                # The server may just have closed an idle connection (RFC 9112 §9.3.1): one more try on another.
                if is_last or not isinstance(error, ServerDisconnectedError | ClientOSError):
                    endpoint.failed += 1
                    text = f"shard {self.shard.name} closed the connection without an answer"
                    raise UpstreamError(FailureKind.ERROR, text, executed=True) from error
        raise AssertionError("the last try returns or raises")

    def _open_session(self) -> ClientSession:
        if self._session is None:
            from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector

            # The engine bounds the calls in flight and their time; cookies of one client's answer are nobody else's.
            self._session = ClientSession(
                connector=TCPConnector(limit=0, keepalive_timeout=IDLE_CONNECTION_S),
                timeout=ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S),
                cookie_jar=DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
            )
        return self._session
