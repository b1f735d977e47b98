"""Calls of replicas: the addresses that are accepted, and the answers, with their limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from nlapi.errors import UsageError
from nlapi.gateway.http_client import EndpointClient

# Seconds that an idle connection stays open. uvicorn, and so MLServer, BentoML and Ray Serve, closes one after 5 s: a
# request that is sent at that moment is lost, and one that is not idempotent may not be sent again.
IDLE_S = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardResponse:
    """The status and the body of an answer."""

    status: int
    body: bytes


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
        raise UsageError(f"an endpoint is no http or https URL: {url!r}", hint="such as http://127.0.0.1:8080")
    return url.rstrip("/")


class ShardClient:
    """Sends calls to replicas. `max_body` is the maximum number of bytes of an answer."""

    def __init__(self, max_body: int) -> None:
        self._max_body = max_body
        self._http = EndpointClient(IDLE_S)

    def prepare(self) -> None:
        """Import the HTTP client. UsageError when it is not installed."""
        self._http.prepare()

    async def close(self) -> None:
        """Close its connections."""
        await self._http.close()

    async def post(
        self, url: str, headers: Mapping[str, str], body: bytes, *, connect_s: float, repeatable: bool
    ) -> ShardResponse:
        """Send a POST with a JSON body and return the answer. NotSentError, NoAnswerError or AnswerBrokenError."""
        answer = await self._http.post(url, headers, body, connect_s=connect_s, repeatable=repeatable)
        try:
            answer.check_codings()
            return ShardResponse(status=answer.status, body=await answer.read_all(self._max_body))
        finally:
            answer.close()
