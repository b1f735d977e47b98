"""The control plane: serves resources to Envoys by delta ADS over gRPC, and knows what each has taken or refused."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import grpc

from nlapi.errors import UsageError
from nlapi.gateway.envoy.envoy_process import EnvoyVersion, age_problem
from nlapi.gateway.envoy.messages import EncodedResource, message_class
from nlapi.gateway.envoy.rate_limits import GlobalLimits
from nlapi.gateway.envoy.resources import (
    CLUSTER,
    ENDPOINTS,
    LISTENERS,
    RESOURCE_TYPES,
    ROUTES,
    SCOPE,
    SECRET,
    EncodedResources,
)

# xDS: a first request for these types that names nothing is for all of them.
_WILDCARD_TYPES = frozenset((CLUSTER, LISTENERS, SCOPE))
# Sent together, so that 1,000 clusters take no 1,000 round trips; Envoy names those that it refuses. Of the others it
# refuses a whole response without a name, so each has a separate response.
_BATCHED_TYPES = frozenset((CLUSTER, ENDPOINTS, SCOPE))
# Envoy answers for a cluster only when it has its endpoints and certificates.
_WARMING_TYPES = frozenset((ENDPOINTS, SECRET))
_LAST_REMOVED = (CLUSTER, ENDPOINTS)
_WILDCARD = "*"
_ABSENT = ""
"""the version of a resource that Envoy knows not to be there"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeltaRequest:
    """What a DeltaDiscoveryRequest holds. `error` is the reason of a NACK."""

    type_url: str
    subscribe: Sequence[str] = ()
    unsubscribe: Sequence[str] = ()
    known_versions: Mapping[str, str] = field(default_factory=dict)
    nonce: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeltaResponse:
    """What a DeltaDiscoveryResponse holds."""

    type_url: str
    nonce: str
    resources: tuple[EncodedResource, ...]
    removed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """A response that an Envoy refused (NACK): the resources in it, and the reason in Envoy's words."""

    type_url: str
    names: tuple[str, ...]
    reason: str


@dataclass(slots=True)
class _Subscription:
    """What an Envoy asked for of one type, and the versions that it has."""

    names: set[str] = field(default_factory=set)
    versions: dict[str, str] = field(default_factory=dict)
    is_answered: bool = False

    @property
    def awaits_empty(self) -> bool:
        """Whether an empty response has to say that there is nothing, as Envoy waits for the first one."""
        return not self.is_answered and not self.versions and _WILDCARD in self.names

    def selected(self, resources: Mapping[str, EncodedResource]) -> Iterable[str]:
        """Return the names that it gets."""
        if _WILDCARD in self.names:
            return [*resources, *(name for name in self.names if name != _WILDCARD and name not in resources)]
        return self.names


