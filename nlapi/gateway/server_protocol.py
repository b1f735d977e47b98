"""Reads HTTP/1.1 from connections for the gateway's server, under limits on what a request is and how long it takes."""

from __future__ import annotations

import asyncio
import re
from array import array
from collections.abc import Collection, Iterable
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any

import httptools
import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from nlapi.gateway.client_connection import ABORT_EXTENSION
from nlapi.gateway.problems import GatewayProblem

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application

# Bytes of the request line and the headers, and of what frames a body. uvicorn with httptools has no limit and keeps
# all that arrives.
MAX_HEAD_BYTES = 64 * 2**10
# Seconds and bytes for which what a refused client still sends is read and dropped: a connection that closes before
# is reset, and the client never sees why (RFC 9112 §9.6). A head of 10 MB was answered with a reset.
LINGER_S = 2.0
MAX_DROPPED_BYTES = 16 * 2**20
# Bytes that are parsed at once. A read of 256 KiB has 850 requests in it: to parse those of 300 connections held
# everybody up for 24 s.
PARSED_BYTES = 2048
PARSED_BODY_BYTES = 16384
# Requests of a connection that wait for the answers to those before.
MAX_PIPELINED = 1000

# Connections at once, where the system allows as many open files; each takes 5 KB.
MAX_CONNECTIONS = 10_000
# Files that are left for the database, for versions and shards.
RESERVED_FILES = 128

_ABSOLUTE_TARGET = re.compile(rb"https?://([^/?#]*)", re.IGNORECASE)
_VERSIONS = ("1.0", "1.1")


class RequestParser(httptools.HttpRequestParser):
    """A parser that ignores Upgrade, as a server may (RFC 9110 §7.8)."""

    # httptools takes the body of such a request for another protocol: a POST of Java's client, which offers h2c, lost
    # its body, and a body that came later was read as the next request (request smuggling).
    def __init__(self, protocol: ServerProtocol) -> None:
        super().__init__(protocol)
        self._protocol = protocol

    def feed_data(self, data: bytes | bytearray | memoryview | array[int]) -> None:
        # In a loop, as one read may have more of such requests than Python has levels of calls.
        while data:
            try:
                super().feed_data(data)
                break
            except httptools.HttpParserUpgrade as upgrade:
                data = self._protocol.head_without_upgrade() + bytes(data)[upgrade.args[0] :]


