"""Ranks the operations of an API by how much they are used: reads and changes of its main resources first."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from nlapi.openapi.spec import Effect, Operation
from nlapi.resources.paths import Shape, segments, shape

# What is done to a resource, the most usual first: people list and look up far more than they create and update. A
# deletion is not among the tools to have at hand.
KIND_WEIGHTS = {"list": 4.0, "get": 3.0, "create": 3.0, "update": 2.5, "search": 2.0, "action": 0.5}

# Of each required argument, and of each literal part of the path behind the first.
ARGUMENT_COST = 0.3
DEPTH_COST = 0.2

# Least share of operations on items for paths to name the resources.
MIN_ITEM_SHARE = 0.2


def main_operations(operations: Sequence[Operation]) -> tuple[Operation, ...]:
    """Return the operations, the most used first, without deprecated ones and deletions.

    A resource counts by the operations on its items and beneath them; where paths have no items, by those of its tag.
    """
    paths = {operation: shape(segments(operation.route)) for operation in operations}
    beneath = Counter(prefix for path in paths.values() for prefix in _prefixes(path))
    has_items = sum(None in path for path in paths.values()) >= MIN_ITEM_SHARE * len(paths)
    tagged = Counter(operation.tags[0] for operation in operations if operation.tags and not has_items)
    scores: dict[Operation, float] = {}
    for operation, path in paths.items():
        item = path if path[-1:] == (None,) else (*path, None)
        kind = _kind(operation, path, has_items=beneath[item] > 0)
        if kind and not operation.deprecated:
            resource = beneath[item] or sum(tagged[tag] for tag in operation.tags[:1]) / 4
            required = sum(parameter.required for parameter in operation.parameters)
            cost = ARGUMENT_COST * required + DEPTH_COST * sum(part is not None for part in path[1:])
            scores[operation] = math.log2(1 + resource) + KIND_WEIGHTS[kind] - cost
    return tuple(sorted(scores, key=lambda operation: -scores[operation]))


def _prefixes(path: Shape) -> list[Shape]:
    return [path[:length] for length in range(1, len(path) + 1)]


def _kind(operation: Operation, path: Shape, *, has_items: bool) -> str:
    """Return what an operation does to its resource, as a key of KIND_WEIGHTS; "" for a deletion."""
    if operation.effect is Effect.DESTROY:
        return ""
    if operation.effect is Effect.READ:
        return _read_kind(operation, path)
    if path[-1:] == (None,):
        return "update" if operation.method in ("PUT", "PATCH", "POST") else "action"
    return "create" if operation.method == "POST" and has_items else "action"


def _read_kind(operation: Operation, path: Shape) -> str:
    if operation.method != "GET":
        return "search" if operation.method == "POST" else ""
    return "get" if path[-1:] == (None,) else "list"
