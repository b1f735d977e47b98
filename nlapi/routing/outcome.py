"""Compiles the entities that matched to a function from a context to a Decision, by its unit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

from nlapi.routing import words
from nlapi.routing.nouns import Canary, Context, Decision, Experiment, Rule, Scalar, Share
from nlapi.routing.split import allocate, chooser, layout, prefix, size, width
from nlapi.routing.verdict import Verdicts, canary_salt, largest, rule_salt, salt

Decide: TypeAlias = Callable[[Context], Decision]

Shape: TypeAlias = tuple[str, bytes, tuple[int, ...]]
"""The common part of splits: the unit's field, the bytes hashed before a unit, the bounds of intervals of buckets."""

# A flat tuple instead of a closure took a decision over 10,000 rules from 1.12 to 0.73 us (docs/design/010).
Split: TypeAlias = tuple[Any, ...]
"""A rule's split as one tuple, for speed: its Shape, the Decision of each interval, the Decision without a unit.

`Table.decide` reads it too.
"""

# The index in a Split at which the Decisions of the intervals begin.
HOLDING = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A decision function, and every Decision that it can return. `split` is set when a rule's split is all of it."""

    decide: Decide
    decisions: tuple[Decision, ...]
    split: Split | None = None

    @property
    def least(self) -> Decision | Split | Decide:
        """Return the cheapest form of it."""
        return self.decisions[0] if len(self.decisions) == 1 else self.split or self.decide


def fixed(decision: Decision) -> Outcome:
    """Return an outcome that is the same for every context."""
    return Outcome(decide=lambda context: decision, decisions=(decision,))


def by_rule(rule: Rule, verdicts: Verdicts) -> Outcome:
    """Return a rule's outcome: its version, or the unit's share. Free buckets go to the largest share."""
    whole = largest(rule.shares)
    if len(rule.shares) == 1:
        return fixed(verdicts.rule(rule, whole))
    shares = complete(rule.shares)
    matched = words.conditions(rule.match)
    decisions = tuple(verdicts.rule(rule, share, matched=matched) for share in shares)
    absent = verdicts.rule(rule, whole, matched=matched, absent=True)
    usual = decisions[rule.shares.index(whole)]
    ranges, unit, before = [share.buckets for share in shares], rule.unit, rule_salt(rule)
    # The closure serves where experiments or canaries wrap the rule; alone, `split` is faster.
    choose = chooser(before, ranges, decisions, usual)

    def decide(context: Context) -> Decision:
        value = context.get(unit)
        return absent if value is None else choose(value)

    bounds, holding = layout(ranges, decisions, usual)
    split = (_shape(unit, prefix(before), bounds), *holding, absent)
    return Outcome(decide=decide, decisions=(*decisions, absent), split=split)


@lru_cache(maxsize=1024)
def _shape(unit: str, before: bytes, bounds: tuple[int, ...]) -> Shape:
    """Return an equal Shape as one shared object, so that it stays in the processor's cache."""
    return unit, before, bounds


def complete(shares: tuple[Share, ...]) -> tuple[Share, ...]:
    """Return the shares with buckets, allocated if they have none yet."""
    if all(width(share.buckets) == size(share.percent) for share in shares):
        return shares
    return allocate(shares, shares)


def by_experiment(experiment: Experiment, after: Outcome, verdicts: Verdicts) -> Outcome:
    """Return the outcome by the unit's cell; `next_step` decides for units in no cell, and without a unit."""
    cells = complete(experiment.cells)
    decisions = tuple(verdicts.cell(experiment, cell) for cell in cells)
    unit, otherwise, held = experiment.unit, after.decide, in_layer(experiment)
    choose: Callable[[Scalar], Decision | None] = chooser(
        salt(experiment), [cell.buckets for cell in cells], decisions, None
    )

    def decide(context: Context) -> Decision:
        value = context.get(unit)
        if value is None or not (held is None or held(value)):
            return otherwise(context)
        return choose(value) or otherwise(context)

    return Outcome(decide=decide, decisions=(*decisions, *after.decisions))


def in_layer(experiment: Experiment) -> Callable[[Scalar], bool] | None:
    """Return a test whether the experiment holds the unit's bucket of its layer; None without a layer."""
    if not experiment.layer:
        return None
    return chooser(experiment.layer, [experiment.buckets], [True], False)


def by_canary(canary: Canary, before: Outcome, verdicts: Verdicts) -> Outcome:
    """Return the outcome after the canary moved its share of the units that its base would serve."""
    moved = {
        # By identity: Decisions are shared objects, and hashing one by value would cost more than the decision.
        id(decision): verdicts.moved(decision, canary)
        for decision in before.decisions
        if not decision.override and moves(canary, decision)
    }
    limit = size(canary.percent)
    if not (moved and limit):
        return before
    unit, usual = canary.unit, before.decide
    takes = chooser(canary_salt(canary), [((0, limit),)], [True], False)

    def decide(context: Context) -> Decision:
        decision = usual(context)
        after = moved.get(id(decision))
        if after is None:
            return decision
        value = context.get(unit)
        return decision if value is None or not takes(value) else after

    return Outcome(decide=decide, decisions=(*before.decisions, *moved.values()))


def moves(canary: Canary, decision: Decision) -> bool:
    """Return whether the canary takes from this decision: its base, and not its own version."""
    return decision.version != canary.version and canary.base in (None, decision.version)


def outcome(
    experiments: Sequence[Experiment], rule: Rule | None, canaries: Sequence[Canary], verdicts: Verdicts
) -> Outcome:
    """Return the outcome of everything that matched, combined in the order of a decision."""
    found = by_rule(rule, verdicts) if rule else fixed(verdicts.default())
    # From the inside out: the first experiment by name wraps the others, so it decides first.
    for experiment in reversed(experiments):
        found = by_experiment(experiment, found, verdicts)
    for canary in canaries:
        found = by_canary(canary, found, verdicts)
    return found
