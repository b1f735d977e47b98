"""Checks the entities of one objective against each other: doubled overrides, overlaps, unreachable rules."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations

from nlapi.issue import Issue, Level
from nlapi.routing import describe
from nlapi.routing.check_sections import CheckScope
from nlapi.routing.matching import CoverageIndex, Domains, covers, intersect
from nlapi.routing.model import CanaryState, Configuration, FieldType, Match, Objective, ObjectiveParts, Rule

# Changed rules that are compared with all others one by one, 2 to 5 ms each among 10,000; an index of all takes 65 ms
# (docs/design/033-change-at-scale.md).
MAX_COMPARED_RULES = 8


class OverlapSection:
    """The check for faults of rules duplicate-override, overlapping-experiments, overlapping-canaries,
    duplicate-position and unreachable-rule.
    """

    def __init__(self, objectives: Mapping[str, _ObjectiveOverlaps] | None = None) -> None:
        self._objectives = objectives or {}

    def update(self, scope: CheckScope) -> OverlapSection:
        if not scope.changes.objectives:
            return self
        objectives = dict(self._objectives)
        for name in scope.changes.objectives:
            previous = objectives.pop(name, None)
            if name in scope.grouped:
                domains = _domains(scope.configuration.objectives[name])
                changed_rules = scope.changes.of_objective("rules", name)
                objectives[name] = _ObjectiveOverlaps(scope.grouped[name], domains, previous, changed_rules)
        return OverlapSection(objectives)

    def issues(self, configuration: Configuration) -> Iterator[Issue]:
        for name in configuration.objectives:
            yield from self._objectives[name].issues()


class _ObjectiveOverlaps:
    """The results for one objective; those of `previous` are taken over where nothing changed."""

    def __init__(
        self,
        parts: ObjectiveParts,
        domains: Domains,
        previous: _ObjectiveOverlaps | None,
        changed_rules: tuple[list[Rule], list[Rule]],
    ) -> None:
        self._parts = parts
        self._domains: Domains = domains
        if previous is not None and previous._domains != domains:
            previous = None
        # Compared as lists, which compare their entities by identity first.
        self._others: tuple[Issue, ...] = (
            previous._others
            if previous is not None and _has_same_others(previous._parts, parts)
            else (*_check_overrides(parts), *_check_experiments(parts, domains), *_check_canaries(parts, domains))
        )
        previous_order = previous._rules if previous is not None else None
        self._rules: _RuleOrder = _RuleOrder(parts.rules, domains, previous_order, changed_rules)

    def issues(self) -> Iterator[Issue]:
        yield from self._others
        yield from self._rules.issues()


def _has_same_others(first: ObjectiveParts, second: ObjectiveParts) -> bool:
    """Return whether two parts differ at most in rules and shadows."""
    kinds = ("overrides", "experiments", "canaries")
    return all(getattr(first, kind) == getattr(second, kind) for kind in kinds)


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


def _order(rule: Rule) -> tuple[int, str]:
    return rule.position, rule.name


class _RuleOrder:
    """The rules of an objective in their order, and the rule before each that covers it or has its position."""

    def __init__(
        self,
        rules: Sequence[Rule],
        domains: Domains,
        previous: _RuleOrder | None,
        changed: tuple[Sequence[Rule], Sequence[Rule]],
    ) -> None:
        """`changed` are the rules that only `previous` has, and those that only this one has."""
        self._rules = rules
        self._domains = domains
        self._covering: dict[str, Rule] = {}
        """the first rule that covers a rule, by the name of the latter"""
        self._same_position: dict[str, Rule] = {}
        """the rule just before a rule, by the name of the latter, where both have the same position"""
        if previous is None or sum(map(len, changed)) > 2 * MAX_COMPARED_RULES:
            self._check_all()
        else:
            self._covering = dict(previous._covering)
            self._same_position = dict(previous._same_position)
            self._check_changed(previous, *_moved_rules(*changed))

    def _check_all(self) -> None:
        covering = CoverageIndex([rule.match for rule in self._rules], self._domains)
        for number, rule in enumerate(self._rules):
            earlier = covering.first_covering(number)
            if earlier is not None:
                self._covering[rule.name] = self._rules[earlier]
            self._compare_positions(number)

    def _check_changed(self, previous: _RuleOrder, removed: Sequence[Rule], added: Sequence[Rule]) -> None:
        """Check what removed rules, and rules that are new or changed, had to do with the others."""
        removed_names = {rule.name for rule in removed}
        for rule in removed:
            self._covering.pop(rule.name, None)
            self._same_position.pop(rule.name, None)
        # A rule that is no longer covered by what covered it may be covered by a later one.
        names = {name for name, wide in self._covering.items() if wide.name in removed_names}
        uncovered = [rule for rule in self._rules if rule.name in names] if names else []
        for rule in (*added, *uncovered):
            self._covering.pop(rule.name, None)
            wide = next(_covering_rules(self._rules[: self._number(rule)], rule, self._domains), None)
            if wide is not None:
                self._covering[rule.name] = wide
        for wide in added:
            for rule in _covered_rules(self._rules[self._number(wide) + 1 :], wide, self._domains):
                current = self._covering.get(rule.name)
                if current is None or _order(wide) < _order(current):
                    self._covering[rule.name] = wide
        for rule in (*removed, *added):
            for rules in (previous._rules, self._rules):
                # The rule itself and the one after it, which has another one before it now.
                place = bisect_left(rules, _order(rule), key=_order)
                for neighbour in rules[place : place + 2]:
                    number = self._number(neighbour)
                    if number < len(self._rules) and self._rules[number].name == neighbour.name:
                        self._compare_positions(number)

    def _number(self, rule: Rule) -> int:
        """Return the index of a rule, or of the first one after its place."""
        return bisect_left(self._rules, _order(rule), key=_order)

    def _compare_positions(self, number: int) -> None:
        rule = self._rules[number]
        self._same_position.pop(rule.name, None)
        if number and self._rules[number - 1].position == rule.position:
            self._same_position[rule.name] = self._rules[number - 1]

    def issues(self) -> Iterator[Issue]:
        if not self._covering and not self._same_position:
            return
        for rule in self._rules:
            wide, earlier = self._covering.get(rule.name), self._same_position.get(rule.name)
            if wide is not None:
                message = f"rule {rule.name!r} is never reached: rule {wide.name!r} before it matches all that it does"
                matched = describe.format_conditions(wide.match)
                hint = f"move it before position {wide.position}, or remove it ({matched})"
                yield Issue.error(f"rules.{rule.name}", message, hint, "unreachable-rule")
            elif earlier is not None:
                yield _position_issue(earlier, rule, self._domains)


def _moved_rules(removed: Sequence[Rule], added: Sequence[Rule]) -> tuple[list[Rule], list[Rule]]:
    """Return the rules without those that have the same match and position before and after, as with new shares."""
    before = {rule.name: rule for rule in removed}
    same = {
        rule.name
        for rule in added
        if (old := before.get(rule.name)) and old.position == rule.position and old.match == rule.match
    }
    return [rule for rule in removed if rule.name not in same], [rule for rule in added if rule.name not in same]


def _covering_rules(rules: Iterable[Rule], narrow: Rule, domains: Domains) -> Iterator[Rule]:
    """Yield the rules that match whatever `narrow` matches."""
    match = narrow.match
    # Most rules name other values of some field: that is seen without the exact test, which costs ten times as much.
    samples = {name: values[0] for name, values in _plain_values(match)}
    for rule in rules:
        for name, values in rule.match.when.items():
            if name in samples and samples[name] not in values:
                break
        else:
            if covers(rule.match, match, domains):
                yield rule


def _covered_rules(rules: Iterable[Rule], wide: Rule, domains: Domains) -> Iterator[Rule]:
    """Yield the rules that match nothing but what `wide` matches."""
    match = wide.match
    by_width = sorted(match.when.items(), key=lambda entry: len(entry[1]))
    if by_width:
        name, allowed = by_width[0]
        accepted = set(allowed)
        rules = (
            rule
            for rule in rules
            if not (values := rule.match.when.get(name))
            or values[0] in accepted
            or name in rule.match.unless
            or name in rule.match.between
        )
    for rule in rules:
        if covers(match, rule.match, domains):
            yield rule


def _plain_values(match: Match) -> Iterator[tuple[str, Sequence[object]]]:
    """Yield the fields whose listed values are the only condition on them, with the values."""
    for name, values in match.when.items():
        if values and name not in match.unless and name not in match.between:
            yield name, values


def _position_issue(earlier: Rule, rule: Rule, domains: Domains) -> Issue:
    """Return an ERROR when two rules of one position overlap, as their names would decide; else a warning."""
    matters = intersect(earlier.match, rule.match, domains)
    return Issue(
        level=Level.ERROR if matters else Level.WARNING,
        where=f"rules.{rule.name}.position",
        message=f"rules {earlier.name!r} and {rule.name!r} have the same position, {rule.position}",
        hint="give each its own: the first match by position wins",
        rule="duplicate-position",
    )
