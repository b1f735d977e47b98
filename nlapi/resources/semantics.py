"""Classifies the operations on the resources of an API: list, create, read, change, delete, act or compute."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

from nlapi.english.words import name_key, name_words, singular_words
from nlapi.openapi.spec import READ_METHODS, Effect, Operation, Parameter, Spec
from nlapi.resources.answers import AnswerPart
from nlapi.resources.collection_index import Collection, collection_index
from nlapi.resources.envelope import Keys
from nlapi.resources.grouping import Resource, ResourceGrouping
from nlapi.resources.id_sources import LinkedSources, id_sources
from nlapi.resources.nouns import home_route, id_field, is_id_argument, noun_in_name, target_noun, wider_nouns
from nlapi.resources.paths import Path, Shape, segments, shape
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


_KINDS_BY_METHOD = {
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
    """The meaning of an operation. `key` is the parameter that identifies the one item it is about, None without one.

    The parameter takes the item's id, or the value of its field `key_field` where that is not "". `part` is the
    position of the list or the item in the answer; `verb` the verb of an ACT; `created_resource` that of another item
    that an ACT creates.
    """

    kind: OperationKind
    operation: Operation
    resource: Resource | None = None
    parents: tuple[Parent, ...] = ()
    key: str | None = None
    key_field: str = ""
    part: AnswerPart | None = None
    verb: str = ""
    created_resource: Resource | None = None


class Semantics:
    """A cache of the semantics of the operations of one Spec."""

    def __init__(self, spec: Spec) -> None:
        self.index = collection_index(spec)
        self.answers = self.index.schemas
        self._grouping = ResourceGrouping(self.index)
        self._semantics: dict[Operation, OperationSemantics] = {}
        self._singletons: dict[Shape, Resource] = {}
        self._accepts_any_id: dict[Resource, bool] = {}
        self._references: dict[Resource, tuple[tuple[str, Resource], ...]] = {}

    @cached_property
    def resources(self) -> tuple[Resource, ...]:
        """Every resource that is not a singleton. Parses the answers of all collections."""
        return tuple(self._grouping.with_lists_elsewhere(self._grouping.groups()))

    @cached_property
    def _by_shape(self) -> Mapping[Shape, Resource]:
        return {collection.shape: resource for resource in self.resources for collection in resource.collections}

    @cached_property
    def _by_ref(self) -> Mapping[str, tuple[Resource, ...]]:
        refs = dict.fromkeys(ref for resource in self.resources for ref in resource.refs)
        return {ref: tuple(resource for resource in self.resources if ref in resource.refs) for ref in refs}

    @cached_property
    def _ranked(self) -> Sequence[Resource]:
        """The resources, of which the last that has a noun is the likeliest to be meant by it."""
        return sorted(self.resources, key=lambda resource: (resource.is_open, len(resource.name)))[::-1]

    @cached_property
    def _by_noun(self) -> Mapping[str, Resource]:
        return {"".join(resource.noun): resource for resource in self._ranked}

    @cached_property
    def _by_alias(self) -> Mapping[str, Resource]:
        by_alias = {alias: resource for resource in self._ranked for alias in resource.aliases}
        nouns = ((resource, "".join(resource.noun)) for resource in self._ranked)
        return by_alias | {noun: resource for resource, noun in nouns if noun in resource.aliases}

    def resource_at(self, path: Path) -> Resource | None:
        """Return the resource whose collection is at exactly this path."""
        return self._by_shape.get(shape(path))

    def resource_by_name(self, name: str) -> Resource | None:
        """Return the resource that a property or argument of that name (`parentAccountId`, `ad_ids`) refers to."""
        words = name_words(name)
        # A name without a noun (`id`) refers to nothing, and `account` alone may be a nested object.
        if len(words) < 2 or not (is_id_argument(("body", name)) or words[-1] == "key"):
            return None
        nouns = map("".join, wider_nouns(noun_in_name(name)))
        return next((self._by_alias[noun] for noun in nouns if noun in self._by_alias), None)

    def resource_by_schema(self, schema: object) -> Resource | None:
        """Return the one resource whose items have a schema, by its `$ref`; None for none or several."""
        owners = self._by_ref.get(ref_of(schema), ())
        return owners[0] if len(owners) == 1 else None

    def resource_by_noun(self, name: str) -> Resource | None:
        """Return the resource that an object of that name (`new_project`, `followers`) is an item of, by its noun."""
        nouns = map("".join, wider_nouns(singular_words(name)))
        return next((self._by_noun[noun] for noun in nouns if noun in self._by_noun), None)

    def references(self, resource: Resource) -> tuple[tuple[str, Resource], ...]:
        """Return the properties with ids of other items, each with the resource, by Links and by name."""
        if resource not in self._references:
            linked_resources = self._linked_resources.get(resource, {})
            names = (name for name in resource.properties if name != resource.id_name)
            targets = ((name, linked_resources.get(name) or self.resource_by_name(name)) for name in names)
            self._references[resource] = tuple(
                (name, target) for name, target in targets if target and target is not resource
            )
        return self._references[resource]

    @cached_property
    def id_parameters(self) -> Mapping[Resource, tuple[Parameter, ...]]:
        """The path parameters that take the ids of each resource: in the paths to one item, and to what is below it."""
        parameters: dict[Resource, dict[str, Parameter]] = {}
        for operation in self.index.operations:
            path = segments(operation.route)
            taken = [(parent.resource, parent.parameter) for parent in self.parents(path[:-1])] if path else []
            owner = self.resource_at(path[:-1]) if path and path[-1].parameter else None
            is_by_id = owner is not None and path[-1].parameter in {part.key for part in owner.collections}
            taken += [(owner, str(path[-1].parameter))] if is_by_id else []
            for resource, name in taken:
                parameter = operation.parameter("path", name) if resource is not None else None
                if resource is not None and parameter is not None:
                    parameters.setdefault(resource, {}).setdefault(repr(parameter.schema), parameter)
        return {resource: tuple(by_schema.values()) for resource, by_schema in parameters.items()}

    def accepts_any_id(self, resource: Resource) -> bool:
        """Return whether nothing in the API shows the ids of a resource, so that any id may be one that exists."""
        if resource not in self._accepts_any_id:
            reads = (
                (operation, collection.key)
                for collection in resource.collections
                for operation in collection.item_operations.values()
                if collection.key and operation.parameter("path", collection.key)
            )
            sources = id_sources(self.index.spec)
            is_shown = any(
                source.is_listed for read, key in reads for source in sources.find_sources(read, ("path", key))
            )
            self._accepts_any_id[resource] = resource.is_open or not is_shown
        return self._accepts_any_id[resource]

    @cached_property
    def listed_ids(self) -> Mapping[Operation, tuple[tuple[Resource, str], ...]]:
        """The lists whose entries have ids of items of another resource, each with the resource and the field.

        A list of items with their own addresses does not count: the id of a user does not identify a member.
        """
        listed: dict[Operation, list[tuple[Resource, str]]] = {}
        for resource in self.resources:
            for collection in resource.collections:
                read, key = collection.item_operations.get("GET"), collection.key
                sources = id_sources(self.index.spec).find_sources(read, ("path", key)) if read and key else ()
                for source in sources:
                    owner = self.classify(source.operation).resource if source.is_listed else resource
                    has_address = owner is not None and any(part.item_operations for part in owner.collections)
                    if owner is not resource and not has_address:
                        listed.setdefault(source.operation, []).append((resource, source.field))
        return {operation: tuple(pairs) for operation, pairs in listed.items()}

    @cached_property
    def _linked_resources(self) -> Mapping[Resource, Mapping[str, Resource]]:
        """The resources that properties refer to according to Links, by the resource of the property."""
        resources: dict[Resource, dict[str, Resource]] = {}
        spec = self.index.spec
        for id, parameter, (source, field, is_listed) in LinkedSources(self.index.operations).all_sources():
            source_semantics = self.classify(source)
            target_semantics = self.classify(spec.operation(id)) if spec.has(id) else None
            part_keys = source_semantics.part.keys if source_semantics.part is not None and not is_listed else ()
            keys = tuple(field.split("."))
            if source_semantics.resource is None or target_semantics is None or keys[:-1] != part_keys:
                continue
            parents = (parent.resource for parent in target_semantics.parents if parent.parameter == parameter)
            target_resource = target_semantics.resource if target_semantics.key == parameter else next(parents, None)
            if target_resource is not None:
                resources.setdefault(source_semantics.resource, {})[keys[-1]] = target_resource
        return resources

    def parents(self, path: Path) -> Iterator[Parent]:
        """Yield the parents that the placeholders of a path name."""
        for index, segment in enumerate(path):
            if segment.parameter:
                owner = self._owner(path, index)
                name = owner.name if owner else f"parameter:{name_key(segment.parameter)}"
                yield Parent(name=name, parameter=segment.parameter, resource=owner)

    def all_parents(self, resource: Resource) -> tuple[Parent, ...]:
        """Return the parents that the placeholders of the paths of a resource name."""
        return tuple(parent for collection in resource.collections for parent in self.parents(collection.path))

    def classify(self, operation: Operation) -> OperationSemantics:
        if operation not in self._semantics:
            self._semantics[operation] = self._classify(operation, segments(operation.route))
        return self._semantics[operation]

    def _classify(self, operation: Operation, path: Path) -> OperationSemantics:
        resource = self.resource_at(path)
        # Beside /webhooks/{id}/{field}, DELETE /webhooks/{id} removes the webhook, and not all of its fields.
        owner = self.resource_at(path[:-1]) if path and path[-1].parameter else None
        if owner is not None and operation.method in ("PUT", "PATCH", "DELETE"):
            return self._on_item(operation, path, owner)
        if resource is not None and (semantics := self._on_collection(operation, path, resource)):
            return semantics
        if owner is not None:
            return self._on_item(operation, path, owner)
        home = segments(home_route(operation.route))
        if path and path[-1].parameter and home != path and (owner := self.resource_at(home[:-1])) is not None:
            return self._on_item(operation, home, owner)
        # A list by its schema goes before a creation: POST /campaigns/search answers with campaigns too.
        if semantics := self._list_semantics(operation, path):
            return semantics
        if created_resource := self._creation_resource(operation, path):
            part = self._item_part(operation, created_resource)
            return self._build_semantics(OperationKind.CREATE, operation, path, created_resource, part=part)
        if singleton := self._singleton(path):
            kind = _item_kind(operation, OperationKind.MERGE)
            return self._build_semantics(kind, operation, path, singleton, part=self._item_part(operation, singleton))
        return self._act_or_compute(operation, path)

    def _on_collection(self, operation: Operation, path: Path, resource: Resource) -> OperationSemantics | None:
        part, collection = self.answers.list_part(operation), self.index.collection(path)
        # A POST with a body beside a GET creates, even where it answers with the whole list.
        is_beside_get = collection is not None and "GET" in collection.operations
        creates = is_beside_get and operation.body is not None and not self.index.is_query(operation)
        is_search = operation.method == "POST" and not creates
        if part and (operation.method in READ_METHODS or (is_search and ref_of(part.schema) in resource.refs)):
            # /albums/{ids} lists the albums with these ids.
            key = path[-1].parameter if path else None
            parents_path = path[:-1] if key else path
            return self._build_semantics(OperationKind.LIST, operation, parents_path, resource, key=key, part=part)
        if part is None and operation.method in READ_METHODS and self.index.is_list(operation):
            # Described with the schema of one item, or without any.
            item_part = self._item_part(operation, resource)
            return self._build_semantics(OperationKind.LIST, operation, path, resource, part=item_part)
        if _reads_by_post(operation):
            return None
        if operation.method == "POST" or _creates_by_put(operation):
            part = self._item_part(operation, resource)
            return self._build_semantics(OperationKind.CREATE, operation, path, resource, part=part)
        if operation.method == "DELETE":
            return self._build_semantics(OperationKind.CLEAR, operation, path, resource, part=part)
        return None

    def _on_item(self, operation: Operation, path: Path, resource: Resource) -> OperationSemantics:
        kind = _item_kind(operation, OperationKind.ACT)
        verb, created_resource, part = "", None, self._item_part(operation, resource)
        if kind is OperationKind.ACT:
            verb = (name_words(operation.id) or ("",))[0]
            part, created_resource = self._result_resource(operation, resource, part)
        key = path[-1].parameter or ""
        return self._build_semantics(
            kind,
            operation,
            path[:-1],
            resource,
            key=key,
            key_field=self._key_field(operation, resource, key),
            part=part,
            verb=verb,
            created_resource=created_resource,
        )

    def _key_field(self, operation: Operation, resource: Resource, key: str) -> str:
        """Return the field by which a placeholder identifies an item; "" for its id."""
        keys = {name_key(name) for collection in resource.collections if (name := collection.key)}
        parameter = operation.parameter("path", key)
        if parameter is None or name_key(key) in keys:
            return ""
        noun, schema = target_noun(operation, ("path", key)), {"properties": resource.properties}
        field = id_field(self.answers.reader, schema, key, noun, resource.noun, parameter)
        return field if field and field not in ("uri", resource.id_path) else ""

    def _list_semantics(self, operation: Operation, path: Path) -> OperationSemantics | None:
        """Return the semantics of a list at a separate path: /pets/findByStatus, POST /campaigns/search."""
        part = self.answers.list_part(operation) if operation.method in ("GET", "POST", "QUERY") else None
        owners = self._by_ref.get(ref_of(part.schema), ()) if part is not None else ()
        parent = self.resource_at(path[:-1])
        owner = parent if parent in owners else owners[0] if len(owners) == 1 and operation.method == "GET" else None
        return (
            self._build_semantics(OperationKind.LIST, operation, path, owner, part=part) if owner is not None else None
        )

    def _creation_resource(self, operation: Operation, path: Path) -> Resource | None:
        """Return the resource of which a POST creates an item at a path below another: /accounts/{id}/campaigns."""
        part = self.answers.item_part(operation) if operation.method == "POST" and len(path) > 1 else None
        # The schema alone may be that of an unrelated answer, so that the path has to end in the plural noun as well.
        owners = self._by_ref.get(ref_of(part.schema), ()) if part is not None else ()
        return next(
            (owner for owner in owners if owner.noun == singular_words(path[-1].text) != name_words(path[-1].text)),
            None,
        )

    def _singleton(self, path: Path) -> Resource | None:
        """Return the one item at a path that can be read and changed: /account/settings."""
        collection = self.index.collection(path)
        item_read = collection.operations.get("GET") if collection is not None else None
        # What can only be read, as /status, is a computation and no stored item.
        if collection is None or item_read is None or not {"PUT", "PATCH", "DELETE"} & collection.operations.keys():
            return None
        # A PUT to a list of items is about many of them.
        if self.resource_at(path) is not None and self.answers.list_part(item_read) is not None:
            return None
        view = self.answers.schema_view(item_read)
        if view is None or "object" not in self.answers.reader.types(view.schema):
            return None
        if collection.shape not in self._singletons:
            self._singletons[collection.shape] = Resource(
                name="/".join("{}" if segment.parameter else segment.text for segment in path),
                collections=(Collection(path=path, item_operations=collection.operations),),
                schemas=(view.schema,),
                properties=self.answers.reader.properties(view.schema),
                is_singleton=True,
            )
        return self._singletons[collection.shape]

    def _act_or_compute(self, operation: Operation, path: Path) -> OperationSemantics:
        """Return the semantics of an action on the nearest item above, or of a computation."""
        indexes = [index for index, segment in enumerate(path) if segment.parameter]
        owner = self._owner(path, indexes[-1]) if indexes else None
        if owner is None or operation.effect is Effect.READ:
            return self._build_semantics(OperationKind.COMPUTE, operation, path, None)
        part, created_resource = self._result_resource(operation, owner, self._item_part(operation, owner))
        fields: dict[str, Any] = {"part": part, "verb": path[-1].text, "created_resource": created_resource}
        if path[-1].parameter is not None:
            return self._build_semantics(OperationKind.COMPUTE, operation, path, None, **fields)
        key = path[indexes[-1]].parameter
        return self._build_semantics(OperationKind.ACT, operation, path[: indexes[-1]], owner, key=key, **fields)

    def _owner(self, path: Path, index: int) -> Resource | None:
        """Return the resource of a placeholder: that of the path before it, else that of its name."""
        return self.resource_at(path[:index]) or self.resource_by_name(path[index].parameter or "")

    def _result_resource(
        self, operation: Operation, owner: Resource, item_part: AnswerPart | None
    ) -> tuple[AnswerPart | None, Resource | None]:
        """Return the part and resource in an action's answer, where they are not the target's: a draft's campaign."""
        view = self.answers.schema_view(operation)
        if view is None or item_part is None or ref_of(item_part.schema) in owner.refs:
            return item_part, None
        properties = self.answers.reader.properties(view.schema).items()
        candidates: list[tuple[Keys, Any]] = [((), view.schema), *(((name,), inner) for name, inner in properties)]
        for keys, schema in candidates:
            others = (resource for resource in self._by_ref.get(ref_of(schema), ()) if resource is not owner)
            if (result_resource := next(others, None)) is not None:
                return AnswerPart(keys=keys, schema=schema), result_resource
        return item_part, None

    def _item_part(self, operation: Operation, resource: Resource) -> AnswerPart | None:
        """Return the position of the item in the answer, which some APIs return as a list of one."""
        list_part = self.answers.list_part(operation)
        # Some APIs answer a creation with a list of the one new item.
        if list_part is not None and (
            ref_of(list_part.schema) in resource.refs or not (list_part.keys or list_part.is_map)
        ):
            return list_part
        return self.answers.item_part(operation, resource.refs)

    def _build_semantics(
        self, kind: OperationKind, operation: Operation, path: Path, resource: Resource | None, **fields: Any
    ) -> OperationSemantics:
        parents = tuple(self.parents(path))
        return OperationSemantics(kind=kind, operation=operation, resource=resource, parents=parents, **fields)


def _creates_by_put(operation: Operation) -> bool:
    """Return whether a PUT to a collection says that it creates: Xero's PUT /Quotes is createQuotes."""
    first = {words[0] for words in (name_words(operation.id), name_words(operation.summary)) if words}
    return operation.method == "PUT" and not first.isdisjoint(("create", "creates"))


def semantics_of(spec: Spec) -> Semantics:
    """Return the Semantics of a Spec, computed once."""
    return spec.derive(Semantics)


def _reads_by_post(operation: Operation) -> bool:
    return operation.method == "POST" and operation.effect is Effect.READ


def _item_kind(operation: Operation, default: OperationKind) -> OperationKind:
    return OperationKind.READ if _reads_by_post(operation) else _KINDS_BY_METHOD.get(operation.method, default)
