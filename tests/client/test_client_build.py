"""Arguments to the exact request: every style, every body, and what may never be sent."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nlapi.client.build import build
from nlapi.client.message import File, Request
from nlapi.errors import ArgumentError
from nlapi.openapi.spec import Operation
from tests import decoder
from tests.describe import body, operation, parameter
from tests.tables import table

LIST, MAP = ["blue", "black", "brown"], {"R": 100, "G": 200, "B": 150}


def url(parameters: list[dict[str, Any]], values: dict[str, Any], path: str = "/x") -> str:
    """What is behind https://api.example; `values` go by name, which is the same in one place only."""
    one = operation({"parameters": parameters}, path=path)
    places = {(p.location, p.name): values[p.name] for p in one.parameters if p.name in values}
    return build(one, places).url.removeprefix("https://api.example")


def in_path(value: Any, style: str = "simple", explode: bool = False, **more: Any) -> str:
    found = url([parameter("color", "path", style=style, explode=explode, **more)], {"color": value}, "/x/{color}")
    return found.removeprefix("/x/")


def in_query(value: Any, style: str = "form", explode: bool = True, **more: Any) -> str:
    found = url([parameter("color", style=style, explode=explode, **more)], {"color": value})
    return found.removeprefix("/x").removeprefix("?")


def headers(where: str, value: Any, **more: Any) -> dict[str, str]:
    one = operation({"parameters": [parameter("X-Color", where, **more)]})
    return dict(build(one, {(where, "X-Color"): value}).headers)


def sent(node: dict[str, Any], value: Any, **more: Any) -> Request:
    """The request with `value` as its whole body."""
    return build(operation(node, method="post", **more), {("body", ""): value})


# Paths with a query or a fragment of their own


@table(
    ("path", "parameters", "values", "wanted"),
    [
        ("/x#Action=Do", [], {}, "/x"),
        ("/#X-Target=S.Do", [], {}, "/"),
        ("/x?op=list", [], {}, "/x?op=list"),
        ("/x?op=list#a", [parameter("q")], {"q": "a&b"}, "/x?op=list&q=a%26b"),
        ("/x?q={q}", [parameter("q", "path")], {"q": "a&b"}, "/x?q=a%26b"),
        ("/x?q={q}&v=2", [parameter("q")], {"q": "a"}, "/x?v=2&q=a"),
        ("/x?q={q}&v=2", [parameter("q")], {}, "/x?v=2"),
        ("/x?query={q}", [parameter("q")], {"q": "a"}, "/x?q=a"),
        ("/x?op=list", [parameter("op")], {"op": "get"}, "/x?op=get"),
        ("/a b/{c}?d=é", [parameter("c", "path")], {"c": "e"}, "/a%20b/e?d=%C3%A9"),
    ],
)
def test_a_query_in_the_path_is_sent_and_a_fragment_is_not(
    path: str, parameters: list[dict[str, Any]], values: dict[str, Any], wanted: str
) -> None:
    assert url(parameters, values, path) == wanted


# OpenAPI 3.1.1 §4.8.12.3: the table of examples, whole


@table(
    ("style", "explode", "value", "wanted"),
    [
        ("matrix", False, "", ";color"),
        ("matrix", False, "blue", ";color=blue"),
        ("matrix", False, LIST, ";color=blue,black,brown"),
        ("matrix", False, MAP, ";color=R,100,G,200,B,150"),
        ("matrix", True, "", ";color"),
        ("matrix", True, "blue", ";color=blue"),
        ("matrix", True, LIST, ";color=blue;color=black;color=brown"),
        ("matrix", True, MAP, ";R=100;G=200;B=150"),
        ("label", False, "blue", ".blue"),
        ("label", False, LIST, ".blue,black,brown"),
        ("label", False, MAP, ".R,100,G,200,B,150"),
        ("label", True, "blue", ".blue"),
        ("label", True, LIST, ".blue.black.brown"),
        ("label", True, MAP, ".R=100.G=200.B=150"),
        ("simple", False, "blue", "blue"),
        ("simple", False, LIST, "blue,black,brown"),
        ("simple", False, MAP, "R,100,G,200,B,150"),
        ("simple", True, "blue", "blue"),
        ("simple", True, LIST, "blue,black,brown"),
        ("simple", True, MAP, "R=100,G=200,B=150"),
    ],
)
def test_the_table_of_styles_in_a_path(style: str, explode: bool, value: Any, wanted: str) -> None:
    assert in_path(value, style, explode) == wanted


