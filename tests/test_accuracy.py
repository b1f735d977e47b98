"""The ratchet: the project's own sentences are planned as well as the committed figures say, or better."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from benchmarks.accuracy import sample
from benchmarks.accuracy.__main__ import FIGURES
from benchmarks.accuracy.measure import figures, measure, regressions, sizes
from tests.tables import table
from training.real import SENTENCES

RECORDED = json.loads(FIGURES.read_bytes())
LEAST = 600
"""Sentences that the sample has at least."""
MOST_BYTES = 2_000_000


@pytest.mark.slow
def test_no_plan_gets_worse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NLAPI_CONFIG_DIR", str(tmp_path))
    worse = regressions(figures(list(measure(sample.names()))), RECORDED)
    assert not worse, f"{'; '.join(worse)}: `python -m benchmarks.accuracy --show` prints the sentences"


def test_the_sample_is_large_and_its_descriptions_are_small() -> None:
    assert sum(sizes(RECORDED).values()) >= LEAST
    assert sum(path.stat().st_size for path in sample.FOLDER.rglob("*.gz")) < MOST_BYTES


def test_every_description_has_its_licence_in_the_readme() -> None:
    readme = sample.FOLDER.with_name("README.md").read_text(encoding="utf-8")
    for name in sample.names():
        if not name.startswith(sample.BUNDLED):
            info = json.loads(gzip.decompress((sample.FOLDER / f"{name}.gz").read_bytes()))["info"]
            assert f"| `{name}` | {info['title']} | {info['license']['name']} |" in readme


@table(
    ("column", "change", "message"),
    [("exact", -1, "plans are exact"), ("wrong_changes", 1, "wrong changes stand"), ("sentences", 1, "another one")],
)
def test_what_is_worse_is_named(column: str, change: int, message: str) -> None:
    group = next(iter(RECORDED))
    measured = {**RECORDED, group: {**RECORDED[group], column: RECORDED[group][column] + change}}
    (line,) = regressions(measured, RECORDED)
    assert message in line


def test_an_improvement_passes() -> None:
    group = next(iter(RECORDED))
    assert not regressions({**RECORDED, group: {**RECORDED[group], "exact": RECORDED[group]["exact"] + 1}}, RECORDED)


def test_the_sentences_are_part_of_the_repository() -> None:
    assert len(SENTENCES.read_text(encoding="utf-8").splitlines()) > 2_000
