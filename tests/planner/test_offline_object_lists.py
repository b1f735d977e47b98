"""Lists of objects, whose items have one value that a sentence says."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from nlapi.planner import OfflinePlanner
from nlapi.tools.plan import Plan
from tests.describe import body, parameter, spec
from tests.tables import table

TEXT = {"type": "string"}
WHERE = {"collection_id": "c_77"}


def item(*required: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required)}


def planned(question: str, name: str, entry: dict[str, Any]) -> Plan:
    collection = parameter("collection_id", "path", TEXT, description="Id of the collection.")
    schema = {"type": "object", "properties": {name: {"type": "array", "items": entry}}, "required": [name]}
    node = {"operationId": "addImages", "summary": "Add images to a collection", "parameters": [collection]}
    answer = {"responses": {"200": {"description": "ok"}}}
    api = spec({"/collections/{collection_id}/images": {"post": {**node, **answer, **body(schema)}}})
    return OfflinePlanner([api], today=date(2026, 5, 13)).plan(question)


@table(
    ("entry", "items"),
    [
        (TEXT, ["1234", "5678", "9012"]),
        (item("id", id=TEXT, caption=TEXT), [{"id": "1234"}, {"id": "5678"}, {"id": "9012"}]),
        (item(id={"type": "integer"}), [{"id": 1234}, {"id": 5678}, {"id": 9012}]),
        (
            item("image", image=item("id", id=TEXT, caption=TEXT)),
            [{"image": {"id": "1234"}}, {"image": {"id": "5678"}}, {"image": {"id": "9012"}}],
        ),
    ],
)
def test_a_run_of_values_is_the_one_required_value_of_each_item(entry: dict[str, Any], items: list[Any]) -> None:
    (call,) = planned("add the images 1234, 5678 and 9012 to collection c_77", "images", entry).calls
    assert call.arguments == {**WHERE, "images": items}


@pytest.mark.parametrize(
    ("question", "name", "entry", "items"),
    [
        ("add image img_1 to collection c_77", "images", item("id", id=TEXT), [{"id": "img_1"}]),
        (
            "add the images https://a.org/x.png and https://a.org/y.png to collection c_77",
            "images",
            item("url", url=TEXT, alt=TEXT),
            [{"url": "https://a.org/x.png"}, {"url": "https://a.org/y.png"}],
        ),
    ],
)
def test_one_value_is_one_item(question: str, name: str, entry: dict[str, Any], items: list[Any]) -> None:
    (call,) = planned(question, name, entry).calls
    assert call.arguments == {**WHERE, name: items}


@pytest.mark.parametrize("entry", [item(id=TEXT, caption=TEXT), item("id", "kind", id=TEXT, kind=TEXT)])
def test_items_of_several_values_are_not_filled(entry: dict[str, Any]) -> None:
    plan = planned("add the images 1234, 5678 and 9012 to collection c_77", "images", entry)
    assert [missing.argument for missing in plan.missing] == ["images"]
