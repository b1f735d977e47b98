"""Ids that flow from one call to the next: by names, fields, Links, searches and `me`, over two or three calls."""

from __future__ import annotations

from typing import Any

from nlapi.openapi.spec import Spec
from nlapi.planner import OfflinePlanner
from nlapi.tools.tool import Call
from tests.describe import body, parameter, spec
from tests.planner.club import club
from tests.planner.kit import only, reply, talk

TEXT = {"type": "string"}
THING = {"type": "object", "properties": {"id": TEXT, "name": TEXT}}


def node(id: str, summary: str, *parameters: Any, answer: Any = None, links: Any = None, **more: Any) -> dict[str, Any]:
    content = {"content": {"application/json": {"schema": answer}}} if answer is not None else {}
    response = {"description": "ok", **content, **({"links": links} if links else {})}
    return {
        "operationId": id,
        "summary": summary,
        "parameters": list(parameters),
        "responses": {"200": response},
        **more,
    }


def path_id(name: str) -> dict[str, Any]:
    return parameter(name, "path", TEXT)


def test_a_member_known_by_name_is_looked_up_for_a_list_that_goes_by_its_id() -> None:
    def answers(call: Call) -> Any:
        return [{"id": 7, "name": "Ada Lovelace"}] if call.operation_id == "listMembers" else [{"id": 1}]

    look, loans, end = talk("list the loans of Ada Lovelace", answers, api=club())
    assert only(look)[0] == "listMembers"
    assert only(loans) == ("listLoans", {"member_id": 7})
    assert end.text == "1 loan."


def test_a_link_tells_where_things_are_listed_that_paths_do_not_tell_of() -> None:
    links = {"One": {"operationId": "getPart", "parameters": {"path.ref": "$response.body#/0/id"}}}
    api = spec(
        {
            "/inventory": {"get": node("listInventory", "List the inventory of parts", links=links)},
            "/part/{ref}": {"get": node("getPart", "Get a part", path_id("ref"))},
        }
    )
    look, part, _ = talk(
        'get the part "Wheel"',
        lambda call: [{"id": "p3", "name": "Wheel"}] if call.operation_id == "listInventory" else {"id": "p3"},
        api=api,
    )
    assert only(look) == ("listInventory", {})
    assert only(part) == ("getPart", {"ref": "p3"})


def test_a_search_finds_what_no_listing_lists() -> None:
    api = spec(
        {
            "/film/search": {"get": node("searchFilm", "Search", parameter("query", schema=TEXT, required=True))},
            "/film/{filmId}/cast": {"get": node("getCast", "Get the cast of a film", path_id("filmId"))},
        }
    )
    look, cast, _ = talk(
        'get the cast of the film "Alien"',
        lambda call: {"results": [{"id": 42, "title": "Alien"}]} if call.operation_id == "searchFilm" else [],
        api=api,
    )
    assert only(look) == ("searchFilm", {"query": "Alien"})
    assert only(cast)[0] == "getCast"
    assert str(only(cast)[1]["filmId"]) == "42"


def test_your_own_id_is_asked_of_me() -> None:
    create = node("createPlaylist", "Create a playlist", path_id("user_id"), **body(THING))
    api = spec(
        {
            "/me": {"get": node("getMe", "Get the current user")},
            "/users/{user_id}/playlists": {"post": create},
        }
    )
    look, made, _ = talk(
        'create a playlist named "Quiet"',
        lambda call: {"id": "u9", "name": "Ada"} if call.operation_id == "getMe" else reply({"id": "p1"}, 201),
        api=api,
    )
    assert only(look) == ("getMe", {})
    assert only(made) == ("createPlaylist", {"user_id": "u9", "name": "Quiet"})


def fleet() -> Spec:
    change = body({"type": "object", "properties": {"name": TEXT, "status": {**TEXT, "enum": ["ACTIVE", "PAUSED"]}}})
    paths: dict[str, Any] = {}
    for one in ("ship", "crew"):
        paths[f"/{one}s"] = {"get": node(f"list{one.title()}s", f"List {one}s")}
        id = path_id(f"{one}_id")
        paths[f"/{one}s/{{{one}_id}}"] = {"patch": node(f"update{one.title()}", f"Update a {one}", id, **change)}
    return spec(paths)


def test_ids_do_not_flow_from_one_api_to_another() -> None:
    other = spec({"/members": {"get": node("listMembers", "List members")}}, info={"title": "Other", "version": "1"})
    loans = spec({"/loans": {"get": node("listLoans", "List loans", parameter("member_id", schema=TEXT))}})
    made = OfflinePlanner((other, loans)).plan("list the loans of Ada Lovelace")
    assert only(made)[0] == "listLoans"
