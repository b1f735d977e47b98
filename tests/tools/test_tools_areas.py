"""The areas of an API: a few of them whatever its size, what is alike together, the same each time."""

from __future__ import annotations

from typing import Any

import nlapi
from nlapi.openapi.spec import Spec
from nlapi.tools.search.areas import MAX_AREAS, Area, areas
from tests import describe
from tests.tables import table


def api(*operations: tuple[str, str, str]) -> Spec:
    """A description of (method, path, tag)."""
    paths: dict[str, Any] = {}
    for method, path, tag in operations:
        names = [one[1:-1] for one in path.split("/") if one.startswith("{")]
        node: dict[str, Any] = {"responses": {}, **({"tags": [tag]} if tag else {})}
        node["parameters"] = [{"name": one, "in": "path", "required": True, "schema": {}} for one in names]
        paths.setdefault(path, {})[method] = node
    return describe.spec(paths)


def of(spec: Spec, most: int = MAX_AREAS) -> tuple[Area, ...]:
    return areas(spec, spec.visible_operations, most)


def labels(spec: Spec, most: int = MAX_AREAS) -> dict[str, set[str]]:
    return {one.slug: {group.label for group in one.groups} for one in of(spec, most)}


def test_a_few_groups_are_areas_as_they_are() -> None:
    found = of(nlapi.load("ads"))
    assert [one.label for one in found][:3] == ["accounts", "campaigns", "ad-sets"]
    assert all(len(one.groups) == 1 for one in found)


@table("count", [1, 2, 7, 100, 250, 1000])
def test_each_operation_is_in_exactly_one_area_and_areas_are_few(count: int) -> None:
    spec = api(*(("get", f"/r{n}s", f"tag{n}") for n in range(count)))
    found = of(spec)
    assert len(found) <= MAX_AREAS
    assert sorted(one.id for area in found for one in area.operations) == sorted(
        one.id for one in spec.visible_operations
    )
    assert len({area.slug for area in found}) == len(found)
    assert [area.slug for area in of(spec)] == [area.slug for area in found]


def test_what_has_the_same_prefix_path_or_parameter_is_merged_first() -> None:
    spec = api(
        ("get", "/admin/users", "admin.users"),
        ("get", "/admin/teams", "admin.teams"),
        ("get", "/pets/{pet_id}/toys", "toys"),
        ("get", "/pets/{pet_id}/meals", "meals"),
        ("get", "/weather", "weather"),
    )
    found = labels(spec, 3)
    assert {"admin.users", "admin.teams"} in found.values()
    assert {"toys", "meals"} in found.values()
    assert "admin" in found


def test_one_tag_is_taken_apart_by_resource_then_path_then_thing_then_effect() -> None:
    flat = [("get", f"/{name}", "all") for name in ("cats", "cats/old", "cats/new", "dogs", "dogs/old", "dogs/new")]
    assert list(labels(api(*flat))) == ["cats", "dogs"]
    deep = [("get", f"/v1/shop/{name}", "all") for name in ("a", "a/x", "a/y", "b", "b/x", "b/y")]
    assert list(labels(api(*deep))) == ["a", "b"]
    ids = ("CreateTable", "DescribeTables", "ListIndexes", "DropIndex", "ListUsers", "DropUser")
    rpc = {f"/#{id}": {"post": {"operationId": id, "tags": ["all"], "responses": {}}} for id in ids}
    assert list(labels(describe.spec(rpc), 3)) == ["table-and-index", "user"]
    one = [("post" if n % 2 else "get", f"/x/{'{x}/' * n}", "all") for n in range(6)]
    assert list(labels(api(*one))) == ["reading", "changing"]


def test_too_few_operations_are_not_taken_apart() -> None:
    assert len(of(api(("get", "/cats", "all"), ("get", "/dogs", "all")))) == 1


@table(
    ("tags", "slugs"),
    [
        # What all labels begin with says nothing.
        (("ShopV1Order", "ShopV1Refund"), ["order", "refund"]),
        # A part that is small is with its whole.
        (("Worker", "WorkerStatistics", "Task", "TaskStatistics"), ["worker", "task"]),
        (("Custom fields", "Custom field settings", "Stories"), ["custom-fields", "stories"]),
    ],
)
def test_an_area_has_the_name_of_its_thing(tags: tuple[str, ...], slugs: list[str]) -> None:
    assert list(labels(api(*(("get", f"/{number}/{tag}", tag) for number, tag in enumerate(tags))))) == slugs


def test_a_name_is_not_cut_and_names_what_is_largest() -> None:
    tags = ["Domain restrictions for collaborations", *["Organization exports"] * 3, *["Status updates"] * 2]
    spec = api(*(("get", f"/{number}", tag) for number, tag in enumerate(tags)))
    assert [area.slug for area in of(spec, 1)] == ["organization-exports"]
    assert [area.slug for area in of(spec)] == ["domain-restrictions", "organization-exports", "status-updates"]
    assert [area.slug for area in of(api(*(("get", f"/{tag}", tag) for tag in ("a", "b"))), 1)] == ["a-and-b"]


def test_what_is_left_over_comes_together_and_the_main_things_stay_alone() -> None:
    things = [("get", f"/{thing}/{number}", thing) for thing in ("cats", "dogs", "birds") for number in range(6)]
    rest = [("get", f"/{thing}", thing) for thing in ("meta", "emoji", "search", "limits")]
    found = labels(api(*things, *rest), 4)
    assert sorted(map(len, found.values())) == [1, 1, 1, 4]
