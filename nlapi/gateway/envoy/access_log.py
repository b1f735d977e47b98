"""Envoy's access log: a line of JSON for each request, with the decision that its key was signed for."""

from __future__ import annotations

from nlapi.gateway.envoy.documents import Json, JsonObject, extension
from nlapi.gateway.envoy.routes import claim_header

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
