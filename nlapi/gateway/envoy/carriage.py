"""Decides which calls Envoy carries to shards, and which the gateway serves itself, with the reasons as issues."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from nlapi.errors import Issue, Level
from nlapi.gateway.envoy.clusters import CarriedShadow, CarriedVersion, ShardAddress, replica_address, shard_address
from nlapi.gateway.envoy.routes import CellRoute
from nlapi.gateway.ray.messages import HostedContent
from nlapi.gateway.routing_keys.cells import RoutingCell
from nlapi.gateway.shards.open_inference import declared_datatypes
from nlapi.routing.model import (
    LLM_PROTOCOLS,
    Configuration,
    InputForm,
    Objective,
    Shard,
    ShardProtocol,
    VersionRef,
)

_HINT = "the gateway serves it behind Envoy, at /v1/objectives/{objective}/serve"


class Plane(StrEnum):
    """What carries the calls of an objective to its versions."""

    ENVOY = "envoy"
    GATEWAY = "gateway"
    MIXED = "mixed"
    """some versions by Envoy, others by the gateway"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectiveCarriage:
    """An objective with the routes of its cells, and what Envoy cannot do of it."""

    objective: Objective
    cells: tuple[CellRoute, ...]
    issues: tuple[Issue, ...] = ()
    versions: frozenset[str] = frozenset()
    """the versions of its cells and shadows"""
    shards: frozenset[str] = frozenset()
    """the shards that they are on"""

    @property
    def plane(self) -> Plane:
        """What carries its calls."""
        carried = {cell.carried is not None for cell in self.cells}
        if carried == {True, False}:
            return Plane.MIXED
        return Plane.ENVOY if True in carried else Plane.GATEWAY


ReplicaLookup: TypeAlias = Callable[[str, HostedContent], tuple[str, ...] | None]
"""Returns the URLs of the replicas of a content on a shard of Ray; None while nobody has said them."""


def no_replicas(shard: str, content: HostedContent) -> None:
    """Return None: nobody says where the replicas on Ray are."""


class CarriedVersions:
    """The versions of one objective as Envoy calls them, each shard looked up once."""

    def __init__(
        self, configuration: Configuration, objective: Objective, replicas: ReplicaLookup = no_replicas
    ) -> None:
        self._configuration = configuration
        self._objective = objective
        self._replicas = replicas
        self._addresses: dict[str, ShardAddress | str] = {}

    def find(self, ref: VersionRef, *, shadow: bool = False) -> CarriedVersion | str:
        """Return a version with its shard, or the reason why Envoy cannot carry its calls there."""
        version = self._configuration.versions.get(ref)
        shard = self._configuration.shards.get(version.shard) if version else None
        if version is None or shard is None or shard.protocol is ShardProtocol.LOCAL:
            return f"{ref} runs in the gateway's own processes"
        if shard.protocol in LLM_PROTOCOLS:
            return f"{ref} is an LLM, whose key, tokens and streams the gateway looks after"
        if self._objective.fallback is not None:
            return f"its fallback {self._objective.fallback} answers where a version fails"
        if version.form is InputForm.COLUMNS or declared_datatypes(version.input):
            return f"{ref} takes tables or tensors of datatypes that the gateway writes"
        if shard.protocol is ShardProtocol.RAY:
            content = HostedContent(digest=version.digest, shadow=shadow)
            urls = self._replicas(shard.name, content)
            replicas = replica_address(shard.name, content, urls or ())
            return CarriedVersion(version=version, shard=shard, address=replicas, has_endpoints=urls is not None)
        address = self._addresses.get(shard.name)
        if address is None:
            address = self._addresses[shard.name] = _address(shard)
        return (
            CarriedVersion(version=version, shard=shard, address=address)
            if isinstance(address, ShardAddress)
            else address
        )


def _address(shard: Shard) -> ShardAddress | str:
    if shard.key or shard.headers:
        return f"shard {shard.name} needs a key or headers, which the gateway alone has"
    try:
        return shard_address(shard)
    except ValueError as error:
        return f"shard {shard.name}: {error}"


