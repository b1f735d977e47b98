"""The example objectives of the gateway: they can be published, serve their own traffic, and v2 is the better model."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections import Counter
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from nlapi.gateway.control.codec import decode_configuration
from nlapi.gateway.control.revision_compiler import validate_configuration
from nlapi.gateway.engine import Engine
from nlapi.gateway.inference import InferenceRequest
from nlapi.gateway.versions.model_artifact import load_model
from nlapi.routing.model import Configuration, VersionRef
from tests.gateway.gateway_app import gateway
from tests.gateway.versions import publish

FOLDER = Path(__file__).parents[2] / "examples" / "gateway"
MODELS = FOLDER / "models"


@pytest.fixture(scope="module")
def scripts() -> Any:
    """The modules of the examples: data, learn, train."""
    sys.path.insert(0, str(FOLDER))
    try:
        import data
        import learn
        import train

        yield {"data": data, "learn": learn, "train": train}
    finally:
        sys.path.remove(str(FOLDER))


def configuration() -> Configuration:
    return decode_configuration(json.loads((FOLDER / "configuration.json").read_text(encoding="utf-8")))


def test_the_configuration_has_no_fault() -> None:
    assert validate_configuration(configuration()) == []


def test_every_request_of_the_traffic_is_served_by_both_versions(scripts: dict[str, ModuleType]) -> None:
    async def body() -> None:
        engine = Engine(models=MODELS)
        given = configuration()
        await publish(engine, given)
        seen: Counter[VersionRef] = Counter()
        for objective, value, context in islice(scripts["data"].requests(seed=3), 600):
            served = await engine.serve(objective, InferenceRequest(input=value, context=context))
            assert not served.fallback
            seen[served.version] += 1
        assert seen.keys() >= {VersionRef(model="recommender", version=one) for one in ("v1", "v2")}
        assert seen[VersionRef(model="ranker", version="v1")] > 200
        await engine.drain()

    asyncio.run(body())


@pytest.mark.parametrize("model", ["ranker", "fraud"])
def test_the_second_version_is_the_better_model(scripts: dict[str, ModuleType], model: str) -> None:
    train, learn = scripts["train"], scripts["learn"]
    examples = (train.viewings if model == "ranker" else train.payments)(seed=99)  # not what they were trained on
    labels = [label for _, _, label in examples]
    areas = []
    for version in ("v1", "v2"):
        row = train.features_of(MODELS / model / version)
        trained = load_model(MODELS / model / version / "model.json")
        areas.append(learn.auc([trained.predict(row(given, context)) for given, context, _ in examples], labels))
    assert 0.65 < areas[0] < areas[1]


def test_the_traffic_generator_sends_what_it_says(tmp_path: Path) -> None:
    with gateway(MODELS, configuration()) as served:
        command = [sys.executable, str(FOLDER / "traffic.py"), served.url, "--rate", "200", "--seconds", "0.5"]
        command += ["--token", served.token("tv")]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    counts = {line.split(maxsplit=1)[1]: int(line.split()[0]) for line in done.stdout.splitlines()}
    assert sum(counts.values()) == 100
    assert {"continue-watching: ranker@v1", "payment-fraud: fraud@v2"} <= counts.keys()


def test_a_model_is_trained_the_same_again(scripts: dict[str, ModuleType]) -> None:
    rows = [[float(one % 7), float(one % 3)] for one in range(200)]
    labels = [int(one % 7 > 3) for one in range(200)]
    learn = scripts["learn"]
    assert learn.boosted_trees(rows, labels, trees=3) == learn.boosted_trees(rows, labels, trees=3)
    document = learn.boosted_trees(rows, labels, trees=20)
    scores = [sum(learn.evaluate(tree, row) for tree in document["trees"]) for row in rows]
    assert learn.auc(scores, labels) == 1.0
