"""Checks whether a whole configuration may become current, and reports every fault and conflict in it as an Issue."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from nlapi.issue import Issue, Level
from nlapi.routing import describe
from nlapi.routing.check_references import check_references
from nlapi.routing.check_schemas import check_schemas
from nlapi.routing.check_values import check_names, check_shares
from nlapi.routing.matching import CoverageIndex, Domains, intersect
from nlapi.routing.model import (
    CanaryState,
    Configuration,
    FieldType,
    Objective,
    ObjectiveParts,
    Rule,
    group_by_objective,
)


def _check_overlaps(configuration: Configuration) -> Iterator[Issue]:
    """Yield faults of rules duplicate-override, overlapping-experiments, overlapping-canaries, duplicate-position and
    unreachable-rule.
    """
    for name, parts in group_by_objective(configuration).items():
        domains = _domains(configuration.objectives[name])
        yield from _check_overrides(parts)
        yield from _check_experiments(parts, domains)
        yield from _check_canaries(parts, domains)
        yield from _check_rules(parts.rules, domains)


def _domains(objective: Objective) -> Domains:
    domains: dict[str, tuple[str | int | float | bool, ...]] = {}
    for field in objective.context:
        if field.values:
            domains[field.name] = field.values
        elif field.type is FieldType.BOOLEAN:
            domains[field.name] = (True, False)
    return domains


def _check_overrides(parts: ObjectiveParts) -> Iterator[Issue]:
    names: dict[tuple[str, object], str] = {}
    for override in parts.overrides:
        name = names.setdefault((override.field, override.value), override.name)
        if name != override.name:
            message = f"overrides {name!r} and {override.name!r} are both of {override.field} {override.value}"
            yield Issue.error(f"overrides.{override.name}", message, "remove one of them", "duplicate-override")


def _check_experiments(parts: ObjectiveParts, domains: Domains) -> Iterator[Issue]:
    for first, second in combinations(parts.experiments, 2):
        # Experiments of one layer hold different buckets of it, so they never share a unit.
        apart = first.layer and first.layer == second.layer
        if not apart and intersect(first.match, second.match, domains):
            message = f"experiments {first.name!r} and {second.name!r} both give cells to the same requests"
            hint = "put both in one layer, or narrow what one of them matches"
            yield Issue.error(f"experiments.{second.name}", message, hint, "overlapping-experiments")


def _check_canaries(parts: ObjectiveParts, domains: Domains) -> Iterator[Issue]:
    # A canary that is done keeps its share as a new base, which a later canary may build on.
    moving = [canary for canary in parts.canaries if canary.state is not CanaryState.DONE]
    for first, second in combinations(moving, 2):
        if (first.base == second.base or None in (first.base, second.base)) and intersect(
            first.match, second.match, domains
        ):
            message = f"canaries {first.name!r} and {second.name!r} both move the same requests"
            hint = "finish or roll back the one before the other starts, or narrow what it matches"
            yield Issue.error(f"canaries.{second.name}", message, hint, "overlapping-canaries")


def _check_rules(rules: Sequence[Rule], domains: Domains) -> Iterator[Issue]:
    covering = CoverageIndex([rule.match for rule in rules], domains)
    for number, rule in enumerate(rules):
        earlier = covering.first_covering(number)
        if earlier is not None:
            wide = rules[earlier]
            message = f"rule {rule.name!r} is never reached: rule {wide.name!r} before it matches all that it does"
            hint = f"move it before position {wide.position}, or remove it ({describe.format_conditions(wide.match)})"
            yield Issue.error(f"rules.{rule.name}", message, hint, "unreachable-rule")
        elif number and rules[number - 1].position == rule.position:
            yield from _position_issue(rules[number - 1], rule, domains)


def _position_issue(earlier: Rule, rule: Rule, domains: Domains) -> Iterator[Issue]:
    """Yield an ERROR when two rules of one position overlap, as their names would decide; else a warning."""
    matters = intersect(earlier.match, rule.match, domains)
    yield Issue(
        level=Level.ERROR if matters else Level.WARNING,
        where=f"rules.{rule.name}.position",
        message=f"rules {earlier.name!r} and {rule.name!r} have the same position, {rule.position}",
        hint="give each its own: the first match by position wins",
        rule="duplicate-position",
    )


def check(configuration: Configuration) -> list[Issue]:
    """Return every fault, in the order of the configuration. An ERROR refuses publication; `Issue.rule` names its kind.

    `where` is a path such as "rules.tv-brazil.match.when.country".
    """
    return list(_issues(configuration))


def _issues(configuration: Configuration) -> Iterator[Issue]:
    # From forms to meaning: a wrong name is reported before what follows from it.
    yield from check_names(configuration)
    yield from check_references(configuration)
    yield from check_shares(configuration)
    yield from _check_overlaps(configuration)
    yield from check_schemas(configuration)
