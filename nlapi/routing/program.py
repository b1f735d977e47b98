"""Compiles one objective: its matches to bits, and each set of matches to its outcome."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from functools import lru_cache
from operator import itemgetter
from sys import intern
from typing import Any, TypeAlias, TypeVar

from nlapi.routing.fields import index
from nlapi.routing.nouns import CLIENT, Context, Decision, Match
from nlapi.routing.order import Nouns
from nlapi.routing.outcome import Decide, Split, outcome
from nlapi.routing.verdict import Verdicts

# Keys stored for one objective; at more they are all dropped and computed again, which bounds memory (docs/design/010).
MOST_KNOWN = 65_536

# Slots per match in a list of all codes, which is looked up faster than a dict of the codes met.
MOST_SLOTS = 16

# Contexts computed before an objective's plain keys are given up: its fields are then often absent, or have values
# without end. Plain keys cost 0.32 us a decision over 10 rules, sums of codes 0.43 (docs/design/010).
MOST_PLAIN = 16_384

T = TypeVar("T")

Found: TypeAlias = Decision | Split | Decide
"""The outcome of a set of matches: one Decision, a rule's split, or a function."""


Known: TypeAlias = Any
"""A dict of the keys met, or a list of all codes, with the outcome of each; None where it is not computed yet."""

Entry: TypeAlias = tuple[Callable[[Context], Hashable], Known, Callable[[Context], Found], bool]
"""The way `Table.decide` gets an outcome: key, outcomes, compute, and whether the context needs the client's name.

The outcome is `outcomes[key(context)]`; where that is a KeyError or None, `compute(context)` computes and stores it. A
plain tuple, because unpacking one costs least.
"""


class Program:
    """The decision program of one objective.

    Every match has a bit, in the order of a decision; every field has a mask of the matches that its value leaves
    possible, and the AND of all masks is the set of matches. Its outcome is stored under a key of the context: the
    plain values of the fields where they are few, else the sum of their codes, which is equal for all values that the
    matches treat alike.
    """

    def __init__(self, nouns: Nouns, verdicts: Verdicts, entries: dict[str, Entry]) -> None:
        """Put its Entry into `entries`, and replace it when another kind of key proves better."""
        self._nouns = nouns
        self._verdicts = verdicts
        matches: list[Match] = [Match(when={one.field: (one.value,)}) for one in nouns.overrides]
        starts = []
        for kind in (nouns.experiments, nouns.rules, nouns.canaries, nouns.shadows):
            starts.append(len(matches))
            matches += [one.match for one in kind]
        self._starts = tuple(starts)
        self._everything = (1 << len(matches)) - 1
        self._fields = index(matches)
        self._code, codes = self._coder()
        listed = codes <= MOST_SLOTS * len(matches)
        self._coded: Known = [None] * codes if listed else {}
        self._outcomes: dict[tuple[int, ...], Found] = {}
        self._plain: dict[Hashable, Found] = {}
        self._met = 0
        self._names = [field.name for field in self._fields]
        self._entries = entries
        self._enter(plain=self._few())

    def _enter(self, *, plain: bool) -> None:
        asks_client = CLIENT in {*self._names, *self._units()}
        if plain:
            self._key: Callable[[Context], Hashable] = _getter(*self._names)
            entry: Entry = (self._key, self._plain, self._meet_plain, asks_client)
        else:
            entry = (self._code, self._coded, self._meet, asks_client)
        self._entries[self._verdicts.objective] = entry

    def _units(self) -> set[str]:
        """Return the fields that identify units."""
        nouns = self._nouns
        return {one.unit for kind in (nouns.experiments, nouns.rules, nouns.canaries) for one in kind}

    def _few(self) -> bool:
        """Return whether the fields with conditions seem to have few values each."""
        # A user id has values without end, and a range suggests numbers: such fields would fill the plain keys.
        many = self._units() | {one.field for one in self._nouns.overrides}
        return bool(self._fields) and not any(field.cuts or field.name in many for field in self._fields)

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
            for name, of in fields:
                key += of(get(name), 0)
            return key

        return code, radix

    def _meet_plain(self, context: Context) -> Found:
        """Return the outcome of a context whose values are new, or absent, and store it."""
        key, coded = self._code(context), self._coded
        found = (coded.get(key) if isinstance(coded, dict) else coded[key]) or self._meet(context)
        self._met += 1
        if self._met > MOST_PLAIN:
            self._plain.clear()
            self._enter(plain=False)
        elif all(name in context for name in self._names):
            self._plain[self._key({name: _shared(context[name]) for name in self._names})] = found
        return found

    def _meet(self, context: Context) -> Found:
        """Return the outcome of a context whose code is new, and store it."""
        if isinstance(self._coded, dict) and len(self._coded) >= MOST_KNOWN:
            self._coded.clear()
            self._outcomes.clear()
        matched = self._everything
        for field in self._fields:
            matched &= field.possible(context.get(field.name))
        found = self._coded[self._code(context)] = self._outcome(matched)
        return found

    def _outcome(self, matched: int) -> Found:
        """Return the outcome of a set of matches, shared by all contexts with the same set."""
        experiments, rules, canaries, shadows = self._starts
        parts = (
            # Only the first override and the first rule count, so sets that differ in later ones share an outcome.
            _lowest(_section(matched, 0, experiments)),
            _section(matched, experiments, rules),
            _lowest(_section(matched, rules, canaries)),
            _section(matched, canaries, shadows),
            matched >> shadows,
        )
        found = self._outcomes.get(parts)
        if found is None:
            found = self._outcomes[parts] = self._made(*parts)
        return found

    def _made(self, override: int, experiments: int, rule: int, canaries: int, shadows: int) -> Found:
        nouns = self._nouns
        names = tuple(one.name for one in _chosen(nouns.shadows, shadows))
        verdicts = replace(self._verdicts, shadows=names) if names else self._verdicts
        if override >= 0:
            return verdicts.override(nouns.overrides[override])
        made = outcome(
            _chosen(nouns.experiments, experiments),
            nouns.rules[rule] if rule >= 0 else None,
            _chosen(nouns.canaries, canaries),
            verdicts,
        )
        return made.least


@lru_cache(maxsize=1024)
def _getter(*names: str) -> Callable[[Context], Hashable]:
    """Return one getter for all objectives with the same fields, so that it stays in the processor's cache."""
    return itemgetter(*names)


def _shared(value: Any) -> Any:
    """Return the value as one object for all keys: 10,000 keys of few values then stay in the processor's cache."""
    return intern(value) if value.__class__ is str else value


def _section(mask: int, start: int, end: int) -> int:
    return (mask >> start) & ((1 << (end - start)) - 1)


def _lowest(mask: int) -> int:
    """Return the index of the lowest bit that is set; -1 when none is."""
    return (mask & -mask).bit_length() - 1


def _chosen(nouns: Sequence[T], mask: int) -> list[T]:
    return [noun for number, noun in enumerate(nouns) if mask >> number & 1]
