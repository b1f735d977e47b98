"""Server processes on loopback: free ports, start, readiness, stop by process id."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


class NotStartedError(Exception):
    """A server that does not come up; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A running server: its leader's process id is the id of its group."""

    popen: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        return self.popen.pid

    def stop(self, seconds: float = 10.0) -> None:
        """End the process and its children: SIGTERM, then SIGKILL after `seconds`."""
        for signal_number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal_number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.popen.wait(seconds)
                break
        # The leader may be gone before its children: the group is ended in either case.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)


def start(
    command: Sequence[str],
    log: Path,
    is_ready: Callable[[], bool],
    *,
    seconds: float,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Process:
    """Start a server and wait until `is_ready`. NotStartedError with the end of its log when it is not in time."""
    with log.open("ab") as output:
        # A group of its own: Ctrl-C ends the benchmark, which then ends the servers in order.
        popen = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=None if environment is None else dict(environment),
            cwd=folder,
            start_new_session=True,
        )
    process = Process(popen=popen, log=log)
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end and popen.poll() is None:
            if is_ready():
                return process
            time.sleep(0.05)
    except BaseException:
        process.stop()
        raise
    process.stop()
    messages = " ".join(log.read_text("utf-8", "replace").split())[-300:]
    why = f"ended with {popen.returncode}" if time.monotonic() < end else f"was not ready after {seconds:g} s"
    raise NotStartedError(f"{Path(command[0]).name} {why}: {messages}")
