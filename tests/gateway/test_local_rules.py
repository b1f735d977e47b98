"""`nlapi.gateway.LocalRules` with a real gateway: it decides as the gateway does, and follows what is published."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Queue
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from nlapi.errors import ArgumentError, SendError, UsageError
from nlapi.gateway import LocalRules
from nlapi.gateway.client.gateway_client import RawAnswer, ServingRefusedError, follow
from nlapi.gateway.control.routing_state import RoutingState
from nlapi.gateway.inference import InferenceRequest
from nlapi.routing.model import Configuration
from tests.gateway import gateway_app
from tests.gateway.kit import Talk, gateway
from tests.gateway.test_routing_clients import a_valid_configuration, until, url_of
from tests.gateway.versions import PATIENCE_S
from tests.routing.kit import a_context
from tests.servers import Echo, Received, Reply
from tests.tables import table

BRAZIL = {"name": "brazil", "objective": "recommend", "when": {"country": ["BR"]}, "model": "popular", "version": "v1"}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[gateway_app.Served]:
    folder = tmp_path_factory.mktemp("models")
    for name in ("v0", "v1", "v2", "v3"):
        (folder / f"m-{name}").mkdir()
        (folder / f"m-{name}" / "model.toml").write_text("")
        (folder / f"m-{name}" / "stages.py").write_text("def predict(value):\n    return value\n")
    with gateway_app.gateway(folder, Configuration()) as served:
        yield served


def test_10_000_random_contexts_are_decided_as_by_the_gateway(running: gateway_app.Served) -> None:
    random, published = Random(7), threading.Event()
    running.publish(a_valid_configuration(random))
    with LocalRules(running.url, running.viewer(), on_change=lambda _: published.set()) as rules:
        for _ in range(10):
            for _ in range(1000):
                context, client = a_context(random), random.choice(("web", "lab"))
                request = InferenceRequest(input={}, context=context, client=client)
                assert rules.decide("small", context, client=client) == running.engine.resolve("small", request)
            published.clear()
            number = running.publish(a_valid_configuration(random))
            assert published.wait(PATIENCE_S)
            assert rules.revision == number


def test_what_is_decided_is_explained_and_what_is_wrong_is_named(talk: Talk) -> None:
    talk.ok("POST", "/v1/rules", BRAZIL)
    with LocalRules(url_of(talk), talk.tokens["viewer"]) as rules:
        assert rules.decide("recommend", {"country": "BR"}).rule == "brazil"
        assert rules.decide("Recommend", {"country": "US"}).rule == ""
        assert "rule brazil matched" in str(rules.explain("recommend", {"country": "BR"}))
        with pytest.raises(ArgumentError, match="no objective 'recomend'") as unknown:
            rules.decide("recomend")
        assert "recommend" in unknown.value.hint
        with pytest.raises(ArgumentError, match=r"context\.planet"):
            rules.decide("recommend", {"planet": "Mars"})
        assert len(rules.digest) == 44


def test_the_last_rules_decide_while_the_gateway_is_gone(tmp_path: Path) -> None:
    with gateway(tmp_path) as talk:
        rules = LocalRules(url_of(talk), talk.tokens["viewer"])
    with rules:
        assert str(rules.decide("recommend").version) == "popular@v1"


def test_a_callback_that_fails_does_not_end_the_following(talk: Talk) -> None:
    calls: Queue[int] = Queue()

    def on_change(number: int) -> None:
        try:
            rules.close()
        except UsageError:
            calls.put(number)
        raise RuntimeError

    with LocalRules(url_of(talk), talk.tokens["viewer"], on_change=on_change) as rules:
        for milliseconds in (400, 500):
            number = talk.ok("PATCH", "/v1/objectives/recommend", {"timeout_ms": milliseconds})["revision"]
            assert calls.get(timeout=PATIENCE_S) == number


def test_a_fault_is_told_and_the_following_goes_on() -> None:
    answers = [Reply(200, {"revision": 1}, headers={"ETag": '"1"'})]

    def reply(_: Received) -> Reply:
        return answers[-1]

    with Echo(reply) as other, LocalRules(other.url, "token") as rules:
        answers.append(Reply(401))
        until(lambda: "401" in rules.fault)
        answers.append(Reply(200, {"revision": 2}, headers={"ETag": '"2"'}))
        until(lambda: (rules.revision, rules.fault) == (2, ""))


def test_other_rules_of_the_same_number_are_noticed(talk: Talk) -> None:
    answer = talk("GET", "/v1/configuration", wait=60)
    etag, digest = answer.headers["etag"], answer.headers["repr-digest"].removeprefix("sha-256=:")
    assert etag == f'W/"1-{digest[:16]}"'
    for tag, status in ((f'W/"1-{"A" * 16}"', 200), (etag, 304), ('"1"', 304)):
        answer = talk("GET", "/v1/configuration", headers={"If-None-Match": tag}, wait=0.01)
        assert (answer.status, answer.headers["etag"]) == (status, '"1"' if tag == '"1"' else etag)


def test_a_document_that_could_not_be_encoded_is_tried_again() -> None:
    current: Any = SimpleNamespace(table=SimpleNamespace(revision=1), configuration=None)

    async def body() -> None:
        state = RoutingState(lambda: current)
        with pytest.raises(AttributeError):
            await state.whole_document()
        current.configuration = Configuration()
        assert (await state.whole_document()).revision == 1

    asyncio.run(body())


@table("etag", ["", '"1"'])
def test_what_does_not_wait_is_not_asked_again_at_once(etag: str) -> None:
    asked: list[str] = []

    async def ask(tag: str) -> RawAnswer:
        asked.append(tag)
        return RawAnswer(200, "application/json", b"{}", etag)

    async def take(_: RawAnswer) -> None: ...

    async def body() -> None:
        following = asyncio.create_task(follow(ask, take, etag))
        for _ in range(100):
            await asyncio.sleep(0)
        following.cancel()

    asyncio.run(body())
    assert 1 <= len(asked) < 50


def test_who_may_not_read_the_rules_does_not_get_them(talk: Talk) -> None:
    for token in (talk.tokens["web"], "nothing"):
        with pytest.raises(ServingRefusedError):
            LocalRules(url_of(talk), token)


@table(
    "answer, fault",
    [
        (Reply(200, {"revision": 1}, headers={"Repr-Digest": "sha-256=:AAAA:"}), "differ from their digest"),
        (Reply(200, []), "not those of a gateway"),
    ],
)
def test_a_document_that_is_not_whole_decides_nothing(answer: Reply, fault: str) -> None:
    with Echo(answer) as other, pytest.raises(SendError, match=fault):
        LocalRules(other.url, "token")