def carriage(
    configuration: Configuration,
    objective: Objective,
    cells: tuple[RoutingCell, ...],
    replicas: ReplicaLookup = no_replicas,
) -> ObjectiveCarriage:
    """Return the routes of an objective, with an Issue for everything that Envoy does not do of it."""
    versions = CarriedVersions(configuration, objective, replicas)
    lookups = {cell.version: versions.find(cell.version) for cell in cells}
    targets = {ref: target for ref, target in lookups.items() if isinstance(target, CarriedVersion)}
    shadows, shadow_issues = _carried_shadows(configuration, objective, versions)
    routes = tuple(
        CellRoute(
            cell=cell.name,
            version=str(cell.version),
            carried=targets.get(cell.version),
            shadows=tuple(shadows[name] for name in cell.shadows if name in shadows) if cell.version in targets else (),
        )
        for cell in cells
    )
    reasons = sorted({target for target in lookups.values() if isinstance(target, str)})
    issues: list[Issue] = []
    if reasons:
        more = f", and {len(reasons) - 1} more like it" if len(reasons) > 1 else ""
        where, hint = f"objectives.{objective.name}", _HINT.format(objective=objective.name)
        message = f"Envoy does not carry all of it to shards: {reasons[0]}{more}"
        issues.append(Issue(level=Level.INFO, where=where, message=message, hint=hint, rule="not-carried"))
    if targets:
        issues += shadow_issues
        issues += _unchecked_issues(configuration, objective)
    # Those that Envoy does not carry too: it does as soon as they are moved to a shard.
    refs = {
        *lookups,
        *(shadow.version for shadow in configuration.shadows.values() if shadow.objective == objective.name),
    }
    return ObjectiveCarriage(
        objective=objective,
        cells=routes,
        issues=tuple(issues),
        versions=frozenset(map(str, refs)),
        shards=frozenset(entry.shard for ref in refs if (entry := configuration.versions.get(ref))),
    )


def client_issues(configuration: Configuration) -> list[Issue]:
    """Return an Issue for each client with a limit that Envoy does not know."""
    hint = "a rate holds in each Envoy, a global_rate over all, the concurrency only in the gateway"
    return [
        Issue.warning(f"clients.{client.name}", "Envoy does not limit its calls in flight", hint, "not-carried")
        for client in configuration.clients.values()
        if client.concurrency
    ]


def _carried_shadows(
    configuration: Configuration, objective: Objective, versions: CarriedVersions
) -> tuple[Mapping[str, CarriedShadow], list[Issue]]:
    carried: dict[str, CarriedShadow] = {}
    issues: list[Issue] = []
    for shadow in configuration.shadows.values():
        if shadow.objective != objective.name:
            continue
        target = versions.find(shadow.version, shadow=True)
        if isinstance(target, CarriedVersion):
            carried[shadow.name] = CarriedShadow(shadow=shadow, target=target)
            continue
        message = f"no copies of what Envoy carries: {target}"
        hint = "register the version on a shard that speaks json, oip-v2 or ray"
        issues.append(Issue.warning(f"shadows.{shadow.name}", message, hint, "not-carried"))
    return carried, issues


def _unchecked_issues(configuration: Configuration, objective: Objective) -> list[Issue]:
    """Return the features of an objective that need the gateway, as Envoy does not look into bodies."""
    issues = []
    if objective.input or objective.output:
        message = "Envoy looks into no body: the schemas are not checked on the way"
        hint = "the version checks what it gets; nlapi.gateway.Client can do it"
        where = f"objectives.{objective.name}"
        issues.append(Issue(level=Level.INFO, where=where, message=message, hint=hint, rule="not-checked"))
    for canary in configuration.canaries.values():
        if canary.objective == objective.name and canary.moves and (canary.guards or canary.steps):
            message = "it does not go on, or back, by itself: requests that Envoy carries are not measured here"
            hint = "look at Envoy's access log or metrics, and move it with PATCH /v1/canaries/{canary}"
            issues.append(Issue.warning(f"canaries.{canary.name}", message, hint, "not-measured"))
    return issues
