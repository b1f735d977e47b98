"""Groups the collections of an API into resources: collections at several paths may have items of one kind.

A path that ends in a literal is a collection where a path to one item is below it, or where reading it lists items with
ids. Two are of one resource when their items have the same schema, or the same name and many properties in common:
`POST /accounts/{id}/campaigns` and `GET /campaigns/{id}` are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nlapi.resources.id_fields import ID_WORDS, Words, id_field, named_noun
from nlapi.resources.naming import name_key, name_words, singular_words
from nlapi.resources.paths import common_prefix, compound, segments
from nlapi.resources.resource import Collection, Resources
from nlapi.resources.schemas import ref_of

_WRITES = frozenset(("PUT", "PATCH", "DELETE"))
# The share of properties that the items at two paths of one name have in common when they are of one kind. The body of
# a creation lacks the id, the times and the state that a read answers.
_LIKE = 0.5


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

    @property
    def refs(self) -> frozenset[str]:
        return frozenset(filter(None, map(ref_of, self.schemas)))

    @property
    def id_name(self) -> str | None:
        """The property with its id; None where that is inside another, or nowhere."""
        return self.id_path if self.id_path in self.properties else None

    @property
    def noun(self) -> Words:
        """The noun of one item, in the singular."""
        return singular_words(self.name.rpartition("/")[2])

    @property
    def label(self) -> str:
        """The name of one item, for a person."""
        return self.name.rpartition("/")[2] if self.is_singleton else " ".join(self.noun)

    @property
    def is_open(self) -> bool:
        """Whether no client can list or create such items, so that any id may be one."""
        return not any({"GET", "POST"} & collection.at.keys() for collection in self.collections)


class Grouping:
    """The grouping of the collections of one Spec."""

    def __init__(self, resources: Resources) -> None:
        self.resources = resources
        self.answers = resources.schemas
        self.reader = resources.schemas.reader
        self.prefix = common_prefix([segments(operation.route) for operation in resources.operations])

    def groups(self) -> Iterator[Resource]:
        """Yield every resource that is no singleton, those with paths to one item first."""
        groups: list[list[Resource]] = []
        # A collection with paths to one item has the fullest schemas, by which the others are matched.
        order = sorted(self.resources.collections.values(), key=lambda one: (not one.item, len(one.path)))
        for resource in (self._resource([one], self._schemas(one)) for one in order):
            if self._is_collection(resource):
                home = next((group for group in groups if self._belongs(resource, group)), [])
                if not home:
                    groups.append(home)
                home.append(resource)
        for group in groups:
            schemas = [schema for one in group for schema in one.schemas]
            yield self._resource([one.collections[0] for one in group], schemas)

    def _schemas(self, collection: Collection) -> list[Any]:
        """Return the schemas of one item: as read, as changed, as created, as listed."""
        shown = [
            one for one in map(collection.item.get, ("GET", "PATCH", "PUT")) if one and not self.answers.list_of(one)
        ]
        parts = [self.answers.thing_part(one) for one in (*shown, collection.at.get("POST")) if one]
        every = [*(part.schema for part in parts if part is not None), self._listed(collection)]
        schemas = [schema for schema in every if "object" in self.reader.types(schema)]
        return [schema for at, schema in enumerate(schemas) if schema not in schemas[:at]]

    def _listed(self, collection: Collection) -> Any:
        part = self.answers.list_part(collection.at["GET"]) if "GET" in collection.at else None
        return part.schema if part is not None and "object" in self.reader.types(part.schema) else {}

    def _is_collection(self, resource: Resource) -> bool:
        (collection,) = resource.collections
        listed, created = self._listed(collection), collection.at.get("POST")
        if "GET" in collection.item:
            return True
        if _WRITES & collection.item.keys() and (listed or (created and resource.schemas)):
            return True
        if listed:
            return bool(created and created.body) or bool(self._id_path(collection, self.reader.properties(listed)))
        return bool(resource.schemas) and collection.at.keys() == {"POST"} and self._has_things_below(collection)

    def _has_things_below(self, collection: Collection) -> bool:
        """Return whether there is a path below one of its items, as /tickets/{id}/qr is for /tickets."""
        size, here = len(collection.path), collection.shape
        return any(
            one[:size] == here and one[size] is None for one in self.resources.collections if len(one) > size + 1
        )

    def _belongs(self, resource: Resource, group: Sequence[Resource]) -> bool:
        item, items = bool(resource.collections[0].item), [other for other in group if other.collections[0].item]
        kin = [other for other in group if resource.refs & other.refs]
        if any(resource.noun == other.noun or (other in items and not item) for other in kin):
            return True
        if self._compound(resource.collections[0]) != self._compound(group[0].collections[0]):
            return False
        names, others = set(resource.properties), set(group[0].properties)
        likeness = len(names & others) / min(len(names), len(others)) if names and others else 1.0
        # Two collections that both have paths to one item are of two kinds, unless nothing tells them apart.
        if item and items:
            return not resource.refs and not group[0].refs and likeness == 1
        return likeness >= _LIKE

    def _compound(self, collection: Collection) -> str:
        path = collection.path
        return compound(path[self.prefix :] if len(path) > self.prefix else path)

    def _resource(self, collections: Sequence[Collection], schemas: Sequence[Any]) -> Resource:
        """Return the resource of some collections, whose first has the paths to one item if any has."""
        first = collections[0]
        name = "/".join("{}" if segment.parameter else segment.text for segment in first.path) or "items"
        keys = [one.key for one in collections if one.key and name_words(one.key)[-1] in ID_WORDS]
        nouns = (singular_words(name.rpartition("/")[2]), singular_words(self._compound(first)), *map(named_noun, keys))
        properties = {key: one for schema in reversed(schemas) for key, one in self.reader.properties(schema).items()}
        return Resource(
            name=name,
            collections=tuple(collections),
            schemas=tuple(schemas),
            properties=properties,
            id_path=self._id_path(first, properties),
            aliases=frozenset(map("".join, nouns)) - {""},
        )

    def _id_path(self, collection: Collection, properties: Mapping[str, Any]) -> str:
        key = collection.key or "id"
        parameter = next((one.parameter("path", key) for one in collection.item.values()), None)
        target, last = named_noun(key), collection.path[-1:]
        noun = target if last and last[0].parameter else singular_words(last[0].text if last else "")
        wanted = ((key, target or noun, parameter), (key, noun, parameter), ("id", noun, None))
        fields = [id_field(self.reader, {"properties": properties}, name, of, noun, one) for name, of, one in wanted]
        described = {name_key(name): name for name in properties}
        # `uri` means the last segment of an address, and is no property with an id.
        found = [name for name in (*fields, described.get("code"), described.get("slug")) if name and name != "uri"]
        return next((name for name in found if "." not in name), next(iter(found), ""))
