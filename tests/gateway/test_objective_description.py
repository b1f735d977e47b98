"""The OpenAPI description of an objective: any client that reads it can call the objective, with its types."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate

import nlapi
from nlapi.errors import ArgumentError, ConsentError
from tests.cli.kit import run
from tests.gateway.kit import Talk, document, gateway
from tests.tables import table

INPUT = {
    "$defs": {"title": {"type": "string", "maxLength": 10}, "tree": {"type": "object", "properties": {
        "children": {"type": "array", "items": {"$ref": "#/$defs/tree"}}}}},
    "type": "object",
    "required": ["titles"],
    "properties": {
        "titles": {"type": "array", "items": {"$ref": "#/$defs/title"}},
        "tree": {"$ref": "#/$defs/tree"},
        "$ref": {"type": "string", "const": "#/not/a/reference"},
    },
    "additionalProperties": False,
}  # fmt: skip
OUTPUT = {"type": "object", "required": ["version"], "properties": {"version": {"type": "string"}}}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Talk]:
    with gateway(tmp_path_factory.mktemp("gateway"), publish=False) as talk:
        state = document()
        state["objectives"][0] |= {"input": INPUT, "output": OUTPUT, "title": "Continue watching",
                                   "description": "Orders what somebody has begun to watch."}  # fmt: skip
        amount = {"type": "number", "description": "Amount of the payment."}
        state["objectives"][1]["input"] = {"type": "object", "required": ["amount"], "properties": {"amount": amount}}
        state["objectives"][0]["context"][1]["values"] = ["BR", "US"]
        talk.ok("PUT", "/v1/configuration", state)
        yield talk


def url(talk: Talk, objective: str = "continue-watching") -> str:
    return f"http://127.0.0.1:{talk.port}/v1/objectives/{objective}/openapi.json"


def described(talk: Talk, objective: str = "continue-watching") -> Any:
    return talk.as_("").ok("GET", f"/v1/objectives/{objective}/openapi.json")


@table("objective", ["continue-watching", "payment-fraud", "recommend", "Payment Fraud"])
def test_a_description_is_valid_and_complete(served: Talk, objective: str) -> None:
    found = described(served, objective)
    validate(found)
    assert nlapi.load(url(served, objective.replace(" ", "%20"))).issues == ()
    assert list(found["components"]["securitySchemes"]) == ["serve"]


def test_input_output_and_context_are_typed(served: Talk) -> None:
    schemas = described(served)["components"]["schemas"]
    assert schemas["Input"]["properties"]["titles"]["items"] == {"$ref": "#/components/schemas/Input/$defs/title"}
    assert schemas["Input"]["properties"]["$ref"] == INPUT["properties"]["$ref"]  # type: ignore[index]
    assert schemas["Output"] == OUTPUT
    country = schemas["Context"]["properties"]["country"]
    assert (country["type"], country["enum"], country["pattern"]) == ("string", ["BR", "US"], "^[A-Z]{2}$")
    assert schemas["Context"]["properties"]["age"] == {"type": "integer"}


def test_a_client_that_reads_the_description_calls_the_objective(served: Talk) -> None:
    spec = nlapi.load(url(served))
    (operation,) = spec.operations
    assert (operation.id, operation.summary) == ("serveObjective", 'Serve "Continue watching"')
    arguments = {"input": {"titles": ["a"]}, "context": {"user": "u1", "country": "BR"}}
    answer = nlapi.call(spec, operation.id, arguments, auth={"serve": served.tokens["web"]})
    assert answer.status == 200
    assert answer.data["output"] == {"version": "v7", "input": {"titles": ["a"]}}
    for wrong in ({"titles": ["longer than ten"]}, {"titles": [1]}, {}, {"titles": [], "tree": {"children": [1]}}):
        with pytest.raises(ArgumentError):
            nlapi.call(spec, operation.id, {"input": wrong}, auth={"serve": served.tokens["web"]})
    with pytest.raises(ArgumentError):
        nlapi.call(spec, operation.id, {**arguments, "context": {"country": "FR"}}, auth={"serve": "x"})


def test_what_must_not_be_repeated_is_asked_about(served: Talk) -> None:
    spec, auth = nlapi.load(url(served, "payment-fraud")), {"serve": served.tokens["web"]}
    payment = {"input": {"amount": 1}}
    with pytest.raises(ConsentError):
        nlapi.call(spec, "serveObjective", payment, auth=auth)
    assert nlapi.call(spec, "serveObjective", payment, auth=auth, yes=True).ok


def test_the_command_line_talks_to_an_objective(served: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NLAPI_SERVE_TOKEN", served.tokens["web"])
    auth = ("--auth", "serve=env:NLAPI_SERVE_TOKEN")
    body = ('input={"titles": ["a", "b"]}', 'context={"country": "BR"}')
    called = run("call", url(served), "serveObjective", *body, *auth)
    assert (called.code, called.json["output"]["version"]) == (0, "v7"), called.err
    question = "serve payment fraud for an amount of 30"
    asked = run(
        "ask", question, "-a", url(served, "payment-fraud"), "--planner", "offline", "--yes", "-o", "text", *auth
    )
    assert asked.code == 0, asked.err
    assert "understood: Serve \"Payment fraud\" (input={'amount': 30})" in asked.err
    assert "fraud" in asked.out


def test_anybody_may_read_it_and_learns_no_other_name(served: Talk) -> None:
    problem = served.as_("").refused(404, "GET", "/v1/objectives/continue-watchin/openapi.json")
    assert "hint" not in problem
    assert "errors" not in problem
    text = json.dumps(described(served))
    for name in ("ranker", "popular", "payment-fraud", "growth", "getDecision"):
        assert name not in text.replace('"ranker@v8"', ""), name


def test_a_prefix_of_a_proxy_is_kept(served: Talk, tmp_path: Path) -> None:
    file = tmp_path / "openapi.json"
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=120)
    connection.request("GET", "/v1/objectives/recommend/openapi.json")
    file.write_bytes(connection.getresponse().read())
    connection.close()
    spec = nlapi.load(file)
    request = nlapi.build(spec, "serveObjective", {"input": 1}, base_url="https://example.com/ml")
    assert request.url == "https://example.com/ml/v1/objectives/recommend/serve"
