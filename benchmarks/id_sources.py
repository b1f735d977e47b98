"""How often the source of an id is right, on ten large APIs: `python -m benchmarks.id_sources [--show]`.

`id_sources.jsonl` is a random sample of the arguments that take an id of those APIs (seed 11, as many of each), each
with the source that was found and whether a person holds it for right: the operation lists, or shows, the very things
whose id is wanted, and the field is that id. An argument without a source counts as no answer. `--sample N --seed S`
writes a new sample to standard output, to be judged.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import nlapi
from benchmarks.descriptions import directory, github
from nlapi.openapi.spec import Operation, Spec
from nlapi.resources.answers import answer_schemas
from nlapi.resources.id_sources import IdSource, id_sources
from nlapi.resources.nouns import Place, is_id_argument

JUDGED = Path(__file__).with_name("id_sources.jsonl")
APIS = (
    *("github", "kubernetes.io", "stripe.com", "atlassian.com/jira", "box.com"),
    *("digitalocean.com", "zoom.us", "asana.com", "bitbucket.org", "linode.com"),
)


def load(api: str) -> Spec | None:
    """The description of one of the APIs; None where npm does not give it."""
    folder = directory()
    file = github() if api == "github" else folder / f"{api}.json" if folder is not None else None
    return nlapi.load(file) if file is not None else None


def arguments(spec: Spec) -> Iterator[tuple[Operation, Place]]:
    """Every argument of an API that takes an id, by operation and place."""
    reader = answer_schemas(spec).reader
    for operation in spec.operations:
        for one in operation.parameters:
            if one.location in ("path", "query") and is_id_argument((one.location, one.name), one):
                yield operation, (one.location, one.name)
        if operation.body is not None:
            for name, schema in reader.properties(operation.body.schema).items():
                if is_id_argument(("body", name), None) and reader.flat(schema).get("readOnly") is not True:
                    yield operation, ("body", name)


def first(spec: Spec, operation: Operation, place: Place) -> IdSource | None:
    """The best source of an argument."""
    return next(iter(id_sources(spec).find_sources(operation, place)), None)


def sample(count: int, seed: int) -> None:
    """Writes a sample to be judged: `right` is for a person to fill in."""
    random.seed(seed)
    for api in APIS:
        spec = load(api)
        every = list(arguments(spec)) if spec is not None else []
        for operation, place in random.sample(every, min(count // len(APIS), len(every))):
            assert spec is not None
            found = first(spec, operation, place)
            row = {
                "api": api,
                "operation": operation.id,
                "request": f"{operation.method} {operation.path}",
                "argument": list(place),
                "source": f"{found.operation.method} {found.operation.path}" if found else "",
                "field": found.field if found else "",
                "right": None,
            }
            print(json.dumps(row))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--show", action="store_true", help="print each line with its verdict")
    parser.add_argument("--sample", type=int, metavar="N", help="write a new sample of N lines, to be judged")
    parser.add_argument("--seed", type=int, default=11)
    options = parser.parse_args()
    if options.sample:
        sample(options.sample, options.seed)
        return
    rows = [json.loads(line) for line in JUDGED.read_text(encoding="utf-8").splitlines()]
    print("| API | arguments | with a source | lines judged | right | wrong | no source | not judged |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    whole: Counter[str] = Counter()
    for api in APIS:
        spec = load(api)
        if spec is None:
            print(f"left out: {api}", file=sys.stderr)
            continue
        every = list(arguments(spec))
        answered = sum(first(spec, *one) is not None for one in every)
        counts: Counter[str] = Counter(arguments=len(every), answered=answered)
        for row in (row for row in rows if row["api"] == api):
            verdict, found = _verdict(spec, row)
            counts[verdict] += 1
            if options.show:
                said = f"{found.operation.method} {found.operation.path} .{found.field}" if found else "-"
                print(f"{verdict:10} {row['argument'][1]:24} {row['request']}  <-  {said}")
        whole += counts
        print(_line(api, counts))
    print(_line("all", whole))


def _verdict(spec: Spec, row: dict[str, object]) -> tuple[str, IdSource | None]:
    where, name = row["argument"]  # type: ignore[misc]
    found = first(spec, spec.operation(str(row["operation"])), (where, name))
    if found is None:
        return "silent", None
    same = f"{found.operation.method} {found.operation.path}" == row["source"] and found.field == row["field"]
    return ("right" if row["right"] else "wrong") if same and row["right"] is not None else "not judged", found


def _line(api: str, counts: Counter[str]) -> str:
    judged = sum(counts[one] for one in ("right", "wrong", "silent", "not judged"))
    share = counts["answered"] / max(1, counts["arguments"])
    rest = " | ".join(str(counts[one]) for one in ("right", "wrong", "silent", "not judged"))
    return f"| {api} | {counts['arguments']:,} | {share:.2f} | {judged} | {rest} |"


if __name__ == "__main__":
    main()
