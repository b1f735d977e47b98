"""Indexes the matches of one objective by bits, and brings the index from one revision to the next."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

from nlapi.routing.change import DECIDING_KINDS, ConfigurationChanges
from nlapi.routing.grouping import entity_order, takes_part
from nlapi.routing.matching import FieldIndex, bit_mask, index_fields, match_fields
from nlapi.routing.model import CLIENT_NAME_FIELD, Context, Match, ObjectiveParts

# Slots per match in a list of all codes, which is looked up faster than a dict of the codes met.
MAX_SLOTS_PER_MATCH = 16

# A free bit follows every so many entities, and these many stand at both ends of a kind, so that an entity can be put
# between two others. More free bits make the masks longer, and each first request of a kind slower.
ENTITIES_PER_FREE_BIT = 4
FREE_END_BITS = 8
# Entities that are moved by one bit to make room; more, and the objective is indexed anew.
MAX_MOVED = 8
# Changed entities that are put in one by one. One takes 1 to 2 ms in an objective of 10,000 rules, and an index of all
# of them 25 (docs/design/033-change-at-scale.md).
MAX_UPDATED = 12

Placed: TypeAlias = tuple[int, Any]
"""An entity with its bit."""


class ObjectiveIndex:
    """The matches of one objective, indexed; revisions in which its entities are the same share it.

    Every match has a bit, in the order of a decision; every field has a mask of the matches that its value leaves
    possible, and the AND of all masks is the set of matches. Some bits are free.
    """

    __slots__ = (
        "_bits",
        "_context_fields",
        "_units",
        "code",
        "code_count",
        "entities",
        "everything",
        "fields",
        "has_few_values",
        "is_listed",
        "names",
        "needs_client",
        "parts",
        "starts",
    )

    def __init__(self, parts: ObjectiveParts) -> None:
        entities: list[Any] = []
        starts = []
        for kind in DECIDING_KINDS:
            starts.append(len(entities))
            entities += _spread(getattr(parts, kind))
        positions = [(bit, entity) for bit, entity in enumerate(entities) if entity is not None]
        fields = index_fields([(bit, _match(entity)) for bit, entity in positions], len(entities))
        units = Counter(entity.unit for _, entity in positions if hasattr(entity, "unit"))
        bits = {id(entity): bit for bit, entity in positions}
        self._set(parts, entities, tuple(starts[1:]), fields, units, bits, bit_mask(bits.values(), len(entities)))

    def _set(
        self,
        parts: ObjectiveParts,
        entities: list[Any],
        starts: tuple[int, ...],
        fields: tuple[FieldIndex, ...],
        units: Counter[str],
        bits: dict[int, int],
        everything: int,
    ) -> None:
        self.parts = parts
        self._context_fields: tuple[str, ...] | None = None
        self.entities = entities
        """the entity of each bit; None where the bit is free"""
        self.starts = starts
        """the first bits of experiments, rules, canaries and shadows; overrides begin at 0"""
        self.fields = fields
        self._units = units
        """the number of entities that split by each field"""
        self._bits = bits
        """the bit of each entity, by the entity's identity"""
        self.everything = everything
        """the mask of the bits that are not free"""
        self.names = [field.name for field in fields]
        self.code, self.code_count = _coder(fields)
        self.is_listed = self.code_count <= MAX_SLOTS_PER_MATCH * len(bits)
        """whether the outcomes of all codes fit into a list"""
        self.needs_client = CLIENT_NAME_FIELD in {*self.names, *units}
        # A user id has values without end, and a range suggests numbers: such fields would fill the plain keys.
        unbounded_fields = {*units, *(override.field for override in parts.overrides)}
        self.has_few_values = bool(fields) and not any(field.cuts or field.name in unbounded_fields for field in fields)

    @property
    def context_fields(self) -> tuple[str, ...]:
        """The fields of a context that decide, by name; two contexts that are equal in them get the same decision."""
        # On demand: it looks at every rule, and most indexes are never asked. A rule with one share reads no unit, and
        # naming its unit would make every user another decision to a client that caches by these fields.
        if self._context_fields is None:
            parts = self.parts
            units = (
                *(rule.unit for rule in parts.rules if len(rule.shares) > 1),
                *(experiment.unit for experiment in parts.experiments),
                *(canary.unit for canary in parts.canaries),
            )
            names = {*self.names, *units} - {CLIENT_NAME_FIELD}
            self._context_fields = tuple(sorted(names))
        return self._context_fields

    def select(self, mask: int) -> list[Any]:
        """Return the entities of the bits of a mask, in their order."""
        selected = []
        while mask:
            lowest = mask & -mask
            selected.append(self.entities[lowest.bit_length() - 1])
            mask ^= lowest
        return selected

    def updated(self, parts: ObjectiveParts, objective: str, changes: ConfigurationChanges) -> ObjectiveIndex:
        """Return the index of the objective after changes; one from scratch when they are too many, or find no bit."""
        changed = {kind: changes.of_objective(kind, objective) for kind in DECIDING_KINDS}
        if sum(len(old) + len(new) for old, new in changed.values()) > 2 * MAX_UPDATED:
            return ObjectiveIndex(parts)
        update = _IndexUpdate(list(self.entities), dict(self._bits))
        bounds = (0, *self.starts, len(self.entities))
        for number, (kind, (old, new)) in enumerate(changed.items()):
            for entity in old:
                if takes_part(kind, entity) and not update.remove(entity):
                    return ObjectiveIndex(parts)
            order = entity_order(kind)
            for entity in sorted((entity for entity in new if takes_part(kind, entity)), key=order):
                if not update.insert(entity, getattr(parts, kind), order, bounds[number], bounds[number + 1]):
                    return ObjectiveIndex(parts)
        index = ObjectiveIndex.__new__(ObjectiveIndex)
        fields = _updated_fields(self.fields, update)
        units = self._units.copy()
        units.subtract(entity.unit for _, entity in update.removed if hasattr(entity, "unit"))
        units.update(entity.unit for _, entity in update.added if hasattr(entity, "unit"))
        freed, occupied = (sum(1 << bit for bit, _ in positions) for positions in (update.removed, update.added))
        everything = self.everything & ~freed | occupied
        index._set(parts, update.entities, self.starts, fields, +units, update.bits, everything)
        return index


