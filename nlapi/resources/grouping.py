"""Groups the collections of an API into resources: collections at several paths may have items of one kind.

A path that ends in a literal is a collection where a path to one item is below it, or where reading it lists items with
ids. Two are of one resource when their items have the same schema, or the same name and many properties in common:
`POST /accounts/{id}/campaigns` and `GET /campaigns/{id}` are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from nlapi.english.words import name_key, name_words, singular_words
from nlapi.openapi.spec import UPDATE_METHODS, Operation
from nlapi.resources.collection_index import Collection, CollectionIndex
from nlapi.resources.id_sources import id_sources
from nlapi.resources.nouns import ID_WORDS, Words, home_route, id_field, noun_in_name
from nlapi.resources.paths import Shape, common_prefix, literal_suffix, segments, shape
from nlapi.resources.schemas import ref_of

_WRITE_METHODS = frozenset(("PUT", "PATCH", "DELETE"))
# The share of properties that the items at two paths of one name have in common when they are of one kind. The body of
# a creation lacks the id, the times and the state that a read answers.
_MIN_SHARED_PROPERTIES = 0.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Resource:
    """A kind of item, at one or more collections; a singleton (/account/settings) is the one item at its path.

    `schemas` are those of one item, the fullest first, `properties` their properties by name; `id_path` is the field
    with its id. `aliases` are its nouns as one word each.
    """

    name: str
    collections: tuple[Collection, ...]
    schemas: tuple[Any, ...]
    properties: Mapping[str, Any]
    id_path: str = ""
    aliases: frozenset[str] = frozenset()
    is_singleton: bool = False
    refs: frozenset[str] = field(init=False, default=frozenset())
    """the names of its schemas, computed once: grouping compares each resource with many"""
    noun: Words = field(init=False, default=())
    """the noun of one item, in the singular"""

    def __post_init__(self) -> None:
        object.__setattr__(self, "refs", frozenset(filter(None, map(ref_of, self.schemas))))
        object.__setattr__(self, "noun", singular_words(self.name.rpartition("/")[2]))

    @property
    def id_name(self) -> str | None:
        """The property with its id; None where that is inside another, or nowhere."""
        return self.id_path if self.id_path in self.properties or not self.properties else None

    @property
    def label(self) -> str:
        """The name of one item, for a person."""
        return self.name.rpartition("/")[2] if self.is_singleton else " ".join(self.noun)

    @property
    def is_open(self) -> bool:
        """Whether no client can list such items, so that any id may be one that exists."""
        return not any("GET" in collection.operations for collection in self.collections)


class ResourceGrouping:
    """The grouping of the collections of one Spec."""

    def __init__(self, index: CollectionIndex) -> None:
        self.index = index
        self.answers = index.schemas
        self.reader = index.schemas.reader
        self.prefix = common_prefix([segments(operation.route) for operation in index.operations])
        self._compounds: dict[Collection, str] = {}

    def groups(self) -> Iterator[Resource]:
        """Yield every resource that is not a singleton, those with paths to one item first."""
        groups: list[list[Resource]] = []
        # A collection with paths to one item has the fullest schemas, by which the others are matched.
        order = sorted(
            (member for member in self.index.collections.values() if not self._is_field_address(member)),
            key=lambda member: (not member.item_operations, len(member.path), len(singular_words(member.last_text))),
        )
        for resource in (self._build_resource([member], self._schemas(member)) for member in order):
            if self._is_collection(resource):
                target_group = next((group for group in groups if self._belongs_to_group(resource, group)), [])
                if not target_group:
                    groups.append(target_group)
                target_group.append(resource)
        for group in groups:
            schemas = [schema for member in group for schema in member.schemas]
            yield self._build_resource([member.collections[0] for member in group], schemas)

    def with_lists_elsewhere(self, groups: Iterable[Resource]) -> Iterator[Resource]:
        """Yield the resources, each with the lists of its items at other paths: /me/playlists lists /playlists.

        Which lists these are, `IdSources` says: they give the id that the path to one item takes.
        """
        resources = list(groups)
        owners = {collection.shape: resource for resource in resources for collection in resource.collections}
        added: dict[Resource, dict[Shape, Collection]] = {resource: {} for resource in resources}
        absorbed: set[Resource] = set()
        for resource in resources:
            for listing in self._lists_of(resource):
                list_shape = shape(segments(listing.route))
                owner, collection = owners.get(list_shape), self.index.collections.get(list_shape)
                if collection is None or owner is resource or any(list_shape in shapes for shapes in added.values()):
                    continue
                if owner is None:
                    added[resource][list_shape] = collection
                elif owner not in absorbed and all(part.is_only_read for part in owner.collections):
                    absorbed.add(owner)
                    added[resource] |= {part.shape: part for part in owner.collections}
        for resource in resources:
            if resource not in absorbed:
                extra = list(added[resource].values())
                schemas = [*resource.schemas, *(schema for part in extra for schema in self._schemas(part))]
                yield self._build_resource([*resource.collections, *extra], schemas) if extra else resource

    def _lists_of(self, resource: Resource) -> Iterator[Operation]:
        """Yield the operations that list items of a resource by its own id."""
        for collection in resource.collections:
            read, key = collection.item_operations.get("GET"), collection.key
            if read is None or key is None or read.parameter("path", key) is None:
                continue
            for source in id_sources(self.index.spec).find_sources(read, ("path", key)):
                part = self.answers.list_part(source.operation) if source.is_listed and not source.narrowing else None
                if part is not None and source.operation.method == "GET":
                    properties = self.reader.properties(part.schema)
                    shared_count = len(properties.keys() & resource.properties.keys())
                    is_alike = shared_count >= _MIN_SHARED_PROPERTIES * max(1, len(properties))
                    if is_alike and resource.id_path and resource.id_path in properties:
                        yield source.operation

    def _is_field_address(self, collection: Collection) -> bool:
        """Return whether a path reads items of another collection by a field: /customers/email/{email}."""
        path, item_operation = collection.path, next(iter(collection.item_operations.values()), None)
        if item_operation is None or collection.operations:
            return False
        return home_route(item_operation.route) != item_operation.route and shape(path[:-1]) in self.index.collections

    def _schemas(self, collection: Collection) -> list[object]:
        """Return the schemas of one item: as answered, else as sent to create it."""
        schemas = self._answered_schemas(collection)
        if not schemas:
            writers = (collection.operations.get("POST"), *map(collection.item_operations.get, UPDATE_METHODS))
            bodies = [writer.body for writer in writers if writer is not None and writer.body is not None]
            schemas += [body.schema for body in bodies if self.reader.properties(body.schema)][:1]
        return schemas

    def _answered_schemas(self, collection: Collection) -> list[object]:
        """Return the schemas of one item: as read, as changed, as created, as listed."""
        on_item = filter(None, map(collection.item_operations.get, ("GET", "PATCH", "PUT")))
        operations = [operation for operation in on_item if not self.answers.list_envelope(operation)]
        operations += [collection.operations["POST"]] if "POST" in collection.operations else []
        parts = map(self.answers.item_part, operations)
        candidates = [*(part.schema for part in parts if part is not None), self._entry_schema(collection)]
        schemas = [schema for schema in candidates if "object" in self.reader.types(schema)]
        return [schema for index, schema in enumerate(schemas) if schema not in schemas[:index]]

    def _entry_schema(self, collection: Collection) -> object:
        part = self.answers.list_part(collection.operations["GET"]) if "GET" in collection.operations else None
        return part.schema if part is not None and "object" in self.reader.types(part.schema) else {}

    def _is_collection(self, resource: Resource) -> bool:
        (collection,) = resource.collections
        entry_schema, creation = self._entry_schema(collection), collection.operations.get("POST")
        if "GET" in collection.item_operations:
            return True
        if _WRITE_METHODS & collection.item_operations.keys() and (entry_schema or (creation and resource.schemas)):
            return True
        if entry_schema:
            is_created = creation is not None and creation.body is not None
            return is_created or bool(self._id_path(collection, self.reader.properties(entry_schema)))
        return bool(resource.schemas) and collection.operations.keys() == {"POST"} and self._has_child_paths(collection)

    def _has_child_paths(self, collection: Collection) -> bool:
        """Return whether there is a path below one of its items, as /tickets/{id}/qr is for /tickets."""
        size, prefix = len(collection.path), collection.shape
        return any(
            collection_shape[:size] == prefix and collection_shape[size] is None
            for collection_shape in self.index.collections
            if len(collection_shape) > size + 1
        )

    def _belongs_to_group(self, resource: Resource, group: Sequence[Resource]) -> bool:
        has_item = bool(resource.collections[0].item_operations)
        related = [member for member in group if not resource.refs.isdisjoint(member.refs)]
        with_items = [member for member in group if member.collections[0].item_operations]
        if any(resource.noun == member.noun or (member in with_items and not has_item) for member in related):
            return True
        members_with_items = with_items if has_item else []
        if any(self._are_same_items(resource, member) for member in members_with_items):
            return True
        if self._compound(resource.collections[0]) != self._compound(group[0].collections[0]):
            return False
        properties, group_properties = set(resource.properties), set(group[0].properties)
        least = min(len(properties), len(group_properties))
        shared_share = len(properties & group_properties) / least if least else 1.0
        # Two collections that both have paths to one item are of two kinds, unless nothing tells them apart.
        if members_with_items:
            return not resource.refs and not group[0].refs and shared_share == 1
        return shared_share >= _MIN_SHARED_PROPERTIES

    def _are_same_items(self, left: Resource, right: Resource) -> bool:
        """Return whether one collection has the items of another at a second address, by the names of their ids.

        The `task_id` in eBay's /order_task/{task_id} is the id of a task in /task/{task_id}.
        """
        key = left.collections[0].key
        if key is None or key != right.collections[0].key:
            return False
        general, special = sorted((left, right), key=lambda member: len(member.noun))
        if noun_in_name(key) != general.noun:
            return False
        is_qualified = len(special.noun) > len(general.noun) and special.noun[-len(general.noun) :] == general.noun
        parents = (shape(left.collections[0].path[:-1]), shape(right.collections[0].path[:-1]))
        properties = left.properties.keys(), right.properties.keys()
        shared_count = len(properties[0] & properties[1])
        is_alike = shared_count >= _MIN_SHARED_PROPERTIES * max(1, min(map(len, properties)))
        return is_qualified and parents[0] == parents[1] and left.id_path == right.id_path and is_alike

    def _compound(self, collection: Collection) -> str:
        if collection not in self._compounds:
            path = collection.path
            self._compounds[collection] = literal_suffix(path[self.prefix :] if len(path) > self.prefix else path)
        return self._compounds[collection]

    def _build_resource(self, collections: Sequence[Collection], schemas: Sequence[object]) -> Resource:
        """Return the resource of some collections, whose first has the paths to one item if any has."""
        first = collections[0]
        name = "/".join("{}" if segment.parameter else segment.text for segment in first.path) or "items"
        keys = [entry.key for entry in collections if entry.key and name_words(entry.key)[-1] in ID_WORDS]
        names = (name.rpartition("/")[2], self._compound(first))
        nouns = (*map(singular_words, names), *map(noun_in_name, keys))
        properties: dict[str, Any] = {}
        for schema in reversed(schemas):
            properties |= self.reader.properties(schema)
        if not any(map(self._answered_schemas, collections)):
            # Where no answer is described, an item still has an id, and what a client sends.
            properties = {"id": {}, **properties}
        return Resource(
            name=name,
            collections=tuple(collections),
            schemas=tuple(schemas),
            properties=properties,
            id_path=self._id_path(first, properties) or ("" if properties else "id"),
            aliases=frozenset(map("".join, nouns)) - {""},
        )

    def _id_path(self, collection: Collection, properties: Mapping[str, object]) -> str:
        key = collection.key or "id"
        parameters = (operation.parameter("path", key) for operation in collection.item_operations.values())
        parameter = next(parameters, None)
        target, last = noun_in_name(key), collection.path[-1:]
        noun = target if last and last[0].parameter else singular_words(last[0].text if last else "")
        candidates = ((key, target or noun, parameter), (key, noun, parameter), ("id", noun, None))
        fields = (
            id_field(self.reader, {"properties": properties}, name, argument_noun, noun, item_parameter)
            for name, argument_noun, item_parameter in candidates
        )
        names_by_key = {name_key(name): name for name in properties}
        nested = ""
        for name in chain(fields, map(names_by_key.get, ("code", "slug"))):
            # `uri` means the last segment of an address, and is not a property with an id.
            if name and name != "uri":
                if "." not in name:
                    return name
                nested = nested or name
        return nested
