"""Limits on the size and the duration of an incoming HTTP request, at the level of the connection."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from nlapi.gateway.problem import GatewayProblem

# Bytes of the request line and the headers. uvicorn with httptools has no limit and keeps all that arrives.
MAX_HEAD_BYTES = 64 * 2**10
# Seconds until a whole request with its body has arrived, and until a new connection sends its first request: uvicorn
# waits for ever for a client that sends a byte now and then.
READ_TIMEOUT_S = 60.0


class ServerProtocol(HttpToolsProtocol):
    """uvicorn's protocol with limits on the size of a request's head and on the time that it takes.

    Its refusals are problem details, as all refusals of the gateway are.
    """

    checks_waited = 0
    """number of checks of `Patience` since the request or the connection began"""
    _is_reading = True
    """whether part of a request is still to arrive"""
    _head_bytes = 0
    """approximate number of bytes of an incomplete head; -1 while the body arrives"""
    _has_begun = False
    """whether a request began in the last bytes that arrived"""

    @property
    def awaits_client(self) -> bool:
        """Whether the client has to send, and not the gateway to answer."""
        return self._is_reading and not self.pipeline and not (self._head_bytes >= 0 and self._is_answering())

    def on_message_begin(self) -> None:
        self._is_reading = self._has_begun = True
        self.checks_waited = self._head_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._head_bytes = -1
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._is_reading = False
        self._head_bytes = 0
        super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        self._has_begun = False
        super().data_received(data)
        if self._is_reading and self._head_bytes >= 0:
            # The bytes may hold the end of the request before; they are not counted against the new one.
            self._head_bytes += 1 if self._has_begun else len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                hint = f"{MAX_HEAD_BYTES // 1024} KiB are the most"
                self._send_problem(GatewayProblem(431, "the request's head is too long", code="long_header", hint=hint))

    def send_400_response(self, msg: str) -> None:
        """Refuse bytes that are not HTTP/1.1."""
        self._send_problem(GatewayProblem(400, "this is no request of HTTP/1.1", code="malformed_request"))

    def close_slow(self) -> None:
        """Close a connection that took too long, with a 408 when a request has begun."""
        if self._head_bytes > 0:
            self._send_problem(GatewayProblem(408, "the request did not arrive in time", code="too_slow"))
        else:
            self.transport.close()

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _send_problem(self, problem: GatewayProblem) -> None:
        if self._head_bytes >= 0 and self._is_answering():
            # Pipelined: the answer to the earlier request has to come first, and then the connection closes.
            self.cycle.keep_alive = False
            return
        if self.transport.is_closing():
            return
        document = problem.as_dict()
        content = orjson.dumps(document)
        head = (
            f"HTTP/1.1 {problem.status} {document['title']}\r\ncontent-type: application/problem+json\r\n"
            f"content-length: {len(content)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode("ascii") + content)
        self.transport.close()


class ConnectionTimeouts:
    """A periodic check of all connections that closes those that took too long."""

    # One task for all connections, and not a timer for each request: a request costs nothing.

    CHECKS_PER_TIMEOUT = 4

    def __init__(self, connections: Iterable[Any], read_s: float) -> None:
        self._connections: Iterable[ServerProtocol] = connections
        self._interval_s = read_s / self.CHECKS_PER_TIMEOUT

    async def watch(self) -> None:
        while True:
            await asyncio.sleep(self._interval_s)
            for connection in list(self._connections):
                if connection.awaits_client:
                    connection.checks_waited += 1
                    if connection.checks_waited > self.CHECKS_PER_TIMEOUT:
                        connection.close_slow()
