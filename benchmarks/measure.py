"""CPU time and memory of a command in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured figure. `limit` is the most that it may be; None: it is only told."""

    name: str
    value: float
    unit: str
    limit: float | None = None

    @property
    def kept(self) -> bool:
        return self.limit is None or self.value <= self.limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """`cpu` in seconds, user and system; `peak` resident memory in MB; `output` what was printed."""

    cpu: float
    peak: float
    output: str = ""


def cost(command: Sequence[str], runs: int, environment: Mapping[str, str] | None = None) -> Cost:
    """The cost of the cheapest of several runs of a command. RuntimeError when one fails.

    The peak is that of the process itself: this process must stay smaller, or Linux reports its size instead.
    """
    return min((_run(command, environment) for _ in range(runs)), key=lambda one: one.cpu)


def _run(command: Sequence[str], environment: Mapping[str, str] | None) -> Cost:
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment) as process,
    ):
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        said = errors.read()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)[:200]} ended with {process.returncode}: {said[-500:]}")
    scale = 2**20 if sys.platform == "darwin" else 2**10
    return Cost(cpu=usage.ru_utime + usage.ru_stime, peak=usage.ru_maxrss / scale, output=output)


def nlapi() -> str:
    """The `nlapi` command beside the Python that runs this."""
    return str(Path(sys.executable).with_name("nlapi"))
