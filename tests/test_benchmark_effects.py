"""The data set of effects and its scorer: splits share no provider, and a deletion that is called a read counts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from benchmarks.effects.labels import read_labels
from benchmarks.effects.score import read_answers, score


def test_split_by_provider() -> None:
    labels = read_labels()
    providers = {split: {label.provider for label in labels if label.split == split} for split in ("train", "test")}
    assert all(providers.values())
    assert providers["train"].isdisjoint(providers["test"])
    assert len({(label.api, label.id) for label in labels}) == len(labels)


def test_scorer(tmp_path: Path) -> None:
    base = replace(read_labels()[0], doubtful=False)
    labels = [replace(base, id=name, label=name) for name in ("read", "change", "destroy")]
    answers = tmp_path / "answers.jsonl"
    answers.write_text(
        f'{{"api": "{base.api}", "id": "read", "effect": "read"}}\n'
        f'{{"api": "{base.api}", "id": "destroy", "effect": "read"}}\n'
        f'{{"api": "elsewhere", "id": "change", "effect": "read"}}\n'
    )
    result = score([*labels, replace(base, id="other", label="change", doubtful=True)], read_answers(answers))
    assert (result.recall, result.precision, result.unanswered) == (1.0, 0.5, 1)
    assert (result.destroys_as_reads, result.changes_as_reads) == (1, 0)
