"""Things with names in plain letters, of which a listing shows some by default: halted, counted, described."""

from __future__ import annotations

from typing import Any

from nlapi.openapi.spec import Spec
from nlapi.tools.plan import Plan
from nlapi.tools.tool import Call
from tests.describe import parameter, spec
from tests.planner.kit import only, reply, talk
from tests.tables import table

FLAG = {"type": "boolean", "default": False}
MACHINES = [
    {"id": "m-11", "name": "web", "state": "running", "owner": "priya", "note": "front of the shop"},
    {"id": "m-12", "name": "mailer", "state": "halted", "owner": "tom", "note": "sends letters"},
    {"id": "m-13", "name": "night job", "state": "frozen", "owner": "tom", "note": "runs at night"},
]
MACHINE = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "name": {"type": "string"},
        "state": {"type": "string", "enum": ["running", "halted", "frozen"]},
        "owner": {"type": "string"},
        "note": {"type": "string"},
    },
}


def _node(id: str, summary: str, *parameters: Any, answer: Any = None) -> dict[str, Any]:
    media = {"content": {"application/json": {"schema": answer}}} if answer else {}
    return {
        "operationId": id,
        "summary": summary,
        "parameters": list(parameters),
        "responses": {"200": {"description": "ok", **media}},
    }


def machines() -> Spec:
    which = parameter("id", "path", description="ID or name of the machine")
    every = "Return all machines. By default, only running machines are shown."
    fixed = {"type": "boolean", "default": True}
    streams = [parameter(name, schema=FLAG, description=f"Return logs from `{name}`") for name in ("output", "errors")]
    return spec(
        {
            "/machines": {
                "get": _node(
                    "listMachines",
                    "List machines",
                    parameter("all", schema=FLAG, description=every),
                    parameter("frozen", schema=fixed, description="Include frozen machines in results."),
                    parameter("filters", description="Filters to process on the list, encoded as JSON."),
                    answer={"type": "array", "items": MACHINE},
                )
            },
            "/machines/{id}": {
                "get": _node("getMachine", "Show a machine", which, answer=MACHINE),
                "delete": _node("deleteMachine", "Delete a machine", which),
            },
            "/machines/{id}/halt": {"post": _node("haltMachine", "Halt a machine", which)},
            "/machines/{id}/processes": {"get": _node("listProcesses", "List processes running in a machine", which)},
            "/machines/{id}/logs": {"get": _node("getLogs", "Get the logs of a machine", which, *streams)},
            "/machines/prune": {"post": _node("pruneMachines", "Delete the machine cache")},
        }
    )


def answers(call: Call) -> Any:
    if call.operation_id == "listMachines":
        return [one for one in MACHINES if call.arguments.get("all") or one["state"] == "running"]
    if call.operation_id == "getMachine":
        return next(one for one in MACHINES if call.arguments["id"] in (one["id"], one["name"]))
    return reply(None, 204)


def said(question: str) -> list[Plan]:
    return talk(question, answers, api=machines())


@table(
    "question",
    [
        "halt mailer",
        "halt web and mailer",
        "halt the machine",
        "delete the machine owned by tom",
        "delete the machine owned by zoe",
    ],
)
def test_what_may_be_several_or_none_is_asked(question: str) -> None:
    *_, last = said(question)
    assert [one.argument for one in last.missing] == ["id"]


@table(
    ("question", "text"),
    [
        ("how many machines are running?", "1 of 3 machines with state running: web."),
        ("which machines are frozen?", "1 of 3 machines with state frozen: night job."),
        ("how many machines are there?", "3 machines: web, mailer, night job."),
        ("list machines, including halted ones", "3 machines: web, mailer, night job."),
        ("are there machines of 'Zoe'?", "No: 0 of 3 machines with Zoe in any field."),
    ],
)
def test_all_machines_are_listed_where_the_answer_is_filtered(question: str, text: str) -> None:
    look, end = said(question)
    assert look.calls[0].arguments.get("all") is True
    assert end.text == text


def test_a_bare_listing_is_left_as_the_api_has_it() -> None:
    assert only(said("list machines")[0]) == ("listMachines", {})


def test_a_state_is_told_by_what_shows_the_thing() -> None:
    *_, shown, end = said("is the web machine running?")
    assert only(shown)[0] == "getMachine"
    assert end.text.startswith("Yes: the machine web")
