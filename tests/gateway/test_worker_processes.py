"""Versions in worker processes: one that ends, or takes too much memory, is replaced by itself."""

from __future__ import annotations

import asyncio
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from nlapi.gateway.engine import Engine
from nlapi.gateway.http.problems import GatewayProblem
from nlapi.gateway.inference import InferenceRequest
from nlapi.routing.model import Configuration
from tests.gateway.gateway_app import gateway
from tests.gateway.versions import configuration, publish, ref, run, write, write_echo
from tests.tables import table

STAGES = """
import os, pathlib, sys

folder = pathlib.Path(__file__).parent
held = []

def predict(value):
    if value == "exit":
        os._exit(3)
    if value == "leak":
        held.append(bytearray(b"x") * 2**20 * 24)
    if value == "take":
        return len(bytearray(2**30))
    if str(value).startswith("wait"):
        (folder / "waiting").touch()
        while not (folder / "go").exists():
            pass
    with (folder / "order").open("a") as file:
        file.write(f"{value}\\n")
    return os.getpid()
"""


DESTRUCTIVE = """
import ctypes, os, signal

def predict(value):
    if value == "exit":
        os._exit(3)
    if value == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    while value == "hold":
        try:
            ctypes.PyDLL(None).sleep(60)  # without giving the interpreter's lock away
        except TimeoutError:
            pass
    return os.getpid()
"""


def two_objectives(**options: object) -> Configuration:
    """The objectives greet and other, both served by v1."""
    one = configuration("v1", timeout_ms=60_000, **options)
    greet = one.objectives["greet"]
    return replace(one, objectives={"greet": greet, "other": replace(greet, name="other")})


async def process_of(engine: Engine, value: object, objective: str = "greet") -> int:
    output = (await engine.serve(objective, InferenceRequest(input=value))).output
    assert isinstance(output, int)
    return output


async def appears(file: Path) -> None:
    while not file.exists():
        await asyncio.sleep(0)


def test_a_stage_that_ends_its_process_fails_its_own_call_only(tmp_path: Path) -> None:
    write(tmp_path / "v1", STAGES, '[run]\nmode = "process"\nworkers = 2\n')

    async def body(engine: Engine) -> None:
        await publish(engine, two_objectives())
        busy = asyncio.create_task(process_of(engine, "wait"))
        await appears(tmp_path / "v1" / "waiting")
        for _ in range(2):
            with pytest.raises(GatewayProblem, match="its worker process died") as caught:
                await process_of(engine, "exit", "other")
            assert caught.value.status == 502
            assert await process_of(engine, "live") != os.getpid()
        with pytest.raises(GatewayProblem, match="end its worker processes") as caught:
            await process_of(engine, "exit", "other")
        assert (caught.value.status, caught.value.headers["Retry-After"]) == (503, "1")
        (tmp_path / "v1" / "go").touch()
        assert await busy

    run(tmp_path, body)


@table("deed", ["exit", "crash", "hold"])
def test_the_gateway_serves_on_whatever_a_stage_does_to_its_process(tmp_path: Path, deed: str) -> None:
    write(tmp_path / "v1", DESTRUCTIVE)
    write_echo(tmp_path, "v2")
    whole = configuration("v1", "v2", timeout_ms=300 if deed == "hold" else 20_000)
    calm = replace(whole.objectives["greet"], name="calm", default=ref("v2"), timeout_ms=20_000)
    with gateway(tmp_path, replace(whole, objectives={**whole.objectives, "calm": calm})) as served:
        before = served.ask({"input": "live"}).body["output"]
        with ThreadPoolExecutor() as pool:
            failed = pool.submit(served.ask, {"input": deed})
            answers = [served.ask({"input": 1}, client="neighbour", objective="calm").status]
            while not failed.done():
                answers.append(served.ask({"input": 1}, client="neighbour", objective="calm").status)
        assert set(answers) == {200}
        assert failed.result().status == (504 if deed == "hold" else 502)
        answer = served.ask({"input": "live"})
        while answer.status == 504:  # the process is killed a second after the deadline
            answer = served.ask({"input": "live"})
        assert answer.status == 200
        assert answer.body["output"] != before


def test_an_asynchronous_version_runs_several_calls_at_once_in_its_process(tmp_path: Path) -> None:
    stages = """
        import asyncio, os
        arrived = []
        both = asyncio.Event()
        async def predict(value):
            arrived.append(value)
            if len(arrived) == 2:
                both.set()
            await both.wait()
            return os.getpid()
        """
    write(tmp_path / "v1", stages)

    async def body(engine: Engine) -> None:
        await publish(engine, configuration("v1", timeout_ms=20_000))
        first, second = await asyncio.gather(process_of(engine, 1), process_of(engine, 2))
        assert first == second != os.getpid()

    run(tmp_path, body)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells and limits a process's memory")
