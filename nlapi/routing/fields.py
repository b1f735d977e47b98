"""Which of an objective's matches a value of a field leaves possible: one bit a match, looked up by value."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from nlapi.routing.match import fields
from nlapi.routing.nouns import Match, Range

FEW = 8
"""Up to so many bits are set one by one."""


class FieldIndex:
    """One field over all matches of an objective.

    Values that all matches treat alike have one code, and so have all that none of them names. Codes are steps of
    `radix` (from 0), so that the codes of several fields add up to a key that says all of them.
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
        """`matches`: those that speak of the field, with their bit; `count` of all."""
        when: dict[Any, list[int]] = {}
        unless: dict[Any, list[int]] = {}
        for bit, match in matches:
            for value in match.when.get(name, ()):
                when.setdefault(value, []).append(bit)
            for value in match.unless.get(name, ()):
                unless.setdefault(value, []).append(bit)
        self.name = name
        self._when, self._unless, self._bits = when, unless, count
        self._neutral = ((1 << count) - 1) ^ bits((bit for bit, match in matches if name in match.when), count)
        self._masks: dict[int, int] = {}
        self._examples: dict[int, Any] = {}
        ranges = [(bit, match.between[name]) for bit, match in matches if name in match.between]
        self.cuts, self._spans = _spans(ranges, count) if ranges else ([], [])
        """where ranges begin and end; what each interval between leaves possible, then what no number does"""
        self._codes = self._coded()

    def _coded(self) -> dict[Any, int]:
        """Each named value with the number of its class, from 1."""
        classes: dict[Any, int] = {}
        coded = {}
        for value in {**self._when, **self._unless}:
            alike = (tuple(self._when.get(value, ())), tuple(self._unless.get(value, ())), self._span(value))
            coded[value] = classes.setdefault(alike, len(classes) + 1)
            self._examples.setdefault(coded[value], value)
        return coded

    def possible(self, value: Any) -> int:
        """The matches that this value of the field leaves possible (None: absent)."""
        code = self._codes.get(value)
        if code is None:
            return self.unnamed(self._span(value))
        mask = self._masks.get(code)
        if mask is None:
            mask = self._masks[code] = self._named(self._examples[code])
        return mask

    def _named(self, value: Any) -> int:
        mask = self._neutral | bits(self._when.get(value, ()), self._bits)
        if self._spans:
            mask &= self._spans[self._span(value)]
        return mask & ~bits(self._unless.get(value, ()), self._bits)

    def unnamed(self, span: int) -> int:
        """The matches that a value leaves possible which nobody names, in an interval."""
        return self._neutral & self._spans[span] if self._spans else self._neutral

    def _span(self, value: Any) -> int:
        """The interval of a value; -1 for what is no number."""
        kind = type(value)
        return bisect_right(self.cuts, value) if kind is int or kind is float else -1

    def coder(self, radix: int) -> tuple[Callable[[Any, int], int], int]:
        """A function from (value, 0) to its code, and the radix of the next field."""
        codes = {value: code * radix for value, code in self._codes.items()}
        width = max(self._codes.values(), default=0) + 1
        if not self._spans:
            return codes.get, radix * width
        named, cuts = codes.get, self.cuts

        def code(value: Any, nothing: int) -> int:
            found = named(value)
            if found is not None:
                return found
            kind = type(value)
            return (bisect_right(cuts, value) + width) * radix if kind is int or kind is float else nothing

        return code, radix * (width + len(self._spans))


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
    """An index for each field that the matches speak of: first the one that most of them do."""
    by_field: dict[str, list[tuple[int, Match]]] = {}
    for numbered in enumerate(matches):
        for name in fields(numbered[1]):
            by_field.setdefault(name, []).append(numbered)
    made = [FieldIndex(name, those, len(matches)) for name, those in by_field.items()]
    return tuple(sorted(made, key=lambda one: (-len(by_field[one.name]), one.name)))
