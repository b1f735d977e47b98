"""The rules of `benchmarks.workflows`: what counts as an end, a hand-over, a wrong request and a cause."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import nlapi
from benchmarks.workflows.causes import Explainer, Source
from benchmarks.workflows.collection import DESCRIPTION, WORKFLOWS, Api, choose, read, standard_path
from benchmarks.workflows.evidence import judge
from benchmarks.workflows.inputs import InputSource
from benchmarks.workflows.playing import Mode, Played, Player
from benchmarks.workflows.stage import Stage
from nlapi.sandbox.validation import RawRequest
from nlapi.workflows.read import read_document
from nlapi.workflows.repair import repair
from nlapi.workflows.sources import link

BOOK = {
    "type": "object",
    "required": ["id", "title"],
    "properties": {"id": {"type": "integer"}, "title": {"type": "string"}},
}
ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}
LIMIT = {"name": "limit", "in": "query", "schema": {"type": "integer"}}


def answer(status: str, schema: object) -> dict[str, Any]:
    return {status: {"description": "", "content": {"application/json": {"schema": schema}}}}


LIST = {"operationId": "listBooks", "parameters": [LIMIT], "responses": answer("200", {"type": "array", "items": BOOK})}
CREATE = {
    "operationId": "addBook",
    "requestBody": {"required": True, "content": {"application/json": {"schema": {**BOOK, "required": ["title"]}}}},
    "responses": answer("201", BOOK),
}
GET = {"operationId": "getBook", "parameters": [ID], "responses": answer("200", BOOK)}
NOTE = {"operationId": "getNote", "responses": {"200": {"description": "", "content": {"application/json": {}}}}}
BOOKS = {
    "openapi": "3.0.3",
    "info": {"title": "Books", "version": "1"},
    "servers": [{"url": "https://books.example"}],
    "paths": {"/note": {"get": NOTE}, "/books": {"get": LIST, "post": CREATE}, "/books/{id}": {"get": GET}},
}


def step(id: str, operation: str, *, outputs: dict[str, str] | None = None, **fields: Any) -> dict[str, Any]:
    criteria = [{"condition": "$statusCode == 200"}]
    return {"stepId": id, "operationId": operation, "successCriteria": criteria, "outputs": outputs or {}, **fields}


def get(expression: str) -> dict[str, Any]:
    return step("get", "getBook", parameters=[{"name": "id", "in": "path", "value": expression}])


FIRST = step(
    "list",
    "listBooks",
    outputs={"first": "$response.body#/0/id", "all": "$response.body", "isbn": "$response.body#/0/isbn"},
    parameters=[{"name": "limit", "in": "query", "value": "$inputs.limit"}],
)
NEW = step("add", "addBook", outputs={"id": "$response.body#/id"}, requestBody={"payload": {"title": "$inputs.title"}})
STEPS = {
    "letter": [FIRST, get("$steps.list.outputs.first")],
    "status": [NEW, get("$steps.add.outputs.id")],
    "whole": [FIRST, get("$steps.list.outputs.all")],
    "absent": [FIRST, get("$steps.list.outputs.isbn")],
    "untyped": [step("note", "getNote", outputs={"book": "$response.body#/book"}), get("$steps.note.outputs.book")],
    "known": [get("$inputs.id")],
}


@pytest.fixture
def books(tmp_path: Path) -> Api:
    names = ("id", "limit", "title")
    inputs = {"type": "object", "properties": {name: {"type": "string"} for name in names}}
    document = {
        "arazzo": "1.0.1",
        "info": {"title": "Books", "version": "1"},
        "sourceDescriptions": [{"name": "books", "url": "./openapi.json", "type": "openapi"}],
        "workflows": [{"workflowId": id, "inputs": inputs, "steps": steps} for id, steps in STEPS.items()],
    }
    folder = tmp_path / "books"
    folder.mkdir()
    (folder / DESCRIPTION).write_text(json.dumps(BOOKS), encoding="utf-8")
    (folder / WORKFLOWS).write_text(json.dumps(document), encoding="utf-8")
    (api,) = read(tmp_path)
    return api


def played(api: Api, id: str, mode: Mode) -> tuple[Played, Explainer]:
    spec = nlapi.load(api.folder / DESCRIPTION)
    linked = link(read_document(str(api.folder / WORKFLOWS)), loader=lambda _: spec)
    linked = repair(linked)[0] if mode.has_repairs else linked
    player = Player(linked=linked, stage=Stage(spec), source=InputSource(spec), mode=mode)
    return player.play(next(case for case in api.cases if case.id == id)), Explainer(spec)


@pytest.mark.parametrize(
    ("id", "ended"),
    [
        ("letter", {*Mode}),
        ("status", {*Mode} - {Mode.LETTER}),
        ("whole", {Mode.REPAIRED, Mode.ANSWERED}),
        ("untyped", {Mode.ANSWERED}),
        ("known", {*Mode}),
    ],
)
def test_a_workflow_ends_by_what_the_sandbox_saw(books: Api, id: str, ended: set[Mode]) -> None:
    assert {mode for mode in Mode if played(books, id, mode)[0].is_ended} == ended


def test_a_question_answered_loses_the_hand_over(books: Api) -> None:
    assert played(books, "whole", Mode.REPAIRED)[0].is_whole
    asked, _ = played(books, "untyped", Mode.ANSWERED)
    assert asked.is_ended
    assert not asked.is_whole


def test_each_stop_has_its_cause(books: Api) -> None:
    for id, source, kind in (
        ("whole", Source.DOCUMENT, "a whole answer passed for one value"),
        ("absent", Source.DOCUMENT, "output that the answer's schema does not have"),
        ("untyped", Source.DESCRIPTION, "answer without a schema"),
    ):
        run, explainer = played(books, id, Mode.TOLERANT)
        assert (explainer.cause(run).source, explainer.cause(run).kind) == (source, kind)


def test_a_wrong_request_is_one_that_a_client_can_foresee(books: Api) -> None:
    spec = nlapi.load(books.folder / DESCRIPTION)
    stage = Stage(spec)
    for path, query in (
        ("/books", ""),
        ("/books/999999", ""),
        ("/books/None", ""),
        ("/books", "limit=$inputs.limit"),
        ("/films", ""),
    ):
        stage.send(RawRequest(method="GET", path=path, query=query, headers={}, content=b""))
    assert [entry.status for entry in stage.log[:2]] == [200, 404]
    # Nobody knows beforehand that a book is not there.
    assert [bool(entry.fault) for entry in stage.log] == [False, False, True, True, True]
    assert stage.log[2].fault == "sends 'None'"


def test_an_exit_code_is_true_where_it_says_what_the_sandbox_saw(books: Api) -> None:
    case = next(case for case in books.cases if case.id == "letter")
    evidence = judge(case, [], nlapi.load(books.folder / DESCRIPTION))
    assert not evidence.is_ended
    assert not evidence.is_true(0)
    assert evidence.is_true(1)


def test_more_workflows_contain_the_fewer(books: Api) -> None:
    chosen = choose([books], 2)
    assert len(chosen) == 2
    assert {case.id for case in chosen} < {case.id for case in choose([books], 3)}


def test_an_operation_path_gets_the_form_of_the_standard() -> None:
    path = "{$sourceDescriptions.books.url}#/paths/~1books/get"
    assert standard_path("books#/paths/~1books/get") == path
    assert standard_path(path) == path
