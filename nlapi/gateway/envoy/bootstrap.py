"""The file that an Envoy starts with: who it is, and where its configuration comes from."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address

from nlapi.gateway.envoy.documents import ADS_SOURCE, Json, JsonObject, extension, socket_address

CONTROL_CLUSTER = "control-plane"

# Connections of all clients together, beyond which new ones are refused: each takes memory.
MAX_CONNECTIONS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlPlaneAddress:
    """Where an Envoy finds the control plane, and the files with which both know each other (mTLS); "" for none."""

    host: str
    port: int
    authorities: str = ""
    certificate: str = ""
    key: str = ""


def bootstrap(node: str, control_plane: ControlPlaneAddress, *, admin_socket: str = "") -> JsonObject:
    """Return the bootstrap of an Envoy named `node`. `admin_socket` is the path of its admin interface, "" for none."""
    document: JsonObject = {
        "node": {"id": node, "cluster": "nlapi"},
        "dynamic_resources": {
            "ads_config": {
                "api_type": "DELTA_GRPC",
                "transport_api_version": "V3",
                "set_node_on_first_message_only": True,
                "grpc_services": [{"envoy_grpc": {"cluster_name": CONTROL_CLUSTER}}],
            },
            "cds_config": ADS_SOURCE,
            "lds_config": ADS_SOURCE,
        },
        "static_resources": {"clusters": [_control_cluster(control_plane)]},
        "overload_manager": {
            "resource_monitors": [
                extension(
                    "envoy.resource_monitors.global_downstream_max_connections",
                    "envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
                    {"max_active_downstream_connections": str(MAX_CONNECTIONS)},
                )
            ]
        },
    }
    if admin_socket:
        # A socket that only its user may open: who reaches the admin interface can stop Envoy.
        document["admin"] = {"address": {"pipe": {"path": admin_socket, "mode": 0o600}}}
    return document


def _control_cluster(control_plane: ControlPlaneAddress) -> JsonObject:
    host = control_plane.host
    hosts: list[Json] = [{"endpoint": {"address": socket_address(host, control_plane.port)}}]
    # Without probes a control plane that vanished would go unnoticed, and changes with it.
    keepalive: JsonObject = {"connection_keepalive": {"interval": "10s", "timeout": "5s"}}
    options: JsonObject = {"explicit_http_config": {"http2_protocol_options": keepalive}}
    name = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    cluster: JsonObject = {
        "name": CONTROL_CLUSTER,
        "type": "STATIC" if _is_ip(host) else "STRICT_DNS",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": CONTROL_CLUSTER, "endpoints": [{"lb_endpoints": hosts}]},
        "typed_extension_protocol_options": {name: {"@type": f"type.googleapis.com/{name}", **options}},
    }
    if control_plane.authorities:
        cluster["transport_socket"] = _transport_socket(control_plane)
    return cluster


def _transport_socket(control_plane: ControlPlaneAddress) -> JsonObject:
    host = control_plane.host
    kind = "IP_ADDRESS" if _is_ip(host) else "DNS"
    common: JsonObject = {
        "validation_context": {
            "trusted_ca": {"filename": control_plane.authorities},
            "match_typed_subject_alt_names": [{"san_type": kind, "matcher": {"exact": host}}],
        },
        "tls_certificates": [
            {
                "certificate_chain": {"filename": control_plane.certificate},
                "private_key": {"filename": control_plane.key},
            }
        ],
    }
    context: JsonObject = {"common_tls_context": common} | ({} if _is_ip(host) else {"sni": host})
    message = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
    return extension("envoy.transport_sockets.tls", message, context)


def _is_ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
