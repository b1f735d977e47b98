"""Sends requests to the endpoints of an LLM's shard, the least loaded first, and reads their answers in parts."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from nlapi.gateway.allowed_references import AllowedReferences
from nlapi.gateway.bulkhead import Bulkhead
from nlapi.gateway.http_client import AnswerBrokenError, EndpointClient, NoAnswerError, NotSentError
from nlapi.gateway.inference import FailureKind, UpstreamError
from nlapi.gateway.shard_access import ShardAccess
from nlapi.routing.model import Shard

if TYPE_CHECKING:
    from nlapi.gateway.http_session import HttpAnswer

CONNECT_TIMEOUT_S = 10.0
# Seconds that an idle connection is kept: below the 60 s after which load balancers commonly close it.
IDLE_CONNECTION_S = 50.0
MAX_ENDPOINTS_TRIED = 3
# Seconds for which an endpoint that could not be reached is tried last.
UNREACHABLE_PAUSE_S = 5.0


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

    def __init__(self, shard: Shard, environment: Mapping[str, str], allowed: AllowedReferences) -> None:
        self.shard = shard
        self._allowed = allowed
        self._environment = environment
        self.access = ShardAccess(shard, environment, allowed)
        self._endpoints = [UpstreamEndpoint(url) for url in shard.endpoints]
        self._http = EndpointClient(IDLE_CONNECTION_S, self.access.tls)
        self.bulkhead = Bulkhead.of_shard(shard)
        self._turn = 0

    def prepare(self) -> None:
        """Import the HTTP client and read every key once. UsageError for what is missing."""
        self._http.prepare()
        self.access.prepare()

    def separate_copy(self) -> LlmUpstream:
        """Return the same upstream with separate connections and counts."""
        return LlmUpstream(self.shard, self._environment, self._allowed)

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
    ) -> AsyncIterator[HttpAnswer]:
        """Send a POST and give its answer; the end of the block closes an answer that was not read whole.

        InferenceError when there is no answer.
        """
        url = f"{endpoint.url.removesuffix(endpoint.path) if endpoint.path else endpoint.url}{path}"
        endpoint.in_flight += 1
        try:
            answer = await self._send(endpoint, url, headers, body, repeatable=repeatable)
            try:
                yield answer
            finally:
                answer.close()
        finally:
            endpoint.in_flight -= 1

    async def close(self) -> None:
        await self._http.close()

    async def _send(
        self, endpoint: UpstreamEndpoint, url: str, headers: Mapping[str, str], body: bytes, *, repeatable: bool
    ) -> HttpAnswer:
        """Return the head of the answer. InferenceError when there is none."""
        try:
            answer = await self._http.post(url, headers, body, connect_s=CONNECT_TIMEOUT_S, repeatable=repeatable)
        except NotSentError as error:
            endpoint.failed += 1
            endpoint.unreachable_until = time.monotonic() + UNREACHABLE_PAUSE_S
            text = f"shard {self.shard.name} cannot be reached"
            raise UpstreamError(FailureKind.UNAVAILABLE, text, executed=False) from error
        except NoAnswerError as error:
            endpoint.failed += 1
            text = f"shard {self.shard.name} closed the connection without an answer"
            raise UpstreamError(FailureKind.ERROR, text, executed=True) from error
        except AnswerBrokenError as error:
            endpoint.failed += 1
            text = f"shard {self.shard.name} gave an answer that is no HTTP"
            raise UpstreamError(FailureKind.ERROR, text, executed=True, operator_text=str(error)) from error
        endpoint.unreachable_until = 0.0
        return answer
