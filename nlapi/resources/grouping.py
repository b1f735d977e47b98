"""Groups the collections of an API into resources: collections at several paths may hold things of one kind.

A path that ends in a literal is a collection of things where a path to one of them is below it, or where reading it
lists things with ids. Two are of one resource when their things have the same schema, or the same name and much the
same properties: `POST /accounts/{id}/campaigns` and `GET /campaigns/{id}` are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nlapi.resources.id_fields import ID_WORDS, Words, id_field, named_noun
from nlapi.resources.naming import name_key, singular_words
from nlapi.resources.paths import Path, common_prefix, compound, segments
from nlapi.resources.resource import Collection, Resources
from nlapi.resources.schemas import ref_of

_WRITES = frozenset(("PUT", "PATCH", "DELETE"))
_LIKE = 0.5
"""The share of properties that things at two paths of one name have in common when they are of one kind."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Resource:
    """A kind of thing, at one or more collections; a singleton (/account/settings) is the one thing at its path.

    `schemas` are those of one thing, the fullest first, `properties` what they describe, by name; `id_path` is the
    field with its id. `aliases` are its nouns as one word each.
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
        """What one thing is called, in the singular."""
        return singular_words(self.name.rpartition("/")[2])

    @property
    def label(self) -> str:
        """What one thing is called, for a person."""
        return self.name.rpartition("/")[2] if self.is_singleton else " ".join(self.noun)

    @property
    def is_open(self) -> bool:
        """Whether no client can list or create such things: then any id may be one."""
        return not any({"GET", "POST"} & collection.at.keys() for collection in self.collections)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """A collection with the schemas of one of its things, and the names of their properties."""

    collection: Collection
    schemas: list[Any]
    names: frozenset[str] = field(default=frozenset())

    @property
    def name(self) -> str:
        return self.collection.path[-1].text if self.collection.path else "items"

    @property
    def refs(self) -> frozenset[str]:
        return frozenset(filter(None, map(ref_of, self.schemas)))


class Grouping:
    """The grouping of the collections of one Spec."""

    def __init__(self, resources: Resources) -> None:
        self.resources = resources
        self.answers = resources.schemas
        self.reader = resources.schemas.reader
        self.prefix = common_prefix([segments(operation.route) for operation in resources.operations])

    def groups(self) -> Iterator[Resource]:
        """Yield every resource that is no singleton, those with paths to one thing first."""
        places = [self._place(collection) for collection in self.resources.collections.values()]
        groups: list[list[_Place]] = []
        order = sorted(places, key=lambda one: (not one.collection.item, len(one.collection.path)))
        for place in filter(self._is_collection, order):
            home = next((group for group in groups if self._belongs(place, group)), None)
            if home is None:
                groups.append([place])
            else:
                home.append(place)
        return map(self._resource, groups)

    def _place(self, collection: Collection) -> _Place:
        item, created = collection.item, collection.at.get("POST")
        shown = [one for one in map(item.get, ("GET", "PATCH", "PUT")) if one and not self.answers.list_of(one)]
        found = [self.answers.thing_part(one) for one in (*shown, *([created] if created else []))]
        every = [part.schema for part in found if part is not None] + [self._listed(collection)]
        schemas = [schema for schema in every if "object" in self.reader.types(schema)]
        distinct = [schema for at, schema in enumerate(schemas) if schema not in schemas[:at]]
        names = frozenset(name for schema in distinct for name in self.reader.properties(schema))
        return _Place(collection=collection, schemas=distinct, names=names)

    def _listed(self, collection: Collection) -> Any:
        part = self.answers.list_part(collection.at["GET"]) if "GET" in collection.at else None
        return part.schema if part is not None and "object" in self.reader.types(part.schema) else {}

    def _is_collection(self, place: _Place) -> bool:
        collection, listed = place.collection, self._listed(place.collection)
        created = collection.at.get("POST")
        if "GET" in collection.item:
            return True
        if _WRITES & collection.item.keys() and (listed or (created and place.schemas)):
            return True
        if not listed:
            return bool(place.schemas) and collection.at.keys() == {"POST"} and self._has_things_below(collection)
        return bool(created and created.body) or bool(self._id_path(collection, [listed]))

    def _has_things_below(self, collection: Collection) -> bool:
        """Whether there is a path below one of its things, as /tickets/{id}/qr is for /tickets."""
        size, here = len(collection.path), collection.shape
        return any(
            one[:size] == here and one[size] is None for one in self.resources.collections if len(one) > size + 1
        )

    def _belongs(self, place: _Place, group: Sequence[_Place]) -> bool:
        kin = [other for other in group if place.refs & other.refs]
        if any(place.name == other.name or (other.collection.item and not place.collection.item) for other in kin):
            return True
        if self._compound(place) != self._compound(group[0]):
            return False
        if place.collection.item and any(other.collection.item for other in group):
            return not place.refs and not group[0].refs and _likeness(place, group[0]) == 1
        return _likeness(place, group[0]) >= _LIKE

    def _compound(self, place: _Place) -> str:
        path = place.collection.path
        return compound(path[self.prefix :] if len(path) > self.prefix else path)

    def _resource(self, group: Sequence[_Place]) -> Resource:
        first = next((one for one in group if one.collection.item), group[0])
        schemas = [schema for place in group for schema in place.schemas]
        texts = filter(None, (first.name, self._compound(first)))
        keys = [one.collection.key for one in group if name_key(one.collection.key or "").endswith(tuple(ID_WORDS))]
        return Resource(
            name=path_name(first.collection.path),
            collections=tuple(place.collection for place in group),
            schemas=tuple(schemas),
            properties=self.properties(schemas),
            id_path=self._id_path(first.collection, schemas),
            aliases=frozenset(
                "".join(noun) for noun in (*map(singular_words, texts), *map(named_noun, filter(None, keys)))
            ),
        )

    def properties(self, schemas: Sequence[Any]) -> dict[str, Any]:
        """Return every property of some schemas, as the first that has it describes it."""
        return {name: one for schema in reversed(schemas) for name, one in self.reader.properties(schema).items()}

    def _id_path(self, collection: Collection, schemas: Sequence[Any]) -> str:
        noun = singular_words(collection.path[-1].text) if collection.path else ()
        key = collection.key or "id"
        parameter = next((one.parameter("path", key) for one in collection.item.values()), None)
        fields = [id_field(self.reader, schema, key, noun, noun, parameter) for schema in schemas]
        fields += [id_field(self.reader, schema, "id", noun, noun) for schema in schemas]
        described = {name_key(name): name for schema in schemas for name in self.reader.properties(schema)}
        found = [name for name in (*fields, described.get("code"), described.get("slug")) if name and name != "uri"]
        return next((name for name in found if "." not in name), next(iter(found), ""))


def path_name(path: Path) -> str:
    """Return what the resource at a path is called: `accounts/{}/campaigns`."""
    return "/".join("{}" if segment.parameter else segment.text for segment in path) or "items"


def _likeness(one: _Place, other: _Place) -> float:
    """The share of properties that the things at two paths have in common."""
    least = min(len(one.names), len(other.names))
    return len(one.names & other.names) / least if least else 1.0
