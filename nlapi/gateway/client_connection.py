"""The connection of a waiting client as an answer sees it: streams events to it, and ends a call when it is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

from nlapi.gateway.inference import ClientConnection, FailureKind, UpstreamError
from nlapi.routing.model import VersionRef
from nlapi.serving import Receive, Send

T = TypeVar("T")

EVENT_STREAM = "text/event-stream"


class AsgiConnection:
    """A ClientConnection over ASGI, once the body of the request was read."""

    def __init__(self, receive: Receive, send: Send, headers: list[tuple[bytes, bytes]]) -> None:
        self._receive = receive
        self._send = send
        self._headers = headers
        self.wants_stream = False
        self.started = False
        self.request_id = ""

    async def start(self, version: VersionRef) -> None:
        """Send the head of a stream of events that `version` answers."""
        headers = [
            (b"content-type", EVENT_STREAM.encode()),
            *self._headers,
            (b"x-accel-buffering", b"no"),  # proxies such as nginx would collect events
            (b"x-request-id", self.request_id.encode("latin-1")),
            (b"nlapi-version", str(version).encode("latin-1", "replace")),
        ]
        self.started = True
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})

    async def send(self, events: bytes) -> None:
        """Send whole events; wait while the client does not read."""
        await self._send({"type": "http.response.body", "body": events, "more_body": True})

    async def finish(self) -> None:
        """Send the end of the stream."""
        await self._send({"type": "http.response.body", "body": b""})

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
