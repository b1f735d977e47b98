"""The conversion of JSON values to and from tensors of the Open Inference Protocol v2."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import orjson

JSON_TEXT_PARAMETERS = {"content_type": "json"}
"""the parameters of a BYTES tensor with one element of JSON text"""

Tensor = dict[str, Any]


def encode_request(value: Any, request_id: str = "") -> bytes:
    """Encode a value as an "Inference Request JSON Object", with one input for each member of an object.

    Numbers, booleans, texts and (nested) arrays of one type become tensors; other values are sent as JSON text. A value
    that is not an object becomes one input named "input".
    """
    members = value if isinstance(value, Mapping) else {"input": value}
    document: Tensor = {"inputs": [encode_tensor(str(name), member) for name, member in members.items()]}
    if request_id:
        document["id"] = request_id
    return orjson.dumps(document)


def decode_response(body: bytes, schema: Mapping[str, Any]) -> Any:
    """Decode the outputs of an inference response into an object by their names. ValueError when it is malformed.

    A tensor of one element becomes that element, unless `schema` declares an array. A single output named "output"
    becomes the value itself when the schema does not declare an object.
    """
    document = orjson.loads(body)
    outputs = document.get("outputs") if isinstance(document, dict) else None
    if not isinstance(outputs, list) or not all(isinstance(output, dict) and "name" in output for output in outputs):
        raise ValueError("no outputs")
    if len(outputs) == 1 and outputs[0]["name"] == "output" and schema.get("type", "object") != "object":
        return decode_tensor(outputs[0], schema)
    properties = schema.get("properties")
    member_schemas = properties if isinstance(properties, Mapping) else {}
    return {output["name"]: decode_tensor(output, member_schemas.get(output["name"], {})) for output in outputs}


def encode_tensor(name: str, content: Any) -> Tensor:
    """Return the tensor of a value."""
    shape = _array_shape(content)
    flat = _flatten(content, len(shape)) if shape is not None else []
    datatype = _datatype(flat)
    # A tensor has one datatype and one shape; mixed, ragged and empty arrays, null and objects have neither.
    if shape is None or datatype is None:
        text = orjson.dumps(content).decode()
        return {"name": name, "shape": [1], "datatype": "BYTES", "parameters": JSON_TEXT_PARAMETERS, "data": [text]}
    return {"name": name, "shape": shape or [1], "datatype": datatype, "data": flat}


def decode_tensor(output: Tensor, schema: Any) -> Any:
    """Return the value of a tensor. ValueError when its data does not fit its shape."""
    data, shape = output.get("data"), output.get("shape")
    if not isinstance(data, list) or not isinstance(shape, list):
        raise ValueError(f"output {output['name']!r} has no data or no shape")
    data = _flatten_data(data)
    if (output.get("parameters") or {}).get("content_type") == "json" and len(data) == 1:
        return orjson.loads(data[0])
    count = prod(shape)
    if count != len(data):
        raise ValueError(f"output {output['name']!r} has {len(data)} elements for shape {shape}")
    # A scalar has no shape of its own in the protocol: [1] may be a number or an array of one, and the schema decides.
    is_array = isinstance(schema, Mapping) and schema.get("type") == "array"
    if count == 1 and not is_array:
        return data[0]
    return _reshape(data, shape)


def _array_shape(content: Any) -> list[int] | None:
    """Return the sizes of nested arrays, [] for a scalar, or None when there is no single shape."""
    if not isinstance(content, list):
        return [] if isinstance(content, str | int | float) else None
    if not content:
        return None
    inner = _array_shape(content[0])
    if inner is None or any(_array_shape(element) != inner for element in content[1:]):
        return None
    return [len(content), *inner]


def _flatten(content: Any, depth: int) -> list[Any]:
    if not depth:
        return [content]
    return content if depth == 1 else [element for part in content for element in _flatten(part, depth - 1)]


def _flatten_data(data: list[Any]) -> list[Any]:
    # The protocol allows the data of a tensor to be flat or nested (row-major).
    while data and isinstance(data[0], list):
        data = [element for part in data for element in part]
    return data


def _datatype(flat: list[Any]) -> str | None:
    kinds = {type(element) for element in flat}  # type() and not isinstance(): a bool is also an int
    if kinds == {bool}:
        return "BOOL"
    if kinds == {int} and all(-(2**63) <= element < 2**63 for element in flat):
        return "INT64"
    if kinds == {float}:
        return "FP64"
    return "BYTES" if kinds == {str} else None


def _reshape(data: list[Any], shape: list[int]) -> list[Any]:
    for size in reversed(shape[1:]):
        data = [data[start : start + size] for start in range(0, len(data), size)]
    return data
