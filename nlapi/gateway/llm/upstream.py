"""Sends requests to the endpoints of an LLM's shard, the least loaded first, and reads their answers in parts."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from nlapi.errors import UsageError
from nlapi.gateway.inference import FailureKind, InferenceError
from nlapi.gateway.llm.secret_references import SecretReference, is_reference
from nlapi.routing.model import Shard

if TYPE_CHECKING:
    from pyreqwest.client import Client
    from pyreqwest.response import ResponseBodyReader

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
    _reader: ResponseBodyReader

    async def read(self) -> bytes:
        """Return the next part of the body; b"" at its end. AnswerBrokenError when it is not whole."""
        try:
            chunk = await self._reader.read_chunk()
        except Exception as error:
            # Imported here alone: an import statement for each of 5,000 events a second costs 2 us each.
            from pyreqwest.exceptions import RequestError

            if isinstance(error, RequestError):
                raise AnswerBrokenError("the connection closed") from error
            raise
        return bytes(chunk) if chunk else b""

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
        self._client: Client | None = None
        self._turn = 0

    def check_secrets(self) -> None:
        """Read every key once. UsageError for the first that cannot be read."""
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
        self, endpoint: UpstreamEndpoint, path: str, headers: Mapping[str, str], body: bytes
    ) -> AsyncIterator[UpstreamAnswer]:
        """Send a POST and give its answer; the end of the block closes an answer that was not read whole.

        InferenceError when there is no answer.
        """
        from pyreqwest.exceptions import ConnectError, ConnectTimeoutError, RequestError

        scheme_and_host = endpoint.url.removesuffix(endpoint.path) if endpoint.path else endpoint.url
        builder = self._open_client().post(f"{scheme_and_host}{path}").body_bytes(body)
        # With the default of 64 KiB, the head comes back only when so much of the stream has arrived.
        request = builder.headers(dict(headers)).streamed_read_buffer_limit(0).build_streamed()
        endpoint.in_flight += 1
        opened = False
        try:
            try:
                response = await request.__aenter__()
            except (ConnectError, ConnectTimeoutError) as error:
                endpoint.failed += 1
                endpoint.unreachable_until = time.monotonic() + UNREACHABLE_PAUSE_S
                text = f"shard {self.shard.name} cannot be reached"
                raise InferenceError(FailureKind.UNAVAILABLE, text, executed=False) from error
            except RequestError as error:
                endpoint.failed += 1
                text = f"shard {self.shard.name} closed the connection without an answer"
                raise InferenceError(FailureKind.ERROR, text, executed=True) from error
            opened = True
            endpoint.unreachable_until = 0.0
            media_type = (response.get_header("content-type") or "").partition(";")[0].strip().lower()
            yield UpstreamAnswer(response.status, media_type, response.body_reader)
        finally:
            endpoint.in_flight -= 1
            if opened:
                await request.__aexit__(None, None, None)

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def _open_client(self) -> Client:
        if self._client is None:
            try:
                from pyreqwest.client import ClientBuilder
            except ImportError:
                hint = "pip install 'nlapi[gateway]'"
                raise UsageError("versions of LLMs need the extra gateway", hint=hint) from None
            # A redirect would send the key to another address, and a proxy of the environment would see it.
            self._client = (
                ClientBuilder()
                .follow_redirects(False)
                .no_proxy()
                .http1_only()
                .gzip(False)
                .brotli(False)
                .deflate(False)
                .zstd(False)
                .connect_timeout(timedelta(seconds=CONNECT_TIMEOUT_S))
                .pool_idle_timeout(timedelta(seconds=IDLE_CONNECTION_S))
                .build()
            )
        return self._client
