"""Pages by the arguments of a tool: of a query, of a body whose properties are arguments, of a body that is one."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import nlapi
from nlapi.client.message import Result
from nlapi.tools.answers.view import SeriesEnd, next_arguments, next_call, page_arguments, read_pages
from nlapi.tools.sending.run import Target, prepare
from nlapi.tools.tool import Call
from tests.describe import body, parameter, spec

WHOLE = {"type": "integer"}
PAGE = {"type": "object", "properties": {"offset": WHOLE, "limit": {**WHOLE, "default": 2}}}


def result(data: Any, **headers: str) -> Result:
    return Result(status=200, headers=tuple(headers.items()), content=json.dumps(data).encode())


def tool(node: dict[str, Any], method: str = "get") -> nlapi.Tool:
    answers = {"responses": {"200": {"description": "ok"}}}
    (only,) = nlapi.tools(spec({"/things": {method: {"operationId": "list", **answers, **node}}}))
    return only


def test_the_next_page_keeps_the_other_arguments() -> None:
    listing = tool({"parameters": [parameter("page", schema=WHOLE), parameter("name")]})
    call = Call(tool=listing, arguments={"name": "x"})
    assert next_arguments(call, result({"items": [{"id": 1}], "total": 3})) == {"name": "x", "page": 2}
    assert next_arguments(call, result({"items": [{"id": 1}], "total": 1})) is None
    assert next_arguments(call, result([{"id": 1}], Link='<https://x/?page=7>; rel="next"')) == {"name": "x", "page": 7}
    assert page_arguments(listing) == {"page"}


def test_more_that_nothing_asks_for_is_told_apart_from_no_more() -> None:
    call = Call(tool=tool({}), arguments={})
    assert next_arguments(call, result({"items": [{"id": 1}], "has_more": True})) == {}
    assert next_arguments(call, result({"items": [{"id": 1}], "has_more": False})) is None


def test_a_read_by_post_is_paged_in_its_body() -> None:
    reads = tool(body(PAGE), "post")
    assert next_arguments(Call(tool=reads, arguments={}), result([{"id": 1}, {"id": 2}])) == {"offset": 2}
    assert page_arguments(reads) == {"offset"}
    assert page_arguments(reads, sizes=True) == {"offset", "limit"}


def test_all_pages_together_have_a_bound() -> None:
    listing = tool({"parameters": [parameter("page", schema=WHOLE)]})
    pages = iter(range(1, 100))

    async def send(call: Call) -> Result:
        return result({"items": [{"id": next(pages), "text": "x" * 1000}], "total": 99})

    series = asyncio.run(read_pages(Call(tool=listing, arguments={}), send, max_bytes=5_000))
    assert (series.pages, series.ended) == (5, SeriesEnd.SIZE)


def test_a_link_of_a_search_by_post_is_read_by_get() -> None:
    node = {"operationId": "searchThings", "x-nlapi": {"effect": "read"}, "responses": {"200": {"description": "ok"}}}
    schema = {"type": "object", "properties": {"text": {"type": "string"}}}
    (search,) = nlapi.tools(spec({"/things/search": {"post": {**node, **body(schema)}}}))
    call = Call(tool=search, arguments={"text": "x"})
    data = {"value": [{"id": 1}], "nextLink": "https://api.example/things/search?token=b"}
    answer = replace(result(data), url="https://api.example/things/search", method="POST")
    following = next_call(call, answer)
    assert following is not None and following.page_query == "token=b"
    request = prepare(following, Target(spec=search.operation.spec, base_url="https://api.example")).request
    assert (request.method, request.url, request.content) == ("GET", "https://api.example/things/search?token=b", None)
