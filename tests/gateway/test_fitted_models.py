"""Models of scikit-learn and ONNX are called by column and in batches, with all probabilities."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nlapi.errors import DescriptionError, NlapiError
from nlapi.gateway.engine import Engine
from nlapi.gateway.http.problems import GatewayProblem
from nlapi.gateway.inference import InferenceRequest
from nlapi.gateway.records.records import Record
from nlapi.gateway.versions.model_artifact import ModelInputError, ModelRunError, TrainedModel, load_model
from tests.gateway.fitted import COUNTRIES, NUMBERS, fit, write_joblib, write_onnx
from tests.gateway.versions import configuration, publish, run, write
from tests.tables import table

pytestmark = pytest.mark.skipif(
    not all(map(find_spec, ("sklearn", "pandas", "skl2onnx", "onnxruntime"))),
    reason="the libraries of trained parts are not installed (pip install --group fitting)",
)
WRITERS = {"scikit-learn": write_joblib, "ONNX": write_onnx}
CUSTOMER = {"age": 31, "country": "DE", "spent": 20.5}
AGES = st.integers(0, 120)
ROWS = st.fixed_dictionaries(
    {"age": AGES, "country": st.sampled_from((*COUNTRIES, "XX", "")), "spent": st.floats(0, 1e4, width=32)}
)
INCOMPLETE_ROWS = st.fixed_dictionaries(
    {
        "age": AGES | st.none(),
        "country": st.sampled_from((*COUNTRIES, "XX")) | st.none(),
        "spent": st.floats(0, 1e4, width=32) | st.none() | AGES,
    }
)


@pytest.fixture(scope="module")
def risk_models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TrainedModel]:
    return {name: load_model(write(tmp_path_factory.mktemp("model"), "risk")) for name, write in WRITERS.items()}


@pytest.fixture(scope="module")
def imputing_model(tmp_path_factory: pytest.TempPathFactory) -> TrainedModel:
    return load_model(write_joblib(tmp_path_factory.mktemp("model"), "risk of what is known"))


@pytest.mark.parametrize("library", WRITERS)
def test_columns_are_taken_by_name_in_any_order(risk_models: dict[str, TrainedModel], library: str) -> None:
    model = risk_models[library]
    assert model.columns == ("age", "country", "spent")
    expected = model.predict(CUSTOMER)
    assert model.predict(dict(reversed(CUSTOMER.items()))) == expected
    assert model.predict(list(CUSTOMER.values())) == expected
    probabilities = model.probabilities(CUSTOMER)
    assert sorted(probabilities) == ["high", "low", "mid"]
    assert sum(probabilities.values()) == pytest.approx(1, abs=1e-6)
    assert probabilities["mid"] == expected
    assert model.classify(CUSTOMER) == max(probabilities, key=probabilities.__getitem__)
    assert json.loads(json.dumps(probabilities)) == probabilities


def test_both_libraries_give_the_numbers_of_the_estimator(risk_models: dict[str, TrainedModel]) -> None:
    pandas = pytest.importorskip("pandas")
    estimator = fit("risk")
    (expected,) = estimator.predict_proba(pandas.DataFrame([CUSTOMER])).tolist()
    for model in risk_models.values():
        assert list(model.probabilities(CUSTOMER).values()) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("library", WRITERS)
@settings(deadline=None, max_examples=25)
@given(rows=st.lists(ROWS, max_size=6))
def test_a_batch_gives_the_same_as_its_rows_alone(
    risk_models: dict[str, TrainedModel], library: str, rows: list[dict[str, Any]]
) -> None:
    model = risk_models[library]
    assert model.predict_many(rows) == pytest.approx([model.predict(row) for row in rows], abs=1e-6)
    assert model.classify_many(rows) == [model.classify(row) for row in rows]
    for together, alone in zip(model.probabilities_many(rows), map(model.probabilities, rows), strict=True):
        assert together == pytest.approx(alone, abs=1e-6)


@settings(deadline=None, max_examples=25)
@given(rows=st.lists(INCOMPLETE_ROWS, min_size=1, max_size=5))
def test_a_missing_value_does_not_depend_on_the_batch(imputing_model: TrainedModel, rows: list[dict[str, Any]]) -> None:
    model = imputing_model
    assert model.predict_many(rows) == pytest.approx([model.predict(row) for row in rows], abs=1e-9)


@table("library", WRITERS)
@table(
    ("row", "message"),
    [
        ({"age": 31, "spent": 1.0}, r"'country' is missing \(model\.\w+ has the columns 'age', 'country', 'spent'"),
        ({**CUSTOMER, "land": 1}, "column 'land' is unknown"),
        ({"years": 31, "land": 1}, "'age', 'country', 'spent' are missing and columns 'years', 'land' are unknown"),
        ([31, "DE"], r"the row has 2 values, and model\.\w+ takes 3: 'age', 'country', 'spent'"),
        ("DE", "a mapping of columns or a list, not str"),
        (31, "a mapping of columns or a list, not int"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_row_is_named(
    risk_models: dict[str, TrainedModel], library: str, row: Any, message: str
) -> None:
    model = risk_models[library]
    calls: list[Callable[[], object]] = [
        lambda: model.predict(row),
        lambda: model.probabilities(row),
        lambda: model.classify(row),
        lambda: model.predict_many([CUSTOMER, row]),
    ]
    for call in calls:
        with pytest.raises(ModelInputError, match=message):
            call()


@pytest.mark.parametrize("library", WRITERS)
def test_a_row_is_no_batch(risk_models: dict[str, TrainedModel], library: str) -> None:
    for batch in (CUSTOMER, "DE", 3):
        with pytest.raises(ModelInputError, match="are a list of rows, not"):
            risk_models[library].predict_many(batch)  # type: ignore[arg-type]


@pytest.mark.parametrize("library", WRITERS)
def test_no_error_has_a_value(risk_models: dict[str, TrainedModel], library: str) -> None:
    for row in ({**CUSTOMER, "age": "Zelda 123456"}, {**CUSTOMER, "spent": "Zelda 123456"}):
        with pytest.raises((ModelInputError, ModelRunError)) as caught:
            risk_models[library].predict(row)
        assert "Zelda" not in str(caught.value)
        assert "123456" not in str(caught.value)


def test_an_onnx_input_takes_its_type_alone(risk_models: dict[str, TrainedModel]) -> None:
    model = risk_models["ONNX"]
    assert model.predict({**CUSTOMER, "age": 31.0}) == model.predict(CUSTOMER)
    wrong: list[tuple[str, object, str]] = [("age", 31.5, "int64"), ("age", None, "int64"), ("age", 2**70, "int64")]
    wrong += [("country", 7, "texts"), ("country", None, "texts"), ("spent", [1, 2], "float32")]
    for column, value, dtype in wrong:
        with pytest.raises(NlapiError, match=rf"column '{column}' takes {dtype}|model\.onnx failed"):
            model.predict({**CUSTOMER, column: value})


@table("library", WRITERS)
@table("kind", ["one value", "two values"])
def test_a_regressor_gives_a_number_or_a_list(tmp_path: Path, library: str, kind: str) -> None:
    model = load_model(WRITERS[library](tmp_path, kind))
    value = model.predict(CUSTOMER)
    if kind == "one value":
        assert type(value) is float
    else:
        assert isinstance(value, list)
        assert list(map(type, value)) == [float, float]
    assert model.predict_many([CUSTOMER, CUSTOMER]) == [pytest.approx(value), pytest.approx(value)]
    assert model.predict_many([]) == []
    for call in (model.probabilities, model.classify):
        with pytest.raises(ModelInputError, match=r"is not a classifier.*use model\.predict"):
            call(CUSTOMER)


def test_rows_of_numbers_need_no_names(tmp_path: Path) -> None:
    for write_file in WRITERS.values():
        file = write_file(tmp_path, "numbers")
        model = load_model(file)
        assert type(model.predict([30.0, 10.5])) is float
        assert (model.columns, list(model.probabilities(NUMBERS[0]))) == ((), ["1", "3"])
        assert type(model.classify(NUMBERS[0])) is int
        assert model.classify(NUMBERS[0]) in (1, 3)
        with pytest.raises(ModelInputError, match=r"does not name its columns .*\[trained\] columns"):
            model.predict({"age": 1, "spent": 2})
        with pytest.raises(ModelInputError, match=r"has 3 values, and .* takes 2"):
            model.predict([1, 2, 3])
        named = load_model(file, ["age", "spent"], ["legal", "fraud"])
        assert named.predict({"spent": 10.5, "age": 30}) == pytest.approx(model.predict([30.0, 10.5]))
        assert list(named.probabilities([30.0, 10.5])) == ["legal", "fraud"]
        assert named.classify([30.0, 10.5]) in ("legal", "fraud")
        for columns, labels in (["age"], []), (["a", "b", "c"], []):
            with pytest.raises(DescriptionError, match=r"trained\.columns are"):
                load_model(file, columns, labels)


def test_labels_that_an_onnx_file_lacks_are_named_in_the_manifest(tmp_path: Path) -> None:
    file = write_onnx(tmp_path, "numbers", zipmap=False)
    model = load_model(file)
    assert model.predict(NUMBERS[0]) == model.predict_many(NUMBERS[:2])[0]
    assert model.classify(NUMBERS[0]) in (1, 3)
    with pytest.raises(
        ModelInputError, match=r"labels of its 2 classes \(name them in model\.toml: \[trained\] labels"
    ):
        model.probabilities(NUMBERS[0])
    assert list(load_model(file, labels=["no", "yes"]).probabilities(NUMBERS[0])) == ["no", "yes"]


def test_named_numbers_and_labels_of_any_type(tmp_path: Path) -> None:
    model = load_model(write_joblib(tmp_path, "named numbers"))
    row = {"age": None, "spent": 3}
    assert list(model.probabilities(row)) == ["false", "true"]
    assert type(model.classify(row)) is bool
    assert load_model(write_joblib(tmp_path, "labels")).predict(NUMBERS[0]) in ("low", "mid", "high")
    with pytest.raises(ModelInputError, match="not a classifier with probabilities"):
        load_model(tmp_path / "model.joblib").probabilities(NUMBERS[0])
    outputs = load_model(write_joblib(tmp_path, "two labels"))
    chances, labels = outputs.predict(NUMBERS[0]), outputs.classify(NUMBERS[0])
    assert isinstance(chances, list)
    assert isinstance(labels, list)
    assert (list(map(type, chances)), list(map(type, labels))) == ([float, float], [str, str])
    with pytest.raises(ModelInputError, match="several outputs"):
        outputs.probabilities(NUMBERS[0])


def test_a_vectorizer_takes_rows_as_they_are(tmp_path: Path) -> None:
    texts = load_model(write_joblib(tmp_path, "texts"))
    assert texts.classify("a good day") == 1  # type: ignore[arg-type]
    assert texts.classify_many(["a good day", "a bad day"]) == [1, 0]
    assert load_model(write_joblib(tmp_path, "mappings")).predict({"b": 2}) == pytest.approx(2)


def test_what_needs_pandas_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write_joblib(tmp_path, "risk")
    numbers = tmp_path / "numbers"
    numbers.mkdir()
    alone = write_joblib(numbers, "named numbers")
    expected = load_model(alone).predict({"age": 31, "spent": 2.0})
    monkeypatch.setitem(sys.modules, "pandas", None)
    message = r"model\.joblib was fitted on named columns and needs pandas, .*\(pip install \"nlapi\[models\]\"\)"
    with pytest.raises(DescriptionError, match=message):
        load_model(file)
    model = load_model(alone)
    with pytest.warns(UserWarning, match="feature names"):
        assert model.predict({"spent": 2.0, "age": 31}) == expected


def test_a_model_of_one_row_takes_a_batch_row_by_row(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    helper, number = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("Add", ["row", "row"], ["sum"])],
        "twice",
        [helper.make_tensor_value_info("row", number, [1, 2])],
        [helper.make_tensor_value_info("sum", number, [1, 2])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    file = tmp_path / "model.onnx"
    file.write_bytes(model.SerializeToString())
    assert load_model(file).predict_many([[1, 2], [3, 4]]) == [[2.0, 4.0], [6.0, 8.0]]
    assert load_model(file, labels=["no", "yes"]).predict([1, 2]) == 4.0


PIPELINE = """
def predict(value, model):
    rows = value["rows"]
    return {"labels": model.classify_many(rows), "chances": model.probabilities_many(rows)}
