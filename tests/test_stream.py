"""Answers that stream, in Python: their items and why they ended; for a model, a text."""

from __future__ import annotations

import asyncio
import json

import pytest

import nlapi
from nlapi.errors import ConsentError
from tests.describe import parameter, spec
from tests.servers import Script, chunk, head

FOLLOW = parameter("follow", schema={"type": "boolean"})
OK = {"responses": {"200": {"description": "ok"}}}
API = spec(
    {"/log": {"get": {"operationId": "readLog", "parameters": [FOLLOW], **OK}, "post": {"operationId": "pull", **OK}}}
)
LINES = chunk(b"one\ntwo\n") + chunk(b"thr")


def test_a_call_returns_what_came_by_its_limits() -> None:
    with Script(head("text/plain"), LINES, Script.SILENCE) as server:
        result = nlapi.call(API, "readLog", {"follow": True}, base_url=server.url, timeout=1)
        assert (result.items, result.ended, result.data) == (("one", "two"), "deadline", ["one", "two"])
        assert result.text == "one\ntwo\nthr"
        result = asyncio.run(nlapi.aio.call(API, "readLog", {"follow": True}, base_url=server.url, events=1))
        assert (result.items, result.ended) == (("one",), "items")


def test_a_change_needs_consent_first() -> None:
    with Script(head("text/event-stream"), chunk(b"data: 1\n\n"), chunk(b"")) as server:
        with pytest.raises(ConsentError):
            nlapi.call(API, "pull", base_url=server.url)
        assert server.received == []
        result = nlapi.call(API, "pull", base_url=server.url, yes=True)
        assert (result.items, len(server.received)) == (({"data": 1},), 1)


def test_a_model_gets_a_text_with_the_items_and_how_they_ended() -> None:
    with Script(head("text/plain"), chunk(b"line\n" * 150), Script.SILENCE) as server:
        told = json.loads(nlapi.answer(nlapi.tools(API), "readLog", {"follow": True}, base_url=server.url))
    assert told["data"] == ["line"] * 100
    assert told["stream"].startswith("the answer was cut after 100 lines in ")
    assert told["stream"].endswith("it may be still going on")
