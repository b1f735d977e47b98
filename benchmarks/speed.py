"""What commands cost beside a yardstick of the same run: `python -m benchmarks.speed [--write] [--alone]`.

A machine under load slows both alike. The yardsticks are `json.load` of the same description, its CPU alone, and the
start of Python with nothing (`python -I -S -c pass`). Each figure is the CPU (user and system) of a whole child
process, the least of several runs, in proportion to the least of its yardstick; the runs of both take turns. The caches
of nlapi are those of a second run. fastmcp and mcpify stand beside it, in environments of their own; `--alone` leaves
them out.
`--write` puts the table into benchmarks/SPEED.md. Exits with 1 where a figure is over its limit.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.convert import OTHERS, convert
from benchmarks.descriptions import github, microsoft_graph, stripe
from benchmarks.environments import environment
from benchmarks.measure import Cost, Figure, cost, nlapi

RESULTS = Path(__file__).with_name("SPEED.md")
ROUNDS = 10

PARSE = (
    "import json, sys, time\nwith open(sys.argv[1]) as file:\n    start = time.process_time()\n    json.load(file)\n"
)
PARSE += "print(time.process_time() - start)"

# Measured at 9a082f8f on 2026-11-30 with this benchmark, in proportion to `json.load` of the same file: what the limits
# of half of it stand for.
BUILD_OF_GITHUB_BEFORE = 35.7
TOOLS_OF_GRAPH_BEFORE = 37.5

PEERS = ("fastmcp", "mcpify-openapi")


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A command line of nlapi. `limit` is in proportion to the parse of `file`, or to the bare start without one."""

    name: str
    words: tuple[str, ...]
    limit: float
    file: Path | None = None

    @property
    def yardstick(self) -> tuple[str, ...]:
        if self.file is None:
            return (sys.executable, "-I", "-S", "-c", "pass")
        return (sys.executable, "-I", "-c", PARSE, str(self.file))


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The least costs of a workload and of its yardstick, in seconds of CPU, and the peak memory in MB."""

    workload: Workload
    cpu: float
    peak: float
    yardstick: float

    @property
    def ratio(self) -> float:
        return self.cpu / self.yardstick


STARTS = (
    Workload(name="`nlapi --help`", words=("--help",), limit=20),
    Workload(name="`nlapi call --dry-run`", words=("call", "ads", "listCampaigns", "--dry-run"), limit=28),
    Workload(
        name="`nlapi ask --dry-run`, offline",
        words=("ask", "show the campaigns", "-a", "ads", "--planner", "offline", "--dry-run"),
        limit=47,
    ),
)


def conversions(files: Mapping[str, Path], folder: Path) -> list[Workload]:
    """Return the workloads on the descriptions that are there."""
    limits = {"GitHub": 3.0, "Stripe": 9.0, "Microsoft Graph": TOOLS_OF_GRAPH_BEFORE / 2}
    workloads = [
        Workload(
            name=f"`nlapi tools` of {title}",
            words=("tools", str(file), "--format", "anthropic"),
            limit=limit,
            file=file,
        )
        for title, limit in limits.items()
        if (file := files.get(title)) is not None
    ]
    if (file := files.get("GitHub")) is not None:
        words = ("plugin", "build", str(file), "-o", str(folder / "plugin"))
        build = Workload(
            name="`nlapi plugin build` of GitHub", words=words, limit=BUILD_OF_GITHUB_BEFORE / 2, file=file
        )
        workloads.append(build)
    return workloads


def descriptions(given: Path | None) -> dict[str, Path]:
    """Return the large descriptions by title; what npm does not give is left out, with the reason on standard error."""
    files = {"GitHub": github(given), "Stripe": stripe(), "Microsoft Graph": microsoft_graph()}
    return {title: file for title, file in files.items() if file is not None}


def measure_all(workloads: Sequence[Workload], folder: Path, rounds: int) -> list[Measured]:
    """Return the costs of workloads, which take turns with their yardsticks."""
    homes = {f"NLAPI_{kind}_DIR": str(folder / kind.lower()) for kind in ("CONFIG", "CACHE", "STATE", "DATA")}
    variables = {
        name: value for name, value in os.environ.items() if not name.startswith(("NLAPI_", "CLAUDE", "PYTHON"))
    }
    spent: dict[Workload, list[Cost]] = {workload: [] for workload in workloads}
    yardsticks: dict[tuple[str, ...], float] = {}
    for _ in range(rounds):
        for workload in workloads:
            spent[workload].append(cost([nlapi(), *workload.words], runs=1, environment={**variables, **homes}))
            once = cost(workload.yardstick, runs=1, environment=variables)
            # A parse says itself what it took without the start of its process.
            seconds = float(once.output) if workload.file is not None else once.cpu
            yardsticks[workload.yardstick] = min(seconds, yardsticks.get(workload.yardstick, seconds))
    return [
        Measured(
            workload=workload,
            cpu=min(one.cpu for one in costs),
            peak=min(one.peak for one in costs),
            yardstick=yardsticks[workload.yardstick],
        )
        for workload, costs in spent.items()
    ]


def run(given: Path | None, rounds: int = ROUNDS) -> tuple[list[Measured], dict[str, Path]]:
    """Return the costs of all workloads, and the descriptions that they are on."""
    files = descriptions(given)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        return measure_all([*STARTS, *conversions(files, folder)], folder, rounds), files


def figures(measured: Iterable[Measured]) -> list[Figure]:
    """Return the proportions with their limits, and the CPU and memory behind them."""
    rows = []
    for one in measured:
        name = one.workload.name
        unit = "x the parse" if one.workload.file is not None else "x the bare start"
        rows += [
            Figure(name=f"{name}, CPU in proportion", value=one.ratio, unit=unit, limit=one.workload.limit),
            Figure(name=f"{name}, CPU", value=one.cpu, unit="s"),
            Figure(name=f"{name}, peak memory", value=one.peak, unit="MB"),
        ]
    return rows


def measure(given: Path | None = None) -> list[Figure]:
    """Return the Figures of nlapi alone, for `python -m benchmarks`."""
    return figures(run(given)[0])


def peer_rows(files: Mapping[str, Path], measured: Iterable[Measured]) -> list[str]:
    """Return a row of the table for each other converter on each description."""
    parses = {one.workload.file: one.yardstick for one in measured}
    rows = []
    for title, file in files.items():
        for package in PEERS:
            other = convert(environment(package, package), OTHERS[package], file, runs=1)
            spent = other.fault or f"{other.cpu:.2f} | {other.cpu / parses[file]:.1f}"
            rows.append(f"| {package}, tools of {title} | {spent}{' |' if other.fault else ''} | | {other.peak:.0f} |")
            print(rows[-1], flush=True)
    return rows


def row(one: Measured) -> str:
    return f"| {one.workload.name} | {one.cpu:.3f} | {one.ratio:.1f} | {one.workload.limit:.1f} | {one.peak:.0f} |"


def page(measured: Sequence[Measured], peers: Sequence[str]) -> str:
    """Return the table as a page of Markdown."""
    bare = next(one.yardstick for one in measured if one.workload.file is None)
    parses = {one.workload.file.name: one.yardstick for one in measured if one.workload.file is not None}
    loads = ", ".join(f"{seconds:.3f} s for {name}" for name, seconds in parses.items())
    head = [
        "# What a command costs beside a yardstick",
        "",
        "`python -m benchmarks.speed --write`: CPU of the whole process, the least of ten runs, in turns with the",
        f"yardstick. That of the first three is `python -I -S -c pass` ({bare * 1000:.1f} ms), of the others",
        f"`json.load` of the same file{f' ({loads})' if loads else ''}, which `nlapi` finds in its cache.",
        "",
        "| command | CPU s | in proportion | at most | MB |",
        "| --- | --- | --- | --- | --- |",
    ]
    return "\n".join([*head, *map(row, measured), *peers, ""])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__)
    parser.add_argument("--github", type=Path, metavar="FILE", help="GitHub's description, if you have it already")
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N", help="runs of each command and yardstick")
    parser.add_argument("--alone", action="store_true", help="nlapi only")
    parser.add_argument("--write", action="store_true", help="write benchmarks/SPEED.md")
    options = parser.parse_args()
    measured, files = run(options.github, options.rounds)
    for one in measured:
        print(f"{'ok  ' if one.ratio <= one.workload.limit else 'HIGH'} {row(one)}", flush=True)
    peers = [] if options.alone else peer_rows(files, measured)
    if options.write:
        RESULTS.write_text(page(measured, peers), encoding="utf-8")
    return 0 if all(one.ratio <= one.workload.limit for one in measured) else 1


if __name__ == "__main__":
    sys.exit(main())
