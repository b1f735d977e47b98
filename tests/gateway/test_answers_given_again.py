"""An objective with `cache_seconds` gives a client the same answer again, and nobody else, and not for long."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from nlapi.gateway.answers import MAX_BYTES, AnswerCache
from nlapi.gateway.engine import Engine
from nlapi.gateway.inference import InferenceRequest, InferenceResponse
from nlapi.routing.model import Decision, Shadow
from tests.gateway.clock import Clock
from tests.gateway.kit import Talk
from tests.gateway.llm_gateway import document, gateway
from tests.gateway.llm_upstream import upstream
from tests.gateway.versions import configuration, publish, ref, run, write, write_echo
from tests.tables import table

COUNTING = """
    count = 0

    def predict(value: object) -> object:
        global count
        count += 1
        return count
"""


def test_the_same_request_runs_once_until_its_time_is_over_or_anything_changes(tmp_path: Path) -> None:
    write(tmp_path / "v1", COUNTING)
    write_echo(tmp_path, "v2")
    clock = Clock()

    async def body(engine: Engine) -> None:
        async def ask(value: Any = 1, client: str = "web", **context: Any) -> object:
            return (await engine.serve("greet", InferenceRequest(input=value, client=client, context=context))).output

        await publish(engine, configuration("v1", "v2", cache_seconds=60))
        assert [await ask(), await ask(), await ask({"b": 1, "a": 2}), await ask({"a": 2, "b": 1})] == [1, 1, 2, 2]
        assert [await ask(1.5), await ask("1"), await ask(client="lab"), await ask(country="BR")] == [3, 4, 5, 6]
        clock.now += 59.9
        assert await ask() == 1
        clock.now += 0.2
        assert [await ask(), await ask()] == [7, 7]
        await publish(engine, configuration("v1", "v2", cache_seconds=60), revision=2)
        assert [await ask(), await ask()] == [8, 8]
        await publish(engine, configuration("v1", "v2"), revision=3)
        assert [await ask(), await ask()] == [9, 10]

    run(tmp_path, body, clock=clock)


def test_what_has_no_json_is_served_and_a_shadow_gets_one_copy(tmp_path: Path) -> None:
    write(tmp_path / "v1", COUNTING)
    write(tmp_path / "v2", COUNTING)
    shadow = Shadow(name="s", objective="greet", version=ref("v2"))

    async def body(engine: Engine) -> None:
        async def ask(value: object) -> object:
            return (await engine.serve("greet", InferenceRequest(input=value))).output

        await publish(engine, configuration("v1", "v2", cache_seconds=60, timeout_ms=20_000, shadows=[shadow]))
        assert [await ask("once"), await ask("once"), await ask(2**70), await ask(2**70)] == [1, 1, 2, 3]
        while engine.metrics.shadow_outcomes["s", "ok"] < 3:
            await asyncio.sleep(0.001)
        assert engine.metrics.shadow_outcomes == {("s", "ok"): 3}

    run(tmp_path, body)


def test_small_answers_take_no_more_memory_than_large_ones() -> None:
    decision = Decision(objective="greet", version=ref("v1"), revision=1, reason="default", shard="")
    answer = InferenceResponse(
        output=1, decision=decision, decision_document={}, request_id="1", version=ref("v1"), stages={}
    )
    clock = Clock()
    cache, count = AnswerCache(clock), MAX_BYTES // 1024
    for number in range(count):
        cache.store(number.to_bytes(32), answer, lifetime_s=60)
    assert (cache.find(bytes(32)), cache.find((count - 1).to_bytes(32))) == (None, (1, 0.0))
    clock.now += 60
    assert cache.find((count - 1).to_bytes(32)) is None


def test_a_failure_is_not_given_again(tmp_path: Path) -> None:
    write(tmp_path / "v1", COUNTING.replace("return count", "return 1 / (count - 1)"))

    async def body(engine: Engine) -> None:
        await publish(engine, configuration("v1", cache_seconds=60))
        outputs = []
        for _ in range(3):
            try:
                outputs.append((await engine.serve("greet", InferenceRequest(input=1))).output)
            except Exception:
                outputs.append("failed")
        assert outputs == ["failed", 1.0, 1.0]

    run(tmp_path, body)


def test_a_models_answer_is_paid_for_once_and_says_that_it_is_old(tmp_path: Path) -> None:
    with upstream() as llm:
        cached = document(llm.url, "writer")
        cached["objectives"][0]["cache_seconds"] = 600
        cached["clients"] = [{"name": "web", "tokens_per_day": 30}]
        with gateway(tmp_path, cached) as talk:
            chat = {"model": "writer", "messages": [{"role": "user", "content": "hello"}]}
            web = talk.as_("web")
            first, again = (web("POST", "/openai/v1/chat/completions", chat) for _ in range(2))
            assert first.content == again.content
            assert "cache-status" not in first.headers
            assert (again.headers["cache-status"], again.headers["age"]) == ("nlapi; hit", "0")
            assert talk.as_("app")("POST", "/openai/v1/chat/completions", chat).headers.get("cache-status") is None
            assert web("POST", "/openai/v1/chat/completions", {**chat, "stream": True}).status == 200
            assert len(llm.requests) == 3
            assert web("POST", "/openai/v1/chat/completions", chat).status == 200  # within no budget any more
            assert [one["attempts"] for one in decisions(talk)] == [0, 1, 1, 0, 1]
            assert 'nlapi_answers_given_again_total{objective="writer"} 2' in talk("GET", "/metrics").content.decode()


def decisions(talk: Talk) -> list[dict[str, Any]]:
    rows = talk.ok("GET", "/v1/decisions", objective="writer")["data"]
    return [talk.ok("GET", f"/v1/decisions/{row['request_id']}") for row in rows]


@table(
    "objective, fault",
    [({"cache_seconds": 5, "idempotent": False}, "leave out its effect"), ({"cache_seconds": -1}, "less than")],
)
def test_what_cannot_be_given_again_is_refused(talk: Talk, objective: dict[str, Any], fault: str) -> None:
    problem = talk.refused(422, "PATCH", "/v1/objectives/recommend", objective)
    assert fault in str(problem)
