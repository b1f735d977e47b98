"""The calls of the Open Inference Protocol v2: inputs as tensors, and outputs in the form of their inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import prod
from typing import Any
from urllib.parse import quote

import orjson

from nlapi.routing.model import InputForm, Shard, Version

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
            raise ValueError(f"{name!r} is not a tensor of {datatype}")
        return {"name": name, "shape": shape or [1], "datatype": datatype, "data": flat}
    # A tensor has one datatype and one shape; mixed, ragged and empty arrays, null and objects have neither.
    if shape is None or common is None:
        text = orjson.dumps(content).decode()
        return {"name": name, "shape": [1], "datatype": "BYTES", "parameters": JSON_TEXT_PARAMETERS, "data": [text]}
    return {"name": name, "shape": shape or [1], "datatype": common, "data": flat}


def decode_tensor(output: Tensor, schema: object = None) -> Any:
    """Return the value of a tensor. ValueError when its data does not fit its shape.

    One element becomes a single value, unless `schema` declares an array.
    """
    data, shape = output.get("data"), output.get("shape")
    if not isinstance(data, list) or not isinstance(shape, list):
        raise ValueError(f"output {output['name']!r} has no data or no shape")
    data = _flatten_data(data)
    if (output.get("parameters") or {}).get("content_type") == "json" and len(data) == 1:
        return orjson.loads(data[0])
    count = check_shape(output["name"], data, shape, "output")
    # The protocol has no shape for a scalar: [1] may be a number or an array of one, and the schema decides.
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
        raise ValueError(f"input {name[:80]!r} holds values that do not fit {datatype}")
    return {**tensor, "data": flat}


def check_shape(name: str, data: list[Any], shape: list[Any], role: str) -> int:
    """Return the number of elements. ValueError when they do not fit the shape."""
    if not all(isinstance(size, int) and not isinstance(size, bool) and size >= 0 for size in shape):
        raise ValueError(f"{role} {name[:80]!r} has a shape that is not a list of sizes")
    count: int = prod(shape)
    if count != len(data):
        raise ValueError(f"{role} {name[:80]!r} has {len(data)} elements for shape {shape[:8]}")
    return count


def array_shape(content: Any) -> list[int] | None:
    """Return the sizes of nested arrays, [] for a scalar, or None without a single shape."""
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


REQUEST_PARAMETERS = {"content_type": "pd"}
"""MLServer makes a DataFrame of such a request; other servers have no use for them."""
TEXT_PARAMETERS = {"content_type": "str"}
# Elements of JSON text: MLServer's form of a column with texts and missing values, or with arrays.
JSON_PARAMETERS = {"content_type": "pd_json"}


class TableForm(StrEnum):
    """The form of a table in JSON: one row, a list of rows, or an object of columns."""

    ROW = "row"
    ROWS = "rows"
    COLUMNS = "columns"


def encode_table(value: object, datatypes: Mapping[str, str]) -> tuple[list[Tensor], TableForm]:
    """Return a tensor of shape [rows, 1] for each column, and the form of the table. ValueError for anything else."""
    form, columns = _read_table(value)
    return [_encode_column(name, cells, datatypes.get(name, "")) for name, cells in columns.items()], form


def decode_table(outputs: Sequence[Tensor], form: TableForm) -> Any:
    """Return the outputs in the form of the input, each row as an object. ValueError when the rows are not the same."""
    columns = {str(output["name"]): _decode_column(output) for output in outputs}
    counts = {len(cells) for cells in columns.values()}
    if form is TableForm.COLUMNS:
        return columns
    if len(counts) != 1:
        raise ValueError(f"the outputs have {' and '.join(map(str, sorted(counts)))} rows")
    rows = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
    if form is TableForm.ROWS:
        return rows
    if len(rows) != 1:
        raise ValueError(f"the outputs have {len(rows)} rows for an input of one")
    return rows[0]


def _read_table(value: object) -> tuple[TableForm, dict[str, list[Any]]]:
    if isinstance(value, list):
        return TableForm.ROWS, _columns_of_rows(value)
    if not isinstance(value, Mapping) or not value:
        raise ValueError("the input is not a table: give a row, a list of rows, or an object of columns")
    lengths = {len(cells) if isinstance(cells, list) else None for cells in value.values()}
    if lengths == {None}:
        return TableForm.ROW, {str(name): [cell] for name, cell in value.items()}
    if None in lengths or len(lengths) != 1:
        lists = {str(name)[:80]: len(cells) for name, cells in value.items() if isinstance(cells, list)}
        raise ValueError(f"the columns have different lengths: {lists}" if None not in lengths else
                         f"{sorted(lists)} are columns and the others are single values")  # fmt: skip
    if lengths == {0}:
        raise ValueError("the columns are empty")
    return TableForm.COLUMNS, {str(name): cells for name, cells in value.items()}


def _columns_of_rows(rows: list[Any]) -> dict[str, list[Any]]:
    if not rows or not all(isinstance(row, Mapping) and row for row in rows):
        raise ValueError("the rows are a list of objects, at least one")
    names = list(rows[0])
    for index, row in enumerate(rows):
        if row.keys() != rows[0].keys():
            different = sorted(str(name)[:80] for name in row.keys() ^ rows[0].keys())
            raise ValueError(f"row {index} has other columns than row 0: {different[:5]}")
    return {str(name): [row[name] for row in rows] for name in names}


def _encode_column(name: str, cells: list[Any], datatype: str) -> Tensor:
    tensor: Tensor = {"name": name, "shape": [len(cells), 1]}
    present = [cell for cell in cells if cell is not None]
    has_missing = len(present) < len(cells)
    common = common_datatype(present)
    if datatype:
        if not fits_datatype(present, datatype) or (has_missing and not datatype.startswith(("FP", "BF"))):
            raise ValueError(f"column {name[:80]!r} holds values that do not fit {datatype}")
    elif common in ("INT64", "FP64"):
        # A missing number is a null of FP64, which servers read as NaN; an integer has no NaN.
        datatype = "FP64" if has_missing else common
    elif common and not has_missing:
        datatype = common
    else:
        texts = [orjson.dumps(cell).decode() for cell in cells]
        return {**tensor, "datatype": "BYTES", "parameters": JSON_PARAMETERS, "data": texts}
    parameters = {"parameters": TEXT_PARAMETERS} if datatype == "BYTES" else {}
    return {**tensor, "datatype": datatype, **parameters, "data": cells}


def _decode_column(output: Tensor) -> list[Any]:
    """Return the value of each row: a scalar for a shape of [rows] or [rows, 1], else an array."""
    data, shape = output.get("data"), output.get("shape")
    if not isinstance(data, list) or not isinstance(shape, list) or not shape:
        raise ValueError(f"output {output['name']!r} has no data or no shape")
    if shape[0] == len(data) and any(isinstance(cell, list) for cell in data):
        return data
    check_shape(str(output["name"]), data, shape, "output")
    if (output.get("parameters") or {}).get("content_type") in ("pd_json", "json"):
        data = [orjson.loads(cell) for cell in data]
    width = len(data) // shape[0] if shape[0] else 1
    return data if width == 1 else [data[start : start + width] for start in range(0, len(data), width)]


DATATYPE_KEYWORD = "x-datatype"
"""The keyword of a version's input schema with the datatype of a tensor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorCall:
    """The tensors of one call. `form` is that of a table, "tensors" for a request of the protocol, or ""."""

    inputs: list[Tensor]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    outputs: list[Any] = field(default_factory=list)
    """the outputs that are asked for; all when empty"""
    form: TableForm | str = ""


