"""Runs every benchmark, prints the figures, writes benchmarks/RESULTS.md; exits with 1 when a figure is too high."""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import call, completion, convert, index, routing, speed
from benchmarks.measure import Figure

RESULTS = Path(__file__).with_name("RESULTS.md")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--github", type=Path, metavar="FILE", help="GitHub's description, if you have it already")
    options = parser.parse_args()
    figures: list[Figure] = []
    for benchmark in (speed, completion, call, index, routing, convert):
        found = benchmark.measure(options.github)
        for figure in found:
            print(line(figure), flush=True)
        if not found:
            print(f"{benchmark.__name__}: left out, needs npm or --github FILE")
        figures += found
    RESULTS.write_text(page(figures), encoding="utf-8")
    return 0 if all(figure.kept for figure in figures) else 1


def line(figure: Figure) -> str:
    limit = "" if figure.limit is None else f"  (at most {figure.limit:g} {figure.unit})"
    return f"{'ok  ' if figure.kept else 'HIGH'} {figure.name}: {number(figure.value)} {figure.unit}{limit}"


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def page(figures: Sequence[Figure]) -> str:
    """The figures as a page of Markdown."""
    where = (
        f"Python {platform.python_version()} on {platform.system()} {platform.machine()}, {datetime.now(UTC):%Y-%m-%d}"
    )
    rows = [
        f"| {figure.name} | {number(figure.value)} {figure.unit} | "
        f"{'' if figure.limit is None else f'{figure.limit:g} {figure.unit}'} |"
        for figure in figures
    ]
    head = ["# What nlapi costs", "", f"`python -m benchmarks`, {where}.", ""]
    head += ["On 2,639 descriptions: [CORPUS.md](CORPUS.md). Beside other converters: [CONVERT.md](CONVERT.md)."]
    head += ["Beside a yardstick of the same run, fastmcp and mcpify: [SPEED.md](SPEED.md)."]
    head += ["The embedded planner, with what each part of it adds: [OFFLINE.md](OFFLINE.md)."]
    head += ["Plain English against real servers: [SERVERS.md](SERVERS.md)."]
    head += ["Whether a change is exactly what was said: [CHANGES.md](CHANGES.md)."]
    head += ["Hostile descriptions, arguments and servers, beside fastmcp and mcpify: [HOSTILE.md](HOSTILE.md)."]
    head += ["The gateway: [GATEWAY.md](GATEWAY.md).", ""]
    return "\n".join([*head, "| figure | measured | at most |", "| --- | --- | --- |", *rows, ""])


if __name__ == "__main__":
    sys.exit(main())
