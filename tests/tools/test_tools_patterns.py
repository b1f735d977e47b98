"""Patterns of a description are tried within a bound on time: each match, and all of them together."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

import nlapi
from nlapi.openapi.check import check
from nlapi.sandbox import running
from nlapi.sandbox.fake_values import fake_text
from nlapi.tools.patterns import BoundedPattern, PatternBudget, pattern_matches
from nlapi.tools.validator import VALIDATOR
from tests.describe import body, spec

SLOW = "^(a|aa)+$"
LONG = "a" * 60 + "!"


def test_a_text_matches_where_the_pattern_is_in_it() -> None:
    assert pattern_matches("b+", "abbc")
    assert not pattern_matches("^b+$", "abbc")


@pytest.mark.parametrize("expression", ["(", "(?:" * 200 + "a" + "){0,9}" * 200, "(" * 5000 + "a" + ")" * 5000])
def test_what_is_no_pattern_refuses_nothing(expression: str) -> None:
    assert pattern_matches(expression, "anything")


def test_a_match_that_takes_too_long_is_an_error() -> None:
    with pytest.raises(TimeoutError):
        pattern_matches(SLOW, LONG, PatternBudget(0.05))


def test_a_pattern_that_took_too_long_is_not_tried_again() -> None:
    pattern = BoundedPattern(SLOW)
    assert pattern.matches("aaa")
    assert not any(pattern.matches("a" * length + "!") for length in range(60, 160))
    assert pattern.is_slow


def test_all_matches_together_have_a_bound() -> None:
    budget = PatternBudget(0.05)
    for number in range(50):
        with pytest.raises(TimeoutError):
            pattern_matches(f"^(a|aa|{'b' * number})+$", LONG, budget)
    # Half a second each without a bound for all.
    assert budget.limit() < 0.05
    assert pattern_matches("^b+$", "bbb", budget)


# Everything that tries a pattern of a description


def operation(schema: Any, **more: Any) -> nlapi.Spec:
    node = {"operationId": "op", **body(schema), "responses": {"200": {"description": "ok"}}, **more}
    return spec({"/x": {"post": node}})


@pytest.mark.parametrize(
    "schema",
    [
        {"pattern": SLOW, "type": "string", "default": LONG},
        {"type": "object", "patternProperties": {SLOW: {}}, "default": {LONG: 1}},
        {"allOf": [{"type": "string", "pattern": SLOW}], "default": LONG},
    ],
)
def test_the_check_of_the_standard_tries_no_pattern(schema: Any) -> None:
    parameter = {"name": "p", "in": "query", "schema": schema, "example": LONG}
    check(operation({"type": "object"}, parameters=[parameter]))


@pytest.mark.parametrize("keyword", ["additionalProperties", "unevaluatedProperties"])
def test_names_of_properties_are_tried_within_the_bound(keyword: str) -> None:
    schema = {"allOf": [{"patternProperties": {SLOW: {}}}], keyword: False}
    assert list(VALIDATOR(schema).iter_errors({LONG: 1}))


@pytest.mark.parametrize(
    "pattern", ["(" * 14 + "a" + "+)" * 14, "((a{1000}){1000}){1000}", "(" * 400 + "a" + ")" * 400, "(?:){1000000}b"]
)
def test_a_fake_text_for_a_pattern_has_a_bound(pattern: str) -> None:
    assert len(fake_text({"type": "string", "pattern": pattern}, "code", "thing", 0, Random(1))) < 100_000


def test_a_path_of_many_values_is_matched_within_the_bound() -> None:
    names = [f"p{number}" for number in range(12)]
    path = "/" + "".join(f"{{{name}}}" for name in names) + "z"
    parameters = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]
    described = spec({path: {"get": {"operationId": "op", "parameters": parameters, "responses": {}}}})
    with running(described) as sandbox, pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{sandbox.url}/{'a' * 300}")


# The rule of `unevaluatedProperties` is that of jsonschema

NAMES = st.sampled_from(["a", "ab", "b", "c"])
LEAVES = st.one_of(
    st.builds(lambda names: {"properties": dict.fromkeys(names, True)}, st.lists(NAMES, max_size=2)),
    st.builds(lambda names: {"required": names}, st.lists(NAMES, max_size=1)),
    st.sampled_from(
        [{"patternProperties": {"^a": {}}}, {"additionalProperties": {"type": "integer"}}, {"$ref": "#/$defs/d"}]
    ),
    st.booleans(),
)
SCHEMAS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(
            lambda key, parts: {key: parts},
            st.sampled_from(["allOf", "anyOf"]),
            st.lists(inner, min_size=1, max_size=3),
        ),
        st.builds(lambda one, two, three: {"if": one, "then": two, "else": three}, inner, inner, inner),
        st.builds(lambda one, two: {"dependentSchemas": {"a": one}, "allOf": [two]}, inner, inner),
        st.builds(lambda one: {"unevaluatedProperties": {"type": "integer"}, "allOf": [one]}, inner),
    ),
    max_leaves=6,
)


@settings(max_examples=200)
@given(schema=SCHEMAS, part=LEAVES, value=st.dictionaries(NAMES, st.sampled_from([1, "x"]), max_size=3))
def test_what_is_evaluated_is_what_jsonschema_says(schema: Any, part: Any, value: dict[str, Any]) -> None:
    whole = {
        "$defs": {"d": part if part != {"$ref": "#/$defs/d"} else {}},
        "allOf": [schema],
        "unevaluatedProperties": False,
    }
    assert VALIDATOR(whole).is_valid(value) == Draft202012Validator(whole).is_valid(value), json.dumps(whole)
