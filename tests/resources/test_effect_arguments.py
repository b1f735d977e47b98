"""Which arguments make a change of a call that its operation alone does not make."""

from __future__ import annotations

import re
from typing import Any

import pytest

from nlapi.openapi.spec import Effect, Operation
from nlapi.resources.effect_arguments import call_effect, possible_effect
from tests.describe import body, operation, parameter
from tests.tables import table

FLAG = {"type": "boolean"}
TEXT = {"type": "string"}
NUMBER = {"type": "integer"}
WATCH = "Get single watch data, delete, recheck, or set muted/paused status"


def one_of(*choices: object) -> dict[str, Any]:
    return {"enum": list(choices)}


def get(path: str, summary: str, name: str, schema: dict[str, Any], description: str = "", **more: Any) -> Operation:
    placeholders = [parameter(found, "path") for found in re.findall(r"\{(\w+)\}", path)]
    argument = parameter(name, schema=schema, description=description)
    return operation({"summary": summary, "parameters": [*placeholders, argument]}, path=path, **more)


CHANGES = [
    ("/watch/{uuid}", WATCH, "muted", one_of("muted", "unmuted"), "Set the mute state of the watch", "muted"),
    ("/watch/{uuid}", WATCH, "muted", one_of("muted", "unmuted"), "Set the mute state of the watch", "unmuted"),
    ("/watch/{uuid}", WATCH, "recheck", one_of("1", "true"), "Recheck this watch", "true"),
    ("/watch/{uuid}", "Get a watch", "paused", one_of("paused", "unpaused"), "Set the pause state", "paused"),
    ("/messages", "List messages", "mark_read", FLAG, "", True),
    ("/messages", "List messages", "markAsRead", FLAG, "Marks the returned messages as read", True),
    ("/messages", "List messages", "seen", FLAG, "If true, marks the messages as read.", True),
    ("/messages/{id}", "Get a message", "seen", FLAG, "Whether the message will be marked as seen", True),
    ("/counter", "Get the counter", "reset", FLAG, "", "1"),
    ("/counter", "Get the counter", "reset", TEXT, "Set to 1 to reset the counter", "1"),
    ("/counter", "Get the counter", "reset", NUMBER, "Resets the counter after reading it", 1),
    ("/queue", "Read the queue", "clear", FLAG, "If set to true, clears the queue after it was read", True),
    ("/orders", "List orders", "publish", FLAG, "Only publish them where they are paid", True),
    ("/queue/next", "Get the next message", "ack", FLAG, "Acknowledge the message", True),
    ("/app", "Get an app", "trackViews", FLAG, "Whether this call should be tracked as a 'view'", True),
    ("/devices/{id}", "Get a device", "action", one_of("status", "reboot"), "Action to perform", "reboot"),
    ("/light/{id}", "Get or set the light", "brightness", NUMBER, "Set the brightness", 50),
    ("/light/{id}", "Get the light", "power", TEXT, "Set the state of the light", "on"),
]

REMOVALS = [
    ("/files/{id}", "Get a file", "delete", NUMBER, "1 to delete the file after the download", 1),
    ("/files/{id}", "Get a file", "delete", one_of(0, 1), "", 1),
    ("/users/{id}", "Get a user", "action", TEXT, "", "delete"),
]
SWITCHES = [
    ("/files/{id}", "Get a file", "delete", TEXT, "", "true", Effect.DESTROY),
    ("/files/{id}", "Get a file", "delete", NUMBER, "", 1, Effect.DESTROY),
    ("/counter", "Get the counter", "reset", TEXT, "", "yes", Effect.WRITE),
    ("/files/{id}", "Get a file", "delete", TEXT, "", "f1", Effect.READ),
    ("/files", "List files", "start", NUMBER, "", 1, Effect.READ),
    ("/files", "List files", "order", TEXT, "", "true", Effect.READ),
    ("/files", "List files", "delete_reason", TEXT, "", "true", Effect.READ),
]

