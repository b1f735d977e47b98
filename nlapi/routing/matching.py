"""Compares Matches, with a context and with each other, and indexes many of them by bit masks."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from nlapi.routing.model import Context, Match, Range, Scalar

Domains: TypeAlias = Mapping[str, Collection[Scalar]]
"""Field -> its only possible values, for the fields that declare them."""

# Up to this many bits are set by shifting; for more, one bytearray avoids a new large int for each bit.
MAX_SHIFTED_BITS = 8


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
    return between is None or _is_in_range(between, value)


def _is_in_range(between: Range, value: Any) -> bool:
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


class FieldIndex:
    """The index of one field over all matches of an objective.

    Values that all matches treat alike share one code, and so do all values that no match names. Codes are multiples of
    `radix`, from 0, so that the codes of several fields add up to one key.
    """

    __slots__ = (
        "_bits",
        "_codes",
        "_examples",
        "_masks",
        "_neutral",
        "_spans",
        "_unless",
        "_when",
        "constrained",
        "cuts",
        "name",
    )

    def __init__(self, name: str, matches: Sequence[tuple[int, Match]], count: int) -> None:
        """Index the matches with a condition on the field, each given with its bit, out of `count` bits."""
        when_bits: dict[Any, list[int]] = {}
        unless_bits: dict[Any, list[int]] = {}
        for bit, match in matches:
            for value in match.when.get(name, ()):
                when_bits.setdefault(value, []).append(bit)
            for value in match.unless.get(name, ()):
                unless_bits.setdefault(value, []).append(bit)
        self.name = name
        self._when, self._unless, self._bits = when_bits, unless_bits, count
        self._neutral = ((1 << count) - 1) ^ _bit_mask((bit for bit, match in matches if name in match.when), count)
        # Masks are made on demand: with 10,000 rules most values are never asked for.
        self._masks: dict[int, int] = {}
        self._examples: dict[int, Any] = {}
        ranges = [(bit, match.between[name]) for bit, match in matches if name in match.between]
        self.cuts, self._spans = _interval_masks(ranges, count) if ranges else ([], [])
        # The bounds of all ranges; the mask of each interval between them, and last that of values without a number.
        self._codes = self._classify_values()

    def _classify_values(self) -> dict[Any, int]:
        """Return each named value with the number of its class, from 1."""
        classes: dict[Any, int] = {}
        classified = {}
        for value in {**self._when, **self._unless}:
            signature = (tuple(self._when.get(value, ())), tuple(self._unless.get(value, ())), self._interval(value))
            classified[value] = classes.setdefault(signature, len(classes) + 1)
            self._examples.setdefault(classified[value], value)
        return classified

    def possible_matches(self, value: Any) -> int:
        """Return the mask of matches that this value leaves possible; None means that the field is absent."""
        code = self._codes.get(value)
        if code is None:
            return self.unlisted_mask(self._interval(value))
        mask = self._masks.get(code)
        if mask is None:
            mask = self._masks[code] = self._class_mask(self._examples[code])
        return mask

    def _class_mask(self, value: Any) -> int:
        mask = self._neutral | _bit_mask(self._when.get(value, ()), self._bits)
        if self._spans:
            mask &= self._spans[self._interval(value)]
        return mask & ~_bit_mask(self._unless.get(value, ()), self._bits)

    def unlisted_mask(self, span: int) -> int:
        """Return the mask of matches that a value which no match names leaves possible, by its interval."""
        return self._neutral & self._spans[span] if self._spans else self._neutral

    def _interval(self, value: Any) -> int:
        """Return the index of the interval of a value; -1 for a value that is no number."""
        kind = type(value)
        return bisect_right(self.cuts, value) if kind is int or kind is float else -1

    def coder(self, radix: int) -> tuple[Callable[[Any, int], int], int]:
        """Return a function from (value, 0) to its code, and the radix for the next field."""
        codes = {value: code * radix for value, code in self._codes.items()}
        width = max(self._codes.values(), default=0) + 1
        if not self._spans:
            # The bare `dict.get` is the fastest coder there is: no Python frame at all.
            return codes.get, radix * width
        code_of, cuts = codes.get, self.cuts

        def code(value: Any, default: int) -> int:
            known_code = code_of(value)
            if known_code is not None:
                return known_code
            kind = type(value)
            return (bisect_right(cuts, value) + width) * radix if kind is int or kind is float else default

        return code, radix * (width + len(self._spans))


def _interval_masks(ranges: Iterable[tuple[int, Range]], count: int) -> tuple[list[float], list[int]]:
    """Return the bounds of all ranges, ascending, and the mask of each interval between them; the last is for no
    number.
    """
    starts: dict[float, list[int]] = {}
    ends: dict[float, list[int]] = {}
    bounded = []
    for bit, between in ranges:
        bounded.append(bit)
        low = float("-inf") if between.least is None else between.least
        high = float("inf") if between.below is None else between.below
        if low < high:
            starts.setdefault(low, []).append(bit)
            ends.setdefault(high, []).append(bit)
    no_number_mask = ((1 << count) - 1) ^ _bit_mask(bounded, count)
    cuts = sorted(bound for bound in {*starts, *ends} if bound not in (float("-inf"), float("inf")))
    mask = no_number_mask | _bit_mask(starts.get(float("-inf"), ()), count)
    spans = [mask]
    for cut in cuts:
        mask = mask & ~_bit_mask(ends.get(cut, ()), count) | _bit_mask(starts.get(cut, ()), count)
        spans.append(mask)
    return cuts, [*spans, no_number_mask]


def _bit_mask(positions: Iterable[int], count: int) -> int:
    """Return an int with these bits set, of `count`."""
    bit_positions = list(positions)
    if len(bit_positions) <= MAX_SHIFTED_BITS:
        mask = 0
        for position in bit_positions:
            mask |= 1 << position
        return mask
    packed = bytearray(count // 8 + 1)
    for position in bit_positions:
        packed[position >> 3] |= 1 << (position & 7)
    return int.from_bytes(packed, "little")


def index_fields(matches: Sequence[Match]) -> tuple[FieldIndex, ...]:
    """Return an index for each field with conditions; the field that most matches use comes first."""
    by_field: dict[str, list[tuple[int, Match]]] = {}
    for numbered in enumerate(matches):
        for name in match_fields(numbered[1]):
            by_field.setdefault(name, []).append(numbered)
    indexes = [FieldIndex(name, numbered_matches, len(matches)) for name, numbered_matches in by_field.items()]
    # The field that most matches use empties the mask soonest; names make the order stable.
    return tuple(sorted(indexes, key=lambda field_index: (-len(by_field[field_index.name]), field_index.name)))


class CoverageIndex:
    """An index over matches in their order."""

    def __init__(self, matches: Sequence[Match], domains: Domains) -> None:
        self._matches = matches
        self._domains = domains
        self._fields = index_fields(matches)

    def first_covering(self, number: int) -> int | None:
        """Return the index of the first earlier match that certainly matches whatever this one does, or None."""
        match = self._matches[number]
        possible = (1 << number) - 1
        for field in self._fields:
            possible &= self._possible_matches(field, match)
            if not possible:
                return None
        while possible:
            lowest = possible & -possible
            earlier = lowest.bit_length() - 1
            # The masks only exclude candidates field by field; the exact test is made for the few that remain.
            if covers(self._matches[earlier], match, self._domains):
                return earlier
            possible ^= lowest
        return None

    def _possible_matches(self, field: FieldIndex, match: Match) -> int:
        """Return the mask of matches that may cover this one, as far as one field shows."""
        name = field.name
        if name in match.when:
            possible = -1
            for value in match.when[name]:
                if allows_value(match, name, value):
                    possible &= field.possible_matches(value)
            return possible
        if name in match.between:
            between = match.between[name]
            low = 0 if between.least is None else bisect_right(field.cuts, between.least)
            high = len(field.cuts) if between.below is None else bisect_left(field.cuts, between.below)
            return field.unlisted_mask(low) & field.unlisted_mask(high)
        # A match that ignores the field admits every value of it; only in a closed domain can others cover that.
        return -1 if name in self._domains else field.unlisted_mask(-1)
