"""Answers with odd data are shown and queried within their limit, and a query counts what is there."""

from __future__ import annotations

import json
from typing import Any

import pytest

import nlapi
from nlapi.errors import UsageError
from tests.describe import body as request_body
from tests.describe import spec
from tests.servers import Echo, Reply
from tests.tables import table

ANY_JSON = {"200": {"description": "any", "content": {"application/json": {"schema": {}}}}}
API = spec({"/things": {"get": {"operationId": "listThings", "responses": ANY_JSON}}})
LONG = "a long text " * 40


def answers(body: bytes | list[Any], *queries: dict[str, Any], kind: str = "application/json") -> list[str]:
    """What a model is shown of a body, then the answers to its queries."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    with Echo(lambda _: Reply(200, content, {"content-type": kind})) as api:
        tools = nlapi.toolset(API, base_url=api.url)
        shown = tools.answer("read", {"operation": "listThings"})
        return [shown, *(tools.answer("result", {"result": "r1", **query}) for query in queries)]


def rows(body: list[Any], **query: Any) -> list[list[Any]]:
    answer = answers(body, query)[1]
    assert answer.startswith("{"), answer
    return list(json.loads(answer)["rows"])


@table(
    "body",
    [
        b'[{"id": 1e999, "name": "x"}]',
        json.dumps([{"id": 1.7e308 - number * 1e300, "about": LONG} for number in range(99)]).encode(),
        b"[" * 930 + b"]" * 930,
        b'{"id": ' * 930 + b"1" + b"}" * 930,
        json.dumps([{"na\ud800me": number, "id": "\udc00" * 500} for number in range(200)]).encode(),
        json.dumps([{f"field {field}" * 40: row for field in range(80)} for row in range(60)]).encode(),
        json.dumps(
            [{f"field{f}": f"v{row % 8} " * 25 for f in range(40)} | {"id": row} for row in range(300)]
        ).encode(),
        json.dumps([{"id": "я" * 250 + str(row), "name": LONG} for row in range(300)]).encode(),
        json.dumps([{"id": row, "a\x9b": LONG, 'b"]\x9d': "\x1b[x"} for row in range(300)]).encode(),
        json.dumps([{f"{'k' * 50_000}{field}": field for field in range(5)} for _ in range(50)]).encode(),
        json.dumps({"items": [{"id": 1}], "total": "9" * 5_000, "next_page": "9" * 5_000}).encode(),
    ],
    ids=[
        "infinite",
        "sum-overflows",
        "lists",
        "objects",
        "surrogates",
        "long-names",
        "summaries",
        "long-groups",
        "escapes",
        "names-longer-than-a-view",
        "totals",
    ],
)
def test_odd_data_is_strict_json_within_the_limit(body: bytes) -> None:
    queries: list[dict[str, Any]] = [
        {},
        {"sum": "id"},
        {"sort": "-id"},
        {"group": "id"},
        {"group": "value"},
        {"select": ["id"]},
    ]
    for answer in answers(body, *queries):
        assert len(answer.encode()) <= 16_000
        assert answer.startswith("not sent: ") or json.loads(answer)


@pytest.mark.parametrize(
    ("name", "value"), [("X-Total-Count", "9" * 5_000), ("Content-Range", f"items 0-0/{'9' * 5_000}")]
)
def test_a_number_longer_than_any_count_is_none(name: str, value: str) -> None:
    with Echo(Reply(200, [{"id": 1}], {name: value})) as api:
        assert json.loads(nlapi.answer(nlapi.tools(API), "listThings", {}, base_url=api.url))["data"] == [{"id": 1}]


@pytest.mark.parametrize("body", ["😀" * 20_000, "\n".join([json.dumps({'"': "\\" * 60})] * 2_000)])
def test_a_text_stays_within_the_limit(body: str) -> None:
    for answer in answers(body.encode(), {"page": 1}, {"lines": "1-2000"}, kind="text/plain"):
        assert len(answer.encode()) <= 16_000


def test_groups_are_of_equal_values() -> None:
    body = [
        {"value": value, "about": LONG} for value in (None, True, {"a": 1, "b": 2}, {"a": 3, "b": 4}, {"a": 1, "b": 2})
    ]
    assert rows([*body, {"about": LONG * 90}], group="value") == [
        ["null", 2],
        ['{"a":1,"b":2}', 2],
        ["true", 1],
        ['{"a":3,"b":4}', 1],
    ]
    texts = [{"id": number, "text": "the same beginning " * 20 + str(number)} for number in range(60)]
    assert [count for _, count in rows(texts, group="text")] == [1] * len(rows(texts, group="text"))


@table(
    ("values", "condition", "matching"),
    [
        (["n/a", 7, "8", None, True], {"op": ">", "value": 5}, [7, "8"]),
        (["00501", "501"], {"op": "=", "value": "501"}, ["501"]),
        (["00501", "501"], {"op": "=", "value": "00501"}, ["00501"]),
        (["5.00", 5], {"op": "=", "value": 5}, ["5.00", 5]),
        ([None, "none of it"], {"op": "contains", "value": "none"}, ["none of it"]),
        (["2024", "2022-01-01"], {"op": ">", "value": "2023-06-01"}, ["2024"]),
        ([["a", "b"], ["a"], []], {"op": "!=", "value": "b"}, [["a"], []]),
    ],
)
def test_a_condition_holds_for_values_of_its_kind(
    values: list[Any], condition: dict[str, Any], matching: list[Any]
) -> None:
    body = [{"field": value} for value in values]
    assert rows(body, where=[{"field": "field", **condition}], select=["field"]) == [[value] for value in matching]


def test_a_number_is_not_compared_with_a_date() -> None:
    answer = answers([{"at": 1_700_000_000}], {"where": [{"field": "at", "op": ">", "value": "2024-01-01"}]})[1]
    assert "'2024-01-01' is compared with a number" in answer


def test_long_ids_are_sorted_exactly() -> None:
    ids = [900_000_000_000_000_003, 900_000_000_000_000_001, 900_000_000_000_000_002]
    assert rows([{"id": id} for id in ids], sort="id", select=["id"]) == [[id] for id in sorted(ids)]


def test_names_of_fields_in_an_error_are_short_and_on_its_line() -> None:
    answer = answers([{"na\nme" + "x" * 5_000: 1}], {"select": ["other"]})[1]
    assert "\n" not in answer and len(answer) < 300


def test_an_error_that_only_the_caller_can_correct_is_raised() -> None:
    tools = nlapi.toolset(API, base_url="nowhere")
    with pytest.raises(UsageError):
        tools.answer("read", {"operation": "listThings"})
    assert tools.answer("read", {"operation": "listThing"}).startswith("not sent: there is no operation")


def test_what_stands_beside_a_long_list_is_shown_and_read() -> None:
    things = [{"id": number, "about": LONG} for number in range(99)]
    facets = [{"kind": f"k{number}", "count": number} for number in range(3)]
    body = json.dumps({"items": things, "meta": {"facets": facets, "partial": True}}).encode()
    shown, query = map(json.loads, answers(body, {"list": "meta.facets", "sum": "count"}))
    assert shown["count"] == 99
    assert shown["beside_the_list"] == {"meta": {"facets": facets, "partial": True}}
    assert query["sum"] == 3


def test_a_sum_is_exact_and_says_of_how_many_numbers() -> None:
    body = [{"cost": cost} for cost in (4e-7, 3e-7, None, None, [1e-7, 2e-7])]
    query = json.loads(answers(body, {"sum": "cost"})[1])
    assert (query["sum"], query["matching"], query["numbers_summed"]) == (1e-6, 5, 4)
    assert json.loads(answers([{"n": 10**30}, {"n": 1}], {"sum": "n"})[1])["sum"] == 10**30 + 1


def test_a_query_of_one_page_says_how_many_there_are_on_all() -> None:
    body = {"items": [{"id": number, "open": True} for number in range(3)], "total": 99}
    query = json.loads(answers(json.dumps(body).encode(), {"where": [{"field": "open", "op": "=", "value": True}]})[1])
    assert (query["matching"], query["of"], query["on_all_pages"]) == (3, 3, 99)


def test_true_and_1_are_not_the_same_in_all_rows() -> None:
    things = [{"id": number, "name": f"thing {number}", "kind": number % 2 or True, "about": LONG} for number in (2, 1)]
    shown = json.loads(answers(things * 40)[0])
    assert "kind" not in shown.get("same_in_all_rows", {})


@pytest.mark.parametrize("body", [b"a text", b'[{"id": 1}, {"id'])
def test_fields_of_a_text_are_an_error_and_not_its_first_page(body: bytes) -> None:
    kind = "application/json" if body.startswith(b"[") else "text/plain"
    for query in ({"sum": "id"}, {"group": "id"}, {"where": [{"field": "id", "op": "=", "value": 1}]}):
        assert "r1 is a text and has no fields" in answers(body, query, kind=kind)[1]


def test_a_schema_that_leads_to_itself_is_opened() -> None:
    reference = {"$ref": "#/components/schemas/Filter"}
    entries = [{"type": "string"}, {"type": "array", "items": reference}, {"properties": {"not": reference}}]
    node = {"/things": {"post": {"operationId": "search", **request_body({"properties": {"filter": reference}})}}}
    tools = nlapi.toolset(spec(node, components={"schemas": {"Filter": {"oneOf": entries}}}))
    assert tools.answer("describe", {"operation": "search", "argument": "filter.not.not"}).startswith("{")
    assert "there are not" in tools.answer("describe", {"operation": "search", "argument": "filter.and"})


def test_an_item_in_another_script_stays_within_the_limit() -> None:
    body = json.dumps({"id": 1, "text": "я😀" * 20_000}).encode()
    for answer in answers(body, {}, {"select": ["text"]}):
        assert len(answer.encode()) <= 16_000


@pytest.mark.parametrize("is_escaped", [True, False])
def test_an_error_in_another_script_stays_within_the_limit(is_escaped: bool) -> None:
    body = [{"id": "я" * 250 + str(number), "name": LONG} for number in range(300)]
    content = json.dumps(body, ensure_ascii=is_escaped).encode()
    with Echo(Reply(404, content, {"content-type": "application/json"})) as api:
        shown = nlapi.toolset(API, base_url=api.url).answer("read", {"operation": "listThings"})
    assert json.loads(shown)["status"] == 404
    assert 4_000 < len(shown.encode()) <= 16_000


def test_long_lines_of_a_text_are_cut_for_a_small_limit() -> None:
    with Echo(Reply(200, ("😀" * 9_000).encode(), {"content-type": "text/plain"})) as api:
        tools = nlapi.toolset(API, base_url=api.url, answer_bytes=4_000)
        tools.answer("read", {"operation": "listThings"})
        for query in ({"page": 1}, {"lines": "1"}, {"search": "😀"}):
            assert len(tools.answer("result", {"result": "r1", **query}).encode()) <= 4_000


@table(
    "piece",
    [
        f"&#{'9' * 5_000};",
        "<a ",
        "<!--",
        "<script>",
        "</script",
        "<a b='",
        '<a b="',
        "<![CDATA[",
        "<title>",
        "<h1",
        "<svg>",
        "&",
        "<",
    ],
)
@table("status", [200, 500])
def test_a_broken_page_is_read_in_linear_time(piece: str, status: int) -> None:
    """`html.parser` takes minutes for some of these, and the search for a title took four times as long for twice."""
    page = f"<html><body>Seen{piece * (300_000 // len(piece))}".encode()
    with Echo(lambda _: Reply(status, page, {"content-type": "text/html"})) as api:
        shown = json.loads(nlapi.toolset(API, base_url=api.url).answer("read", {"operation": "listThings"}))
    assert shown["text"].startswith("Seen")


@table(
    ("page", "text"),
    [
        ("<head><title>Down</title></head><body></body>", "Down"),
        ("<head><title>x</title><h1>No end of the head</h1>", "No end of the head"),
        ("<table><tr><td>Ann</td><td>41</td></tr><tr><th>Bob<th>9</table>", "Ann | 41\nBob | 9"),
        ("a <b title='1>0'>bold</b> &lt;tag&gt; 5 < 6<br>next", "a bold <tag> 5 < 6\nnext"),
        ("<svg><title>icon</title></svg>x<script>if (a<b) '</p>'</script>y<template>t</template><!-- c -->z", "xyz"),
        ("<noscript>n</noscript>it&#39;s\t one <p>line</p>\x1b[31m", "it's one\nline"),
    ],
)
def test_html_is_the_text_that_a_browser_shows(page: str, text: str) -> None:
    assert json.loads(answers(page.encode(), kind="text/html")[0])["text"] == text
    untyped = json.loads(answers(f"<!DOCTYPE html><html>{page}".encode(), kind="")[0])
    assert untyped["text"] == text
