"""Any value that is sent can be read again: build, then a decoder written from the standards, gives the same values."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

import nlapi
from nlapi.client.build import build
from nlapi.client.message import File
from nlapi.errors import ArgumentError
from tests import decoder
from tests.describe import body, operation, parameter

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
SCALAR = st.one_of(TEXT, st.integers(), st.booleans(), st.floats(allow_nan=False, allow_infinity=False))
VALUES = {
    "primitive": SCALAR,
    "array": st.lists(SCALAR, min_size=1, max_size=4),
    "object": st.dictionaries(TEXT, SCALAR, min_size=1, max_size=4),
}
KINDS = st.sampled_from(sorted(VALUES))


def written(value: Any) -> Any:
    """A value as the wire holds it: numbers and booleans as in JSON, None not at all."""
    if isinstance(value, dict):
        return {key: written(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [written(item) for item in value if item is not None]
    return value if isinstance(value, str) else json.dumps(value)


def texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for pair in value.items() for one in pair for text in texts(one)]
    return [text for item in value for text in texts(item)] if isinstance(value, list) else [str(written(value))]


@given(data=st.data(), kind=KINDS, style=st.sampled_from(["simple", "label", "matrix"]), explode=st.booleans())
def test_path(data: st.DataObject, kind: str, style: str, explode: bool) -> None:
    value = data.draw(VALUES[kind])
    assume(style != "label" or not explode or not any("." in text for text in texts(value)))  # RFC 6570 cannot tell
    node = {"parameters": [parameter("c", "path", style=style, explode=explode)]}
    try:
        request = build(operation(node, path="/a/{c}/b"), {("path", "c"): value})
    except ArgumentError as error:  # control characters, nothing at all, dots: test_client_build.py says which
        assert "c: " in str(error)
        return
    before, segment, after = request.url.removeprefix("https://api.example/").split("/")
    assert (before, after) == ("a", "b")
    assert decoder.path_value(segment, "c", style, explode, kind) == written(value)


STYLES = st.sampled_from([
    ("form", True), ("form", False), ("spaceDelimited", False), ("pipeDelimited", False), ("pipeDelimited", True),
    ("deepObject", True),
])  # fmt: skip
AMBIGUOUS = {"spaceDelimited": " ", "pipeDelimited": "|", "deepObject": "]"}


@given(data=st.data(), kind=KINDS, name=TEXT.filter(bool), style=STYLES)
def test_query(data: st.DataObject, kind: str, name: str, style: tuple[str, bool]) -> None:
    value = data.draw(VALUES[kind])
    assume(not any(AMBIGUOUS.get(style[0], "\0") in text for text in texts(value)) or kind == "primitive")
    assume(style[0] != "deepObject" or kind == "object")
    node = {"parameters": [parameter(name, style=style[0], explode=style[1])]}
    request = build(operation(node), {("query", name): value})
    path, _, query = request.url.removeprefix("https://api.example").partition("?")
    assert path == "/x"
    assert request.url.isascii()
    assert decoder.query_value(query, name, style[0], style[1], kind) == written(value)


DEEP = st.recursive(
    SCALAR,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3) | st.dictionaries(st.text("ab_-. é&=", max_size=3), inner, min_size=1)
    ),
    max_leaves=6,
)


@given(value=st.dictionaries(st.text("ab", max_size=2), DEEP, min_size=1))
def test_deep_objects_in_a_query_and_in_a_form(value: dict[str, Any]) -> None:
    def with_indexes(node: Any) -> Any:
        items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else None
        return {str(key): with_indexes(item) for key, item in items} if items is not None else written(node)

    request = build(operation({"parameters": [parameter("p", style="deepObject")]}), {("query", "p"): value})
    assert decoder.query_value(request.url.partition("?")[2], "p", "deepObject", True, "object") == with_indexes(value)
    node = body({}, "application/x-www-form-urlencoded", encoding={"p": {"style": "deepObject"}})
    request = build(operation(node, method="post"), {("body", ""): {"p": value}})
    assert decoder.tree(decoder.form(request.content or b""), "p") == with_indexes(value)


HEADER_TEXT = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_characters=",=\x7f"), max_size=6)
HEADER_SCALAR = st.one_of(HEADER_TEXT, st.integers(), st.booleans())
HEADER_VALUES = {
    "primitive": HEADER_SCALAR | TEXT,
    "array": st.lists(HEADER_SCALAR, min_size=1, max_size=4),
    "object": st.dictionaries(HEADER_TEXT, HEADER_SCALAR, min_size=1, max_size=4),
}


@given(data=st.data(), kind=KINDS, explode=st.booleans())
def test_header(data: st.DataObject, kind: str, explode: bool) -> None:
    value = data.draw(HEADER_VALUES[kind])
    node = {"parameters": [parameter("X-C", "header", explode=explode)]}
    try:
        text = build(operation(node), {("header", "X-C"): value}).header("X-C")
    except ArgumentError:
        assert any(char < " " or char == "\x7f" for text in texts(value) for char in text)
        return
    assert text is not None
    assert not any(char < " " and char != "\t" for char in text)
    expected = written(value)
    assert decoder.header_value(text, explode, kind) == (expected.strip(" \t") if kind == "primitive" else expected)


@given(data=st.data(), kind=KINDS, explode=st.booleans())
def test_cookie(data: st.DataObject, kind: str, explode: bool) -> None:
    value = data.draw(VALUES[kind])
    node = {"parameters": [parameter("c", "cookie", explode=explode)]}
    header = build(operation(node), {("cookie", "c"): value}).header("Cookie")
    assert header is not None
    assert header.isascii()
    assert header.isprintable()
    assert decoder.cookie_value(header, "c", explode, kind) == written(value)


@given(
    values=st.dictionaries(st.tuples(st.sampled_from(["query", "cookie", "header"]), st.sampled_from("abc")), SCALAR)
)
def test_parameters_do_not_disturb_each_other(values: dict[tuple[str, str], Any]) -> None:
    parameters = [parameter(name, where) for where in ("query", "cookie", "header") for name in "abc"]
    try:
        request = build(operation({"parameters": parameters}), values)
    except ArgumentError:
        assume(False)
    for (where, name), value in values.items():
        if where == "query":
            assert decoder.query_value(request.url.partition("?")[2], name, "form", True, "primitive") == written(value)
        elif where == "cookie":
            cookies = request.header("Cookie") or ""
            assert decoder.cookie_value(cookies, name, True, "primitive") == written(value)
        else:
            assert request.header(name) == written(value).strip(" \t")


JSON = st.recursive(
    st.none() | SCALAR,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(value=JSON)
def test_json_body(value: Any) -> None:
    request = build(operation(body({}), method="post"), {("body", ""): value})
    assert json.loads(request.content or b"") == value


@given(value=st.dictionaries(TEXT, SCALAR | st.lists(SCALAR, max_size=3)))
def test_urlencoded_body(value: dict[str, Any]) -> None:
    request = build(operation(body({}, "application/x-www-form-urlencoded"), method="post"), {("body", ""): value})
    wanted = [
        (name, one) for name, item in written(value).items() for one in (item if isinstance(item, list) else [item])
    ]
    assert decoder.form(request.content or b"") == wanted


FILES = st.builds(File, TEXT.filter(bool), st.binary(max_size=40), st.sampled_from(["", "image/png", "text/plain"]))
PART_NAMES = TEXT.filter(lambda name: "%" not in name)
"""A `%22` in a name cannot be told from a quote that was escaped (WHATWG multipart/form-data)."""


@given(value=st.dictionaries(PART_NAMES, SCALAR | FILES | st.lists(FILES, max_size=2)))
def test_multipart_body(value: dict[str, Any]) -> None:
    request = build(operation(body({}, "multipart/form-data"), method="post"), {("body", ""): value})
    parts = decoder.multipart(request.header("Content-Type") or "", request.content or b"")
    sent = [(name, one) for name, item in value.items() for one in (item if isinstance(item, list) else [item])]
    assert len(parts) == len(sent)
    for part, (name, one) in zip(parts, sent, strict=True):
        assert part.name == name
        if isinstance(one, File):
            assert part.data == one.data
            assert part.content_type == one.content_type
            assert part.filename is not None
        else:
            assert part.data.decode() == written(one)
            assert part.filename is None


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(
    where=st.sampled_from(["path", "query", "header", "cookie"]),
    style=st.sampled_from(["simple", "label", "matrix", "form", "spaceDelimited", "pipeDelimited", "deepObject"]),
    explode=st.booleans(),
    reserved=st.booleans(),
    value=ANYTHING,
)
def test_whatever_the_value_a_request_is_clean_or_refused(
    where: str, style: str, explode: bool, reserved: bool, value: Any
) -> None:
    node = {"parameters": [parameter("c", where, style=style, explode=explode, allowReserved=reserved)]}
    try:
        request = build(operation(node, path="/a/{c}/b" if where == "path" else "/a/b"), {(where, "c"): value})
    except nlapi.NlapiError:
        return
    assert request.url.isascii()
    assert request.url.isprintable()
    assert " " not in request.url
    assert "#" not in request.url
    assert request.url.count("?") <= (where == "query") + request.url.partition("?")[2].count("?")
    path = request.url.removeprefix("https://api.example").partition("?")[0]
    assert path.count("/") == (3 if where == "path" else 2)
    assert not {".", ".."} & {decoder.plain(segment) for segment in path.split("/")}
    assert all("\r" not in text and "\n" not in text for pair in request.headers for text in pair)
