"""The state of one sandbox: the description, the meaning of its paths, and the stored items."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

from nlapi.openapi.spec import Operation, Spec
from nlapi.resources.answers import answer_schema
from nlapi.resources.references import references
from nlapi.resources.semantics import Semantics, semantics_of
from nlapi.sandbox.fixtures import SAMPLES_BELOW_FIRST, Fixtures, IdGenerator
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
    def of(spec: Spec, *, seed: int, database: str, samples: int = SAMPLES_BELOW_FIRST) -> SandboxState:
        schemas = Schemas(spec)
        sampler = Sampler(schemas)
        semantics = semantics_of(spec)
        ids = IdGenerator(semantics, schemas, sampler, seed)
        store = ItemStore(database)
        fixtures = Fixtures(semantics, references(spec), store, sampler, ids, samples)
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

    def whole_view(self, row: StoredItem) -> dict[str, Any]:
        """Return all that is stored of an item, for an answer that no schema describes."""
        return dict(row.data)

    def remember_references(self, operation: Operation, value: object) -> None:
        """Record the ids of other items in an answer: what an answer shows can be opened."""
        index = self.fixtures.references
        found = itertools.chain(index.find(answer_schema(operation), value), index.in_entries(operation, value))
        for reference in found:
            self.fixtures.remember(reference.resource, str(reference.id), reference.fields)
