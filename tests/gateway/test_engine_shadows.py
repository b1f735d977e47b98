"""Shadows get copies of requests; nothing that happens to a copy reaches the request."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from collections import Counter
from pathlib import Path

from nlapi.gateway.engine import Engine
from nlapi.gateway.inference import FailureKind, InferenceError, InferenceRequest, InferenceResult
from nlapi.gateway.inference import InferenceRequest as Asked
from nlapi.gateway.records.postprocessing import MAX_RUNNING_COPIES, MAX_WAITING_COPIES, ShadowCopy, ShadowQueue
from nlapi.gateway.records.records import Record, shadow_log
from nlapi.routing.model import Shadow, Shard, ShardProtocol
from nlapi.routing.split import is_sampled
from tests.gateway.versions import configuration, publish, ref, run, write, write_echo
from tests.servers import Echo, Reply, Script

SHADOW = Shadow(name="s", objective="greet", version=ref("v2"))


class Gated:
    """A version that answers when its gate opens."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.running = 0
        self.most = 0

    async def run(self, ask: Asked, timeout_s: float, *, repeatable: bool) -> InferenceResult:
        self.running += 1
        self.most = max(self.most, self.running)
        await self.gate.wait()
        self.running -= 1
        if ask.input == "bad":
            raise InferenceError(FailureKind.ERROR, "no", executed=True)
        if ask.input == "odd":
            raise RuntimeError
        return InferenceResult(output=ask.input, stages={})

    async def close(self) -> None: ...


def test_a_shadow_has_a_small_line_of_its_own_and_the_rest_is_dropped() -> None:
    async def whole() -> None:
        outcomes: Counter[tuple[str, str]] = Counter()
        shadows, gated, finished = ShadowQueue(outcomes), Gated(), Counter[str]()

        def copy(given: str) -> ShadowCopy:
            return ShadowCopy(
                shadow="s",
                request=InferenceRequest(input=given),
                runner=gated,
                timeout_s=1,
                on_result=lambda result: result,
                on_finished=lambda: finished.update(["done"]),
            )

        taken = [shadows.offer(copy("x")) for _ in range(500)]
        assert taken.count(True) == MAX_RUNNING_COPIES + MAX_WAITING_COPIES
        await asyncio.sleep(0)
        assert gated.running == MAX_RUNNING_COPIES
        gated.gate.set()
        while outcomes["s", "ok"] < MAX_RUNNING_COPIES + MAX_WAITING_COPIES:
            await asyncio.sleep(0)
        assert (gated.most, outcomes["s", "dropped"]) == (
            MAX_RUNNING_COPIES,
            500 - MAX_RUNNING_COPIES - MAX_WAITING_COPIES,
        )
        for given in ("bad", "odd", "x"):
            assert shadows.offer(copy(given))
        while outcomes["s", "ok"] < MAX_RUNNING_COPIES + MAX_WAITING_COPIES + 1:
            await asyncio.sleep(0)
        assert outcomes["s", "error"] == 2
        assert finished["done"] == 503
        await shadows.close()

    asyncio.run(whole())


def test_a_shadow_answers_in_another_process_and_is_recorded_only(tmp_path: Path) -> None:
    write_echo(tmp_path, "v1")
    write(tmp_path / "v2", "import os\ndef predict(value):\n    return [os.getpid(), value]\n")
    records: list[Record] = []

    async def body(engine: Engine) -> None:
        both = configuration("v1", "v2", shadows=[SHADOW], timeout_ms=20_000)
        await publish(engine, both)
        served = await engine.serve("greet", InferenceRequest(input="x", request_id="r1"))
        assert served.output["version"] == "v1"
        assert served.decision.shadows == ("s",)
        while not engine.metrics.shadow_outcomes["s", "ok"]:
            await asyncio.sleep(0.001)
        await engine.recorder.flush()

    run(tmp_path, body, record=records.extend)
    served, copied = sorted(records, key=lambda one: one.shadow)
    assert (served.shadow, served.version, copied.shadow, copied.version) == ("", ref("v1"), "s", ref("v2"))
    assert (copied.request_id, copied.output[1]) == ("r1", "x")
    assert copied.output[0] != os.getpid()