"""
TRAINED = '[run]\nmode = "{mode}"\n[trained]\nfile = "{file}"\n'


@table("mode", ["inline", "process"])
@table("library", WRITERS)
def test_a_pipeline_on_columns_serves_and_its_failure_is_recorded(tmp_path: Path, library: str, mode: str) -> None:
    folder = tmp_path / "v1"
    folder.mkdir()
    file = WRITERS[library](folder, "risk")
    write(folder, PIPELINE, TRAINED.format(mode=mode, file=file.name))
    records: list[Record] = []

    async def body(engine: Engine) -> None:
        await publish(engine, configuration("v1"))
        rows = [CUSTOMER, {**CUSTOMER, "country": "FR"}]
        output = (await engine.serve("greet", InferenceRequest(input={"rows": rows}))).output
        assert json.loads(json.dumps(output)) == output
        assert [max(row, key=row.__getitem__) for row in output["chances"]] == output["labels"]
        for row in ({"age": 31, "country": "DE"}, {**CUSTOMER, "spent": "Zelda"}):
            with pytest.raises(GatewayProblem) as caught:
                await engine.serve("greet", InferenceRequest(input={"rows": [row]}))
            assert (caught.value.status, file.name in caught.value.detail) == (502, False)

    run(tmp_path, body, record=records.extend)
    missing, wrong = (record.error for record in records[1:])
    assert missing == (
        "stage predict raised ModelInputError in stages.py, line 4: column 'spent' is missing "
        f"({file.name} has the columns 'age', 'country', 'spent')"
    )
    expected = {
        "scikit-learn": "ModelRunError in stages.py, line 4: model.joblib failed with ValueError: ",
        "ONNX": "ModelInputError in stages.py, line 4: column 'spent' takes float32, and a row has another type",
    }
    assert wrong.startswith(f"stage predict raised {expected[library]}")
    assert "Zelda" not in wrong
