"""Which operations filters choose."""

from __future__ import annotations

from typing import Any

import pytest

import nlapi
from nlapi.openapi.selection import select_operations
from tests.describe import spec
from tests.tables import table


def op(id: str, *tags: str, **more: Any) -> dict[str, Any]:
    return {"operationId": id, "tags": list(tags), "responses": {}, **more}


SHOP = spec(
    {
        "/orders": {"get": op("listOrders", "Orders"), "post": op("createOrder", "Orders")},
        "/orders/{id}": {"get": op("getOrder", "Orders"), "delete": op("deleteOrder", "Orders", "admin")},
        "/orders/{id}/lines": {"get": op("listLines", "Lines")},
        "/secret": {"get": op("secret", "Orders", **{"x-nlapi": {"hide": True}})},
        "/users[1]": {"get": op("users:list")},
    }
)


def chosen(include: tuple[str, ...] = (), exclude: tuple[str, ...] = ()) -> set[str]:
    return {operation.id for operation in select_operations(SHOP, include, exclude).operations}


@table(
    ("pattern", "ids"),
    [
        ("tag:lines", {"listLines"}),
        ("tag:ADMIN", {"deleteOrder"}),
        ("id:list*", {"listOrders", "listLines"}),
        ("id:*Order", {"createOrder", "getOrder", "deleteOrder"}),
        ("path:/orders/*", {"getOrder", "deleteOrder", "listLines"}),
        ("path:/orders/{id}", {"getOrder", "deleteOrder"}),
        ("method:delete", {"deleteOrder"}),
        ("method:P*", {"createOrder"}),
        ("getOrder", {"getOrder"}),
        ("/orders", {"listOrders", "createOrder"}),
        ("/users[1]", {"users:list"}),
        ("users:list", {"users:list"}),
        ("list?????", {"listLines"}),
    ],
)
def test_a_filter_is_a_glob_on_one_thing(pattern: str, ids: set[str]) -> None:
    assert chosen((pattern,)) == ids


def test_any_filter_includes_and_any_excludes() -> None:
    assert chosen(("tag:lines", "id:get*")) == {"listLines", "getOrder"}
    assert chosen(("tag:orders",), ("method:DELETE", "id:create*")) == {"listOrders", "getOrder"}
    assert chosen((), ("/orders*",)) == {"users:list"}


def test_what_the_description_hides_is_never_chosen() -> None:
    assert "secret" not in chosen() | chosen(("id:*",))
    issues = select_operations(SHOP, ("id:secret",)).issues
    assert "about no operation" in str(issues[0])


def test_a_filter_that_is_about_nothing_is_an_issue_with_what_there_is() -> None:
    selection = select_operations(SHOP, ["tag:oders", "id:listOrders"], ["method:HEAD"])
    first, second = map(str, selection.issues)
    assert "--include 'tag:oders' is about no operation" in first
    assert "Orders" in first
    assert "--exclude 'method:HEAD'" in second
    assert "DELETE, GET, POST" in second
    assert [operation.id for operation in selection.operations] == ["listOrders"]


def test_tools_takes_filters() -> None:
    assert [tool.name for tool in nlapi.tools(SHOP, include=["tag:orders"], exclude=["method:GET"])] == [
        "createOrder",
        "deleteOrder",
    ]
    assert {tool.name for tool in nlapi.tools(SHOP, include="id:list*")} == {"listOrders", "listLines"}
    with pytest.warns(UserWarning, match="about no operation"):
        assert nlapi.tools(SHOP, include=["tag:none"]) == ()


def test_a_name_does_not_depend_on_which_others_are_chosen() -> None:
    every = {tool.operation.id: tool.name for tool in nlapi.tools(SHOP)}
    some = {tool.operation.id: tool.name for tool in nlapi.tools(SHOP, include=["/users[1]"])}
    assert some.items() <= every.items()