def test_a_worker_that_leaks_is_replaced_before_its_calls_fail(tmp_path: Path) -> None:
    write(tmp_path / "v1", STAGES, '[run]\nmode = "process"\nmemory_mb = 128\n')

    async def body(engine: Engine) -> None:
        await publish(engine, two_objectives())
        first = await process_of(engine, "live")
        last, calls = first, 0
        while last == first:
            last = await process_of(engine, "leak" if calls < 3 else "live")
            calls += 1
        with pytest.raises(GatewayProblem, match="MemoryError"):
            await process_of(engine, "take", "other")
        assert await process_of(engine, "live")

    run(tmp_path, body)


@table("mode", ["inline", "thread", "process"])
def test_a_stage_that_calls_exit_ends_nothing(tmp_path: Path, mode: str) -> None:
    write(tmp_path / "v1", "import sys\ndef predict(value):\n    sys.exit(3)\n", f'[run]\nmode = "{mode}"\n')
    with gateway(tmp_path, configuration("v1", timeout_ms=20_000)) as served:
        for _ in range(2):
            answer = served.ask({"input": 1})
            assert (answer.status, answer.body["type"]) == (502, "urn:nlapi:problem:version_failed")


def test_an_output_that_cannot_leave_its_process_is_a_failure_of_the_version(tmp_path: Path) -> None:
    write(tmp_path / "v1", "def predict(value):\n    return lambda: value\n", '[run]\nmode = "process"\n')

    async def body(engine: Engine) -> None:
        await publish(engine, configuration("v1", timeout_ms=20_000))
        with pytest.raises(GatewayProblem, match="cannot leave its process") as caught:
            await process_of(engine, 1)
        assert caught.value.status == 502

    run(tmp_path, body)


def test_a_version_that_ends_its_process_while_it_loads_publishes_nothing(tmp_path: Path) -> None:
    write_echo(tmp_path, "v1")
    write(tmp_path / "v2", "import os\nos._exit(3)\n", '[run]\nmode = "process"\n')

    async def body(engine: Engine) -> None:
        await publish(engine, configuration("v1"))
        with pytest.raises(Exception, match="ended its process while it was loaded"):
            await publish(engine, configuration("v1", "v2"), revision=2)
        assert (await engine.serve("greet", InferenceRequest(input=1))).decision.revision == 1

    run(tmp_path, body)


@table(("mode", "is_own"), [("", True), ('[run]\nmode = "inline"\n', False)])
@table("trained", ["", '[trained]\nfile = "model.json"\n'])
def test_a_version_runs_in_its_own_process_unless_it_says_otherwise(
    tmp_path: Path, trained: str, mode: str, is_own: bool
) -> None:
    model = '{"kind": "logistic", "weights": [1.0], "bias": 0.0}'
    stages = "import os\ndef postprocess(v):\n    return os.getpid()\n"
    write(tmp_path / "v1", stages, f"{mode}{trained}", {"model.json": model})

    async def body(engine: Engine) -> None:
        await publish(engine, configuration("v1", timeout_ms=20_000))
        assert (await process_of(engine, [1.0]) != os.getpid()) is is_own

    run(tmp_path, body)


def test_the_objectives_of_a_version_take_turns_at_its_workers(tmp_path: Path) -> None:
    write(tmp_path / "v1", STAGES, '[run]\nmode = "process"\n')

    async def body(engine: Engine) -> None:
        await publish(engine, two_objectives())
        calls = [asyncio.create_task(process_of(engine, "wait"))]
        await appears(tmp_path / "v1" / "waiting")
        calls += [asyncio.create_task(process_of(engine, f"many {number}")) for number in range(9)]
        await asyncio.sleep(0)
        calls.append(asyncio.create_task(process_of(engine, "few", "other")))
        await asyncio.sleep(0)
        (tmp_path / "v1" / "go").touch()
        await asyncio.gather(*calls)
        order = (tmp_path / "v1" / "order").read_text().splitlines()
        assert order.index("few") <= 2

    run(tmp_path, body)


def test_an_objective_may_not_have_all_places_in_the_queue(tmp_path: Path) -> None:
    write(tmp_path / "v1", STAGES, '[run]\nmode = "process"\nwaiting = 4\n')

    async def body(engine: Engine) -> None:
        await publish(engine, two_objectives())
        calls = [asyncio.create_task(process_of(engine, "wait"))]
        await appears(tmp_path / "v1" / "waiting")
        calls += [asyncio.create_task(process_of(engine, "many")) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(GatewayProblem, match="4 calls at this version, its share") as caught:
            await process_of(engine, "many")
        assert (caught.value.status, caught.value.code) == (503, "over_share")
        calls.append(asyncio.create_task(process_of(engine, "few", "other")))
        await asyncio.sleep(0)
        (tmp_path / "v1" / "go").touch()
        await asyncio.gather(*calls)

    run(tmp_path, body)
