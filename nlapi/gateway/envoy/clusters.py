"""Envoy's clusters with their addresses: for each objective on each shard, each shadow, and the gateway."""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import ip_address
from urllib.parse import quote, urlsplit

from nlapi.gateway.envoy.documents import (
    ADS_SOURCE,
    Json,
    JsonObject,
    duration,
    extension,
    header,
    socket_address,
    typed,
)
from nlapi.gateway.envoy.options import DataPlaneOptions, ShardCertificates
from nlapi.gateway.ray.cluster import app_name
from nlapi.gateway.ray.messages import HostedContent
from nlapi.gateway.shards.bulkhead import share_limit
from nlapi.gateway.shards.client import IDLE_S
from nlapi.gateway.shards.open_inference import OpenInferenceCodec
from nlapi.gateway.shards.shards import CONNECT_TIME_SHARE
from nlapi.routing.model import Objective, Shadow, Shard, ShardProtocol, Version

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One address of a shard. `name` is the host with its port as a Host header has it."""

    host: str
    port: int
    name: str

    @property
    def is_ip(self) -> bool:
        """Whether the host needs no DNS."""
        try:
            ip_address(self.host)
        except ValueError:
            return False
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardAddress:
    """The endpoints of one shard, all with the same scheme and base path."""

    endpoints: tuple[Endpoint, ...]
    is_tls: bool
    path: str
    """the base path without a trailing slash; "" for none"""

    @property
    def needs_dns(self) -> bool:
        """Whether a host is a name."""
        return not all(endpoint.is_ip for endpoint in self.endpoints)


def url_address(*urls: str) -> ShardAddress:
    """Return the addresses of URLs. ValueError when they differ in their scheme or base path."""
    # Envoy writes the path and the TLS of a request before it takes a host, so they belong to all hosts.
    parts = [urlsplit(url) for url in urls]
    if len({(part.scheme, part.path.rstrip("/")) for part in parts}) != 1:
        raise ValueError("its endpoints differ in their scheme or path")
    return ShardAddress(endpoints=_endpoints(urls), is_tls=parts[0].scheme == "https", path=parts[0].path.rstrip("/"))


def _endpoints(urls: tuple[str, ...]) -> tuple[Endpoint, ...]:
    parts = map(urlsplit, urls)
    return tuple(
        Endpoint(host=part.hostname or "", port=part.port or _DEFAULT_PORTS[part.scheme], name=part.netloc)
        for part in parts
    )


def shard_address(shard: Shard) -> ShardAddress:
    """Return the addresses of a remote shard. ValueError when its endpoints differ in their scheme or base path."""
    return url_address(*shard.endpoints)


def replica_address(shard: str, content: HostedContent, urls: tuple[str, ...]) -> ShardAddress:
    """Return the addresses of the replicas of a content on Ray, of which there may be none at the moment."""
    return replace(url_address(f"http://ray/{app_name(shard, content)}", *urls), endpoints=_endpoints(urls))


@dataclass(frozen=True, slots=True, kw_only=True)
class CarriedVersion:
    """A version on a shard that Envoy reaches by itself."""

    version: Version
    shard: Shard
    address: ShardAddress
    has_endpoints: bool = True
    """whether its endpoints are known. What a gateway that was restarted has not heard yet, an Envoy still has."""

    @property
    def place(self) -> str:
        """What has the endpoints, as the name of a cluster has it: the shard, or on Ray the version there."""
        is_hosted = self.shard.protocol is ShardProtocol.RAY
        return f"{self.shard.name}/{self.model}/{self.name}" if is_hosted else self.shard.name

    @property
    def model(self) -> str:
        """The name of the model as a path or a header has it."""
        return quote(self.version.model, safe="")

    @property
    def name(self) -> str:
        """The name of the version as a path or a header has it."""
        return quote(self.version.name, safe="")

    @property
    def path(self) -> str:
        """The path of its calls at the shard."""
        if self.shard.protocol is not ShardProtocol.OPEN_INFERENCE:
            return self.address.path or "/"
        return self.address.path + OpenInferenceCodec(self.version, self.shard).path

    @property
    def headers(self) -> list[Json]:
        """The headers that name the version to the shard, as the embedded engine sends them."""
        return [header("nlapi-model", self.model), header("nlapi-version", self.name)]


@dataclass(frozen=True, slots=True, kw_only=True)
class CarriedShadow:
    """A shadow whose copies Envoy sends."""

    shadow: Shadow
    target: CarriedVersion


GATEWAY_CLUSTER = "gateway"
"""the cluster of the gateway itself, for versions that run in its process and for LLMs"""

# Envoy's own limit is 3 retries in flight in a cluster: 4 of 23,693 requests failed when a replica was killed under
# load, and none of 132,825 with 1,024.
MAX_RETRIES = 1024

RAY_REPLICAS = 32
"""replicas on Ray for which the calls in flight of an objective are limited"""

# Calls in flight of one shadow: a shadow that hangs must not hold more. With Envoy's own limit, a dead one held 1,024.
SHADOW_CALLS = 4

# Answers without any connection after which a replica is ejected, the number of the embedded engine
# (docs/design/030-isolation.md).
EJECTION_FAILURES = 5
HEALTH_CHECK_INTERVAL_S = 5.0
HEALTH_CHECK_TIMEOUT_S = 1.0
OPEN_INFERENCE_READY = "/v2/health/ready"


def cluster_name(objective: str, place: str) -> str:
    """Return the name of the cluster of an objective at a place. No name has a "/", so no two are equal."""
    return f"{objective}/{place}"


def shadow_cluster_name(objective: str, shadow: str) -> str:
    """Return the name of the cluster of a shadow."""
    return f"{objective}/{shadow}/shadow"


def objective_cluster(objective: Objective, carried: CarriedVersion, options: DataPlaneOptions) -> JsonObject:
    """Return the cluster with which an objective calls a shard, or the replicas of a version on Ray."""
    # One for each objective, and not one for the shard: breakers and ejections are those of the cluster, and what one
    # objective causes must not be felt by another (docs/design/040-envoy-data-plane.md).
    shard, address = carried.shard, carried.address
    # Replicas on Ray come and go, and a cluster with another limit is another cluster, which begins without endpoints.
    is_hosted = shard.protocol is ShardProtocol.RAY
    slots = shard.concurrency * (RAY_REPLICAS if is_hosted else len(address.endpoints))
    limit = share_limit(slots, shard.objective_percent) if slots > 1 else 1
    timeout_s = objective.timeout_ms / 1000
    return {
        **_shard_cluster(cluster_name(objective.name, carried.place), shard, address, options, timeout_s),
        "circuit_breakers": _breakers(limit, MAX_RETRIES),
    }


def shadow_cluster(objective: Objective, copied: CarriedShadow, options: DataPlaneOptions) -> JsonObject:
    """Return the cluster of the copies of one shadow, which may have few calls in flight."""
    target = copied.target
    name = shadow_cluster_name(objective.name, copied.shadow.name)
    return {
        **_shard_cluster(name, target.shard, target.address, options, objective.timeout_ms / 1000),
        "circuit_breakers": _breakers(SHADOW_CALLS, 0),
        "typed_extension_protocol_options": _http_options(IDLE_S, _copy_filters(target)),
    }


def _copy_filters(target: CarriedVersion) -> list[Json]:
    """Return the filters that make a copy a call of the shadow's version: it comes with the path of the served one."""
    # No policy of a mirror and no filter for headers may change a path; Lua may. All texts are percent-encoded, and so
    # have no quote.
    changes = {":path": target.path, "nlapi-model": target.model, "nlapi-version": target.name}
    lines = "".join(f'  handle:headers():replace("{name}", "{value}")\n' for name, value in changes.items())
    code = f"function envoy_on_request(handle)\n{lines}end\n"
    lua = "envoy.extensions.filters.http.lua.v3.Lua"
    codec = "envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec"
    return [
        extension("shadow-version", lua, {"default_source_code": {"inline_string": code}}),
        extension("envoy.filters.http.upstream_codec", codec, {}),
    ]


