"""Checks the single values of a configuration: the form of names, plain numbers, and shares that have to add up."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from nlapi.issue import Issue
from nlapi.routing import describe
from nlapi.routing.change import ENTITY_KINDS, Entity, entity_key
from nlapi.routing.check_references import has_type
from nlapi.routing.check_sections import CheckScope, EntitySection, Section, WholeSection
from nlapi.routing.decisions import experiment_salt
from nlapi.routing.describe import format_percent
from nlapi.routing.model import (
    BUCKETS,
    CLIENT_NAME_FIELD,
    CONTENT_PROTOCOLS,
    Canary,
    Client,
    Configuration,
    Experiment,
    Field,
    Objective,
    Rule,
    Shadow,
    Shard,
    ShardProtocol,
    Share,
)
from nlapi.routing.split import Ranges, bucket_count

NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]*", re.ASCII)
# Names exclude "/" and "@", which salts (`decisions`) and version refs (`ranker@v8`) use as separators.
FIELD_NAME_PATTERN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*", re.ASCII)
# Characters of a name, as the gateway's description allows.
MAX_NAME_CHARACTERS = 64

# Deviation from 100 % that is accepted, so that three times 33.33 % is a whole.
PERCENT_TOLERANCE = 0.05


def name_sections() -> Iterator[Section]:
    """Yield the checks for faults of rules bad-name, wrong-key, duplicate-field, reserved-field, wrong-type,
    no-endpoints, bad-endpoint and bad-number.
    """
    for kind in ENTITY_KINDS.values():
        yield EntitySection(kind, partial(_check_key, kind))
    yield EntitySection("objectives", _check_objective)
    yield EntitySection("shards", _check_shard)
    yield EntitySection("clients", _check_client)


def _check_key(kind: str, scope: CheckScope, key: object, entity: Entity) -> Iterator[Issue]:
    yield from _check_name(f"{kind}.{key}", entity.name)
    if key != entity_key(entity):
        message = f"it is kept under {str(key)!r} and calls itself {str(entity_key(entity))!r}"
        yield Issue.error(f"{kind}.{key}", message, "give both the same name", "wrong-key")


def _check_name(location: str, name: str, name_pattern: re.Pattern[str] = NAME_PATTERN) -> Iterator[Issue]:
    if not name_pattern.fullmatch(name) or len(name) > MAX_NAME_CHARACTERS:
        message = f"{name[:MAX_NAME_CHARACTERS]!r} is not a name"
        hint = f"use letters, digits, '-', '_' and '.', at most {MAX_NAME_CHARACTERS}, such as 'tv-brazil'"
        yield Issue.error(location, message, hint, "bad-name")


def _check_objective(scope: CheckScope, key: object, objective: Objective) -> Iterator[Issue]:
    location = f"objectives.{objective.name}"
    field_names: set[str] = set()
    for field in objective.context:
        yield from _check_field(f"{location}.context.{field.name}", field, field_names)
        field_names.add(field.name)
    yield from _check_number(f"{location}.timeout_ms", objective.timeout_ms, least=1)


def _check_field(location: str, field: Field, field_names: set[str]) -> Iterator[Issue]:
    yield from _check_name(location, field.name, FIELD_NAME_PATTERN)
    if field.name in field_names:
        yield Issue.error(location, f"the field {field.name!r} is declared twice", "remove one", "duplicate-field")
    if field.name == CLIENT_NAME_FIELD:
        hint = "every context has it, it is the client that asks: do not declare it"
        yield Issue.error(location, "the field 'client' is reserved", hint, "reserved-field")
    for value in field.values:
        if not has_type(field.type, value):
            message = f"{describe.format_value(value)} is not of the field's type, {field.type}"
            yield Issue.error(f"{location}.values", message, "change the type or the value", "wrong-type")


def _check_shard(scope: CheckScope, key: object, shard: Shard) -> Iterator[Issue]:
    location = f"shards.{shard.name}.endpoints"
    if shard.protocol is ShardProtocol.HOST and shard.endpoints:
        message = f"shard {shard.name!r} has endpoints, and its hosts register themselves"
        yield Issue.error(location, message, "leave them out", "host-endpoints")
    elif shard.protocol not in CONTENT_PROTOCOLS and not shard.endpoints:
        message = f"shard {shard.name!r} speaks {shard.protocol} and has no endpoints"
        yield Issue.error(location, message, "give the address of at least one replica", "no-endpoints")
    for endpoint in shard.endpoints:
        if not re.match(r"(https?|grpcs?)://[^/\s]", endpoint):
            message = f"{endpoint!r} is not an address"
            yield Issue.error(location, message, "write it as http://host:port", "bad-endpoint")
    for name in ("concurrency", "objective_percent", "client_percent", "max_answer_mb"):
        yield from _check_number(f"shards.{shard.name}.{name}", getattr(shard, name), least=1)


def _check_client(scope: CheckScope, key: object, client: Client) -> Iterator[Issue]:
    budgets = ("tokens_per_minute", "tokens_per_day", "dollars_per_minute", "dollars_per_day")
    for name in ("rate", "burst", "concurrency", *budgets):
        yield from _check_number(f"clients.{client.name}.{name}", getattr(client, name), least=0)


def _check_number(location: str, value: Any, *, least: float) -> Iterator[Issue]:
    if not math.isfinite(value) or value < least:
        yield Issue.error(location, f"{value} is too small", f"at least {least:g}", "bad-number")


def share_sections() -> Iterator[Section]:
    """Yield the checks for faults of rules bad-percent, no-shares, duplicate-share, shares-over-100, shares-under-100,
    layer-over-100, layer-units, salt-in-use, bad-salt, bad-buckets, bad-guard, bad-number and same-version.
    """
    yield EntitySection("rules", _check_rule)
    yield EntitySection("experiments", _check_experiment)
    yield WholeSection(("experiments",), _check_layers)
    yield WholeSection(("experiments", "layers"), _check_salts)
    yield EntitySection("canaries", _check_canary)
    yield EntitySection("shadows", _check_shadow)


def _check_shadow(scope: CheckScope, key: object, shadow: Shadow) -> Iterator[Issue]:
    yield from _check_percent(f"shadows.{shadow.name}.percent", shadow.percent)


def _check_rule(scope: CheckScope, key: object, rule: Rule) -> Iterator[Issue]:
    location = f"rules.{rule.name}.shares"
    yield from _check_share_list(location, rule.shares)
    total = math.fsum(share.percent for share in rule.shares)
    if rule.shares and total < 100 - PERCENT_TOLERANCE:
        message = f"the shares of rule {rule.name!r} are {format_percent(total)} together"
        yield Issue.error(location, message, "they must be 100 % together", "shares-under-100")


def _check_share_list(location: str, shares: Sequence[Share]) -> Iterator[Issue]:
    if not shares:
        yield Issue.error(location, "there are no shares", "name at least one version", "no-shares")
    if len(shares) > 1:
        yield from _check_duplicates(location, shares)
    for share in shares:
        yield from _check_percent(f"{location}.{share.name or share.version}.percent", share.percent)
    total = math.fsum(share.percent for share in shares)
    if total > 100 + PERCENT_TOLERANCE:
        yield Issue.error(
            location, f"the shares are {format_percent(total)} together", "make them 100 % at most", "shares-over-100"
        )
    yield from _check_buckets(location, [share.buckets for share in shares])


def _check_buckets(location: str, parts: Sequence[Ranges]) -> Iterator[Issue]:
    """Yield faults of ranges that the author of a configuration wrote: they must not overlap."""
    hint = "leave the buckets out: they are allotted"
    end = 0
    for start, stop in sorted(bounds for ranges in parts for bounds in ranges):
        if not 0 <= start < stop <= BUCKETS:
            yield Issue.error(location, f"[{start}, {stop}) is no range of buckets", hint, "bad-buckets")
        elif start < end:
            yield Issue.error(location, f"bucket {start} is held twice", hint, "bad-buckets")
        end = max(end, stop)


def _check_duplicates(location: str, shares: Sequence[Share]) -> Iterator[Issue]:
    names: set[str] = set()
    for share in shares:
        name = share.name or str(share.version)
        if name in names:
            yield Issue.error(location, f"{name!r} is there twice", "put both into one share", "duplicate-share")
        names.add(name)


def _check_percent(location: str, value: float) -> Iterator[Issue]:
    if not 0 <= value <= 100:
        yield Issue.error(location, f"{value:g} is not a percentage", "write a number from 0 to 100", "bad-percent")
    elif value and not bucket_count(value):
        yield Issue.error(location, f"{value:g} % is too small", "the smallest share is 0.01 %", "bad-percent")


def _check_experiment(scope: CheckScope, key: object, experiment: Experiment) -> Iterator[Issue]:
    location = f"experiments.{experiment.name}"
    yield from _check_share_list(f"{location}.cells", experiment.cells)
    if experiment.layer:
        yield from _check_percent(f"{location}.percent", experiment.percent)


def _check_layers(configuration: Configuration) -> Iterator[Issue]:
    by_layer: dict[str, list[Experiment]] = {}
    for experiment in configuration.experiments.values():
        if experiment.layer:
            by_layer.setdefault(experiment.layer, []).append(experiment)
    for layer, experiments in by_layer.items():
        yield from _check_buckets(f"layers.{layer}", [member.buckets for member in experiments])
        yield from _check_units(layer, experiments)
        percents = [member.percent for member in experiments]
        if math.fsum(percents) > 100 + PERCENT_TOLERANCE:
            message = f"the experiments of layer {layer!r} take {format_percent(math.fsum(percents))} together"
            hint = "make them 100 % at most, or remove one that has ended"
            yield Issue.error(f"layers.{layer}", message, hint, "layer-over-100")


def _check_units(layer: str, experiments: Sequence[Experiment]) -> Iterator[Issue]:
    """Yield a fault when experiments of one layer split by different units: one request could then be in two."""
    first = experiments[0]
    for experiment in experiments[1:]:
        if experiment.unit != first.unit:
            message = (
                f"in layer {layer!r}, {first.name!r} goes by {first.unit} and {experiment.name!r} by {experiment.unit}"
            )
            hint = "the experiments of a layer have one unit: put one of them in another layer"
            yield Issue.error(f"experiments.{experiment.name}.unit", message, hint, "layer-units")


def _check_salts(configuration: Configuration) -> Iterator[Issue]:
    """Yield a fault for a salt that is used twice: both splits would then choose the same units."""
    owners = dict.fromkeys(configuration.layers, "layer")
    for experiment in configuration.experiments.values():
        if "/" in experiment.salt:  # the salts of rules and canaries have one, see `decisions`
            location, message = f"experiments.{experiment.name}.salt", f"the salt {experiment.salt!r} holds a '/'"
            yield Issue.error(location, message, "leave it out, or take another text", "bad-salt")
        owner = owners.get(experiment_salt(experiment))
        if owner:
            salt_text = f" {experiment_salt(experiment)!r}" if owner == "layer" else ""
            message = f"the salt {experiment_salt(experiment)!r} is also that of {owner}{salt_text}"
            hint = "give it another: with one salt their cells would go together"
            yield Issue.error(f"experiments.{experiment.name}.salt", message, hint, "salt-in-use")
        else:
            owners[experiment_salt(experiment)] = f"experiment {experiment.name!r}"


def _check_canary(scope: CheckScope, key: object, canary: Canary) -> Iterator[Issue]:
    location = f"canaries.{canary.name}"
    yield from _check_percent(f"{location}.percent", canary.percent)
    for number, step in enumerate(canary.steps):
        yield from _check_percent(f"{location}.steps[{number}].percent", step.percent)
        if not 0 <= step.bake_s < math.inf:
            hint = "write seconds, 0 or more"
            yield Issue.error(f"{location}.steps[{number}].bake_s", f"{step.bake_s} is no time", hint, "bad-number")
    for number, guard in enumerate(canary.guards):
        # A guard without a bound would look like protection and never fire.
        if all(bound is None for bound in (guard.limit, guard.ratio, guard.floor, guard.floor_ratio)):
            message = f"the guard on {guard.metric!r} has no limit, ratio, floor or floor ratio"
            yield Issue.error(f"{location}.guards[{number}]", message, "give one of them", "bad-guard")
    if canary.base == canary.version:
        message = f"{canary.version} is both its base and its version"
        yield Issue.error(
            f"{location}.base_version", message, "name the version that it takes from, or none", "same-version"
        )
