"""The grammar of runtime expressions and conditions (Arazzo 1.0.1 and 1.1): parsed, and never run as code."""

from __future__ import annotations

import contextlib
import string
import sys
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlapi.workflows.expressions import (
    MAX_LENGTH,
    Accessors,
    ConditionError,
    Conjunction,
    Expression,
    ExpressionError,
    ExpressionPart,
    MissingPartError,
    Negation,
    Root,
    embedded_expressions,
    expressions_in,
    holds,
    parse_accessors,
    parse_condition,
    parse_expression,
    pointer,
    select,
    split_name,
)
from tests.tables import table

# `name = *( CHAR )` in 1.0.1, without what would be an accessor; a header's name is a token of RFC 9110 §5.6.2.
NAMES = st.text(string.ascii_letters + string.digits + "-_", min_size=1, max_size=12)
TOKENS = st.text(string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~", min_size=1, max_size=12)
KEYS = st.text(min_size=0, max_size=8)
POINTERS = st.lists(KEYS, min_size=1, max_size=5).map(lambda keys: pointer(tuple(keys)))
BODIES = st.builds("{}body{}".format, st.sampled_from(["$request.", "$response."]), st.just("") | POINTERS)
PARTS = st.builds(
    "{}.{}.{}".format, st.sampled_from(["$request", "$response"]), st.sampled_from(["header", "query", "path"]), TOKENS
)
OWNED = st.builds("$steps.{}.outputs.{}{}".format, NAMES, NAMES, st.just("") | POINTERS)
FIELDS = st.builds("$workflows.{}.{}.{}".format, NAMES, st.sampled_from(["inputs", "outputs"]), NAMES)
EXPRESSIONS = st.one_of(
    st.sampled_from(["$url", "$method", "$statusCode", "$self"]),
    BODIES,
    PARTS,
    OWNED,
    FIELDS,
    st.builds("$inputs.{}{}".format, NAMES, st.just("") | POINTERS),
    st.builds("$outputs.{}".format, NAMES),
    st.builds("$sourceDescriptions.{}.url".format, NAMES),
)


@given(EXPRESSIONS)
def test_what_the_grammar_allows_is_an_expression_without_a_bend(text: str) -> None:
    expression = parse_expression(text)
    assert expression is not None
    assert (expression.text, expression.bends) == (text, ())
    assert next(iter(expressions_in({"a": [text, f"x {{{text}}}"]}))) == text


@given(st.text(max_size=60) | st.builds("{}{}".format, st.sampled_from(list(Root)), st.text(max_size=40)))
def test_any_other_text_is_none_or_an_error_in_words(text: str) -> None:
    try:
        parse_expression(text)
    except ExpressionError as error:
        assert str(error)
    list(embedded_expressions(text))
    parse_accessors(text)


@given(EXPRESSIONS.filter(lambda text: "{" not in text and "}" not in text), st.text(max_size=10))
def test_an_embedded_expression_is_found(text: str, around: str) -> None:
    around = around.replace("{", "").replace("}", "")
    assert [entry for _, _, entry in embedded_expressions(f"{around}{{{text}}}{around}")] == [text]


@given(st.lists(KEYS, min_size=1, max_size=6))
def test_a_json_pointer_comes_back(keys: list[str]) -> None:
    """With `~0` for `~` and `~1` for `/` (RFC 6901 §3)."""
    accessors, bend = parse_accessors(pointer(tuple(keys)))
    assert (accessors, bend) == (tuple(keys), "")


@table(
    ("text", "accessors"),
    [
        ("#/a~1b/m~0n", ("a/b", "m~n")),
        ("#/~01", ("~1",)),
        ("#/", ("",)),
        ("#//a", ("", "a")),
        ("#/0/id", ("0", "id")),
        (".data[0].id", ("data", 0, "id")),
        ("['a.b']", ("a.b",)),
        (".data[0]#/id", ("data", 0, "id")),
    ],
)
def test_accessors_are_keys_and_indexes(text: str, accessors: Accessors) -> None:
    assert parse_accessors(text)[0] == accessors


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=10,
)


@given(JSON, st.lists(KEYS | st.integers(0, 3), max_size=4))
def test_a_part_is_there_or_is_missing(value: Any, accessors: list[str | int]) -> None:
    try:
        part = select(value, tuple(accessors))
    except MissingPartError as error:
        assert error.message
        return
    for accessor in accessors:
        value = (
            value[accessor]
            if isinstance(value, dict) and accessor in value
            else (
                value[str(accessor)] if isinstance(value, dict) else value if accessor == "*" else value[int(accessor)]
            )
        )
    assert part == value or "*" in accessors


@table("index", ["9" * 5_000, "00", "-1", "+1", "٣", "1e1", " 0"])
def test_an_index_is_a_number_as_the_standard_writes_it(index: str) -> None:
    with pytest.raises(MissingPartError):
        select([1, 2, 3, 4], (index,))


