"""The context that a shard behind Envoy gets: the one that the gateway has decided on, whatever a client writes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from nlapi.gateway.shards.call_headers import INTERNAL_HEADERS, ROUTING_KEY_HEADER
from tests.scale.envoy_plane import Plane, Received, Upstream, document, plane, post, upstream

FORGED = {
    **{name: "forged" for name in INTERNAL_HEADERS if name != ROUTING_KEY_HEADER},
    "Nlapi-Context": '{"country": "forged", "user": "forged"}',
    "Authorization": "Bearer forged",
}


@pytest.fixture(scope="module")
def upstreams() -> Iterator[dict[str, Upstream]]:
    with ExitStack() as stack:
        yield {name: stack.enter_context(upstream(name)) for name in "ab"}


@pytest.fixture(scope="module")
def running(upstreams: dict[str, Upstream], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    shadows = [{"name": "next", "objective": "rank", "model": "ranker", "version": "v3", "percent": 100}]
    written = document({name: found.url for name, found in upstreams.items()}, shadows=shadows)
    written["versions"].append({"model": "ranker", "version": "v3", "shard": "copies"})
    written["shards"].append({"name": "copies", "protocol": "json", "endpoints": [upstreams["b"].url]})
    with plane(tmp_path_factory.mktemp("envoy"), written) as found:
        yield found


def send(running: Plane, objective: str, key: str, headers: dict[str, object], path: str = "infer") -> int:
    lines = {ROUTING_KEY_HEADER: key, **headers}
    return post(running.envoy, f"/v1/objectives/{objective}/{path}", lines, b'{"x": 1}').status  # type: ignore[arg-type]


def last(found: Upstream) -> Received:
    return found.calls[-1]


def test_a_shard_gets_the_context_that_was_resolved(running: Plane, upstreams: dict[str, Upstream]) -> None:
    context = {"user": 'u"é\n', "country": "BR"}
    assert send(running, "rank", running.key("rank", context), FORGED) == 200
    received = last(upstreams["a"])
    assert json.loads(received.headers["nlapi-context"]) == context
    assert "forged" not in json.dumps(dict(received.headers))
    assert (received.headers["nlapi-model"], received.headers["nlapi-version"]) == ("ranker", "v1")
    decided = {name: received.headers[f"nlapi-{name}"] for name in ("objective", "client", "rule", "revision")}
    assert decided == {"objective": "rank", "client": "web", "rule": "default", "revision": "1"}
    assert received.headers["nlapi-cell"].startswith("ranker@v1")


@pytest.mark.parametrize("name", ["Nlapi-Context", "nlapi-context", "NLAPI-CONTEXT"])
def test_without_a_context_a_shard_gets_none(running: Plane, upstreams: dict[str, Upstream], name: str) -> None:
    headers: dict[str, object] = {**FORGED, "Nlapi-Context": [], name: ['{"user": "a"}', '{"user": "b"}']}
    assert send(running, "rank", running.key("rank"), headers) == 200
    assert "nlapi-context" not in last(upstreams["a"]).headers
    assert send(running, "fraud", running.key("fraud"), FORGED) == 200
    assert "forged" not in json.dumps(dict(last(upstreams["b"]).headers))


def test_a_copy_for_a_shadow_has_the_same_context(running: Plane, upstreams: dict[str, Upstream]) -> None:
    copies = upstreams["b"].received
    before = len(copies)
    assert send(running, "rank", running.key("rank", {"user": "u7"}), FORGED) == 200
    while len(copies) == before:
        running.call("GET", "/v1/data-plane")
    received = copies[-1]
    assert received.headers["nlapi-version"] == "v3"
    assert json.loads(received.headers["nlapi-context"]) == {"user": "u7"}
    assert "forged" not in json.dumps(dict(received.headers))


def test_a_long_context_goes_with_the_payload_through_the_gateway(
    running: Plane, upstreams: dict[str, Upstream]
) -> None:
    context = {"user": "é" * 200, "country": "DE"}
    resolved = running.resolve("rank", context)
    assert resolved["destination"]["protocol"] == "gateway"
    # Its key opens no route to the shard, which would see no context.
    assert send(running, "rank", resolved["routing_key"], FORGED) == 404
    headers = {ROUTING_KEY_HEADER: resolved["routing_key"], **FORGED, "Authorization": f"Bearer {running.token()}"}
    body = json.dumps({"input": {"x": 1}, "context": context}).encode()
    answer = post(running.envoy, "/v1/objectives/rank/serve", headers, body)
    assert answer.status == 200, answer.content
    assert json.loads(last(upstreams["a"]).headers["nlapi-context"]) == context


def test_two_contexts_have_two_keys_and_the_same_context_one(running: Plane) -> None:
    first, second = (running.resolve("rank", {"user": user}) for user in ("u1", "u2"))
    assert first["routing_key"] != second["routing_key"]
    assert first["routing_key"] == running.key("rank", {"user": "u1"})
    assert first["fields"] == ["country", "user"]
