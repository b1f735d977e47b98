"""The sign of a console of this user: MCP servers find its address, and ask there where their client can open it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
from contextlib import suppress

from nlapi.local_sockets import bind
from nlapi.mcp.terminal_questions import exchange, questions_folder
from nlapi.system import IS_WINDOWS

SUFFIX = ".console"

# In seconds: a console tells its address at once.
FIND_S = 2.0

# No other program's sign may lead a browser to another machine.
_HOST = re.compile(r"nlapi-[0-9a-f]{8}\.localhost|127\.0\.0\.1")


class ConsoleSign:
    """Tells the address of a console over a local socket, for as long as its process lives."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._path = questions_folder() / f"{os.getpid()}-{secrets.token_hex(4)}{SUFFIX}"
        self._server: asyncio.Server | None = None

    async def show(self) -> None:
        """Begin to tell it; where no socket can be, nobody finds the console by itself."""
        if IS_WINDOWS:
            return
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            listener = bind(self._path.parent, self._path.name)
            self._server = await asyncio.start_unix_server(self._tell, sock=listener)

    def close(self) -> None:
        """Tell it no more."""
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)

    async def _tell(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            await reader.readline()
            writer.write(json.dumps({"host": self._host, "port": self._port}).encode() + b"\n")
            await writer.drain()
        writer.close()


def console_url() -> str:
    """Return the address of a console of this user that runs, or ""."""
    for path in () if IS_WINDOWS else sorted(questions_folder().glob(f"*{SUFFIX}")):
        try:
            told = exchange(path, {}, FIND_S)
        except ConnectionRefusedError:  # its process has ended
            path.unlink(missing_ok=True)
            continue
        except (OSError, EOFError, ValueError):
            continue
        host, port = str(told.get("host")), told.get("port")
        if _HOST.fullmatch(host) and isinstance(port, int):
            return f"http://{host}:{port}"
    return ""
