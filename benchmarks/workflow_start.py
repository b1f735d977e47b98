"""How often a sentence starts a workflow: `python -m benchmarks.workflow_start [--root DIR] [--show]`.

Of each API of the collection three workflows are drawn. A sentence is the id of one in words, its summary, or one of
the 150 reworded summaries of `workflow_recall.jsonl`. Each is put to the workflows of the API, and to those without the
one that is meant, where any that starts is wrong. So is any for the summaries of six operations of each API, and for
four of the questions that no API answers. The thresholds were fitted on the first half of the APIs, by their SHA-256.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks.workflow_recall import QUESTIONS, ROOT, UNRELATED, read_documents
from nlapi.workflows.plain_match import PlainMatcher
from nlapi.workflows.sources import LinkedDocument
from nlapi.workflows.workflow_tools import workflow_tools

KINDS = ("id", "summary", "reworded", "operation", "unrelated")
_SEED = 1


def questions(api: str, linked: LinkedDocument, reworded: dict[str, tuple[str, str]]) -> Iterator[tuple[str, str, str]]:
    """Yield sentences of each kind with the id of the workflow that is meant, "" for none."""
    draw = random.Random(f"{_SEED}{api}")
    workflows = list(linked.document.workflows)
    for workflow in draw.sample(workflows, min(3, len(workflows))):
        yield "id", re.sub(r"[-_]+", " ", workflow.id), workflow.id
        if workflow.summary:
            yield "summary", workflow.summary, workflow.id
    if api in reworded:
        yield "reworded", *reworded[api]
    operations = [operation for spec in linked.all_specs for operation in spec.visible_operations]
    for operation in draw.sample(operations, min(6, len(operations))):
        if " " in operation.summary.strip():
            yield "operation", operation.summary.strip().rstrip("."), ""
    for question in draw.sample(UNRELATED.read_text(encoding="utf-8").splitlines(), 4):
        yield "unrelated", question, ""


def without(linked: LinkedDocument, id: str) -> LinkedDocument:
    """Return a document without one of its workflows."""
    rest = tuple(workflow for workflow in linked.document.workflows if workflow.id != id)
    return replace(linked, document=replace(linked.document, workflows=rest))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--root", type=Path, default=ROOT, help="a folder of NAME/{openapi.json, workflows.arazzo.json}"
    )
    parser.add_argument("--show", action="store_true", help="the sentences that start a wrong workflow")
    options = parser.parse_args()
    rows = map(json.loads, QUESTIONS.read_text(encoding="utf-8").splitlines())
    reworded = {row["api"]: (row["question"], row["workflow"]) for row in rows}
    counts: Counter[tuple[int, str, str]] = Counter()
    seconds, searches = time.process_time(), 0
    for api, linked in read_documents(options.root).items():
        half = int(hashlib.sha256(api.encode()).hexdigest(), 16) % 2
        matchers: dict[str, PlainMatcher] = {}
        for kind, question, meant in questions(api, linked, reworded):
            for removed in ("", meant) if meant else ("",):
                if removed not in matchers:
                    document = without(linked, removed) if removed else linked
                    matchers[removed] = PlainMatcher(workflow_tools([document]), linked.all_specs)
                entry = matchers[removed](question)
                searches += 1
                name = f"{kind}, absent" if removed else kind
                counts[half, name, "asked"] += 1
                if entry is not None:
                    outcome = "right" if entry.workflow.id == meant and not removed else "wrong"
                    counts[half, name, outcome] += 1
                    if outcome == "wrong" and options.show:
                        print(f"{api}: {question}\n  started {entry.workflow.id}, meant {meant or 'none'}")
    seconds = time.process_time() - seconds
    for name in (name for kind in KINDS for name in (kind, f"{kind}, absent")):
        if not any(counts[half, name, "asked"] for half in (0, 1)):
            continue
        halves = (
            f"{counts[half, name, 'right']} right, {counts[half, name, 'wrong']} wrong of {counts[half, name, 'asked']}"
            for half in (0, 1)
        )
        print(f"{name:20} {' | '.join(halves)}")
    print(f"(fitted half | other half); {1000 * seconds / max(1, searches):.0f} ms of CPU a sentence")


if __name__ == "__main__":
    main()
