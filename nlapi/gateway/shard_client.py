"""The HTTP client for calls to shards: pyreqwest, with limits and with certainty about what was sent."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from nlapi.errors import UsageError
from nlapi.extras import install_hint

if TYPE_CHECKING:
    from pyreqwest.client import Client
    from pyreqwest.exceptions import RequestError
    from pyreqwest.response import Response

# Bytes of an answer that are copied in one step. In one step of 2 MiB the event loop served nobody else for 3 ms.
READ_BYTES = 64 * 2**10

MAX_IDLE = 64
"""maximum number of idle connections to one address"""

# Seconds that an idle connection stays open. uvicorn, and so MLServer, BentoML and Ray Serve, closes one after 5 s: a
# request that is sent at that moment is lost, and one that is not idempotent may not be sent again.
IDLE_S = 4.0

# The time-out for connecting is a property of a pyreqwest client: each call uses the client whose time-out is the next
# smaller power of two, so that the many time-outs of objectives share few pools of connections.
MIN_CONNECT_MS, MAX_CONNECT_MS = 4, 16_384

# hyper-util's text for a failure before there was a connection; pyreqwest's ConnectError is also raised for requests
# that were sent (docs/design/030-isolation.md). When the text is missing, the request counts as sent: that may refuse a
# call that could be repeated, and never repeats one that may have been executed.
_NO_CONNECTION = "client error (Connect)"
_NO_HEAD = "client error (SendRequest)"


class NotSentError(Exception):
    """There was no connection, so that nothing was sent."""


class ResponseLostError(Exception):
    """A request was sent and no complete answer arrived; `answered` is true when part of one did."""

    def __init__(self, message: str, *, answered: bool) -> None:
        super().__init__(message)
        self.answered = answered


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
    """Sends calls to replicas; no call shares a connection with another at the same time.

    `max_body` is the maximum number of bytes of an answer. UsageError when pyreqwest is not installed.
    """

    def __init__(self, max_body: int) -> None:
        self._max_body = max_body
        try:
            from pyreqwest.exceptions import ConnectError, PyreqwestError
        except ImportError as error:
            raise UsageError("shards need pyreqwest, which is not installed", hint=install_hint("gateway")) from error
        self._error, self._connection_error = PyreqwestError, ConnectError

    async def post(
        self, url: str, headers: Mapping[str, str], body: bytes, *, connect_s: float, repeatable: bool
    ) -> ShardResponse:
        """Send a POST with a JSON body and return the answer. NotSentError or ResponseLostError when there is none.

        The server may just have closed an idle connection, so a repeatable call whose connection was lost before an
        answer began is sent once more (RFC 9112 §9.3.1).
        """
        milliseconds = min(MAX_CONNECT_MS, max(MIN_CONNECT_MS, 2 ** int(math.log2(max(1.0, connect_s * 1000)))))
        client = _clients.get(milliseconds) or await _add_client(milliseconds)
        try:
            return await self._exchange(client, url, headers, body)
        except ResponseLostError as error:
            if error.answered or not repeatable:
                raise
        return await self._exchange(client, url, headers, body)

    async def close(self) -> None:
        """Do nothing: connections close by themselves once they are idle."""

    async def _exchange(self, client: Client, url: str, headers: Mapping[str, str], body: bytes) -> ShardResponse:
        try:
            async with client.post(url).headers(headers).body_bytes(body).build_streamed() as response:
                return ShardResponse(status=response.status, body=await self._read_body(response))
        except self._error as error:
            raise self._failure(error) from error

    async def _read_body(self, response: Response) -> bytes:
        """Return the whole body. ResponseLostError when it is too large, or its end is uncertain."""
        length = response.get_header("content-length")
        coding = response.get_header("transfer-encoding")
        # hyper reads a body of another coding until the connection closes, as it came.
        if coding is not None and coding.strip().lower() != "chunked":
            raise ResponseLostError("an answer has an unknown transfer coding", answered=True)
        if coding is None and length is not None and int(length) > self._max_body:
            raise self._too_large()
        parts: list[bytes] = []
        remaining = self._max_body
        while (part := await response.body_reader.read(READ_BYTES)) is not None:
            remaining -= len(part)
            if remaining < 0:
                raise self._too_large()
            parts.append(part.to_bytes())
            if len(part) < READ_BYTES:  # `read` returns fewer bytes at the end of the body only
                break
        return b"".join(parts)

    def _too_large(self) -> ResponseLostError:
        text = f"an answer is larger than {self._max_body:,} bytes, the shard's max_answer_mb"
        return ResponseLostError(text, answered=True)

    def _failure(self, error: Exception) -> NotSentError | ResponseLostError:
        causes = _causes(error)
        if _NO_CONNECTION in causes:
            return NotSentError(f"no connection: {causes[-1]}")
        is_unanswered = isinstance(error, self._connection_error) and _NO_HEAD in causes
        reason = causes[-1] if causes else type(error).__name__
        return ResponseLostError(f"no complete answer: {reason}", answered=not is_unanswered)


def _causes(error: Exception | RequestError) -> list[str]:
    """Return the messages of an error of pyreqwest, the outermost first."""
    details = getattr(error, "details", None) or {}
    return [cause["message"] for cause in details.get("causes") or ()]


# For all shards of the process: a client has a pool of connections for each address, and belongs to no event loop.
_clients: dict[int, Client] = {}


async def _add_client(milliseconds: int) -> Client:
    # In a thread: reading the trusted certificates takes 14-35 ms, and requests are served meanwhile.
    client = _clients[milliseconds] = await asyncio.to_thread(_open_client, milliseconds / 1000)
    return client


def _open_client(connect_s: float) -> Client:
    from pyreqwest.client import ClientBuilder

    # Nothing that a shard's answer could use to reach elsewhere (redirects, proxies, cookies) or to grow (encodings).
    return (
        ClientBuilder()
        .http1_only()
        .no_proxy()
        .follow_redirects(False)
        .referer(False)
        .gzip(False)
        .brotli(False)
        .zstd(False)
        .deflate(False)
        .user_agent("nlapi-gateway")
        .connect_timeout(timedelta(seconds=connect_s))
        .pool_idle_timeout(timedelta(seconds=IDLE_S))
        .pool_max_idle_per_host(MAX_IDLE)
        .build()
    )
