"""Network connections that cap what comes before a body and remember what was read last."""

from __future__ import annotations

from typing import Any

import httpcore2

MAX_HEAD = 256 * 1024
"""Bytes that may come before the body; a hostile server sends headers or `100 Continue` without end."""


class Backend(httpcore2.AsyncNetworkBackend):
    """httpcore2's own network backend with a `Stream` around each connection."""

    def __init__(self) -> None:
        self._inner = httpcore2.AnyIOBackend()

    async def connect_tcp(self, *args: Any, **kwargs: Any) -> httpcore2.AsyncNetworkStream:
        return Stream(await self._inner.connect_tcp(*args, **kwargs))

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)


class Stream(httpcore2.AsyncNetworkStream):
    """A connection.

    The parser above it (h11) takes `100 Continue` for ever, and keeps to itself what follows the end of a body.
    """

    CHUNK = 64 * 1024

    def __init__(self, inner: httpcore2.AsyncNetworkStream) -> None:
        self._inner = inner
        self.in_head = True
        self._head = 0
        self._last = b""

    def ended_with(self, tail: bytes) -> bool:
        """Were these the last bytes that were read? `tail` is the end of a body, or all of a short one.

        Some old servers put a stray line break behind a body (RFC 9112 §2.2); it does no harm.
        """
        tail = tail[-len(self._last) :] or b"\n"
        return self._last.endswith(tail) or self._last.rstrip(b"\r\n").endswith(tail)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - as httpcore2 declares it
        data = await self._inner.read(min(max_bytes, self.CHUNK), timeout)
        self._last = data or self._last
        if self.in_head:
            self._head += len(data)
            if self._head > MAX_HEAD:
                raise httpcore2.RemoteProtocolError(f"more than {MAX_HEAD // 1024} KB came before the body")
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - as httpcore2 declares it
        self.in_head, self._head = True, 0
        await self._inner.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def start_tls(self, *args: Any, **kwargs: Any) -> httpcore2.AsyncNetworkStream:
        return Stream(await self._inner.start_tls(*args, **kwargs))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