class ServerProtocol(HttpToolsProtocol):
    """uvicorn's protocol with limits on the size of a request's head and on the time that a client takes.

    Its refusals are problem details, as all refusals of the gateway are.
    """

    checks_waited = 0
    """number of checks of `ConnectionTimeouts` that the client has kept it waiting"""
    _is_reading = True
    """whether part of a request is still to arrive"""
    _is_body = False
    """whether the head of the request has arrived, and its body is still to come"""
    _framing_bytes = 0
    """approximate number of bytes of an incomplete head, or of what frames a body since its last part"""
    _has_progress = False
    """whether a head began or ended, or a part of a body came, in the last bytes that arrived"""
    _unsent_bytes = 0
    """number of bytes that the client had not taken at the last check"""
    _answered_cycle: RequestResponseCycle | None = None
    """the request that is being answered, or was last; `cycle` is the last that has arrived"""
    began_at = 0.0
    """the time of the event loop at which it was opened"""
    _dropped_bytes = -1
    """number of bytes that came after a refusal; -1 before it"""
    _held = b""
    """what has arrived and is not parsed yet from `_held_from` on: it is behind requests that wait for an answer"""
    _held_from = 0

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.parser = RequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.began_at = self.loop.time()
        if len(self.connections) > max_connections():
            close_idlest(self.connections - {self})

    def is_waiting(self) -> bool:
        """Return whether it has no request to answer: none has begun, or one whose rest is still to come."""
        return (
            not self.pipeline
            and not self._held
            and not self.transport.is_closing()
            and (not self._is_answering() or self._is_body)
        )

    def connection_lost(self, exc: Exception | None) -> None:
        # uvicorn tells the last request of a connection alone, and the one that is being answered writes into nothing.
        if self._answered_cycle is not None and not self._answered_cycle.response_complete:
            self._answered_cycle.disconnected = True
            self._answered_cycle.message_event.set()
        self.pipeline.clear()
        self._held = b""
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        self._is_reading = self._has_progress = True
        self._is_body = False
        self.checks_waited = self._framing_bytes = 0
        super().on_message_begin()
        self.scope["extensions"] = {ABORT_EXTENSION: {"abort": self.transport.abort}}

    def on_headers_complete(self) -> None:
        if self.parser.get_http_version() not in _VERSIONS or self.parser.get_method() == b"CONNECT":
            raise ValueError("another protocol, or a tunnel")  # uvicorn answers with `send_400_response`
        if self.parser.should_upgrade():
            return
        if not self.url.startswith(b"/"):
            self._take_host_of_target()
        self._is_body = self._has_progress = True
        super().on_headers_complete()
        # A trailer is no header (RFC 9110 §6.5.1): proxies that remove a header from a request leave the trailer.
        self.headers = []

    def on_body(self, body: bytes) -> None:
        self._has_progress = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        self._is_reading = self._is_body = False
        self._framing_bytes = 0
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answered_cycle = cycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        # uvicorn reads on after each answer: 490,000 requests of one client that read no answer took 1.1 GB.
        if self.pipeline or self._held:
            self.flow.pause_reading()
        if self._held and not self.pipeline:
            self.loop.call_soon(self._parse_held)

    def head_without_upgrade(self) -> bytes:
        """Return the head that was read last, without the header that asks for another protocol."""
        lines = [self.parser.get_method() + b" " + self.url + b" HTTP/" + self.parser.get_http_version().encode()]
        lines += [name + b": " + value for name, value in self.headers if name != b"upgrade"]
        return b"\r\n".join([*lines, b"", b""])

    def data_received(self, data: bytes) -> None:
        if self._dropped_bytes >= 0:
            self._dropped_bytes += len(data)
            if self._dropped_bytes > MAX_DROPPED_BYTES:
                self.transport.close()
            return
        if self._held:
            self._held = self._held[self._held_from :] + data
            self._held_from = 0
            self.flow.pause_reading()
        else:
            self._parse(data, 0)

    def _parse_held(self) -> None:
        """Parse what was held, once everything before it is answered."""
        if self.transport.is_closing():
            return
        held, self._held = self._held, b""
        if held.count(b"\r\n\r\n", self._held_from) >= MAX_PIPELINED:
            self._close_lingering()
            return
        self._parse(held, self._held_from)
        if not self._held and not self.pipeline:
            self.flow.resume_reading()

    def _parse(self, data: bytes, start: int) -> None:
        """Parse what has arrived, and hold what is behind a request that waits for the answer before it."""
        while start < len(data) and self._dropped_bytes < 0 and not self.transport.is_closing():
            if self.pipeline:
                self._held, self._held_from = data, start
                self.flow.pause_reading()
                return
            end = start + (PARSED_BODY_BYTES if self._is_body else PARSED_BYTES)
            self._parse_part(data[start:end])
            start = end

    def _parse_part(self, data: bytes) -> None:
        self._has_progress = False
        super().data_received(data)
        if self._is_reading:
            # Where there is progress, the bytes may be of a body or of the request before; they are not counted.
            self._framing_bytes = 1 if self._has_progress else self._framing_bytes + len(data)
            if self._framing_bytes > MAX_HEAD_BYTES:
                part = "trailer" if self._is_body else "head"
                hint = f"{MAX_HEAD_BYTES // 1024} KiB are the most"
                problem = GatewayProblem(431, f"the request's {part} is too long", code="long_header", hint=hint)
                self._send_problem(problem)

    def send_400_response(self, msg: str) -> None:
        """Refuse bytes that are not HTTP/1.1."""
        self._send_problem(GatewayProblem(400, "this is no request of HTTP/1.1", code="malformed_request"))

    def has_waited(self) -> bool:
        """Return whether the client has kept it waiting since the last check: for a request, or to take an answer."""
        unsent, self._unsent_bytes = self._unsent_bytes, self.transport.get_write_buffer_size()
        # A client that takes nothing holds its connection and its answer for ever, also after `transport.close`.
        if self._unsent_bytes:
            if self._unsent_bytes != unsent:
                self.checks_waited = 0
            return self._unsent_bytes == unsent
        return self._is_reading and not self.pipeline and not self._held and (self._is_body or not self._is_answering())

    def close_slow(self) -> None:
        """Close a connection that took too long, with a 408 when a request has begun."""
        if self._unsent_bytes:
            self.transport.abort()
        elif self._framing_bytes and not self._is_body:
            self._send_problem(GatewayProblem(408, "the request did not arrive in time", code="too_slow"))
        else:
            self.transport.close()

    def _take_host_of_target(self) -> None:
        """Make the host of a target in absolute form that of the request, whatever Host says (RFC 9112 §3.2.2)."""
        target = _ABSOLUTE_TARGET.match(self.url)
        if target is None:
            raise ValueError("a target of another form")
        self.headers[:] = [(name, target[1] if name == b"host" else value) for name, value in self.headers]

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _send_problem(self, problem: GatewayProblem) -> None:
        if not self._is_body and self._is_answering():
            # Pipelined: the answer to the earlier request has to come first, and then the connection closes.
            self.cycle.keep_alive = False
            return
        if self.transport.is_closing() or self._dropped_bytes >= 0:
            return
        if self._is_body and self.cycle.response_started:
            self.transport.close()
            return
        document = problem.as_dict()
        content = orjson.dumps(document)
        head = (
            f"HTTP/1.1 {problem.status} {document['title']}\r\ncontent-type: application/problem+json\r\n"
            f"content-length: {len(content)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode("ascii") + content)
        if self._is_body:
            self.transport.close()
        else:
            self._close_lingering()

    def _close_lingering(self) -> None:
        """Close the connection after what was written, and drop what the client still sends."""
        if not self.transport.can_write_eof():
            self.transport.close()
            return
        self._dropped_bytes = 0
        self.transport.write_eof()
        self.flow.resume_reading()
        self.loop.call_later(LINGER_S, self.transport.close)


@cache
def max_connections() -> int:
    """Return how many connections are taken at once: the process's limit of open files is raised as far as it goes."""
    with suppress(ImportError, ValueError, OSError):  # Windows has no such limit
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = MAX_CONNECTIONS + RESERVED_FILES
        if soft < wanted and soft != resource.RLIM_INFINITY:
            soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        return (
            MAX_CONNECTIONS if soft == resource.RLIM_INFINITY else max(16, min(MAX_CONNECTIONS, soft - RESERVED_FILES))
        )
    return MAX_CONNECTIONS


def close_idlest(connections: Collection[Any]) -> None:
    """Close a connection without a request to answer: the oldest of the address that has the most of them.

    So a client that opens connections and sends nothing, or parts of requests, loses its own. Behind a proxy all have
    one address, and those go which have waited the longest.
    """
    waiting: dict[str, list[ServerProtocol]] = {}
    for connection in connections:
        if connection.is_waiting():
            waiting.setdefault(connection.client[0] if connection.client else "", []).append(connection)
    if waiting:
        most = max(waiting.values(), key=lambda found: len(found))
        # At once: a client that is told why would hold it for some seconds more.
        min(most, key=lambda connection: connection.began_at).transport.close()


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
                if connection.has_waited():
                    connection.checks_waited += 1
                    if connection.checks_waited > self.CHECKS_PER_TIMEOUT:
                        connection.close_slow()
