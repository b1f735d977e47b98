"""Whatever a description refers to, a command opens its folder and files of nlapi, and connects to nothing.

The commands run under an audit hook (`tests/hostile/audit.py`), so that a new reader of documents is seen too.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from copy import deepcopy
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.tables import table

Json = dict[str, Any]

SECRET = "CANARY-OF-A-FILE-ELSEWHERE"


def targets(outside: Path) -> list[str]:
    """Return references out of a description, of every kind that some library resolves."""
    file = f"{outside}/secret.json"
    return [
        f"file://{file}", f"file://{file}#/password", f"file:{file}", f"FILE://localhost{file}", file, f"{file}#/type",
        "../outside/secret.json", "../outside/secret.json#/type", "sub/../../outside/secret.json",
        "%2e%2e/outside/secret.json", "..\\outside\\secret.json", "~/secret.json", "link.json", "linked/secret.json",
        "pipe.json", "file:///dev/zero", "/dev/zero", f"{outside}/pipe", "file:///proc/self/environ", ".hidden.json",
        "http://127.0.0.1:9/x.json", "https://127.0.0.1:9/x.json#/a", "http://localhost:9/x", "//127.0.0.1:9/x.json",
        "ftp://127.0.0.1:9/x.json", "data:application/json,%7B%22type%22:%22string%22%7D", "urn:example:x",
        f"jar:file:{file}!/a", "\\\\127.0.0.1\\share\\x.json", f"netdoc:{file}", "ldap://127.0.0.1:9/x", "http:x.json",
    ]  # fmt: skip


def document(version: str) -> Json:
    """Return a small description of a version of OpenAPI 3."""
    ok: Json = {"description": "ok", "content": {"application/json": {"schema": {"type": "object"}}}}
    schema = {"type": "object", "properties": {"name": {"type": "string"}}}
    return {
        "openapi": version,
        "info": {"title": "Shop", "version": "1"},
        "servers": [{"url": "https://shop.example.com"}],
        "paths": {
            "/orders": {
                "get": {
                    "operationId": "listOrders",
                    "summary": "List the orders",
                    "parameters": [{"name": "q", "in": "query", "schema": {"type": "string"}}],
                    "responses": {"200": ok},
                },
                "post": {
                    "operationId": "createOrder",
                    "requestBody": {"content": {"application/json": {"schema": schema}}},
                    "responses": {"201": deepcopy(ok)},
                },
            }
        },
        "components": {"schemas": {"Order": {"type": "object"}}},
    }


def parameter(node: Json) -> Json:
    return node["paths"]["/orders"]["get"]["parameters"][0]  # type: ignore[no-any-return]


def media(node: Json) -> Json:
    return node["paths"]["/orders"]["post"]["requestBody"]["content"]["application/json"]  # type: ignore[no-any-return]


def answer(node: Json) -> Json:
    return node["paths"]["/orders"]["get"]["responses"]["200"]  # type: ignore[no-any-return]


# Each puts a reference into a description, where some reader may follow it.
PLACES: dict[str, Callable[[Json, str], object]] = {
    "parameter schema": lambda node, ref: parameter(node).update(schema={"$ref": ref}),
    "parameter": lambda node, ref: node["paths"]["/orders"]["get"]["parameters"].append({"$ref": ref}),
    "path parameter": lambda node, ref: node["paths"]["/orders"].update(parameters=[{"$ref": ref}]),
    "path item": lambda node, ref: node["paths"].update({"/other": {"$ref": ref}}),
    "paths": lambda node, ref: node["paths"].update({"$ref": ref}),
    "body": lambda node, ref: node["paths"]["/orders"]["post"].update(requestBody={"$ref": ref}),
    "body schema": lambda node, ref: media(node).update(schema={"$ref": ref}),
    "property": lambda node, ref: media(node)["schema"]["properties"].update(name={"$ref": ref}),
    "choices": lambda node, ref: media(node).update(schema={"oneOf": [{"$ref": ref}], "not": {"$ref": ref}}),
    "names": lambda node, ref: media(node)["schema"].update(
        propertyNames={"$ref": ref}, patternProperties={"^x": {"$ref": ref}}, contentSchema={"$ref": ref}
    ),
    "mapping": lambda node, ref: media(node).update(
        schema={
            "oneOf": [{"$ref": "#/components/schemas/Order"}],
            "discriminator": {"propertyName": "kind", "mapping": {"a": ref}, "defaultMapping": ref},
        }
    ),
    "response": lambda node, ref: node["paths"]["/orders"]["get"]["responses"].update({"404": {"$ref": ref}}),
    "response schema": lambda node, ref: answer(node)["content"]["application/json"].update(schema={"$ref": ref}),
    "header": lambda node, ref: answer(node).update(headers={"X-A": {"$ref": ref}, "X-B": {"schema": {"$ref": ref}}}),
    "link": lambda node, ref: answer(node).update(links={"a": {"$ref": ref}, "b": {"operationRef": ref}}),
    "example": lambda node, ref: media(node).update(examples={"a": {"$ref": ref}, "b": {"externalValue": ref}}),
    "data": lambda node, ref: media(node)["schema"].update(
        default={"$ref": ref}, enum=[{"$ref": ref}], const={"$ref": ref}, examples=[{"$ref": ref}], example=[ref],
    ),
    "extension": lambda node, ref: media(node)["schema"].update({"x-more": {"$ref": ref}, "x-nlapi": {"$ref": ref}}),
    "callback": lambda node, ref: node["paths"]["/orders"]["post"].update(
        callbacks={"a": {"$ref": ref}, "b": {"{$request.body#/url}": {"$ref": ref}}}
    ),
    "webhook": lambda node, ref: node.update(webhooks={"a": {"$ref": ref}}),
    "security": lambda node, ref: node.update(
        security=[{"a": []}],
        components={
            "securitySchemes": {"a": {"$ref": ref}, "b": {"type": "openIdConnect", "openIdConnectUrl": ref}},
            "pathItems": {"a": {"$ref": ref}},
            "schemas": {"Order": {"$ref": ref}},
        },
    ),
    "base": lambda node, ref: parameter(node).update(schema={"$id": ref, "$ref": "secret.json"}),
    "base of all": lambda node, ref: (
        node.update({"$id": ref, "$self": ref}) or parameter(node).update(schema={"$ref": "secret.json#/type"})
    ),
    "dialect": lambda node, ref: (
        node.update(jsonSchemaDialect=ref)
        or parameter(node).update(schema={"$schema": ref, "$vocabulary": {ref: True}})
    ),
    "dynamic": lambda node, ref: media(node).update(
        schema={"$dynamicRef": ref, "$recursiveRef": ref, "allOf": [{"$dynamicRef": f"{ref}#a"}], "default": {"a": 1}}
    ),
    "text": lambda node, ref: node.update(
        externalDocs={"url": ref}, info={"title": "Shop", "version": "1", "description": {"$ref": ref}}
    ),
    "tag": lambda node, ref: node.update(tags=[{"$ref": ref}], servers=[{"$ref": ref}, {"url": "https://a.example"}]),
}  # fmt: skip


def swagger(refs: Iterator[str]) -> Json:
    """Return a description of Swagger 2.0 with references in its own places."""
    return {
        "swagger": "2.0",
        "info": {"title": "Shop", "version": "1"},
        "host": "shop.example.com",
        "paths": {
            "/orders": {
                "get": {
                    "operationId": "listOrders",
                    "parameters": [{"$ref": next(refs)}, {"name": "q", "in": "query", "type": "string"}],
                    "responses": {
                        "200": {"description": "ok", "schema": {"$ref": next(refs)}},
                        "404": {"$ref": next(refs)},
                    },
                },
                "post": {
                    "operationId": "createOrder",
                    "parameters": [{"name": "order", "in": "body", "schema": {"$ref": next(refs)}}],
                    "responses": {"201": {"description": "ok", "examples": {"application/json": {"$ref": next(refs)}}}},
                },
            },
            "/other": {"$ref": next(refs)},
        },
        "definitions": {"Order": {"$ref": next(refs)}, "A": {"allOf": [{"$ref": next(refs)}], "discriminator": "kind"}},
        "parameters": {"a": {"$ref": next(refs)}},
    }


def arazzo(refs: Iterator[str]) -> Json:
    """Return a workflow with references out of it: of its inputs, components and sources."""
    return {
        "arazzo": "1.0.1",
        "info": {"title": "Shop", "version": "1"},
        "sourceDescriptions": [{"name": "shop", "url": "all-3.1.0.json", "type": "openapi"}],
        "workflows": [
            {
                "workflowId": "look",
                "inputs": {
                    "type": "object",
                    "properties": {"q": {"$ref": next(refs)}},
                    "allOf": [{"$ref": next(refs)}],
                },
                "parameters": [{"reference": next(refs)}],
                "steps": [{"stepId": "one", "operationId": "listOrders"}],
            },
            {
                "workflowId": "more",
                "inputs": {"$id": next(refs), "$schema": next(refs), "properties": {"q": {"$ref": "secret.json"}}},
                "steps": [{"stepId": "one", "operationId": "listOrders"}],
            },
        ],
        "components": {"inputs": {"a": {"$ref": next(refs)}}},
    }


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return the folder of descriptions, with what leads out of it, and the one that is outside."""
    root = tmp_path_factory.mktemp("hostile")
    inside, outside = root / "inside", root / "outside"
    for folder in (inside, inside / "sub", outside, root / "home"):
        folder.mkdir()
    secret = json.dumps(
        {"type": SECRET, "properties": SECRET, "password": SECRET, "$ref": f"file://{outside}/next.json"}
    )
    for path in (
        outside / "secret.json",
        outside / "next.json",
        inside / ".hidden.json",
        root / "home" / "secret.json",
    ):
        path.write_text(secret)
    (inside / "link.json").symlink_to(outside / "secret.json")
    (inside / "linked").symlink_to(outside)
    os.mkfifo(inside / "pipe.json")
    os.mkfifo(outside / "pipe")
    return inside, outside


