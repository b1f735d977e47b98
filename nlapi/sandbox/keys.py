"""Ids for new items, in the form of the description."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nlapi.resources.envelope import value_at
from nlapi.resources.grouping import Resource
from nlapi.sandbox.at import NOTHING, At
from nlapi.sandbox.samples import Sampler
from nlapi.sandbox.schemas import Schemas
from nlapi.sandbox.texts import like

ATTEMPTS = 8


class Keys:
    """A generator of ids: UUIDs, numbers, texts that match the pattern or resemble the example."""

    def __init__(self, schemas: Schemas, sampler: Sampler, seed: int) -> None:
        self.schemas = schemas
        self.sampler = sampler
        self.seed = seed

    def schema(self, resource: Resource) -> Any:
        """Return the schema of a kind's id: of its property, or of the path parameter."""
        if resource.id_name:
            return resource.properties[resource.id_name]
        return next(iter(self._parameters(resource)), {"type": "string"})

    def _parameters(self, resource: Resource) -> list[Any]:
        return [
            parameter.schema
            for collection in resource.collections
            for operation in collection.item.values()
            for parameter in operation.parameters
            if parameter.where == "path" and parameter.name == collection.key
        ]

    def example(self, resource: Resource, index: int = 0) -> Any:
        """Return the description's example of an id for the item with that index, or NOTHING."""
        # With these ids the example requests of an API's documentation work here.
        for one in (self.schema(resource), *self._parameters(resource)):
            examples = [id for id in self.schemas.flat(one).get("examples") or () if self.fits(resource, id)]
            if examples:
                return examples[index] if index < len(examples) else NOTHING
        return NOTHING

    def fits(self, resource: Resource, key: Any) -> bool:
        """Return whether an item of this kind can have that id, by its property and by its path parameters."""
        readable = isinstance(key, str | int) and not isinstance(key, bool) and key != ""
        every = (self.schema(resource), *self._parameters(resource))
        return readable and all(self.schemas.valid(schema, key, "write") for schema in every)

    def inner(self, resource: Resource, data: Mapping[str, Any], otherwise: Any) -> Any:
        """Return a nested id, as `user.id` of a membership at `/members/{user_id}`; `default` when there is none."""
        found = value_at(data, tuple(resource.id_path.split("."))) if "." in resource.id_path else None
        return otherwise if found is None else found

    def typed(self, resource: Resource, key: str) -> Any:
        """Return an id in the type of its property."""
        # The store has texts only, as a path has.
        types = self.schemas.types(self.schema(resource))
        is_number = ("integer" in types or "number" in types) and "string" not in types
        return int(key) if is_number and key.lstrip("-").isdecimal() else key

    def new(self, resource: Resource, index: int) -> Any:
        """Return an id for the item with that index, the same for the same seed, kind and index."""
        schema = self.schema(resource)
        flat = self.schemas.flat(schema)
        if "integer" in self.schemas.types(schema):
            number = int(flat.get("minimum", 0)) + 1 + index
            if self.fits(resource, number):
                return number
        example = self.example(resource)
        name = resource.id_name or "id"
        for attempt in range(ATTEMPTS):
            at = At(
                seed=self.seed,
                path=f"{resource.name}/id/{attempt}",
                name=name,
                thing=" ".join(resource.noun),
                index=index,
            )
            if isinstance(example, str):
                found = like(example, at.rng)
            else:
                # Without its examples: a sample would copy them, and the id would not be new.
                found = self.sampler.make({key: one for key, one in flat.items() if key != "examples"}, at)
            if found != example and self.fits(resource, found):
                return found
        return self.sampler.sample(schema, At(seed=self.seed, path=f"{resource.name}/id", name=name, index=index))
