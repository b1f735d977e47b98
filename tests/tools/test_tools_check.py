"""Arguments that may not be sent: each is refused with what is wrong and what would be right."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import nlapi
from nlapi.client.message import File, Request
from nlapi.errors import ArgumentError, NlapiError, UsageError
from nlapi.openapi.spec import Effect, Spec
from nlapi.schema_validator import VALIDATOR
from nlapi.tools.arguments import is_plainly_valid
from nlapi.tools.compile import compile_tool
from nlapi.tools.sending.run import Target, prepare
from nlapi.tools.tool import Call
from tests.describe import body, operation, parameter
from tests.strategies import descriptions, examples
from tests.tables import table
from tests.tools.test_tools_rules import spec_of


def with_parameters(*parameters: dict[str, Any], **more: Any) -> Spec:
    return operation({"operationId": "op", "parameters": list(parameters)}, **more).spec


def of_schema(schema: dict[str, Any], *, required: bool = False) -> Spec:
    return with_parameters(parameter(schema=schema, required=required))


def of_body(schema: dict[str, Any], content_type: str = "application/json", **more: Any) -> Spec:
    return operation({"operationId": "op", **body(schema, content_type, **more)}, method="post").spec


def build(spec: Spec, **arguments: Any) -> Request:
    return nlapi.build(spec, "op", arguments)


def refusal(spec: Spec, **arguments: Any) -> str:
    with pytest.raises(ArgumentError) as caught:
        build(spec, **arguments)
    assert caught.value.exit_code == 2
    assert caught.value.message.startswith("op: ")
    assert len(str(caught.value)) < 800
    return str(caught.value)


def test_an_unknown_argument_names_the_nearest() -> None:
    spec = with_parameters(parameter("limit"), parameter("page_token"))
    said = refusal(spec, limt=5)
    assert "'limt'" in said
    assert "did you mean 'limit'?" in said
    assert "it takes limit, page_token" in refusal(spec, zzz=1)
    assert "it takes none" in refusal(with_parameters(), x=1)


def test_what_one_part_says_of_other_properties_is_not_said_of_another_part() -> None:
    """Microsoft's Graph RBAC and ShipEngine: by the letter of JSON Schema nothing would fit such bodies."""
    base = {"type": "object", "properties": {"surname": {"type": "string"}}}
    for closed in ({"type": "object"}, False):
        schema = {
            "allOf": [{**base, "additionalProperties": closed}],
            "required": ["enabled"],
            "properties": {"enabled": {"type": "boolean"}},
            "patternProperties": {"^x-": {}},
        }
        arguments = {"body": {"enabled": True, "surname": "Lovelace"}}
        assert build(of_body(schema), **arguments).content == b'{"enabled":true,"surname":"Lovelace"}'
        assert "age" in refusal(of_body(schema), body={"enabled": True, "age": 36})


def test_a_missing_argument_is_named_and_described() -> None:
    spec = with_parameters(parameter("account", required=True, description="Whose campaigns."))
    said = refusal(spec)
    assert "'account' is missing" in said
    assert "Whose campaigns." in said


def test_a_value_outside_its_choices_is_told_them() -> None:
    spec = of_schema({"type": "string", "enum": ["ACTIVE", "PAUSED"]})
    assert "did you mean 'ACTIVE'?" in refusal(spec, p="active")
    assert "did you mean 'PAUSED'?" in refusal(spec, p="PAUSD")
    assert "one of ACTIVE, PAUSED" in refusal(spec, p="xyz")


