"""All resources of an Envoy from one revision, as JSON: a pure function of the revision, the keys and the settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from nlapi.gateway.envoy.carriage import ObjectiveCarriage
from nlapi.gateway.envoy.clusters import (
    GATEWAY_CLUSTER,
    ShardAddress,
    cluster_name,
    endpoint_assignment,
    gateway_cluster,
    objective_cluster,
    shadow_cluster,
    shadow_cluster_name,
)
from nlapi.gateway.envoy.documents import (
    TYPE_PREFIX,
    JsonObject,
)
from nlapi.gateway.envoy.listener import (
    KEY_FILTER,
    LISTENER,
    LOGGED_CLAIMS,
    TRACED_CLAIMS,
    key_filter,
    listener,
    listener_secrets,
    traces_clusters,
)
from nlapi.gateway.envoy.messages import EncodedResource
from nlapi.gateway.envoy.options import DataPlaneOptions
from nlapi.gateway.envoy.rate_limits import (
    GLOBAL_LIMITS_FILTER,
    LIMITS_FILTER,
    global_limits_filter,
    limits_filter,
)
from nlapi.gateway.envoy.routes import (
    route_configuration,
    scope,
)
from nlapi.routing.model import Client

CLUSTER = TYPE_PREFIX + "envoy.config.cluster.v3.Cluster"
ENDPOINTS = TYPE_PREFIX + "envoy.config.endpoint.v3.ClusterLoadAssignment"
SECRET = TYPE_PREFIX + "envoy.extensions.transport_sockets.tls.v3.Secret"
EXTENSION = TYPE_PREFIX + "envoy.config.core.v3.TypedExtensionConfig"
LISTENERS = TYPE_PREFIX + "envoy.config.listener.v3.Listener"
ROUTES = TYPE_PREFIX + "envoy.config.route.v3.RouteConfiguration"
SCOPE = TYPE_PREFIX + "envoy.config.route.v3.ScopedRouteConfiguration"

RESOURCE_TYPES = (CLUSTER, ENDPOINTS, SECRET, EXTENSION, LISTENERS, ROUTES, SCOPE)
"""the types in the order in which they are sent: what is referred to comes before what refers to it"""

Resources: TypeAlias = dict[str, dict[str, JsonObject]]
"""type URL -> name -> resource"""

EncodedResources: TypeAlias = Mapping[str, Mapping[str, EncodedResource]]
"""type URL -> name -> resource as it is sent"""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySettings:
    """The public keys of routing keys as a JWK set, their issuer, and the longest lifetime in seconds."""

    public_keys: Mapping[str, object]
    issuer: str
    max_lifetime_s: float


def fixed_resources(options: DataPlaneOptions) -> Resources:
    """Return the resources that no revision changes."""
    return {
        CLUSTER: {GATEWAY_CLUSTER: gateway_cluster(options), **traces_clusters(options)},
        SECRET: listener_secrets(options.certificate),
        LISTENERS: {LISTENER: listener(options)},
    }


def extension_resources(keys: KeySettings, clients: Iterable[Client], options: DataPlaneOptions) -> Resources:
    """Return the filters that come by ECDS: who is admitted, and how often."""
    callers = list(clients)
    verifier = key_filter(
        keys.public_keys,
        issuer=keys.issuer,
        audience=options.audience,
        max_lifetime_s=keys.max_lifetime_s,
        claims=(
            *(LOGGED_CLAIMS if options.access_log else ()),
            *(TRACED_CLAIMS if options.otlp_url else ()),
        ),
    )
    return {
        EXTENSION: {
            KEY_FILTER: verifier,
            LIMITS_FILTER: limits_filter(callers),
            GLOBAL_LIMITS_FILTER: global_limits_filter(callers),
        }
    }


def objective_resources(carriage: ObjectiveCarriage, options: DataPlaneOptions) -> Resources:
    """Return the clusters, endpoints, routes and the scope of one objective."""
    objective = carriage.objective
    # Each once: 100 cells are often on one shard, and building its cluster for each of them took 2 ms of a publication.
    places = {cell.carried.place: cell.carried for cell in carriage.cells if cell.carried is not None}
    shadows = {copied.shadow.name: copied for cell in carriage.cells for copied in cell.shadows}
    clusters: dict[str, JsonObject] = {}
    addresses: dict[str, ShardAddress] = {}
    # An Envoy that has endpoints of a cluster keeps them as long as it is sent none.
    for place, carried in places.items():
        cluster = cluster_name(objective.name, place)
        clusters[cluster] = objective_cluster(objective, carried, options)
        if carried.has_endpoints:
            addresses[cluster] = carried.address
    for name, copied in shadows.items():
        cluster = shadow_cluster_name(objective.name, name)
        clusters[cluster] = shadow_cluster(objective, copied, options)
        if copied.target.has_endpoints:
            addresses[cluster] = copied.target.address
    return {
        CLUSTER: clusters,
        ENDPOINTS: {
            cluster: endpoint_assignment(cluster, address)
            for cluster, address in addresses.items()
            if not address.needs_dns
        },
        ROUTES: {objective.name: route_configuration(objective, carriage.cells)},
        SCOPE: {objective.name: scope(objective.name)},
    }


def merge_encoded(parts: Iterable[EncodedResources]) -> EncodedResources:
    """Return all resources together. ValueError when two different resources of a type have one name."""
    merged: dict[str, dict[str, EncodedResource]] = {type_url: {} for type_url in RESOURCE_TYPES}
    for part in parts:
        for type_url, resources in part.items():
            for name, resource in resources.items():
                if merged[type_url].setdefault(name, resource).version != resource.version:
                    kind = type_url.rpartition(".")[2]
                    raise ValueError(f"two different {kind} have the name {name!r}")
    return merged
