"""The final dot of a host name: it belongs to the name where an API writes it so, and ends the sentence elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import nlapi
from nlapi.openapi.spec import Spec
from nlapi.tools.tool import Call
from tests.describe import body, parameter, spec
from tests.planner.kit import only, reply, talk
from tests.tables import table

TRAILING = {"description": "The name of the zone, with a trailing dot"}


def dns(**name: Any) -> Spec:
    """Zones, with a name that the description says this of."""
    zone = {
        "type": "object",
        "required": ["name"],
        "properties": {
            "id": {"type": "string", "readOnly": True},
            "name": {"type": "string", **name},
            "comment": {"type": "string"},
        },
    }
    id = parameter("zone_id", "path", description="The id of the zone")

    def ok(schema: Any) -> dict[str, Any]:
        return {"responses": {"200": {"description": "ok", "content": {"application/json": {"schema": schema}}}}}

    listed = {"operationId": "listZones", "summary": "List all zones", **ok({"type": "array", "items": zone})}
    created = {"operationId": "createZone", "summary": "Create a zone", **body(zone), **ok(zone)}
    one = {
        "parameters": [id],
        "get": {"operationId": "getZone", "summary": "Show a zone", **ok(zone)},
        "delete": {"operationId": "deleteZone", "summary": "Delete a zone", "responses": {"204": {"description": ""}}},
    }
    return spec({"/zones": {"get": listed, "post": created}, "/zones/{zone_id}": one})


def created(question: str, api: Spec) -> Any:
    return only(nlapi.plan(question, api))[1]["name"]


EVIDENCE = {
    "trailing": TRAILING,
    "ends": {"description": "Zone name; it must end with a period"},
    "canonical": {"description": "The canonical DNS name of the zone"},
    "quoted": {"description": 'The name of the zone, such as "shop.example."'},
    "example": {"description": "The name of the zone", "example": "shop.example."},
    "examples": {"description": "The name of the zone", "examples": ["shop.example."]},
    "pattern": {"description": "The name of the zone", "pattern": r"^([a-z0-9-]+\.)+$"},
}


@table("evidence", EVIDENCE)
def test_where_names_end_in_a_dot_the_last_one_belongs_to_the_name(evidence: str) -> None:
    api = dns(**EVIDENCE[evidence])
    assert created("create the zone museum.org.", api) == "museum.org."
    assert created("create a zone called museum.org.", api) == "museum.org."
    assert created("create the zone 2.0.192.in-addr.arpa.", api) == "2.0.192.in-addr.arpa."


def test_a_dot_is_added_only_to_a_host_name_that_must_have_one() -> None:
    assert created("create the zone museum.org", dns(**TRAILING)) == "museum.org."
    assert created("create the zone museum.org", dns(**EVIDENCE["pattern"])) == "museum.org."
    assert created("create the zone museum.org", dns(**EVIDENCE["quoted"])) == "museum.org"
    assert created("create a zone called museum.", dns(**TRAILING)) == "museum"


def test_elsewhere_it_ends_the_sentence() -> None:
    for plain in ({"description": "The name of the zone"}, {"description": "The name. A zone is like example.com."}):
        assert created("create the zone museum.org.", dns(**plain)) == "museum.org"


def test_a_dot_within_a_name_never_cuts_it() -> None:
    api = dns(description="The name of the zone")
    for name in ("corp.lan", "svc.cluster.local", "notes.txt"):
        assert created(f"create the zone {name}", api) == name
        assert created(f"create the zone {name}.", api) == name


def zones(*names: str) -> Callable[[Call], Any]:
    def answer(call: Call) -> Any:
        if call.operation_id == "listZones":
            return [{"id": f"z{number}", "name": name} for number, name in enumerate(names)]
        return reply(None, 204)

    return answer


@pytest.mark.parametrize("question", ["delete the zone museum.org.", "delete the zone museum.org"])
def test_a_stored_name_with_its_dot_is_the_one_that_is_meant(question: str) -> None:
    api = dns(description="The name of the zone")
    *_, change, _ = talk(question, zones("shop.museum.org.", "museum.org.", "other.org."), api=api)
    assert only(change) == ("deleteZone", {"zone_id": "z1"})


def test_a_name_that_is_stored_with_and_without_is_asked_about() -> None:
    api = dns(description="The name of the zone")
    *_, last = talk("delete the zone museum.org.", zones("museum.org", "museum.org."), api=api)
    assert last.missing[0].choices == ("z0", "z1")
    *_, change, _ = talk("delete the zone museum.org", zones("museum.org", "museum.org."), api=api)
    assert only(change) == ("deleteZone", {"zone_id": "z0"})


def test_a_name_of_one_word_ends_with_the_sentence() -> None:
    api = dns(**TRAILING)
    *_, change, _ = talk("delete the zone Museum.", zones("Museum", "Other"), api=api)
    assert only(change) == ("deleteZone", {"zone_id": "z0"})


def test_what_was_deleted_is_the_last_thing_in_the_path() -> None:
    both = [parameter("server", "path"), parameter("zone", "path")]
    node = {"operationId": "deleteZone", "summary": "Delete a zone", "parameters": both[::-1]}
    api = spec({"/servers/{server}/zones/{zone}": {"delete": {**node, "responses": {"204": {"description": ""}}}}})
    *_, end = talk("delete zone z-17 on server s-4", lambda _: reply(None, 204), api=api)
    assert end.text == "Deleted the zone z-17."
