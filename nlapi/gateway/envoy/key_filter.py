"""The filter that verifies routing keys: public keys by ECDS, claims as headers that no client can set."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from nlapi.gateway.envoy.documents import Json, JsonObject, duration, typed
from nlapi.gateway.envoy.health import READY_PATH
from nlapi.gateway.envoy.routes import CELL_HEADER, CLIENT_HEADER, KEY_HEADER, OBJECTIVE_HEADER

JWT_MESSAGE = "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication"
KEY_FILTER = "routing-keys"
METADATA_NAMESPACE = "envoy.filters.http.jwt_authn"
CLAIMS = "key"
"""the name of the verified claims in the metadata of a request"""

# Verified keys that each worker of Envoy remembers: ES256 costs 4 us with the cache, and 50 without. Of 10,000 keys in
# turn, a cache of 4,096 has none when it is asked for.
CACHED_KEYS = 16_384
CLOCK_SKEW_S = 5


def claim_key(name: str) -> JsonObject:
    """Return where a claim of the verified key stands in the metadata of a request."""
    return {"key": METADATA_NAMESPACE, "path": [{"key": CLAIMS}, {"key": name}]}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimUse:
    """What later filters need of the claims of a key, beside its objective and cell."""

    in_metadata: bool
    """all of them as metadata, for logs, spans and the limits of each Envoy; copying costs 14 % of a plain Envoy"""
    client_header: bool
    """the client as a header: for limits over all Envoys"""


def key_filter(
    public_keys: Mapping[str, object], *, issuer: str, audience: str, max_lifetime_s: float, use: ClaimUse
) -> JsonObject:
    """Return the ECDS resource that verifies routing keys by a JWK set of public keys."""
    claims: list[Json] = [
        {"header_name": OBJECTIVE_HEADER, "claim_name": "objective"},
        {"header_name": CELL_HEADER, "claim_name": "cell"},
    ]
    if use.client_header:
        claims.append({"header_name": CLIENT_HEADER, "claim_name": "client"})
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
        "claim_to_headers": claims,
        # The objective and the cell stand in the claims: the routes are looked up after the key is verified.
        "clear_route_cache": True,
        "jwt_cache_config": {"jwt_cache_size": CACHED_KEYS},
    }
    if use.in_metadata:
        provider["payload_in_metadata"] = CLAIMS
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
