"""Values of one list, sentences in other languages, and arguments that no sentence may set."""

from __future__ import annotations

from typing import Any

import pytest

from tests.describe import parameter, spec
from tests.planner.club import club
from tests.planner.kit import only, planned, planner
from tests.tables import table

OK = {"responses": {"200": {"description": "ok"}}}
CLUB = planner(club())


def listing(*parameters: Any, **more: Any) -> Any:
    return spec(
        {
            "/bookings": {
                "get": {"operationId": "listBookings", "summary": "List bookings", "parameters": list(parameters), **OK}
            }
        },
        **more,
    )


def test_the_choice_is_used() -> None:
    made = planned("list active paused shelves", shelf_statuses="PAUSED")
    assert only(made) == ("listShelves", {"shelf_statuses": ["PAUSED"]})


def test_values_that_are_joined_are_several() -> None:
    assert only(planned("list active and paused shelves"))[1] == {"shelf_statuses": ["ACTIVE", "PAUSED"]}


def test_a_number_that_no_argument_takes_is_named() -> None:
    plan = CLUB.plan("list bookings between 50 and 20")
    assert plan.confidence < 0.4
    assert plan.understood.endswith("not used: 20")


@table(
    ("question", "language"),
    [
        ("zeige mir alle aktiven Regale und Bücher", "German"),
        ("muestra todos los libros de la estantería", "Spanish"),
        ("montre tous les livres de mon étagère", "French"),
        ("アクティブな棚を表示してください", "Japanese"),
        ("покажи все книги", "Cyrillic"),
        ("列出所有书架", "Chinese"),
    ],
)
def test_a_question_in_another_language_is_said_to_be_one(question: str, language: str) -> None:
    made = planned(question)
    assert made.calls == ()
    assert made.text.startswith("this needs a model: the question is not in English")
    assert language in made.text


@table("question", ["show the books on the shelf 'Der Zauber und die Liebe'", "show shelf sh_2", "books"])
def test_english_with_foreign_names_is_english(question: str) -> None:
    assert planned(question).calls


def test_ten_thousand_characters_are_read_as_far_as_one_thing_takes() -> None:
    assert planned("list the books " + "and please " * 1000).confidence < 1.0


SECURED = {
    "components": {"securitySchemes": {"auth": {"type": "http", "scheme": "bearer"}}},
    "security": [{"auth": []}],
}


@pytest.mark.parametrize("where", ["query", "header"])
def test_a_credential_is_never_filled_from_a_sentence(where: str) -> None:
    token = parameter("token", where, description="Authentication token.", required=True)
    secured = planner(listing(token, **SECURED)).plan("list bookings with token xoxb-123")
    assert secured.missing == ()
    assert only(secured) == ("listBookings", {})
    # A parameter of every operation that says so is the credential of the API: the call asks for it.
    bare = planner(listing(token)).plan("list bookings with token xoxb-123")
    assert (bare.missing, only(bare)[1]) == ((), {})


def test_an_argument_that_is_sent_as_a_key_of_the_api_is_one() -> None:
    scheme = {"components": {"securitySchemes": {"app": {"type": "apiKey", "in": "query", "name": "key"}}}}
    key = parameter("key", description="Generate your own.", required=True)
    asked = planner(listing(key, **scheme)).plan("list the bookings with the key Looks")
    assert (asked.missing, only(asked)[1]) == ((), {})


def test_a_token_of_a_page_is_no_credential() -> None:
    api = planner(listing(parameter("page_token", description="Where the page begins."), **SECURED))
    assert only(api.plan("list bookings with page token abc123"))[1] == {"page_token": "abc123"}