@table(
    ("style", "explode", "value", "wanted"),
    [
        ("form", False, "", "color="),
        ("form", False, "blue", "color=blue"),
        ("form", False, LIST, "color=blue,black,brown"),
        ("form", False, MAP, "color=R,100,G,200,B,150"),
        ("form", True, "", "color="),
        ("form", True, "blue", "color=blue"),
        ("form", True, LIST, "color=blue&color=black&color=brown"),
        ("form", True, MAP, "R=100&G=200&B=150"),
        ("spaceDelimited", False, LIST, "color=blue%20black%20brown"),
        ("spaceDelimited", False, MAP, "color=R%20100%20G%20200%20B%20150"),
        ("pipeDelimited", False, LIST, "color=blue%7Cblack%7Cbrown"),
        ("pipeDelimited", False, MAP, "color=R%7C100%7CG%7C200%7CB%7C150"),
        ("deepObject", True, MAP, "color%5BR%5D=100&color%5BG%5D=200&color%5BB%5D=150"),
    ],
)
def test_the_table_of_styles_in_a_query(style: str, explode: bool, value: Any, wanted: str) -> None:
    assert in_query(value, style, explode) == wanted


@pytest.mark.parametrize("style", ["spaceDelimited", "pipeDelimited"])
def test_a_delimited_list_that_is_exploded_is_a_form(style: str) -> None:
    assert in_query(LIST, style, True) == "color=blue&color=black&color=brown"


@table(
    ("explode", "value", "wanted"),
    [
        (False, "blue", "blue"),
        (False, LIST, "blue,black,brown"),
        (False, MAP, "R,100,G,200,B,150"),
        (True, LIST, "blue,black,brown"),
        (True, MAP, "R=100,G=200,B=150"),
    ],
)
def test_the_table_of_styles_in_a_header(explode: bool, value: Any, wanted: str) -> None:
    assert headers("header", value, explode=explode)["X-Color"] == wanted


@table(
    ("explode", "value", "wanted"),
    [
        (False, "blue", "X-Color=blue"),
        (False, LIST, "X-Color=blue,black,brown"),
        (False, MAP, "X-Color=R,100,G,200,B,150"),
        (True, LIST, "X-Color=blue; X-Color=black; X-Color=brown"),
        (True, MAP, "R=100; G=200; B=150"),
    ],
)
def test_the_table_of_styles_in_a_cookie(explode: bool, value: Any, wanted: str) -> None:
    assert headers("cookie", value, explode=explode)["Cookie"] == wanted


# Values


@table(
    ("value", "wanted"),
    [
        (0, "color=0"),
        (False, "color=false"),
        (True, "color=true"),
        ("", "color="),
        (1.5, "color=1.5"),
        (1e21, "color=1e%2B21"),
        ("a b", "color=a%20b"),
        ("a+b&c=d", "color=a%2Bb%26c%3Dd"),
        ("100%", "color=100%25"),
        ("%41", "color=%2541"),
        ("größe 名", "color=gr%C3%B6%C3%9Fe%20%E5%90%8D"),
        ("😀", "color=%F0%9F%98%80"),
        (["a,b", "c"], "color=a%2Cb&color=c"),
        ([0, False, ""], "color=0&color=false&color="),
        ([None, "a"], "color=a"),
        ({"a": None, "b": 1}, "b=1"),
        ({"a": {"b": 1}}, "a=%7B%22b%22%3A1%7D"),
        (None, ""),
        ([], ""),
        ({}, ""),
    ],
)
def test_values_in_a_query(value: Any, wanted: str) -> None:
    assert in_query(value) == wanted


