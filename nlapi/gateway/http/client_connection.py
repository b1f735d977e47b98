"""The connection of a waiting client as an answer sees it: streams events to it, and ends a call when it is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from functools import lru_cache
from typing import TypeVar

from nlapi.gateway.inference import ClientConnection, FailureKind, UpstreamError
from nlapi.gateway.shards.call_headers import VERSION_HEADER
from nlapi.routing.model import VersionRef
from nlapi.serving import Receive, Send

T = TypeVar("T")

EVENT_STREAM = "text/event-stream"
ABORT_EXTENSION = "nlapi.abort"
"""the ASGI extension whose `abort` closes a connection without sending what is buffered"""
# Seconds for the last events. A client that reads takes milliseconds, and one that has stopped would be held for ever.
LAST_SEND_TIMEOUT_S = 10.0


class AsgiConnection:
    """A ClientConnection over ASGI, once the body of the request was read."""

    def __init__(
        self,
        receive: Receive,
        send: Send,
        headers: Sequence[tuple[bytes, bytes]],
        *,
        abort: Callable[[], None] | None = None,
        last_send_timeout_s: float = LAST_SEND_TIMEOUT_S,
    ) -> None:
        self._abort = abort
        self._last_send_timeout_s = last_send_timeout_s
        self._is_finished = False
        self._receive = receive
        self._send = send
        self._headers = headers
        self.wants_stream = False
        self.started = False
        self.request_id = ""
        self.rate_limit = ""

    async def start(self, version: VersionRef) -> None:
        """Send the head of a stream of events that `version` answers."""
        headers = [
            (b"content-type", EVENT_STREAM.encode()),
            *self._headers,
            (b"x-accel-buffering", b"no"),  # proxies such as nginx would collect events
            (b"x-request-id", self.request_id.encode("latin-1")),
            (VERSION_HEADER.lower().encode(), str(version).encode("latin-1", "replace")),
        ]
        if self.rate_limit:
            headers.append((b"ratelimit", self.rate_limit.encode()))
        self.started = True
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})

    async def send(self, events: bytes) -> None:
        """Send whole events; wait while the client does not read."""
        await self._send({"type": "http.response.body", "body": events, "more_body": True})

    async def finish(self, events: bytes = b"") -> None:
        """Send the last events and the end of the stream, once; abort the connection of a client that does not read."""
        if self._is_finished:
            return
        self._is_finished = True
        try:
            async with asyncio.timeout(self._last_send_timeout_s):
                if events:
                    await self.send(events)
                await self._send({"type": "http.response.body", "body": b""})
        except TimeoutError:
            if self._abort is None:
                raise
            self._abort()

    async def wait_closed(self) -> None:
        """Wait until the client has gone away."""
        while (await self._receive())["type"] != "http.disconnect":
            pass


async def run_while_connected(connection: ClientConnection, work: Coroutine[object, object, T]) -> T:
    """Return the result of `work`, which is cancelled when the client goes away. Failed with CANCELED then."""
    task = asyncio.ensure_future(work)
    watcher = asyncio.ensure_future(connection.wait_closed())
    try:
        await asyncio.wait((task, watcher), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            task.cancel()
        try:
            return await task
        except asyncio.CancelledError:
            raise UpstreamError(FailureKind.CANCELED, "the client went away", executed=True) from None
    finally:
        watcher.cancel()
        task.cancel()
        await asyncio.gather(watcher, task, return_exceptions=True)


@lru_cache(maxsize=256)
def accepts(accept: str, media_type: str) -> bool:
    """Return whether an Accept header takes a media type (RFC 9110 §12.5.1); one with a quality of 0 is not taken."""
    ranges = ("*/*", f"{media_type.partition('/')[0]}/*", media_type)
    for item in accept.lower().split(","):
        name, *parameters = (part.strip() for part in item.split(";"))
        qualities = [value.strip() for key, _, value in (text.partition("=") for text in parameters) if key == "q"]
        if name in ranges and not (qualities and qualities[0].rstrip("0") in ("", "0.", ".")):
            return True
    return False
