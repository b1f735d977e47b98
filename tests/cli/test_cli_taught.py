"""A request that an API refuses for want of a field is completed, shown and asked about again."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.kit import dialogue, run
from tests.servers import Echo, Received, Reply


def reports(folder: Path, url: str) -> str:
    """An API that wants a region, which its description calls optional."""
    properties = {name: {"type": "string"} for name in ("name", "region")}
    body = {"content": {"application/json": {"schema": {"type": "object", "properties": properties}}}}
    create = {"operationId": "createReport", "summary": "Create a report", "requestBody": body, "responses": {}}
    document = {
        "openapi": "3.1.0",
        "info": {"title": "Reports", "version": "1"},
        "servers": [{"url": url}],
        "paths": {"/reports": {"post": create}},
    }
    file = folder / "reports.json"
    file.write_text(json.dumps(document))
    return str(file)


def answer(request: Received) -> Reply:
    if "region" in request.json():
        return Reply(201, {"id": "r1", **request.json()})
    return Reply(422, {"detail": [{"loc": ["body", "region"], "msg": "Choose a region", "type": "missing"}]})


QUESTION = ("ask", 'create a report called "Sales"', "--planner", "offline")


def test_at_a_terminal_it_is_asked_for_and_the_new_request_is_shown(tmp_path: Path) -> None:
    with Echo(answer) as api, dialogue(*QUESTION, "-a", reports(tmp_path, api.url)) as terminal:
        terminal.expect("createReport changes something. Send it? [y/N/always/edit]: ")
        terminal.type("y\n")
        terminal.expect("Choose a region")
        terminal.expect("region: ")
        terminal.type("eu\n")
        terminal.expect('"region": "eu"')
        terminal.expect("Send it? [y/N/always/edit]: ")
        terminal.type("y\n")
        terminal.expect("Sales")
        assert terminal.end() == 0
    assert [request.json() for request in api.received] == [{"name": "Sales"}, {"name": "Sales", "region": "eu"}]


def test_where_nobody_can_be_asked_it_is_named_with_the_option_that_gives_it(tmp_path: Path) -> None:
    with Echo(answer) as api:
        ran = run(*QUESTION, "-a", reports(tmp_path, api.url), "--yes")
        assert (ran.code, len(api.received)) == (7, 1)
        assert "Choose a region" in ran.err
        assert "--set region=..." in ran.err
