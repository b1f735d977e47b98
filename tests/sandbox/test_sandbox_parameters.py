"""Parameters are read by their style, location and type; what the description does not allow is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

import nlapi
from nlapi.client.build import build
from nlapi.errors import ArgumentError
from nlapi.sandbox import Sandbox, running
from nlapi.sandbox.validation import RawRequest
from tests.describe import parameter, spec
from tests.sandbox.served import client, echo, faults
from tests.strategies import examples
from tests.tables import table

INTEGERS = {"type": "array", "items": {"type": "integer"}}
TEXTS = {"type": "array", "items": {"type": "string"}}
COLOUR = {"type": "object", "properties": {"R": {"type": "integer"}, "G": {"type": "integer"}}}
CLOSED = {**COLOUR, "additionalProperties": False}

READ: list[tuple[str, dict[str, Any], str, Any]] = [
    ("form", parameter("p", schema=INTEGERS), "?p=1&p=2", [1, 2]),
    ("form, one value", parameter("p", schema=INTEGERS), "?p=1", [1]),
    ("form, not exploded", parameter("p", schema=INTEGERS, explode=False), "?p=1,2", [1, 2]),
    ("an encoded comma is part of a value", parameter("p", schema=TEXTS, explode=False), "?p=a%2Cb,c", ["a,b", "c"]),
    ("spaceDelimited", parameter("p", schema=TEXTS, style="spaceDelimited", explode=False), "?p=a%20b", ["a", "b"]),
    ("pipeDelimited", parameter("p", schema=TEXTS, style="pipeDelimited", explode=False), "?p=a%7Cb", ["a", "b"]),
    ("a plain pipe", parameter("p", schema=TEXTS, style="pipeDelimited", explode=False), "?p=a|b", ["a", "b"]),
    ("form object, not exploded", parameter("p", schema=COLOUR, explode=False), "?p=R,100,G,200", {"R": 100, "G": 200}),
    ("form object", parameter("p", schema=COLOUR), "?R=100&G=200", {"R": 100, "G": 200}),
    ("deepObject", parameter("p", schema=COLOUR, style="deepObject"), "?p[R]=100&p%5BG%5D=200", {"R": 100, "G": 200}),
    ("json content", parameter("p", content={"application/json": {"schema": COLOUR}}), '?p={"R":1}', {"R": 1}),
    ("zero", parameter("p", schema={"type": "integer"}), "?p=0", 0),
    ("false", parameter("p", schema={"type": "boolean"}), "?p=false", False),
    ("a plus is a space", parameter("p"), "?p=a+b", "a b"),
    ("the union's number", parameter("p", schema={"type": ["integer", "string"]}), "?p=7", 7),
    ("the union's text", parameter("p", schema={"anyOf": [{"type": "integer"}, {"type": "string"}]}), "?p=x7", "x7"),
    ("brackets in a name", parameter("filter[name]"), "?filter%5Bname%5D=x", "x"),
]


@table(("described", "query", "value"), [case[1:] for case in READ], ids=[case[0] for case in READ])
def test_a_query_parameter_is_read_by_its_style(described: dict[str, Any], query: str, value: Any) -> None:
    schema = described.get("schema") or described["content"]["application/json"]["schema"]
    paths = echo(described)
    shown = paths["/i"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    shown["properties"] = {described["name"]: schema}
    with client(paths) as http:
        response = http.get("/i" + query)
    assert response.status_code == 200, response.text
    assert response.json()[described["name"]] == value


PATHS: list[tuple[str, dict[str, Any], str, Any]] = [
    ("simple array", parameter("p", "path", INTEGERS), "/i/1,2", [1, 2]),
    ("simple object", parameter("p", "path", COLOUR), "/i/R,100,G,200", {"R": 100, "G": 200}),
    ("simple object, exploded", parameter("p", "path", COLOUR, explode=True), "/i/R=100,G=200", {"R": 100, "G": 200}),
    ("label", parameter("p", "path", {"type": "string"}, style="label"), "/i/.a", "a"),
    ("label array", parameter("p", "path", TEXTS, style="label"), "/i/.a,b", ["a", "b"]),
    ("label array, exploded", parameter("p", "path", TEXTS, style="label", explode=True), "/i/.a.b", ["a", "b"]),
    ("matrix", parameter("p", "path", {"type": "integer"}, style="matrix"), "/i/;p=5", 5),
    ("matrix array", parameter("p", "path", TEXTS, style="matrix"), "/i/;p=a,b", ["a", "b"]),
    ("matrix array, exploded", parameter("p", "path", TEXTS, style="matrix", explode=True), "/i/;p=a;p=b", ["a", "b"]),
    ("matrix object", parameter("p", "path", COLOUR, style="matrix", explode=True), "/i/;R=1;G=2", {"R": 1, "G": 2}),
    ("an encoded slash", parameter("p", "path"), "/i/a%2Fb", "a/b"),
]


@table(("described", "path", "value"), [case[1:] for case in PATHS], ids=[case[0] for case in PATHS])
def test_a_path_parameter_is_read_by_its_style(described: dict[str, Any], path: str, value: Any) -> None:
    with client(echo(described, path="/i/{p}")) as http:
        response = http.get(path)
    assert response.status_code == 200, response.text
    assert response.json()["p"] == value


def test_headers_and_cookies_are_read() -> None:
    ids, flag = parameter("X-Ids", "header", INTEGERS), parameter("X-Flag", "header", {"type": "boolean"})
    session = parameter("session", "cookie", {"type": "integer"})
    with client(echo(ids, flag, session)) as http:
        response = http.get("/i", headers={"X-Ids": "1,2", "x-flag": "true", "Cookie": "other=1; session=7"})
    assert response.json() == {"X-Ids": [1, 2], "X-Flag": True, "session": 7}


REFUSED: list[tuple[str, Any, str, str]] = [
    ("a wrong type", {"type": "integer"}, "?p=x", "query.p"),
    ("an item of a wrong type", INTEGERS, "?p=1&p=x", "query.p[1]"),
    ("no enum value", {"enum": ["A", "B"]}, "?p=a", "query.p"),
    ("no date", {"type": "string", "format": "date"}, "?p=2026-02-30", "query.p"),
    ("no time zone", {"type": "string", "format": "date-time"}, "?p=2026-02-03T10:00:00", "query.p"),
    ("no uuid", {"type": "string", "format": "uuid"}, "?p=12", "query.p"),
    ("no address", {"type": "string", "format": "email"}, "?p=x", "query.p"),
    ("no uri", {"type": "string", "format": "uri"}, "?p=x%20y", "query.p"),
    ("too large for int32", {"type": "integer", "format": "int32"}, "?p=2147483648", "query.p"),
    ("True for true", {"type": "boolean"}, "?p=True", "query.p"),
    ("empty", {"type": "integer"}, "?p=", "query.p"),
    ("given twice", {"type": "string"}, "?p=1&p=2", "query.p"),
]


@table(("schema", "query", "where"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_a_value_that_breaks_its_schema_is_refused(schema: Any, query: str, where: str) -> None:
    with client(echo(parameter("p", schema=schema))) as http:
        response = http.get("/i" + query)
    assert response.status_code == 422, response.text
    assert where in faults(response)


MISWRITTEN: list[tuple[str, dict[str, Any], str, str]] = [
    ("not given", parameter("p", required=True), "", "query.p"),
    ("an encoded separator", parameter("p", schema=INTEGERS, explode=False), "?p=1%2C2", "query.p[0]"),
    ("exploded, though it is not", parameter("p", schema=INTEGERS, explode=False), "?p=1&p=2", "query.p"),
    ("not exploded, though it is", parameter("p", schema=INTEGERS), "?p=1,2", "query.p[0]"),
    ("an unknown property", parameter("p", schema=CLOSED, style="deepObject"), "?p[X]=1", "query.p"),
    ("half an object", parameter("p", schema=COLOUR, explode=False), "?p=R,1,G", "query.p"),
    ("no json", parameter("p", content={"application/json": {"schema": {}}}), "?p={a:1}", "query.p"),
]


@table(("described", "query", "where"), [one[1:] for one in MISWRITTEN], ids=[one[0] for one in MISWRITTEN])
def test_a_value_in_another_style_is_refused(described: dict[str, Any], query: str, where: str) -> None:
    with client(echo(described)) as http:
        response = http.get("/i" + query)
    assert response.status_code == 422, response.text
    assert where in faults(response)


def test_a_name_that_is_not_described_is_refused() -> None:
    with client(echo(parameter("limit"))) as http:
        response = http.get("/i?limt=1")
    assert response.status_code == 400 and faults(response) == ["query.limt"]


def test_a_near_name_is_suggested() -> None:
    with client(echo(parameter("campaign_ids"))) as http:
        assert "did you mean 'campaign_ids'?" in http.get("/i?campain_ids=1").json()["detail"]


def test_a_free_form_object_owns_the_names_that_nobody_else_does() -> None:
    free = parameter("extra", schema={"type": "object", "additionalProperties": {"type": "integer"}})
    with client(echo(parameter("p"), free)) as http:
        response = http.get("/i?p=a&x=1&y=2")
        assert response.json() == {"p": "a", "extra": {"x": 1, "y": 2}}
        assert faults(http.get("/i?p=a&x=z")) == ["query.extra.x"]


def test_bad_percent_encoding_is_a_bad_request() -> None:
    with client(echo(parameter("p"))) as http:
        for query in (b"p=%zz", b"p=%ff"):
            assert http.get(http.base_url.copy_with(path="/i", query=query)).status_code == 400


_text = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=8)
_values = {
    "string": ({"type": "string"}, _text),
    "integer": ({"type": "integer"}, st.integers(-(2**53), 2**53)),
    "boolean": ({"type": "boolean"}, st.booleans()),
    "strings": (TEXTS, st.lists(_text, min_size=1, max_size=3)),
    "integers": (INTEGERS, st.lists(st.integers(-99, 99), min_size=1, max_size=3)),
    "object": (
        {"type": "object", "properties": {"R": {"type": "integer"}, "s": {"type": "string"}}},
        st.fixed_dictionaries({"R": st.integers(0, 255), "s": _text}),
    ),
}
_styles = {
    "query": [
        ("form", True),
        ("form", False),
        ("spaceDelimited", False),
        ("pipeDelimited", False),
        ("deepObject", True),
    ],
    "path": [(style, explode) for style in ("simple", "label", "matrix") for explode in (True, False)],
}
_shapes = {
    "deepObject": ("object",),
    "spaceDelimited": ("strings", "integers"),
    "pipeDelimited": ("strings", "integers"),
}


@st.composite
def _sent(draw: st.DrawFn) -> tuple[str, str, bool, str, Any]:
    where = draw(st.sampled_from(sorted(_styles)))
    style, explode = draw(st.sampled_from(_styles[where]))
    kind = draw(st.sampled_from(_shapes.get(style, tuple(_values))))
    value = draw(_values[kind][1])
    # A space, a pipe or (in label style) a dot inside a value cannot be told from one between values.
    between = {"spaceDelimited": " ", "pipeDelimited": "|", "label": "." if explode else ""}.get(style, "")
    texts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    assume(not between or not any(between in str(one) for one in texts))
    return where, style, explode, kind, value


@given(_sent())
@example(("path", "simple", True, "string", "-"))
@settings(max_examples=examples(120), deadline=None)
def test_what_the_client_writes_is_what_the_sandbox_reads(sent: tuple[str, str, bool, str, Any]) -> None:
    where, style, explode, kind, value = sent
    described = parameter("p", where, _values[kind][0], style=style, explode=explode)
    found = spec(echo(described, path="/i/{p}" if where == "path" else "/i"))
    try:
        request = build(found.operations[0], {(where, "p"): value})
    except ArgumentError:
        return  # what cannot be written (a separator inside a value) is the client's to refuse
    path, _, query = request.url.removeprefix("https://api.example").partition("?")
    with Sandbox(found) as sandbox:
        reply = sandbox.respond(RawRequest(method="GET", path=path, query=query, headers={}, content=b""))
    assert json.loads(reply.content) == {"p": value}


@pytest.mark.parametrize(
    ("content_type", "value"),
    [("application/x-www-form-urlencoded", {"a": "x y", "b": [1, 2]}), ("application/json", {"a": "&", "b": [3]})],
)
def test_a_parameter_that_is_all_of_the_query(content_type: str, value: Any) -> None:
    items = {"type": "array", "items": {"type": "integer"}}
    schema = {"type": "object", "properties": {"a": {"type": "string"}, "b": items}}
    whole = {"name": "all", "in": "querystring", "content": {content_type: {"schema": schema}}}
    paths = echo({**whole, "schema": schema})
    paths["/i"]["get"]["parameters"] = [whole]
    described = spec(paths)
    with running(described) as server:
        result = nlapi.call(described, "op", {"all": value}, base_url=server.url)
        assert (result.status, result.data["all"]) == (200, value)
