"""The calls of the Open Inference Protocol v2: inputs as tensors, and outputs in the form of their inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import orjson

from nlapi.gateway.table_columns import REQUEST_PARAMETERS, TableForm, decode_table, encode_table
from nlapi.gateway.tensors import DATATYPES, Tensor, check_tensor, decode_tensor, encode_tensor
from nlapi.routing.model import InputForm, Shard, Version

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
        members of an object become tensors, or its columns; what is no object becomes one tensor named "input". The
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
        value itself when the schema declares a type that is no object.
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

    ready_body = b""

    def __init__(self, version: Version, shard: Shard) -> None:
        self._tensors = TensorCodec(version)
        model, name = server_names(version, shard)
        path = f"/v2/models/{quote(model, safe='')}" + (f"/versions/{quote(name, safe='')}" if name else "")
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


def server_names(version: Version, shard: Shard) -> tuple[str, str]:
    """Return the names of the model and of the version at a server; "" for the version that it takes by itself."""
    name = (version.upstream_version or version.name) if shard.versioned_paths else ""
    return version.upstream_model or version.model, name


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
    """Return the members of a schema whose declared datatype is none of the protocol."""
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
