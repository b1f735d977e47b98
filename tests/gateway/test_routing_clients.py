"""`nlapi.gateway.Client` and `AsyncClient` with a real gateway: what they cache, when they ask, and where they send."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from nlapi.errors import Level, OutcomeUnknownError, SendError, UsageError
from nlapi.gateway import AsyncClient, Client
from nlapi.gateway.client.decision_cache import DecisionCache, ResolvedDecision
from nlapi.gateway.client.gateway_client import ServingFailedError, ServingRefusedError
from nlapi.gateway.control.revision_compiler import validate_configuration
from nlapi.gateway.inference import InferenceRequest
from nlapi.routing.model import Configuration
from nlapi.routing.table import Table, compile_table
from tests.gateway import gateway_app
from tests.gateway.clock import Clock
from tests.gateway.kit import Talk, document, gateway
from tests.gateway.processes import serve_process
from tests.routing.kit import a_configuration, a_context, seeds
from tests.servers import Echo, Received, Reply
from tests.strategies import examples
from tests.tables import table
from tests.waiting import until

WATCHING = "continue-watching"
BRAZIL = {"country": "BR", "user": "u1"}
RULE = {"name": "brazil", "objective": WATCHING, "model": "ranker", "version": "v8", "when": {"country": ["BR"]}}


def url_of(talk: Talk) -> str:
    return f"http://127.0.0.1:{talk.port}"


def client_of(talk: Talk, **options: Any) -> Client:
    return Client(url_of(talk), talk.tokens["web"], **options)


def decisions(talk: Talk) -> int:
    """How many keys the gateway has signed: each is a question that reached it with another decision."""
    assert talk.app is not None
    return talk.app.key_signer.signatures


def test_a_payload_is_served_and_its_decision_cached_by_the_fields_that_decide(talk: Talk) -> None:
    talk.ok("POST", "/v1/rules", RULE)
    with client_of(talk) as client:
        served = client.serve(WATCHING, {"titles": ["a"]}, BRAZIL)
        assert served.output == {"version": "v8", "input": {"titles": ["a"]}}
        assert (str(served.decision.version), served.decision.names) == ("ranker@v8", {"rule": "brazil"})
        assert not served.decision.stale
        decision = client.resolve(WATCHING, BRAZIL)
        assert client.resolve(WATCHING, {"country": "BR", "user": "u2", "device": "tv"}) is decision
        assert str(client.resolve(WATCHING, {"country": "US"}).version) == "ranker@v7"
        assert str(client.resolve(WATCHING).version) == "ranker@v7"
        assert served.decision.objective_configuration["timeout_ms"] == 1000


def test_contexts_that_differ_in_a_deciding_field_never_share_a_decision(talk: Talk) -> None:
    countries = [f"{chr(65 + number // 10)}{chr(65 + number % 10)}" for number in range(60)]
    for number, version in enumerate(("v7", "v8", "v9")):
        rule = {"name": f"r{number}", "objective": WATCHING, "model": "ranker", "version": version}
        talk.ok("POST", "/v1/rules", {**rule, "when": {"country": countries[number::3]}})
    asked = [(country, ("v7", "v8", "v9")[number % 3]) for number, country in enumerate(countries)] * 4
    with client_of(talk) as client, ThreadPoolExecutor(8) as threads:
        versions = threads.map(lambda item: client.serve(WATCHING, {}, {"country": item[0]}).output["version"], asked)
        assert list(versions) == [version for _, version in asked]


def test_a_change_reaches_a_client_before_its_cache_is_old(talk: Talk) -> None:
    with client_of(talk, max_age_s=3600) as client:
        assert str(client.resolve(WATCHING, BRAZIL).version) == "ranker@v7"
        talk.ok("POST", "/v1/rules", RULE)
        until(lambda: client.revision == 2)
        assert str(client.resolve(WATCHING, BRAZIL).version) == "ranker@v8"
        talk.ok("POST", "/v1/revisions/1/rollback")
        until(lambda: client.revision == 3)
        assert str(client.resolve(WATCHING, BRAZIL).version) == "ranker@v7"


def test_a_change_of_another_objective_makes_nobody_ask_again(talk: Talk) -> None:
    with client_of(talk, max_age_s=3600) as client:
        decision = client.resolve(WATCHING, BRAZIL)
        client.resolve("recommend")
        talk.ok("PATCH", "/v1/objectives/recommend", {"timeout_ms": 900})
        until(lambda: client.revision == 2)
        assert client.resolve(WATCHING, BRAZIL) is decision
        assert client.resolve("recommend").objective_configuration["timeout_ms"] == 900


def test_while_the_gateway_is_gone_the_last_decision_serves_as_stale_until_its_key_ends(tmp_path: Path) -> None:
    clock = Clock()
    whole = document()
    whole["shards"].append({"name": "far", "protocol": "json", "endpoints": ["http://127.0.0.1:9"]})
    whole["versions"] = [{"model": "ranker", "version": "far", "shard": "far"}]
    whole["objectives"] = [{**whole["objectives"][0], "version": "far"}]
    (tmp_path / "first.json").write_text(json.dumps(whole))
    options = ("--config", str(tmp_path / "first.json"))
    with (
        Echo(Reply(200, {"score": 1})) as plane,
        serve_process(tmp_path, *options, "--data-plane-url", plane.url, example=False) as running,
        Client(running.url, running.web, clock=clock) as client,
    ):
        fresh = client.resolve(WATCHING, BRAZIL)
        running.process.kill()
        running.process.wait()
        assert client.resolve(WATCHING, BRAZIL) is fresh
        clock.now += 61
        served = client.serve(WATCHING, {}, BRAZIL)  # the data plane goes on without the gateway
        stale = served.decision
        assert (served.output, stale.stale) == ({"score": 1}, True)
        assert (stale.version, stale.routing_key) == (fresh.version, fresh.routing_key)
        clock.now += 0.5
        assert client.resolve(WATCHING, BRAZIL) is stale
        with pytest.raises(SendError, match="does not answer"):
            client.resolve("recommend")
        clock.now += 900
        with pytest.raises(SendError, match="does not answer"):
            client.resolve(WATCHING, BRAZIL)


def on_a_shard(talk: Talk, protocol: str = "json", **objective: Any) -> None:
    """Publish an objective whose version is on a shard, behind a data plane."""
    whole = document()
    whole["shards"].append({"name": "far", "protocol": protocol, "endpoints": ["http://127.0.0.1:9"]})
    whole["versions"].append({"model": "ranker", "version": "far", "shard": "far"})
    whole["objectives"][0] |= {"version": "far", **objective}
    talk.ok("PUT", "/v1/configuration", whole)


def use_data_plane(talk: Talk, address: str) -> None:
    assert talk.app is not None
    talk.app.data_plane_url = address


def test_a_payload_for_a_shard_goes_once_and_straight_to_the_data_plane(talk: Talk) -> None:
    on_a_shard(talk)
    with Echo(Reply(200, {"score": 0.5})) as plane, client_of(talk) as client:
        use_data_plane(talk, plane.url)
        served = client.serve(WATCHING, {"titles": ["ä"]}, BRAZIL, request_id="r1")
        assert (served.output, served.request_id, str(served.decision.version)) == ({"score": 0.5}, "r1", "ranker@far")
        sent = plane.only
        assert (sent.method, sent.target) == ("POST", f"/v1/objectives/{WATCHING}/infer")
        assert sent.json() == {"titles": ["ä"]}
        assert json.loads(sent.header("nlapi-context") or "") == BRAZIL
        assert sent.header("x-routing-key") == served.decision.routing_key
        assert sent.header("authorization") is None  # a model server must not see the token


def test_tensors_are_sent_to_a_shard_of_the_open_inference_protocol(talk: Talk) -> None:
    on_a_shard(talk, "oip-v2")
    output = {"name": "score", "shape": [1], "datatype": "FP64", "data": [0.5]}
    with Echo(Reply(200, {"model_name": "ranker", "outputs": [output]})) as plane, client_of(talk) as client:
        use_data_plane(talk, plane.url)
        assert client.serve(WATCHING, {"amount": 3}).output == {"score": 0.5}
        assert plane.only.json()["inputs"] == [{"name": "amount", "shape": [1], "datatype": "INT64", "data": [3]}]


def refused_once(key: str) -> Callable[[Received], Reply]:
    problem = Reply(401, b'{"detail": "Jwt is expired"}', {"Content-Type": "application/problem+json"})
    return lambda request: problem if request.header("x-routing-key") == key else Reply(200, {"ok": True})


def test_a_key_that_the_data_plane_refuses_is_replaced_and_the_payload_sent_again(talk: Talk) -> None:
    on_a_shard(talk, idempotent=False)
    with client_of(talk) as client:
        assert talk.app is not None
        use_data_plane(talk, "http://127.0.0.1:9")
        old = client.resolve(WATCHING, BRAZIL)
        with Echo(refused_once(old.routing_key)) as plane:
            use_data_plane(talk, plane.url)
            moved = Client(url_of(talk), talk.tokens["web"], data_plane_url=plane.url)
            with moved:
                assert moved.resolve(WATCHING, BRAZIL).routing_key == old.routing_key
                talk.app.keys.rotate(0)
                assert moved.serve(WATCHING, {}, BRAZIL).output == {"ok": True}
                assert len(plane.received) == 2
                keys = {request.header("x-routing-key") for request in plane.received}
                assert len(keys) == 2


@table(
    ("reply", "error", "requests"),
    [
        (Reply(404, {"detail": "no model"}), ServingRefusedError, 1),  # of the model server: no problem document
        (Reply(401, b"{}", {"Content-Type": "application/problem+json"}), ServingRefusedError, 1),
        (Reply(500, {"detail": "broken"}), ServingFailedError, 1),
        (Reply(503, b"no healthy upstream"), ServingFailedError, 1),
        (Reply(200, b"<html>"), ServingFailedError, 1),
        (Reply(200, b"{", {"Content-Length": "10"}), OutcomeUnknownError, 1),
    ],
)
def test_what_fails_on_the_way_is_an_error_and_nothing_is_sent_twice(
    shard: Talk, reply: Reply, error: type[Exception], requests: int
) -> None:
    talk = shard
    with Echo(reply) as plane:
        with Client(url_of(talk), talk.tokens["web"], data_plane_url=plane.url) as near, pytest.raises(error):
            near.serve(WATCHING, {}, BRAZIL, timeout_s=0.5)
        assert len(plane.received) == requests


@pytest.fixture(scope="module")
def shard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Talk]:
    with gateway(tmp_path_factory.mktemp("gateway")) as talk:
        on_a_shard(talk, idempotent=False)
        use_data_plane(talk, "http://127.0.0.1:9")
        yield talk


def test_what_the_gateway_refuses_is_refused_and_not_cached(talk: Talk) -> None:
    talk.ok("POST", "/v1/rules", RULE)
    with client_of(talk) as client:
        client.resolve(WATCHING, BRAZIL)
        for context in ({"shoe": 42}, {**BRAZIL, "shoe": 42}, {"country": True}, {"country": ["BR"]}):
            with pytest.raises(ServingRefusedError) as refused:
                client.resolve(WATCHING, context)  # type: ignore[arg-type]
            assert refused.value.status == 422
        with pytest.raises(ServingRefusedError, match="continue-watching") as unknown:
            client.serve("continue-watchin", {})
        assert (unknown.value.status, unknown.value.code) == (404, "unknown_objective")
    with Client(url_of(talk), "nlg_wrong") as stranger, pytest.raises(ServingRefusedError, match="token"):
        stranger.resolve(WATCHING)
    with pytest.raises(UsageError, match="closed"):
        client.resolve("recommend")


def test_a_server_that_is_no_gateway_is_named() -> None:
    with (
        Echo(Reply(200, {"hello": "world"})) as other,
        Client(other.url, "nlg_x") as client,
        pytest.raises(SendError, match="not that of a gateway"),
    ):
        client.resolve(WATCHING)
    with pytest.raises(UsageError):
        Client("gateway:8700", "nlg_x")


def test_calls_at_the_same_time_share_one_question(talk: Talk) -> None:
    talk.ok("POST", "/v1/rules", RULE)

    async def many() -> tuple[set[str], int]:
        async with AsyncClient(url_of(talk), talk.tokens["web"]) as client:
            found = await asyncio.gather(*(client.resolve(WATCHING, BRAZIL) for _ in range(50)))
            assert len({id(decision) for decision in found}) == 1
            served = await client.serve(WATCHING, {"titles": []}, BRAZIL)
            return {str(decision.version) for decision in found}, served.output["version"]

    assert asyncio.run(many()) == ({"ranker@v8"}, "v8")


# The cache's promise: rules look at the fields alone that resolve names.


def cached_decision(cache: DecisionCache, table: Table, context: Any, client: str) -> str:
    """The version by a cache in front of a table, as the client of a gateway uses both."""
    known = cache.fresh("small", context)
    if known is None:
        decision = table.decide("small", context, client)
        known = ResolvedDecision(
            objective="small", version=decision.version, revision=1, reason="", names={}, url="", protocol="",
            routing_key="", since=1, objective_configuration={},
        )  # fmt: skip
        declared = frozenset(field.name for field in table.configuration.objectives["small"].context)
        fields = table.context_fields("small")
        cache.store(known, context, fields=fields, declared=declared, asked_at=cache.now(), expires_in_s=900)
    return str(known.version)


@given(seeds)
@settings(max_examples=examples(80), deadline=None)
def test_a_cached_decision_is_the_decision_of_the_engine(random: Random) -> None:
    table = compile_table(a_configuration(random), 1)
    for client in ("web", "lab"):
        cache = DecisionCache()
        for _ in range(60):
            context = a_context(random)
            assert cached_decision(cache, table, context, client) == str(table.decide("small", context, client).version)


def a_valid_configuration(random: Random) -> Configuration:
    """One that is published, with its versions' folders."""
    while True:
        drawn = a_configuration(random)
        versions = {ref: replace(version, source=f"m-{ref.version}") for ref, version in drawn.versions.items()}
        configuration = replace(drawn, versions=versions)
        if all(issue.level is not Level.ERROR for issue in validate_configuration(configuration)):
            return configuration


@given(seeds)
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_client_decides_as_the_gateway_does(running: gateway_app.Served, random: Random) -> None:
    number = running.publish(a_valid_configuration(random))
    with Client(running.url, running.token("web")) as client:
        for _ in range(40):
            context = a_context(random)
            expected = running.engine.resolve("small", InferenceRequest(input={}, context=context, client="web"))
            decision = client.resolve("small", context)
            assert (decision.version, decision.revision <= number) == (expected.version, True), context


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[gateway_app.Served]:
    folder = tmp_path_factory.mktemp("models")
    for name in ("v0", "v1", "v2", "v3"):
        (folder / f"m-{name}").mkdir()
        (folder / f"m-{name}" / "model.toml").write_text("")
        (folder / f"m-{name}" / "stages.py").write_text(f"def predict(value):\n    return {name!r}\n")
    with gateway_app.gateway(folder, Configuration()) as served:
        yield served
