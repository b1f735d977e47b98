"""The state of one sandbox: the description, the meaning of its paths, and the stored items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nlapi.openapi.spec import Spec
from nlapi.resources.semantics import Semantics, semantics_of
from nlapi.sandbox.fixtures import Fixtures, IdGenerator
from nlapi.sandbox.samples import SampleContext, Sampler
from nlapi.sandbox.schemas import Schemas
from nlapi.sandbox.store import ItemStore, StoredItem


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxState:
    """The state of one sandbox, which handlers and responses use."""

    spec: Spec
    seed: int
    schemas: Schemas
    sampler: Sampler
    semantics: Semantics
    ids: IdGenerator
    store: ItemStore
    fixtures: Fixtures

    @staticmethod
    def of(spec: Spec, *, seed: int, database: str) -> SandboxState:
        schemas = Schemas(spec)
        sampler = Sampler(schemas)
        semantics = semantics_of(spec)
        ids = IdGenerator(schemas, sampler, seed)
        store = ItemStore(database)
        fixtures = Fixtures(semantics, store, sampler, ids)
        return SandboxState(
            spec=spec,
            seed=seed,
            schemas=schemas,
            sampler=sampler,
            semantics=semantics,
            ids=ids,
            store=store,
            fixtures=fixtures,
        )

    def view(self, row: StoredItem, schema: object) -> Any:
        """Return an item by a schema: its stored fields, and samples of required fields that are not stored."""
        # Seeded by the row, so that a field that is not stored has the same value in every answer.
        context = SampleContext(
            seed=self.seed, path=f"{row.entity}/{row.key}", noun=row.entity.rpartition("/")[2], index=row.index
        )
        return self.sampler.sample(schema, context, row.data)
