"""The operations that can be planned with: an index over them, and the Tool and Slots of one when it is needed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from nlapi.openapi.spec import Operation, Spec
from nlapi.planner.language.commands import own_verbs
from nlapi.planner.operations.features import Profile, profile
from nlapi.planner.slots.entities import OPAQUE, place_of, takes_id, takes_name
from nlapi.planner.slots.slot import Slot, is_secret, slots_of, without_credentials
from nlapi.resources.collection_index import collection_index
from nlapi.resources.id_sources import IdSource, id_sources
from nlapi.resources.naming import split_words, stem
from nlapi.resources.nouns import is_single, singular_noun
from nlapi.tools.index import Index
from nlapi.tools.tool import Tool

if TYPE_CHECKING:
    from collections.abc import Mapping

LIKELY = 12
"""Operations that a question may be about."""


_UNDONE = re.compile(r"\W*not (?:yet )?implemented\b", re.IGNORECASE)
"""What an operation says that is described before its time."""


class Catalogue:
    """Operations of one API or of several. `tool` makes the Tool of an operation when it is first needed.

    Ids flow within an API, never from one to another.
    """

    def __init__(self, operations: Iterable[Operation], tool: Callable[[Operation], Tool]) -> None:
        self.operations = tuple(one for one in operations if not _UNDONE.match(one.description))
        self.specs: tuple[Spec, ...] = tuple(dict.fromkeys(operation.spec for operation in self.operations))
        self.several = len(self.specs) > 1
        self.index = Index(self.operations, api_of) if self.several else Index.of(self.operations)
        self._make = tool
        self._tools: dict[Operation, Tool | None] = {}
        self._slots: dict[Tool, tuple[Slot, ...]] = {}
        self._sources: dict[tuple[Tool, tuple[str, ...]], tuple[IdSource, ...]] = {}
        self._members = frozenset(self.operations)
        self._parts: dict[Spec, Catalogue] = {}
        self._profiles: dict[Operation, Profile] = {}

    @classmethod
    def of(cls, sources: Iterable[Spec | Tool]) -> Catalogue:
        """A Catalogue of whole Specs (tools are compiled as needed) or of ready Tools."""
        from nlapi.tools.compile import compile_tool

        sources = tuple(sources)
        if len(sources) == 1 and isinstance(sources[0], Spec):
            return sources[0].derive(_whole)
        ready: Mapping[Operation, Tool] = {tool.operation: tool for tool in sources if isinstance(tool, Tool)}
        operations = [operation for spec in sources if isinstance(spec, Spec) for operation in spec.visible_operations]
        return cls((*ready, *operations), lambda operation: ready.get(operation) or compile_tool(operation))

    @cached_property
    def commanded(self) -> frozenset[str]:
        """The stems of the verbs that the operations which change something are commanded by."""
        return frozenset().union(*map(own_verbs, filter(self.index.is_change, self.operations)))

    @cached_property
    def kinds(self) -> frozenset[tuple[str, ...]]:
        """The nouns, in the singular, of the things that have an operation of their own."""
        return frozenset(words for one in self.operations if is_single(one) and (words := singular_noun(one)))

    def chooses(self, question: str, command: str) -> bool:
        """Is a command a choice of an argument of what a question may be about: a `type` of action that is `reboot`?"""
        words = [stem(word) for word in split_words(command)]
        found = (operation for operation, _ in self.index.search(question, LIKELY) if self.index.is_change(operation))
        return any(
            words == [stem(word) for word in split_words(str(choice))]
            for tool in map(self.tool, found)
            for slot in (self.slots(tool) if tool is not None else ())
            for choice in slot.choices
        )

    def part(self, spec: Spec) -> Catalogue:
        """The operations of one of the APIs."""
        if spec not in self._parts:
            own = [operation for operation in self.operations if operation.spec is spec]
            self._parts[spec] = Catalogue(own, self._make)
        return self._parts[spec]

    def tool(self, operation: Operation) -> Tool | None:
        """The Tool of an operation, without its credentials; None when the description does not allow one."""
        if operation not in self._tools:
            self._tools[operation] = without_credentials(self._make(operation)) if operation.usable else None
        return self._tools[operation]

    def slots(self, tool: Tool) -> tuple[Slot, ...]:
        """What a sentence may fill of a tool: no credential."""
        if tool not in self._slots:
            self._slots[tool] = tuple(slot for slot in slots_of(tool) if not is_secret(slot, tool))
        return self._slots[tool]

    def profile(self, operation: Operation) -> Profile:
        """What an operation says of itself."""
        if operation not in self._profiles:
            self._profiles[operation] = profile(operation, api_of(operation) if self.several else "")
        return self._profiles[operation]

    def secrets(self, tool: Tool) -> tuple[Slot, ...]:
        """The credentials among a tool's arguments: only the user can give them, by name."""
        return tuple(slot for slot in slots_of(tool) if is_secret(slot, tool))

    def operations_of(self, spec: Spec) -> tuple[Operation, ...]:
        """Those of the operations that are of one API."""
        return tuple(operation for operation in self.operations if operation.spec is spec)

    def caller(self, spec: Spec) -> Operation | None:
        """The operation that tells who is calling, where the API has one and it may be called."""
        found = collection_index(spec).caller_read
        return found if found in self._members else None

    def sources(self, tool: Tool, slot: Slot) -> tuple[IdSource, ...]:
        """Where the id that `slot` takes comes from, the best first; () where the name that people use is taken."""
        key = (tool, slot.path)
        if key not in self._sources:
            found: tuple[IdSource, ...] = ()
            if takes_id(slot) and not takes_name(slot):
                found = id_sources(tool.operation.spec).find_sources(tool.operation, place_of(tool, slot))
            self._sources[key] = tuple(source for source in found if source.operation in self._members)
        return self._sources[key]

    def lister(self, tool: Tool, slot: Slot) -> Operation | None:
        """The operation that lists the things whose id `slot` takes: where a name can be turned into that id."""
        return next(iter(self.listers(tool, slot)), None)

    def listers(self, tool: Tool, slot: Slot) -> tuple[Operation, ...]:
        """All such operations, the best first."""
        return tuple(source.operation for source in self.sources(tool, slot) if source.is_listed)

    def is_opaque(self, tool: Tool, slot: Slot) -> bool:
        """Is what `slot` takes an id, of things that have a name beside it, by the description of what lists them?"""
        field = next((source.field for source in self.sources(tool, slot) if source.is_listed), "")
        return bool(field) and stem(field.rpartition(".")[2].lower()) in OPAQUE

    def id_field(self, tool: Tool, slot: Slot, listing: Tool) -> str:
        """The field of what `listing` lists that `slot` takes; "" where the description does not tell."""
        sources = (source for source in self.sources(tool, slot) if source.operation is listing.operation)
        return next((source.field for source in sources if source.field != "uri"), "")

    def path_fields(self, tool: Tool, listing: Tool) -> list[str]:
        """The fields of what `listing` lists that the path of a tool takes: the ids of /peers/{ip}/{name}."""
        path = (slot for slot in self.slots(tool) if slot.where == "path")
        return [field for slot in path if (field := self.id_field(tool, slot, listing))]

    def narrowing(self, tool: Tool, slot: Slot, listing: Tool) -> dict[tuple[str, ...], Any]:
        """What makes a general search look only for the things whose id `slot` takes: type=artist."""
        sources = [source for source in self.sources(tool, slot) if source.operation is listing.operation]
        pairs = dict(sources[0].narrowing) if sources else {}
        names = {place: name for name, place in listing.places.items()}
        return {(names[place],): value for place, value in pairs.items() if place in names}

    def other_listers(self, tool: Tool, slot: Slot, listing: Tool) -> tuple[Tool, ...]:
        """The tools besides `listing` that list the same kind of thing, for when it cannot be called."""
        found = (self.tool(operation) for operation in self.listers(tool, slot))
        return tuple(one for one in found if one is not None and one is not listing)

    def find(self, id: str, spec: Spec | None = None) -> Operation | None:
        """The operation of that id, in `spec` where several APIs are there."""
        found = (operation for operation in self.operations if operation.id == id)
        return next((operation for operation in found if spec is None or operation.spec is spec), None)

    def spec(self, source: str) -> Spec | None:
        """The API whose description came from `source`."""
        return next((spec for spec in self.specs if spec.source == source), None)


def _whole(spec: Spec) -> Catalogue:
    """All of a Spec that a planner may be told of; its tools are compiled as needed."""
    from nlapi.tools.compile import compile_tool

    return Catalogue(spec.visible_operations, compile_tool)


def api_of(operation: Operation) -> str:
    """What the API of an operation is called by: its title and the names of its servers' hosts."""
    spec = operation.spec
    hosts = (urlsplit(server.url).hostname or "" for server in spec.servers)
    return " ".join((spec.title, *(host.rpartition(".")[0] for host in hosts)))
