"""Splits the questions by API, so that nothing is fitted on the API that it answers for.

`python -m training.folds [--questions DIR]` prints the size of each fold by data set.
"""

from __future__ import annotations

import argparse
import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from training.scoring import Row

FOLDS = 5


def folds(rows: Sequence[Row], count: int = FOLDS) -> list[int]:
    """The fold of each row, 0 to count - 1, the same on every run.

    Rows of one description, of one API or with the same operation wanted are never in two folds. Groups are spread
    so that each data set is divided about evenly.
    """
    groups = _Groups()
    for row in rows:
        for other in _keys(row):
            groups.join(row["id"], other)
    members: dict[str, list[int]] = defaultdict(list)
    for at, row in enumerate(rows):
        members[groups.of(row["id"])].append(at)
    sizes: list[Counter[str]] = [Counter() for _ in range(count)]
    found = [0] * len(rows)
    for group in sorted(members.values(), key=lambda group: (-len(group), _hash(rows[group[0]]["id"]))):
        kinds = Counter(rows[at]["dataset"] for at in group)
        best = min(range(count), key=lambda fold: (sum(sizes[fold][kind] * n for kind, n in kinds.items()), fold))
        sizes[best] += kinds
        for at in group:
            found[at] = best
    return found


def _keys(row: Row) -> Iterator[str]:
    """What a row shares with the rows of its group: BFCL gives one function several descriptions."""
    yield f"spec {row['spec']}"
    yield f"api {row['api']}"
    for id in row["operations"]:
        yield f"operation {id.lower()}"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class _Groups:
    """Union-find over strings."""

    def __init__(self) -> None:
        self._above: dict[str, str] = {}

    def of(self, name: str) -> str:
        above = self._above.setdefault(name, name)
        while above != self._above[above]:
            self._above[above] = self._above[self._above[above]]
            above = self._above[above]
        self._above[name] = above
        return above

    def join(self, one: str, other: str) -> None:
        first, second = sorted((self.of(one), self.of(other)))
        self._above[second] = first


def main() -> None:
    from training.corpus import Corpus, add_questions  # which needs the folds of its rows

    parser = argparse.ArgumentParser(description=__doc__)
    add_questions(parser)
    rows = Corpus(parser.parse_args().questions).public
    sizes: dict[str, Counter[int]] = defaultdict(Counter)
    for row, fold in zip(rows, folds(rows), strict=True):
        sizes[row["dataset"]][fold] += 1
    for name, counts in sorted(sizes.items()):
        print(f"{name:28}", *(f"{counts[fold]:4}" for fold in range(FOLDS)))


if __name__ == "__main__":
    main()
