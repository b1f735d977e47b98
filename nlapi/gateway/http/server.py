"""Serves the gateway's application over HTTP by uvicorn, under limits on the size and duration of each request."""

from __future__ import annotations

import asyncio
import re
import socket
import sys
import threading
import time
from array import array
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import httptools
import orjson
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from nlapi.errors import UsageError
from nlapi.gateway.http.client_connection import ABORT_EXTENSION
from nlapi.gateway.http.probes import ProbeApp, StartingApp
from nlapi.gateway.http.problems import GatewayProblem
from nlapi.gateway.http.tls import ServerCertificate
from nlapi.serving import Message, Send, open_listener
from nlapi.system import handle_signals, raise_file_limit

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
        # A trailer is not a header (RFC 9110 §6.5.1): proxies that remove a header from a request leave the trailer.
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
        self._send_problem(GatewayProblem(400, "this is not a request of HTTP/1.1", code="malformed_request"))

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
        """Close the connection after the pending output, and drop further input."""
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
    return max(16, min(MAX_CONNECTIONS, raise_file_limit(MAX_CONNECTIONS + RESERVED_FILES) - RESERVED_FILES))


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
        # At once: with an answer, the client would hold it for some seconds more.
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


HOST = "127.0.0.1"
"""the default host: loopback only"""

PORT = 8700


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerTimeouts:
    """The times in seconds that a server grants its clients and itself."""

    # Longer than the 60 s of nginx (`keepalive_timeout` of an upstream) and of AWS's load balancers: if the server
    # closes first, a proxy sends a request into a connection that is already closed, and answers with a 502.
    keep_alive_s: float = 75.0
    """until a connection without a request closes"""
    # uvicorn waits for ever for a client that sends a byte now and then.
    read_s: float = 60.0
    """until a whole request with its body has arrived, and until a new connection sends its first request"""
    drain_s: float = 30.0
    """until requests in flight are cancelled when the server stops"""
    drain_delay_s: float = 0.0
    """how long a server that stops still accepts connections while its readiness probe fails"""


DEFAULT_TIMEOUTS = ServerTimeouts()

# Seconds in which open connections are answered with `Connection: close`. Closing them unannounced lost a request on
# each of eight busy connections (docs/design/012-serving-engine.md).
CLOSE_NOTICE_S = 1.0
# Seconds between two looks whether all probes are answered that came before the gateway was there.
HAND_OVER_CHECK_S = 0.005
# Turns of the event loop until a connection that was accepted has its transport and protocol: asyncio takes four.
ACCEPT_STEPS = 20

# Seconds after which a thread that computes leaves the interpreter to one that waits; Python's own are 0.005. While a
# thread checks and compiles a change without pause, the event loop is 0.4 ms late in the median in place of 9
# (docs/design/033-change-at-scale.md).
SWITCH_INTERVAL_S = 0.0002

START_TIMEOUT_S = 60.0
BACKLOG = 2048


