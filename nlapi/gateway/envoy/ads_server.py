"""The control plane: serves resources to Envoys by delta ADS over gRPC, and knows what each has taken or refused."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import grpc

from nlapi.errors import UsageError
from nlapi.gateway.envoy.delta_stream import DeltaRequest, DeltaResponse, DeltaStream, Rejection
from nlapi.gateway.envoy.envoy_version import EnvoyVersion, age_problem
from nlapi.gateway.envoy.global_limits import GlobalLimits
from nlapi.gateway.envoy.messages import message_class
from nlapi.gateway.envoy.resources import EncodedResources

_SERVICE = "envoy.service.discovery.v3.AggregatedDiscoveryService"
_REQUEST = "envoy.service.discovery.v3.DeltaDiscoveryRequest"
_RESPONSE = "envoy.service.discovery.v3.DeltaDiscoveryResponse"

# Seconds between two probes of a connection without traffic, so that an Envoy that vanished is known to be gone.
_KEEPALIVE_S = 10
_OPTIONS = (
    ("grpc.keepalive_time_ms", _KEEPALIVE_S * 1000),
    ("grpc.keepalive_timeout_ms", _KEEPALIVE_S * 1000),
    ("grpc.http2.min_ping_interval_without_data_ms", 5000),
    # Two control planes on one port would each have half of the Envoys.
    ("grpc.so_reuseport", 0),
)

_log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class ConnectedEnvoy:
    """An Envoy on its stream: who it is, what it has, and what it refused."""

    node: str
    version: EnvoyVersion
    revision: int = 0
    """the last revision of which it has taken everything that it did not refuse; 0 before the first"""
    stream: DeltaStream = field(default_factory=DeltaStream)

    @property
    def rejections(self) -> tuple[Rejection, ...]:
        """What it refused and still refuses."""
        return self.stream.rejections


class AdsServer:
    """Serves the current resources to every Envoy that connects.

    Create, update and close it in one event loop. `credentials` is None for a server without TLS, which belongs on
    loopback.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        credentials: grpc.ServerCredentials | None = None,
        on_rejection: Callable[[str, Rejection], None] = lambda node, rejection: None,
    ) -> None:
        self._host = host
        self._port = port
        self._credentials = credentials
        self._on_rejection = on_rejection
        self._server: grpc.aio.Server | None = None
        self._resources: EncodedResources = {}
        self._revision = 0
        self._connected: dict[int, tuple[ConnectedEnvoy, asyncio.Event]] = {}
        self.too_old: dict[str, str] = {}
        """node -> why the Envoy of that name is not served"""
        self.rejection_count = 0
        self._progress = asyncio.Event()
        self._overdue_revision = -1
        self.limits = GlobalLimits()
        """the rate limits over all Envoys, which they ask on the same port"""

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._port

    @property
    def envoys(self) -> list[ConnectedEnvoy]:
        """The Envoys that are connected, by name."""
        return sorted((envoy for envoy, _ in self._connected.values()), key=lambda envoy: envoy.node)

    async def start(self) -> None:
        """Listen. UsageError when the port is in use."""
        server = grpc.aio.server(options=_OPTIONS)
        handler = grpc.stream_stream_rpc_method_handler(
            self._serve_stream,
            request_deserializer=message_class(_REQUEST).FromString,
            response_serializer=message_class(_RESPONSE).SerializeToString,
        )
        methods = {"DeltaAggregatedResources": handler}
        stream_handler = grpc.method_handlers_generic_handler(_SERVICE, methods)
        server.add_generic_rpc_handlers((stream_handler, self.limits.handler()))
        host = f"[{self._host}]" if ":" in self._host else self._host
        address = f"{host}:{self._port}"
        try:
            if self._credentials is None:
                self._port = server.add_insecure_port(address)
            else:
                self._port = server.add_secure_port(address, self._credentials)
        except RuntimeError:
            hint = "name another one with --control-port; 0 takes a free one"
            raise UsageError(f"cannot serve Envoy on {address}: the address is in use", hint=hint) from None
        await server.start()
        self._server = server

    async def stop(self) -> None:
        """Close all streams; Envoys go on with what they have."""
        if self._server is not None:
            await self._server.stop(grace=0)
            self._server = None

    def update(self, resources: EncodedResources, revision: int) -> None:
        """Send what differs to every Envoy, now and as it connects."""
        self._resources, self._revision = resources, revision
        for _, changed in self._connected.values():
            changed.set()

    async def wait_taken(self, timeout_s: float) -> bool:
        """Wait until every connected Envoy has taken or refused the current revision; return whether it is so."""
        revision = self._revision
        if revision == self._overdue_revision:  # waited for in vain already: an Envoy hangs, and nobody waits again
            return False
        try:
            async with asyncio.timeout(timeout_s):
                while any(envoy.revision < revision for envoy, _ in self._connected.values()):
                    await self._progress.wait()
        except TimeoutError:
            self._overdue_revision = revision
            return False
        return True

    def _report_progress(self) -> None:
        progress, self._progress = self._progress, asyncio.Event()
        progress.set()

    async def _serve_stream(self, requests: AsyncIterator[Any], context: grpc.aio.ServicerContext[Any, Any]) -> None:
        first = await anext(requests, None)
        if first is None:
            return
        envoy = _connected_envoy(first)
        if problem := age_problem(envoy.version):
            self.too_old[envoy.node] = problem
            _log.error("Envoy %s is not served: %s", envoy.node, problem)
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, problem)
        self.too_old.pop(envoy.node, None)
        changed = asyncio.Event()
        self._connected[id(envoy)] = envoy, changed
        self._receive(envoy, first)
        reader = asyncio.create_task(self._read(envoy, requests, changed))
        try:
            while not reader.done():
                changed.clear()
                await self._send_changes(envoy, context)
                await changed.wait()
        finally:
            del self._connected[id(envoy)]
            self._report_progress()
            reader.cancel()
            with suppress(asyncio.CancelledError, grpc.RpcError):
                await reader

    async def _read(self, envoy: ConnectedEnvoy, requests: AsyncIterator[Any], changed: asyncio.Event) -> None:
        try:
            async for request in requests:
                self._receive(envoy, request)
                changed.set()
        finally:
            changed.set()

    def _receive(self, envoy: ConnectedEnvoy, message: Any) -> None:
        rejection = envoy.stream.receive(_decode_request(message))
        if rejection is not None:
            self.rejection_count += 1
            _log.error("Envoy %s refused %s: %s", envoy.node, ", ".join(rejection.names), rejection.reason)
            self._on_rejection(envoy.node, rejection)

    async def _send_changes(self, envoy: ConnectedEnvoy, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        revision, resources = self._revision, self._resources
        while (response := envoy.stream.next_response(resources)) is not None:
            await context.write(_encode_response(response, revision))
        if envoy.stream.is_settled:
            envoy.revision = revision
            self._report_progress()


def _connected_envoy(message: Any) -> ConnectedEnvoy:
    node = message.node
    version = node.user_agent_build_version.version
    return ConnectedEnvoy(
        node=node.id[:200],
        version=EnvoyVersion(version.major_number, version.minor_number, version.patch),
    )


def _decode_request(message: Any) -> DeltaRequest:
    versions: Mapping[str, str] = dict(message.initial_resource_versions)
    return DeltaRequest(
        type_url=message.type_url,
        subscribe=tuple(message.resource_names_subscribe),
        unsubscribe=tuple(message.resource_names_unsubscribe),
        known_versions=versions,
        nonce=message.response_nonce,
        error=(message.error_detail.message or "no reason") if message.HasField("error_detail") else "",
    )


def _encode_response(response: DeltaResponse, revision: int) -> Any:
    message = message_class(_RESPONSE)(
        type_url=response.type_url,
        nonce=response.nonce,
        removed_resources=response.removed,
        system_version_info=str(revision),
    )
    for resource in response.resources:
        entry = message.resources.add(name=resource.name, version=resource.version)
        entry.resource.type_url = resource.type_url
        entry.resource.value = resource.content
    return message
