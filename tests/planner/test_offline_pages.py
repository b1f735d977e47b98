"""A thing is looked for on every page of its listing, by its name or by a code of its own."""

from __future__ import annotations

from typing import Any

import pytest

from nlapi.client.message import Result
from nlapi.openapi.spec import Spec
from nlapi.tools.tool import Call
from tests.describe import body, parameter, spec
from tests.planner.club import club
from tests.planner.kit import Replies, only, reply, talk
from tests.tables import table

NUMBER = {"type": "integer"}
THINGS = [{"id": n, "name": f"Thing {'abcdefghij'[n // 10]}{'klmnopqrst'[n % 10]}"} for n in range(100)]
WANTED = {"id": 77, "name": "Snow"}
THINGS[47] = WANTED


def things(*parameters: Any) -> Spec:
    answers = {"responses": {"200": {"description": "ok"}}}
    id = parameter("thing_id", "path", NUMBER)
    return spec(
        {
            "/things": {
                "get": {
                    "operationId": "listThings",
                    "summary": "List things",
                    **answers,
                    "parameters": list(parameters),
                }
            },
            "/things/{thing_id}": {
                "delete": {"operationId": "deleteThing", "summary": "Delete a thing", **answers, "parameters": [id]}
            },
        }
    )


def size(name: str) -> Any:
    return parameter(name, schema={**NUMBER, "default": 20, "maximum": 100})


def by_total(call: Call) -> Any:
    start = (call.arguments.get("page", 1) - 1) * 20
    return {"items": THINGS[start : start + 20], "total": len(THINGS)}


def by_offset(call: Call) -> Any:
    start = call.arguments.get("offset", 0)
    return {"data": THINGS[start : start + 20], "has_more": start + 20 < len(THINGS)}


def by_cursor(call: Call) -> Any:
    start = int(call.arguments.get("cursor", "c0")[1:])
    return {"data": THINGS[start : start + 20], "paging": {"next_cursor": f"c{start + 20}" if start < 80 else None}}


def by_link(call: Call) -> Any:
    page = call.arguments.get("page", 1)
    made = reply(THINGS[(page - 1) * 20 : page * 20])
    link = f'<https://api.example/things?page={page + 1}&per_page=20>; rel="next"'
    return Result(status=200, headers=(*made.headers, ("link", link)), content=made.content) if page < 5 else made


def by_address(call: Call) -> Any:
    start = call.arguments.get("skip", 0)
    following = f"/things?skip={start + 20}" if start < 80 else None
    return {"results": THINGS[start : start + 20], "next": following}


def by_full_pages(call: Call) -> Any:
    page = call.arguments.get("page", 0)
    return THINGS[page * 20 : page * 20 + 20]


def at_once(call: Call) -> Any:
    return {"items": THINGS[: call.arguments.get("limit", 20)], "total": len(THINGS)}


@table(
    ("replies", "parameters"),
    [
        (by_total, [parameter("page", schema=NUMBER)]),
        (by_offset, [parameter("offset", schema=NUMBER), size("limit")]),
        (by_cursor, [parameter("cursor"), size("limit")]),
        (by_link, [parameter("page", schema=NUMBER), size("per_page")]),
        (by_address, [parameter("skip", schema=NUMBER)]),
        (by_full_pages, [parameter("page", schema={**NUMBER, "minimum": 0}), size("limit")]),
        (at_once, [size("limit")]),
    ],
)
def test_the_pages_of_a_listing_are_read_until_the_name_is_found(replies: Replies, parameters: list[Any]) -> None:
    def answers(call: Call) -> Any:
        return reply(None, 204) if call.operation_id == "deleteThing" else replies(call)

    *_, last, end = talk("delete the thing Snow", answers, api=things(*parameters))
    assert only(last) == ("deleteThing", {"thing_id": 77})
    assert end.text.startswith("Deleted")


def test_a_near_name_is_not_taken_while_pages_are_unread() -> None:
    near, exact = {"id": 1, "name": "Snow White"}, {"id": 2, "name": "Snow"}

    def answers(call: Call) -> Any:
        if call.operation_id == "deleteThing":
            return reply(None, 204)
        return {"items": [near], "total": 2} if call.arguments.get("page", 1) == 1 else {"items": [exact], "total": 2}

    *_, last, _ = talk("delete the thing Snow", answers, api=things(parameter("page", schema=NUMBER), size("limit")))
    assert only(last) == ("deleteThing", {"thing_id": 2})


def test_a_near_name_of_an_earlier_page_is_taken_when_all_are_read() -> None:
    def answers(call: Call) -> Any:
        if call.operation_id == "deleteThing":
            return reply(None, 204)
        name = "Snow White" if call.arguments.get("page", 1) == 1 else "Emma"
        return {"items": [{"id": name, "name": name}], "has_more": name != "Emma"}

    *_, last, _ = talk("delete the thing Snow", answers, api=things(parameter("page", schema=NUMBER)))
    assert only(last) == ("deleteThing", {"thing_id": "Snow White"})


