"""Serves MCP over standard input and output, which nothing else in the process can reach meanwhile."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, cast

import anyio
from mcp.server.lowlevel.server import Server
from mcp.server.stdio import stdio_server

MAX_LINE = 32 * 1024 * 1024
"""Bytes of one message; a longer one ends the connection."""


async def serve(server: Server[Any]) -> None:
    """Serve one client until it closes standard input, or until SIGINT or SIGTERM."""
    if sys.platform == "win32":  # where an event loop cannot wait for pipes that it did not open
        async with stdio_server() as (read, write):
            await server.run(read, write, server.create_initialization_options())
        return
    with _wire() as (source, sink), anyio.CancelScope() as scope, on_signal(scope.cancel):
        lines, out = _lines(await _reader(source)), await _out(sink)
        async with stdio_server(cast(Any, lines), cast(Any, out)) as (read, write):
            await server.run(read, write, server.create_initialization_options())


@contextmanager
def on_signal(stop: Callable[[], None]) -> Iterator[None]:
    """SIGINT and SIGTERM call `stop` in here, instead of ending the process in the middle of something."""
    loop, names = asyncio.get_running_loop(), (signal.SIGINT, signal.SIGTERM)
    with suppress(NotImplementedError):  # on Windows, where Ctrl-C is a KeyboardInterrupt
        for name in names:
            loop.add_signal_handler(name, stop)
    try:
        yield
    finally:
        with suppress(NotImplementedError):
            for name in names:
                loop.remove_signal_handler(name)


@contextmanager
def _wire() -> Iterator[tuple[Any, Any]]:
    """The two streams, taken from everybody else: what is printed goes to standard error, what is read is nothing."""
    sys.stdout.flush()
    source, sink, nothing = os.dup(0), os.dup(1), os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    try:
        with os.fdopen(source, "rb", buffering=0) as reading, os.fdopen(sink, "wb", buffering=0) as writing:
            yield reading, writing
    finally:
        os.set_blocking(2, True)  # of a terminal all streams are one


async def _reader(source: Any) -> asyncio.StreamReader:
    """Standard input in the event loop. A thread that waits in a read could not be ended."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=MAX_LINE, loop=loop)
    if _can_wait(source):
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader, loop=loop), source)
    else:
        reader.feed_data(source.read())
        reader.feed_eof()
    return reader


def _can_wait(stream: Any) -> bool:
    """Can the event loop wait for it? A file, or /dev/null, has all that it will ever have."""
    mode = os.fstat(stream.fileno()).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stream.isatty()


async def _lines(reader: asyncio.StreamReader) -> AsyncIterator[str]:
    with suppress(ValueError):  # longer than MAX_LINE
        while line := await reader.readline():
            if line.strip():
                yield line.decode("utf-8", "replace")


async def _out(sink: Any) -> _Out:
    if not _can_wait(sink):
        return _Out(sink)
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, sink)
    return _Out(asyncio.StreamWriter(transport, protocol, None, loop))


class _Out:
    """Standard output as the SDK writes to it. A client that has gone is noticed at standard input."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def write(self, text: str) -> None:
        self._stream.write(text.encode("utf-8", "replace"))

    async def flush(self) -> None:
        if isinstance(self._stream, asyncio.StreamWriter):
            with suppress(ConnectionError):
                await self._stream.drain()
