"""Scores operations for a sentence with the trained ranking, and turns scores into probabilities."""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import mul

from nlapi.planner.forest import Forest
from nlapi.planner.operations.features import FEATURES, FeatureRow

# The model's file; its fact `weights` is the linear part, one weight a feature. Trees beside it gained 0.4 % of the
# operations of `real` and cost loss (benchmarks/OFFLINE.md), so that the shipped model has none.
NAME = "rank"


def vector(row: FeatureRow) -> list[float]:
    """Return the features of an operation in the order of the model."""
    return [row[name] for name in FEATURES]


def scores(rows: Sequence[FeatureRow]) -> list[float]:
    """Return the score of each operation; only the differences between scores have a meaning."""
    model = Forest.load(NAME)
    weights = model.metadata["weights"]
    vectors = list(map(vector, rows))
    return [sum(map(mul, weights, features)) + model.score(features) for features in vectors]


def chances(scores: Sequence[float]) -> list[float]:
    """Return the scores as probabilities that add up to 1."""
    best = max(scores, default=0.0)
    odds = [math.exp(score - best) for score in scores]
    total = sum(odds)
    return [part / total for part in odds]