def gateway_cluster(options: DataPlaneOptions) -> JsonObject:
    """Return the cluster of the gateway's own API."""
    host, port = options.gateway_address
    endpoint = Endpoint(host=host, port=port, name=f"{host}:{port}")
    assignment = _load_assignment(GATEWAY_CLUSTER, (endpoint,))
    transport = _transport_socket((endpoint,), options.gateway_certificates) if options.gateway_certificates else {}
    return {
        "name": GATEWAY_CLUSTER,
        "type": "STATIC" if endpoint.is_ip else "STRICT_DNS",
        "connect_timeout": "1s",
        "load_assignment": assignment,
        "circuit_breakers": _breakers(1024, MAX_RETRIES),
        # The gateway keeps connections for 75 s and not 5 (docs/design/034-operators.md).
        "typed_extension_protocol_options": _http_options(60.0),
        **transport,
    }


def collector_cluster(name: str, url: str) -> JsonObject:
    """Return the cluster of a collector of telemetry at a URL."""
    address = url_address(url)
    transport = _transport_socket(address.endpoints, ShardCertificates()) if address.is_tls else {}
    return {
        "name": name,
        "type": "STRICT_DNS" if address.needs_dns else "STATIC",
        "connect_timeout": "1s",
        "load_assignment": _load_assignment(name, address.endpoints),
        "typed_extension_protocol_options": _http_options(IDLE_S),
        **transport,
    }


