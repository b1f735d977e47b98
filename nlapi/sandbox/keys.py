"""Ids for new things, in the form that the description gives them."""

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
    """Makes ids: a uuid, a number, a text of the pattern or like the example."""

    def __init__(self, schemas: Schemas, sampler: Sampler, seed: int) -> None:
        self.schemas = schemas
        self.sampler = sampler
        self.seed = seed

    def schema(self, resource: Resource) -> Any:
        """The schema of a kind's id: of the property that holds it, or of the path parameter that names it."""
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
        """The example of an id that the description gives for the thing of that number, or NOTHING.

        So the requests that the description's own pages show work here.
        """
        for one in (self.schema(resource), *self._parameters(resource)):
            examples = [id for id in self.schemas.flat(one).get("examples") or () if self.fits(resource, id)]
            if examples:
                return examples[index] if index < len(examples) else NOTHING
        return NOTHING

    def fits(self, resource: Resource, key: Any) -> bool:
        """Could a thing of this kind have that id, as property and in a path?"""
        readable = isinstance(key, str | int) and not isinstance(key, bool) and key != ""
        every = (self.schema(resource), *self._parameters(resource))
        return readable and all(self.schemas.valid(schema, key, "write") for schema in every)

    def inner(self, resource: Resource, data: Mapping[str, Any], otherwise: Any) -> Any:
        """The id of a thing that has it inside: a membership at `/members/{user_id}` goes by its `user.id`."""
        found = value_at(data, tuple(resource.id_path.split("."))) if "." in resource.id_path else None
        return otherwise if found is None else found

    def typed(self, resource: Resource, key: str) -> Any:
        """The id as its property's type has it: a number where it is a number."""
        types = self.schemas.types(self.schema(resource))
        is_number = ("integer" in types or "number" in types) and "string" not in types
        return int(key) if is_number and key.lstrip("-").isdecimal() else key

    def new(self, resource: Resource, index: int) -> Any:
        """An id for the thing of that number; always the same for the same seed, kind and number."""
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
                # Later samples of a schema with examples are made, not copied.
                found = self.sampler.make({key: one for key, one in flat.items() if key != "examples"}, at)
            if found != example and self.fits(resource, found):
                return found
        return self.sampler.sample(schema, At(seed=self.seed, path=f"{resource.name}/id", name=name, index=index))
