"""The audit of the corpus finds what tools lose."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import nlapi
from benchmarks.audit import Audit, audit
from benchmarks.speed import STARTS, Measured, figures, page
from nlapi.tools.tool import Tool
from tests.describe import body, parameter, spec, text

SHAPE = {
    "type": "object",
    "properties": {"a": {"type": "string"}, "id": {"readOnly": True}, "b": {"$ref": "#/x-more/B"}},
}
INNER = {"type": "object", "properties": {"c": {"type": "array", "items": {"properties": {"d": {}}}}}}
PATHS = {"/x/{p}": {"post": {"parameters": [parameter("p", "path"), parameter("q")], **body(SHAPE), "responses": {}}}}
MORE: dict[str, Any] = {"x-more": {"B": INNER}}


def audited(change: Any = lambda tool: tool) -> Audit:
    read = spec(PATHS, **MORE)
    tools: list[Tool] = [change(tool) for tool in nlapi.tools(read)]
    return audit(json.loads(text(PATHS, **MORE)), read, [tool for tool in tools if tool])


def without(tool: Tool, name: str) -> Tool:
    properties = {key: value for key, value in tool.input_schema["properties"].items() if key != name}
    places = {key: value for key, value in tool.places.items() if key != name}
    return replace(tool, input_schema={**tool.input_schema, "properties": properties}, places=places)


def test_a_whole_tool_has_everything() -> None:
    found = audited()
    assert (found.operations, found.accounted, found.tools, found.faulty) == (1, 1, 1, 0)
    assert (found.parameters, found.parameters_visible) == (2, 2)
    assert (found.properties, found.properties_visible) == (5, 5)
    assert not found.lost


def test_what_is_lost_is_counted_and_named() -> None:
    assert audited(lambda _: None).lost == ["no tool: post /x/{p}"]
    assert audited(lambda tool: without(tool, "q")).lost == ["parameter 'q' in query: POST /x/{p}"]
    assert audited(lambda tool: without(tool, "a")).lost == ["property .a: POST /x/{p}"]


def test_a_header_that_is_left_out_on_purpose_is_named_in_an_issue() -> None:
    names = ("X-HTTP-Method-Override", "Cookie", "Content-Length", "bad name")
    paths = {"/x": {"post": {"parameters": [parameter(name, "header") for name in names], "responses": {}}}}
    read = spec(paths)
    found = audit(json.loads(text(paths)), read, nlapi.tools(read))
    assert (found.parameters, found.parameters_shown, found.parameters_visible) == (4, 0, 4)


def test_what_the_api_would_refuse_is_named() -> None:
    def broken(**changes: Any) -> list[str]:
        return audited(lambda tool: replace(tool, **changes)).faults

    assert broken(name="no spaces") == ["no spaces: the name is not allowed"]
    assert broken(input_schema={"type": "object", "properties": {"$top": {}}}) == ["post_x_p: property '$top'"]
    assert broken(input_schema={"type": "object", "properties": {}, "oneOf": [{}]}) == ["post_x_p: not a plain object"]
    assert broken(input_schema={"type": "object", "properties": {"n": {"exclusiveMinimum": True}}})
    assert broken(input_schema={"type": "object", "properties": {"n": {"$ref": "#/$defs/N"}}}) == [
        "post_x_p: $ref '#/$defs/N' leads nowhere"
    ]


def test_a_cost_over_its_limit_in_proportion_to_the_yardstick_is_too_high() -> None:
    start = STARTS[0]
    within = Measured(workload=start, cpu=0.010 * start.limit, peak=20, yardstick=0.010)
    over = replace(within, cpu=0.011 * start.limit)
    assert [figure.kept for figure in figures([within])] == [True, True, True]
    assert [figure.kept for figure in figures([over])] == [False, True, True]
    assert f"| {start.name} | 0.200 | 20.0 | 20.0 | 20 |" in page([within], [])