@table(
    ("schema", "value", "said"),
    [
        ({"type": "integer"}, "five", "p: 'five' is not of type 'integer'"),
        ({"type": "integer"}, 1.5, "p: 1.5 is not of type 'integer'"),
        ({"type": "integer"}, True, "p: True is not of type 'integer'"),
        ({"type": "string"}, 5, "p: 5 is not of type 'string'"),
        ({"type": "array", "items": {"type": "integer"}}, [1, "x"], "p[1]: 'x' is not of type 'integer'"),
        ({"type": "object", "properties": {"a": {"type": "integer"}}}, {"a": "x"}, "p.a: 'x'"),
        ({"type": "integer", "maximum": 100}, 101, "p: 101 is greater than the maximum of 100"),
        ({"type": "string", "pattern": "^[a-z]+$"}, "A", "p: 'A' does not match"),
        ({"type": "string", "maxLength": 3}, "abcd", "p: 'abcd' is too long"),
        ({"type": "string", "maxLength": 3}, "x" * 500, "xxx… is too long (at most 3 characters)"),
        ({"type": "integer", "format": "int32"}, 2**31, "p: 2147483648 is not a 'int32'"),
        ({"type": "integer", "format": "int64"}, 2**63, "is not a 'int64'"),
        ({"type": "string", "format": "date"}, "tomorrow", "p: 'tomorrow' is not a 'date'"),
        ({"type": "string", "format": "date"}, "2024-02-30", "is not a 'date'"),
        ({"type": "string", "format": "date"}, "20240201", "is not a 'date'"),
        ({"type": "string", "format": "date-time"}, "at noon", "is not a 'date-time'"),
        ({"type": "string"}, None, "p: None is not of type 'string'"),
    ],
)
def test_a_value_that_breaks_its_schema_says_where_and_how(schema: dict[str, Any], value: Any, said: str) -> None:
    assert said in refusal(of_schema(schema), p=value)


@table(
    ("schema", "value"),
    [
        ({"type": "integer", "format": "int32"}, -(2**31)),
        ({"type": "number", "format": "int32"}, 1.5),
        ({"type": "string", "format": "date"}, "2024-02-29"),
        ({"type": "string", "format": "date-time"}, "2024-02-29T12:00:00Z"),
        ({"type": "string", "format": "date-time"}, "2024-02-29T12:00:00.123456789+02:00"),
        ({"type": "string", "format": "email"}, "whatever the API calls one"),
        ({"type": "string", "format": "made-up"}, "x"),
        ({"type": "number", "multipleOf": 0.01}, 19.99),
        ({"type": "number", "multipleOf": 0.1}, 0.3),
        ({"type": "integer", "multipleOf": 5}, 10**30),
        ({"type": "number", "multipleOf": 5}, 10**400),
        ({"type": "array", "uniqueItems": True}, [1, True, "1", [1], [True], {"a": 1}, {"a": True}, None]),
        ({"type": "integer"}, 5.0),
        ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, 5),
        ({"oneOf": [{"type": "object"}, {"type": "object", "properties": {"a": {}}}]}, {"a": 1}),
        ({}, {"anything": [1, None]}),
        ({"$ref": "#/components/schemas/Loop"}, "x"),
    ],
)
def test_a_value_that_fits_is_sent(schema: dict[str, Any], value: Any) -> None:
    spec = with_parameters(
        parameter(schema=schema), components={"schemas": {"Loop": {"$ref": "#/components/schemas/Loop"}}}
    )
    assert build(spec, p=value).url.startswith("https://api.example/x?")


@table(("step", "value"), [(0.01, 19.995), (0.1, 0.35), (5, 7), (0.5, 1e308)])
def test_a_number_between_the_steps_is_refused(step: float, value: float) -> None:
    spec = of_schema({"type": "number", "multipleOf": step})
    if value == 1e308:
        assert build(spec, p=value)
    else:
        assert "is not a multiple of" in refusal(spec, p=value)


def test_equal_items_are_found_among_many() -> None:
    spec = of_schema({"type": "array", "uniqueItems": True, "items": {}})
    items: list[Any] = [{"n": {"m": number}} for number in range(2_000)]
    assert build(spec, p=items)
    for twice in ({"n": {"m": 7}}, {"n": {"m": 7.0}}):
        assert "non-unique" in refusal(spec, p=[*items, twice])


@table("schema", [{}, {"type": "number", "maximum": 5, "multipleOf": 0.1}, {"type": "string"}])
def test_a_number_that_nobody_can_read_is_refused(schema: dict[str, Any]) -> None:
    for value in (10**5000, -(10**5000)):
        assert "more than 1,000 digits" in refusal(of_schema(schema), p=value)
        assert "more than 1,000 digits" in refusal(of_schema({}), p={"a": [value]})


@table("value", [{1, 2}, b"x", {"a": object()}])
def test_a_value_that_is_no_json_is_refused(value: Any) -> None:
    assert "cannot be written as JSON" in refusal(of_schema({}), p=value)


