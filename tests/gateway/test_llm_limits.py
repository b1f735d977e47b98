"""Budgets of tokens and dollars: over them a client gets a 429 before anything goes out."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.clock import Clock
from tests.gateway.kit import Reply, Talk
from tests.gateway.llm_gateway import document, gateway
from tests.gateway.llm_upstream import Upstream, upstream

BODY = {"input": {"messages": [{"role": "user", "content": "hello"}]}}


@pytest.fixture
def llm() -> Iterator[Upstream]:
    with upstream() as running:
        yield running


def ask(talk: Talk, client: str = "web", objective: str = "writer") -> Reply:
    return talk.as_(client)("POST", f"/v1/objectives/{objective}/serve", BODY)


@pytest.mark.parametrize(
    ("limit", "name", "wait"),
    [
        ({"tokens_per_minute": 40}, "40 tokens a minute", 20),
        ({"dollars_per_minute": 0.0001}, "0.0001 dollars a minute", 20),
        ({"tokens_per_day": 40}, "40 tokens a day", 85_400),
        ({"dollars_per_day": 0.0001, "tokens_per_minute": 1}, "0.0001 dollars a day", 85_400),
    ],
)
def test_a_client_over_its_budget_waits_for_the_next_window(
    llm: Upstream, tmp_path: Path, limit: dict[str, Any], name: str, wait: int
) -> None:
    clock = Clock()  # 1000 s after midnight, 40 s into a minute
    with gateway(tmp_path, document(llm.url, "writer"), clock=clock) as talk:
        assert [ask(talk).status for _ in range(2)] == [200, 200]  # 46 tokens, 0.00014 dollars
        talk.ok("PATCH", "/v1/clients/web/limits", limit)  # what was spent before counts as well
        refused = ask(talk)
        assert refused.status == 429
        assert refused.headers["retry-after"] == str(wait)
        assert name in refused.json()["detail"]
        assert len(llm.requests) == 2
        assert ask(talk, "app").status == 200  # a neighbour
        assert ask(talk, "web", "rules").status == 200  # a version without tokens
        clock.now += wait
        if "tokens_per_minute" not in limit or len(limit) == 1:
            assert ask(talk).status == 200


def test_a_budget_holds_on_the_fronts(llm: Upstream, tmp_path: Path) -> None:
    limited = document(llm.url, "writer")
    limited["clients"] = [{"name": "web", "tokens_per_day": 20}]
    with gateway(tmp_path, limited, clock=Clock()) as talk:
        body = {"model": "writer", **BODY["input"]}
        assert talk.as_("web")("POST", "/openai/v1/chat/completions", body).status == 200
        refused = talk.as_("web")("POST", "/openai/v1/chat/completions", body)
        assert (refused.status, refused.headers["retry-after"]) == (429, "85400")
        assert refused.json()["error"]["type"] == "rate_limit_error"


def test_a_day_goes_on_after_a_restart(llm: Upstream, tmp_path: Path) -> None:
    limited = document(llm.url, "writer")
    limited["clients"] = [{"name": "web", "tokens_per_day": 40}]
    with gateway(tmp_path, limited) as talk:
        assert [ask(talk).status for _ in range(3)] == [200, 200, 429]
    with gateway(tmp_path, limited) as talk:
        assert ask(talk).status == 429


@pytest.mark.parametrize(
    ("kind", "limit", "left"),
    [
        ("objective", {"objectives": {"tokens_per_day": 40}}, '"objective-tokens-day";r=17;t=85400'),
        ("key", {"clients": {"key_dollars_per_day": 0.0001}}, '"key-microdollars-day";r=30;t=85400'),
        (
            "client",
            {"clients": {"tokens_per_day": 40, "dollars_per_day": 1}},
            '"client-tokens-day";r=17;t=85400, "client-micro',
        ),
    ],
)
def test_an_answer_says_what_is_left(
    llm: Upstream, tmp_path: Path, kind: str, limit: dict[str, dict[str, float]], left: str
) -> None:
    limited = document(llm.url, "writer")
    for name, members in limit.items():
        limited[name][0] |= members
    with gateway(tmp_path, limited, clock=Clock()) as talk:
        answer = ask(talk)
        assert answer.headers["ratelimit"].startswith(left)
        chat = {"model": "writer", **BODY["input"], "stream": True, "max_tokens": 9}
        stream = talk.as_("web")("POST", "/openai/v1/chat/completions", chat)
        assert stream.headers["ratelimit"].startswith(left.partition(";")[0])
        refused = ask(talk)
        assert (refused.status, refused.headers["retry-after"]) == (429, "85400")
        assert f"{kind} '" in refused.json()["detail"]
        assert ";r=0;t=85400" in refused.headers["ratelimit"]
        other = ask(talk, "app")
        assert other.status == (429 if kind == "objective" else 200)


@pytest.mark.parametrize("maximum", [{}, {"max_tokens": 13}])
def test_a_race_of_two_gateways_overshoots_by_one_call(llm: Upstream, tmp_path: Path, maximum: dict[str, int]) -> None:
    limited = document(llm.url, "writer")
    limited["clients"] = [{"name": "web", "dollars_per_day": 0.0007}]  # ten calls
    body = {"input": {**BODY["input"], **maximum}}
    with gateway(tmp_path, limited) as first, gateway(tmp_path, limited) as second:

        def call(number: int) -> int:
            talk = (first, second)[number % 2]
            return talk.as_("web")("POST", "/v1/objectives/writer/serve", body).status

        with ThreadPoolExecutor(50) as pool:
            statuses = list(pool.map(call, range(200)))
        while call(0) == 200:
            statuses.append(200)
        assert set(statuses) == {200, 429}
        assert 10 <= statuses.count(200) <= 11
        assert first.app is not None
        row = first.app.store.database.rows("SELECT tokens, dollars FROM spending")[0]
        assert row["dollars"] == pytest.approx(0.00007 * statuses.count(200))
        assert row["tokens"] == 23 * statuses.count(200)


def test_what_a_killed_gateway_had_in_flight_stays_counted(llm: Upstream, tmp_path: Path) -> None:
    limited = document(llm.url, "writer")
    limited["clients"] = [{"name": "web", "tokens_per_day": 1000}]
    with gateway(tmp_path, limited) as talk:
        assert talk.app is not None
        budgets, configuration = talk.app.engine.budgets, talk.app.engine.configuration
        windows = budgets.windows(configuration.clients["web"], configuration.objectives["writer"], "web-0")
        budgets.table.reserve(windows, 1000, 0.0)  # and no settlement
    with gateway(tmp_path, limited) as talk:
        assert ask(talk).status == 429


def test_the_rate_of_a_client_holds_on_the_fronts(llm: Upstream, tmp_path: Path) -> None:
    limited = document(llm.url, "writer")
    limited["clients"] = [{"name": "web", "requests_per_second": 0.001, "burst": 2}]
    with gateway(tmp_path, limited) as talk:
        statuses = [talk.as_("web")("POST", "/openai/v1/chat/completions", {"no": "model"}).status for _ in range(4)]
        assert statuses == [422, 422, 429, 429]
