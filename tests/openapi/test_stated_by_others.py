"""What a description states for other programs is read, and written back for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

import nlapi
from nlapi.openapi.spec import Effect
from tests.cli.kit import run
from tests.describe import spec

# The method, what is stated, and the effect and whether planners see the operation.
STATED: list[tuple[str, dict[str, Any], Effect, bool]] = [
    ("get", {}, Effect.READ, True),
    ("get", {"x-openai-isConsequential": True}, Effect.WRITE, True),
    ("get", {"x-openai-isConsequential": False}, Effect.READ, True),
    ("post", {"x-openai-isConsequential": False}, Effect.WRITE, True),
    ("delete", {"x-openai-isConsequential": False}, Effect.DESTROY, True),
    ("delete", {"x-openai-isConsequential": True}, Effect.DESTROY, True),
    ("put", {"x-mcp": {"annotations": {"readOnlyHint": True}}}, Effect.WRITE, True),
    ("post", {"x-mcp": {"annotations": {"destructiveHint": True}}}, Effect.DESTROY, True),
    ("get", {"x-speakeasy-mcp": {"readOnlyHint": False}}, Effect.WRITE, True),
    ("get", {"x-speakeasy-mcp": {"disabled": True}}, Effect.READ, False),
    ("get", {"x-mcp": False}, Effect.READ, False),
    ("get", {"x-ms-visibility": "internal"}, Effect.READ, False),
    ("get", {"x-ms-visibility": "important"}, Effect.READ, True),
]


def test_a_statement_for_others_makes_no_less_of_an_effect() -> None:
    for method, stated, effect, is_visible in STATED:
        operation = {"operationId": "doThing", "responses": {"200": {"description": "ok"}}, **stated}
        (found,) = spec({"/things": {method: operation}}).operations
        assert (found.effect, not found.hidden) == (effect, is_visible), (method, stated)


def test_what_is_exported_is_an_overlay_that_says_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NLAPI_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("NLAPI_CACHE_DIR", str(tmp_path / "cache"))
    answer = {"responses": {"200": {"description": "ok"}}}
    paths = {
        "/things": {
            "get": {"operationId": "listThings", "summary": "List things", **answer},
            "post": {"operationId": "createThing", "summary": "Create a thing", **answer},
        },
        "/things/search": {"post": {"operationId": "searchThings", "summary": "Search for things", **answer}},
        "/things/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
            "delete": {"operationId": "deleteThing", "summary": "Delete a thing", **answer},
        },
    }
    file, overlay = tmp_path / "things.json", tmp_path / "effects.yaml"
    file.write_text(json.dumps({"openapi": "3.1.0", "info": {"title": "T", "version": "1"}, "paths": paths}))
    assert run("effects", "export", str(file), "-o", str(overlay)).code == 0
    written = yaml.safe_load(overlay.read_text())
    assert written["overlay"] == "1.1.0"
    assert run("effects", "export", str(file)).out == overlay.read_text()
    before, after = nlapi.load(str(file)), nlapi.load(str(file), overlays=[str(overlay)])
    assert [operation.effect for operation in after.operations] == [operation.effect for operation in before.operations]
    node = after.document["paths"]["/things"]["post"]
    assert node["x-openai-isConsequential"] is True
    assert node["x-mcp"]["annotations"] == {"readOnlyHint": False, "destructiveHint": False}
