"""What a sentence does not command: forbidden, excepted, asked about or meant for several, and reads before changes."""

from __future__ import annotations

from typing import Any

from nlapi.openapi.spec import Effect
from nlapi.tools.plan import Plan, ask
from nlapi.tools.tool import Call
from tests.describe import body, spec
from tests.planner.club import club
from tests.planner.kit import answered, next_plan, only, planner, talk
from tests.tables import table

UNSURE = 0.4
CLUB = planner(club())


def planned(question: str) -> Plan:
    return CLUB.plan(question)


@table(
    "question",
    [
        "don't delete the book Snow",
        "do not remove book 4",
        "DO NOT DELETE BOOK 4",
        "never cancel loan 4",
        "can you not pause the campaign Spring",
        "cancel loan 4, not loan 5",
        "delete the book Snow without deleting its loans",
        "make sure not to cancel loan 4",
        "delete anything but the book Snow",
        "cancel loan 4 other than on Monday",
        "cancel loan 4 if it is overdue",
        "should I delete the campaign Spring?",
        "what happens if I delete book 4",
        "can I delete book 4?",
        "may I cancel loan 4",
        "is it possible to delete book 4",
        "pause both campaigns",
        "delete member 2 and 3",
        "delete the issues of the campaign Spring",
        "add 2 members",
        "delete member 5 from all rooms",
    ],
)
def test_a_change_that_is_not_commanded_of_one_thing_asks(question: str) -> None:
    made = planned(question)
    calls = (*made.calls, *((made.goal,) if made.goal else ()))
    assert made.confidence < UNSURE or all(call.effect is Effect.READ for call in calls)


@table(
    ("question", "calls"),
    [
        ("delete members 2 and 3", [("deleteMember", {"member_id": 2}), ("deleteMember", {"member_id": 3})]),
        ("add the members Ada, Bob and Cy", [("addMember", {"name": name}) for name in ("Ada", "Bob", "Cy")]),
    ],
)
def test_several_items_are_one_plan_of_several_calls(question: str, calls: list[Any]) -> None:
    assert [(call.operation_id, call.arguments) for call in planned(question).calls] == calls


@table("question", ["delete everything", "delete all of it", "please remove everything"])
def test_a_change_of_everything_is_refused_and_asks_for_no_id(question: str) -> None:
    made = planned(question)
    assert not made.calls and not made.missing and "any number of items" in made.text


@table(
    "question",
    [
        "delete book 4",
        "can you delete book 4",
        "could you please delete book 4?",
        "would you delete book 4",
        "please delete the book with id 4",
        "delete book #4",
        "delete book no. 4",
        "get rid of book 4",
    ],
)
def test_a_polite_request_is_a_request(question: str) -> None:
    made = planned(question)
    assert only(made) == ("deleteBook", {"book_id": 4})
    assert made.confidence >= UNSURE


@table("title", ["Never Let Me Go", '"Don\'t Panic"', "All Quiet", "Everything But Snow"])
def test_little_words_in_a_name_forbid_nothing(title: str) -> None:
    made = planned(f"delete the book {title}")
    assert only(made)[0] == "listBooks"
    assert f"called {title.strip(chr(34))!r}" in made.understood or "Don't Panic" in made.understood


def test_a_flag_takes_its_own_negation() -> None:
    flagged = {"type": "object", "properties": {"public": {"type": "boolean"}}}
    node = {"operationId": "addThing", "summary": "Add a thing", "responses": {"200": {"description": "ok"}}}
    listing = {"operationId": "listThings", "summary": "List things", "responses": {"200": {"description": "ok"}}}
    api = planner(spec({"/things": {"get": listing, "post": {**node, **body(flagged)}}}))
    assert only(api.plan("add a thing that is not public")) == ("addThing", {"public": False})


def test_what_takes_many_or_all_may_be_told_so() -> None:
    ids = {"type": "object", "properties": {"book_ids": {"type": "array", "items": {"type": "integer"}}}}
    answer = {"responses": {"200": {"description": "ok"}}}
    api = planner(
        spec(
            {
                "/books": {
                    "get": {"operationId": "listBooks", "summary": "List books", **answer},
                    "delete": {"operationId": "deleteAllBooks", "summary": "Delete all books", **answer},
                },
                "/books/archive": {
                    "post": {"operationId": "archiveBooks", "summary": "Archive books", **body(ids), **answer}
                },
            }
        )
    )
    assert only(api.plan("delete all books")) == ("deleteAllBooks", {})
    assert only(api.plan("archive books 2 and 3")) == ("archiveBooks", {"book_ids": [2, 3]})


