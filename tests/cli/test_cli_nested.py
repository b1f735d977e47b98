"""Values inside an argument, by a path: `nlapi call` and `nlapi ask` write them in the same way."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.kit import run
from tests.servers import Echo

PAYMENT = {
    "type": "object",
    "required": ["amount", "currency", "card"],
    "additionalProperties": False,
    "properties": {
        "amount": {"type": "number", "description": "The amount of the payment."},
        "currency": {"type": "string"},
        "card": {"$ref": "#/components/schemas/Card"},
    },
}
BODY = {
    "type": "object",
    "required": ["payment"],
    "properties": {
        "payment": PAYMENT,
        "labels": {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}}},
        "limits": {"type": "object", "additionalProperties": {"$ref": "#/components/schemas/Bounds"}},
    },
}
CARD = {"type": "object", "properties": {"country": {"type": "string"}, "age.days": {"type": "integer"}}}
BOUNDS = {"type": "object", "additionalProperties": False, "properties": {"least": {"type": "integer"}}}
SPEC = {
    "openapi": "3.1.0",
    "info": {"title": "Payments", "version": "1"},
    "paths": {
        "/payments/score": {
            "post": {
                "operationId": "scorePayment",
                "summary": "Score a payment",
                "x-nlapi": {"effect": "read"},
                "requestBody": {"required": True, "content": {"application/json": {"schema": BODY}}},
                "responses": {"200": {"description": "The score."}},
            }
        }
    },
    "components": {"schemas": {"Card": CARD, "Bounds": BOUNDS}},
}
COUNTRY = "payment.card.country=DE"


@pytest.fixture
def source(api: Echo, tmp_path: Path) -> str:
    file = tmp_path / "payments.json"
    file.write_text(json.dumps({**SPEC, "servers": [{"url": api.url}]}))
    return str(file)


def body(source: str, *pairs: str) -> object:
    shown = run("call", source, "scorePayment", *pairs, "--dry-run")
    assert shown.code == 0, shown.err
    return shown.json["body"]


@pytest.mark.parametrize(
    ("pairs", "sent"),
    [
        (("payment.amount=30", "payment.currency=EUR", COUNTRY),
         {"payment": {"amount": 30, "currency": "EUR", "card": {"country": "DE"}}}),
        (('payment={"amount": 1, "currency": "EUR", "card": {}}', "payment.amount=2", "payment.card.age.days=5"),
         {"payment": {"amount": 2, "currency": "EUR", "card": {"age.days": 5}}}),
        (('--args={"payment": {"amount": 1, "currency": "EUR", "card": {"country": "BR"}}}', COUNTRY),
         {"payment": {"amount": 1, "currency": "EUR", "card": {"country": "DE"}}}),
        (('payment={"amount": 1, "currency": "EUR", "card": {}}', "labels.team=a,b", "labels.team=c", "labels.x.y=d"),
         {"payment": {"amount": 1, "currency": "EUR", "card": {}}, "labels": {"team": ["a", "b", "c"], "x.y": ["d"]}}),
        (('payment:={"amount": 1, "currency": "5", "card": {}}', "payment.currency=7", "limits.a.least:=3"),
         {"payment": {"amount": 1, "currency": "7", "card": {}}, "limits": {"a": {"least": 3}}}),
    ],
)  # fmt: skip
def test_a_path_sets_a_value_inside_an_argument(source: str, pairs: tuple[str, ...], sent: object) -> None:
    assert body(source, *pairs) == sent


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("payment.curency=EUR", "did you mean 'payment.currency'?"),
        ("paymnt.currency=EUR", "there is no argument 'paymnt.currency'"),
        ("limits.a.most=3", "there is no argument 'limits.a.most'"),
        ('payment={"amount": 1, "curency": "EUR", "currency": "EUR", "card": {}}', "did you mean 'currency'?"),
        ("payment=[]", "payment is not an object"),
    ],
)
def test_what_no_object_takes_is_named_with_the_nearest(source: str, pair: str, message: str) -> None:
    refused = run("call", source, "scorePayment", pair, COUNTRY, "--dry-run")
    assert (refused.code, message in refused.err) == (2, True), refused.err


def test_a_question_is_completed_in_the_same_way(api: Echo, source: str) -> None:
    question = ("ask", "score a payment for an amount of 30", "-a", source, "--planner", "offline")
    missing = run(*question)
    assert (missing.code, "--set payment.currency=..." in missing.err) == (7, True), missing.err
    options = ("--set", "payment.currency=EUR", "--set", COUNTRY, "--set", "labels.team=a")
    assert run(*question, *options).code != 2
    sent = {"payment": {"amount": 30, "currency": "EUR", "card": {"country": "DE"}}, "labels": {"team": ["a"]}}
    assert api.only.json() == sent


def test_an_object_that_is_set_as_a_whole_is_read_as_json(api: Echo, source: str) -> None:
    payment = 'payment={"amount": 7, "currency": "EUR", "card": {}}'
    question = ("ask", "score a payment for an amount of 30", "-a", source, "--planner", "offline")
    shown = run(*question, "--set", payment, "--set", COUNTRY, "--dry-run", "-o", "text")
    assert '"amount": 7' in shown.out, shown.out
    assert '"country": "DE"' in shown.out, shown.out


def test_a_name_that_no_object_has_is_refused(source: str) -> None:
    refused = run("ask", "score a payment", "-a", source, "--planner", "offline", "--set", "payment.curency=EUR")
    assert (refused.code, "did you mean 'payment.currency'" in refused.err) == (2, True), refused.err


def test_a_registered_value_may_be_inside_an_argument(api: Echo, source: str) -> None:
    assert run("api", "add", "pay", source, "--set", "payment.currency=EUR").code == 0
    assert body("pay", "payment.amount=3", COUNTRY) == {
        "payment": {"amount": 3, "currency": "EUR", "card": {"country": "DE"}}
    }
