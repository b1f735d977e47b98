"""A shop with customers and orders, three workflows of it, and its API on loopback."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nlapi
from nlapi.openapi.spec import Spec
from nlapi.workflows.read import read_document
from nlapi.workflows.sources import link
from nlapi.workflows.workflow_tools import WorkflowTools, workflow_tools
from tests.servers import Echo, Received, Reply


def _object(required: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "properties": properties}


def _answer(status: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {status: {"description": "ok", "content": {"application/json": {"schema": schema}}}}


def _body(schema: dict[str, Any]) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": schema}}}


TEXT = {"type": "string"}
CUSTOMER = _object(("id", "name"), id=TEXT, name=TEXT, email=TEXT)
ORDER = _object(("id",), id=TEXT, customer_id=TEXT, sku=TEXT, quantity={"type": "integer"})
ID = {"name": "customer_id", "in": "path", "required": True, "schema": TEXT}
SHOP: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Shop", "version": "1"},
    "servers": [{"url": "http://127.0.0.1:9"}],
    "paths": {
        "/customers": {
            "get": {
                "operationId": "listCustomers",
                "summary": "List customers",
                "responses": _answer("200", {"type": "array", "items": CUSTOMER}),
            },
            "post": {
                "operationId": "createCustomer",
                "summary": "Create a customer",
                "requestBody": _body(_object(("name", "email"), name=TEXT, email=TEXT)),
                "responses": _answer("201", CUSTOMER),
            },
        },
        "/customers/{customer_id}": {
            "parameters": [ID],
            "get": {
                "operationId": "getCustomer",
                "summary": "Get a customer",
                "responses": _answer("200", CUSTOMER),
            },
            "delete": {
                "operationId": "deleteCustomer",
                "summary": "Delete a customer",
                "responses": {"204": {"description": "gone"}},
            },
        },
        "/orders": {
            "post": {
                "operationId": "createOrder",
                "summary": "Create an order",
                "requestBody": _body(
                    _object(("customer_id", "sku"), customer_id=TEXT, sku=TEXT, quantity={"type": "integer"})
                ),
                "responses": _answer("201", ORDER),
            }
        },
    },
}


def _step(id: str, operation: str, status: int, **more: Any) -> dict[str, Any]:
    return {
        "stepId": id,
        "operationId": operation,
        "successCriteria": [{"condition": f"$statusCode == {status}"}],
        **more,
    }


def _payload(**fields: str) -> dict[str, Any]:
    return {"requestBody": {"contentType": "application/json", "payload": fields}}


def _of(value: str) -> dict[str, Any]:
    return {"parameters": [{"name": "customer_id", "in": "path", "value": value}]}


NEW = "$steps.add-customer.outputs.customer_id"
WORKFLOWS: dict[str, Any] = {
    "arazzo": "1.0.1",
    "info": {"title": "Shop workflows", "version": "1"},
    "sourceDescriptions": [{"name": "shop", "url": "shop.json", "type": "openapi"}],
    "workflows": [
        {
            "workflowId": "onboard-customer",
            "summary": "Onboard a customer with a first order",
            "inputs": _object(
                ("name", "email", "sku"),
                name={**TEXT, "description": "The name of the customer"},
                email={**TEXT, "format": "email"},
                sku={**TEXT, "description": "The article of the first order"},
                quantity={"type": "integer", "minimum": 1, "default": 1},
            ),
            "steps": [
                _step(
                    "add-customer",
                    "createCustomer",
                    201,
                    **_payload(name="$inputs.name", email="$inputs.email"),
                    outputs={"customer_id": "$response.body#/id"},
                ),
                _step(
                    "add-order",
                    "createOrder",
                    201,
                    **_payload(customer_id=NEW, sku="$inputs.sku", quantity="$inputs.quantity"),
                    outputs={"order_id": "$response.body#/id"},
                ),
                _step("look", "getCustomer", 200, **_of(NEW)),
            ],
            "outputs": {"customer": NEW, "order": "$steps.add-order.outputs.order_id"},
        },
        {
            "workflowId": "customer-overview",
            "summary": "Show the overview of a customer",
            "inputs": _object(("customer_id",), customer_id=TEXT),
            "steps": [
                _step("everybody", "listCustomers", 200),
                _step(
                    "one", "getCustomer", 200, **_of("$inputs.customer_id"), outputs={"name": "$response.body#/name"}
                ),
            ],
            "outputs": {"name": "$steps.one.outputs.name"},
        },
        {
            "workflowId": "offboard-customer",
            "summary": "Offboard a customer",
            "inputs": _object(("customer_id",), customer_id=TEXT),
            "steps": [
                _step("find", "getCustomer", 200, **_of("$inputs.customer_id")),
                _step("remove", "deleteCustomer", 204, **_of("$inputs.customer_id")),
            ],
        },
    ],
}
ONBOARD = "please onboard a new customer: Ada Lovelace, ada@example.com, sku AB-12, quantity 3"
INPUTS = {"name": "Ada Lovelace", "email": "ada@example.com", "sku": "AB-12", "quantity": 3}
SENT = ["POST /customers", "POST /orders", "GET /customers/c1"]
"""what the workflow for Ada sends"""


def shop_files(folder: Path, url: str = "http://127.0.0.1:9") -> tuple[str, str]:
    """The paths of the description, with its API at `url`, and of the document with its workflows."""
    description, document = folder / "shop.json", folder / "shop.arazzo.json"
    description.write_text(json.dumps({**SHOP, "servers": [{"url": url}]}))
    document.write_text(json.dumps(WORKFLOWS))
    return str(description), str(document)


def shop_tools(folder: Path) -> tuple[Spec, WorkflowTools]:
    """The Spec, and its workflows as tools."""
    description, document = shop_files(folder)
    spec = nlapi.load(description)
    return spec, workflow_tools([link(read_document(document), loader=lambda _: spec)])


def shop_api(*, orders: int = 201) -> Echo:
    """The API: whoever is added is customer c1; `orders` is the status of a new order."""

    def answer(request: Received) -> Reply:
        if request.method == "DELETE":
            return Reply(204)
        if request.path == "/orders":
            return Reply(orders, {"id": "o1", **request.json()} if orders < 300 else {"error": "sold out"})
        if request.method == "POST":
            return Reply(201, {"id": "c1", **request.json()})
        if request.path == "/customers":
            return Reply(200, [{"id": "c1", "name": "Ada Lovelace"}])
        return Reply(200, {"id": "c1", "name": "Ada Lovelace"})

    return Echo(answer)


def lines_sent(api: Echo) -> list[str]:
    """The requests that came, each as its method and target."""
    return [f"{request.method} {request.target}" for request in api.received]
