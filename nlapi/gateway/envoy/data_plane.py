"""Envoy as the data plane of a gateway: revisions become resources, and what Envoys refuse becomes issues."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from nlapi.errors import Issue, Level, UsageError
from nlapi.gateway.envoy.ads_server import AdsServer, ConnectedEnvoy, Rejection
from nlapi.gateway.envoy.carriage import CarriedVersions, ObjectiveCarriage, Plane, carriage, client_issues
from nlapi.gateway.envoy.clusters import CarriedVersion
from nlapi.gateway.envoy.documents import Json, JsonObject
from nlapi.gateway.envoy.envoy_process import EnvoyProcess
from nlapi.gateway.envoy.messages import EncodedResource, InvalidResourceError, encode_resource, encode_routes
from nlapi.gateway.envoy.options import DataPlaneOptions
from nlapi.gateway.envoy.resources import (
    LISTENERS,
    ROUTES,
    KeySettings,
    Resources,
    extension_resources,
    fixed_resources,
    merge_encoded,
    objective_resources,
)
from nlapi.gateway.ray.registry import HostRegistry
from nlapi.gateway.records.exposition import escape_label, header_lines
from nlapi.gateway.routing_keys.cells import list_cells
from nlapi.gateway.routing_keys.key_set import MAX_LIFETIME_S
from nlapi.gateway.routing_keys.key_verifier import ISSUER
from nlapi.routing.change import DECIDING_KINDS, ConfigurationChanges
from nlapi.routing.model import Configuration, Objective, ShardProtocol, VersionRef
from nlapi.serving import open_listener

if TYPE_CHECKING:
    from nlapi.gateway.routing_keys.key_ring import KeyRing

# Seconds that an Envoy of this machine has to start and take its first configuration; 0.1 to 0.5 s on an idle one.
START_TIMEOUT_S = 30.0
POLL_S = 0.02
# Seconds that a client waits for its key while a revision is on its way to Envoy, which takes some milliseconds.
PUBLISH_TIMEOUT_S = 1.0

_log = logging.getLogger(__name__)

_EncodedPart = Mapping[str, Mapping[str, EncodedResource]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _ObjectivePart:
    """An objective with its encoded resources, or with those before when the new ones cannot be encoded."""

    carriage: ObjectiveCarriage
    encoded: _EncodedPart
    fault: str = ""


class EnvoyDataPlane:
    """Configures Envoys from the revisions of a gateway, and runs one where a `process` says so.

    `publish` and `renew_keys` are called in the event loop that started it.
    """

    def __init__(
        self,
        options: DataPlaneOptions,
        control: AdsServer,
        keys: KeyRing,
        process: EnvoyProcess | None = None,
        *,
        hosts: HostRegistry | None = None,
    ) -> None:
        self.options = options
        self.control = control
        self._keys = keys
        self._hosts = hosts or HostRegistry(time.monotonic)
        self._process = process
        self._configuration = Configuration()
        self._revision = 0
        self._parts: dict[str, _ObjectivePart] = {}
        self._fixed: _EncodedPart = {}
        self._extensions: _EncodedPart = {}
        self._drain_task: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """The base URL of the listener for clients."""
        host = f"[{self.options.host}]" if ":" in self.options.host else self.options.host
        return f"{'https' if self.options.certificate else 'http'}://{host}:{self.options.port}"

    async def start(self) -> None:
        """Serve the control plane, and start Envoy where this gateway runs it.

        UsageError when a port is in use, or Envoy refuses its first configuration.
        """
        if self._process is not None:
            # Envoy would say so too, but only in its log and after its start.
            with open_listener(self.options.host, self.options.port):
                pass
        self._fixed = _encode(fixed_resources(self.options))
        self.renew_keys()
        self._hosts.on_change = self.renew_replicas
        await self.control.start()
        if self._process is not None:
            try:
                await self._process.start()
                await self._wait_ready()
            except BaseException:
                await self.stop()
                raise

    def begin_drain(self) -> None:
        """Let Envoy's readiness probe fail, where load balancers get time to notice."""
        if self._process is not None and self.options.drain_delay_s:
            self._drain_task = asyncio.create_task(self._process.fail_readiness())

    async def stop(self) -> None:
        """Drain and end Envoy, then close the control plane."""
        if self._process is not None:
            await self._process.stop()
        await self.control.stop()

    def publish(self, configuration: Configuration, revision: int) -> None:
        """Send what a revision changes to every Envoy."""
        changes = ConfigurationChanges(self._configuration, configuration)
        self._encode_objectives(configuration, _affected_objectives(changes, self._parts))
        self._configuration, self._revision = configuration, revision
        if changes.keys("clients"):
            self.control.limits.update(configuration.clients.values())
            self._encode_extensions()
        self._send()

    def renew_replicas(self) -> None:
        """Send the addresses of the replicas on Ray as they are known now."""
        configuration = self._configuration
        hosted = {name for name, shard in configuration.shards.items() if shard.protocol is ShardProtocol.RAY}
        affected = [name for name, part in self._parts.items() if not part.carriage.shards.isdisjoint(hosted)]
        if affected:
            try:
                self._encode_objectives(configuration, affected)
                self._send()
            except Exception:  # a heartbeat is taken all the same, and the next change tries again
                _log.exception("the replicas on Ray do not reach the data plane")

    async def wait_published(self) -> None:
        """Wait until every Envoy has answered for the last revision, for a second at most."""
        await self.control.wait_taken(PUBLISH_TIMEOUT_S)

    def renew_keys(self) -> None:
        """Send the public keys as they are now."""
        self._encode_extensions()
        self._send()

    def _encode_objectives(self, configuration: Configuration, names: Collection[str]) -> None:
        # The cells of the named objectives alone: those of 10,000 keys take as long as all else of a publication.
        selected = {name: configuration.objectives[name] for name in names if name in configuration.objectives}
        cells = list_cells(replace(configuration, objectives=selected))
        parts = {name: part for name, part in self._parts.items() if name in configuration.objectives}
        for name, objective in selected.items():
            carried = carriage(configuration, objective, cells[name], self._hosts.reported_endpoints)
            parts[name] = self._encode_objective(carried)
        self._parts = parts

    def _encode_objective(self, carried: ObjectiveCarriage) -> _ObjectivePart:
        try:
            return _ObjectivePart(carriage=carried, encoded=_encode(objective_resources(carried, self.options)))
        except InvalidResourceError as error:
            _log.error("objective %s stays as it is in Envoy: %s", carried.objective.name, error)
            before = self._parts.get(carried.objective.name)
            return _ObjectivePart(carriage=carried, encoded=before.encoded if before else {}, fault=str(error))

    def _encode_extensions(self) -> None:
        settings = KeySettings(public_keys=self._keys.public_set(), issuer=ISSUER, max_lifetime_s=MAX_LIFETIME_S)
        self._extensions = _encode(extension_resources(settings, self._configuration.clients.values(), self.options))

    def _send(self) -> None:
        merged = merge_encoded([self._fixed, self._extensions, *(part.encoded for part in self._parts.values())])
        self.control.update(merged, self._revision)

    async def _wait_ready(self) -> None:
        """Wait until this machine's Envoy accepts connections. UsageError when it refuses, or does not in time."""
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                while not await self._is_listening():  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            message = f"Envoy did not serve on {self.url} within {START_TIMEOUT_S:g} s"
            raise UsageError(message, hint="its own log says why: --envoy-log FILE") from None

    async def _is_listening(self) -> bool:
        for envoy in self.control.envoys:
            for rejection in envoy.rejections:
                if rejection.type_url == LISTENERS:
                    hint = "give Envoy a free port with --envoy-port, and files that it may read"
                    raise UsageError(f"Envoy cannot serve on {self.url}: {rejection.reason}", hint=hint)
        if not any(envoy.revision == self._revision and envoy.stream.is_settled for envoy in self.control.envoys):
            return False
        try:
            _, writer = await asyncio.open_connection(self.options.host, self.options.port)
        except OSError:
            return False
        writer.close()
        return True

    def carries(self, configuration: Configuration, objective: Objective, version: VersionRef) -> bool:
        """Return whether Envoy calls the shard of a version; if not, it passes the calls to the gateway."""
        return isinstance(
            CarriedVersions(configuration, objective, self._hosts.reported_endpoints).find(version), CarriedVersion
        )

    def issues(self) -> list[Issue]:
        """Return what is wrong between this gateway and its Envoys, and what Envoy does not do of the configuration."""
        issues = [
            Issue.error(f"data_plane.{envoy.node}", _rejection_text(rejection), _REJECTION_HINT, "envoy-refused")
            for envoy in self.control.envoys
            for rejection in envoy.rejections
        ]
        issues += [
            Issue.error(f"data_plane.{node}", problem, "install a newer Envoy there", "envoy-too-old")
            for node, problem in sorted(self.control.too_old.items())
        ]
        issues += [
            Issue.error(f"objectives.{name}", f"Envoy keeps its earlier configuration: {part.fault}", "", "not-encoded")
            for name, part in sorted(self._parts.items())
            if part.fault
        ]
        if not self.control.envoys:
            issues.append(Issue.error("data_plane", "no Envoy is connected", _CONNECTION_HINT, "envoy-missing"))
        for _, part in sorted(self._parts.items()):
            issues += part.carriage.issues
        if any(part.carriage.plane is not Plane.GATEWAY for part in self._parts.values()):
            issues += client_issues(self._configuration)
        return sorted(issues, key=lambda issue: list(Level).index(issue.level))

    def status(self) -> JsonObject:
        """Return what getDataPlane answers."""
        envoys: list[Json] = [_envoy_json(envoy) for envoy in self.control.envoys]
        objectives: list[Json] = [
            {"name": name, "plane": str(part.carriage.plane)} for name, part in sorted(self._parts.items())
        ]
        return {
            "kind": "envoy",
            "url": self.url,
            "revision": self._revision,
            "envoys": envoys,
            "objectives": objectives,
        }

    def metric_lines(self) -> Iterator[str]:
        """Yield the metrics of the data plane in the Prometheus text format."""
        envoys = self.control.envoys
        yield from header_lines("nlapi_envoys", "gauge", "Envoys that are connected.")
        yield f"nlapi_envoys {len(envoys)}"
        yield from header_lines("nlapi_envoy_revision", "gauge", "The revision that an Envoy has.")
        for envoy in envoys:
            yield f'nlapi_envoy_revision{{node="{escape_label(envoy.node)}"}} {envoy.revision}'
        yield from header_lines("nlapi_envoy_refused", "gauge", "Types of which an Envoy refused the last resource.")
        for envoy in envoys:
            yield f'nlapi_envoy_refused{{node="{escape_label(envoy.node)}"}} {len(envoy.rejections)}'
        yield from header_lines("nlapi_envoy_refusals_total", "counter", "Responses that Envoys refused.")
        yield f"nlapi_envoy_refusals_total {self.control.rejection_count}"
        yield from self.control.limits.metric_lines()
        if self._process is not None:
            yield from header_lines("nlapi_envoy_restarts_total", "counter", "Ends of the Envoy that the gateway runs.")
            yield f"nlapi_envoy_restarts_total {self._process.restarts}"


