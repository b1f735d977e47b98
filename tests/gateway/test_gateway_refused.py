"""Configurations and requests that are refused, each with its Issue; the old revision goes on serving."""

from __future__ import annotations

import json
from typing import Any

from tests.gateway.kit import Talk, document
from tests.tables import table

V = {"model": "ranker", "version": "v7"}
V8 = {"model": "ranker", "version": "v8"}
CW = {"objective": "continue-watching"}
ALL = {**CW, **V}


def both(one: float, other: float) -> list[dict[str, Any]]:
    return [{**V, "percent": one}, {**V8, "percent": other}]


def cells(one: float, other: float) -> list[dict[str, Any]]:
    return [{"name": "a", **V, "percent": one}, {"name": "b", **V8, "percent": other}]


FAULTS: dict[str, tuple[str, Any]] = {
    "unknown-model": ("objectives", {"name": "x", "model": "rankr", "version": "v7"}),
    "unknown-version": ("rules", {"name": "x", **CW, "model": "ranker", "version": "v99"}),
    "unknown-shard": ("versions", {"model": "ranker", "version": "v10", "shard": "moon"}),
    "unknown-objective": ("rules", {"name": "x", "objective": "continue-watchin", **V}),
    "unknown-layer": ("experiments", {"name": "x", **CW, "cells": cells(50, 50), "layer": "moon"}),
    "unknown-field": ("rules", {"name": "x", **ALL, "when": {"planet": ["mars"]}}),
    "wrong-type": ("rules", {"name": "x", **ALL, "when": {"age": ["old"]}}),
    "empty-range": ("rules", {"name": "x", **ALL, "between": {"age": {"least": 30, "below": 20}}}),
    "missing-default": ("objectives", {"name": "x"}),
    "too-much": ("rules", {"name": "x", **CW, "shares": both(70, 50)}),
    "duplicate-share": ("rules", {"name": "x", **CW, "shares": [{**V, "percent": 50}, {**V, "percent": 50}]}),
    "bad-percent": ("canaries", {"name": "x", **CW, **V8, "percent": 0.001}),
    "same-version": ("canaries", {"name": "x", **CW, **V8, "base_model": "ranker", "base_version": "v8"}),
    "bad-guard": ("canaries", {"name": "x", **CW, **V8, "guards": [{"metric": "p99_ms"}]}),
    "duplicate-field": ("objectives", {"name": "x", **V, "context": [{"name": "a"}, {"name": "a"}]}),
    "reserved-field": ("objectives", {"name": "x", **V, "context": [{"name": "client"}]}),
    "invalid-schema": ("objectives", {"name": "x", **V, "input": {"type": "strin"}}),
    "no-endpoints": ("shards", {"name": "x", "protocol": "json"}),
    "doubled-effect": ("shadows", {"name": "x", "objective": "payment-fraud", "model": "fraud", "version": "v2"}),
    "endpoint": ("shards", {"name": "x", "protocol": "json", "endpoints": ["http://169.254.169.254/latest"]}),
    "source": ("versions", {"model": "ranker", "version": "v10", "source": "../../etc"}),
}


@table("rule", FAULTS)
def test_a_faulty_configuration_is_refused_with_its_issue(talk: Talk, rule: str) -> None:
    kind, noun = FAULTS[rule]
    proposed = document()
    proposed[kind] = [*proposed.get(kind, ()), noun]
    if rule == "missing-default":
        proposed["objectives"][-1] = {"name": "x"}
        assert "model" in talk.refused(422, "PUT", "/v1/configuration", proposed)["detail"]
    else:
        problem = talk.refused(422, "PUT", "/v1/configuration", proposed)
        found = [one["rule"] for one in problem["errors"] if one["level"] == "error"]
        assert rule in found or (rule == "too-much" and found), problem
        assert problem["hint"] == "nothing was changed; revision 1 is still served"
    assert talk.ok("GET", "/v1/revisions")["page"]["total"] == 1
    assert talk.ok("GET", "/ready")["revision"] == 1
    served = talk.as_("web").ok("POST", "/v1/objectives/continue-watching/serve", {"input": {}})
    assert served["decision"]["revision"] == 1


def test_overlapping_experiments_and_unreachable_rules_are_refused(talk: Talk) -> None:
    talk.ok("POST", "/v1/experiments", {"name": "one", **CW, "cells": cells(50, 50)})
    problem = talk.refused(422, "POST", "/v1/experiments", {"name": "two", **CW, "cells": cells(50, 50)})
    assert problem["errors"][0]["rule"] == "overlapping-experiments"
    talk.ok("POST", "/v1/rules", {"name": "all", **ALL})
    problem = talk.refused(422, "POST", "/v1/rules", {"name": "tv", **ALL, "when": {"device": ["tv"]}})
    assert problem["errors"][0]["rule"] == "unreachable-rule"


def test_what_is_still_used_is_not_removed(talk: Talk) -> None:
    problem = talk.refused(422, "DELETE", "/v1/models/ranker/versions/v7")
    assert "'ranker@v7' is still used, in objectives.continue-watching.version" in problem["detail"]
    assert problem["errors"][0]["where"] == "objectives.continue-watching.version"
    talk.ok("DELETE", "/v1/models/ranker/versions/v9")


def test_two_things_of_one_name_are_refused(talk: Talk) -> None:
    twice = document()
    twice["models"].append({"name": "Ranker"})
    assert talk.refused(422, "PUT", "/v1/configuration", twice)["errors"][0]["where"] == "models[3].name"


