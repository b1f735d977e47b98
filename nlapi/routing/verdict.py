"""Makes the Decisions of an objective, with the reason of each in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from nlapi.errors import NlapiError
from nlapi.routing import describe
from nlapi.routing.nouns import Canary, Configuration, Decision, Experiment, Override, Rule, Share, VersionRef


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionBuilder:
    """Makes the Decisions of one objective at one revision; `shadows` are part of each."""

    configuration: Configuration
    revision: int
    objective: str
    shadows: tuple[str, ...] = ()

    def override(self, override: Override) -> Decision:
        """Return the Decision of an override."""
        reason = f"override {override.name}: {override.field} is {describe.format_value(override.value)}"
        return self._decision(override.version, reason, override=override.name)

    def cell(self, experiment: Experiment, cell: Share) -> Decision:
        """Return the Decision of a cell of an experiment."""
        reason = f"experiment {experiment.name}: {experiment.unit} is in {describe.format_cell(cell)}"
        return self._decision(cell.version, reason, experiment=experiment.name, cell=cell.name)

    def rule(self, rule: Rule, share: Share, *, matched: str = "", absent: bool = False) -> Decision:
        """Return a rule's Decision. `matched` is its match in words, if known; `absent`: the unit is missing."""
        reason = f"rule {rule.name} matched: {matched or describe.format_conditions(rule.match)}"
        if absent:
            reason += f"; there is no {rule.unit} in the context, so its largest share, {share.version}"
        elif len(rule.shares) > 1:
            reason += f"; {rule.unit} is in {describe.format_cell(share)}"
        return self._decision(share.version, reason, rule=rule.name)

    def default(self) -> Decision:
        """Return the Decision of the objective's default; NlapiError when it has none."""
        # `check` refuses an objective without default; a table of an unchecked configuration still gets a clear error.
        version = self.configuration.objectives[self.objective].default
        if version is None:
            raise NlapiError(
                f"nothing decides: no rule of objective {self.objective!r} matches, and it has no default",
                hint="give the objective a default version",
            )
        return self._decision(version, "no rule matched: the objective's default")

    def after_canary(self, decision: Decision, canary: Canary) -> Decision:
        """Return the decision after a canary moved it."""
        reason = (
            f"{decision.reason}; canary {canary.name} moved its {describe.format_percent(canary.percent)} from {decision.version}"
        )
        shard = self._shard(canary.version)
        return replace(decision, version=canary.version, shard=shard, canary=canary.name, reason=reason)

    def _decision(self, version: VersionRef, reason: str, **names: str) -> Decision:
        return Decision(
            objective=self.objective,
            version=version,
            shard=self._shard(version),
            revision=self.revision,
            shadows=self.shadows,
            reason=reason,
            **names,
        )

    def _shard(self, version: VersionRef) -> str:
        entry = self.configuration.versions.get(version)
        return entry.shard if entry else ""


def largest_share(shares: Sequence[Share]) -> Share:
    """Return the share for requests without a unit: the largest, the first of equals."""
    return max(shares, key=lambda share: share.percent)


def experiment_salt(experiment: Experiment) -> str:
    """Return the salt of an experiment."""
    return experiment.salt or experiment.name


def rule_salt(rule: Rule) -> str:
    """Return the salt of all rules of an objective.

    They share it, so that renaming or reordering rules moves nobody, and the first 10 % of one rule are the first 10 %
    of the others. No name contains a "/", so that it differs from every experiment's salt.
    """
    return f"rule/{rule.objective}"


def canary_salt(canary: Canary) -> str:
    """Return the salt of a canary."""
    # A salt of its own: by the rules' salt it would take the units of one share only, and not a sample of all.
    return f"canary/{canary.name}"
