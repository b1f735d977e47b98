"""Runs a version on a remote shard: its input in the shard's protocol, a call, and the output."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from time import perf_counter
from typing import Any, Protocol

import orjson

from nlapi.errors import NlapiError
from nlapi.gateway.call_headers import request_headers, version_headers
from nlapi.gateway.inference import (
    FailureKind,
    InferenceError,
    InferenceRequest,
    InferenceResult,
    UpstreamError,
)
from nlapi.gateway.open_inference import OpenInferenceCodec, TensorCall, TensorCodec, server_names
from nlapi.gateway.shard_checks import is_grpc
from nlapi.gateway.shard_client import ShardCall, UsualLatency
from nlapi.gateway.shards import Cluster
from nlapi.routing.model import Shard, ShardProtocol, Version

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


_log = logging.getLogger(__name__)


class CallCodec(Protocol):
    """The bytes of one version's calls in a shard's protocol, and the paths that they go to."""

    path: str
    ready_path: str
    ready_body: bytes

    def encode(self, value: object, request_id: str) -> tuple[bytes, TensorCall]:
        """Return the body for an input, and what `decode` needs of it. ValueError when the input has no such form."""

    def decode(self, body: bytes, call: TensorCall) -> Any:
        """Return the output in an answer. ValueError when it is not of the protocol."""


class JsonCodec:
    """The input and the output as JSON, at the address of the endpoint."""

    path = ready_path = ""
    ready_body = b""

    def encode(self, value: object, request_id: str) -> tuple[bytes, TensorCall]:
        """Return the input as JSON."""
        return orjson.dumps(value), _NO_TENSORS

    def decode(self, body: bytes, call: TensorCall) -> Any:
        """Return an answer's JSON. ValueError."""
        return orjson.loads(body)


_NO_TENSORS = TensorCall(inputs=[])


class RemoteRunner:
    """The runner of one version on a shard."""

    def __init__(self, version: Version, cluster: Cluster, *, owns_cluster: bool = False) -> None:
        self.cluster = cluster
        self._owns_cluster = owns_cluster
        self._ref = version.ref
        self._codec = _open_codec(version, cluster.shard)
        self._headers = version_headers(version.ref)
        self._usual = UsualLatency()

    async def run(self, request: InferenceRequest, timeout_s: float, *, repeatable: bool) -> InferenceResult:
        """Return the version's output, with the single stage "remote"."""
        before = perf_counter()
        codec = self._codec
        try:
            body, tensors = codec.encode(request.input, request.request_id)
        except ValueError as error:
            text = f"its model server takes tensors: {error}"
            raise UpstreamError(FailureKind.INVALID, text, executed=False, status=422, hint=_INPUT_HINT) from error
        call = ShardCall(
            path=codec.path,
            headers=self._request_headers(request),
            body=body,
            timeout_s=timeout_s,
            repeatable=repeatable,
            objective=request.objective,
            usual=self._usual,
            ready_path=codec.ready_path,
            ready_body=codec.ready_body,
        )
        self.cluster.bulkhead.enter(request)
        try:
            result = await self.cluster.call(call)
        finally:
            self.cluster.bulkhead.leave(request)
        try:
            output = codec.decode(result.output, tensors)
        except (ValueError, TypeError) as error:
            text = f"{result.endpoint} gave an answer that is not of its protocol"
            reason = "" if isinstance(error, orjson.JSONDecodeError | TypeError) else str(error)
            raise InferenceError(
                FailureKind.INVALID, text, executed=True, attempts=result.attempts, operator_text=reason
            ) from error
        stages = {"remote": (perf_counter() - before) * 1000}
        return InferenceResult(output=output, stages=stages, attempts=result.attempts, endpoint=result.endpoint)

    async def close(self) -> None:
        if self._owns_cluster:
            await self.cluster.close()

    def _request_headers(self, request: InferenceRequest) -> Mapping[str, str]:
        headers = self._headers | request_headers(request)
        try:
            return headers | self.cluster.access.request_headers()
        except NlapiError as error:
            # The client sees neither the path of a file nor the name of a variable.
            _log.warning("%s: %s", self._ref, error.message)
            hint = f"check the key and the headers of shard {self.cluster.shard.name}"
            text = "its key cannot be read"
            raise UpstreamError(FailureKind.ERROR, text, executed=False, operator_text=hint) from None


_INPUT_HINT = "change the input: sent again as it is, it is refused again"


def _open_codec(version: Version, shard: Shard) -> CallCodec:
    if shard.protocol is not ShardProtocol.OPEN_INFERENCE:
        return JsonCodec()
    if any(map(is_grpc, shard.endpoints)):
        return OpenInferenceGrpcCodec(version, shard)
    return OpenInferenceCodec(version, shard)
