"""JSON values survive the way through the tensors of the Open Inference Protocol."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlapi.gateway import open_inference

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


def schema_of(value: object) -> dict[str, object]:
    return {"type": "array"} if isinstance(value, list) else {}


@given(st.dictionaries(st.text("abcxyz", min_size=1), VALUES, max_size=5))
def test_an_object_comes_back_as_it_was(value: dict[str, object]) -> None:
    request = orjson.loads(open_inference.encode_request(value, "r1"))
    schema = {"type": "object", "properties": {name: schema_of(one) for name, one in value.items()}}
    assert open_inference.decode_response(orjson.dumps({"outputs": request["inputs"]}), schema) == value


@given(st.lists(st.lists(st.integers(0, 9), min_size=3, max_size=3), min_size=1, max_size=4))
def test_a_tensor_has_as_many_elements_as_its_shape_says(rows: list[list[int]]) -> None:
    tensor = open_inference.encode_tensor("x", rows)
    assert tensor["shape"] == [len(rows), 3]
    assert len(tensor["data"]) == 3 * len(rows)


def test_nested_data_is_read_like_flat_data() -> None:
    body = {"outputs": [{"name": "x", "shape": [2, 2], "datatype": "INT64", "data": [[1, 2], [3, 4]]}]}
    assert open_inference.decode_response(orjson.dumps(body), {}) == {"x": [[1, 2], [3, 4]]}


def test_one_output_is_the_value_itself_when_the_schema_is_of_no_object() -> None:
    body = {"outputs": [{"name": "output", "shape": [1], "datatype": "FP64", "data": [0.5]}]}
    assert open_inference.decode_response(orjson.dumps(body), {"type": "number"}) == 0.5


@pytest.mark.parametrize(
    "body",
    ["[]", "{}", '{"outputs": 1}', '{"outputs": [{}]}', '{"outputs": [{"name": "x", "shape": [2], "data": [1]}]}'],
)
def test_what_is_no_inference_response_is_refused(body: str) -> None:
    with pytest.raises(ValueError, match="out"):
        open_inference.decode_response(body.encode(), {})
