"""A read takes care of every condition of its sentence: by a look-up or a choice, or it names what it does not use."""

from __future__ import annotations

from typing import Any

from nlapi.openapi.spec import Spec
from nlapi.tools.plan import Plan
from tests.describe import body, parameter, spec
from tests.planner.kit import planner
from tests.tables import table

_KINDS = {"type": "string", "enum": ["VAN", "TRUCK", "LIMOUSINE"]}
_TEXT = {"type": "string"}


def _list(id: str, summary: str, item: dict[str, Any], *parameters: Any) -> dict[str, Any]:
    schema = {"type": "array", "items": {"type": "object", "properties": item}}
    answer = {"200": {"description": "ok", "content": {"application/json": {"schema": schema}}}}
    return {"operationId": id, "summary": summary, "parameters": list(parameters), "responses": answer}


def garages() -> Spec:
    """Garages, the vehicles that stand in one, and the repairs of vehicles from one garage to another."""
    garage = {"id": _TEXT, "name": _TEXT, "city": _TEXT}
    vehicle = {"id": _TEXT, "plate": _TEXT, "kind": _KINDS, "garage_id": _TEXT, "built": {**_TEXT, "format": "date"}}
    transfer = {"id": _TEXT, "vehicle_id": _TEXT, "moved": {**_TEXT, "format": "date"}}
    new_vehicle = {"type": "object", "required": ["plate"], "properties": {"plate": _TEXT, "kind": _KINDS}}
    return spec(
        {
            "/garages": {"get": _list("listGarages", "List garages", garage)},
            "/vehicles": {
                "get": _list(
                    "listVehicles",
                    "List vehicles",
                    vehicle,
                    parameter("kind", schema=_KINDS),
                    parameter("garage_id"),
                ),
                "post": {
                    "operationId": "createVehicle",
                    "summary": "Add a vehicle",
                    **body(new_vehicle),
                    "responses": {"201": {"description": "ok"}},
                },
            },
            "/transfers": {
                "get": _list(
                    "listTransfers",
                    "List transfers",
                    transfer,
                    parameter("from_garage_id"),
                    parameter("to_garage_id"),
                )
            },
        },
        info={"title": "Garages", "version": "1"},
    )


API = planner(garages())


def goal(plan: Plan) -> tuple[str, dict[str, Any]]:
    call = plan.goal or plan.calls[0]
    return call.tool.operation.id, dict(call.arguments)


@table(
    ("question", "words"),
    [
        ("list vehicles in lyon", "lyon"),
        ("list vehicles at lyon", "lyon"),
        ("show the vehicles from old town", "old town"),
        ("show lyon's vehicles", "lyon"),
        ("list rusty vehicles", "rusty"),
        ("list vehicles with airbags", "airbags"),
        ("list vehicles of mechanic jones", "mechanic jones"),
        ("which vehicles are rusty", "rusty"),
        ("list vehicles that squeak", "squeak"),
        ("list vehicles named bertha", "bertha"),
        ("list vehicles of team rocket", "rocket"),
        ("list vehicles that got scrapped", "scrapped"),
        ("list transfers of garage harbour", "harbour"),
    ],
)
def test_an_unused_condition_is_named_and_lowers_the_confidence(question: str, words: str) -> None:
    plan = API.plan(question)
    assert plan.understood.endswith(f"not used: {words}")
    assert plan.confidence <= 0.5


@table(
    "manner",
    [
        *("", "right now", "in detail", "as a table", "for me", "by date", "in alphabetical order", "for my boss"),
        *("at a glance", "in json", "please", "for the report", "again", "with their plate", "in total", "quickly"),
        *("at once", "of kind van", "on a map", "for a presentation"),
    ],
)
def test_words_of_manner_are_no_conditions(manner: str) -> None:
    assert "not used" not in API.plan(f"list all vehicles {manner}").understood
