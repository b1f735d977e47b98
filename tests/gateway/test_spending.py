"""The usage of language models, in sums by day, objective, version and client, which outlast the decisions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.clock import Clock
from tests.gateway.kit import Talk
from tests.gateway.llm_gateway import document, gateway
from tests.gateway.llm_upstream import Upstream, upstream

BODY = {"input": {"messages": [{"role": "user", "content": "hello"}]}}
# Of one answer of the upstream.
TOKENS, DOLLARS = 23, 0.00007
DAY_S = 86_400


@pytest.fixture
def llm() -> Iterator[Upstream]:
    with upstream() as running:
        yield running


def ask(talk: Talk, client: str = "web", objective: str = "writer") -> None:
    assert talk.as_(client)("POST", f"/v1/objectives/{objective}/serve", BODY).status == 200


def answers(listing: dict[str, Any], name: str) -> list[tuple[str, int]]:
    return [(row[name], row["answers"]) for row in listing["data"]]


def test_sums_are_of_days_and_of_what_is_asked_for(llm: Upstream, tmp_path: Path) -> None:
    clock, documents = Clock(), document(llm.url, "writer", "coder")
    with gateway(tmp_path, documents, clock=clock) as talk:
        for client, objective in (("web", "writer"), ("web", "coder"), ("app", "writer"), ("app", "rules")):
            ask(talk, client, objective)
        clock.now += DAY_S
        ask(talk)
        listing = talk.ok("GET", "/v1/spending", since="1970-01-01")
        assert answers(listing, "day") == [("1970-01-02", 1), ("1970-01-01", 3)]
        total = listing["total"]
        assert (total["answers"], total["input_tokens"] + total["output_tokens"]) == (4, 4 * TOKENS)
        assert total["dollars"] == pytest.approx(4 * DOLLARS)
        assert answers(talk.ok("GET", "/v1/spending", by="client", since="1970-01-01"), "client") == [
            ("web", 3),
            ("app", 1),
        ]
        assert answers(talk.ok("GET", "/v1/spending", by="version", day="1970-01-01"), "model") == [
            ("writer", 2),
            ("coder", 1),
        ]
        one = talk.ok("GET", "/v1/spending", by="objective", objective="Writer", client="web", day="1970-01-01")
        assert answers(one, "objective") == [("writer", 1)]
        assert talk.ok("GET", "/v1/spending", since="1970-01-03") == {
            "data": [],
            "truncated": False,
            "total": dict.fromkeys(("answers", "input_tokens", "cached_tokens", "output_tokens"), 0) | {"dollars": 0},
        }
        assert talk("GET", "/v1/spending", by="user").status == 422
    with gateway(tmp_path, documents, clock=clock) as talk:
        ask(talk)
        assert talk.app is not None
        talk.app.store.database.execute("DELETE FROM decisions")
        assert answers(talk.ok("GET", "/v1/spending", since="1970-01-01"), "day") == [
            ("1970-01-02", 2),
            ("1970-01-01", 3),
        ]
        cut = talk.ok("GET", "/v1/spending", since="1970-01-01", limit=1)
        assert (answers(cut, "day"), cut["total"]["answers"], cut["truncated"]) == ([("1970-01-02", 2)], 5, True)
        clock.now += 401 * DAY_S
        for left in (2, 1):  # a day each time, as one clock may be wrong
            ask(talk)
            days = talk.ok("GET", "/v1/spending", since="1970-01-01")["data"]
            assert (days[0]["day"], len(days)) == ("1971-02-07", left)
