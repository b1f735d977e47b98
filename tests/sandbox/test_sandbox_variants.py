"""Operations on one path that a query, a fragment or a header tells apart."""

from __future__ import annotations

from typing import Any

import nlapi
from nlapi.sandbox import running
from tests.describe import parameter, spec
from tests.sandbox.served import answer, client
from tests.tables import table


def one(id: str, *parameters: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"id": {"const": id}}, "required": ["id"]}
    return {"operationId": id, "parameters": list(parameters), "responses": answer(schema)}


def target(value: str) -> dict[str, Any]:
    return parameter("X-Target", "header", schema={"type": "string", "enum": [value]}, required=True)


@table(
    ("request_line", "wanted"),
    [
        ("/x?op=list", "list"),
        ("/x?op=lis%74", "list"),
        ("/x?op=get&id=a", "get"),
        ("/x?op=list&deep", "listDeep"),
        ("/y?acl", "acl"),
        ("/y", "plain"),
    ],
)
def test_what_stands_behind_the_question_mark_tells_operations_apart(request_line: str, wanted: str) -> None:
    paths = {
        "/x?op=list": {"get": one("list")},
        "/x?op=list&deep": {"get": one("listDeep")},
        "/x?op=get": {"get": one("get", parameter("id"))},
        "/y?acl": {"get": one("acl")},
        "/y": {"get": one("plain")},
    }
    with client(paths) as http:
        assert http.get(request_line).json() == {"id": wanted}


def test_a_path_with_a_query_is_not_there_without_it() -> None:
    with client({"/x?op=list": {"get": one("list")}}) as http:
        assert http.get("/x").status_code == 404
        assert "?op=list" in http.get("/x").json()["detail"]
        assert http.get("/x?op=list&other=1").status_code == 400
        assert http.post("/x?op=list").status_code == 405


def test_what_stands_behind_a_hash_is_told_by_the_one_value_of_a_parameter() -> None:
    paths = {
        "/#S.List": {"post": one("list", target("S.List"))},
        "/#S.Get": {"post": one("get", target("S.Get"))},
        "/#Action=Stop": {"get": one("stop", parameter("Action", schema={"enum": ["Stop"]}, required=True))},
        "/#Action=Go": {"get": one("go", parameter("Action", schema={"enum": ["Go"]}, required=True))},
    }
    with client(paths) as http:
        assert http.post("/", headers={"X-Target": "S.Get"}).json() == {"id": "get"}
        assert http.post("/", headers={"X-Target": "S.List"}).json() == {"id": "list"}
        assert http.get("/?Action=Go").json() == {"id": "go"}
        assert http.get("/?Action=Away").status_code == 422


def test_what_nlapi_sends_is_understood() -> None:
    schema = {"type": "object", "properties": {"q": {"type": "string"}}}
    node = {"operationId": "search", "parameters": [parameter("q", "path")], "responses": answer(schema)}
    described = spec({"/x?q={q}&v=2": {"get": node}, "/x?v=1": {"get": one("old")}})
    with running(described) as server:
        result = nlapi.call(described, "search", {"q": "a&b c+d"}, base_url=server.url)
        assert (result.status, result.data["q"]) == (200, "a&b c+d")
        assert nlapi.call(described, "old", {}, base_url=server.url).data == {"id": "old"}
