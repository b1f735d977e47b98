"""Everything that is refused before a byte is sent: what was described, what was asked for, what is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import nlapi
from nlapi.errors import ArgumentError, ConsentError, CredentialError, NlapiError, UsageError
from tests.describe import body, parameter, spec
from tests.tables import table

OK = {"responses": {"200": {"description": "ok"}}}
CHOSEN = parameter("s", schema={"type": "string", "enum": ["small", "large"]})
NUMBER = parameter("n", schema={"type": "integer"}, required=True)
ITEM = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "maxLength": 5},
        "count": {"type": "integer", "minimum": 1},
        "when": {"type": "string", "format": "date"},
    },
    "additionalProperties": False,
}
SCHEMES = {
    "key": {"type": "apiKey", "in": "header", "name": "X-Key"},
    "token": {"type": "http", "scheme": "bearer"},
    "certificate": {"type": "mutualTLS"},
}


def one(id: str, *parameters: Any, **more: Any) -> dict[str, Any]:
    return {**OK, "operationId": id, "parameters": list(parameters), **more}


SPEC = spec(
    {
        "/a/{id}": {"get": one("read", parameter("id", "path"), parameter("q"))},
        "/m/{id}": {"get": one("label", parameter("id", "path", {}, style="label", explode=True))},
        "/two/{a}{b}": {"get": one("joined", parameter("a", "path"), parameter("b", "path"))},
        "/h": {"get": one("list", parameter("X-Trace", "header", {}), parameter("c", "cookie"), CHOSEN)},
        "/n": {"get": one("numbers", NUMBER, parameter("f", schema={}))},
        "/items": {"post": {**one("add"), **body(ITEM)}},
        "/some": {"patch": {**one("change"), **body({**ITEM, "required": [], "minProperties": 1})}},
        "/xml": {"post": {**one("xml"), **body({"type": "object"}, "application/xml")}},
        "/form": {"post": {**one("form"), **body({}, "application/x-www-form-urlencoded")}},
        "/key": {"get": one("keyed", security=[{"key": []}])},
        "/both": {"get": one("both", security=[{"key": [], "token": []}])},
        "/cert": {"get": one("cert", security=[{"certificate": []}])},
        "/gone": {"delete": one("remove")},
    },
    components={"securitySchemes": SCHEMES},
)  # fmt: skip


@table(
    ("operation", "arguments", "said"),
    [
        # arguments against their schema
        ("read", {}, "argument 'id' is missing"),
        ("add", {"count": 1}, "argument 'name' is missing"),
        ("read", {"id": "1", "Q": "a"}, r"there is no argument 'Q' .*did you mean 'q'"),
        ("add", {"name": "a", "id": 1}, "there is no argument 'id'"),
        ("numbers", {"n": "one"}, r"n: 'one' is not of type 'integer'"),
        ("numbers", {"n": None}, r"n: None is not of type 'integer'"),
        ("numbers", {"n": 1.5}, r"n: 1\.5 is not of type 'integer'"),
        ("numbers", {"n": True}, r"n: True is not of type 'integer'"),
        ("list", {"s": "Small"}, r"'Small' is not one of its choices .*did you mean 'small'"),
        ("list", {"s": ""}, "is not one of its choices .*one of small, large"),
        ("add", {"name": "abcdef"}, "name: 'abcdef' is too long"),
        ("add", {"name": "a", "count": 0}, "count: 0 is less than the minimum of 1"),
        ("add", {"name": "a", "when": "tomorrow"}, "when: 'tomorrow' is not a 'date'"),
        ("change", {}, "there is nothing to send in the body"),
        # paths
        ("read", {"id": ""}, "id: a path parameter may not be empty"),
        ("read", {"id": " "}, "id: a path parameter may not be empty"),
        ("read", {"id": "."}, "id: .* has a dot segment, which leads to another place"),
        ("read", {"id": ".."}, "id: .* has a dot segment, which leads to another place"),
        ("read", {"id": "a\r\nb"}, "id: a path parameter may not hold line breaks or control characters"),
        ("read", {"id": "a\0"}, "id: a path parameter may not hold line breaks or control characters"),
        ("label", {"id": []}, "id: a path parameter may not be empty"),
        ("joined", {"a": ".", "b": "."}, "dot segment"),
        # headers and cookies
        ("list", {"X-Trace": "a\r\nX-Admin: 1"}, "X-Trace: a header may not hold line breaks or control characters"),
        ("list", {"X-Trace": ["a", "b\n"]}, "X-Trace: a header may not hold line breaks or control characters"),
        ("list", {"X-Trace": {"a": "b\x7f"}}, "X-Trace: a header may not hold line breaks or control characters"),
        ("list", {"c": "\ud800"}, "c: the text holds half a character"),
        # what no text can hold
        ("numbers", {"n": 1, "f": float("nan")}, "f: nan is not a number that can be sent"),
        ("read", {"id": "1", "q": "\ud800"}, "q: the text holds half a character"),
        ("add", {"name": "\ud800"}, "the body holds half a character"),
        # media types
        ("xml", {"body": {"a": 1}}, "is not of type 'string'"),
        ("form", {"body": "a=b"}, "is not of type 'object'"),
    ],
)  # fmt: skip
def test_arguments_that_may_never_be_sent(operation: str, arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ArgumentError, match=said) as refused:
        nlapi.build(SPEC, operation, arguments)
    assert str(refused.value).startswith(f"{operation}: ")
    assert refused.value.exit_code == 2


@table(
    ("operation", "auth", "error", "said"),
    [
        ("keyed", {}, CredentialError, "key"),
        ("both", {"key": "secret"}, CredentialError, "token"),
        ("keyed", {"kye": "secret"}, UsageError, "kye"),
        ("keyed", {"key": "sec\r\nret"}, CredentialError, "key"),
        ("cert", {}, NlapiError, "mutual TLS, which nlapi does not support"),
        ("nothing", {}, UsageError, "no operation 'nothing'"),
    ],
)
def test_credentials_that_are_missing_unknown_or_unfit(
    operation: str, auth: dict[str, str], error: type[NlapiError], said: str
) -> None:
    with pytest.raises(error, match=said) as refused:
        nlapi.call(SPEC, operation, {}, auth=auth, yes=True)
    assert "secret" not in str(refused.value)
    assert "sec\r" not in str(refused.value)


def test_a_change_without_consent_is_refused() -> None:
    with pytest.raises(ConsentError) as refused:
        nlapi.call(SPEC, "remove", {})
    assert refused.value.exit_code == 6


def test_a_path_that_a_model_gives_is_text_and_no_file_is_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hidden", encoding="utf-8")
    schema = {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}}
    description = spec({"/up": {"post": {**one("up"), **body(schema, "multipart/form-data")}}})
    content = nlapi.build(description, "up", {"file": f"@{secret}"}).content or b""
    assert str(secret).encode() in content
    assert b"hidden" not in content


@table(
    ("server", "said"),
    [
        ("/v1", "names no server, only the path '/v1' on it"),
        ("ftp://files.example", "not an http"),
        ("http://169.254.169.254/", "link-local"),
        ("https://user:pass@api.example", "user name or password"),
        ("https://{host}/", "is not described"),
    ],
)
def test_servers_that_nobody_is_sent_to(server: str, said: str) -> None:
    description = spec({"/x": {"get": one("get")}}, servers=[{"url": server}])
    with pytest.raises(UsageError, match=said) as refused:
        nlapi.build(description, "get", {})
    assert "pass" not in str(refused.value).replace("password", "")
