"""The state of one sandbox: the description, the meaning of its paths, and the stored items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nlapi.openapi.spec import Spec
from nlapi.resources.semantics import Semantics, semantics_of
from nlapi.sandbox.at import At
from nlapi.sandbox.keys import Keys
from nlapi.sandbox.samples import Sampler
from nlapi.sandbox.schemas import Schemas
from nlapi.sandbox.seeds import Seeds
from nlapi.sandbox.store import Row, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """The state of one sandbox, which handlers and responses use."""

    spec: Spec
    seed: int
    schemas: Schemas
    sampler: Sampler
    semantics: Semantics
    keys: Keys
    store: Store
    seeds: Seeds

    @staticmethod
    def of(spec: Spec, *, seed: int, database: str) -> Stage:
        schemas = Schemas(spec)
        sampler = Sampler(schemas)
        semantics = semantics_of(spec)
        keys = Keys(schemas, sampler, seed)
        store = Store(database)
        seeds = Seeds(semantics, store, sampler, keys)
        return Stage(
            spec=spec,
            seed=seed,
            schemas=schemas,
            sampler=sampler,
            semantics=semantics,
            keys=keys,
            store=store,
            seeds=seeds,
        )

    def view(self, row: Row, schema: Any) -> Any:
        """Return an item by a schema: its stored fields, and samples of required fields that are not stored."""
        # Seeded by the row, so that a field that is not stored has the same value in every answer.
        at = At(seed=self.seed, path=f"{row.entity}/{row.key}", thing=row.entity.rpartition("/")[2], index=row.place)
        return self.sampler.sample(schema, at, row.data)
