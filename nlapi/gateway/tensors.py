"""The conversion of JSON values to and from tensors of the Open Inference Protocol v2."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import orjson

Tensor = dict[str, Any]
"""name, datatype, shape, parameters, and data in row-major order, as the protocol's JSON has them"""

INTEGER_TYPES = ("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64")
FLOAT_TYPES = ("FP16", "FP32", "FP64", "BF16")
DATATYPES = frozenset(("BOOL", "BYTES", *INTEGER_TYPES, *FLOAT_TYPES))
"""The datatypes of the protocol."""

JSON_TEXT_PARAMETERS = {"content_type": "json"}
"""the parameters of a BYTES tensor with one element of JSON text"""

# Every integer up to here is a float too: an array of [1, 2.5] loses nothing as FP64.
MAX_EXACT_INTEGER = 2**53


def encode_tensor(name: str, content: Any, datatype: str = "") -> Tensor:
    """Return the tensor of a value: a number, a boolean, a text or a (nested) array of one type.

    Any other value is sent as JSON text, unless a `datatype` is declared for it: ValueError when it does not fit.
    """
    shape = array_shape(content)
    flat = _flatten(content, len(shape)) if shape is not None else []
    common = common_datatype(flat)
    if datatype:
        if shape is None or not fits_datatype(flat, datatype):
            raise ValueError(f"{name!r} is no tensor of {datatype}")
        return {"name": name, "shape": shape or [1], "datatype": datatype, "data": flat}
    # A tensor has one datatype and one shape; mixed, ragged and empty arrays, null and objects have neither.
    if shape is None or common is None:
        text = orjson.dumps(content).decode()
        return {"name": name, "shape": [1], "datatype": "BYTES", "parameters": JSON_TEXT_PARAMETERS, "data": [text]}
    return {"name": name, "shape": shape or [1], "datatype": common, "data": flat}


def decode_tensor(output: Tensor, schema: object = None) -> Any:
    """Return the value of a tensor. ValueError when its data does not fit its shape.

    One element becomes a value of its own, unless `schema` declares an array.
    """
    data, shape = output.get("data"), output.get("shape")
    if not isinstance(data, list) or not isinstance(shape, list):
        raise ValueError(f"output {output['name']!r} has no data or no shape")
    data = _flatten_data(data)
    if (output.get("parameters") or {}).get("content_type") == "json" and len(data) == 1:
        return orjson.loads(data[0])
    count = check_shape(output["name"], data, shape, "output")
    # A scalar has no shape of its own in the protocol: [1] may be a number or an array of one, and the schema decides.
    is_array = isinstance(schema, Mapping) and schema.get("type") == "array"
    if count == 1 and not is_array:
        return data[0]
    return _reshape(data, shape)


def check_tensor(tensor: object) -> Tensor:
    """Return a caller's tensor with flat data. ValueError that names what is wrong with it."""
    name = tensor.get("name") if isinstance(tensor, dict) else None
    if not isinstance(tensor, dict) or not isinstance(name, str):
        raise ValueError("an input is an object with name, shape, datatype and data")
    datatype, shape, data = tensor.get("datatype"), tensor.get("shape"), tensor.get("data")
    if datatype not in DATATYPES:
        raise ValueError(f"input {name[:80]!r} has no datatype of the protocol, such as FP32, INT64 or BYTES")
    if not isinstance(shape, list) or not isinstance(data, list):
        raise ValueError(f"input {name[:80]!r} has no shape or no data")
    flat = _flatten_data(data)
    check_shape(name, flat, shape, "input")
    if not fits_datatype(flat, str(datatype)):
        raise ValueError(f"input {name[:80]!r} holds values that are no {datatype}")
    return {**tensor, "data": flat}


def check_shape(name: str, data: list[Any], shape: list[Any], role: str) -> int:
    """Return the number of elements. ValueError when they do not fit the shape."""
    if not all(isinstance(size, int) and not isinstance(size, bool) and size >= 0 for size in shape):
        raise ValueError(f"{role} {name[:80]!r} has a shape that is no list of sizes")
    count: int = prod(shape)
    if count != len(data):
        raise ValueError(f"{role} {name[:80]!r} has {len(data)} elements for shape {shape[:8]}")
    return count


def array_shape(content: Any) -> list[int] | None:
    """Return the sizes of nested arrays, [] for a scalar, or None when there is no single shape."""
    if not isinstance(content, list):
        return [] if isinstance(content, str | int | float) else None
    if not content:
        return None
    inner = array_shape(content[0])
    if inner is None or any(array_shape(element) != inner for element in content[1:]):
        return None
    return [len(content), *inner]


def common_datatype(flat: list[Any]) -> str | None:
    """Return the datatype of all elements, or None when they have none in common."""
    kinds = {type(element) for element in flat}  # type() and not isinstance(): a bool is also an int
    if kinds == {bool}:
        return "BOOL"
    if kinds == {int} and all(-(2**63) <= element < 2**63 for element in flat):
        return "INT64"
    if kinds == {float} or (kinds == {int, float} and all(abs(element) <= MAX_EXACT_INTEGER for element in flat)):
        return "FP64"
    return "BYTES" if kinds == {str} else None


def fits_datatype(flat: list[Any], datatype: str) -> bool:
    """Return whether all elements can be of a datatype."""
    kinds = {type(element) for element in flat}
    if datatype in FLOAT_TYPES:
        return kinds <= {int, float}
    return kinds <= {{"BOOL": bool, "BYTES": str}.get(datatype, int)}


def _flatten(content: Any, depth: int) -> list[Any]:
    if not depth:
        return [content]
    return content if depth == 1 else [element for part in content for element in _flatten(part, depth - 1)]


def _flatten_data(data: list[Any]) -> list[Any]:
    # The protocol allows the data of a tensor to be flat or nested (row-major).
    while data and isinstance(data[0], list):
        if not all(isinstance(part, list) for part in data):
            raise ValueError("nested data is ragged")
        data = [element for part in data for element in part]
    return data


def _reshape(data: list[Any], shape: list[int]) -> list[Any]:
    for size in reversed(shape[1:]):
        # A size of 0 leaves nothing to group: [2, 0] is two empty arrays.
        count = len(data) // size if size else prod(shape[:-1])
        data = [data[index * size : (index + 1) * size] for index in range(count)]
    return data
