"""The tools that a description offers over MCP, by name, and the selection that is listed."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from nlapi.agent.tool_selection import MAX_TOOLS
from nlapi.errors import UsageError
from nlapi.mcp.settings import Consent, Settings
from nlapi.openapi.spec import Effect, Operation, Spec
from nlapi.openapi.gc_paused import gc_paused
from nlapi.tools.areas import Area, areas
from nlapi.tools.compile import compile_tool
from nlapi.tools.index import Index
from nlapi.tools.name import tool_names
from nlapi.tools.tool import Tool

FIND, DESCRIBE, READ, CALL = "find", "describe", "read", "call"
# The tools that operate a large API; no operation's tool has one of these names.
SEARCH_TOOLS = (FIND, DESCRIBE, READ, CALL)

# Operations of a large API that are listed as tools of their own: 17 KB for GitHub's 1,223 operations, where all take
# 2.2 MB.
MAX_SAMPLE_TOOLS = 12


@dataclass(frozen=True, kw_only=True, eq=False)
class ToolCatalogue:
    """The operations of a Spec that `settings` offer. Costly parts are computed on first use."""

    spec: Spec
    operations: tuple[Operation, ...]
    settings: Settings

    @cached_property
    def _tool_names(self) -> dict[str, str]:
        """Operation id -> name of its tool, the same whichever operations are offered."""
        operations = self.spec.operations
        names = tool_names(operations, max_length=self.settings.name_length, reserved=SEARCH_TOOLS)
        return dict(zip((operation.id for operation in operations), names, strict=True))

    @cached_property
    def _by_name(self) -> dict[str, Operation]:
        by_tool_name = {self._tool_names[operation.id]: operation for operation in self.operations}
        return {**{operation.id: operation for operation in self.operations}, **by_tool_name}

    @property
    def uses_search(self) -> bool:
        """Whether the API is so large that a client gets a search in place of every tool."""
        # Models choose worse from more than 30 to 50 tools.
        return len(self.operations) > MAX_TOOLS and not self.settings.all_tools

    @cached_property
    def areas(self) -> tuple[Area, ...]:
        return areas(self.spec, self.operations)

    @cached_property
    def index(self) -> Index:
        return Index.of(self.operations)

    def name(self, operation: Operation) -> str:
        return self._tool_names[operation.id]

    def tool(self, name: str) -> Tool:
        """Return the tool of that name, or of the operation with that id, listed or not.

        UsageError suggests the nearest names.
        """
        operation = self._by_name.get(name)
        if operation is None:
            suggestions = difflib.get_close_matches(name, self._by_name, n=3, cutoff=0.5)
            hint = f"did you mean {', '.join(suggestions)}?" if suggestions else "tools/list names them"
            if self.uses_search:
                hint += f"; the tool {FIND} finds operations by words"
            raise UsageError(f"there is no tool or operation {name[:100]!r}", hint=hint)
        return replace(compile_tool(operation), name=self.name(operation))

    @cached_property
    def listed_tools(self) -> tuple[Tool, ...]:
        chosen = tuple(_sample_reads(self.areas)) if self.uses_search else self.operations
        with gc_paused():
            return tuple(self.tool(self.name(operation)) for operation in chosen)


def build_catalogue(spec: Spec, operations: Sequence[Operation], settings: Settings) -> ToolCatalogue:
    """Return the Catalogue of the operations that can be called. UsageError when there is none."""
    reads_only = settings.consent is Consent.NEVER
    callable_operations = tuple(operation for operation in operations if operation.usable and (operation.effect is Effect.READ or not reads_only))
    if not callable_operations:
        kind = "read " if reads_only else ""
        raise UsageError(f"{spec.title} has no {kind}operation left to offer", hint="`nlapi check` says what is wrong")
    return ToolCatalogue(spec=spec, operations=callable_operations, settings=settings)


def _sample_reads(groups: Sequence[Area]) -> Iterator[Operation]:
    """Yield one read without required arguments from each of the largest areas, such as a list."""
    largest = sorted(groups, key=lambda group: -len(group.operations))
    candidates = (next((operation for operation in group.operations if _needs_no_arguments(operation)), None) for group in largest)
    yield from [operation for operation in candidates if operation is not None][:MAX_SAMPLE_TOOLS]


def _needs_no_arguments(operation: Operation) -> bool:
    if operation.effect is not Effect.READ or operation.deprecated or operation.body is not None:
        return False
    return not any(parameter.required for parameter in operation.parameters)


def registered_arguments(tool: Tool, settings: Settings) -> dict[str, Any]:
    """Return the values that the user registered for the arguments of a tool."""
    # Registered values are texts; a tool of which none is registered must not pay for this import.
    from nlapi.tools.coerce import coerce_arguments

    return coerce_arguments({name: value for name, value in settings.registered.items() if name in tool.places}, tool)