class DeltaStream:
    """The state of one Envoy: its subscriptions, its resources, and those that it refused."""

    def __init__(self) -> None:
        self._subscriptions: dict[str, _Subscription] = {}
        self._outstanding: dict[str, DeltaResponse] = {}
        """type URL -> the response that Envoy has not answered yet"""
        self._nonces = 0
        self._rejected: dict[tuple[str, str], Rejection] = {}
        """type URL and name of each resource whose present content was refused"""

    @property
    def rejections(self) -> tuple[Rejection, ...]:
        """What Envoy refused and still refuses."""
        return tuple(dict.fromkeys(self._rejected.values()))

    @property
    def is_settled(self) -> bool:
        """Whether Envoy has answered everything that was sent."""
        return not self._outstanding

    def receive(self, request: DeltaRequest) -> Rejection | None:
        """Take a request in, and return the rejection if it is one."""
        subscription = self._subscriptions.get(request.type_url)
        if subscription is None:
            subscription = self._subscriptions[request.type_url] = _Subscription(versions=dict(request.known_versions))
            if request.type_url in _WILDCARD_TYPES and not request.subscribe:
                subscription.names.add(_WILDCARD)
        for name in request.subscribe:
            subscription.names.add(name)
            # A name that is subscribed again is sent again: Envoy has dropped it meanwhile.
            if name not in request.known_versions:
                subscription.versions.pop(name, None)
        for name in request.unsubscribe:
            subscription.names.discard(name)
            subscription.versions.pop(name, None)
        return self._settle(request)

    def _settle(self, request: DeltaRequest) -> Rejection | None:
        response = self._outstanding.get(request.type_url)
        if response is None or response.nonce != request.nonce:
            return None
        del self._outstanding[request.type_url]
        names = (*(resource.name for resource in response.resources), *response.removed)
        for name in names:
            self._rejected.pop((request.type_url, name), None)
        if not request.error:
            if request.type_url == CLUSTER:
                self._retry_routes()
            return None
        # A refused resource counts as sent: Envoy keeps the one before, and would refuse the same content again. Of
        # several clusters it takes the good ones, and names the others.
        refused = tuple(name for name in names if f"{name}:" in request.error) or names
        rejection = Rejection(type_url=request.type_url, names=refused, reason=request.error)
        self._rejected |= {(request.type_url, name): rejection for name in refused}
        return rejection

    def _retry_routes(self) -> None:
        """Let refused routes be sent again: what they lacked may be one of the clusters that Envoy has now."""
        for type_url, name in self._rejected:
            if type_url == ROUTES:
                self._subscriptions[type_url].versions.pop(name, None)

    def next_response(self, current: EncodedResources) -> DeltaResponse | None:
        """Return what Envoy has to get next of the current resources, or None while it has all or has to answer first.

        A type is sent when Envoy has answered for the types before it, and clusters with their endpoints are removed
        last: no route ever names a cluster that is not there.
        """
        for type_url in RESOURCE_TYPES:
            if type_url in self._outstanding:
                continue
            if self._outstanding and type_url not in _WARMING_TYPES:
                return None
            response = self._difference(type_url, current, removes=type_url not in _LAST_REMOVED)
            if response is not None:
                return response
        if self._outstanding:
            return None
        removals = (self._difference(type_url, current, removes=True) for type_url in _LAST_REMOVED)
        return next((response for response in removals if response is not None), None)

    def _difference(self, type_url: str, current: EncodedResources, *, removes: bool) -> DeltaResponse | None:
        subscription, resources = self._subscriptions.get(type_url), current.get(type_url, {})
        if subscription is None:
            return None
        changed = tuple(
            resources[name]
            for name in subscription.selected(resources)
            if name in resources and subscription.versions.get(name) != resources[name].version
        )
        removed: tuple[str, ...] = ()
        if removes:
            missing = [name for name in subscription.selected(resources) if name not in resources]
            gone = {name for name, version in subscription.versions.items() if version and name not in resources}
            removed = tuple(
                sorted({*gone, *(name for name in missing if name != _WILDCARD and name not in subscription.versions)})
            )
        if not changed and not removed and not subscription.awaits_empty:
            return None
        subscription.is_answered = True
        if type_url not in _BATCHED_TYPES:
            changed, removed = (changed[:1], ()) if changed else ((), removed)
        self._nonces += 1
        response = DeltaResponse(type_url=type_url, nonce=str(self._nonces), resources=changed, removed=removed)
        subscription.versions |= {resource.name: resource.version for resource in changed}
        # Said once that it is not there; for wildcards it is forgotten.
        for name in removed:
            if name in subscription.names:
                subscription.versions[name] = _ABSENT
            else:
                subscription.versions.pop(name, None)
        self._outstanding[type_url] = response
        return response


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
    """An Envoy on its stream: its identity, its resources, and those that it refused."""

    node: str
    version: EnvoyVersion
    revision: int = 0
    """the last revision of which it has taken everything that it did not refuse; 0 before the first"""
    stream: DeltaStream = field(default_factory=DeltaStream)

    @property
    def rejections(self) -> tuple[Rejection, ...]:
        """The resources that it still refuses."""
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
        """Close all streams; Envoys continue with their resources."""
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