class _IndexUpdate:
    """The entities of the bits while some change; `removed` and `added` are in the order of the changes."""

    def __init__(self, entities: list[Any], bits: dict[int, int]) -> None:
        self.entities = entities
        self.bits = bits
        self.removed: list[Placed] = []
        self.added: list[Placed] = []

    def remove(self, entity: Any) -> bool:
        """Free the bit of an entity; return False when it has none."""
        bit = self.bits.pop(id(entity), None)
        if bit is None:
            return False
        self.entities[bit] = None
        if (bit, entity) in self.added:
            self.added.remove((bit, entity))
        else:
            self.removed.append((bit, entity))
        return True

    def insert(self, entity: Any, ordered: Sequence[Any], order: Callable[[Any], Any], start: int, end: int) -> bool:
        """Give an entity a bit between those of its neighbours in `ordered`; return False when there is none."""
        place = bisect_left(ordered, order(entity), key=order)
        before = self.bits.get(id(ordered[place - 1])) if place else start - 1
        following = (self.bits[id(other)] for other in ordered[place + 1 :] if id(other) in self.bits)
        after = next(following, end)
        if before is None or (after - before < 2 and not self._make_room(after, end)):
            return False
        after = max(after, before + 2)
        # At an end the next bit, and not the one in the middle: entities are most often added at the end.
        bit = before + 1 if after == end else after - 1 if before < start else (before + after) // 2
        self._put(bit, entity)
        return True

    def _make_room(self, bit: int, end: int) -> bool:
        """Move the entities from `bit` on by one, up to the next free bit."""
        free = next((place for place in range(bit, min(end, bit + MAX_MOVED)) if self.entities[place] is None), -1)
        for place in range(free - 1, bit - 1, -1):
            moved = self.entities[place]
            self.remove(moved)
            self._put(place + 1, moved)
        return free >= 0

    def _put(self, bit: int, entity: Any) -> None:
        self.entities[bit] = entity
        self.bits[id(entity)] = bit
        self.added.append((bit, entity))


def _spread(entities: Sequence[Any]) -> Iterator[Any]:
    """Yield the entities of a kind with None for each free bit."""
    yield from (None,) * FREE_END_BITS
    for number, entity in enumerate(entities, start=1):
        yield entity
        if not number % ENTITIES_PER_FREE_BIT:
            yield None
    yield from (None,) * FREE_END_BITS


def _match(entity: Any) -> Match:
    """Return the match of an entity; that of an override is its field's value."""
    match: Match | None = getattr(entity, "match", None)
    return match if match is not None else Match(when={entity.field: (entity.value,)})


def _coder(fields: Sequence[FieldIndex]) -> tuple[Callable[[Context], int], int]:
    """Return a function from a context to the sum of the codes of its values, and the number of possible sums."""
    coders = []
    radix = 1
    for field in fields:
        coder, radix = field.coder(radix)
        coders.append((field.name, coder))
    field_coders = tuple(coders)

    def code(context: Context) -> int:
        get = context.get
        key = 0
        for name, coder_of in field_coders:
            key += coder_of(get(name), 0)
        return key

    return code, radix


def _updated_fields(fields: Sequence[FieldIndex], update: _IndexUpdate) -> tuple[FieldIndex, ...]:
    """Return the indexes of the fields after an update; fields without a changed condition are the same objects."""
    removed: dict[str, list[tuple[int, Match]]] = {}
    added: dict[str, list[tuple[int, Match]]] = {}
    for by_name, positions in ((removed, update.removed), (added, update.added)):
        for bit, entity in positions:
            match = _match(entity)
            for name in match_fields(match):
                by_name.setdefault(name, []).append((bit, match))
    result = []
    for field in fields:
        name = field.name
        if name not in removed and name not in added:
            result.append(field)
            continue
        changed = field.updated(removed.get(name, ()), added.get(name, ()))
        if changed is None:
            positions = [(bit, _match(entity)) for bit, entity in enumerate(update.entities) if entity is not None]
            matches = [(bit, match) for bit, match in positions if name in match_fields(match)]
            changed = FieldIndex(name, matches, len(update.entities))
        if changed.has_conditions:
            result.append(changed)
    new_names = added.keys() - {field.name for field in fields}
    result += [FieldIndex(name, added[name], len(update.entities)) for name in sorted(new_names)]
    return tuple(result)
