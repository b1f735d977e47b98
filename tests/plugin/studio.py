"""A small API whose operations nearly all take an account, with films that are found by name and cuts to publish."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.cli.kit import run
from tests.describe import parameter

TEXT = {"type": "string"}
FILM = {"type": "object", "required": ["id", "name"], "properties": {"id": TEXT, "name": TEXT, "status": TEXT}}
CUT = {
    "type": "object",
    "properties": {"id": TEXT, "name": TEXT, "film_id": TEXT, "length": {"type": "integer"}},
}
ACCOUNT = parameter("account_id", "path", {"type": "string", "pattern": "^acc"}, description="Whose films they are.")


def node(id: str, summary: str, schema: Any = None, *parameters: Any, body: Any = None) -> dict[str, Any]:
    content = {"application/json": {"schema": schema or {"type": "object"}}}
    result = {
        "operationId": id,
        "summary": summary,
        "parameters": list(parameters),
        "responses": {"200": {"description": "ok", "content": content}},
    }
    return {
        **result,
        **({"requestBody": {"required": True, "content": {"application/json": {"schema": body}}}} if body else {}),
    }


def _list(schema: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"data": {"type": "array", "items": schema}}}


def _fields(*required: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "properties": properties}


NAME = parameter("name", "query")
FILM_ID = parameter("film_id", "path")
CUT_ID = parameter("cut_id", "path")
ACCOUNT_SCHEMA = {"type": "object", "properties": {"id": TEXT, "name": TEXT}}
STUDIO: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Studio API", "version": "1.0"},
    "servers": [{"url": "https://studio.example"}],
    "paths": {
        "/accounts": {"get": node("listAccounts", "List your accounts", _list(ACCOUNT_SCHEMA))},
        "/accounts/{account_id}": {
            "parameters": [ACCOUNT],
            "get": node("getAccount", "Get an account", ACCOUNT_SCHEMA),
            "patch": node("updateAccount", "Change an account", ACCOUNT_SCHEMA, body=_fields(name=TEXT)),
        },
        "/accounts/{account_id}/films": {
            "parameters": [ACCOUNT],
            "get": node("listFilms", "List films", _list(FILM), NAME),
            "post": node("createFilm", "Create a film", FILM, body=_fields("name", name=TEXT, genre=TEXT)),
        },
        "/accounts/{account_id}/films/{film_id}": {
            "parameters": [ACCOUNT, FILM_ID],
            "get": node("getFilm", "Get a film", FILM),
            "patch": node("updateFilm", "Change a film", FILM, body=_fields(name=TEXT, status=TEXT)),
        },
        "/accounts/{account_id}/cuts": {
            "parameters": [ACCOUNT],
            "get": node("listCuts", "List cuts", _list(CUT)),
            "post": node(
                "createCut",
                "Create a cut",
                CUT,
                body=_fields("name", "film_id", name=TEXT, film_id=TEXT, length=CUT["properties"]["length"]),
            ),
        },
        "/accounts/{account_id}/cuts/{cut_id}": {
            "parameters": [ACCOUNT, CUT_ID],
            "get": node("getCut", "Get a cut", CUT),
        },
        "/accounts/{account_id}/cuts/{cut_id}/check": {
            "parameters": [ACCOUNT, CUT_ID],
            "post": node("checkCut", "Check a cut", {"type": "object", "properties": {"valid": {"type": "boolean"}}}),
        },
        "/accounts/{account_id}/cuts/{cut_id}/publish": {
            "parameters": [ACCOUNT, CUT_ID],
            "post": node("publishCut", "Publish a cut", CUT),
        },
    },
}


def hook_question(plugin: Path, command: str) -> str:
    """The question of the plugin's hook about a command, without the shell around it; "" when it lets it pass."""
    event = {"hook_event_name": "PreToolUse", "tool_name": "Bash", "tool_input": {"command": command}}
    ran = run("plugin", "consent", str(plugin), stdin=json.dumps(event))
    assert ran.code == 0, ran.err
    return str(json.loads(ran.out)["hookSpecificOutput"]["permissionDecisionReason"]) if ran.out.strip() else ""
