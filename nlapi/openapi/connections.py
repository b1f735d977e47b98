"""Opens connections: the address that is connected to is the address that the policy of `egress` has checked."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Iterable
from typing import Any
from urllib.parse import unquote, urlsplit

import httpcore2
import httpx2

from nlapi.errors import UsageError
from nlapi.openapi.egress import ForbiddenAddressError, NetworkScope, is_allowed


class PoolTransport(httpx2.AsyncBaseTransport):
    """A transport over a pool; httpx2 takes no network backend itself."""

    def __init__(self, pool: httpcore2.AsyncConnectionPool) -> None:
        self._pool = pool

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._pool.handle_async_request(
            httpcore2.Request(
                request.method,
                httpcore2.URL(
                    scheme=request.url.raw_scheme,
                    host=request.url.raw_host,
                    port=request.url.port,
                    target=request.url.raw_path,
                ),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx2.Response(
            response.status,
            headers=response.headers,
            stream=_ResponseBody(response),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        await self._pool.aclose()


class _ResponseBody(httpx2.AsyncByteStream):
    """The body of a response of httpcore2, as httpx2 reads it."""

    def __init__(self, response: httpcore2.Response) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._response.aiter_stream():
            yield chunk

    async def aclose(self) -> None:
        await self._response.aclose()


# In seconds, for each address of a name but the last. The resolver sorts them by what is reachable (RFC 6724), so that
# a second attempt is rare.
ADDRESS_TIMEOUT = 3.0


class CheckedBackend(httpcore2.AsyncNetworkBackend):
    """A network backend that looks a name up once, and connects to those of its addresses that are in `scope`.

    A second lookup by the socket could lead elsewhere (DNS rebinding).
    """

    def __init__(self, scope: NetworkScope) -> None:
        self._inner = httpcore2.AnyIOBackend()
        self._scope = scope

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - as httpcore2 declares it
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        options: dict[str, Any] = {"local_address": local_address, "socket_options": socket_options}
        if self._scope is NetworkScope.ANY:
            return await self._inner.connect_tcp(host, port, timeout, **options)
        *others, last = await self._allowed_addresses(host, port)
        for address in others:
            try:
                first = ADDRESS_TIMEOUT if timeout is None else min(timeout, ADDRESS_TIMEOUT)
                return await self._inner.connect_tcp(address, port, first, **options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                continue
        return await self._inner.connect_tcp(last, port, timeout, **options)

    async def _allowed_addresses(self, host: str, port: int) -> list[str]:
        loop = asyncio.get_running_loop()
        try:
            rows = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise httpcore2.ConnectError(str(error)) from error
        addresses = list(dict.fromkeys(str(row[4][0]) for row in rows))
        allowed = [address for address in addresses if is_allowed(address, self._scope)]
        if not allowed:
            raise ForbiddenAddressError(host, addresses[0])
        return allowed

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)


def open_pool(
    proxy: str, backend: httpcore2.AsyncNetworkBackend, ssl_context: ssl.SSLContext | None
) -> httpcore2.AsyncConnectionPool:
    """Return a pool of connections, through `proxy` where it is not "". UsageError for a proxy that is not HTTP.

    A proxy looks up the names of hosts itself, so the scope of the backend of its pool is that of the proxy's address.
    """
    if not proxy:
        return httpcore2.AsyncConnectionPool(ssl_context=ssl_context, keepalive_expiry=5.0, network_backend=backend)
    parts = urlsplit(proxy)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        message = f"a {parts.scheme} proxy is set, and nlapi only goes through http proxies"
        raise UsageError(message, hint="see NO_PROXY")
    user = (unquote(parts.username or "").encode(), unquote(parts.password or "").encode())
    url = httpcore2.URL(scheme=parts.scheme, host=parts.hostname, port=parts.port, target="/")
    return httpcore2.AsyncHTTPProxy(
        url,
        proxy_auth=user if parts.username else None,
        ssl_context=ssl_context,
        keepalive_expiry=5.0,
        network_backend=backend,
    )
