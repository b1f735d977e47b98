"""What is said of an answer that does not look like one of the API: base URL, sign-in page, credential."""

from __future__ import annotations

from typing import Any

import pytest

from nlapi.client.message import Result
from nlapi.openapi.spec import Operation
from nlapi.tools.answers.diagnosis import diagnose, is_foreign_page
from nlapi.tools.sending.run import Target
from tests.describe import operation, parameter
from tests.tables import table

BASE = "https://api.example"
HTML = b"<!DOCTYPE html><html><head><title>Welcome &amp; hello</title></head><body></body></html>"
JSON = {"200": {"description": "ok", "content": {"application/json": {"schema": {"type": "array"}}}}}
BEARER = {"components": {"securitySchemes": {"b": {"type": "http", "scheme": "bearer"}}}, "security": [{"b": []}]}


def listing(**node: Any) -> Operation:
    return operation({"responses": JSON, **node}, path="/flows")


def result(status: int, content: bytes = b"", kind: str = "", url: str = f"{BASE}/flows", **headers: str) -> Result:
    typed = (("content-type", kind),) if kind else ()
    return Result(status=status, content=content, headers=(*typed, *headers.items()), url=url, method="GET")


def said(answer: Result, one: Operation | None = None, **target: Any) -> str:
    one = one or listing()
    return diagnose(answer, one, Target(spec=one.spec, **target))


# The base URL

ROUTERS = {
    "Go": (b"404 page not found\n", "text/plain; charset=utf-8"),
    "Starlette": (b'{"detail":"Not Found"}', "application/json"),
    "Django REST framework": (b'{"detail":"Not found."}', "application/json"),
    "Fastify": (b'{"message":"Route GET:/flows not found","error":"Not Found","statusCode":404}', "application/json"),
    "NestJS": (b'{"statusCode":404,"message":"Cannot GET /flows","error":"Not Found"}', "application/json"),
    "Spring": (
        b'{"timestamp":"2026-11-26T10:00:00.123+00:00","status":404,"error":"Not Found","path":"/flows"}',
        "application/json",
    ),
    "Rails": (b'{"status":404,"error":"Not Found"}', "application/json"),
    "ASP.NET": (
        b'{"type":"https://tools.ietf.org/html/rfc9110#section-15.5.5","title":"Not Found","status":404}',
        "application/problem+json",
    ),
    "Kong": (b'{"message":"no Route matched with those values"}', "application/json"),
    "nothing": (b"", ""),
}


@table("router", ROUTERS)
def test_a_path_that_no_router_has_is_doubted(router: str) -> None:
    note = said(result(404, *ROUTERS[router]))
    assert note == (
        "The server seems to have no GET /flows. Is the base URL right? It was https://api.example, as the description "
        "says. --base-url gives another, such as --base-url https://api.example/api"
    )


@table(
    "body",
    [
        b'{"detail":"No flow is called nightly"}',
        b'{"error":{"code":404,"message":"The workspace is archived"}}',
        b'{"message":"Kein Projekt"}',
        b"no such project",
    ],
)
def test_an_error_in_the_apis_own_words_is_not(body: bytes) -> None:
    assert said(result(404, body, "application/json")) == ""


def test_a_thing_that_is_not_there_is_no_wrong_base_url() -> None:
    one = operation({"responses": JSON, "parameters": [parameter("id", "path")]}, path="/flows/{id}")
    there = f"{BASE}/flows/7"
    assert said(result(404, *ROUTERS["Starlette"], url=there), one) == ""
    assert said(result(404, *ROUTERS["Go"], url=there), one) == ""
    assert "titled 'Welcome & hello'" in said(result(404, HTML, "text/html", url=there), one)


def test_a_base_url_that_is_only_assumed_is_doubted_for_a_thing_too() -> None:
    node = {"responses": JSON, "parameters": [parameter("id", "path")]}
    one = operation(node, path="/flows/{id}", source="http://h.example/openapi.json", servers=[])
    missing = result(404, *ROUTERS["Starlette"], url="http://h.example/flows/7")
    assert said(missing, one).startswith("The server seems to have no GET /flows/{id}. Is the base URL right?")
    assert said(missing, one, base_url="http://h.example") == ""
    assert said(result(404, b'{"detail":"No flow 7"}', url="http://h.example/flows/7"), one) == ""


def test_an_error_that_is_described_is_none_of_the_base_url() -> None:
    one = listing(responses={**JSON, "404": {"description": "no flows yet"}, "405": {"description": "read only"}})
    assert said(result(404), one) == said(result(405), one) == ""
    by_default = listing(responses={**JSON, "default": {"description": "error"}})
    assert said(result(404), by_default) != ""


@pytest.mark.parametrize("status", [405, 501])
def test_a_method_that_is_not_there_is_doubted(status: int) -> None:
    assert "The server seems to have no GET /flows." in said(result(status, b"Method Not Allowed", "text/plain"))