@pytest.mark.parametrize("parameters", [[parameter("page", schema=NUMBER)], []])
def test_pages_that_were_left_unread_are_admitted(parameters: list[Any]) -> None:
    def endless(call: Call) -> Any:
        page = call.arguments.get("page", 1)
        return {"items": [{"id": page, "name": "Snow White" if page == 2 else f"Emma {page}"}], "total": 1000}

    *_, last = talk("delete the thing Snow", endless, api=things(*parameters))
    assert last.calls == ()
    assert "there are more that were not read" in last.text
    assert "There is no" not in last.text


def test_an_api_that_pays_no_heed_to_the_page_is_not_asked_for_ever() -> None:
    plans = talk(
        "delete the thing Snow",
        lambda _: {"items": THINGS[:5], "total": 9},
        api=things(parameter("page", schema=NUMBER)),
    )
    assert len(plans) < 5
    assert plans[-1].calls == ()


@table("key", ["key", "code", "slug"])
def test_a_thing_is_found_by_its_code_and_by_the_listing_that_can_be_called(key: str) -> None:
    def answers(call: Call) -> Any:
        if call.operation_id == "listProjects":
            return [{"id": 7, "name": "Website", key: "WEB"}, {"id": 8, "name": "Web Shop", key: "SHOP"}]
        return []

    look, issues, _ = talk("show open issues in project WEB", answers, api=club())
    assert only(look) == ("listProjects", {})
    assert only(issues) == ("listIssues", {"project_id": 7, "state": "open"})


def test_another_listing_is_tried_when_the_first_needs_what_is_not_known() -> None:
    answers = {"responses": {"200": {"description": "ok"}}}
    group, task = parameter("group_id", "path", NUMBER), parameter("task_id", "path", NUMBER)

    def node(id: str, summary: str, *parameters: Any) -> dict[str, Any]:
        return {"operationId": id, "summary": summary, "parameters": list(parameters), **answers}

    required = parameter("workspace", required=True)
    api = spec(
        {
            "/tasks": {"get": node("listTasks", "List tasks of a workspace", required)},
            "/tasks/{task_id}": {"get": node("getTask", "Get a task", task)},
            "/me/tasks": {"get": node("listMyTasks", "List my tasks")},
            "/groups/{group_id}/tasks": {"get": node("listGroupTasks", "List tasks of a group", group)},
        }
    )
    look, *_ = talk("get the task Painting", lambda _: [{"id": 1, "name": "Painting"}], api=api)
    assert only(look) == ("listMyTasks", {})


def filtering() -> Spec:
    """A list that is read by POST, page by page in its body."""
    page = {"type": "object", "properties": {"offset": NUMBER, "limit": {**NUMBER, "default": 20}}}
    node = {"operationId": "filterThings", "summary": "List things", "x-nlapi": {"effect": "read"}}
    answers = {"responses": {"200": {"description": "ok"}}}
    return spec({"/things/filter": {"post": {**node, **answers, **body(page)}}})


def sorted_things(count: int) -> Replies:
    every = [{"id": n, "name": f"Thing {n}", "status": "BROKEN" if n % 7 == 0 else "FINE"} for n in range(count)]

    def answers(call: Call) -> Any:
        start = call.arguments.get("offset", 0)
        return {"items": every[start : start + 20], "total": count}

    return answers


@table(
    ("question", "pages", "rows", "text"),
    [
        ("list the things", 1, 20, "20 of 100 things: 17 fine, 3 broken."),
        ("how many things are there?", 1, 20, "100 things: of the 20 that were read 17 fine, 3 broken."),
        ("how many things are broken?", 5, 15, "15 of 100 things with status broken."),
        ("how many things per status?", 5, 2, "100 things: 85 fine, 15 broken."),
        ("the first 3 things", 1, 3, "3 of 100 things: 2 fine, 1 broken; Thing 0, Thing 1, Thing 2."),
    ],
)
def test_every_page_is_read_where_the_question_needs_it(question: str, pages: int, rows: int, text: str) -> None:
    plans = talk(question, sorted_things(100), api=filtering())
    assert len(plans) - 1 == pages
    (view,) = plans[-1].views
    assert (len(view.rows), view.text) == (rows, text)


def test_that_not_every_page_was_read_is_said() -> None:
    *_, end = talk("how many things are broken?", sorted_things(300), api=filtering())
    assert end.text == "23 of the first 160 things with status broken. Only the first 160 of 300 were read."


def test_a_number_of_the_page_is_not_taken_for_that_of_all() -> None:
    def answers(call: Call) -> Any:
        start = int(call.arguments.get("cursor", "0"))
        found = THINGS[start : start + 20]
        return {"results": found, "count": len(found), "next": str(start + 20) if start < 40 else None}

    *_, end = talk("how many things are there?", answers, api=things(parameter("cursor")))
    assert end.text == "60 things."
