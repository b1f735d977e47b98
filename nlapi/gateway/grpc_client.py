"""Calls of replicas over gRPC. grpcio is imported late: it belongs to an extra."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING

from nlapi.errors import UsageError
from nlapi.extras import install_hint
from nlapi.gateway.http_client import AnswerBrokenError, NoAnswerError, NotSentError
from nlapi.gateway.shard_client import ShardCall, ShardResponse
from nlapi.gateway.tls import ClientTls

if TYPE_CHECKING:
    import grpc

    _Method = grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]

# Status codes of gRPC as those of HTTP that mean the same to a caller; all others are the server's failure.
_HTTP_STATUSES = {
    "INVALID_ARGUMENT": 400,
    # MLServer's 422.
    "FAILED_PRECONDITION": 422,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "UNIMPLEMENTED": 404,
    "RESOURCE_EXHAUSTED": 429,
}
# gRPC writes these headers itself.
_HTTP_HEADERS = frozenset(("content-type", "accept"))
# A server that has no such method, or does not show it to everybody: the call itself decides then.
_NO_READY_METHOD = (401, 403, 404)
_LIVE_PATH = "/inference.GRPCInferenceService/ServerLive"
# The reason of a connection that failed is already there; nothing is sent for it.
_REASON_TIMEOUT_S = 0.5


class GrpcClient:
    """Sends calls to replicas over gRPC. `max_body` is the maximum number of bytes of an answer."""

    def __init__(self, max_body: int, tls: ClientTls) -> None:
        self._max_body = max_body
        self._tls = tls
        self._credentials: grpc.ChannelCredentials | None = None
        self._channels: dict[str, grpc.aio.Channel] = {}

    def prepare(self) -> None:
        """Import grpcio and protobuf, and read the files of TLS. UsageError when one is missing or faulty."""
        try:
            import_module("grpc.aio")
            import_module("nlapi.gateway.open_inference_messages")
        except ImportError as error:
            message = "shards with grpc:// endpoints need grpcio and protobuf, of which one is not installed"
            raise UsageError(message, hint=install_hint("grpc")) from error
        self._credentials = self._credentials or self._read_credentials()

    async def close(self) -> None:
        """Close its connections; calls in flight are canceled."""
        channels, self._channels = list(self._channels.values()), {}
        for channel in channels:
            await channel.close()

    async def infer(self, url: str, call: ShardCall, connect_s: float) -> ShardResponse:
        """Send a call with its deadline and return the answer. NotSentError, NoAnswerError or AnswerBrokenError.

        A call that is canceled is canceled at the server too. TimeoutError when its time is over.
        """
        return await self._send(url, call.path, call.body, call, connect_s)

    async def is_ready(self, url: str, call: ShardCall, connect_s: float) -> bool:
        """Return whether a replica calls the model of a call ready; without such a method it is."""
        from nlapi.gateway.open_inference_messages import read_ready

        answer = await self._send(url, call.ready_path, call.ready_body, call, connect_s)
        return read_ready(answer.body) if answer.status == 200 else answer.status in _NO_READY_METHOD

    async def _send(self, url: str, path: str, body: bytes, call: ShardCall, connect_s: float) -> ShardResponse:
        import grpc

        channel = await self._connect(url, connect_s)
        method: _Method = channel.unary_unary(path)
        try:
            answer = await method(body, timeout=max(call.remaining_s, 0.001), metadata=_metadata(call.headers))
        except grpc.aio.AioRpcError as error:
            return self._read_error(error)
        return ShardResponse(status=200, body=bytes(answer))

    async def _connect(self, url: str, connect_s: float) -> grpc.aio.Channel:
        """Return a connected channel. NotSentError with the reason when there is none in time."""
        # gRPC's UNAVAILABLE does not say whether a call was sent, so that none begins before there is a connection.
        import grpc

        channel = self._channels.get(url)
        if channel is None:
            channel = self._channels[url] = self._open_channel(url)
        lost = (grpc.ChannelConnectivity.TRANSIENT_FAILURE, grpc.ChannelConnectivity.SHUTDOWN)
        try:
            async with asyncio.timeout(connect_s) as deadline:
                state = channel.get_state(try_to_connect=True)
                while state is not grpc.ChannelConnectivity.READY and state not in lost:
                    await channel.wait_for_state_change(state)
                    state = channel.get_state(try_to_connect=True)
        except TimeoutError:
            if not deadline.expired():
                raise
            raise NotSentError(f"no gRPC connection within {connect_s * 1000:.0f} ms") from None
        if state is grpc.ChannelConnectivity.READY:
            return channel
        # A new channel tries at once; this one would wait for longer and longer before it does.
        if self._channels.get(url) is channel:
            del self._channels[url]
        reason = await _failure_reason(channel)
        await channel.close()
        raise NotSentError(f"no gRPC connection: {reason}")

    def _open_channel(self, url: str) -> grpc.aio.Channel:
        import grpc

        scheme, _, address = url.partition("://")
        options = (
            ("grpc.max_receive_message_length", self._max_body),
            ("grpc.max_send_message_length", -1),
            ("grpc.enable_http_proxy", 0),
            # Channels would share connections, and their pauses between attempts, with others of this process.
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.primary_user_agent", "nlapi-gateway"),
        )
        if scheme.lower() == "grpc":
            return grpc.aio.insecure_channel(address, options=options)
        return grpc.aio.secure_channel(address, self._credentials or self._read_credentials(), options=options)

    def _read_credentials(self) -> grpc.ChannelCredentials:
        import grpc

        ca, certificate = self._tls.read_ca(), self._tls.read_certificate()
        pem = certificate.encode() if certificate else None
        return grpc.ssl_channel_credentials(
            root_certificates=ca.encode() if ca else None, private_key=pem, certificate_chain=pem
        )

    def _read_error(self, error: grpc.aio.AioRpcError) -> ShardResponse:
        """Return the answer that an error stands for. TimeoutError, NoAnswerError or AnswerBrokenError."""
        code, details = error.code().name, error.details() or ""
        if code == "DEADLINE_EXCEEDED":
            raise TimeoutError from error
        if code == "RESOURCE_EXHAUSTED" and "eceived message larger than max" in details:
            raise AnswerBrokenError(f"it is larger than {self._max_body:,} bytes") from error
        if code in ("UNAVAILABLE", "CANCELLED"):
            raise NoAnswerError(f"no answer: {details[:200] or code}") from error
        return ShardResponse(status=_HTTP_STATUSES.get(code, 500), body=details.encode())


async def _failure_reason(channel: grpc.aio.Channel) -> str:
    """Return the reason why a channel has no connection."""
    import grpc

    try:
        method: _Method = channel.unary_unary(_LIVE_PATH)
        await method(b"", timeout=_REASON_TIMEOUT_S)
    except grpc.aio.AioRpcError as error:
        details = error.details() or error.code().name
        return details.rpartition("last error: ")[2][:200]
    return "it was lost"


def _metadata(headers: Mapping[str, str]) -> tuple[tuple[str, str | bytes], ...]:
    return tuple(
        (name.lower(), value.encode() if name.lower().endswith("-bin") else value)
        for name, value in headers.items()
        if name.lower() not in _HTTP_HEADERS
    )
