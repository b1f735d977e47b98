"""Checks for conflicts between experiments, canaries, overrides and positions, and for unreachable rules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from nlapi.issue import Issue, Level
from nlapi.routing import words
from nlapi.routing.covering import Covering
from nlapi.routing.match import Domains, intersect
from nlapi.routing.nouns import CanaryState, Configuration, FieldType, Objective, Rule
from nlapi.routing.order import Nouns, by_objective


def check_overlaps(configuration: Configuration) -> Iterator[Issue]:
    """Yield faults of rules duplicate-override, overlapping-experiments, overlapping-canaries, duplicate-position and
    unreachable-rule.
    """
    for name, nouns in by_objective(configuration).items():
        domains = _domains(configuration.objectives[name])
        yield from _overrides(nouns)
        yield from _experiments(nouns, domains)
        yield from _canaries(nouns, domains)
        yield from _rules(nouns.rules, domains)


def _domains(objective: Objective) -> Domains:
    domains: dict[str, tuple[str | int | float | bool, ...]] = {}
    for field in objective.context:
        if field.values:
            domains[field.name] = field.values
        elif field.type is FieldType.BOOLEAN:
            domains[field.name] = (True, False)
    return domains


def _overrides(nouns: Nouns) -> Iterator[Issue]:
    first: dict[tuple[str, object], str] = {}
    for override in nouns.overrides:
        name = first.setdefault((override.field, override.value), override.name)
        if name != override.name:
            message = f"overrides {name!r} and {override.name!r} are both of {override.field} {override.value}"
            yield Issue.error(f"overrides.{override.name}", message, "remove one of them", "duplicate-override")


def _experiments(nouns: Nouns, domains: Domains) -> Iterator[Issue]:
    for one, other in combinations(nouns.experiments, 2):
        # Experiments of one layer hold different buckets of it, so they never share a unit.
        apart = one.layer and one.layer == other.layer
        if not apart and intersect(one.match, other.match, domains):
            message = f"experiments {one.name!r} and {other.name!r} both give cells to the same requests"
            hint = "put both in one layer, or narrow what one of them matches"
            yield Issue.error(f"experiments.{other.name}", message, hint, "overlapping-experiments")


def _canaries(nouns: Nouns, domains: Domains) -> Iterator[Issue]:
    # A canary that is done keeps its share as a new base, which a later canary may build on.
    moving = [canary for canary in nouns.canaries if canary.state is not CanaryState.DONE]
    for one, other in combinations(moving, 2):
        if (one.base == other.base or None in (one.base, other.base)) and intersect(one.match, other.match, domains):
            message = f"canaries {one.name!r} and {other.name!r} both move the same requests"
            hint = "finish or roll back the one before the other starts, or narrow what it matches"
            yield Issue.error(f"canaries.{other.name}", message, hint, "overlapping-canaries")


def _rules(rules: Sequence[Rule], domains: Domains) -> Iterator[Issue]:
    covering = Covering([rule.match for rule in rules], domains)
    for number, rule in enumerate(rules):
        earlier = covering.first(number)
        if earlier is not None:
            wide = rules[earlier]
            message = f"rule {rule.name!r} is never reached: rule {wide.name!r} before it matches all that it does"
            hint = f"move it before position {wide.position}, or remove it ({words.conditions(wide.match)})"
            yield Issue.error(f"rules.{rule.name}", message, hint, "unreachable-rule")
        elif number and rules[number - 1].position == rule.position:
            yield from _position(rules[number - 1], rule, domains)


def _position(before: Rule, rule: Rule, domains: Domains) -> Iterator[Issue]:
    """Yield an ERROR when two rules of one position overlap, as their names would decide; else a warning."""
    matters = intersect(before.match, rule.match, domains)
    yield Issue(
        level=Level.ERROR if matters else Level.WARNING,
        where=f"rules.{rule.name}.position",
        message=f"rules {before.name!r} and {rule.name!r} have the same position, {rule.position}",
        hint="give each its own: the first match by position wins",
        rule="duplicate-position",
    )
