"""A model that asks for the same again and again: what is sent, what it is told, and how a turn ends, on every face."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

import nlapi
from nlapi.agent.events import Event, TurnAnswered
from nlapi.agent.models.endpoints import find_endpoint
from nlapi.agent.models.planner import ModelPlanner
from nlapi.cli.ask.session import exit_code
from nlapi.errors import RepeatedReadError
from nlapi.openapi.spec import Spec
from nlapi.tools.compile import tools as tools_of
from nlapi.tools.plan import Conversation
from nlapi.tools.repetition.read_log import ReadLog
from tests.agent.kit import boards, boards_api, events, yes
from tests.mcp.kit import served, talk, text
from tests.messages_server import MessagesServer, results, say, use
from tests.servers import Echo, Reply, Script

KEY = "sk-ant-test-0123456789"
READ: dict[str, Any] = {"operation": "listBoards", "arguments": {}}
CARD: dict[str, Any] = {"operation": "createCard", "arguments": {"board": "b7", "title": "A"}}
Ask = Callable[[int], list[str]]


@pytest.fixture
def spec(tmp_path: Path) -> Spec:
    return boards(tmp_path)


def turn(
    spec: Spec, url: str, script: list[dict[str, Any]], conversation: Conversation | None = None
) -> tuple[list[Event], list[str]]:
    """The events of a turn of a model, and what it was told of each of its calls."""
    with MessagesServer([*script, say("Done.")], key=KEY) as server:
        endpoint = find_endpoint("claude-sonnet-5-5", {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": server.url})
        seen = events(ModelPlanner([spec], endpoint), [spec], url, consent=yes, conversation=conversation)
    return seen, [answer for request in server.requests[1:] for answer in results(request)[:1]]


def faces(spec: Spec, url: str) -> dict[str, Ask]:
    """How often the read is asked for -> what a model is told, on each face."""
    toolset, ledger = nlapi.toolset(spec, base_url=url), nlapi.Ledger()

    def over_mcp(count: int) -> list[str]:
        async def says(client: Client) -> list[str]:
            return [text(await client.call_tool("listBoards", {})) for _ in range(count)]

        answers: list[str] = talk(served(spec, url), says)
        return answers

    return {
        "toolset": lambda count: [toolset.answer("read", READ) for _ in range(count)],
        "answer": lambda count: [
            nlapi.answer(tools_of(spec), "listBoards", {}, base_url=url, ledger=ledger) for _ in range(count)
        ],
        "mcp": over_mcp,
    }


def test_the_third_equal_read_is_answered_from_the_store_and_the_fourth_is_refused(spec: Spec) -> None:
    for face in faces(spec, ""):
        with boards_api() as api:
            answers = faces(spec, api.url)[face](5)
            assert len(api.received) == 2, face
        assert "Roadmap" in answers[2] and "not sent again: this is the answer that it had before" in answers[2], face
        assert "repeated" not in answers[1]
        for refused in answers[3:]:
            assert "listBoards was asked for" in refused and "read it again after 30 s" in refused, (face, refused)


def test_a_turn_of_the_agent_ends_at_the_fourth_with_what_was_found(spec: Spec) -> None:
    with boards_api() as api:
        seen, told = turn(spec, api.url, [use("read", READ)] * 9)
        assert len(api.received) == 2
    assert len(told) == 3 and json.loads(told[2])["repeated"].startswith("not sent again")
    ended = seen[-1]
    assert isinstance(ended, TurnAnswered) and exit_code(ended) == 8
    first, found = ended.text.splitlines()
    assert first == "Stopped: listBoards was asked for 4 times, and has nothing new to say."
    assert found.startswith("- listBoards: ") and "Roadmap" in found


def test_another_question_reads_anew(spec: Spec) -> None:
    with boards_api() as api:
        seen, _ = turn(spec, api.url, [use("read", READ)] * 2)
        assert isinstance(seen[-1], TurnAnswered)
        turn(spec, api.url, [use("read", READ)] * 2, seen[-1].conversation.with_question("and now?"))
        assert len(api.received) == 4


def test_what_changes_something_or_has_another_answer_is_read_again(spec: Spec) -> None:
    read, change = use("read", READ), use("change", CARD)
    with boards_api() as api:
        turn(spec, api.url, [read, read, change, read, read])
        assert [request.method for request in api.received].count("GET") >= 4
    states = iter(range(99))
    with Echo(lambda _: Reply(200, {"progress": next(states)})) as api:
        seen, _ = turn(spec, api.url, [read] * 6)
        assert len(api.received) == 6 and isinstance(seen[-1], TurnAnswered) and seen[-1].text == "Done."
        # A job is not waited for by asking as fast as one can.
        seen, _ = turn(spec, api.url, [read] * 15)
        assert len(api.received) == 6 + 10 and isinstance(seen[-1], TurnAnswered)
        assert "asked for 12 times" in seen[-1].text


def test_a_read_without_an_answer_is_tried_twice(spec: Spec) -> None:
    with Script(Script.RESET) as api:
        toolset = nlapi.toolset(spec, base_url=api.url)
        answers = [toolset.answer("read", READ) for _ in range(4)]
    assert [answer.partition(":")[0] for answer in answers] == ["failed", "failed", "not sent", "not sent"]


def test_rounds_that_bring_nothing_new_end_with_what_was_found(spec: Spec) -> None:
    wrong = use("read", {"operation": "listBoards", "arguments": {"limit": "many"}})
    with boards_api() as api:
        seen, told = turn(spec, api.url, [use("read", READ), *[wrong] * 9])
        assert len(api.received) == 1 and len(told) == 4
    assert isinstance(seen[-1], TurnAnswered)
    first, found = seen[-1].text.splitlines()
    assert first == "Stopped: the last 4 rounds of calls brought nothing new." and "Roadmap" in found


def test_no_model_that_repeats_itself_sends_more_than_two_equal_reads(spec: Spec) -> None:
    for seed in range(40):
        chosen = random.Random(seed)
        reads = [{**READ, "arguments": {"limit": limit}} for limit in (1, 2)]
        script = [[chosen.choice(reads) for _ in range(chosen.randint(1, 4))] for _ in range(12)]
        with boards_api() as api:
            toolset = nlapi.toolset(spec, base_url=api.url)

            async def ask(calls: list[dict[str, Any]], toolset: nlapi.Toolset = toolset) -> None:
                await asyncio.gather(*(toolset.answer_async("read", call) for call in calls))

            for calls in script:
                asyncio.run(ask(calls))
            targets = [request.target for request in api.received]
        assert max(map(targets.count, targets)) <= 2, seed


def test_after_the_window_a_read_is_a_new_one() -> None:
    now = 0.0
    log = ReadLog(clock=lambda: now)
    result = nlapi.Result(status=200, content=b"{}")
    for _ in range(2):
        with log.reading("r", "listBoards") as entry:
            assert not isinstance(entry, nlapi.Result)
            log.settle(entry, result)
    with log.reading("r", "listBoards") as entry:
        assert isinstance(entry, nlapi.Result) and entry.note
    with pytest.raises(RepeatedReadError), log.reading("r", "listBoards"):
        pass
    now = 31.0
    with log.reading("r", "listBoards") as entry:
        assert not isinstance(entry, nlapi.Result)
