"""Makes one exchange over HTTP/1.1: exactly the bytes of a Request out, the bytes of the answer in, under limits.

httpcore2 is the transport below httpx2. The client above it rewrites URLs (`|`, `^`, `/../`), keeps cookies, adds
headers and logs whole URLs, keys in the query included (docs/design/003); this module adds only what is written in it.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpcore2

from nlapi.client.message import Request
from nlapi.errors import UsageError, file_faults
from nlapi.openapi.connections import CheckedBackend, open_pool
from nlapi.openapi.egress import NetworkScope, check_host, error_causes, explain_connection_error, proxy_url
from nlapi.openapi.spec import CONNECTION_HEADERS, TOKEN
from nlapi.openapi.urls import HttpUrl
from nlapi.version import __version__

_PEM_HINT = "name a file in PEM that you may read"


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """Files in PEM: the authorities to trust in place of the system's, and the caller's own certificate with its key.

    Without `key` the file of the certificate holds both.
    """

    authorities: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def context(self) -> ssl.SSLContext:
        """Return a context with the files. UsageError that names the faulty file."""
        import httpcore2

        for file in (self.authorities, self.certificate, self.key):
            _check_readable(file)
        if self.authorities is None:
            context = httpcore2.default_ssl_context()
        else:
            try:
                context = ssl.create_default_context(cafile=str(self.authorities))
            except ssl.SSLError:
                raise UsageError(f"{self.authorities} holds no certificate in PEM", hint=_PEM_HINT) from None
        if self.certificate is not None:
            try:
                # Without a callback OpenSSL would ask at the terminal for the password of an encrypted key.
                context.load_cert_chain(self.certificate, self.key, password=self._refuse_password)
            except ssl.SSLError as error:
                names = f"{self.certificate} and {self.key}" if self.key else f"{self.certificate}"
                reason = (error.reason or str(error)).replace("_", " ").lower()
                raise UsageError(f"{names} cannot be used as a certificate with its key: {reason}") from None
        elif self.key is not None:
            raise UsageError(f"{self.key} is a key without a certificate", hint="give the certificate too")
        return context

    def _refuse_password(self) -> str:
        key = self.key or self.certificate
        raise UsageError(f"{key} is encrypted, and nobody can be asked for its password", hint="decrypt it first")


def _check_readable(file: Path | None) -> None:
    with file_faults(f"{file} cannot be read", UsageError, hint=_PEM_HINT):
        if file is not None:
            with file.open("rb"):
                pass


# In bytes. A hostile server sends headers, or `100 Continue`, without end.
MAX_HEAD = 256 * 1024

_TRANSPORT_ERRORS = (
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.TimeoutException,
    httpcore2.ProxyError,
)


class NetworkBackend(httpcore2.AsyncNetworkBackend):
    """A CheckedBackend with a `NetworkStream` around each connection."""

    def __init__(self, scope: NetworkScope) -> None:
        self._inner = CheckedBackend(scope)

    async def connect_tcp(self, *args: Any, **kwargs: Any) -> httpcore2.AsyncNetworkStream:
        return NetworkStream(await self._inner.connect_tcp(*args, **kwargs))

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)


class NetworkStream(httpcore2.AsyncNetworkStream):
    """A connection.

    The parser above it (h11) accepts `100 Continue` for ever, and discards what follows the end of a body
    (docs/design/003).
    """

    CHUNK = 64 * 1024

    def __init__(self, inner: httpcore2.AsyncNetworkStream) -> None:
        self._inner = inner
        self.in_head = True
        self._head_bytes = 0
        self._last_read = b""

    def ended_with(self, tail: bytes) -> bool:
        """Return whether `tail`, the end of a body or all of a short one, was the last that was read."""
        # Some old servers put a stray line break behind a body (RFC 9112 §2.2), which is harmless.
        tail = tail[-len(self._last_read) :] or b"\n"
        return self._last_read.endswith(tail) or self._last_read.rstrip(b"\r\n").endswith(tail)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - as httpcore2 declares it
        data = await self._inner.read(min(max_bytes, self.CHUNK), timeout)
        self._last_read = data or self._last_read
        if self.in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD:
                raise httpcore2.RemoteProtocolError(f"more than {MAX_HEAD // 1024} KB came before the body")
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - as httpcore2 declares it
        self.in_head, self._head_bytes = True, 0
        await self._inner.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def start_tls(self, *args: Any, **kwargs: Any) -> httpcore2.AsyncNetworkStream:
        return NetworkStream(await self._inner.start_tls(*args, **kwargs))

    def get_extra_info(self, info: str) -> object:
        return self._inner.get_extra_info(info)


class TransportError(Exception):
    """An exchange without a complete answer.

    `reason` and `hint` are for a person; `is_retryable`: another attempt may succeed. `is_hangup`: not a byte of an
    answer came.
    """

    def __init__(self, reason: str, *, is_retryable: bool = True, hint: str = "", is_hangup: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_retryable = is_retryable
        self.hint = hint
        self.is_hangup = is_hangup


@dataclass(slots=True)
class SendProgress:
    """The progress of a Request. `has_started`: its first byte may have reached the API."""

    has_started: bool = False

    async def trace(self, event: str, info: dict[str, Any]) -> None:
        # A proxy's CONNECT is not yet the request.
        if event.endswith("send_request_headers.started") and info["request"].method != b"CONNECT":
            self.has_started = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RawResponse:
    """The head of an answer, and its body as it comes, its content codings not yet decoded."""

    status: int
    headers: tuple[tuple[str, str], ...]
    response: httpcore2.Response = field(repr=False)

    def header(self, name: str) -> str:
        return ", ".join(value for key, value in self.headers if key.lower() == name)

    async def chunks(self) -> AsyncGenerator[bytes]:
        """Yield the bytes of the body.

        TransportError when more or fewer came than Content-Length says (RFC 9112 §6.3).
        """
        # h11 drops what follows a body whose Content-Length is too small (docs/design/003). What is left of a number, a
        # text or ndjson is still valid, and wrong.
        tail = b""
        has_length = self.header("content-length") and not self.header("transfer-encoding")
        with _convert_errors():
            async with aclosing(self.response.aiter_stream()) as chunks:
                async for chunk in chunks:
                    tail = (tail + chunk)[-NetworkStream.CHUNK :] if has_length else b""
                    yield chunk
        stream = self.response.extensions.get("network_stream")
        if has_length and isinstance(stream, NetworkStream) and not stream.ended_with(tail):
            raise TransportError("the answer is longer than its Content-Length says", is_retryable=False)


class HttpClient:
    """Connections kept open between calls in one event loop. No cookies and no credentials are kept."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._pools: dict[tuple[str, TlsFiles | None, NetworkScope], httpcore2.AsyncConnectionPool] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @asynccontextmanager
    async def exchange(
        self,
        request: Request,
        address: HttpUrl,
        progress: SendProgress,
        *,
        scope: NetworkScope,
        tls: TlsFiles | None = None,
    ) -> AsyncIterator[RawResponse]:
        """Send `request` once and yield its RawResponse. TransportError when none comes; `progress` is kept up to date.

        ForbiddenAddressError when the host is outside `scope`. UsageError for unusable files of `tls` and proxies.
        """
        check_host(address, scope)
        url = httpcore2.URL(scheme=address.scheme, host=address.host, port=address.explicit_port, target=address.target)
        wire_request = httpcore2.Request(
            request.method,
            url,
            headers=_request_headers(request, address),
            content=request.content or b"",
            extensions={"trace": progress.trace},
        )
        pool = await self._pool(proxy_url(address), tls, scope)
        with _convert_errors():
            response = await pool.handle_async_request(wire_request)
        try:
            stream = response.extensions.get("network_stream")
            if isinstance(stream, NetworkStream):
                stream.in_head = False
            headers = tuple((_decode_header(name), _decode_header(value)) for name, value in response.headers)
            yield RawResponse(status=response.status, headers=headers, response=response)
        finally:
            await response.aclose()

    async def _pool(self, proxy: str, tls: TlsFiles | None, scope: NetworkScope) -> httpcore2.AsyncConnectionPool:
        # A connection that was opened in a wide scope is never used in a narrow one.
        key = proxy, tls, scope
        if key not in self._pools:
            backend = NetworkBackend(NetworkScope.ANY if proxy else scope)
            pool = open_pool(proxy, backend, tls.context() if tls else None)
            self._pools[key] = await self._stack.enter_async_context(pool)
        return self._pools[key]


