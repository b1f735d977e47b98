"""Finding operations by words among GitHub's 1,223: building the index, finding it again, and one query."""

from __future__ import annotations

import gc
import json
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.descriptions import github
from benchmarks.measure import Figure, cost

QUERIES = (
    "list the open issues of a repository",
    "create a pull request",
    "delete a branch protection rule",
    "who starred my gist",
    "add a label to an issue",
    "show the billing of the organisation",
    "rerun the failed workflow jobs",
    "invite a user to a team",
)
ROUNDS = 25


def measure(description: Path | None = None) -> list[Figure]:
    file = github(description)
    if file is None:
        return []
    found = json.loads(cost([sys.executable, "-m", "benchmarks.index", str(file)], runs=3).output)
    return [
        Figure(name="index over GitHub's operations, build", value=found["build"] * 1000, unit="ms"),
        Figure(name="index over GitHub's operations, found again in the cache", value=found["kept"] * 1000, unit="ms"),
        Figure(name="index over GitHub's operations, one query", value=found["query"] * 1000, unit="ms"),
    ]


def child(file: str) -> dict[str, float]:
    """CPU seconds of a build, of finding it again in a cache and of the average query, in this process."""
    import nlapi
    from nlapi.openapi.cache import Cache
    from nlapi.tools.search.index import Index

    spec = nlapi.load(file)
    start = time.process_time()
    index = Index(spec.operations)
    built = time.process_time()
    for _ in range(ROUNDS):
        for query in QUERIES:
            index.search(query)
    asked = time.process_time()
    with TemporaryDirectory() as folder:
        Index(spec.operations, cache=Cache(folder=Path(folder)))
        gc.collect()  # what was made before is not to be collected while this is measured
        begun = time.process_time()
        Index(spec.operations, cache=Cache(folder=Path(folder)))
        kept = time.process_time() - begun
    return {"build": built - start, "kept": kept, "query": (asked - built) / ROUNDS / len(QUERIES)}


if __name__ == "__main__":
    print(json.dumps(child(sys.argv[1])))
