"""Outcomes come in, a policy is simulated, published, explained and watched, over the gateway's API."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from tests.gateway.kit import Talk
from tests.gateway.llm_gateway import document, gateway
from tests.gateway.llm_upstream import upstream

POLICY = "/v1/objectives/payment-fraud/cost-policy"
TERMS = {"fields": ["device"], "explore_percent": 0, "margin": 0}
RIGHT = {"tv": {"v1": 10, "v2": 10}, "phone": {"v1": 4, "v2": 10}}
"""device -> version -> how many of ten answers are right"""


def outcome(device: str, version: str, number: int, **more: Any) -> dict[str, Any]:
    return {
        "objective": "payment-fraud", "model": "fraud", "version": version, "context": {"device": device},
        "right": number % 10 < RIGHT[device][version], "dollars": 0.001 if version == "v1" else 0.02,
        "question": f"{device}-{number}", **more,
    }  # fmt: skip


def record(talk: Talk, count: int = 100) -> None:
    rows = [outcome(device, version, n) for device in RIGHT for version in ("v1", "v2") for n in range(count)]
    assert talk.ok("POST", "/v1/outcomes", {"outcomes": rows}) == {"recorded": len(rows)}


def test_a_policy_is_simulated_published_explained_and_removed(talk: Talk) -> None:
    record(talk)
    simulated = talk.ok("POST", f"{POLICY}/simulate", TERMS)
    rows = {row["name"]: row for row in simulated["rows"]}
    assert rows["the policy"]["kept"] >= 95
    assert rows["the policy"]["saved"] > 40
    assert "device is tv: fraud@v1 100 %" in simulated["text"]
    talk.refused(404, "GET", POLICY)
    published = talk.ok("PUT", POLICY, TERMS, why="cheaper")
    assert {row["version"]: row["percent"] for row in published["buckets"] if row["bucket"] == ["tv"]} == {
        "fraud@v1": 100.0,
        "fraud@v2": 0.0,
    }
    resolve = "/v1/objectives/payment-fraud/resolve"
    versions = {
        device: talk.ok("POST", resolve, {"context": {"user": "u1", "device": device}})["version"]
        for device in ("tv", "phone", "browser")
    }
    assert versions["tv"] == "fraud@v1"
    assert versions["browser"] == "fraud@v2"
    explained = talk.ok("POST", "/v1/objectives/payment-fraud/explain", {"context": {"device": "phone"}})["text"]
    assert "device is phone: expected quality: fraud@v1 0." in explained
    whole = talk.ok("GET", "/v1/configuration")
    assert talk.ok("POST", "/v1/configuration/check", whole)["differences"] == []
    talk.ok("DELETE", POLICY)
    assert talk.ok("GET", "/v1/rules")["data"] == []


def test_a_client_rates_its_own_requests_alone(talk: Talk) -> None:
    web = talk.as_("web")
    served = web.ok("POST", "/v1/objectives/payment-fraud/serve", {"input": {}, "context": {"device": "tv"}})
    rating = {"outcomes": [{"request_id": served["request_id"], "quality": 0.5}]}
    assert web.ok("POST", "/v1/outcomes", rating) == {"recorded": 1}
    stored = talk.ok("GET", "/v1/outcomes", objective="payment-fraud")["data"]
    assert [(row["version"], row["quality"], row["context"]) for row in stored] == [("v1", 0.5, {"device": "tv"})]
    for entry, reason in (
        (outcome("tv", "v1", 1), "give request_id"),
        ({"request_id": "unknown", "right": True}, "nothing is recorded of it"),
        ({"request_id": served["request_id"]}, "quality, or else right"),
    ):
        assert reason in str(web.refused(422, "POST", "/v1/outcomes", {"outcomes": [entry]}))
    assert "needs objective" in str(talk.refused(422, "POST", "/v1/outcomes", {"outcomes": [{"right": True}]}))
    unknown = talk.refused(404, "POST", f"{POLICY}/simulate", {**TERMS, "fields": ["devise"]})
    assert "device" in str(unknown)


def test_a_policy_whose_floor_breaks_is_taken_back_by_the_gateway(talk: Talk) -> None:
    assert talk.app is not None
    record(talk)
    talk.ok("PUT", POLICY, TERMS)
    web = talk.as_("web")
    request = {"input": {}, "context": {"device": "tv", "user": "u1"}}
    ids = [web.ok("POST", "/v1/objectives/payment-fraud/serve", request)["request_id"] for _ in range(60)]
    web.ok("POST", "/v1/outcomes", {"outcomes": [{"request_id": one, "right": False} for one in ids]})
    assert "under the floor" in talk.ok("GET", POLICY)["problem"]
    asyncio.run(talk.app.cost_watcher.tick())
    talk.refused(404, "GET", POLICY)
    assert "the mean quality is 0.000" in talk.ok("GET", "/v1/revisions")["data"][0]["why"]


def test_the_size_of_a_text_is_filled_in_where_it_is_declared(tmp_path: Path) -> None:
    size = {"name": "size", "type": "integer", "source": "text_size"}
    with upstream() as llm, gateway(tmp_path, document(llm.url, "writer")) as talk:
        talk.ok("PATCH", "/v1/objectives/writer", {"context": [size]})
        body = {"model": "writer", "messages": [{"role": "user", "content": "x" * 300}]}
        for headers in ({}, {"Nlapi-Context": '{"size": 3}'}):
            assert talk.as_("web")("POST", "/openai/v1/chat/completions", body, headers=headers).status == 200
        rows = talk.ok("GET", "/v1/decisions")["data"]
        assert [row["context"] for row in rows] == [{"size": 3}, {"size": 9}]
        wrong = {"context": [{**size, "type": "string"}]}
        assert "type integer" in str(talk.refused(422, "PATCH", "/v1/objectives/writer", wrong))
