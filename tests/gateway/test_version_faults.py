"""What fails in a version is told to operators with its file and line, and to callers without."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from nlapi.gateway.engine import Engine
from nlapi.gateway.http.problems import GatewayProblem
from nlapi.gateway.inference import InferenceRequest, LoadError
from nlapi.gateway.records.records import Record
from tests.gateway.kit import gateway, write_models
from tests.gateway.versions import configuration, publish, run, write
from tests.tables import table

MODEL = json.dumps({"kind": "logistic", "weights": [1.0, -1.0], "bias": 0})
TRAINED = '[trained]\nfile = "model.json"\ncolumns = ["age", "spent"]\nlabels = ["legal", "fraud"]\n'
JSON = '[trained]\nfile = "model.json"\n'
SERVE = "/v1/objectives/continue-watching/serve"


@table(
    ("stages", "manifest", "reason"),
    [
        ("x = 1\ndef predict(value)\n", "", "stages.py cannot be imported: SyntaxError in stages.py, line 2"),
        ("if x:\n  x = 1\n    x = 2\n", "", "IndentationError in stages.py, line 3: unexpected indent"),
        ("import json\nimport no_such_module\n", "", "stages.py, line 2 imports no_such_module, which is not"),
        ("\nfrom json import nothing\n", "", "ImportError in stages.py, line 2: cannot import name 'nothing'"),
        ("def half():\n    1 / 0\n\nx = half()\n", "", "ZeroDivisionError in stages.py, line 2: division by"),
        ("from .more import x\n", "", "ValueError in more.py, line 1: a flag"),
        ("from .broken import x\n", "", "SyntaxError in broken.py, line 1: "),
        ("open(__file__ + '.none')\n", "", "FileNotFoundError in stages.py, line 1: [Errno 2] No such file or dir"),
        ("x = 1\n", '[trained]\nfile = "none.joblib"\n', "model.toml: trained.file is 'none.joblib', which is not"),
        ("x = 1\n", '[trained]\nfile = "none.onnx"\n', "model.toml: trained.file is 'none.onnx', which is not there"),
        ("x = 1\n", JSON + 'columns = ["a"]\n', "trained.columns are 1, and model.json reads 2"),
        ("x = 1\n", JSON + 'columns = "a"\n', "model.toml: trained.columns is 'a' (a list of texts)"),
        ("x = 1\n", JSON + 'columns = ["a", "a"]\n', "trained.columns has a name twice"),
        ("x = 1\n", JSON + "labels = [1, 2, 3]\n", "trained.labels are 3, and model.json has 2"),
        ("x = 1\n", JSON + "labels = [1.5]\n", "(a list of texts or whole numbers)"),
        ("x = 1\n", "[run]\n\nworkers = \n", "model.toml cannot be read: Invalid value (at line 3, column 11)"),
    ],
)  # fmt: skip
def test_a_fault_of_loading_has_its_file_and_line(tmp_path: Path, stages: str, manifest: str, reason: str) -> None:
    files = {"more.py": "raise ValueError('a flag')\n", "broken.py": "x = (\n", "model.json": MODEL}
    write(tmp_path / "v1", "", manifest, files)
    (tmp_path / "v1" / "stages.py").write_text(stages, encoding="utf-8")

    async def body(engine: Engine) -> None:
        with pytest.raises(LoadError) as caught:
            await publish(engine, configuration("v1"))
        assert reason in str(caught.value)
        assert str(tmp_path) not in str(caught.value)

    run(tmp_path, body)


@table(
    ("stages", "row", "reason"),
    [
        ("x = 1\n", {"age": 1, "Zelda": 2}, "stage predict raised ModelInputError: column 'spent' is missing"),
        ("x = 1\n", {"age": "Zelda", "spent": 2}, "stage predict raised ModelInputError: model.json takes numbers"),
        (
            "def predict(value, model):\n    return model.probabilities(value)\n",
            {"age": 1},
            "stage predict raised ModelInputError in stages.py, line 2: column 'spent' is missing "
            "(model.json has the columns 'age', 'spent')",
        ),
        (
            "def features(value, model):\n    rows = [value]\n    return model.predict_many(rows)\n",
            [1],
            "stage features raised ModelInputError in stages.py, line 3: the row has 1 values, and model.json takes 2",
        ),
    ],
)
def test_a_failing_model_is_recorded_with_stage_and_line(tmp_path: Path, stages: str, row: object, reason: str) -> None:
    write(tmp_path / "v1", stages, TRAINED, {"model.json": MODEL})
    records: list[Record] = []

    async def body(engine: Engine) -> None:
        await publish(engine, configuration("v1"))
        with pytest.raises(GatewayProblem) as caught:
            await engine.serve("greet", InferenceRequest(input=row))
        assert caught.value.status == 502
        assert reason in caught.value.message

    def write_down(batch: Sequence[Record]) -> None:
        records.extend(batch)

    run(tmp_path, body, record=write_down)
    (record,) = records
    assert record.error.startswith(reason)
    assert "Zelda" not in record.error.replace("'Zelda' is unknown", "")


def test_callers_see_neither_paths_nor_reasons(tmp_path: Path) -> None:
    write_models(tmp_path / "models")
    folder = tmp_path / "models" / "ranker-v7"
    (folder / "model.toml").write_text(TRAINED, encoding="utf-8")
    (folder / "model.json").write_text(MODEL, encoding="utf-8")
    stages = "def predict(value, model):\n    return model.probabilities(value)\n"
    (folder / "stages.py").write_text(stages, encoding="utf-8")
    broken = tmp_path / "models" / "broken"
    broken.mkdir()
    (broken / "model.toml").touch()
    (broken / "stages.py").write_text("from pathlib import Path\nPath(__file__, 'x').read_text()\n", encoding="utf-8")
    with gateway(tmp_path) as talk:
        output = talk.as_("web").ok("POST", SERVE, {"input": {"age": 1, "spent": 1}, "context": {"user": "u1"}})[
            "output"
        ]
        assert output == {"legal": 0.5, "fraud": 0.5}
        reply = talk.as_("web")("POST", SERVE, {"input": {"age": 1}, "context": {"user": "u1"}})
        assert (reply.status, b"stages.py" in reply.content, str(tmp_path).encode() in reply.content) == (
            502,
            False,
            False,
        )
        decision = talk.ok("GET", f"/v1/decisions/{reply.headers['x-request-id']}")
        assert "in stages.py, line 2: column 'spent' is missing" in decision["error"]
        new_version = {"version": "v12", "source": "broken"}
        detail = talk.refused(422, "POST", "/v1/models/ranker/versions", new_version)["detail"]
        assert "NotADirectoryError in stages.py, line 2" in detail
        assert str(tmp_path) not in detail
