"""What a model will stumble over, and the score that comes of it."""

from __future__ import annotations

from typing import Any

import pytest

import nlapi
from nlapi.openapi.spec import Spec
from nlapi.tools.definitions.lint import RULE_WEIGHTS, LintRule, lint
from tests.describe import body, parameter, spec
from tests.tables import table


def node(id: str, summary: str, **more: Any) -> dict[str, Any]:
    return {"operationId": id, "summary": summary, "responses": {}, **more}


def good(**more: Any) -> dict[str, Any]:
    return node("good", "Shelve a book", **more)


def described(**nodes: dict[str, Any]) -> Spec:
    return spec({f"/{name}": {"post": one} for name, one in nodes.items()})


def broken(found: Spec) -> dict[str, float]:
    return {rule.value: points for rule, points in lint(found).lost.items()}


def text(found: Spec) -> str:
    return "\n".join(map(str, lint(found).issues))


def test_the_weights_add_up() -> None:
    assert set(RULE_WEIGHTS) == set(LintRule)
    assert sum(RULE_WEIGHTS.values()) == 100


def test_a_good_description_has_a_hundred_and_no_issue() -> None:
    report = lint(described(a=good(parameters=[parameter(description="How many.")])))
    assert (report.score, report.lost, report.issues) == (100, {}, ())
    assert lint(nlapi.load("ads")).score == 100


def test_an_operation_without_words_costs_its_share() -> None:
    found = described(a=good(), b={"operationId": "b", "responses": {}})
    assert broken(found) == {"undescribed": 7.5}
    assert "neither summary nor description" in text(found)
    assert lint(found).score == 92


def test_operations_in_the_same_words_are_named_once() -> None:
    found = described(a=node("a", "Creates users"), b=node("b", "create a User"), c=good(), d=node("d", "Delete it"))
    assert broken(found) == {"alike": 7.5}
    assert "paths./a.post: described in the same words as b" in text(found)


def test_arguments_without_a_description_are_counted() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string", "description": "B."}}}
    found = described(a=good(parameters=[parameter("x"), parameter("y", description="Y.")], **body(schema)))
    assert broken(found) == {"arguments": 7.5}
    assert "2 of 4 arguments without a description: x, a" in text(found)


def test_a_giant_tool_is_told() -> None:
    schema = {
        "type": "object",
        "properties": {f"p{n}": {"type": "string", "description": "d" * 200} for n in range(60)},
    }
    found = described(a=good(**body(schema)))
    assert broken(found) == {"giant": 10}
    assert "tokens" in text(found)


def test_security_that_nobody_can_satisfy_is_told() -> None:
    unknown = described(a=good(security=[{"nobody": []}]))
    assert broken(unknown) == {"security": 5}
    assert "'nobody' is not described" in text(unknown)
    schemes = {"securitySchemes": {"m": {"type": "mutualTLS"}, "k": {"type": "apiKey", "in": "header", "name": "K"}}}
    paths = {"/a": {"post": good(security=[{"m": []}])}}
    assert broken(spec(paths, components=schemes)) == {"security": 5}
    paths = {"/a": {"post": good(security=[{"m": []}, {"k": []}])}}
    assert broken(spec(paths, components=schemes)) == {}


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({}, "has no schema"),
        (
            {"oneOf": [{"type": "object", "properties": {name: {}}} for name in "ab"], "description": "d"},
            "is one of 2 shapes",
        ),
    ],
)
def test_a_body_that_may_be_anything_is_told(schema: Any, message: str) -> None:
    found = described(a=good(**body(schema)))
    assert broken(found)["body"] == 5
    assert message in text(found)


@table(
    ("name", "description", "unit"),
    [
        ("budget_micros", "The budget.", "micros"),
        ("amount", "The amount in cents.", "cents"),
        ("amount", "A positive integer in the smallest currency unit.", "cents"),
        ("timeout", "How long, in milliseconds.", "milliseconds"),
    ],
)
def test_a_unit_that_only_prose_says_is_told_with_what_to_write(name: str, description: str, unit: str) -> None:
    schema: dict[str, Any] = {"type": "integer", "description": description}
    found = described(a=good(**body({"type": "object", "properties": {name: schema}})))
    assert broken(found) == {"unit": 5}
    assert f"x-nlapi: {{unit: {unit}}}" in text(found)
    schema["x-nlapi"] = {"unit": unit}
    assert broken(described(a=good(**body({"type": "object", "properties": {name: schema}})))) == {}


def test_prose_that_only_mentions_a_unit_of_a_text_is_left_alone() -> None:
    schema = {"type": "string", "description": "A text about cents."}
    assert broken(described(a=good(**body({"type": "object", "properties": {"note": schema}})))) == {}


def test_a_lost_operation_costs_most_and_comes_first() -> None:
    lost = node("lost", "Lost", **body({"$ref": "#/nowhere"}))
    found = described(a=lost, b={"operationId": "b", "responses": {}})
    assert broken(found) == {"lost": 15, "undescribed": 15}
    assert lint(described(a=lost)).score == 70
    assert "no tool can be made of it" in text(described(a=lost))


def test_the_worst_comes_first() -> None:
    found = described(a=node("a", "A thing", parameters=[parameter("x")]), b={"operationId": "b", "responses": {}})
    assert [issue.rule for issue in lint(found).issues] == ["arguments", "undescribed"]


def test_what_is_hidden_does_not_count() -> None:
    hidden = {"operationId": "b", "responses": {}, "x-nlapi": {"hide": True}}
    assert broken(described(a=good(), b=hidden)) == {}
