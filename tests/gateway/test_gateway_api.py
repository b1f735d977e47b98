"""Every kind of noun over HTTP: made, found, listed, changed, removed; every answer is as the description has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nlapi.gateway.http.app import HANDLERS
from nlapi.gateway.http.description import load_description
from tests.gateway.kit import Talk, gateway
from tests.servers import Echo, Reply

SHARES = [{"model": "ranker", "version": "v7", "percent": 90}, {"model": "ranker", "version": "v8", "percent": 10}]
CELLS = [{"name": "control", **SHARES[0], "percent": 50}, {"name": "new", **SHARES[1], "percent": 50}]
V8 = {"objective": "continue-watching", "model": "ranker", "version": "v8"}
LIVES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "objective": ("/v1/objectives", {"name": "search", "model": "popular", "version": "v1"}, {"owner": "discovery"}),
    "model": ("/v1/models", {"name": "embedder"}, {"description": "Embeds titles."}),
    "version": ("/v1/models/ranker/versions", {"version": "v10", "source": "ranker-v9"}, {"description": "Faster."}),
    "shard": (
        "/v1/shards",
        {"name": "gpu-east", "protocol": "oip-v2", "endpoints": ["http://10.0.0.7:8080"]},
        {"endpoints": ["http://10.0.0.7:8080", "http://10.0.0.8:8080"]},
    ),
    "rule": ("/v1/rules", {"name": "tv", **V8, "when": {"device": ["tv"]}}, {"when": {"device": ["tv", "console"]}}),
    "layer": ("/v1/layers", {"name": "ranking"}, {"description": "All ranking tests."}),
    "experiment": (
        "/v1/experiments",
        {"name": "artwork-test", "objective": "continue-watching", "cells": CELLS},
        {"running": False},
    ),
    "canary": ("/v1/canaries", {"name": "ranker-v8", **V8, "percent": 5}, {"steps": [{"percent": 50}]}),
    "shadow": ("/v1/shadows", {"name": "try-v9", **V8, "version": "v9"}, {"percent": 20}),
    "override": ("/v1/overrides", {"name": "qa", **V8, "field": "user", "value": "u42"}, {"value": "u43"}),
}  # fmt: skip


def test_every_operation_of_the_description_is_carried_out() -> None:
    assert set(HANDLERS) >= set(load_description().operations)


@pytest.mark.parametrize("kind", LIVES)
def test_a_noun_is_made_found_listed_changed_and_removed(talk: Talk, kind: str) -> None:
    path, given, change = LIVES[kind]
    made = talk("POST", path, given, why="a test")
    assert made.status == 201
    assert made.headers["etag"] == '"2"'
    assert made.json().items() >= given.items() | {"revision": 2}.items() if not _nested(given) else True
    name = given["version"] if kind == "version" else given["name"]
    one = f"{path}/{name}"
    found = talk.ok("GET", one)
    assert {key: found[key] for key in made.json()} == made.json()
    doing = {"canary": {"status"}, "shadow": {"status"}, "shard": {"replicas"}, "version": {"loaded"}}
    assert found.keys() - made.json().keys() == doing.get(kind, set())
    assert name in [row.get("version" if kind == "version" else "name") for row in talk.ok("GET", path)["data"]]
    assert talk.refused(409, "POST", path, given)["type"].endswith("exists")
    changed = talk.ok("PATCH", one, change)
    assert changed["revision"] == 3
    assert all(changed[key] == value or kind == "canary" for key, value in change.items())
    if kind == "canary":
        assert "still moves a share" in talk.refused(409, "DELETE", one)["detail"]
        talk.ok("POST", f"{one}/rollback")
    gone = talk.ok("DELETE", one, why="done")
    assert gone["why"] == "done"
    talk.refused(404, "GET", one)
    assert name not in [row.get("name") for row in talk.ok("GET", path)["data"]] or kind == "version"


def _nested(given: dict[str, Any]) -> bool:
    return any(isinstance(value, list | dict) for value in given.values())


def test_a_client_is_made_by_its_limits(talk: Talk) -> None:
    assert talk.ok("PATCH", "/v1/clients/mobile/limits", {"requests_per_second": 100})["requests_per_second"] == 100
    assert talk.ok("PATCH", "/v1/clients/mobile/limits", {"concurrency": 3.0})["concurrency"] == 3
    assert (
        talk("POST", "/v1/simulate", {"decisions": 5.0}).status == talk("POST", "/v1/simulate", {"decisions": 5}).status
    )
    assert talk("POST", "/v1/simulate", {"decisions": 5.0}).status < 500
    changed = talk.ok("PATCH", "/v1/clients/mobile/limits", {"concurrency": 4})
    assert (changed["requests_per_second"], changed["concurrency"]) == (100, 4)
    assert [one["name"] for one in talk.ok("GET", "/v1/clients")["data"]] == ["mobile", "web"]
    talk.ok("DELETE", "/v1/clients/mobile")
    talk.refused(404, "GET", "/v1/clients/mobile")


def test_a_rule_is_a_version_or_a_split(talk: Talk) -> None:
    rule = talk.ok("POST", "/v1/rules", {"name": "half", "objective": "continue-watching", "shares": SHARES})
    assert rule["shares"] == SHARES
    assert rule["position"] == 0
    whole = talk.ok("PATCH", "/v1/rules/half", {"model": "ranker", "version": "v9"})
    assert (whole["version"], "shares" in whole) == ("v9", False)
    talk.refused(422, "PATCH", "/v1/rules/half", {"model": "ranker"})
    talk.refused(422, "POST", "/v1/rules", {"name": "none", "objective": "continue-watching"})
    talk.refused(422, "POST", "/v1/rules", {"name": "both", **V8, "shares": SHARES})


def test_names_are_understood_in_other_spellings(talk: Talk) -> None:
    assert talk.ok("GET", "/v1/objectives/Payment Fraud")["name"] == "payment-fraud"
    made = talk.ok("POST", "/v1/canaries", {"objective": "Continue Watching", "model": "Ranker", "version": "V8"})
    assert (made["name"], made["objective"]) == ("ranker-v8", "continue-watching")


def test_lists_are_filtered(talk: Talk) -> None:
    assert [one["name"] for one in talk.ok("GET", "/v1/objectives", owner="Growth")["data"]] == ["continue-watching"]
    assert [one["name"] for one in talk.ok("GET", "/v1/objectives", model="fraud")["data"]] == ["payment-fraud"]
    assert [one["name"] for one in talk.ok("GET", "/v1/objectives", name="FRAUD")["data"]] == ["payment-fraud"]
    talk.ok("POST", "/v1/canaries", V8)
    talk.ok("POST", "/v1/canaries/ranker-v8/pause")
    assert talk.ok("GET", "/v1/canaries", state="running")["data"] == []
    assert len(talk.ok("GET", "/v1/canaries", state="paused", version="v8")["data"]) == 1
    talk.ok("POST", "/v1/experiments", {"name": "test", "objective": "recommend", "running": False, "cells": [
        {"name": "a", "model": "popular", "version": "v1", "percent": 100}]})  # fmt: skip
    assert talk.ok("GET", "/v1/experiments", running="true")["data"] == []
    assert len(talk.ok("GET", "/v1/experiments", running="false", objective="recommend")["data"]) == 1


def test_lists_come_a_page_at_a_time(talk: Talk) -> None:
    seen, cursor = [], {}
    while True:
        page = talk.ok("GET", "/v1/objectives", limit=1, **cursor)
        assert page["page"]["total"] == 3
        seen += [one["name"] for one in page["data"]]
        if page["page"]["next_cursor"] is None:
            break
        cursor = {"cursor": page["page"]["next_cursor"]}
    assert seen == ["continue-watching", "payment-fraud", "recommend"]
    assert talk.ok("GET", "/v1/objectives", cursor=99)["data"] == []
    assert talk.refused(422, "GET", "/v1/objectives", cursor="nonsense")["errors"][0]["where"] == "query.cursor"
    assert talk.refused(422, "GET", "/v1/objectives", limit=0)["errors"][0]["where"] == "query.limit"


def test_what_was_decided_is_kept_and_told(talk: Talk) -> None:
    web = talk.as_("web")
    body = {"input": {"titles": ["a"]}, "context": {"user": "u1", "country": "BR"}}
    served = web("POST", "/v1/objectives/continue-watching/serve", body, headers={"X-Request-Id": "r-1"})
    assert served.headers["x-request-id"] == "r-1"
    assert served.json()["output"] == {"version": "v7", "input": {"titles": ["a"]}}
    found = talk.ok("GET", "/v1/decisions/r-1")
    assert found["client"] == "web"
    assert found["context"] == {"user": "u1", "country": "BR"}
    steps = found.pop("steps")
    assert [(step["kind"], step["fate"]) for step in steps] == [("default", "decided")]
    talk.ok("POST", "/v1/rules", {"name": "brazil", **V8, "when": {"country": ["BR"]}})
    assert talk.ok("GET", "/v1/decisions/r-1") == {**found, "steps": steps}, "the steps are those of then"
    assert talk.ok("GET", "/v1/decisions", user="u1", model="ranker")["data"] == [found]
    assert talk.ok("GET", "/v1/decisions", user="u2")["data"] == []
    assert talk.ok("GET", "/v1/decisions", failed="false", since="2020-01-01", until="2999-01-01")["data"] == [found]
    assert talk.ok("GET", "/v1/decisions", until="2020-01-01")["data"] == []
    assert "unknown_request" in talk.refused(404, "GET", "/v1/decisions/r-2")["type"]


def test_what_serves_an_objective_is_resolved_and_explained(talk: Talk) -> None:
    talk.ok("POST", "/v1/rules", {"name": "brazil", **V8, "when": {"country": ["BR"]}})
    asked = {"context": {"country": "BR"}}
    found = talk.ok("POST", "/v1/objectives/continue-watching/resolve", asked)
    assert (found["decision"]["version"], found["decision"]["rule"]) == ("v8", "brazil")
    web = talk.as_("web").ok("POST", "/v1/objectives/continue-watching/resolve", asked)
    assert web["decision"] == found["decision"]
    assert talk.ok("POST", "/v1/objectives/continue-watching/resolve")["decision"]["version"] == "v7"
    told = talk.ok("POST", "/v1/objectives/continue-watching/explain", asked)
    assert told["decision"] == found["decision"]
    assert ("rule", "brazil", "decided") in [(step["kind"], step["name"], step["fate"]) for step in told["steps"]]


def test_a_change_is_simulated_on_what_was_recorded(talk: Talk) -> None:
    web = talk.as_("web")
    for number in range(40):
        country = "BR" if number < 10 else "US"
        web.ok("POST", "/v1/objectives/recommend/serve", {"input": 1, "context": {"user": "x", "country": country}})
        context = {"user": f"u{number}", "country": country}
        web.ok("POST", "/v1/objectives/continue-watching/serve", {"input": {}, "context": context})
    proposal = {"objective": "continue-watching", "model": "ranker", "version": "v8", "when": {"country": ["BR"]}}
    found = talk.ok("POST", "/v1/simulate", proposal)
    assert (found["decisions"], found["moved"]) == (40, 25.0)
    (move,) = found["moves"]
    assert (move["before"], move["after"], move["requests"], move["percent"]) == ("ranker@v7", "ranker@v8", 10, 25.0)
    assert {"field": "country", "value": "BR", "seen": 10, "moved": 10, "objective": "continue-watching"} in found[
        "slices"
    ]
    assert talk.ok("GET", "/v1/canaries")["data"] == []
    nothing = talk.ok("POST", "/v1/simulate", {"revision": 1})
    assert (nothing["decisions"], nothing["moved"]) == (80, 0.0)
    faulty = talk.ok("POST", "/v1/simulate", proposal | {"version": "v99"})
    assert faulty["issues"][0]["rule"] == "unknown-version"
    talk.refused(422, "POST", "/v1/simulate", {"revision": 1, "version": "v8"})
    talk.refused(422, "POST", "/v1/simulate", {"version": "v8"})
    talk.refused(404, "POST", "/v1/simulate", {"revision": 99})


def test_traffic_is_summed_up(talk: Talk) -> None:
    for number in range(8):
        body = {"input": {}, "context": {"user": f"u{number}"}}
        talk.as_("web").ok("POST", "/v1/objectives/continue-watching/serve", body)
    (row,) = talk.ok("GET", "/v1/traffic", objective="continue-watching")["data"]
    assert (row["version"], row["requests"], row["share"], row["error_percent"]) == ("v7", 8, 100.0, 0.0)
    assert row["p99_ms"] >= row["p50_ms"] > 0
    assert talk.ok("GET", "/v1/traffic", version="v8")["data"] == []
    points = talk.ok("GET", "/v1/traffic/history", minutes=1, points=10)["data"]
    assert sum(point["requests"] for point in points) == 8
    assert points[-1]["shares"] == {"ranker@v7": 100.0}
    assert 'nlapi_requests_total{objective="continue-watching"' in talk("GET", "/metrics").content.decode()


def test_health_and_the_description_need_no_token(talk: Talk) -> None:
    nobody = talk.as_("")
    assert nobody.ok("GET", "/health") == {"status": "ok", "revision": 1}
    assert nobody.ok("GET", "/ready")["revision"] == 1
    assert nobody("GET", "/openapi.yaml").content.decode() == load_description().text
    assert nobody("HEAD", "/health").content == b""


def test_a_new_gateway_is_filled_one_thing_after_the_other(tmp_path: Path) -> None:
    with gateway(tmp_path, publish=False) as talk:
        talk.ok("POST", "/v1/models", {"name": "ranker"})
        made = talk.ok("POST", "/v1/models/ranker/versions", {"version": "v7", "source": "ranker-v7"})
        assert made["shard"] == "local"
        talk.ok("POST", "/v1/objectives", {"name": "rank", "model": "ranker", "version": "v7"})
        assert talk.as_("web").ok("POST", "/v1/objectives/rank/serve", {"input": {}})["output"]["version"] == "v7"


def test_shards_and_shadows_tell_how_they_are_doing(tmp_path: Path) -> None:
    with gateway(tmp_path) as talk, Echo(Reply(200, {"version": "v1", "input": 1})) as server:
        dead = "http://127.0.0.1:9"
        talk.ok("POST", "/v1/shards", {"name": "far", "protocol": "json", "endpoints": [server.url, dead]})
        talk.ok("POST", "/v1/models/popular/versions", {"version": "v2", "shard": "far"})
        named = {"objective": "recommend", "model": "popular", "version": "v2"}
        talk.ok("POST", "/v1/shadows", {"name": "s", **named})
        assert talk.ok("GET", "/v1/shadows/s")["status"] == {"copies": 0, "answered": 0, "failed": 0, "dropped": 0}
        web = talk.as_("web")
        web.ok("POST", "/v1/objectives/recommend/serve", {"input": 1})
        while not (status := talk.ok("GET", "/v1/shadows")["data"][0]["status"])["answered"]:
            continue
        assert (status["copies"], status["same_percent"], status["p50_ms"] > 0) == (1, 100.0, True)
        talk.ok("PATCH", "/v1/objectives/recommend", {"model": "popular", "version": "v2"})
        for number in range(12):
            web.ok("POST", "/v1/objectives/recommend/serve", {"input": number})
        first, second = talk.ok("GET", "/v1/shards/far")["replicas"]
        assert (first["endpoint"], first["breaker"], first["answered"], first["failed"]) == (
            server.url,
            "closed",
            12,
            0,
        )
        assert (second["endpoint"], second["breaker"]) == (dead, "open")
        assert "replicas" not in talk.ok("GET", "/v1/shards/local")
