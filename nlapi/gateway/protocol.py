"""Limits on the size and the duration of an incoming HTTP request, at the level of the connection."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from nlapi.gateway.problem import Problem

# Bytes of the request line and the headers. uvicorn with httptools has no limit and keeps all that arrives.
LARGEST_HEAD = 64 * 2**10
# Seconds until a whole request with its body has arrived, and until a new connection sends its first request: uvicorn
# waits for ever for a client that sends a byte now and then.
READ_S = 60.0


class Protocol(HttpToolsProtocol):
    """uvicorn's protocol with limits on the size of a request's head and on the time that it takes.

    Its refusals are problem details, as all refusals of the gateway are.
    """

    waited = 0
    """number of checks of `Patience` since the request or the connection began"""
    _reading = True
    """whether part of a request is still to arrive"""
    _head = 0
    """approximate number of bytes of an incomplete head; -1 while the body arrives"""
    _begun = False
    """whether a request began in the last bytes that arrived"""

    @property
    def waits(self) -> bool:
        """Whether the client has to send, and not the gateway to answer."""
        return self._reading and not self.pipeline and not (self._head >= 0 and self._answering())

    def on_message_begin(self) -> None:
        self._reading = self._begun = True
        self.waited = self._head = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._head = -1
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._reading = False
        self._head = 0
        super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        self._begun = False
        super().data_received(data)
        if self._reading and self._head >= 0:
            # The bytes may hold the end of the request before; they are not counted against the new one.
            self._head += 1 if self._begun else len(data)
            if self._head > LARGEST_HEAD:
                hint = f"{LARGEST_HEAD // 1024} KiB are the most"
                self._refuse(Problem(431, "the request's head is too long", code="long_header", hint=hint))

    def send_400_response(self, msg: str) -> None:
        """Refuse bytes that are not HTTP/1.1."""
        self._refuse(Problem(400, "this is no request of HTTP/1.1", code="malformed_request"))

    def give_up(self) -> None:
        """Close a connection that took too long, with a 408 when a request has begun."""
        if self._head > 0:
            self._refuse(Problem(408, "the request did not arrive in time", code="too_slow"))
        else:
            self.transport.close()

    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _refuse(self, problem: Problem) -> None:
        if self._head >= 0 and self._answering():
            # Pipelined: the answer to the earlier request has to come first, and then the connection closes.
            self.cycle.keep_alive = False
            return
        if self.transport.is_closing():
            return
        said = problem.as_dict()
        content = orjson.dumps(said)
        head = (
            f"HTTP/1.1 {problem.status} {said['title']}\r\ncontent-type: application/problem+json\r\n"
            f"content-length: {len(content)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode("ascii") + content)
        self.transport.close()


class Patience:
    """A periodic check of all connections that closes those that took too long."""

    # One task for all connections, and not a timer for each request: a request costs nothing.

    LOOKS = 4

    def __init__(self, connections: Iterable[Any], read_s: float) -> None:
        self._connections: Iterable[Protocol] = connections
        self._every_s = read_s / self.LOOKS

    async def watch(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            for one in list(self._connections):
                if one.waits:
                    one.waited += 1
                    if one.waited > self.LOOKS:
                        one.give_up()