def test_a_version_that_cannot_be_loaded_is_refused(talk: Talk) -> None:
    problem = talk.refused(422, "POST", "/v1/models/ranker/versions", {"version": "v10", "source": "nowhere"})
    assert problem["type"].endswith("not_loaded")
    assert "ranker@v10" in problem["detail"]
    assert talk.ok("GET", "/ready")["revision"] == 1


def test_an_unknown_objective_names_the_nearest(talk: Talk) -> None:
    for step, body in (("serve", {"input": 1}), ("resolve", {})):
        problem = talk.as_("web").refused(404, "POST", f"/v1/objectives/continue-watchin/{step}", body)
        assert "continue-watching" in problem["hint"]
    assert talk.refused(404, "GET", "/v1/models/ranker/versions/v71")["hint"] == "did you mean 'ranker@v7'?"
    assert talk.refused(404, "GET", "/v1/models/rankr/versions")["hint"] == "did you mean 'ranker'?"


@table(
    ("body", "where"),
    [
        ({"input": {"titles": "a"}}, "body.input.titles"),
        ({"input": {"titles": ["a", 1]}}, "body.input.titles[1]"),
        ({"input": {}, "context": {"planet": "mars"}}, "body.context.planet"),
        ({"input": {}, "context": {"age": "old"}}, "body.context.age"),
        ({"input": {}, "context": {"country": "brazil"}}, "body.context.country"),
        ({"context": {}}, "body"),
        ({"input": {}, "output": {}}, "body"),
        ([], "body"),
    ],
)
def test_a_request_that_breaks_a_schema_is_told_where(talk: Talk, body: Any, where: str) -> None:
    problem = talk.as_("web").refused(422, "POST", "/v1/objectives/continue-watching/serve", body)
    assert problem["errors"][0]["where"] == where


def test_an_unknown_context_field_is_refused_when_resolving_too(talk: Talk) -> None:
    body = {"context": {"contry": "BR"}}
    problem = talk.refused(422, "POST", "/v1/objectives/continue-watching/resolve", body)
    assert problem["errors"][0]["hint"] == "did you mean 'country'?"


@table(
    ("query", "where"),
    [
        ({"limit": "many"}, "query.limit"),
        ({"limit": 1000}, "query.limit"),
        ({"owner": ""}, "query.owner"),
        ({"colour": "red"}, "query.colour"),
    ],
)
def test_a_wrong_query_is_told_where(talk: Talk, query: dict[str, Any], where: str) -> None:
    assert talk.refused(422, "GET", "/v1/objectives", **query)["errors"][0]["where"] == where


def test_a_parameter_that_is_there_twice_is_refused(talk: Talk) -> None:
    answer = talk.raw(
        f"GET /v1/objectives?limit=1&limit=2 HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        f"Authorization: Bearer {talk.token}\r\n\r\n".encode()
    )
    assert b"422" in answer.partition(b"\r\n")[0]


DEEP = b'{"input": ' + b"[" * 100 + b"]" * 100 + b"}"


@table(
    ("content", "said"),
    [
        (b'{"input": 1, "input": 2}', "the key 'input' is there twice"),
        (b'{"input": {"a": 1, "a": 1}}', "the key 'a' is there twice"),
        (b'{"input": NaN}', "NaN is not a number"),
        (b'{"input": -Infinity}', "-Infinity is not a number"),
        (b'{"input": 1e999}', "the number 1e999 is too large"),
        (DEEP, "nested more than 64 levels"),
        (b"[" * 200_000, "nested more than 64 levels"),
        (b'{"input": "\xff"}', "not UTF-8"),
        (b'{"input": "\\ud800"}', "half a surrogate pair"),
        (b'{"input": ' + b"9" * 5000 + b"}", "Exceeds the limit"),
        (b"{", "line 1"),
    ],
)
def test_json_that_can_be_read_in_two_ways_is_not_read(talk: Talk, content: bytes, said: str) -> None:
    web = talk.as_("web")
    problem = web.refused(400, "POST", "/v1/objectives/continue-watching/serve", content=content)
    assert said in problem["detail"]
    assert talk.refused(400, "PUT", "/v1/configuration", content=content)["type"].endswith("malformed_json")


def test_a_body_has_its_size_and_its_type(talk: Talk) -> None:
    path = "/v1/objectives/continue-watching/serve"
    web = talk.as_("web")
    large = json.dumps({"input": "x" * (4 * 2**20)}).encode()
    assert web.refused(413, "POST", path, content=large)["type"].endswith("too_large")
    problem = web.refused(415, "POST", path, content=b"{}", headers={"Content-Type": "text/plain"})
    assert "application/json" in problem["hint"]
    assert web("POST", path, content=b"{}", headers={"Content-Encoding": "gzip"}).status == 415
    assert web.refused(422, "POST", path)["errors"][0]["where"] == "body"
    assert talk.refused(422, "GET", "/v1/objectives", {})["errors"][0]["where"] == "body"
    assert web.ok("POST", path, {"input": {}})["output"]["version"] == "v7"


def test_unknown_addresses_and_methods_are_problems_too(talk: Talk) -> None:
    assert talk.refused(404, "GET", "/v1/objective")["hint"] == "the nearest that takes GET is /v1/objectives"
    serve = "/v1/objectives/{objective}/serve"
    assert talk.refused(404, "POST", "/v1/objectives//serve")["hint"] == f"the nearest that takes POST is {serve}"
    assert talk.refused(405, "POST", "/v1/objectives/serve")["hint"] == f"the nearest that takes POST is {serve}"
    answer = talk("POST", "/health")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
    assert talk("TRACE", "/v1/objectives").headers["allow"] == "GET, HEAD, POST"
    talk.refused(404, "GET", "/v1/objectives/../tokens")
    talk.refused(404, "GET", "/v1/objectives/-")
