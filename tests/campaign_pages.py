"""An API with campaigns on pages of ten, of which one can be neither changed nor taken away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

from nlapi.openapi.spec import Spec
from tests.describe import spec
from tests.servers import Received, Reply

PAGE = 10
CAMPAIGNS = [
    {
        "id": f"c{number}",
        "name": f"Campaign {number}",
        "spent": number * 10,
        "status": "PAUSED" if number % 4 else "ACTIVE",
        "ends_on": f"2026-0{1 + number % 9}-15",
        "owner": {"id": f"u{number % 3}"},
    }
    for number in range(25)
]


def described(url: str) -> Spec:
    page = {"name": "page", "in": "query", "schema": {"type": "integer", "default": 1}}
    id = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
    item = {
        "type": "object",
        "properties": {
            "id": {"type": "string"}, "name": {"type": "string"}, "spent": {"type": "integer"},
            "status": {"type": "string"}, "ends_on": {"type": "string", "format": "date"},
            "owner": {"type": "object", "properties": {"id": {"type": "string"}}},
        },
    }  # fmt: skip
    rows = {
        "type": "object",
        "properties": {"data": {"type": "array", "items": item}, "total": {"type": "integer"}},
    }
    body = {"type": "object", "properties": {"status": {"type": "string", "enum": ["PAUSED", "ACTIVE"]}}}
    paths = {
        "/campaigns": {"get": {"operationId": "listCampaigns", "summary": "List campaigns", "parameters": [page],
                               "responses": {"200": answer(rows)}}},
        "/campaigns/{id}": {
            "patch": {"operationId": "updateCampaign", "summary": "Update a campaign", "parameters": [id],
                      "requestBody": {"content": {"application/json": {"schema": body}}},
                      "responses": {"200": answer(item)}},
            "delete": {"operationId": "deleteCampaign", "summary": "Delete a campaign", "parameters": [id],
                       "responses": {"204": {"description": "gone"}}},
        },
    }  # fmt: skip
    return spec(paths, servers=[{"url": url}])


def answer(schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": "it", "content": {"application/json": {"schema": schema}}}


def campaigns(rows: Sequence[dict[str, Any]], total: int, request: Received) -> Reply:
    """Pages of ten, until an entry is changed; `c13` cannot be."""
    if request.method == "GET":
        page = int(parse_qs(urlsplit(request.target).query).get("page", ["1"])[0])
        return Reply(200, {"data": rows[(page - 1) * PAGE : page * PAGE], "total": total or len(rows)})
    return Reply(409, {"error": "locked"}) if request.target.endswith("/c13") else Reply(200, {"id": "x"})