def test_a_pattern_that_would_take_for_ever_is_given_up() -> None:
    said = refusal(of_schema({"type": "string", "pattern": "^(a+)+$"}), p="a" * 40 + "!")
    assert "takes too long" in said or "does not match" in said


def test_several_faults_are_told_at_once_but_not_all_of_many() -> None:
    spec = with_parameters(*(parameter(name, schema={"type": "integer"}) for name in "abcdefg"))
    said = refusal(spec, **dict.fromkeys("abcdefg", "x"))
    assert "a: 'x'" in said
    assert "and 4 more" in said


def test_a_long_value_is_not_repeated_whole() -> None:
    assert len(refusal(of_schema({"type": "integer"}), p="x" * 5000)) < 400
    assert len(refusal(of_schema({"type": "string", "enum": ["a" * 50] * 100}), p="x" * 5000)) < 800
    assert len(refusal(with_parameters(), **{"x" * 5000: 1})) < 800


def test_of_a_union_the_nearest_branch_is_told() -> None:
    shape = {
        "oneOf": [{"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}}, {"type": "null"}]
    }
    assert "p.a: 'x'" in refusal(of_body({"type": "object", "properties": {"p": shape}}), p={"a": "x"})


def test_of_several_objects_the_one_with_fewest_faults_is_told() -> None:
    far = {"type": "object", "required": ["x", "y"], "properties": {"x": {}, "y": {}}}
    near = {"type": "object", "required": ["kind", "a"], "properties": {"kind": {"const": "n"}, "a": {}}}
    assert "body: 'a' is a required property" in refusal(of_body({"anyOf": [far, near]}), body={"kind": "n"})


def test_arguments_that_are_nested_too_deeply_are_refused() -> None:
    deep: Any = 1
    for _ in range(5000):
        deep = [deep]
    node = {"type": "object", "properties": {"p": {"$ref": "#/components/schemas/Deep"}}}
    schemas = {
        "Deep": {"anyOf": [{"type": "integer"}, {"type": "array", "items": {"$ref": "#/components/schemas/Deep"}}]}
    }
    spec = operation({"operationId": "op", **body(node)}, method="post", components={"schemas": schemas}).spec
    assert "deep" in refusal(spec, p=deep)


def test_an_optional_body_needs_all_of_it_or_nothing() -> None:
    shape = {"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}, "b": {"type": "string"}}}
    spec = of_body(shape, required=False)
    assert build(spec).content is None
    assert build(spec, a="x").content == b'{"a":"x"}'
    assert "'a'" in refusal(spec, b="x")


def test_a_body_may_have_to_hold_something() -> None:
    spec = of_body({"type": "object", "minProperties": 1, "properties": {"a": {}, "b": {}}})
    assert "give some of a, b" in refusal(spec)
    assert build(spec, b=1).content == b'{"b":1}'


def test_further_keys_of_an_open_object_go_into_the_body() -> None:
    spec = of_body({"type": "object", "properties": {"a": {}}, "additionalProperties": True})
    assert build(spec, a=1, k=2).content == b'{"a":1,"k":2}'


def test_further_keys_of_a_map_may_be_called_like_any_argument() -> None:
    shape = {"type": "object", "properties": {"a": {}}, "additionalProperties": {"type": "integer"}}
    node = {"parameters": [parameter("id")], **body(shape), "operationId": "op"}
    spec = operation(node, method="post").spec
    request = build(spec, id="q", body={"a": 1, "id": 2})
    assert (request.url, request.content) == ("https://api.example/x?id=q", b'{"a":1,"id":2}')
    assert "body.k: 'x'" in refusal(spec, body={"k": "x"})


def test_a_read_only_property_is_refused() -> None:
    spec = of_body({"type": "object", "properties": {"id": {"readOnly": True}, "name": {}}})
    assert "'id'" in refusal(spec, id=1)


def test_a_file_is_an_argument_and_its_bytes_are_never_told() -> None:
    shape = {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}, "n": {"type": "integer"}}}
    spec = of_body(shape, "multipart/form-data")
    file = File("a.txt", b"secret bytes", "text/plain")
    assert b"secret bytes" in (build(spec, file=file).content or b"")
    assert "secret" not in refusal(spec, n=file)


def test_what_a_path_may_never_hold_is_refused_with_operation_and_argument() -> None:
    spec = with_parameters(parameter("id", "path"), path="/x/{id}")
    for value in ("", "..", "a\r\nb"):
        assert "op: id: " in refusal(spec, id=value)


def test_arguments_go_by_their_names_in_the_tool() -> None:
    spec = with_parameters(parameter("filter[name]"), parameter("id", "path"), parameter("id"), path="/{id}")
    assert build(spec, filter_name="a", id=1 and "p", id_query="q").url.endswith("/p?filter%5Bname%5D=a&id=q")


def test_an_unknown_operation_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="no operation"):
        nlapi.build(of_schema({}), "nothing", {})


