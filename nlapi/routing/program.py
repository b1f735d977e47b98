"""One objective, compiled: its matches as bits, and what comes of each set of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from nlapi.routing.fields import index
from nlapi.routing.nouns import (
    CLIENT,
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
from nlapi.routing.outcome import Decide, outcome
from nlapi.routing.verdict import Verdicts

MOST_KNOWN = 65_536
"""Keys that are kept of one objective; beyond that they are forgotten and met anew."""

Noun = TypeVar("Noun")


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
    """Decides for one objective.

    Every match has a bit, in the order of a decision; every field has a mask of the matches that its value leaves
    possible, and what is left of all masks is what matched. What comes of that is kept under the sum of the values'
    codes, so that most requests cost a look-up for each field and one for the key.
    """

    def __init__(self, nouns: Nouns, verdicts: Verdicts) -> None:
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
        self._known: dict[int, Decision | Decide] = {}
        self._outcomes: dict[tuple[int, ...], Decision | Decide] = {}

    def decider(self) -> Callable[[Context, str], Decision]:
        """(context, client) -> Decision."""
        coders = []
        radix = 1
        for field in self._fields:
            coder, radix = field.coder(radix)
            coders.append((field.name, coder))
        fields, known, meet = tuple(coders), self._known.get, self._meet

        def decide(context: Context, client: str) -> Decision:
            get = context.get
            key = 0
            for name, code in fields:
                key += code(get(name), 0)
            found = known(key) or meet(key, context)
            return found if found.__class__ is Decision else found(context)

        if not self._asks(CLIENT):
            return decide
        return lambda context, client: decide({**context, CLIENT: client}, client)

    def _asks(self, name: str) -> bool:
        """Does a decision need this field, to match or as a unit?"""
        nouns = self._nouns
        units = {one.unit for kind in (nouns.experiments, nouns.rules, nouns.canaries) for one in kind}
        return name in units or any(field.name == name for field in self._fields)

    def _meet(self, key: int, context: Context) -> Decision | Decide:
        """What comes of a context whose key is not known yet."""
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
            self._outcomes.clear()
        matched = self._everything
        for field in self._fields:
            matched &= field.possible(context.get(field.name))
        found = self._known[key] = self._outcome(matched)
        return found

    def _outcome(self, matched: int) -> Decision | Decide:
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

    def _made(self, override: int, experiments: int, rule: int, canaries: int, shadows: int) -> Decision | Decide:
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
        return made.decisions[0] if len(made.decisions) == 1 else made.decide


def _section(mask: int, start: int, end: int) -> int:
    return (mask >> start) & ((1 << (end - start)) - 1)


def _lowest(mask: int) -> int:
    """The number of the lowest bit that is set; -1 when none is."""
    return (mask & -mask).bit_length() - 1


def _chosen(nouns: Sequence[Noun], mask: int) -> list[Noun]:
    return [noun for number, noun in enumerate(nouns) if mask >> number & 1]
