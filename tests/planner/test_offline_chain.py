"""Several clauses in one question, and one read for several values."""

from __future__ import annotations

from typing import Any

import pytest

from nlapi.openapi.spec import Spec
from nlapi.tools.plan import Outcome, Step
from nlapi.tools.tool import Call
from tests.describe import parameter, spec
from tests.planner.kit import only, planner, talk

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
    first, second, end = talk("pause playback and set the volume to 60", lambda _: {"id": "x"}, api=player())
    assert only(first) == ("pausePlayback", {})
    assert "then Set the playback volume" in first.understood
    assert only(second) == ("setVolume", {"volume_percent": 60})
    assert len(end.text.splitlines()) == 2


def test_after_a_clause_that_failed_the_rest_is_not_done() -> None:
    def refused(call: Call) -> Any:
        return Step(call=call, outcome=Outcome.REFUSED, message="no")

    first, end = talk("pause playback, then set the volume to 60", refused, api=player())
    assert only(first)[0] == "pausePlayback"
    assert "Not done: set the volume to 60" in end.text


def test_reads_are_told_one_after_the_other() -> None:
    *_, end = talk("list the tracks and list the devices", lambda _: [{"id": 1}], api=player())
    assert end.text == "1 track.\n1 device."


@pytest.mark.parametrize(
    "question", ["list tracks and devices", "pause playback and relax", 'list "tracks and list devices"']
)
def test_a_question_is_one_where_its_parts_are_not_all_clear(question: str) -> None:
    made = planner(player()).plan(question)
    assert "; then " not in made.understood


def test_one_read_is_made_for_each_of_several_values() -> None:
    made, end = talk("get the airports KJFK and KLGA", lambda _: {"id": 1, "fuel": "100LL"}, api=player())
    assert sorted(call.arguments["code"] for call in made.calls) == ["KJFK", "KLGA"]
    assert len(end.text.splitlines()) == 2


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
