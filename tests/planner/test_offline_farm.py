"""What a description tells of codes, choices and days: whose id a code is, and which bound a day is; and reasons."""

from __future__ import annotations

from typing import Any

import pytest

from nlapi.openapi.spec import Effect, Spec
from tests.describe import body, parameter, spec
from tests.planner.kit import planner, talk

TEXT = {"type": "string"}
DAY = {"type": "string", "format": "date"}
STATES = {"type": "string", "enum": ["running", "stopped", "offline"]}
DEGREES = {"type": "number"}
MOODS = {"type": "string", "enum": ["glad", "cross"]}
PRIORITIES = {"type": "string", "enum": ["low", "normal", "urgent"]}


def _node(id: str, summary: str, *parameters: Any, rows: Any = None, fields: Any = None, **more: Any) -> dict[str, Any]:
    schema = {"type": "array", "items": {"type": "object", "properties": fields or {"id": TEXT, "name": TEXT}}}
    content = {"content": {"application/json": {"schema": schema, "example": rows}}} if rows is not None else {}
    answers = {"200": {"description": "ok", **content}}
    return {"operationId": id, "summary": summary, "parameters": list(parameters), "responses": answers, **more}


def _body(*required: str, **properties: Any) -> dict[str, Any]:
    return body({"type": "object", "properties": properties, "required": list(required)})


def farm() -> Spec:
    """Turbines trb_1, work orders wo_1 and people; more operations than are compared unasked."""
    turbine, order = parameter("turbine_id", "path", TEXT), parameter("order_id", "path", TEXT)
    mast = parameter("mast_id", "path", {"type": "integer"})
    person = {"id": TEXT, "firstName": TEXT, "lastName": TEXT, "phone": TEXT}
    sites = {
        f"/sites/{name}": {"get": _node(f"{name}Site", f"Show the {name} of a site")}
        for name in ("weather", "grid", "access", "noise", "birds")
    }
    turbines = _node(
        "listTurbines",
        "List turbines",
        parameter("state", schema=STATES),
        rows=[{"id": "trb_1", "name": "Bora", "rated_mw": 3}],
        fields={"id": TEXT, "name": TEXT, "state": STATES, "rated_mw": {"type": "number"}},
    )
    bounds = (parameter("due_after", schema=DAY), parameter("due_before", schema=DAY))
    order_fields = {"priority": PRIORITIES, "begins_on": DAY, "due_on": DAY, "crew": TEXT}
    return spec(
        {
            "/turbines": {
                "get": turbines,
                "post": _node("addTurbine", "Add a turbine", **_body("name", name=TEXT, rated_mw={"type": "number"})),
            },
            "/turbines/{turbine_id}": {
                "get": _node("getTurbine", "Get a turbine", turbine),
                "delete": _node("deleteTurbine", "Delete a turbine", turbine),
            },
            "/turbines/{turbine_id}/stop": {
                "post": _node("stopTurbine", "Stop a turbine", turbine, **_body(reason=TEXT, site=TEXT))
            },
            "/turbines/{turbine_id}/start": {"post": _node("startTurbine", "Start a turbine", turbine)},
            "/orders": {"get": _node("listOrders", "List work orders", *bounds, rows=[{"id": "wo_1"}])},
            "/orders/{order_id}": {
                "patch": _node("updateOrder", "Update a work order", order, **_body(**order_fields))
            },
            "/orders/{order_id}/extend": {
                "post": _node("extendOrder", "Extend a work order", order, **_body("due_on", due_on=DAY))
            },
            "/orders/{order_id}/notes": {
                "post": _node("addNote", "Add a note to a work order", order, **_body("text", text=TEXT, mood=MOODS))
            },
            "/masts": {
                "get": _node("listMasts", "List masts", rows=[{"id": "m_1"}]),
                "post": _node(
                    "addMast", "Add a mast", **_body("name", name=TEXT, lat=DEGREES, lng=DEGREES, contactNumber=TEXT)
                ),
            },
            "/masts/{mast_id}/watchers": {
                "get": _node("listWatchers", "List the watchers of a mast", mast, rows=[]),
                "post": _node("addWatcher", "Add a watcher to a mast", mast, **_body("emails", emails=TEXT)),
                "delete": _node("stopWatching", "Stop watching a mast", mast),
            },
            "/masts/{mast_id}/subscription": {"delete": _node("endSubscription", "End the subscription", mast)},
            "/people": {
                "get": _node("listPeople", "List people", rows=[], fields=person),
                "post": _node("addPerson", "Add a person", **_body("firstName", "lastName", **person)),
            },
            **sites,
        }
    )


