"""Fills the store with sample things when they are first asked for, below the right parents and with ids that exist."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from nlapi.sandbox.at import NOTHING, At
from nlapi.sandbox.entities import Collection, Entities, Entity
from nlapi.sandbox.examples import Examples
from nlapi.sandbox.keys import Keys
from nlapi.sandbox.references import References
from nlapi.sandbox.roles import SINGLE, Parent, Roles
from nlapi.sandbox.samples import Sampler
from nlapi.sandbox.store import Row, Scope, Store

MANY, FEW = 6, 2
"""How many things the first parent gets, and the others."""
MOST = 120
"""No kind is filled with more than this many."""


class Seeds:
    """Makes sample rows. A kind is filled once for each parent; parents that a client created stay empty."""

    def __init__(self, entities: Entities, roles: Roles, store: Store, sampler: Sampler, keys: Keys) -> None:
        self.entities = entities
        self.roles = roles
        self.store = store
        self.sampler = sampler
        self.keys = keys
        self.references = References(entities, roles)
        self.examples = Examples(sampler.schemas)
        self._filling: list[Entity] = []

    def get(self, entity: Entity, key: str, scope: Scope) -> Row | None:
        """The thing of that id below those parents; one of an open kind is made on the spot."""
        self.fill(entity, scope)
        row = self.store.find(entity.name, key, scope)
        if row is None and entity.open and not self.store.is_gone(entity.name, key, scope):
            typed = self.keys.typed(entity, key)
            return self._add(entity, self.store.count(entity.name), typed, dict(scope))
        return row

    def exists(self, entity: Entity, key: str, scope: Scope) -> bool:
        """Is there a thing of that id? Parents that the thing is not kept below do not count."""
        if entity.open:
            return not self.store.is_gone(entity.name, key, {})
        names = {parent.name for one in entity.collections for parent in self.roles.parents(one.path)}
        self.fill(entity, scope)
        row = self.store.find(entity.name, key)
        return row is not None and all(
            row.scope.get(name, value) == value for name, value in scope.items() if name in names
        )

    def fill(self, entity: Entity, scope: Scope | None = None) -> None:
        """Sees to it that the samples of a kind are there: below the parents given, or below all there are."""
        if entity in self._filling or self._is_single(entity):
            return
        self._filling.append(entity)
        try:
            # Where nothing above is known by id (its kind is open, or not kept), the samples go where one has looked.
            for one in list(self._homes(entity, scope or {})) or [dict(scope or {})]:
                self._fill_below(entity, one)
        finally:
            self._filling.remove(entity)

    def rows(self, entity: Entity, scope: Scope) -> list[Row]:
        self.fill(entity, scope)
        return self.store.rows(entity.name, scope)

    def _is_single(self, entity: Entity) -> bool:
        return entity.name.startswith("one:") or entity.open

    def home(self, entity: Entity) -> Collection:
        """The collection whose parents a sample belongs to: one below a parent, best one that creates."""
        nested = [one for one in entity.collections if any(segment.parameter for segment in one.path)]
        listing = [one for one in nested if {"GET", "POST"} & one.at.keys()]
        ranked = sorted(listing, key=lambda one: ("POST" not in one.at, not one.item, len(one.path)))
        return ranked[0] if ranked else entity.collections[0]

    def _homes(self, entity: Entity, scope: Scope) -> Iterator[Scope]:
        """The parents to fill below: one combination for each thing that a sample of this kind belongs to."""
        parents = list(self.roles.parents(self.home(entity).path))
        if all(parent.name in scope for parent in parents):
            yield {parent.name: scope[parent.name] for parent in parents}
            return
        yield from self._combined(parents, {}, scope)

    def _combined(self, parents: list[Parent], so_far: dict[str, str], scope: Scope) -> Iterator[Scope]:
        if not parents:
            yield so_far
            return
        first, rest = parents[0], parents[1:]
        if first.name in scope:
            yield from self._combined(rest, {**so_far, first.name: scope[first.name]}, scope)
        elif first.entity is not None:
            self.fill(first.entity, so_far)
            for row in self.store.rows(first.entity.name):
                if row.sampled and all(row.scope.get(name, value) == value for name, value in so_far.items()):
                    yield from self._combined(rest, {**so_far, first.name: row.key}, scope)

    def _fill_below(self, entity: Entity, scope: Scope) -> None:
        if not self.store.mark(f"{entity.name} {sorted(scope.items())}") or self._made_by_client(entity, scope):
            return
        first = self.store.count(entity.name)
        if first >= MOST:
            return
        for index in range(first, first + (MANY if first == 0 or not self._all_kept(entity) else FEW)):
            key = self._example_key(entity, index)
            key = self._unused(entity, index) if key is NOTHING else key
            if key is NOTHING:
                return
            self._add(entity, index, key, dict(scope))

    def _example_key(self, entity: Entity, index: int) -> Any:
        """The id that the description gives the thing of that number, unless another has it; or NOTHING."""
        shown = self.examples.of(entity, index).get(entity.id_name or "", NOTHING)
        for key in (shown, self.keys.example(entity, index)):
            if key is not NOTHING and self.keys.fits(entity, key) and not self.store.find(entity.name, str(key)):
                return key
        return NOTHING

    def _all_kept(self, entity: Entity) -> bool:
        return all(parent.entity for parent in self.roles.parents(self.home(entity).path))

    def _made_by_client(self, entity: Entity, scope: Scope) -> bool:
        above = [
            parent for one in entity.collections for parent in self.roles.parents(one.path) if parent.name in scope
        ]
        rows = [self.store.find(parent.entity.name, scope[parent.name]) for parent in above if parent.entity]
        return any(row is not None and not row.sampled for row in rows)

    def _unused(self, entity: Entity, index: int) -> Any:
        """An id that no thing of this kind has; NOTHING when its schema leaves none (an enum)."""
        for jump in range(20):
            key = self.keys.new(entity, index + jump * 1000)
            if self.store.find(entity.name, str(key)) is None:
                return key
        return NOTHING

    def new_key(self, entity: Entity) -> Any:
        """An id for the next thing of a kind, or NOTHING."""
        return self._unused(entity, self.store.count(entity.name))

    def _add(self, entity: Entity, index: int, key: Any, scope: dict[str, str]) -> Row:
        self.relate(entity, index, scope, like=self.examples.of(entity, index))
        for collection in entity.collections:
            self._settle(collection, index, scope)
        data = self._data(entity, index, key, scope)
        key = self.keys.inner(entity, data, key)
        row = Row(entity=entity.name, key=str(key), place=index, scope=scope, data=data, sampled=True)
        return self.store.add(row)

    def relate(
        self,
        entity: Entity,
        index: int,
        scope: dict[str, str],
        *,
        skip: Container[str] = (),
        like: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        """Adds to the scope a thing of each kind that this one refers to, all of one family.

        The ad set of a campaign is in the campaign's account. Properties in `skip` choose nothing; the ids in `like`
        are preferred.
        """
        for name, target in sorted(self.references.of(entity), key=lambda one: self._standing(one[1], scope)):
            row = self._relative(entity, target, index, scope, free=name not in skip, wanted=like.get(name))
            if row is not None:
                for name, value in {**row.scope, target.name: row.key}.items():
                    scope.setdefault(name, value)

    def _standing(self, target: Entity, scope: Scope) -> tuple[bool, int]:
        """What is decided comes first, then what decides most: a campaign settles the account, not the other way."""
        above = {parent.name for one in target.collections for parent in self.roles.parents(one.path)}
        above |= {other.name for _, other in self.references.of(target)}
        return target.name not in scope, -len(above)

    def _relative(
        self, entity: Entity, target: Entity, index: int, scope: Scope, *, free: bool = True, wanted: Any = None
    ) -> Row | None:
        if target is entity or self._is_single(target):
            return None
        if target.name in scope:
            return self.store.find(target.name, scope[target.name])
        if not free or target in self._filling:
            return None
        rows = [row for row in self.rows(target, self._within(target, scope)) if _kin(row.scope, scope)]
        shown = next((row for row in rows if row.key == str(wanted)), None)
        return shown or (rows[index % len(rows)] if rows else None)

    def _settle(self, collection: Collection, index: int, scope: dict[str, str]) -> None:
        """Adds the parents of another path at which things of this kind are listed."""
        for parent in self.roles.parents(collection.path):
            if parent.entity is not None and parent.entity is not collection.entity:
                row = self._relative(collection.entity or parent.entity, parent.entity, index, scope)
                if row is not None:
                    scope.setdefault(parent.name, row.key)

    def _within(self, target: Entity, scope: Scope) -> Scope:
        names = {parent.name for parent in self.roles.parents(self.home(target).path)}
        return {name: value for name, value in scope.items() if name in names}

    def _data(self, entity: Entity, index: int, key: Any, scope: Scope) -> dict[str, Any]:
        def refer(name: str, place: int) -> Any:
            target = self.entities.named(name)
            if target is None or target is entity or target.name not in scope:
                return NOTHING
            return self.keys.typed(target, scope[target.name])

        known = self.references.values(entity, scope, self.keys)
        if entity.id_name and str(key) != SINGLE:
            known[entity.id_name] = key
        at = At(seed=self.keys.seed, path=entity.name, thing=entity.thing, index=index, full=True, refer=refer)
        example = self.examples.of(entity, index)
        data: dict[str, Any] = {**example, **known}
        for place, schema in enumerate(entity.schemas):
            described = self.sampler.schemas.properties(schema).keys()
            if place and described <= data.keys():
                continue
            made = self.sampler.sample(schema, at, data)
            if isinstance(made, dict):
                # What the schema describes is as it was made: an example may break its own schema.
                data = {**{name: value for name, value in data.items() if name not in described}, **made}
        return data


def _kin(left: Scope, right: Scope) -> bool:
    """Do two scopes agree wherever both name a parent of the same kind?"""
    return all(right.get(name, value) == value for name, value in left.items())
