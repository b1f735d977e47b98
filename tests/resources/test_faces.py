"""Every face of nlapi says the same of an answer: the planner, the table and the lines of a call, MCP, the sandbox."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nlapi
from nlapi.agent.events import TurnAnswered
from nlapi.agent.loop import converse
from nlapi.agent.policy import Policy
from nlapi.planner import OfflinePlanner
from nlapi.sandbox import running
from nlapi.tools.answers.view import AnswerView
from nlapi.tools.plan import ask
from nlapi.tools.sending.run import Target
from tests.cli.kit import run
from tests.mcp import kit as mcp
from tests.resources.test_envelope import CASES, ERRORS, LISTS, THINGS, described, ids
from tests.servers import Echo, Reply
from tests.tables import table

KNOWN = {"namespace": "dev", "owner": "o", "repo": "r", "index": "i", "name": "x", "id": "1", "number": "7"}
PLAIN = [case for case in LISTS if not case.get("values")]


def arguments(operation: nlapi.Operation) -> dict[str, Any]:
    return {one.name: KNOWN.get(one.name, "x") for one in operation.parameters if one.required}


def operation_of(case: Mapping[str, Any], folder: Path, *, schema: bool = True) -> nlapi.Operation:
    """The operation of a case, which reads and declares what its path takes."""
    described(case, folder, schema=schema)
    file = folder / "openapi.json"
    document = json.loads(file.read_text())
    ((path, item),) = document["paths"].items()
    ((_, node),) = item.items()
    names = [segment.split("}")[0] for segment in path.split("{")[1:]]
    place = {"in": "path", "required": True, "schema": {"type": "string"}}
    node |= {"operationId": "look", "summary": "List the things", "x-nlapi": {"effect": "read"}}
    node["parameters"] = [{"name": name, **place} for name in names]
    file.write_text(json.dumps(document))
    (only,) = nlapi.load(file).operations
    return only


def planned(operation: nlapi.Operation, url: str) -> AnswerView:
    """What the embedded planner shows at the end of a turn about an operation that the user has chosen."""

    async def talk() -> AnswerView:
        spec = operation.spec
        question = ask("list the things", arguments(operation)).with_choice(operation)
        targets = {spec: Target(spec=spec, base_url=url)}
        planner = OfflinePlanner((spec,))
        async for event in converse(planner, question, targets, policy=Policy(), consent=_never):
            last = event
        assert isinstance(last, TurnAnswered)
        (view,) = last.views
        assert view.text == last.text
        return view

    return asyncio.run(talk())


async def _never(_: object) -> bool:
    return False


def words(operation: nlapi.Operation) -> list[str]:
    return [f"{name}={value}" for name, value in arguments(operation).items()]


@table("case", PLAIN, ids=ids(PLAIN))
def test_a_list_has_as_many_things_for_everyone(case: dict[str, Any], tmp_path: Path) -> None:
    operation = operation_of(case, tmp_path)
    count = len(case["ids"])
    with Echo(Reply(200, case["answer"])) as api:
        file = str(tmp_path / "openapi.json")
        view = planned(operation, api.url)
        called = ("call", file, "look", *words(operation), "--base-url", api.url, "-o")
        table, lines = run(*called, "table"), run(*called, "ndjson")
        told = mcp.call(mcp.served(operation.spec, api.url), "look", arguments(operation)).structured_content
    assert len(view.rows) == count
    assert view.text.startswith((f"{count} ", "The first ", f"{count:,} of"))
    assert len(table.out.splitlines()) == count + 2
    assert len(lines.out.splitlines()) == (count if not case.get("map") else 1)
    assert told["data"] == case["answer"]
    first = [str(value) for value in view.records()[0].values() if isinstance(value, str)]
    assert all(text[:10] in table.out for text in first[:1])


@table("case", THINGS, ids=ids(THINGS))
def test_a_thing_is_a_thing_for_everyone(case: dict[str, Any], tmp_path: Path) -> None:
    operation = operation_of(case, tmp_path)
    with Echo(Reply(200, case["answer"])) as api:
        view = planned(operation, api.url)
        called = ("call", str(tmp_path / "openapi.json"), "look", *words(operation), "--base-url", api.url, "-o")
        table, lines = run(*called, "table"), run(*called, "ndjson")
    assert view.is_single or not view.rows
    assert len(lines.out.splitlines()) == 1
    inside: Any = case["answer"]
    for key in case["thing"]:
        inside = inside[key]
    if isinstance(inside, Mapping) and inside:
        assert table.out.split()[:2] == ["field", "value"]
        assert all(str(name) in table.out for name in inside if name != "attributes")
    else:
        assert view.text.strip() == table.out.strip()


@table("case", ERRORS, ids=ids(ERRORS))
def test_a_failed_call_gives_the_servers_reason_to_everyone(case: dict[str, Any], tmp_path: Path) -> None:
    operation = operation_of(case, tmp_path, schema=False)
    with Echo(Reply(400, case["answer"])) as api:
        tools = nlapi.tools(operation.spec)
        view = planned(operation, api.url)
        called = run("call", str(tmp_path / "openapi.json"), "look", *words(operation), "--base-url", api.url)
        answered = json.loads(nlapi.answer(tools, "look", arguments(operation), base_url=api.url))
        told = mcp.call(mcp.served(operation.spec, api.url), "look", arguments(operation))
    reason = case["error"]
    assert view.text == f"The API answered 400: {reason.rstrip('.')}."
    assert called.err.splitlines()[1:] == [reason]
    assert answered["reason"] == told.structured_content["reason"] == reason
    assert told.is_error


def test_the_title_of_a_page_is_the_reason_for_everyone(tmp_path: Path) -> None:
    operation = operation_of({"path": "/things", "answer": []}, tmp_path)
    page = b"<!doctype html><html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
    with Echo(Reply(502, page, {"Content-Type": "text/html"})) as api:
        view = planned(operation, api.url)
        called = run("call", str(tmp_path / "openapi.json"), "look", "--base-url", api.url)
        answered = json.loads(nlapi.answer(nlapi.tools(operation.spec), "look", {}, base_url=api.url))
    assert view.text == "The API answered 502: 502 Bad Gateway."
    assert called.err.splitlines()[1] == answered["reason"] == "502 Bad Gateway"


BAD = [
    ([[1, 2], [3, 4]], "[[1, 2],\n [3, 4]]"),
    ([1, {"a": 2}, "x"], '[1,\n {"a": 2},\n "x"]'),
    (42, "42"),
    ("pong", '"pong"'),
    (None, "null"),
    ({"data": None}, '{"data": null}'),
    ({}, "{}"),
    (b"pong", "pong"),
    (b"<p>Hi</p>", "<p>Hi</p>"),
    (b'{"id": 1, "na', '{"id": 1, "na'),
    (b"", ""),
]


@table(("body", "text"), BAD)
def test_what_fits_no_rule_is_shown_as_it_is(body: Any, text: str, tmp_path: Path) -> None:
    operation = operation_of({"path": "/things/{id}", "answer": {}}, tmp_path, schema=False)
    with Echo(Reply(200, body)) as api:
        view = planned(operation, api.url)
        table = run("call", str(tmp_path / "openapi.json"), "look", "id=1", "--base-url", api.url, "-o", "table")
    assert (view.rows, view.columns) == ((), ())
    assert view.text == (text or "The API answered 200 and nothing else.")
    assert table.out.strip() == text


def test_an_answer_without_a_body_says_no_more(tmp_path: Path) -> None:
    operation = operation_of({"path": "/things/{id}", "answer": {}}, tmp_path, schema=False)
    with Echo(Reply(204)) as api:
        assert planned(operation, api.url).text == "The API answered 204 and nothing else."


SANDBOXED = list({tuple(case["list"]): case for case in PLAIN if not case.get("map")}.values())[::2]
"""Every other kind of envelope: a server is started for each."""


@table("case", SANDBOXED, ids=ids(SANDBOXED))
def test_the_sandbox_answers_with_a_list_where_the_api_does(case: dict[str, Any], tmp_path: Path) -> None:
    operation = operation_of(case, tmp_path)
    with running(operation.spec) as server:
        view = planned(operation, server.url)
    assert not view.is_single
    assert view.text[0].isdigit() or view.text.startswith(("No ", "The first "))


def test_every_case_is_seen_by_a_face() -> None:
    assert {case["name"] for case in CASES} - {case["name"] for case in (*LISTS, *THINGS, *ERRORS)} <= {
        "a number",
        "a text",
        "nothing",
    }