FARM = planner(farm())
STANDS = 0.8


@pytest.mark.parametrize(
    ("question", "operation", "arguments"),
    [
        ("show trb_65", "getTurbine", {"turbine_id": "trb_65"}),
        ("trb_65", "getTurbine", {"turbine_id": "trb_65"}),
        ("which are offline", "listTurbines", {"state": "offline"}),
        ("orders due on 20 May", "listOrders", {"due_after": "2026-05-20", "due_before": "2026-05-20"}),
        ("orders due before 20 May", "listOrders", {"due_before": "2026-05-20"}),
        ("orders due since 3 May", "listOrders", {"due_after": "2026-05-03"}),
    ],
)
def test_a_read_is_found_by_what_the_description_tells(question: str, operation: str, arguments: Any) -> None:
    (call,) = FARM.plan(question).calls
    assert (call.operation_id, call.arguments) == (operation, arguments)


@pytest.mark.parametrize(
    ("question", "operation", "arguments"),
    [
        ("delete trb_65", "deleteTurbine", {"turbine_id": "trb_65"}),
        ("start trb_65 again", "startTurbine", {"turbine_id": "trb_65"}),
        ("start turbine trb_65 because it is not needed", "startTurbine", {"turbine_id": "trb_65"}),
        ("stop turbine trb_65 because of ice", "stopTurbine", {"turbine_id": "trb_65", "reason": "ice"}),
        ("stop turbine trb_65 due to bad weather", "stopTurbine", {"turbine_id": "trb_65", "reason": "bad weather"}),
        (
            "change the priority of order wo_12 from urgent to low",
            "updateOrder",
            {"order_id": "wo_12", "priority": "low"},
        ),
        (
            "change the due on day of wo_12 from 9 May to 20 May",
            "updateOrder",
            {"order_id": "wo_12", "due_on": "2026-05-20"},
        ),
        ("extend order wo_12 until 20 May please", "extendOrder", {"order_id": "wo_12", "due_on": "2026-05-20"}),
        ("add a turbine called Sirocco of 5 MW", "addTurbine", {"name": "Sirocco", "rated_mw": 5}),
        (
            "add a note to order wo_12: the crane comes on Monday",
            "addNote",
            {"order_id": "wo_12", "text": "the crane comes on Monday"},
        ),
        (
            "add a mast called Dune at 52.5402, -1.41, contact +27821234567",
            "addMast",
            {"name": "Dune", "lat": 52.5402, "lng": -1.41, "contactNumber": "+27821234567"},
        ),
        ("add the watcher ada@example.org to mast 7", "addWatcher", {"mast_id": 7, "emails": "ada@example.org"}),
        ("unsubscribe me from mast 7", "endSubscription", {"mast_id": 7}),
        ("add the person Liam Daly", "addPerson", {"firstName": "Liam", "lastName": "Daly"}),
    ],
)
def test_a_change_stands_that_is_said_in_full(question: str, operation: str, arguments: Any) -> None:
    plan = FARM.plan(question)
    (call,) = plan.calls
    assert (call.operation_id, call.arguments) == (operation, arguments)
    assert plan.confidence >= STANDS


@pytest.mark.parametrize(
    "question",
    [
        "stop the turbine due to start tomorrow",  # no reason, but which one
        "delete wo_12",  # nothing deletes a work order
        "add a note to order wo_12: cross",  # a choice of another field
        "add a mast called Dune at 152.5402, 13.41",  # no latitude
        "extend order wo_12 unless it is late because of ice",
    ],
)
def test_what_a_reason_or_a_code_does_not_say_is_held(question: str) -> None:
    plan = FARM.plan(question)
    calls = (*plan.calls, *((plan.goal,) if plan.goal else ()))
    assert plan.confidence < STANDS or plan.missing or all(call.effect is Effect.READ for call in calls)


def test_a_code_is_never_the_id_of_another_kind_nor_a_day() -> None:
    plan = FARM.plan("orders for trb_65")
    assert not any("trb_65" in str(call.arguments) for call in plan.calls if call.operation_id == "listOrders")


def test_a_list_without_a_name_denies_nothing_of_it() -> None:
    *_, end = talk("does Moira have a turbine?", lambda _: [{"id": "trb_1", "name": "Bora"}], api=farm())
    assert not end.text.startswith("No")