def test_what_is_prepared_shows_the_effect_and_a_curl_line() -> None:
    spec = of_body({"type": "object", "properties": {"a": {"type": "string"}}})
    call = Call(tool=compile_tool(spec.operation("op")), arguments={"a": "it's"})
    prepared = prepare(call, Target(spec=spec))
    assert prepared.effect is Effect.WRITE
    assert prepared.request == build(spec, a="it's")
    assert prepared.curl.startswith("curl ")
    assert "https://api.example/x" in prepared.curl


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(tree=descriptions(), data=st.data())
def test_any_arguments_for_any_operation_give_a_request_or_a_reason(tree: Any, data: st.DataObject) -> None:
    spec = spec_of(tree)
    for tool in nlapi.tools(spec)[:3]:
        names = st.sampled_from(list(tool.places)) if tool.places else st.nothing()
        arguments = data.draw(
            st.dictionaries(names, ANYTHING) | st.dictionaries(st.text(max_size=3), ANYTHING, max_size=2)
        )
        try:
            request = nlapi.build(spec, tool.operation.id, arguments)
        except NlapiError as error:
            assert "\n" not in str(error)
            continue
        assert request.url.startswith("https://api.example/")
        assert request.url.isascii()


def test_patterns_of_property_names_are_bounded_in_time_too() -> None:
    schema = {"type": "object", "patternProperties": {"^(a+)+$": {"type": "integer"}}, "additionalProperties": False}
    assert build(of_schema(schema), p={"aaa": 1})
    assert "p.aaa: 'x' is not of type 'integer'" in refusal(of_schema(schema), p={"aaa": "x"})
    assert "is not one of its properties" in refusal(of_schema(schema), p={"a" * 60 + "!": 1})


VALUES = st.one_of(st.integers(-3, 12), st.text("ab1", max_size=4), st.booleans(), st.floats(-2, 2), st.none())
VALUE_SCHEMAS = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["string", "integer", "number", "boolean", ["string", "null"], ["integer", "string"]]),
        "enum": st.lists(VALUES, min_size=1, max_size=4),
        "minimum": st.integers(-2, 5),
        "maximum": st.floats(-2, 9),
        "minLength": st.integers(0, 2),
        "maxLength": st.integers(1, 3),
        "pattern": st.just("a"),
        "multipleOf": st.just(2),
        "description": st.just("A value."),
    },
)


@settings(max_examples=examples(400), derandomize=True, deadline=None)
@given(
    properties=st.dictionaries(st.sampled_from("pqr"), VALUE_SCHEMAS, min_size=1),
    arguments=st.dictionaries(st.sampled_from("pqr"), VALUES),
    required=st.lists(st.sampled_from("pqr"), max_size=2, unique=True),
)
def test_what_is_plainly_valid_is_valid(
    properties: dict[str, Any], arguments: dict[str, Any], required: list[str]
) -> None:
    schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    if is_plainly_valid(schema, arguments):
        assert VALIDATOR(schema).is_valid(arguments)


def test_usual_arguments_are_plainly_valid() -> None:
    value = {"type": "string", "enum": ["a", "b"], "description": "A letter.", "maxLength": 5}
    schema = {"type": "object", "properties": {"p": value, "n": {"type": "integer", "minimum": 1}}, "required": ["p"]}
    assert is_plainly_valid(schema, {"p": "a", "n": 1})
    for arguments in ({"p": "c"}, {"p": "a", "n": 0}, {"n": 1}, {"p": "a", "n": True}, {"p": "a", "q": 1}):
        assert not is_plainly_valid(schema, arguments)
    assert not is_plainly_valid({**schema, "minProperties": 3}, {"p": "a"})