def serve(
    app: Any,
    *,
    host: str = HOST,
    port: int = PORT,
    ready: Callable[[str], None] | None = None,
    timeouts: ServerTimeouts = DEFAULT_TIMEOUTS,
    probe_listener: socket.socket | None = None,
    on_drain: Callable[[], None] = lambda: None,
    certificate: ServerCertificate | None = None,
    on_bound: Callable[[str], None] = lambda url: None,
    before_close: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Serve until SIGTERM or Ctrl-C, then finish the requests in flight and end the application's lifespan.

    `on_bound` is called with the base URL before the application starts, `ready` when the server accepts requests,
    `on_drain` when it begins to stop, and `before_close` is awaited while it still accepts.
    `probe_listener` answers probes alone, from before the start of the application until its end.
    Port 0 is any free port. A server with a `certificate` speaks TLS, and SIGHUP reloads it. UsageError when a port is
    in use.
    """
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    draining_app = _DrainingApp(app)
    scheme = "https" if certificate else "http"
    with open_listener(host, port, scheme=scheme) as (listener, url):
        listener.listen(BACKLOG)
        on_bound(url)
        server = _GatewayServer(
            _build_config(draining_app, timeouts, certificate=certificate),
            on_ready=lambda: ready(url) if ready else None,
            draining_app=draining_app,
            on_drain=on_drain,
            timeouts=timeouts,
            certificate=certificate,
            before_close=before_close,
            probes=ProbeServer(app, probe_listener, timeouts) if probe_listener else None,
        )
        server.run(sockets=[listener])


@contextmanager
def run_in_thread(
    app: Any,
    *,
    port: int = 0,
    timeouts: ServerTimeouts = DEFAULT_TIMEOUTS,
    certificate: ServerCertificate | None = None,
    on_drain: Callable[[], None] = lambda: None,
) -> Iterator[str]:
    """Run a server on loopback in a thread while the block lasts, and give its base URL; `on_drain` as for `serve`."""
    is_ready = threading.Event()
    with open_listener(HOST, port, scheme="https" if certificate else "http") as (listener, url):
        listener.listen(BACKLOG)
        config = _build_config(app, timeouts, certificate=certificate)
        server = _GatewayServer(
            config, on_ready=is_ready.set, timeouts=timeouts, certificate=certificate, on_drain=on_drain
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="gateway", daemon=True)
        thread.start()
        deadline = time.monotonic() + START_TIMEOUT_S
        while not is_ready.wait(0.05):
            if not thread.is_alive() or time.monotonic() > deadline:
                raise UsageError("the gateway did not start", hint="its log says why")
        try:
            yield url
        finally:
            server.should_exit = True
            # uvicorn waits drain_s for its requests, then the engine as long for its copies, then workers have to end.
            thread.join(2 * timeouts.drain_s + START_TIMEOUT_S)


class ProbeServer:
    """A second listener in the server's event loop that answers probes alone."""

    # In the same loop: a loop that hangs, as in a stage that never ends, has to fail the liveness probe too.

    def __init__(self, app: Any, listener: socket.socket, timeouts: ServerTimeouts) -> None:
        self._config = _build_config(ProbeApp(app), timeouts, lifespan=False)
        self._listener = listener
        self._state = ServerState()
        self._timeouts = ConnectionTimeouts(self._state.connections, timeouts.read_s)
        self._server: asyncio.Server | None = None
        self._watch_task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._config.load()
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._create_protocol, sock=self._listener)
        self._watch_task = asyncio.create_task(self._timeouts.watch(), name="probe time-outs")

    def close(self) -> None:
        if self._watch_task and self._server:
            self._watch_task.cancel()
            self._server.close()
        for connection in list(self._state.connections):
            connection.shutdown()

    async def hand_over(self) -> None:
        """Accept no more connections, answer those that are open, and close."""
        if self._server:
            # `Server.close` drops connections that were accepted and have no transport yet, which resets them.
            with suppress(NotImplementedError):  # the loop of Windows has no readers
                for listener in self._server.sockets:
                    asyncio.get_running_loop().remove_reader(listener.fileno())
            for _ in range(ACCEPT_STEPS):
                await asyncio.sleep(0)
            self._server.close()
        deadline = time.monotonic() + CLOSE_NOTICE_S
        while self._state.connections and time.monotonic() < deadline:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(HAND_OVER_CHECK_S)
        self.close()

    def _create_protocol(self) -> ServerProtocol:
        return ServerProtocol(config=self._config, server_state=self._state, app_state={})


