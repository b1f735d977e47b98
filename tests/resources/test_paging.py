"""What asks for the page after an answer, in the ways in which APIs say that there is one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nlapi.openapi.spec import Operation
from nlapi.resources.paging import PageRole, next_page, page_parameters, page_role
from tests.describe import body, operation, parameter
from tests.tables import table

WHOLE, TEXT = {"type": "integer"}, {"type": "string"}
TWO = [{"id": 1}, {"id": 2}]


def listing(**parameters: Any) -> Operation:
    described = [parameter(name.replace("__", "-"), schema=schema) for name, schema in parameters.items()]
    return operation({"operationId": "list", "parameters": described}, path="/things")


def asked(operation: Operation, data: Any, headers: Mapping[str, str] | None = None, **values: Any) -> Any:
    """What asks for the next page, by the names of query parameters."""
    places = {("query", name): value for name, value in values.items()}
    found = next_page(operation, places, data, headers)
    return {name: value for (_, name), value in found.items()} if found is not None else None


@table(
    ("parameters", "values", "data", "headers", "next"),
    [
        ({"page": WHOLE}, {}, {"items": TWO, "total": 5}, {}, {"page": 2}),
        ({"page": WHOLE}, {"page": 2}, {"items": TWO, "total": 4}, {}, None),
        ({"page": WHOLE}, {"page": 3}, {"items": [], "total": 9}, {}, None),
        ({"page": {**WHOLE, "minimum": 0}}, {}, {"content": TWO, "last": False}, {}, {"page": 1}),
        ({"page": WHOLE}, {}, {"content": TWO, "last": True, "totalElements": 9}, {}, None),
        ({"page": TEXT}, {}, {"items": TWO, "has_more": True}, {}, {"page": "2"}),
        ({"page": {}}, {}, {"items": TWO, "has_more": True}, {}, {"page": 2}),
        ({"page": {}}, {}, {"items": TWO, "has_more": "true"}, {}, {"page": 2}),
        ({"cursor": TEXT}, {}, {"entries": TWO, "cursor": "c", "has_more": "false"}, {}, None),
        ({"offset": WHOLE, "limit": WHOLE}, {"limit": 2}, {"data": TWO}, {}, {"limit": 2, "offset": 2}),
        ({"offset": WHOLE, "limit": WHOLE}, {"limit": 3}, {"data": TWO}, {}, None),
        ({"limit": {**WHOLE, "maximum": 100}}, {}, {"data": TWO, "total": 9}, {}, {"limit": 100}),
        ({"cursor": TEXT}, {}, {"data": TWO, "next_cursor": "abc"}, {}, {"cursor": "abc"}),
        ({"cursor": TEXT}, {}, {"data": TWO, "next_cursor": ""}, {}, None),
        ({"cursor": TEXT}, {}, {"entries": TWO, "cursor": "c", "has_more": False}, {}, None),
        ({"after": TEXT}, {}, {"results": TWO, "paging": {"next": {"after": "2", "link": "x"}}}, {}, {"after": "2"}),
        (
            {"starting_after": TEXT, "per_page": WHOLE},
            {},
            {"type": "list", "data": TWO, "pages": {"page": 1, "next": {"page": 2, "starting_after": "x"}}},
            {},
            {"starting_after": "x"},
        ),
        ({"starting_after": TEXT}, {}, {"object": "list", "data": TWO, "has_more": True}, {}, {"starting_after": 2}),
        ({"pageToken": TEXT}, {}, {"files": TWO, "nextPageToken": "t"}, {}, {"pageToken": "t"}),
        ({"continue": TEXT}, {}, {"items": TWO, "metadata": {"continue": "k"}}, {}, {"continue": "k"}),
        ({"offset": TEXT}, {}, {"records": TWO, "offset": "itr/rec"}, {}, {"offset": "itr/rec"}),
        ({"page": WHOLE}, {}, {"results": TWO, "next": "http://x/things?page=2&size=2"}, {}, {"page": 2}),
        (
            {"since": WHOLE, "per_page": WHOLE},
            {},
            TWO,
            {"Link": '<https://x/things?since=2>; rel="next", <https://x/{?since}>; rel="first"'},
            {"since": 2},
        ),
        ({"page": WHOLE}, {}, TWO, {"link": '<https://x/things?page=1>; rel="prev"'}, None),
        ({"page": WHOLE}, {}, TWO, {"X-Total-Count": "5"}, {"page": 2}),
        ({"offset": WHOLE}, {}, TWO, {"Content-Range": "items 0-1/5"}, {"offset": 2}),
        ({}, {}, {"items": TWO, "has_more": True}, {}, {}),
        ({"page": WHOLE}, {}, {"id": 1, "name": "x"}, {}, None),
        ({"page": WHOLE}, {}, {"success": False, "errors": [{"message": "no"}]}, {}, None),
        ({"page": WHOLE}, {}, None, {}, None),
    ],
)
def test_the_next_page_is_asked_for(
    parameters: dict[str, Any], values: dict[str, Any], data: Any, headers: dict[str, str], next: Any
) -> None:
    assert asked(listing(**parameters), data, headers, **values) == next


def test_a_graphql_connection_ends_where_it_says_so() -> None:
    page = {"hasNextPage": False, "endCursor": "c"}
    data = {"data": {"things": {"nodes": TWO, "pageInfo": page}}}
    assert asked(listing(after=TEXT), data) is None
    more = {"data": {"things": {"nodes": TWO, "pageInfo": {**page, "hasNextPage": True}}}}
    assert asked(listing(after=TEXT), more) == {"after": "c"}


def test_a_list_of_values_in_a_link_is_left_as_it_was_given() -> None:
    described = listing(ids={"type": "array", "items": WHOLE}, page=WHOLE)
    data = {"results": TWO, "next": "/things?ids=1,2&page=2"}
    assert asked(described, data, ids=[1, 2]) == {"ids": [1, 2], "page": 2}


def test_a_read_by_post_is_paged_in_its_body() -> None:
    schema = {"type": "object", "properties": {"offset": WHOLE, "limit": {**WHOLE, "default": 2}, "name": TEXT}}
    described = operation({"operationId": "filter", **body(schema)}, path="/flows/filter", method="post")
    assert {one.place: one.role for one in page_parameters(described)} == {
        ("body", "offset"): PageRole.OFFSET,
        ("body", "limit"): PageRole.SIZE,
    }
    assert next_page(described, {("body", "name"): "x"}, TWO) == {("body", "name"): "x", ("body", "offset"): 2}


@table(
    ("name", "types", "role"),
    [
        ("limit", ("integer",), PageRole.SIZE),
        ("page[size]", ("integer",), PageRole.SIZE),
        ("page[number]", ("integer",), PageRole.NUMBER),
        ("page[after]", ("string",), PageRole.CURSOR),
        ("$skip", ("integer",), PageRole.OFFSET),
        ("$top", ("integer",), PageRole.SIZE),
        ("per_page", ("string",), PageRole.SIZE),
        ("size", ("string",), None),
        ("from", ("string",), None),
        ("name", ("string",), None),
        ("page_info", ("string",), PageRole.CURSOR),
        ("NextToken", ("string",), PageRole.CURSOR),
    ],
)
def test_a_parameter_says_of_a_page(name: str, types: tuple[str, ...], role: PageRole | None) -> None:
    assert page_role(name, types) is role


NEXT = {"page": 2}


@table(
    ("parameters", "headers", "next"),
    [
        ({"page": WHOLE}, {"X-Next-Page": "2"}, NEXT),
        ({"page": WHOLE}, {"X-Next-Page": ""}, None),
        ({"page": WHOLE}, {"Next-Page": "https://other.example/things?page=2&admin=1"}, NEXT),
        ({"page": WHOLE, "cursor": TEXT}, {"X-Next-Page": "2"}, NEXT),
        ({"cursor": TEXT}, {"X-Next-Cursor": "abc"}, {"cursor": "abc"}),
        ({"continuationToken": TEXT}, {"x-ms-continuation": "k"}, {"continuationToken": "k"}),
        ({"page": WHOLE}, {"X-Total-Pages": "3"}, NEXT),
        ({"page": WHOLE}, {"X-Pagination": '{"HasNext": true}'}, NEXT),
        ({"page": WHOLE}, {"Link": '<https://x/things?page=2>; rel="last next"'}, NEXT),
        ({}, {"X-Has-More": "true"}, {}),
        ({}, {"X-Next-Run": "2"}, None),
        ({"page": WHOLE}, {"X-Has-More": "false", "X-Next-Page": "2"}, None),
    ],
)
def test_headers_lead_to_the_next_page(parameters: dict[str, Any], headers: dict[str, str], next: Any) -> None:
    assert asked(listing(**parameters), TWO, headers) == next


def test_more_pages_than_this_one_are_a_sign_of_the_next() -> None:
    assert asked(listing(page=WHOLE), {"items": TWO, "page": 1, "total_pages": 2}) == {"page": 2}
    assert asked(listing(page=WHOLE), {"items": TWO, "page": 2, "total_pages": 2}, page=2) is None


@table(
    ("schema", "length"),
    [({"maximum": 2**63 - 1}, 1_000), ({"maximum": 2**63}, 1_000), ({"maximum": 500}, 500), ({}, None)],
)
def test_no_page_is_longer_than_a_page(schema: dict[str, int], length: int | None) -> None:
    data = {"data": TWO, "total": 9}
    assert asked(listing(limit={**WHOLE, **schema}), data) == ({"limit": length} if length else {})
    # A length that was given is left as it is.
    assert asked(listing(limit={**WHOLE, **schema}), data, limit=2) == {}


def test_a_cursor_behind_the_last_entry_that_leads_to_itself_is_the_end() -> None:
    assert asked(listing(cursor=TEXT), {"data": [], "next_cursor": "c"}, cursor="c") is None
