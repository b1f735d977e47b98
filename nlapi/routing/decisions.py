"""Compiles the entities that matched to a function from a context to a Decision, with its reason in words."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, TypeAlias

from nlapi.errors import NlapiError
from nlapi.routing import describe
from nlapi.routing.model import (
    CLIENT_NAME_FIELD,
    Canary,
    Configuration,
    Context,
    Decision,
    Experiment,
    Override,
    Rule,
    Scalar,
    Share,
    VersionRef,
)
from nlapi.routing.split import Ranges, allocate, bucket, bucket_count, chooser, hash_prefix, layout, range_width

DecideFunction: TypeAlias = Callable[[Context], Decision]

SplitShape: TypeAlias = tuple[str, bytes, tuple[int, ...]]
"""The common part of splits: the unit's field, the bytes hashed before a unit, the bounds of intervals of buckets."""

# A flat tuple instead of a closure took a decision over 10,000 rules from 1.12 to 0.73 us (docs/design/010).
Split: TypeAlias = tuple[Any, ...]
"""A rule's split as one tuple, for speed: its Shape, the Decision of each interval, the Decision without a unit.

`Table.decide` reads it too.
"""

# The index in a Split at which the Decisions of the intervals begin.
FIRST_DECISION = 1


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
        percent = describe.format_percent(canary.percent)
        reason = f"{decision.reason}; canary {canary.name} moved its {percent} from {decision.version}"
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
    # A separate salt: by the rules' salt it would take the units of one share only, and not a sample of all.
    return f"canary/{canary.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledDecision:
    """A decision function, and every Decision that it can return. `split` is set when a rule's split is all of it."""

    decide: DecideFunction
    decisions: tuple[Decision, ...]
    split: Split | None = None

    @property
    def cheapest(self) -> Decision | Split | DecideFunction:
        """Return the cheapest form of it."""
        return self.decisions[0] if len(self.decisions) == 1 else self.split or self.decide


def _compile_fixed(decision: Decision) -> CompiledDecision:
    """Return an outcome that is the same for every context."""
    return CompiledDecision(decide=lambda context: decision, decisions=(decision,))


def _compile_rule(rule: Rule, builder: DecisionBuilder) -> CompiledDecision:
    """Return a rule's outcome: its version, or the unit's share. Free buckets go to the largest share."""
    default_share = largest_share(rule.shares)
    if len(rule.shares) == 1:
        return _compile_fixed(builder.rule(rule, default_share))
    shares = with_buckets(rule.shares)
    matched = describe.format_conditions(rule.match)
    decisions = tuple(builder.rule(rule, share, matched=matched) for share in shares)
    absent = builder.rule(rule, default_share, matched=matched, absent=True)
    usual = decisions[rule.shares.index(default_share)]
    ranges, unit, rule_salt_text = [share.buckets for share in shares], rule.unit, rule_salt(rule)
    # The closure serves where experiments or canaries wrap the rule; alone, `split` is faster.
    choose = chooser(rule_salt_text, ranges, decisions, usual)

    def decide(context: Context) -> Decision:
        value = context.get(unit)
        return absent if value is None else choose(value)

    bounds, holding = layout(ranges, decisions, usual)
    split = (_shared_shape(unit, hash_prefix(rule_salt_text), bounds), *holding, absent)
    return CompiledDecision(decide=decide, decisions=(*decisions, absent), split=split)


@lru_cache(maxsize=1024)
def _shared_shape(unit: str, before: bytes, bounds: tuple[int, ...]) -> SplitShape:
    """Return an equal Shape as one shared object, so that it stays in the processor's cache."""
    return unit, before, bounds


def with_buckets(shares: tuple[Share, ...]) -> tuple[Share, ...]:
    """Return the shares with buckets, allocated if they have none yet."""
    if all(range_width(share.buckets) == bucket_count(share.percent) for share in shares):
        return shares
    return allocate(shares, shares)


