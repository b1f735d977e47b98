"""The selection of the tools that a conversation is likely to need, under stable names."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from nlapi.client.safe_text import strip_control
from nlapi.openapi.spec import Operation, Spec
from nlapi.tools.compile import compile_tool
from nlapi.tools.index import Index
from nlapi.tools.tool import Tool

# Up to this many operations are all sent: a model selects worse, and costs more, past 30 to 50 tools.
MAX_TOOLS = 40
# Operations for each question of the user, and for each search of the model's own; a client's search returns 5 by
# default (the API's tool search), which is too few where several calls are needed.
QUESTION_RESULTS = 20
SEARCH_RESULTS = 8

# Words to search for, and the number of operations to take.
Query = tuple[str, int]

FIND_TOOL_NAME = "find_operations"
_FIND_TOOL = {
    "name": FIND_TOOL_NAME,
    "description": "Find operations of the API by what they do. What is found can be called as a tool from then on.",
    "input_schema": {
        "type": "object",
        "properties": {
            "query": {
                "type": "string",
                "description": "a few English words: the action and the thing, `pause campaign`",
            }
        },
        "required": ["query"],
        "additionalProperties": False,
    },
}


class ToolSelection:
    """The tools of one or more Specs. With several Specs, a tool's name begins with that of its API."""

    def __init__(self, specs: Sequence[Spec], compile: Callable[[Operation], Tool] = compile_tool) -> None:
        self.specs = tuple(specs)
        self.operations = tuple(operation for spec in specs for operation in spec.visible_operations)
        self._compile = compile
        self._prefixes = _prefixes(self.specs)

    @property
    def has_search(self) -> bool:
        """Whether there are so many operations that only some are sent."""
        return len(self.operations) > MAX_TOOLS

    @cached_property
    def _index(self) -> Index:
        return Index.of(self.operations)

    def tool(self, operation: Operation) -> Tool:
        """Return the tool of an operation, under its name in this toolbox."""
        tool = self._compile(operation)
        prefix = self._prefixes.get(operation.spec)
        return replace(tool, name=_prefixed_name(prefix, tool.name)) if prefix else tool

    def choose(self, queries: Iterable[Query], used_operations: Iterable[Operation] = ()) -> dict[str, Tool]:
        """Return tools by name: all when they are few, else the likeliest for each query and those already used."""
        selected: dict[Operation, None] = dict.fromkeys(() if self.has_search else self.operations)
        if self.has_search:
            for words, count in queries:
                selected |= dict.fromkeys(self._search(words, count))
            selected |= dict.fromkeys(used_operations)
        tools = (self.tool(operation) for operation in selected if operation.usable)
        return {tool.name: tool for tool in tools}

    def find(self, query: str) -> tuple[Tool, ...]:
        """Return the tools for the model's own search."""
        return tuple(self.tool(operation) for operation in self._search(query, SEARCH_RESULTS) if operation.usable)

    def search_result(self, query: str) -> str:
        """Return the result of that search for the model, as JSON."""
        results = [
            {
                "tool": tool.name,
                "does": strip_control(tool.operation.summary) or tool.description[:200],
                "request": strip_control(f"{tool.operation.method} {tool.operation.path}"),
            }
            for tool in self.find(query)
        ]
        if results:
            return json.dumps({"found": results}, ensure_ascii=False)
        tags = dict.fromkeys(tag for operation in self.operations for tag in operation.tags)
        return json.dumps({"found": [], "try words such as": list(tags)[:40]}, ensure_ascii=False)

    def definitions(self, tools: Iterable[Tool]) -> list[dict[str, Any]]:
        """Return the tools in the form of the Messages API."""
        return [*([_FIND_TOOL] if self.has_search else []), *(tool.as_dict("anthropic") for tool in tools)]

    def _search(self, query: str, limit: int) -> list[Operation]:
        return [operation for operation, _ in self._index.search(query, limit)]


def _prefixes(specs: tuple[Spec, ...]) -> dict[Spec, str]:
    """Return a short name for each Spec, from its title; none when there is only one."""
    prefixes: dict[Spec, str] = {}
    for number, spec in enumerate(specs, 1):
        word = re.sub(r"[^a-z0-9]+", "_", spec.title.lower()).strip("_")[:16].rstrip("_") or "api"
        prefixes[spec] = word if word not in prefixes.values() else f"{word}{number}"
    return prefixes if len(specs) > 1 else {}


def _prefixed_name(prefix: str, name: str) -> str:
    """Return `prefix_name` in at most 64 characters, with a hash where it had to be cut."""
    full_name = f"{prefix}_{name}"
    # 64 is the Messages API's limit; the hash distinguishes names that are equal up to the cut.
    return (
        full_name if len(full_name) <= 64 else f"{full_name[:55]}_{hashlib.sha256(full_name.encode()).hexdigest()[:8]}"
    )