class TensorCodec:
    """The inputs and outputs of one version in tensors."""

    def __init__(self, version: Version) -> None:
        self._schema = version.output
        self._takes_columns = version.form is InputForm.COLUMNS
        self._datatypes = declared_datatypes(version.input)
        self._requested = [{"name": name} for name in _required_outputs(version.output)]

    def encode(self, value: object) -> TensorCall:
        """Return the tensors of an input. ValueError when it has none.

        A request of the protocol, {"inputs": [{"name", "shape", "datatype", "data"}]}, is taken as it is. Otherwise the
        members of an object become tensors, or its columns; what is not an object becomes one tensor named "input". The
        outputs that the output schema requires are asked for by name.
        """
        if isinstance(value, Mapping) and _is_document(value):
            parameters, outputs = value.get("parameters") or {}, value.get("outputs") or []
            if not isinstance(parameters, dict) or not isinstance(outputs, list):
                raise ValueError("parameters are an object, and outputs a list")
            inputs = [check_tensor(tensor) for tensor in value["inputs"]]
            return TensorCall(inputs=inputs, parameters=parameters, outputs=outputs, form="tensors")
        if self._takes_columns:
            tensors, form = encode_table(value, self._datatypes)
            return TensorCall(inputs=tensors, parameters=REQUEST_PARAMETERS, outputs=self._requested, form=form)
        members = value if isinstance(value, Mapping) else {"input": value}
        datatypes = self._datatypes
        return TensorCall(
            inputs=[encode_tensor(str(name), member, datatypes.get(name, "")) for name, member in members.items()],
            outputs=self._requested,
        )

    def decode(self, outputs: list[Tensor], call: TensorCall) -> Any:
        """Return the output of a call. ValueError when the data of a tensor does not fit its shape.

        A tensor of one element becomes that element, unless the schema declares an array. A single output becomes the
        value itself when the schema declares a type that is not an object.
        """
        if call.form == "tensors":
            return {"outputs": [_checked(output) for output in outputs]}
        schema = self._schema
        if isinstance(call.form, TableForm):
            table = decode_table(outputs, call.form)
            return _single_column(table, schema) if len(outputs) == 1 else table
        if len(outputs) == 1 and schema.get("type", "object") != "object":
            return decode_tensor(outputs[0], schema)
        properties = schema.get("properties")
        member_schemas = properties if isinstance(properties, Mapping) else {}
        return {output["name"]: decode_tensor(output, member_schemas.get(output["name"])) for output in outputs}


