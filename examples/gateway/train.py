"""Trains the example models on made-up data and writes them into their versions: `python train.py [FOLDER]`."""

from __future__ import annotations

import importlib.util
import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import data
import learn

HERE = Path(__file__).parent
SEED = 7
ROWS = 6000
TRAINED = 4500
"""of the rows; the others are held out"""

Examples = list[tuple[Any, dict[str, Any], int]]
"""an input, its context, and whether it happened"""


def viewings(seed: int = SEED) -> Examples:
    """Single begun titles, and whether they were gone on with."""
    chance = random.Random(seed)
    titles = data.catalogue()
    found: Examples = []
    while len(found) < ROWS:
        context = data.context(chance)
        for title in data.started_titles(chance, titles)["titles"]:
            found.append((title, context, int(data.continues(chance, title, context["device"]))))
    return found[:ROWS]


def payments(seed: int = SEED) -> Examples:
    """Payments, and whether they were frauds."""
    chance = random.Random(seed)
    given = [data.payment(chance) for _ in range(ROWS)]
    return [(one, {}, int(data.is_fraud(chance, one))) for one in given]


def features_of(folder: Path) -> Callable[[Any, dict[str, Any]], list[float]]:
    """The `row` function of a version: what it serves with is what it is trained on."""
    found = importlib.util.spec_from_file_location(folder.parent.name + folder.name, folder / "stages.py")
    assert found
    assert found.loader
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    row: Callable[[Any, dict[str, Any]], list[float]] = module.row
    return row


def train(target: Path) -> dict[str, float]:
    """Write every trained part below `target`; the AUC of each on rows that it has not seen."""
    found = {}
    for model, examples in (("ranker", viewings()), ("fraud", payments())):
        for version, fit in (("v1", learn.logistic), ("v2", learn.boosted_trees)):
            row = features_of(HERE / "models" / model / version)
            rows = [row(given, context) for given, context, _ in examples]
            labels = [label for _, _, label in examples]
            document = fit(rows[:TRAINED], labels[:TRAINED])
            file = target / model / version / "model.json"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(document) + "\n", encoding="utf-8")
            found[f"{model}@{version}"] = learn.auc(_scores(document, rows[TRAINED:]), labels[TRAINED:])
    return found


def _scores(document: dict[str, Any], rows: list[list[float]]) -> list[float]:
    if document["kind"] == "boosted-trees":
        return [sum(learn.evaluate(tree, row) for tree in document["trees"]) for row in rows]
    scaled = [weight / scale for weight, scale in zip(document["weights"], document["scale"], strict=True)]
    return [sum(map(float.__mul__, scaled, row)) for row in rows]


if __name__ == "__main__":
    for name, area in train(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "models").items():
        print(f"{name}: AUC {area:.3f} on rows that it has not seen")