_REJECTION_HINT = "Envoy keeps its earlier configuration; change the named part, or roll back"
_CONNECTION_HINT = "start one with the bootstrap that `nlapi gateway control-plane --bootstrap FILE` writes"


def _rejection_text(rejection: Rejection) -> str:
    names = ", ".join(rejection.names[:5]) + (", ..." if len(rejection.names) > 5 else "")
    kind = rejection.type_url.rpartition(".")[2]
    return f"Envoy refused {kind} {names}: {rejection.reason[:500]}"


def _envoy_json(envoy: ConnectedEnvoy) -> JsonObject:
    return {
        "node": envoy.node,
        "version": str(envoy.version),
        "revision": envoy.revision,
        "refused": [_rejection_text(rejection) for rejection in envoy.rejections],
    }


def _encode(resources: Resources) -> _EncodedPart:
    """Return resources as they are sent. InvalidResourceError when one is not of Envoy's form."""
    return {
        type_url: {
            name: encode_routes(type_url, document) if type_url == ROUTES else encode_resource(type_url, name, document)
            for name, document in documents.items()
        }
        for type_url, documents in resources.items()
    }


def _affected_objectives(changes: ConfigurationChanges, parts: Mapping[str, _ObjectivePart]) -> set[str]:
    """Return the objectives whose resources may differ after changes."""
    affected = {str(key) for key, _, _ in changes.entities("objectives")}
    for kind in DECIDING_KINDS:
        for _, old, new in changes.entities(kind):
            affected |= {entity.objective for entity in (old, new) if entity is not None}
    versions = {str(key) for key, _, _ in changes.entities("versions")}
    shards = {str(key) for key, _, _ in changes.entities("shards")}
    if versions or shards:
        affected |= {
            name
            for name, part in parts.items()
            if not (part.carriage.versions.isdisjoint(versions) and part.carriage.shards.isdisjoint(shards))
        }
    return affected
