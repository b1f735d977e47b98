"""Trains small forests with LightGBM and writes them in the form that nlapi/planner/forest.py reads.

LightGBM is in the dependency group `train`; nothing that runs for a user imports it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nlapi.planner.forest as forest
from nlapi.planner.forest import LEAVES, LOADED, read_forest

SHIPPED = Path(forest.__file__).with_name("forests")
SETTINGS: Mapping[str, Any] = {
    "objective": "binary",
    "num_leaves": LEAVES,
    "learning_rate": 0.08,
    "min_data_in_leaf": 20,
    "feature_fraction": 0.6,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 2.0,
    "verbose": -1,
    "num_threads": 1,
    "seed": 1,
    "deterministic": True,
    "force_row_wise": True,
}
"""What every forest is trained with unless it is told otherwise; the seed makes runs repeat."""


def train(
    features: Sequence[str],
    rows: Sequence[Sequence[float]],
    labels: Sequence[float],
    *,
    weights: Sequence[float] | None = None,
    groups: Sequence[int] | None = None,
    trees: int = 200,
    settings: Mapping[str, Any] | None = None,
    facts: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A forest as data. `groups` are the sizes of the runs of rows that compete, for a ranking objective."""
    import lightgbm
    import numpy

    table = lightgbm.Dataset(
        numpy.asarray(rows, dtype=numpy.float64),
        label=numpy.asarray(labels, dtype=numpy.float64),
        weight=None if weights is None else numpy.asarray(weights, dtype=numpy.float64),
        group=groups,
        params={"verbose": -1},
    )
    booster = lightgbm.train({**SETTINGS, **(settings or {})}, table, num_boost_round=trees)
    dump = booster.dump_model()
    return {
        "features": list(features),
        "base": 0.0,
        **(facts or {}),
        "trees": [_tree(one["tree_structure"]) for one in dump["tree_info"]],
    }


def _tree(node: Mapping[str, Any]) -> Any:
    if "split_feature" not in node:
        return _short(node["leaf_value"], 4)
    if node["decision_type"] != "<=":
        raise ValueError(f"a cut by {node['decision_type']!r} cannot be written")
    threshold = _short(node["threshold"], 6)
    return [node["split_feature"], threshold, _tree(node["left_child"]), _tree(node["right_child"])]


def _short(value: float, digits: int) -> float:
    return float(f"{value:.{digits}g}")


def ship(name: str, data: Mapping[str, Any], trained_on: Mapping[str, Any]) -> Path:
    """Writes a forest where `Forest.load(name)` finds it, a tree a line, what it is trained on first."""
    SHIPPED.mkdir(exist_ok=True)
    head = {"trained_on": trained_on, **{key: value for key, value in data.items() if key != "trees"}}
    trees = ",\n".join(json.dumps(tree, separators=(",", ":")) for tree in data["trees"])
    path = SHIPPED / f"{name}.json"
    path.write_text(json.dumps(head, separators=(",", ":"))[:-1] + ',"trees":[\n' + trees + "\n]}\n", encoding="utf-8")
    return path


@contextmanager
def instead(name: str, data: Mapping[str, Any]) -> Iterator[None]:
    """In the block, `Forest.load(name)` gives the forest made of `data`."""
    before = LOADED.get(name)
    LOADED[name] = read_forest(data)
    try:
        yield
    finally:
        LOADED.pop(name)
        if before is not None:
            LOADED[name] = before