def write_all(inside: Path, refs: Iterator[str]) -> list[Path]:
    """Write descriptions that have a reference in each place at once, one of each version, and return their paths."""
    paths = []
    for version in ("3.0.3", "3.1.0", "3.2.0"):
        whole = document(version)
        for number, place in enumerate(PLACES.values()):
            node = document(version)
            place(node, next(refs))
            for path, item in node.pop("paths").items():
                if isinstance(item, dict):
                    for operation in filter(lambda value: "operationId" in value, item.values()):
                        operation["operationId"] += str(number)
                whole["paths"][f"/{number}{path}" if path.startswith("/") else path] = item
            whole |= node
        paths.append(inside / f"all-{version}.json")
        paths[-1].write_text(json.dumps(whole))
    paths.append(inside / "swagger.yaml")
    paths[-1].write_text(yaml.safe_dump(swagger(refs)))
    return paths


def audit(inside: Path, groups: list[list[list[str]]]) -> list[Json]:
    home = inside.parent / "home"
    names = {f"NLAPI_{kind}_DIR": str(home / kind.lower()) for kind in ("CONFIG", "STATE", "CACHE")}
    environment = {
        key: value
        for key, value in os.environ.items()
        if not key.lower().endswith("_proxy") and not key.startswith(("CLAUDE", "NLAPI", "XDG"))
    }
    result = subprocess.run(
        [sys.executable, "-m", "tests.hostile.audit"],
        input=json.dumps({"groups": groups, "roots": [str(inside), str(home)], "secret": SECRET}),
        capture_output=True,
        text=True,
        env={**environment, **names, "HOME": str(home), "NO_COLOR": "1", "COLUMNS": "80"},
        check=True,
    )
    return json.loads(result.stdout)  # type: ignore[no-any-return]


