"""Paths whose last segment has two values, an id and a format: `/divisions/{id}.{format}`."""

from __future__ import annotations

from typing import Any

import nlapi
from tests.describe import parameter, spec
from tests.tables import table

DIVISION = {"type": "object", "properties": {"DivisionId": {"type": "integer"}, "Title": {"type": "string"}}}


def answer(schema: Any) -> dict[str, Any]:
    return {"responses": {"200": {"description": "x", "content": {"application/json": {"schema": schema}}}}}


@table("question", ["how did my MP vote so far?", "show 'Anna'", "show votes of MP"])
def test_a_name_is_planned_beside_a_segment_with_two_values(question: str) -> None:
    id, format = parameter("divisionId", "path", {"type": "integer"}), parameter("format", "path")
    divisions = {"operationId": "listDivisions", "summary": "Return a list of divisions"}
    division = {"operationId": "getDivision", "summary": "Return a division", "parameters": [id, format]}
    found = spec(
        {
            "/division/{divisionId}.{format}": {"get": {**division, **answer(DIVISION)}},
            "/divisions": {"get": {**divisions, **answer({"type": "array", "items": DIVISION})}},
        }
    )
    plan = nlapi.plan(question, found)
    assert all(call.operation_id in ("getDivision", "listDivisions") for call in plan.calls)
