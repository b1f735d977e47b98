"""Decides which version serves a request of an objective, by a configuration whose matches are compiled to bits."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from operator import itemgetter
from sys import intern
from typing import Any, TypeAlias, TypeVar

from xxhash import xxh3_64_intdigest as digest

from nlapi.errors import UsageError
from nlapi.routing.change import DECIDING_KINDS, ConfigurationChanges
from nlapi.routing.decisions import FIRST_DECISION, DecideFunction, DecisionBuilder, Split, compile_decision
from nlapi.routing.explain import Explanation, explain
from nlapi.routing.grouping import Regrouped, entity_order, group_by_objective, regroup, takes_part
from nlapi.routing.matching import FieldIndex, bit_mask, index_fields, match_fields
from nlapi.routing.model import (
    BUCKETS,
    CLIENT_NAME_FIELD,
    Configuration,
    Context,
    Decision,
    Match,
    ObjectiveParts,
)
from nlapi.routing.split import allocate_layer, unit_text
from nlapi.suggestions import nearest, suggestion

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
        """Give an entity a bit between those of its neighbours in `ordered`; return False if none exists."""
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


# Keys stored for one objective; at more they are all dropped and computed again, which bounds memory (docs/design/010).
MAX_KEYS = 65_536

# Contexts computed before an objective's plain keys are given up: its fields are then often absent, or have values
# without end. Plain keys cost 0.32 us a decision over 10 rules, sums of codes 0.43 (docs/design/010).
MAX_PLAIN_CONTEXTS = 16_384

T = TypeVar("T")

MatchOutcome: TypeAlias = Decision | Split | DecideFunction
"""The outcome of a set of matches: one Decision, a rule's split, or a function."""


OutcomeMap: TypeAlias = Any
"""A dict of the keys met, or a list of all codes, with the outcome of each; None where it is not computed yet."""

Entry: TypeAlias = tuple[Callable[[Context], Hashable], OutcomeMap, Callable[[Context], MatchOutcome], bool]
"""The way `Table.decide` gets an outcome: key, outcomes, compute, and whether the context needs the client's name.

The outcome is `outcomes[key(context)]`; where that is a KeyError or None, `compute(context)` computes and stores it. A
plain tuple, because unpacking one costs least.
"""


class ObjectiveProgram:
    """The decision program of one objective in one revision.

    The outcome of a set of matches is stored under a key of the context: the plain values of the fields where they are
    few, else the sum of their codes, which is equal for all values that the matches treat alike.
    """

    def __init__(self, index: ObjectiveIndex, builder: DecisionBuilder, entries: dict[str, Entry]) -> None:
        """Put its Entry into `entries`, and replace it when another kind of key proves better."""
        self._index = index
        self._builder = builder
        self._code = index.code
        self._coded: OutcomeMap = [None] * index.code_count if index.is_listed else {}
        self._outcomes: dict[tuple[int, ...], MatchOutcome] = {}
        self._plain: dict[Hashable, MatchOutcome] = {}
        self._computed_count = 0
        self._names = index.names
        self._entries = entries
        self._register_entry(plain=index.has_few_values)

    def _register_entry(self, *, plain: bool) -> None:
        needs_client = self._index.needs_client
        if plain:
            self._key: Callable[[Context], Hashable] = _context_getter(*self._names)
            entry: Entry = (self._key, self._plain, self._compute_plain, needs_client)
        else:
            entry = (self._code, self._coded, self._compute, needs_client)
        self._entries[self._builder.objective] = entry

    def _compute_plain(self, context: Context) -> MatchOutcome:
        """Return the outcome of a context whose values are new, or absent, and store it."""
        key, coded = self._code(context), self._coded
        result = (coded.get(key) if isinstance(coded, dict) else coded[key]) or self._compute(context)
        self._computed_count += 1
        if self._computed_count > MAX_PLAIN_CONTEXTS:
            self._plain.clear()
            self._register_entry(plain=False)
        elif all(name in context for name in self._names):
            self._plain[self._key({name: _interned(context[name]) for name in self._names})] = result
        return result

    def _compute(self, context: Context) -> MatchOutcome:
        """Return the outcome of a context whose code is new, and store it."""
        if isinstance(self._coded, dict) and len(self._coded) >= MAX_KEYS:
            self._coded.clear()
            self._outcomes.clear()
        matched = self._index.everything
        for field in self._index.fields:
            matched &= field.possible_matches(context.get(field.name))
        result = self._coded[self._code(context)] = self._outcome_of(matched)
        return result

    def _outcome_of(self, matched: int) -> MatchOutcome:
        """Return the outcome of a set of matches, shared by all contexts with the same set."""
        experiments, rules, canaries, shadows = self._index.starts
        key = (
            # Only the first override and the first rule count, so sets that differ in later ones share an outcome.
            _lowest_bit(_bit_range(matched, 0, experiments)),
            _bit_range(matched, experiments, rules),
            _lowest_bit(_bit_range(matched, rules, canaries)),
            _bit_range(matched, canaries, shadows),
            matched >> shadows,
        )
        result = self._outcomes.get(key)
        if result is None:
            result = self._outcomes[key] = self._compile(*key)
        return result

    def _compile(self, override: int, experiments: int, rule: int, canaries: int, shadows: int) -> MatchOutcome:
        index = self._index
        first_experiment, first_rule, first_canary, first_shadow = index.starts
        names = tuple(shadow.name for shadow in index.select(shadows << first_shadow))
        builder = replace(self._builder, shadows=names) if names else self._builder
        if override >= 0:
            return builder.override(index.entities[override])
        compiled = compile_decision(
            index.select(experiments << first_experiment),
            index.entities[first_rule + rule] if rule >= 0 else None,
            index.select(canaries << first_canary),
            builder,
        )
        return compiled.cheapest


