"""The HTTP server in front of the gateway's application: uvicorn on httptools and uvloop."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import uvicorn

from nlapi.errors import UsageError
from nlapi.gateway.protocol import READ_TIMEOUT_S, ConnectionTimeouts, ServerProtocol
from nlapi.serving import Message, Send, open_listener

HOST = "127.0.0.1"
"""the default host: loopback only"""

PORT = 8700
DRAIN_TIMEOUT_S = 30
"""seconds that requests in flight have to end"""

# Seconds in which open connections are answered with `Connection: close`. Closing them unannounced lost a request on
# each of eight busy connections (docs/design/012-serving-engine.md).
CLOSE_NOTICE_S = 1.0

START_TIMEOUT_S = 60.0
BACKLOG = 2048


def serve(
    app: Any, *, host: str = HOST, port: int = PORT, ready: Callable[[str], None] | None = None, drain_s: int = DRAIN_TIMEOUT_S
) -> None:
    """Serve until SIGTERM or Ctrl-C, then finish the requests in flight and end the application's lifespan.

    `ready` is called with the base URL when the server accepts requests. Port 0 is any free port. UsageError when the
    port is in use.
    """
    draining_app = _DrainingApp(app)
    with open_listener(host, port) as (listener, url):
        listener.listen(BACKLOG)
        server = _GatewayServer(_build_config(draining_app, drain_s), on_ready=lambda: ready(url) if ready else None, draining_app=draining_app)
        server.run(sockets=[listener])


@contextmanager
def run_in_thread(app: Any, *, port: int = 0, drain_s: int = DRAIN_TIMEOUT_S, read_s: float = READ_TIMEOUT_S) -> Iterator[str]:
    """Run a server on loopback in a thread while the block lasts, and give its base URL."""
    is_ready = threading.Event()
    with open_listener(HOST, port) as (listener, url):
        listener.listen(BACKLOG)
        server = _GatewayServer(_build_config(app, drain_s), on_ready=is_ready.set, read_s=read_s)
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
            thread.join(2 * drain_s + START_TIMEOUT_S)


class _DrainingApp:
    """An ASGI application that adds `Connection: close` to its answers once `now` is set (RFC 9112 §9.6)."""

    # A connection that closes unannounced loses the request that is on its way; the header sends clients elsewhere.
    def __init__(self, app: Any) -> None:
        self._app = app
        self.is_draining = False

    async def __call__(self, scope: Message, receive: Any, send: Send) -> None:
        if not self.is_draining or scope["type"] != "http":
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
        draining_app: _DrainingApp | None = None,
        read_s: float = READ_TIMEOUT_S,
    ) -> None:
        super().__init__(config)
        self._on_ready = on_ready
        self._draining_app = draining_app
        self._timeouts = ConnectionTimeouts(self.server_state.connections, read_s)
        self._watch_task: asyncio.Task[None] | None = None

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._draining_app:
            self._draining_app.is_draining = True
            # The listener closes first: going on to accept meanwhile lost seven requests.
            for listener in (*self.servers, *(sockets or ())):
                listener.close()
            deadline = time.monotonic() + CLOSE_NOTICE_S
            connections = self.server_state.connections
            while connections and time.monotonic() < deadline and not self.force_exit:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.02)
        await super().shutdown(sockets=sockets)
        if self._watch_task:
            self._watch_task.cancel()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            self._watch_task = asyncio.create_task(self._timeouts.watch(), name="patience")
            self._on_ready()


def _build_config(app: Any, drain_s: int) -> uvicorn.Config:
    # Measured, us of CPU a request of an application that answers JSON: httptools + uvloop 37, granian + uvloop 86,
    # h11 + asyncio 127.
    return uvicorn.Config(
        app,
        http=ServerProtocol,
        loop=_loop_name(),
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="error",  # a warning for each invalid request would let anybody fill the log
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=drain_s,
        backlog=BACKLOG,
    )


def _loop_name() -> str:
    with suppress(ImportError):  # uvloop does not exist for Windows
        import uvloop  # noqa: F401

        return "uvloop"
    return "asyncio"
