"""Trained parts in JSON, evaluated in plain Python."""

from __future__ import annotations

import json
import math
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlapi.errors import DescriptionError
from nlapi.gateway.versions.model_artifact import ModelInputError, clean_failure, load_model, sigmoid
from tests.tables import table

NUMBERS = st.lists(st.floats(-5, 5), min_size=3, max_size=3)


def write(folder: Path, document: object, name: str = "model.json") -> Path:
    file = folder / name
    file.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
    return file


@given(weights=NUMBERS, mean=NUMBERS, row=NUMBERS, bias=st.floats(-5, 5))
def test_a_logistic_regression_is_the_sigmoid_of_its_scaled_sum(
    tmp_path_factory: pytest.TempPathFactory, weights: list[float], mean: list[float], row: list[float], bias: float
) -> None:
    document = {"kind": "logistic", "weights": weights, "mean": mean, "scale": [2.0] * 3, "bias": bias}
    model = load_model(write(tmp_path_factory.mktemp("model"), document))
    total = bias + sum(w * (x - m) / 2 for w, x, m in zip(weights, row, mean, strict=True))
    assert model.predict(row) == pytest.approx(1 / (1 + math.exp(-total)), abs=1e-9)


def test_boosted_trees_add_up_their_leaves(tmp_path: Path) -> None:
    trees = [[0, 0.5, [1, 1.0, -1, 2], 3], 0.25]
    model = load_model(write(tmp_path, {"kind": "boosted-trees", "base": 0.5, "trees": trees}))
    for row, leaf in (([0.5, 1.0], -1), ([0.0, 1.1], 2), ([0.6, 0], 3)):
        assert model.predict(row) == pytest.approx(sigmoid(0.75 + leaf))


@given(st.floats(-1e6, 1e6))
def test_the_sigmoid_never_overflows(value: float) -> None:
    assert 0.0 <= sigmoid(value) <= 1.0


@table(
    "document",
    [
        "{",
        {},
        {"kind": "forest"},
        {"kind": "logistic", "weights": ["x"], "bias": 0},
        {"kind": "logistic", "weights": [1.0], "mean": [1.0, 2.0], "bias": 0},
        {"kind": "boosted-trees", "base": 0, "trees": [[1, 2]]},
        [],
    ],
)
def test_what_is_no_model_is_said(tmp_path: Path, document: object) -> None:
    with pytest.raises(DescriptionError, match=r"model\.json is not a model"):
        load_model(write(tmp_path, document))


def test_a_pickled_file_needs_its_extra_or_has_to_be_an_estimator(tmp_path: Path) -> None:
    file = tmp_path / "model.pkl"
    file.write_bytes(pickle.dumps({"weights": [1.0]}))
    with pytest.raises(DescriptionError, match=r"model\.pkl (needs scikit-learn|is a dict, no estimator)"):
        load_model(file)
    with pytest.raises(DescriptionError, match=r"model\.joblib (needs scikit-learn|cannot be loaded)"):
        load_model(write(tmp_path, "x", "model.joblib"))


class Half:
    """What is asked of an estimator, without scikit-learn."""

    def predict_proba(self, rows: list[list[float]]) -> list[list[float]]:
        return [[1 - row[0] / 2, row[0] / 2] for row in rows]


def test_a_classifier_gives_the_probability_of_its_last_class(tmp_path: Path) -> None:
    pytest.importorskip("joblib")
    pytest.importorskip("numpy")
    file = tmp_path / "model.pkl"
    file.write_bytes(pickle.dumps(Half()))
    assert load_model(file).predict([0.5]) == 0.25


def test_an_onnx_file_needs_its_extra_or_has_to_be_one(tmp_path: Path) -> None:
    with pytest.raises(DescriptionError, match=r"model\.onnx (needs onnxruntime|is not an ONNX model)"):
        load_model(write(tmp_path, "x", "model.onnx"))


TREES = {"kind": "boosted-trees", "base": 0.5, "trees": [[1, 0.5, -1, [2, 3, 0.25, 4]]]}
LOGISTIC = {"kind": "logistic", "weights": [1.0, -2.0, 0.5], "bias": 0.1}


@pytest.mark.parametrize("document", [TREES, LOGISTIC])
@given(rows=st.lists(NUMBERS, max_size=4))
def test_columns_batches_and_labels_of_models_in_json(
    tmp_path_factory: pytest.TempPathFactory, document: object, rows: list[list[float]]
) -> None:
    file = write(tmp_path_factory.mktemp("model"), document)
    model, plain = load_model(file, ("a", "b", "c"), ("legal", "fraud")), load_model(file)
    expected = [plain.predict(row) for row in rows]
    assert model.predict_many([dict(zip("abc", row, strict=True)) for row in rows]) == expected
    assert model.predict_many([tuple(row) for row in rows]) == expected
    probabilities = model.probabilities_many(rows)
    assert [row["fraud"] for row in probabilities] == expected
    assert [sum(row.values()) for row in probabilities] == pytest.approx([1.0] * len(rows))
    assert [plain.probabilities(row)["1"] for row in rows] == expected
    for row, label, probability in zip(rows, model.classify_many(rows), expected, strict=True):
        assert label == ("fraud" if probability > 0.5 else "legal")
        assert plain.classify(row) == (probability > 0.5)


@pytest.mark.parametrize("document", [TREES, LOGISTIC])
def test_a_row_that_does_not_fit_a_model_in_json_is_refused(tmp_path: Path, document: object) -> None:
    model = load_model(write(tmp_path, document))
    for row, message in (
        ([1.0, 2.0], r"the row has 2 values, and model\.json takes 3"),
        ((), "the row has 0 values"),
        ({"a": 1.0}, "does not name its columns"),
        ([1.0, "Zelda", 2.0], "takes numbers, and a row has another value"),
        ([1.0, None, 2.0], "takes numbers"),
        ("abc", "a mapping of columns or a list, not str"),
    ):
        with pytest.raises(ModelInputError, match=message) as caught:
            model.predict(row)  # type: ignore[arg-type]
        assert "Zelda" not in str(caught.value)
    with pytest.raises(DescriptionError, match=r"trained\.columns are 2, and model\.json reads 3"):
        load_model(tmp_path / "model.json", ("a", "b"))
    with pytest.raises(DescriptionError, match=r"trained\.labels are 1, and model\.json has 2"):
        load_model(tmp_path / "model.json", labels=("a",))


@table(
    ("text", "cleaned"),
    [
        ("could not convert string to float: 'DE'", "could not convert string to float: '...'"),
        ("column 'age' has \"a value\"", "column 'age' has '...'"),
        ("it isn't there, or it doesn't fit 3 columns", "it isn't there, or it doesn't fit 3 columns"),
        ("no file /srv/models/fraud/v1/more.csv", "no file more.csv"),
        ("in C:\\models\\v1\\more.csv", "in more.csv"),
        ("km/h of https://example.org/a", "km/h of https://example.org/a"),
        ("card 4111111111111111 at 3.75", "card ... at ..."),
    ],
)
def test_messages_of_libraries_are_cleaned(text: str, cleaned: str) -> None:
    assert clean_failure(text, ("age",)) == cleaned
    assert len(clean_failure(text * 100)) <= 300
