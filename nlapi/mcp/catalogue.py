"""What one reading of a description offers over MCP: its tools by name, and which of them are listed."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from nlapi.agent.toolbox import FEW
from nlapi.errors import UsageError
from nlapi.mcp.settings import Consent, Settings
from nlapi.openapi.spec import Effect, Operation, Spec
from nlapi.openapi.uncollected import uncollected
from nlapi.tools.areas import Area, areas
from nlapi.tools.compile import compile_tool
from nlapi.tools.index import Index
from nlapi.tools.name import tool_names
from nlapi.tools.tool import Tool

FIND, DESCRIBE, READ, CALL = "find", "describe", "read", "call"
OWN = (FIND, DESCRIBE, READ, CALL)
"""The tools that a large API is operated with; no operation's tool has one of these names."""

LIKELY = 12
"""Operations of a large API that are listed as tools of their own."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Catalogue:
    """Some operations of a Spec, as `settings` want them offered. What is costly is made when it is first asked for."""

    spec: Spec
    operations: tuple[Operation, ...]
    settings: Settings

    @cached_property
    def _names(self) -> dict[str, str]:
        """Operation id -> the name of its tool, which does not depend on what was chosen to be offered."""
        every = self.spec.operations
        names = tool_names(every, longest=self.settings.name_length, reserved=OWN)
        return dict(zip((one.id for one in every), names, strict=True))

    @cached_property
    def _by_name(self) -> dict[str, Operation]:
        named = {self._names[one.id]: one for one in self.operations}
        return {**{one.id: one for one in self.operations}, **named}

    @property
    def searched(self) -> bool:
        """Is this API so large that a client is given a search, and not every tool?"""
        return len(self.operations) > FEW and not self.settings.all_tools

    @cached_property
    def areas(self) -> tuple[Area, ...]:
        return areas(self.spec, self.operations)

    @cached_property
    def index(self) -> Index:
        return Index.of(self.operations)

    def name(self, operation: Operation) -> str:
        return self._names[operation.id]

    def tool(self, name: str) -> Tool:
        """The tool of that name, or of the operation with that id, listed or not. UsageError names the nearest."""
        operation = self._by_name.get(name)
        if operation is None:
            near = difflib.get_close_matches(name, self._by_name, n=3, cutoff=0.5)
            hint = f"did you mean {', '.join(near)}?" if near else "tools/list names them"
            if self.searched:
                hint += f"; the tool {FIND} finds operations by words"
            raise UsageError(f"there is no tool or operation {name[:100]!r}", hint=hint)
        return replace(compile_tool(operation), name=self.name(operation))

    @cached_property
    def listed(self) -> tuple[Tool, ...]:
        chosen = tuple(_likely(self.areas)) if self.searched else self.operations
        with uncollected():
            return tuple(self.tool(self.name(one)) for one in chosen)


def catalogue(spec: Spec, operations: Sequence[Operation], settings: Settings) -> Catalogue:
    """The Catalogue of the operations that can be called. UsageError when there is none."""
    reads_only = settings.consent is Consent.NEVER
    offered = tuple(one for one in operations if one.usable and (one.effect is Effect.READ or not reads_only))
    if not offered:
        kind = "read " if reads_only else ""
        raise UsageError(f"{spec.title} has no {kind}operation left to offer", hint="`nlapi check` says what is wrong")
    return Catalogue(spec=spec, operations=offered, settings=settings)


def _likely(parts: Sequence[Area]) -> Iterator[Operation]:
    """Of the largest groups one read each that needs nothing to be known, as a list of things is."""
    largest = sorted(parts, key=lambda part: -len(part.operations))
    found = (next((one for one in part.operations if _at_once(one)), None) for part in largest)
    yield from [one for one in found if one is not None][:LIKELY]


def _at_once(operation: Operation) -> bool:
    if operation.effect is not Effect.READ or operation.deprecated or operation.body is not None:
        return False
    return not any(parameter.required for parameter in operation.parameters)


def known_arguments(tool: Tool, settings: Settings) -> dict[str, Any]:
    """The values that the user registered for the arguments of a tool."""
    from nlapi.tools.coerce import coerce_arguments

    return coerce_arguments({name: value for name, value in settings.known.items() if name in tool.places}, tool)
