"""Which operation is chosen: among alike ones, among several APIs, and none when something else is meant."""

from __future__ import annotations

from typing import Any

import pytest

from nlapi.openapi.spec import Spec
from nlapi.planner import OfflinePlanner
from tests.describe import parameter, spec
from tests.planner.kit import TODAY, only, planned, planner
from tests.tables import table


def _api(title: str, host: str, *things: str) -> Spec:
    paths: dict[str, Any] = {}
    for thing in things:
        name = thing.title()
        answer = {"responses": {"200": {"description": "ok"}}}
        paths[f"/{thing}s"] = {"get": {"operationId": f"list{name}s", "summary": f"List {thing}s", **answer}}
        id = {"name": f"{thing}_id", "in": "path", "required": True, "schema": {"type": "string"}}
        one = {"operationId": f"get{name}", "summary": f"Get a {thing}", "parameters": [id], **answer}
        paths[f"/{thing}s/{{{thing}_id}}"] = {"get": one}
    made = {"info": {"title": title, "version": "1"}, "servers": [{"url": f"https://api.{host}.example/v1"}]}
    return spec(paths, **made)


APIS = (
    _api("Trackly", "trackly", "project", "user", "ticket"),
    _api("Mailbird Marketing API", "mailbird", "user", "campaign", "project"),
    _api("Codehub", "codehub", "project", "repository", "ticket"),
)


@table(
    ("question", "api", "operation"),
    [
        ("show the users on Mailbird", "Mailbird Marketing API", "listUsers"),
        ("list my Codehub projects", "Codehub", "listProjects"),
        ("which tickets are there in Trackly", "Trackly", "listTickets"),
        ("what tickets does codehub have", "Codehub", "listTickets"),
        ("list the campaigns", "Mailbird Marketing API", "listCampaigns"),
        ("get repository r_7", "Codehub", "getRepository"),
        ("open Trackly project p_9", "Trackly", "getProject"),
    ],
)
def test_the_name_of_an_api_says_which_is_meant(question: str, api: str, operation: str) -> None:
    plan = OfflinePlanner(APIS, today=TODAY).plan(question)
    assert plan.calls, plan.text
    call = plan.calls[0]
    assert (call.tool.operation.spec.title, call.operation_id) == (api, operation)


def test_alike_operations_of_several_apis_are_chosen_between_with_doubt() -> None:
    planner = OfflinePlanner(APIS, today=TODAY)
    assert planner.plan("list the projects").confidence < planner.plan("list the Codehub projects").confidence


@table(
    "question",
    [
        "play some music",
        "who won the match yesterday",
        "translate good morning into French",
        "find me a taxi",
    ],
)
def test_a_question_about_something_else_is_refused_with_what_the_api_can_do(question: str) -> None:
    plan = planned(question)
    assert plan.calls == ()
    assert "can, for example" in plan.text


def _cruises() -> Spec:
    answer = {"responses": {"200": {"description": "ok"}}}
    harbor = {"name": "harbor", "in": "query", "required": True, "schema": {"type": "string"}}
    names = {
        "SearchOnewayCruises": "Search for cruises from a harbor.",
        "SearchRoundtripCruises": "Search for cruises from a harbor.",
        "decks": "Will return all decks",
        "randomCabin": "Get a random cabin",
    }
    paths: dict[str, Any] = {}
    for id, description in names.items():
        parameters = [harbor] if id.startswith("Search") else []
        paths[f"/{id}"] = {"get": {"operationId": id, "description": description, "parameters": parameters, **answer}}
    return spec(paths, info={"title": "Cruises", "version": "1"})


@table(
    ("question", "operation"),
    [
        ("find a one-way cruise from Bergen", "SearchOnewayCruises"),
        ("find a round-trip cruise from Bergen", "SearchRoundtripCruises"),
        ("find a round trip cruise from Bergen", "SearchRoundtripCruises"),
        ("I need a list of the decks", "decks"),
        ("I'm curious about the decks. Can you list the decks for me?", "decks"),
    ],
)
def test_words_are_found_in_names_however_they_are_joined(question: str, operation: str) -> None:
    made = OfflinePlanner((_cruises(),), today=TODAY).plan(question)
    assert [call.operation_id for call in made.calls] == [operation]


def test_a_statement_before_the_request_is_no_step_of_its_own() -> None:
    made = planned("I'm reading the books on the shelf Poetry. Can you list the shelves?")
    assert "; then " not in made.understood


def test_words_that_mean_the_same_will_do() -> None:
    assert planned("display every rack of books").calls


@table("question", ["", "?!", "x" * 10_000, "word " * 2_000, "书架", "🙂" * 50])
def test_anything_can_be_asked(question: str) -> None:
    assert 0.0 <= planned(question).confidence <= 1.0


@pytest.mark.parametrize(
    ("question", "operation"), [("show the crate c-1", "getCrate"), ("check whether the crate c-1 exists", "headCrate")]
)
def test_head_shows_nothing_and_tells_whether_a_thing_is_there(question: str, operation: str) -> None:
    id = parameter("crate_id", "path", required=True)
    summaries = {"get": "Get a crate", "head": "Check if a crate exists"}
    node = {
        method: {"operationId": f"{method}Crate", "summary": summary, "parameters": [id], "responses": {}}
        for method, summary in summaries.items()
    }
    assert only(planner(spec({"/crates/{crate_id}": node})).plan(question))[0] == operation


def test_nothing_is_changed_because_there_is_but_one_of_it() -> None:
    id = parameter("crate_id", "path", required=True)
    listed = {"200": {"description": "", "content": {"application/json": {"schema": {"type": "array", "items": {}}}}}}
    renames = {"operationId": "renameCrate", "summary": "Rename a crate", "responses": {}}
    paths = {
        "/crates": {"get": {"operationId": "listCrates", "summary": "List crates", "responses": listed}},
        "/crates/{crate_id}/rename": {"post": {**renames, "parameters": [id, parameter("name", required=True)]}},
    }
    made = planner(spec(paths)).plan("rename it to x")
    assert "only crate" not in made.understood
    assert not made.calls or made.missing
