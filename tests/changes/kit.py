"""What the tests of changes share: an API of campaigns and one of mail, and what they answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nlapi.api import load
from nlapi.client.message import Result
from nlapi.openapi.spec import Spec
from nlapi.tools.compile import compile_tool
from nlapi.tools.plan import Outcome, Step
from nlapi.tools.tool import Call
from tests.servers import Echo, Received, Reply


def _operation(id: str, summary: str, **more: Any) -> dict[str, Any]:
    return {"operationId": id, "summary": summary, "responses": {"200": {"description": "ok"}}, **more}


def _body(required: list[str], **properties: Any) -> dict[str, Any]:
    schema = {"type": "object", "required": required, "properties": properties}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


TEXT = {"type": "string"}
STATUS = {"type": "string", "enum": ["ACTIVE", "PAUSED", "ARCHIVED"]}
BUDGET = {"type": "integer", "x-nlapi": {"unit": "micros"}, "description": "The budget of a day."}
FIELDS = {
    **{
        "name": TEXT,
        "daily_budget_micros": BUDGET,
        "status": STATUS,
        "start_date": {"type": "string", "format": "date"},
    },
    **{"note": TEXT, "owner_email": TEXT, "tags": {"type": "array", "items": TEXT}, "shared": {"type": "boolean"}},
}
CAMPAIGN = {"name": "campaign_id", "in": "path", "required": True, "schema": TEXT}

CAMPAIGNS: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Campaigns", "version": "1"},
    "servers": [{"url": "http://127.0.0.1:9"}],
    "paths": {
        "/campaigns": {
            "get": _operation(
                "listCampaigns", "List campaigns", parameters=[{"name": "q", "in": "query", "schema": TEXT}]
            ),
            "post": _operation("createCampaign", "Create a campaign", **_body(["name"], **FIELDS)),
        },
        "/campaigns/{campaign_id}": {
            "parameters": [CAMPAIGN],
            "get": _operation("getCampaign", "Get a campaign"),
            "patch": _operation("updateCampaign", "Update a campaign", **_body([], **FIELDS)),
            "delete": _operation("deleteCampaign", "Delete a campaign"),
        },
        "/campaigns/{campaign_id}/archive": {
            "parameters": [CAMPAIGN],
            "post": _operation("archiveCampaign", "Archive a campaign"),
        },
        "/accounts/{account_id}": {
            "parameters": [{"name": "account_id", "in": "path", "required": True, "schema": TEXT}],
            "delete": _operation("deleteAccount", "Delete an account"),
        },
    },
}
MAIL: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Mail", "version": "1"},
    "servers": [{"url": "http://127.0.0.1:9"}],
    "paths": {
        "/messages": {
            "get": _operation("listMessages", "List messages"),
            "post": _operation("sendMessage", "Send a message", **_body(["to", "text"], to=TEXT, text=TEXT)),
        },
        "/rules/{rule_id}": {
            "parameters": [{"name": "rule_id", "in": "path", "required": True, "schema": TEXT}],
            "delete": _operation("deleteRule", "Delete a rule"),
        },
    },
}
BACK_TO_SCHOOL = {"id": "cmp_1", "name": "Back to School", "status": "ACTIVE", "daily_budget_micros": 50_000_000}
SUMMER = {"id": "cmp_2", "name": "Summer Sale", "status": "ACTIVE", "daily_budget_micros": 20_000_000}
LISTED = {"data": [BACK_TO_SCHOOL, SUMMER]}


def written(folder: Path, description: dict[str, Any], url: str = "http://127.0.0.1:9") -> str:
    """The path of a description, with its API at `url`."""
    file = folder / f"{description['info']['title'].lower()}.json"
    file.write_text(json.dumps({**description, "servers": [{"url": url}]}))
    return str(file)


def loaded(folder: Path, description: dict[str, Any] = CAMPAIGNS) -> Spec:
    return load(written(folder, description))


def call(spec: Spec, operation: str, **arguments: Any) -> Call:
    return Call(tool=compile_tool(spec.operation(operation)), arguments=arguments)


def answered(made: Call, data: Any, status: int = 200) -> Step:
    """The step of a call that was answered with this."""
    return Step(call=made, outcome=Outcome.ANSWERED, result=Result(status=status, content=json.dumps(data).encode()))


def recorder(answers: Mapping[str, Any]) -> Echo:
    """An API that answers reads by their path, with a Reply or as JSON, and takes every change."""

    def answer(request: Received) -> Reply:
        if request.method != "GET":
            return Reply(200, {"id": "new_1", **(request.json() if request.body else {})})
        data = answers.get(request.path, {"data": []})
        return data if isinstance(data, Reply) else Reply(200, data)

    return Echo(answer)


def changes(api: Echo) -> list[tuple[str, str, Any]]:
    """What of the requests that an API got changes something: method, target and body."""
    return [(one.method, one.target, one.json() if one.body else None) for one in api.received if one.method != "GET"]
