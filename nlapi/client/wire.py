"""One exchange over HTTP/1.1: exactly the bytes of a Request out, the bytes of the answer in.

httpcore2 is the transport below httpx2. The client above it rewrites URLs (`|`, `^`, `/../`), keeps cookies, adds
headers and logs whole URLs, keys in the query included (docs/design/003); this module adds only what is written in it.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpcore2

from nlapi.client.message import Request
from nlapi.client.stream import Backend, Stream
from nlapi.errors import SendError, UsageError
from nlapi.openapi.address import Address, is_public
from nlapi.openapi.headers import CONNECTION, TOKEN
from nlapi.openapi.unreachable import causes, explain_unreachable
from nlapi.version import __version__

_TRANSPORT = (
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.TimeoutException,
    httpcore2.ProxyError,
)


class BrokenError(Exception):
    """An exchange without a complete answer.

    `reason` and `hint` are for a person; `again`: another attempt may succeed. `is_hangup`: not a byte of an answer
    came.
    """

    def __init__(self, reason: str, *, again: bool = True, hint: str = "", is_hangup: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.again = again
        self.hint = hint
        self.is_hangup = is_hangup


@dataclass(slots=True)
class Progress:
    """The progress of a Request. `sent`: its first byte may have reached the API."""

    sent: bool = False

    async def trace(self, event: str, info: dict[str, Any]) -> None:
        # A proxy's CONNECT is not yet the request.
        if event.endswith("send_request_headers.started") and info["request"].method != b"CONNECT":
            self.sent = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The head of an answer, and its body as it comes, its content codings not yet decoded."""

    status: int
    headers: tuple[tuple[str, str], ...]
    response: httpcore2.Response = field(repr=False)

    def header(self, name: str) -> str:
        return ", ".join(value for key, value in self.headers if key.lower() == name)

    async def chunks(self) -> AsyncGenerator[bytes]:
        """Yield the bytes of the body. BrokenError when more or fewer came than Content-Length says (RFC 9112 §6.3)."""
        # h11 drops what follows a body whose Content-Length is too small (docs/design/003). What is left of a number, a
        # text or ndjson is still valid, and wrong.
        tail = b""
        counted = self.header("content-length") and not self.header("transfer-encoding")
        with _broken():
            async with aclosing(self.response.aiter_stream()) as chunks:
                async for chunk in chunks:
                    tail = (tail + chunk)[-Stream.CHUNK :] if counted else b""
                    yield chunk
        stream = self.response.extensions.get("network_stream")
        if counted and isinstance(stream, Stream) and not stream.ended_with(tail):
            raise BrokenError("the answer is longer than its Content-Length says", again=False)


