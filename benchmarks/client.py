"""Runs a client that others wrote, and tells its own end, for lack of memory or of time, from what it did."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from typing import Any


class GaveOutError(Exception):
    """The client did not come to its end: nothing is known of what is tested with it."""


def run(command: list[str | Path], seconds: float, **options: Any) -> subprocess.CompletedProcess[str]:
    """One run with nothing on standard input. GaveOutError when it took too long, or was ended by a signal."""
    options = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True, **options}
    try:
        done = subprocess.run(command, timeout=seconds, **options)
    except subprocess.TimeoutExpired:
        raise GaveOutError(f"it took longer than {seconds:g} s") from None
    reached_its_end(done.returncode, seconds)
    return done


def reached_its_end(code: int, seconds: float) -> None:
    """GaveOutError for the exit code of a process that a signal ended."""
    if code < 0 or code in (128 + signal.SIGABRT, 128 + signal.SIGKILL):
        name = signal.Signals(-code if code < 0 else code - 128).name
        raise GaveOutError(f"it was ended by {name}, for want of memory or after {seconds:g} s")
