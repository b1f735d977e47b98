"""Puts operations in order by what speaks for each, and says how likely each is the one that is meant."""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import mul

from nlapi.planner.forest import Forest
from nlapi.planner.operations.features import FEATURES, Row

NAME = "rank"
"""The forest of the order; its fact `weights` is the linear part, one a feature."""


def vector(row: Row) -> list[float]:
    """The features of an operation in the order of the forest."""
    return [row[name] for name in FEATURES]


def scores(rows: Sequence[Row]) -> list[float]:
    """What the model says of each operation; only the differences among them mean anything."""
    forest = Forest.load(NAME)
    weights = forest.facts["weights"]
    vectors = list(map(vector, rows))
    return [sum(map(mul, weights, one)) + forest.score(one) for one in vectors]


def chances(scores: Sequence[float]) -> list[float]:
    """The scores as probabilities that add up to 1."""
    best = max(scores, default=0.0)
    odds = [math.exp(score - best) for score in scores]
    total = sum(odds)
    return [one / total for one in odds]