def test_a_comma_inside_an_item_is_not_the_comma_between_items() -> None:
    assert in_query(["a,b", "c"], explode=False) == "color=a%2Cb,c"
    assert in_path(["a,b", "c"]) == "a%2Cb,c"


@table("value", [[], {}])
@table("explode", [True, False])
def test_an_empty_list_or_object_is_not_sent(value: Any, explode: bool) -> None:
    assert in_query(value, explode=explode) == ""
    assert "Cookie" not in headers("cookie", value, explode=explode)


@table(
    ("value", "wanted"),
    [
        ("a/b:c?d@e!f$g'h(i)*j,k;l=m", "color=a/b:c?d@e!f$g'h(i)*j,k;l=m"),
        ("a&b", "color=a%26b"),
        ("a#b", "color=a%23b"),
        ("a+b", "color=a%2Bb"),
        ("a[b]", "color=a%5Bb%5D"),
        ("a b%", "color=a%20b%25"),
        ("%2F", "color=%2F"),
        ("é", "color=%C3%A9"),
    ],
)
def test_allow_reserved_leaves_what_a_query_may_hold(value: str, wanted: str) -> None:
    assert in_query(value, allowReserved=True) == wanted


@table("value", [{"a": [1, None]}, [], "x", 0])
def test_a_parameter_with_content_is_sent_as_that_media_type(value: Any) -> None:
    found = url([parameter("filter", content={"application/json": {"schema": {}}})], {"filter": value})
    assert json.loads(decoder.query_value(found.partition("?")[2], "filter", "form", True, "primitive")) == value


def test_a_content_parameter_works_in_every_place() -> None:
    content = {"application/json": {"schema": {}}}
    parameters = [parameter("p", "path", content=content), parameter("X-H", "header", content=content)]
    one = operation({"parameters": [*parameters, parameter("c", "cookie", content=content)]}, path="/{p}")
    request = build(one, {("path", "p"): {"a": 1}, ("header", "X-H"): {"a": 1}, ("cookie", "c"): {"a": 1}})
    assert request.url.endswith("/%7B%22a%22%3A1%7D")
    assert request.header("X-H") == '{"a":1}'
    assert decoder.cookie_value(request.header("Cookie") or "", "c", True, "primitive") == '{"a":1}'


def test_deep_objects_are_written_as_deep_as_they_are() -> None:
    assert decoder.query_value(
        in_query({"a": {"b": [1, 2]}, "c": ""}, "deepObject"), "color", "deepObject", True, "object"
    ) == {"a": {"b": {"0": "1", "1": "2"}}, "c": ""}


def test_names_are_encoded_too() -> None:
    assert url([parameter("$top"), parameter("a b&c")], {"$top": 1, "a b&c": 2}) == "/x?%24top=1&a%20b%26c=2"


@table(
    ("content_type", "value", "wanted"),
    [
        ("application/x-www-form-urlencoded", {"a": "x y", "b": [1, 2], "c": None}, "a=x%20y&b=1&b=2"),
        ("application/x-www-form-urlencoded", {}, ""),
        ("application/json", {"a": ["&"]}, "%7B%22a%22%3A%5B%22%26%22%5D%7D"),
        ("text/plain", "a b&c", "a%20b%26c"),
    ],
)
def test_a_parameter_may_be_all_of_the_query(content_type: str, value: Any, wanted: str) -> None:
    whole = {"name": "all", "in": "querystring", "content": {content_type: {"schema": {}}}}
    assert url([whole], {"all": value}).removeprefix("/x").removeprefix("?") == wanted


def test_the_order_is_that_of_the_description() -> None:
    assert url([parameter("b"), parameter("a")], {"a": 1, "b": 2}) == "/x?b=2&a=1"


