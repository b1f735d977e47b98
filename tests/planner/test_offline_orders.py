"""Commands in other words than an API has, and what a sentence says of which thing is meant."""

from __future__ import annotations

from typing import Any

from nlapi.english.words import stem
from nlapi.planner.commands import read_command
from nlapi.reading.clauses import opening_length
from nlapi.reading.text import tokenize
from tests.describe import body, parameter, spec
from tests.planner.kit import only, planner
from tests.tables import table

TEXT = {"type": "string"}
HAS = frozenset(map(stem, "delete cancel disable enable start restore".split()))


def read(said: str, commanded: frozenset[str] = HAS) -> str:
    tokens = read_command(tokenize(said), opening_length(said), lambda: commanded)
    return " ".join(token.lower for token in tokens)


@table(
    ("said", "meant"),
    [
        ("get rid of attachment 12", "delete attachment 12"),
        ("please trash recording r9", "please delete recording r9"),
        ("kill run 4", "cancel run 4"),
        ("turn the night mode off for kim", "disable the night mode for kim"),
        ("switch on the lamp", "enable the lamp"),
        ("kick off a build of main", "start a build of main"),
        ("bring back page 3", "restore page 3"),
        ("take page 3 out of folder 9", "remove page 3 out of folder 9"),
        ("take page 3 out of the trash", "take page 3 out of the trash"),
        ("take 20 dollars out of account 9", "take 20 dollars out of account 9"),
        ("take a copy out of folder 3", "take a copy out of folder 3"),
        ("pull the report out of archive 7", "pull the report out of archive 7"),
        ("make page 3 public", "set page 3 public"),
        ("make a public page", "make a public page"),
        ("turn the color to green", "turn the color to green"),
        ("list the runs to kill", "list the runs to kill"),
        ("end dates of the runs", "end dates of the runs"),
        ("star rating of page 3", "star rating of page 3"),
    ],
)
def test_a_command_is_read_in_the_words_of_the_api(said: str, meant: str) -> None:
    assert read(said) == meant


def test_a_verb_that_the_api_has_itself_stays() -> None:
    assert read("kill run 4", HAS | {"kill"}) == "kill run 4"


def _one(id: str, summary: str, *parameters: Any, **more: Any) -> dict[str, Any]:
    answers = {"responses": {"200": {"description": "ok"}}}
    return {"operationId": id, "summary": summary, "parameters": list(parameters), **answers, **more}


def works() -> Any:
    """Projects of owners with their runs, users by a bare id, and jobs that run or do not."""
    number = {"type": "integer"}
    whose = [parameter(name, "path", TEXT, required=True) for name in ("owner", "project")]
    run = parameter("run", "path", number, required=True)
    id = parameter("id", "path", number, required=True)
    job = parameter("job", "path", TEXT, required=True)
    wait = {"type": "integer", "x-nlapi": {"unit": "milliseconds"}, "description": "Milliseconds to wait for it."}
    country = {"type": "string", "enum": ["BR", "DE", "FR", "TO"]}
    fields = {"running": {"type": "boolean"}, "timeout_ms": wait, "country": country}
    change = body({"type": "object", "properties": fields})
    since = parameter("since", schema={"type": "string", "format": "date"}, description="Only what came since.")
    page = parameter("limit", schema=number, description="How many to give.")
    return planner(
        spec(
            {
                "/projects/{owner}/{project}/runs/{run}/cancel": {
                    "post": _one("cancelRun", "Cancel a run of a project", *whose, run)
                },
                "/users/{id}/invoices": {"get": _one("listInvoices", "List the invoices of a user", id, since, page)},
                "/users/{id}/mutes/{job}": {"delete": _one("deleteMute", "Delete a mute", id, job)},
                "/jobs/{job}": {
                    "get": _one("getJob", "Get a job", job),
                    "patch": _one("updateJob", "Update a job", job, **change),
                },
            }
        )
    )


@table(
    ("said", "operation", "arguments"),
    [
        ("cancel run 44 of acme/web", "cancelRun", {"owner": "acme", "project": "web", "run": 44}),
        ("invoices of user 512", "listInvoices", {"id": 512}),
        ("invoices of user 512 since Monday", "listInvoices", {"id": 512, "since": "2026-05-11"}),
        ("the last 5 invoices of user 512", "listInvoices", {"id": 512, "limit": 5}),
        ("unmute the job nightly-7 for user 512", "deleteMute", {"id": 512, "job": "nightly-7"}),
        ("stop the job nightly-7", "updateJob", {"job": "nightly-7", "running": False}),
        ("set the timeout of job nightly-7 to 200 ms", "updateJob", {"job": "nightly-7", "timeout_ms": 200}),
        ("set the timeout of job nightly-7 to 2 seconds", "updateJob", {"job": "nightly-7", "timeout_ms": 2000}),
    ],
)
def test_what_is_meant_is_filled_in(said: str, operation: str, arguments: dict[str, Any]) -> None:
    assert only(works().plan(said)) == (operation, arguments)


def test_a_command_that_is_a_choice_of_an_argument_stays() -> None:
    """`reboot` is not read as the reset of an account that the API has as well, nor as a reset of the password."""
    machine = parameter("machine_id", "path", {"type": "integer"}, required=True)
    account = parameter("account_id", "path", {"type": "integer"}, required=True)
    kind = {"type": "string", "enum": ["reboot", "password_reset", "power_off"], "description": "What to do."}
    act = body({"type": "object", "required": ["type"], "properties": {"type": kind}})
    api = planner(
        spec(
            {
                "/machines/{machine_id}/actions": {"post": _one("actOnMachine", "Act on a machine", machine, **act)},
                "/machines/{machine_id}": {"get": _one("getMachine", "Get a machine", machine)},
                "/accounts/{account_id}/reset": {"post": _one("resetAccount", "Reset an account", account)},
            }
        )
    )
    assert only(api.plan("reboot machine 7")) == ("actOnMachine", {"machine_id": 7, "type": "reboot"})