READS = [
    ("/search", "Search", "sort", TEXT, "Set the sort order", "name"),
    ("/search", "Search", "archived", FLAG, "Set to true to include archived", True),
    ("/search", "Search", "per_page", NUMBER, "Set the page size", 5),
    ("/orders", "List orders", "status", TEXT, "Filter: set to open to list open ones", "open"),
    ("/orders", "List orders", "status", TEXT, "Set the status of the orders to return", "open"),
    ("/orders", "List orders", "deleted", FLAG, "Whether to include deleted orders", True),
    ("/orders", "List orders", "deleted", FLAG, "", True),
    ("/orders", "List orders", "muted", FLAG, "Only muted orders", True),
    ("/orders", "List orders", "publish", FLAG, "Only orders to publish", True),
    ("/orders", "List orders", "all", FLAG, "If true, show notifications marked as read", True),
    ("/orders", "List orders", "expand", FLAG, "Expand the customer", True),
    ("/orders/{id}", "Get an order", "refresh", FLAG, "Bypass the cache", True),
    ("/orders/{id}", "Get an order", "fields", TEXT, "Select the fields", "id"),
    ("/audit", "List the log", "action", one_of("create", "delete"), "Filter by action", "delete"),
    ("/audit", "List the log", "action", one_of("create", "delete"), "", "delete"),
    ("/devices/{id}", "Get a device", "action", one_of("status", "reboot"), "Action to perform", "status"),
    ("/logs", "List requests", "method", one_of("GET", "DELETE"), "", "DELETE"),
    ("/images/{id}", "Get an image", "width", NUMBER, "Set the width of the image", 50),
    ("/pages", "Get a page", "strip", FLAG, "Remove image tags from content", True),
    ("/counter", "Get the counter", "reset", FLAG, "", False),
    ("/counter", "Get the counter", "reset", FLAG, "", "false"),
    ("/counter", "Get the counter", "reset", FLAG, "", None),
]


@table(("path", "summary", "name", "schema", "description", "value"), CHANGES)
def test_an_argument_that_says_that_it_sets_something_makes_a_change(
    path: str, summary: str, name: str, schema: dict[str, Any], description: str, value: object
) -> None:
    found = get(path, summary, name, schema, description)
    assert call_effect(found, {("query", name): value}) is Effect.WRITE
    assert possible_effect(found) is Effect.WRITE
    assert call_effect(found, {("path", "id"): "1", ("path", "uuid"): "w1"}) is Effect.READ


@table(("path", "summary", "name", "schema", "description", "value"), REMOVALS)
def test_one_that_says_that_it_removes_something_destroys(
    path: str, summary: str, name: str, schema: dict[str, Any], description: str, value: object
) -> None:
    assert call_effect(get(path, summary, name, schema, description), {("query", name): value}) is Effect.DESTROY


@table(("path", "summary", "name", "schema", "description", "value"), READS)
def test_what_shapes_or_filters_an_answer_changes_nothing(
    path: str, summary: str, name: str, schema: dict[str, Any], description: str, value: object
) -> None:
    assert call_effect(get(path, summary, name, schema, description), {("query", name): value}) is Effect.READ


@table(("path", "summary", "name", "schema", "description", "value", "effect"), SWITCHES)
def test_a_verb_that_is_switched_on_is_one_whatever_its_type(
    path: str, summary: str, name: str, schema: dict[str, Any], description: str, value: object, effect: Effect
) -> None:
    found = get(path, summary, name, schema, description)
    assert call_effect(found, {("query", name): value}) is effect
    assert possible_effect(found) is Effect.READ


