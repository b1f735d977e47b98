"""What a changed description breaks in a workflow document."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nlapi.errors import Issue, Level
from nlapi.workflows.check import compare
from nlapi.workflows.read import parse_document
from nlapi.workflows.sources import link

CUSTOMER = {"type": "object", "properties": {"id": {"type": "string"}, "email": {"type": "string"}}}
DESCRIPTION: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Shop", "version": "1"},
    "servers": [{"url": "https://shop.example"}],
    "paths": {
        "/customers": {
            "post": {
                "operationId": "createCustomer",
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {
                            "schema": {
                                "type": "object",
                                "required": ["name"],
                                "properties": {
                                    "name": {"type": "string"},
                                    "tier": {"type": "string", "enum": ["basic", "plus", "premium"]},
                                },
                            }
                        }
                    },
                },
                "responses": {"201": {"description": "x", "content": {"application/json": {"schema": CUSTOMER}}}},
            }
        },
        "/customers/{customer_id}/welcome": {
            "get": {
                "operationId": "getWelcome",
                "parameters": [
                    {"name": "customer_id", "in": "path", "required": True, "schema": {"type": "string"}},
                    {"name": "page_size", "in": "query", "schema": {"type": "integer"}},
                ],
                "responses": {"200": {"description": "x"}},
            }
        },
    },
}
DOCUMENT = {
    "arazzo": "1.0.1",
    "info": {"title": "Onboarding", "version": "1"},
    "sourceDescriptions": [{"name": "shop", "url": "shop.json", "type": "openapi"}],
    "workflows": [
        {
            "workflowId": "onboard",
            "inputs": {"type": "object", "properties": {"name": {"type": "string"}, "tier": {"type": "string"}}},
            "steps": [
                {
                    "stepId": "create",
                    "operationId": "createCustomer",
                    "requestBody": {"payload": {"name": "$inputs.name", "tier": "$inputs.tier"}},
                    "successCriteria": [{"condition": "$statusCode == 201"}],
                    "outputs": {"id": "$response.body#/id"},
                },
                {
                    "stepId": "greet",
                    "operationId": "getWelcome",
                    "parameters": [
                        {"name": "customer_id", "in": "path", "value": "$steps.create.outputs.id"},
                        {"name": "page_size", "in": "query", "value": 10},
                    ],
                    "successCriteria": [{"condition": "$statusCode == 200"}],
                },
            ],
        }
    ],
}
CREATE = ("paths", "/customers", "post")
BODY = (*CREATE, "requestBody", "content", "application/json", "schema")
ANSWER = (*CREATE, "responses", "201", "content", "application/json", "schema", "properties")
WELCOME = ("paths", "/customers/{customer_id}/welcome", "get")
Change = Callable[[dict[str, Any]], None]


def at(tree: dict[str, Any], path: tuple[str, ...]) -> Any:
    for key in path:
        tree = tree[key]
    return tree


def findings(tmp_path: Path, change: Change) -> list[Issue]:
    """Return what a change of the description breaks."""
    old, new = copy.deepcopy(DESCRIPTION), copy.deepcopy(DESCRIPTION)
    change(new)
    for name, tree in (("shop.json", old), ("new.json", new)):
        (tmp_path / name).write_text(json.dumps(tree), encoding="utf-8")
    document = parse_document(DOCUMENT, str(tmp_path / "document.json"))
    return list(compare(link(document), link(document, sources={"shop": str(tmp_path / "new.json")})))


def test_an_unchanged_description_breaks_nothing(tmp_path: Path) -> None:
    assert findings(tmp_path, lambda new: None) == []


def test_prose_and_new_optional_parts_break_nothing(tmp_path: Path) -> None:
    def change(new: dict[str, Any]) -> None:
        at(new, CREATE)["summary"] = "Makes a customer"
        at(new, BODY)["properties"]["nickname"] = {"type": "string"}
        at(new, ANSWER)["created"] = {"type": "string"}

    assert findings(tmp_path, change) == []


@pytest.mark.parametrize("url", ["https://evil.example", "http://shop.example", "https://shop.example/v2"])
def test_a_server_that_moves_breaks_each_step(tmp_path: Path, url: str) -> None:
    issues = findings(tmp_path, lambda new: new.update(servers=[{"url": url}]))
    assert [issue.level for issue in issues] == [Level.ERROR, Level.ERROR]
    assert issues[0].message == f"createCustomer is sent to {url} now, where it was sent to https://shop.example"


def set_id(id: str) -> Change:
    return lambda new: at(new, CREATE).update(operationId=id)


def move(new: dict[str, Any]) -> None:
    new["paths"]["/v2/customers"] = new["paths"].pop("/customers")
    at(new, ("paths", "/v2/customers", "post"))["operationId"] = "createCustomers"


def rename_property(new: dict[str, Any]) -> None:
    properties = at(new, BODY)["properties"]
    properties["full_name"] = properties.pop("name")
    at(new, BODY)["required"] = ["full_name"]


def rename_parameter(new: dict[str, Any]) -> None:
    at(new, WELCOME)["parameters"][1]["name"] = "pageSize"


def to_delete(new: dict[str, Any]) -> None:
    item = new["paths"]["/customers/{customer_id}/welcome"]
    item["delete"] = item.pop("get")


def rename_answer(new: dict[str, Any]) -> None:
    properties = at(new, ANSWER)
    properties["customer_id"] = properties.pop("id")


def number_id(new: dict[str, Any]) -> None:
    at(new, ANSWER)["id"] = {"type": "integer"}


def other_status(new: dict[str, Any]) -> None:
    responses = at(new, CREATE)["responses"]
    responses["200"] = responses.pop("201")


@pytest.mark.parametrize(
    ("change", "level", "where", "texts"),
    [
        (set_id("addCustomer"), Level.ERROR, "create", ("createCustomer is gone", "POST /customers", "addCustomer")),
        (move, Level.ERROR, "create", ("createCustomer is gone", "did you mean 'createCustomers'?")),
        (
            lambda new: new["paths"].pop("/customers/{customer_id}/welcome"),
            Level.ERROR,
            "greet",
            ("getWelcome is gone",),
        ),
        (rename_property, Level.ERROR, "create.payload.name", ("no longer takes name", "full_name")),
        (
            lambda new: at(new, BODY)["properties"].pop("tier"),
            Level.ERROR,
            "create.payload.tier",
            ("no longer takes tier",),
        ),
        (
            lambda new: at(new, BODY).update(
                required=["name", "country"],
                properties={**at(new, BODY)["properties"], "country": {"type": "string"}},
            ),
            Level.ERROR,
            "create",
            ("requires country",),
        ),
        (
            lambda new: at(new, BODY)["properties"].update(name={"type": "object"}),
            Level.ERROR,
            "create.payload.name",
            ("wants `name` as object, where it was string",),
        ),
        (
            lambda new: at(new, BODY)["properties"]["tier"].update(enum=["basic", "plus"]),
            Level.WARNING,
            "create.payload.tier",
            ("no longer takes `premium`",),
        ),
        (rename_parameter, Level.ERROR, "greet.parameters.page_size", ("no longer takes page_size", "pageSize")),
        (
            lambda new: at(new, WELCOME)["parameters"][1].update({"in": "header"}),
            Level.ERROR,
            "greet.parameters.page_size",
            ("it is in the header now",),
        ),
        (
            lambda new: at(new, WELCOME)["parameters"][1]["schema"].update(maximum=5),
            Level.ERROR,
            "greet",
            ("page_size",),
        ),
        (to_delete, Level.ERROR, "greet", ("is a destroy now, where it was a read",)),
        (rename_answer, Level.ERROR, "create.outputs.id", ("there is no #/id", "customer_id")),
        (number_id, Level.WARNING, "create.outputs.id", ("is integer now, where it was string",)),
        (other_status, Level.ERROR, "create.successCriteria", ("no longer answers with 201", "with 200 now")),
    ],
)
def test_a_change_that_breaks_is_found_at_its_place(
    tmp_path: Path, change: Change, level: Level, where: str, texts: tuple[str, ...]
) -> None:
    issues = findings(tmp_path, change)
    place = f"workflows.onboard.steps.{where}"
    matches = [issue for issue in issues if issue.where == place and issue.level is level]
    assert matches, issues
    assert all(text in str(matches[0]) for text in texts), matches
    assert all(issue.where.startswith("workflows.onboard") for issue in issues)


def test_what_was_wrong_before_is_not_found_again(tmp_path: Path) -> None:
    tree = copy.deepcopy(DESCRIPTION)
    tree["paths"].pop("/customers")
    (tmp_path / "shop.json").write_text(json.dumps(tree), encoding="utf-8")
    document = parse_document(DOCUMENT, str(tmp_path / "document.json"))
    assert compare(link(document), link(document)) == ()
