"""Which changes are taken for work that goes on, against what descriptions state: `python -m benchmarks.accepted`.

`x-ms-long-running-operation` marks operations that answer before their work is done. The mark is taken out, each
change is answered as its description says (202 where it has one, else the first success, without a body), and the
answer is read as every answer is. What is not marked and answers 202 counts against the precision, although it may be
such work too.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import nlapi
from benchmarks.descriptions import counted, labelled
from nlapi.errors import NlapiError
from nlapi.openapi.spec import Operation
from nlapi.resources.long_running import ACCEPTED, LONG_RUNNING, AnsweredRequest, pending_work

URL = "https://api.example/items/i1"


def take_labels(document: Mapping[str, Any]) -> set[tuple[str, str]]:
    """The marked operations of a description, by method and path, and takes the marks out of it."""
    return {
        (method.upper(), path)
        for path, item in document.get("paths", {}).items()
        for method, node in item.items()
        if isinstance(node, dict) and node.pop(LONG_RUNNING, None) is True
    }


def is_taken_for_work(operation: Operation) -> bool:
    """Whether the declared answer of a change is read as unfinished work."""
    codes = sorted(int(answer.status) for answer in operation.response_details.responses if answer.status.isdigit())
    successes = [code for code in codes if 200 <= code < 300]
    status = ACCEPTED if ACCEPTED in successes else next(iter(successes), 200)
    answer = AnsweredRequest(method=operation.method, url=URL, status=status, headers={}, data=None)
    return pending_work(operation, answer, any_state=True) is not None


def judge(file: Path) -> Counter[tuple[bool, bool]]:
    """How many changes of a description are marked, and taken for work."""
    document = json.loads(file.read_text(encoding="utf-8"))
    labels = take_labels(document)
    with tempfile.TemporaryDirectory() as folder:
        bare = Path(folder) / "bare.json"
        bare.write_text(json.dumps(document), encoding="utf-8")
        try:
            operations = nlapi.load(bare).operations
        except NlapiError:
            return Counter()
        changes = [operation for operation in operations if operation.method != "GET"]
        return Counter(((entry.method, entry.path) in labels, is_taken_for_work(entry)) for entry in changes)


def lines(counts: Mapping[tuple[bool, bool], int]) -> Iterator[str]:
    """The figures."""
    right, missed, more = counts[True, True], counts[True, False], counts[False, True]
    yield f"{right + missed:,} marked changes of {sum(counts.values()):,}"
    recall, precision = right / (right + missed), right / (right + more)
    yield f"recall {recall:.3f}, precision {precision:.3f}: {more} changes are not marked and answer 202"


def main() -> None:
    files, workers = labelled(__doc__, LONG_RUNNING)
    print("\n".join(lines(counted(files, judge, workers))))


if __name__ == "__main__":
    main()