def _compile_experiment(
    experiment: Experiment, next_step: CompiledDecision, builder: DecisionBuilder
) -> CompiledDecision:
    """Return the outcome by the unit's cell; `next_step` decides for units in no cell, and without a unit."""
    cells = with_buckets(experiment.cells)
    decisions = tuple(builder.cell(experiment, cell) for cell in cells)
    unit, otherwise, is_in_layer = experiment.unit, next_step.decide, layer_test(experiment)
    choose: Callable[[Scalar], Decision | None] = chooser(
        experiment_salt(experiment), [cell.buckets for cell in cells], decisions, None
    )

    def decide(context: Context) -> Decision:
        value = context.get(unit)
        if value is None or not (is_in_layer is None or is_in_layer(value)):
            return otherwise(context)
        return choose(value) or otherwise(context)

    return CompiledDecision(decide=decide, decisions=(*decisions, *next_step.decisions))


def layer_test(experiment: Experiment) -> Callable[[Scalar], bool] | None:
    """Return a test whether the experiment holds the unit's bucket of its layer; None without a layer."""
    if not experiment.layer:
        return None
    return chooser(experiment.layer, [experiment.buckets], [True], False)


def _compile_canary(canary: Canary, base: CompiledDecision, builder: DecisionBuilder) -> CompiledDecision:
    """Return the outcome after the canary moved its share of the units that its base would serve."""
    moved = {
        # By identity: Decisions are shared objects, and hashing one by value would cost more than the decision.
        id(decision): builder.after_canary(decision, canary)
        for decision in base.decisions
        if not decision.override and takes_from(canary, decision)
    }
    limit = bucket_count(canary.percent)
    if not (moved and limit):
        return base
    unit, decide_base = canary.unit, base.decide
    is_moved = chooser(canary_salt(canary), [((0, limit),)], [True], False)

    def decide(context: Context) -> Decision:
        decision = decide_base(context)
        moved_decision = moved.get(id(decision))
        if moved_decision is None:
            return decision
        value = context.get(unit)
        return decision if value is None or not is_moved(value) else moved_decision

    return CompiledDecision(decide=decide, decisions=(*base.decisions, *moved.values()))


def takes_from(canary: Canary, decision: Decision) -> bool:
    """Return whether the canary takes from this decision: its base, and not its own version."""
    return decision.version != canary.version and canary.base in (None, decision.version)


def compile_decision(
    experiments: Sequence[Experiment], rule: Rule | None, canaries: Sequence[Canary], builder: DecisionBuilder
) -> CompiledDecision:
    """Return the outcome of everything that matched, combined in the order of a decision."""
    compiled = _compile_rule(rule, builder) if rule else _compile_fixed(builder.default())
    # From the inside out: the first experiment by name wraps the others, so it decides first.
    for experiment in reversed(experiments):
        compiled = _compile_experiment(experiment, compiled, builder)
    for canary in canaries:
        compiled = _compile_canary(canary, compiled, builder)
    return compiled


def deciding_bucket(configuration: Configuration, decision: Decision, context: Context, client: str = "") -> int:
    """Return the first bucket of the range of the deciding split in which the context's unit is; 0 without a split.

    All units of a range have the same number, so it names the share of a split and never a unit.
    """
    if decision.canary:
        return 0  # a canary takes the first buckets
    if decision.experiment:
        experiment = configuration.experiments[decision.experiment]
        ranges = [cell.buckets for cell in with_buckets(experiment.cells)]
        salt, unit = experiment_salt(experiment), experiment.unit
    elif decision.rule and len(configuration.rules[decision.rule].shares) > 1:
        rule = configuration.rules[decision.rule]
        ranges = [share.buckets for share in with_buckets(rule.shares)]
        salt, unit = rule_salt(rule), rule.unit
    else:
        return 0
    value = client or None if unit == CLIENT_NAME_FIELD else context.get(unit)
    return 0 if value is None else _range_start(ranges, salt, value)


def _range_start(ranges: Sequence[Ranges], salt: str, unit: Scalar) -> int:
    bounds, _ = layout(ranges, ranges, ())
    place = bisect_right(bounds, bucket(salt, unit))
    return bounds[place - 1] if place else 0
