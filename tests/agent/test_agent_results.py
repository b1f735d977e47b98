"""What a model does with answers that are too long to show: handles, queries, clearing, windows that are too small."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nlapi.agent.events import TurnAnswered
from nlapi.agent.models.endpoints import find_endpoint
from nlapi.agent.models.planner import HISTORY_ROOMS, ModelPlanner
from nlapi.errors import UnfinishedError
from nlapi.openapi.spec import Spec
from nlapi.tools.plan import Plan, ask
from tests.agent.kit import boards, events
from tests.messages_server import MessagesServer, error, results, say, use
from tests.servers import Echo
from tests.servers import Reply as Response

KEY = "sk-ant-test-0123456789"
LIST = use("read", {"operation": "listBoards", "arguments": {}})
PEOPLE = ("ana", "ben", "cy")


@pytest.fixture
def spec(tmp_path: Path) -> Spec:
    return boards(tmp_path)


def planner(server: MessagesServer, spec: Spec) -> ModelPlanner:
    return ModelPlanner(
        [spec], find_endpoint("claude-sonnet-5-5", {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": server.url})
    )


def board(number: int) -> dict[str, Any]:
    return {
        "id": f"b{number}",
        "name": f"Board {number}",
        "owner": {"login": PEOPLE[number % 3], "id": number % 3},
        "cards": number * 7 % 101,
        "about": f"about board {number} " * 60,
    }


def many_boards(count: int = 100) -> Echo:
    return Echo(lambda _: Response(200, [board(number) for number in range(count)]))


def query(**arguments: Any) -> dict[str, Any]:
    return use("result", {"result": "r1", **arguments})


def answers(script: list[dict[str, Any]], spec: Spec, api: Echo) -> tuple[list[str], MessagesServer]:
    """The texts of the results of each step of a script, with the stand-in that it was given to."""
    with MessagesServer([*script, say("Done.")], key=KEY) as server, api:
        events(planner(server, spec), [spec], api.url, max_rounds=30)
    assert server.refused == []
    return [results(request)[0] for request in server.requests[1:]], server


def test_a_long_list_is_a_table_of_all_rows_and_the_rest_is_read_without_another_call(spec: Spec) -> None:
    api = many_boards()
    most = query(sort="-cards", select=["name", "cards"], page=1)
    owners = query(group="owner.login", sum="cards")
    texts, _ = answers([LIST, most, owners, query(where=[{"field": "id", "op": "=", "value": "b7"}])], spec, api)
    table, first, groups, board_7 = map(json.loads, texts)
    assert len(api.received) == 1
    assert len(texts[0]) < 16_000
    assert [row[table["columns"].index("name")] for row in table["rows"]] == [f"Board {n}" for n in range(100)]
    assert table["result"] == "r1" and "about" in table["other_fields"]
    assert first["rows"][0] == max(([f"Board {n}", n * 7 % 101] for n in range(100)), key=lambda row: row[1])
    assert groups["rows"][0][:2] == ["ana", 34]
    assert groups["sum"] == sum(n * 7 % 101 for n in range(100))
    assert board_7["matching"] == 1 and "about board 7" in json.dumps(board_7)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"result": "r9"}, "there is no result 'r9' (they are r1)"),
        ({"where": "cards > 3"}, "where is not a list of conditions"),
        ({"where": [{"field": "cards", "op": "~"}]}, "where has no op '~'"),
        ({"select": ["nmae"]}, "r1 has no field 'nmae' (there are name"),
        ({"lines": "1-3"}, "r1 is not text"),
        ({"sum": "name"}, "name is not a number everywhere"),
        ({"list": "cards"}, "r1 has no list at 'cards'"),
        ({"page": 0}, "page is not a number"),
        ({"page": 40}, "there is no page 40"),
        ({"filter": "x"}, "result has no argument 'filter'"),
    ],
)
def test_a_query_that_is_none_gets_one_line_and_the_run_goes_on(
    spec: Spec, arguments: dict[str, Any], complaint: str
) -> None:
    texts, _ = answers([LIST, query(**arguments)], spec, many_boards())
    assert complaint in texts[1] and "\n" not in texts[1]


def test_a_long_text_is_searched_and_read_by_lines(spec: Spec) -> None:
    text = "\n".join(f"line {number} {'ERROR disk full' if number == 700 else 'ok'}" for number in range(1, 2001))
    api = Echo(lambda _: Response(200, text.encode(), {"content-type": "text/plain"}))
    texts, _ = answers([LIST, query(search="error disk"), query(lines="10-12"), query(page=2)], spec, api)
    shown, match, lines, page = map(json.loads, texts)
    assert "2,000 lines" in shown["nlapi_note"] and shown["text"].startswith("line 1 ok")
    assert match["matching_lines"] == 1 and "700: line 700 ERROR disk full" in match["lines"]
    assert lines["lines"] == ["10: line 10 ok", "11: line 11 ok", "12: line 12 ok"]
    assert page["pages"] > 1


def test_a_page_of_html_is_its_text(spec: Spec) -> None:
    html = "<html><head><title>x</title><script>evil()</script></head><body><h1>Boards</h1><p>Two &amp; more</p></body>"
    api = Echo(lambda _: Response(200, html.encode(), {"content-type": "text/html"}))
    texts, _ = answers([LIST], spec, api)
    assert json.loads(texts[0])["text"] == "Boards\nTwo & more"


def test_old_answers_are_cleared_and_can_be_read_again(spec: Spec) -> None:
    calls = [use("read", {"operation": "listBoards", "arguments": {"limit": limit}}) for limit in range(1, 21)]
    texts, server = answers([*calls, query(sort="name", select=["name"])], spec, many_boards(300))
    last = server.requests[-1]["messages"]
    cleared = [block for message in last for block in message["content"] if "cleared" in str(block.get("content"))]
    assert cleared and "`result` reads r1 again" in cleared[0]["content"]
    assert json.loads(texts[-1])["matching"] == 300
    assert max(len(json.dumps(request)) for request in server.requests) < 200_000
    # The beginning of a request is that of the one before, except where something was cleared.
    same = [
        later["messages"][: len(earlier["messages"])] == earlier["messages"]
        for earlier, later in zip(server.requests, server.requests[1:], strict=False)
    ]
    assert same.count(False) <= 4


def refuse_long(limit: int) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A step of a model whose window is small."""

    def step(request: dict[str, Any]) -> dict[str, Any]:
        if len(json.dumps(request["messages"])) > limit:
            return error(400, "prompt is too long: 240000 tokens > 200000 maximum")
        return say("It fits.")

    return step