def _request_headers(request: Request, address: HttpUrl) -> list[tuple[bytes, bytes]]:
    """Return the header lines: those of the Request, and the few that HTTP requires or nlapi adds by default."""
    # A Host or Content-Length of the Request that differs would split it at a proxy (request smuggling, RFC 9112
    # §11.2), so these are refused and not replaced.
    connection_headers = {"host": address.authority}
    if request.content is not None or request.method in ("POST", "PUT", "PATCH"):
        connection_headers["content-length"] = str(len(request.content or b""))
    lines = [
        (name, value) for name, value in request.headers if connection_headers.get(name.lower()) != value.strip(" \t")
    ]
    for name, _ in lines:
        if name.lower() in connection_headers or name.lower() in CONNECTION_HEADERS:
            raise UsageError(f"the header {name} cannot be set: it belongs to the connection")
    defaults = {
        "User-Agent": f"nlapi/{__version__}",
        "Accept": "application/json, */*;q=0.5",
        "Accept-Encoding": "gzip, deflate",
    }
    present_names = {name.lower() for name, _ in lines}
    # Host comes first (RFC 9110 §7.2).
    first = [("Host", connection_headers["host"])]
    last = [("Content-Length", connection_headers["content-length"])] if "content-length" in connection_headers else []
    added = [(name, value) for name, value in defaults.items() if name.lower() not in present_names]
    return [_encode_header(name, value) for name, value in (*first, *added, *lines, *last)]