@table("status", [403, 429, 500, 502, 503])
def test_a_page_that_says_what_is_wrong_with_the_server_is_left_to_speak(status: int) -> None:
    assert said(result(status, HTML, "text/html")) == ""


@table("status", [200, 201, 400, 404, 405])
def test_a_web_page_is_no_answer(status: int) -> None:
    for kind in ("text/html; charset=utf-8", ""):
        note = said(result(status, HTML, kind))
        assert note.startswith(
            "The answer is a web page titled 'Welcome & hello', which the description does not mention."
        )
        assert "--base-url" in note


def test_a_page_that_is_described_or_may_be_one_is_an_answer() -> None:
    page = {"200": {"description": "ok", "content": {"text/html": {}}}}
    for responses in (page, {"200": {"description": "ok", "content": {"*/*": {}}}}, {"200": {"description": "ok"}}):
        one = listing(responses=responses)
        assert not is_foreign_page(result(200, HTML, "text/html"), one)
        assert said(result(200, HTML, "text/html"), one) == ""


def test_a_change_is_not_done_because_a_page_came() -> None:
    one = operation({"responses": {"201": {"description": "made"}}}, path="/flows", method="post")
    assert is_foreign_page(result(200, HTML, "text/html"), one)


def test_json_is_no_page_whatever_it_is_called() -> None:
    assert said(result(200, b"[]")) == said(result(200, b"[]", "application/json")) == ""
    assert said(result(200, b"", "text/html")) == ""


def test_a_sign_in_page_behind_a_redirect_is_told_as_one() -> None:
    note = said(result(200, HTML, "text/html", url=f"{BASE}/login?next=/flows&token=secret"))
    assert note.startswith("It was redirected to https://api.example/login, a web page titled 'Welcome & hello'")
    assert "secret" not in note


def test_a_redirect_of_a_change_is_told() -> None:
    one = operation({"responses": JSON}, path="/flows", method="post")
    note = said(result(302, location="https://sso.example/login?s=1"), one)
    assert note.startswith("It is a redirect to https://sso.example/login, which is not followed for a change.")
    see_other = operation({"responses": {**JSON, "303": {"description": "done"}}}, path="/flows", method="post")
    assert said(result(303, location="/flows/7"), see_other) == ""


@table(
    ("source", "base_url", "used", "example"),
    [
        ("http://h.example/api/openapi.json", None, "http://h.example", "http://h.example/api"),
        ("http://h.example/docs/v2/openapi.json", None, "http://h.example", "http://h.example/docs/v2"),
        ("http://h.example/openapi.json", None, "http://h.example", "http://h.example/api"),
        ("flows.json", "http://h.example:4200", "http://h.example:4200", "http://h.example:4200/api"),
        ("flows.json", "http://h.example/api/", "http://h.example/api", "http://h.example"),
        ("http://h.example/api/openapi.json", "http://h.example/v1", "http://h.example/v1", "http://h.example/api"),
        ("http://other.example/api/openapi.json", "http://h.example", "http://h.example", "http://h.example/api"),
    ],
)
def test_the_base_url_that_was_used_is_named_and_an_example_of_another(
    source: str, base_url: str | None, used: str, example: str
) -> None:
    one = operation({"responses": JSON}, path="/flows", source=source, servers=[])
    note = said(result(404, url=f"{used}/flows"), one, base_url=base_url)
    why = "as you gave it" if base_url else "where the description came from, as it names no server"
    assert f"It was {used}, {why}. --base-url gives another, such as --base-url {example}" in note + "\n"
    assert note.endswith(example)


def test_nothing_in_a_note_can_pose_as_a_line_of_its_own() -> None:
    evil = b"<html><title>x\n\x1b[31merror: all is lost\nrun rm -rf</title></html>"
    note = said(result(200, evil, "text/html"))
    assert "\n" not in note and "\x1b" not in note


# The credential


def test_a_credential_that_was_not_accepted_is_named() -> None:
    one = operation({"responses": JSON}, path="/flows", **BEARER)
    note = said(result(401), one, credentials={"b": "s3cret-token"})
    assert note == "The credential for b was not accepted: is it whole, current, and for Test?"


def test_a_key_in_authorization_may_want_its_prefix() -> None:
    scheme = {"k": {"type": "apiKey", "in": "header", "name": "Authorization"}}
    one = operation({"responses": JSON}, components={"securitySchemes": scheme}, security=[{"k": []}])
    assert "some APIs want `Bearer ` before it" in said(result(401), one, credentials={"k": "s3cret-token"})


def test_an_api_that_wants_a_credential_after_all_is_told_so() -> None:
    one = operation({"responses": JSON}, **BEARER)
    assert "leave out --no-auth" in said(result(401), one, no_auth=True)
    assert "its description says nothing of one for this operation" in said(result(401))