def endpoint_assignment(cluster: str, address: ShardAddress) -> JsonObject:
    """Return the EDS resource of a cluster."""
    # One for each cluster, and none for the shard: a second cluster of a resource that Envoy has already waits 15 s for
    # it and gets nothing.
    return _load_assignment(cluster, address.endpoints)


def _shard_cluster(
    name: str, shard: Shard, address: ShardAddress, options: DataPlaneOptions, timeout_s: float
) -> JsonObject:
    certificates = _shard_certificates(shard, options.shard_certificates)
    transport = _transport_socket(address.endpoints, certificates) if address.is_tls else {}
    return {
        "name": name,
        **_discovery(name, address),
        "connect_timeout": duration(timeout_s * CONNECT_TIME_SHARE),
        "lb_policy": "LEAST_REQUEST",
        # Fewer than half healthy would be a "panic" in which failed replicas get requests again: 234 of 322 failed for
        # ever. And the usual window of 1 s delays all ejections but the first: 68 failed where 9 do without it.
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}, "update_merge_window": "0s"},
        "health_checks": [_health_check(shard, address)],
        # Else a replica that Ray ends gets calls until it closes its port, 30 s later: 4 of 1,645 failed.
        **({"ignore_health_on_host_removal": True} if shard.protocol is ShardProtocol.RAY else {}),
        "outlier_detection": _outlier_detection(),
        "typed_extension_protocol_options": _http_options(IDLE_S),
        **transport,
    }


def _shard_certificates(shard: Shard, usual: ShardCertificates) -> ShardCertificates:
    """Return the files of TLS to a shard: its own references, or those of the options for all."""
    certificate_file = shard.certificate.removeprefix("file:")
    return ShardCertificates(
        authorities=shard.ca.removeprefix("file:") or usual.authorities,
        certificate=certificate_file or usual.certificate,
        # The configuration names one file with the certificate and its key.
        key=certificate_file or usual.key,
    )


def _discovery(cluster: str, address: ShardAddress) -> JsonObject:
    if not address.needs_dns:
        return {"type": "EDS", "eds_cluster_config": {"eds_config": ADS_SOURCE}}
    # EDS takes addresses alone; names are looked up by Envoy.
    return {"type": "STRICT_DNS", "load_assignment": _load_assignment(cluster, address.endpoints)}


