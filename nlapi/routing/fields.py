"""Indexes the matches of an objective by field: one bit per match, looked up by value."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from nlapi.routing.match import match_fields
from nlapi.routing.nouns import Match, Range

# Up to this many bits are set by shifting; for more, one bytearray avoids a new large int for each bit.
MAX_SHIFTED_BITS = 8


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
        self._neutral = ((1 << count) - 1) ^ bit_mask((bit for bit, match in matches if name in match.when), count)
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
        mask = self._neutral | bit_mask(self._when.get(value, ()), self._bits)
        if self._spans:
            mask &= self._spans[self._interval(value)]
        return mask & ~bit_mask(self._unless.get(value, ()), self._bits)

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


def index_fields(matches: Sequence[Match]) -> tuple[FieldIndex, ...]:
    """Return an index for each field with conditions; the field that most matches use comes first."""
    by_field: dict[str, list[tuple[int, Match]]] = {}
    for numbered in enumerate(matches):
        for name in match_fields(numbered[1]):
            by_field.setdefault(name, []).append(numbered)
    indexes = [FieldIndex(name, numbered_matches, len(matches)) for name, numbered_matches in by_field.items()]
    # The field that most matches use empties the mask soonest; names make the order stable.
    return tuple(sorted(indexes, key=lambda field_index: (-len(by_field[field_index.name]), field_index.name)))
