"""The fields of an answer, as MCP clients and the skills of a plugin are told of them."""

from __future__ import annotations

from typing import Any

from nlapi.tools.answers.view import answer_fields
from tests.describe import operation
from tests.tables import table

TEXT = {"type": "string"}


def answers(schema: Any) -> str:
    answer = {"200": {"description": "ok", "content": {"application/json": {"schema": schema}}}}
    schemas = {"Thing": {"properties": {"id": TEXT}}, "Loop": {"items": {"$ref": "#/components/schemas/Loop"}}}
    return answer_fields(operation({"responses": answer}, components={"schemas": schemas}), str.upper)


@table(
    ("schema", "told"),
    [
        ({"properties": {"id": TEXT, "name": TEXT}}, "ID, NAME"),
        ({"items": {"$ref": "#/components/schemas/Thing"}}, "a list of (ID)"),
        ({"properties": {"data": {"items": {"$ref": "#/components/schemas/Thing"}}}}, "DATA: a list of (ID)"),
        ({"properties": {"tags": {"items": TEXT}}}, "TAGS"),
        ({"allOf": [{"$ref": "#/components/schemas/Thing"}, {"properties": {"x": TEXT}}]}, "ID, X"),
        ({"properties": {f"p{number:02}": TEXT for number in range(18)}}, ", ".join(f"P{n:02}" for n in range(16))),
        ({"allOf": None, "properties": []}, ""),
        ({"$ref": "#/components/schemas/Loop"}, "a list of (a list of (a list))"),
        (True, ""),
    ],
)
def test_the_fields_of_an_answer_are_named(schema: Any, told: str) -> None:
    more = " and 2 more" if told.endswith("P15") else ""
    assert answers(schema) == told + more
