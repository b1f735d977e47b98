"""Paths, methods and credentials: what is let in, and what each refusal says."""

from __future__ import annotations

from typing import Any

import pytest

from nlapi.errors import UsageError
from nlapi.sandbox import running
from tests.describe import parameter, spec
from tests.sandbox.served import answer, client, faults
from tests.tables import table

TEXT = answer({"type": "object", "properties": {"p": {"type": "string"}}})


def get(**more: Any) -> dict[str, Any]:
    return {"get": {"responses": TEXT, **more}}


def test_the_most_concrete_template_wins() -> None:
    def const(name: str) -> dict[str, Any]:
        return get(responses=answer({"const": name}))

    one = {"parameters": [parameter("a", "path")]}
    two = {"parameters": [parameter("a", "path"), parameter("b", "path")]}
    paths = {
        "/x/{a}": {**one, **const("any")},
        "/x/me": const("me"),
        "/x/{a}.json": {**one, **const("json")},
        "/x/{a}-{b}": {**two, **const("two")},
        "/{a}/me": {**one, **const("other")},
    }
    with client(paths) as http:
        assert [http.get(path).json() for path in ("/x/me", "/x/1.json", "/x/1-2", "/x/1", "/y/me", "/x/%6De")] == [
            "me", "json", "two", "any", "other", "me",
        ]  # fmt: skip


def test_the_path_of_the_server_may_come_first() -> None:
    server = {"url": "https://api.example/{base}", "variables": {"base": {"default": "v2"}}}
    own = {"servers": [{"url": "https://other.example/op"}]}
    with client({"/i": get(), "/own": get(**own)}, servers=[server]) as http:
        assert http.get("/i").status_code == http.get("/v2/i").status_code == http.get("/op/own").status_code == 200
        assert http.get("/v3/i").status_code == 404


def test_an_unknown_path_and_an_unknown_method_are_told_apart() -> None:
    with client({"/i": get()}) as http:
        assert faults(http.get("/j")) == []
        assert http.get("/j").status_code == http.get("/i/").status_code == 404
        refused = http.delete("/i")
        assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
        assert http.options("/i").headers["allow"] == "GET, HEAD, OPTIONS"


def test_pages_of_other_origins_are_refused_and_a_described_header_is_not() -> None:
    named = get(parameters=[parameter("Origin", "header")])
    with client({"/i": {**get(), "post": {"responses": TEXT}}, "/named": named}) as http:
        url = str(http.base_url).rstrip("/")
        for origin in (
            "http://localhost:1234",
            "https://evil.example",
            "null",
            url.replace("http:", "https:"),
            f"{url}1",
        ):
            assert http.post("/i", headers={"origin": origin}).status_code == 403
        assert http.get("/i", headers={"origin": url}).status_code == http.get("/i").status_code == 200
        assert http.get("/named", headers={"origin": "https://shop.example"}).status_code == 200


def test_head_is_get_without_the_body() -> None:
    with client({"/i": get()}) as http:
        head, full = http.head("/i"), http.get("/i")
        assert head.status_code == 200 and head.content == b""
        assert head.headers["content-length"] == full.headers["content-length"]


SCHEMES = {
    "header": {"type": "apiKey", "in": "header", "name": "X-Key"},
    "query": {"type": "apiKey", "in": "query", "name": "key"},
    "cookie": {"type": "apiKey", "in": "cookie", "name": "session"},
    "bearer": {"type": "http", "scheme": "bearer"},
    "basic": {"type": "http", "scheme": "basic"},
    "oauth": {"type": "oauth2", "flows": {}},
}


@table(
    ("scheme", "query", "headers"),
    [
        ("header", "", {"X-Key": "k"}),
        ("query", "?key=k", {}),
        ("cookie", "", {"Cookie": "session=k"}),
        ("bearer", "", {"Authorization": "Bearer t"}),
        ("basic", "", {"Authorization": "Basic dTpw"}),
        ("oauth", "", {"Authorization": "bearer t"}),
    ],
)
def test_each_credential_is_looked_for_where_it_belongs(scheme: str, query: str, headers: dict[str, str]) -> None:
    paths = {"/i": get(security=[{scheme: []}], operationId="op")}
    with client(paths, components={"securitySchemes": SCHEMES}) as http:
        assert http.get("/i" + query, headers=headers).status_code == 200
        refused = http.get("/i")
        assert refused.status_code == 401 and "www-authenticate" in refused.headers
        assert scheme in refused.json()["detail"]
        assert http.get("/i", headers={"Authorization": "Basic !!", "X-Key": ""}).status_code == 401


def test_one_whole_alternative_is_enough() -> None:
    paths = {
        "/i": get(security=[{"header": [], "query": []}, {"bearer": []}]),
        "/open": get(security=[{}, {"bearer": []}]),
    }
    with client(paths, components={"securitySchemes": SCHEMES}) as http:
        assert http.get("/i", headers={"X-Key": "k"}).status_code == 401
        assert http.get("/i?key=1", headers={"X-Key": "k"}).status_code == 200
        assert http.get("/i", headers={"Authorization": "Bearer t"}).status_code == 200
        assert http.get("/open").status_code == 200


def test_schemes_of_one_header_want_one_credential() -> None:
    paths = {
        "/same": get(security=[{"bearer": [], "oauth": [], "query": []}]),
        "/forms": get(security=[{"basic": [], "bearer": []}]),
    }
    with client(paths, components={"securitySchemes": SCHEMES}) as http:
        bearer, basic = {"Authorization": "Bearer t"}, {"Authorization": "Basic dTpw"}
        assert http.get("/same?key=k", headers=bearer).status_code == 200
        assert http.get("/same", headers=bearer).status_code == http.get("/same?key=k").status_code == 401
        assert "oauth" not in http.get("/same").json()["detail"]
        assert http.get("/forms", headers=bearer).status_code == http.get("/forms", headers=basic).status_code == 200
        assert http.get("/forms").status_code == 401


def test_the_answer_is_in_a_described_media_type() -> None:
    def content(*kinds: str) -> dict[str, Any]:
        return {"200": {"description": "ok", "content": {kind: {"schema": {"type": "string"}} for kind in kinds}}}

    paths = {
        "/both": get(responses=content("text/csv", "application/json")),
        "/png": get(responses=content("image/png")),
    }
    with client({**paths, "/none": get(responses={"202": {"description": "ok"}})}) as http:
        assert http.get("/both").headers["content-type"] == "application/json"
        assert http.get("/both", headers={"Accept": "text/csv"}).headers["content-type"] == "text/csv"
        assert http.get("/png").content.startswith(b"\x89PNG")
        assert (http.get("/none").status_code, http.get("/none").content) == (202, b"")


def test_a_fault_of_the_sandbox_itself_is_a_500_without_a_traceback() -> None:
    with client({"/i": get(parameters=[parameter("p", schema={"type": "string", "pattern": "a"})])}) as http:
        assert http.get("/i?p=a").status_code == 200
    seen: list[tuple[str, str, int, str]] = []
    with running(spec({"/i": get()}), on_request=lambda *call: seen.append(call)) as server:
        import httpx2

        server.sandbox.close()
        response = httpx2.get(f"{server.url}/i")
    assert response.status_code == 500 and "Traceback" not in response.text
    assert seen[0][:3] == ("GET", "/i", 500)


def test_a_port_that_is_taken_is_named() -> None:
    with running(spec({"/i": get()})) as server, pytest.raises(UsageError, match="cannot listen on"):
        port = int(server.url.rpartition(":")[2])
        with running(spec({"/i": get()}), port=port):
            pass
