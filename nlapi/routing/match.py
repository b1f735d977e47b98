"""Tests a Match against a context, and two Matches against each other."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, TypeAlias

from nlapi.routing.nouns import Context, Match, Range, Scalar

Domains: TypeAlias = Mapping[str, Collection[Scalar]]
"""Field -> its only possible values, for the fields that declare them."""


def fits(match: Match, context: Context) -> bool:
    """Return whether the context matches.

    A field that is absent or null equals no value of `when` or `unless` and lies in no range.
    """
    return all(holds(match, name, context.get(name)) for name in fields(match))


def fields(match: Match) -> Iterable[str]:
    """Return the fields with a condition in the match, each once."""
    # Most rules have `when` only; this runs for every match of a configuration.
    if not match.unless and not match.between:
        return match.when
    return dict.fromkeys((*match.when, *match.unless, *match.between))


def holds(match: Match, name: str, value: Any) -> bool:
    """Return whether the match allows this value of this field; None means absent."""
    wanted = match.when.get(name)
    if wanted is not None and (value is None or value not in wanted):
        return False
    if value in match.unless.get(name, ()):
        return False
    between = match.between.get(name)
    return between is None or within(between, value)


def within(between: Range, value: Any) -> bool:
    """Return whether the value is a number in the range."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return (between.least is None or between.least <= value) and (between.below is None or value < between.below)


def intersect(one: Match, other: Match, domains: Domains) -> bool:
    """Return whether a context may match both. Fields are treated as independent of each other."""
    shared = set(fields(one)) & set(fields(other))
    return all(_meet(one, other, name, domains.get(name)) for name in shared)


def _meet(one: Match, other: Match, name: str, domain: Collection[Scalar] | None) -> bool:
    values = _values(one, name, domain)
    if values is None:
        values = _values(other, name, domain)
    if values is not None:
        return any(holds(one, name, value) and holds(other, name, value) for value in values)
    first, second = one.between.get(name), other.between.get(name)
    return first is None or second is None or _cross(first, second)


def _cross(first: Range, second: Range) -> bool:
    least = max((one.least for one in (first, second) if one.least is not None), default=float("-inf"))
    below = min((one.below for one in (first, second) if one.below is not None), default=float("inf"))
    return least < below


def covers(wide: Match, narrow: Match, domains: Domains) -> bool:
    """Return whether every context that matches `narrow` certainly matches `wide`."""
    return all(_within_field(wide, narrow, name, domains.get(name)) for name in fields(wide))


def _within_field(wide: Match, narrow: Match, name: str, domain: Collection[Scalar] | None) -> bool:
    values = _values(narrow, name, domain)
    if values is not None:
        return all(holds(wide, name, value) for value in values if holds(narrow, name, value))
    # An open field of `narrow` can have values outside any list.
    if name in wide.when:
        return False
    if any(holds(narrow, name, value) for value in wide.unless.get(name, ())):
        return False
    outer, inner = wide.between.get(name), narrow.between.get(name)
    if outer is None:
        return True
    return inner is not None and _inside(inner, outer)


def _inside(inner: Range, outer: Range) -> bool:
    low = outer.least is None or (inner.least is not None and inner.least >= outer.least)
    high = outer.below is None or (inner.below is not None and inner.below <= outer.below)
    return low and high


def _values(match: Match, name: str, domain: Collection[Scalar] | None) -> Collection[Scalar | None] | None:
    """Return the values that can match, perhaps with some that do not; None when they cannot be listed."""
    if name in match.when:
        return match.when[name]
    # None stands for the absent field, which is possible in every domain.
    return None if domain is None else (*domain, None)
