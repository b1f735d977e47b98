"""Updates of APIs that want the whole item: it is read first, and sent back with what was said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.kit import dialogue, run
from tests.servers import Echo, Received, Reply

SHELF = {"id": "sh-1", "name": "Attic", "capacity": 15, "color": None, "owner": {"id": 7, "name": "Ada"}, "tags": ["a"]}
TAG = '"v1"'


def shelves(
    folder: Path, url: str, required: tuple[str, ...] = ("name", "capacity", "owner"), method: str = "put"
) -> str:
    text: dict[str, Any] = {"type": "string"}
    properties: dict[str, Any] = {"name": text, "capacity": {"type": "integer"}}
    properties |= {"owner": {"type": "integer"}, "tags": {"type": "array", "items": text}, "color": text}
    schema = {"type": "object", "properties": properties, "required": list(required)}
    shelf = {"type": "object", "properties": {name: {} for name in SHELF}}
    ok = {"responses": {"200": {"description": "ok", "content": {"application/json": {"schema": shelf}}}}}
    item = {
        "get": {"operationId": "getShelf", "summary": "Get a shelf", **ok},
        method: {
            "operationId": "updateShelf",
            "summary": "Update a shelf",
            "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
            **ok,
        },
        "parameters": [{"name": "shelf_id", "in": "path", "required": True, "schema": text}],
    }
    listed = {"responses": {"200": {"description": "ok"}}}
    paths = {"/shelves": {"get": {"operationId": "listShelves", "summary": "List shelves", **listed}}}
    info = {"title": "Shelves", "version": "1"}
    document = {
        "openapi": "3.1.0",
        "info": info,
        "servers": [{"url": url}],
        "paths": paths | {"/shelves/{shelf_id}": item},
    }
    file = folder / "shelves.json"
    file.write_text(json.dumps(document))
    return str(file)


def server(*, status: int = 200, etag: str = TAG) -> Any:
    def answer(request: Received) -> Reply:
        if request.method == "PUT":
            return Reply(status, SHELF if status == 200 else {"title": "Precondition Failed"})
        return Reply(200, [SHELF]) if request.path == "/shelves" else Reply(200, SHELF, {"ETag": etag})

    return answer


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in ("config", "state", "cache"):
        monkeypatch.setenv(f"NLAPI_{kind.upper()}_DIR", str(tmp_path / kind))


def puts(api: Echo) -> list[Received]:
    return [request for request in api.received if request.method == "PUT"]


WHOLE = {"name": "Attic", "capacity": 20, "owner": 7, "tags": ["a"]}


def test_a_put_keeps_what_the_item_has_and_is_sent_on_the_condition_that_it_is_as_it_was(tmp_path: Path) -> None:
    for question in ("set the capacity of the shelf Attic to 20", "set the capacity of the shelf sh-1 to 20"):
        for etag, condition in ((TAG, TAG), ('W/"v1"', None)):
            with Echo(server(etag=etag)) as api:
                done = run("ask", question, "-a", shelves(tmp_path, api.url), "--planner", "offline", "--yes")
                assert done.code == 0, done.err
                (put,) = puts(api)
                assert (put.json(), put.header("if-match")) == (WHOLE, condition)


def test_a_patch_keeps_what_the_description_or_the_answer_requires(tmp_path: Path) -> None:
    question, lacking = "set the capacity of the shelf sh-1 to 20", {"errors": {"name": ["is missing"]}}

    def answer(request: Received) -> Reply:
        is_whole = request.method == "GET" or request.json() == WHOLE
        return Reply(200, SHELF) if is_whole else Reply(422, lacking)

    for required, count in ((("name", "capacity"), 1), ((), 2)):
        with Echo(answer) as api:
            source = shelves(tmp_path, api.url, required=required, method="patch")
            done = run("ask", question, "-a", source, "--planner", "offline", "--yes")
            sent = [request.json() for request in api.received if request.method == "PATCH"]
            assert (done.code, len(sent), sent[-1]) == (0, count, WHOLE), done.err
            assert "capacity is now 15." in done.out, "what is as it was is not told"


def test_a_field_that_the_path_names_is_sent_where_it_is_required_or_found_missing(tmp_path: Path) -> None:
    """`shelf` of /shelves/{shelf_id} is left out where nothing asks for it: it may be another shelf."""
    question = "set the capacity of the shelf sh-1 to 20"
    item, lacking = {"id": "sh-1", "name": "Attic", "capacity": 15}, {"errors": {"shelf": ["is missing"]}}
    for required, missing, sent in (
        (("name", "capacity"), False, [{"name": "Attic", "capacity": 20}]),
        (("name", "capacity", "shelf"), False, [{"name": "Attic", "capacity": 20, "shelf": "sh-1"}]),
        ((), True, [{"capacity": 20}, {"capacity": 20, "shelf": "sh-1"}]),
    ):

        def answer(request: Received, missing: bool = missing) -> Reply:
            is_refused = missing and request.method == "PATCH" and "shelf" not in request.json()
            return Reply(422, lacking) if is_refused else Reply(200, item)

        with Echo(answer) as api:
            source = Path(shelves(tmp_path, api.url, required=required, method="patch"))
            source.write_text(source.read_text().replace('"color": {"type"', '"shelf": {"type"'))
            done = run("ask", question, "-a", str(source), "--planner", "offline", "--yes")
            assert done.code == 0, done.err
            assert [request.json() for request in api.received if request.method == "PATCH"] == sent


def test_a_put_that_requires_nothing_is_an_update_of_what_was_said(tmp_path: Path) -> None:
    with Echo(server()) as api:
        source = shelves(tmp_path, api.url, required=())
        done = run("ask", "set the capacity of the shelf sh-1 to 20", "-a", source, "--planner", "offline", "--yes")
        assert done.code == 0, done.err
        assert [put.json() for put in puts(api)] == [{"capacity": 20}]


def test_a_default_and_a_null_are_of_a_new_item_and_not_of_an_update(tmp_path: Path) -> None:
    for color in (None, "red"):
        with Echo(lambda request, color=color: Reply(200, {**SHELF, "color": color})) as api:
            for schema in ({"type": ["string", "null"]}, {"type": ["string", "null"], "default": "blue"}):
                source = Path(shelves(tmp_path, api.url, required=("color",), method="patch"))
                description = json.loads(source.read_text())
                operation = description["paths"]["/shelves/{shelf_id}"]["patch"]
                fields = operation["requestBody"]["content"]["application/json"]["schema"]["properties"]
                fields["color"] = schema
                source.write_text(json.dumps(description))
                done = run(
                    "ask", "set the capacity of shelf sh-1 to 20", "-a", str(source), "--planner", "offline", "--yes"
                )
                assert done.code == 0, done.err
                assert next(r.json() for r in reversed(api.received) if r.method == "PATCH") == {
                    **WHOLE,
                    "color": color,
                }


def test_the_field_before_and_after_is_shown_and_undone(tmp_path: Path) -> None:
    question = "set the capacity of the shelf Attic to 20"
    with Echo(server()) as api:
        source = shelves(tmp_path, api.url)
        with dialogue("ask", question, "-a", source, "--planner", "offline") as terminal:
            terminal.expect("capacity: 15 -> 20")
            terminal.expect("Send it?")
            terminal.type("y\n")
            assert terminal.end() == 0
        assert run("undo", "--yes").code == 0
        assert [put.json()["capacity"] for put in puts(api)] == [20, 15]
        # Under --yes nothing is shown, and the state before is that of the look-up.
        assert run("ask", question, "-a", source, "--planner", "offline", "--yes").code == 0
        assert run("undo", "--yes").code == 0
        assert [put.json()["capacity"] for put in puts(api)] == [20, 15, 20, 15]


def test_an_item_that_has_changed_in_between_ends_it_plainly(tmp_path: Path) -> None:
    with Echo(server(status=412)) as api:
        source = shelves(tmp_path, api.url)
        done = run("ask", "set the capacity of the shelf sh-1 to 20", "-a", source, "--planner", "offline", "--yes")
        assert (done.code, len(puts(api))) == (4, 1)
        assert "has changed since it was read" in done.out + done.err


def test_an_item_that_cannot_be_read_is_not_replaced(tmp_path: Path) -> None:
    with Echo([Reply(404, {"detail": "no such shelf"})]) as api:
        source = shelves(tmp_path, api.url)
        done = run("ask", "set the capacity of the shelf sh-9 to 20", "-a", source, "--planner", "offline", "--yes")
        assert done.code != 0
        assert puts(api) == []
        assert "getShelf answers 404" in done.out + done.err


def test_a_secret_that_the_api_hides_is_not_overwritten_by_what_it_shows(tmp_path: Path) -> None:
    with Echo(lambda request: Reply(200, {**SHELF, "color": "********"})) as api:
        source = shelves(tmp_path, api.url)
        done = run("ask", "set the capacity of the shelf sh-1 to 20", "-a", source, "--planner", "offline", "--yes")
        assert (done.code != 0, puts(api)) == (True, [])
        assert "does not show its color" in done.out + done.err


def test_a_body_around_the_fields_keeps_the_others_too(tmp_path: Path) -> None:
    item = {**SHELF, "owner": 7}
    with Echo(lambda request: Reply(200, {"shelf": item})) as api:
        source = Path(shelves(tmp_path, api.url))
        description = json.loads(source.read_text())
        operations = description["paths"]["/shelves/{shelf_id}"]
        media = operations["put"]["requestBody"]["content"]["application/json"]
        media["schema"] = {"type": "object", "required": ["shelf"], "properties": {"shelf": media["schema"]}}
        for method in ("get", "put"):
            answer = operations[method]["responses"]["200"]["content"]["application/json"]
            answer["schema"] = {"type": "object", "properties": {"shelf": answer["schema"]}}
        source.write_text(json.dumps(description))
        done = run("ask", "set the capacity of shelf sh-1 to 20", "-a", str(source), "--planner", "offline", "--yes")
        assert done.code == 0, done.err
        assert [put.json() for put in puts(api)] == [{"shelf": WHOLE}]
