"""Everything that one sandbox knows: the description, what its paths mean, and the things it keeps."""

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
    """The parts that answers are made of."""

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
        """A thing as a schema shows it: what is stored of it, and what the schema requires beyond."""
        at = At(seed=self.seed, path=f"{row.entity}/{row.key}", thing=row.entity.rpartition("/")[2], index=row.place)
        return self.sampler.sample(schema, at, row.data)
