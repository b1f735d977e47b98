"""A client reads the rest of a long answer with the tool `result`, its own answers only, and without another call."""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from nlapi.client.message import Result
from nlapi.errors import UsageError
from nlapi.mcp.answers import MAX_CLIENT_ANSWERS, MAX_CLIENTS, AnswerOwner, ClientAnswers
from nlapi.mcp.server_state import ServerState
from nlapi.openapi.spec import Spec
from nlapi.results.store import ResidentBodies
from nlapi.tools.compile import compile_tool
from nlapi.tools.tool import Call
from tests.describe import spec
from tests.mcp.kit import ERAS, call, served, talk, text, told
from tests.servers import Echo, Reply
from tests.tables import table

ROWS = [{"id": number, "state": ("open", "closed")[number % 2], "about": f"{number} " * 40} for number in range(900)]
PAGE_NUMBER = {"name": "page", "in": "query", "schema": {"type": "integer"}}
API: Spec = spec(
    {
        "/things": {"get": {"operationId": "listThings", "parameters": [PAGE_NUMBER]}},
        "/pages": {"get": {"operationId": "readPage"}},
    }
)


def result_of(client: Client, handle: str, **query: Any) -> Any:
    return client.call_tool("result", {"result": handle, **query})


async def handles_of(client: Client, count: int) -> list[str]:
    """The handles of the answers to as many different reads."""
    answers = [await client.call_tool("listThings", {"page": page}) for page in range(count)]
    return [answer.structured_content["result"] for answer in answers]


@pytest.mark.parametrize("mode", ERAS)
def test_a_long_list_is_a_table_that_is_queried_without_another_call(mode: str) -> None:
    async def says(client: Client) -> list[Any]:
        shown = await client.call_tool("listThings", {})
        handle = shown.structured_content["result"]
        queries: list[dict[str, Any]] = [
            {"group": "state", "sum": "id"},
            {"where": [{"field": "id", "op": ">=", "value": 897}], "select": ["id"], "sort": "-id"},
            {"select": ["id", "about"], "page": 2},
        ]
        return [shown, *[await result_of(client, handle, **query) for query in queries]]

    with Echo(Reply(200, ROWS)) as api:
        shown, groups, last, page = talk(served(API, api.url), says, mode=mode)
        assert len(api.received) == 1
    view = shown.structured_content
    assert (view["status"], view["count"], view["columns"][0]) == (200, 900, "id")
    assert view["whole"] == f"nlapi://answer/{view['result']}/1"
    assert "untrusted data" in text(groups) and not groups.is_error
    assert groups.structured_content["rows"] == [
        ["open", 450, sum(range(0, 900, 2))],
        ["closed", 450, sum(range(1, 900, 2))],
    ]
    assert last.structured_content["rows"] == [[899], [898], [897]]
    assert page.structured_content["rows"][0][0] > 10
    assert json.loads(text(page)) == page.structured_content


@table(
    ("arguments", "says"),
    [
        ({}, "there is no result ''"),
        ({"result": "r1", "page": "2"}, "page is not a number"),
        ({"result": "r1", "page": 99}, "there is no page 99"),
        ({"result": "r1", "select": ["idd"]}, "r1 has no field 'idd' (there are id"),
        ({"result": "r1", "where": "id > 3"}, "where is not a list of conditions"),
        ({"result": "r1", "limit": 3}, "result has no argument 'limit'"),
        ({"result": "r1", "search": "x"}, "r1 is not text"),
        ({"result": "r7"}, "there is no result 'r7' (they are r1)"),
        ({"result": "r9999999999999999999999"}, "there is no result"),
        ({"result": 1}, "result is not text"),
    ],
)
def test_a_wrong_query_is_an_answer_that_says_what_would_be_right(arguments: dict[str, Any], says: str) -> None:
    async def asks(client: Client) -> Any:
        await client.call_tool("listThings", {})
        return await client.call_tool("result", arguments)

    with Echo(Reply(200, ROWS)) as api:
        answer = talk(served(API, api.url), asks)
    assert answer.is_error
    assert says in text(answer)


def test_the_last_answers_are_there_and_an_older_one_is_said_to_be_gone() -> None:
    count = MAX_CLIENT_ANSWERS + 20

    async def says(client: Client) -> list[Any]:
        handles = await handles_of(client, count)
        return [await result_of(client, handle, group="state") for handle in (handles[0], handles[20], handles[-1])]

    with Echo(Reply(200, ROWS)) as api:
        gone, oldest, last = talk(served(API, api.url), says)
    assert gone.is_error
    assert text(gone).startswith("'r1' is not stored, or not any more (call the operation again)")
    assert not oldest.is_error and not last.is_error


def with_bodies(api: ServerState, bodies: ResidentBodies, **bounds: int) -> ServerState:
    api.answers = ClientAnswers(bodies, **bounds)
    return api


