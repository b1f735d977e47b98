"""Ids for new items, in the form of the description."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nlapi.resources.envelope import value_at
from nlapi.resources.grouping import Resource
from nlapi.sandbox.at import ABSENT, SampleContext
from nlapi.sandbox.samples import Sampler
from nlapi.sandbox.schemas import Schemas
from nlapi.sandbox.texts import similar_id

ATTEMPTS = 8


class IdGenerator:
    """A generator of ids: UUIDs, numbers, texts that match the pattern or resemble the example."""

    def __init__(self, schemas: Schemas, sampler: Sampler, seed: int) -> None:
        self.schemas = schemas
        self.sampler = sampler
        self.seed = seed

    def id_schema(self, resource: Resource) -> Any:
        """Return the schema of a kind's id: of its property, or of the path parameter."""
        if resource.id_name:
            return resource.properties[resource.id_name]
        return next(iter(self._parameter_schemas(resource)), {"type": "string"})

    def _parameter_schemas(self, resource: Resource) -> list[Any]:
        return [
            parameter.schema
            for collection in resource.collections
            for operation in collection.item_operations.values()
            for parameter in operation.parameters
            if parameter.location == "path" and parameter.name == collection.key
        ]

    def example_id(self, resource: Resource, index: int = 0) -> Any:
        """Return the description's example of an id for the item with that index, or NOTHING."""
        # With these ids the example requests of an API's documentation work here.
        for schema in (self.id_schema(resource), *self._parameter_schemas(resource)):
            examples = [id for id in self.schemas.flat(schema).get("examples") or () if self.is_valid_id(resource, id)]
            if examples:
                return examples[index] if index < len(examples) else ABSENT
        return ABSENT

    def is_valid_id(self, resource: Resource, key: Any) -> bool:
        """Return whether an item of this kind can have that id, by its property and by its path parameters."""
        is_scalar = isinstance(key, str | int) and not isinstance(key, bool) and key != ""
        schemas = (self.id_schema(resource), *self._parameter_schemas(resource))
        return is_scalar and all(self.schemas.valid(schema, key, "write") for schema in schemas)

    def nested_id(self, resource: Resource, data: Mapping[str, Any], default: Any) -> Any:
        """Return a nested id, as `user.id` of a membership at `/members/{user_id}`; `default` when there is none."""
        nested = value_at(data, tuple(resource.id_path.split("."))) if "." in resource.id_path else None
        return default if nested is None else nested

    def typed_id(self, resource: Resource, key: str) -> Any:
        """Return an id in the type of its property."""
        # The store has texts only, as a path has.
        types = self.schemas.types(self.id_schema(resource))
        is_number = ("integer" in types or "number" in types) and "string" not in types
        return int(key) if is_number and key.lstrip("-").isdecimal() else key

    def new_id(self, resource: Resource, index: int) -> Any:
        """Return an id for the item with that index, the same for the same seed, kind and index."""
        schema = self.id_schema(resource)
        flat = self.schemas.flat(schema)
        if "integer" in self.schemas.types(schema):
            number = int(flat.get("minimum", 0)) + 1 + index
            if self.is_valid_id(resource, number):
                return number
        example = self.example_id(resource)
        name = resource.id_name or "id"
        for attempt in range(ATTEMPTS):
            context = SampleContext(
                seed=self.seed,
                path=f"{resource.name}/id/{attempt}",
                name=name,
                noun=" ".join(resource.noun),
                index=index,
            )
            if isinstance(example, str):
                candidate = similar_id(example, context.rng)
            else:
                # Without its examples: a sample would copy them, and the id would not be new.
                candidate = self.sampler.generate({key: keyword for key, keyword in flat.items() if key != "examples"}, context)
            if candidate != example and self.is_valid_id(resource, candidate):
                return candidate
        return self.sampler.sample(schema, SampleContext(seed=self.seed, path=f"{resource.name}/id", name=name, index=index))
