"""Maps units to buckets, and allocates buckets to shares so that as few units as possible move."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TypeAlias, TypeVar

from xxhash import xxh3_64_intdigest

from nlapi.routing.model import BUCKETS, Experiment, Scalar, Share

Ranges: TypeAlias = tuple[tuple[int, int], ...]
"""Half-open ranges of buckets, ascending and disjoint."""

# Between salt and unit, so that ("ab", "c") and ("a", "bc") hash differently; the ASCII unit separator is in no name.
SEPARATOR = "\x1f"


def bucket(salt: str, unit: Scalar) -> int:
    """Return the bucket of a unit: xxh3_64(salt, 0x1f, unit) modulo 10,000; 0..9999.

    Two salts give independent buckets. crc32 does not: it is linear, and experiments correlated (P(B|A) 0.00-0.94 where
    0.10 is independent).
    """
    return xxh3_64_intdigest(hash_prefix(salt) + unit_text(unit).encode("utf-8", "surrogatepass")) % BUCKETS


def unit_text(unit: Scalar) -> str:
    """Return a unit as JSON writes it, with 7.0 as 7: both are the same number."""
    if isinstance(unit, str):
        return unit
    if isinstance(unit, bool):
        return "true" if unit else "false"
    if isinstance(unit, float) and unit.is_integer():
        return str(int(unit))
    return str(unit)


def is_sampled(salt: str, unit: Scalar, percent: float) -> bool:
    """Return whether the unit is in the first `percent` of the buckets. A greater percent includes all of a smaller
    one.
    """
    return bucket(salt, unit) < bucket_count(percent)


def bucket_count(percent: float) -> int:
    """Return the number of buckets of a percentage."""
    return max(0, min(BUCKETS, round(percent * BUCKETS / 100)))


def allocate(previous: Sequence[Share], shares: Sequence[Share]) -> tuple[Share, ...]:
    """Return `shares` with buckets: each share keeps those it had in `previous`, as far as its percentage allows.

    A share that shrinks releases its last buckets; one that grows takes free ones, lowest first. Shares are the same
    when their names are, or without names their versions. Percentages over 100 get no more than there is.
    """
    previous_buckets = dict(zip(_share_keys(previous), (share.buckets for share in previous), strict=True))
    sizes = [bucket_count(share.percent) for share in shares]
    # All shares release before any grows, so that a move from one to the other needs no third.
    retained = [
        _take_buckets(previous_buckets.get(key, ()), count)
        for key, count in zip(_share_keys(shares), sizes, strict=True)
    ]
    filled = fill_ranges(retained, sizes)
    return tuple(replace(share, buckets=buckets) for share, buckets in zip(shares, filled, strict=True))


def allocate_layer(experiments: dict[str, Experiment], layer: str) -> dict[str, Experiment]:
    """Return the experiments of a layer with their percentage of its buckets; each keeps as much as it can."""
    members = [experiments[name] for name in sorted(experiments) if experiments[name].layer == layer]
    sizes = [bucket_count(experiment.percent) for experiment in members]
    retained = [_take_buckets(experiment.buckets, count) for experiment, count in zip(members, sizes, strict=True)]
    filled = fill_ranges(retained, sizes)
    return {member.name: replace(member, buckets=buckets) for member, buckets in zip(members, filled, strict=True)}


def range_width(ranges: Ranges) -> int:
    """Return the number of buckets in the ranges."""
    return sum(end - start for start, end in ranges)


def fill_ranges(retained: Sequence[Ranges], sizes: Sequence[int]) -> list[Ranges]:
    """Return ranges of the given sizes that include `retained`, as far as there are free buckets."""
    free = _free_ranges(bounds for ranges in retained for bounds in ranges)
    result = []
    for ranges, count in zip(retained, sizes, strict=True):
        added = _take_buckets(free, count - range_width(ranges))
        free = _drop_buckets(free, range_width(added))
        result.append(_merge_ranges((*ranges, *added)))
    return result


def _share_keys(shares: Sequence[Share]) -> list[tuple[str, int]]:
    """Return the identities of shares; a second one of the same name has a separate number."""
    counts: dict[str, int] = {}
    keys = []
    for share in shares:
        key = share.name or str(share.version)
        keys.append((key, counts.get(key, 0)))
        counts[key] = counts.get(key, 0) + 1
    return keys


def _take_buckets(ranges: Ranges, count: int) -> Ranges:
    selected = []
    for start, end in ranges:
        if count <= 0:
            break
        selected.append((start, min(end, start + count)))
        count -= end - start
    return tuple(selected)


def _drop_buckets(ranges: Ranges, count: int) -> Ranges:
    """Return the ranges without their first `count` buckets."""
    remaining = []
    for start, end in ranges:
        removed = min(count, end - start)
        count -= removed
        if start + removed < end:
            remaining.append((start + removed, end))
    return tuple(remaining)


def _free_ranges(occupied: Iterable[tuple[int, int]]) -> Ranges:
    free = []
    position = 0
    for start, end in sorted(occupied):
        if start > position:
            free.append((position, start))
        position = max(position, end)
    return (*free, (position, BUCKETS)) if position < BUCKETS else tuple(free)


def _merge_ranges(ranges: Iterable[tuple[int, int]]) -> Ranges:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if merged and merged[-1][1] == start:
            merged[-1] = (merged[-1][0], end)
        else:
            merged.append((start, end))
    return tuple(merged)


def holding_share(shares: Sequence[Share], number: int) -> int:
    """Return the index of the share that holds a bucket, or -1."""
    holders = (
        index for index, share in enumerate(shares) if any(start <= number < end for start, end in share.buckets)
    )
    return next(holders, -1)


T = TypeVar("T")


def layout(ranges: Sequence[Ranges], values: Sequence[T], otherwise: T) -> tuple[tuple[int, ...], list[T]]:
    """Return the bounds between intervals of buckets, and the value of each interval: one more than the bounds."""
    edges = sorted((start, end, index) for index, share_ranges in enumerate(ranges) for start, end in share_ranges)
    bounds = [0]
    interval_values = [otherwise]
    for start, end, index in edges:
        if bounds[-1] == start:
            bounds.pop()
            interval_values.pop()
        bounds += [start, end]
        interval_values += [values[index], otherwise]
    # No bucket lies behind the last bound, so an interval there would never be chosen.
    if bounds[-1] == BUCKETS:
        bounds.pop()
        interval_values.pop()
    return tuple(bounds[1:]), interval_values


def hash_prefix(salt: str) -> bytes:
    """Return the bytes that are hashed before a unit."""
    # `surrogatepass`: JSON may carry lone surrogates, and a unit must never raise.
    return (salt + SEPARATOR).encode("utf-8", "surrogatepass")


def chooser(salt: str, ranges: Sequence[Ranges], values: Sequence[T], otherwise: T) -> Callable[[Scalar], T]:
    """Return a function from a unit to the value of the range of its bucket; `otherwise` if none exists."""
    bounds, interval_values = layout(ranges, values, otherwise)
    salt_prefix = hash_prefix(salt)

    def choose(unit: Scalar) -> T:
        # `bucket` written out: a decision takes 0.2 to 0.4 us (docs/design/010), so a call would count.
        data = unit if unit.__class__ is str else unit_text(unit)
        number = xxh3_64_intdigest(salt_prefix + data.encode("utf-8", "surrogatepass")) % BUCKETS
        return interval_values[bisect_right(bounds, number)]

    return choose