def test_a_dead_and_a_silent_shadow_leave_the_requests_alone(tmp_path: Path) -> None:
    write_echo(tmp_path, "v1")
    with Echo(Reply()) as dead:
        pass

    async def body(engine: Engine, url: str) -> None:
        shard = Shard(name="far", protocol=ShardProtocol.JSON, endpoints=(url,))
        both = configuration("v1", "v2", shadows=[SHADOW], shards=[shard], remote={"v2": "far"}, timeout_ms=20_000)
        await publish(engine, both)
        for count in range(200):
            served = await engine.serve("greet", InferenceRequest(input=count))
            assert served.output == {"version": "v1", "input": count}
            assert served.attempts == 1
        assert engine.in_flight == 0

    run(tmp_path, lambda engine: body(engine, dead.url))
    with Script(Script.SILENCE) as silent:
        run(tmp_path, lambda engine: body(engine, silent.url))


def test_a_shadow_of_a_share_gets_that_share(tmp_path: Path) -> None:
    write_echo(tmp_path, "v1")
    some = Shadow(name="s", objective="greet", version=ref("v2"), percent=20.0)

    def copied(count: int) -> list[str]:
        return [f"r{number}" for number in range(count) if is_sampled("s", f"r{number}", 20.0)]

    async def body(engine: Engine) -> None:
        shard = Shard(name="far", protocol=ShardProtocol.JSON, endpoints=(server.url,))
        await publish(engine, configuration("v1", "v2", shadows=[some], shards=[shard], remote={"v2": "far"}))
        for count in range(300):
            await engine.serve("greet", InferenceRequest(input=0, request_id=f"r{count}"))
            while sum(engine.metrics.shadow_outcomes.values()) < len(copied(count + 1)):
                await asyncio.sleep(0)

    with Echo(Reply(200, {})) as server:
        run(tmp_path, body)
        assert [request.header("x-request-id") for request in server.received] == copied(300)
    assert 30 < len(copied(300)) < 90
    assert {request.target for request in server.received} == {"/"}


def test_what_a_shadow_answers_is_compared_and_written_down(tmp_path: Path) -> None:
    write_echo(tmp_path, "v1")
    log = tmp_path / "shadow.ndjson"
    output = {"type": "object", "required": ["version"]}

    async def body(engine: Engine) -> None:
        shard = Shard(name="far", protocol=ShardProtocol.JSON, endpoints=(server.url,))
        both = configuration(
            "v1", "v2", shadows=[SHADOW], shards=[shard], remote={"v2": "far"}, output=output, timeout_ms=20_000
        )
        await publish(engine, both)
        for number in (1, 2, 1, 3):
            await engine.serve("greet", InferenceRequest(input=number, request_id=f"r{number}"))
            while server.received and sum(engine.metrics.shadow_outcomes.values()) < len(server.received):
                await asyncio.sleep(0)
        while sum(engine.metrics.shadow_outcomes.values()) < 4:
            await asyncio.sleep(0)
        copies = engine.metrics.shadow_comparisons["s"]
        assert (copies.compared_count, copies.same_count) == (3, 2)
        assert engine.metrics.shadow_outcomes == {("s", "ok"): 3, ("s", "error"): 1}

    same = {"version": "v1", "input": 1}
    with Echo(lambda request: Reply(200, same if request.body != b"3" else {"odd": 1})) as server:
        run(tmp_path, body, record=shadow_log(log))
    lines = sorted((json.loads(line) for line in log.read_text().splitlines()), key=lambda line: str(line["input"]))
    assert [(line["input"], line["served"]["input"], line["output"]) for line in lines] == [
        (1, 1, same), (1, 1, same), (2, 2, same), (3, 3, None)]  # fmt: skip
    assert {(line["shadow"], line["version"], line["served_version"]) for line in lines} == {
        ("s", "echo@v2", "echo@v1")
    }
    assert "breaks the objective's schema" in lines[3]["error"]
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
