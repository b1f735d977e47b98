"""Logistic regression and gradient boosted trees in plain Python, as the JSON that the gateway evaluates."""

from __future__ import annotations

import math
from typing import Any

Rows = list[list[float]]
Node = float | list[Any]

DIGITS = 5
BINS = 24


def sigmoid(value: float) -> float:
    return 1.0 / (1.0 + math.exp(-max(-500.0, min(500.0, value))))


def logistic(rows: Rows, labels: list[int], *, rounds: int = 60, rate: float = 1.0) -> dict[str, Any]:
    """Fit by gradient descent on scaled features."""
    count, width = len(rows), len(rows[0])
    columns = list(zip(*rows, strict=True))
    means = [sum(column) / count for column in columns]
    scales = [
        math.sqrt(sum((value - mean) ** 2 for value in column) / count) or 1.0
        for column, mean in zip(columns, means, strict=True)
    ]
    scaled = [[(value - mean) / scale for value, mean, scale in zip(row, means, scales, strict=True)] for row in rows]
    weights, bias = [0.0] * width, 0.0
    for _ in range(rounds):
        slopes, shift = [0.0] * width, 0.0
        for row, label in zip(scaled, labels, strict=True):
            error = sigmoid(bias + sum(map(float.__mul__, weights, row))) - label
            shift += error
            slopes = [slope + error * value for slope, value in zip(slopes, row, strict=True)]
        weights = [weight - rate * slope / count for weight, slope in zip(weights, slopes, strict=True)]
        bias -= rate * shift / count
    numbers = {"weights": weights, "mean": means, "scale": scales}
    said = {name: [round(value, DIGITS) for value in values] for name, values in numbers.items()}
    return {"kind": "logistic", **said, "bias": round(bias, DIGITS)}


def boosted_trees(
    rows: Rows, labels: list[int], *, trees: int = 25, depth: int = 3, rate: float = 0.3
) -> dict[str, Any]:
    """Fit trees one after the other to the gradient of the log loss, with Newton leaves."""
    share = sum(labels) / len(labels)
    base = math.log(share / (1 - share))
    scores = [base] * len(rows)
    cuts = [_cuts(sorted(column)) for column in zip(*rows, strict=True)]
    grown: list[Node] = []
    for _ in range(trees):
        chances = [sigmoid(score) for score in scores]
        slopes = [label - chance for label, chance in zip(labels, chances, strict=True)]
        curves = [chance * (1 - chance) for chance in chances]
        tree = _grow(rows, slopes, curves, list(range(len(rows))), cuts, depth, rate)
        grown.append(tree)
        scores = [score + evaluate(tree, row) for score, row in zip(scores, rows, strict=True)]
    return {"kind": "boosted-trees", "base": round(base, DIGITS), "trees": grown}


def evaluate(node: Node, row: list[float]) -> float:
    """The leaf that a row comes to."""
    while isinstance(node, list):
        feature, threshold, low, high = node
        node = low if row[feature] <= threshold else high
    return node


def _cuts(values: list[float]) -> list[float]:
    """Thresholds that part a column into about equal bins."""
    places = {values[len(values) * step // BINS] for step in range(1, BINS)}
    return sorted(places - {values[-1]})


def _grow(
    rows: Rows, slopes: list[float], curves: list[float], members: list[int], cuts: list[list[float]],
    depth: int, rate: float,
) -> Node:  # fmt: skip
    slope = sum(slopes[one] for one in members)
    curve = sum(curves[one] for one in members) + 1.0
    best, found = 1e-3, None
    for feature, thresholds in enumerate(cuts if depth else []):
        for threshold in thresholds:
            low = [one for one in members if rows[one][feature] <= threshold]
            if not 20 <= len(low) <= len(members) - 20:
                continue
            g, h = sum(slopes[one] for one in low), sum(curves[one] for one in low) + 1.0
            gain = g * g / h + (slope - g) ** 2 / (curve - h + 2.0) - slope * slope / curve
            if gain > best:
                best, found = gain, (feature, threshold, low)
    if found is None:
        return round(rate * slope / curve, DIGITS)
    feature, threshold, low = found
    others = set(low)
    high = [one for one in members if one not in others]
    halves = [_grow(rows, slopes, curves, half, cuts, depth - 1, rate) for half in (low, high)]
    return [feature, round(threshold, DIGITS), *halves]


def auc(scores: list[float], labels: list[int]) -> float:
    """How often a positive row scores higher than a negative one (area under the ROC curve)."""
    ranked = sorted(zip(scores, labels, strict=True))
    positives = sum(labels)
    below, area = 0, 0
    for _, label in ranked:
        if label:
            area += below
        else:
            below += 1
    return area / (positives * (len(labels) - positives))
