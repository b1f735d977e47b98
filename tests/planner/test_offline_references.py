"""Ids of other items: by a plain noun, behind `of` and `in`, and what says nothing of a flag or a field."""

from __future__ import annotations

from typing import Any

from nlapi.planner import OfflinePlanner
from nlapi.tools.plan import Plan
from tests.describe import body, parameter, spec
from tests.tables import table

TEXT: dict[str, Any] = {"type": "string"}
WHOLE: dict[str, Any] = {"type": "integer"}
LANGUAGES = {"type": "object", "additionalProperties": TEXT, "examples": [{"en": "Hello", "de": "Hallo"}]}
ITEM = {"type": "object", "properties": {"id": WHOLE, "name": TEXT}}


def answer(schema: Any) -> dict[str, Any]:
    return {"responses": {"200": {"description": "ok", "content": {"application/json": {"schema": schema}}}}}


def listed(id: str, summary: str, *parameters: Any) -> dict[str, Any]:
    node = {"operationId": id, "summary": summary, "parameters": list(parameters)}
    return node | answer({"type": "array", "items": ITEM})


def done(id: str, summary: str, **more: Any) -> dict[str, Any]:
    return {"operationId": id, "summary": summary, **answer(ITEM), **more}


EVENT = parameter("event", "path", TEXT)
ROOM = parameter("id", "path", WHOLE)
FLAG = parameter("delete_threads", schema={"type": "boolean"})
ROOMS = {"type": "object", "required": ["name"], "properties": {"name": LANGUAGES, "capacity": WHOLE}}
API = spec(
    {
        "/projects": {"get": listed("listProjects", "List projects")},
        "/releases": {
            "get": listed("listReleases", "List releases", parameter("project", schema=WHOLE, required=True)),
            "post": done(
                "createRelease",
                "Create a release",
                **body({"type": "object", "required": ["project"], "properties": {"project": WHOLE, "version": TEXT}}),
            ),
        },
        "/issues": {"get": listed("listIssues", "List issues", parameter("project", schema=WHOLE))},
        "/assistants": {"get": listed("listAssistants", "List assistants")},
        "/assistants/{assistant_id}": {
            "delete": done("deleteAssistant", "Delete an assistant"),
            "parameters": [parameter("assistant_id", "path", TEXT), FLAG],
        },
        "/events": {"get": listed("listEvents", "List events")},
        "/events/{event}/rooms": {
            "get": listed("listRooms", "List rooms"),
            "post": done("createRoom", "Create a room", **body(ROOMS)),
            "parameters": [EVENT],
        },
        "/events/{event}/rooms/{id}": {
            "get": done("showRoom", "Show a room"),
            "delete": done("deleteRoom", "Delete a room"),
            "post": done("updateRoom", "Update a room", **body({**ROOMS, "required": []})),
            "parameters": [EVENT, ROOM],
        },
    }
)

CASES: list[tuple[str, str]] = [
    ("list the releases of checkout", "find the project called 'checkout', then List releases"),
    ("how many issues does checkout have?", "find the project called 'checkout', then List issues"),
    ("create the release 1.2.0 of the project checkout", "find the project called 'checkout', then Create a release"),
    ("delete the room Attic of democon", "find the event called 'democon', then Delete a room"),
    ("set the capacity of the room Attic in democon to 20", "then Update a room (event=the id of 'democon', id=the id"),
    # the verb of the command says nothing of a flag that has it in its name
    ("delete the assistant Triage", "then Delete an assistant (assistant_id=the id of 'Triage')"),
    # a text by language is in the first one of the example
    ("add a room called Garden with a capacity of 60 to democon", "name.en=Garden, capacity=60"),
]


def planned(question: str) -> Plan:
    return OfflinePlanner([API]).plan(question)


@table("question, understood", CASES)
def test_an_item_is_found_by_what_the_sentence_says_of_it(question: str, understood: str) -> None:
    assert understood in planned(question).understood
