"""Recall of the index beside plain BM25: each API by itself, and all APIs of the question sets in one index.

`python -m benchmarks.offline.retrieval [--questions DIR] [--speed]`; needs the dependency group `train` for bm25s.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nlapi
from benchmarks.descriptions import github
from benchmarks.npm import cache as downloads
from nlapi.openapi.cache import Cache
from nlapi.openapi.spec import Operation
from nlapi.tools.search.index import Index
from training.corpus import Corpus, add_questions
from training.scoring import Row

DEPTHS = (1, 5, 10)
Search = Callable[[str], Sequence[Operation]]
QUERIES = (
    "list the open issues of a repository",
    "create a pull request",
    "delete a branch protection rule",
    "who starred my gist",
    "add a label to an issue",
    "invite a user to a team",
    "get the thing number 77",
)


def text_of(operation: Operation) -> str:
    """What plain BM25 is given: everything that an operation says of itself, as one text."""
    return " ".join((operation.id, operation.path, operation.summary, *operation.tags, operation.description))


def bm25(operations: Sequence[Operation]) -> Search:
    import bm25s

    index = bm25s.BM25()
    index.index(bm25s.tokenize(list(map(text_of, operations)), show_progress=False), show_progress=False)

    def search(question: str) -> Sequence[Operation]:
        words = bm25s.tokenize([question], show_progress=False)
        found, scores = index.retrieve(words, k=min(max(DEPTHS), len(operations)), show_progress=False)
        return [operations[at] for at, score in zip(found[0], scores[0], strict=True) if score > 0]

    return search


def ours(operations: Sequence[Operation]) -> Search:
    index = Index(operations)
    return lambda question: [operation for operation, _ in index.search(question, limit=max(DEPTHS))]


def recall(places: Sequence[int]) -> str:
    return "  ".join(f"@{depth} {sum(at < depth for at in places) / len(places):.3f}" for depth in DEPTHS)


def is_wanted(row: Row, operation: Operation) -> bool:
    return operation.id in row["operations"] or any(operation.id == call["operationId"] for call in row["calls"])


def quality(corpus: Corpus) -> None:
    rows = [row for row in corpus.public if row["calls"] or row["operations"]]
    specs = {id: corpus.catalogue(id)[0] for id in dict.fromkeys(row["spec"] for row in rows)}
    several = [row for row in rows if len(specs[row["spec"]].operations) > 1]
    pool: dict[tuple[str, str], Operation] = {}
    for spec in specs.values():
        for operation in spec.operations:
            pool.setdefault((operation.id, operation.description[:80]), operation)
    everything = list(pool.values())
    for name, make in (("bm25s", bm25), ("the index", ours)):
        each = {id: make(spec.operations) for id, spec in specs.items() if len(spec.operations) > 1}
        places = [_place(row, each[row["spec"]]) for row in several]
        print(f"{name:10} each API by itself   {len(several)} questions  {recall(places)}")
        whole = make(everything)
        places = [_place(row, whole) for row in rows]
        print(f"{name:10} {len(everything)} operations in one  {len(rows)} questions  {recall(places)}")


def _place(row: Row, search: Search) -> int:
    """Where the first operation wanted stands among those found."""
    return next((at for at, one in enumerate(search(row["question"])) if is_wanted(row, one)), max(DEPTHS))


def speed() -> None:
    file = github()
    if file is not None:
        timed("GitHub", file, with_cache=True)
    generated = downloads() / "generated-20000.json"
    if generated.exists():
        timed("20,000 generated operations", generated)


def timed(name: str, file: Path, *, with_cache: bool = False) -> None:
    operations = nlapi.load(str(file)).operations
    index, built = cpu(lambda: Index(operations))
    _, query = cpu(lambda: [index.search(query) for query in QUERIES])
    print(
        f"{name}: {len(operations)} operations, built in {built:.0f} ms, a query {query / len(QUERIES):.2f} ms of CPU"
    )
    if with_cache:
        with TemporaryDirectory() as folder:
            Index(operations, cache=Cache(folder=Path(folder)))
            _, found = cpu(lambda: Index(operations, cache=Cache(folder=Path(folder))))
        print(f"{name}: found again in {found:.0f} ms of CPU")


def cpu(work: Callable[[], Any]) -> tuple[Any, float]:
    """What `work` gives, and its milliseconds of CPU."""
    start = time.process_time()
    done = work()
    return done, (time.process_time() - start) * 1000


def main() -> None:
    parser = argparse.ArgumentParser()
    add_questions(parser)
    parser.add_argument("--speed", action="store_true", help="CPU time only")
    options = parser.parse_args()
    if not options.speed:
        quality(Corpus(options.questions))
    speed()


if __name__ == "__main__":
    main()