def _encode_header(name: str, value: str) -> tuple[bytes, bytes]:
    """Return a header line in bytes; text outside ASCII as UTF-8, as curl in a UTF-8 terminal sends it."""
    if not TOKEN.fullmatch(name):
        raise UsageError(f"{name[:100]!r} is not the name of a header")
    try:
        line = value.strip(" \t").encode()
    except UnicodeEncodeError:
        raise UsageError(f"the header {name} holds half a Unicode character") from None
    if any((byte < 32 and byte != 9) or byte == 127 for byte in line):
        raise UsageError(f"the header {name} holds a line break or another control character")
    return name.encode("ascii"), line


def _decode_header(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


@contextmanager
def _convert_errors() -> Iterator[None]:
    """Convert the exceptions of the transport to TransportError."""
    try:
        yield
    except (*_TRANSPORT_ERRORS, OSError) as error:
        raise _transport_error(error) from None


def _transport_error(error: Exception) -> TransportError:
    if unreachable := explain_connection_error(error):
        return TransportError(unreachable.reason, is_retryable=not unreachable.is_final, hint=unreachable.hint)
    if isinstance(error, httpcore2.LocalProtocolError):
        return TransportError(f"HTTP does not allow this request: {error}", is_retryable=False)
    if isinstance(error, httpcore2.RemoteProtocolError):
        return TransportError(_protocol_reason(str(error)), is_hangup="disconnected" in str(error))
    if isinstance(error, httpcore2.ReadError | httpcore2.WriteError):
        return TransportError("the connection broke off", is_hangup=True)
    messages = (cause.strerror for cause in error_causes(error) if isinstance(cause, OSError) and cause.strerror)
    return TransportError(next(messages, str(error)) or type(error).__name__)


def _protocol_reason(message: str) -> str:
    if "disconnected" in message:
        return "the server closed the connection without an answer"
    if "incomplete" in message or "without sending complete" in message:
        return f"the answer is cut off ({message})"
    return f"the answer is not valid HTTP ({message})"
