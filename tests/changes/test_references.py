"""Values that the user says in other words: an end by its length, a text that is written, a value behind `should`."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from nlapi.changes.checks import reasons_against
from nlapi.changes.tracing import trace_call
from nlapi.openapi.spec import Spec
from nlapi.tools.plan import ask
from nlapi.tools.tool import Account, Call, Origin
from tests.changes.kit import TEXT, _body, _operation, answered, call, loaded
from tests.tables import table

TODAY = date(2026, 7, 1)
DAY_AND_TIME = {"type": "string", "format": "date-time"}
LIST = {"type": "array", "items": TEXT}
ROOMS: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Rooms", "version": "1"},
    "servers": [{"url": "http://127.0.0.1:9"}],
    "paths": {
        "/meetings": {
            "get": _operation("listMeetings", "List meetings"),
            "post": _operation(
                "createMeeting",
                "Create a meeting",
                **_body(["title"], title=TEXT, start_at=DAY_AND_TIME, end_at=DAY_AND_TIME, guests=LIST, note=TEXT),
            ),
        },
        "/groups": {"get": _operation("listGroups", "List groups")},
        "/sendMessage": {
            "post": _operation("sendMessage", "Send a message to a group", **_body([], group=TEXT, text=TEXT))
        },
    },
}


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Spec:
    return loaded(tmp_path_factory.mktemp("described"), ROOMS)


def account(made: Call, question: str, *answers: tuple[str, Any]) -> Account:
    steps = tuple(answered(call(made.tool.operation.spec, operation), data) for operation, data in answers)
    return trace_call(made, ask(question), steps, today=TODAY)


def origins(made: Call, question: str, argument: str, *answers: tuple[str, Any]) -> set[Origin]:
    return {source.origin for source in account(made, question, *answers).of(argument)}


START = "create the meeting Review on 2026-08-03 at 10:00"


@table(
    ("question", "end", "origin"),
    [
        (f"{START} for one hour", "2026-08-03T11:00", Origin.WORDS),
        (f"{START} for 90 minutes", "2026-08-03T11:30:00", Origin.WORDS),
        ("create a 2-hour long meeting Review on 2026-08-03 at 10:00", "2026-08-03 12:00", Origin.WORDS),
        (f"{START} for one hour", "2026-08-03T12:00", Origin.NOBODY),
        (START, "2026-08-03T11:00", Origin.NOBODY),
        (f"{START} for one hour or for 2 hours", "2026-08-03T11:00", Origin.NOBODY),
        (f"{START} every hour", "2026-08-03T11:00", Origin.NOBODY),
        (f"{START} in one hour", "2026-08-03T11:00", Origin.NOBODY),
    ],
)
def test_an_end_is_said_by_the_start_and_a_length(spec: Spec, question: str, end: str, origin: Origin) -> None:
    made = call(spec, "createMeeting", title="Review", start_at="2026-08-03T10:00", end_at=end)
    assert origins(made, question, "end_at") == {origin}


def test_of_a_start_that_nobody_said_there_is_no_end(spec: Spec) -> None:
    made = call(spec, "createMeeting", title="Review", start_at="2026-08-03T14:00", end_at="2026-08-03T15:00")
    assert origins(made, f"{START} for one hour", "end_at") == {Origin.NOBODY}


def test_the_words_of_a_time_are_those_of_its_day_and_its_hour(spec: Spec) -> None:
    made = call(spec, "createMeeting", title="Review", start_at="2026-08-03T10:00")
    result = account(made, START)
    assert result.of("start_at")[0].words == "2026-08-03 at 10:00"
    assert result.unused == ()


@table(
    ("question", "stands"),
    [
        ("write the message Lunch to the group Red", True),
        ("post the message Lunch to the group Red", True),
        ("send the message Lunch to the group Red", True),
        ("read the message Lunch of the group Red", False),
        ("write Lunch into the file Red", False),
    ],
)
def test_to_write_a_message_is_to_send_it(spec: Spec, question: str, stands: bool) -> None:
    made = call(spec, "sendMessage", group="Red", text="Lunch")
    result = account(made, question, ("listGroups", ["Red"]))
    assert (reasons_against(made, result, question) == ()) is stands


@table(
    ("question", "stands"),
    [
        ('create the meeting Review. The note should be "Bring tea".', True),
        ('the note of the meeting Review should be "Bring tea"', False),
        ('create the meeting Review. The note should be "Bring tea" and it should be short.', False),
    ],
)
def test_a_value_behind_a_command_may_be_said_with_should(spec: Spec, question: str, stands: bool) -> None:
    made = call(spec, "createMeeting", title="Review", note="Bring tea")
    assert (reasons_against(made, account(made, question), question) == ()) is stands
