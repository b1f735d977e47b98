"""Changes that a sentence says plainly are not held back, and what limits one is not set as a value."""

from __future__ import annotations

from typing import Any

from nlapi.changes.checks import Concern, Doubt, doubts_about, rival_of
from nlapi.planner import OfflinePlanner
from nlapi.tools.compile import compile_tool
from nlapi.tools.tool import Account, Call, Origin, ValueSource
from tests.describe import body, parameter, spec
from tests.tables import table

_ID = parameter("id", "path", {"type": "string"})


def _operation(id: str, summary: str, *parameters: Any, **more: Any) -> dict[str, Any]:
    return {"operationId": id, "summary": summary, "parameters": list(parameters), "responses": {"200": {}}, **more}


_EXPERIMENT = {"running": {"type": "boolean"}, "country": {"type": "string", "description": "A country, as BR."}}
_SIZE = {"size": {"type": "integer", "description": "The new size in GB."}}
API = spec(
    {
        "/experiments/{name}": {
            "patch": _operation(
                "updateExperiment",
                "Update an experiment",
                parameter("name", "path", {"type": "string"}),
                **body({"type": "object", "properties": _EXPERIMENT}),
            )
        },
        "/volumes/{id}/resize": {
            "post": _operation(
                "resizeVolume",
                "Resize a volume",
                _ID,
                **body({"type": "object", "required": ["size"], "properties": _SIZE}),
            )
        },
        "/users/{id}/logout": {"post": _operation("logoutUser", "", _ID)},
        "/messages/{id}/trash": {"post": _operation("trashMessage", "Trash a message", _ID)},
        "/accounts/{account_id}/invoices/{id}": {
            "delete": _operation(
                "deleteInvoice", "Delete an invoice", parameter("account_id", "path", {"type": "string"}), _ID
            )
        },
        **{
            f"/{noun}s/{{id}}": {"delete": _operation(f"delete{noun.title()}", f"Delete a {noun}", _ID)}
            for noun in ("lock", "block", "book", "plug", "share", "pin", "mute")
        },
    }
)


def doubts(question: str) -> tuple[Doubt, ...]:
    (call,) = OfflinePlanner([API]).plan(question).calls
    assert call.account is not None
    return doubts_about(call, call.account, question)


@table(
    "question",
    [
        "stop the taste experiment",
        "resize volume v-4711 to 50 GB",
        "log out the user u-7",
        "unpin the pin p-7",
        "unmute the mute m-7",
        "delete the lock l-5",
    ],
)
def test_a_change_that_is_said_plainly_stands(question: str) -> None:
    assert doubts(question) == ()
    assert OfflinePlanner([API]).plan(question).confidence >= 0.8


@table(
    "question",
    [
        *(f"un{noun} the {noun} l-5" for noun in ("lock", "block", "book", "plug", "share")),
        "take invoice i-5 out of account a-9",
        "take a copy of invoice i-5 out of account a-9",
        "pull invoice i-5 out of account a-9",
        "pull the invoice i-5 away from account a-9",
    ],
)
def test_what_may_leave_a_thing_there_deletes_nothing_unasked(question: str) -> None:
    calls = OfflinePlanner([API]).plan(question).calls
    assert all(call.account and doubts_about(call, call.account, question) for call in calls)


def test_a_word_for_many_is_no_name() -> None:
    question = "log out everyone"
    source = ValueSource(argument="id", value="everyone", origin=Origin.WORDS, words="everyone", start=8, end=16)
    call = Call(tool=compile_tool(API.operation("logoutUser")), arguments={"id": "everyone"})
    assert [doubt.concern for doubt in doubts_about(call, Account(sources=(source,)), question)] == [Concern.COUNT]


def test_a_rival_is_named_where_the_words_fit_it_as_well() -> None:
    question = "trash message m-12"
    source = ValueSource(argument="id", value="m-12", origin=Origin.WORDS, words="m-12", start=14, end=18)
    trash, log_out = (Call(tool=compile_tool(API.operation(id)), arguments={}) for id in ("trashMessage", "logoutUser"))
    account = Account(sources=(source,))
    assert rival_of(trash, account, question, [(log_out, account)]) == ""
    assert rival_of(log_out, account, question, [(trash, account)]) == "trashMessage"


def test_a_value_that_limits_a_change_is_a_doubt() -> None:
    assert [doubt.concern for doubt in doubts("stop the taste experiment in Brazil")] == [Concern.LIMITS]


@table(
    ("question", "concerns"),
    [
        ("move message m-12 to the trash", set()),
        ("take message m-12 out of the trash", {Concern.EFFECT, Concern.LEFT}),
        ("move message m-12 to the trash and call bob", {Concern.LEFT}),
    ],
)
def test_a_verb_with_the_noun_of_an_action_commands_it(question: str, concerns: set[Concern]) -> None:
    start = question.index("m-12")
    source = ValueSource(argument="id", value="m-12", origin=Origin.WORDS, words="m-12", start=start, end=start + 4)
    call = Call(tool=compile_tool(API.operation("trashMessage")), arguments={"id": "m-12"})
    found = doubts_about(call, Account(sources=(source,)), question)
    assert {doubt.concern for doubt in found} == concerns
