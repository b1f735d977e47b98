"""Tests a Match against a context, and two Matches against each other."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, TypeAlias

from nlapi.routing.nouns import Context, Match, Range, Scalar

Domains: TypeAlias = Mapping[str, Collection[Scalar]]
"""Field -> its only possible values, for the fields that declare them."""


def matches_context(match: Match, context: Context) -> bool:
    """Return whether the context matches.

    A field that is absent or null equals no value of `when` or `unless` and lies in no range.
    """
    return all(allows_value(match, name, context.get(name)) for name in match_fields(match))


def match_fields(match: Match) -> Iterable[str]:
    """Return the fields with a condition in the match, each once."""
    # Most rules have `when` only; this runs for every match of a configuration.
    if not match.unless and not match.between:
        return match.when
    return dict.fromkeys((*match.when, *match.unless, *match.between))


def allows_value(match: Match, name: str, value: Any) -> bool:
    """Return whether the match allows this value of this field; None means absent."""
    allowed = match.when.get(name)
    if allowed is not None and (value is None or value not in allowed):
        return False
    if value in match.unless.get(name, ()):
        return False
    between = match.between.get(name)
    return between is None or is_in_range(between, value)


def is_in_range(between: Range, value: Any) -> bool:
    """Return whether the value is a number in the range."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return (between.least is None or between.least <= value) and (between.below is None or value < between.below)


def intersect(left: Match, right: Match, domains: Domains) -> bool:
    """Return whether a context may match both. Fields are treated as independent of each other."""
    shared = set(match_fields(left)) & set(match_fields(right))
    return all(_fields_intersect(left, right, name, domains.get(name)) for name in shared)


def _fields_intersect(left: Match, right: Match, name: str, domain: Collection[Scalar] | None) -> bool:
    values = _possible_values(left, name, domain)
    if values is None:
        values = _possible_values(right, name, domain)
    if values is not None:
        return any(allows_value(left, name, value) and allows_value(right, name, value) for value in values)
    first, second = left.between.get(name), right.between.get(name)
    return first is None or second is None or _ranges_intersect(first, second)


def _ranges_intersect(first: Range, second: Range) -> bool:
    least = max((bounds.least for bounds in (first, second) if bounds.least is not None), default=float("-inf"))
    below = min((bounds.below for bounds in (first, second) if bounds.below is not None), default=float("inf"))
    return least < below


def covers(wide: Match, narrow: Match, domains: Domains) -> bool:
    """Return whether every context that matches `narrow` certainly matches `wide`."""
    return all(_covers_field(wide, narrow, name, domains.get(name)) for name in match_fields(wide))


def _covers_field(wide: Match, narrow: Match, name: str, domain: Collection[Scalar] | None) -> bool:
    values = _possible_values(narrow, name, domain)
    if values is not None:
        return all(allows_value(wide, name, value) for value in values if allows_value(narrow, name, value))
    # An open field of `narrow` can have values outside any list.
    if name in wide.when:
        return False
    if any(allows_value(narrow, name, value) for value in wide.unless.get(name, ())):
        return False
    outer, inner = wide.between.get(name), narrow.between.get(name)
    if outer is None:
        return True
    return inner is not None and _range_covers(inner, outer)


def _range_covers(inner: Range, outer: Range) -> bool:
    low = outer.least is None or (inner.least is not None and inner.least >= outer.least)
    high = outer.below is None or (inner.below is not None and inner.below <= outer.below)
    return low and high


def _possible_values(match: Match, name: str, domain: Collection[Scalar] | None) -> Collection[Scalar | None] | None:
    """Return the values that can match, perhaps with some that do not; None when they cannot be listed."""
    if name in match.when:
        return match.when[name]
    # None stands for the absent field, which is possible in every domain.
    return None if domain is None else (*domain, None)
