"""Patterns of others are compiled and tried within bounds of memory and time: each, and all of them together."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

import nlapi
from nlapi.openapi.check import check
from nlapi.openapi.jsonpath import node_paths
from nlapi.patterns import BoundedPattern, PatternBudget, PatternError, pattern_matches, search_pattern
from nlapi.sandbox import running
from nlapi.sandbox.fake_values import fake_text
from nlapi.schema_validator import VALIDATOR
from tests.describe import body, spec
from tests.strategies import examples
from tests.tables import table

SLOW = "^(a|aa)+$"
LONG = "a" * 60 + "!"


def test_a_text_matches_where_the_pattern_is_in_it() -> None:
    assert pattern_matches("b+", "abbc")
    assert not pattern_matches("^b+$", "abbc")


@table("expression", ["(", "(?:" * 200 + "a" + "){0,9}" * 200, "(" * 5000 + "a" + ")" * 5000])
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


# What a pattern takes when it is compiled

LARGE = [
    "(?:(?:a{9999}){9999}){9999}",
    "(a{1,9999}|b{1,9999}){9999}",
    "(?i)" + "(?:" * 20 + "k" + "{9})" * 20,
    "(?<=(?:ab{99}){999})c",
    "(?=(?:a{999}){999})b",
    "(" * 100 + "a" + "+)" * 100,
    "(?:" * 60 + "a" + "){1,9}" * 60,
    "(?:a?){99999}",
    "(?:){1000000}b",
    "a{99999999999999999999}",
    # `regex` takes the third power of the length of a literal before its first search, however it is written.
    "a" * 4_000,
    "(?i:a)" * 2_500,
    r"\x61" * 2_000,
    "a{1}" * 2_000,
    "a(?:)" * 2_000,
    # Each hides a repeat from a reader that takes a set, a comment or a space for something else than `regex`.
    "[[:alpha:][](?:(?:a{9999}){9999}){9999}]",
    "[[:sc=latn:][](?:(?:a{9999}){9999}){9999}]",
    "(?x)(?:a{9999} ) {9999}",
    "(?:a{9999})(?#x){9999}",
    "(?V1)[[a]--[b]](?:a{9999}){9999}",
    r"[\]](?:a{9999}){9999}",
    "[^]](?:a{9999}){9999}]",
    r"\Q(\E(?:a{9999}){9999}",
    "(?:(?:a{٩٩٩٩}){٩٩٩٩}){٩٩٩٩}",
]
USUAL = [
    (r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?Z$", "2026-11-30T10:00:00.5Z", "2026-11-30"),
    (r"^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$", "a" * 8 + "-aaaa-aaaa-aaaa-" + "a" * 12, "a"),
    (r"^[\s\S]{1,65535}$", "x" * 65_535, "x" * 65_536),
    ("^.{1,2097152}$", "x" * 2_000_000, ""),
    ("[ -~]{1000}", "x" * 1000, "x" * 999),
    (r"^(?=.*[A-Z])(?=.*\d)(?!.*\s)[^<>]{8,128}$", "Abcdefg1", "abcdefg1"),
    (r"^([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,127}[a-z]{2,63}$", "a-b.example.com", "-a.com"),
    ("^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==)?$", "QUJD" * 50_000, "QUJ"),
    ("^(?:" + "|".join(f"Region/City_{number}" for number in range(800)) + ")$", "Region/City_7", "Region/City_800"),
    (r"^\p{L}{1,2048}$", "ä" * 2048, "1"),
    (r"^arn:[a-z-]{3,10}:[a-z0-9]{1,63}::\d{12}:[^:]{1,1011}$", "arn:aws:s3::123456789012:x", "arn:aws:s3::1:x"),
    ("^{[a-z]+}$", "{id}", "id"),
    ("^[a-z]{3}$", "abc", "abc\n"),
]


@table("pattern", LARGE)
def test_a_pattern_that_takes_all_memory_or_time_is_not_compiled(pattern: str) -> None:
    # Each takes more than 3 GB or 5 s without the bound.
    with pytest.raises(TimeoutError):
        search_pattern(pattern, "aaaa!" * 10)


@table(("pattern", "match", "other"), USUAL)
def test_a_usual_pattern_is_held(pattern: str, match: str, other: str) -> None:
    assert search_pattern(pattern, match)
    assert not search_pattern(pattern, other)


def test_what_is_unclear_is_no_pattern() -> None:
    for pattern in ("(?R)|a", "(a)?(?(1)b|c)", "(?x) a", "(?|a|b)"):
        with pytest.raises(PatternError):
            search_pattern(pattern, "a")


@pytest.mark.parametrize("count", [1, 3])
def test_large_patterns_together_have_a_bound(count: int) -> None:
    budget = PatternBudget(0.05)
    outcomes = set()
    for number in range(400):
        try:
            search_pattern(f"(?:{'[a-z]x' * count}){{{9_000 // count}}}{number}", "a", budget)
            outcomes.add("compiled")
        except TimeoutError:
            outcomes.add("refused")
    assert outcomes == {"compiled", "refused"}
    assert search_pattern("^[a-z]{1,63}$", "abc", budget), "a usual one does not suffer from them"


def test_no_command_takes_all_memory_for_a_pattern(tmp_path: Path) -> None:
    parameters = [
        {"name": f"p{number}", "in": "query", "schema": {"type": "string", "pattern": pattern}}
        for number, pattern in enumerate(LARGE)
    ]
    names = {"type": "object", "patternProperties": {pattern: {} for pattern in LARGE}, "additionalProperties": False}
    node = {"operationId": "op", "parameters": parameters, **body(names), "responses": {"200": {"description": "ok"}}}
    head = {"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "servers": [{"url": "https://a.example"}]}
    path = tmp_path / "api.json"
    path.write_text(json.dumps({**head, "paths": {"/x": {"post": node}}}))
    values = [f"p{number}=aaaa!" for number in range(len(LARGE))]
    limited = "import resource; resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30)); "
    program = limited + "from nlapi.cli.main import main; main()"
    ran = {}
    for words in (
        ["call", str(path), "op", *values, "--dry-run"],
        ["check", str(path)],
        ["tools", str(path), "-f", "mcp"],
    ):
        ran[words[0]] = subprocess.run(
            [sys.executable, "-c", program, *words], capture_output=True, text=True, check=False, timeout=60
        )
    assert ran["call"].returncode == 0, ran["call"].stderr
    assert ran["tools"].returncode == 0, ran["tools"].stderr
    issues = [issue["message"] for issue in json.loads(ran["check"].stdout)["issues"]]
    named = [message for message in issues if message.startswith("the pattern ") and "no value is held" in message]
    assert len(named) == 2 * len(LARGE)


# Everything that tries a pattern of a description


def operation(schema: Any, **more: Any) -> nlapi.Spec:
    node = {"operationId": "op", **body(schema), "responses": {"200": {"description": "ok"}}, **more}
    return spec({"/x": {"post": node}})


@table(
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


def test_a_pattern_that_is_too_large_is_named_where_its_values_are_refused() -> None:
    (error,) = VALIDATOR({"pattern": LARGE[0]}).iter_errors("aaaa!")
    assert "cannot be checked: the pattern" in error.message
    assert "more than 30,000 steps" in error.message


def test_a_pattern_of_an_answer_is_tried_within_the_bounds() -> None:
    # A JSONPath of a workflow or a policy may take the pattern from what the API answered.
    path = "$.items[?search(@.text, $.pattern)]"
    items = [{"text": "a" * 64 + "!"}]
    assert node_paths({"items": items, "pattern": "a+!"}, path) == [("items", 0)]
    assert node_paths({"items": items, "pattern": "("}, path) == []
    assert node_paths({"items": items, "pattern": "a{64}"}, path.replace("search", "match")) == []
    for pattern in (LARGE[0], SLOW):
        with pytest.raises(ValueError, match="takes too long"):
            node_paths({"items": items, "pattern": pattern}, path)


@pytest.mark.parametrize("keyword", ["additionalProperties", "unevaluatedProperties"])
def test_names_of_properties_are_tried_within_the_bound(keyword: str) -> None:
    schema = {"allOf": [{"patternProperties": {SLOW: {}}}], keyword: False}
    assert list(VALIDATOR(schema).iter_errors({LONG: 1}))


@table(
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


def test_a_path_with_many_choices_is_matched_without_a_pattern_of_them() -> None:
    choices = [f"x{number}{'y' * 80}" for number in range(8_000)]
    parameters = [
        {"name": "a", "in": "path", "required": True, "schema": {"type": "string"}},
        {"name": "b", "in": "path", "required": True, "schema": {"type": "string", "enum": choices}},
    ]
    described = spec({"/{a}{b}": {"get": {"operationId": "op", "parameters": parameters, "responses": {}}}})
    with running(described) as sandbox, pytest.raises(urllib.error.HTTPError, match="422"):
        urllib.request.urlopen(f"{sandbox.url}/aaaa")


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


@settings(max_examples=examples(200))
@given(schema=SCHEMAS, part=LEAVES, value=st.dictionaries(NAMES, st.sampled_from([1, "x"]), max_size=3))
def test_what_is_evaluated_is_what_jsonschema_says(schema: Any, part: Any, value: dict[str, Any]) -> None:
    whole = {
        "$defs": {"d": part if part != {"$ref": "#/$defs/d"} else {}},
        "allOf": [schema],
        "unevaluatedProperties": False,
    }
    assert VALIDATOR(whole).is_valid(value) == Draft202012Validator(whole).is_valid(value), json.dumps(whole)
