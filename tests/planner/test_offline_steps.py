"""Questions over several calls: a name is looked up, the answer is read, the call is made, and the answer told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nlapi.errors import UsageError
from nlapi.planner.steps.state import decode_state
from nlapi.tools.compile import compile_tool
from nlapi.tools.plan import Outcome, Step
from nlapi.tools.tool import Call, Tool
from tests.planner.kit import library, only, reply, talk
from tests.tables import table

SHELVES = {
    "data": [
        {"id": "sh_1", "name": "Summer Reading", "status": "ACTIVE"},
        {"id": "sh_2", "name": "Poetry", "status": "PAUSED"},
    ]
}


def shelves(call: Call) -> Any:
    """The library's answers: lists filter by name, a change gives the changed thing."""
    if call.operation_id == "listShelves":
        name = call.arguments.get("name", "").lower()
        return {"data": [one for one in SHELVES["data"] if name in one["name"].lower()]}
    if call.operation_id == "listBooks":
        return [{"id": "bk_1", "title": "Dune"}, {"id": "bk_2", "title": "Emma"}]
    if call.operation_id == "deleteShelf":
        return reply(None, 204)
    found = next((one for one in SHELVES["data"] if one["id"] == call.arguments.get("shelf_id")), {"id": "sh_9"})
    return {**found, **{name: value for name, value in call.arguments.items() if name != "shelf_id"}}


def test_a_thing_is_found_by_its_name_then_changed() -> None:
    look, change, end = talk("pause the summer reading shelf", shelves)
    assert only(look) == ("listShelves", {"name": "summer reading"})
    assert "find the shelf called 'summer reading'" in look.understood
    assert only(change) == ("updateShelf", {"shelf_id": "sh_1", "status": "PAUSED"})
    assert end.calls == () and end.text == "The shelf Summer Reading (sh_1): status is now PAUSED."


def test_a_name_is_turned_into_a_filter() -> None:
    look, books, end = talk("show the books on the shelf Poetry", shelves)
    assert only(look)[0] == "listShelves"
    assert only(books) == ("listBooks", {"shelf_id": "sh_2"})
    assert end.text == "2 books: Dune, Emma."


def test_a_thing_is_renamed_from_one_name_to_another() -> None:
    _, change, _ = talk("rename the shelf Poetry to Modern Verse", shelves)
    assert only(change) == ("updateShelf", {"shelf_id": "sh_2", "name": "Modern Verse"})


def test_deleting_by_name_ends_in_a_sentence() -> None:
    *_, change, end = talk('delete the shelf "Poetry"', shelves)
    assert only(change) == ("deleteShelf", {"shelf_id": "sh_2"})
    assert end.text == "Deleted the shelf Poetry."


def test_a_filter_that_finds_nothing_is_tried_without() -> None:
    def strict(call: Call) -> Any:
        return {"data": []} if call.arguments.get("name") else shelves(call)

    first, second, change, _ = talk("pause the summer shelf", strict)
    assert only(first)[1] == {"name": "summer"}
    assert only(second) == ("listShelves", {})
    assert only(change)[1]["shelf_id"] == "sh_1"


def test_of_several_that_answer_to_the_name_the_user_is_asked() -> None:
    both = [{"id": "sh_1", "name": "Summer A"}, {"id": "sh_2", "name": "Summer B"}]
    *_, last = talk("delete the summer shelf", lambda _: both)
    (missing,) = last.missing
    assert (missing.argument, missing.choices) == ("shelf_id", ("sh_1", "sh_2"))
    assert "Summer A (sh_1), Summer B (sh_2)" in last.text


def test_what_the_user_chose_is_used_without_a_look_up() -> None:
    first, _ = talk("delete the summer shelf", shelves, {"shelf_id": "sh_2"})
    assert only(first) == ("deleteShelf", {"shelf_id": "sh_2"})


def test_a_name_that_nothing_has_is_said_with_what_there_is() -> None:
    *_, last = talk("delete the shelf Cookery", shelves)
    assert last.calls == ()
    assert "There is no shelf called 'Cookery'" in last.text
    assert last.missing[0].choices == ("sh_1", "sh_2")


def find_tool(source: str, operation: str) -> Tool:
    return compile_tool(library().operation(operation))


def test_the_state_of_a_plan_is_json() -> None:
    for plan in talk("pause the summer reading shelf", shelves):
        if plan.raw is not None:
            stored = json.loads(json.dumps(plan.raw.to_json()))
            decoded = decode_state(stored, find_tool)
            assert decoded is not None and decoded.to_json() == stored


@table("state", [{}, {"state": {"$": "Pick"}}, {"state": {"$": "LookupState", "name": "Poetry"}}])
def test_a_state_that_cannot_be_continued_is_refused(state: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="cannot continue"):
        decode_state(state, find_tool)


def test_a_look_up_that_fails_is_explained() -> None:
    problem = {"title": "Forbidden", "detail": "This token may not list shelves."}
    *_, last = talk("pause the summer shelf", lambda _: reply(problem, 403))
    assert last.calls == ()
    assert "Looking up 'summer' failed" in last.text and "may not list shelves" in last.text


def test_a_call_that_was_refused_ends_the_turn() -> None:
    *_, last = talk("delete shelf sh_1", lambda call: Step(call=call, outcome=Outcome.REFUSED))
    assert last.calls == () and last.text.startswith("Not done")


def test_a_change_of_the_item_in_a_profile_that_leaves_out_a_name_is_offered_only() -> None:
    import nlapi
    from nlapi.cli.ask.session import OFFER_BELOW

    known = {"account_id": "acc_m4t8z1c6"}
    plan = nlapi.plan("rename Summer Sale to Autumn Sale", nlapi.load("ads"), known=known)
    assert plan.confidence < OFFER_BELOW
    assert plan.understood.endswith("not used: Summer Sale")
