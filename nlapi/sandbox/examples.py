"""The example items of a description, which become the first samples."""

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
        self._found: dict[str, tuple[dict[str, Any], ...]] = {}

    def of(self, resource: Resource, index: int) -> dict[str, Any]:
        """Return the example with that index; {} when there are fewer."""
        found = self._found.get(resource.name)
        if found is None:
            found = self._found[resource.name] = tuple(self._distinct(resource))
        return found[index] if index < len(found) else {}

    def _distinct(self, resource: Resource) -> Iterator[dict[str, Any]]:
        """Yield each example item once, by its id."""
        # A description often shows one item in a list, alone and in its schema.
        seen = set()
        for example in self._all(resource):
            mark = str(example.get(resource.id_name or "", example))
            if mark not in seen:
                seen.add(mark)
                yield example

    def _all(self, resource: Resource) -> Iterator[dict[str, Any]]:
        for example in (*self._listed(resource), *self._read(resource), *self._beside(resource)):
            if isinstance(example, dict):
                yield example

    def _listed(self, resource: Resource) -> Iterator[Any]:
        for collection in resource.collections:
            # A list of another schema (search results, summaries) has examples of other items.
            part = self.answers.list_part(collection.at["GET"]) if "GET" in collection.at else None
            media = json_media(collection.at["GET"]) if part and ref_of(part.schema) in {"", *resource.refs} else None
            for example in (*media.examples, *self._examples(media.schema)) if part and media else ():
                listed = value_at(example, part.keys) if part else None
                yield from listed if isinstance(listed, list) else ()

    def _read(self, resource: Resource) -> Iterator[Any]:
        for collection in resource.collections:
            media = json_media(collection.item["GET"]) if "GET" in collection.item else None
            part = self.answers.thing_part(collection.item["GET"], resource.refs) if media else None
            yield from (value_at(example, part.keys) for example in media.examples) if media and part else ()

    def _beside(self, resource: Resource) -> Iterator[Any]:
        for schema in resource.schemas:
            yield from self._examples(schema)

    def _examples(self, schema: Any) -> list[Any]:
        return self.reader.flat(schema).get("examples") or []
