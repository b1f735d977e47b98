"""A replica of a shard: a process that speaks the Open Inference Protocol v2 and JSON, and says its port on stdout."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A replica that answers at `url`."""

    url: str
    process: subprocess.Popen[str]

    def kill(self) -> None:
        """SIGKILL: nothing is said to anybody."""
        self.process.kill()
        self.process.wait()


@contextmanager
def replica(port: int = 0) -> Iterator[Running]:
    """A replica in a process of its own, killed at the end of the block."""
    command = [sys.executable, str(Path(__file__)), str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield Running(url=f"http://127.0.0.1:{int(process.stdout.readline())}", process=process)
        finally:
            process.kill()


async def _talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            if head.startswith(b"get "):  # whether it is ready
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                continue
            length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
            given = json.loads(await reader.readexactly(length))
            await asyncio.sleep(0.002)
            body = json.dumps(_answer(given)).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    except (EOFError, OSError):
        writer.close()


def _answer(given: object) -> object:
    if isinstance(given, dict) and "inputs" in given:
        who = {"name": "replica", "shape": [1], "datatype": "INT64", "data": [os.getpid()]}
        return {"model_name": "echo", "outputs": [*given["inputs"], who]}
    return {"replica": os.getpid(), "input": given}


async def _serve(port: int) -> None:
    server = await asyncio.start_server(_talk, "127.0.0.1", port)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
