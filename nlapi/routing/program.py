"""Compiles one objective: its matches to bits, and each set of matches to its outcome."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from functools import lru_cache
from operator import itemgetter
from sys import intern
from typing import Any, TypeAlias, TypeVar

from nlapi.routing.fields import index_fields
from nlapi.routing.nouns import CLIENT_NAME_FIELD, Context, Decision, Match
from nlapi.routing.order import ObjectiveParts
from nlapi.routing.outcome import DecideFunction, Split, compile_decision
from nlapi.routing.verdict import DecisionBuilder

# Keys stored for one objective; at more they are all dropped and computed again, which bounds memory (docs/design/010).
MAX_KEYS = 65_536

# Slots per match in a list of all codes, which is looked up faster than a dict of the codes met.
MAX_SLOTS_PER_MATCH = 16

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
    """The decision program of one objective.

    Every match has a bit, in the order of a decision; every field has a mask of the matches that its value leaves
    possible, and the AND of all masks is the set of matches. Its outcome is stored under a key of the context: the
    plain values of the fields where they are few, else the sum of their codes, which is equal for all values that the
    matches treat alike.
    """

    def __init__(self, parts: ObjectiveParts, builder: DecisionBuilder, entries: dict[str, Entry]) -> None:
        """Put its Entry into `entries`, and replace it when another kind of key proves better."""
        self._parts = parts
        self._builder = builder
        matches: list[Match] = [Match(when={entity.field: (entity.value,)}) for entity in parts.overrides]
        starts = []
        for kind in (parts.experiments, parts.rules, parts.canaries, parts.shadows):
            starts.append(len(matches))
            matches += [entity.match for entity in kind]
        self._starts = tuple(starts)
        self._everything = (1 << len(matches)) - 1
        self._fields = index_fields(matches)
        self._code, codes = self._coder()
        listed = codes <= MAX_SLOTS_PER_MATCH * len(matches)
        self._coded: OutcomeMap = [None] * codes if listed else {}
        self._outcomes: dict[tuple[int, ...], MatchOutcome] = {}
        self._plain: dict[Hashable, MatchOutcome] = {}
        self._computed_count = 0
        self._names = [field.name for field in self._fields]
        self._entries = entries
        self._register_entry(plain=self._has_few_values())

    def _register_entry(self, *, plain: bool) -> None:
        needs_client = CLIENT_NAME_FIELD in {*self._names, *self._units()}
        if plain:
            self._key: Callable[[Context], Hashable] = _context_getter(*self._names)
            entry: Entry = (self._key, self._plain, self._compute_plain, needs_client)
        else:
            entry = (self._code, self._coded, self._compute, needs_client)
        self._entries[self._builder.objective] = entry

    def _units(self) -> set[str]:
        """Return the fields that identify units."""
        parts = self._parts
        return {entity.unit for kind in (parts.experiments, parts.rules, parts.canaries) for entity in kind}

    def _has_few_values(self) -> bool:
        """Return whether the fields with conditions seem to have few values each."""
        # A user id has values without end, and a range suggests numbers: such fields would fill the plain keys.
        unbounded_fields = self._units() | {override.field for override in self._parts.overrides}
        return bool(self._fields) and not any(field.cuts or field.name in unbounded_fields for field in self._fields)

    def _coder(self) -> tuple[Callable[[Context], int], int]:
        """Return a function from a context to the sum of the codes of its values, and the number of possible sums."""
        coders = []
        radix = 1
        for field in self._fields:
            coder, radix = field.coder(radix)
            coders.append((field.name, coder))
        fields = tuple(coders)

        def code(context: Context) -> int:
            get = context.get
            key = 0
            for name, coder_of in fields:
                key += coder_of(get(name), 0)
            return key

        return code, radix

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
        matched = self._everything
        for field in self._fields:
            matched &= field.possible_matches(context.get(field.name))
        result = self._coded[self._code(context)] = self._outcome_of(matched)
        return result

    def _outcome_of(self, matched: int) -> MatchOutcome:
        """Return the outcome of a set of matches, shared by all contexts with the same set."""
        experiments, rules, canaries, shadows = self._starts
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
        parts = self._parts
        names = tuple(shadow.name for shadow in _select_by_mask(parts.shadows, shadows))
        builder = replace(self._builder, shadows=names) if names else self._builder
        if override >= 0:
            return builder.override(parts.overrides[override])
        compiled = compile_decision(
            _select_by_mask(parts.experiments, experiments),
            parts.rules[rule] if rule >= 0 else None,
            _select_by_mask(parts.canaries, canaries),
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


def _select_by_mask(entities: Sequence[T], mask: int) -> list[T]:
    return [entity for number, entity in enumerate(entities) if mask >> number & 1]
