"""`nlapi tools` and `nlapi plugin build` on GitHub's description: 1,223 operations, 13 MB."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.descriptions import github
from benchmarks.measure import Figure, cost, nlapi


def measure(description: Path | None = None) -> list[Figure]:
    file = github(description)
    if file is None:
        return []
    spent = cost([nlapi(), "tools", str(file), "--format", "anthropic"], runs=3)
    with tempfile.TemporaryDirectory() as folder:
        built = cost([nlapi(), "plugin", "build", str(file), "-o", folder], runs=3)
    return [
        Figure(name="`nlapi tools` on GitHub's description, CPU", value=spent.cpu, unit="s", limit=2.0),
        Figure(name="`nlapi tools` on GitHub's description, peak memory", value=spent.peak, unit="MB", limit=300),
        Figure(name="`nlapi plugin build` on GitHub's description, CPU", value=built.cpu, unit="s", limit=3.0),
    ]
