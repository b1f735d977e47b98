"""The sentence made from an answer."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

import nlapi
from nlapi.planner.answering.answers import answer_question
from nlapi.tools.plan import Outcome, Step
from nlapi.tools.tool import Call
from tests.describe import parameter, spec
from tests.planner.kit import reply, talk
from tests.planner.lists import asked
from tests.strategies import examples
from tests.tables import table


def told(question: str, data: Any, status: int = 200) -> str:
    return talk(question, lambda _: reply(data, status))[-1].text


def test_a_list_is_counted_by_status() -> None:
    things = [{"id": n, "status": "ACTIVE" if n < 3 else "PAUSED"} for n in range(7)]
    assert told("how many shelves are there?", {"data": things}) == "7 shelves: 4 paused, 3 active."


def test_a_page_says_how_many_there_are_in_all() -> None:
    assert told("list shelves", {"items": [{"id": 1}, {"id": 2}], "total": 120}) == "2 of 120 shelves."


def test_an_empty_list() -> None:
    assert told("list shelves", []) == "No shelves found."


def test_a_field_that_is_asked_for_is_added_up() -> None:
    books = [{"id": 1, "title": "A", "price_micros": 12_500_000}, {"id": 2, "title": "B", "price_micros": 2_500_000}]
    assert told("what is the total price of all books?", books) == "2 books: price 15 in total; A, B."


def test_one_thing_is_told_by_its_fields() -> None:
    shelf = {"id": "sh_1", "name": "Poetry", "status": "PAUSED", "rows": 4, "inner": {"x": 1}}
    assert told("get shelf sh_1", shelf) == "The shelf Poetry (sh_1): status PAUSED, rows 4."
    assert told("what is the status of shelf sh_1", shelf) == "The shelf Poetry (sh_1): status PAUSED."


def test_a_thing_without_a_name_is_told_by_what_is_in_it_and_an_empty_list_in_it_is_only_a_part() -> None:
    shelf = {"rank": 1, "books": [], "place": {"room": "B", "row": 3}}
    assert told("get shelf sh_1", shelf) == "The shelf: rank 1, room B, row 3."
    assert told("get shelf sh_1", {"books": [], "place": {"room": "B"}}) == "The shelf: room B."
    assert told("list shelves", {"shelves": [], "paging": {"total": 0}}) == "No shelves found."


def test_what_was_created_is_named() -> None:
    made = {"id": "sh_3", "name": "Poetry"}
    assert told("create a shelf called Poetry", made, 201) == "Created the shelf Poetry (sh_3)."


@table(
    ("place", "status", "said"),
    [
        ("/shelves/{id}/rollback", 200, "Done: Move it back."),
        ("/shelves/{id}/publish", 201, "Done: Move it back."),
        ("/shelves/{id}/seal", 201, "Created the seal Poetry."),
        ("/shelves/{id}/labels", 200, "Created the label Poetry."),
    ],
)
def test_a_deed_makes_no_thing(place: str, status: int, said: str) -> None:
    node = {"operationId": "moveBack", "summary": "Move it back", "responses": {"200": {"description": "ok"}}}
    (tool,) = nlapi.tools(spec({place: {"post": {**node, "parameters": [parameter("id", "path")]}}}))
    step = Step(
        call=Call(tool=tool, arguments={"id": "1"}), outcome=Outcome.ANSWERED, result=reply({"name": "Poetry"}, status)
    )
    assert answer_question("move it back", [step]).text == said


def test_a_problem_is_told_by_its_title_and_detail() -> None:
    problem = {"title": "Unprocessable", "detail": "name is taken."}
    assert told("create a shelf called Poetry", problem, 422) == "The API answered 422: Unprocessable: name is taken."


def test_an_error_without_a_body_is_told_by_its_status() -> None:
    assert told("get shelf sh_1", None, 404) == "The API answered 404: there is no such thing."


def test_a_look_at_a_thing_is_told_of_the_thing() -> None:
    node = {"operationId": "resolveShelf", "summary": "See what a shelf leads to", "x-nlapi": {"effect": "read"}}
    given = {**node, "parameters": [parameter("id", "path")], "responses": {"200": {"description": "ok"}}}
    (tool,) = nlapi.tools(spec({"/shelves/{id}/resolve": {"post": given}}))
    step = Step(call=Call(tool=tool, arguments={"id": "1"}), outcome=Outcome.ANSWERED, result=reply({"room": "B"}))
    assert answer_question("what does shelf 1 lead to?", [step]).text == "The shelf: room B."


_KEYS = st.sampled_from(
    ["id", "name", "status", "created_at", "labels", "metadata", "owner", "count", "data", "", "a.b"]
)
_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["ACTIVE", "2026-05-01T00:00:00Z", "99999-01-01", "Thu, 99 Foo 2026 00:00:00 +0000", 10**30]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=6),
    max_leaves=20,
)
_QUESTIONS = (
    *("list the things", "critical ones not running", "top 3 by price", "oldest thing", "sorted by name", "not not"),
    *("how many per status and owner?", "total price by status", "things without an owner", "is x active?", "by", ""),
    *("over 5 dollars since yesterday", "the last 2 things", "which owner has the most things?", "named 'x' or y"),
)


@settings(deadline=None, max_examples=examples(150))
@given(value=_VALUES, question=st.sampled_from(_QUESTIONS), listed=st.booleans())
def test_whatever_an_api_answers_something_is_said_and_shown(value: Any, question: str, listed: bool) -> None:
    view = asked(question, "/things", [value, value] if listed else value)
    assert view.text
    assert len(view.records()) == len(view.rows)
