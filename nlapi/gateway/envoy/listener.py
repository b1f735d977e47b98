"""Envoy's listener: what it takes from clients, and the chain of filters that each request passes."""

from __future__ import annotations

from nlapi.gateway.envoy.access_log import access_log
from nlapi.gateway.envoy.client_limits import LIMITS_FILTER, LIMITS_MESSAGE
from nlapi.gateway.envoy.documents import ADS_SOURCE, Json, JsonObject, duration, extension, socket_address
from nlapi.gateway.envoy.extension_slots import IDLE_MESSAGE, filter_slot
from nlapi.gateway.envoy.global_limits import GLOBAL_LIMITS_FILTER, GLOBAL_LIMITS_MESSAGE
from nlapi.gateway.envoy.health import readiness_filter
from nlapi.gateway.envoy.key_filter import JWT_MESSAGE, KEY_FILTER
from nlapi.gateway.envoy.local_replies import local_replies
from nlapi.gateway.envoy.options import DataPlaneOptions, ListenerCertificate
from nlapi.gateway.envoy.routes import scoped_routes
from nlapi.gateway.envoy.tracing import tracing

LISTENER = "payloads"
CERTIFICATE_SECRET = "listener-certificate"  # noqa: S105 - the name of a resource
AUTHORITIES_SECRET = "client-authorities"  # noqa: S105 - the name of a resource

# Seconds until the head of a request has to be there; 800 connections that never send one changed nothing for others.
HEAD_TIMEOUT_S = 10.0
MAX_HEADERS = 100
MAX_HEAD_KB = 64


def listener(options: DataPlaneOptions) -> JsonObject:
    """Return the listener of clients."""
    chain: JsonObject = {
        "filters": [
            extension(
                "envoy.filters.network.http_connection_manager",
                "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                _connection_manager(options),
            )
        ]
    }
    if options.certificate is not None:
        chain["transport_socket"] = _transport_socket(options.certificate)
    return {
        "name": LISTENER,
        "address": socket_address(options.host, options.port),
        "filter_chains": [chain],
        "per_connection_buffer_limit_bytes": 2**20,
    }


def _connection_manager(options: DataPlaneOptions) -> JsonObject:
    # Without Envoy's own headers: they would show shards the clients' paths, and clients the shards' times. And without
    # a counter for each status of each cluster, which nobody reads: there is no admin port, and the log and spans have
    # them. They took 5 % of a plain Envoy's instructions.
    router = extension(
        "envoy.filters.http.router",
        "envoy.extensions.filters.http.router.v3.Router",
        {"suppress_envoy_headers": True, "dynamic_stats": False},
    )
    filters: list[Json] = [
        readiness_filter(),
        filter_slot(KEY_FILTER, JWT_MESSAGE),
        filter_slot(LIMITS_FILTER, LIMITS_MESSAGE, IDLE_MESSAGE),
        filter_slot(GLOBAL_LIMITS_FILTER, GLOBAL_LIMITS_MESSAGE, IDLE_MESSAGE),
        router,
    ]
    return {
        "stat_prefix": LISTENER,
        "codec_type": "HTTP1",
        "scoped_routes": scoped_routes(),
        "http_filters": filters,
        # With Envoy's defaults `/v1/objectives/rank/../fraud/infer` passed with a key for rank.
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
        "common_http_protocol_options": {
            "idle_timeout": duration(options.keep_alive_s),
            "max_headers_count": MAX_HEADERS,
            "headers_with_underscores_action": "REJECT_REQUEST",
        },
        "max_request_headers_kb": MAX_HEAD_KB,
        "request_headers_timeout": duration(HEAD_TIMEOUT_S),
        "request_timeout": duration(options.read_s),
        "use_remote_address": True,
        "server_header_transformation": "PASS_THROUGH",
        "drain_timeout": "1s",
        "access_log": access_log(options.access_log),
        "local_reply_config": local_replies(),
        **tracing(options),
    }


def _transport_socket(certificate: ListenerCertificate) -> JsonObject:
    # By SDS, because Envoy watches the files of a secret alone: a certificate that is renewed needs no restart.
    common: JsonObject = {
        "tls_certificate_sds_secret_configs": [{"name": CERTIFICATE_SECRET, "sds_config": ADS_SOURCE}],
        "alpn_protocols": ["http/1.1"],
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
    }
    context: JsonObject = {"common_tls_context": common}
    if certificate.client_authorities:
        source: JsonObject = {"name": AUTHORITIES_SECRET, "sds_config": ADS_SOURCE}
        common["validation_context_sds_secret_config"] = source
        context["require_client_certificate"] = True
        # A resumed session is not asked for its certificate again.
        context["disable_stateless_session_resumption"] = True
    return extension(
        "envoy.transport_sockets.tls", "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext", context
    )


def listener_secrets(certificate: ListenerCertificate | None) -> dict[str, JsonObject]:
    """Return the SDS resources of the listener's certificate: paths that Envoy reads and watches, and no key."""
    if certificate is None:
        return {}
    files: JsonObject = {
        "certificate_chain": {"filename": certificate.certificate},
        "private_key": {"filename": certificate.key},
        "watched_directory": {"path": _folder(certificate.certificate)},
    }
    secrets: dict[str, JsonObject] = {CERTIFICATE_SECRET: {"name": CERTIFICATE_SECRET, "tls_certificate": files}}
    if certificate.client_authorities:
        validation: JsonObject = {
            "trusted_ca": {"filename": certificate.client_authorities},
            "watched_directory": {"path": _folder(certificate.client_authorities)},
        }
        secrets[AUTHORITIES_SECRET] = {"name": AUTHORITIES_SECRET, "validation_context": validation}
    return secrets


def _folder(file: str) -> str:
    return file.rpartition("/")[0] or "."
