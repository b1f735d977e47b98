"""The things that a description shows as examples: the first samples are those."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nlapi.sandbox.entities import Entity
from nlapi.sandbox.envelopes import dig, find_array, find_item, json_media, ref_of
from nlapi.sandbox.schemas import Schemas


class Examples:
    """The example things of each kind: those in example lists, of single things, and beside schemas."""

    def __init__(self, schemas: Schemas) -> None:
        self.schemas = schemas
        self._found: dict[str, tuple[dict[str, Any], ...]] = {}

    def of(self, entity: Entity, index: int) -> dict[str, Any]:
        """The example of that number; {} when there are not so many."""
        found = self._found.get(entity.name)
        if found is None:
            found = self._found[entity.name] = tuple(self._distinct(entity))
        return found[index] if index < len(found) else {}

    def _distinct(self, entity: Entity) -> Iterator[dict[str, Any]]:
        """Each thing once; of two with one id, the first."""
        seen = set()
        for example in self._all(entity):
            mark = str(example.get(entity.id_name or "", example))
            if mark not in seen:
                seen.add(mark)
                yield example

    def _all(self, entity: Entity) -> Iterator[dict[str, Any]]:
        for example in (*self._listed(entity), *self._read(entity), *self._beside(entity)):
            if isinstance(example, dict):
                yield example

    def _listed(self, entity: Entity) -> Iterator[Any]:
        for collection in entity.collections:
            media = json_media(collection.at["GET"]) if "GET" in collection.at else None
            found = find_array(media.schema, collection.name, self.schemas) if media else None
            if media and found and ref_of(found.schema) in {"", *entity.refs}:
                for example in (*media.examples, *(self.schemas.flat(media.schema).get("examples") or ())):
                    listed = dig(example, found.keys) if found.keys else example
                    yield from listed if isinstance(listed, list) else ()

    def _read(self, entity: Entity) -> Iterator[Any]:
        for collection in entity.collections:
            media = json_media(collection.item["GET"]) if "GET" in collection.item else None
            if media:
                keys = find_item(media.schema, (entity.thing,), entity.refs, self.schemas).keys
                yield from (dig(example, keys) if keys else example for example in media.examples)

    def _beside(self, entity: Entity) -> Iterator[Any]:
        for schema in entity.schemas:
            yield from self.schemas.flat(schema).get("examples") or ()
