"""The headers by which a shard believes the gateway: a client's own never reach it, over REST or from a shard."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nlapi.gateway.shards.call_headers import INTERNAL_HEADERS, ROUTING_KEY_HEADER
from tests.gateway.kit import Talk, gateway
from tests.servers import Echo, Received, Reply
from tests.tables import table

FORGED = {name: "forged" for name in INTERNAL_HEADERS if name != ROUTING_KEY_HEADER}
CONTEXT = {"country": "BR"}


def far_objective(talk: Talk, protocol: str, endpoint: str) -> None:
    talk.ok("POST", "/v1/shards", {"name": "far-away", "protocol": protocol, "endpoints": [endpoint]})
    talk.ok("POST", "/v1/models", {"name": "far"})
    talk.ok("POST", "/v1/models/far/versions", {"version": "v1", "shard": "far-away"})
    talk.ok("POST", "/v1/objectives", {"name": "go", "model": "far", "version": "v1", "context": [{"name": "country"}]})


def serve(talk: Talk, context: object) -> None:
    answer = talk.as_(talk.tokens["web"])(
        "POST", "/v1/objectives/go/serve", {"input": {"x": [1]}, "context": context}, headers=FORGED
    )
    assert answer.status == 200, answer.content


@pytest.mark.parametrize("protocol", ["json", "oip-v2"])
def test_a_replica_over_rest_gets_the_context_of_the_decision(tmp_path: Path, protocol: str) -> None:
    def answer(request: Received) -> Reply:
        return Reply(200, {"model_name": "far", "outputs": request.json().get("inputs", [])})

    with Echo(answer) as replica, gateway(tmp_path) as talk:
        far_objective(talk, protocol, replica.url)
        serve(talk, CONTEXT)
        serve(talk, {})
    first, second = [found for found in replica.received if found.method == "POST"]
    assert json.loads(first.header("nlapi-context") or "") == CONTEXT
    assert second.header("nlapi-context") is None
    for found in (first, second):
        assert "forged" not in str(found.headers)


@table("name", [*INTERNAL_HEADERS, *(name.upper() for name in INTERNAL_HEADERS)])
def test_no_shard_is_configured_with_one(talk: Talk, name: str) -> None:
    body = {"name": "m", "protocol": "json", "endpoints": ["http://10.0.0.7"], "headers": {name: "forged"}}
    problem = talk.refused(422, "POST", "/v1/shards", body)
    assert "the gateway sets this header itself" in str(problem)