def commands(source: str, out: Path) -> list[list[str]]:
    return [
        ["check", source],
        ["tools", source, "--format", "anthropic"],
        ["tools", source, "--format", "mcp", "--strict"],
        ["find", source, "orders"],
        ["describe", source],
        ["describe", source, "createOrder"],
        ["describe", source, "--graph"],
        ["call", source, "createOrder", "--help"],
        ["call", source, "listOrders", "q=x", "--dry-run"],
        ["call", source, "createOrder", "name=x", "--dry-run"],
        ["call", source, "POST", "/orders", "--dry-run"],
        ["ask", "list the orders", "-a", source, "--planner", "offline", "--dry-run"],
        ["plugin", "build", source, "-o", str(out / "plugin")],
        ["plugin", "check", str(out / "plugin"), "--source", source],
        ["plugin", "check", str(out / "plugin"), "--against", source],
        ["api", "add", out.name, source],
        ["api", "update", out.name],
        ["doctor", out.name],
        ["auth", "list"],
        # Over stdin, which is at its end: it reads the description and lists.
        ["mcp", source],
        ["python", f"import nlapi\nwith nlapi.sandbox(nlapi.load({source!r})) as server: server.url"],
        ["python", f"import nlapi; nlapi.toolset({source!r}).tools"],
    ]


