"""MLServer, Ray Serve and BentoML behind the gateway: the examples of examples/gateway/servers, and their errors."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.kit import Talk
from tests.gateway.model_server import SERVE, document, model_gateway, reason_of
from tests.scale.environments import ROOT, environment_python

SCRIPT = ROOT / "examples" / "gateway" / "servers" / "run.py"
# Seconds. The slowest, Ray Serve, takes 35 on two cores.
LIMIT_S = 240

_loader = importlib.util.spec_from_file_location("run", SCRIPT)
assert _loader and _loader.loader
run = importlib.util.module_from_spec(_loader)
sys.modules["run"] = run
_loader.loader.exec_module(run)


@pytest.mark.parametrize("name", ["mlserver", "ray", "bentoml"])
def test_the_example_serves_a_request(name: str) -> None:
    python = environment_python(name, *run.SERVERS[name].packages)
    command = [sys.executable, str(SCRIPT), name, "--python", str(python)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    output = json.loads(done.stdout)["output"]
    chances = output["chances"] if isinstance(output, dict) else [row["predict_proba"][1] for row in output]
    assert chances == pytest.approx([0.49, 1.0], abs=0.02)


@pytest.fixture(scope="module")
def mlserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An MLServer with the example's model, a pipeline on the columns of a DataFrame."""
    server = run.SERVERS["mlserver"]
    python = environment_python("mlserver", *server.packages)
    folder = tmp_path_factory.mktemp("mlserver")
    port = run.free_port()
    command = server.command(python, folder, port)
    url = f"http://127.0.0.1:{port}"
    with run.started("mlserver", command, url + server.ready_path, folder):
        yield url


@pytest.fixture
def talk(mlserver: str, tmp_path: Path) -> Iterator[Talk]:
    """A gateway whose objective is served by MLServer, over REST."""
    version = {"form": "columns", "upstream_model": "shop", "upstream_version": "1"}
    with model_gateway(tmp_path, document(mlserver, version=version)) as running:
        yield running


def serve(talk: Talk, value: object) -> Any:
    return talk.as_("web")("POST", SERVE, {"input": value})


def test_rows_columns_and_tensors_are_one_table(talk: Talk) -> None:
    rows = run.CUSTOMERS
    labels = [row["predict"] for row in serve(talk, rows).json()["output"]]
    assert labels == [0, 1]
    assert serve(talk, rows[1]).json()["output"] == {"predict": 1}
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    assert serve(talk, columns).json()["output"] == {"predict": labels}
    tensors = [
        {"name": "age", "shape": [2, 1], "datatype": "INT32", "data": columns["age"]},
        {"name": "spent", "shape": [2, 1], "datatype": "FP32", "data": columns["spent"]},
        {"name": "country", "shape": [2, 1], "datatype": "BYTES", "data": columns["country"],
         "parameters": {"content_type": "str"}},
    ]  # fmt: skip
    request = {"inputs": tensors, "parameters": {"content_type": "pd"}, "outputs": [{"name": "predict"}]}
    (output,) = serve(talk, request).json()["output"]["outputs"]
    assert (output["name"], output["shape"], output["data"]) == ("predict", [2, 1], labels)


def test_what_a_pipeline_fails_at_is_in_the_decision(talk: Talk) -> None:
    answer = serve(talk, [{"age": 31, "country": "DE"}])
    assert answer.status == 502
    assert "GET /v1/decisions/" in answer.json()["hint"]
    assert "columns are missing: {'spent'}" in reason_of(talk, answer.headers)


def test_what_the_server_refuses_reaches_the_caller(talk: Talk) -> None:
    tensor = {"name": "age", "shape": [1], "datatype": "INT64", "data": [31]}
    answer = serve(talk, {"inputs": [tensor, {**tensor, "name": "spent"}], "parameters": {"content_type": "np"}})
    assert answer.status == 422, answer.content
    assert "only supports a single input tensor" in answer.json()["detail"]


def test_a_model_that_the_server_lacks_is_named(talk: Talk) -> None:
    talk.ok("PATCH", "/v1/models/ranker/versions/v8", {"upstream_model": "nope"})
    answer = serve(talk, run.CUSTOMERS)
    assert answer.status == 502
    assert "Model nope" in reason_of(talk, answer.headers)
