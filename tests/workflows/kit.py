"""What the tests of runs share: a shop and its API on loopback, documents about it, and the command line."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nlapi.workflows.read import parse_document
from nlapi.workflows.sources import LinkedDocument, link
from tests.cli.kit import Ran, run
from tests.servers import Echo, Received, Reply

JSON = "application/json"
ID = {"type": "string"}
ORDER = {"type": "object", "properties": {"id": ID, "sku": ID, "state": ID, "total": {"type": "number"}}}
CUSTOMER = {"type": "object", "properties": {"id": ID, "name": ID, "email": ID}}


def answers(schema: Mapping[str, Any], status: str = "200") -> dict[str, Any]:
    return {"responses": {status: {"description": "x", "content": {JSON: {"schema": schema}}}}}


def takes(schema: Mapping[str, Any], content_type: str = JSON, *, required: bool = True) -> dict[str, Any]:
    return {"requestBody": {"required": required, "content": {content_type: {"schema": schema}}}}


def fields(*required: str, **more: Any) -> dict[str, Any]:
    properties = {name: {"type": "string"} for name in required}
    return {"type": "object", "required": list(required), "properties": {**properties, **more}}


def at(name: str, location: str = "path", **more: Any) -> dict[str, Any]:
    return {"name": name, "in": location, "required": location == "path", "schema": {"type": "string"}, **more}


def described(url: str, title: str = "Shop") -> dict[str, Any]:
    """Return the description of the shop, whose API is at `url`."""
    paths: dict[str, Any] = {
        "/customers": {
            "get": {"operationId": "findCustomer", "parameters": [at("email", "query")], **answers(CUSTOMER)},
            "post": {
                "operationId": "createCustomer",
                **takes(fields("name", email=ID, pin=ID, tags={"type": "array", "items": ID})),
                **answers(CUSTOMER, "201"),
            },
        },
        "/customers/{id}": {"get": {"operationId": "getCustomer", "parameters": [at("id")], **answers(CUSTOMER)}},
        "/stock/{sku}": {"get": {"operationId": "getStock", "parameters": [at("sku")], **answers({"type": "object"})}},
        "/orders": {
            "post": {
                "operationId": "createOrder",
                **takes(fields("customer_id", "sku", note=ID, lines={"type": "array", "items": {"type": "object"}})),
                **answers(ORDER, "201"),
            }
        },
        "/orders/{id}": {
            "get": {"operationId": "getOrder", "parameters": [at("id")], **answers(ORDER)},
            "delete": {
                "operationId": "deleteOrder",
                "parameters": [at("id")],
                "responses": {"204": {"description": "x"}},
            },
        },
        "/orders/{id}/pay": {
            "post": {
                "operationId": "payOrder",
                "parameters": [at("id")],
                **takes(fields("method")),
                **answers(ORDER),
            }
        },
        "/token": {
            "post": {
                "operationId": "getToken",
                **takes(fields("user", "password"), "application/x-www-form-urlencoded"),
                **answers({"type": "object", "properties": {"token": ID}}),
            }
        },
        "/files": {
            "post": {
                "operationId": "upload",
                **takes(fields("name", file={"type": "string", "format": "binary"}), "multipart/form-data"),
                **answers({"type": "object", "properties": {"id": ID}}, "201"),
            }
        },
        "/notes": {"post": {"operationId": "addNote", **takes({"type": "string"}, "text/plain"), **answers({})}},
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": "1"},
        "servers": [{"url": url}],
        "paths": paths,
    }


class Shop(Echo):
    """The API of the shop: what is created has the next id. `replies` has other answers, by operation, in turn."""

    def __init__(self) -> None:
        super().__init__()
        self.replies: dict[str, list[Reply | Callable[[Received], Reply]]] = {}
        self.count = 0

    @property
    def log(self) -> list[str]:
        """The requests as `METHOD target`."""
        return [f"{request.method} {request.target}" for request in self.received]

    @property
    def changes(self) -> list[str]:
        return [line for line in self.log if not line.startswith("GET")]

    def reply(self, request: Received) -> Reply:
        key = f"{request.method} {request.path}"
        if script := self.replies.get(key) or self.replies.get(request.method):
            entry = script.pop(0) if len(script) > 1 else script[0]
            return entry(request) if callable(entry) else entry
        return self.usual(request)

    def usual(self, request: Received) -> Reply:
        kind = request.path.split("/")[1]
        if request.method == "DELETE":
            return Reply(204)
        if request.method == "GET":
            return Reply(200, {"id": request.path.rpartition("/")[2], "state": "open", "name": kind})
        self.count += 1
        try:
            sent = request.json()
        except ValueError:
            sent = {}
        return Reply(201, {**(sent if isinstance(sent, dict) else {}), "id": f"{kind[0]}{self.count}", "state": "new"})


def lost(request: Received) -> Reply:
    """Hang up in the middle of the answer: nobody knows what became of the request."""
    raise ConnectionAbortedError


def step(id: str, operation: str, **more: Any) -> dict[str, Any]:
    return {"stepId": id, "operationId": operation, **more}


def value(name: str, value: Any, location: str = "path") -> dict[str, Any]:
    return {"name": name, "in": location, "value": value}


def body(payload: Any, **more: Any) -> dict[str, Any]:
    return {"requestBody": {"payload": payload, **more}}


CREATE = step("create", "createCustomer", **body({"name": "$inputs.name"}), outputs={"id": "$response.body#/id"})
ORDERED = step(
    "order",
    "createOrder",
    **body({"customer_id": "$steps.create.outputs.id", "sku": "tea"}),
    outputs={"id": "$response.body#/id"},
)
PAY = step("pay", "payOrder", parameters=[value("id", "$steps.order.outputs.id")], **body({"method": "card"}))
LOOK = step(
    "look", "getOrder", parameters=[value("id", "$steps.order.outputs.id")], outputs={"state": "$response.body#/state"}
)
NAME = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}


def flow(*steps: Mapping[str, Any], id: str = "buy", inputs: Mapping[str, Any] = NAME, **more: Any) -> dict[str, Any]:
    return {"workflowId": id, "inputs": inputs, "steps": list(steps), **more}


BUY = flow(
    CREATE, ORDERED, PAY, LOOK, outputs={"order": "$steps.order.outputs.id", "state": "$steps.look.outputs.state"}
)


def document(*workflows: Mapping[str, Any], version: str = "1.0.1", **more: Any) -> dict[str, Any]:
    return {
        "arazzo": version,
        "info": {"title": "Shopping", "version": "1"},
        "sourceDescriptions": [{"name": "shop", "url": "shop.json", "type": "openapi"}],
        "workflows": list(workflows),
        **more,
    }


def write(folder: Path, tree: Mapping[str, Any], url: str = "http://127.0.0.1:9", name: str = "flow.json") -> str:
    """Write a document, and the description beside it; return its path."""
    (folder / "shop.json").write_text(json.dumps(described(url)), encoding="utf-8")
    (folder / name).write_text(json.dumps(tree), encoding="utf-8")
    return str(folder / name)


def linked(folder: Path, tree: Mapping[str, Any]) -> LinkedDocument:
    return link(parse_document(tree, write(folder, tree)))


def flow_run(folder: Path, shop: Shop, tree: Mapping[str, Any], *words: str, name: str = "Ada") -> Ran:
    """`nlapi workflow run` of a document, with consent unless the words have `--no`."""
    given = ("--input", f"name={name}") if name else ()
    consent = () if "--no" in words else ("--yes",)
    words = tuple(word for word in words if word != "--no")
    return run("workflow", "run", write(folder, tree, shop.url), *words, *given, *consent)
