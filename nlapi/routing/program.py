"""One objective, compiled: its matches as bits, and what comes of each set of them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from operator import itemgetter
from typing import Any, NamedTuple, TypeAlias, TypeVar

from nlapi.routing.fields import index
from nlapi.routing.nouns import CLIENT, Context, Decision, Match
from nlapi.routing.order import Nouns
from nlapi.routing.outcome import Decide, Split, outcome
from nlapi.routing.verdict import Verdicts

MOST_KNOWN = 65_536
"""Keys that are kept of one objective; beyond that they are forgotten and met anew."""

MOST_PLAIN = 16_384
"""Contexts that may be met before an objective's plain keys are given up: then there are fields that are often absent,
or have values without end."""

Noun = TypeVar("Noun")

Found: TypeAlias = Decision | Split | Decide
"""What comes of a set of matches: the same for everybody, a rule's split, or anything else."""


class Entry(NamedTuple):
    """How `Table.decide` finds what comes of a context: `known[key(context)]`, or after a KeyError `meet(context)`."""

    key: Callable[[Context], Hashable]
    known: dict[Any, Found]
    meet: Callable[[Context], Found]
    asks_client: bool


class Program:
    """Decides for one objective.

    Every match has a bit, in the order of a decision; every field has a mask of the matches that its value leaves
    possible, and what is left of all masks is what matched. What comes of that is kept under a key of the context:
    the plain values of the fields where they are few, else the sum of their codes, which is the same for all values
    that the matches treat alike.
    """

    def __init__(self, nouns: Nouns, verdicts: Verdicts, entries: dict[str, Entry]) -> None:
        """Puts its Entry into `entries`, and another when that proves better."""
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
        self._code = self._coder()
        self._coded: dict[int, Found] = {}
        self._outcomes: dict[tuple[int, ...], Found] = {}
        self._plain: dict[Hashable, Found] = {}
        self._met = 0
        self._names = [field.name for field in self._fields]
        self._entries = entries
        self._enter(plain=self._few())

    def _enter(self, *, plain: bool) -> None:
        asks_client = CLIENT in {*self._names, *self._units()}
        if plain:
            self._key: Callable[[Context], Hashable] = itemgetter(*self._names)
            entry = Entry(self._key, self._plain, self._meet_plain, asks_client)
        else:
            entry = Entry(self._code, self._coded, self._meet, asks_client)
        self._entries[self._verdicts.objective] = entry

    def _units(self) -> set[str]:
        """The fields that tell units apart."""
        nouns = self._nouns
        return {one.unit for kind in (nouns.experiments, nouns.rules, nouns.canaries) for one in kind}

    def _few(self) -> bool:
        """Do the fields that matches speak of seem to have few values each?"""
        many = self._units() | {one.field for one in self._nouns.overrides}
        return bool(self._fields) and not any(field.cuts or field.name in many for field in self._fields)

    def _coder(self) -> Callable[[Context], int]:
        """Context -> the sum of the codes of its values."""
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

        return code

    def _meet_plain(self, context: Context) -> Found:
        """What comes of a context whose values are not known yet, or absent."""
        key = self._code(context)
        found = self._coded.get(key) or self._meet(context)
        self._met += 1
        if self._met > MOST_PLAIN:
            self._plain.clear()
            self._enter(plain=False)
        elif all(name in context for name in self._names):
            self._plain[self._key(context)] = found
        return found

    def _meet(self, context: Context) -> Found:
        """What comes of a context whose code is not known yet."""
        if len(self._coded) >= MOST_KNOWN:
            self._coded.clear()
            self._outcomes.clear()
        matched = self._everything
        for field in self._fields:
            matched &= field.possible(context.get(field.name))
        found = self._coded[self._code(context)] = self._outcome(matched)
        return found

    def _outcome(self, matched: int) -> Found:
        """What is left to decide when it is known what matches; shared by all for whom the same matched."""
        experiments, rules, canaries, shadows = self._starts
        parts = (
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


def _section(mask: int, start: int, end: int) -> int:
    return (mask >> start) & ((1 << (end - start)) - 1)


def _lowest(mask: int) -> int:
    """The number of the lowest bit that is set; -1 when none is."""
    return (mask & -mask).bit_length() - 1


def _chosen(nouns: Sequence[Noun], mask: int) -> list[Noun]:
    return [noun for number, noun in enumerate(nouns) if mask >> number & 1]
