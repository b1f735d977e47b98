"""Revisions follow each other under load: nothing fails, and every request sees exactly one of them."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from nlapi.gateway.engine import Engine
from nlapi.gateway.http.problems import GatewayProblem
from nlapi.gateway.inference import InferenceRequest
from nlapi.routing.model import Configuration, Rule, Share
from tests.gateway.gateway_app import Load, gateway
from tests.gateway.versions import configuration, publish, ref, run, write, write_echo

NAMED = """
def predict(value):
    return {{"version": "{name}"}}
"""


def serving(version: str, *versions: str) -> Configuration:
    """A configuration in which a rule sends everything to `version`."""
    whole = configuration(*versions)
    share = Share(version=ref(version), percent=100.0)
    return replace(whole, rules={"all": Rule(name="all", objective="greet", shares=(share,))})


def test_sixty_publishes_and_a_rollback_under_load_fail_nothing_and_mix_nothing(tmp_path: Path) -> None:
    names = [f"v{number}" for number in range(1, 7)]
    for name in names:
        write(tmp_path / name, NAMED.format(name=name))
    version_at = {1: "v1"}
    with gateway(tmp_path, configuration(*names)) as served, Load(served) as load:
        for revision in range(2, 62):
            version_at[revision] = names[revision % 6]
            assert served.publish(serving(version_at[revision], *names)) == revision
            load.more(10)
        version_at[62] = "v1"
        assert served.roll_back(1) == 62
        after = served.ask({"input": {}, "context": {"user": "u1"}})
    assert (after.body["decision"]["revision"], after.body["output"]) == (62, {"version": "v1"})
    assert {answer.status for answer in load.answers} == {200}
    for answer in load.answers:
        decision = answer.body["decision"]
        assert decision["version"] == version_at[decision["revision"]]
        assert answer.body["output"] == {"version": decision["version"]}
        assert ("rule" in decision) is (decision["revision"] not in (1, 62))
    assert len({answer.body["decision"]["revision"] for answer in load.answers}) > 30


def test_versions_come_and_go_under_load_with_no_restart(tmp_path: Path) -> None:
    write_echo(tmp_path, "v1", "v2", "v3")
    with gateway(tmp_path, configuration("v1")) as served, Load(served) as load:
        for _ in range(5):
            for name, both in (("v2", ("v1", "v2")), ("v2", ("v2",)), ("v3", ("v2", "v3")), ("v1", ("v1",))):
                served.publish(replace(serving(name, *both), objectives=configuration(default=ref(name)).objectives))
                load.more(5)
    assert {answer.status for answer in load.answers} == {200}
    assert {answer.body["output"]["version"] for answer in load.answers} == {"v1", "v2", "v3"}


def test_a_version_that_is_removed_finishes_what_it_has(tmp_path: Path) -> None:
    write(
        tmp_path / "v1",
        """
        import asyncio
        gate = asyncio.Event()

        async def predict(value):
            await gate.wait()
            import json  # its module still is what it was
            return [__name__, json.dumps(value)]
        """,
        '[run]\nmode = "inline"\n',
    )
    write_echo(tmp_path, "v2")

    async def body(engine: Engine) -> None:
        await publish(engine, configuration("v1", "v2", timeout_ms=20_000))
        waiting = asyncio.create_task(engine.serve("greet", InferenceRequest(input="wait")))
        await asyncio.sleep(0)
        await publish(engine, configuration("v2", default=ref("v2"), timeout_ms=20_000), revision=2)
        assert (await engine.serve("greet", InferenceRequest(input=0))).output["version"] == "v2"
        assert not waiting.done()
        module = next(
            one for name, one in sys.modules.items() if name.startswith("nlapi_version_") and hasattr(one, "gate")
        )
        module.gate.set()
        name, text = (await waiting).output
        assert text == '"wait"'
        for _ in range(100):
            await asyncio.sleep(0)
        assert name not in sys.modules

    run(tmp_path, body)


def test_a_version_that_stays_is_not_loaded_again(tmp_path: Path) -> None:
    write(
        tmp_path / "v1", "from itertools import count\n_calls = count()\ndef predict(value):\n    return next(_calls)\n"
    )
    write_echo(tmp_path, "v2")

    async def body(engine: Engine) -> None:
        for revision, versions in enumerate([("v1",), ("v1", "v2"), ("v1",)]):
            await publish(engine, configuration(*versions), revision)
            assert (await engine.serve("greet", InferenceRequest(input=0))).output == revision

    run(tmp_path, body)


def test_draining_finishes_what_is_in_flight_and_takes_nothing_more(tmp_path: Path) -> None:
    write(
        tmp_path / "v1",
        """
        import asyncio

        async def predict(value):
            for _ in range(50):
                await asyncio.sleep(0)
            return "done"
        """,
    )

    async def whole() -> None:
        engine = Engine(models=tmp_path)
        await publish(engine, configuration("v1"))
        calls = [asyncio.create_task(engine.serve("greet", InferenceRequest(input=0))) for _ in range(5)]
        await asyncio.sleep(0)
        assert engine.in_flight == 5
        draining = asyncio.create_task(engine.drain())
        await asyncio.sleep(0)
        with pytest.raises(GatewayProblem) as caught:
            await engine.serve("greet", InferenceRequest(input=0))
        assert (caught.value.status, caught.value.headers["Retry-After"]) == (503, "1")
        assert await draining
        assert [call.result().output for call in calls] == ["done"] * 5

    asyncio.run(whole())


def test_a_server_that_is_stopped_answers_what_it_has(tmp_path: Path) -> None:
    write(
        tmp_path / "v1",
        """
        from time import sleep

        def predict(value):
            sleep(0.2)
            return "done"
        """,
        '[run]\nmode = "thread"\nworkers = 4\n',
    )
    with gateway(tmp_path, configuration("v1", timeout_ms=20_000)) as served:
        load = Load(served, clients=4)
        load.start()
        load.until(lambda: served.engine.in_flight == 4)
        load.stopping.set()
    load.join()
    assert [answer.body["output"] for answer in load.answers] == ["done"] * 4


def test_before_the_first_revision_nothing_is_served(tmp_path: Path) -> None:
    async def body(engine: Engine) -> None:
        with pytest.raises(GatewayProblem, match="nothing is published") as caught:
            await engine.serve("greet", InferenceRequest(input=0))
        assert caught.value.status == 503
        assert engine.revision == 0

    run(tmp_path, body)