class Client:
    """Connections kept open between calls in one event loop. No cookies and no credentials are kept."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._pools: dict[str, httpcore2.AsyncConnectionPool] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @asynccontextmanager
    async def exchange(
        self, request: Request, address: Address, progress: Progress, *, public_only: bool = False
    ) -> AsyncIterator[Answer]:
        """Send `request` once and yield the Answer. BrokenError when none comes; `progress` is updated meanwhile.

        With `public_only`, SendError when the address is not on the public Internet.
        """
        proxy = _proxy(address)
        host = address.host
        extensions: dict[str, Any] = {"trace": progress.trace}
        if public_only:
            host = await _public_address(address, resolve=not proxy)
            extensions |= {"sni_hostname": address.host} if host != address.host else {}
        url = httpcore2.URL(scheme=address.scheme, host=host, port=address.given_port, target=address.target)
        wire_request = httpcore2.Request(
            request.method,
            url,
            headers=_headers(request, address),
            content=request.content or b"",
            extensions=extensions,
        )
        pool = await self._pool(proxy)
        with _broken():
            response = await pool.handle_async_request(wire_request)
        try:
            stream = response.extensions.get("network_stream")
            if isinstance(stream, Stream):
                stream.in_head = False
            headers = tuple((_text(name), _text(value)) for name, value in response.headers)
            yield Answer(status=response.status, headers=headers, response=response)
        finally:
            await response.aclose()

    async def _pool(self, proxy: str) -> httpcore2.AsyncConnectionPool:
        if proxy not in self._pools:
            self._pools[proxy] = await self._stack.enter_async_context(_open_pool(proxy))
        return self._pools[proxy]


def _open_pool(proxy: str) -> httpcore2.AsyncConnectionPool:
    backend = Backend()
    if not proxy:
        return httpcore2.AsyncConnectionPool(keepalive_expiry=5.0, network_backend=backend)
    parts = urlsplit(proxy)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SendError(f"a {parts.scheme} proxy is set, and nlapi only goes through http proxies", hint="see NO_PROXY")
    user = (unquote(parts.username or "").encode(), unquote(parts.password or "").encode())
    url = httpcore2.URL(scheme=parts.scheme, host=parts.hostname, port=parts.port, target="/")
    return httpcore2.AsyncHTTPProxy(
        url, proxy_auth=user if parts.username else None, keepalive_expiry=5.0, network_backend=backend
    )


def _proxy(address: Address) -> str:
    """Return the proxy that the environment names for this address; "" for none. Loopback never has one."""
    if address.is_loopback or proxy_bypass(f"{address.host}:{address.port}"):
        return ""
    proxies = getproxies()
    proxy = proxies.get(address.scheme) or proxies.get("all") or ""
    return proxy if "://" in proxy or not proxy else f"http://{proxy}"


async def _public_address(address: Address, *, resolve: bool) -> str:
    """Return the IP address to connect to."""
    # The checked address itself is used: a name looked up a second time could lead into the private network (DNS
    # rebinding).
    found = [address.host]
    if resolve:
        loop = asyncio.get_running_loop()
        try:
            infos = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
        except OSError:
            raise BrokenError(f"the host name {address.host} is not known") from None
        found = [str(info[4][0]) for info in infos]
    literal = not resolve and not re.fullmatch(r"[\d.]+|.*:.*", address.host)
    if address.is_loopback or not (literal or all(is_public(ip) for ip in found)):
        raise SendError(
            f"redirected to {address.site}, an address in a private network; nlapi did not follow",
            hint="if you trust that place, send the request there yourself with --base-url",
        )
    return found[0]


def _headers(request: Request, address: Address) -> list[tuple[bytes, bytes]]:
    """Return the header lines: those of the Request, and the few that HTTP requires or nlapi adds by default."""
    # A Host or Content-Length of the Request that differs would split it at a proxy (request smuggling, RFC 9112
    # §11.2), so these are refused and not replaced.
    own = {"host": address.authority}
    if request.content is not None or request.method in ("POST", "PUT", "PATCH"):
        own["content-length"] = str(len(request.content or b""))
    lines = [(name, value) for name, value in request.headers if own.get(name.lower()) != value.strip(" \t")]
    for name, _ in lines:
        if name.lower() in own or name.lower() in CONNECTION:
            raise UsageError(f"the header {name} cannot be set: it belongs to the connection")
    defaults = {
        "User-Agent": f"nlapi/{__version__}",
        "Accept": "application/json, */*;q=0.5",
        "Accept-Encoding": "gzip, deflate",
    }
    given = {name.lower() for name, _ in lines}
    # Host comes first (RFC 9110 §7.2).
    first = [("Host", own["host"])]
    last = [("Content-Length", own["content-length"])] if "content-length" in own else []
    added = [(name, value) for name, value in defaults.items() if name.lower() not in given]
    return [_line(name, value) for name, value in (*first, *added, *lines, *last)]


def _line(name: str, value: str) -> tuple[bytes, bytes]:
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


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


@contextmanager
def _broken() -> Iterator[None]:
    """Convert the exceptions of the transport to BrokenError."""
    try:
        yield
    except (*_TRANSPORT, OSError) as error:
        raise _explain(error) from None


def _explain(error: Exception) -> BrokenError:
    if unreachable := explain_unreachable(error):
        return BrokenError(unreachable.reason, again=not unreachable.is_final, hint=unreachable.hint)
    if isinstance(error, httpcore2.LocalProtocolError):
        return BrokenError(f"HTTP does not allow this request: {error}", again=False)
    if isinstance(error, httpcore2.RemoteProtocolError):
        return BrokenError(_protocol(str(error)), is_hangup="disconnected" in str(error))
    if isinstance(error, httpcore2.ReadError | httpcore2.WriteError):
        return BrokenError("the connection broke off", is_hangup=True)
    said = (cause.strerror for cause in causes(error) if isinstance(cause, OSError) and cause.strerror)
    return BrokenError(next(said, str(error)) or type(error).__name__)


def _protocol(said: str) -> str:
    if "disconnected" in said:
        return "the server closed the connection without an answer"
    if "incomplete" in said or "without sending complete" in said:
        return f"the answer is cut off ({said})"
    return f"the answer is not valid HTTP ({said})"
