"""The messages of the Open Inference Protocol over gRPC, with protobuf; imported late, as it belongs to an extra.

They are built from the table below and not generated: generated code works with the protobuf of one or two major
versions, and the packages beside a gateway (OpenTelemetry, xDS) pin different ones.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Protocol, cast

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError, Message

from nlapi.gateway.shards.open_inference import Tensor

_SCALARS = {
    "bool": descriptor_pb2.FieldDescriptorProto.TYPE_BOOL,
    "int32": descriptor_pb2.FieldDescriptorProto.TYPE_INT32,
    "int64": descriptor_pb2.FieldDescriptorProto.TYPE_INT64,
    "uint32": descriptor_pb2.FieldDescriptorProto.TYPE_UINT32,
    "uint64": descriptor_pb2.FieldDescriptorProto.TYPE_UINT64,
    "float": descriptor_pb2.FieldDescriptorProto.TYPE_FLOAT,
    "double": descriptor_pb2.FieldDescriptorProto.TYPE_DOUBLE,
    "string": descriptor_pb2.FieldDescriptorProto.TYPE_STRING,
    "bytes": descriptor_pb2.FieldDescriptorProto.TYPE_BYTES,
}
_PARAMETERS = "map InferParameter parameters"
_TENSOR = ("string name", "string datatype", "* int64 shape", _PARAMETERS, "InferTensorContents contents")
# Message -> its fields in the order of their numbers, from 1: `*` is repeated, `map` has texts as keys, `|` belongs to
# the one choice of the message. Nested messages of the published file stand on their own; the bytes are the same.
_FIELDS: Mapping[str, tuple[str, ...]] = {
    "InferParameter": (
        *("| bool bool_param", "| int64 int64_param", "| string string_param", "| double double_param"),
        "| uint64 uint64_param",
    ),
    "InferTensorContents": (
        *("* bool bool_contents", "* int32 int_contents", "* int64 int64_contents", "* uint32 uint_contents"),
        *("* uint64 uint64_contents", "* float fp32_contents", "* double fp64_contents", "* bytes bytes_contents"),
    ),
    "InputTensor": _TENSOR,
    "OutputTensor": _TENSOR,
    "RequestedOutput": ("string name", _PARAMETERS),
    "ModelInferRequest": (
        *("string model_name", "string model_version", "string id", _PARAMETERS, "* InputTensor inputs"),
        *("* RequestedOutput outputs", "* bytes raw_input_contents"),
    ),
    "ModelInferResponse": (
        *("string model_name", "string model_version", "string id", _PARAMETERS, "* OutputTensor outputs"),
        "* bytes raw_output_contents",
    ),
    "ModelReadyRequest": ("string name", "string version"),
    "ModelReadyResponse": ("bool ready",),
}

# Datatype -> code of `struct`, and the field of InferTensorContents.
_CODES = {
    "BOOL": ("?", "bool_contents"),
    "INT8": ("b", "int_contents"),
    "INT16": ("h", "int_contents"),
    "INT32": ("i", "int_contents"),
    "INT64": ("q", "int64_contents"),
    "UINT8": ("B", "uint_contents"),
    "UINT16": ("H", "uint_contents"),
    "UINT32": ("I", "uint_contents"),
    "UINT64": ("Q", "uint64_contents"),
    "FP16": ("e", ""),
    "FP32": ("f", "fp32_contents"),
    "FP64": ("d", "fp64_contents"),
    "BYTES": ("", "bytes_contents"),
}
_LENGTH = struct.Struct("<I")


class _ParameterMessage(Protocol):
    def WhichOneof(self, name: str) -> str | None: ...  # noqa: N802 - protobuf's name


class _OutputMessage(Protocol):
    name: str
    datatype: str
    shape: Sequence[int]
    parameters: Mapping[str, _ParameterMessage]
    contents: object


class _ResponseMessage(Protocol):
    outputs: Sequence[_OutputMessage]
    raw_output_contents: Sequence[bytes]


def message_class(name: str) -> type[Message]:
    """Return the class of a message of the table."""
    return _CLASSES[name]


def write_request(
    *,
    model: str,
    version: str,
    request_id: str,
    inputs: Sequence[Tensor],
    parameters: Mapping[str, object],
    outputs: Sequence[object],
) -> bytes:
    """Return a ModelInferRequest whose tensors are raw. ValueError when a value does not fit its datatype."""
    request = _CLASSES["ModelInferRequest"](
        model_name=model,
        model_version=version,
        id=request_id,
        parameters=_write_parameters(parameters),
        inputs=[
            {
                "name": tensor["name"],
                "datatype": tensor["datatype"],
                "shape": tensor["shape"],
                "parameters": _write_parameters(tensor.get("parameters") or {}),
            }
            for tensor in inputs
        ],
        outputs=[
            {"name": str(output["name"]), "parameters": _write_parameters(output.get("parameters") or {})}
            for output in outputs
            if isinstance(output, dict) and "name" in output
        ],
        raw_input_contents=[_pack(tensor) for tensor in inputs],
    )
    return request.SerializeToString()


def read_outputs(body: bytes) -> list[Tensor]:
    """Return the outputs of a ModelInferResponse. ValueError when it is malformed."""
    response = cast(_ResponseMessage, _parse("ModelInferResponse", body))
    raw = list(response.raw_output_contents)
    if raw and len(raw) != len(response.outputs):
        raise ValueError(f"it has {len(response.outputs)} outputs and {len(raw)} raw contents")
    return [
        {
            "name": output.name,
            "datatype": output.datatype,
            "shape": list(output.shape),
            "parameters": _read_parameters(output.parameters),
            "data": _unpack(output, raw[index]) if raw else _read_contents(output),
        }
        for index, output in enumerate(response.outputs)
    ]


def write_ready(model: str, version: str) -> bytes:
    """Return a ModelReadyRequest."""
    return _CLASSES["ModelReadyRequest"](name=model, version=version).SerializeToString()


def read_ready(body: bytes) -> bool:
    """Return the answer to a ModelReadyRequest; False when it is malformed."""
    try:
        return bool(getattr(_parse("ModelReadyResponse", body), "ready", False))
    except ValueError:
        return False


def _build_classes() -> dict[str, type[Message]]:
    file = descriptor_pb2.FileDescriptorProto(name="nlapi/inference.proto", package="inference", syntax="proto3")
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        if any(text.startswith("|") for text in fields):
            message.oneof_decl.add(name="choice")
        for number, text in enumerate(fields, 1):
            _add_field(message, number, text)
    # A pool of its own: another package in this process may have the published file under the same names.
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    find = pool.FindMessageTypeByName
    return {name: message_factory.GetMessageClass(find(f"inference.{name}")) for name in _FIELDS}


def _add_field(message: descriptor_pb2.DescriptorProto, number: int, text: str) -> None:
    *flags, kind, name = text.split()
    is_repeated = "*" in flags or "map" in flags
    proto = descriptor_pb2.FieldDescriptorProto
    field = message.field.add(
        name=name, number=number, label=proto.LABEL_REPEATED if is_repeated else proto.LABEL_OPTIONAL
    )
    if "map" in flags:
        entry = message.nested_type.add(name="ParametersEntry")
        entry.options.map_entry = True
        _add_field(entry, 1, "string key")
        _add_field(entry, 2, f"{kind} value")
        kind = f"{message.name}.ParametersEntry"
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        field.type, field.type_name = proto.TYPE_MESSAGE, f".inference.{kind}"
    if "|" in flags:
        field.oneof_index = 0


_CLASSES = _build_classes()


def _parse(name: str, body: bytes) -> Message:
    message = _CLASSES[name]()
    try:
        message.ParseFromString(body)
    except DecodeError as error:
        raise ValueError(f"it is no {name}") from error
    return message


def _pack(tensor: Tensor) -> bytes:
    datatype, data = tensor["datatype"], tensor["data"]
    if datatype == "BYTES":
        return b"".join(chain.from_iterable((_LENGTH.pack(len(text)), text) for text in map(str.encode, data)))
    code = _CODES.get(datatype, ("", ""))[0]
    if not code:
        raise ValueError(f"{tensor['name']!r} is of {datatype}, which has no form here")
    if code in "efd":
        data = [float("nan") if value is None else value for value in data]
    try:
        return struct.pack(f"<{len(data)}{code}", *data)
    except (struct.error, OverflowError) as error:
        raise ValueError(f"{tensor['name']!r} holds values that are no {datatype}") from error


def _unpack(output: _OutputMessage, raw: bytes) -> list[object]:
    if output.datatype == "BYTES":
        return [_decode_text(output.name, text) for text in _split_texts(output.name, raw)]
    code = _CODES.get(output.datatype, ("", ""))[0]
    if not code:
        raise ValueError(f"output {output.name!r} is of {output.datatype[:20]!r}, which has no form in JSON")
    size = struct.calcsize(code)
    if len(raw) % size:
        raise ValueError(f"output {output.name!r} has {len(raw)} bytes, which are not elements of {output.datatype}")
    return list(struct.unpack(f"<{len(raw) // size}{code}", raw))


def _split_texts(name: str, raw: bytes) -> Iterator[bytes]:
    start = 0
    while start < len(raw):
        end = start + _LENGTH.size
        length = _LENGTH.unpack_from(raw, start)[0] if end <= len(raw) else len(raw)
        if end + length > len(raw):
            raise ValueError(f"output {name!r} ends within an element")
        yield raw[end : end + length]
        start = end + length


def _read_contents(output: _OutputMessage) -> list[object]:
    field = _CODES.get(output.datatype, ("", ""))[1]
    if not field:
        raise ValueError(f"output {output.name!r} is of {output.datatype[:20]!r}, which has no contents")
    contents = list(getattr(output.contents, field))
    return [_decode_text(output.name, text) for text in contents] if output.datatype == "BYTES" else contents


def _decode_text(name: str, content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"output {name!r} holds bytes that are not text") from error


def _write_parameters(parameters: Mapping[str, object]) -> dict[str, dict[str, object]]:
    kinds = {bool: "bool_param", int: "int64_param", str: "string_param", float: "double_param"}
    fields = {}
    for name, value in parameters.items():
        if type(value) not in kinds or (type(value) is int and not -(2**63) <= value < 2**63):
            raise ValueError(f"parameter {str(name)[:80]!r} is not text, number or boolean")
        fields[str(name)] = {kinds[type(value)]: value}
    return fields


def _read_parameters(parameters: Mapping[str, _ParameterMessage]) -> dict[str, object]:
    values = {}
    for name, parameter in parameters.items():
        choice = parameter.WhichOneof("choice")
        if choice is not None:
            values[name] = getattr(parameter, choice)
    return values