class _DrainingApp:
    """An ASGI application that adds `Connection: close` to its answers once `is_closing` is set (RFC 9112 §9.6)."""

    # A connection that closes unannounced loses the request that is on its way; the header sends clients elsewhere.
    def __init__(self, app: Any) -> None:
        self._app = app
        self.is_closing = False

    async def __call__(self, scope: Message, receive: Any, send: Send) -> None:
        if not self.is_closing or scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_closing(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
            await send(message)

        await self._app(scope, receive, send_closing)


class _GatewayServer(uvicorn.Server):
    """A uvicorn server that reports when it is ready and tells its clients before it stops."""

    def __init__(
        self,
        config: uvicorn.Config,
        *,
        on_ready: Callable[[], None],
        timeouts: ServerTimeouts,
        draining_app: _DrainingApp | None = None,
        on_drain: Callable[[], None] = lambda: None,
        certificate: ServerCertificate | None = None,
        probes: ProbeServer | None = None,
        before_close: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        super().__init__(config)
        self._before_close = before_close
        self._on_ready = on_ready
        self._draining_app = draining_app
        self._on_drain = on_drain
        self._probes = probes
        self._drain_delay_s = timeouts.drain_delay_s
        self._timeouts = ConnectionTimeouts(self.server_state.connections, timeouts.read_s)
        self._certificate = certificate
        self._watch_tasks: list[asyncio.Task[None]] = []

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._on_drain()
        if self._draining_app:
            await self._wait(self._drain_delay_s, lambda: True)
            if self._before_close is not None:
                await self._before_close()
            self._draining_app.is_closing = True
            # The listener closes first: connections accepted meanwhile lost seven requests.
            for listener in (*self.servers, *(sockets or ())):
                listener.close()
            await self._wait(CLOSE_NOTICE_S, lambda: bool(self.server_state.connections))
        await super().shutdown(sockets=sockets)
        for task in self._watch_tasks:
            task.cancel()
        if self._probes:
            self._probes.close()

    async def _wait(self, seconds: float, is_needed: Callable[[], bool]) -> None:
        """Wait as long as it is needed and nobody insists (a second Ctrl-C), for some seconds at most."""
        deadline = time.monotonic() + seconds
        while is_needed() and time.monotonic() < deadline and not self.force_exit:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.02)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        # Before the application: its start loads the versions, and the readiness probe has to report it.
        if self._probes:
            await self._probes.start()
        await super().startup(sockets=sockets)
        if self.started:
            self._watch_tasks.append(asyncio.create_task(self._timeouts.watch(), name="time-outs"))
            if self._certificate:
                self._watch_tasks.append(asyncio.create_task(self._certificate.watch(), name="certificate"))
                handle_signals(asyncio.get_running_loop(), ("SIGHUP",), self._certificate.reload)
            self._on_ready()


def _build_config(
    app: Any, timeouts: ServerTimeouts, *, lifespan: bool = True, certificate: ServerCertificate | None = None
) -> uvicorn.Config:
    # Measured, us of CPU a request of an application that answers JSON: httptools + uvloop 37, granian + uvloop 86,
    # h11 + asyncio 127.
    return uvicorn.Config(
        app,
        http=ServerProtocol,
        loop=_loop_name(),
        ws="none",
        lifespan="on" if lifespan else "off",
        log_config=None,
        log_level="error",  # a warning for each invalid request would let anybody fill the log
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=timeouts.keep_alive_s,  # type: ignore[arg-type]  # a delay of loop.call_later
        timeout_graceful_shutdown=timeouts.drain_s,  # type: ignore[arg-type]  # a timeout of asyncio
        backlog=BACKLOG,
        ssl_context_factory=(lambda _config, _default: certificate.context) if certificate else None,
    )


def _loop_name() -> str:
    with suppress(ImportError):  # uvloop does not exist for Windows
        import uvloop  # noqa: F401

        return "uvloop"
    return "asyncio"


class StartingProbes:
    """The listener of a port for probes, which a thread answers until `take`."""

    # In a thread: a database of 400 revisions of 5,000 rules takes minutes to migrate, in which no event loop runs.

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="starting-probes", daemon=True)
        self._thread.start()

    def take(self) -> socket.socket:
        """Stop answering and return the listener, in which further probes wait."""
        self.stop()
        return self._listener

    def stop(self) -> None:
        """Stop answering."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()

    def _run(self) -> None:
        self._loop.run_until_complete(self._answer())
        self._loop.close()

    async def _answer(self) -> None:
        # A copy of the socket, as a server closes its own.
        probes = ProbeServer(StartingApp(), self._listener.dup(), DEFAULT_TIMEOUTS)
        await probes.start()
        await self._stopping.wait()
        await probes.hand_over()


@contextmanager
def open_probes(host: str, port: int | None) -> Iterator[StartingProbes | None]:
    """Yield a port that answers probes from now on, or None without a port. UsageError when the port is in use."""
    if port is None:
        yield None
        return
    with open_listener(host, port) as (listener, _):
        listener.listen(BACKLOG)
        probes = StartingProbes(listener)
        try:
            yield probes
        finally:
            probes.stop()
