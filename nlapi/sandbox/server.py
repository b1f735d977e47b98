"""Puts a web server in front of a Sandbox, on loopback unless told otherwise."""

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
from nlapi.serving import listening

READY_WITHIN = 20.0


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
    """A sandbox in a thread for as long as the `with` block lasts; ready when the block is entered.

    Port 0 takes a free one. UsageError when the address cannot be had.
    """
    with (
        Sandbox(spec, seed=seed, database=database, on_request=on_request) as sandbox,
        listening(host, port) as (listener, url),
    ):
        ready = threading.Event()
        server = _server(sandbox, ready.set)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), name="sandbox", daemon=True)
        thread.start()
        try:
            if not ready.wait(READY_WITHIN):
                raise NlapiError("the sandbox did not start", hint="try again, or another port")
            yield Running(url=url, sandbox=sandbox)
        finally:
            if ready.is_set():
                server.stop()
            thread.join(READY_WITHIN)


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
    """Serves until interrupted (KeyboardInterrupt goes through). `on_ready` is called with the URL once it answers."""
    with (
        Sandbox(spec, seed=seed, database=database, on_request=on_request) as sandbox,
        listening(host, port) as (listener, url),
    ):
        server = _server(sandbox, lambda: on_ready(url) if on_ready else None)
        asyncio.run(server.serve([listener]))


def _server(sandbox: Sandbox, on_ready: Callable[[], Any]) -> Any:
    """A quiet uvicorn server that says when it is ready, and stops at once when `stop` is called from any thread."""
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
            while not self.should_exit:  # a signal sets it too
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.woken.wait(), 0.1)

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            """As uvicorn's, without its pauses: requests under way get a second to finish."""
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