@lru_cache(maxsize=1024)
def _context_getter(*names: str) -> Callable[[Context], Hashable]:
    """Return one getter for all objectives with the same fields, so that it stays in the processor's cache."""
    return itemgetter(*names)


def _interned(value: Any) -> Any:
    """Return the value as one object for all keys: 10,000 keys of few values then stay in the processor's cache."""
    return intern(value) if value.__class__ is str else value


def _bit_range(mask: int, start: int, end: int) -> int:
    return (mask >> start) & ((1 << (end - start)) - 1)


def _lowest_bit(mask: int) -> int:
    """Return the index of the lowest bit that is set; -1 when none is."""
    return (mask & -mask).bit_length() - 1


class UnknownObjectiveError(UsageError):
    """No objective has that name; `nearest` is the most similar name, or ""."""

    def __init__(self, name: str, objectives: tuple[str, ...]) -> None:
        self.name = name
        self.nearest = next(iter(nearest(name, objectives)), "")
        hint = suggestion(name, objectives, otherwise=f"there are: {', '.join(sorted(objectives)[:10]) or 'none'}")
        super().__init__(f"there is no objective {name!r}", hint=hint)


class Table:
    """The decisions of one revision. Immutable to its callers, and safe to share between threads.

    `previous` is the table of another revision, of which it takes over whatever the configurations have in common.
    """

    __slots__ = ("_entries", "_grouped", "_indexes", "configuration", "revision")

    def __init__(
        self,
        configuration: Configuration,
        revision: int,
        previous: Table | None = None,
        regrouped: Regrouped | None = None,
    ) -> None:
        self.configuration = configuration
        self.revision = revision
        self._entries: dict[str, Entry] = {}
        self._indexes: dict[str, ObjectiveIndex] = {}
        if previous is None:
            self._grouped: Mapping[str, ObjectiveParts] = group_by_objective(configuration)
            return
        if regrouped is None or not regrouped.leads(previous.configuration, configuration):
            changes = ConfigurationChanges(previous.configuration, configuration)
            regrouped = Regrouped(changes=changes, grouped=regroup(previous._grouped, changes))
        self._grouped = regrouped.grouped
        self._take_indexes(previous, regrouped.changes)

    def _take_indexes(self, previous: Table, changes: ConfigurationChanges) -> None:
        for name, index in previous._indexes.items():
            parts = self._grouped.get(name)
            if parts is index.parts:
                self._indexes[name] = index
            elif parts is not None:
                # Asked for before, so it will be again: compiled now, its first request does not wait.
                self._indexes[name] = index.updated(parts, name, changes)

    def compile_all(self) -> None:
        """Compile every objective now, and not at its first request."""
        for name, parts in self._grouped.items():
            if name not in self._indexes:
                self._indexes[name] = ObjectiveIndex(parts)

    def decide(self, objective: str, context: Context, client: str = "") -> Decision:
        """Return the Decision for this request. UnknownObjectiveError names the nearest objective.

        `context` has fields that the objective declares, of their types; an absent field matches no value.
        """
        try:
            key, outcomes, compute, needs_client = self._entries[objective]
        except KeyError:
            key, outcomes, compute, needs_client = self._entry(objective)
        if needs_client:
            context = _with_client(context, client)
        result: Any  # mypy does not narrow the union MatchOutcome by `__class__`
        try:
            result = outcomes[key(context)]
        except KeyError:
            result = compute(context)
        decision: Decision
        # Written out with `__class__` tests and without helpers: this is the hot path of every request, 0.2 to 0.4 us.
        if result.__class__ is Decision:
            decision = result
        elif result.__class__ is tuple:
            name, before, bounds = result[0]
            unit = context.get(name)
            if unit is None:
                decision = result[-1]
            else:
                data = unit if unit.__class__ is str else unit_text(unit)
                number = digest(before + data.encode("utf-8", "surrogatepass")) % BUCKETS
                decision = result[FIRST_DECISION + bisect_right(bounds, number)]
        elif result is None:
            compute(context)
            decision = self.decide(objective, context, client)
        else:
            decision = result(context)
        return decision

    def explain(self, objective: str, context: Context, client: str = "") -> Explanation:
        """Return the same decision, with each step on the way to it."""
        parts = self.parts_of(objective)
        return explain(parts, self._decision_builder(objective), _with_client(context, client))

    def context_fields(self, objective: str) -> tuple[str, ...]:
        """Return the fields of a context that decide for an objective, by name. UnknownObjectiveError.

        For one client, contexts that are equal in these fields get the same version.
        """
        self.parts_of(objective)
        if objective not in self._indexes:
            self._entry(objective)
        return self._indexes[objective].context_fields

    def _entry(self, objective: str) -> Entry:
        """Return the entry of an objective, which is compiled on first use."""
        parts = self.parts_of(objective)
        index = self._indexes.get(objective)
        if index is None:
            index = self._indexes[objective] = ObjectiveIndex(parts)
        ObjectiveProgram(index, self._decision_builder(objective), self._entries)
        return self._entries[objective]

    def parts_of(self, objective: str) -> ObjectiveParts:
        """Return the entities that decide for an objective. UnknownObjectiveError.

        Revisions in which none of them differs have the very same object.
        """
        parts = self._grouped.get(objective)
        if parts is None:
            raise UnknownObjectiveError(objective, tuple(self._grouped))
        return parts

    def _decision_builder(self, objective: str) -> DecisionBuilder:
        return DecisionBuilder(configuration=self.configuration, revision=self.revision, objective=objective)


def _with_client(context: Context, client: str) -> Context:
    """Return the context with the client's name; without that field when the client has no name."""
    if client:
        return {**context, CLIENT_NAME_FIELD: client}
    return (
        {name: value for name, value in context.items() if name != CLIENT_NAME_FIELD}
        if CLIENT_NAME_FIELD in context
        else context
    )


def compile_table(
    configuration: Configuration, revision: int, previous: Table | None = None, regrouped: Regrouped | None = None
) -> Table:
    """Return the table of a checked configuration. Missing buckets are allocated.

    With the table of a `previous` revision only what differs by identity is compiled; the decisions are the same.
    `regrouped` is the result that the checks of the configuration already have for that.
    """
    experiments = dict(configuration.experiments)
    # Published configurations have buckets; one from a file or a test may not.
    layers = {
        experiment.layer
        for experiment in experiments.values()
        if experiment.layer and experiment.percent and not experiment.buckets
    }
    for layer in layers:
        experiments |= allocate_layer(experiments, layer)
    whole = replace(configuration, experiments=experiments) if layers else configuration
    return Table(whole, revision, previous, regrouped)
