"""One objective, compiled: a decision tree over its matches that grows as requests need it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from nlapi.routing.fields import FieldIndex, index
from nlapi.routing.nouns import (
    Canary,
    CanaryState,
    Configuration,
    Context,
    Decision,
    Experiment,
    Match,
    Override,
    Rule,
    Shadow,
)
from nlapi.routing.outcome import Decide, fixed, outcome
from nlapi.routing.verdict import Verdicts

MOST_NODES = 65_536
"""A tree that is larger is forgotten, and grows again."""


@dataclass(slots=True, kw_only=True)
class Nouns:
    """What decides for one objective, each kind in its order."""

    overrides: list[Override]
    experiments: list[Experiment]
    rules: list[Rule]
    canaries: list[Canary]
    shadows: list[Shadow]

    def sort(self) -> None:
        """Rules by position, the others by name; canaries that are done go before those that build on them."""
        for kind in (self.overrides, self.experiments, self.shadows):
            kind.sort(key=lambda one: one.name)
        self.rules.sort(key=lambda rule: (rule.position, rule.name))
        self.canaries.sort(key=lambda canary: (canary.state is not CanaryState.DONE, canary.name))


def by_objective(configuration: Configuration) -> dict[str, Nouns]:
    """The nouns that take part in decisions, of each objective."""
    found = {
        name: Nouns(overrides=[], experiments=[], rules=[], canaries=[], shadows=[])
        for name in configuration.objectives
    }

    def of(one: Override | Experiment | Rule | Canary | Shadow) -> Nouns:
        return found.get(one.objective) or Nouns(overrides=[], experiments=[], rules=[], canaries=[], shadows=[])

    for override in configuration.overrides.values():
        of(override).overrides.append(override)
    for experiment in configuration.experiments.values():
        if experiment.running:
            of(experiment).experiments.append(experiment)
    for rule in configuration.rules.values():
        of(rule).rules.append(rule)
    for canary in configuration.canaries.values():
        if canary.moves:
            of(canary).canaries.append(canary)
    for shadow in configuration.shadows.values():
        of(shadow).shadows.append(shadow)
    for nouns in found.values():
        nouns.sort()
    return found


class Program:
    """Decides for one objective. Every match has a bit, in the order of a decision.

    The tree asks one field at a node and keeps the mask of the matches that are still possible. Values that no match
    names share one branch, and so do the numbers between two bounds, so that it has only as many leaves as there are
    different answers to "what matches?".
    """

    def __init__(self, nouns: Nouns, verdicts: Verdicts) -> None:
        self._nouns = nouns
        self._verdicts = verdicts
        matches: list[Match] = [Match(when={one.field: (one.value,)}) for one in nouns.overrides]
        first = len(matches)
        matches += [experiment.match for experiment in nouns.experiments]
        rules = len(matches)
        matches += [rule.match for rule in nouns.rules]
        canaries = len(matches)
        matches += [canary.match for canary in nouns.canaries]
        shadows = len(matches)
        matches += [shadow.match for shadow in nouns.shadows]
        self._starts = (first, rules, canaries, shadows)
        self._overrides = (1 << first) - 1
        self._rules = (1 << canaries) - (1 << rules)
        self._shadows = (1 << len(matches)) - (1 << shadows)
        self._everything = (1 << len(matches)) - 1
        self._fields = index(matches)
        self._later = [0] * (len(self._fields) + 1)
        for number in reversed(range(len(self._fields))):
            self._later[number] = self._later[number + 1] | self._fields[number].constrained
        self._nodes = 0
        self._leaves: dict[int, Decide] = {}

        self.decide: Decide = self._grow(self._everything, 0)
        """context -> Decision; "client" is a field of it"""

    def asks(self, name: str) -> bool:
        """Does a decision need this field, to match or as a unit?"""
        kinds = (self._nouns.experiments, self._nouns.rules, self._nouns.canaries)
        return any(field.name == name for field in self._fields) or any(
            one.unit == name for kind in kinds for one in kind
        )

    def _grow(self, possible: int, number: int) -> Decide:
        """The tree for the matches that are still possible when the fields before `number` are known."""
        possible = self._cut(possible, number)
        while number < len(self._fields) and not possible & self._fields[number].constrained:
            number += 1
        if number == len(self._fields):
            return self._leaf(possible)
        self._nodes += 1
        if self._nodes > MOST_NODES:
            self._nodes = 0
            self._leaves = {}
            self.decide = self._grow(self._everything, 0)
        field = self._fields[number]
        return self._ranged(field, possible, number) if field.ranged else self._named(field, possible, number)

    def _cut(self, possible: int, number: int) -> int:
        """Without what comes after the first override, and the first rule, that match whatever the other fields are."""
        certain = possible & ~self._later[number]
        if certain & self._overrides:
            lowest = certain & -certain
            return possible & ((lowest << 1) - 1 | self._shadows)
        rules = certain & self._rules
        if rules:
            lowest = rules & -rules
            return possible & ~(self._rules & ~((lowest << 1) - 1))
        return possible

    def _leaf(self, matched: int) -> Decide:
        """What is left to decide when it is known what matches."""
        found = self._leaves.get(matched)
        if found is None:
            found = self._leaves[matched] = self._outcome(matched)
        return found

    def _outcome(self, matched: int) -> Decide:
        nouns = self._nouns
        experiments, rules, canaries, shadows = self._starts
        names = tuple(nouns.shadows[bit].name for bit in _set(matched >> shadows))
        verdicts = replace(self._verdicts, shadows=names) if names else self._verdicts
        if matched & self._overrides:
            return fixed(verdicts.override(nouns.overrides[next(_set(matched))])).decide
        rule = next(_set((matched & self._rules) >> rules), None)
        return outcome(
            [nouns.experiments[bit] for bit in _set((matched & ((1 << rules) - 1)) >> experiments)],
            None if rule is None else nouns.rules[rule],
            [nouns.canaries[bit] for bit in _set((matched & ((1 << shadows) - 1)) >> canaries)],
            verdicts,
        ).decide

    def _named(self, field: FieldIndex, possible: int, number: int) -> Decide:
        """A node for a field whose values are named."""
        name, named = field.name, field.named
        branches: dict[object, Decide] = {}
        known = branches.get
        other: Decide | None = None

        def decide(context: Context) -> Decision:
            nonlocal other
            value = context.get(name)
            following = known(value)
            if following is None:
                if value in named:
                    following = branches[value] = self._grow(possible & field.possible(value), number + 1)
                elif other is None:
                    following = other = self._grow(possible & field.unnamed(-1), number + 1)
                else:
                    following = other
            return following(context)

        return decide

    def _ranged(self, field: FieldIndex, possible: int, number: int) -> Decide:
        """A node for a field that has ranges, besides named values."""
        name, named, span = field.name, field.named, field.span
        branches: dict[object, Decide] = {}
        spans: list[Decide | None] = [None] * len(field.spans)

        def decide(context: Context) -> Decision:
            value = context.get(name)
            if value in named:
                following = branches.get(value)
                if following is None:
                    following = branches[value] = self._grow(possible & field.possible(value), number + 1)
                return following(context)
            interval = span(value)
            following = spans[interval]
            if following is None:
                following = spans[interval] = self._grow(possible & field.unnamed(interval), number + 1)
            return following(context)

        return decide


def _set(mask: int) -> Iterator[int]:
    """The numbers of the bits that are set, ascending."""
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest
