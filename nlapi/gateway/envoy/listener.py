"""Envoy's listener: its limits for clients, and the chain of filters that each request passes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from importlib.resources import files
from urllib.parse import urlsplit

from nlapi.gateway.envoy.clusters import collector_cluster
from nlapi.gateway.envoy.documents import ADS_SOURCE, Json, JsonObject, duration, extension, socket_address, typed
from nlapi.gateway.envoy.options import DataPlaneOptions, ListenerCertificate
from nlapi.gateway.envoy.rate_limits import (
    GLOBAL_LIMITS_FILTER,
    GLOBAL_LIMITS_MESSAGE,
    IDLE_MESSAGE,
    LIMITS_FILTER,
    LIMITS_MESSAGE,
    filter_slot,
)
from nlapi.gateway.envoy.routes import (
    KEY_HEADER,
    SHARD_CLAIMS,
    claim_header,
    scoped_routes,
)

READY_PATH = "/readyz"


def readiness_filter() -> JsonObject:
    """Return the filter that answers the probe: 200, and 503 while Envoy drains."""
    probe: JsonObject = {"name": ":path", "string_match": {"exact": READY_PATH}}
    content: JsonObject = {"pass_through_mode": False, "headers": [probe]}
    return extension(
        "envoy.filters.http.health_check", "envoy.extensions.filters.http.health_check.v3.HealthCheck", content
    )


LOGGED_CLAIMS = ("objective", "client", "cell", "bucket", "version", "rule", "revision")
"""the claims that are fields of a line, as text; null where a request has no key that is good"""


def access_log(file: str) -> list[Json]:
    """Return the access log into a file; none for ""."""
    if not file:
        return []
    fields: dict[str, Json] = {claim: f"%REQ({claim_header(claim).upper()})%" for claim in LOGGED_CLAIMS}
    line: dict[str, Json] = {
        "time": "%START_TIME(%Y-%m-%dT%H:%M:%S.%3fZ)%",
        "request_id": "%REQ(X-REQUEST-ID)%",
        **fields,
        "method": "%REQ(:METHOD)%",
        # Without the query, which may hold what belongs in no log.
        "path": "%PATH(NQ:ORIG_OR_PATH)%",
        "status": "%RESPONSE_CODE%",
        "details": "%RESPONSE_CODE_DETAILS%",
        "flags": "%RESPONSE_FLAGS%",
        "ms": "%DURATION%",
        "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
        "cluster": "%UPSTREAM_CLUSTER_RAW%",
        "endpoint": "%UPSTREAM_HOST%",
        "bytes_in": "%BYTES_RECEIVED%",
        "bytes_out": "%BYTES_SENT%",
    }
    content: JsonObject = {"path": file, "log_format": {"json_format": line}}
    name = "envoy.access_loggers.file"
    return [extension(name, "envoy.extensions.access_loggers.file.v3.FileAccessLog", content)]


SERVICE_NAME = "nlapi-envoy"
TRACES_CLUSTER = "traces"
TRACED_CLAIMS = ("objective", "client", "cell", "version", "rule", "revision")
"""the claims that are attributes of a span, as nlapi.objective"""

# Where OTLP over HTTP is served below a base URL (OpenTelemetry Protocol, "OTLP/HTTP Request").
_TRACES_PATH = "/v1/traces"
_EXPORT_TIMEOUT = "2s"


def tracing(options: DataPlaneOptions) -> JsonObject:
    """Return the settings of the listener that make spans; none without a collector."""
    if not options.otlp_url:
        return {}
    url = urlsplit(options.otlp_url)
    target = url._replace(path=url.path if url.path.strip("/") else _TRACES_PATH).geturl()
    exporter: JsonObject = {"http_uri": {"uri": target, "cluster": TRACES_CLUSTER, "timeout": _EXPORT_TIMEOUT}}
    provider = extension(
        "envoy.tracers.opentelemetry",
        "envoy.config.trace.v3.OpenTelemetryConfig",
        {"http_service": exporter, "service_name": SERVICE_NAME},
    )
    tags: list[Json] = [
        {"tag": f"nlapi.{claim}", "request_header": {"name": claim_header(claim)}} for claim in TRACED_CLAIMS
    ]
    # Of requests with a traceparent its flag says whether they are traced; of others so many.
    sampling: JsonObject = {"random_sampling": {"value": options.otlp_percent}}
    return {"tracing": {"provider": provider, "custom_tags": tags, **sampling}}


def traces_clusters(options: DataPlaneOptions) -> dict[str, JsonObject]:
    """Return the cluster of the collector; none without one."""
    if not options.otlp_url:
        return {}
    return {TRACES_CLUSTER: collector_cluster(TRACES_CLUSTER, options.otlp_url)}


JWT_MESSAGE = "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication"
KEY_FILTER = "routing-keys"

# Verified keys that each worker of Envoy remembers: ES256 costs 4 us with the cache, and 50 without. Of 10,000 keys in
# turn, a cache of 4,096 has none when it is asked for.
CACHED_KEYS = 16_384
CLOCK_SKEW_S = 5


def key_filter(
    public_keys: Mapping[str, object], *, issuer: str, audience: str, max_lifetime_s: float, claims: Iterable[str] = ()
) -> JsonObject:
    """Return the ECDS resource that verifies routing keys by a JWK set of public keys.

    `claims` are those that something after it needs, beside those of shards. Each takes 2 % of a plain
    Envoy's instructions.
    """
    headers: list[Json] = [
        {"header_name": claim_header(claim), "claim_name": claim} for claim in sorted({*SHARD_CLAIMS, *claims})
    ]
    provider: JsonObject = {
        "issuer": issuer,
        "audiences": [audience],
        "require_expiration": True,
        "max_lifetime": duration(max_lifetime_s + CLOCK_SKEW_S),
        "clock_skew_seconds": CLOCK_SKEW_S,
        # The gateway checks the key again; routes to shards remove it.
        "forward": True,
        "from_headers": [{"name": KEY_HEADER}],
        "local_jwks": {"inline_string": json.dumps(public_keys, sort_keys=True)},
        "claim_to_headers": headers,
        # The objective and the cell stand in the claims: the routes are looked up after the key is verified.
        "clear_route_cache": True,
        "jwt_cache_config": {"jwt_cache_size": CACHED_KEYS},
    }
    content: JsonObject = {
        "providers": {"gateway": provider},
        "rules": [
            {"match": {"path": READY_PATH}},
            {"match": {"prefix": "/"}, "requires": {"provider_name": "gateway"}},
        ],
        # The text of a failure repeats parts of the request; the answer is a problem document of ours.
        "strip_failure_response": True,
    }
    return {"name": KEY_FILTER, "typed_config": typed(JWT_MESSAGE, content)}


_STATUS: JsonObject = {"status": "%RESPONSE_CODE%", "reason": "%RESPONSE_CODE_DETAILS%"}
"""The members that each refusal has; `reason` is Envoy's own word for what happened."""


def local_replies() -> JsonObject:
    """Return how Envoy's refusals are written: as problem details (RFC 9457), of the form that the gateway's have."""
    refusals: dict[str, JsonObject] = json.loads(files("nlapi.gateway.envoy").joinpath("refusals.json").read_bytes())
    mappers: list[Json] = [_mapper(int(status), refusal) for status, refusal in refusals.items()]
    return {"mappers": mappers, "body_format": _body_format({"type": "about:blank", "title": "%RESPONSE_CODE%"})}


def _mapper(status: int, refusal: JsonObject) -> JsonObject:
    comparison: JsonObject = {"op": "EQ", "value": {"default_value": status, "runtime_key": f"problem.{status}"}}
    return {
        "filter": {"status_code_filter": {"comparison": comparison}},
        "body_format_override": _body_format(refusal),
    }


def _body_format(body: JsonObject) -> JsonObject:
    return {"json_format": {**body, **_STATUS}, "content_type": "application/problem+json"}


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
