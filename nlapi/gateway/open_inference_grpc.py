"""The calls of the Open Inference Protocol over gRPC: methods and messages."""

from __future__ import annotations

from typing import Any

from nlapi.gateway.open_inference import TensorCall, TensorCodec, server_names
from nlapi.routing.model import Shard, Version

_SERVICE = "/inference.GRPCInferenceService"


class OpenInferenceGrpcCodec:
    """The calls of one version over gRPC. Needs `nlapi[grpc]`."""

    path = f"{_SERVICE}/ModelInfer"
    ready_path = f"{_SERVICE}/ModelReady"

    def __init__(self, version: Version, shard: Shard) -> None:
        # protobuf belongs to an extra.
        from nlapi.gateway import open_inference_messages

        self._messages = open_inference_messages
        self._tensors = TensorCodec(version)
        self._model, self._version = server_names(version, shard)
        self.ready_body = self._messages.write_ready(self._model, self._version)

    def encode(self, value: object, request_id: str) -> tuple[bytes, TensorCall]:
        """Return a ModelInferRequest, and what `decode` needs of it. ValueError."""
        call = self._tensors.encode(value)
        body = self._messages.write_request(
            model=self._model,
            version=self._version,
            request_id=request_id,
            inputs=call.inputs,
            parameters=call.parameters,
            outputs=call.outputs,
        )
        return body, call

    def decode(self, body: bytes, call: TensorCall) -> Any:
        """Return the output in a ModelInferResponse. ValueError when it is malformed."""
        return self._tensors.decode(self._messages.read_outputs(body), call)
