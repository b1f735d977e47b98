"""OpenTelemetry spans of Envoy, with the decision that the key of a request was signed for."""

from __future__ import annotations

from urllib.parse import urlsplit

from nlapi.gateway.envoy.clusters import collector_cluster
from nlapi.gateway.envoy.documents import Json, JsonObject, extension
from nlapi.gateway.envoy.options import DataPlaneOptions
from nlapi.gateway.envoy.routes import claim_header

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
