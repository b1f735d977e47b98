"""Scores rows of features with gradient-boosted trees that were trained elsewhere (training/forests.py).

Every tree has at most 8 leaves, so that the leaves still reachable in all trees fit in one number, a byte a tree. Each
feature clears the bits that its value rules out; the lowest bit left in a byte is the leaf (QuickScorer, SIGIR 2015).
What a stretch of features rules out can be kept, for rows that have it in common.
"""

from __future__ import annotations

import json
import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from operator import getitem
from typing import Any

LEAVES = 8
Steps = tuple[tuple[int, list[float], list[int]], ...]
_NEXT = 5
"""How far a byte is shifted so that its leaf, times eight, comes to stand in the byte before."""
_LOWEST = bytes(next((bit for bit in range(LEAVES) if byte >> bit & 1), 0) for byte in range(256))


@dataclass(frozen=True, slots=True, kw_only=True)
class Forest:
    """Trees over rows of `features`, in that order. `base` is added to what the trees say."""

    features: tuple[str, ...]
    base: float
    leaves: tuple[tuple[float, ...], ...]
    """of each two trees in turn what their leaves come to: of leaf n of the first and m of the second at n + 8 m"""
    every: int
    """all leaves of all trees, as reachable"""
    steps: Steps
    """by feature used: its number, its thresholds, rising, and what stays reachable above the first n of them"""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """what else was learned with the trees, such as thresholds"""
    after: Forest | None = None
    """the forest that was trained to go over what this one says"""
    _stretches: dict[tuple[int, int], Steps] = field(default_factory=dict, init=False)

    @staticmethod
    def load(name: str) -> Forest:
        """The forest that ships as forests/NAME.json, read once."""
        if name not in LOADED:
            LOADED[name] = read_forest(
                json.loads((files("nlapi") / "planner" / "forests" / f"{name}.json").read_bytes())
            )
        return LOADED[name]

    def score(self, row: Sequence[float]) -> float:
        """What the trees say of a row, in log-odds when they were trained to tell yes from no."""
        return self.score_at(self.reach(row))

    def probability(self, row: Sequence[float]) -> float:
        """The score as a probability, from 0 to 1."""
        return self.probability_at(self.reach(row))

    def reach(self, part: Sequence[float], first: int = 0) -> int:
        """The leaves that stay reachable where the features from `first` on have these values."""
        reach = self.every
        for at, thresholds, masks in self._steps(first, first + len(part)):
            reach &= masks[bisect_left(thresholds, part[at])]
        return reach

    def score_at(self, reach: int) -> float:
        """The score where these leaves are reachable: of a row, those that all parts of it leave."""
        count = 2 * len(self.leaves)
        lowest = int.from_bytes(reach.to_bytes(count, "little").translate(_LOWEST), "little")
        places = (lowest + (lowest >> _NEXT)).to_bytes(count, "little")[::2]
        return self.base + sum(map(getitem, self.leaves, places))

    def probability_at(self, reach: int) -> float:
        return 1.0 / (1.0 + math.exp(-max(-40.0, min(40.0, self.score_at(reach)))))

    def _steps(self, first: int, last: int) -> Steps:
        found = self._stretches.get((first, last))
        if found is None:
            found = tuple((at - first, cuts, masks) for at, cuts, masks in self.steps if first <= at < last)
            self._stretches[first, last] = found
        return found


def log_odds(sure: float) -> float:
    """Of a probability, no nearer to never and always than one in a thousand."""
    sure = min(0.999, max(0.001, sure))
    return math.log(sure / (1.0 - sure))


def read_forest(data: Mapping[str, Any]) -> Forest:
    """A Forest from its file: {"features": [names], "base": n, "trees": [tree]}, where a tree is a leaf's value or
    [feature, threshold, tree where the value is at most the threshold, tree where it is more]. "after" is another
    such, "facts" what is left.
    """
    trees: list[list[float]] = []
    cuts: dict[int, list[tuple[float, int]]] = {}
    for at, tree in enumerate(data["trees"]):
        values: list[float] = []
        _walk(tree, values, cuts, at * LEAVES)
        if len(values) > LEAVES:
            raise ValueError(f"tree {at} has {len(values)} leaves, more than {LEAVES}")
        trees.append([*values, *[0.0] * (LEAVES - len(values))])
    if len(trees) % 2:
        trees.append([0.0] * LEAVES)
    every = (1 << LEAVES * len(trees)) - 1
    steps = tuple((feature, *_masks(found, every)) for feature, found in sorted(cuts.items()))
    facts = {key: value for key, value in data.items() if key not in ("features", "base", "trees", "after")}
    return Forest(
        features=tuple(data["features"]),
        base=float(data["base"]),
        leaves=tuple(
            tuple(one + other for other in second for one in first)
            for first, second in zip(trees[::2], trees[1::2], strict=True)
        ),
        every=every,
        steps=steps,
        facts=facts,
        after=read_forest(data["after"]) if "after" in data else None,
    )


def _walk(tree: Any, values: list[float], cuts: dict[int, list[tuple[float, int]]], shift: int) -> None:
    """Collects a tree's leaves, and for each of its cuts the bits of the leaves that a greater value rules out."""
    if not isinstance(tree, list):
        values.append(float(tree))
        return
    feature, threshold, low, high = tree
    first = len(values)
    _walk(low, values, cuts, shift)
    out = ((1 << len(values) - first) - 1) << first + shift
    cuts.setdefault(feature, []).append((float(threshold), out))
    _walk(high, values, cuts, shift)


def _masks(cuts: list[tuple[float, int]], every: int) -> tuple[list[float], list[int]]:
    thresholds: list[float] = []
    masks = [every]
    for threshold, out in sorted(cuts):
        if thresholds and thresholds[-1] == threshold:
            masks[-1] &= ~out
        else:
            thresholds.append(threshold)
            masks.append(masks[-1] & ~out)
    return thresholds, masks


LOADED: dict[str, Forest] = {}
"""The forests in use by name. What evaluates puts another in the place of the one that ships."""
