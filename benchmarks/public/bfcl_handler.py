"""The embedded planner as a model of BFCL: functions in, calls out, without a model, a key or a network.

usage: python -m benchmarks.public.bfcl_handler BFCL_v4_simple_python.json > BFCL_v4_simple_python_result.json

Reads a file of questions of the Berkeley Function-Calling Leaderboard (they are in the package `bfcl-eval`) and writes
a file of results in the form of a model that calls functions by itself: `[{"name": "arguments as JSON"}]`, and `[]`
where the planner has no call or would ask for a value first. To use it within the leaderboard's own program, call
`answer` in the `inference` of a handler.

Each function becomes an operation `POST /name` of an OpenAPI description, its arguments parameters of the query; the
planner is asked what the user has written. A day without a year is counted from today, or from `--today`.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain
from pathlib import Path
from typing import Any

import nlapi
from nlapi.planner.planner import plan

JsonObject = dict[str, Any]

# The types of BFCL's functions are those of Python, of JSON Schema and of its own; what is in no table is as it is.
_TYPES = {"dict": "object", "float": "number", "tuple": "array", "list": "array", "bool": "boolean"}
_ANY = ("any", "Any")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The calls for one question, `{function: arguments}` each, how sure they are, and the seconds they took.

    `calls` is empty where there is no call to make, or a value is missing that the user would be asked for (`asks`).
    """

    calls: Sequence[JsonObject]
    confidence: float
    seconds: float
    asks: bool = False


def answer(
    messages: Iterable[Mapping[str, str]], functions: Sequence[JsonObject], *, today: date | None = None
) -> Answer:
    """Return the planner's calls for the messages of a user, with functions as BFCL describes them."""
    start = time.perf_counter()
    question = " ".join(message["content"] for message in messages if message["role"] == "user")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "functions.json"
        file.write_text(json.dumps(description(functions)), encoding="utf-8")
        spec = nlapi.load(file)
    made = plan(question, [spec], today=today)
    schemas = {function["name"]: function["parameters"] for function in functions}
    calls = [{call.operation_id: _as_declared(dict(call.arguments), schemas[call.operation_id])} for call in made.calls]
    seconds = time.perf_counter() - start
    asks = bool(made.missing)
    return Answer(calls=[] if asks else calls, confidence=made.confidence, seconds=seconds, asks=asks)


def description(functions: Iterable[JsonObject]) -> JsonObject:
    """Return functions as an OpenAPI description, an operation each."""
    paths = {"/" + function["name"].replace(".", "/"): {"post": _operation(function)} for function in functions}
    return {"openapi": "3.0.3", "info": {"title": "functions", "version": "1"}, "paths": paths}


def _operation(function: JsonObject) -> JsonObject:
    required = function["parameters"].get("required", ())
    parameters = [
        {
            "name": name,
            "in": "query",
            "required": name in required,
            "description": schema.get("description", ""),
            "schema": json_schema(schema),
        }
        for name, schema in function["parameters"].get("properties", {}).items()
    ]
    return {
        "operationId": function["name"],
        "description": function["description"],
        "parameters": parameters,
        "responses": {},
    }


def json_schema(schema: Any) -> Any:
    """Return the schema of an argument with the types of JSON Schema."""
    if not isinstance(schema, dict):
        return schema
    converted: JsonObject = {}
    for key, value in schema.items():
        if key == "properties":
            converted[key] = {name: json_schema(inner) for name, inner in value.items()}
        elif key in ("items", "additionalProperties"):
            converted[key] = json_schema(value)
        elif key != "type":
            converted[key] = value
        elif value not in _ANY:
            converted[key] = _TYPES.get(value, value)
    return converted


def _as_declared(value: Any, schema: Any) -> Any:
    """Return a value with the numbers that BFCL declares: JSON has one kind, its checker tells 1 from 1.0."""
    schema = schema if isinstance(schema, dict) else {}
    if isinstance(value, dict):
        return {name: _as_declared(inner, schema.get("properties", {}).get(name)) for name, inner in value.items()}
    if isinstance(value, list):
        return [_as_declared(inner, schema.get("items")) for inner in value]
    if schema.get("type") == "float" and type(value) is int:
        return float(value)
    return value


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("questions", type=Path, help="a file of questions, such as BFCL_v4_multiple.json")
    parser.add_argument("--today", type=date.fromisoformat, help="the day of the questions, such as 2023-01-01")
    options = parser.parse_args()
    with options.questions.open(encoding="utf-8") as lines:
        for entry in map(json.loads, lines):
            given = answer(chain.from_iterable(entry["question"]), entry["function"], today=options.today)
            result = [{name: json.dumps(arguments) for name, arguments in call.items()} for call in given.calls]
            print(json.dumps({"id": entry["id"], "result": result, "latency": round(given.seconds, 4)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
