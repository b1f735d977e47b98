"""The part of the HTTP client that is aiohttp. It is imported late: aiohttp takes 0.4 s, and belongs to an extra."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO

from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientRequest,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    ConnectionTimeoutError,
    DummyCookieJar,
    ServerDisconnectedError,
    TCPConnector,
)
from aiohttp.connector import AddrInfoType, Connection
from yarl import URL

from nlapi.gateway.shards.http_client import (
    AnswerBrokenError,
    AnswerTooLargeError,
    ConnectTimeoutError,
    NoAnswerError,
    NotSentError,
)

# Stale connections that one request finds before it gives up. They are rare, unless a server always speaks first.
MAX_STALE_CONNECTIONS = 8

# Bytes of a body that are written in one step. aiohttp warns above it; in parts, the event loop serves others between.
MAX_BYTES_AT_ONCE = 2**20

MAX_REASON_CHARS = 200


# Bytes that the kernel takes of an answer before they are read. By default it takes 6 MiB, and to throw them away, when
# an endless answer is cut, holds the event loop up for 2 ms.
RECEIVE_BUFFER_BYTES = 128 * 2**10


class StaleConnectionError(ClientError):
    """A connection cannot take a request; nothing was written to it."""


class CheckedRequest(ClientRequest):
    """A request that is never sent on a connection with bytes that nobody has asked for."""

    # aiohttp reads what arrives on an idle connection as the answer to the next request: a replica that sends an answer
    # twice, the second one late, would give it to another caller.
    async def send(self, conn: Connection) -> ClientResponse:
        if conn.protocol is None or conn.protocol.should_close:
            raise StaleConnectionError
        return await super().send(conn)


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """The head of an answer, and its body in parts as they arrive. `close` it in any case."""

    status: int
    media_type: str
    _response: ClientResponse

    def header(self, name: str) -> str:
        """Return the value of a header, "" if none exists."""
        return self._response.headers.get(name, "")

    async def read(self) -> bytes:
        """Return what has arrived of the body; b"" at its end. AnswerBrokenError when it is not whole."""
        try:
            return await self._response.content.readany()
        except (ClientError, OSError) as error:
            raise AnswerBrokenError("the connection closed before its end") from error

    async def read_all(self, limit: int) -> bytes:
        """Return the rest of the body. AnswerBrokenError when not whole, AnswerTooLargeError above `limit` bytes."""
        if (self._response.content_length or 0) > limit:
            raise AnswerTooLargeError(f"it is larger than {limit:,} bytes")
        parts = []
        size = 0
        while part := await self.read():
            size += len(part)
            if size > limit:
                raise AnswerTooLargeError(f"it is larger than {limit:,} bytes")
            parts.append(part)
        return b"".join(parts)

    def check_codings(self) -> None:
        """AnswerBrokenError when the body is not what its sender meant, or its end is uncertain."""
        # llhttp reads a body of an unknown transfer coding until the connection closes.
        if self.header("Transfer-Encoding").strip().lower() not in ("", "chunked"):
            raise AnswerBrokenError("its transfer coding is unknown")
        # Unpacked, 2 MiB may be 2 GiB.
        if self.header("Content-Encoding").strip().lower() not in ("", "identity"):
            raise AnswerBrokenError("it is compressed, which was not asked for")

    def close(self) -> None:
        """Leave the connection to other calls when the answer was read whole, or close it."""
        self._response.close()


class HttpSession:
    """The connections of one EndpointClient, opened in the event loop that uses them.

    Certificates are checked by `context`, or by the authorities of the system or of SSL_CERT_FILE.
    """

    def __init__(self, idle_s: float, context: ssl.SSLContext | None = None) -> None:
        # The engine bounds the calls in flight and their time. Nothing that an answer could use to reach others
        # (cookies, proxies) or to grow (encodings).
        self._session = ClientSession(
            connector=TCPConnector(
                limit=0,
                keepalive_timeout=idle_s,
                ssl=True if context is None else context,
                socket_factory=_open_socket,
            ),
            timeout=ClientTimeout(total=None),
            cookie_jar=DummyCookieJar(),
            headers={"Accept-Encoding": "identity", "User-Agent": "nlapi-gateway"},
            request_class=CheckedRequest,
            auto_decompress=False,
            trust_env=False,
        )

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, *, connect_s: float, repeatable: bool
    ) -> HttpAnswer:
        timeout = ClientTimeout(total=None, connect=connect_s)
        target = URL(url, encoded=True)  # the path is sent as it is
        stale_count = 0
        while True:
            data = BytesIO(body) if len(body) > MAX_BYTES_AT_ONCE else body or None
            try:
                response = await self._session.request(
                    method, target, data=data, headers=headers, timeout=timeout, allow_redirects=False
                )
            except StaleConnectionError as error:
                stale_count += 1
                if stale_count == MAX_STALE_CONNECTIONS:
                    raise NotSentError("no connection: the server speaks first") from error
            except ConnectionTimeoutError as error:
                raise ConnectTimeoutError(f"no connection within {connect_s * 1000:.0f} ms") from error
            except ClientConnectorError as error:
                raise NotSentError(f"no connection: {_reason(error)}") from error
            except (ServerDisconnectedError, OSError) as error:
                # All else counts as sent: aiohttp does not say how much of a request was written.
                if not repeatable:
                    raise NoAnswerError(f"no answer: {_reason(error)}") from error
                repeatable = False
            except ClientError as error:
                raise AnswerBrokenError(f"a malformed answer: {_reason(error)}") from error
            else:
                return HttpAnswer(response.status, response.content_type, response)

    async def close(self) -> None:
        await self._session.close()


def _open_socket(address: AddrInfoType) -> socket.socket:
    family, kind, protocol = address[:3]
    connection = socket.socket(family, kind, protocol)
    # Before it connects: the handshake names it to the other side.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    return connection


def _reason(error: Exception) -> str:
    """Return the first line of a failure of aiohttp; for a malformed head the others are the server's bytes."""
    text = getattr(error, "message", None) or getattr(error, "strerror", None) or str(error)
    lines = str(text).splitlines()
    return (lines[0] if lines else type(error).__name__).rstrip(": ")[:MAX_REASON_CHARS]
