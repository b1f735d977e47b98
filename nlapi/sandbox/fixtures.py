"""Stores sample items when their kind is first used, with ids and with consistent parents and references.

The first of them are the examples of the description.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from nlapi.english.words import name_key
from nlapi.resources.answers import AnswerSchemas, json_media
from nlapi.resources.collection_index import Collection
from nlapi.resources.envelope import value_at, wrap
from nlapi.resources.grouping import Resource
from nlapi.resources.identity import field_at
from nlapi.resources.references import ResourceReferences
from nlapi.resources.schemas import ref_of
from nlapi.resources.semantics import Parent, Semantics
from nlapi.sandbox.fake_values import similar_id
from nlapi.sandbox.parameters import coerce
from nlapi.sandbox.samples import ABSENT, FindReference, SampleContext, Sampler
from nlapi.sandbox.schemas import Schemas
from nlapi.sandbox.store import SINGLETON_KEY, ItemStore, Scope, StoredItem, scopes_agree

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
        """Return a nested id, as `user.id` of a membership at `/members/{user_id}`; `default` if none exists."""
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

        Where none does both, one that the paths take: an id that cannot be opened does not count.
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


# Items below the first parent and below each other one. Six make a list that can be filtered and paged; with two
# below the others a tree of four kinds stays small.
SAMPLES_BELOW_FIRST, SAMPLES_BELOW_EACH = 6, 2
# The largest number of sample items of one kind.
MAX_SAMPLES = 120
# Items of a kind among which one is referred to: enough for variety, few enough to be read for each reference.
REFERENCE_ROWS = 12


class Fixtures:
    """The maker of sample rows. A kind is filled once below each parent; parents that a client created stay empty."""

    def __init__(
        self,
        semantics: Semantics,
        references: ResourceReferences,
        store: ItemStore,
        sampler: Sampler,
        ids: IdGenerator,
        most: int = SAMPLES_BELOW_FIRST,
    ) -> None:
        self.most = most
        self.semantics = semantics
        self.references = references
        self.store = store
        self.sampler = sampler
        self.ids = ids
        self.examples = Examples(semantics.answers)
        self._filling: list[Resource] = []
        self._filled: set[tuple[str, tuple[tuple[str, str], ...]]] = set()

    def get(self, resource: Resource, key: str, scope: Scope) -> StoredItem | None:
        """Return the item with an id below its parents, or None.

        Where no list shows the ids of a kind, any may be one: its item is created at once, unless it was deleted. So
        is the item whose id an answer has shown.
        """
        row = self.store.find(resource.name, key, scope)
        if row is None:
            self.fill(resource, scope)
            row = self.store.find(resource.name, key, scope)
        if row is not None or (not resource.is_open and self.store.find(resource.name, key) is not None):
            return row
        shown = self.store.shown(resource.name, key)
        if (shown is None and not self.semantics.accepts_any_id(resource)) or self.store.is_deleted(
            resource.name, key, scope
        ):
            return None
        typed = self.ids.typed_id(resource, key)
        return self._add(resource, self.store.count(resource.name), typed, dict(scope), shown or {})

    def find_by_field(self, resource: Resource, field: str, value: str, scope: Scope) -> StoredItem | None:
        """Return the item whose field has that value, as the one at `/customers/email/{email}`, or None."""
        rows = self.rows(resource, scope)
        return next((row for row in rows if str(field_at(row.data, field)) == value), None)

    def exists(self, resource: Resource, key: str, scope: Scope) -> bool:
        """Return whether an item with that id exists; parents that do not belong to its kind are ignored."""
        if resource.is_open:
            return not self.store.is_deleted(resource.name, key, {})
        own_scope = self.own_scope(resource, scope)
        row = self.store.find(resource.name, key)
        if row is None:
            self.fill(resource, scope)
            row = self.store.find(resource.name, key)
        if row is None:
            row = self.get(resource, key, own_scope)
        return row is not None and scopes_agree(own_scope, row.scope)

    def own_scope(self, resource: Resource, scope: Scope) -> dict[str, str]:
        """Return the parents of a scope that the paths of a kind name."""
        names = {parent.name for parent in self.semantics.all_parents(resource)}
        return {name: value for name, value in scope.items() if name in names}

    def remember(self, resource: Resource, key: str, fields: Mapping[str, object]) -> None:
        """Record that an answer shows the id of an item, which can be opened from then on."""
        if not self._is_single(resource) and self.store.find(resource.name, key) is None:
            self.store.show(resource.name, key, fields)

    def fill(self, resource: Resource, scope: Scope | None = None, *, is_listed: bool = False) -> None:
        """Create the samples of a kind below the given parents, or below all of them, unless it has been done.

        An open kind has samples only where a search lists it all the same (`is_listed`).
        """
        if resource in self._filling or resource.is_singleton or (resource.is_open and not is_listed):
            return
        key = resource.name, tuple(sorted((scope or {}).items()))
        if key in self._filled:
            return
        self._filled.add(key)
        self._filling.append(resource)
        try:
            # Where no parent can be listed (its kind is open, or not stored), samples are below the requested parents.
            for parent_scope in list(self._parent_scopes(resource, scope or {})) or [dict(scope or {})]:
                self._fill_below(resource, parent_scope)
        finally:
            self._filling.remove(resource)

    def forget_filled(self) -> None:
        """Look again which kinds have samples: a refused request has left nothing behind."""
        self._filled.clear()

    def rows(self, resource: Resource, scope: Scope, *, is_listed: bool = False) -> list[StoredItem]:
        """Return the items of a kind below some parents; below a sample there are some the first time."""
        self.fill(resource, scope, is_listed=is_listed)
        rows = self.store.rows(resource.name, scope)
        if rows or not scope or resource.is_singleton or resource in self._filling:
            return rows
        if self._is_below_client_item(resource, scope) or self.store.has_deleted(resource.name, scope):
            return rows
        # The samples have other parents: items at several paths have each parent by chance.
        if self.store.mark(f"{resource.name} {sorted(scope.items())} is not empty"):
            self._filling.append(resource)
            try:
                self._add_samples(resource, scope, SAMPLES_BELOW_EACH)
            finally:
                self._filling.remove(resource)
        return self.store.rows(resource.name, scope)

    def _is_single(self, resource: Resource) -> bool:
        return resource.is_singleton or resource.is_open

    def main_collection(self, resource: Resource) -> Collection:
        """Return the collection whose parents the samples have: a nested one, preferably one with POST."""
        nested = [
            collection for collection in resource.collections if any(segment.parameter for segment in collection.path)
        ]
        listing = [collection for collection in nested if {"GET", "POST"} & collection.operations.keys()]
        ranked = sorted(
            listing,
            key=lambda collection: (
                "POST" not in collection.operations,
                not collection.item_operations,
                len(collection.path),
            ),
        )
        return ranked[0] if ranked else resource.collections[0]

    def _parent_scopes(self, resource: Resource, scope: Scope) -> Iterator[Scope]:
        """Yield each combination of parents to create samples below."""
        parents = list(self.semantics.parents(self.main_collection(resource).path))
        if all(parent.name in scope for parent in parents):
            yield {parent.name: scope[parent.name] for parent in parents}
            return
        yield from self._parent_combinations(parents, {}, scope)

    def _parent_combinations(
        self, parents: list[Parent], parent_scope: dict[str, str], scope: Scope
    ) -> Iterator[Scope]:
        if not parents:
            yield parent_scope
            return
        first, remaining = parents[0], parents[1:]
        if first.name in scope:
            yield from self._parent_combinations(remaining, {**parent_scope, first.name: scope[first.name]}, scope)
        elif first.resource is not None:
            self.fill(first.resource, parent_scope)
            for row in self.store.rows(first.resource.name):
                if row.sampled and scopes_agree(parent_scope, row.scope):
                    yield from self._parent_combinations(remaining, {**parent_scope, first.name: row.key}, scope)

    def _fill_below(self, resource: Resource, scope: Scope) -> None:
        if not self.store.mark(f"{resource.name} {sorted(scope.items())}") or self._is_below_client_item(
            resource, scope
        ):
            return
        first = self.store.count(resource.name)
        if first >= MAX_SAMPLES:
            return
        is_first = first == 0 or not self._has_stored_parents(resource)
        self._add_samples(resource, scope, SAMPLES_BELOW_FIRST if is_first else SAMPLES_BELOW_EACH)

    def _add_samples(self, resource: Resource, scope: Scope, count: int) -> None:
        first = self.store.count(resource.name)
        for index in range(first, first + min(count, self.most)):
            key = self._example_id(resource, index)
            key = self._unused_id(resource, index) if key is ABSENT else key
            if key is ABSENT:
                return
            self._add(resource, index, key, dict(scope))

    def _example_id(self, resource: Resource, index: int) -> object:
        """Return the description's example id for the item with that index, or ABSENT when it is in use."""
        example_id = self.examples.of(resource, index).get(resource.id_name or "", ABSENT)
        for key in (example_id, self.ids.example_id(resource, index)):
            if (
                key is not ABSENT
                and self.ids.is_valid_id(resource, key)
                and not self.store.find(resource.name, str(key))
            ):
                return key
        return ABSENT

    def _has_stored_parents(self, resource: Resource) -> bool:
        return all(parent.resource for parent in self.semantics.parents(self.main_collection(resource).path))

    def _is_below_client_item(self, resource: Resource, scope: Scope) -> bool:
        above = [parent for parent in self.semantics.all_parents(resource) if parent.name in scope]
        rows = [self.store.find(parent.resource.name, scope[parent.name]) for parent in above if parent.resource]
        return any(row is not None and not row.sampled for row in rows)

    def _unused_id(self, resource: Resource, index: int) -> object:
        """Return an id that no item of this kind has; ABSENT when its schema leaves none (an enum)."""
        for jump in range(20):
            # A prime, so that the jumps come to every value of an enum.
            key = self.ids.new_id(resource, index + jump * 997)
            if self.store.find(resource.name, str(key)) is None:
                return key
        return ABSENT

    def new_id(self, resource: Resource) -> object:
        """Return an id for the next item of a kind, or ABSENT."""
        return self._unused_id(resource, self.store.count(resource.name))

    def _add(
        self,
        resource: Resource,
        index: int,
        key: object,
        scope: dict[str, str],
        shown: Mapping[str, object] = MappingProxyType({}),
    ) -> StoredItem:
        """Store a sample with an id, and with the fields of it that an answer has shown."""
        example = {**self.examples.of(resource, index), **shown}
        self.add_references(resource, index, scope, preferred=example)
        # The kind may have other paths below other parents (`/accounts/1/ads`, `/campaigns/2/ads`): all have to agree.
        for parent in self.semantics.all_parents(resource):
            parent_row = (
                self._referenced_row(resource, parent.resource, index, scope) if parent.resource is not None else None
            )
            if parent_row is not None:
                scope.setdefault(parent.name, parent_row.key)
        data = self._sample_data(resource, index, key, scope, example)
        key = self.ids.nested_id(resource, data, key)
        row = StoredItem(entity=resource.name, key=str(key), index=index, scope=scope, data=data, sampled=True)
        return self.store.add(row)

    def add_references(
        self,
        resource: Resource,
        index: int,
        scope: dict[str, str],
        *,
        skip: Container[str] = (),
        preferred: Mapping[str, object] = MappingProxyType({}),
    ) -> None:
        """Add to the scope an item of each kind that this one refers to.

        All belong together: an ad's ad set is in the ad's campaign. Properties in `skip` are not used; ids in
        `preferred` come first.
        """
        for name, target in sorted(
            self.semantics.references(resource), key=lambda reference: self._reference_order(reference[1], scope)
        ):
            row = self._referenced_row(
                resource, target, index, scope, may_choose=name not in skip, preferred_id=preferred.get(name)
            )
            if row is not None:
                for name, value in {**row.scope, target.name: row.key}.items():
                    scope.setdefault(name, value)

    def reference_values(self, resource: Resource, scope: Scope) -> dict[str, object]:
        """Return the properties of an item that follow from its parents and references: ids, and lists of one id."""
        values: dict[str, Any] = {}
        for name, target in self.semantics.references(resource):
            if target.name in scope:
                key = self.ids.typed_id(target, scope[target.name])
                values[name] = [key] if "array" in self.ids.schemas.types(resource.properties[name]) else key
        property_names = {name_key(name): name for name in resource.properties if name not in ("id", resource.id_name)}
        for parent in self.semantics.all_parents(resource):
            name = property_names.get(name_key(parent.parameter), "")
            if parent.name in scope and name and name not in values:
                above = scope[parent.name]
                values[name] = self.ids.typed_id(parent.resource, above) if parent.resource else above
        return values

    def references_in(self, resource: Resource, data: Mapping[str, object]) -> dict[str, str]:
        """Return the ids of other items in an item's properties, by their kind."""
        ids = ((target.name, data.get(name)) for name, target in self.semantics.references(resource))
        return {name: str(id) for name, id in ids if isinstance(id, str | int) and not isinstance(id, bool)}

    def _reference_order(self, target: Resource, scope: Scope) -> tuple[bool, int]:
        """Return a key that sorts fixed references first, then those with most parents, which determine the others."""
        above = {parent.name for parent in self.semantics.all_parents(target)}
        above |= {referenced.name for _, referenced in self.semantics.references(target)}
        return target.name not in scope, -len(above)

    def _referenced_row(
        self,
        resource: Resource,
        target: Resource,
        index: int,
        scope: Scope,
        *,
        may_choose: bool = True,
        preferred_id: object = None,
    ) -> StoredItem | None:
        if target is resource or self._is_single(target):
            return None
        if target.name in scope:
            return self.store.find(target.name, scope[target.name])
        if not may_choose or target in self._filling:
            return None
        rows = [row for row in self.rows(target, self._parent_scope(target, scope)) if scopes_agree(row.scope, scope)]
        preferred = next((row for row in rows if row.key == str(preferred_id)), None)
        return preferred or (rows[index % len(rows)] if rows else None)

    def _parent_scope(self, target: Resource, scope: Scope) -> Scope:
        names = {parent.name for parent in self.semantics.parents(self.main_collection(target).path)}
        return {name: value for name, value in scope.items() if name in names}

    def referrer(self, scope: Scope, excluded: Resource | None = None) -> FindReference:
        """Return a function that finds the reference to an existing item for a property; see `SampleContext`."""

        def refer(name: str, schema: object, index: int) -> object:
            is_object = "object" in self.ids.schemas.types(schema)
            resource = (
                self.references.object_resource(name, schema) if is_object else self.semantics.resource_by_name(name)
            )
            if resource is None or resource is excluded or resource.is_singleton:
                return ABSENT
            row = self._row_for_reference(resource, index, scope)
            if row is None and not resource.is_open:
                return ABSENT
            key = self.ids.new_id(resource, index % SAMPLES_BELOW_FIRST) if row is None else row.key
            id = self.ids.typed_id(resource, str(key))
            return self._shared_fields(schema, row.data if row else {}, resource, id) if is_object else id

        return refer

    def _row_for_reference(self, resource: Resource, index: int, scope: Scope) -> StoredItem | None:
        if resource.name in scope:
            return self.store.find(resource.name, scope[resource.name])
        if resource.is_open or resource in self._filling:
            return None
        if not self.store.count(resource.name):
            self.fill(resource, self._parent_scope(resource, scope))
        rows = [row for row in self.store.rows(resource.name, limit=REFERENCE_ROWS) if scopes_agree(row.scope, scope)]
        return rows[index % len(rows)] if rows else None

    def _shared_fields(
        self, schema: object, data: Mapping[str, object], resource: Resource, id: object
    ) -> dict[str, object]:
        """Return the plain fields of an item that an object with this schema can have, for an object that shows it."""
        described, values = self.ids.schemas.properties(schema), {**data, resource.id_path: id}
        return {
            name: values[name]
            for name, part in described.items()
            if isinstance(values.get(name), str | int | float) and self.ids.schemas.valid(part, values[name])
        }

    def _sample_data(
        self, resource: Resource, index: int, key: object, scope: Scope, example: Mapping[str, object]
    ) -> dict[str, object]:
        known_values = self.reference_values(resource, scope)
        known_values |= self.id_values(resource, key)
        context = SampleContext(
            seed=self.ids.seed,
            path=resource.name,
            noun=resource.label,
            index=index,
            full=True,
            find_reference=self.referrer(scope, excluded=resource),
        )
        data: dict[str, Any] = {**example, **known_values}
        for position, schema in enumerate(resource.schemas):
            described = self.sampler.schemas.properties(schema).keys()
            if position and described <= data.keys():
                continue
            sampled = self.sampler.sample(schema, context, data)
            if isinstance(sampled, dict):
                # Described properties come from the valid sample, since an example may break its own schema.
                data = {**{name: value for name, value in data.items() if name not in described}, **sampled}
        if resource.id_name and str(key) != SINGLETON_KEY:
            data[resource.id_name] = self.ids.typed_id(resource, str(key))
        return data

    def id_values(self, resource: Resource, key: object) -> dict[str, object]:
        """Return the field with the id of an item: nested (`user.id`), or one of its properties; {} without one."""
        if str(key) == SINGLETON_KEY or not (resource.id_name or "." in resource.id_path):
            return {}
        values: dict[str, object] = wrap(self.ids.typed_id(resource, str(key)), tuple(resource.id_path.split(".")))
        return values
