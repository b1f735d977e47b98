"""Network connections that limit the bytes before a body and remember the last bytes read."""

from __future__ import annotations

from typing import Any

import httpcore2

# In bytes. A hostile server sends headers, or `100 Continue`, without end.
MAX_HEAD = 256 * 1024


class NetworkBackend(httpcore2.AsyncNetworkBackend):
    """httpcore2's own network backend with a `Stream` around each connection."""

    def __init__(self) -> None:
        self._inner = httpcore2.AnyIOBackend()

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

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
