"""Types commands at nlapi against servers that record, one API after the other; prints figures.

Exits with 1 where a wrong change stands, where under 55 % of the right ones do, or where a right request is not valid.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from benchmarks.changes import report
from benchmarks.changes.cases import COMMANDS, FRESH, Api, load
from benchmarks.changes.run import Outcome, Rating, Run, run, without_registrations

PAGE = Path(__file__).parents[1] / "CHANGES.md"
SERVERS = Path(__file__).with_name("servers")
"""Commands for the real servers of `benchmarks.servers`, with the effect that each must have."""


def main() -> int:
    options = _options()
    if options.servers:
        command = [sys.executable, "-m", "benchmarks.servers", "--sentences", str(SERVERS), "--show"]
        return subprocess.run(command, check=False).returncode
    folder = FRESH if options.fresh else options.commands
    apis = [api for api in load(folder) if not options.api or api.name in options.api]
    outcomes: list[Outcome] = []
    faults: list[str] = []
    seconds = 0.0
    for done in _runs(apis, options):
        if done.reason:
            print(f"left out: {done.api}, as {done.reason}", flush=True)
        faults += done.faults
        seconds += done.seconds
        outcomes += done.outcomes
        for outcome in done.outcomes if options.show else ():
            print(f"{report.details(outcome)}\n", flush=True)
    for fault in faults:
        print(f"not valid: {fault}")
    if options.check:
        return 1 if faults else 0
    if options.output:
        report.write(outcomes, options.output)
    if options.write:
        report.write_page(outcomes, PAGE)
    _print(outcomes, seconds, options.against)
    return 0 if report.passes(outcomes) and not faults else 1


def _runs(apis: Sequence[Api], options: argparse.Namespace) -> Iterator[Run]:
    """Each API in a process of its own, so that one description is in memory at a time."""
    work = partial(run, only=options.only, check=options.check)
    with (
        tempfile.TemporaryDirectory(prefix="nlapi-changes-") as home,
        ProcessPoolExecutor(
            options.jobs, initializer=without_registrations, initargs=(home,), max_tasks_per_child=1
        ) as pool,
    ):
        yield from pool.map(work, apis)


def _print(outcomes: Sequence[Outcome], seconds: float, against: Path | None) -> None:
    print(report.tables(outcomes))
    wrong = [outcome for outcome in outcomes if outcome.rating is Rating.WRONG]
    print("\n" + "\n".join(map(report.details, wrong)) if wrong else "\nno wrong change stands")
    if against is not None:
        print("\n" + "\n".join(report.differences(outcomes, against)))
    asked = sum(outcome.seconds for outcome in outcomes)
    slowest = max((outcome.seconds for outcome in outcomes), default=0.0)
    print(f"\n{report.summary(outcomes)}")
    print(f"CPU: {seconds:.0f} s for the descriptions, {asked:.0f} s for the commands, at most {slowest:.1f} s for one")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.changes", description=__doc__)
    parser.add_argument("--api", action="append", metavar="NAME", help="this API alone; may be repeated")
    parser.add_argument("--only", default="", metavar="TEXT", help="the commands that contain this text")
    parser.add_argument("--show", action="store_true", help="print each command with what was planned, and why")
    parser.add_argument("--check", action="store_true", help="only look whether the right requests are valid")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write one JSON line a command")
    parser.add_argument("--write", action="store_true", help="put the figures into benchmarks/CHANGES.md")
    parser.add_argument("--against", type=Path, metavar="FILE", help="print what is rated otherwise than in that run")
    parser.add_argument("--servers", action="store_true", help="only the commands for the real servers")
    parser.add_argument("--jobs", type=int, default=1, help="APIs that run side by side")
    parser.add_argument("--commands", type=Path, default=COMMANDS, metavar="FOLDER", help="other files of commands")
    parser.add_argument("--fresh", action="store_true", help="the commands and questions for other APIs instead")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
