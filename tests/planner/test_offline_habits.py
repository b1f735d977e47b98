"""How people speak of ordinary REST APIs: owner/name, ids behind nouns, commands, slips of the pen, who am I."""

from __future__ import annotations

from typing import Any

import pytest

from nlapi.openapi.spec import Effect, Spec
from nlapi.planner import OfflinePlanner
from tests.describe import body, parameter, spec
from tests.planner.kit import TODAY, only, planned
from tests.tables import table

TEXT = {"type": "string"}
NUMBER = {"type": "integer"}


def node(id: str, summary: str, *parameters: Any, **more: Any) -> dict[str, Any]:
    answers = {"200": {"description": "ok"}}
    return {"operationId": id, "summary": summary, "parameters": list(parameters), "responses": answers, **more}


def in_path(*names: str) -> tuple[dict[str, Any], ...]:
    return tuple(parameter(name, "path", NUMBER if name == "number" else TEXT) for name in names)


def forge() -> Spec:
    """Repositories with tickets and volumes, and who is calling."""
    label = {"type": "object", "properties": {"name": TEXT, "color": TEXT}, "required": ["name", "color"]}
    ticket = {"type": "object", "properties": {"title": TEXT, "text": TEXT}}
    repository = "/repos/{owner}/{repo}"
    limit = parameter("limit", schema={**NUMBER, "maximum": 100})
    volume = parameter("volume_id", "path", NUMBER)
    return spec(
        {
            repository: {"get": node("getRepository", "Get a repository", *in_path("owner", "repo"))},
            f"{repository}/tickets": {
                "get": node("listTickets", "List the tickets of a repository", *in_path("owner", "repo"), limit),
                "post": node("createTicket", "Create a ticket", *in_path("owner", "repo"), **body(ticket)),
            },
            f"{repository}/tickets/{{number}}": {
                "get": node("getTicket", "Get a ticket", *in_path("owner", "repo", "number"), limit)
            },
            f"{repository}/labels": {
                "post": node("createLabel", "Create a label", *in_path("owner", "repo"), **body(label, required=False))
            },
            "/search/tickets": {"get": node("searchTickets", "Search tickets", parameter("q"), limit)},
            "/volumes/{volume_id}": {"get": node("getVolume", "Get a volume", volume, limit)},
            "/volumes/{volume_id}/resize": {
                "post": node(
                    "resizeVolume",
                    "Resize a volume",
                    volume,
                    **body({"type": "object", "properties": {"size": NUMBER}, "required": ["size"]}),
                )
            },
            "/spaces/{space}/boards": {
                "get": node("listBoards", "List the boards of a space", parameter("space", "path", TEXT))
            },
            "/spaces": {"get": node("listSpaces", "List spaces")},
            "/users/current": {"get": node("getCurrentUser", "Get the current user")},
        },
        info={"title": "Forge", "version": "1"},
    )


def plan(question: str) -> Any:
    return OfflinePlanner((forge(),), today=TODAY).plan(question)


@table(
    ("question", "operation", "arguments"),
    [
        ("show the repository octo/hello", "getRepository", {"owner": "octo", "repo": "hello"}),
        ("list the tickets of octo/hello", "listTickets", {"owner": "octo", "repo": "hello"}),
        ("show ticket 771220 of octo/hello", "getTicket", {"owner": "octo", "repo": "hello", "number": 771220}),
        ("boards of the space kitchen", "listBoards", {"space": "kitchen"}),
        ('search tickets for "broken door"', "searchTickets", {"q": "broken door"}),
    ],
)
def test_ids_as_people_write_them(question: str, operation: str, arguments: dict[str, Any]) -> None:
    assert only(plan(question)) == (operation, arguments)


def test_what_is_made_is_called_as_the_sentence_says() -> None:
    operation, arguments = only(plan('create a ticket in octo/hello titled "The door is broken"'))
    assert operation == "createTicket"
    assert arguments == {"owner": "octo", "repo": "hello", "title": "The door is broken"}


def test_what_a_body_requires_is_asked_for_once_anything_is_said_of_it() -> None:
    made = plan('create a label called "urgent" in octo/hello')
    assert made.calls[0].arguments["name"] == "urgent"
    assert [one.argument for one in made.missing] == ["color"]


def test_a_verb_that_ends_a_path_commands_and_shows_nothing() -> None:
    assert only(plan("resize volume 55120 to 80 GB")) == ("resizeVolume", {"volume_id": 55120, "size": 80})


def test_a_command_that_no_operation_carries_out_is_not_taken_for_a_read() -> None:
    made = plan("defragment volume 55120")
    assert made.calls == ()
    assert made.confidence <= 0.1
    assert made.text.startswith("Nothing in Forge does that: defragment.")


def test_slips_of_the_pen_are_forgiven() -> None:
    assert only(plan("show the repositry octo/hello"))[0] == "getRepository"


@table("question", ["who am I?", "who am i logged in as", "my profile"])
def test_who_is_calling(question: str) -> None:
    made = plan(question)
    assert only(made) == ("getCurrentUser", {})
    assert made.confidence > 0.5


@pytest.mark.parametrize("question", ["what can you do?", "help"])
def test_what_can_be_asked_is_told(question: str) -> None:
    made = plan(question)
    assert made.calls == ()
    assert made.confidence == 1.0
    assert made.text.startswith("Forge can, for example: Get a repository")


def test_a_question_is_no_change_though_its_words_are_those_of_one() -> None:
    made = planned("who lent the book Dune?")
    assert made.goal is not None
    assert made.goal.tool.effect is Effect.READ
