"""Which argument a code, a path or a choice is the value of, where a description leaves it open."""

from __future__ import annotations

from typing import Any

from nlapi.changes.checks import reasons_against
from nlapi.openapi.spec import Spec
from nlapi.tools.tool import Account
from tests.describe import body, parameter, spec
from tests.planner.kit import planner
from tests.tables import table

OK = {"responses": {"200": {"description": "ok"}}}
TEXT = {"type": "string"}


def depot() -> Spec:
    """Vans that carry goods, files in folders and clerks. No body is said to be required."""
    van = parameter("vanCode", "path", TEXT)
    clerk = parameter("clerk_id", "path", {"type": "integer"})
    number = {"type": "integer"}

    def loose(required: list[str], **properties: Any) -> Any:
        made = body({"type": "object", "properties": properties, "required": required})
        made["requestBody"].pop("required", None)
        return made

    def post(id: str, summary: str, *parameters: Any, **more: Any) -> Any:
        return {"post": {"operationId": id, "summary": summary, "parameters": list(parameters), **OK, **more}}

    numbers = parameter("minimumShifts", schema=number, description="Only clerks with so many shifts.")
    goods = loose(["good", "units"], good=TEXT, units=number)
    files = loose(["files", "parentFolder"], files={"type": "array", "items": TEXT}, parentFolder=TEXT)
    roles = {"type": "string", "enum": ["clerk", "lead"]}
    flags = {"type": "object", "properties": {"changePassword": {"type": "boolean"}}}
    clerk_fields = {
        "nickname": TEXT,
        "role": roles,
        "password": TEXT,
        "timeZone": TEXT,
        "homeFolder": TEXT,
        "locked": {"type": "boolean"},
        "permissions": flags,
    }
    update = body({"type": "object", "properties": clerk_fields})
    create = body({"type": "object", "properties": {"username": TEXT, **clerk_fields}, "required": ["username"]})
    return spec(
        {
            "/vans/{vanCode}/unload": post("unloadVan", "Unload Van", van, **goods),
            "/vans": {"get": {"operationId": "listVans", "summary": "List vans", **OK}},
            "/files/move": post("moveFiles", "Move files", **files),
            "/webhooks/regenerate-token/{id}": post(
                "regenerateToken", "Regenerate the token", parameter("id", "path", number)
            ),
            "/webhooks": {"get": {"operationId": "listWebhooks", "summary": "List webhooks", **OK}},
            "/clerks": {
                "get": {"operationId": "listClerks", "summary": "List clerks", "parameters": [numbers], **OK},
                **post("createClerk", "Create a clerk", **create),
            },
            "/clerks/{clerk_id}": {
                "patch": {
                    "operationId": "updateClerk",
                    "summary": "Update a clerk",
                    "parameters": [clerk],
                    **OK,
                    **update,
                }
            },
            "/places": {
                "get": {
                    "operationId": "findPlaces",
                    "summary": "Find places",
                    "parameters": [
                        parameter(name, schema={"type": "number"}) for name in ("latitude", "longitude", "distance")
                    ],
                    **OK,
                }
            },
        }
    )


DEPOT = planner(depot())


@table(
    ("question", "operation", "arguments"),
    [
        # What an object requires is required as soon as the sentence has a value of it.
        ("unload 12 units of OAK_PLANK from V-1", "unloadVan", {"vanCode": "V-1", "good": "OAK_PLANK", "units": 12}),
        (
            "unload 12 units of OAK_PLANK from van V-1",
            "unloadVan",
            {"vanCode": "V-1", "good": "OAK_PLANK", "units": 12},
        ),
        ("move /a.txt to /archive", "moveFiles", {"files": ["/a.txt"], "parentFolder": "/archive"}),
        ("regenerate the token of webhook 7", "regenerateToken", {"id": 7}),
        # The noun of an item is no value.
        ("change the nickname of clerk 5 to Joe", "updateClerk", {"clerk_id": 5, "nickname": "Joe"}),
        ("change the role of clerk 5 to clerk", "updateClerk", {"clerk_id": 5, "role": "clerk"}),
        ("set clerk 5's time zone to Europe/Berlin", "updateClerk", {"clerk_id": 5, "timeZone": "Europe/Berlin"}),
        ("set the password of clerk 5 to Tr0ub4dor", "updateClerk", {"clerk_id": 5, "password": "Tr0ub4dor"}),
        # A number behind a noun is the id of an item, and the name of a new one only where one is made.
        ("make clerk 5 a lead", "updateClerk", {"clerk_id": 5, "role": "lead"}),
        ("unlock clerk 5", "updateClerk", {"clerk_id": 5, "locked": False}),
        ("list the 20 newest clerks", "listClerks", {}),
        ("places near latitude 51.5 longitude -0.12", "findPlaces", {"latitude": 51.5, "longitude": -0.12}),
    ],
)
def test_each_word_is_in_the_argument_that_takes_it(question: str, operation: str, arguments: dict[str, Any]) -> None:
    plan = DEPOT.plan(question)
    assert [(call.operation_id, dict(call.arguments)) for call in plan.calls] == [(operation, arguments)]


@table(
    ("question", "stands"),
    [
        ("unload 12 units of OAK_PLANK from van V-1", True),
        ("move /a.txt to /archive", True),
        # Nothing but their order tells the two codes apart.
        ("unload V-1 OAK_PLANK 12", False),
    ],
)
def test_codes_that_may_be_swapped_hold_a_change(question: str, stands: bool) -> None:
    calls = DEPOT.plan(question).calls
    assert [not reasons_against(call, call.account or Account(), question) for call in calls] == [stands]
