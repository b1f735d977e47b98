"""Whether the pages of lists are followed, against what descriptions state: `python -m benchmarks.paging [--root DIR]`.

`x-ms-pageable` names the list of an answer (`itemName`) and the field that leads to the next page (`nextLinkName`). An
answer is made of each, read by the operation, and its next page asked for: without what is stated, and with it. Where
the statement has no `nextLinkName`, no page may be asked for. Exits with 1 where a page is asked for that is not the
next one.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import nlapi
from benchmarks.descriptions import counted, labelled
from nlapi.client.message import Result
from nlapi.errors import NlapiError
from nlapi.openapi.spec import Operation
from nlapi.resources.answers import extract_list
from nlapi.tools.answers.view import next_call
from nlapi.tools.compile import compile_tool
from nlapi.tools.tool import Call

LABEL = "x-ms-pageable"
URL = "https://api.example/items"
QUERY = "%24skiptoken=abc"
ROWS = [{"id": "i1", "name": "One"}, {"id": "i2", "name": "Two"}]


def labels(document: Mapping[str, Any]) -> dict[tuple[str, str], dict[str, str]]:
    """The labels of a description, by method and path, and takes them out of it."""
    found = {}
    for path, item in document.get("paths", {}).items():
        for method, operation in item.items():
            if isinstance(operation, dict) and LABEL in operation:
                stated = operation.pop(LABEL)
                texts = {key: value for key, value in stated.items() if isinstance(value, str)}
                found[method.upper(), path] = texts
    return found


def outcome(operation: Operation, stated: Mapping[str, str]) -> str:
    """What is read of an answer as it is stated."""
    next_name, item_name = stated.get("nextLinkName", ""), stated.get("itemName", "value")
    answer = {item_name: ROWS} | ({next_name: f"{URL}?{QUERY}"} if next_name else {})
    content = json.dumps(answer).encode()
    head = (("content-type", "application/json"),)
    result = Result(status=200, headers=head, url=URL, method=operation.method, content=content)
    page = extract_list(answer, operation)
    if page is None:
        return "no list"
    if page.envelope.keys != (item_name,):
        return "another list"
    call = Call(tool=compile_tool(operation), arguments={})
    following = next_call(call, result)
    if not next_name:
        return "right: one page" if following is None else "a page that is not"
    if following is None or following == call:
        return "no next page"
    # A parameter that is described is an argument.
    is_next = following.page_query == QUERY or "abc" in following.arguments.values()
    return "right: next page" if is_next else "another page"


def judge(file: Path, *, is_stated: bool) -> Counter[str]:
    """The outcomes over the labelled operations of a description."""
    document = json.loads(file.read_text())
    stated = labels(document)
    counts: Counter[str] = Counter()
    if not stated:
        return counts
    with tempfile.TemporaryDirectory() as folder:
        bare = Path(folder) / "bare.json"
        bare.write_text(json.dumps(document))
        try:
            spec = nlapi.load(file if is_stated else bare)
        except NlapiError:
            return Counter({"not read": len(stated)})
    operations = {(operation.method, operation.path): operation for operation in spec.operations}
    for place, label in stated.items():
        operation = operations.get(place)
        counts[outcome(operation, label) if operation is not None else "no operation"] += 1
    return counts


def lines(title: str, counts: Counter[str]) -> Iterator[str]:
    """The table of one run."""
    total = sum(counts.values())
    yield f"{title}: {total:,} operations"
    for name, count in counts.most_common():
        yield f"  {count:7,}  {count / total:6.1%}  {name}"


def main() -> None:
    files, workers = labelled(__doc__, LABEL)
    wrong = 0
    for title, is_stated in (("without reading the labels", False), ("as stated", True)):
        counts = counted(files, partial(judge, is_stated=is_stated), workers)
        print("\n".join(lines(title, counts)), flush=True)
        wrong += sum(counts[name] for name in ("another list", "another page", "a page that is not"))
    sys.exit(int(wrong > 0))


if __name__ == "__main__":
    main()
