"""Reads the questions that are trained on: the public sets from a folder, the sentences about real APIs from here.

The sentences of the public sets may not be copied into the repository, so that their folder is named (README.md).
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import nlapi
from benchmarks import descriptions
from nlapi.openapi.spec import Spec
from nlapi.planner.operations.catalogue import Catalogue
from training.folds import folds
from training.real import PREFIX, real_fold, real_rows
from training.scoring import Row

QUESTIONS = (
    descriptions.shared("data/questions") or Path(__file__).resolve().parents[2] / "shared" / "data" / "questions"
)
"""Where the public sets are looked for when no folder is named."""
TODAY = date(2026, 1, 15)
"""The day on which the training sentences are read, so that two runs read them alike."""


class Corpus:
    """All questions with their folds, and the descriptions that they are about, each parsed once."""

    def __init__(self, folder: Path = QUESTIONS) -> None:
        self.folder = folder
        self._catalogues: dict[str, tuple[Spec, Catalogue]] = {}

    @property
    def files(self) -> tuple[Path, Path]:
        """The questions of the public sets, and the descriptions that they are about."""
        return self.folder / "dev.jsonl", self.folder / "specs.jsonl"

    @cached_property
    def public(self) -> tuple[Row, ...]:
        """The questions of the public sets. FileNotFoundError names the folder and the option."""
        path, _ = self.files
        if not path.exists():
            raise FileNotFoundError(
                f"there is no {path}: name the folder of the public question sets with --questions DIR"
            )
        return tuple(map(json.loads, path.read_text(encoding="utf-8").splitlines()))

    @cached_property
    def documents(self) -> Mapping[str, Mapping[str, Any]]:
        """Id of a description of the public sets -> the OpenAPI document."""
        lines = map(json.loads, self.files[1].read_text(encoding="utf-8").splitlines())
        return {line["id"]: line["spec"] for line in lines}

    @cached_property
    def rows(self) -> tuple[tuple[Row, int], ...]:
        """All questions, of the public sets and about real APIs, each with its fold."""
        return (
            *zip(self.public, folds(self.public), strict=True),
            *((row, real_fold(row)) for row in real_rows()),
        )

    def catalogue(self, spec: str) -> tuple[Spec, Catalogue]:
        """Return the description of a row's `spec`, parsed, and its operations."""
        if spec not in self._catalogues:
            self._catalogues[spec] = self._parsed(spec)
        return self._catalogues[spec]

    def _parsed(self, spec: str) -> tuple[Spec, Catalogue]:
        if spec.startswith(PREFIX):
            # A forest trained without the sentences about real APIs would pass for the shipped one.
            folder = descriptions.directory()
            if folder is None:
                raise FileNotFoundError(f"npm does not give {descriptions.DIRECTORY}, which has {spec}")
            parsed = nlapi.load(str(folder / spec.removeprefix(PREFIX)))
        else:
            parsed = load_document(self.documents[spec])
        return parsed, Catalogue.of([parsed])


def load_document(document: Mapping[str, Any]) -> Spec:
    """Return the Spec of a description that is data."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "openapi.json"
        file.write_text(json.dumps(document), encoding="utf-8")
        return nlapi.load(str(file))


def today_of(row: Row) -> date:
    """Return the day on which a question was asked, where it says so; else TODAY."""
    return date.fromisoformat(row["today"]) if "today" in row else TODAY


def add_questions(parser: argparse.ArgumentParser) -> None:
    """Add the option that names the folder of the public question sets."""
    parser.add_argument(
        "--questions", type=Path, default=QUESTIONS, metavar="DIR", help="the public sets: dev.jsonl, specs.jsonl"
    )
