"""The kinds of thing an API keeps, inferred from its paths and schemas.

A path that ends in a literal is a collection when there is a path to one of its things below it, or when reading it
gives a list of things with ids. Collections at several paths are one Entity when their things have the same schema, or
the same name and much the same properties: `POST /accounts/{id}/campaigns` and `GET /campaigns/{id}` are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from nlapi.openapi.spec import Operation, Spec
from nlapi.resources.naming import name_key, singular_words
from nlapi.resources.paths import Path, Shape, common_prefix, compound, is_item, segments, shape
from nlapi.sandbox.envelopes import find_array, find_item, json_media, ref_of
from nlapi.sandbox.schemas import Schemas

IDS = ("id", "uuid", "guid", "key", "code", "slug")
WRITES = frozenset(("PUT", "PATCH", "DELETE"))


@dataclass(slots=True, kw_only=True, eq=False)
class Collection:
    """A path that things are kept at. `at` are the operations on it, `item` those on one thing, with that path."""

    path: Path
    at: dict[str, Operation] = field(default_factory=dict)
    item: dict[str, Operation] = field(default_factory=dict)
    item_path: Path = ()
    schemas: list[Any] = field(default_factory=list)
    """Schemas of one thing, the fullest first."""
    entity: Entity | None = None

    @property
    def name(self) -> str:
        return self.path[-1].text if self.path else "items"

    @property
    def refs(self) -> frozenset[str]:
        return frozenset(filter(None, map(ref_of, self.schemas)))

    @property
    def key(self) -> str | None:
        """The parameter that names one thing."""
        return self.item_path[-1].parameter if self.item_path else None


@dataclass(slots=True, kw_only=True, eq=False)
class Entity:
    """One kind of thing, kept at one or more collections. `id_name` is the property that holds its id, if any."""

    name: str
    collections: list[Collection]
    id_name: str | None = None
    aliases: frozenset[str] = frozenset()

    @property
    def schemas(self) -> list[Any]:
        return [schema for collection in self.collections for schema in collection.schemas]

    @property
    def refs(self) -> frozenset[str]:
        return frozenset().union(*(collection.refs for collection in self.collections))

    @property
    def thing(self) -> str:
        return " ".join(singular_words(self.name.rpartition("/")[2]))

    @property
    def open(self) -> bool:
        """Can a client neither list nor create it? Then a thing of any id is there as soon as someone asks for it."""
        return not any({"GET", "POST"} & collection.at.keys() for collection in self.collections)


class Entities:
    """The Entities of a Spec, and at which path each is."""

    def __init__(self, spec: Spec, schemas: Schemas) -> None:
        self.schemas = schemas
        by_path: dict[Path, dict[str, Operation]] = {}
        for operation in spec.operations:
            by_path.setdefault(segments(operation.route), {})[operation.method] = operation
        self.prefix = common_prefix(list(by_path))
        self.operations = by_path
        self.collections = {shape(one.path): one for one in self._collect()}
        self.all = tuple(self._grouped(list(self.collections.values())))

    def at(self, path: Path) -> Entity | None:
        """The Entity whose collection is at exactly this path."""
        found = self.collections.get(shape(path))
        return found.entity if found else None

    def named(self, property: str) -> Entity | None:
        """The Entity that a property of that name (`campaign_id`, `parentAccountId`, `ad_ids`) refers to."""
        parts = singular_words(property)
        if len(parts) < 2 or parts[-1] not in ("id", "uuid", "key"):
            return None
        for start in range(len(parts) - 1):
            wanted = "".join(parts[start:-1])
            found = [entity for entity in self.all if wanted in entity.aliases]
            if found:
                return min(found, key=lambda entity: (wanted != name_key(entity.thing), entity.open, len(entity.name)))
        return None

    def _collect(self) -> Iterable[Collection]:
        found: dict[Shape, Collection] = {}
        for path, operations in self.operations.items():
            if is_item(path) and self._names_one(path, operations):
                one = found.setdefault(shape(path[:-1]), Collection(path=path[:-1]))
                one.item.update(operations)
                one.item_path = path
            else:
                one = found.setdefault(shape(path), Collection(path=path))
                one.at.update(operations)
        for one in found.values():
            one.schemas = self._schemas_of(one)
            if self._is_collection(one):
                yield one

    def _names_one(self, path: Path, operations: dict[str, Operation]) -> bool:
        """Is the last placeholder an id: a text or a number, not a list of them?"""
        parameters = (one for operation in operations.values() for one in operation.parameters)
        named = next((one for one in parameters if one.where == "path" and one.name == path[-1].parameter), None)
        return named is None or not {"array", "object", "boolean"} & set(self.schemas.types(named.schema))

    def _schemas_of(self, one: Collection) -> list[Any]:
        """The schemas of one thing: as read, as created, as listed."""
        names = (one.name,)
        found = []
        for operation in (
            one.item.get("GET"),
            *(one.item.get(method) for method in ("PATCH", "PUT")),
            one.at.get("POST"),
        ):
            media = json_media(operation) if operation else None
            if media and "object" in self.schemas.types(media.schema):
                found.append(find_item(media.schema, names, frozenset(), self.schemas).schema)
        listed = self._listed(one)
        if listed is not None:
            found.append(listed)
        return [schema for place, schema in enumerate(found) if schema not in found[:place]]

    def _listed(self, one: Collection) -> Any:
        media = json_media(one.at["GET"]) if "GET" in one.at else None
        array = find_array(media.schema, one.name, self.schemas) if media else None
        return array.schema if array and "object" in self.schemas.types(array.schema) else None

    def _is_collection(self, one: Collection) -> bool:
        listed = self._listed(one)
        if "GET" in one.item or (
            WRITES & one.item.keys() and (listed is not None or ("POST" in one.at and one.schemas))
        ):
            return True
        if listed is None:
            return bool(one.schemas) and one.at.keys() == {"POST"} and self._has_things_below(one)
        return ("POST" in one.at and bool(one.at["POST"].body)) or self._id_of(listed, one) is not None

    def _has_things_below(self, one: Collection) -> bool:
        """Is there a path below one of its things, as `/tickets/{id}/qr` is for `/tickets`?"""
        size = len(one.path)
        return any(
            len(path) > size + 1 and shape(path[:size]) == shape(one.path) and path[size].parameter
            for path in self.operations
        )

    def _id_of(self, schema: Any, one: Collection) -> str | None:
        return id_property(self.schemas.properties(schema), one.name, one.key)

    def _grouped(self, collections: list[Collection]) -> Iterable[Entity]:
        groups: list[list[Collection]] = []
        by_item = sorted(collections, key=lambda one: (not one.item, len(one.path)))
        for one in by_item:
            home = next((group for group in groups if self._belongs(one, group)), None)
            if home is None:
                groups.append([one])
            else:
                home.append(one)
        for group in groups:
            yield self._entity(group)

    def _belongs(self, one: Collection, group: list[Collection]) -> bool:
        kin = [other for other in group if one.refs & other.refs]
        if any(one.name == other.name or (other.item and not one.item) for other in kin):
            return True
        if self._compound(one) != self._compound(group[0]):
            return False
        if one.item and any(other.item for other in group):
            return not one.refs and not group[0].refs and self._likeness(one, group[0]) == 1
        return self._likeness(one, group[0]) >= 0.5

    def _compound(self, one: Collection) -> str:
        return compound(one.path[self.prefix :] if len(one.path) > self.prefix else one.path)

    def _likeness(self, one: Collection, other: Collection) -> float:
        """The share of property names that the things of two collections have in common."""
        left, right = (self._property_names(each) for each in (one, other))
        return len(left & right) / max(min(len(left), len(right)), 1) if left and right else 1.0

    def _property_names(self, one: Collection) -> set[str]:
        return {name for schema in one.schemas for name in self.schemas.properties(schema)}

    def _entity(self, group: list[Collection]) -> Entity:
        first = next((one for one in group if one.item), group[0])
        properties = {
            name: one for each in group for s in each.schemas for name, one in self.schemas.properties(s).items()
        }
        aliases = {"".join(singular_words(text)) for text in (first.name, self._compound(first)) if text}
        for one in group:
            words = singular_words(one.key or "")
            if len(words) > 1 and words[-1] in IDS:
                aliases.add("".join(words[:-1]))
        entity = Entity(
            name=self._unique_name(first),
            collections=group,
            id_name=id_property(properties, first.name, first.key),
            aliases=frozenset(aliases),
        )
        for one in group:
            one.entity = entity
        return entity

    def _unique_name(self, first: Collection) -> str:
        return "/".join("{}" if segment.parameter else segment.text for segment in first.path) or "items"


def id_property(properties: Iterable[str], collection: str, key: str | None) -> str | None:
    """The property that holds a thing's id: the one its path parameter is called after, `id`, `campaign_id`, `code`."""
    by_plain = {name_key(name): name for name in properties}
    thing = "".join(singular_words(collection))
    parts = singular_words(key or "")
    endings = ["".join(parts[start:]) for start in range(len(parts))]
    ids = ["id", f"{thing}id", f"{thing}uuid"]
    # `{orderId}` may be called `id` in the thing itself; `{serverName}` is its name, whatever its `id` is.
    wanted = [name_key(key or ""), *ids, *endings] if parts[-1:] in ((), ("id",), ("uuid",)) else [*endings, *ids]
    wanted += [one for one in IDS if one not in wanted]
    return next((by_plain[one] for one in wanted if one in by_plain), None)
