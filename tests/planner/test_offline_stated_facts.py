"""What a description states elsewhere than where it is used: in the answer, in prose, as one word, by a method."""

from __future__ import annotations

from typing import Any

import pytest

import nlapi
from nlapi.changes.checks import reasons_against
from nlapi.openapi.spec import Spec
from nlapi.tools.tool import Account, Call
from tests.describe import body, parameter, spec
from tests.tables import table

_ID = parameter("id", "path", description="The id.")
_TEXT = {"type": "string"}
_MOMENT = {"type": "string", "format": "date-time"}
_BERTH = {"type": "object", "properties": {"id": _TEXT, "master": _TEXT, "depth": {"type": "integer"}}}
_LISTED = {"properties": {**_BERTH["properties"], "side": {"type": "string", "enum": ["PORT", "STARBOARD"]}}}


def _operation(id: str, summary: str = "", *parameters: Any, answer: Any = None, **more: Any) -> dict[str, Any]:
    content = {"content": {"application/json": {"schema": answer}}} if answer is not None else {}
    named = {"operationId": id, **({"summary": summary} if summary else {})}
    return {**named, "parameters": list(parameters), "responses": {"200": {"description": "ok", **content}}, **more}


def _named() -> dict[str, Any]:
    return {"type": "object", "properties": {"name": _TEXT}, "required": ["name"]}


@pytest.fixture(scope="module")
def api() -> Spec:
    """Berths of a harbour that are listed by side and day and updated in whole or in part, bookings, and gates."""
    days = [parameter(name, schema=_MOMENT) for name in ("createdAt_gte", "createdAt_lte")]
    filters = (parameter("side"), parameter("master"), *days)
    listed = {"type": "array", "items": {"type": "object", **_LISTED}}
    whole = body({**_BERTH, "required": ["master", "depth"]})
    whole["requestBody"]["required"] = False
    flag, number = {"type": "boolean"}, {"type": "integer"}
    pages = (parameter("page_size", schema=number), parameter("pilot", schema=number))
    gate = {"type": "object", "properties": {"gate": _TEXT, "shorepower": _TEXT}}
    cancels = "Cancels a booking of a berth. The money is paid back."
    mentions = "Use it to get rid of a mooring. See also the bookings."
    return spec(
        {
            "/berths": {"get": _operation("listBerths", "List berths", *filters, answer=listed)},
            "/berths/{id}": {
                "put": _operation("putBerth", "Update a berth", _ID, **whole),
                "patch": _operation("patchBerth", "Update a berth", _ID, **body(_BERTH)),
            },
            "/bookings/{id}": {"delete": _operation("bookings_one_delete", "", _ID, description=cancels)},
            "/moorings/{id}": {"delete": _operation("moorings_one_delete", "", _ID, description=mentions)},
            "/reports": {"post": _operation("createReport", "Create a report", **body(_named()))},
            "/pilots": {"get": _operation("listPilots", "List pilots", *pages)},
            "/sensors": {"get": _operation("listSensors", "List sensors", parameter("online", schema=flag))},
            "/inspections": {
                "get": _operation("listInspections", "List inspections", parameter("isComplete", schema=flag))
            },
            "/commands/unlockgate": {"post": _operation("unlockgate", "Unlock a gate", **body(gate))},
        }
    )


def first(question: str, api: Spec) -> Call:
    """The call that the plan of a question leads to, or begins with."""
    plan = nlapi.plan(question, api)
    return plan.goal or plan.calls[0]


def against(question: str, api: Spec) -> tuple[str, ...]:
    call = first(question, api)
    return reasons_against(call, call.account or Account(), question)


@pytest.mark.parametrize("question", ["list the starboard berths", "berths with side starboard"])
def test_a_filter_takes_the_choices_of_the_field_that_it_is_named_after(api: Spec, question: str) -> None:
    assert first(question, api).arguments == {"side": "STARBOARD"}


def test_a_day_is_the_bound_that_its_preposition_says(api: Spec) -> None:
    assert first("berths created since 1 November 2026", api).arguments == {"createdAt_gte": "2026-11-01T00:00:00Z"}
    assert first("berths created before 1 November 2026", api).arguments == {"createdAt_lte": "2026-11-01T00:00:00Z"}


def test_a_day_is_no_address(api: Spec) -> None:
    assert "master" not in first("berths of the harbour since 1 November 2026", api).arguments


def test_the_first_sentence_of_a_description_is_the_summary_that_lacks(api: Spec) -> None:
    assert against("cancel booking b-7", api) == ()
    assert against("cancel mooring b-7", api) != ()


def test_what_lacks_nothing_is_updated_in_part(api: Spec) -> None:
    call = first("set the master of berth 12 to Ada", api)
    assert (call.operation_id, call.arguments) == ("patchBerth", {"id": "12", "master": "Ada"})


def test_two_words_name_an_argument_that_has_them_as_one(api: Spec) -> None:
    question = "unlock gate g_2 of shore power sp_7"
    assert first(question, api).arguments == {"gate": "g_2", "shorepower": "sp_7"}
    assert against(question, api) == ()


@table("name", ["Q4 Berths", "v2 Launch", "Q4"])
def test_a_name_that_begins_with_a_code_is_whole(api: Spec, name: str) -> None:
    assert first(f"create a report called {name}", api).arguments == {"name": name}


def test_a_number_per_page_is_no_id(api: Spec) -> None:
    assert first("list pilots, 25 per page", api).arguments == {"page_size": 25}


@pytest.mark.parametrize(("word", "value"), [("offline", False), ("online", True)])
def test_the_opposite_of_the_name_of_a_flag_is_a_no(api: Spec, word: str, value: bool) -> None:
    assert first(f"list the {word} sensors", api).arguments == {"online": value}


def test_a_prefix_makes_the_opposite_of_the_name_of_a_flag(api: Spec) -> None:
    assert first("list incomplete inspections", api).arguments == {"isComplete": False}
