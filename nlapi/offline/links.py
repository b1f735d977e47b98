"""Where an id can be had from: the OpenAPI Links of a description, fields of the same name, searches, and `me`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from nlapi.offline.entities import SEARCHES, collection_of, entity_of, kind_of, takes_id
from nlapi.offline.slots import Family, Slot, slots_of
from nlapi.openapi.spec import Operation, Spec
from nlapi.resources.answers import field_schema
from nlapi.resources.naming import pieces, stem
from nlapi.tools.tool import Tool

_BODY = re.compile(r"^\$response\.body#(?P<path>(?:/[^/]+)+)$")
_ME = frozenset(map(stem, ("me", "self", "myself", "current", "whoami", "profile", "viewer")))
_SAYS_ME = re.compile(r"[\"'`]me[\"'`]|<code>me</code>|\buse me for\b")
_PEOPLE = frozenset(map(stem, "user account member owner person customer profile".split()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """An operation whose answer holds an id. `field` is where in the thing answered or listed; `listed` says which."""

    operation: Operation
    field: str
    listed: bool


class Flows:
    """The ways of ids through one API."""

    def __init__(self, spec: Spec, operations: Iterable[Operation]) -> None:
        self.spec = spec
        self.operations = tuple(operation for operation in operations if operation.spec is spec)

    @cached_property
    def _links(self) -> Mapping[tuple[str, str], tuple[Source, ...]]:
        """(operation id, parameter) -> where the description says that the value for it comes from."""
        found: dict[tuple[str, str], list[Source]] = {}
        for operation in self.operations:
            for link in operation.links if operation.method == "GET" else ():
                for name, expression in link.parameters.items():
                    source = _source(operation, expression)
                    if source is not None:
                        where, _, bare = name.partition(".")
                        wire = bare if bare and where in ("path", "query", "header", "cookie") else name
                        found.setdefault((link.operation_id, wire), []).append(source)
        return {key: tuple(sources) for key, sources in found.items()}

    def linked(self, tool: Tool, slot: Slot) -> tuple[Source, ...]:
        """Where Links say that the value of `slot` comes from."""
        _, wire = tool.places.get(slot.path[0], ("", slot.name))
        return self._links.get((tool.operation.id, wire), ()) if len(slot.path) == 1 else ()

    def listers(self, tool: Tool, slot: Slot) -> Iterator[Source]:
        """The listings, or else the searches, of the things whose id `slot` takes, beyond those that paths tell of."""
        for source in self.linked(tool, slot):
            if source.listed and source.field in ("id", slot.name):
                yield source
        for operation in self.searches(entity_of(slot), tool, slot):
            yield Source(operation=operation, field="", listed=True)

    def searches(self, entity: tuple[str, ...], tool: Tool, slot: Slot) -> Iterator[Operation]:
        """The searches for things of a kind: /anime/search for /anime/{id}, /search?type=artist for artists."""
        kind = kind_of(tool.operation, slot) or entity
        for operation in self.operations:
            words = collection_of(operation)
            if operation.method != "GET" or "{" in operation.path or not SEARCHES & set(words):
                continue
            path = {stem(word) for word in pieces(operation.path)}
            if kind and (set(kind) <= path or self._can_search(operation, kind)):
                yield operation

    def _can_search(self, operation: Operation, kind: tuple[str, ...]) -> bool:
        return any(_kinds(self.spec, one.schema, kind) for one in operation.parameters)

    def fields(self, listing: Operation, tool: Tool, slot: Slot) -> str:
        """The field of the things in `listing` that holds the value for `slot`; "" when none is known to."""
        for source in self.linked(tool, slot):
            if source.operation is listing and source.field != "id":
                return source.field
        name = tool.places.get(slot.path[0], ("", slot.name))[1] if len(slot.path) == 1 else slot.name
        return name if name != "id" and field_schema(listing, name) is not None else ""

    def me(self, slot: Slot) -> Operation | None:
        """The operation that tells who is calling, where `slot` takes the id of a user; None when there is none."""
        entity = entity_of(slot)
        return self.caller if entity and set(entity) <= _PEOPLE else None

    @cached_property
    def caller(self) -> Operation | None:
        """The operation that tells who is calling; None when there is none."""
        whole = (operation for operation in self.operations if operation.method == "GET" and "{" not in operation.path)
        mine = [
            operation
            for operation in whole
            if (words := collection_of(operation))
            and set(words) <= _ME
            and not any(one.required for one in operation.parameters)
        ]
        return min(mine, key=lambda operation: len(operation.path), default=None)


def takes_me(slot: Slot) -> bool:
    """May the word me stand in the place of an id, by the description of the slot?"""
    return takes_id(slot) and not slot.many and _SAYS_ME.search(slot.description) is not None


def _source(operation: Operation, expression: Any) -> Source | None:
    """`$response.body#/data/0/id` is the id of what is listed, `$response.body#/id` that of the thing answered."""
    found = _BODY.match(expression) if isinstance(expression, str) else None
    if found is None:
        return None
    steps = found["path"].strip("/").split("/")
    numbers = [at for at, step in enumerate(steps) if step.isdigit()]
    field = ".".join(steps[numbers[-1] + 1 :] if numbers else steps)
    return Source(operation=operation, field=field, listed=bool(numbers)) if field else None


def _kinds(spec: Spec, schema: Any, kind: tuple[str, ...]) -> bool:
    """Is `kind` among the choices of a parameter?"""
    known = spec.follow(schema)
    inner = spec.follow(known.get("items", {})) if isinstance(known, Mapping) else {}
    choices = [*(known.get("enum") or ()), *(inner.get("enum") or ())] if isinstance(known, Mapping) else []
    return any(tuple(map(stem, pieces(str(choice)))) == kind for choice in choices)


def narrowed(tool: Tool, kind: tuple[str, ...]) -> dict[tuple[str, ...], Any]:
    """The values that make a general search look for things of one kind: type=artist."""
    return {
        slot.path: [choice] if slot.many else choice
        for slot in slots_of(tool)
        if slot.family is Family.CHOICE and slot.required
        for choice in slot.choices
        if tuple(map(stem, pieces(str(choice)))) == kind
    }
