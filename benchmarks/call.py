"""`nlapi call` on GitHub's description, once its parsed form is in the cache."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from benchmarks.descriptions import github
from benchmarks.measure import Figure, cost, nlapi
from tests.servers import Echo, Reply


def measure(description: Path | None = None) -> list[Figure]:
    file = github(description)
    if file is None:
        return []
    with tempfile.TemporaryDirectory() as folder, Echo(Reply(200, {})) as api:
        before = os.environ.get("NLAPI_CACHE_DIR")
        os.environ["NLAPI_CACHE_DIR"] = folder
        command = [nlapi(), "call", str(file), "repos/get", "owner=a", "repo=b", "--base-url", api.url]
        try:
            cold, warm = cost(command, runs=1), cost(command, runs=5)
        finally:
            if before is None:
                del os.environ["NLAPI_CACHE_DIR"]
            else:
                os.environ["NLAPI_CACHE_DIR"] = before
    return [
        Figure(name="`nlapi call` on GitHub's description, cold, CPU", value=cold.cpu, unit="s"),
        Figure(name="`nlapi call` on GitHub's description, warm, CPU", value=warm.cpu, unit="s", limit=0.5),
        Figure(name="`nlapi call` on GitHub's description, warm, peak memory", value=warm.peak, unit="MB"),
    ]
