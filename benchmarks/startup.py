"""`nlapi --help`: what every command pays before it does anything."""

from __future__ import annotations

from pathlib import Path

from benchmarks.measure import Figure, cost, nlapi


def measure(_: Path | None = None) -> list[Figure]:
    spent = cost([nlapi(), "--help"], runs=5)
    return [
        Figure(name="`nlapi --help`, CPU", value=spent.cpu, unit="s", limit=0.25),
        Figure(name="`nlapi --help`, peak memory", value=spent.peak, unit="MB"),
    ]
