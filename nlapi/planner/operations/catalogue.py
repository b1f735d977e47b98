"""Keeps the operations of the loaded APIs: their index, tools, slots and sources of ids."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from functools import cached_property
from urllib.parse import urlsplit

from nlapi.english import lexicon
from nlapi.english.intents import STOPWORDS, VERBS
from nlapi.english.words import name_words, split_words, stem
from nlapi.lazy_pattern import lazy_pattern
from nlapi.openapi.spec import UPDATE_METHODS, Effect, Operation, Spec
from nlapi.planner.commands import operation_verbs
from nlapi.planner.operations.features import OperationProfile, operation_profile
from nlapi.planner.slots.entities import OPAQUE, last_parameter, location_of, takes_name
from nlapi.planner.slots.name_mentions import LiveNames
from nlapi.planner.slots.slot import Slot, is_secret, slots_of
from nlapi.resources.answers import answer_words
from nlapi.resources.collection_index import collection_index
from nlapi.resources.id_sources import IdSource, id_sources
from nlapi.resources.identity import NAMES
from nlapi.resources.ids import code_nouns
from nlapi.resources.nouns import target_noun
from nlapi.resources.paths import segments
from nlapi.tools.search.index import Index, TextIndex, build_postings, text_terms
from nlapi.tools.search.phrase import read_phrase
from nlapi.tools.tool import Tool

_ITEM_NAMES = frozenset(map(stem, NAMES))
_HYPOTHETICAL = lexicon.pattern("planner/operations/words", "hypothetical", re.IGNORECASE)
_SIMULATES = lexicon.pattern("planner/operations/words", "simulates", re.IGNORECASE)
_WHY = lexicon.pattern("planner/operations/words", "why", re.IGNORECASE)
_EXPLAINS = lazy_pattern(r"\bexplains?\b|\bwhy\b", re.IGNORECASE)


def is_hypothetical(question: str) -> bool:
    """Return whether a sentence asks what would be, if something were done."""
    return _HYPOTHETICAL.search(question) is not None


def asks_why(question: str) -> bool:
    """Return whether a sentence asks for a reason."""
    return _WHY.match(question) is not None


def simulates(operation: Operation) -> bool:
    """Return whether an operation tells by its description what a change would do, and makes none."""
    return _reads(operation, _SIMULATES)


def explains(operation: Operation) -> bool:
    """Return whether an operation tells by its description why something is so."""
    return _reads(operation, _EXPLAINS)


def _reads(operation: Operation, purpose: re.Pattern[str]) -> bool:
    text = f"{operation.summary} {operation.description}"
    return operation.effect is Effect.READ and purpose.search(text) is not None


# Operations that a question may be about, as in candidates.CONSIDERED.
MAX_LIKELY = 12
# Operations up to which the choices and the answers are read for every one, which takes 1 ms for each.
_MAX_FACTS = 200
# The description of an operation that the server does not have yet.
_UNIMPLEMENTED = lazy_pattern(r"\W*not (?:yet )?implemented\b", re.IGNORECASE)


class Catalogue:
    """Operations of one API or of several. `tool` compiles the Tool of an operation when it is first needed.

    Ids flow within an API, never from one to another.
    """

    def __init__(self, operations: Iterable[Operation], tool: Callable[[Operation], Tool]) -> None:
        self.operations = tuple(
            operation for operation in operations if not _UNIMPLEMENTED.match(operation.description)
        )
        self.specs: tuple[Spec, ...] = tuple(dict.fromkeys(operation.spec for operation in self.operations))
        self.several = len(self.specs) > 1
        self.index = Index(self.operations, api_of) if self.several else Index.of(self.operations)
        self._compile = tool
        self._tools: dict[Operation, Tool | None] = {}
        self._slots: dict[Tool, tuple[Slot, ...]] = {}
        self._sources: dict[tuple[Tool, tuple[str, ...]], tuple[IdSource, ...]] = {}
        self._members = frozenset(self.operations)
        self._parts: dict[Spec, Catalogue] = {}
        self._profiles: dict[Operation, OperationProfile] = {}
        self._names = LiveNames()
        self._item_reads: tuple[Operation, ...] | None = None

    @classmethod
    def of(cls, sources: Iterable[Spec | Tool]) -> Catalogue:
        """Return the catalogue of whole Specs, whose tools are compiled as needed, or of compiled Tools."""
        from nlapi.tools.compile import compile_tool

        sources = tuple(sources)
        if len(sources) == 1 and isinstance(sources[0], Spec):
            return sources[0].derive(_visible_catalogue)
        ready: Mapping[Operation, Tool] = {tool.operation: tool for tool in sources if isinstance(tool, Tool)}
        operations = [operation for spec in sources if isinstance(spec, Spec) for operation in spec.visible_operations]
        return cls((*ready, *operations), lambda operation: ready.get(operation) or compile_tool(operation))

    @cached_property
    def command_verbs(self) -> frozenset[str]:
        """The stems of the verbs that the operations which change something are commanded by."""
        return frozenset().union(*map(operation_verbs, filter(self.index.is_change, self.operations)))

    def is_choice(self, question: str, command: str) -> bool:
        """Return whether a command is a choice of an argument of a likely change: `type: reboot`."""
        words = [stem(word) for word in split_words(command)]
        changes = (
            operation for operation, _ in self.index.search(question, MAX_LIKELY) if self.index.is_change(operation)
        )
        return any(
            words == [stem(word) for word in split_words(str(choice))]
            for tool in map(self.tool, changes)
            for slot in (self.slots(tool) if tool is not None else ())
            for choice in slot.choices
        )

    def name_parts(self, question: str, name: str) -> tuple[str, ...]:
        """Return the words of the name of an argument as the description writes it, where a likely operation takes that
        or a kind of item is called so: renew and auto of `renewAuto`; () for anything else.
        """
        words = name_words(name)
        stems = tuple(map(stem, words))
        for operation, _ in self.index.search(question, MAX_LIKELY):
            slots = self.slots(tool) if (tool := self.tool(operation)) is not None else ()
            nouns = (part.text for part in segments(operation.route) if part.parameter is None)
            names = (*(part for slot in slots for part in slot.path), *nouns)
            if any(tuple(map(stem, name_words(other))) == stems for other in names):
                return words
        return ()

    def api_catalogue(self, spec: Spec) -> Catalogue:
        """Return the catalogue of one of the APIs."""
        if spec not in self._parts:
            self._parts[spec] = Catalogue(self.operations_of(spec), self._compile).with_names(self._names)
        return self._parts[spec]

    def tool(self, operation: Operation) -> Tool | None:
        """Return the Tool of an operation; None where the description does not allow one."""
        if operation not in self._tools:
            self._tools[operation] = self._compile(operation) if operation.usable else None
        return self._tools[operation]

    def with_names(self, names: LiveNames) -> Catalogue:
        """Return the catalogue with the names that the APIs have at the moment as the samples of their slots."""
        if not names.by_place:
            return self
        catalogue = copy(self)
        catalogue._names, catalogue._slots, catalogue._parts, catalogue._item_reads = names, {}, {}, None
        return catalogue

    @property
    def item_reads(self) -> tuple[Operation, ...]:
        """The reads of single items, and of what belongs to them, that the API has a name of in the sentence."""
        if not self._names.all:
            return ()
        if self._item_reads is None:
            reads = (entry for entry in self.operations if "{" in entry.path and entry.effect is Effect.READ)
            tools = (tool for tool in map(self.tool, reads) if tool is not None)
            self._item_reads = tuple(tool.operation for tool in tools if self._has_item_name(tool))
        return self._item_reads

    @cached_property
    def item_updates(self) -> tuple[Operation, ...]:
        """The updates of single items; () where there are too many to compare."""
        updates = [entry for entry in self.operations if entry.method in UPDATE_METHODS and entry.path.endswith("}")]
        return tuple(updates) if len(updates) <= MAX_LIKELY else ()

    @cached_property
    def facts(self) -> TextIndex:
        """The choices of the arguments of the operations, and the fields and choices of their answers."""
        if len(self.operations) > _MAX_FACTS:
            return TextIndex({}, 0)
        return TextIndex(
            build_postings([[(1.0, self._facts_of(entry))] for entry in self.operations]), len(self.operations)
        )

    def _facts_of(self, operation: Operation) -> list[str]:
        tool = self.tool(operation)
        slots = self.slots(tool) if tool is not None else ()
        choices = (term for slot in slots for choice in slot.choices for term in text_terms(str(choice)))
        answers = answer_words(operation).all if operation.effect is Effect.READ else ()
        return list(dict.fromkeys((*choices, *answers)))

    def taking(self, code: str) -> tuple[Operation, ...]:
        """Return the operations on the one item of which a code is the id, by the codes of the description."""
        nouns = {noun for spec in self.specs for noun in code_nouns(spec, code)}
        last = ((entry, last_parameter(entry)) for entry in self.operations if nouns)
        return tuple(entry for entry, name in last if name and nouns & {*target_noun(entry, ("path", name))[-1:]})

    def stated(self, text: str) -> tuple[Operation, ...]:
        """Return the operations of which a sentence has a choice or a field of the answer, the best first."""
        scores = self.facts.scores(read_phrase(text))
        best = sorted(scores, key=lambda at: (-scores[at], at))
        return tuple(self.operations[at] for at in best[:MAX_LIKELY])

    @cached_property
    def simulations(self) -> tuple[Operation, ...]:
        """The operations that tell what a change would do."""
        return tuple(filter(simulates, self.operations))

    def named_changes(self, verb: str) -> tuple[Operation, ...]:
        """Return the changes that a verb commands and that take a name of those in the sentence; () without names."""
        if not self._names.all:
            return ()
        changes = (entry for entry in self.operations if self.index.is_change(entry) and verb in operation_verbs(entry))
        tools = (tool for tool in map(self.tool, changes) if tool is not None)
        return tuple(tool.operation for tool in tools if any(slot.names for slot in self.slots(tool)))

    def _has_item_name(self, tool: Tool) -> bool:
        path = [slot for slot in self.slots(tool) if slot.location == "path"]
        return bool(path) and all(slot.names for slot in path)

    def names_in(self, text: str) -> frozenset[str]:
        """Return the names of the APIs that a text has. One that is also a word of the description needs its place."""
        words = set(split_words(text))
        return frozenset(
            name
            for name in self._names.all
            if (parts := set(split_words(name))) <= words and (len(parts) > 1 or not self._is_plain_word(name))
        )

    def _is_plain_word(self, name: str) -> bool:
        return name in STOPWORDS or stem(name) in VERBS or self.index.is_entity(stem(name))

    def hidden_tool(self, spec: Spec, id: str) -> Tool | None:
        """Return the Tool of any operation of one of the APIs, hidden ones too, or None."""
        operation = next((operation for operation in spec.operations if operation.id == id and operation.usable), None)
        return self._compile(operation) if operation is not None else None

    def slots(self, tool: Tool) -> tuple[Slot, ...]:
        """Return the arguments of a tool that a sentence may have: all but credentials."""
        if tool not in self._slots:
            self._slots[tool] = tuple(
                self._names.samples_of(slot, tool) for slot in slots_of(tool) if not is_secret(slot, tool)
            )
        return self._slots[tool]

    def profile(self, operation: Operation) -> OperationProfile:
        """Return the words of an operation."""
        if operation not in self._profiles:
            self._profiles[operation] = operation_profile(operation, api_of(operation) if self.several else "")
        return self._profiles[operation]

    def credentials(self, tool: Tool) -> tuple[Slot, ...]:
        """Return the credentials among a tool's arguments, which only the user can set, by name."""
        return tuple(slot for slot in slots_of(tool) if is_secret(slot, tool))

    def operations_of(self, spec: Spec) -> tuple[Operation, ...]:
        """Return the operations of one of the APIs."""
        return tuple(operation for operation in self.operations if operation.spec is spec)

    def caller(self, spec: Spec) -> Operation | None:
        """Return the operation that shows the caller's account; None where the catalogue has none."""
        read = collection_index(spec).caller_read
        return read if read in self._members else None

    def sources(self, tool: Tool, slot: Slot) -> tuple[IdSource, ...]:
        """Return the sources of the id that `slot` takes, the best first; () where it takes a name."""
        key = (tool, slot.path)
        if key not in self._sources:
            candidates: tuple[IdSource, ...] = ()
            if not takes_name(slot):
                candidates = id_sources(tool.operation.spec).find_sources(tool.operation, location_of(tool, slot))
            self._sources[key] = tuple(source for source in candidates if source.operation in self._members)
        return self._sources[key]

    def list_operation(self, tool: Tool, slot: Slot) -> Operation | None:
        """Return the list operation that resolves a name to the id that `slot` takes, or None."""
        return next(iter(self.list_operations(tool, slot)), None)

    def list_operations(self, tool: Tool, slot: Slot) -> tuple[Operation, ...]:
        """Return all such list operations, the best first."""
        return tuple(source.operation for source in self.sources(tool, slot) if source.is_listed)

    def has_names(self, tool: Tool, slot: Slot) -> bool | None:
        """Return whether items have a name besides the id that `slot` takes, by the schema of their list; None where it
        does not say.
        """
        source = next((source for source in self.sources(tool, slot) if source.is_listed and source.field), None)
        fields = answer_words(source.operation).fields if source is not None else ()
        if source is None or not fields:
            return None
        is_id = stem(source.field.rpartition(".")[2].lower()) in OPAQUE
        return is_id and any(not _ITEM_NAMES.isdisjoint(field[-1:]) for field in fields)

    def id_field(self, tool: Tool, slot: Slot, listing: Tool) -> str:
        """Return the field of the items of `listing` that `slot` takes; "" where the description has none."""
        sources = (source for source in self.sources(tool, slot) if source.operation is listing.operation)
        return next((source.field for source in sources if source.field != "uri"), "")

    def path_fields(self, tool: Tool, listing: Tool) -> list[str]:
        """Return the fields of the items of `listing` that the path of a tool takes: the ids of /peers/{ip}/{name}."""
        path = (slot for slot in self.slots(tool) if slot.location == "path")
        return [field for slot in path if (field := self.id_field(tool, slot, listing))]

    def search_filters(self, tool: Tool, slot: Slot, listing: Tool) -> dict[tuple[str, ...], object]:
        """Return the arguments by which a general search returns only items whose id `slot` takes: type=artist."""
        sources = [source for source in self.sources(tool, slot) if source.operation is listing.operation]
        pairs = dict(sources[0].narrowing) if sources else {}
        names = {place: name for name, place in listing.places.items()}
        return {
            (names[place],): [*value] if isinstance(value, tuple) else value
            for place, value in pairs.items()
            if place in names
        }

    def other_list_tools(self, tool: Tool, slot: Slot, listing: Tool) -> tuple[Tool, ...]:
        """Return the tools besides `listing` that list the same kind of item, for when it cannot be called."""
        tools = map(self.tool, self.list_operations(tool, slot))
        return tuple(entry for entry in tools if entry is not None and entry is not listing)

    def find(self, id: str, spec: Spec | None = None) -> Operation | None:
        """Return the operation of that id, in `spec` where it is not None, or None."""
        matches = (operation for operation in self.operations if operation.id == id)
        return next((operation for operation in matches if spec is None or operation.spec is spec), None)

    def spec(self, source: str) -> Spec | None:
        """Return the API whose description came from `source`, or None."""
        return next((spec for spec in self.specs if spec.source == source), None)


def _visible_catalogue(spec: Spec) -> Catalogue:
    """Return the catalogue of the visible operations of a Spec, whose tools are compiled as needed."""
    from nlapi.tools.compile import compile_tool

    return Catalogue(spec.visible_operations, compile_tool)


def api_of(operation: Operation) -> str:
    """Return the names of the API of an operation: its title and its servers' hosts."""
    spec = operation.spec
    hosts = (urlsplit(server.url).hostname or "" for server in spec.servers)
    return " ".join((spec.title, *(host.rpartition(".")[0] for host in hosts)))
