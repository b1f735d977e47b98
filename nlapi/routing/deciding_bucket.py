"""Finds the range of buckets that a decision was made by, for logs and for the signed keys of the gateway."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from nlapi.routing.decisions import experiment_salt, rule_salt, with_buckets
from nlapi.routing.model import CLIENT_NAME_FIELD, Configuration, Context, Decision, Scalar
from nlapi.routing.split import Ranges, bucket, layout


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
