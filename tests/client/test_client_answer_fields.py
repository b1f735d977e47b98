"""What of an answer a model is shown: fields that are hidden, or alone shown, at any depth."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlapi.client.answer_fields import FieldFilter, check_field
from nlapi.client.message import Framing, Result
from nlapi.errors import UsageError
from tests.tables import table

PERSON = {"id": 7, "name": "Ann", "Password": "p", "owner": {"email": "a@x.example", "name": "Bo"}, "tags": ["a"]}
SSN = "123-45-6789"
TREES = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "name", "secret", "Secret", "x", "api_secret"]), inner, max_size=4)
    ),
    max_leaves=20,
)


def answer(data: Any, **more: Any) -> Result:
    return Result(
        status=200, headers=(("content-type", "application/json"),), content=json.dumps(data).encode(), **more
    )


def keys(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value) | {key for child in value.values() for key in keys(child)}
    return {key for child in value for key in keys(child)} if isinstance(value, list) else set()


@table(
    ("hidden", "expected"),
    [
        (("password",), {"id": 7, "name": "Ann", "owner": {"email": "a@x.example", "name": "Bo"}, "tags": ["a"]}),
        (("*e*",), {"id": 7, "tags": ["a"], "Password": "p"}),
        (("$.owner.name", "tags"), {"id": 7, "name": "Ann", "Password": "p", "owner": {"email": "a@x.example"}}),
        (("$.tags[0]",), {**PERSON, "tags": []}),
    ],
)
def test_names_globs_and_paths_are_hidden(hidden: tuple[str, ...], expected: dict[str, Any]) -> None:
    assert FieldFilter(hidden=hidden).apply(answer(PERSON)).data == expected


@table(
    ("shown", "expected"),
    [
        (("id", "email"), {"id": 7, "owner": {"email": "a@x.example"}, "tags": []}),
        (("owner",), {"owner": PERSON["owner"], "tags": []}),
        (("$.tags",), {"tags": ["a"]}),
        (("nothing",), {"tags": []}),
    ],
)
def test_what_is_shown_is_shown_whole_with_what_is_around_it(shown: tuple[str, ...], expected: dict[str, Any]) -> None:
    assert FieldFilter(shown=shown).apply(answer(PERSON)).data == expected


def test_what_is_hidden_is_hidden_whatever_is_shown() -> None:
    filtered = FieldFilter(hidden=("email",), shown=("owner",)).apply(answer([PERSON]))
    assert filtered.data == [{"owner": {"name": "Bo"}, "tags": []}]
    assert "a@x.example" not in filtered.text


@given(TREES)
def test_a_hidden_name_is_nowhere_in_what_is_left(tree: Any) -> None:
    filtered = FieldFilter(hidden=("*secret*",)).apply(answer(tree))
    assert not [key for key in keys(filtered.data) if "secret" in key.casefold()]
    assert filtered.content == answer(filtered.data).content or json.loads(filtered.content) == filtered.data


@given(TREES)
def test_a_filter_that_is_about_nothing_in_it_changes_nothing(tree: Any) -> None:
    if isinstance(tree, (dict, list)):
        assert FieldFilter(hidden=("elsewhere",)).apply(answer(tree)).data == tree


@table("content", [b"<user><ssn>1</ssn></user>", b"ssn=1", b'"ssn: 1"', bytes(range(256))])
def test_what_is_no_json_object_is_withheld(content: bytes) -> None:
    """Nothing can be told of its fields, so nothing of it is shown."""
    filtered = FieldFilter(hidden=("ssn",)).apply(Result(status=200, content=content))
    assert filtered.data == {"error": "withheld: the policy is about fields, and this answer is not JSON"}
    assert filtered.content_type == "application/json"


def test_items_of_a_stream_are_filtered_one_by_one() -> None:
    items = ({"id": 1, "ssn": "9"}, "ssn=9")
    result = Result(status=200, content=b"raw ssn=9", items=items, framing=Framing.JSON_LINES)
    filtered = FieldFilter(hidden=("ssn",)).apply(result)
    assert filtered.data[0] == {"id": 1}
    assert "9" not in f"{filtered.data}{filtered.content!r}"


def test_an_empty_answer_stays_empty() -> None:
    assert FieldFilter(hidden=("ssn",)).apply(Result(status=204)).content == b""


def test_a_path_that_cannot_be_read_is_refused() -> None:
    check_field("$.data[*].email")
    with pytest.raises(UsageError, match="is not a JSONPath"):
        check_field("$.data[")


STRUCTURES: list[Any] = [
    {"ssn": SSN}, {"s\u200bsn": SSN}, {"\uff53\uff53\uff4e": SSN}, {"SS\ufe0fN ": SSN},
    [{"name": "ssn", "value": SSN}], {"key": "SSN", "value": {"text": SSN}},
    {"@name": "ssn", "#text": SSN}, {"k": "s\u00adsn", "v": [SSN]},
    {"columns": ["id", "ssn"], "rows": [[1, SSN], [2, SSN]]},
    {"header": ["ssn"], "values": [SSN]}, {"fields": ["id", "ssn"], "records": [["1", SSN]]},
    {"schema": {"fields": [{"name": "id"}, {"name": "ssn"}]}, "rows": [{"f": [{"v": "1"}, {"v": SSN}]}]},
    [["id", "ssn"], [1, SSN], [2, SSN]], [["name", "Ann"], ["ssn", SSN]],
    {"columns": ["id", "ssn"], "values": [[1, 2, 3], [SSN, SSN, SSN]]},
    {"payload": json.dumps({"a": [{"ssn": SSN}]})}, {"payload": json.dumps([{"name": "ssn", "v": SSN}])},
    {"form": f"id=1&ssn={SSN}"}, {"xml": f"<p><ssn>{SSN}</ssn></p>"},
    {"csv": f"id,ssn,x\n1,{SSN},2\n"}, {"lines": f'{{"ssn": "{SSN}"}}\n{{"ssn": "{SSN}"}}'},
]  # fmt: skip


@table("tree", STRUCTURES)
def test_a_name_beside_its_value_hides_it_too(tree: Any) -> None:
    for hidden in (("ssn",), ("*sn",)):
        shown = FieldFilter(hidden=hidden).apply(answer({"ok": "kept", "tree": tree}))
        assert SSN not in shown.text
        assert shown.data["ok"] == "kept"


def test_of_an_event_its_data_and_its_name_are_seen_alone() -> None:
    items = (
        {"event": "person", "data": {"ssn": SSN, "n": 1}, "id": SSN},
        {"event": "ssn", "data": {"is": SSN}},
        {"data": f"ssn {SSN}"},
    )
    shown = FieldFilter(hidden=("ssn",)).apply(Result(status=200, items=items, framing=Framing.EVENTS))
    assert shown.data[0] == {"event": "person", "data": {"n": 1}}
    assert SSN not in shown.content.decode()


def test_a_header_is_a_field_and_ordinary_texts_stay() -> None:
    data = {
        "title": "Your email has changed",
        "tags": ["a", "b"],
        "url": "https://x.example/ssn/1",
        "n": [[1, 2], [3, 4]],
    }
    result = Result(status=200, headers=(("SSN", SSN), ("x", "1")), content=json.dumps(data).encode())
    shown = FieldFilter(hidden=("ssn", "*mail*")).apply(result)
    assert (shown.data, shown.headers) == (data, (("x", "1"),))


@table(
    "data",
    [
        {"sort": "ssn", "page": 2, "items": [{"id": 1}]},
        {"order_by": ["ssn", "asc"], "limit": 5, "total": 7},
        {"channel": "ssn", "to": "the person", "at": "noon"},
    ],
)
def test_a_name_that_is_no_name_of_a_field_hides_nothing_beside_it(data: dict[str, object]) -> None:
    assert FieldFilter(hidden=("ssn",)).value(data) == data