# Paths


@table(
    ("value", "wanted"),
    [(0, "0"), (False, "false"), ("a/b", "a%2Fb"), ("a?b#c", "a%3Fb%23c"), ("a%2Fb", "a%252Fb"), ("é", "%C3%A9"),
     ("...", "..."), (".a", ".a"), ("a;b", "a%3Bb"), ("a:b@c", "a%3Ab%40c"), (" a ", "%20a%20")],
)  # fmt: skip
def test_values_in_a_path(value: Any, wanted: str) -> None:
    assert in_path(value) == wanted


@table(
    "value",
    ["", ".", "..", " ", "\t", "a\r\nb", "a\x00", "\x7f", None, [], {}, [""], "\ud800", ["a", "\n"], float("nan")],
)
def test_what_may_never_be_a_path_segment_is_refused_with_the_parameter(value: Any) -> None:
    with pytest.raises(ArgumentError, match="color"):
        in_path(value)


@table(
    "value",
    [
        "/", "/x", "x/", "a//b", "../x", "x/..", "a/./b", "a/../b", "\\x", "a\\..\\b", " / ", "a/ /b", "..\\x",
        "%2e%2e/x", "%2E", "..%2fx", "..%252f..%252fx", "%25252e", "%%32%65", "a%2F", "%5c%5cx", "a%0d%0ab", "%00",
        "\uff0e\uff0e\uff0fx", "\uff0e", "\u2025", "a\uff0f", "http://x.example/y", "%2525252525252525252525252e",
        "..;", "..;x/y", "\u200b..", ".\xad.", "..\u2215x", "%u002e%u002e", "%c0%ae%c0%ae", "%c0%afx", "\u200b",
        "\u2800",
    ],
)  # fmt: skip
@table("style", ["simple", "label", "matrix"])
@table("explode", [True, False])
def test_a_value_that_would_lead_to_another_place_is_refused_alone_and_inside(
    value: str, style: str, explode: bool
) -> None:
    for inside in (value, ["a", value], {"R": value}, {value: "a"}):
        with pytest.raises(ArgumentError, match="color"):
            in_path(inside, style, explode)


@table(
    ("value", "wanted"),
    [("heads/main", "heads%2Fmain"), ("src\\a.py", "src%5Ca.py"), ("a/b/c", "a%2Fb%2Fc"), ("a%2Fb", "a%252Fb"),
     ("..a/b..", "..a%2Fb.."), ("100%", "100%25"), ("\u2026", "%E2%80%A6"), (["a/b", "c"], "a%2Fb,c"), ("½", "%C2%BD")],
)  # fmt: skip
def test_a_slash_between_plain_segments_goes_out_encoded(value: Any, wanted: str) -> None:
    assert in_path(value) == wanted


@table(("style", "value"), [("simple", ["a", ""]), ("label", ["", "a"]), ("label", {"a": ""})])
def test_an_empty_item_is_refused_where_no_name_stands_before_it(style: str, value: Any) -> None:
    with pytest.raises(ArgumentError, match="empty"):
        in_path(value, style)
    assert in_path("", "matrix") == ";color"


def test_a_path_parameter_in_the_query_of_the_path_may_be_anything() -> None:
    assert url([parameter("u", "path")], {"u": "https://x/../y"}, "/x?u={u}") == "/x?u=https%3A%2F%2Fx%2F..%2Fy"


@table(
    ("style", "value"), [("label", ""), ("label", "."), ("label", []), ("label", [""]), ("matrix", []), ("matrix", {})]
)
@table("explode", [True, False])
def test_an_expansion_that_comes_to_nothing_is_refused(style: str, value: Any, explode: bool) -> None:
    with pytest.raises(ArgumentError):
        in_path(value, style, explode)


def test_dots_that_come_together_from_two_parameters_are_refused() -> None:
    with pytest.raises(ArgumentError, match="dot segment"):
        url([parameter("a", "path"), parameter("b", "path")], {"a": ".", "b": "."}, "/x/{a}{b}/y")


