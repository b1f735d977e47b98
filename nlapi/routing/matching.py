"""Compares Matches, with a context and with each other, and indexes many of them by bit masks."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
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


def include_values(match: Match, values: Mapping[str, Sequence[Scalar]]) -> Match:
    """Return the match with more values of fields: added to those of `when`, and taken out of `unless`.

    A field without a condition in `when` allows every value already.
    """
    when = {
        name: (*current, *(value for value in values.get(name, ()) if value not in current))
        for name, current in match.when.items()
    }
    return replace(match, when=when, unless=_without(match.unless, values))


def exclude_values(match: Match, values: Mapping[str, Sequence[Scalar]]) -> Match | None:
    """Return the match without values of fields: taken out of `when`, or put into `unless` of other fields.

    None when nothing is left of a field: a match without the field would mean every value of it.
    """
    remaining = _without({name: match.when[name] for name in values if name in match.when}, values)
    if any(name in match.when and name not in remaining for name in values):
        return None
    unless = dict(match.unless)
    for name, listed in values.items():
        if name not in match.when:
            current = unless.get(name, ())
            unless[name] = (*current, *(value for value in listed if value not in current))
    return replace(match, when={**match.when, **remaining}, unless=unless)


def _without(
    conditions: Mapping[str, tuple[Scalar, ...]], values: Mapping[str, Sequence[Scalar]]
) -> dict[str, tuple[Scalar, ...]]:
    """Return conditions without the values of their fields, and without fields of which nothing is left."""
    remaining = {
        name: tuple(value for value in current if value not in values.get(name, ()))
        for name, current in conditions.items()
    }
    return {name: listed for name, listed in remaining.items() if listed}


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
        "_classes",
        "_coder",
        "_codes",
        "_masks",
        "_neutral",
        "_spans",
        "_unless",
        "_when",
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
        # A bit without a match is set in every mask: it is for the caller to leave it out.
        self._neutral = ((1 << count) - 1) ^ bit_mask((bit for bit, match in matches if name in match.when), count)
        # Masks are made on demand: with 10,000 rules most values are never asked for.
        self._masks: dict[int, int] = {}
        ranges = [(bit, match.between[name]) for bit, match in matches if name in match.between]
        # The bounds of all ranges; the mask of each interval between them, and last that of values without a number.
        self.cuts, self._spans = _interval_masks(ranges, count) if ranges else ([], [])
        self._classes: dict[tuple[object, ...], int] = {}
        """the number of each class of values, from 1, by what the matches do with them"""
        self._codes: dict[Any, int] = {}
        """each named value with the number of its class"""
        self._coder: tuple[int, Callable[[Any, int], int]] | None = None
        """the last coder with its radix"""
        for value in {**when_bits, **unless_bits}:
            self._classify(value)

    def _classify(self, value: Any) -> None:
        """Set the class of a named value."""
        signature = (tuple(self._when.get(value, ())), tuple(self._unless.get(value, ())), self._interval(value))
        self._codes[value] = self._classes.setdefault(signature, len(self._classes) + 1)

    @property
    def has_conditions(self) -> bool:
        """Whether a match has a condition on the field."""
        return bool(self._codes or self._spans)

    def updated(self, removed: Iterable[tuple[int, Match]], added: Iterable[tuple[int, Match]]) -> FieldIndex | None:
        """Return the index without and with some matches, each given with its bit; None when it has to be made anew."""
        name = self.name
        matches = [*((bit, match, False) for bit, match in removed), *((bit, match, True) for bit, match in added)]
        # A range has a part in the masks of all intervals. Classes that no value has any more are not dropped, and
        # would widen the codes in the end.
        if any(name in match.between for _, match, _ in matches) or len(self._classes) > 2 * len(self._codes) + 64:
            return None
        index = FieldIndex.__new__(FieldIndex)
        index.name, index._bits, index.cuts, index._spans = name, self._bits, self.cuts, self._spans
        index._when, index._unless, index._neutral = dict(self._when), dict(self._unless), self._neutral
        index._masks, index._coder = {}, None
        index._classes, index._codes = dict(self._classes), dict(self._codes)
        touched: dict[Any, None] = {}
        for bit, match, is_added in matches:
            if name in match.when:
                index._neutral ^= 1 << bit
            for bits, values in ((index._when, match.when.get(name, ())), (index._unless, match.unless.get(name, ()))):
                for value in values:
                    touched[value] = None
                    _change_bit(bits, value, bit, is_added=is_added)
        for value in touched:
            if value in index._when or value in index._unless:
                index._classify(value)
            else:
                index._codes.pop(value, None)
        return index

    def possible_matches(self, value: Any) -> int:
        """Return the mask of matches that this value leaves possible; None means that the field is absent."""
        code = self._codes.get(value)
        if code is None:
            return self.unlisted_mask(self._interval(value))
        mask = self._masks.get(code)
        if mask is None:
            mask = self._masks[code] = self._class_mask(value)
        return mask

    def _class_mask(self, value: Any) -> int:
        mask = self._neutral | bit_mask(self._when.get(value, ()), self._bits)
        if self._spans:
            mask &= self._spans[self._interval(value)]
        return mask & ~bit_mask(self._unless.get(value, ()), self._bits)

    def unlisted_mask(self, span: int) -> int:
        """Return the mask of matches that a value which no match names leaves possible, by its interval."""
        return self._neutral & self._spans[span] if self._spans else self._neutral

    def _interval(self, value: Any) -> int:
        """Return the index of the interval of a value; -1 for a value that is not a number."""
        kind = type(value)
        return bisect_right(self.cuts, value) if kind is int or kind is float else -1

    def coder(self, radix: int) -> tuple[Callable[[Any, int], int], int]:
        """Return a function from (value, 0) to its code, and the radix for the next field."""
        if self._coder is None or self._coder[0] != radix:
            self._coder = (radix, self._make_coder(radix))
        return self._coder[1], radix * (len(self._classes) + 1 + len(self._spans))

    def _make_coder(self, radix: int) -> Callable[[Any, int], int]:
        codes = {value: code * radix for value, code in self._codes.items()}
        if not self._spans:
            # The bare `dict.get` is the fastest coder there is: no Python frame at all.
            return codes.get
        code_of, cuts, width = codes.get, self.cuts, len(self._classes) + 1

        def code(value: Any, default: int) -> int:
            known_code = code_of(value)
            if known_code is not None:
                return known_code
            kind = type(value)
            return (bisect_right(cuts, value) + width) * radix if kind is int or kind is float else default

        return code


def _change_bit(bits_by_value: dict[Any, list[int]], value: Any, bit: int, *, is_added: bool) -> None:
    """Put a bit into the bits of a value, ascending, or take it out."""
    # A new list: that of the index before it is still used.
    bits = [other for other in bits_by_value.get(value, ()) if is_added or other != bit]
    if is_added:
        insort(bits, bit)
    if bits:
        bits_by_value[value] = bits
    else:
        bits_by_value.pop(value, None)


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
    no_number_mask = ((1 << count) - 1) ^ bit_mask(bounded, count)
    cuts = sorted(bound for bound in {*starts, *ends} if bound not in (float("-inf"), float("inf")))
    mask = no_number_mask | bit_mask(starts.get(float("-inf"), ()), count)
    spans = [mask]
    for cut in cuts:
        mask = mask & ~bit_mask(ends.get(cut, ()), count) | bit_mask(starts.get(cut, ()), count)
        spans.append(mask)
    return cuts, [*spans, no_number_mask]


def bit_mask(positions: Iterable[int], count: int) -> int:
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


def index_fields(matches: Sequence[tuple[int, Match]], count: int) -> tuple[FieldIndex, ...]:
    """Return an index for each field with conditions; the field that most matches use comes first.

    The matches are given with their bits, ascending, of `count` bits.
    """
    by_field: dict[str, list[tuple[int, Match]]] = {}
    for numbered in matches:
        for name in match_fields(numbered[1]):
            by_field.setdefault(name, []).append(numbered)
    indexes = [FieldIndex(name, numbered_matches, count) for name, numbered_matches in by_field.items()]
    # The field that most matches use empties the mask soonest; names make the order stable.
    return tuple(sorted(indexes, key=lambda field_index: (-len(by_field[field_index.name]), field_index.name)))


class CoverageIndex:
    """An index over matches in their order."""

    def __init__(self, matches: Sequence[Match], domains: Domains) -> None:
        self._matches = matches
        self._domains = domains
        self._fields = index_fields(list(enumerate(matches)), len(matches))

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