@given(st.lists(NAMES, min_size=1, max_size=3), POINTERS)
def test_the_longest_declared_name_counts(names: list[str], accessors: str) -> None:
    """An output may be called `docs.documents.create`, beside one called `docs`."""
    whole = ".".join(names)
    assert split_name(whole + accessors, {names[0], whole}) == (whole, parse_accessors(accessors)[0], "")
    assert split_name(f"{whole}x", {whole}) is None


def test_words_behind_body_are_no_part_of_it() -> None:
    for text in ("$response.bodypayload", "$response.bodyx", "$request.payloadbody", "$response.status", "$response."):
        with pytest.raises(ExpressionError):
            parse_expression(text)


OPERANDS = st.one_of(
    st.sampled_from(["$statusCode", "$response.body#/a", "true", "false", "null", "'it''s'", '"x"', "word"]),
    st.integers(-(10**6), 10**6).map(str),
    st.floats(0, 1e6).map(lambda number: f"{number:.3f}"),
)
COMPARISONS = st.builds("{} {} {}".format, OPERANDS, st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), OPERANDS)
CONDITIONS = st.recursive(
    COMPARISONS | OPERANDS,
    lambda inner: st.one_of(
        st.builds("({})".format, inner),
        st.builds("!({})".format, inner),
        st.builds("{} && {}".format, inner, inner),
        st.builds("{} || {}".format, inner, inner),
    ),
    max_leaves=12,
)


def unknown(expression: Expression) -> Any:
    return 200 if expression.root is Root.STATUS_CODE else None


@given(CONDITIONS)
def test_a_condition_of_the_grammar_is_decided(text: str) -> None:
    condition = parse_condition(text)
    assert holds(condition, unknown) is not holds(Negation(condition), unknown)
    assert holds(Conjunction((condition, condition)), unknown) is holds(condition, unknown)


@given(st.text(max_size=80) | st.text("$'\"()!=<>&|.# 01eabT", max_size=60))
def test_any_other_text_is_no_condition_or_decided(text: str) -> None:
    try:
        assert holds(parse_condition(text), unknown) in (True, False)
    except ConditionError as error:
        assert str(error)


CODE = [
    "__import__('os').system('false')",
    "().__class__.__bases__",
    "lambda: 1",
    "[x for x in (1,)]",
    "exec('1')",
    "$statusCode.__class__",
    "{$inputs.x}",
    "${7*7}",
    "1 if True else 0",
    "open('/etc/passwd').read()",
]


@table("text", CODE)
def test_code_is_no_condition_or_a_word(text: str) -> None:
    before = set(sys.modules)
    with contextlib.suppress(ConditionError):
        holds(parse_condition(text), unknown)
    assert set(sys.modules) == before


@table(
    ("text", "is_met"),
    [
        ("$statusCode == 200", True),
        ("$statusCode == '200'", True),
        ("$statusCode != 200 || $statusCode < 300 && true", True),
        ("'Open' == 'oPEN'", True),
        ("'9007199254740993' == 9007199254740992", False),
        ("'1_000' == 1000", False),
        ("1 == true", False),
        ("null == false", False),
        ("'b' > 'A'", True),
        ("'2' < 10", True),
        ("'x' < 10", False),
        ("!$response.body#/gone", True),
        ("((((1 == 1))))", True),
        ("'a && b' == 'A && B'", True),
        ("'it''s' == \"it's\"", True),
    ],
)
def test_conditions_mean_what_the_standard_says(text: str, is_met: bool) -> None:
    assert holds(parse_condition(text), unknown) is is_met


@table("text", ["(" * 5_000, "!" * 3_000, "(" * 60 + "1" + ")" * 60, "1 == ", "&& 1", "", "'a", "1 1"])
def test_depth_and_breaks_are_errors_in_words(text: str) -> None:
    with pytest.raises(ConditionError):
        parse_condition(text)


def seconds(parse: Any, text: str) -> float:
    began = time.process_time()
    with contextlib.suppress(ConditionError, ExpressionError):
        parse(text)
    return time.process_time() - began


@table(
    "part", ["{$inputs.", "$[", "['", "a.", "#/", "{$", "'", "''", "$a[", "!(", "(1)&&", "~0", "[0]", "]", "\\", " "]
)
def test_no_text_takes_long(part: str) -> None:
    """Generous, as the machine may be busy: quadratic time would be minutes."""
    many = part * (200_000 // len(part))
    assert seconds(parse_expression, f"$inputs.{many}") < 2
    assert seconds(parse_expression, f"$response.body{many}") < 2
    assert seconds(lambda text: list(embedded_expressions(text)), many) < 2
    assert seconds(parse_condition, (part * MAX_LENGTH)[:MAX_LENGTH]) < 2


def test_the_parts_of_an_expression_are_named() -> None:
    expression = parse_expression("$steps.a-b.outputs.docs.create#/x")
    assert expression is not None
    assert (expression.owner, expression.part, expression.name) == ("a-b", ExpressionPart.OUTPUTS, "docs.create#/x")
    assert parse_expression("$5") is None
    assert parse_expression("$inputsx.a") is None
