"""Finds the example items of a kind in a description: in lists, alone, and in schemas."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nlapi.resources.answers import AnswerSchemas, json_media
from nlapi.resources.envelope import value_at
from nlapi.resources.grouping import Resource
from nlapi.resources.schemas import ref_of


class Examples:
    """The example items of each kind, from example lists, examples of single items, and examples in schemas."""

    def __init__(self, answers: AnswerSchemas) -> None:
        self.answers = answers
        self.reader = answers.reader
        self._cache: dict[str, tuple[dict[str, object], ...]] = {}

    def of(self, resource: Resource, index: int) -> dict[str, Any]:
        """Return the example with that index; {} when there are fewer."""
        examples = self._cache.get(resource.name)
        if examples is None:
            examples = self._cache[resource.name] = tuple(self._distinct(resource))
        return examples[index] if index < len(examples) else {}

    def _distinct(self, resource: Resource) -> Iterator[dict[str, object]]:
        """Yield each example item once, by its id."""
        # A description often shows one item in a list, alone and in its schema.
        keys = set()
        for example in self._all(resource):
            key = str(example.get(resource.id_name or "", example))
            if key not in keys:
                keys.add(key)
                yield example

    def _all(self, resource: Resource) -> Iterator[dict[str, object]]:
        for example in (
            *self._list_examples(resource),
            *self._item_examples(resource),
            *self._resource_examples(resource),
        ):
            if isinstance(example, dict):
                yield example

    def _list_examples(self, resource: Resource) -> Iterator[object]:
        for collection in resource.collections:
            # A list of another schema (search results, summaries) has examples of other items.
            part = self.answers.list_part(collection.operations["GET"]) if "GET" in collection.operations else None
            media = (
                json_media(collection.operations["GET"])
                if part and ref_of(part.schema) in {"", *resource.refs}
                else None
            )
            if part is None or media is None:
                continue
            for example in (*media.examples, *self._schema_examples(media.schema)):
                items = value_at(example, part.keys)
                yield from (value_at(item, part.entry_keys) for item in items) if isinstance(items, list) else ()

    def _item_examples(self, resource: Resource) -> Iterator[object]:
        for collection in resource.collections:
            media = json_media(collection.item_operations["GET"]) if "GET" in collection.item_operations else None
            part = self.answers.item_part(collection.item_operations["GET"], resource.refs) if media else None
            yield from (value_at(example, part.keys) for example in media.examples) if media and part else ()

    def _resource_examples(self, resource: Resource) -> Iterator[object]:
        for schema in resource.schemas:
            yield from self._schema_examples(schema)

    def _schema_examples(self, schema: object) -> list[object]:
        return self.reader.flat(schema).get("examples") or []