def test_a_prompt_that_is_too_long_is_cleared_and_sent_again(spec: Spec) -> None:
    script = [LIST, LIST, LIST, refuse_long(40_000), refuse_long(40_000), refuse_long(40_000)]
    with MessagesServer(script, key=KEY) as server, many_boards(300) as api:
        seen = events(planner(server, spec), [spec], api.url)
    assert isinstance(seen[-1], TurnAnswered) and seen[-1].text == "It fits."
    assert server.refused == []


def test_of_earlier_turns_only_question_and_answer_remain_in_a_small_window(spec: Spec) -> None:
    steps = [LIST, say("There are 300."), *[refuse_long(100)] * len(HISTORY_ROOMS)]
    with MessagesServer(steps, key=KEY) as server, many_boards(300) as api:
        claude = planner(server, spec)
        seen = events(claude, [spec], api.url)
        conversation = seen[-1].conversation.with_question("and now?")

        async def run() -> list[str | Plan]:
            return [piece async for piece in claude.next(conversation)]

        with pytest.raises(UnfinishedError, match="too long"):
            asyncio.run(run())
    question, answer, _ = server.requests[-1]["messages"]
    assert question["content"] == [{"type": "text", "text": ask("what is on my boards?").question}]
    assert answer["content"] == [{"type": "text", "text": "There are 300."}]


def test_another_conversation_has_handles_of_its_own(spec: Spec) -> None:
    with MessagesServer([LIST, say("Many."), query(select=["name"]), say("No.")], key=KEY) as server:
        claude = planner(server, spec)
        with many_boards() as api:
            events(claude, [spec], api.url)
            events(claude, [spec], api.url, conversation=ask("another question"))
    assert "no answer has come yet" in results(server.requests[-1])[0]
