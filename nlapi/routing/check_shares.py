"""Checks that shares, cells, layers and canary steps add up."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from nlapi.issue import Issue
from nlapi.routing.nouns import BUCKETS, Canary, Configuration, Experiment, Rule, Share
from nlapi.routing.split import Ranges, size
from nlapi.routing.verdict import salt
from nlapi.routing.words import percent

# Deviation from 100 % that is accepted, so that three times 33.33 % is a whole.
SLACK = 0.05


def check_shares(configuration: Configuration) -> Iterator[Issue]:
    """Yield faults of rules bad-percent, no-shares, duplicate-share, shares-over-100, shares-under-100, layer-over-100,
    layer-units, salt-in-use, bad-salt, bad-buckets, bad-guard, bad-number and same-version.
    """
    for rule in configuration.rules.values():
        yield from _rule(rule)
    for experiment in configuration.experiments.values():
        yield from _experiment(experiment)
    yield from _layers(configuration)
    yield from _salts(configuration)
    for canary in configuration.canaries.values():
        yield from _canary(canary)
    for shadow in configuration.shadows.values():
        yield from _percent(f"shadows.{shadow.name}.percent", shadow.percent)


def _rule(rule: Rule) -> Iterator[Issue]:
    where = f"rules.{rule.name}.shares"
    yield from _shares(where, rule.shares)
    total = math.fsum(share.percent for share in rule.shares)
    if rule.shares and total < 100 - SLACK:
        message = f"the shares of rule {rule.name!r} are {percent(total)} together"
        yield Issue.error(where, message, "they must be 100 % together", "shares-under-100")


def _shares(where: str, shares: Sequence[Share]) -> Iterator[Issue]:
    if not shares:
        yield Issue.error(where, "there are no shares", "name at least one version", "no-shares")
    if len(shares) > 1:
        yield from _duplicates(where, shares)
    for share in shares:
        yield from _percent(f"{where}.{share.name or share.version}.percent", share.percent)
    total = math.fsum(share.percent for share in shares)
    if total > 100 + SLACK:
        yield Issue.error(
            where, f"the shares are {percent(total)} together", "make them 100 % at most", "shares-over-100"
        )
    yield from _buckets(where, [share.buckets for share in shares])


def _buckets(where: str, parts: Sequence[Ranges]) -> Iterator[Issue]:
    """Yield faults of ranges that the author of a configuration wrote: they must not overlap."""
    hint = "leave the buckets out: they are allotted"
    end = 0
    for start, stop in sorted(held for ranges in parts for held in ranges):
        if not 0 <= start < stop <= BUCKETS:
            yield Issue.error(where, f"[{start}, {stop}) is no range of buckets", hint, "bad-buckets")
        elif start < end:
            yield Issue.error(where, f"bucket {start} is held twice", hint, "bad-buckets")
        end = max(end, stop)


def _duplicates(where: str, shares: Sequence[Share]) -> Iterator[Issue]:
    seen: set[str] = set()
    for share in shares:
        name = share.name or str(share.version)
        if name in seen:
            yield Issue.error(where, f"{name!r} is there twice", "put both into one share", "duplicate-share")
        seen.add(name)


def _percent(where: str, value: float) -> Iterator[Issue]:
    if not 0 <= value <= 100:
        yield Issue.error(where, f"{value:g} is not a percentage", "write a number from 0 to 100", "bad-percent")
    elif value and not size(value):
        yield Issue.error(where, f"{value:g} % is too small", "the smallest share is 0.01 %", "bad-percent")


def _experiment(experiment: Experiment) -> Iterator[Issue]:
    where = f"experiments.{experiment.name}"
    yield from _shares(f"{where}.cells", experiment.cells)
    if experiment.layer:
        yield from _percent(f"{where}.percent", experiment.percent)


def _layers(configuration: Configuration) -> Iterator[Issue]:
    inside: dict[str, list[Experiment]] = {}
    for experiment in configuration.experiments.values():
        if experiment.layer:
            inside.setdefault(experiment.layer, []).append(experiment)
    for layer, experiments in inside.items():
        yield from _buckets(f"layers.{layer}", [one.buckets for one in experiments])
        yield from _units(layer, experiments)
        percents = [one.percent for one in experiments]
        if math.fsum(percents) > 100 + SLACK:
            message = f"the experiments of layer {layer!r} take {percent(math.fsum(percents))} together"
            hint = "make them 100 % at most, or remove one that has ended"
            yield Issue.error(f"layers.{layer}", message, hint, "layer-over-100")


def _units(layer: str, experiments: Sequence[Experiment]) -> Iterator[Issue]:
    """Yield a fault when experiments of one layer split by different units: one request could then be in two."""
    first = experiments[0]
    for one in experiments[1:]:
        if one.unit != first.unit:
            message = f"in layer {layer!r}, {first.name!r} goes by {first.unit} and {one.name!r} by {one.unit}"
            hint = "the experiments of a layer have one unit: put one of them in another layer"
            yield Issue.error(f"experiments.{one.name}.unit", message, hint, "layer-units")


def _salts(configuration: Configuration) -> Iterator[Issue]:
    """Yield a fault for a salt that is used twice: both splits would then choose the same units."""
    used = dict.fromkeys(configuration.layers, "layer")
    for experiment in configuration.experiments.values():
        if "/" in experiment.salt:  # the salts of rules and canaries have one, see `decisions`
            where, message = f"experiments.{experiment.name}.salt", f"the salt {experiment.salt!r} holds a '/'"
            yield Issue.error(where, message, "leave it out, or take another text", "bad-salt")
        other = used.get(salt(experiment))
        if other:
            named = f" {salt(experiment)!r}" if other == "layer" else ""
            message = f"the salt {salt(experiment)!r} is also that of {other}{named}"
            hint = "give it another: with one salt their cells would go together"
            yield Issue.error(f"experiments.{experiment.name}.salt", message, hint, "salt-in-use")
        else:
            used[salt(experiment)] = f"experiment {experiment.name!r}"


def _canary(canary: Canary) -> Iterator[Issue]:
    where = f"canaries.{canary.name}"
    yield from _percent(f"{where}.percent", canary.percent)
    for number, step in enumerate(canary.steps):
        yield from _percent(f"{where}.steps[{number}].percent", step.percent)
        if not 0 <= step.bake_s < math.inf:
            hint = "write seconds, 0 or more"
            yield Issue.error(f"{where}.steps[{number}].bake_s", f"{step.bake_s} is no time", hint, "bad-number")
    for number, guard in enumerate(canary.guards):
        # A guard without a bound would look like protection and never fire.
        if all(bound is None for bound in (guard.limit, guard.ratio, guard.floor, guard.floor_ratio)):
            message = f"the guard on {guard.metric!r} has no limit, ratio, floor or floor ratio"
            yield Issue.error(f"{where}.guards[{number}]", message, "give one of them", "bad-guard")
    if canary.base == canary.version:
        message = f"{canary.version} is both its base and its version"
        yield Issue.error(f"{where}.base", message, "name the version that it takes from, or none", "same-version")