@table("value", ["a/b", "../b", "a?b", "a#b", "%2e%2e", "%2E", "..%2f", "..%5c"])
def test_allow_reserved_never_lets_a_value_leave_its_segment(value: str) -> None:
    try:
        found = in_path(value, allowReserved=True)
    except ArgumentError:
        return
    assert not set("/?#") & set(found)
    assert decoder.plain(found).strip(".") != ""
    assert "%2f" not in found.lower() or "%252f" in found.lower() or "/" in value


def test_literal_characters_of_a_path_are_encoded_where_they_must() -> None:
    assert url([parameter("id", "path")], {"id": 1}, "/größe/{id}:run/a%20b") == "/gr%C3%B6%C3%9Fe/1:run/a%20b"


# Headers and cookies


@table("value", ["a\r\nX-Evil: 1", "a\nb", "a\x00", "a\x7f", ["a", "b\r\nc"], {"a\r\n": "b"}])
def test_a_header_may_not_hold_a_line_break(value: Any) -> None:
    with pytest.raises(ArgumentError, match="X-Color"):
        headers("header", value)


@table(("value", "wanted"), [(0, "0"), (False, "false"), ("", ""), ("a b", "a b"), (" a\t", "a")])
def test_values_in_a_header(value: Any, wanted: str) -> None:
    assert headers("header", value)["X-Color"] == wanted


@table("value", ["a; admin=1", "a, b", 'a"b', "a\r\nb", "é", "a b", "100%", "%3B", "\\"])
def test_what_a_cookie_may_not_hold_is_encoded(value: str) -> None:
    header = headers("cookie", value)["Cookie"]
    assert header.isascii()
    assert not set(' ;,"\\\r\n') & set(header.partition("=")[2])
    assert decoder.cookie_value(header, "X-Color", True, "primitive") == value


def test_style_cookie_leaves_what_is_encoded_as_it_is() -> None:
    assert headers("cookie", "a%20b; c", style="cookie")["Cookie"] == "X-Color=a%20b%3B%20c"


def test_what_the_api_answers_with_is_asked_for_json_first() -> None:
    content = {"text/csv": {}, "application/json": {}, "text/html": {}}
    one = operation({"responses": {"200": {"description": "ok", "content": content}}})
    assert build(one, {}).header("Accept") == "application/json, text/csv, text/html"
    assert build(operation(), {}).header("Accept") is None


# Bodies: JSON, text, bytes


@table(
    ("content_type", "wanted"),
    [
        ("application/json", "application/json"),
        ("application/merge-patch+json", "application/merge-patch+json"),
        ("application/vnd.api+json; version=2", "application/vnd.api+json; version=2"),
        ("text/json", "text/json"),
        ("*/*", "application/json"),
        ("application/*", "application/json"),
    ],
)
@table("value", [{"a": 1, "b": None, "c": []}, [1, [2]], "text", 0, False, None, "é\u2028"])
def test_json_bodies_keep_every_value(content_type: str, wanted: str, value: Any) -> None:
    request = sent(body({}, content_type), value)
    assert request.content is not None
    assert json.loads(request.content) == value
    assert request.header("Content-Type") == wanted


@table("value", [float("nan"), float("inf"), {"a": float("nan")}, "\ud800", {"a": "\ud800"}])
def test_what_json_cannot_hold_is_refused(value: Any) -> None:
    with pytest.raises(ArgumentError):
        sent(body({}), value)


def test_a_body_is_put_together_from_its_properties() -> None:
    shape = {"type": "object", "properties": {"id": {}, "n": {}}}
    node = {"parameters": [parameter("id", "path")], **body(shape)}
    one = operation(node, path="/{id}", method="put")
    request = build(one, {("path", "id"): "P", ("body", "id"): "B", ("body", "n"): None})
    assert request.url.endswith("/P")
    assert json.loads(request.content or b"") == {"id": "B", "n": None}


