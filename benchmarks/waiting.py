"""Work that goes on after an answer, with a kill at every moment: `python -m benchmarks.waiting`.

A server begins an export in each of the eight ways of tests/tools/test_waiting.py. A question begins it, and the
process is killed at each line that it says while it waits; `nlapi log resume` then goes on. Exits with 1 where an
export is begun twice or is not waited for to its end.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.cli.kit import NLAPI
from tests.tools.test_waiting import LOOKS, WAYS, Exports, exports

SECONDS = 60.0
"""For one run, which takes about one."""


def killed(words: list[str], env: dict[str, str], line: int) -> None:
    """Runs a command and kills it at the line of standard error with this number that says that it waits."""
    process = subprocess.Popen([NLAPI, *words], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, env=env)
    assert process.stderr is not None
    for text in process.stderr:
        line -= text.startswith(b"waiting for ")
        if line < 0:
            process.send_signal(signal.SIGKILL)
            break
    process.wait()


def attempt(way: str, line: int, folder: Path) -> str:
    """What went wrong with one kill, "" where nothing did."""
    begin, state = WAYS[way]
    env = {**os.environ, **{f"NLAPI_{kind}_DIR": str(folder / kind) for kind in ("CONFIG", "STATE", "CACHE")}}
    with Exports(begin, state, looks=line + LOOKS) as api:
        source = exports(folder, api.url)
        ask = ["ask", 'create an export called "a"', "-a", source, "--planner", "offline", "--yes"]
        killed(ask, env, line)
        resume = [NLAPI, "log", "resume", "last", "show the export e1", "--planner", "offline"]
        said = subprocess.run(resume, env=env, capture_output=True, text=True, timeout=SECONDS, check=False).stderr
        if api.begun != 1:
            return f"begun {api.begun} times"
        return "" if "createExport is done" in said else f"not waited for: {said[:200]!r}"


def outcomes() -> Iterator[tuple[str, int, str]]:
    """Each way with each moment, and what went wrong."""
    for way in WAYS:
        for line in range(LOOKS):
            with tempfile.TemporaryDirectory() as folder:
                yield way, line, attempt(way, line, Path(folder))


def main() -> None:
    found = list(outcomes())
    for way, line, fault in found:
        if fault:
            print(f"{way}, killed at look {line}: {fault}")
    faults = sum(bool(fault) for _, _, fault in found)
    print(f"{len(found)} kills in {len(WAYS)} ways: {len(found) - faults} went on to the end, begun once")
    sys.exit(int(faults > 0))


if __name__ == "__main__":
    main()
