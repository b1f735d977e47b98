"""The life of a canary over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gateway.kit import Talk

V8 = {"objective": "continue-watching", "model": "ranker", "version": "v8"}


def share(talk: Talk, country: str = "US") -> float:
    """The part of 400 users, in per cent, whom v8 would serve."""
    found = 0
    for number in range(400):
        context = {"user": f"u{number}", "country": country}
        key = talk.app.publisher.current.table.decide("continue-watching", context).version if talk.app else None
        found += key is not None and key.version == "v8"
    return 100 * found / 400


def users(talk: Talk) -> set[int]:
    """Those of 400 users whom v8 would serve."""
    assert talk.app is not None
    table = talk.app.publisher.current.table
    return {n for n in range(400) if table.decide("continue-watching", {"user": f"u{n}"}).version.version == "v8"}


def start(talk: Talk, **more: Any) -> Any:
    return talk.ok("POST", "/v1/canaries", {**V8, **more}, why="try it")


def test_a_canary_moves_its_share_and_a_ramp_moves_nobody_out(talk: Talk) -> None:
    assert start(talk)["percent"] == 10
    few = users(talk)
    assert 5 <= len(few) / 4 <= 16
    assert talk.ok("POST", "/v1/canaries/ranker-v8/ramp", {"percent": 30})["percent"] == 30
    assert users(talk) > few


def test_a_canary_is_found_by_its_objective(talk: Talk) -> None:
    start(talk)
    assert talk.ok("GET", "/v1/canaries/continue-watching")["name"] == "ranker-v8"
    assert talk.ok("POST", "/v1/canaries/continue-watching/ramp", {"percent": 50})["name"] == "ranker-v8"
    assert "has no canary" in talk.refused(404, "GET", "/v1/canaries/recommend")["detail"]
    assert talk.refused(404, "GET", "/v1/canaries/ranker-v9")["hint"] == "did you mean 'ranker-v8'?"


def test_an_objective_with_several_canaries_wants_a_name(talk: Talk) -> None:
    start(talk, when={"country": ["BR"]})
    start(talk, version="v9", when={"country": ["US"]})
    assert "ranker-v8, ranker-v9" in talk.refused(409, "GET", "/v1/canaries/continue-watching")["hint"]


def test_a_canary_is_paused_and_resumed(talk: Talk) -> None:
    start(talk, percent=40)
    before = users(talk)
    assert talk.ok("POST", "/v1/canaries/ranker-v8/pause", why="lunch")["reason"] == "lunch"
    assert users(talk) == before
    assert talk.ok("POST", "/v1/canaries/ranker-v8/resume")["state"] == "running"


def test_a_canary_that_is_rolled_back_serves_nobody_from_then_on(talk: Talk) -> None:
    start(talk, percent=100)
    resolved = talk.ok("POST", "/v1/objectives/continue-watching/resolve", {"context": {"user": "u"}})
    assert resolved["decision"]["version"] == "v8"
    assert talk.ok("POST", "/v1/canaries/ranker-v8/rollback", why="errors doubled")["state"] == "rolled_back"
    assert users(talk) == set()
    assert talk.ok("GET", "/v1/canaries/ranker-v8")["reason"] == "errors doubled"
    for step, body in (("ramp", {"percent": 5}), ("pause", None), ("resume", None), ("promote", None)):
        assert "rolled back" in talk.refused(409, "POST", f"/v1/canaries/ranker-v8/{step}", body)["detail"]
    talk.ok("DELETE", "/v1/canaries/ranker-v8")


def test_a_canary_for_all_becomes_the_default(talk: Talk) -> None:
    shares = [{"model": "ranker", "version": name, "percent": part} for name, part in (("v7", 60), ("v9", 40))]
    rule = {"name": "split", "objective": "continue-watching", "when": {"country": ["BR"]}, "shares": shares}
    talk.ok("POST", "/v1/rules", rule)
    start(talk)
    done = talk.ok("POST", "/v1/canaries/ranker-v8/promote")
    assert (done["state"], done["percent"]) == ("done", 100)
    assert talk.ok("GET", "/v1/objectives/continue-watching")["version"] == "v8"
    assert [one["version"] for one in talk.ok("GET", "/v1/rules/split")["shares"]] == ["v8", "v9"]
    assert talk.ok("GET", "/v1/canaries")["data"] == []
    assert len(users(talk)) == 400


def test_a_canary_for_some_becomes_a_rule_before_the_others(talk: Talk) -> None:
    talk.ok("POST", "/v1/rules", {"name": "all", "objective": "continue-watching", "model": "ranker", "version": "v7",
                                  "position": 10})  # fmt: skip
    start(talk, when={"country": ["BR"]})
    talk.ok("POST", "/v1/canaries/ranker-v8/promote")
    rule = talk.ok("GET", "/v1/rules/ranker-v8")
    assert (rule["when"], rule["position"], rule["version"]) == ({"country": ["BR"]}, 9, "v8")
    assert (share(talk, "BR"), share(talk, "US")) == (100, 0)


def test_the_status_tells_how_both_versions_are_doing(talk: Talk) -> None:
    start(talk, percent=50)
    for number in range(60):
        body = {"input": {}, "context": {"user": f"u{number}"}}
        talk.as_("web").ok("POST", "/v1/objectives/continue-watching/serve", body)
    status = talk.ok("GET", "/v1/canaries/ranker-v8")["status"]
    assert (status["canary"]["version"], status["base"]["version"]) == ("v8", "v7")
    assert status["canary"]["share"] + status["base"]["share"] == pytest.approx(100)
    listed = talk.ok("GET", "/v1/canaries")["data"][0]["status"]
    # The rate is over the time that has passed, which goes on between the reads.
    for version in (*status.values(), *listed.values()):
        assert version.pop("requests_per_second") > 0
    assert listed == status


def test_two_canaries_on_the_same_requests_are_refused(talk: Talk) -> None:
    start(talk)
    problem = talk.refused(422, "POST", "/v1/canaries", V8 | {"version": "v9"})
    assert problem["errors"][0]["rule"] == "overlapping-canaries"
    assert "revision 2 is still served" in problem["hint"]


def test_canaries_go_on_and_back_by_themselves_and_a_rollback_undoes_their_start(talk: Talk) -> None:
    steps = [{"percent": 100, "bake_seconds": 0}]
    talk.ok("POST", "/v1/canaries", {**V8, "percent": 10, "steps": [{"percent": 10, "bake_seconds": 0}, *steps]})
    guard = {"metric": "p99_ms", "limit": 0, "least": 5}
    talk.ok("POST", "/v1/models/popular/versions", {"version": "v2", "source": "popular-v1"})
    faulty = {"objective": "recommend", "model": "popular", "version": "v2", "percent": 100, "guards": [guard]}
    talk.ok("POST", "/v1/canaries", faulty)
    states = {"ranker-v8": "", "popular-v2": ""}
    while states != {"ranker-v8": "done", "popular-v2": "rolled_back"}:
        talk.as_("web").ok("POST", "/v1/objectives/recommend/serve", {"input": 1, "context": {"user": "u1"}})
        states = {one["name"]: one["state"] for one in talk.ok("GET", "/v1/canaries")["data"]}
    reason = talk.ok("GET", "/v1/canaries/popular-v2")["reason"]
    assert reason.startswith("p99_ms is ")
    assert "over its limit of 0, after" in reason
    why = {one["why"] for one in talk.ok("GET", "/v1/revisions", author="gateway")["data"]}
    assert f"canary popular-v2: {reason}" in why
    talk.ok("POST", "/v1/objectives/continue-watching/rollback")
    talk.ok("POST", "/v1/objectives/recommend/rollback")
    assert talk.ok("GET", "/v1/canaries")["data"] == []
    assert "reserved" in talk.refused(409, "POST", "/v1/tokens", {"name": "Gateway", "audience": "admin"})["type"]
