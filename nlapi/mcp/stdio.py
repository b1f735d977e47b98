"""MCP over standard input and output, closed to everything else in the process."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from io import FileIO
from typing import Any, cast

import anyio
from mcp.server.lowlevel.server import Server
from mcp.server.stdio import stdio_server
from mcp_types import INVALID_REQUEST

from nlapi.json_text import repeated_key
from nlapi.system import IS_WINDOWS, handle_signals

# In bytes of one message; a longer one ends the connection. asyncio's default of 64 KB is less than a body.
MAX_LINE = 32 * 1024 * 1024


async def serve(server: Server[Any]) -> None:
    """Serve one client until it closes standard input, or until SIGINT or SIGTERM."""
    if IS_WINDOWS:  # where an event loop cannot wait for pipes that it did not open
        async with stdio_server() as (read, write):
            await server.run(read, write, server.create_initialization_options())
        return
    with _take_over_streams() as (source, sink), anyio.CancelScope() as scope, on_signal(scope.cancel):
        reader, out = await _open_reader(source), await _open_output(sink)
        lines = _read_lines(reader, out)
        async with stdio_server(cast(Any, lines), cast(Any, out)) as (read, write):
            await server.run(read, write, server.create_initialization_options())


@contextmanager
def on_signal(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` at SIGINT and SIGTERM within the context, in place of ending the process in the middle of a call."""
    with ExitStack() as stack:
        stack.callback(handle_signals(asyncio.get_running_loop(), ("SIGINT", "SIGTERM"), stop))
        yield


@contextmanager
def _take_over_streams() -> Iterator[tuple[FileIO, FileIO]]:
    """Yield the two streams, and take them from everything else."""
    # A `print` anywhere, in a library too, would break the protocol: it goes to standard error, and a read gets
    # nothing.
    sys.stdout.flush()
    source, sink, null_device = os.dup(0), os.dup(1), os.open(os.devnull, os.O_RDONLY)
    os.dup2(null_device, 0)
    os.close(null_device)
    os.dup2(2, 1)
    try:
        with os.fdopen(source, "rb", buffering=0) as reading, os.fdopen(sink, "wb", buffering=0) as writing:
            yield reading, writing
    finally:
        os.set_blocking(2, True)  # on a terminal the three share one open file, which the event loop set non-blocking


async def _open_reader(source: FileIO) -> asyncio.StreamReader:
    """Return standard input as a stream of the event loop."""
    # The SDK's thread that waits in a read could not be ended, so SIGTERM would hang.
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=MAX_LINE, loop=loop)
    if _is_waitable(source):
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader, loop=loop), source)
    else:
        reader.feed_data(source.read())
        reader.feed_eof()
    return reader


def _is_waitable(stream: FileIO) -> bool:
    """Return whether the event loop can wait for a stream. A file, or /dev/null, has all its data at once."""
    mode = os.fstat(stream.fileno()).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stream.isatty()


async def _read_lines(reader: asyncio.StreamReader, out: _Output) -> AsyncIterator[str]:
    """Yield the messages of the client; one with a key twice is answered with an error."""
    with suppress(ValueError):  # longer than MAX_LINE
        while line := await reader.readline():
            text = line.decode("utf-8", "replace")
            if (error := repeated_key_error(text)) is not None:
                await out.write(f"{json.dumps(error)}\n")
                await out.flush()
            elif text.strip():
                yield text


def repeated_key_error(message: str | bytes) -> dict[str, Any] | None:
    """Return the JSON-RPC error for a message with a key twice in an object; None for any other.

    The SDK takes the last: a client that shows its person the first would have agreed to another call.
    """
    reason = repeated_key(message)
    if not reason:
        return None
    value = json.loads(message)
    id = value.get("id") if isinstance(value, dict) else None
    return {"jsonrpc": "2.0", "id": id, "error": {"code": INVALID_REQUEST, "message": f"{reason}; nothing was called"}}


async def _open_output(sink: FileIO) -> _Output:
    if not _is_waitable(sink):
        return _Output(sink)
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, sink)
    return _Output(asyncio.StreamWriter(transport, protocol, None, loop))


class _Output:
    """Standard output as the SDK writes to it. A client that has gone is noticed at standard input."""

    def __init__(self, stream: FileIO | asyncio.StreamWriter) -> None:
        self._stream = stream

    async def write(self, text: str) -> None:
        self._stream.write(text.encode("utf-8", "replace"))

    async def flush(self) -> None:
        if isinstance(self._stream, asyncio.StreamWriter):
            with suppress(ConnectionError):
                await self._stream.drain()
