"""Bodies with variants that a tag chooses, and fields that are required and may be null."""

from __future__ import annotations

from typing import Any

from nlapi.planner import OfflinePlanner
from nlapi.tools.plan import Plan
from tests.describe import body, spec
from tests.tables import table

TEXT = {"type": "string"}


def variant(*names: str, tag: dict[str, Any] | None = None) -> dict[str, Any]:
    properties = {"kind": tag or TEXT, **dict.fromkeys(names, TEXT)}
    return {"type": "object", "required": list(properties), "properties": properties}


CONSTANTS = {
    "oneOf": [variant("name", "address", tag={"const": "email"}), variant("name", "channel", tag={"const": "slack"})]
}
MAPPED = {
    "oneOf": [{"$ref": "#/components/schemas/Mail"}, {"$ref": "#/components/schemas/Chat"}],
    "discriminator": {
        "propertyName": "kind",
        "mapping": {"email": "#/components/schemas/Mail", "slack": "#/components/schemas/Chat"},
    },
}
NULLABLE = {
    "type": "object",
    "required": ["due"],
    "properties": {"due": {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]}, "name": TEXT},
}


def planned(question: str, schema: dict[str, Any]) -> Plan:
    create = {"operationId": "createNotifier", "summary": "Create a notifier", **body(schema)}
    schemas = {"Mail": variant("name", "address"), "Chat": variant("name", "channel")}
    paths = {"/notifiers": {"post": {**create, "responses": {"201": {"description": "ok"}}}}}
    return OfflinePlanner([spec(paths, components={"schemas": schemas})]).plan(question)


SLACK, MAIL = {"kind": "slack", "name": "ops"}, {"kind": "email", "name": "ops"}
CASES: list[tuple[str, dict[str, Any], dict[str, Any], list[str]]] = [
    # the fields of the chosen variant alone are asked for, and without a choice the tag
    ("create a slack notifier called ops", CONSTANTS, {"body": SLACK}, ["body.channel"]),
    ("create a slack notifier called ops", MAPPED, {"body": SLACK}, ["body.channel"]),
    ("create an email notifier called ops", CONSTANTS, {"body": MAIL}, ["body.address"]),
    ("create a notifier called ops", CONSTANTS, {"body": {"name": "ops"}}, ["body.kind"]),
    # a field that one variant has chooses it
    (
        'create a notifier called ops with the channel "general"',
        CONSTANTS,
        {"body": {"name": "ops", "channel": "general", "kind": "slack"}},
        [],
    ),
    ("create a notifier called ops", NULLABLE, {"name": "ops", "due": None}, []),
]


@table("question, schema, arguments, missing", CASES)
def test_a_body_has_the_fields_of_its_variant(
    question: str, schema: dict[str, Any], arguments: dict[str, Any], missing: list[str]
) -> None:
    plan = planned(question, schema)
    assert dict(plan.calls[0].arguments) == arguments
    assert [entry.argument for entry in plan.missing] == missing


FREE = {"type": "object", "properties": {"data": {"type": "object"}}}
WORDED: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("create a notifier with the title Buy milk", FREE, {"data": {"title": "Buy milk"}}),
    ('create a notifier with the title "Milk" and the amount 3', FREE, {"data": {"title": "Milk", "amount": 3}}),
    ("create a notifier with title=Milk and version=1.10", FREE, {"data": {"title": "Milk", "version": "1.10"}}),
]


@table("question, schema, arguments", WORDED)
def test_an_object_of_any_fields_is_said_in_words(
    question: str, schema: dict[str, Any], arguments: dict[str, Any]
) -> None:
    assert dict(planned(question, schema).calls[0].arguments) == arguments