@table(
    ("name", "value", "effect"),
    [
        ("_method", "DELETE", Effect.DESTROY),
        ("_method", " put", Effect.WRITE),
        ("_METHOD", "Delete", Effect.DESTROY),
        ("$method", "PATCH", Effect.WRITE),
        ("method", "DELETE", Effect.DESTROY),
        ("_method", "GET", Effect.READ),
        ("method", "GET", Effect.READ),
        ("query", "mutation { deleteAll }", Effect.WRITE),
        ("query", "fragment f on X { id } mutation M($a: Int) { pay(a: $a) { id } }", Effect.WRITE),
        ("query", ",mutation M { pay { id } }", Effect.WRITE),
        ("query", "fragment f on X { id },mutation M { pay { id } }", Effect.WRITE),
        ("X-HTTP-Method-Override", "DELETE", Effect.DESTROY),
        ("x-http-method", "PUT", Effect.WRITE),
        ("query", "{ orders { id } }", Effect.READ),
        ("query", "query A{a},mutation B{b}", Effect.WRITE),
        ("query", f"mutation M({'$a: Int, ' * 100}) {{ pay }}", Effect.WRITE),
        ("query", "what is a mutation", Effect.READ),
        ("method", "orders.delete", Effect.DESTROY),
        ("method", "orders.list", Effect.READ),
    ],
)
def test_a_read_by_post_with_another_method_in_it_is_that_one(name: str, value: str, effect: Effect) -> None:
    node = {**body({"type": "object"}), "operationId": "searchOrders", "x-nlapi-effect": "read"}
    found = operation(node, path="/orders/search", method="post")
    # Several calls of GraphQL or JSON-RPC are one list.
    for whole in ({name: value}, [{}, {name: value}], {"calls": [{name: value}]}):
        assert call_effect(found, {("body", ""): whole}) is effect
    for values in ({("query", name): value}, {("body", name): value}):
        assert call_effect(found, values) is effect


def test_an_argument_counts_inside_of_a_whole_body_and_by_the_spellings_that_servers_take() -> None:
    flag = {"type": "boolean", "description": "Reset the counter after it was read"}
    node = {**body({"type": "object", "properties": {"reset": flag}}), "x-nlapi-effect": "read"}
    found = operation(node, path="/counters/search", method="post")
    assert call_effect(found, {("body", ""): {"reset": True}}) is Effect.WRITE
    assert call_effect(found, {("body", ""): {"reset": False}}) is Effect.READ
    counter = get("/counter", "Get the counter", "reset", FLAG)
    for name in ("Reset", "reset[]"):
        assert call_effect(counter, {("query", name): "1"}) is Effect.WRITE


@pytest.mark.parametrize("location", ["query", "cookie"])
def test_the_keys_of_an_exploded_object_are_parameters_too(location: str) -> None:
    fields = {**parameter("fields", location, {"type": "object"}), "style": "form", "explode": True}
    found = operation({"parameters": [fields]}, path="/orders")
    assert call_effect(found, {(location, "fields"): {"_method": "DELETE"}}) is Effect.DESTROY
    assert call_effect(found, {(location, "fields"): {"status": "open"}}) is Effect.READ


def test_a_batch_of_commands_is_the_gravest_of_them() -> None:
    found = operation({**body({"type": "array"}), "x-nlapi-effect": "read"}, path="/orders/search", method="post")
    batch = [{"method": "orders.list"}, {"method": "orders.delete"}]
    assert call_effect(found, {("body", ""): batch}) is Effect.DESTROY
    assert call_effect(found, {("body", ""): batch[:1]}) is Effect.READ
    device = get("/devices/{id}", "Get a device", "action", {"type": "array"}, "Actions to perform")
    assert call_effect(device, {("query", "action"): ["status", "reboot"]}) is Effect.WRITE
    assert call_effect(device, {("query", "action"): ["status"]}) is Effect.READ


def test_another_method_in_the_path_of_a_description_counts_too() -> None:
    found = operation({"x-nlapi-effect": "read"}, path="/orders?_method=DELETE", method="post")
    assert call_effect(found, {}) is Effect.DESTROY
