"""A web server for a Sandbox, on loopback by default."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from nlapi.errors import NlapiError
from nlapi.openapi.spec import Spec
from nlapi.sandbox.app import OnRequest, Sandbox
from nlapi.serving import open_listener

# Seconds to start or stop. It takes a fraction of one; the rest is for a machine with all of its cores busy.
START_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A sandbox that answers at `url`."""

    url: str
    sandbox: Sandbox


@contextmanager
def running(
    spec: Spec,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    seed: int = 0,
    database: str = ":memory:",
    on_request: OnRequest | None = None,
) -> Iterator[Running]:
    """Run a sandbox in a thread while the `with` block lasts; it answers when the block is entered.

    Port 0 is any free port. UsageError when the address is in use.
    """
    with (
        Sandbox(spec, seed=seed, database=database, on_request=on_request) as sandbox,
        open_listener(host, port) as (listener, url),
    ):
        ready = threading.Event()
        server = _server(sandbox, ready.set)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), name="sandbox", daemon=True)
        thread.start()
        try:
            if not ready.wait(START_TIMEOUT_S):
                raise NlapiError("the sandbox did not start", hint="try again, or another port")
            yield Running(url=url, sandbox=sandbox)
        finally:
            if ready.is_set():
                server.stop()
            thread.join(START_TIMEOUT_S)


def serve(
    spec: Spec,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    seed: int = 0,
    database: str = ":memory:",
    on_ready: Callable[[str], None] | None = None,
    on_request: OnRequest | None = None,
) -> None:
    """Serve until KeyboardInterrupt, which is passed on. `on_ready` is called with the URL when it answers."""
    with (
        Sandbox(spec, seed=seed, database=database, on_request=on_request) as sandbox,
        open_listener(host, port) as (listener, url),
    ):
        server = _server(sandbox, lambda: on_ready(url) if on_ready else None)
        asyncio.run(server.serve([listener]))


def _server(sandbox: Sandbox, on_ready: Callable[[], Any]) -> Any:
    """Return a uvicorn server without logs that calls `on_ready`, and stops at once when any thread calls `stop`."""
    import uvicorn

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            self.loop = asyncio.get_running_loop()
            self.woken = asyncio.Event()
            on_ready()

        def stop(self) -> None:
            self.should_exit = True
            self.loop.call_soon_threadsafe(self.woken.set)

        async def main_loop(self) -> None:
            await self.on_tick(0)
            # uvicorn's own loop sleeps 0.1 s between two looks at should_exit, for which every test would wait. The
            # time-out is for a signal, which sets should_exit without waking this loop.
            while not self.should_exit:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.woken.wait(), 0.1)

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            """Close connections as uvicorn does, without its pauses; running requests have a second to finish."""
            for server in self.servers:
                server.close()
            for connection in list(self.server_state.connections):
                connection.shutdown()
            for _ in range(200):
                if not self.server_state.connections and not self.server_state.tasks:
                    break
                await asyncio.sleep(0.005)

    config = uvicorn.Config(
        sandbox,
        http="h11",
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        date_header=False,
    )
    return Server(config)