def test_answers_beyond_the_bound_are_read_from_a_file_that_nobody_else_opens(home: Path) -> None:
    """They are the oldest, and when the server has ended nothing is left."""
    bodies = ResidentBodies(limit=len(json.dumps(ROWS)))

    async def says(client: Client) -> list[Any]:
        handles = await handles_of(client, 5)
        answers = [(await result_of(client, handle, sum="id")).structured_content for handle in handles]
        page = await client.read_resource("nlapi://answer/r1/2")
        return [*answers, page.contents[0].text.partition("\n")[2]]

    with Echo(Reply(200, ROWS)) as api:
        *answers, page = talk(with_bodies(served(API, api.url), bodies), says)
    assert [answer["sum"] for answer in answers] == [sum(range(900))] * 5
    assert page == json.dumps(ROWS)[20_000:40_000]
    assert (home / "state").stat().st_mode & 0o777 == 0o700
    assert list((home / "state").iterdir()) == []


def test_where_no_file_can_be_written_the_last_answers_stay(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    size = len(json.dumps(ROWS))
    bodies = ResidentBodies(limit=2 * size, folder=tmp_path / "file" / "state")

    async def says(client: Client) -> list[Any]:
        handles = await handles_of(client, 5)
        return [await result_of(client, handle, group="state") for handle in handles]

    told.clear()
    with Echo(Reply(200, ROWS)) as api:
        answers = talk(with_bodies(served(API, api.url), bodies), says)
    assert [answer.is_error for answer in answers] == [True, True, True, False, False]
    assert told == [
        f"{tmp_path / 'file' / 'state'} cannot be written: Not a directory; only the last answers are stored"
    ]


def test_all_answers_together_have_a_bound(tmp_path: Path) -> None:
    size = len(json.dumps(ROWS))
    bodies = ResidentBodies(limit=size, folder=tmp_path)

    async def says(client: Client) -> list[bool]:
        handles = await handles_of(client, 5)
        return [(await result_of(client, handle)).is_error for handle in handles]

    with Echo(Reply(200, ROWS)) as api:
        assert talk(with_bodies(served(API, api.url), bodies, max_total=3 * size), says) == [True, True] + [False] * 3


def test_answers_of_many_clients_have_a_bound() -> None:
    answers = ClientAnswers(ResidentBodies())
    first, *others = [AnswerOwner(session=str(id), credentials="", is_shared=False) for id in range(MAX_CLIENTS + 1)]
    things = Call(tool=compile_tool(API.operation("listThings")), arguments={})
    long, short = (Result(status=200, content=json.dumps(rows).encode()) for rows in (ROWS, ROWS[:1]))
    assert answers.add(first, long, things).stored is not None
    for owner in others:
        assert answers.add(owner, short, things).stored is None
    assert answers.total == 0
    with pytest.raises(UsageError, match="there is no result 'r1'"):
        answers.get(first, "r1")


PAGE = (
    "<html><head><title>Oops</title><style>p{}</style><body><h1>Oops</h1>" + "<p>The disk is <b>full</b>.</p>" * 6_000
)


@pytest.mark.parametrize("status", [200, 500])
def test_a_page_of_html_is_its_text_and_is_searched(status: int) -> None:
    async def says(client: Client) -> tuple[Any, Any]:
        shown = await client.call_tool("readPage", {})
        return shown, await result_of(client, shown.structured_content["result"], lines="2")

    with Echo(Reply(status, PAGE.encode(), {"Content-Type": "text/html"})) as api:
        shown, lines = talk(served(API, api.url), says)
    view = shown.structured_content
    assert shown.is_error is (status >= 400)
    assert view.get("reason") == ("Oops" if status >= 400 else None)
    assert view["text"].startswith("Oops\nThe disk is full.\n")
    assert lines.structured_content["lines"] == ["2: The disk is full."]
    assert len(text(shown)) < 16_000


def test_an_operation_that_is_called_as_the_tool_has_another_name() -> None:
    api = spec({"/result": {"get": {"operationId": "result"}}})
    with Echo(Reply(200, ROWS)) as server:
        state = served(api, server.url)
        (name,) = state.catalogue.names.values()
        assert name != "result"
        assert call(state, name).structured_content["result"] == "r1"
        assert call(state, "result", {"result": "r1", "sum": "id"}).structured_content["sum"] == sum(range(900))


@table(
    "kind, size, status, shown",
    [
        ("image/png", 10, 200, "image"), ("audio/mpeg", 10, 200, "audio"), ("image/svg+xml", 10, 200, None),
        ("application/zip", 10, 200, None), ("image/png", 2**20 + 1, 200, None), ("image/png", 10, 404, None),
    ],
)  # fmt: skip
def test_a_picture_and_a_sound_are_shown_as_such(kind: str, size: int, status: int, shown: str | None) -> None:
    async def says(client: Client) -> Any:
        return await client.call_tool("readPage", {})

    body = bytes(range(256)) * (size // 256 + 1)
    with Echo(Reply(status, body[:size], headers={"Content-Type": kind})) as api:
        answer = talk(served(API, api.url), says)
    media = [block for block in answer.content if block.type != "text" and block.type != "resource_link"]
    assert [block.type for block in media] == ([shown] if shown else [])
    assert all((b64decode(block.data), block.mime_type) == (body[:size], kind) for block in media)