def _load_assignment(name: str, endpoints: tuple[Endpoint, ...]) -> JsonObject:
    hosts: list[Json] = [
        {"endpoint": {"address": socket_address(endpoint.host, endpoint.port), "hostname": endpoint.name}}
        for endpoint in endpoints
    ]
    return {"cluster_name": name, "endpoints": [{"lb_endpoints": hosts}]}


def _health_check(shard: Shard, address: ShardAddress) -> JsonObject:
    # A shard that speaks JSON has no path for it: whether it takes connections is all that can be known.
    is_open_inference = shard.protocol is ShardProtocol.OPEN_INFERENCE
    probe: JsonObject = {"http_health_check": {"path": address.path + OPEN_INFERENCE_READY}}
    return {
        "timeout": duration(HEALTH_CHECK_TIMEOUT_S),
        "interval": duration(HEALTH_CHECK_INTERVAL_S),
        # A replica that fails comes back quickly, and one without traffic is looked at as often.
        "unhealthy_interval": "1s",
        "no_traffic_interval": duration(HEALTH_CHECK_INTERVAL_S),
        "no_traffic_healthy_interval": duration(HEALTH_CHECK_INTERVAL_S),
        "unhealthy_threshold": 3,
        "healthy_threshold": 1,
        **(probe if is_open_inference else {"tcp_health_check": {}}),
    }


def _outlier_detection() -> JsonObject:
    # Errors of the connection alone: an answer of 500 may be the caller's input, and ejecting for it would take the
    # replica from the objective's other callers. At most half of the replicas are ejected, as in the embedded engine.
    return {
        "split_external_local_origin_errors": True,
        "consecutive_local_origin_failure": EJECTION_FAILURES,
        "enforcing_consecutive_local_origin_failure": 100,
        "enforcing_consecutive_5xx": 0,
        "enforcing_consecutive_gateway_failure": 0,
        "enforcing_success_rate": 0,
        "enforcing_local_origin_success_rate": 0,
        "interval": "1s",
        "base_ejection_time": "1s",
        "max_ejection_time": "30s",
        "max_ejection_percent": 50,
    }


def _breakers(calls: int, retries: int) -> JsonObject:
    # HTTP/1.1: a call is a connection. Those that wait for one are calls too.
    threshold: JsonObject = {
        "max_connections": calls,
        "max_pending_requests": calls,
        "max_requests": calls,
        "max_retries": retries,
    }
    return {"thresholds": [threshold]}


def _http_options(idle_s: float, filters: list[Json] | None = None) -> JsonObject:
    options: JsonObject = {
        "common_http_protocol_options": {"idle_timeout": duration(idle_s)},
        "explicit_http_config": {"http_protocol_options": {}},
    }
    if filters:
        options["http_filters"] = filters
    name = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    return {name: typed(name, options)}


def _transport_socket(endpoints: tuple[Endpoint, ...], certificates: ShardCertificates) -> JsonObject:
    """Return TLS to hosts whose certificates name them, with a certificate of our own where there is one."""
    names: list[Json] = [
        {"san_type": "IP_ADDRESS" if endpoint.is_ip else "DNS", "matcher": {"exact": endpoint.host}}
        for endpoint in endpoints
    ]
    validation: JsonObject = {"trusted_ca": {"filename": certificates.authorities}}
    if not certificates.is_pinned:
        validation["match_typed_subject_alt_names"] = names
    common: JsonObject = {"validation_context": validation, "alpn_protocols": ["http/1.1"]}
    if certificates.certificate and certificates.key:
        common["tls_certificates"] = [
            {
                "certificate_chain": {"filename": certificates.certificate},
                "private_key": {"filename": certificates.key},
            }
        ]
    context: JsonObject = {"common_tls_context": common, "auto_host_sni": True}
    message = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
    return {"transport_socket": extension("envoy.transport_sockets.tls", message, context)}
