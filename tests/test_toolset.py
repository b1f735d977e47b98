"""The constant set of tools for other people's agents: what models get wrong, calls at once, limits, and consent."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

import nlapi
from nlapi.errors import UsageError
from nlapi.tools.texts.prompt_injection import DESCRIPTION_NOTE
from tests.describe import body, parameter, spec
from tests.servers import Echo, Received, Reply, Script
from tests.tables import table
from tests.workflows.test_plan_loops import CAMPAIGNS, LIST, PAUSE, campaigns, described

THING = {"type": "object", "properties": {"name": {"type": "string"}, "size": {"type": "integer"}}}
ANY = {"200": {"description": "any", "content": {"application/json": {"schema": {}}}}}
API = spec(
    {
        "/things": {
            "get": {"operationId": "things/list-all", "parameters": [parameter("kind")], "responses": ANY},
            "post": {"operationId": "createThing", "summary": "Create a thing", **body(THING), "responses": ANY},
        },
        "/things/{id}": {
            "get": {"operationId": "getThing", "parameters": [parameter("id", "path")], "responses": ANY},
            "delete": {"operationId": "deleteThing", "parameters": [parameter("id", "path")], "responses": ANY},
        },
    }
)
CREATE = {"operation": "createThing", "arguments": {"name": "new"}}
LONG = "a long text " * 40


def things(request: Received) -> Reply:
    """A long list that says which request it answers."""
    return Reply(200, [{"id": number, "target": request.target, "about": LONG} for number in range(90)])


# What models get wrong


@table(
    ("name", "arguments", "target"),
    [
        ("read", '{"operation": "getThing", "arguments": {"id": "7"}}', "/things/7"),
        ("read", {"operation": "getThing", "arguments": '{"id": "7"}'}, "/things/7"),
        ("read", {"operation": "getThing", "id": "7"}, "/things/7"),
        ("read", {"operation": "getThing", "arguments": {}, "id": "7"}, "/things/7"),
        ("read", {"operation": "get_thing", "arguments": {"id": "7"}}, "/things/7"),
        ("read", {"operation": "GET /things/{id}", "arguments": {"id": "7"}}, "/things/7"),
        ("read", {"operation": "thingsListAll"}, "/things"),
        ("change", {"operation": "getThing", "arguments": {"id": "7"}}, "/things/7"),
        ("getThing", {"id": "7"}, "/things/7"),
        ("things_list_all", '{"kind": "a"}', "/things?kind=a"),
    ],
)
def test_a_call_in_another_form_is_understood(name: str, arguments: Any, target: str) -> None:
    with Echo() as api:
        answer = nlapi.toolset(API, base_url=api.url).answer(name, arguments)
    assert json.loads(answer)["status"] == 200
    assert api.only.target == target


@table(
    ("name", "arguments", "text"),
    [
        (
            "search",
            {"words": "things"},
            "there is no tool 'search' (the tools are find, describe, read, change, result, plan",
        ),
        ("getThings", {}, "did you mean 'getThing'"),
        ("read", {"operation": "getThings"}, "there is no operation 'getThings' (did you mean 'getThing'"),
        ("read", {"operation": "日本"}, "there is no operation '日本'"),
        ("read", {"operation": "getThing"}, "argument 'id' is missing"),
        ("read", {"operation": "getThing", "arguments": {"id": "7", "ids": "8"}}, "there is no argument 'ids'"),
        ("read", {"operation": "getThing", "arguments": {"id": "7"}, "id": "8"}, "'id' has two values"),
        ("read", {"operation": "getThing", "arguments": ["7"]}, "arguments is not an object"),
        ("read", {"operation": "getThing", "arguments": '{"id": '}, "arguments is not JSON"),
        ("read", '{"operation": "getTh', "the arguments are not JSON"),
        ("change", '{"operation": "a", "operation": "b"}', "the key 'operation' is there twice"),
        ("read", {"operation": "createThing", "arguments": {}}, "the tool `change` calls it"),
        ("read", {}, "read needs the name of an operation (`find` finds them by words)"),
        ("describe", {"name": "getThing"}, "describe needs the name of an operation"),
        ("find", {}, "find needs words"),
        ("result", {"result": "r1"}, "no answer has come yet"),
    ],
)
def test_a_call_that_cannot_be_made_is_answered_with_the_reason(name: str, arguments: Any, text: str) -> None:
    with Echo() as api:
        tools = nlapi.toolset(API, base_url=api.url, yes=True)
        answer = tools.answer(name, arguments)
        assert answer.startswith("not sent: ") and text in answer
        assert api.received == []
        # The conversation goes on after an error.
        assert json.loads(tools.answer("read", {"operation": "getThing", "arguments": {"id": "7"}}))["status"] == 200


@table("arguments", [{"words": "create thing"}, {"query": "create thing"}, {"words": ["create", "thing"]}])
def test_words_under_another_name_find_operations(arguments: dict[str, Any]) -> None:
    head, first, *_ = nlapi.toolset(API).answer("find", arguments).splitlines()
    assert head == f"{DESCRIPTION_NOTE}:" and first.startswith("createThing (write): Create a thing | ")


def test_a_name_that_two_operations_share_but_for_its_style_is_nobodys_guess() -> None:
    node = {operation_id: {"get": {"operationId": operation_id, "responses": {}}} for operation_id in ("a_b", "aB")}
    tools = nlapi.toolset(spec({f"/{path}": operation for path, operation in node.items()}))
    assert "there is no operation 'A-B'" in tools.answer("read", {"operation": "A-B"})


# Consent


@table("yes", [False, None, "y", 1, lambda change: False, lambda change: "y"])
def test_no_form_of_a_change_is_sent_without_consent(yes: Any) -> None:
    with Echo() as api:
        tools = nlapi.toolset(API, base_url=api.url, yes=yes)
        texts = [
            tools.answer("change", CREATE),
            tools.answer("change", json.dumps(CREATE)),
            tools.answer("change", {"operation": "POST /things", "name": "new"}),
            tools.answer("createThing", {"name": "new"}),
            tools.answer("delete_thing", '{"id": "7"}'),
            tools.answer("change", {"operation": "deleteThing", "arguments": {"id": "7"}}),
        ]
        assert tools.answer("read", CREATE).startswith("not sent: ")
        assert api.received == []
    for text in texts:
        assert text.startswith("not sent: ") and "the user has not agreed to that" in text
        assert "Do not call it again by yourself" in text


def test_a_change_that_the_user_agrees_to_is_sent_once() -> None:
    with Echo() as api:
        tools = nlapi.toolset(API, base_url=api.url, yes=lambda change: change.call.arguments == {"name": "new"})
        assert "not agreed" in tools.answer("change", {"operation": "createThing", "arguments": {"name": "old"}})
        assert json.loads(tools.answer("change", CREATE))["status"] == 200
        assert api.only.json() == {"name": "new"}


def test_a_plan_is_carried_out_as_a_whole_or_not_at_all() -> None:
    asked: list[str] = []

    def yes(change: nlapi.Prepared) -> bool:
        asked.append(change.request.url.rpartition("/")[2])
        return "c12" not in asked

    each = {"where": [{"field": "spent", "op": ">", "value": 80}]}
    pause = {**PAUSE, "each": {"in": "r1", **each}}
    with Echo(partial(campaigns, CAMPAIGNS, 0)) as api:
        ads = described(api.url)
        tools = nlapi.toolset(ads, base_url=api.url, yes=yes)
        tools.answer("read", {"operation": "listCampaigns"})
        refused = tools.answer("plan", {"steps": [pause]})
        assert refused.startswith("not sent: the plan makes 16 calls, and the user has not agreed to that.")
        assert asked == ["c9", "c10", "c11", "c12"]
        assert [request.method for request in api.received] == ["GET"] * 3
        sent = json.loads(nlapi.toolset(ads, base_url=api.url, yes=True).answer("plan", {"steps": [LIST, {
            **PAUSE, "each": {"in": "$steps.a.outputs", **each}}]}))  # fmt: skip
        assert (sent["changed"], sent["not_done"][0]["item"]) == (15, "Campaign 13")
        reads = nlapi.toolset(ads, base_url=api.url, yes=True, include=["id:listCampaigns"])
        assert reads.answer("plan", {"steps": [LIST, {**PAUSE, "each": {"in": "$steps.a.outputs"}}]}).startswith(
            "not sent: there is no operation"
        )


def test_threads_ask_about_one_change_at_a_time() -> None:
    both_ask = threading.Barrier(2)
    overlaps: list[bool] = []

    def yes(change: nlapi.Prepared) -> bool:
        try:
            both_ask.wait(0.2)
        except threading.BrokenBarrierError:
            return False
        overlaps.append(True)
        return False

    with Echo() as api, ThreadPoolExecutor(2) as pool:
        tools = nlapi.toolset(API, base_url=api.url, yes=yes)
        texts = list(pool.map(lambda _: tools.answer("change", CREATE), range(2)))
    assert overlaps == [] and all("not agreed" in text for text in texts)


def test_what_is_not_selected_is_neither_found_nor_called() -> None:
    with Echo() as api:
        tools = nlapi.toolset(API, base_url=api.url, yes=True, include=["/things*"], exclude=["method:DELETE"])
        assert "deleteThing" not in tools.answer("find", {"words": "delete thing"})
        for name in ("deleteThing", "delete_thing", "DELETE /things/{id}"):
            text = tools.answer("change", {"operation": name, "arguments": {"id": "7"}})
            assert text.startswith(f"not sent: there is no operation {name!r}")
            assert tools.answer(name, {"id": "7"}).startswith("not sent: there is no tool")
        assert api.received == []
        assert json.loads(tools.answer("change", CREATE))["status"] == 200
    with pytest.warns(UserWarning, match="--exclude 'deleteThings' is about no operation"):
        nlapi.toolset(API, exclude=["deleteThings"])


# Calls at once


def test_answers_that_come_at_once_in_threads_have_handles_of_their_own() -> None:
    with Echo(things) as api, ThreadPoolExecutor(16) as pool:
        tools = nlapi.toolset(API, base_url=api.url)
        reads = [{"operation": "getThing", "arguments": {"id": str(number)}} for number in range(48)]
        answers = [json.loads(text) for text in pool.map(lambda read: tools.answer("read", read), reads)]
    check_handles(answers, lambda handle: tools.answer("result", {"result": handle, "select": ["target"]}))


def test_answers_that_come_at_once_in_tasks_have_handles_of_their_own() -> None:
    async def read_all(tools: Any) -> list[str]:
        reads = [{"operation": "getThing", "arguments": {"id": str(number)}} for number in range(12)]
        return list(await asyncio.gather(*(tools.answer_async("read", read) for read in reads)))

    with Echo(things) as api:
        tools = nlapi.toolset(API, base_url=api.url)
        answers = list(map(json.loads, asyncio.run(read_all(tools))))
    check_handles(answers, lambda handle: tools.answer("result", {"result": handle, "select": ["target"]}))


def check_handles(answers: list[dict[str, Any]], query: Callable[[str], str]) -> None:
    """Each handle is of one answer, and reads what that answer shows."""
    handles = {answer["result"]: answer["same_in_all_rows"]["target"] for answer in answers}
    assert len(handles) == len(answers)
    for handle, target in handles.items():
        assert json.loads(query(handle))["rows"][0] == [target]


def test_consent_may_be_asked_for_asynchronously() -> None:
    async def yes(change: nlapi.Prepared) -> bool:
        await asyncio.sleep(0)
        return True

    with Echo() as api:
        tools = nlapi.toolset(API, base_url=api.url, yes=yes)
        assert json.loads(asyncio.run(tools.answer_async("change", CREATE)))["status"] == 200


# One credential


def test_one_credential_is_enough_where_an_api_has_one_scheme() -> None:
    key: dict[str, Any] = {"type": "http", "scheme": "bearer"}
    paths = {"/things": {"get": {"operationId": "listThings", "security": [{"key": []}], "responses": ANY}}}
    one = spec(paths, components={"securitySchemes": {"key": key}})
    two = spec(paths, components={"securitySchemes": {"key": key, "other": key}})
    with Echo(Reply(200, {"ok": True})) as api:
        answers = [
            nlapi.toolset(one, base_url=api.url, auth="s3cret").answer("read", {"operation": "listThings"}),
            nlapi.answer(nlapi.tools(one), "listThings", {}, base_url=api.url, auth="s3cret"),
            nlapi.call(one, "listThings", base_url=api.url, auth="s3cret").text,
        ]
        assert all("ok" in answer for answer in answers)
        assert {request.header("authorization") for request in api.received} == {"Bearer s3cret"}
        with pytest.raises(UsageError, match="has the schemes key, other, and auth is one credential") as refused:
            nlapi.call(two, "listThings", base_url=api.url, auth="s3cret")
    assert "s3cret" not in str(refused.value)


# Limits, fields, time-outs


def answers_of(url: str, **limits: Any) -> dict[str, str]:
    """The answer to the same call by each of the public faces."""
    tools = nlapi.tools(API)
    return {
        "toolset": nlapi.toolset(API, base_url=url, **limits).answer("read", {"operation": "things/list-all"}),
        "answer": nlapi.answer(tools, "things_list-all", {}, base_url=url, **limits),
        "aio": asyncio.run(nlapi.aio.answer(tools, "things_list-all", {}, base_url=url, **limits)),
    }


def test_a_call_ends_at_its_time_out() -> None:
    with Script(Script.SILENCE) as api:
        for face, text in answers_of(api.url, timeout=0.1).items():
            assert text.startswith("failed: ") and "0.1" in text, (face, text)


@pytest.mark.parametrize("answer_bytes", [4_000, 8_000])
def test_an_answer_takes_the_bytes_that_the_program_allows(answer_bytes: int) -> None:
    with Echo(things) as api:
        for face, text in answers_of(api.url, answer_bytes=answer_bytes).items():
            assert len(text.encode()) <= answer_bytes, face
            assert json.loads(text)["count"] == 90
        tools = nlapi.toolset(API, base_url=api.url, answer_bytes=answer_bytes)
        tools.answer("read", {"operation": "things/list-all"})
        assert len(tools.answer("result", {"result": "r1"}).encode()) <= answer_bytes


def test_operations_are_found_and_described_within_the_bytes() -> None:
    properties = {f"field {number}": {"type": "string", "description": "я" * 200} for number in range(80)}
    node = {"description": "о" * 6_000, **body({"type": "object", "properties": properties}), "responses": ANY}
    paths = {
        f"/x{number}": {"post": {"operationId": f"make{number}", "summary": "я" * 120, **node}} for number in range(9)
    }
    for limits in ({}, {"answer_bytes": 4_000}):
        tools = nlapi.toolset(spec(paths), **limits)
        for text in (tools.answer("find", {"words": "make"}), tools.answer("describe", {"operation": "make1"})):
            assert "make1" in text and len(text.encode()) <= limits.get("answer_bytes", 16_000)


ROWS = [{"id": number, "user": {"login": f"u{number}", "id": number}, "about": LONG} for number in range(3)]


def test_an_answer_has_the_fields_that_the_program_chose() -> None:
    with Echo(Reply(200, {"items": ROWS, "total": 7})) as api:
        answers = answers_of(api.url, fields=["id", "user.login", "nothing"])
    for face, text in answers.items():
        shown = json.loads(text)
        assert shown["data"] == [{"id": row["id"], "user": {"login": f"u{row['id']}"}} for row in ROWS], face
        assert shown["total"] == 7
    # The rest can be read where answers are stored, and the model is told so.
    assert json.loads(answers["toolset"])["result"] == "r1"
    assert "`result` reads the others" in answers["toolset"] and "`result`" not in answers["answer"]


@table(
    ("body", "shown"),
    [
        ({"id": 1, "user": {"login": "u", "id": 2}}, {"id": 1, "user": {"login": "u"}}),
        ({"data": {"id": 1, "kind": "a"}}, {"id": 1}),
        ({"status": "ok", "data": {"id": 1, "kind": "a"}}, {"id": 1}),
        ({"ok": False, "error": "no such thing", "id": 1}, {"ok": False, "error": "no such thing", "id": 1}),
    ],
)
def test_an_item_has_the_chosen_fields_and_a_failure_all(body: dict[str, Any], shown: dict[str, Any]) -> None:
    with Echo(Reply(200, body)) as api:
        for text in answers_of(api.url, fields=["id", "user.login", "status"]).values():
            assert json.loads(text)["data"] == shown


def test_what_was_not_chosen_is_read_with_a_query() -> None:
    with Echo(Reply(200, ROWS)) as api:
        tools = nlapi.toolset(API, base_url=api.url, fields=("id",))
        assert LONG[:40] not in tools.answer("read", {"operation": "things/list-all"})
        assert json.loads(tools.answer("result", {"result": "r1", "select": ["user.login"]}))["rows"][2] == ["u2"]


def test_a_long_list_has_all_chosen_columns_and_the_rows_that_fit() -> None:
    rows = [{"id": number, "title": f"thing {number} " * 12, "kind": "a", "about": LONG} for number in range(90)]
    with Echo(Reply(200, rows)) as api:
        for face, text in answers_of(api.url, fields=["kind", "title", "id"], answer_bytes=4_000).items():
            shown = json.loads(text)
            assert shown["columns"] == ["kind", "title", "id"], face
            assert 1 <= len(shown["rows"]) < shown["count"] == 90


@table(
    ("reply", "text"),
    [
        (Reply(404, {"error": {"message": "no such thing"}}), "no such thing"),
        (Reply(200, {"other": 1}), '"other":1'),
        (Reply(200, b"a text", {"Content-Type": "text/plain"}), "a text"),
        (Reply(200, [1, 2, 3]), "[1,2,3]"),
    ],
)
def test_an_answer_without_the_fields_is_whole(reply: Reply, text: str) -> None:
    with Echo(reply) as api:
        for shown in answers_of(api.url, fields=["id", "name"]).values():
            assert text in shown and "that the user chose" not in shown


@table(
    "limits", [{"timeout": 0}, {"timeout": -1}, {"timeout": float("nan")}, {"answer_bytes": 0}, {"answer_bytes": 3_999}]
)
def test_a_limit_that_cannot_be_is_the_programs_affair(limits: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(limits))):
        nlapi.toolset(API, **limits)
    with pytest.raises(UsageError, match=next(iter(limits))):
        nlapi.answer(nlapi.tools(API), "getThing", {"id": "7"}, **limits)


# Words of people


def test_a_command_is_found_in_other_words_than_those_of_the_api() -> None:
    kinds = ("zones", "keys", "records", "servers")
    paths = {
        f"/{kind}/{{id}}": {
            method: {"operationId": f"{verb}_{kind}", "summary": f"{verb.title()} one of the {kind}", "responses": ANY}
            for method, verb in {"get": "get", "delete": "delete"}.items()
        }
        for kind in kinds
    }
    api = spec(paths)
    for words in ("get rid of the zone", "throw out one of the zones"):
        assert nlapi.search(api, words)[0].id == "delete_zones", words
        found = nlapi.toolset(api).answer("find", {"words": words}).splitlines()[1]
        assert found.startswith("delete_zones (destroy)"), found


def test_where_no_words_fit_a_small_api_is_listed_whole_and_a_large_one_by_area() -> None:
    words = {"words": "zebra xylophone"}
    small = nlapi.toolset(API).answer("find", words)
    assert small.startswith("nothing is about that\n")
    assert {line.partition(" (")[0] for line in small.splitlines()[2:]} == {tool.name for tool in nlapi.tools(API)}
    large = nlapi.toolset(nlapi.load("ads")).answer("find", words)
    assert large.startswith("nothing is about that; the areas are ")