class OpenInferenceCodec:
    """The calls of one version over REST: paths and bodies."""

    def __init__(self, version: Version, shard: Shard) -> None:
        self._tensors = TensorCodec(version)
        # "" lets the server take its version by itself.
        name = (version.upstream_version or version.name) if shard.versioned_paths else ""
        path = f"/v2/models/{quote(version.upstream_model or version.model, safe='')}"
        path += f"/versions/{quote(name, safe='')}" if name else ""
        self.path = f"{path}/infer"
        self.ready_path = f"{path}/ready"

    def encode(self, value: object, request_id: str) -> tuple[bytes, TensorCall]:
        """Return an "Inference Request JSON Object", and what `decode` needs of it. ValueError."""
        call = self._tensors.encode(value)
        document: dict[str, Any] = {"inputs": call.inputs}
        if request_id:
            document["id"] = request_id
        if call.parameters:
            document["parameters"] = call.parameters
        if call.outputs:
            document["outputs"] = call.outputs
        return orjson.dumps(document), call

    def decode(self, body: bytes, call: TensorCall) -> Any:
        """Return the output in an inference response. ValueError when it is malformed."""
        document = orjson.loads(body)
        outputs = document.get("outputs") if isinstance(document, dict) else None
        if not isinstance(outputs, list) or not all(
            isinstance(output, dict) and isinstance(output.get("name"), str) for output in outputs
        ):
            raise ValueError("it has no outputs")
        return self._tensors.decode(outputs, call)


def declared_datatypes(schema: Mapping[str, Any]) -> dict[str, str]:
    """Return the datatype that a schema declares for each member, also for the rows in an array."""
    items = schema.get("items")
    properties = schema.get("properties") or (items.get("properties") if isinstance(items, Mapping) else None)
    if not isinstance(properties, Mapping):
        return {}
    return {
        name: str(member[DATATYPE_KEYWORD])
        for name, member in properties.items()
        if isinstance(member, Mapping) and DATATYPE_KEYWORD in member
    }


def _required_outputs(schema: Mapping[str, Any]) -> list[str]:
    """Return the names of the outputs that a schema requires of each answer, or of each of its rows."""
    # MLServer's runtime of scikit-learn gives probabilities only to those who ask for them.
    items = schema.get("items")
    required = schema.get("required") or (items.get("required") if isinstance(items, Mapping) else None)
    return [str(name) for name in required] if isinstance(required, list) else []


def unknown_datatypes(schema: Mapping[str, Any]) -> list[str]:
    """Return the members of a schema whose declared datatype the protocol does not have."""
    return [name for name, datatype in declared_datatypes(schema).items() if datatype not in DATATYPES]


def _is_document(value: Mapping[str, Any]) -> bool:
    inputs = value.get("inputs")
    return (
        isinstance(inputs, list)
        and len(inputs) > 0
        and all(
            isinstance(tensor, dict) and tensor.keys() >= {"name", "shape", "datatype", "data"} for tensor in inputs
        )
    )


def _checked(output: Tensor) -> Tensor:
    decode_tensor(output)
    return output


def _single_column(table: Any, schema: Mapping[str, Any]) -> Any:
    """Return the values of the only column where the schema declares no object for a row."""
    items = schema.get("items")
    row_schema = items if isinstance(table, list) and isinstance(items, Mapping) else schema
    if row_schema.get("type", "object") == "object":
        return table
    return [next(iter(row.values())) for row in table] if isinstance(table, list) else next(iter(table.values()))
