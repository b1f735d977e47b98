"""Hostile arguments and hostile servers: what of them reaches the wire, the terminal and the model."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

import nlapi
from nlapi.client.message import Request, Result, preview_request
from nlapi.client.safe_text import strip_control
from nlapi.errors import NlapiError
from tests.cli.kit import Ran, notes, run
from tests.describe import body, parameter, spec
from tests.servers import Echo, Reply, Script
from tests.tables import table

OK = {"responses": {"200": {"description": "ok"}}}
KEY = {"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}}}


def sent(node: dict[str, Any], arguments: dict[str, Any], *, path: str = "/x", method: str = "get") -> Request:
    described = spec({path: {method: {**OK, "operationId": "op", **node}}})
    return nlapi.build(described, "op", arguments)


# Arguments


@table("value", ["u1?role=admin", "u1#top", "u1;role=admin", "u1&role=admin", "//evil.example/u1"])
def test_an_id_stays_one_segment_of_the_path(value: str) -> None:
    node = {"parameters": [parameter("id", "path")]}
    try:
        url = urlsplit(sent(node, {"id": value}, path="/users/{id}/notes").url)
    except NlapiError:
        return
    assert (url.netloc, url.query, url.fragment) == ("api.example", "", "")
    assert url.path.startswith("/users/")
    assert url.path.count("/") == 3


@table(("style", "value"), [("label", "."), ("label", ["", ""]), ("simple", ["..", "."])])
def test_a_style_makes_no_dots_that_lead_upwards(style: str, value: Any) -> None:
    schema = {"type": "array", "items": {"type": "string"}} if isinstance(value, list) else {"type": "string"}
    node = {"parameters": [parameter("id", "path", schema, style=style, explode=True)]}
    try:
        path = urlsplit(sent(node, {"id": value}, path="/users/{id}").url).path
    except NlapiError:
        return
    assert path.rpartition("/")[2] not in (".", "..", "")


@table("mark", ["\x0b", "\x0c", "\x1c", "\x00", "\x7f"])
def test_no_character_that_some_server_takes_for_a_line_break_is_in_a_header(mark: str) -> None:
    node = {"parameters": [parameter("X-Trace", "header")]}
    try:
        request = sent(node, {"X-Trace": f"a{mark}Authorization: Bearer evil"})
    except NlapiError:
        return
    assert all(mark not in value for _, value in request.headers)


def test_the_keys_of_an_object_name_no_other_parameter_of_the_query() -> None:
    node = {"parameters": [parameter("filter", "query", {"type": "object"}, style="deepObject", explode=True)]}
    query = parse_qsl(urlsplit(sent(node, {"filter": {"a]=1&admin": "1", "b": "2&admin=1"}}).url).query)
    assert len(query) == 2
    assert "admin" not in dict(query)


def test_the_keys_of_a_form_name_no_other_field() -> None:
    node = body({"type": "object"}, "application/x-www-form-urlencoded")
    request = sent(node, {"body": {"a=1&admin": "1", "b": "2&admin=1"}}, method="post")
    assert request.content is not None
    assert "admin" not in dict(parse_qsl(bytes(request.content).decode()))


def test_a_value_ends_no_part_of_a_multipart_body() -> None:
    boundary_like = '\r\n--x\r\nContent-Disposition: form-data; name="admin"\r\n\r\n1\r\n--x--'
    node = body({"type": "object", "properties": {"note": {"type": "string"}}}, "multipart/form-data")
    request = sent(node, {"note": boundary_like}, method="post")
    assert request.content is not None
    boundary = dict(request.headers).get("Content-Type", dict(request.headers).get("content-type", ""))
    boundary = boundary.partition("boundary=")[2].strip('"')
    assert boundary
    assert bytes(request.content).count(f"--{boundary}\r\n".encode()) == 1


# Servers


def read(api: Echo | Script) -> Result:
    node = {**OK, "operationId": "read", "security": [{"key": []}]}
    described = spec({"/x": {"get": node}}, servers=[{"url": api.url}], components=KEY)
    return nlapi.call(described, "read", {}, auth={"key": "CREDENTIAL-1"}, timeout=5)


@table("lengths", ["Content-Length: 2\r\nContent-Length: 200", "Content-Length: -2", "Content-Length: 2, 9"])
def test_lengths_that_contradict_each_other_are_an_error(lengths: str) -> None:
    answer = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{lengths}\r\n\r\n{{}}".encode()
    with Script(answer, answer, answer, answer) as api, pytest.raises(NlapiError):
        read(api)


def test_a_bomb_within_a_bomb_ends_at_the_limit() -> None:
    bomb = zlib.compress(zlib.compress(b"\0" * 120_000_000, 9), 9)
    reply = Reply(200, bomb, {"Content-Type": "application/json", "Content-Encoding": "deflate, deflate"})
    with Echo(reply) as api, pytest.raises(NlapiError):
        read(api)


def test_a_credential_that_comes_back_in_headers_is_masked() -> None:
    reply = Reply(200, {"a": 1}, {"X-Echo": "CREDENTIAL-1", "Set-Cookie": "k=CREDENTIAL-1"})
    with Echo(reply) as api:
        result = read(api)
    assert "CREDENTIAL-1" not in json.dumps(result.headers)


def test_the_port_of_a_redirect_is_another_origin() -> None:
    with Echo(Reply(200, {})) as other:
        with Echo(Reply(302, b"", {"Location": f"{other.url}/x"})) as api, suppress(NlapiError):
            read(api)
        assert all(request.header("X-Key") is None for request in other.received)


def ran(reply: Reply, folder: Path, *more: str) -> Ran:
    with Echo(reply) as api:
        return run("call", notes(folder, api.url), "listNotes", *more)


@table("format", ["table", "csv", "value"])
def test_names_and_parts_of_fields_have_no_control_characters(tmp_path: Path, format: str) -> None:
    entry = {"\x1b]0;owned\x07id": "1", "a\u202eb": "2\x9b31m", "part": {"c\x9bd": "\u202ee\x9dx"}}
    result = ran(Reply(200, [entry, {**entry, "f": 1}]), tmp_path, "-o", format)
    assert result.code == 0
    assert not {"\x1b", "\x07", "\x9b", "\x9d", "\u202e"} & set(result.out + result.err)


@pytest.mark.parametrize("answer", [{"id\x1b[2J": 1}, {"id": 1, "rows\x1b[2J": [{"a": 1, "b": 2, "c": 3, "d": 4}]}])
def test_names_of_a_single_item_have_none_either(tmp_path: Path, answer: Any) -> None:
    result = ran(Reply(200, answer), tmp_path, "-o", "table")
    assert "\x1b" not in result.out


@table("format", ["table", "csv", "yaml", "json"])
@table("levels", [90, 500])
def test_an_answer_of_many_levels_is_shown(tmp_path: Path, format: str, levels: int) -> None:
    deep = b'{"a":' * levels + b"1" + b"}" * levels
    reply = Reply(200, deep, {"Content-Type": "application/json"})
    result = ran(reply, tmp_path, "-o", format)
    assert result.code == 0
    assert '"a"' in result.out or "a: " in result.out or "a.a" in result.out


@table("number", ["9" * 400, "NaN", "-Infinity"])
def test_numbers_that_no_float_holds_are_no_chart(tmp_path: Path, number: str) -> None:
    rows = [
        f'{{"day": "2026-01-0{day}", "sum": {number}, "row": [1, 2, 3, {number}, 5, 6, 7, 8]}}' for day in range(1, 10)
    ]
    reply = Reply(200, f"[{', '.join(rows)}]".encode(), {"Content-Type": "application/json"})
    result = ran(reply, tmp_path, "-o", "table")
    assert result.code == 0
    assert "2026-01-09" in result.out


@table("name", ["WWW-Authenticate", "Location", "Retry-After"])
def test_headers_of_an_error_write_nothing_to_the_terminal(tmp_path: Path, name: str) -> None:
    status = 302 if name == "Location" else 401
    result = ran(Reply(status, b"", {name: "http://a.example/\x1b]0;owned\x07"}), tmp_path)
    assert result.code in (1, 3, 4)
    assert not {"\x1b", "\x07"} & set(result.out + result.err)


def test_the_next_page_is_at_no_other_server(tmp_path: Path) -> None:
    with Echo(Reply(200, [])) as other:
        link = {"Link": f'<{other.url}/notes?page=2>; rel="next"'}
        ran(Reply(200, [{"id": "n1"}], link), tmp_path, "--all")
        assert other.received == []


# JSON, and what is shown of a request


@table("more", [[], ["-o", "ndjson"], ["-o", "yaml"], ["--sort", "n"]])
def test_what_is_printed_is_json_whatever_came(tmp_path: Path, more: list[str]) -> None:
    body = b'[{"id": NaN, "n": 1e999, "m": -Infinity}, {"id": 1, "n": %s}, {"id": 2, "n": 1.5}]' % (b"9" * 400)
    result = ran(Reply(200, body, {"Content-Type": "application/json"}), tmp_path, *more)
    assert result.code == 0
    assert not {"nan", "inf", "infinity"} & set(re.findall(r"[a-z]+", result.out.lower()))


def test_codings_on_two_lines_are_one_list() -> None:
    content = gzip.compress(gzip.compress(b'{"a": 1}'))
    head = (
        f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Encoding: gzip\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    with Script(head.encode() + content) as api:
        assert read(api).data == {"a": 1}


@table("text", ["al\u200bice", "\u202eecila", "a\x9b31m", "a\u2028b", "\U000e0041"])
def test_a_preview_shows_what_nobody_sees(text: str) -> None:
    node = {**body({"type": "object"}), "parameters": [parameter("X-To", "header")]}
    request = sent(node, {"body": {"to": text}, "X-To": text}, method="post")
    shown = preview_request(request)
    header = shown.partition("X-To: ")[2].partition("\n")[0]
    assert shown == strip_control(shown)
    assert json.loads(shown.partition("\n\n")[2]) == {"to": text}
    assert json.loads(f'"{header}"') == text


@table(
    ("text", "is_shown"),
    [
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", True),
        ("\u0915\u094d\u200d\u0937", True),
        ("\U0001f469\u200d\U0001f4bb", False),
    ],
    ids=["persian", "hindi", "emoji"],
)
def test_a_joiner_that_is_spelling_stays_in_a_name(text: str, is_shown: bool) -> None:
    """A model that reads the name without it asks for another one; a preview shows as it is what everybody sees."""
    api = spec({"/x": {"get": {"operationId": "x", "responses": {"200": {"description": "ok"}}}}})
    with Echo(Reply(200, {"name": f"{text}\u200d"})) as server:
        assert json.loads(nlapi.answer(nlapi.tools(api), "x", {}, base_url=server.url))["data"] == {"name": text}
    shown = preview_request(sent(body({"type": "object"}), {"body": {"to": text}}, method="post"))
    assert (text in shown, json.loads(shown.partition("\n\n")[2])) == (is_shown, {"to": text})


@table("text", ["a\u200db", "\u062f\u200c\u0631", "\u0628\u200da", "\u0915\u200d\u0937", "\u0628\u200c\u200c\u0628"])
def test_a_joiner_that_joins_nothing_is_seen_in_a_preview_and_left_out_of_an_answer(text: str) -> None:
    assert "\\u200" in preview_request(sent(body({"type": "object"}), {"body": {"to": text}}, method="post"))
    assert not {"\u200c", "\u200d"} & set(strip_control(text))