def test_a_body_that_is_not_given_is_not_sent() -> None:
    optional = body({"type": "object", "properties": {"a": {}}}, required=False)
    request = build(operation(optional, method="post"), {})
    assert request.content is None
    assert request.header("Content-Type") is None
    required = body({"type": "object", "properties": {"a": {}}})
    assert build(operation(required, method="post"), {}).content == b"{}"


@table(
    ("content_type", "value", "wanted"),
    [
        ("text/plain", "héllo\n", "héllo\n".encode()),
        ("text/plain", 5, b"5"),
        ("application/octet-stream", "bytes", b"bytes"),
        ("application/octet-stream", File("a.bin", b"\x00\xff"), b"\x00\xff"),
        ("image/png", File("a.png", b"\x89PNG"), b"\x89PNG"),
        ("application/xml", "<a/>", b"<a/>"),
    ],
)
def test_text_and_bytes_go_as_they_are(content_type: str, value: Any, wanted: bytes) -> None:
    request = sent(body({"type": "string"}, content_type), value)
    assert request.content == wanted
    assert request.header("Content-Type") == content_type


def test_an_object_for_a_media_type_that_nlapi_cannot_write_is_refused() -> None:
    with pytest.raises(ArgumentError, match="application/xml"):
        sent(body({}, "application/xml"), {"a": 1})


# Bodies: forms


FORM, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"


def form(value: Any, **encoding: Any) -> list[tuple[str, str]]:
    node = body({"type": "object"}, FORM, encoding=encoding)
    request = sent(node, value)
    assert request.header("Content-Type") == FORM
    return decoder.form(request.content or b"")


@table(
    ("value", "encoding", "wanted"),
    [
        ({"a": 1, "b": False, "c": "", "d": None}, {}, [("a", "1"), ("b", "false"), ("c", "")]),
        ({"a": "x&y=z %+é"}, {}, [("a", "x&y=z %+é")]),
        ({"a[b]": "c"}, {}, [("a[b]", "c")]),
        ({"a": [1, 2]}, {}, [("a", "1"), ("a", "2")]),
        ({"a": [1, 2]}, {"a": {"explode": False}}, [("a", "1,2")]),
        ({"a": [1, 2]}, {"a": {"style": "pipeDelimited"}}, [("a", "1|2")]),
        ({"a": [1, 2]}, {"a": {"style": "spaceDelimited"}}, [("a", "1 2")]),
        ({"a": {"b": 1}}, {}, [("a", '{"b":1}')]),
        ({"a": {"b": 1}}, {"a": {"style": "form"}}, [("b", "1")]),
        ({"a": {"b": 1}}, {"a": {"style": "form", "explode": False}}, [("a", "b,1")]),
        ({"a": {"b": {"c": 1}}}, {"a": {"style": "deepObject", "explode": True}}, [("a[b][c]", "1")]),
        ({"a": [{"b": 1}, {"b": 2}]}, {"a": {"style": "deepObject"}}, [("a[0][b]", "1"), ("a[1][b]", "2")]),
        ({"a": ["x", "y"]}, {"a": {"contentType": "application/json"}}, [("a", '["x","y"]')]),
        ({"a": "x"}, {"a": {"contentType": "application/json"}}, [("a", '"x"')]),
    ],
)
def test_urlencoded_bodies(value: Any, encoding: dict[str, Any], wanted: list[tuple[str, str]]) -> None:
    assert form(value, **encoding) == wanted


def parts(value: Any, properties: dict[str, Any] | None = None, **encoding: Any) -> list[decoder.Part]:
    node = body({"type": "object", "properties": properties or {}}, MULTIPART, encoding=encoding)
    request = sent(node, value)
    return decoder.multipart(request.header("Content-Type") or "", request.content or b"")


