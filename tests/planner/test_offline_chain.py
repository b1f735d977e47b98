"""Several clauses in one question, and one read for several values."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nlapi.openapi.spec import Spec
from nlapi.planner.steps.state import decode_state
from nlapi.tools.plan import Outcome, Step
from nlapi.tools.tool import Call
from tests.describe import body, parameter, spec
from tests.planner.kit import only, planner, reply, talk

OK = {"responses": {"200": {"description": "ok"}}}


def player() -> Spec:
    def put(id: str, summary: str, *parameters: Any) -> dict[str, Any]:
        return {"put": {"operationId": id, "summary": summary, "parameters": list(parameters), **OK}}

    volume = parameter("volume_percent", schema={"type": "integer"}, required=True)
    airport = {"operationId": "getAirport", "summary": "Get an airport", **OK}
    return spec(
        {
            "/player/pause": put("pausePlayback", "Pause playback"),
            "/player/volume": put("setVolume", "Set the playback volume", volume),
            "/tracks": {"get": {"operationId": "listTracks", "summary": "List tracks", **OK}},
            "/devices": {"get": {"operationId": "listDevices", "summary": "List devices", **OK}},
            "/airports": {
                "get": {**airport, "parameters": [parameter("code", schema={"type": "string"}, required=True)]}
            },
        },
        info={"title": "Player", "version": "1"},
    )


def test_clauses_are_done_in_order_and_told_together() -> None:
    both, end = talk("pause playback and set the volume to 60", lambda _: {"id": "x"}, api=player())
    assert [call.operation_id for call in both.calls] == ["pausePlayback", "setVolume"]
    assert both.calls[1].arguments == {"volume_percent": 60}
    assert "then Set the playback volume" in both.understood
    assert len(end.text.splitlines()) == 2


def test_names_of_all_requests_are_looked_up_before_anything_is_changed() -> None:
    from tests.planner.test_offline_steps import shelves

    *looks, both, end = talk("delete the shelf Poetry and rename the shelf Summer Reading to Holidays", shelves)
    assert [only(look)[0] for look in looks] == ["listShelves", "listShelves"]
    assert [(call.operation_id, call.arguments["shelf_id"]) for call in both.calls] == [
        ("deleteShelf", "sh_2"),
        ("updateShelf", "sh_1"),
    ]
    assert len(end.text.splitlines()) == 2


def test_nothing_is_changed_where_a_name_of_a_later_request_is_unknown() -> None:
    from tests.planner.test_offline_steps import shelves

    *looks, end = talk("delete the shelf Poetry and delete the shelf Cookery", shelves)
    assert {call.operation_id for look in looks for call in look.calls} == {"listShelves"}
    assert "There is no shelf called 'Cookery'" in end.text


def test_nothing_is_planned_where_a_later_request_lacks_a_value() -> None:
    made = planner().plan("delete the shelf sh_2 and create a shelf")
    assert [item.argument for item in made.missing] == ["name"]
    assert "'create a shelf'" in made.text and "Nothing of the question is sent" in made.text


def test_it_is_what_the_request_before_names() -> None:
    from tests.planner.test_offline_steps import shelves

    *_, both, _ = talk("rename the shelf sh_1 to Holidays and pause it", shelves)
    assert [dict(call.arguments) for call in both.calls] == [
        {"shelf_id": "sh_1", "name": "Holidays"},
        {"shelf_id": "sh_1", "status": "PAUSED"},
    ]


def test_it_is_what_the_request_before_makes_and_consent_is_to_both() -> None:
    def answers(call: Call) -> Any:
        return {"data": []} if call.operation_id == "listShelves" else {"id": "sh_77", **call.arguments}

    made, used, _ = talk("create a shelf called Travel and pause it", answers)
    assert only(made) == ("createShelf", {"name": "Travel"})
    (later,) = made.following
    assert later.call.operation_id == "updateShelf"
    assert later.pending == (("shelf_id", "the answer of createShelf"),)
    assert only(used) == ("updateShelf", {"shelf_id": "sh_77", "status": "PAUSED"})
    assert used.calls[0].part == later.call.part


def test_after_a_request_that_failed_what_waits_for_it_is_not_done() -> None:
    def refused(call: Call) -> Any:
        return Step(call=call, outcome=Outcome.REFUSED, message="no")

    _, end = talk("create a shelf called Travel and pause it", refused)
    assert "Not done: pause it" in end.text


def test_a_noun_phrase_is_a_request_with_the_verb_before_it() -> None:
    both, _ = talk("list tracks and devices", lambda _: [{"id": 1}], api=player())
    assert [call.operation_id for call in both.calls] == ["listTracks", "listDevices"]


def test_the_state_of_several_requests_is_json() -> None:
    from tests.planner.test_offline_steps import find_tool, shelves

    for plan in talk("delete the shelf Poetry and pause the shelf Summer Reading", shelves):
        if plan.raw is not None:
            stored = json.loads(json.dumps(plan.raw.to_json()))
            decoded = decode_state(stored, find_tool)
            assert decoded is not None and decoded.to_json() == stored


def test_reads_are_told_one_after_the_other() -> None:
    *_, end = talk("list the tracks and list the devices", lambda _: [{"id": 1}], api=player())
    assert end.text == "1 track.\n1 device."


@pytest.mark.parametrize("question", ["pause playback and relax", 'list "tracks and list devices"'])
def test_a_question_is_one_where_its_parts_are_not_all_clear(question: str) -> None:
    made = planner(player()).plan(question)
    assert "; then " not in made.understood


def test_a_second_thing_is_shown_though_no_verb_asks_for_it() -> None:
    from tests.planner.test_offline_steps import shelves

    plans = talk("list the shelves and the books of the shelf Poetry", shelves)
    assert [call.operation_id for plan in plans for call in plan.calls] == ["listShelves", "listShelves", "listBooks"]


def test_what_says_why_goes_with_what_is_asked_after_it() -> None:
    question = "I am waiting at the airport KJFK. Can you get me the airport? Also, please list the tracks"
    plans = talk(question, lambda _: [{"id": 1}], api=player())
    calls = [call for plan in plans for call in plan.calls]
    assert [call.operation_id for call in calls] == ["getAirport", "listTracks"]
    assert calls[0].arguments == {"code": "KJFK"}


@pytest.mark.parametrize(
    "question",
    [
        "create a book called Emma, price 5 and status paused",
        "show the title and the price of book bk_1",
    ],
)
def test_a_list_of_values_is_no_second_request(question: str) -> None:
    assert "; then " not in planner().plan(question).understood


def test_a_list_is_read_once_for_the_names_of_several_requests() -> None:
    from tests.planner.test_offline_named_fields import paged

    def shelves(call: Call) -> Any:
        return {"data": [{"id": f"sh_{name}", "name": name} for name in ("Poetry", "Travel")]}

    look, both, _ = talk("delete the shelf Poetry and delete the shelf Travel", shelves, api=paged())
    assert only(look)[0] == "listShelves"
    assert [call.arguments["shelf_id"] for call in both.calls] == ["sh_Poetry", "sh_Travel"]


def test_a_quoted_name_is_one_item_whatever_is_in_it() -> None:
    from tests.planner.test_offline_named_fields import paged

    def shelves(call: Call) -> Any:
        names = ("Art", "Design", "Art and Design", "Maps, Old", "Travel")
        return {"data": [{"id": f"sh_{name}", "name": name} for name in names]}

    _, both, _ = talk('delete the shelves "Art and Design", "Maps, Old" and Travel', shelves, api=paged())
    assert [call.arguments["shelf_id"] for call in both.calls] == ["sh_Art and Design", "sh_Maps, Old", "sh_Travel"]


def test_what_stands_behind_a_preposition_is_no_second_target() -> None:
    made = planner().plan("remove the book bk_1 from shelf sh_1 and shelf sh_2")
    assert len(made.calls) == 1
    assert made.confidence < 0.4


def blog() -> Spec:
    tag_id = parameter("tag_id", "path", {"type": "integer"})
    post_id = parameter("post_id", "path", {"type": "integer"})
    named = body({"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}})
    tagged = body({"type": "object", "required": ["tag_id"], "properties": {"tag_id": {"type": "integer"}}})
    return spec(
        {
            "/tags": {
                "get": {"operationId": "listTags", "summary": "List tags", **OK},
                "post": {"operationId": "createTag", "summary": "Create a tag", **named, **OK},
            },
            "/tags/{tag_id}": {
                "delete": {"operationId": "deleteTag", "summary": "Delete a tag", "parameters": [tag_id], **OK}
            },
            "/posts/{post_id}/tags": {
                "post": {
                    "operationId": "addTag",
                    "summary": "Add a tag to a post",
                    "parameters": [post_id],
                    **tagged,
                    **OK,
                }
            },
        },
        info={"title": "Blog", "version": "1"},
    )


def test_what_waits_for_an_answer_is_sent_before_what_is_said_after_it() -> None:
    def answers(call: Call) -> Any:
        return [{"id": 3, "name": "blue"}] if call.operation_id == "listTags" else {"id": 8, "name": "red"}

    question = "create a tag called red, add it to post 5 and delete the tag blue"
    *looks, made, rest, end = talk(question, answers, api=blog())
    assert {only(look)[0] for look in looks} == {"listTags"}
    assert only(made) == ("createTag", {"name": "red"})
    assert [entry.call.operation_id for entry in made.following] == ["addTag", "deleteTag"]
    assert [(call.operation_id, dict(call.arguments)) for call in rest.calls] == [
        ("addTag", {"post_id": 5, "tag_id": 8}),
        ("deleteTag", {"tag_id": 3}),
    ]
    assert [call.part for call in rest.calls] == [entry.call.part for entry in made.following]
    assert len(end.text.splitlines()) == 3


def test_what_is_made_is_referred_to_by_the_id_that_it_gets() -> None:
    question = "create a tag called red and add it to post 5"
    made, used, _ = talk(question, lambda call: {"id": 8}, api=blog())
    assert [(entry.call.operation_id, dict(entry.call.arguments)) for entry in made.following] == [
        ("addTag", {"post_id": 5})
    ]
    assert only(used) == ("addTag", {"post_id": 5, "tag_id": 8})


def test_nothing_is_sent_for_what_an_answer_does_not_tell() -> None:
    made, end = talk("create a tag called red and add it to post 5", lambda call: reply(None, 204), api=blog())
    assert only(made)[0] == "createTag"
    assert end.calls == () or "tag_id" in str(end.missing)
