"""Envoy's own refusals as problem details (RFC 9457), of the form that the gateway's have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nlapi.gateway.envoy.documents import Json, JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class _Refusal:
    """The problem document of a status."""

    code: str
    title: str
    detail: str
    hint: str = ""


_REFUSALS: Mapping[int, _Refusal] = {
    401: _Refusal(
        code="routing_key",
        title="Unauthorized",
        detail="the routing key is missing, expired or not of this gateway",
        hint="ask for one with POST /v1/objectives/{objective}/resolve, and send it as X-Routing-Key",
    ),
    403: _Refusal(code="routing_key", title="Forbidden", detail="a request carries one routing key of one audience"),
    404: _Refusal(
        code="key_outdated",
        title="Not Found",
        detail="the routing key names no route of this path",
        hint="ask for another key with POST /v1/objectives/{objective}/resolve",
    ),
    413: _Refusal(code="too_large", title="Content Too Large", detail="the body is too large to be sent again"),
    429: _Refusal(
        code="too_many_requests",
        title="Too Many Requests",
        detail="the client is over its limit",
        hint="wait as long as Retry-After says",
    ),
    503: _Refusal(
        code="version_unavailable",
        title="Service Unavailable",
        detail="no replica of the version can be called now",
        hint="repeat the request later",
    ),
    504: _Refusal(code="version_too_slow", title="Gateway Timeout", detail="the version gave no answer in time"),
}


def local_replies() -> JsonObject:
    """Return how Envoy's refusals are written. `reason` is Envoy's own word for what happened."""
    mappers: list[Json] = [_mapper(status, refusal) for status, refusal in _REFUSALS.items()]
    body: dict[str, Json] = {
        "type": "about:blank",
        "title": "%RESPONSE_CODE%",
        "status": "%RESPONSE_CODE%",
        "reason": "%RESPONSE_CODE_DETAILS%",
    }
    return {"mappers": mappers, "body_format": _body_format(body)}


def _mapper(status: int, refusal: _Refusal) -> JsonObject:
    comparison: JsonObject = {"op": "EQ", "value": {"default_value": status, "runtime_key": f"problem.{status}"}}
    body: dict[str, Json] = {
        "type": f"urn:nlapi:problem:{refusal.code}",
        "title": refusal.title,
        "status": "%RESPONSE_CODE%",
        "detail": refusal.detail,
        "reason": "%RESPONSE_CODE_DETAILS%",
    }
    if refusal.hint:
        body["hint"] = refusal.hint
    return {"filter": {"status_code_filter": {"comparison": comparison}}, "body_format_override": _body_format(body)}


def _body_format(body: dict[str, Json]) -> JsonObject:
    return {"json_format": body, "content_type": "application/problem+json"}
