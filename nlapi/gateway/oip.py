"""JSON values as the tensors of the Open Inference Protocol v2, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

AS_JSON = {"content_type": "json"}
"""the parameters of a BYTES tensor whose element is JSON text"""

Tensor = dict[str, Any]


def encode(value: Any, request_id: str = "") -> bytes:
    """An inference request ("Inference Request JSON Object"): each member of an object is an input by its name.

    Numbers, booleans, texts and (nested) arrays of one kind become tensors; what is none of them is sent as JSON text.
    A value that is no object is one input named "input".
    """
    members = value if isinstance(value, Mapping) else {"input": value}
    document: Tensor = {"inputs": [tensor(str(name), one) for name, one in members.items()]}
    if request_id:
        document["id"] = request_id
    return orjson.dumps(document)


def decode(body: bytes, schema: Mapping[str, Any]) -> Any:
    """The outputs of an inference response, as an object by their names. ValueError when it is none.

    A tensor of one element is that element, unless `schema` says that the member is an array. One output named
    "output" is the value itself when the schema is not of an object.
    """
    document = orjson.loads(body)
    outputs = document.get("outputs") if isinstance(document, dict) else None
    if not isinstance(outputs, list) or not all(isinstance(one, dict) and "name" in one for one in outputs):
        raise ValueError("no outputs")
    if len(outputs) == 1 and outputs[0]["name"] == "output" and schema.get("type", "object") != "object":
        return value(outputs[0], schema)
    properties = schema.get("properties")
    known = properties if isinstance(properties, Mapping) else {}
    return {one["name"]: value(one, known.get(one["name"], {})) for one in outputs}


def tensor(name: str, given: Any) -> Tensor:
    """One value as a tensor."""
    shape = _shape(given)
    flat = _flat(given, len(shape)) if shape is not None else []
    datatype = _datatype(flat)
    if shape is None or datatype is None:
        text = orjson.dumps(given).decode()
        return {"name": name, "shape": [1], "datatype": "BYTES", "parameters": AS_JSON, "data": [text]}
    return {"name": name, "shape": shape or [1], "datatype": datatype, "data": flat}


def value(given: Tensor, schema: Any) -> Any:
    """One tensor as a value. ValueError when its data does not fit its shape."""
    data, shape = given.get("data"), given.get("shape")
    if not isinstance(data, list) or not isinstance(shape, list):
        raise ValueError(f"output {given['name']!r} has no data or no shape")
    data = _flat_any(data)
    if (given.get("parameters") or {}).get("content_type") == "json" and len(data) == 1:
        return orjson.loads(data[0])
    count = 1
    for size in shape:
        count *= size
    if count != len(data):
        raise ValueError(f"output {given['name']!r} has {len(data)} elements for shape {shape}")
    is_array = isinstance(schema, Mapping) and schema.get("type") == "array"
    if count == 1 and not is_array:
        return data[0]
    return _nested(data, shape)


def _shape(given: Any) -> list[int] | None:
    """The sizes of nested arrays of one shape, [] for a scalar; None for anything else, or anything empty."""
    if not isinstance(given, list):
        return [] if isinstance(given, str | int | float) else None
    if not given:
        return None
    inner = _shape(given[0])
    if inner is None or any(_shape(one) != inner for one in given[1:]):
        return None
    return [len(given), *inner]


def _flat(given: Any, depth: int) -> list[Any]:
    if not depth:
        return [given]
    return given if depth == 1 else [one for part in given for one in _flat(part, depth - 1)]


def _flat_any(data: list[Any]) -> list[Any]:
    """The protocol allows nested data as well as flat."""
    while data and isinstance(data[0], list):
        data = [one for part in data for one in part]
    return data


def _datatype(flat: list[Any]) -> str | None:
    kinds = {type(one) for one in flat}
    if kinds == {bool}:
        return "BOOL"
    if kinds == {int} and all(-(2**63) <= one < 2**63 for one in flat):
        return "INT64"
    if kinds == {float}:
        return "FP64"
    return "BYTES" if kinds == {str} else None


def _nested(data: list[Any], shape: list[int]) -> list[Any]:
    for size in reversed(shape[1:]):
        data = [data[at : at + size] for at in range(0, len(data), size)]
    return data
