"""A minimal HTTP/1.1 client with persistent connections to one address, for calls to shards (RFC 9112)."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from dataclasses import dataclass
from urllib.parse import urlsplit

from nlapi.errors import UsageError

# An HTTP client of our own, because a general one costs too much: httpx takes 2.3 ms of CPU for a request, and a whole
# request of the gateway 75 us (benchmarks/GATEWAY.md).
MAX_HEAD_BYTES = 64 * 2**10
MAX_BODY_BYTES = 64 * 2**20
FRAMING_HEADERS = (b"transfer-encoding", b"content-length")
MAX_IDLE = 64
"""maximum number of idle connections to one address"""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardAddress:
    """The parts of an http or https URL; `path` has no trailing slash."""

    url: str
    host: str
    port: int
    secure: bool
    authority: str
    path: str


def parse_address(url: str) -> ShardAddress:
    """Parse an http(s) URL. UsageError when it is relative, or has credentials, a query or a fragment."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
        parts = urlsplit("")
    is_unsupported = (
        parts.username or parts.query or parts.fragment or not (url.isascii() and url.isprintable()) or " " in url
    )
    if parts.scheme not in ("http", "https") or not host or is_unsupported:
        raise UsageError(f"an endpoint is no http or https URL: {url!r}", hint="such as http://127.0.0.1:8080")
    secure = parts.scheme == "https"
    return ShardAddress(
        url=url,
        host=host,
        port=port or (443 if secure else 80),
        secure=secure,
        authority=parts.netloc,
        path=parts.path.rstrip("/"),
    )


class ConnectionPool:
    """The open connections to one address."""

    # A call has a connection to itself and is never pipelined: a slow answer would delay the calls behind it.

    def __init__(self, destination: ShardAddress) -> None:
        self.address = destination
        self._idle: deque[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = deque()
        self._tls = ssl.create_default_context() if destination.secure else None
        self._closed = False

    async def post(self, path: str, headers: str, body: bytes, *, connect_s: float, repeatable: bool) -> ShardResponse:
        """Send a POST with a JSON body and return the answer. NotSentError or ResponseLostError when there is none.

        `headers` are complete lines. The server may just have closed an idle connection, so a repeatable call is sent
        again on a new one (RFC 9112 §9.3.1).
        """
        target = f"{self.address.path}{path}" or "/"
        head = (
            f"POST {target} HTTP/1.1\r\nHost: {self.address.authority}\r\n"
            f"Content-Type: application/json\r\nAccept: application/json\r\n"
            f"Content-Length: {len(body)}\r\n{headers}\r\n"
        )
        request = head.encode("latin-1") + body
        idle = self._take_idle()
        if idle is not None:
            try:
                return await self._exchange(*idle, request)
            except ResponseLostError as error:
                if error.answered or not repeatable:
                    raise
                self._close_idle()
        return await self._exchange(*await self._open(connect_s), request)

    async def close(self) -> None:
        """Close the idle connections; the others close after their call."""
        self._closed = True
        self._close_idle()

    def _take_idle(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        while self._idle:
            reader, writer = self._idle.pop()
            # Bytes after an answer belong to no request, and the next request would read them as its answer.
            leftover = getattr(reader, "_buffer", b"")
            if not (leftover or reader.at_eof() or writer.is_closing() or reader.exception()):
                return reader, writer
            writer.close()
        return None

    def _close_idle(self) -> None:
        while self._idle:
            self._idle.pop()[1].close()

    async def _open(self, connect_s: float) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        destination = self.address
        try:
            async with asyncio.timeout(connect_s):
                return await asyncio.open_connection(
                    destination.host, destination.port, ssl=self._tls, limit=MAX_HEAD_BYTES
                )
        except (OSError, TimeoutError) as error:
            raise NotSentError(f"no connection to {destination.url}: {error or 'too slow'}") from error

    async def _exchange(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
    ) -> ShardResponse:
        # `keep` is set only after the whole answer was read: cancelled or broken, the connection may still deliver
        # bytes of this answer.
        answered = keep = False
        try:
            writer.write(request)
            await writer.drain()
            head = await reader.readuntil(b"\r\n\r\n")
            answered = True
            while head[9:10] == b"1":  # 100 Continue, 103 Early Hints
                head = await reader.readuntil(b"\r\n\r\n")
            status, headers, persistent = _read_head(head)
            body, framed = await _read_body(reader, status, headers)
            keep = persistent and framed
            return ShardResponse(status=status, body=body)
        except (OSError, EOFError, asyncio.LimitOverrunError, ValueError) as error:
            text = f"{self.address.url} gave no complete answer: {type(error).__name__}"
            raise ResponseLostError(text, answered=answered) from error
        finally:
            if keep and not self._closed and len(self._idle) < MAX_IDLE:
                self._idle.append((reader, writer))
            else:
                writer.close()


def _read_head(head: bytes) -> tuple[int, dict[bytes, bytes], bool]:
    """Return the status, the headers by lower-case names, and whether the connection persists. ValueError."""
    status_line, *lines = head[:-4].split(b"\r\n")
    if not status_line.startswith(b"HTTP/1.") or not status_line[9:12].isdigit():
        raise ValueError("not an HTTP/1 answer")
    headers = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        name = name.lower()
        # Two framing headers of one name can be read in two ways, as for requests in request_guard.py.
        if not colon or (name in FRAMING_HEADERS and name in headers):
            raise ValueError("not a header")
        headers[name] = value.strip()
    connection = headers.get(b"connection", b"").lower()
    keep = b"close" not in connection and (status_line[7:8] == b"1" or b"keep-alive" in connection)
    return int(status_line[9:12]), headers, keep


async def _read_body(reader: asyncio.StreamReader, status: int, headers: dict[bytes, bytes]) -> tuple[bytes, bool]:
    """Return the body, and whether its end was marked (RFC 9112 §6.3). ValueError when it is too large or malformed."""
    if status in (204, 304):
        return b"", True
    coding, length = (headers.get(name, b"").lower() for name in FRAMING_HEADERS)
    if coding:
        if coding != b"chunked":
            raise ValueError("unknown transfer coding")
        # With a length as well (RFC 9112 §6.3) the end of the body is uncertain, and the connection is not used again.
        return await _read_chunks(reader), not length
    if length:
        if not length.isdigit() or int(length) > MAX_BODY_BYTES:
            raise ValueError("too large, or no length")
        return await reader.readexactly(int(length)), True
    body = await reader.read(MAX_BODY_BYTES)
    while chunk := await reader.read(MAX_BODY_BYTES):
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise ValueError("too large")
    return body, False


def _chunk_size(line: bytes) -> int:
    """Return the size of a chunk. ValueError when it is not hexadecimal digits (RFC 9112 §7.1)."""
    # int() alone would accept 0x5, +5 and 1_0.
    text = line.partition(b";")[0].strip()
    if not text or text.strip(b"0123456789abcdefABCDEF"):
        raise ValueError("not the size of a chunk")
    return int(text, 16)


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    parts = []
    remaining = MAX_BODY_BYTES
    while size := _chunk_size(await reader.readuntil(b"\r\n")):
        remaining -= size
        if remaining < 0:
            raise ValueError("too large")
        parts.append(await reader.readexactly(size))
        if await reader.readexactly(2) != b"\r\n":
            raise ValueError("a chunk is longer than it says")
    while await reader.readuntil(b"\r\n") != b"\r\n":
        pass  # trailers
    return b"".join(parts)
