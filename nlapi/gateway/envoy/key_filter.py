"""The filter that verifies routing keys: public keys by ECDS, claims as headers that no client can set."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from nlapi.gateway.envoy.documents import Json, JsonObject, duration, typed
from nlapi.gateway.envoy.health import READY_PATH
from nlapi.gateway.envoy.routes import CELL_CLAIM, CONTEXT_CLAIM, KEY_HEADER, OBJECTIVE_CLAIM, claim_header

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

    `claims` are those that something after it needs, beside objective, cell and context. Each takes 2 % of a plain
    Envoy's instructions.
    """
    headers: list[Json] = [
        {"header_name": claim_header(claim), "claim_name": claim}
        for claim in sorted({OBJECTIVE_CLAIM, CELL_CLAIM, CONTEXT_CLAIM, *claims})
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
