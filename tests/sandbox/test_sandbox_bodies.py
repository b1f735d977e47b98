"""Request bodies are decoded by their media type and held against their schema."""

from __future__ import annotations

from typing import Any

import pytest

from nlapi.client.build import write_body
from nlapi.sandbox.schemas import Schemas
from nlapi.sandbox.validation import read_body
from tests.describe import body, spec
from tests.sandbox.served import answer, client, faults
from tests.servers import TWO_LENGTHS, raw_statuses
from tests.tables import table

NOTE = {
    "type": "object",
    "required": ["id", "title"],
    "properties": {
        "id": {"type": "string", "readOnly": True},
        "title": {"type": "string", "minLength": 1},
        "stars": {"type": "integer", "maximum": 5},
        "tags": {"type": "array", "items": {"type": "string"}},
        "place": {"type": "object", "properties": {"lat": {"type": "number"}}, "additionalProperties": False},
        "file": {"type": "string", "format": "binary"},
        "secret": {"type": "string", "writeOnly": True},
    },
    "additionalProperties": False,
}


def paths(
    content_type: str = "application/json", schema: Any = NOTE, *, required: bool = True, **media: Any
) -> dict[str, Any]:
    """An operation that takes a note and answers with what it read of it."""
    shown = {**NOTE, "required": [], "additionalProperties": True}
    node = {"operationId": "op", "responses": answer(shown), **body(schema, content_type, required=required, **media)}
    return {"/notes": {"post": node}}


def test_json_is_checked_and_each_fault_is_named() -> None:
    with client(paths()) as http:
        assert http.post("/notes", json={"title": "a", "stars": 5}).json()["stars"] == 5
        response = http.post("/notes", json={"title": "", "stars": 6, "place": {"lon": 1}})
    assert response.status_code == 422
    assert sorted(faults(response)) == ["body.place", "body.stars", "body.title"]


@table("content", [b"{", b'{"title": NaN}', b"{'title': 'a'}", b'{"title": "a",}', b"\xff", b"[" * 5000])
def test_what_is_not_json_is_a_bad_request(content: bytes) -> None:
    with client(paths()) as http:
        response = http.post("/notes", content=content, headers={"Content-Type": "application/json"})
    assert response.status_code == 400
    assert faults(response) == []


def test_read_only_properties_are_ignored() -> None:
    with client(paths()) as http:
        response = http.post("/notes", json={"title": "a", "id": 17})
    assert response.status_code == 200
    assert response.json().get("id") != 17


def test_write_only_properties_are_never_shown() -> None:
    with client(paths()) as http:
        assert "secret" not in http.post("/notes", json={"title": "a", "secret": "s"}).json()


def test_the_content_type_must_be_described() -> None:
    with client(paths()) as http:
        assert http.post("/notes", content=b"<a/>", headers={"Content-Type": "application/xml"}).status_code == 415
        assert http.post("/notes", content=b"{}").status_code == 415


def test_a_range_of_content_types_takes_each_of_them() -> None:
    with client(paths("image/*", {"type": "string", "format": "binary"})) as http:
        assert http.post("/notes", content=b"\x89PNG", headers={"Content-Type": "image/png"}).status_code == 200
        assert http.post("/notes", content=b"a", headers={"Content-Type": "text/plain"}).status_code == 415


def test_a_body_is_there_when_it_is_required_and_only_when_it_is_described() -> None:
    with client(paths()) as http:
        assert http.post("/notes").status_code == 400
    with client(paths(required=False)) as http:
        assert http.post("/notes").status_code == 200
    with client({"/notes": {"post": {"responses": answer({"type": "object"})}}}) as http:
        assert http.post("/notes", json={}).status_code == 400
        assert http.post("/notes").status_code == 200


def test_a_urlencoded_form_is_read_to_the_types_of_its_schema() -> None:
    with client(paths("application/x-www-form-urlencoded")) as http:
        send = {"Content-Type": "application/x-www-form-urlencoded"}
        for content in (
            "title=a+b&stars=4&tags=x&tags=y&place[lat]=1.5",
            'title=a+b&stars=4&tags=x&tags=y&place={"lat":1.5}',
        ):
            read = http.post("/notes", content=content, headers=send).json()
            assert read["title"] == "a b" and read["stars"] == 4
            assert read["tags"] == ["x", "y"] and read["place"] == {"lat": 1.5}
        assert faults(http.post("/notes", content="title=a&stars=x", headers=send)) == ["body.stars"]
        assert http.post("/notes", content="title=a&other=1", headers=send).status_code == 422


def test_a_urlencoded_array_may_have_a_style_of_its_own() -> None:
    media = {"encoding": {"tags": {"style": "pipeDelimited", "explode": False}}}
    with client(paths("application/x-www-form-urlencoded", **media)) as http:
        send = {"Content-Type": "application/x-www-form-urlencoded"}
        assert http.post("/notes", content="title=a&tags=x%7Cy", headers=send).json()["tags"] == ["x", "y"]


