"""JSON values survive the way through the tensors of the Open Inference Protocol."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlapi.gateway.shards.open_inference import OpenInferenceCodec, encode_tensor
from nlapi.routing.model import InputForm, Shard, ShardProtocol, Version
from tests.tables import table

SHARD = Shard(name="far", protocol=ShardProtocol.OPEN_INFERENCE)
SCALARS = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"])),
)
VALUES = st.recursive(
    st.none() | SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3),
    max_leaves=12,
)
ROWS = st.lists(st.fixed_dictionaries({"a": SCALARS | st.none(), "b": SCALARS}), min_size=1, max_size=4)


def codec(**options: Any) -> OpenInferenceCodec:
    return OpenInferenceCodec(Version(model="ranker", name="v8", **options), SHARD)


def sent(value: object, **options: Any) -> Any:
    """The request for an input."""
    return orjson.loads(codec(**options).encode(value, "")[0])


def echoed(value: object, **options: Any) -> Any:
    """What comes back from a server whose outputs are its inputs."""
    talk = codec(**options)
    body, call = talk.encode(value, "r1")
    return talk.decode(orjson.dumps({"outputs": orjson.loads(body)["inputs"]}), call)


def schema_of(value: object) -> dict[str, object]:
    return {"type": "array"} if isinstance(value, list) else {}


@given(st.dictionaries(st.text("abcxyz", min_size=1), VALUES, max_size=5))
def test_an_object_comes_back_as_it_was(value: dict[str, object]) -> None:
    schema = {"type": "object", "properties": {name: schema_of(one) for name, one in value.items()}}
    assert echoed(value, output=schema) == value


@given(st.lists(st.lists(st.integers(0, 9), min_size=3, max_size=3), min_size=1, max_size=4))
def test_a_tensor_has_as_many_elements_as_its_shape_says(rows: list[list[int]]) -> None:
    tensor = encode_tensor("x", rows)
    assert tensor["shape"] == [len(rows), 3]
    assert len(tensor["data"]) == 3 * len(rows)


def test_integers_among_floats_are_floats() -> None:
    assert encode_tensor("x", [5, 3.5])["datatype"] == "FP64"
    assert encode_tensor("x", [2**60 + 1, 3.5])["datatype"] == "BYTES"  # as a float it would be another number


@given(ROWS)
def test_rows_come_back_as_they_were(rows: list[dict[str, object]]) -> None:
    assert echoed(rows, form=InputForm.COLUMNS) == rows
    assert echoed(rows[0], form=InputForm.COLUMNS) == rows[0]
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    assert echoed(columns, form=InputForm.COLUMNS) == columns


def test_a_table_is_sent_as_mlserver_reads_a_data_frame() -> None:
    rows = [
        {"age": 31, "spent": None, "country": "DE", "tag": None},
        {"age": 40, "spent": 2, "country": "BR", "tag": "x"},
    ]
    document = sent(rows, form=InputForm.COLUMNS)
    assert document["parameters"] == {"content_type": "pd"}
    tensors = {one.pop("name"): one for one in document["inputs"]}
    assert all(one.pop("shape") == [2, 1] for one in tensors.values())
    assert tensors["age"] == {"datatype": "INT64", "data": [31, 40]}
    assert tensors["spent"] == {"datatype": "FP64", "data": [None, 2]}
    assert tensors["country"] == {"datatype": "BYTES", "parameters": {"content_type": "str"}, "data": ["DE", "BR"]}
    texts = {"datatype": "BYTES", "parameters": {"content_type": "pd_json"}, "data": ["null", '"x"']}
    assert tensors["tag"] == texts


def test_a_datatype_that_the_schema_declares_is_sent() -> None:
    schema = {"properties": {"x": {"x-datatype": "FP32"}}}
    assert sent({"x": [1, 2]}, input=schema)["inputs"][0]["datatype"] == "FP32"
    table = {"items": schema}
    assert sent([{"x": 1}], input=table, form=InputForm.COLUMNS)["inputs"][0]["datatype"] == "FP32"


def test_the_outputs_that_a_schema_requires_are_asked_for() -> None:
    row = {"type": "object", "required": ["predict_proba"]}
    names = [{"name": "predict_proba"}]
    assert sent({"x": 1}, output=row)["outputs"] == names
    assert sent([{"x": 1}], output={"type": "array", "items": row}, form=InputForm.COLUMNS)["outputs"] == names
    assert "outputs" not in sent({"x": 1})


def test_a_request_of_the_protocol_goes_out_as_it_is() -> None:
    tensor = {
        "name": "x",
        "shape": [1, 2],
        "datatype": "FP32",
        "data": [[1, 2.5]],
        "parameters": {"content_type": "np"},
    }
    document = {"inputs": [tensor], "outputs": [{"name": "y"}], "parameters": {"a": "b"}}
    flat = {**tensor, "data": [1, 2.5]}
    assert sent(document) == {**document, "inputs": [flat]}
    assert echoed(document) == {"outputs": [flat]}


@table(
    ("value", "options", "reason"),
    [
        ({"inputs": [{"name": "x", "shape": [2, 2], "datatype": "FP32", "data": [1]}]}, {}, "1 elements for shape"),
        ({"inputs": [{"name": "x", "shape": [-1], "datatype": "FP32", "data": [1]}]}, {}, "not a list of sizes"),
        ({"inputs": [{"name": "x", "shape": [1], "datatype": "FP33", "data": [1]}]}, {}, "no datatype"),
        ({"inputs": [{"name": "x", "shape": [1], "datatype": "INT8", "data": ["a"]}]}, {}, "do not fit INT8"),
        ({"inputs": [{"name": "x", "shape": [2], "datatype": "INT8", "data": [[1], 2]}]}, {}, "ragged"),
        ({"x": "a"}, {"input": {"properties": {"x": {"x-datatype": "FP32"}}}}, "not a tensor of FP32"),
        ([{"a": 1}, {"b": 1}], {"form": InputForm.COLUMNS}, "row 1 has other columns"),
        ([], {"form": InputForm.COLUMNS}, "at least one"),
        ({"a": [1, 2], "b": [1]}, {"form": InputForm.COLUMNS}, "different lengths"),
        ({"a": [1, 2], "b": 1}, {"form": InputForm.COLUMNS}, "single values"),
        ({"a": []}, {"form": InputForm.COLUMNS}, "empty"),
        ("text", {"form": InputForm.COLUMNS}, "not a table"),
    ],
)
def test_an_input_that_is_no_tensor_says_why(value: object, options: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        codec(**options).encode(value, "")


def decoded(*outputs: dict[str, Any], value: object = None, **options: Any) -> Any:
    talk = codec(**options)
    return talk.decode(orjson.dumps({"outputs": outputs}), talk.encode(value or {"x": 1}, "")[1])


def test_nested_data_is_read_like_flat_data() -> None:
    output = {"name": "x", "shape": [2, 2], "datatype": "INT64", "data": [[1, 2], [3, 4]]}
    assert decoded(output) == {"x": [[1, 2], [3, 4]]}


def test_one_output_is_the_value_itself_when_the_schema_is_of_no_object() -> None:
    output = {"name": "predict", "shape": [1], "datatype": "FP64", "data": [0.5]}
    assert decoded(output, output={"type": "number"}) == 0.5
    rows = {"name": "predict", "shape": [2, 1], "datatype": "FP64", "data": [0.5, 0.25]}
    schema = {"type": "array", "items": {"type": "number"}}
    assert decoded(rows, value=[{"a": 1}, {"a": 2}], form=InputForm.COLUMNS, output=schema) == [0.5, 0.25]


def test_each_row_gets_its_part_of_an_output() -> None:
    outputs = (
        {"name": "label", "shape": [2], "datatype": "BYTES", "data": ["a", "b"]},
        {"name": "chances", "shape": [2, 3], "datatype": "FP64", "data": [1, 2, 3, 4, 5, 6]},
    )
    rows = decoded(*outputs, value=[{"a": 1}, {"a": 2}], form=InputForm.COLUMNS)
    assert rows == [{"label": "a", "chances": [1, 2, 3]}, {"label": "b", "chances": [4, 5, 6]}]
    with pytest.raises(ValueError, match="2 rows for an input of one"):
        decoded(*outputs, value={"a": 1}, form=InputForm.COLUMNS)


@table(
    "body",
    ["[]", "{}", '{"outputs": 1}', '{"outputs": [{}]}', '{"outputs": [{"name": "x", "shape": [2], "data": [1]}]}'],
)
def test_what_is_no_inference_response_is_refused(body: str) -> None:
    talk = codec()
    with pytest.raises(ValueError, match="out"):
        talk.decode(body.encode(), talk.encode({"x": 1}, "")[1])
