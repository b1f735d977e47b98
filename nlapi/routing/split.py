"""Maps units to buckets, and allocates buckets to shares so that as few units as possible move."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TypeAlias, TypeVar

from xxhash import xxh3_64_intdigest

from nlapi.routing.nouns import BUCKETS, Experiment, Scalar, Share

Ranges: TypeAlias = tuple[tuple[int, int], ...]
"""Half-open ranges of buckets, ascending and disjoint."""

# Between salt and unit, so that ("ab", "c") and ("a", "bc") hash differently; the ASCII unit separator is in no name.
SEPARATOR = "\x1f"


def bucket(salt: str, unit: Scalar) -> int:
    """Return the bucket of a unit: xxh3_64(salt, 0x1f, unit) modulo 10,000; 0..9999.

    Two salts give independent buckets. crc32 does not: it is linear, and experiments correlated (P(B|A) 0.00-0.94 where
    0.10 is independent).
    """
    return xxh3_64_intdigest(prefix(salt) + text(unit).encode("utf-8", "surrogatepass")) % BUCKETS


def text(unit: Scalar) -> str:
    """Return a unit as JSON writes it, with 7.0 as 7: both are the same number."""
    if isinstance(unit, str):
        return unit
    if isinstance(unit, bool):
        return "true" if unit else "false"
    if isinstance(unit, float) and unit.is_integer():
        return str(int(unit))
    return str(unit)


def sampled(salt: str, unit: Scalar, percent: float) -> bool:
    """Return whether the unit is in the first `percent` of the buckets. A greater percent includes all of a smaller
    one.
    """
    return bucket(salt, unit) < size(percent)


def size(percent: float) -> int:
    """Return the number of buckets of a percentage."""
    return max(0, min(BUCKETS, round(percent * BUCKETS / 100)))


def allocate(previous: Sequence[Share], wanted: Sequence[Share]) -> tuple[Share, ...]:
    """Return `shares` with buckets: each share keeps those it had in `previous`, as far as its percentage allows.

    A share that shrinks releases its last buckets; one that grows takes free ones, lowest first. Shares are the same
    when their names are, or without names their versions. Percentages over 100 get no more than there is.
    """
    had = dict(zip(_keys(previous), (share.buckets for share in previous), strict=True))
    sizes = [size(share.percent) for share in wanted]
    # All shares release before any grows, so that a move from one to the other needs no third.
    kept = [_first(had.get(key, ()), wide) for key, wide in zip(_keys(wanted), sizes, strict=True)]
    filled = fill(kept, sizes)
    return tuple(replace(share, buckets=buckets) for share, buckets in zip(wanted, filled, strict=True))


def allocate_layer(experiments: dict[str, Experiment], layer: str) -> dict[str, Experiment]:
    """Return the experiments of a layer with their percentage of its buckets; each keeps what it can."""
    inside = [experiments[name] for name in sorted(experiments) if experiments[name].layer == layer]
    sizes = [size(experiment.percent) for experiment in inside]
    kept = [_first(experiment.buckets, wide) for experiment, wide in zip(inside, sizes, strict=True)]
    filled = fill(kept, sizes)
    return {one.name: replace(one, buckets=buckets) for one, buckets in zip(inside, filled, strict=True)}


def width(ranges: Ranges) -> int:
    """Return the number of buckets in the ranges."""
    return sum(end - start for start, end in ranges)


def fill(kept: Sequence[Ranges], sizes: Sequence[int]) -> list[Ranges]:
    """Return ranges of the given sizes that include `retained`, as far as there are free buckets."""
    free = _free(held for ranges in kept for held in ranges)
    result = []
    for ranges, wide in zip(kept, sizes, strict=True):
        taken = _first(free, wide - width(ranges))
        free = _without(free, width(taken))
        result.append(_joined((*ranges, *taken)))
    return result


def _keys(shares: Sequence[Share]) -> list[tuple[str, int]]:
    """Return the identities of shares; a second one of the same name has a number of its own."""
    seen: dict[str, int] = {}
    keys = []
    for share in shares:
        key = share.name or str(share.version)
        keys.append((key, seen.get(key, 0)))
        seen[key] = seen.get(key, 0) + 1
    return keys


def _first(ranges: Ranges, count: int) -> Ranges:
    taken = []
    for start, end in ranges:
        if count <= 0:
            break
        taken.append((start, min(end, start + count)))
        count -= end - start
    return tuple(taken)


def _without(ranges: Ranges, count: int) -> Ranges:
    """Return the ranges without their first `count` buckets."""
    rest = []
    for start, end in ranges:
        gone = min(count, end - start)
        count -= gone
        if start + gone < end:
            rest.append((start + gone, end))
    return tuple(rest)


def _free(held: Iterable[tuple[int, int]]) -> Ranges:
    free = []
    at = 0
    for start, end in sorted(held):
        if start > at:
            free.append((at, start))
        at = max(at, end)
    return (*free, (at, BUCKETS)) if at < BUCKETS else tuple(free)


def _joined(ranges: Iterable[tuple[int, int]]) -> Ranges:
    joined: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if joined and joined[-1][1] == start:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return tuple(joined)


def holder(shares: Sequence[Share], number: int) -> int:
    """Return the index of the share that holds a bucket, or -1."""
    held = (index for index, share in enumerate(shares) if any(start <= number < end for start, end in share.buckets))
    return next(held, -1)


T = TypeVar("T")


def layout(ranges: Sequence[Ranges], held: Sequence[T], otherwise: T) -> tuple[tuple[int, ...], list[T]]:
    """Return the bounds between intervals of buckets, and the value of each interval: one more than the bounds."""
    edges = sorted((start, end, index) for index, those in enumerate(ranges) for start, end in those)
    bounds = [0]
    holding = [otherwise]
    for start, end, index in edges:
        if bounds[-1] == start:
            bounds.pop()
            holding.pop()
        bounds += [start, end]
        holding += [held[index], otherwise]
    # No bucket lies behind the last bound, so an interval there would never be chosen.
    if bounds[-1] == BUCKETS:
        bounds.pop()
        holding.pop()
    return tuple(bounds[1:]), holding


def prefix(salt: str) -> bytes:
    """Return the bytes that are hashed before a unit."""
    # `surrogatepass`: JSON may carry lone surrogates, and a unit must never raise.
    return (salt + SEPARATOR).encode("utf-8", "surrogatepass")


def chooser(salt: str, ranges: Sequence[Ranges], held: Sequence[T], otherwise: T) -> Callable[[Scalar], T]:
    """Return a function from a unit to the value of the range of its bucket; `otherwise` where there is none."""
    bounds, holding = layout(ranges, held, otherwise)
    before = prefix(salt)

    def choose(unit: Scalar) -> T:
        # `bucket` written out: a decision takes 0.2 to 0.4 us (docs/design/010), so a call would count.
        data = unit if unit.__class__ is str else text(unit)
        number = xxh3_64_intdigest(before + data.encode("utf-8", "surrogatepass")) % BUCKETS
        return holding[bisect_right(bounds, number)]

    return choose
