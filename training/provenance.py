"""Says what a forest is trained on: the files with their digests, how many questions, by which command and packages."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.descriptions import DIRECTORY
from training import invented, invented_choices, invented_more, invented_services
from training.corpus import Corpus
from training.real import DATASET, SENTENCES

COMMAND = "python -m training"
PACKAGES = ("lightgbm", "numpy", "scipy")
INVENTED: Mapping[str, Callable[[], Iterable[object]]] = {
    "invented": invented.invented,
    "invented_more": invented_more.invented_more,
    "invented_choices": invented_choices.choices,
    "invented_services": invented_services.services,
}
"""Module of training/ -> the sentences that it makes."""


def training_record(corpus: Corpus) -> dict[str, Any]:
    """Return the field `trained_on` of a forest that is trained on all questions."""
    real = sum(row["dataset"] == DATASET for row, _ in corpus.rows)
    files = (*corpus.files, SENTENCES, *(Path(__file__).with_name(f"{name}.py") for name in INVENTED))
    return {
        "command": COMMAND,
        "questions": {
            "public": len(corpus.public),
            DATASET: real,
            **{name: sum(1 for _ in make()) for name, make in INVENTED.items()},
        },
        "sha256": {file.name: _digest(file) for file in files},
        "descriptions": f"npm {DIRECTORY}",
        "packages": {name: version(name) for name in PACKAGES},
    }


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
