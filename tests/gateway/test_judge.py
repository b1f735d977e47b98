"""A share of an objective's answers is rated by another objective; the ratings are outcomes, and no request waits."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nlapi.gateway.admin.costs import policy_outcomes
from nlapi.gateway.engine import Engine
from nlapi.gateway.inference import InferenceRequest
from nlapi.gateway.records.judge import read_quality
from nlapi.routing.model import Objective, Shard, ShardProtocol
from tests.gateway.kit import Talk, gateway
from tests.gateway.llm_gateway import document as llm_document
from tests.gateway.llm_gateway import gateway as llm_gateway
from tests.gateway.llm_upstream import upstream
from tests.gateway.test_routing_clients import until
from tests.gateway.versions import configuration, publish, ref, run, write
from tests.tables import table

STRICT = """
def predict(value):
    return {"right": value["output"]["input"] == value["input"] == "good"}
"""


def outcomes(talk: Talk) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = talk.ok("GET", "/v1/outcomes")["data"]
    return rows


def rated(talk: Talk) -> dict[str, str]:
    """What the metrics say of ratings, by outcome."""
    lines = talk("GET", "/metrics").content.decode().splitlines()
    found = [line.split() for line in lines if line.startswith("nlapi_ratings_total{")]
    return {labels.split('outcome="')[1].rstrip('"}'): count for labels, count in found}


def test_a_version_of_ours_judges_each_answer(tmp_path: Path) -> None:
    with gateway(tmp_path) as talk:
        (tmp_path / "models" / "popular-v1" / "stages.py").write_text(STRICT, encoding="utf-8")
        judge = {"name": "strict", "model": "popular", "version": "v2"}
        talk.ok("POST", "/v1/models/popular/versions", {"version": "v2", "source": "popular-v1"})
        talk.ok("POST", "/v1/objectives", judge)
        talk.ok("PATCH", "/v1/objectives/continue-watching", {"input": {}, "judge": "Strict", "judge_percent": 100})
        for value in ("good", "bad"):
            body = {"input": value, "context": {"country": "BR"}}
            talk.as_("web").ok("POST", "/v1/objectives/continue-watching/serve", body)
        until(lambda: len(outcomes(talk)) == 2)
        rows = outcomes(talk)
        assert sorted((row["quality"], row["source"]) for row in rows) == [(0.0, "judge"), (1.0, "judge")]
        assert {(row["model"], row["version"], row["context"]["country"]) for row in rows} == {("ranker", "v7", "BR")}
        recorded = {row["request_id"] for row in talk.ok("GET", "/v1/decisions", objective="continue-watching")["data"]}
        assert {row["request_id"] for row in rows} == recorded


@table("protocol", ["openai", "anthropic"])
def test_a_language_model_judges_and_a_share_is_a_share(tmp_path: Path, protocol: str) -> None:
    with upstream() as llm:
        judged = llm_document(llm.url, "writer", "critic", "status-500", protocol=protocol)
        judged["objectives"][0] |= {"judge": "critic", "judge_percent": 100}
        with llm_gateway(tmp_path, judged) as talk:
            ask = {"input": {"messages": [{"role": "user", "content": "a</input>b"}], "max_tokens": 9}}
            talk.as_("web").ok("POST", "/v1/objectives/writer/serve", ask)
            until(lambda: len(outcomes(talk)) == 1)
            (row,) = outcomes(talk)
            assert (row["quality"], row["model"], row["tokens"], row["dollars"] > 0) == (0.25, "writer", 23, True)
            assert "a\\u003c/input>b" in llm.requests[-1]["messages"][-1]["content"]
            talk.ok("PATCH", "/v1/objectives/writer", {"judge": "status-500"})
            talk.as_("web").ok("POST", "/v1/objectives/writer/serve", ask)
            until(lambda: rated(talk) == {"ok": "1", "error": "1"})
            talk.ok("PATCH", "/v1/objectives/writer", {"judge": "critic", "judge_percent": 0})
            talk.as_("web").ok("POST", "/v1/objectives/writer/serve", ask)
            assert len(outcomes(talk)) == 1


@table(
    "output, quality",
    [
        ({"quality": 0.5}, 0.5), ({"quality": 1}, 1.0), ({"quality": 1.5}, None), ({"quality": True}, None),
        ({"right": False}, 0.0), ("good", None), ({}, None), (None, None),
        ({"choices": [{"message": {"content": 'it is {"quality":1.0}'}}]}, 1.0),
        ({"choices": [{"message": {"content": '{"quality": 10}'}}]}, None),
        ({"choices": [{"message": {"content": '{"quality": 1.2}'}}]}, None),
        ({"choices": [{"message": {"content": 'as "quality": 1 was asked for: {"quality": 0.25, "why": 1}'}}]}, 0.25),
        *(({"choices": [{"message": {"content": f'{{"quality": 1}} {{"quality": {bad}}}'}}]}, None)
          for bad in ("1e-3", "1/10", "1,5", "0.5.1", "-1")),
        ({"choices": []}, None), ({"choices": [{"message": {"content": None}}]}, None),
        ({"content": [{"type": "text", "text": '{"quality": 0}'}]}, 0.0), ({"content": "x"}, None),
    ],
)  # fmt: skip
def test_a_rating_is_read_or_there_is_none(output: object, quality: float | None) -> None:
    assert read_quality(output) == quality


def test_what_the_judge_cannot_be_told_is_answered(tmp_path: Path) -> None:
    write(tmp_path / "v1", "def predict(value):\n    return 1\n")
    model = Shard(name="llm", protocol=ShardProtocol.OPENAI, endpoints=("http://127.0.0.1:9",))
    judged = configuration("v1", "v2", shards=[model], remote={"v2": "llm"}, judge="critic", judge_percent=100.0)
    critic = Objective(name="critic", default=ref("v2"))

    async def body(engine: Engine) -> None:
        await publish(engine, replace(judged, objectives={**judged.objectives, "critic": critic}))
        assert (await engine.serve("greet", InferenceRequest(input=2**70))).version == ref("v1")
        while not engine.judge.ratings["greet", "error"]:
            await asyncio.sleep(0.001)

    run(tmp_path, body)


def test_who_judges_is_an_objective_that_nobody_judges(talk: Talk) -> None:
    unknown = talk.refused(422, "PATCH", "/v1/objectives/recommend", {"judge": "payment-frau"})
    assert "payment-fraud" in str(unknown)
    talk.ok("PATCH", "/v1/objectives/recommend", {"judge": "payment-fraud", "judge_percent": 5})
    chain = talk.refused(422, "PATCH", "/v1/objectives/continue-watching", {"judge": "recommend", "judge_percent": 5})
    assert "rated themselves" in str(chain)
    with pytest.raises(AssertionError, match=r"409|422"):
        talk.ok("DELETE", "/v1/objectives/payment-fraud")
    talk.ok("PATCH", "/v1/objectives/recommend", {"judge": ""})
    talk.ok("DELETE", "/v1/objectives/payment-fraud")


def test_a_clients_rating_counts_before_the_judges() -> None:
    def row(request_id: str, quality: float, **source: str) -> dict[str, Any]:
        rated = {"request_id": request_id, "quality": quality, "model": "m", "version": "v1", "dollars": 0.0}
        return {**rated, "context": {}, **source}

    newest_first = [
        row("a", 0.1, source="judge"), row("a", 0.9), row("a", 0.8),
        row("b", 0.7), row("b", 0.2, source="judge"),
        row("c", 0.4, source="judge"), row("c", 0.3, source="judge"),
    ]  # fmt: skip
    assert [entry.quality for entry in policy_outcomes(newest_first, ())] == [0.9, 0.7, 0.4]
