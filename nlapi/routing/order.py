"""Sorts the entities of each objective into the order of a decision."""

from __future__ import annotations

from dataclasses import dataclass, field

from nlapi.routing.nouns import Canary, CanaryState, Configuration, Experiment, Override, Rule, Shadow


@dataclass(slots=True, kw_only=True)
class Nouns:
    """The entities that decide for one objective, each kind in its order."""

    overrides: list[Override] = field(default_factory=list)
    experiments: list[Experiment] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    canaries: list[Canary] = field(default_factory=list)
    shadows: list[Shadow] = field(default_factory=list)

    def sort(self) -> None:
        """Sort rules by position, other kinds by name; canaries that are done go before those that build on them."""
        for kind in (self.overrides, self.experiments, self.shadows):
            kind.sort(key=lambda one: one.name)
        # By name where positions are equal: the order never depends on when an entity was made.
        self.rules.sort(key=lambda rule: (rule.position, rule.name))
        self.canaries.sort(key=lambda canary: (canary.state is not CanaryState.DONE, canary.name))


def by_objective(configuration: Configuration) -> dict[str, Nouns]:
    """Return the entities that take part in decisions, for each objective."""
    found = {name: Nouns() for name in configuration.objectives}

    def of(one: Override | Experiment | Rule | Canary | Shadow) -> Nouns:
        return found.get(one.objective) or Nouns()

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
