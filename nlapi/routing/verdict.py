"""The Decisions that an objective can come to: what each says and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from nlapi.errors import NlapiError
from nlapi.routing import words
from nlapi.routing.nouns import Canary, Configuration, Decision, Experiment, Override, Rule, Share, VersionRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """Makes the Decisions of one objective at one revision; `shadows` go into each."""

    configuration: Configuration
    revision: int
    objective: str
    shadows: tuple[str, ...] = ()

    def override(self, override: Override) -> Decision:
        reason = f"override {override.name}: {override.field} is {words.value(override.value)}"
        return self._decision(override.version, reason, override=override.name)

    def cell(self, experiment: Experiment, cell: Share) -> Decision:
        reason = f"experiment {experiment.name}: {experiment.unit} is in {words.cell(cell)}"
        return self._decision(cell.version, reason, experiment=experiment.name, cell=cell.name)

    def rule(self, rule: Rule, share: Share, *, matched: str = "", absent: bool = False) -> Decision:
        """`matched`: its match in words, if they are known. `absent`: the unit is, so that no share could be chosen."""
        reason = f"rule {rule.name} matched: {matched or words.conditions(rule.match)}"
        if absent:
            reason += f"; there is no {rule.unit} in the context, so its largest share, {share.version}"
        elif len(rule.shares) > 1:
            reason += f"; {rule.unit} is in {words.cell(share)}"
        return self._decision(share.version, reason, rule=rule.name)

    def default(self) -> Decision:
        version = self.configuration.objectives[self.objective].default
        if version is None:
            raise NlapiError(
                f"nothing decides: no rule of objective {self.objective!r} matches, and it has no default",
                hint="give the objective a default version",
            )
        return self._decision(version, "no rule matched: the objective's default")

    def moved(self, decision: Decision, canary: Canary) -> Decision:
        """The decision after a canary took it."""
        reason = (
            f"{decision.reason}; canary {canary.name} moved its {words.percent(canary.percent)} from {decision.version}"
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
        known = self.configuration.versions.get(version)
        return known.shard if known else ""


def largest(shares: Sequence[Share]) -> Share:
    """The share that serves those whose unit is not known: the largest, the first of equals."""
    return max(shares, key=lambda share: share.percent)


def salt(experiment: Experiment) -> str:
    """What an experiment hashes its units with."""
    return experiment.salt or experiment.name


def rule_salt(rule: Rule) -> str:
    """All rules of an objective hash alike: who is among the first 10 % of one is so of the others, and stays it when
    rules are renamed or reordered. No name holds a "/", so that it has nothing to do with any experiment."""
    return f"rule/{rule.objective}"


def canary_salt(canary: Canary) -> str:
    return f"canary/{canary.name}"
