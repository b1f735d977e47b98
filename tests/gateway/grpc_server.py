"""A server of the Open Inference Protocol over gRPC on loopback, in threads of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc

from nlapi.gateway.shards.open_inference_messages import message_class
from tests.gateway.certificates import Pair

Answer = Callable[[Any, Any], bytes]
"""What a request and its context are answered with: the bytes of a response."""


@dataclass(slots=True)
class Running:
    """A server, with what it received."""

    port: int
    requests: list[Any] = field(default_factory=list)
    metadata: list[dict[str, str]] = field(default_factory=list)
    deadlines: list[float] = field(default_factory=list)
    ready: bool = True

    @property
    def url(self) -> str:
        return f"grpc://127.0.0.1:{self.port}"


def echo(request: Any, context: Any) -> bytes:
    """A response whose outputs are the inputs, with the raw contents."""
    response = message_class("ModelInferResponse")(
        model_name=request.model_name, raw_output_contents=request.raw_input_contents
    )
    for tensor in request.inputs:
        response.outputs.add().MergeFromString(tensor.SerializeToString())
    return bytes(response.SerializeToString())


@contextmanager
def grpc_server(
    answer: Answer = echo, *, port: int = 0, pair: Pair | None = None, client_ca: bytes | None = None
) -> Iterator[Running]:
    """A server for as long as the block lasts; with TLS when it has a certificate."""
    running = Running(port=port)

    def infer(body: bytes, context: Any) -> bytes:
        request = message_class("ModelInferRequest").FromString(body)
        running.requests.append(request)
        running.metadata.append(dict(context.invocation_metadata()))
        running.deadlines.append(context.time_remaining())
        return answer(request, context)

    def model_ready(body: bytes, context: Any) -> bytes:
        return bytes(message_class("ModelReadyResponse")(ready=running.ready).SerializeToString())

    handlers = {
        "ModelInfer": grpc.unary_unary_rpc_method_handler(infer),
        "ModelReady": grpc.unary_unary_rpc_method_handler(model_ready),
    }
    server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("inference.GRPCInferenceService", handlers),))
    address = f"127.0.0.1:{port}"
    if pair is None:
        running.port = server.add_insecure_port(address)
    else:
        keys = [(pair.key.read_bytes(), pair.certificate.read_bytes())]
        credentials = grpc.ssl_server_credentials(keys, client_ca, client_ca is not None)
        running.port = server.add_secure_port(address, credentials)
    server.start()
    try:
        yield running
    finally:
        server.stop(None).wait()
