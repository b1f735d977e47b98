"""Sorts the entities of each objective into the order of a decision."""

from __future__ import annotations

from dataclasses import dataclass, field

from nlapi.routing.nouns import Canary, CanaryState, Configuration, Experiment, Override, Rule, Shadow


@dataclass(slots=True, kw_only=True)
class ObjectiveParts:
    """The entities that decide for one objective, each kind in its order."""

    overrides: list[Override] = field(default_factory=list)
    experiments: list[Experiment] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    canaries: list[Canary] = field(default_factory=list)
    shadows: list[Shadow] = field(default_factory=list)

    def sort(self) -> None:
        """Sort rules by position, other kinds by name; canaries that are done go before those that build on them."""
        for kind in (self.overrides, self.experiments, self.shadows):
            kind.sort(key=lambda entity: entity.name)
        # By name where positions are equal: the order never depends on when an entity was made.
        self.rules.sort(key=lambda rule: (rule.position, rule.name))
        self.canaries.sort(key=lambda canary: (canary.state is not CanaryState.DONE, canary.name))


def group_by_objective(configuration: Configuration) -> dict[str, ObjectiveParts]:
    """Return the entities that take part in decisions, for each objective."""
    grouped = {name: ObjectiveParts() for name in configuration.objectives}

    def parts_of(entity: Override | Experiment | Rule | Canary | Shadow) -> ObjectiveParts:
        return grouped.get(entity.objective) or ObjectiveParts()

    for override in configuration.overrides.values():
        parts_of(override).overrides.append(override)
    for experiment in configuration.experiments.values():
        if experiment.running:
            parts_of(experiment).experiments.append(experiment)
    for rule in configuration.rules.values():
        parts_of(rule).rules.append(rule)
    for canary in configuration.canaries.values():
        if canary.moves:
            parts_of(canary).canaries.append(canary)
    for shadow in configuration.shadows.values():
        parts_of(shadow).shadows.append(shadow)
    for parts in grouped.values():
        parts.sort()
    return grouped
