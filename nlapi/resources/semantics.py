"""Classifies the operations on the resources of an API: list, create, read, change, delete, act or compute."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

from nlapi.openapi.spec import READ_METHODS, Effect, Operation, Spec
from nlapi.resources.answers import AnswerPart
from nlapi.resources.envelope import Keys
from nlapi.resources.grouping import Grouping, Resource
from nlapi.resources.id_fields import named_noun, takes_id, wider_nouns
from nlapi.resources.links import LinkedSources
from nlapi.resources.naming import name_key, name_words, singular_words
from nlapi.resources.paths import Path, Shape, segments, shape
from nlapi.resources.resource import Collection, resources_of
from nlapi.resources.schemas import ref_of


class OperationKind(StrEnum):
    """The kind of an operation; an ACT does something else to an item, a COMPUTE is about no stored item."""

    LIST = "list"
    CREATE = "create"
    READ = "read"
    MERGE = "merge"
    REPLACE = "replace"
    DELETE = "delete"
    CLEAR = "clear"
    ACT = "act"
    COMPUTE = "compute"


_ON_THING = {
    "GET": OperationKind.READ,
    "HEAD": OperationKind.READ,
    "PATCH": OperationKind.MERGE,
    "PUT": OperationKind.REPLACE,
    "DELETE": OperationKind.DELETE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """A placeholder above an item. `name` identifies the scope; `resource` is None where it belongs to none."""

    name: str
    parameter: str
    resource: Resource | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationSemantics:
    """The meaning of an operation. `key` is the parameter with the id of the one item it is about, None without one.

    `part` is the position of the list or the item in the answer; `verb` the verb of an ACT; `created_resource` that of
    another item that an ACT creates.
    """

    kind: OperationKind
    operation: Operation
    resource: Resource | None = None
    parents: tuple[Parent, ...] = ()
    key: str | None = None
    part: AnswerPart | None = None
    verb: str = ""
    makes: Resource | None = None


class Semantics:
    """A cache of the semantics of the operations of one Spec."""

    def __init__(self, spec: Spec) -> None:
        self.paths = resources_of(spec)
        self.answers = self.paths.schemas
        self._grouping = Grouping(self.paths)
        self._known: dict[Operation, OperationSemantics] = {}
        self._singletons: dict[Shape, Resource] = {}
        self._references: dict[Resource, tuple[tuple[str, Resource], ...]] = {}

    @cached_property
    def resources(self) -> tuple[Resource, ...]:
        """Every resource that is no singleton. Parses the answers of all collections."""
        return tuple(self._grouping.groups())

    @cached_property
    def _by_shape(self) -> Mapping[Shape, Resource]:
        return {collection.shape: one for one in self.resources for collection in one.collections}

    @cached_property
    def _by_ref(self) -> Mapping[str, tuple[Resource, ...]]:
        refs = dict.fromkeys(ref for one in self.resources for ref in one.refs)
        return {ref: tuple(one for one in self.resources if ref in one.refs) for ref in refs}

    def at(self, path: Path) -> Resource | None:
        """Return the resource whose collection is at exactly this path."""
        return self._by_shape.get(shape(path))

    def named(self, name: str) -> Resource | None:
        """Return the resource that a property or argument of that name (`parentAccountId`, `ad_ids`) refers to."""
        words = name_words(name)
        # A name without a noun (`id`) refers to nothing, and `account` alone may be a nested object.
        if len(words) < 2 or not (takes_id(("body", name)) or words[-1] == "key"):
            return None
        for noun in map("".join, wider_nouns(named_noun(name))):
            found = [one for one in self.resources if noun in one.aliases]
            if found:
                return min(found, key=lambda one: (noun != "".join(one.noun), one.is_open, len(one.name)))
        return None

    def references(self, resource: Resource) -> tuple[tuple[str, Resource], ...]:
        """Return the properties with ids of other items, each with the resource, by Links and by name."""
        if resource not in self._references:
            linked = self._linked.get(resource, {})
            names = (name for name in resource.properties if name != resource.id_name)
            found = ((name, linked.get(name) or self.named(name)) for name in names)
            self._references[resource] = tuple((name, one) for name, one in found if one and one is not resource)
        return self._references[resource]

    @cached_property
    def _linked(self) -> Mapping[Resource, Mapping[str, Resource]]:
        """The resources that properties refer to according to Links, by the resource of the property."""
        found: dict[Resource, dict[str, Resource]] = {}
        spec = self.paths.spec
        for id, parameter, (source, field, listed) in LinkedSources(self.paths.operations).all():
            own, target = self.of(source), self.of(spec.operation(id)) if spec.has(id) else None
            above = own.part.keys if own.part is not None and not listed else ()
            keys = tuple(field.split("."))
            if own.resource is None or target is None or len(keys) != len(above) + 1 or keys[: len(above)] != above:
                continue
            named = (one.resource for one in target.parents if one.parameter == parameter)
            other = target.resource if target.key == parameter else next(named, None)
            if other is not None:
                found.setdefault(own.resource, {})[keys[-1]] = other
        return found

    def parents(self, path: Path) -> Iterator[Parent]:
        """Yield the parents that the placeholders of a path name."""
        for at, segment in enumerate(path):
            if segment.parameter:
                owner = self._owner(path, at)
                name = owner.name if owner else f"parameter:{name_key(segment.parameter)}"
                yield Parent(name=name, parameter=segment.parameter, resource=owner)

    def above(self, resource: Resource) -> tuple[Parent, ...]:
        """Return the parents that the placeholders of the paths of a resource name."""
        return tuple(parent for collection in resource.collections for parent in self.parents(collection.path))

    def of(self, operation: Operation) -> OperationSemantics:
        if operation not in self._known:
            self._known[operation] = self._judge(operation, segments(operation.route))
        return self._known[operation]

    def _judge(self, operation: Operation, path: Path) -> OperationSemantics:
        resource = self.at(path)
        if resource is not None and (found := self._on_collection(operation, path, resource)):
            return found
        if path and path[-1].parameter and (owner := self.at(path[:-1])) is not None:
            return self._on_item(operation, path, owner)
        # A list by its schema goes before a creation: POST /campaigns/search answers with campaigns too.
        if found := self._lists(operation, path):
            return found
        if made := self._creates(operation, path):
            return self._made(OperationKind.CREATE, operation, path, made, part=self._thing(operation, made))
        if singleton := self._singleton(path):
            kind = _kind_on_thing(operation, OperationKind.MERGE)
            return self._made(kind, operation, path, singleton, part=self._thing(operation, singleton))
        return self._otherwise(operation, path)

    def _on_collection(self, operation: Operation, path: Path, resource: Resource) -> OperationSemantics | None:
        part, there = self.answers.list_part(operation), self.paths.collection(path)
        # A POST with a body beside a GET creates, even where it answers with the whole list.
        searches = there is None or "GET" not in there.at or operation.body is None or self.paths.is_query(operation)
        posted = operation.method == "POST" and searches
        if part and (operation.method in READ_METHODS or (posted and ref_of(part.schema) in resource.refs)):
            return self._made(OperationKind.LIST, operation, path, resource, part=part)
        if _reads_by_post(operation):
            return None
        if operation.method == "POST":
            return self._made(OperationKind.CREATE, operation, path, resource, part=self._thing(operation, resource))
        if operation.method == "DELETE":
            return self._made(OperationKind.CLEAR, operation, path, resource, part=part)
        return None

    def _on_item(self, operation: Operation, path: Path, resource: Resource) -> OperationSemantics:
        kind = _kind_on_thing(operation, OperationKind.ACT)
        verb, makes, part = "", None, self._thing(operation, resource)
        if kind is OperationKind.ACT:
            verb = (name_words(operation.id) or ("",))[0]
            part, makes = self._brings_forth(operation, resource, part)
        key = path[-1].parameter
        return self._made(kind, operation, path[:-1], resource, key=key, part=part, verb=verb, makes=makes)

    def _lists(self, operation: Operation, path: Path) -> OperationSemantics | None:
        """Return the semantics of a list at a path of its own: /pets/findByStatus, POST /campaigns/search."""
        part = self.answers.list_part(operation) if operation.method in ("GET", "POST", "QUERY") else None
        owners = self._by_ref.get(ref_of(part.schema), ()) if part is not None else ()
        above = self.at(path[:-1])
        owner = above if above in owners else owners[0] if len(owners) == 1 and operation.method == "GET" else None
        return self._made(OperationKind.LIST, operation, path, owner, part=part) if owner is not None else None

    def _creates(self, operation: Operation, path: Path) -> Resource | None:
        """Return the resource of which a POST creates an item at a path below another: /accounts/{id}/campaigns."""
        part = self.answers.thing_part(operation) if operation.method == "POST" and len(path) > 1 else None
        # The schema alone may be that of an unrelated answer, so that the path has to end in the plural noun as well.
        owners = self._by_ref.get(ref_of(part.schema), ()) if part is not None else ()
        return next(
            (one for one in owners if one.noun == singular_words(path[-1].text) != name_words(path[-1].text)), None
        )

    def _singleton(self, path: Path) -> Resource | None:
        """Return the one item at a path that can be read and changed: /account/settings."""
        there = self.paths.collection(path)
        shown = there.at.get("GET") if there is not None else None
        # What can only be read, as /status, is a computation and no stored item.
        if there is None or shown is None or not {"PUT", "PATCH", "DELETE"} & there.at.keys():
            return None
        view = self.answers.view(shown)
        if view is None or "object" not in self.answers.reader.types(view.schema):
            return None
        if there.shape not in self._singletons:
            self._singletons[there.shape] = Resource(
                name="/".join("{}" if one.parameter else one.text for one in path),
                collections=(Collection(path=path, item=there.at),),
                schemas=(view.schema,),
                properties=self.answers.reader.properties(view.schema),
                is_singleton=True,
            )
        return self._singletons[there.shape]

    def _otherwise(self, operation: Operation, path: Path) -> OperationSemantics:
        """Return the semantics of an action on the nearest item above, or of a computation."""
        places = [at for at, segment in enumerate(path) if segment.parameter]
        owner = self._owner(path, places[-1]) if places else None
        if owner is None or operation.effect is Effect.READ:
            return self._made(OperationKind.COMPUTE, operation, path, None)
        part, makes = self._brings_forth(operation, owner, self._thing(operation, owner))
        more: dict[str, Any] = {"part": part, "verb": path[-1].text, "makes": makes}
        if path[-1].parameter is not None:
            return self._made(OperationKind.COMPUTE, operation, path, None, **more)
        key = path[places[-1]].parameter
        return self._made(OperationKind.ACT, operation, path[: places[-1]], owner, key=key, **more)

    def _owner(self, path: Path, at: int) -> Resource | None:
        """Return the resource of a placeholder: that of the path before it, else that of its name."""
        return self.at(path[:at]) or self.named(path[at].parameter or "")

    def _brings_forth(
        self, operation: Operation, owner: Resource, whole: AnswerPart | None
    ) -> tuple[AnswerPart | None, Resource | None]:
        """Return the part and resource in an action's answer, where they are not the target's: a draft's campaign."""
        view = self.answers.view(operation)
        if view is None or whole is None or ref_of(whole.schema) in owner.refs:
            return whole, None
        described = self.answers.reader.properties(view.schema).items()
        inside: list[tuple[Keys, Any]] = [((), view.schema), *(((name,), one) for name, one in described)]
        for keys, schema in inside:
            other = next((one for one in self._by_ref.get(ref_of(schema), ()) if one is not owner), None)
            if other is not None:
                return AnswerPart(keys=keys, schema=schema), other
        return whole, None

    def _thing(self, operation: Operation, resource: Resource) -> AnswerPart | None:
        """Return the position of the item in the answer, which some APIs return as a list of one."""
        listed = self.answers.list_part(operation)
        # Some APIs answer a creation with a list of the one new item.
        if listed is not None and (ref_of(listed.schema) in resource.refs or not (listed.keys or listed.is_map)):
            return listed
        return self.answers.thing_part(operation, resource.refs)

    def _made(
        self, kind: OperationKind, operation: Operation, path: Path, resource: Resource | None, **more: Any
    ) -> OperationSemantics:
        parents = tuple(self.parents(path))
        return OperationSemantics(kind=kind, operation=operation, resource=resource, parents=parents, **more)


def _reads_by_post(operation: Operation) -> bool:
    return operation.method == "POST" and operation.effect is Effect.READ


def _kind_on_thing(operation: Operation, otherwise: OperationKind) -> OperationKind:
    return OperationKind.READ if _reads_by_post(operation) else _ON_THING.get(operation.method, otherwise)


def semantics_of(spec: Spec) -> Semantics:
    """Return the Semantics of a Spec, computed once."""
    return spec.derive(Semantics)
