"""The path at which a load balancer asks Envoy whether it takes requests."""

from __future__ import annotations

from nlapi.gateway.envoy.documents import JsonObject, extension

READY_PATH = "/readyz"


def readiness_filter() -> JsonObject:
    """Return the filter that answers the probe: 200, and 503 while Envoy drains."""
    probe: JsonObject = {"name": ":path", "string_match": {"exact": READY_PATH}}
    content: JsonObject = {"pass_through_mode": False, "headers": [probe]}
    return extension(
        "envoy.filters.http.health_check", "envoy.extensions.filters.http.health_check.v3.HealthCheck", content
    )
