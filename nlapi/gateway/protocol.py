"""The server's side of a connection: what a request may take in size and in time before it is one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from nlapi.gateway.problem import Problem

LARGEST_HEAD = 64 * 2**10
"""Bytes of a request's line and headers."""
READ_S = 60.0
"""Seconds that a whole request, its body included, may take to arrive; and a new connection to send one."""


class Protocol(HttpToolsProtocol):
    """uvicorn's, which lets a head grow for ever and waits for ever for the rest of a request.

    What it refuses by itself is a problem as everything else is.
    """

    waited = 0
    """looks of `Patience` since the request began, or the connection"""
    _reading = True
    """is part of a request still to come?"""
    _head = 0
    """bytes of a request's head that came while it was not whole, about; -1 in its body"""
    _begun = False
    """did a request begin in the bytes that came last?"""

    @property
    def waits(self) -> bool:
        """Is it for the client to send, and not for us to answer?"""
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
            self._head += 1 if self._begun else len(data)  # what came before its beginning is no part of it
            if self._head > LARGEST_HEAD:
                hint = f"{LARGEST_HEAD // 1024} KiB are the most"
                self._refuse(Problem(431, "the request's head is too long", code="long_header", hint=hint))

    def send_400_response(self, msg: str) -> None:
        """For what is no HTTP/1."""
        self._refuse(Problem(400, "this is no request of HTTP/1.1", code="malformed_request"))

    def give_up(self) -> None:
        """Close a connection that took too long; with an answer when a request was begun."""
        if self._head > 0:
            self._refuse(Problem(408, "the request did not arrive in time", code="too_slow"))
        else:
            self.transport.close()

    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _refuse(self, problem: Problem) -> None:
        if self._head >= 0 and self._answering():
            self.cycle.keep_alive = False  # the answer to the request before comes first, and is the last
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
    """Looks at the connections now and then, which costs a request nothing, and closes those that took too long."""

    LOOKS = 4

    def __init__(self, connections: Iterable[Any], read_s: float) -> None:
        self._connections = connections
        self._every_s = read_s / self.LOOKS

    async def watch(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            for one in list(self._connections):
                if one.waits:
                    one.waited += 1
                    if one.waited > self.LOOKS:
                        one.give_up()
