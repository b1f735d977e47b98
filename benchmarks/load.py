"""A cheap HTTP client for loads on loopback, and the CPU time that a server's processes use meanwhile."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


def request(path: str, document: Any, headers: Mapping[str, str] | None = None) -> bytes:
    """A POST as bytes."""
    body = json.dumps(document).encode()
    named = {
        "Host": "localhost",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        **(headers or {}),
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    return f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + body


class Connection:
    """One kept connection. `is_closing` says whether the last answer was the last of the connection."""

    is_closing = False

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, sent: bytes) -> tuple[int, bytes]:
        """Status and body."""
        self._socket.sendall(sent)
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._more()
        head, _, body = data.partition(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        self.is_closing = b"connection: close" in lines
        length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), None)
        while (len(body) < length) if length is not None else not body.endswith(b"0\r\n\r\n"):
            body += self._more()
        return int(head[9:12]), body

    def close(self) -> None:
        self._socket.close()

    def _more(self) -> bytes:
        more = self._socket.recv(65536)
        if not more:
            raise ConnectionError("the server hung up")
        return more


@dataclass(slots=True)
class Run:
    """What a load came to: latencies in ms of the answers, by status."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)

    def percentile(self, share: float) -> float:
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def closed_loop(port: int, sent: bytes, count: int, *, clients: int = 8) -> Run:
    """`count` requests from clients that each wait for their answer before they send the next."""
    run = Run()

    def work() -> None:
        connection = Connection(port)
        for _ in range(count // clients):
            before = time.perf_counter()
            status, _ = connection.send(sent)
            run.latencies.append((time.perf_counter() - before) * 1000)
            run.statuses[status] = run.statuses.get(status, 0) + 1
        connection.close()

    before = time.perf_counter()
    _together([work] * clients)
    run.seconds = time.perf_counter() - before
    return run


def warm_up(port: int, sent: bytes, count: int) -> None:
    """Requests that do not count; the first may come before the server is quite ready."""
    end = time.monotonic() + 90
    while True:
        connection = Connection(port)
        try:
            status, _ = connection.send(sent)
        except ConnectionError:
            status = 0
        finally:
            connection.close()
        if status == 200:
            break
        if time.monotonic() > end:
            raise RuntimeError(f"it answers {status}")
        time.sleep(0.5)
    closed_loop(port, sent, count)


def paced(port: int, sent: bytes, *, rate: float, seconds: float) -> Run:
    """One client that sends at a steady rate, late answers or not; a latency counts from when it was due."""
    run, connection = Run(), Connection(port)
    start = time.perf_counter()
    for number in range(int(rate * seconds)):
        due = start + number / rate
        time.sleep(max(0.0, due - time.perf_counter()))
        status, _ = connection.send(sent)
        run.latencies.append((time.perf_counter() - due) * 1000)
        run.statuses[status] = run.statuses.get(status, 0) + 1
    connection.close()
    run.seconds = time.perf_counter() - start
    return run


def _together(works: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and all of its descendants."""
    total, waiting = 0.0, [pid]
    while waiting:
        one = waiting.pop()
        with suppress(OSError):
            # The clock of the process (clock_getcpuclockid), in ns: /proc has user and system time in ticks of 10 ms.
            total += time.clock_gettime((~one << 3) | 2)
            for task in Path(f"/proc/{one}/task").iterdir():
                waiting += map(int, (task / "children").read_text().split())
    return total


@contextmanager
def server(command: list[str], port: int, *, patience_s: float = 60, **options: Any) -> Iterator[int]:
    """A server in a process of its own, killed with all it started; its pid when it takes connections."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
    with subprocess.Popen(command, **quiet, **options) as process:
        try:
            _wait(port, process, patience_s)
            yield process.pid
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)


def _wait(port: int, process: subprocess.Popen[bytes], patience_s: float) -> None:
    end = time.monotonic() + patience_s
    while time.monotonic() < end and process.poll() is None:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        time.sleep(0.1)
    raise RuntimeError(f"{process.args!r} did not start")
