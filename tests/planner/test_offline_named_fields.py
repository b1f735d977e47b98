"""Fields and things that a sentence names: set at their word, asked for where a value lacks, looked up by codes."""

from __future__ import annotations

from typing import Any

import nlapi
from nlapi.openapi.spec import Spec
from nlapi.planner.steps.item_match import name_similarity
from nlapi.tools.tool import Call
from tests.describe import body, parameter, spec
from tests.planner.kit import only, reply, talk
from tests.tables import table

ZONES = [{"id": "z1.", "name": "museum.org.", "kind": "Native", "serial": 7}]


def api() -> Spec:
    """Zones of which no field is required, though each has a name; an update says which fields it changes."""
    properties: dict[str, Any] = {
        "id": {"type": "string", "readOnly": True},
        "name": {"type": "string", "description": "The name of the zone"},
        "kind": {"type": "string", "enum": ["Native", "Master", "Slave"]},
        "account": {"type": "string"},
        "masters": {"type": "array", "items": {"type": "string"}, "description": "List of IP addresses of masters"},
        "serial": {"type": "integer"},
    }
    zone = {"type": "object", "properties": properties}

    def ok(schema: Any) -> dict[str, Any]:
        return {"responses": {"200": {"description": "ok", "content": {"application/json": {"schema": schema}}}}}

    changes = "The only fields which can be modified are: kind, masters, account. All others are ignored."
    one = {
        "parameters": [parameter("zone_id", "path", description="The id of the zone")],
        "get": {"operationId": "getZone", "summary": "Show a zone", **ok(zone)},
        "put": {"operationId": "putZone", "summary": "Change a zone", "description": changes, **body(zone), **ok(zone)},
    }
    listed = {
        "operationId": "listZones",
        "summary": "List all zones",
        "parameters": [parameter("zone", description="Only the zone of this name")],
        **ok({"type": "array", "items": zone}),
    }
    made = {"operationId": "createZone", "summary": "Create a zone", **body(zone), **ok(zone)}
    return spec({"/zones": {"get": listed, "post": made}, "/zones/{zone_id}": one})


def zones(call: Call) -> Any:
    return ZONES if call.operation_id == "listZones" else reply(ZONES[0])


def test_what_is_made_is_asked_a_name_for() -> None:
    assert [one.argument for one in nlapi.plan("create a zone", api()).missing] == ["name"]
    assert [one.argument for one in nlapi.plan("create a zone of kind Master", api()).missing] == ["name"]


def test_a_field_is_set_to_what_follows() -> None:
    *_, change, _ = talk("change the account of museum.org to globex", zones, api=api())
    assert only(change) == ("putZone", {"zone_id": "z1.", "account": "globex"})
    *_, change, _ = talk("make museum.org a Master zone", zones, api=api())
    assert only(change) == ("putZone", {"zone_id": "z1.", "kind": "Master"})


def test_the_name_of_a_field_is_no_choice_of_another() -> None:
    *_, change, _ = talk("change the masters of museum.org to 192.0.2.54", zones, api=api())
    assert only(change) == ("putZone", {"zone_id": "z1.", "masters": ["192.0.2.54"]})


def test_a_field_without_a_value_is_asked_for() -> None:
    plan = nlapi.plan("change the kind of museum.org", api())
    assert [one.argument for one in plan.missing] == ["kind"]


def test_a_field_that_an_update_leaves_as_it_is_is_no_argument() -> None:
    for plan in talk("rename the zone museum.org to museum.net", zones, api=api()):
        assert not any("name" in call.arguments for call in plan.calls)


def test_a_code_is_nothing_else_that_looks_like_it() -> None:
    assert name_similarity("example.edu", "example.net.") == name_similarity("web-2", "web-1") == 0.0
    assert name_similarity("sumer", "summer") > 0.6


def test_what_a_list_is_about_is_no_filter_of_another_field() -> None:
    for question in ("show the zones of account acme", "list slave zones", "zones per kind"):
        call = nlapi.plan(question, api()).calls[0]
        assert (call.operation_id, call.arguments) == ("listZones", {}), question


NAMES = ("Kernel", "Kernel releases", "Bank of the West", "Bank of the East", "West")


def named_shelves(call: Call) -> Any:
    name = call.arguments.get("name", "").lower()
    shelves = [{"id": f"sh_{number}", "name": shelf} for number, shelf in enumerate(NAMES) if name in shelf.lower()]
    return {"data": shelves} if call.operation_id == "listShelves" else {"id": call.arguments.get("shelf_id")}


@table(
    ("question", "shelf"),
    [
        ("delete the shelf Kernel releases", "sh_1"),
        ("delete the shelf Kernel", "sh_0"),
        ('delete the shelf "Kernel"', "sh_0"),
        ("delete the shelf Bank of the West", "sh_2"),
        ("delete the shelf bank of the east", "sh_3"),
    ],
)
def test_the_longest_name_that_stands_in_the_sentence_is_meant(question: str, shelf: str) -> None:
    *_, change, _ = talk(question, named_shelves)
    assert only(change) == ("deleteShelf", {"shelf_id": shelf})
    assert change.confidence >= 0.8
    assert change.calls[0].account is not None and not change.calls[0].account.unused


def test_a_longer_name_is_looked_for_on_every_page() -> None:
    def pages(call: Call) -> Any:
        if call.operation_id != "listShelves":
            return {"id": "x"}
        page = (
            [{"id": "sh_1", "name": "Kernel releases"}]
            if "cursor" in call.arguments
            else [{"id": "sh_0", "name": "Kernel"}]
        )
        return {"data": page, "next_cursor": None if "cursor" in call.arguments else "2"}

    *_, change, _ = talk("delete the shelf Kernel releases", pages, api=paged())
    assert only(change) == ("deleteShelf", {"shelf_id": "sh_1"})


def paged() -> Spec:
    """Shelves whose list has pages, and no filter."""
    id = parameter("shelf_id", "path", {"type": "string"})
    ok = {"responses": {"200": {"description": "ok"}}}
    listing = {"operationId": "listShelves", "summary": "List shelves", "parameters": [parameter("cursor")], **ok}
    removal = {"operationId": "deleteShelf", "summary": "Delete a shelf", "parameters": [id], **ok}
    return spec({"/shelves": {"get": listing}, "/shelves/{shelf_id}": {"delete": removal}})