def single_references(inside: Path, refs: Iterator[str]) -> list[list[str]]:
    """Return a check of a description for each place and two references: a validator may give up at the first."""
    group = []
    for number, (name, ref) in enumerate(zip(list(PLACES) * 2, refs, strict=False)):
        node = document("3.0.3" if number % 3 == 0 else "3.1.0")
        PLACES[name](node, ref)
        path = inside / f"one-{number}.json"
        path.write_text(json.dumps(node))
        group.append(["check", str(path)])
    return group


def workflow_commands(inside: Path, refs: Iterator[str]) -> list[list[str]]:
    path, overlay, source = inside / "workflow.yaml", inside / "overlay.yaml", str(inside / "all-3.1.0.json")
    path.write_text(yaml.safe_dump(arazzo(refs)))
    action = {"target": "$.paths['/orders'].get", "update": {"parameters": [{"$ref": next(refs)}]}}
    head = {"overlay": "1.0.0", "info": {"title": "o", "version": "1"}, "extends": next(refs)}
    overlay.write_text(yaml.safe_dump({**head, "actions": [action]}))
    return [
        ["workflow", "check", str(path)],
        ["workflow", "show", str(path)],
        ["workflow", "run", str(path), "look", "--input", "q=x", "--dry-run"],
        ["workflow", "run", str(path), "more", "--input", "q=x", "--dry-run"],
        ["tools", source, "--workflows", str(path), "--format", "anthropic"],
        ["check", source, "--overlay", str(overlay)],
    ]


@pytest.fixture(scope="module")
def answers(folders: tuple[Path, Path]) -> dict[str, Json]:
    """Return what each group of commands opened and reached, all of one process, as its start is what takes long."""
    inside, outside = folders
    refs = cycle(targets(outside))
    groups = {}
    for path in write_all(inside, refs):
        words = commands(str(path), inside.parent / "home" / path.stem.replace(".", ""))
        groups[path.stem] = words if path.stem == "all-3.1.0" else words[::2]
    groups["one"] = single_references(inside, refs)
    groups["workflow"] = workflow_commands(inside, refs)
    groups["seen"] = [["python", statement] for statement in statements(inside, outside)]
    return dict(zip(groups, audit(inside, list(groups.values())), strict=True))


@table("name", ["all-3.0.3", "all-3.1.0", "all-3.2.0", "swagger", "one", "workflow"])
def test_no_command_opens_what_a_description_refers_to(answers: dict[str, Json], name: str) -> None:
    answer = answers[name]
    assert answer["status"] == 0, f"it did not end: {answer['last']}"
    assert not answer["steps"]


def statements(inside: Path, outside: Path) -> list[str]:
    """Return what the hook has to see, each of another kind, and what it does not: a file inside."""
    return [
        f"open({str(outside / 'secret.json')!r})",
        f"import os; os.open({str(inside / 'link.json')!r}, os.O_RDONLY)",
        "import socket; socket.create_connection(('127.0.0.1', 9))",
        "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9/')",
        "import subprocess; subprocess.run(['true'])",
        f"print({SECRET!r})",
        f"open({str(inside / 'all-3.1.0.json')!r}, 'a')",
    ]


def test_the_hook_sees_what_is_opened_and_reached(answers: dict[str, Json], folders: tuple[Path, Path]) -> None:
    assert [step["words"][1] for step in answers["seen"]["steps"]] == statements(*folders)[:-1]
