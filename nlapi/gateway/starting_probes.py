"""Answers probes before the gateway can: while its database is opened, brought up to date, and read."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from nlapi.gateway.probes import StartingApp
from nlapi.gateway.server import BACKLOG, DEFAULT_TIMEOUTS, ProbeServer
from nlapi.serving import open_listener


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
