"""Scores what a tool says of the labelled operations: `python -m benchmarks.effects.score FILE [--split test]`.

FILE is JSON Lines, an operation a line: {"api": "plaid.com", "id": "itemRemove", "effect": "destroy"}, with `read`,
`change` or `destroy` as the effect. `api` and `id` are those of labels.jsonl. An operation that FILE does not have
counts as a change: what a tool does not know has to be asked about. A tool that does not tell a deletion from another
change says `change`. Exits with 1 where a destroy or a change is called a read.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.effects.labels import EFFECTS, Label, read_labels

Answers = Mapping[tuple[str, str], str]
"""The effect that a tool gives an operation, by the names of its API and of itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How the answers of a tool agree with the labels that are not doubtful.

    Attributes:
        reads, changes, destroys: How many operations have that label.
        reads_found: Reads that are called reads.
        changes_as_reads, destroys_as_reads: What would be sent without a question, and is not a read.
        destroys_found: Destroys that are called so.
        others_as_destroys: Reads and changes that are called destroys.
        unanswered: Labelled operations about which the tool says nothing.
    """

    reads: int
    changes: int
    destroys: int
    reads_found: int
    changes_as_reads: int
    destroys_as_reads: int
    destroys_found: int
    others_as_destroys: int
    unanswered: int

    @property
    def recall(self) -> float:
        return self.reads_found / self.reads if self.reads else 1.0

    @property
    def precision(self) -> float:
        called = self.reads_found + self.changes_as_reads + self.destroys_as_reads
        return self.reads_found / called if called else 1.0


def score(labels: Iterable[Label], answers: Answers) -> Score:
    """Return the Score of a tool's answers on some labels; those that are doubtful are passed over."""
    sure = [label for label in labels if not label.doubtful]
    pairs = [(label.label, answers.get((label.api, label.id), "change")) for label in sure]
    return Score(
        reads=sum(label.label == "read" for label in sure),
        changes=sum(label.label == "change" for label in sure),
        destroys=sum(label.label == "destroy" for label in sure),
        reads_found=pairs.count(("read", "read")),
        changes_as_reads=pairs.count(("change", "read")),
        destroys_as_reads=pairs.count(("destroy", "read")),
        destroys_found=pairs.count(("destroy", "destroy")),
        others_as_destroys=pairs.count(("change", "destroy")) + pairs.count(("read", "destroy")),
        unanswered=sum((label.api, label.id) not in answers for label in sure),
    )


def read_answers(file: Path) -> Answers:
    """Return the answers of a file; an effect that is none of the three is refused, with its line."""
    answers: dict[tuple[str, str], str] = {}
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        entry = json.loads(line)
        if entry["effect"] not in EFFECTS:
            raise ValueError(f"{file}:{number}: the effect is {entry['effect']!r}; write one of {', '.join(EFFECTS)}")
        answers[entry["api"], entry["id"]] = entry["effect"]
    return answers


def lines_of(result: Score) -> Sequence[str]:
    """Return the Score in words, a figure a line."""
    return (
        f"{result.reads} reads, {result.changes} changes, {result.destroys} destroys; "
        f"{result.unanswered} of them without an answer count as changes",
        f"destroys called a read: {result.destroys_as_reads}",
        f"changes called a read: {result.changes_as_reads}",
        f"reads found: {result.reads_found} (recall {result.recall:.4f}, precision {result.precision:.4f})",
        f"destroys found: {result.destroys_found}; others called so: {result.others_as_destroys}",
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.effects.score",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the tool's output, as JSON Lines")
    parser.add_argument("--split", choices=("train", "test", "all"), default="test")
    options = parser.parse_args()
    labels = [label for label in read_labels() if options.split in ("all", label.split)]
    result = score(labels, read_answers(options.file))
    print("\n".join(lines_of(result)))
    return int(result.changes_as_reads + result.destroys_as_reads > 0)


if __name__ == "__main__":
    sys.exit(main())
