"""Makes ids: UUIDs, numbers, texts that match the pattern or resemble the example, as the paths want them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nlapi.resources.envelope import value_at
from nlapi.resources.grouping import Resource
from nlapi.resources.semantics import Semantics
from nlapi.sandbox.fake_values import similar_id
from nlapi.sandbox.parameters import coerce
from nlapi.sandbox.samples import ABSENT, SampleContext, Sampler
from nlapi.sandbox.schemas import Schemas

ATTEMPTS = 8


class IdGenerator:
    """A generator of ids for the items of each kind, the same for the same seed, kind and index."""

    def __init__(self, semantics: Semantics, schemas: Schemas, sampler: Sampler, seed: int) -> None:
        self.semantics = semantics
        self.schemas = schemas
        self.sampler = sampler
        self.seed = seed

    def id_schema(self, resource: Resource) -> object:
        """Return the schema of a kind's id: of its property, or of the path parameter."""
        described = resource.properties.get(resource.id_name or "")
        return next(iter(self._parameter_schemas(resource)), {"type": "string"}) if described is None else described

    def _parameter_schemas(self, resource: Resource) -> list[Any]:
        """Return the schemas of the path parameters that take the id, of one id where they take a list."""
        schemas = [parameter.schema for parameter in self.semantics.id_parameters.get(resource, ())]
        items = (self.schemas.flat(schema).get("items") for schema in schemas)
        return [schema if item is None else item for schema, item in zip(schemas, items, strict=True)]

    def example_id(self, resource: Resource, index: int = 0) -> object:
        """Return the description's example of an id for the item with that index, or ABSENT."""
        # With these ids the example requests of an API's documentation work here.
        for schema in (self.id_schema(resource), *self._parameter_schemas(resource)):
            examples = [id for id in self.schemas.flat(schema).get("examples") or () if self.is_valid_id(resource, id)]
            if examples:
                return examples[index] if index < len(examples) else ABSENT
        return ABSENT

    def is_valid_id(self, resource: Resource, key: object) -> bool:
        """Return whether an item of this kind can have that id, by its property and by its path parameters."""
        return self.fits_paths(resource, key) and self.schemas.valid(self.id_schema(resource), key, "write")

    def fits_paths(self, resource: Resource, key: object) -> bool:
        """Return whether the paths to one item take an id, as the text that it is there."""
        is_scalar = isinstance(key, str | int) and not isinstance(key, bool) and key != ""
        return is_scalar and all(
            self.schemas.valid(schema, coerce(str(key), schema, self.schemas), "write")
            for schema in self._parameter_schemas(resource)
        )

    def nested_id(self, resource: Resource, data: Mapping[str, object], default: object) -> object:
        """Return a nested id, as `user.id` of a membership at `/members/{user_id}`; `default` when there is none."""
        nested = value_at(data, tuple(resource.id_path.split("."))) if "." in resource.id_path else None
        return default if nested is None else nested

    def typed_id(self, resource: Resource, key: str) -> object:
        """Return an id in the type of its property."""
        # The store has texts only, as a path has.
        types = self.schemas.types(self.id_schema(resource))
        is_number = ("integer" in types or "number" in types) and "string" not in types
        return int(key) if is_number and key.lstrip("-").isdecimal() else key

    def new_id(self, resource: Resource, index: int) -> Any:
        """Return an id for the item with that index: one that its property and its paths take.

        Where none does both, one that the paths take: an id that cannot be opened is none.
        """
        second_best = ABSENT
        for candidate in self._candidates(resource, index):
            if self.is_valid_id(resource, candidate):
                return candidate
            if second_best is ABSENT and self.fits_paths(resource, candidate):
                second_best = candidate
        if second_best is not ABSENT:
            return second_best
        context = SampleContext(
            seed=self.seed, path=f"{resource.name}/id", name=resource.id_name or "id", noun="", index=index
        )
        return self.sampler.sample(self.id_schema(resource), context)

    def _candidates(self, resource: Resource, index: int) -> Iterator[object]:
        schemas = [self.id_schema(resource), *self._parameter_schemas(resource)]
        for schema in schemas:
            if "integer" in self.schemas.types(schema):
                yield int(self.schemas.flat(schema).get("minimum", 0)) + 1 + index
        example = self.example_id(resource)
        for attempt in range(ATTEMPTS):
            for position, schema in enumerate(schemas):
                context = SampleContext(
                    seed=self.seed,
                    path=f"{resource.name}/id/{attempt}" + (f"/{position}" if position else ""),
                    name=resource.id_name or "id",
                    noun=" ".join(resource.noun),
                    index=index,
                )
                if isinstance(example, str):
                    candidate: Any = similar_id(example, context.rng)
                else:
                    # Without its examples: a sample would copy them, and the id would not be new.
                    flat = self.schemas.flat(schema)
                    candidate = self.sampler.generate(
                        {key: keyword for key, keyword in flat.items() if key != "examples"}, context
                    )
                if candidate != example:
                    yield candidate
