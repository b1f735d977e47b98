"""How often a sentence finds its workflow: `python -m benchmarks.workflow_recall [--root DIR] [--fresh] [--show]`.

`workflow_recall.jsonl` has 150 summaries reworded as a person who wants it done would say them: other verbs, other
nouns, shorter. They were written before the search was, and stay as they are. One workflow of each of 150 APIs with two
or more is in it, by rule: the APIs whose SHA-256 is least, and of each the workflow whose place is that number modulo
their count. `workflow_unrelated.txt` has 50 questions that no API of the collection answers.
`--fresh` takes 40 other workflows, of APIs with three or more, whose questions were written after the search.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from nlapi.workflows.plain_match import WorkflowIndex, WorkflowMatch
from nlapi.workflows.read import read_document
from nlapi.workflows.sources import LinkedDocument, link

ROOT = Path(__file__).resolve().parents[2] / "shared" / "data" / "workflows"
QUESTIONS = Path(__file__).with_name("workflow_recall.jsonl")
FRESH = Path(__file__).with_name("workflow_recall_fresh.jsonl")
UNRELATED = Path(__file__).with_name("workflow_unrelated.txt")
OTHER_API = 37
"""places between an API and the one that its question is put to as a question that does not fit"""


def read_documents(root: Path) -> dict[str, LinkedDocument]:
    """Return the document of each API, linked with the description beside it."""
    documents = {}
    for folder in sorted(path for path in root.iterdir() if (path / "workflows.arazzo.json").is_file()):
        document = read_document(str(folder / "workflows.arazzo.json"))
        sources = {document.sources[0].name: str(folder / "openapi.json")} if document.sources else {}
        documents[folder.name] = link(document, sources=sources)
    return documents


def rank(matches: Sequence[WorkflowMatch], id: str) -> int:
    """Return the place of a workflow among matches, from 1; 0 where it is not there."""
    return next((place for place, match in enumerate(matches, start=1) if match.workflow.id == id), 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--root", type=Path, default=ROOT, help="a folder of NAME/{openapi.json, workflows.arazzo.json}"
    )
    parser.add_argument("--fresh", action="store_true", help="the questions that were written last")
    parser.add_argument("--show", action="store_true", help="the questions that do not find their workflow")
    options = parser.parse_args()
    questions = FRESH if options.fresh else QUESTIONS
    documents = read_documents(options.root)
    rows = [
        row for row in map(json.loads, questions.read_text(encoding="utf-8").splitlines()) if row["api"] in documents
    ]
    indexes = {api: WorkflowIndex([document]) for api, document in documents.items()}
    whole = WorkflowIndex(documents.values())
    counts: Counter[str] = Counter()
    seconds = time.process_time()
    names = list(documents)
    for row in rows:
        question, id = row["question"], row["workflow"]
        near = indexes[row["api"]].search(question, 3)
        place = rank(near, id)
        counts["first"] += place == 1
        counts["of three"] += place > 0
        if near and near[0].is_confident:
            counts["confident"] += 1
            counts["confident, right"] += place == 1
        everywhere = whole.search(question, 5)
        counts["first of all"] += rank(everywhere[:1], id) == 1
        counts["of five of all"] += rank(everywhere, id) > 0
        other = indexes[names[(names.index(row["api"]) + OTHER_API) % len(names)]].search(question, 1)
        counts["confident, other API"] += bool(other) and other[0].is_confident
        if options.show and place != 1:
            print(f"{row['api']}: {question}\n  {id}, not {near[0].workflow.id if near else 'none'}")
    unrelated = UNRELATED.read_text(encoding="utf-8").splitlines()
    for question in unrelated:
        matches = whole.search(question, 1)
        counts["confident, unrelated"] += bool(matches) and matches[0].is_confident
    seconds = time.process_time() - seconds
    total = len(rows)
    print(f"{total} questions, {len(whole)} workflows of {len(documents)} APIs")
    print(
        f"among those of its API: first {counts['first']} ({counts['first'] / total:.1%}), of the first three ", end=""
    )
    print(f"{counts['of three']} ({counts['of three'] / total:.1%})")
    print(f"among all: first {counts['first of all']}, of the first five {counts['of five of all']}")
    print(f"confident: {counts['confident']}, of them right {counts['confident, right']}")
    print(f"confident where nothing fits: {counts['confident, other API']} of {total} put to another API, ", end="")
    print(f"{counts['confident, unrelated']} of {len(unrelated)} unrelated among all")
    print(f"{1000 * seconds / (3 * total + len(unrelated)):.0f} ms of CPU a search")


if __name__ == "__main__":
    main()
