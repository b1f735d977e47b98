"""Which of an objective's matches a value of a field leaves possible: one bit a match, looked up by value."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import Any

from nlapi.routing.match import fields
from nlapi.routing.nouns import Match, Range

FEW = 8
"""Up to so many bits are set one by one."""


class FieldIndex:
    """One field over all matches of an objective."""

    __slots__ = ("_bits", "_neutral", "_unless", "_when", "constrained", "cuts", "name", "named", "ranged", "spans")

    def __init__(self, name: str, matches: Sequence[tuple[int, Match]], count: int) -> None:
        """`matches`: those that speak of the field, with their bit; `count` of all."""
        when: dict[Any, list[int]] = {}
        unless: dict[Any, list[int]] = {}
        for bit, match in matches:
            for value in match.when.get(name, ()):
                when.setdefault(value, []).append(bit)
            for value in match.unless.get(name, ()):
                unless.setdefault(value, []).append(bit)
        self.name = name
        self.constrained = bits((bit for bit, _ in matches), count)
        """the matches that speak of the field"""
        self.named = frozenset((*when, *unless))
        """the values that matches name; all others are alike, apart from ranges"""
        self._when, self._unless, self._bits = when, unless, count
        everything = (1 << count) - 1
        self._neutral = everything ^ bits((bit for bit, match in matches if name in match.when), count)
        ranges = [(bit, match.between[name]) for bit, match in matches if name in match.between]
        self.ranged = bool(ranges)
        self.cuts, self.spans = _spans(ranges, count)
        """where ranges begin and end, and what each interval between leaves possible; the last: what is no number"""

    def possible(self, value: Any) -> int:
        """The matches that this value of the field leaves possible (None: absent)."""
        mask = self._neutral
        if value in self.named:
            mask |= bits(self._when.get(value, ()), self._bits)
            mask &= ~bits(self._unless.get(value, ()), self._bits)
        return mask & self.spans[self.span(value)]

    def span(self, value: Any) -> int:
        """The interval of a value; -1 for what is no number."""
        kind = type(value)
        return bisect_right(self.cuts, value) if kind is int or kind is float else -1

    def unnamed(self, span: int) -> int:
        """The matches that a value leaves possible which nobody names, in an interval."""
        return self._neutral & self.spans[span]


def _spans(ranges: Iterable[tuple[int, Range]], count: int) -> tuple[list[float], list[int]]:
    """The bounds of all ranges, ascending, and the mask of each interval between them; then that of no number."""
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
    nowhere = ((1 << count) - 1) ^ bits(bounded, count)
    cuts = sorted(bound for bound in {*starts, *ends} if bound not in (float("-inf"), float("inf")))
    mask = nowhere | bits(starts.get(float("-inf"), ()), count)
    spans = [mask]
    for cut in cuts:
        mask = mask & ~bits(ends.get(cut, ()), count) | bits(starts.get(cut, ()), count)
        spans.append(mask)
    return cuts, [*spans, nowhere]


def bits(positions: Iterable[int], count: int) -> int:
    """An int with these bits set, of `count`."""
    found = list(positions)
    if len(found) <= FEW:
        mask = 0
        for position in found:
            mask |= 1 << position
        return mask
    packed = bytearray(count // 8 + 1)
    for position in found:
        packed[position >> 3] |= 1 << (position & 7)
    return int.from_bytes(packed, "little")


def index(matches: Sequence[Match]) -> tuple[FieldIndex, ...]:
    """An index for each field that the matches speak of: first the one that most of them do, ranges last."""
    by_field: dict[str, list[tuple[int, Match]]] = {}
    for bit, match in enumerate(matches):
        for name in fields(match):
            by_field.setdefault(name, []).append((bit, match))
    made = [FieldIndex(name, those, len(matches)) for name, those in by_field.items()]
    return tuple(sorted(made, key=lambda one: (one.ranged, -len(by_field[one.name]), one.name)))