@table(
    "question",
    [
        "list the loans of Ada Lovelace",
        "show the overdue loans of member 4",
        "bookings from last week",
        "books that are not history",
        "loan 4",
        "which campaigns were paused?",
        "find the book Snow",
    ],
)
def test_a_sentence_that_reads_or_has_no_verb_is_no_change(question: str) -> None:
    made = planned(question)
    call = next(iter((*made.calls, *made.alternatives)))
    assert made.confidence < UNSURE or call.tool.effect is Effect.READ
    assert "then Delete" not in made.understood and "then Cancel" not in made.understood


def test_an_update_without_anything_to_change_is_unsure() -> None:
    assert planned("update the campaign Spring").confidence < UNSURE


def test_an_operations_own_verb_commands_it() -> None:
    made = planned("return loan 4")
    assert only(made) == ("returnLoan", {"loan_id": 4})
    assert made.confidence >= UNSURE


def test_a_read_that_leaves_out_a_condition_says_so_and_is_unsure() -> None:
    for question, left in (("books that are not history", "not history"), ("list members except Ada", "except Ada")):
        made = planned(question)
        assert made.confidence < UNSURE
        assert f"not used: {left}" in made.understood
        assert "genre" not in only(made)[1]


def test_a_value_that_no_argument_took_is_named() -> None:
    made = planned('get member 4 and "Snow"')
    assert "not used: 'Snow'" in made.understood
    later = planned("cancel loan 4 tomorrow")
    assert "not used: tomorrow" in later.understood
    assert later.confidence < UNSURE


_TURBINE = {
    "type": "object",
    "required": ["name", "row"],
    "properties": {"name": {"type": "string"}, "row": {"type": "string"}},
}
_ID = {"name": "turbine_id", "in": "path", "required": True, "schema": {"type": "string"}}
TURBINES = spec(
    {
        "/turbines": {
            "get": {"operationId": "listTurbines", "summary": "List turbines"},
            "post": {"operationId": "createTurbine", "summary": "Register a turbine", **body(_TURBINE)},
        },
        "/turbines/{turbine_id}": {
            "parameters": [_ID],
            "patch": {"operationId": "updateTurbine", "summary": "Update a turbine", **body(_TURBINE)},
            "delete": {"operationId": "deleteTurbine", "summary": "Delete a turbine"},
        },
    }
)


def test_a_name_may_end_in_the_kind_of_its_item() -> None:
    def answers(call: Call) -> Any:
        return [{"id": "trb_9", "name": "Coastal turbine"}] if call.effect is Effect.READ else {}

    for question, stands in (
        ("delete Coastal turbine", True),
        ("get rid of Coastal turbine", True),
        ("delete the note of Coastal turbine", False),
    ):
        _, change, _ = talk(question, answers, api=TURBINES)
        assert only(change) == ("deleteTurbine", {"turbine_id": "trb_9"})
        assert (change.confidence > UNSURE) is stands, question


def test_a_sentence_that_is_typed_for_an_id_is_none() -> None:
    items = [{"id": "trb_9", "name": "Coastal"}]
    first = ask("delete the turbine Petrel")
    listed = answered(first, items, api=TURBINES)
    (missing,) = next_plan(listed, api=TURBINES).missing
    assert missing.argument == "turbine_id"
    again = next_plan(listed.with_replies({"turbine_id": "make it red"}), api=TURBINES)
    assert ([one.argument for one in again.missing], again.calls) == (["turbine_id"], ())
    chosen = next_plan(listed.with_replies({"turbine_id": "trb_9"}), api=TURBINES)
    assert only(chosen) == ("deleteTurbine", {"turbine_id": "trb_9"})


def test_an_update_without_a_value_looks_nothing_up() -> None:
    made = planner(TURBINES).plan("turn off turbine Guillemot")
    assert not made.calls
    assert "needs a value" in made.text


@table(
    ("question", "stands"),
    [
        ("make turbine trb_65 row B", False),
        ("make turbine Guillemot row B", False),
        ("add turbine trb_86 to row B", False),
        ("make a turbine called Tern in row B", True),
        ("add a turbine Tern to row B", True),
        ("create turbine Tern in row B", True),
    ],
)
def test_what_is_there_already_is_not_made_anew(question: str, stands: bool) -> None:
    made = planner(TURBINES).plan(question)
    assert (made.confidence > UNSURE and only(made)[0] == "createTurbine") is stands
