"""Scores rows of features with gradient-boosted trees that were trained elsewhere (training/forests.py).

Every tree has at most 8 leaves, so that the leaves still reachable in all trees fit in one number, a byte a tree. Each
feature clears the bits that its value rules out; the lowest bit that remains is the leaf (QuickScorer, SIGIR 2015).
The bits of some features can be stored, for rows that have these features in common.
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
_NEXT = 5  # bits: moves a leaf, times eight, into the byte of the tree before
_LOWEST = bytes(next((bit for bit in range(LEAVES) if byte >> bit & 1), 0) for byte in range(256))


@dataclass(frozen=True, slots=True, kw_only=True)
class Forest:
    """Trees over rows of `features`, in that order. `base` is added to the sum of the trees.

    `leaves` has for each pair of trees the sums of their leaves: of leaf n of the first and m of the second at n + 8 m.
    `every` has all leaves of all trees as reachable. `steps` has for each feature its number, its thresholds, rising,
    and the leaves that stay reachable above the first n of them. `facts` are other results of the training, such as
    thresholds, and `after` is a forest that was trained to correct this one.
    """

    features: tuple[str, ...]
    base: float
    leaves: tuple[tuple[float, ...], ...]
    all_leaves: int
    steps: Steps
    metadata: Mapping[str, Any] = field(default_factory=dict)
    correction: Forest | None = None
    _stretches: dict[tuple[int, int], Steps] = field(default_factory=dict, init=False)

    @staticmethod
    def load(name: str) -> Forest:
        """Return the forest that ships as forests/NAME.json, read once."""
        if name not in LOADED:
            LOADED[name] = read_forest(
                json.loads((files("nlapi") / "planner" / "forests" / f"{name}.json").read_bytes())
            )
        return LOADED[name]

    def score(self, row: Sequence[float]) -> float:
        """Return the score of a row, in log-odds for a forest that was trained on yes and no."""
        return self.score_at(self.reachable_leaves(row))

    def probability(self, row: Sequence[float]) -> float:
        """Return the score as a probability, from 0 to 1."""
        return self.probability_at(self.reachable_leaves(row))

    def reachable_leaves(self, part: Sequence[float], first: int = 0) -> int:
        """Return the leaves that stay reachable where the features from `first` on have these values."""
        reach = self.all_leaves
        for at, thresholds, masks in self._steps(first, first + len(part)):
            reach &= masks[bisect_left(thresholds, part[at])]
        return reach

    def score_at(self, reach: int) -> float:
        """Return the score where these leaves are reachable: of a row, the intersection of those of its parts."""
        count = 2 * len(self.leaves)
        lowest = int.from_bytes(reach.to_bytes(count, "little").translate(_LOWEST), "little")
        indices = (lowest + (lowest >> _NEXT)).to_bytes(count, "little")[::2]
        return self.base + sum(map(getitem, self.leaves, indices))

    def probability_at(self, reach: int) -> float:
        return 1.0 / (1.0 + math.exp(-max(-40.0, min(40.0, self.score_at(reach)))))

    def _steps(self, first: int, last: int) -> Steps:
        steps = self._stretches.get((first, last))
        if steps is None:
            steps = tuple((at - first, cuts, masks) for at, cuts, masks in self.steps if first <= at < last)
            self._stretches[first, last] = steps
        return steps


def log_odds(probability: float) -> float:
    """Return the log-odds of a probability, which is first held between 0.001 and 0.999."""
    probability = min(0.999, max(0.001, probability))
    return math.log(probability / (1.0 - probability))


def read_forest(data: Mapping[str, Any]) -> Forest:
    """Return a Forest from its file: {"features": [names], "base": n, "trees": [tree]}.

    A tree is a leaf's value or [feature, threshold, tree where the value is at most the threshold, tree where it is
    more]. "after" is another forest; all other keys are its facts.
    """
    trees: list[list[float]] = []
    cuts: dict[int, list[tuple[float, int]]] = {}
    for at, tree in enumerate(data["trees"]):
        values: list[float] = []
        _collect_tree(tree, values, cuts, at * LEAVES)
        if len(values) > LEAVES:
            raise ValueError(f"tree {at} has {len(values)} leaves, more than {LEAVES}")
        trees.append([*values, *[0.0] * (LEAVES - len(values))])
    if len(trees) % 2:
        trees.append([0.0] * LEAVES)
    all_leaves = (1 << LEAVES * len(trees)) - 1
    steps = tuple((feature, *_masks(feature_cuts, all_leaves)) for feature, feature_cuts in sorted(cuts.items()))
    facts = {key: value for key, value in data.items() if key not in ("features", "base", "trees", "after")}
    return Forest(
        features=tuple(data["features"]),
        base=float(data["base"]),
        leaves=tuple(
            tuple(first_value + second_value for second_value in second for first_value in first)
            for first, second in zip(trees[::2], trees[1::2], strict=True)
        ),
        all_leaves=all_leaves,
        steps=steps,
        metadata=facts,
        correction=read_forest(data["after"]) if "after" in data else None,
    )


def _collect_tree(tree: Any, values: list[float], cuts: dict[int, list[tuple[float, int]]], shift: int) -> None:
    """Collect the leaves of a tree, and for each of its cuts the bits of the leaves that a greater value rules out."""
    if not isinstance(tree, list):
        values.append(float(tree))
        return
    feature, threshold, low, high = tree
    first = len(values)
    _collect_tree(low, values, cuts, shift)
    out = ((1 << len(values) - first) - 1) << first + shift
    cuts.setdefault(feature, []).append((float(threshold), out))
    _collect_tree(high, values, cuts, shift)


def _masks(cuts: list[tuple[float, int]], all_leaves: int) -> tuple[list[float], list[int]]:
    thresholds: list[float] = []
    masks = [all_leaves]
    for threshold, out in sorted(cuts):
        if thresholds and thresholds[-1] == threshold:
            masks[-1] &= ~out
        else:
            thresholds.append(threshold)
            masks.append(masks[-1] & ~out)
    return thresholds, masks


# The forests in use by name; an evaluation out of fold puts its own in the place of those that ship.
LOADED: dict[str, Forest] = {}