def test_multipart_text_has_neither_filename_nor_type() -> None:
    assert parts({"a": "é", "n": 0, "t": True, "gone": None, "empty": ""}) == [
        decoder.Part("a", None, None, "é".encode()),
        decoder.Part("n", None, None, b"0"),
        decoder.Part("t", None, None, b"true"),
        decoder.Part("empty", None, None, b""),
    ]


def test_a_file_has_its_name_its_type_and_its_bytes() -> None:
    data = b"\r\n--boundary\x00\xff\r\n"
    file = File('a "b"\r\n.png', data, "image/png")
    assert parts({"file": file}) == [decoder.Part("file", 'a "b"\r\n.png', "image/png", data)]


def test_text_for_a_binary_property_is_sent_as_a_file() -> None:
    (part,) = parts({"file": "hello"}, {"file": {"type": "string", "format": "binary"}})
    assert (part.filename, part.content_type, part.data) == ("file", "application/octet-stream", b"hello")


def test_text_of_a_media_type_that_is_no_text_is_sent_as_a_file() -> None:
    (part,) = parts({"pic": "x"}, {"pic": {"type": "string", "contentMediaType": "image/png"}})
    assert (part.filename, part.content_type) == ("pic", "image/png")
    (part,) = parts({"pic": "eA=="}, {"pic": {"contentMediaType": "image/png", "contentEncoding": "base64"}})
    assert (part.filename, part.data) == (None, b"eA==")
    (part,) = parts({"anything": "x"}, {"anything": True})
    assert (part.filename, part.data) == (None, b"x")


def test_several_files_repeat_the_part() -> None:
    files = [File("a.txt", b"a", "text/plain"), File("b.txt", b"b", "text/plain")]
    array = {"files": {"type": "array", "items": {"type": "string", "format": "binary"}}}
    assert [(part.name, part.filename, part.data) for part in parts({"files": files}, array)] == [
        ("files", "a.txt", b"a"), ("files", "b.txt", b"b"),
    ]  # fmt: skip


def test_an_object_is_a_json_part_and_encoding_may_say_otherwise() -> None:
    assert parts({"meta": {"a": 1}}) == [decoder.Part("meta", None, "application/json", b'{"a":1}')]
    (part,) = parts({"meta": {"a": 1}}, meta={"contentType": "application/vnd.x+json"})
    assert part.content_type == "application/vnd.x+json"
    (part,) = parts({"note": "x"}, note={"contentType": "application/json"})
    assert (part.content_type, part.data) == ("application/json", b'"x"')
    (part,) = parts({"pic": "x"}, pic={"contentType": "image/png, image/jpeg"})
    assert (part.content_type, part.filename) == ("image/png", "pic")


def test_a_part_has_the_headers_that_the_description_fixes() -> None:
    headers = {
        "X-Kind": {"schema": {"const": "k"}}, "X-One": {"schema": {"enum": [1]}},
        "X-Default": {"schema": {"default": "d"}},
        "X-Open": {"schema": {"type": "string"}}, "X-Ref": {"$ref": "#/components/headers/H"},
        "Content-Type": {"schema": {"const": "a/b"}}, "x y": {"schema": {"const": "no"}}, "X-Odd": 5,
    }  # fmt: skip
    more = {"encoding": {"a": {"headers": headers}}}
    known = {"headers": {"H": {"required": True, "schema": {"type": "string", "const": "r"}}}}
    made = sent(body({"properties": {"a": {"type": "string"}}}, MULTIPART, **more), {"a": "x"}, components=known)
    part = (made.content or b"").split(b"\r\n\r\n")[0].split(b"\r\n")[2:]
    assert part == [b"X-Kind: k", b"X-One: 1", b"X-Default: d", b"X-Ref: r"]


def test_a_name_cannot_end_its_header() -> None:
    (part,) = parts({'a"; filename="evil\r\nX: 1': "x"})
    assert part.name == 'a"; filename="evil\r\nX: 1'
    assert part.filename is None


