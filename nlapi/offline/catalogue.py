"""The operations that can be planned with: an index over them, and the Tool and Slots of one when it is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from nlapi.offline.entities import listers
from nlapi.offline.rank_words import Profile, profile
from nlapi.offline.slots import Slot, slots_of
from nlapi.openapi.spec import Operation, Spec
from nlapi.tools.index import Index
from nlapi.tools.tool import Tool

if TYPE_CHECKING:
    from collections.abc import Mapping

SMALL = 150
"""Up to this many operations the names of parameters are indexed too; for more, parsing them all costs too much."""


class Catalogue:
    """Operations of one API or of several. `tool` makes the Tool of an operation when it is first needed."""

    def __init__(self, operations: Iterable[Operation], tool: Callable[[Operation], Tool]) -> None:
        self.operations = tuple(operations)
        self.several = len({id(operation.spec) for operation in self.operations}) > 1
        small = len(self.operations) <= SMALL
        self.index = Index(self.operations, self._extra) if small or self.several else Index.of(self.operations)
        self._make = tool
        self._tools: dict[Operation, Tool | None] = {}
        self._slots: dict[Tool, tuple[Slot, ...]] = {}
        self._listers: dict[tuple[Tool, tuple[str, ...]], Operation | None] = {}
        self._profiles: dict[Operation, Profile] = {}
        self._by_id = {operation.id: operation for operation in self.operations}

    @classmethod
    def of(cls, sources: Iterable[Spec | Tool]) -> Catalogue:
        """A Catalogue of whole Specs (tools are compiled as needed) or of ready Tools."""
        from nlapi.tools.compile import compile_tool

        sources = tuple(sources)
        if len(sources) == 1 and isinstance(sources[0], Spec):
            memo: dict[str, Catalogue] = sources[0].memo
            if "catalogue" not in memo:
                memo["catalogue"] = cls(sources[0].shown, compile_tool)
            return memo["catalogue"]
        ready: Mapping[Operation, Tool] = {tool.operation: tool for tool in sources if isinstance(tool, Tool)}
        operations = [operation for spec in sources if isinstance(spec, Spec) for operation in spec.shown]
        return cls((*ready, *operations), lambda operation: ready.get(operation) or compile_tool(operation))

    def tool(self, operation: Operation) -> Tool | None:
        """The Tool of an operation; None when the description does not allow one."""
        if operation not in self._tools:
            self._tools[operation] = self._make(operation) if operation.usable else None
        return self._tools[operation]

    def slots(self, tool: Tool) -> tuple[Slot, ...]:
        if tool not in self._slots:
            self._slots[tool] = slots_of(tool)
        return self._slots[tool]

    def profile(self, operation: Operation) -> Profile:
        """What an operation says of itself."""
        if operation not in self._profiles:
            self._profiles[operation] = profile(operation, api_of(operation) if self.several else "")
        return self._profiles[operation]

    def lister(self, tool: Tool, slot: Slot) -> Operation | None:
        """The operation that lists the things whose id `slot` takes: where a name can be turned into that id."""
        key = (tool, slot.path)
        if key not in self._listers:
            self._listers[key] = next(listers(self.operations, tool, slot), None)
        return self._listers[key]

    def other_listers(self, tool: Tool, slot: Slot, listing: Tool) -> tuple[Tool, ...]:
        """The tools besides `listing` that list the same kind of thing, for when it cannot be called."""
        found = (self.tool(operation) for operation in listers(self.operations, tool, slot))
        return tuple(one for one in found if one is not None and one is not listing)

    def _extra(self, operation: Operation) -> str:
        """What an operation is found by beside what it says of itself: its parameters; its API, of several."""
        api = f"{api_of(operation)} " if self.several else ""
        return api + (_parameters(operation) if len(self.operations) <= SMALL else "")

    def find(self, id: str) -> Operation | None:
        return self._by_id.get(id)


def api_of(operation: Operation) -> str:
    """What the API of an operation is called by: its title and the names of its servers' hosts."""
    spec = operation.spec
    hosts = (urlsplit(server.url).hostname or "" for server in spec.servers)
    return " ".join((spec.title, *(host.rpartition(".")[0] for host in hosts)))


def _parameters(operation: Operation) -> str:
    body = operation.body
    inner = _properties(operation, body.schema) if body is not None and body.media else ()
    return " ".join((*(parameter.name for parameter in operation.parameters), *inner))


def _properties(operation: Operation, schema: Any, depth: int = 3) -> Iterator[str]:
    schema = operation.spec.follow(schema)
    if isinstance(schema, dict):
        yield from schema.get("properties", ())
        if depth:
            for part in schema.get("allOf", ()):
                yield from _properties(operation, part, depth - 1)
