"""A real Envoy: keys reach their shard and path, revisions take effect, and what it refuses is named."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest

from nlapi.cli.gateway.planes import PlaneOptions
from nlapi.gateway import Client
from tests.scale.envoy_plane import Plane, Upstream, document, plane, post, until, upstream

# Contexts that are decided by Python and by Envoy.
CONTEXTS = 300


@pytest.fixture(scope="module")
def upstreams() -> Iterator[tuple[Upstream, Upstream]]:
    with upstream("a") as first, upstream("b") as second:
        yield first, second


@pytest.fixture(scope="module")
def basic(upstreams: tuple[Upstream, Upstream]) -> Any:
    first, second = upstreams
    return document({"a": f"{first.url}/base", "b": second.url})


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, basic: Any) -> Iterator[Plane]:
    folder = tmp_path_factory.mktemp("plane")
    (folder / "echo").mkdir()
    (folder / "echo" / "model.toml").write_text("")
    (folder / "echo" / "stages.py").write_text("def predict(value):\n    return {'echo': value}\n")
    options = PlaneOptions(shard_authorities="/no/such/authorities.pem")
    with plane(folder, basic, options) as started:
        yield started


@pytest.fixture(autouse=True)
def _first_state(running: Plane, basic: Any, upstreams: tuple[Upstream, Upstream]) -> None:
    running.publish(basic)
    for state in upstreams:
        state.received.clear()


def test_a_key_reaches_the_shard_and_the_path_of_its_version(
    running: Plane, upstreams: tuple[Upstream, Upstream]
) -> None:
    first, second = upstreams
    headers = {"X-Routing-Key": running.key("rank"), "Authorization": "Bearer mine", "Nlapi-Version": "v2"}
    answer = post(running.envoy, "/v1/objectives/rank/infer", headers, b'{"x": 1}')
    assert (answer.status, answer.body["upstream"], answer.version) == (200, "a", "ranker@v1")
    (request,) = first.calls
    assert (request.path, request.body) == ("/base", b'{"x": 1}')
    assert request.headers["nlapi-version"] == "v1"
    assert not {"authorization", "x-routing-key"} & request.headers.keys()
    answer = running.infer("fraud", running.key("fraud"))
    assert (answer.status, answer.version) == (200, "fraud@v1")
    assert [request.path for request in second.calls] == ["/v2/models/fraud/versions/v1/infer"]


def test_a_revision_takes_effect_and_an_old_key_is_outdated(running: Plane, basic: Any) -> None:
    key = running.key("rank")
    changed = deepcopy(basic)
    changed["objectives"][0]["version"] = "v2"
    running.publish(changed)
    outdated = running.infer("rank", key)
    assert outdated.status == 404
    assert outdated.body["type"] == "urn:nlapi:problem:key_outdated"
    assert running.infer("rank", running.key("rank")).version == "ranker@v2"


def test_a_rolled_back_canary_is_left_at_once_by_keys_that_name_it(running: Plane, basic: Any) -> None:
    canary = {"name": "ranker-v2", "objective": "rank", "model": "ranker", "version": "v2", "percent": 100}
    running.publish({**basic, "canaries": [canary]})
    key = running.key("rank", {"user": "u1"})
    assert running.infer("rank", key).version == "ranker@v2"
    revision = running.call("POST", "/v1/canaries/ranker-v2/rollback")["revision"]
    until(lambda: running.has(revision), "the rollback at Envoy")
    assert running.infer("rank", key).version == "ranker@v1"


def test_envoy_serves_the_version_that_the_table_decides(running: Plane, basic: Any) -> None:
    shares = [{"model": "ranker", "version": "v1", "percent": 70}, {"model": "ranker", "version": "v2", "percent": 30}]
    rules = [
        {"name": "split", "objective": "rank", "shares": shares, "position": 2},
        {"name": "brazil", "objective": "rank", "when": {"country": ["BR"]}, "model": "ranker", "version": "v2",
         "position": 1},
    ]  # fmt: skip
    canary = {"name": "ranker-v2", "objective": "rank", "model": "ranker", "version": "v2", "percent": 20}
    running.publish({**basic, "rules": rules, "canaries": [canary]})
    table = running.gateway.publisher.current.table
    served: set[str] = set()
    for number in range(CONTEXTS):
        context = {"user": f"u{number}", "country": "BR" if number % 5 == 0 else "DE"}
        answer = running.infer("rank", running.key("rank", context))
        assert answer.version == str(table.decide("rank", context, "web").version)
        served.add(answer.version)
    assert served == {"ranker@v1", "ranker@v2"}


def test_what_envoy_cannot_carry_is_served_by_the_gateway_behind_it(running: Plane, basic: Any) -> None:
    changed = deepcopy(basic)
    changed["versions"].append({"model": "ranker", "version": "v3", "source": "echo"})
    changed["objectives"].append({"name": "echo", "model": "ranker", "version": "v3"})
    changed["objectives"][1] |= {"fallback_model": "ranker", "fallback_version": "v3"}
    running.publish(changed)
    planes = {entry["name"]: entry["plane"] for entry in running.call("GET", "/v1/data-plane")["objectives"]}
    assert planes == {"rank": "envoy", "fraud": "gateway", "echo": "gateway"}
    assert {issue["where"] for issue in running.issues("not-carried")} == {"objectives.echo", "objectives.fraud"}
    resolved = running.resolve("echo")
    assert resolved["destination"] == {"url": f"{running.envoy}/v1/objectives/echo/serve", "protocol": "gateway"}
    headers = {"X-Routing-Key": resolved["routing_key"], "Authorization": f"Bearer {running.token()}"}
    answer = post(running.envoy, "/v1/objectives/echo/serve", headers, b'{"input": {"x": 1}}')
    assert (answer.status, answer.body["output"]) == (200, {"echo": {"x": 1}})


def test_a_refusal_of_envoy_is_named_and_the_last_good_state_serves(running: Plane, basic: Any) -> None:
    key = running.key("rank")
    changed = deepcopy(basic)
    changed["shards"][1]["endpoints"] = ["https://127.0.0.1:1/base"]
    running.publish(changed)
    issues = running.issues("envoy-refused")
    text = next(issue["message"] for issue in issues if "rank/a" in issue["message"])
    assert "no/such/authorities.pem" in text
    assert issues[0]["where"] == "data_plane.local"
    assert 'nlapi_envoy_refused{node="local"} 1' in running.call("GET", "/metrics")
    (envoy,) = running.call("GET", "/v1/data-plane")["envoys"]
    assert "rank/a" in envoy["refused"][0]
    assert running.infer("rank", key).status == 200
    running.publish(basic)
    assert running.issues("envoy-refused") == []
    assert running.infer("rank", key).status == 200


def test_a_shard_that_goes_takes_no_request_with_it(running: Plane, basic: Any) -> None:
    changed = deepcopy(basic)
    changed["objectives"].append({"name": "other", "model": "fraud", "version": "v1"})
    running.publish(changed)
    key = running.key("other")
    assert running.infer("other", key).status == 200
    running.publish(basic)
    assert running.infer("other", key).status == 404
    assert running.issues("envoy-refused") == []


def test_a_client_sends_payloads_to_envoy_and_follows_revisions(running: Plane, basic: Any) -> None:
    running.publish(basic)
    with Client(running.url, running.token()) as client:
        first = client.serve("rank", {"x": 1}, {"user": "u1"})
        assert (first.output["upstream"], str(first.decision.version)) == ("a", "ranker@v1")
        changed = deepcopy(basic)
        changed["objectives"][0]["version"] = "v2"
        running.publish(changed)
        # Its key names a route that is gone: nothing is run, and it asks again.
        second = client.serve("rank", {"x": 1}, {"user": "u1"})
        assert str(second.decision.version) == "ranker@v2"