def test_a_content_type_with_a_line_break_is_refused() -> None:
    with pytest.raises(ArgumentError):
        parts({"a": "x"}, a={"contentType": "text/plain\r\nX-Evil: 1"})


def test_the_same_values_give_the_same_bytes() -> None:
    node = body({"type": "object"}, MULTIPART)
    assert sent(node, {"a": "b"}) == sent(node, {"a": "b"})


@table("content_type", [FORM, MULTIPART])
@table("value", ["text", [1], 5])
def test_a_form_is_written_from_an_object(content_type: str, value: Any) -> None:
    with pytest.raises(ArgumentError, match="object"):
        sent(body({}, content_type), value)


def test_a_request_is_without_credentials() -> None:
    schemes = {"key": {"type": "apiKey", "in": "query", "name": "key"}}
    one: Operation = operation(components={"securitySchemes": schemes}, security=[{"key": []}])
    assert build(one, {}) == Request(method="GET", url="https://api.example/x")


@table("content_type", ["application/json", "application/x-www-form-urlencoded"])
@table("several", [False, True])
def test_a_file_is_never_sent_as_its_name(content_type: str, several: bool) -> None:
    text, picture = File("a.txt", b"miau"), File("a.png", b"\x89\xff")
    one = body({"type": "object", "properties": {"pic": {}}}, content_type)
    wanted = {"application/json": b'{"pic":["miau"]}' if several else b'{"pic":"miau"}'}.get(content_type, b"pic=miau")
    assert sent(one, {"pic": [text] if several else text}).content == wanted
    if content_type == "application/json":
        with pytest.raises(ArgumentError, match=r"a\.png is not text"):
            sent(one, {"pic": [picture] if several else picture})


@pytest.mark.parametrize("content_type", ["*/*", "image/*"])
def test_a_file_for_a_range_of_types_goes_out_as_its_own(content_type: str) -> None:
    request = sent(body({}, content_type), File("a.png", b"png", "image/png"))
    assert (request.header("content-type"), request.content) == ("image/png", b"png")


@pytest.mark.parametrize(("value", "wanted"), [(["", "b"], ";color;color=b"), ({"x": "", "y": "1"}, ";x;y=1")])
def test_an_empty_text_of_an_exploded_matrix_has_no_equals_sign(value: Any, wanted: str) -> None:
    assert in_path(value, "matrix", True) == wanted


@table(
    ("style", "value", "wanted"),
    [
        ("pipeDelimited", {"a": 1, "b": 2}, b"p=a%7C1%7Cb%7C2"),
        ("spaceDelimited", ["x", "y"], b"p=x%20y"),
        ("form", ["x,y", "z"], b"p=x%2Cy,z"),
    ],
)
def test_a_form_is_written_in_the_styles_of_a_query(style: str, value: Any, wanted: bytes) -> None:
    encoding = {"p": {"style": style, "explode": False}}
    schema = {"type": "object", "properties": {"p": {}}}
    assert sent(body(schema, "application/x-www-form-urlencoded", encoding=encoding), {"p": value}).content == wanted


def test_a_style_counts_in_multipart_too() -> None:
    encoding = {"p": {"style": "deepObject"}}
    schema = {"type": "object", "properties": {"p": {}}}
    content = sent(body(schema, "multipart/form-data", encoding=encoding), {"p": {"a": 1, "b": [2]}}).content or b""
    assert b'name="p[a]"\r\n\r\n1\r\n' in content
    assert b'name="p[b][0]"\r\n\r\n2\r\n' in content


def test_a_form_whose_schema_is_all_of_itself_is_written() -> None:
    parts = [{"$ref": "#/components/schemas/A"}, {"properties": {"f": {"type": "string", "format": "binary"}}}]
    node = body({"$ref": "#/components/schemas/A"}, "multipart/form-data")
    request = sent(node, {"f": "x"}, components={"schemas": {"A": {"allOf": parts}}})
    assert request.content is not None and b'name="f"; filename="f"' in request.content
