"""`nlapi undo`: the inverse of the last change, where the API has one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.kit import dialogue, run
from tests.servers import Echo, Received, Reply


def _operation(id: str, summary: str, **more: Any) -> dict[str, Any]:
    return {"operationId": id, "summary": summary, "responses": {"200": {"description": "ok"}}, **more}


def jobs(folder: Path, url: str) -> str:
    """Jobs that are created, renamed, paused, locked and deleted."""
    schema = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    body = {"requestBody": {"content": {"application/json": {"schema": schema}}}}
    id = {"parameters": [{"name": "job_id", "in": "path", "required": True, "schema": {"type": "string"}}]}
    item = {
        "get": _operation("getJob", "Get a job"),
        "patch": _operation("updateJob", "Update a job", **body),
        "delete": _operation("deleteJob", "Delete a job"),
        **id,
    }
    document = {
        "openapi": "3.1.0",
        "info": {"title": "Jobs", "version": "1"},
        "servers": [{"url": url}],
        "paths": {
            "/jobs": {
                "get": _operation("listJobs", "List jobs"),
                "post": _operation("createJob", "Create a job", **body),
            },
            "/jobs/{job_id}": item,
            "/jobs/{job_id}/pause": {"post": _operation("pauseJob", "Pause a job"), **id},
            "/jobs/{job_id}/resume": {"post": _operation("resumeJob", "Resume a job"), **id},
            "/jobs/{job_id}/run": {"post": _operation("runJob", "Run a job"), **id},
        },
    }
    file = folder / "jobs.json"
    file.write_text(json.dumps(document))
    return str(file)


def answer(request: Received) -> Reply:
    job = {"id": "j-1", "name": "Nightly"}
    if request.method == "GET":
        return Reply(200, job if request.path != "/jobs" else [job])
    return Reply(204) if request.method == "DELETE" else Reply(200, job)


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in ("config", "state", "cache"):
        monkeypatch.setenv(f"NLAPI_{kind.upper()}_DIR", str(tmp_path / kind))


def changed(api: Echo) -> list[tuple[str, str, Any]]:
    return [
        (request.method, request.path, request.json() if request.body else None)
        for request in api.received
        if request.method != "GET"
    ]


# What is asked, and what undoes it.
INVERSES = [
    ('create a job called "Nightly"', ("DELETE", "/jobs/j-1", None)),
    ('set the name of the job j-1 to "Daily"', ("PATCH", "/jobs/j-1", {"name": "Nightly"})),
    ("pause the job j-1", ("POST", "/jobs/j-1/resume", None)),
]


def test_the_last_change_is_undone_where_the_api_has_a_way_back(tmp_path: Path) -> None:
    for question, inverse in INVERSES:
        with Echo(answer) as api:
            # Where a person is asked, the fields before are read and shown.
            with dialogue("ask", question, "-a", jobs(tmp_path, api.url), "--planner", "offline") as terminal:
                terminal.expect("Send it?")
                terminal.type("y\n")
                assert terminal.end() == 0, question
            shown = run("undo", "--dry-run")
            assert (shown.code, len(changed(api))) == (0, 1), (question, shown.err)
            undone = run("undo", "--yes=destroy")
            assert (undone.code, changed(api)[1:]) == (0, [inverse]), (question, undone.err)
            assert "Undone." in undone.out, question


def test_under_yes_the_state_before_an_update_is_that_of_the_look_up(tmp_path: Path) -> None:
    with Echo(answer) as api:
        question = 'set the name of the job Nightly to "Daily"'
        done = run("ask", question, "-a", jobs(tmp_path, api.url), "--planner", "offline", "--yes")
        assert done.code == 0, done.err
        assert run("undo", "--yes").code == 0
        assert changed(api)[1:] == [("PATCH", "/jobs/j-1", {"name": "Nightly"})]


def test_it_is_asked_about_and_says_where_there_is_no_way_back(tmp_path: Path) -> None:
    with Echo(answer) as api:
        source = jobs(tmp_path, api.url)
        assert run("ask", 'create a job called "Nightly"', "-a", source, "--planner", "offline", "--yes").code == 0
        assert run("undo").code == 6, "nobody is there to be asked"
        with dialogue("undo") as terminal:
            terminal.expect("DELETE")
            terminal.expect("deleteJob takes something away. Send it?")
            terminal.type("n\n")
            terminal.end()
        assert len(changed(api)) == 1
        for question in ("run the job j-1", "delete the job j-1"):
            done = run("ask", question, "-a", source, "--planner", "offline", "--yes=destroy")
            assert done.code == 0, done.err
            before = len(api.received)
            refused = run("undo", "--yes")
            assert (refused.code, len(api.received)) == (2, before), question
            assert "there is nothing to undo" in refused.complaint


def people(folder: Path, url: str) -> str:
    """People by their user name, contacts that a POST finds or creates, and preferences that a PUT replaces."""
    text = {"type": "string"}

    def body(*names: str) -> dict[str, Any]:
        schema = {"type": "object", "properties": dict.fromkeys(names, text), "required": list(names[:1])}
        return {"requestBody": {"content": {"application/json": {"schema": schema}}}}

    def named(name: str) -> dict[str, Any]:
        return {"parameters": [{"name": name, "in": "path", "required": True, "schema": text}]}

    created = {"responses": {"201": {"description": "created"}}}
    document = {
        "openapi": "3.1.0",
        "info": {"title": "People", "version": "1"},
        "servers": [{"url": url}],
        "paths": {
            "/people": {"post": _operation("createPerson", "Create a person", **body("username")) | created},
            "/people/{username}": {"delete": _operation("deletePerson", "Delete a person"), **named("username")},
            "/contacts": {"post": _operation("upsertContact", "Create or update a contact", **body("email"))},
            "/contacts/{contact_id}": {
                "delete": _operation("deleteContact", "Delete a contact"),
                **named("contact_id"),
            },
            "/contacts/{contact_id}/preferences": {
                "put": _operation("setPreferences", "Set the preferences of a contact", **body("theme")),
                "delete": _operation("deletePreferences", "Delete the preferences of a contact"),
                **named("contact_id"),
            },
        },
    }
    file = folder / "people.json"
    file.write_text(json.dumps(document))
    return str(file)


# What is called, the status of its answer, and what undoes it; None for what may have been there before.
CREATED_OR_FOUND = [
    ('create a person with the username "bob"', 201, ("DELETE", "/people/bob", None)),
    ('create a person with the username "bob"', 200, None),
    ('create a contact with the email "b@example.org"', 200, None),
    ('set the theme of the preferences of contact 17 to "light"', 200, None),
]


def test_what_was_there_before_is_never_deleted_and_no_other_item(tmp_path: Path) -> None:
    for question, status, inverse in CREATED_OR_FOUND:
        found = Reply(status, {"id": "17", "username": "bob", "email": "b@example.org"})
        with Echo([found, Reply(204)]) as api:
            done = run("ask", question, "-a", people(tmp_path, api.url), "--planner", "offline", "--yes")
            assert done.code == 0, (question, done.err)
            run("undo", "--yes=destroy")
            assert changed(api)[1:] == ([inverse] if inverse else []), (question, status)


def test_a_change_is_undone_where_it_was_made(tmp_path: Path) -> None:
    with Echo(answer) as api, Echo(answer) as other:
        asked = ("ask", 'create a job called "Nightly"', "-a", jobs(tmp_path, api.url), "--planner", "offline", "--yes")
        assert run(*asked).code == 0
        refused = run("undo", "--yes=destroy", "--base-url", other.url)
        assert (refused.code, len(changed(api)), other.received) == (2, 1, [])
        assert f"was sent to {api.url}/jobs" in refused.complaint
