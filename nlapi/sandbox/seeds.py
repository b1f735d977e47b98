"""Fixtures: sample items that are stored when their kind is first used, with consistent parents and references."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from nlapi.resources.grouping import Resource
from nlapi.resources.naming import name_key
from nlapi.resources.resource import Collection
from nlapi.resources.semantics import Parent, Semantics
from nlapi.sandbox.at import NOTHING, At
from nlapi.sandbox.examples import Examples
from nlapi.sandbox.keys import Keys
from nlapi.sandbox.samples import Sampler
from nlapi.sandbox.store import SINGLE, Row, Scope, Store, agree

# Items below the first parent and below each other one. Six make a list that can be filtered and paged; with two
# below the others a tree of four kinds stays small.
MANY, FEW = 6, 2
# The largest number of sample items of one kind.
MOST = 120


class Seeds:
    """The maker of sample rows. A kind is filled once below each parent; parents that a client created stay empty."""

    def __init__(self, semantics: Semantics, store: Store, sampler: Sampler, keys: Keys) -> None:
        self.semantics = semantics
        self.store = store
        self.sampler = sampler
        self.keys = keys
        self.examples = Examples(semantics.answers)
        self._filling: list[Resource] = []

    def get(self, resource: Resource, key: str, scope: Scope) -> Row | None:
        """Return the item with an id below its parents, or None; an item of an open kind is created at once."""
        # An open kind cannot be listed, so nobody could know its ids: any id is accepted until it is deleted.
        self.fill(resource, scope)
        row = self.store.find(resource.name, key, scope)
        if row is None and resource.is_open and not self.store.is_gone(resource.name, key, scope):
            typed = self.keys.typed(resource, key)
            return self._add(resource, self.store.count(resource.name), typed, dict(scope))
        return row

    def exists(self, resource: Resource, key: str, scope: Scope) -> bool:
        """Return whether an item with that id exists; parents that do not belong to its kind are ignored."""
        if resource.is_open:
            return not self.store.is_gone(resource.name, key, {})
        names = {parent.name for parent in self.semantics.above(resource)}
        self.fill(resource, scope)
        row = self.store.find(resource.name, key)
        return row is not None and agree({name: value for name, value in scope.items() if name in names}, row.scope)

    def fill(self, resource: Resource, scope: Scope | None = None) -> None:
        """Create the samples of a kind below the given parents, or below all of them, unless it has been done."""
        if resource in self._filling or self._is_single(resource):
            return
        self._filling.append(resource)
        try:
            # Where no parent can be listed (its kind is open, or not stored), samples are below the requested parents.
            for one in list(self._homes(resource, scope or {})) or [dict(scope or {})]:
                self._fill_below(resource, one)
        finally:
            self._filling.remove(resource)

    def rows(self, resource: Resource, scope: Scope) -> list[Row]:
        self.fill(resource, scope)
        return self.store.rows(resource.name, scope)

    def _is_single(self, resource: Resource) -> bool:
        return resource.is_singleton or resource.is_open

    def home(self, resource: Resource) -> Collection:
        """Return the collection whose parents the samples have: a nested one, preferably one with POST."""
        nested = [one for one in resource.collections if any(segment.parameter for segment in one.path)]
        listing = [one for one in nested if {"GET", "POST"} & one.at.keys()]
        ranked = sorted(listing, key=lambda one: ("POST" not in one.at, not one.item, len(one.path)))
        return ranked[0] if ranked else resource.collections[0]

    def _homes(self, resource: Resource, scope: Scope) -> Iterator[Scope]:
        """Yield each combination of parents to create samples below."""
        parents = list(self.semantics.parents(self.home(resource).path))
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
        elif first.resource is not None:
            self.fill(first.resource, so_far)
            for row in self.store.rows(first.resource.name):
                if row.sampled and agree(so_far, row.scope):
                    yield from self._combined(rest, {**so_far, first.name: row.key}, scope)

    def _fill_below(self, resource: Resource, scope: Scope) -> None:
        if not self.store.mark(f"{resource.name} {sorted(scope.items())}") or self._made_by_client(resource, scope):
            return
        first = self.store.count(resource.name)
        if first >= MOST:
            return
        for index in range(first, first + (MANY if first == 0 or not self._all_kept(resource) else FEW)):
            key = self._example_key(resource, index)
            key = self._unused(resource, index) if key is NOTHING else key
            if key is NOTHING:
                return
            self._add(resource, index, key, dict(scope))

    def _example_key(self, resource: Resource, index: int) -> Any:
        """Return the description's example id for the item with that index, or NOTHING when it is in use."""
        shown = self.examples.of(resource, index).get(resource.id_name or "", NOTHING)
        for key in (shown, self.keys.example(resource, index)):
            if key is not NOTHING and self.keys.fits(resource, key) and not self.store.find(resource.name, str(key)):
                return key
        return NOTHING

    def _all_kept(self, resource: Resource) -> bool:
        return all(parent.resource for parent in self.semantics.parents(self.home(resource).path))

    def _made_by_client(self, resource: Resource, scope: Scope) -> bool:
        above = [parent for parent in self.semantics.above(resource) if parent.name in scope]
        rows = [self.store.find(parent.resource.name, scope[parent.name]) for parent in above if parent.resource]
        return any(row is not None and not row.sampled for row in rows)

    def _unused(self, resource: Resource, index: int) -> Any:
        """Return an id that no item of this kind has; NOTHING when its schema leaves none (an enum)."""
        for jump in range(20):
            key = self.keys.new(resource, index + jump * 1000)
            if self.store.find(resource.name, str(key)) is None:
                return key
        return NOTHING

    def new_key(self, resource: Resource) -> Any:
        """Return an id for the next item of a kind, or NOTHING."""
        return self._unused(resource, self.store.count(resource.name))

    def _add(self, resource: Resource, index: int, key: Any, scope: dict[str, str]) -> Row:
        self.relate(resource, index, scope, like=self.examples.of(resource, index))
        # The kind may have other paths below other parents (`/accounts/1/ads`, `/campaigns/2/ads`): all have to agree.
        for parent in self.semantics.above(resource):
            other = self._relative(resource, parent.resource, index, scope) if parent.resource is not None else None
            if other is not None:
                scope.setdefault(parent.name, other.key)
        data = self._data(resource, index, key, scope)
        key = self.keys.inner(resource, data, key)
        row = Row(entity=resource.name, key=str(key), place=index, scope=scope, data=data, sampled=True)
        return self.store.add(row)

    def relate(
        self,
        resource: Resource,
        index: int,
        scope: dict[str, str],
        *,
        skip: Container[str] = (),
        like: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        """Add to the scope an item of each kind that this one refers to.

        All belong together: an ad's ad set is in the ad's campaign. Properties in `skip` are not used; ids in
        `preferred` come first.
        """
        for name, target in sorted(self.semantics.references(resource), key=lambda one: self._standing(one[1], scope)):
            row = self._relative(resource, target, index, scope, free=name not in skip, wanted=like.get(name))
            if row is not None:
                for name, value in {**row.scope, target.name: row.key}.items():
                    scope.setdefault(name, value)

    def related(self, resource: Resource, scope: Scope) -> dict[str, Any]:
        """Return the properties of an item that follow from its parents and references: ids, and lists of one id."""
        known: dict[str, Any] = {}
        for name, target in self.semantics.references(resource):
            if target.name in scope:
                key = self.keys.typed(target, scope[target.name])
                known[name] = [key] if "array" in self.keys.schemas.types(resource.properties[name]) else key
        own = {name_key(name): name for name in resource.properties if name not in ("id", resource.id_name)}
        for parent in self.semantics.above(resource):
            name = own.get(name_key(parent.parameter), "")
            if parent.name in scope and name and name not in known:
                above = scope[parent.name]
                known[name] = self.keys.typed(parent.resource, above) if parent.resource else above
        return known

    def relations(self, resource: Resource, data: Mapping[str, Any]) -> dict[str, str]:
        """Return the ids of other items in an item's properties, by their kind."""
        named = ((target.name, data.get(name)) for name, target in self.semantics.references(resource))
        return {name: str(id) for name, id in named if isinstance(id, str | int) and not isinstance(id, bool)}

    def _standing(self, target: Resource, scope: Scope) -> tuple[bool, int]:
        """Return a key that sorts fixed references first, then those with most parents, which determine the others."""
        above = {parent.name for parent in self.semantics.above(target)}
        above |= {other.name for _, other in self.semantics.references(target)}
        return target.name not in scope, -len(above)

    def _relative(
        self, resource: Resource, target: Resource, index: int, scope: Scope, *, free: bool = True, wanted: Any = None
    ) -> Row | None:
        if target is resource or self._is_single(target):
            return None
        if target.name in scope:
            return self.store.find(target.name, scope[target.name])
        if not free or target in self._filling:
            return None
        rows = [row for row in self.rows(target, self._within(target, scope)) if agree(row.scope, scope)]
        shown = next((row for row in rows if row.key == str(wanted)), None)
        return shown or (rows[index % len(rows)] if rows else None)

    def _within(self, target: Resource, scope: Scope) -> Scope:
        names = {parent.name for parent in self.semantics.parents(self.home(target).path)}
        return {name: value for name, value in scope.items() if name in names}

    def _data(self, resource: Resource, index: int, key: Any, scope: Scope) -> dict[str, Any]:
        def refer(name: str, place: int) -> Any:
            target = self.semantics.named(name)
            if target is None or target is resource or target.name not in scope:
                return NOTHING
            return self.keys.typed(target, scope[target.name])

        known = self.related(resource, scope)
        if resource.id_name and str(key) != SINGLE:
            known[resource.id_name] = key
        at = At(seed=self.keys.seed, path=resource.name, thing=resource.label, index=index, full=True, refer=refer)
        example = self.examples.of(resource, index)
        data: dict[str, Any] = {**example, **known}
        for place, schema in enumerate(resource.schemas):
            described = self.sampler.schemas.properties(schema).keys()
            if place and described <= data.keys():
                continue
            made = self.sampler.sample(schema, at, data)
            if isinstance(made, dict):
                # Described properties come from the valid sample, since an example may break its own schema.
                data = {**{name: value for name, value in data.items() if name not in described}, **made}
        return data
