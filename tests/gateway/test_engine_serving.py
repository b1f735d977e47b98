"""The engine serves an objective by the version that the current revision decides on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nlapi.gateway.engine import Engine
from nlapi.gateway.http.problems import GatewayProblem
from nlapi.gateway.inference import InferenceRequest, LoadError
from tests.gateway.versions import configuration, publish, ref, run, write, write_echo
from tests.tables import table


def test_the_default_version_serves(tmp_path: Path) -> None:
    write_echo(tmp_path, "v1")

    async def body(engine: Engine) -> None:
        await publish(engine, configuration("v1"), revision=7)
        served = await engine.serve("greet", InferenceRequest(input={"a": 1}, context={"user": "u1"}))
        assert served.output == {"version": "v1", "input": {"a": 1}}
        assert (served.version, served.decision.revision, served.fallback) == (ref("v1"), 7, False)
        assert list(served.stages) == ["predict"]
        assert served.request_id

    run(tmp_path, body)


def test_stages_run_in_order_and_get_what_they_name(tmp_path: Path) -> None:
    write(
        tmp_path / "v1",
        """
        async def preprocess(value: dict) -> list:
            return [value["x"]]

        def features(value: list, context) -> list:
            return [*value, context["user"]]

        def predict(row: list, model) -> dict:
            return {"row": row, "score": model.predict([row[0]])}

        def postprocess(value: dict, input) -> dict:
            return {**value, "of": input["x"]}
        """,
        '[trained]\nfile = "model.json"\n',
        {"model.json": '{"kind": "logistic", "weights": [0.0], "bias": 0.0}'},
    )

    async def body(engine: Engine) -> None:
        await publish(engine, configuration("v1"))
        served = await engine.serve("greet", InferenceRequest(input={"x": 3}, context={"user": "u1"}))
        assert served.output == {"row": [3, "u1"], "score": 0.5, "of": 3}
        assert list(served.stages) == ["preprocess", "features", "predict", "postprocess"]

    run(tmp_path, body)


@table("mode", ["inline", "thread", "process"])
def test_a_version_runs_where_its_manifest_says(tmp_path: Path, mode: str) -> None:
    write(
        tmp_path / "v1",
        """
        import os, threading

        def predict(value):
            return [os.getpid(), threading.current_thread() is threading.main_thread()]
        """,
        f'[run]\nmode = "{mode}"\nworkers = 2\n',
    )

    async def body(engine: Engine) -> None:
        await publish(engine, configuration("v1", timeout_ms=20_000))
        process, main_thread = (await engine.serve("greet", InferenceRequest(input=0))).output
        assert (process == os.getpid()) is (mode != "process")
        assert main_thread is (mode != "thread")

    run(tmp_path, body)


def test_a_version_that_fails_is_replaced_by_the_fallback(tmp_path: Path) -> None:
    write_echo(tmp_path, "v2")
    write(tmp_path / "v1", "def features(value):\n    raise KeyError(value)\n")

    async def body(engine: Engine) -> None:
        await publish(engine, configuration("v1", "v2", fallback=ref("v2")))
        served = await engine.serve("greet", InferenceRequest(input=1))
        assert (served.output["version"], served.version, served.fallback, served.attempts) == (
            "v2",
            ref("v2"),
            True,
            2,
        )
        await publish(engine, configuration("v1", "v2", fallback=ref("v2"), idempotent=False), revision=2)
        with pytest.raises(GatewayProblem, match="stage features raised KeyError") as caught:
            await engine.serve("greet", InferenceRequest(input="secret"))
        assert caught.value.status == 502
        assert "secret" not in str(caught.value)

    run(tmp_path, body)


def test_an_output_that_breaks_the_schema_is_a_failure_of_the_version(tmp_path: Path) -> None:
    write_echo(tmp_path, "v1", "v2")
    schema = {"type": "object", "properties": {"version": {"const": "v2"}}}

    async def body(engine: Engine) -> None:
        await publish(engine, configuration("v1", "v2", output=schema))
        with pytest.raises(GatewayProblem, match=r"breaks the objective's schema at output\.version") as caught:
            await engine.serve("greet", InferenceRequest(input=1))
        assert caught.value.status == 502
        await publish(engine, configuration("v1", "v2", output=schema, fallback=ref("v2")), revision=2)
        assert (await engine.serve("greet", InferenceRequest(input=1))).fallback

    run(tmp_path, body)


@pytest.mark.parametrize("mode", ["thread", "process"])
def test_a_version_that_takes_too_long_is_left(tmp_path: Path, mode: str) -> None:
    write(
        tmp_path / "v1",
        """
        from time import monotonic

        def predict(value):
            end = monotonic() + value
            while monotonic() < end:
                pass
        """,
        f'[run]\nmode = "{mode}"\n',
    )

    async def body(engine: Engine) -> None:
        await publish(engine, configuration("v1", timeout_ms=20_000))
        await engine.serve("greet", InferenceRequest(input=0))  # the worker is up
        await publish(engine, configuration("v1", timeout_ms=50), revision=2)
        with pytest.raises(GatewayProblem) as caught:
            await engine.serve("greet", InferenceRequest(input=0.5))
        assert caught.value.status == 504
        await publish(engine, configuration("v1", timeout_ms=20_000), revision=3)
        await engine.serve("greet", InferenceRequest(input=0))

    run(tmp_path, body)


def test_a_worker_process_that_dies_is_replaced(tmp_path: Path) -> None:
    write(
        tmp_path / "v1",
        "import os\ndef predict(value):\n    if value == 'die': os._exit(1)\n    return value\n",
        '[run]\nmode = "process"\n',
    )

    async def body(engine: Engine) -> None:
        await publish(engine, configuration("v1", timeout_ms=20_000))
        with pytest.raises(GatewayProblem, match="worker process died"):
            await engine.serve("greet", InferenceRequest(input="die"))
        assert (await engine.serve("greet", InferenceRequest(input="live"))).output == "live"

    run(tmp_path, body)


@pytest.mark.parametrize("mode", ["thread", "process"])
def test_a_version_that_hangs_keeps_neither_others_nor_the_end_waiting(tmp_path: Path, mode: str) -> None:
    write(
        tmp_path / "v1",
        """
        from time import sleep

        def predict(value):
            while value == "hang":
                try:
                    sleep(600)
                except BaseException:
                    pass
            return value
        """,
        f'[run]\nmode = "{mode}"\nworkers = 1\n',
    )

    async def body(engine: Engine) -> None:
        await publish(engine, configuration("v1", timeout_ms=200))
        with pytest.raises(GatewayProblem, match="no answer within"):
            await engine.serve("greet", InferenceRequest(input="hang"))
        answer = None
        while answer is None:  # `run` gives up after a while
            try:
                answer = await engine.serve("greet", InferenceRequest(input="live"))
            except GatewayProblem as problem:
                assert problem.status in (503, 504)
        assert answer.output == "live"
        with pytest.raises(GatewayProblem, match="no answer within"):
            await engine.serve("greet", InferenceRequest(input="hang"))

    run(tmp_path, body)


@table(
    ("objective", "ask", "status", "said"),
    [
        ("great", InferenceRequest(input={"n": 1}), 404, "greet"),
        ("greet", InferenceRequest(input={"n": "x"}), 422, "body.input.n"),
        ("greet", InferenceRequest(input={"n": 1}, context={"contry": "BR"}), 422, "country"),
        ("greet", InferenceRequest(input={"n": 1}, context={"country": 5}), 422, "body.context.country"),
    ],
)
def test_what_is_wrong_with_a_request_is_said(
    tmp_path: Path, objective: str, ask: InferenceRequest, status: int, said: str
) -> None:
    write_echo(tmp_path, "v1")

    async def body(engine: Engine) -> None:
        await publish(engine, configuration("v1", input={"properties": {"n": {"type": "integer"}}}))
        with pytest.raises(GatewayProblem) as caught:
            await engine.serve(objective, ask)
        assert caught.value.status == status
        assert said in str(caught.value)

    run(tmp_path, body)


@table(
    ("stages", "manifest", "said"),
    [
        ("x = 1", "", "none of the stages"),
        ("def predict(value, other): ...", "", "predict takes other"),
        (
            "def preprocess(v) -> dict: ...\ndef predict(v: list): ...",
            "",
            "preprocess gives dict, and predict takes list",
        ),
        (
            "def features(v) -> list[int]: ...\ndef predict(v: dict[str, int]): ...",
            "",
            "gives list, and predict takes dict",
        ),
        ("import no_such_module", "", "no_such_module, which is not installed"),
        ("1 / 0", "", "ZeroDivisionError"),
        ("def predict(v): ...", '[run]\nmode = "fast"', "run.mode"),
        ("def predict(v): ...", "[run]\nworkers = 0", "run.workers"),
        ("def predict(v): ...", "[run]\nworker = 1", "unknown field run.worker"),
        ("def predict(v): ...", '[trained]\nfile = "../x.json"', "outside its folder"),
        ("def predict(v): ...", '[trained]\nfile = "x.json"', "x.json"),
        ("def predict(v): ...", "nonsense", "cannot be read"),
    ],
)
def test_a_version_that_cannot_be_loaded_publishes_nothing(
    tmp_path: Path, stages: str, manifest: str, said: str
) -> None:
    write_echo(tmp_path, "v1")
    write(tmp_path / "v2", stages, manifest)

    async def body(engine: Engine) -> None:
        await publish(engine, configuration("v1"))
        with pytest.raises(LoadError, match="echo@v2") as caught:
            await publish(engine, configuration("v1", "v2"), revision=2)
        assert said in str(caught.value)
        assert (await engine.serve("greet", InferenceRequest(input=1))).decision.revision == 1

    run(tmp_path, body)


def test_annotations_that_agree_are_taken(tmp_path: Path) -> None:
    write(
        tmp_path / "v1",
        """
        from collections.abc import Mapping, Sequence
        from typing import Any, TypedDict

        class Row(TypedDict):
            x: int

        def preprocess(value: Any) -> Row: ...
        def features(value: dict[str, int]) -> list[int] | None: ...
        def predict(value: Sequence[int]) -> int: ...
        def postprocess(value: float) -> Mapping[str, float]: return {"value": 1.0}
        """,
    )

    async def body(engine: Engine) -> None:
        await publish(engine, configuration("v1"))
        assert (await engine.serve("greet", InferenceRequest(input=0))).output == {"value": 1.0}

    run(tmp_path, body)


KILLED = """
import asyncio, sys
from pathlib import Path
from nlapi.gateway.engine import Engine
from nlapi.gateway.inference import InferenceRequest
from tests.gateway.versions import configuration, publish

async def main():
    engine = Engine(models=Path(sys.argv[1]))
    await publish(engine, configuration("v1", timeout_ms=20_000))
    print((await engine.serve("greet", InferenceRequest(input=0))).output, flush=True)
    await asyncio.sleep(600)

if __name__ == "__main__":
    asyncio.run(main())
"""


def test_worker_processes_end_with_a_gateway_that_is_killed(tmp_path: Path) -> None:
    write(tmp_path / "v1", "import os\ndef predict(value):\n    return os.getpid()\n", '[run]\nmode = "process"\n')
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, str(script), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as gateway:
        assert gateway.stdout
        assert int(gateway.stdout.readline()) != gateway.pid
        gateway.kill()
        # The worker holds the gateway's stdout: it reads as ended when both are gone.
        assert gateway.stdout.read() == b""
