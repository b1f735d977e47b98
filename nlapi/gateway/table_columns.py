"""Rows and columns of a table as tensors, one for each column, as MLServer's codec of DataFrames has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

import orjson

from nlapi.gateway.tensors import Tensor, check_shape, common_datatype, fits_datatype

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
    """Return a tensor of shape [rows, 1] for each column, and the form of the table. ValueError for what is none."""
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
        raise ValueError("the input is no table: give a row, a list of rows, or an object of columns")
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
            raise ValueError(f"column {name[:80]!r} holds values that are no {datatype}")
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
