"""Decisions are written down in batches off the request's path; a store that fails stops nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

from nlapi.gateway.engine import Engine
from nlapi.gateway.http.problems import GatewayProblem
from nlapi.gateway.inference import InferenceRequest
from nlapi.gateway.records.records import MAX_WAITING_RECORDS, Record, Recorder, training_log
from tests.gateway.versions import configuration, publish, run, write, write_echo


def test_every_request_that_reached_a_version_is_written_down(tmp_path: Path) -> None:
    write(tmp_path / "v1", "def predict(value):\n    return 1 / value\n")
    batches: list[Sequence[Record]] = []

    async def body(engine: Engine) -> None:
        await publish(engine, configuration("v1"))
        for number in range(1200):
            await engine.serve("greet", InferenceRequest(input=number + 1, context={"user": "u1"}, client="web"))
        for ask in (InferenceRequest(input=0), InferenceRequest(input=1, context={"x": 1})):
            try:
                await engine.serve("greet", ask)
            except GatewayProblem:
                continue

    run(tmp_path, body, record=batches.append)
    records = [record for batch in batches for record in batch]
    assert len(records) == 1201
    assert len({record.request_id for record in records}) == 1201
    assert max(map(len, batches)) <= 500
    first, last = records[0], records[-1]
    assert (first.decision.objective, first.client, first.context, first.input, first.output) == (
        "greet",
        "web",
        {"user": "u1"},
        1,
        1.0,
    )
    assert (last.output, last.error) == (None, "stage predict raised ZeroDivisionError in stages.py, line 2")


def test_synthetic_traffic_is_flagged_and_kept_from_training(tmp_path: Path) -> None:
    write_echo(tmp_path, "v1")
    records: list[Record] = []

    async def body(engine: Engine) -> None:
        await publish(engine, configuration("v1"))
        for synthetic in (True, False, True):
            await engine.serve("greet", InferenceRequest(input=synthetic, synthetic=synthetic))

    log = tmp_path / "training.ndjson"
    run(tmp_path, body, record=records.extend, training=training_log(log))
    assert [record.synthetic for record in records] == [True, False, True]
    (example,) = map(json.loads, log.read_text().splitlines())
    assert (example["input"], example["output"]) == (False, {"version": "v1", "input": False})
    assert (example["objective"], example["version"]) == ("greet", "echo@v1")


def test_a_store_that_fails_or_is_slow_stops_nothing(tmp_path: Path) -> None:
    write_echo(tmp_path, "v1")

    def sink(records: Sequence[Record]) -> None:
        raise OSError("no space left")

    async def body(engine: Engine) -> None:
        await publish(engine, configuration("v1"))
        for number in range(10):
            await engine.serve("greet", InferenceRequest(input=number))
        await engine.recorder.flush()
        assert engine.recorder.dropped == 10

    run(tmp_path, body, record=sink)


def test_records_that_nobody_takes_do_not_fill_the_memory(tmp_path: Path) -> None:
    write_echo(tmp_path, "v1")
    records: list[Record] = []

    async def body(engine: Engine) -> None:
        await publish(engine, configuration("v1"))
        await engine.serve("greet", InferenceRequest(input=0))

    run(tmp_path, body, record=records.extend)

    async def flood() -> None:
        recorder = Recorder(lambda batch: None)
        for _ in range(MAX_WAITING_RECORDS + 5):
            recorder.add(records[0])
        assert recorder.dropped == 5
        await recorder.close()

    asyncio.run(flood())