def test_multipart_has_files_fields_and_json_parts() -> None:
    with client(paths("multipart/form-data")) as http:
        parts = [
            ("file", ("a.bin", b"\x00\r\n\xff", "application/octet-stream")),
            ("place", (None, b'{"lat": 1}', "application/json")),
        ]
        read = http.post("/notes", data={"title": "a", "stars": "3", "tags": ["x", "y"]}, files=parts)
        assert read.status_code == 200, read.text
        assert read.json()["stars"] == 3 and read.json()["place"] == {"lat": 1} and read.json()["tags"] == ["x", "y"]
        assert faults(http.post("/notes", data={"stars": "3"}, files=parts)) == ["body"]
        cut = b'--b\r\nContent-Disposition: form-data; name="title"\r\n\r\na'
        assert (
            http.post("/notes", content=cut, headers={"Content-Type": "multipart/form-data; boundary=b"}).status_code
            == 400
        )
        assert http.post("/notes", content=cut, headers={"Content-Type": "multipart/form-data"}).status_code == 400


def test_a_part_has_the_content_type_that_its_encoding_names() -> None:
    media = {"encoding": {"file": {"contentType": "image/png, image/*"}}}
    with client(paths("multipart/form-data", **media)) as http:
        good, bad = (("a", b"x", kind) for kind in ("image/jpeg", "text/plain"))
        assert http.post("/notes", data={"title": "a"}, files={"file": good}).status_code == 200
        assert faults(http.post("/notes", data={"title": "a"}, files={"file": bad})) == ["body.file"]


def test_a_body_of_more_than_ten_megabytes_is_refused() -> None:
    with client(paths()) as http:
        assert http.post("/notes", content=b" " * (10 * 2**20 + 1)).status_code == 413


DEEP = {
    "type": "object",
    "properties": {
        "address": {
            "anyOf": [
                {"type": "object", "properties": {"city": {"type": "string"}, "floor": {"type": "integer"}}},
                {"type": "string", "enum": [""]},
            ]
        },
        "items": {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "integer"}}}},
        "expand": {"type": "array", "items": {"type": "string"}},
        "place": {"type": "object", "properties": {"tags": {"type": "array", "items": {"type": "integer"}}}},
        "plain": {"type": "object", "properties": {"a": {"type": "integer"}}},
        "flags": {"type": "array", "items": {"type": "integer"}},
        "json": {"type": "string"},
    },
    "additionalProperties": False,
}
STYLED = {"style": "deepObject", "explode": True}
ENCODING = {
    **dict.fromkeys(("address", "items", "expand", "place"), STYLED),
    "flags": {"style": "form", "explode": False},
    "json": {"contentType": "application/json"},
}
VALUE = {
    "address": {"city": "Rome, 1 & 2%", "floor": 3},
    "items": [{"n": 1}, {"n": 2}],
    "expand": ["a", "b"],
    "place": {"tags": [1, 2]},
    "plain": {"a": 1},
    "flags": [1, 2],
    "json": "{}",
}


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "multipart/form-data"])
def test_a_form_that_nlapi_writes_is_read_back_by_its_encoding(content_type: str) -> None:
    described = spec(paths(content_type, DEEP, encoding=ENCODING))
    media = described.operations[0].body.media[0]
    kind, content = write_body(media, VALUE, described)
    assert read_body(media, content, kind, Schemas(described)) == VALUE
    with client(described) as http:
        assert http.post("/notes", content=content, headers={"Content-Type": kind}).status_code == 200


def test_arrays_in_brackets_go_by_index_or_by_empty_brackets() -> None:
    with client(paths("application/x-www-form-urlencoded", DEEP, encoding=ENCODING)) as http:
        send = {"Content-Type": "application/x-www-form-urlencoded"}
        for content in (
            "expand[]=a&expand[]=b",
            "expand[1]=b&expand[0]=a",
            "place[tags][]=1&items[0][n]=1",
            "address=",
        ):
            assert http.post("/notes", content=content, headers=send).status_code == 200, content
        assert faults(http.post("/notes", content="address[floor]=x", headers=send)) == ["body.address"]
        assert faults(http.post("/notes", content="address[floor]=1&other[x]=1", headers=send)) == ["body"]


def test_each_item_of_a_multipart_array_of_objects_is_a_part_of_json() -> None:
    described = spec(paths("multipart/form-data", DEEP))
    media = described.operations[0].body.media[0]
    kind, content = write_body(media, {"items": [{"n": 1}, {"n": 2}]}, described)
    assert read_body(media, content, kind, Schemas(described)) == {"items": [{"n": 1}, {"n": 2}]}


def test_a_body_with_two_lengths_is_refused_with_what_follows_it() -> None:
    with client(paths()) as sandbox:
        assert raw_statuses(str(sandbox.base_url), TWO_LENGTHS) == [400]


def test_a_field_of_a_form_is_shown_under_the_name_that_the_item_has_for_it() -> None:
    form = {"type": "object", "properties": {"FriendlyName": {"type": "string"}}}
    line = {"type": "object", "properties": {"sid": {"type": "string"}, "friendly_name": {"type": "string"}}}
    described = {
        "/lines": {
            "get": {"operationId": "listLines", "responses": answer({"type": "array", "items": line})},
            "post": {
                "operationId": "createLine",
                "responses": answer(line, "201"),
                **body(form, "application/x-www-form-urlencoded"),
            },
        }
    }
    with client(described) as http:
        made = http.post("/lines", data={"FriendlyName": "Berlin"}).json()
        assert made["friendly_name"] == "Berlin" and "FriendlyName" not in made
        assert made in http.get("/lines").json()
