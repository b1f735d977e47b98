"""Serves the gateway's application over HTTP by uvicorn, under limits on the size and duration of each request."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from nlapi.errors import UsageError
from nlapi.gateway.probes import ProbeApp
from nlapi.gateway.server_protocol import ConnectionTimeouts, ServerProtocol
from nlapi.gateway.tls import ServerCertificate
from nlapi.serving import Message, Send, open_listener

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
            # The listener closes first: going on to accept meanwhile lost seven requests.
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
        # Before the application: its start loads the versions, and is what the readiness probe has to tell of.
        if self._probes:
            await self._probes.start()
        await super().startup(sockets=sockets)
        if self.started:
            self._watch_tasks.append(asyncio.create_task(self._timeouts.watch(), name="time-outs"))
            if self._certificate:
                self._watch_tasks.append(asyncio.create_task(self._certificate.watch(), name="certificate"))
                with suppress(ValueError, RuntimeError, NotImplementedError, AttributeError):
                    # Only in the main thread, and not on Windows, which has no SIGHUP.
                    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._certificate.reload)
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
